//! The clocks: milliseconds since this program was started, which never go back, and the processor time
//! that it has used since.

use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant as StdInstant};
use supervisor::time::Instant;

/// Reads CLOCK_MONOTONIC and CLOCK_PROCESS_CPUTIME_ID, clock_gettime(2).
pub struct Clock {
    origin: StdInstant,
    /// What the process had used before: the kernel starts PID 1 as a thread of its own, and all its
    /// work up to the execve counts.
    used_before: u64,
}

impl Clock {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self { origin: StdInstant::now(), used_before: used_ms() }
    }

    /// Now.
    pub fn now(&self) -> Instant {
        let ms = self.origin.elapsed().as_millis();
        Instant::from_ms(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    /// Milliseconds that the processor has worked for this program.
    pub fn used_ms(&self) -> u64 {
        used_ms().saturating_sub(self.used_before)
    }
}

fn used_ms() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    time.map_or(0, |time| u64::try_from(Duration::from(time).as_millis()).unwrap_or(u64::MAX))
}
