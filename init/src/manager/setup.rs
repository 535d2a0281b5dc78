//! What a manager is given: the database, and what differs between a machine and `jamb supervise`.

use super::{Guard, Paths, Report};
use crate::{clock::Clock, handover::Handover};
use core::ffi::c_int;
use rc::{db::Database, engine::Graph, model::ServiceId, proto::Ending};
use rustix::fd::OwnedFd;
use supervisor::{spawn::Spawner, time::Instant};

/// What signals mean; the rest of them are ignored or at their default.
pub type Meaning = fn(c_int) -> Option<Wish>;

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// Children may have died.
    Reap,
    /// An orderly end.
    End(Ending),
}

/// How it is set up.
pub struct Setup {
    /// The clock, which began with the program.
    pub clock: Clock,
    /// The services.
    pub database: Database,
    /// A memfd with the database as it was read.
    pub stored: OwnedFd,
    /// The engine's half of them.
    pub graph: Graph,
    /// Where things are.
    pub paths: Paths,
    /// Its voice.
    pub report: Report,
    /// The signals it listens to, and what they mean.
    pub signals: &'static [c_int],
    /// See there.
    pub meaning: Meaning,
    /// What is started at first.
    pub target: Option<ServiceId>,
    /// Whether the collector copies all lines to the console.
    pub log_to_console: bool,
    /// Whether jamb has protected itself from the out-of-memory killer.
    pub oom_protected: bool,
    /// A program of the machine itself: the rescue shell.
    pub attendant: Option<Box<dyn Attendant>>,
    /// Makes the rescue shell when a service asks for it, if this is a machine that has one.
    pub rescue: Option<Rescue>,
    /// The watchdog of the hardware, if it is used.
    pub guard: Option<Guard>,
    /// How the next program is called, but for what it has to take over.
    pub line: Vec<String>,
    /// What the program before left.
    pub handover: Option<Handover>,
}

/// Makes the attendant that rescues a machine, for the reason given.
pub type Rescue = Box<dyn Fn(String, &mut Report) -> Box<dyn Attendant>>;

/// Somebody outside the services who has a child process of their own to keep.
pub trait Attendant {
    /// Called when it may be time to start it; answers when to ask again.
    fn tend(&mut self, now: Instant, spawner: &mut Spawner, report: &mut Report)
    -> Option<Instant>;
    /// Its child, if one runs.
    fn pid(&self) -> Option<rustix::process::Pid>;
    /// The program before started this child for it.
    fn take_over(&mut self, pid: rustix::process::Pid);
    /// A child died; answers whether it was this one's.
    fn exited(&mut self, now: Instant, pid: rustix::process::Pid, report: &mut Report) -> bool;
}
