//! Numbers as people and files write them: decimal digits. The standard library makes another reader for
//! each type of number; here all go through one, and who needs a smaller type converts.

use crate::cut;
use core::time::Duration;

/// Digits of a fraction of a second that count.
const NANOSECOND_DIGITS: u32 = 9;

/// The number that the text is, as `str::parse` reads it: digits, perhaps after a plus. `None` if it is
/// something else, or too large.
#[must_use]
pub fn number<T: TryFrom<u64>>(text: &str) -> Option<T> {
    T::try_from(unsigned(text)?).ok()
}

#[inline(never)]
fn unsigned(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('+').unwrap_or(text).as_bytes();
    let mut value = 0u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    (!digits.is_empty()).then_some(value)
}

/// The same with a minus where there may be one.
#[must_use]
pub fn signed(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        // A plus after the minus is none.
        Some(rest) if !rest.starts_with('+') => 0i64.checked_sub_unsigned(unsigned(rest)?),
        Some(_) => None,
        None => number(text),
    }
}

/// A span of time in decimal seconds, `5`, `0.5`, `.25`, or with a unit: `45s`, `2m`, `1h`, `1d`. What comes after
/// nanoseconds does not count.
#[must_use]
pub fn span(text: &str) -> Option<Duration> {
    with_unit(text).map_or_else(|| seconds(text), |seconds| Some(Duration::from_secs(seconds)))
}

/// The seconds of a number with a unit.
#[must_use]
pub fn with_unit(text: &str) -> Option<u64> {
    let (unit, digits) = text.as_bytes().split_last()?;
    let seconds = match unit {
        b's' => 1,
        b'm' => 60,
        b'h' => 3600,
        b'd' => 86_400,
        _ => return None,
    };
    if !digits.first()?.is_ascii_digit() {
        return None;
    }
    unsigned(&text[..digits.len()])?.checked_mul(seconds)
}

fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = cut::first(text, b'.').unwrap_or((text, ""));
    if whole.starts_with('+') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole: u32 = if whole.is_empty() { 0 } else { number(whole)? };
    let mut nanoseconds = 0u32;
    let mut place = 10u32.pow(NANOSECOND_DIGITS);
    for byte in fraction.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        place /= 10;
        nanoseconds += u32::from(byte - b'0') * place;
    }
    Some(Duration::new(whole.into(), nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_standard_library_does() {
        for text in [
            "",
            "0",
            "7",
            "007",
            "+7",
            "-7",
            "-0",
            "+",
            "-",
            "+-7",
            "-+7",
            "--7",
            "++7",
            " 7",
            "7 ",
            "1e3",
            "0x7",
            "٣",
            "255",
            "256",
            "65535",
            "65536",
            "4294967295",
            "4294967296",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "-9223372036854775809",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999999",
        ] {
            assert_eq!(signed(text), text.parse().ok(), "{text}");
            assert_eq!(number::<u64>(text), text.parse().ok(), "{text}");
            assert_eq!(number::<u32>(text), text.parse().ok(), "{text}");
            assert_eq!(number::<u8>(text), text.parse().ok(), "{text}");
            // A sign is for signed numbers only.
            let positive = text.parse().ok().filter(|_| !text.starts_with('-'));
            assert_eq!(number::<i32>(text), positive, "{text}");
        }
    }

    #[test]
    fn seconds_are_decimal() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("0.5", 500_000_000),
            (".25", 250_000_000),
            ("3.", 3_000_000_000),
            ("1.0000000019", 1_000_000_001),
            ("4294967295", 4_294_967_295_000_000_000),
        ] {
            assert_eq!(span(text), Some(Duration::from_nanos(nanoseconds)), "{text}");
        }
        for text in
            ["", ".", "-1", "+1", "1e3", "1.5.2", "1.+5", "5w", "inf", "4294967296", "0,5", "٣"]
        {
            assert_eq!(span(text), None, "{text}");
        }
    }

    #[test]
    fn spans_may_have_a_unit() {
        for (text, seconds) in
            [("45s", 45), ("2m", 120), ("1h", 3600), ("1d", 86_400), ("4294967296s", 1 << 32)]
        {
            assert_eq!(span(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["s", "ms", "5ms", "5 s", "5ss", "-5s", "+5s", "1.5h", "99999999999999999d"] {
            assert_eq!(span(text), None, "{text}");
        }
    }
}
