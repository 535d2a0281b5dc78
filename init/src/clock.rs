//! The one clock: milliseconds since this process began, which never go back.

use std::time::Instant as StdInstant;
use supervisor::time::Instant;

/// Reads CLOCK_MONOTONIC.
pub struct Clock {
    origin: StdInstant,
}

impl Clock {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self { origin: StdInstant::now() }
    }

    /// Now.
    pub fn now(&self) -> Instant {
        let ms = self.origin.elapsed().as_millis();
        Instant::from_ms(u64::try_from(ms).unwrap_or(u64::MAX))
    }
}
