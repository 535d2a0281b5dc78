//! Hand-over: this program is followed by another one (a newer version, or itself after a crash), and the
//! services do not notice. What the next one has to know is in memory that survives ([`area`]), written
//! record by record ([`ledger`], [`state`]); [`crash`] is the way from one to the other.
//!
//! Nothing here decides what is recorded or when; the manager does, in `keep.rs` and `resume.rs`.

pub mod area;
mod check;
pub mod crash;
mod degraded;
pub mod ledger;
pub mod next;
pub mod point;
pub mod state;

pub use check::{CAN, main as check_main};
pub use degraded::{TIME as DEGRADED, end_children, wait as wait_degraded};

use crate::{clock::Clock, file, inherit, supervise::Loaded};
use area::{Area, Header, phase};
use core::sync::atomic::Ordering::Relaxed;
use ledger::Legacy;
use rc::{
    db::Database,
    engine::{Engine, Graph, Origin, SAVED, origins},
    model::ServiceId,
};
use rustix::{fd::RawFd, fs::OFlags, io::Errno};
use state::{Fixed, Shell};
use std::{
    ffi::CString,
    os::fd::{AsFd, OwnedFd},
};
use supervisor::{
    problem::{Problem, problem},
    time::Millis,
};

/// The option behind which the next program is told the number of the memfd.
pub const OPTION: &str = "--handover";
/// Its name without the dashes.
pub const NAME: &str = "handover";
/// Five crashes within this many seconds are a loop.
pub const TOO_CLOSE_S: u32 = 60;

/// Arguments without what [`take`] looks for.
pub fn without_option(arguments: &[String]) -> Vec<String> {
    let at = arguments.iter().position(|argument| argument == OPTION);
    arguments[..at.unwrap_or(arguments.len())].to_vec()
}

/// What the program before left.
pub struct Handover {
    area: &'static Area,
    /// What does not change.
    pub fixed: Fixed,
    /// Nothing can be taken over, or it crashed too often: why, for people.
    pub degraded: Option<Problem>,
    /// It crashed: how, for people.
    pub crash: Option<String>,
    /// Somebody who is no service had a place.
    is_attended: bool,
    /// The descriptor of the hardware's watchdog, and whether its ratchet has turned.
    watchdog: Option<(i32, bool)>,
    /// The database that was to come, if all that it changes is down.
    next: Option<state::Next>,
    /// It is in use now.
    pub switched: Option<Switched>,
}

/// This program has another database than the one before.
pub struct Switched {
    /// The engine's half of the one before, for the engine that had it.
    pub graph: Option<Graph>,
    /// The memfd that has it, for who keeps it.
    pub memfd: Option<OwnedFd>,
    /// By service, where it comes from.
    pub origins: Vec<Origin>,
    /// The one before may come back, and when it does by itself.
    pub asks: bool,
    /// See there.
    pub confirm: Option<Millis>,
}

/// Takes what the program before left, if the arguments say that there was one. From then on a crash of this
/// one leads to `line` being called, which begins where this one did.
pub fn take(arguments: &[String], line: &[&str]) -> Option<Handover> {
    let at = arguments.iter().position(|argument| argument == OPTION)?;
    let area = Area::open(supervisor::decimal::number(arguments.get(at + 1)?)?)?;
    let header = area.header();
    if header.owner.load(Relaxed) != area::own_pid() {
        return None;
    }
    // Until there is another one, a crash is noted in its header.
    let area: &'static Area = Box::leak(Box::new(area));
    let header = area.header();
    let crash = crash_text(header);
    if let (Some(crash), 1) = (&crash, area::own_pid()) {
        // The kernel's log is there when nobody else takes a line, and what pstore keeps of a panic has it.
        let line = format!("jamb: crashed: {crash}\n");
        file::put(c"/dev/kmsg", OFlags::WRONLY | OFlags::NONBLOCK, 0, line.as_bytes()).ok();
    }
    header.signal.store(0, Relaxed);
    let phase = header.phase.load(Relaxed);
    let is_degraded = phase == phase::DEGRADED;
    if !is_degraded && phase != phase::AGAIN {
        header.phase.store(phase::RECOVERING, Relaxed);
    }
    // A program that is executed by its descriptor is called by its number.
    let name = CString::new(line.first().copied().unwrap_or_default()).unwrap_or_default();
    // It is only for those who look at it.
    rustix::thread::set_name(&name).ok();
    crash::install(header, line);
    for fd in area::numbers(area.kept()) {
        if !inherit::closes_on_exec(fd) {
            area::set(area.kept(), fd, false);
        }
    }
    let mut found = Handover {
        area,
        fixed: Fixed::default(),
        degraded: None,
        crash,
        is_attended: false,
        watchdog: None,
        next: None,
        switched: None,
    };
    let problem = found.check().err();
    let often = || "it crashed too often, or twice could not take over".into();
    found.degraded = is_degraded.then(often).or(problem);
    if found.degraded.is_some() {
        header.phase.store(phase::DEGRADED, Relaxed);
    }
    Some(found)
}

impl Handover {
    /// Reads what never changes; an error is for people.
    fn check(&mut self) -> Result<(), Problem> {
        let legacy = legacy(self.area)?;
        self.fixed = state::read(&legacy, state::FIXED).ok_or(DAMAGED)?;
        let (shell, _) = shell(&legacy)?;
        self.is_attended = shell.attendant.is_some();
        self.watchdog = shell.watchdog;
        self.next = shell.switch.next.filter(|next| next.is_ready);
        Ok(())
    }

    /// The clock, which goes on.
    pub const fn clock(&self) -> Clock {
        Clock::since((self.fixed.origin_ms, self.fixed.used_before_ms))
    }

    /// Why there is a rescue shell, if there was one.
    pub fn rescue(&self) -> Option<String> {
        self.is_attended.then(|| "the rescue goes on".to_owned())
    }

    /// The hardware's watchdog, which has to be fed all the time.
    pub fn take_watchdog(&mut self) -> Option<OwnedFd> {
        self.watchdog.and_then(|(fd, _)| inherit::adopt(fd))
    }

    /// Whether its ratchet has turned.
    pub fn is_armed(&self) -> bool {
        self.watchdog.is_some_and(|(_, armed)| armed)
    }

    /// Its numbers.
    pub fn header(&self) -> &'static Header {
        self.area.header()
    }

    /// The records that count.
    ///
    /// # Errors
    /// What is wrong with them, for people.
    pub fn legacy(&self) -> Result<Legacy<'static>, Problem> {
        legacy(self.area)
    }

    /// The database to use, which is the one that it used or the one that was to come, and the memfd that has
    /// it. To be asked once.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn database(&mut self) -> Result<Loaded, Problem> {
        let loaded = loaded(self.fixed.database)?;
        if loaded.0.len() != usize::from(self.fixed.services) {
            return Err(DAMAGED.into());
        }
        let Some(state::Next { database, asks, confirm, .. }) = self.next else {
            return Ok(loaded);
        };
        let next = self::loaded(database)?;
        let (former, graph, memfd) = loaded;
        self.switched = Some(Switched {
            origins: origins(&former, &next.0),
            graph: Some(graph),
            memfd: Some(memfd),
            asks,
            confirm,
        });
        Ok(next)
    }

    /// Where a service comes from.
    pub fn origin(&self, id: ServiceId) -> Origin {
        let origins = self.switched.as_ref().map(|switched| &switched.origins);
        origins.map_or(Origin::Kept(id), |all| all.get(id.index()).copied().unwrap_or(Origin::New))
    }

    /// The number that a service has which had this one, if it goes on.
    pub fn kept(&self, id: ServiceId) -> Option<ServiceId> {
        let Some(switched) = &self.switched else { return Some(id) };
        let place = switched.origins.iter().position(|origin| *origin == Origin::Kept(id))?;
        u16::try_from(place).ok().map(ServiceId)
    }

    /// Everything was taken over: what it kept and nobody took is closed, and its memory given back.
    pub fn finish(self, kept: &[core::sync::atomic::AtomicU32]) {
        for fd in area::numbers(self.area.kept()).filter(|fd| !area::is_set(kept, *fd)) {
            area::close(fd);
        }
        // The image itself was closed when it was executed.
        let former = self.header().former.load(Relaxed);
        if former >= 0 {
            area::close(former);
        }
        // The mapping stays, as handlers might still look at it; nothing is behind it any more.
        rustix::fs::ftruncate(self.area.fd(), 0).ok();
    }
}

const DAMAGED: &str = "its state is damaged";

fn legacy(area: &Area) -> Result<Legacy<'_>, Problem> {
    let header = area.header();
    let found = header.format.load(Relaxed);
    if !(state::OLDEST..=format()).contains(&found) {
        return Err(problem!("its state has format {found}, this jamb reads up to {}", format()));
    }
    let keys = state::keys(header.services.load(Relaxed) as usize);
    let counts = header.counts.load(Relaxed);
    Ok(Legacy::read(area.space(), counts, keys, found).ok_or(DAMAGED)?)
}

/// A database in a memfd that the program before had.
fn loaded(fd: i32) -> Result<Loaded, Problem> {
    let fd = inherit::adopt(fd).ok_or(DAMAGED)?;
    let (database, graph) = database(&fd)?;
    Ok((database, graph, fd))
}

/// A database in a memfd.
///
/// # Errors
/// What is wrong with it, for people.
pub fn database(fd: &OwnedFd) -> Result<(Database, Graph), Problem> {
    let size = rustix::fs::fstat(fd).map_or(0, |stat| usize::try_from(stat.st_size).unwrap_or(0));
    let mut bytes = vec![0; size.min(rc::db::MAX_LENGTH)];
    let mut read = 0;
    while let Ok(length) = rustix::io::pread(fd, &mut bytes[read..], read as u64) {
        read += length;
        if length == 0 {
            break;
        }
    }
    if bytes.is_empty() {
        return Ok((Database::empty(), Graph::empty()));
    }
    crate::supervise::understand(bytes)
}

/// The engine that goes on from the records.
///
/// # Errors
/// What is wrong with them, for people.
pub fn engine(graph: Graph, legacy: &Legacy<'_>) -> Result<Engine, Problem> {
    let mut head = Vec::new();
    state::copy(legacy, state::ENGINE, &mut head);
    let record = &mut |id, bytes: &mut Vec<u8>| state::copy(legacy, state::of_engine(id), bytes);
    Engine::restore(graph, &head, record).map_err(|error| problem!("{error}"))
}

/// The records of the manager itself, and [`next`]'s field.
///
/// # Errors
/// What is wrong with them, for people.
pub fn shell(legacy: &Legacy<'_>) -> Result<(Shell, u8), Problem> {
    let mut bytes = Vec::new();
    state::copy(legacy, state::SHELL, &mut bytes);
    let count = next::split(&mut bytes);
    Ok((supervisor::coder::decode(&bytes).ok_or(DAMAGED)?, count))
}

/// The format of the records that this program writes.
pub fn format() -> u32 {
    u32::from(SAVED) + u32::from(next::is_next())
}

/// Memory that has the database as it was read, for the next program.
///
/// # Errors
/// As memfd_create(2) and write(2) have it.
pub fn store(bytes: &[u8]) -> Result<OwnedFd, Errno> {
    file::in_memory(c"jamb-database", bytes)
}

/// How it crashed, if it did.
fn crash_text(header: &Header) -> Option<String> {
    let signal = i32::try_from(header.signal.load(Relaxed)).unwrap_or(0);
    if signal == 0 {
        return None;
    }
    let name = supervisor::signal::Signal::from_number(signal);
    let name = name.map_or("?", supervisor::signal::Signal::name);
    let place = crash::noted(&header.place);
    // A signal that a process sent has a code that is not above 0, sigaction(2).
    if header.code.load(Relaxed) <= 0 {
        return Some(format!("SIG{name} at {place:#x}"));
    }
    Some(format!("SIG{name} at {place:#x}, address {:#x}", crash::noted(&header.about)))
}

/// This very program, so that it can be executed even if its file is replaced.
///
/// # Errors
/// As open(2) has it, for the last of the places where it may be.
pub fn own_image() -> Result<OwnedFd, Errno> {
    let mut result = Err(Errno::NOENT);
    for place in [c"/proc/self/exe", c"/init", c"/sbin/init"] {
        result = open_image(place);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// A program to become.
///
/// # Errors
/// As open(2) has it.
pub fn open_image(path: &core::ffi::CStr) -> Result<OwnedFd, Errno> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

/// A number for a descriptor of ours.
pub fn number(fd: &impl AsFd) -> RawFd {
    use rustix::fd::AsRawFd as _;
    fd.as_fd().as_raw_fd()
}
