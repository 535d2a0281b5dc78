//! The words that the engine and its shell have in common: whose process it is, what is wanted and so,
//! what has to be done, and what is worth telling.

use crate::model::{OnFailure, ServiceId};
use supervisor::coder::Coded;
use supervisor::{exit::Exit, signal::Signal};

/// What a process is run for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Role {
    /// A longrun's process.
    Run,
    /// A oneshot's program at start.
    Up,
    /// A oneshot's program at stop.
    Down,
    /// What runs after each death of a longrun.
    Finish,
    /// No process: a file is being written.
    Write,
    /// Finds out whether the service is ready, or still healthy; counted within the generation.
    Check(u32),
    /// Makes the service take over what changed; see [`crate::model::Service::actions`].
    Action {
        /// Which of them.
        number: u16,
        /// Counted within the generation.
        round: u32,
    },
}

/// One run of one process. Each role happens at most once in a generation, so this names it for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub struct Incarnation {
    /// The service.
    pub service: ServiceId,
    /// How many times the service has been started, this one included.
    pub generation: u32,
    /// What it runs for.
    pub role: Role,
}

/// Whether a service is to be up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Want {
    /// It is to be up.
    Up,
    /// It is to be down.
    Down,
}

/// Why a service is failed: nothing happens until somebody starts it again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Why {
    /// It ended, and its restart policy says to leave it.
    Ended(Exit),
    /// It failed more often in a row than it may.
    TooMany(Exit),
    /// It, or its `finish`, said that another attempt is of no use.
    Permanent(Exit),
}

/// Why a run that is judged came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Cause {
    /// Its process ended by itself, or never began.
    Itself,
    /// It was not, or could never be, ready in time.
    NotReady,
    /// Its health checks failed.
    Unhealthy,
    /// It did not say in time that it still works.
    Watchdog,
    /// Its `finish` said that another attempt is of no use.
    Hopeless,
}

/// The state's name, as people see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Phase {
    /// Not running and not wanted.
    Down,
    /// Wanted; something that it needs is missing.
    Waiting,
    /// Running, not yet ready.
    Starting,
    /// Up.
    Ready,
    /// On its way down.
    Stopping,
    /// It failed and is started again later.
    Backoff,
    /// It failed and is left alone.
    Failed,
}

impl Phase {
    /// Its name in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
            Self::Backoff => "backoff",
            Self::Failed => "failed",
        }
    }
}

/// What the shell has to do. The order matters: outputs are on disk before their readers start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Action {
    /// Start the process of this incarnation; report `Spawned`, later `Exited`.
    Spawn(Incarnation),
    /// Send the signal to the process group of this incarnation.
    Signal(Incarnation, Signal),
    /// Render and write the file; report `Written`.
    Write(Incarnation),
    /// Remove the file.
    Remove(ServiceId),
    /// The values of this service changed: make them visible as one new generation.
    Publish(ServiceId),
    /// This service went down: remove its values.
    Withdraw(ServiceId),
    /// The service failed for good: reboot, or offer a rescue shell.
    Escalate(ServiceId, OnFailure),
    /// Tell those who follow events, and the log.
    Notice(Notice),
    /// The shutdown's orderly part is over; anything still running may be killed.
    AllStopped,
}

/// Something worth telling.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Notice {
    /// A service changed its state.
    Changed {
        /// Which.
        service: ServiceId,
        /// The state before.
        from: Phase,
        /// The state now.
        to: Phase,
    },
    /// A process ended.
    Exited {
        /// Which.
        incarnation: Incarnation,
        /// How.
        exit: Exit,
        /// Whether it was stopped because it took too long.
        timed_out: bool,
    },
    /// The boot target is ready, or everything that it still lacks has failed for now.
    Settled {
        /// Whether it is ready.
        ready: bool,
    },
    /// The engine found itself in a state that must not be; a defect to report.
    Bug {
        /// Where.
        service: ServiceId,
    },
}
