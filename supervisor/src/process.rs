//! The life of one process as a state machine: running, told to end, killed, gone.
//!
//! Input is what the shell observed (spawned, exited, time passed); output is the signal to send, if
//! any. It never knows pids: the shell maps an incarnation to its process group.
//!
//! | state | stop | deadline | exited |
//! |---|---|---|---|
//! | Running | Terminating, send `down-signal` then CONT | Terminating (timed out), same | Gone |
//! | Terminating | – | Killing, send KILL | Gone |
//! | Killing | – | Stuck (an uninterruptible sleep); KILL again | Gone |
//! | Stuck | – | – | Gone |

use crate::coder::Coded;
use crate::{
    signal::Signal,
    time::{Instant, Millis},
};

/// After SIGKILL the kernel ends a process as soon as it leaves the system call that it is in. One
/// that takes longer than this waits for hardware or a dead server; others must not wait for it.
pub const KILL_GRACE: Millis = Millis::from_secs(3);

/// How a process is asked to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StopPolicy {
    /// The first signal.
    pub signal: Signal,
    /// How long the process has after it before SIGKILL.
    pub grace: Millis,
}

impl Default for StopPolicy {
    fn default() -> Self {
        Self { signal: Signal::Term, grace: Millis::from_secs(10) }
    }
}

/// Where the process is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
enum Phase {
    Running { timeout: Option<Instant> },
    Terminating { kill_at: Instant },
    Killing { stuck_at: Instant },
    Stuck,
}

/// One live process. It exists from the spawn to the exit; afterwards it is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub struct Process {
    phase: Phase,
    timed_out: bool,
}

/// A signal for the whole process group of the incarnation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendSignal(pub Signal);

impl Process {
    /// A process that was just spawned and must have been released from its timeout by
    /// [`Self::clear_timeout`], or have exited, at `timeout`.
    #[must_use]
    pub const fn started(timeout: Option<Instant>) -> Self {
        Self { phase: Phase::Running { timeout }, timed_out: false }
    }

    /// When [`Self::handle_deadline`] wants to be called; `None` only where the wait is for the
    /// process itself (running without a timeout) or for the kernel (stuck).
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running { timeout } => timeout,
            Phase::Terminating { kill_at } => Some(kill_at),
            Phase::Killing { stuck_at } => Some(stuck_at),
            Phase::Stuck => None,
        }
    }

    /// Whether it has not been told to end.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }

    /// Whether it survived SIGKILL for [`KILL_GRACE`].
    #[must_use]
    pub const fn is_stuck(&self) -> bool {
        matches!(self.phase, Phase::Stuck)
    }

    /// Whether its end was caused by its timeout.
    #[must_use]
    pub const fn timed_out(&self) -> bool {
        self.timed_out
    }

    /// It did in time what the timeout was for (it became ready).
    pub fn clear_timeout(&mut self) {
        if let Phase::Running { timeout } = &mut self.phase {
            *timeout = None;
        }
    }

    /// It has to do something anew by then.
    pub fn set_timeout(&mut self, until: Option<Instant>) {
        if let Phase::Running { timeout } = &mut self.phase {
            *timeout = until;
        }
    }

    /// It asked for more time: its timeout, or the end of its grace, is not before `until`.
    pub fn extend(&mut self, until: Instant) {
        match &mut self.phase {
            Phase::Running { timeout: Some(at) } | Phase::Terminating { kill_at: at } => {
                *at = (*at).max(until);
            }
            Phase::Running { timeout: None } | Phase::Killing { .. } | Phase::Stuck => {}
        }
    }

    /// Asks it to end because it did not do in time what it has to do.
    pub fn expire(&mut self, now: Instant, policy: StopPolicy) -> Option<SendSignal> {
        let signal = self.stop(now, policy);
        self.timed_out |= signal.is_some();
        signal
    }

    /// Asks it to end. Nothing happens if it has been asked already.
    pub fn stop(&mut self, now: Instant, policy: StopPolicy) -> Option<SendSignal> {
        if !self.is_running() {
            return None;
        }
        self.phase = if policy.signal == Signal::Kill {
            Phase::Killing { stuck_at: now.after(KILL_GRACE) }
        } else {
            Phase::Terminating { kill_at: now.after(policy.grace) }
        };
        Some(SendSignal(policy.signal))
    }

    /// Kills it without waiting for its grace.
    pub fn kill(&mut self, now: Instant) -> Option<SendSignal> {
        if matches!(self.phase, Phase::Killing { .. } | Phase::Stuck) {
            return None;
        }
        self.phase = Phase::Killing { stuck_at: now.after(KILL_GRACE) };
        Some(SendSignal(Signal::Kill))
    }

    /// Its deadline may have passed; escalates if so. Early calls do nothing.
    pub fn handle_deadline(&mut self, now: Instant, policy: StopPolicy) -> Option<SendSignal> {
        if self.deadline().is_none_or(|at| now < at) {
            return None;
        }
        match self.phase {
            Phase::Running { .. } => self.expire(now, policy),
            Phase::Terminating { .. } => self.kill(now),
            Phase::Killing { .. } => {
                self.phase = Phase::Stuck;
                Some(SendSignal(Signal::Kill))
            }
            Phase::Stuck => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Instant = Instant::from_ms;
    const POLICY: StopPolicy = StopPolicy { signal: Signal::Int, grace: Millis(500) };

    #[test]
    fn a_stop_escalates_to_kill_and_then_gives_up_waiting() {
        let mut p = Process::started(None);
        assert_eq!(p.deadline(), None);
        assert_eq!(p.stop(AT(1000), POLICY), Some(SendSignal(Signal::Int)));
        assert_eq!(p.stop(AT(1001), POLICY), None);
        assert_eq!(p.handle_deadline(AT(1499), POLICY), None);
        assert_eq!(p.handle_deadline(AT(1500), POLICY), Some(SendSignal(Signal::Kill)));
        assert!(!p.is_stuck());
        assert_eq!(p.handle_deadline(AT(4500), POLICY), Some(SendSignal(Signal::Kill)));
        assert!(p.is_stuck());
        assert_eq!(p.deadline(), None);
        assert_eq!(p.handle_deadline(AT(99_999), POLICY), None);
    }

    #[test]
    fn a_timeout_stops_it_unless_it_was_cleared() {
        let mut p = Process::started(Some(AT(100)));
        assert_eq!(p.handle_deadline(AT(100), POLICY), Some(SendSignal(Signal::Int)));
        assert!(p.timed_out());
        let mut p = Process::started(Some(AT(100)));
        p.clear_timeout();
        assert_eq!(p.handle_deadline(AT(100), POLICY), None);
        assert!(!p.timed_out());
        p.set_timeout(Some(AT(300)));
        assert_eq!(p.handle_deadline(AT(200), POLICY), None);
        assert!(p.handle_deadline(AT(300), POLICY).is_some());
        p.extend(AT(900));
        p.extend(AT(850));
        assert_eq!(p.deadline(), Some(AT(900)), "it asked for time to end");
    }

    #[test]
    fn killing_twice_sends_one_signal() {
        let mut p = Process::started(None);
        let kill = StopPolicy { signal: Signal::Kill, grace: Millis(0) };
        assert_eq!(p.stop(AT(0), kill), Some(SendSignal(Signal::Kill)));
        assert_eq!(p.kill(AT(1)), None);
        assert_eq!(p.deadline(), Some(AT(3000)));
    }
}
