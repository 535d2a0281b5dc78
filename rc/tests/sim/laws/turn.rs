//! What the laws remember of one process, of one stop, and of the present turn.

use rc::{
    Exit, Instant, Millis,
    engine::{Event, Incarnation, Phase},
};
use std::collections::BTreeSet;

/// A process, from its spawn to the report of its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live {
    pub run: Incarnation,
    /// When it is told to end because it took too long.
    pub timeout: Option<Instant>,
    pub told: Option<Instant>,
    pub killed: Option<Instant>,
    pub stuck: bool,
    /// It asked for time until then.
    pub more: Option<Instant>,
    /// Whether it was told to end because it took too long; when all is killed, nobody asks.
    pub late: Option<bool>,
}

impl Live {
    /// When something is done about it next, if nothing happens before.
    pub fn due(&self, grace: Millis) -> Option<Instant> {
        match (self.told, self.killed) {
            (None, _) => self.timeout,
            (Some(told), None) => Some(told.after(grace)).max(self.more),
            (_, Some(killed)) => (!self.stuck).then(|| killed.after(Millis(3000))),
        }
    }
}

/// What follows when a service that is stopping is down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Judgement {
    /// It was stopped, not failed.
    Free,
    /// It failed: how it ended, and how long it had been ready.
    Failed(Option<Exit>, Option<u64>),
}

/// What happened in the present turn.
#[derive(Clone, Default)]
pub(super) struct Turn {
    pub event: Option<Event>,
    /// The event is of a live run.
    pub fresh: bool,
    /// The process that is dead now, until its end is told.
    pub dead: Option<Incarnation>,
    /// Whether it took too long.
    pub late: Option<bool>,
    /// Every phase that a service entered.
    pub entered: Vec<(usize, Phase)>,
    /// Services that left ready.
    pub left_ready: BTreeSet<usize>,
    /// Services that began to stop by our will, not because they failed.
    pub ended_by_will: BTreeSet<usize>,
    /// Services that were stopped from starting or ready, and from which.
    pub stopped: Vec<(usize, Phase)>,
    pub spawned: Vec<Incarnation>,
    /// Services that began a new run.
    pub begun: BTreeSet<usize>,
    pub written: Vec<Incarnation>,
    pub signalled: Vec<usize>,
    pub published: BTreeSet<usize>,
    pub withdrawn: BTreeSet<usize>,
    pub settled: Option<bool>,
    pub actions: usize,
    /// The phases before it.
    pub at_first: Vec<Phase>,
    /// The orderly part of a shutdown ended in it.
    pub crossing: bool,
    /// Who was asked to restart by command, or by an action that failed.
    pub bounced: BTreeSet<usize>,
    /// Who was asked to restart by command while up.
    pub restarts: Vec<usize>,
    /// Who has to restart for what it missed while it was held up.
    pub released: Option<usize>,
    /// Whose start was to be forgiven.
    pub forgiven: BTreeSet<usize>,
    /// The end of something beside a service, and whether it had to be killed.
    pub beside: Option<(Incarnation, Exit, bool)>,
    /// A check found it ready.
    pub told_ready: Option<usize>,
    /// Who failed its checks, or was silent.
    pub given_up: BTreeSet<usize>,
    pub barked: BTreeSet<usize>,
    /// Actions that have to run, and those that do.
    pub actions_due: BTreeSet<(usize, u16)>,
    pub acted: BTreeSet<(usize, u16)>,
    /// Who has to reload by command.
    pub reloaded: Option<usize>,
    pub escalated: BTreeSet<usize>,
    pub escalations_due: BTreeSet<usize>,
    /// Who is to be started because of a failure for good.
    pub starts: Vec<usize>,
    /// What is wanted, and dormant, at its end.
    pub wants_before: Vec<bool>,
    /// Who changes its phase in it.
    pub moves: BTreeSet<usize>,
    /// Whose failure for good starts others just now.
    pub starter: Option<usize>,
    /// Who was blocked before it.
    pub blocked_before: Vec<bool>,
    /// Whose check (or action) was killed.
    pub killed: BTreeSet<(usize, bool)>,
    pub wants_after: Vec<bool>,
    pub dormant_after: Vec<bool>,
    pub barred_after: Vec<bool>,
}
