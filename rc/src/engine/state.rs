//! The changing half of the engine: what each service is doing, state by state, and what it remembers.

use super::words::{Cause, Phase, Role, Want, Why};
use supervisor::coder::Coded;
use supervisor::{
    exit::Exit,
    process::Process,
    time::{Instant, Millis},
};

/// What somebody asked of a service by command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub(super) enum Ask {
    /// Nothing: it is up if something that is up reaches it.
    Nothing,
    /// To be up.
    Up,
    /// To be down, whatever reaches it.
    Down,
}

/// Where a stop stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub(super) enum Step {
    /// What depends on it has to be down first. Its own process, if it has one, still runs.
    Draining(Option<Process>),
    /// Its process was told to end.
    Ending(Process),
    /// Its `down` or `finish` runs.
    Cleanup(Role, Process),
}

/// What follows a stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub(super) enum Then {
    /// The stop was ours: it may start again at once.
    Free,
    /// It died or failed to start: its policy decides.
    Judge {
        /// How it ended.
        exit: Exit,
        /// How long it had been ready, in milliseconds; `None`: it was not ready.
        ready_ms: Option<u64>,
        /// What ended it.
        cause: Cause,
    },
}

impl Then {
    /// It is told to end because it was not, or could never be, ready in time. How it ends is not
    /// known yet.
    pub(super) const NOT_READY: Self =
        Self::Judge { exit: Exit::Code(0), ready_ms: None, cause: Cause::NotReady };
}

/// What is so. What is valid in one state only lives in that state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub(super) enum State {
    Down,
    /// Wanted, but something is missing. `blocked`: and what is missing has failed.
    Waiting {
        blocked: bool,
    },
    /// On its way to ready. No process: a file is being written.
    Starting(Option<Process>),
    /// Up. No process: a oneshot, a bundle or a file.
    Ready(Option<Process>),
    Stopping(Step, Then),
    Backoff {
        until: Instant,
    },
    Failed(Why),
}

impl State {
    pub(super) const fn phase(&self) -> Phase {
        match self {
            Self::Down => Phase::Down,
            Self::Waiting { .. } => Phase::Waiting,
            Self::Starting(_) => Phase::Starting,
            Self::Ready(_) => Phase::Ready,
            Self::Stopping(..) => Phase::Stopping,
            Self::Backoff { .. } => Phase::Backoff,
            Self::Failed(_) => Phase::Failed,
        }
    }

    /// Whether something of it may still be running. What is stuck in the kernel does not count:
    /// others must not wait for it.
    pub(super) const fn is_active(&self) -> bool {
        match self {
            Self::Starting(_) | Self::Ready(_) => true,
            Self::Stopping(Step::Ending(process) | Step::Cleanup(_, process), _) => {
                !process.is_stuck()
            }
            Self::Stopping(Step::Draining(_), _) => true,
            _ => false,
        }
    }

    /// Whether it may be of use: starting or ready.
    pub(super) const fn is_up(&self) -> bool {
        matches!(self, Self::Starting(_) | Self::Ready(_))
    }

    /// Whether a process or effect of it exists, even one that is stuck in the kernel.
    pub(super) const fn is_present(&self) -> bool {
        matches!(self, Self::Starting(_) | Self::Ready(_) | Self::Stopping(..))
    }

    /// Whether it is ready, or will not be so soon: those who only want it go on.
    pub(super) const fn is_settled(&self) -> bool {
        match self {
            Self::Down | Self::Ready(_) | Self::Backoff { .. } | Self::Failed(_) => true,
            Self::Waiting { blocked } => *blocked,
            Self::Starting(_) => false,
            Self::Stopping(..) => !self.is_active(),
        }
    }

    pub(super) const fn process(&self) -> Option<&Process> {
        match self {
            Self::Starting(Some(process))
            | Self::Ready(Some(process))
            | Self::Stopping(
                Step::Draining(Some(process)) | Step::Ending(process) | Step::Cleanup(_, process),
                _,
            ) => Some(process),
            _ => None,
        }
    }

    pub(super) const fn process_mut(&mut self) -> Option<&mut Process> {
        match self {
            Self::Starting(Some(process))
            | Self::Ready(Some(process))
            | Self::Stopping(
                Step::Draining(Some(process)) | Step::Ending(process) | Step::Cleanup(_, process),
                _,
            ) => Some(process),
            _ => None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Backoff { until } => Some(*until),
            other => other.process().and_then(Process::deadline),
        }
    }
}

/// Everything about one service that changes. What only few services have is in [`Side`].
#[derive(Clone, Debug, Coded)]
pub(super) struct Dynamic {
    pub state: State,
    pub want: Want,
    pub ask: Ask,
    /// How many times it has been started.
    pub generation: u32,
    /// When the state last changed.
    pub since: Instant,
    /// Failed attempts in a row.
    pub failures: u32,
    /// It does not start before this, because of its last failure or flap, whatever it was meanwhile.
    pub not_before: Instant,
    /// It is to be stopped and started again.
    pub restart: bool,
    pub last_exit: Option<Exit>,
    /// What it publishes, in the order of its outputs.
    pub values: Vec<Option<String>>,
    /// What it was started with, in the order of its reads.
    pub bound: Vec<Option<String>>,
    /// `bound` has changed since it published what follows from it.
    pub rebound: bool,
    /// Grows when what it stands for is new: a new start, or other content of a file.
    pub revision: u32,
    /// The revisions that it has acted upon, in the order of its edges.
    pub seen: Vec<u32>,
    /// Held up or down by command.
    pub pin: Option<Want>,
    /// It is to be down for good, as another database has it otherwise or not at all.
    pub retired: bool,
    /// What the shell said last of its conditions.
    pub conditions: Vec<bool>,
    /// It is wanted, but cannot be up because of a condition, its own or that of a need.
    pub dormant: bool,
    /// Ends that a condition caused, in a row, without a stable run in between.
    pub flaps: u32,
    /// The next start has to wait because of them.
    pub damp: bool,
    /// It says that it is taking over its configuration anew.
    pub reloading: bool,
    /// What happens after a failure for good has happened.
    pub escalated: bool,
    pub group: Group,
    pub side: Side,
    /// Its entry in the heap of deadlines that holds; others are stale.
    pub armed: Option<Instant>,
}

/// What bundles and failovers remember of their members.
#[derive(Clone, Debug, Default, Coded)]
pub(super) struct Group {
    /// By edge: whether the bundle counts on this member, having seen it ready.
    pub counted: Vec<bool>,
    /// The position of the edge to the alternative that is used.
    pub selected: Option<u16>,
    /// Alternatives from the first to this one are wanted while none is used.
    pub reach: u16,
    /// Until then the last of them is waited for alone.
    pub patience: Option<Instant>,
}

/// What runs beside the process of a service.
#[derive(Clone, Debug, Default, Coded)]
pub(super) struct Side {
    /// The check that runs.
    pub check: Option<Process>,
    /// When the next one begins.
    pub check_at: Option<Instant>,
    /// Checks begun in this generation.
    pub checks: u32,
    /// Health checks that failed in a row.
    pub failures: u32,
    /// The action that runs.
    pub action: Option<(u16, Process)>,
    /// Actions begun in this generation.
    pub actions: u32,
    /// Actions to run afterwards, by number.
    pub pending: Vec<bool>,
    /// How often it has to say that it works, if not as its definition says.
    pub watchdog: Option<Millis>,
    /// When it has to have said so.
    pub watchdog_at: Option<Instant>,
}

impl Side {
    /// Whether no check has begun, or is to begin.
    pub(super) const fn is_unused(&self) -> bool {
        self.checks == 0 && self.check_at.is_none()
    }
}

impl Dynamic {
    /// When the engine has to look at it, if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let Side { check, check_at, action, watchdog_at, .. } = &self.side;
        let check = check.as_ref().and_then(Process::deadline);
        let action = action.as_ref().and_then(|(_, process)| process.deadline());
        let others = [*check_at, check, action, *watchdog_at, self.group.patience];
        others.into_iter().flatten().chain(self.state.deadline()).min()
    }
}
