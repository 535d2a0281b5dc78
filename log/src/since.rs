//! The `--since` of `svc log`: an age or a time. Pure; the caller says what time it is.

use crate::timestamp::{Stamp, parse, rfc3339};

/// A moment; lines before it are not shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Since(Stamp);

impl Since {
    /// Reads an age (`30s`, `10m`, `2h`, `1d`), counted back from `now` (seconds and nanoseconds since the
    /// epoch, see [`crate::timestamp::now`]), or an RFC 3339 time. `None` if it is neither.
    pub fn parse(text: &str, now: (i64, u32)) -> Option<Since> {
        if let Some((secs, nanos)) = parse(text) {
            return Some(Since(rfc3339(secs, nanos)));
        }
        let age = supervisor::decimal::with_unit(text)?;
        Some(Since(rfc3339(now.0.saturating_sub_unsigned(age), now.1)))
    }

    /// Whether a line of time `stamp` is to be shown.
    pub fn includes(&self, stamp: &Stamp) -> bool {
        *stamp >= self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_times() {
        let now = (1_795_451_149, 123_456_000);
        for (text, want) in [
            ("0s", "2026-11-23T16:25:49.123456Z"),
            ("30s", "2026-11-23T16:25:19.123456Z"),
            ("10m", "2026-11-23T16:15:49.123456Z"),
            ("2h", "2026-11-23T14:25:49.123456Z"),
            ("1d", "2026-11-22T16:25:49.123456Z"),
            ("999999999d", "0000-01-01T00:00:00.123456Z"),
            ("2026-11-23T17:00:00+01:00", "2026-11-23T16:00:00.000000Z"),
        ] {
            let since = Since::parse(text, now).unwrap();
            assert_eq!(since.0, want.as_bytes(), "{text}");
        }
        for text in ["", "s", "10", "10w", "-1s", "+1s", "1.5h", "99999999999999999999s", "\u{b5}s"]
        {
            assert_eq!(Since::parse(text, now), None, "{text}");
        }
    }
}
