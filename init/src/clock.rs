//! The clocks: milliseconds since this program was started, which never go back, and the processor time
//! that it has used since.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;
use supervisor::time::Instant;

/// Reads CLOCK_MONOTONIC and CLOCK_PROCESS_CPUTIME_ID, clock_gettime(2).
pub struct Clock {
    /// CLOCK_MONOTONIC when it began.
    origin_ms: u64,
    /// What the process had used before: the kernel starts PID 1 as a thread of its own, and all its
    /// work up to the execve counts.
    used_before: u64,
}

impl Clock {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self::since((monotonic_ms(), used_ms()))
    }

    /// The one that began when [`Self::origin`] said so, in this process.
    pub const fn since((origin_ms, used_before): (u64, u64)) -> Self {
        Self { origin_ms, used_before }
    }

    /// When it began, and how long the processor had worked by then, in milliseconds.
    pub const fn origin(&self) -> (u64, u64) {
        (self.origin_ms, self.used_before)
    }

    /// Now.
    pub fn now(&self) -> Instant {
        Instant::from_ms(monotonic_ms().saturating_sub(self.origin_ms))
    }

    /// Milliseconds that the processor has worked for this program.
    pub fn used_ms(&self) -> u64 {
        used_ms().saturating_sub(self.used_before)
    }
}

fn used_ms() -> u64 {
    read_ms(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

fn monotonic_ms() -> u64 {
    read_ms(ClockId::CLOCK_MONOTONIC)
}

fn read_ms(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.map_or(0, |time| u64::try_from(Duration::from(time).as_millis()).unwrap_or(u64::MAX))
}
