//! Whether the hardware watchdog is fed: the ratchet. Takes the time, how far boot is and how each
//! service that counts is; says whether to feed now, and when it has to be asked again. The shell owns
//! the device and does nothing else.
//!
//! While the machine boots it is fed for as long as boot gets on. Once all services that count have been
//! well together it is fed only while each of them is well, or was a grace ago: from there is no way
//! back. It must never let a machine be reset for what is outside of it: a service that sleeps for a
//! condition is excused.

use crate::model::Watchdog;
use supervisor::time::{Instant, Millis};

/// A service that was unwell is trusted again after this long, or after its health check has passed.
pub const TRUST: Millis = Millis::from_secs(10);

/// A check that is over within its bound is told within this.
const SLACK: u32 = 5000;

/// How a service that counts is, as far as can be seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// It cannot be up, or is held down, for a reason that a reset would not change.
    Excused,
    /// It is ready, and its last health check did not fail.
    Well,
    /// It is ready, and its last health check failed; there will be others.
    Doubtful,
    /// It is not ready.
    Unwell,
}

/// What follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The device is to be fed.
    Feed,
    /// It has been fed a moment ago.
    Wait,
    /// It must not be fed any longer.
    Starve(Why),
}

/// Why a machine is reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// Boot took longer than it may.
    Boot,
    /// Nothing became ready for the first time for too long.
    Stall,
    /// The service at this position among those that count has not been well for the grace.
    Need(u16),
    /// The end of the machine takes too long.
    End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Boot { until: Instant, advanced: Instant, count: u32 },
    Armed,
    Ending { until: Instant },
}

/// One service that counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Need {
    /// Since when it has not been trusted.
    bad: Option<Instant>,
    /// Since when it has been well while it is not trusted.
    well: Option<Instant>,
    /// For how long it has to be well to be trusted.
    proof: Millis,
    /// Which of its runs was seen last.
    run: Option<u32>,
}

/// The watchdog of a machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ratchet {
    every: Millis,
    grace: Millis,
    stall: Millis,
    phase: Phase,
    fed: Instant,
    needs: Vec<Need>,
    /// Whether everybody seen since the last turn was well.
    well: bool,
}

/// How long a service with such a health check has to be well before a check must have passed.
#[must_use]
pub fn proof(health: Option<(Millis, Millis)>) -> Millis {
    health.map_or(TRUST, |(every, timeout)| {
        TRUST.max(Millis(every.0.saturating_add(timeout.0).saturating_add(SLACK)))
    })
}

impl Ratchet {
    /// A machine that begins to boot.
    #[must_use]
    pub fn new(now: Instant, rule: &Watchdog) -> Self {
        let until = now.after(rule.boot);
        Self {
            every: Millis((rule.timeout.0 / 2).max(1)),
            grace: rule.grace,
            stall: rule.stall,
            phase: Phase::Boot { until, advanced: now, count: 0 },
            fed: now,
            needs: Vec::with_capacity(rule.needs.len()),
            well: true,
        }
    }

    /// One more service counts, which has to be well for `proof` to be trusted again.
    pub fn add(&mut self, now: Instant, proof: Millis) {
        self.needs.push(Need { bad: Some(now), well: None, proof, run: None });
    }

    /// The device is there, has just been fed, and resets after `timeout`.
    pub fn open(&mut self, now: Instant, timeout: Millis) {
        // A feeder that comes at half of the time may be late by the other half.
        self.every = Millis((timeout.0 / 2).max(1));
        self.fed = now;
    }

    /// The services that count have been well together, in the life of another program.
    pub fn arm(&mut self) {
        self.phase = Phase::Armed;
    }

    /// Whether the services that count have been well together once.
    #[must_use]
    pub const fn is_armed(&self) -> bool {
        !matches!(self.phase, Phase::Boot { .. })
    }

    /// The machine ends, which may take `bound`; a second call changes nothing.
    pub fn end(&mut self, now: Instant, bound: Millis) {
        if !matches!(self.phase, Phase::Ending { .. }) {
            self.phase = Phase::Ending { until: now.after(bound) };
        }
    }

    /// How the service at this position is, in which of its runs. All are told before a turn. Who is in
    /// another run than before has not been well in between, however short that was.
    pub fn see(&mut self, now: Instant, position: usize, seen: Seen, run: u32) {
        self.well &= matches!(seen, Seen::Well | Seen::Excused);
        if let Some(need) = self.needs.get_mut(position) {
            if need.run.replace(run).is_some_and(|before| before != run) {
                need.see(now, Seen::Unwell);
            }
            need.see(now, seen);
        }
    }

    /// What follows from what was seen, with so many services that have been ready so far.
    pub fn turn(&mut self, now: Instant, ready: u32) -> Verdict {
        let all_well = core::mem::replace(&mut self.well, true);
        if let Phase::Boot { advanced, count, .. } = &mut self.phase {
            if ready > *count {
                (*advanced, *count) = (now, ready);
            }
            if all_well {
                self.phase = Phase::Armed;
                self.needs.iter_mut().for_each(|need| (need.bad, need.well) = (None, None));
            }
        }
        if let Some((_, why)) = self.limit().filter(|(at, _)| *at <= now) {
            return Verdict::Starve(why);
        }
        if now < self.fed.after(self.every) {
            return Verdict::Wait;
        }
        self.fed = now;
        Verdict::Feed
    }

    /// When it has to be asked again, if nothing happens before; `None` once nothing but an event can
    /// change its mind.
    #[must_use]
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        match self.limit() {
            None => Some(self.fed.after(self.every)),
            Some((at, _)) if at > now => Some(at.min(self.fed.after(self.every))),
            // What is well again may be trusted just in time.
            Some(_) => {
                let trusted = |need: &Need| Some(need.well?.after(need.proof));
                self.needs.iter().filter_map(trusted).filter(|at| *at > now).min()
            }
        }
    }

    /// Until when it is fed as things are, and what is the matter then.
    fn limit(&self) -> Option<(Instant, Why)> {
        match self.phase {
            Phase::Boot { until, advanced, .. } => {
                let stalled = advanced.after(self.stall);
                Some(if stalled < until { (stalled, Why::Stall) } else { (until, Why::Boot) })
            }
            Phase::Armed => {
                let mut first = None;
                for (position, need) in (0..).zip(&self.needs) {
                    let Some(bad) = need.bad else { continue };
                    let at = bad.after(self.grace);
                    if first.is_none_or(|(other, _)| at < other) {
                        first = Some((at, Why::Need(position)));
                    }
                }
                first
            }
            Phase::Ending { until } => Some((until, Why::End)),
        }
    }
}

impl Need {
    fn see(&mut self, now: Instant, seen: Seen) {
        // Nothing has changed since the last look but the time.
        let is_proven = |well: Instant, proof| well.after(proof) <= now;
        if self.well.is_some_and(|well| is_proven(well, self.proof)) {
            (self.bad, self.well) = (None, None);
        }
        match seen {
            Seen::Excused => (self.bad, self.well) = (None, None),
            Seen::Well if self.bad.is_some() => drop(self.well.get_or_insert(now)),
            Seen::Well => {}
            Seen::Doubtful => self.well = None,
            Seen::Unwell => {
                self.well = None;
                self.bad.get_or_insert(now);
            }
        }
    }
}

#[cfg(test)]
mod tests;
