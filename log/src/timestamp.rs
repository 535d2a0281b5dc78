//! Civil time from and to 64-bit seconds: RFC 3339 in UTC, microseconds, fixed width.
//! Pure but for [`now`]. Never uses the C library's time functions (32-bit on some targets) and
//! never looks at a time zone.

use std::time::{SystemTime, UNIX_EPOCH};

/// Length of a formatted time in bytes: `2026-11-23T16:25:49.123456Z`.
pub const LEN: usize = 27;

/// A formatted time. All have the same width and are in UTC, so comparing bytes compares times.
pub type Stamp = [u8; LEN];

/// First second of year 0; earlier times are shown as this one.
const MIN_SECS: i64 = -62_167_219_200;
/// Last second of year 9999; later times would not fit the fixed width.
const MAX_SECS: i64 = 253_402_300_799;
const SECS_PER_DAY: i64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const EPOCH_FROM_MARCH_0: i32 = 719_468;
/// The Gregorian calendar repeats every 400 years, which are this many days.
const DAYS_PER_ERA: i32 = 146_097;

/// The wall clock: whole seconds since 1970-01-01T00:00:00Z (negative before) and nanoseconds.
pub fn now() -> (i64, u32) {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => (i64::try_from(after.as_secs()).unwrap_or(MAX_SECS), after.subsec_nanos()),
        // A clock before 1970 is a router without a battery whose clock went wrong: show the epoch.
        Err(_) => (0, 0),
    }
}

/// Formats a time as `YYYY-MM-DDTHH:MM:SS.uuuuuuZ` (RFC 3339 section 5.6, UTC).
///
/// `secs` counts from the epoch and is clamped to the years 0 to 9999; `nanos` is clamped to one
/// second and cut, not rounded, to microseconds, so that a time never moves forward.
pub fn rfc3339(secs: i64, nanos: u32) -> Stamp {
    let secs = secs.clamp(MIN_SECS, MAX_SECS);
    let days = secs.div_euclid(SECS_PER_DAY);
    // Both fit: what comes from here on is counted in 32 bits, as small processors divide in no more.
    let second = i32::try_from(secs - days * SECS_PER_DAY).unwrap_or(0);
    let (year, month, day) = civil_from_days(i32::try_from(days).unwrap_or(0));
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    put(&mut text[0..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], second / 3600);
    put(&mut text[14..16], second / 60 % 60);
    put(&mut text[17..19], second % 60);
    put(&mut text[20..26], (nanos.min(999_999_999) / 1000).cast_signed());
    text
}

/// Writes `value` in decimal into all of `field`, with leading zeros.
fn put(field: &mut [u8], mut value: i32) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (value % 10).to_le_bytes()[0];
        value /= 10;
    }
}

/// Whether `text` starts with a time that [`rfc3339`] could have written (shape only).
pub fn is_stamp(text: &[u8]) -> bool {
    const SHAPE: &Stamp = b"0000-00-00T00:00:00.000000Z";
    text.len() >= LEN
        && text.iter().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            _ => byte == shape,
        })
}

/// Reads an RFC 3339 time: `2026-11-23T16:25:49[.fraction](Z|+HH:MM|-HH:MM)`, where `T` and `Z` may be
/// lower case and `T` a space, as section 5.6 allows. Answers seconds since the epoch and nanoseconds.
pub fn parse(text: &str) -> Option<(i64, u32)> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i32> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0_i32, |sum, digit| {
            digit.is_ascii_digit().then(|| sum * 10 + i32::from(digit - b'0'))
        })
    };
    let is = |at: usize, allowed: &[u8]| bytes.get(at).is_some_and(|byte| allowed.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // Second 60 is a leap second: it counts as the first one of the next minute, like in POSIX.
    let days = days_from_civil(year, month, day);
    if civil_from_days(days) != (year, month, day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, zone) = fraction(bytes, 19)?;
    let offset = match *bytes.get(zone)? {
        b'Z' | b'z' if bytes.len() == zone + 1 => 0,
        sign @ (b'+' | b'-') if bytes.len() == zone + 6 && is(zone + 3, b":") => {
            let (hours, minutes) = (number(zone + 1, zone + 3)?, number(zone + 4, zone + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 3600 + minutes * 60) * if sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let of_day = hour * 3600 + minute * 60 + second - offset;
    Some((i64::from(days) * SECS_PER_DAY + i64::from(of_day), nanos))
}

/// Reads `.digits` at `at`, if there; answers nanoseconds and where the text goes on.
fn fraction(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    if bytes.get(at) != Some(&b'.') {
        return Some((0, at));
    }
    let digits = bytes.get(at + 1..)?;
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut unit = 100_000_000;
    let mut nanos = 0;
    for digit in digits.iter().take(count) {
        nanos += u32::from(digit - b'0') * unit;
        unit /= 10;
    }
    (count > 0).then_some((nanos, at + 1 + count))
}

/// Year, month (1 to 12) and day (1 to 31) of a day counted from 1970-01-01.
///
/// Years are counted from March here, which puts the leap day at the end of a year, so that the
/// lengths of the months before it follow one formula: (153 m + 2) / 5.
fn civil_from_days(days: i32) -> (i32, i32, i32) {
    let days = days + EPOCH_FROM_MARCH_0;
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    // Take out the leap days before this one: one each 4 years, none each 100, one each 400.
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i32::from(month <= 2), month, day)
}

/// The inverse of [`civil_from_days`]; a day past its month's end counts into the next month.
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = year - i32::from(month <= 2);
    let month_from_march = (month + 9) % 12;
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year.div_euclid(400) * DAYS_PER_ERA + day_of_era - EPOCH_FROM_MARCH_0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(secs: i64, nanos: u32) -> String {
        String::from_utf8(rfc3339(secs, nanos).to_vec()).unwrap()
    }

    #[test]
    fn known_times() {
        // Each expected value is `date -u -d @SECS +%FT%T`.
        for (secs, want) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000000Z"),
            (1_709_251_200, "2024-03-01T00:00:00.000000Z"),
            (2_147_483_647, "2038-01-19T03:14:07.000000Z"),
            (2_147_483_648, "2038-01-19T03:14:08.000000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
            (4_294_967_296, "2106-02-07T06:28:16.000000Z"),
            (13_574_563_200, "2400-02-29T00:00:00.000000Z"),
        ] {
            assert_eq!(shown(secs, 0), want);
            assert_eq!(parse(want), Some((secs, 0)));
        }
    }

    #[test]
    fn microseconds_are_cut_and_the_width_is_fixed() {
        assert_eq!(shown(1_795_451_149, 123_456_999), "2026-11-23T16:25:49.123456Z");
        assert_eq!(shown(0, 999), "1970-01-01T00:00:00.000000Z");
        assert_eq!(shown(0, u32::MAX), "1970-01-01T00:00:00.999999Z");
        assert_eq!(shown(i64::MAX, 0), "9999-12-31T23:59:59.000000Z");
        assert_eq!(shown(i64::MIN, 0), "0000-01-01T00:00:00.000000Z");
        assert!(is_stamp(&rfc3339(i64::MAX, 0)));
    }

    #[test]
    fn every_day_of_a_thousand_years_follows_the_one_before() {
        let mut expected = (1600, 1, 1);
        for day in days_from_civil(1600, 1, 1)..days_from_civil(2600, 1, 1) {
            assert_eq!(civil_from_days(day), expected);
            assert_eq!(days_from_civil(expected.0, expected.1, expected.2), day);
            let (year, month, _) = expected;
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + i32::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected.2 += 1;
            if expected.2 > length {
                expected = (year, month + 1, 1);
            }
            if expected.1 > 12 {
                expected = (year + 1, 1, 1);
            }
        }
    }

    #[test]
    fn parses_what_rfc_3339_allows_and_nothing_else() {
        let base = 1_795_451_149;
        for (text, want) in [
            ("2026-11-23T16:25:49Z", (base, 0)),
            ("2026-11-23t16:25:49.5z", (base, 500_000_000)),
            ("2026-11-23 16:25:49.123456789Z", (base, 123_456_789)),
            ("2026-11-23T17:25:49+01:00", (base, 0)),
            ("2026-11-23T10:55:49.25-05:30", (base, 250_000_000)),
            ("2026-11-23T16:25:49.0000000009Z", (base, 0)),
        ] {
            assert_eq!(parse(text), Some(want), "{text}");
        }
        for text in [
            "",
            "2026",
            "2026-11-23",
            "2026-11-23T16:25:49",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T16:60:00Z",
            "2026-11-23T16:25:49.Z",
            "2026-11-23T16:25:49Zx",
            "2026-11-23T16:25:49+0100",
            "2026-11-23T16:25:49+24:00",
            "2026-00-10T00:00:00Z",
            "2026-11-00T00:00:00Z",
            "+026-11-23T16:25:49Z",
            "2026-11-23T16:25:4\u{e9}Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
