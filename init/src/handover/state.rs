//! What survives this program, as records of the [`super::ledger`]: which there are, and their fields. Pure.
//!
//! They are written by [`supervisor::coder`], in the format that the header names. A newer format may only
//! append fields to a record, whose value in older ones is what a zero byte means: nothing, false, 0, an empty
//! list. So an older record is read by appending as many zero bytes as it lacks fields ([`lacking`]). A newer one
//! is refused: what it says more would be lost.

use super::ledger::{FIRST, Key, Legacy};
use crate::manager::Heir;
use rc::{
    engine::{Action, Event, Incarnation, Role, SAVED},
    model::ServiceId,
    proto::{Ending, Milestones},
};
use supervisor::{
    coder::{Coded, decode},
    exit::Exit,
    notify::Line,
    time::{Instant, Millis},
};

/// The engine's head.
pub const ENGINE: Key = FIRST;
/// [`Shell`].
pub const SHELL: Key = FIRST + 1;
/// [`Fixed`].
pub const FIXED: Key = FIRST + 2;
const SERVICES: Key = FIRST + 3;

/// The engine's record of a service.
pub fn of_engine(id: ServiceId) -> Key {
    SERVICES + 2 * Key::from(id.0)
}

/// The manager's record of a service: [`Service`].
pub fn of_service(id: ServiceId) -> Key {
    of_engine(id) + 1
}

/// All keys are below this.
pub fn keys(services: usize) -> usize {
    SERVICES as usize + 2 * services
}

/// What does not change while the program runs.
#[derive(Coded, Default, Clone)]
pub struct Fixed {
    /// Services in the database.
    pub services: u16,
    /// Descriptor of the database, as it was read.
    pub database: i32,
    /// When the clock began, and how much processor time had been used by then, in milliseconds.
    pub origin_ms: u64,
    pub used_before_ms: u64,
    /// The limit of open descriptors before jamb raised its own.
    pub nofile: (Option<u64>, Option<u64>),
    /// The listening socket.
    pub control: i32,
    /// The collector's map and spool.
    pub map: i32,
    pub spool: i32,
    /// Both ends of jamb's own log pipe, then of those of the services that have one.
    pub own: (i32, i32),
    pub pipes: Vec<Option<(i32, i32)>>,
}

/// The log collector.
#[derive(Coded, Default, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Collector {
    pub pid: Option<i32>,
    /// Since when it runs, or until when its start is put off.
    pub at: Instant,
    pub failures: u32,
    pub starts: u32,
}

/// What belongs to no service and changes.
#[derive(Coded, Default)]
pub struct Shell {
    pub publications: u64,
    pub settled_at: Option<Instant>,
    pub ending: Option<Ending>,
    pub stopped_at: Option<Instant>,
    pub collector: Collector,
    /// There is somebody who is no service, and this is their process, if one runs.
    pub attendant: Option<Option<i32>>,
    /// The descriptor of the hardware's watchdog, and whether its ratchet has turned.
    pub watchdog: Option<(i32, bool)>,
    /// There may be control groups.
    pub cgroups: bool,
    /// Daemons that fork.
    pub heirs: Vec<Heir>,
    /// Who asked for the end and why, and the directory of its last act.
    pub why: String,
    pub last_act: String,
    /// Other databases.
    pub switch: Switch,
}

/// Other databases than the one in use: see `manager/switch.rs`.
#[derive(Coded, Default, Clone, Copy)]
pub struct Switch {
    pub next: Option<Next>,
    /// The one before and when it comes back, as long as it may.
    pub former: Option<(i32, Option<Instant>)>,
    /// How many there have been.
    pub count: u16,
}

/// The database that is to come.
#[derive(Coded, Clone, Copy)]
pub struct Next {
    pub database: i32,
    /// The one before may come back, and when it does by itself.
    pub asks: bool,
    pub confirm: Option<Millis>,
    /// All that it changes is down: the next program uses it.
    pub is_ready: bool,
}

/// Where a service speaks up.
#[derive(Coded, Clone)]
pub struct Ear {
    pub fd: i32,
    pub run: Incarnation,
    /// The user who may send to it, if it is a socket.
    pub owner: Option<u32>,
    pub line: Line,
    pub status: String,
}

/// What the manager knows of a service.
#[derive(Coded, Default)]
pub struct Service {
    /// Role and generation, pid and process group.
    pub live: Vec<(Role, u32, i32, i32)>,
    pub ear: Option<Ear>,
    /// Descriptors that are held for it: name, whether it stored it, number.
    pub held: Vec<(String, bool, i32)>,
    pub milestones: Milestones,
    /// The number in the path of its socket, if that is not its own.
    pub socket: Option<u32>,
}

/// What the last event led to. Notices are left out: they are told once at most.
#[derive(Coded, Default)]
pub struct Journal {
    pub actions: Vec<Action>,
    /// The event was the first of those that waited.
    pub has_waited: bool,
}

/// One action was done, or none, and these events came of it.
#[derive(Coded, Default)]
pub struct Done {
    pub is_one: bool,
    pub queue: Vec<Sequel>,
}

/// An event that something which jamb did led to; it cannot be observed again.
#[derive(Coded, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sequel {
    Spawned(Incarnation),
    Exited(Incarnation, Exit),
    Written(Incarnation, Result<bool, i32>),
    Ready(Incarnation),
    Shutdown,
    ShutdownNow,
}

impl Sequel {
    /// `None` for those that come from outside.
    pub fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Spawned(run) => Self::Spawned(*run),
            Event::Exited(run, exit) => Self::Exited(*run, *exit),
            Event::Written(run, result) => Self::Written(*run, *result),
            Event::Ready(run) => Self::Ready(*run),
            Event::Shutdown => Self::Shutdown,
            Event::ShutdownNow => Self::ShutdownNow,
            _ => return None,
        })
    }
}

impl From<Sequel> for Event {
    fn from(sequel: Sequel) -> Self {
        match sequel {
            Sequel::Spawned(run) => Self::Spawned(run),
            Sequel::Exited(run, exit) => Self::Exited(run, exit),
            Sequel::Written(run, result) => Self::Written(run, result),
            Sequel::Ready(run) => Self::Ready(run),
            Sequel::Shutdown => Self::Shutdown,
            Sequel::ShutdownNow => Self::ShutdownNow,
        }
    }
}

/// The oldest format that is read.
pub const OLDEST: u32 = SAVED as u32;

/// How many fields a record of an older format lacks. Whoever appends a field raises the format, and adds it
/// here.
fn lacking(format: u32, key: Key) -> usize {
    usize::from(super::next::is_next() && format == OLDEST && key == SHELL)
}

/// Appends the latest record of a kind, as this program would have written it.
pub fn copy(legacy: &Legacy<'_>, key: Key, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(legacy.get(key));
    bytes.resize(bytes.len() + lacking(legacy.format, key), 0);
}

/// The latest record of a kind.
pub fn read<T: Coded>(legacy: &Legacy<'_>, key: Key) -> Option<T> {
    let mut bytes = Vec::new();
    copy(legacy, key, &mut bytes);
    decode(&bytes)
}
