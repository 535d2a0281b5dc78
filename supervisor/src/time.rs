//! Time as the engines see it: milliseconds of a clock that never goes back.
//!
//! The shell reads CLOCK_BOOTTIME or CLOCK_MONOTONIC and passes the reading in; nothing here, and
//! nothing that uses these types, may read a clock.

use crate::coder::Coded;

/// A point in time, in milliseconds since an origin that only the shell knows.
///
/// 64 bits of milliseconds last 584 million years, so arithmetic saturates instead of wrapping.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Coded)]
pub struct Instant {
    /// Milliseconds since the origin.
    pub ms: u64,
}

/// A span of time in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Coded, Hash)]
pub struct Millis(pub u32);

impl Instant {
    /// The instant `ms` milliseconds after the origin.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self { ms }
    }

    /// This instant moved `span` later.
    #[must_use]
    pub const fn after(self, span: Millis) -> Self {
        Self { ms: self.ms.saturating_add(span.0 as u64) }
    }

    /// Milliseconds from `earlier` to here; 0 if `earlier` is later.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.ms.saturating_sub(earlier.ms)
    }
}

impl Millis {
    /// A span of whole seconds, saturating at about 49 days.
    #[must_use]
    pub const fn from_secs(secs: u32) -> Self {
        Self(secs.saturating_mul(1000))
    }
}
