//! When a process that ended may be started again.
//!
//! The first death after a run that was worth something restarts at once; after that the delay
//! doubles from `min` to `max` until a run lasts [`STABLE_RUN`].

use crate::time::Millis;

/// A run shorter than this never earns an immediate restart, so a service that dies at once cannot
/// spin: it starts at the minimum delay.
pub const SHORT_RUN: Millis = Millis::from_secs(1);

/// A run of this length forgets earlier failures. It is long enough that a service which dies every
/// few seconds keeps backing off, and short enough that a nightly crash always restarts at once.
pub const STABLE_RUN: Millis = Millis::from_secs(10);

/// No delay after a run that earned nothing is shorter, whatever the definition says: a service that
/// cannot live must not keep the processor busy.
pub const LEAST: Millis = Millis(10);

/// The delays between attempts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// The first delay.
    pub min: Millis,
    /// The delay is never longer than this.
    pub max: Millis,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { min: Millis(100), max: Millis::from_secs(30) }
    }
}

impl Backoff {
    /// The delay before the next attempt, given how many attempts in a row have failed already and
    /// how long the last one was ready (0 if it never was). Returns the delay and the new count.
    #[must_use]
    pub fn next(self, failures: u32, ready_ms: u64) -> (Millis, u32) {
        if ready_ms >= u64::from(STABLE_RUN.0)
            || (failures == 0 && ready_ms >= u64::from(SHORT_RUN.0))
        {
            return (Millis(0), 1);
        }
        // 2^20 × 100 ms is past every sensible maximum; capping the shift keeps it defined.
        let factor = 1u32 << failures.min(20);
        let (min, max) = (self.min.0.max(LEAST.0), self.max.0.max(self.min.0).max(LEAST.0));
        (Millis(min.saturating_mul(factor).min(max)), failures.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_maximum() {
        let b = Backoff { min: Millis(100), max: Millis(1000) };
        let mut failures = 0;
        let mut delays = Vec::new();
        for _ in 0..6 {
            let (d, f) = b.next(failures, 0);
            delays.push(d.0);
            failures = f;
        }
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn nobody_may_spin() {
        let b = Backoff { min: Millis(0), max: Millis(0) };
        assert_eq!(b.next(0, 0), (LEAST, 1));
        assert_eq!(b.next(1, 999), (LEAST, 2));
        let b = Backoff { min: Millis(5), max: Millis(25) };
        let delays: Vec<_> = (0..4).map(|failures| b.next(failures, 0).0.0).collect();
        assert_eq!(delays, [10, 20, 25, 25]);
    }

    #[test]
    fn a_worthy_first_run_restarts_at_once_but_only_once() {
        let b = Backoff::default();
        assert_eq!(b.next(0, 3000), (Millis(0), 1));
        assert_eq!(b.next(1, 3000), (Millis(200), 2));
        assert_eq!(b.next(7, 10_000), (Millis(0), 1));
        assert_eq!(b.next(u32::MAX, 0).0, b.max);
    }
}
