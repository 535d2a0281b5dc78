//! What clients and PID 1 say to each other over the control socket.
//!
//! A frame is its length (u32, little-endian) and that many bytes: one byte [`VERSION`], then one
//! value ([`supervisor::coder`]), [`Request`] one way and [`Reply`] the other. A client sends one request
//! and reads its reply before the next. Long answers are paged, so no frame exceeds [`MAX_FRAME`].

mod frame;

pub use frame::{FrameError, decode, encode, frame_length};

use crate::{
    engine::{Notice, Phase, Role, Want, Why},
    model::{MAX_NAME, Relation, ServiceId},
};
use supervisor::coder::Coded;
use supervisor::{exit::Exit, signal::Signal};

/// The version of these types. Client and PID 1 are one binary, but after an upgrade the running
/// PID 1 may be older than the file that `svc` was started from.
pub const VERSION: u8 = 6;

/// The longest frame after its length, in bytes.
pub const MAX_FRAME: usize = 64 * 1024;

/// Services named in one request, at most.
pub const MAX_NAMES: usize = 256;

/// Services described in one reply, at most.
pub const PAGE: usize = 14;

/// Milestones in one reply, at most.
pub const MILESTONE_PAGE: u16 = 2048;

/// Relations in one reply, at most.
pub const EDGE_PAGE: usize = 4096;

/// Something asked of PID 1.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub enum Request {
    /// Who answers, and where things are: [`Reply::Info`].
    Info,
    /// All services from this number on: [`Reply::Status`].
    Status {
        /// The number to begin with: 0, then what the last page said.
        from: u16,
    },
    /// One service: [`Reply::Status`] with one item.
    Service {
        /// Its name.
        name: String,
    },
    /// Changes what is wanted: [`Reply::Tickets`].
    Change {
        /// How.
        verb: Verb,
        /// The services.
        names: Vec<String>,
    },
    /// Sends a signal to a service's process: [`Reply::Done`].
    Signal {
        /// The service.
        name: String,
        /// The signal.
        signal: Signal,
    },
    /// Answers when a service is where it was to be or cannot get there by itself:
    /// [`Reply::Waited`].
    Wait {
        /// The service.
        name: String,
        /// What is awaited.
        goal: Goal,
        /// Only an incarnation later than this counts; 0: any.
        after: u32,
    },
    /// Follows events: [`Reply::Event`] and [`Reply::Lost`] until the client hangs up.
    Events {
        /// The number to begin with, as far back as events are kept; 0: the next one.
        from: u64,
    },
    /// Who has to do with whom, in the order of the services: [`Reply::Edges`].
    Edges {
        /// The number of the first relation: 0, then what the last page said.
        from: u32,
    },
    /// When each service first got where, in the order of the services: [`Reply::Milestones`].
    Milestones {
        /// The number of the first service: 0, then what the last page said.
        from: u16,
    },
    /// Publishes outputs: [`Reply::Done`].
    Publish {
        /// The service that publishes.
        service: String,
        /// The generation that the publisher belongs to.
        generation: u32,
        /// Keys and their new values; `None` takes one back.
        values: Vec<(String, Option<String>)>,
        /// Whether keys that are not named are taken back too.
        replace: bool,
    },
    /// jamb executes itself anew, and the services do not notice: the connection ends.
    Reexec,
    /// The same with another version: the connection ends, or [`Reply::Refused`] says why not.
    Upgrade {
        /// The program.
        path: String,
    },
    /// Goes over to another database: the connection ends once that is in use, or [`Reply::Refused`] says why
    /// it is not.
    Switch {
        /// The database, by an absolute path.
        path: String,
        /// It goes back after this time in milliseconds, unless it is told to stay.
        confirm_ms: Option<u32>,
    },
    /// The database to which it went over is to stay: [`Reply::Done`].
    Confirm,
    /// Goes back to the database before: as with [`Request::Switch`].
    Rollback,
    /// Ends the machine, or `jamb supervise`: [`Reply::Done`].
    Shutdown {
        /// How.
        how: Ending,
        /// Without waiting for services.
        now: bool,
        /// For people, and for the one who reads after the reboot; empty if there is nothing to say.
        why: String,
        /// A directory in memory that becomes the root for a last act, with everything unmounted; empty: none.
        last_act: String,
    },
    /// How PID 1 itself is: [`Reply::Figures`].
    Selfcheck,
}

impl Request {
    /// Whether asking twice is the same as asking once: who does not know whether it was done asks again.
    #[must_use]
    pub const fn may_be_repeated(&self) -> bool {
        matches!(
            self,
            Self::Info
                | Self::Publish { .. }
                | Self::Status { .. }
                | Self::Service { .. }
                | Self::Wait { .. }
                | Self::Edges { .. }
                | Self::Milestones { .. }
                | Self::Confirm
                | Self::Selfcheck
        )
    }
}

/// How what is wanted changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Verb {
    /// Up.
    Start,
    /// Down, until somebody starts it.
    Stop,
    /// Down with its dependents, and up again.
    Restart,
    /// It takes over a changed configuration.
    Reload,
    /// Its failures are forgotten.
    Reset,
    /// It stays up or down, whatever else is asked; `None`: as it is now.
    Hold(Option<Want>),
    /// It is no longer held.
    Release,
}

/// What can be waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Goal {
    /// It is ready, after however many attempts; out of reach if it failed for good or is not wanted.
    Ready,
    /// It is ready at the first attempt; not reached once that or something that it needs failed.
    ReadyAtOnce,
    /// It is down, failed, or waiting: nothing of it runs.
    Down,
}

/// How a machine ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Ending {
    /// Starts again.
    Reboot,
    /// Power off.
    Poweroff,
    /// Stops with the power on.
    Halt,
    /// Starts the kernel that was loaded by kexec_load(2), without the firmware.
    Kexec,
}

/// What PID 1 answers.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub enum Reply {
    /// To [`Request::Info`].
    Info(Info),
    /// To [`Request::Status`].
    Status {
        /// The services, in the order of their names.
        items: Vec<Item>,
        /// The number of the next page, if there is one.
        next: Option<u16>,
    },
    /// The request was carried out.
    Done,
    /// To [`Request::Edges`].
    Edges {
        /// From which service to which, and what the other is to the first.
        edges: Vec<(ServiceId, ServiceId, Relation)>,
        /// The number of the next page, if there is one.
        next: Option<u32>,
    },
    /// To [`Request::Milestones`].
    Milestones {
        /// By service.
        list: Vec<Milestones>,
        /// The number of the next page, if there is one.
        next: Option<u16>,
    },
    /// To [`Request::Change`]: each service with the generation it had before.
    Tickets(Vec<(String, u32)>),
    /// To [`Request::Wait`]: what became of it.
    Waited {
        /// Whether the goal was reached.
        reached: bool,
        /// The service as it is now.
        item: Item,
    },
    /// Something happened.
    Event(Event),
    /// The client read too slowly: so many events were dropped.
    Lost(u64),
    /// There is no such service.
    Unknown(String),
    /// The request cannot be carried out; why, for people.
    Refused(String),
    /// To [`Request::Selfcheck`].
    Figures(Vec<Figure>),
}

/// Something that is counted in PID 1.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub struct Figure {
    /// What.
    pub name: String,
    /// How much.
    pub value: u64,
    /// More than this is a defect.
    pub bound: Option<u64>,
}

/// The database is not just the one of the boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Switching {
    /// Another one is to come, and what it changes goes down.
    Coming,
    /// It is another one than before, and was not told to stay; in how many milliseconds it goes back by itself.
    Unconfirmed(Option<u32>),
}

/// Who answers.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub struct Info {
    /// jamb's version.
    pub version: String,
    /// Its pid.
    pub pid: u32,
    /// The content id of the database, 16 bytes.
    pub database: [u8; 16],
    /// Where outputs are.
    pub outputs_dir: String,
    /// Where logs are.
    pub log_dir: String,
    /// Milliseconds since it was started.
    pub up_ms: u64,
    /// Milliseconds from its start to the boot target being settled, if it is.
    pub settled_ms: Option<u64>,
    /// Events of processes that were gone already.
    pub stale_events: u64,
    /// Broken invariants; anything but 0 is a defect.
    pub bugs: u64,
    /// How often the log collector had to be started.
    pub collector_starts: u32,
    /// Its pid, if it runs.
    pub collector_pid: Option<u32>,
    /// The shutdown in progress.
    pub ending: Option<Ending>,
    /// The watchdog of the hardware, if one is to be used.
    pub watchdog: Option<Watchdog>,
    /// How often it was executed anew on purpose.
    pub reexecs: u32,
    /// How often it crashed, and went on.
    pub crashes: u32,
    /// The file that it takes its database from when it is started.
    pub database_path: String,
    /// The number of its descriptor of the database in use.
    pub database_fd: i32,
    /// Whether it goes over to another database, or did.
    pub switching: Option<Switching>,
}

/// How the watchdog of the hardware is.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub struct Watchdog {
    /// What it does.
    pub state: DogState,
    /// When it bites.
    pub timeout_ms: u32,
    /// How long ago it was fed.
    pub fed_ms: u64,
    /// Whether the last reset of the machine was its own.
    pub has_reset: bool,
}

/// What the watchdog of the hardware does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum DogState {
    /// Its device is not there.
    Absent,
    /// It is fed while boot gets on.
    Boot,
    /// It is fed while all that counts is well.
    Armed,
    /// It is not fed; the machine will be reset.
    Starving,
}

/// What a service does, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Kind {
    /// See [`crate::model::Kind::Longrun`].
    Longrun,
    /// See [`crate::model::Kind::Oneshot`].
    Oneshot,
    /// See [`crate::model::Kind::Bundle`].
    Bundle,
    /// See [`crate::model::Kind::Failover`].
    Failover,
    /// See [`crate::model::Kind::File`].
    File,
}

/// One service as it is now.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// What is wanted.
    pub want: Want,
    /// Whether it is down because of a command.
    pub stopped_by_command: bool,
    /// What is so.
    pub phase: Phase,
    /// Its process, if it has one.
    pub pid: Option<u32>,
    /// What the process runs for.
    pub role: Option<Role>,
    /// How often it was started.
    pub generation: u32,
    /// For how long it has been in this state, in milliseconds.
    pub since_ms: u64,
    /// Failed attempts in a row.
    pub failures: u32,
    /// What it waits for: services, outputs as `service.key`, services that must be down first with
    /// [`CONFLICT`] behind them, conditions as their text; at most [`MAX_WAITING`].
    pub waiting_on: Vec<String>,
    /// How its process ended last time.
    pub last_exit: Option<Exit>,
    /// In how many milliseconds it is started again.
    pub retry_ms: Option<u64>,
    /// Why it is failed.
    pub why: Option<Why>,
    /// Whether it, or something that it needs, waits for a condition to hold.
    pub dormant: bool,
    /// Where it is held by command.
    pub pinned: Option<Want>,
    /// Whether it says that it takes over a changed configuration.
    pub reloading: bool,
    /// What it says about itself; at most [`MAX_TEXT`] bytes.
    pub status: String,
    /// Its conditions; at most [`MAX_WAITING`].
    pub conditions: Vec<Condition>,
    /// The alternative that a failover uses.
    pub selected: Option<String>,
    /// Failed health checks in a row.
    pub health_failures: u32,
    /// What else there is to know about its surroundings, for people; at most [`MAX_NOTES`] of
    /// [`MAX_TEXT`] bytes.
    pub notes: Vec<String>,
}

/// Blockers and conditions named in one [`Item`], at most.
pub const MAX_WAITING: usize = 8;

/// Notes in one [`Item`], at most.
pub const MAX_NOTES: usize = 3;

/// Follows the name of a service with which another conflicts.
pub const CONFLICT: &str = " (conflict)";

/// The longest text about a condition, or of a status, in bytes.
pub const MAX_TEXT: usize = 120;

/// A condition of a service as it is now.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub struct Condition {
    /// What it asks for, for people; at most [`MAX_TEXT`] bytes.
    pub text: String,
    /// Whether that is so.
    pub holds: bool,
    /// What is so, for people; at most half of [`MAX_TEXT`] bytes.
    pub now: String,
}

/// When a service first got where, in milliseconds since jamb was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Coded)]
pub struct Milestones {
    /// It was wanted.
    pub wanted: Option<u32>,
    /// It was started.
    pub started: Option<u32>,
    /// It was ready.
    pub ready: Option<u32>,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub struct Event {
    /// Counts from 1.
    pub number: u64,
    /// Milliseconds since jamb was started.
    pub at_ms: u64,
    /// The service that it happened to, if to one.
    pub service: String,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub enum What {
    /// The engine said so.
    Engine(Notice),
    /// A process of the service was started.
    Spawned {
        /// Its pid.
        pid: u32,
        /// What it runs for.
        role: Role,
    },
    /// The service published these keys anew.
    Outputs(Vec<String>),
    /// A shutdown began.
    Shutdown(Ending),
    /// jamb was executed anew; how often so far, because it crashed and on purpose.
    Resumed {
        /// Crashes.
        crashes: u32,
        /// On purpose.
        reexecs: u32,
    },
    /// A condition of the service holds now, or no longer.
    Condition {
        /// Its position among the service's conditions.
        index: u16,
        /// Whether it holds.
        holds: bool,
    },
}

/// Whether a request names nothing that could not exist, before anything is looked up.
#[must_use]
pub fn is_sensible(request: &Request) -> bool {
    let fits = |name: &String| name.len() <= MAX_NAME;
    match request {
        Request::Change { names, .. } => names.len() <= MAX_NAMES && names.iter().all(fits),
        Request::Service { name } | Request::Signal { name, .. } | Request::Wait { name, .. } => {
            fits(name)
        }
        Request::Publish { service, values, .. } => {
            fits(service) && values.iter().all(|(key, _)| fits(key))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_page_fits_a_frame() {
        let item = Item {
            name: "n".repeat(MAX_NAME),
            kind: Kind::Longrun,
            want: Want::Up,
            stopped_by_command: true,
            phase: Phase::Waiting,
            pid: Some(u32::MAX),
            role: Some(Role::Run),
            generation: u32::MAX,
            since_ms: u64::MAX,
            failures: u32::MAX,
            waiting_on: vec!["w".repeat(2 * MAX_NAME + 1); MAX_WAITING],
            last_exit: Some(Exit::Code(1)),
            retry_ms: Some(u64::MAX),
            why: Some(Why::TooMany(Exit::Signal(9))),
            dormant: true,
            pinned: Some(Want::Down),
            reloading: true,
            status: "s".repeat(MAX_TEXT),
            conditions: vec![
                Condition {
                    text: "t".repeat(MAX_TEXT),
                    holds: true,
                    now: "n".repeat(MAX_TEXT / 2),
                };
                MAX_WAITING
            ],
            selected: Some("s".repeat(MAX_NAME)),
            health_failures: u32::MAX,
            notes: vec!["n".repeat(MAX_TEXT); MAX_NOTES],
        };
        // The worst page: every name as long as it may be.
        let mut page = Reply::Status { items: vec![item; PAGE], next: Some(u16::MAX) };
        assert!(encode(&mut page).is_ok());
        let edge = (ServiceId(u16::MAX), ServiceId(u16::MAX), Relation::Alternative);
        let mut edges = Reply::Edges { edges: vec![edge; EDGE_PAGE], next: Some(u32::MAX) };
        assert!(encode(&mut edges).is_ok());
        let late =
            Milestones { wanted: Some(u32::MAX), started: Some(u32::MAX), ready: Some(u32::MAX) };
        let list = vec![late; usize::from(MILESTONE_PAGE)];
        assert!(encode(&mut Reply::Milestones { list, next: Some(u16::MAX) }).is_ok());
    }
}
