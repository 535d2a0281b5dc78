//! Daemons that fork: the process that goes on takes the place of the one that was started. Which one it
//! is says a pid file or `MAINPID=`; it is believed only of a process that is the service's own, and taken
//! over once it is a child of ours, so that its end is seen (PR_SET_CHILD_SUBREAPER, prctl(2)).

use super::{Manager, children::is_main};
use crate::file;
use rc::{
    engine::{Event, Incarnation, NodeKind, Phase, Role},
    model::{Body, Ready, ServiceId},
};
use rustix::{
    fs::{Mode, OFlags},
    process::{Pid, getpid},
};
use std::path::Path;
use supervisor::coder::Coded;
use supervisor::{cut, decimal, exit::Exit, signal::Signal};

/// Generations between a process and the main one that are looked at.
const ANCESTORS: usize = 16;
/// Bytes of `/proc/PID/environ` that are looked at: jamb's own variables are the first.
const ENVIRONMENT: usize = 4096;
/// Bytes of a pid file.
const PIDFILE: usize = 64;
/// Processes among which a daemon is looked for that no file has named.
const PROCESSES: usize = 4096;

/// A daemon that forks, before it is known which process goes on.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub enum Heir {
    /// `MAINPID=` named this process, which is not a child of ours yet. The present one is supervised.
    Named(Incarnation, i32),
    /// The process that was started has ended, and this file is to name the one that goes on: nothing of
    /// the incarnation is supervised now.
    Awaited(Incarnation, String),
}

impl Heir {
    /// For which incarnation.
    pub const fn run(&self) -> Incarnation {
        match self {
            Self::Named(run, _) | Self::Awaited(run, _) => *run,
        }
    }

    /// The same, to be changed.
    pub const fn run_mut(&mut self) -> &mut Incarnation {
        match self {
            Self::Named(run, _) | Self::Awaited(run, _) => run,
        }
    }

    /// The incarnation and the file, if that is what is awaited.
    pub const fn awaited(&self) -> Option<(Incarnation, &String)> {
        match self {
            Self::Named(..) => None,
            Self::Awaited(run, path) => Some((*run, path)),
        }
    }
}

/// The part of proc_pid_stat(5) that is needed.
struct Stat {
    parent: i32,
    group: i32,
    session: i32,
    is_zombie: bool,
}

/// `None` if there is no such process.
fn stat(pid: i32) -> Option<Stat> {
    let text = file::text_of(format_args!("/proc/{pid}/stat"), 512);
    // The name is in parentheses and may hold anything, parentheses included.
    let mut fields = cut::last(&text, b')')?.1.split_ascii_whitespace();
    let is_zombie = matches!(fields.next()?, "Z" | "X");
    let mut number = || decimal::number(fields.next()?);
    Some(Stat { parent: number()?, group: number()?, session: number()?, is_zombie })
}

/// The process that a process is a child of; `None` if it is gone.
pub fn parent(pid: i32) -> Option<i32> {
    stat(pid).map(|found| found.parent)
}

/// Their numbers; not all if they are many.
fn processes() -> Vec<i32> {
    let mut found = Vec::new();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(directory) = supervisor::file::open(Path::new("/proc"), flags, Mode::empty()) {
        let mut take = |name: &[u8]| {
            let number = core::str::from_utf8(name).ok().and_then(decimal::number::<i32>);
            if let (Some(number), true) = (number, found.len() < PROCESSES) {
                found.push(number);
            }
        };
        supervisor::file::each_name(directory, &mut take).ok();
    }
    found
}

impl Manager {
    /// Whether the process is one of the incarnation's; `None` if it is gone.
    pub(super) fn belongs(&self, pid: i32, run: Incarnation) -> Option<bool> {
        let main = self.children.pid_of(run).map(|pid| pid.as_raw_nonzero().get());
        if main == Some(pid) {
            return Some(true);
        }
        let found = stat(pid)?;
        if let Some(main) = main {
            if stat(main).is_some_and(|main| main.session == found.session) {
                return Some(true);
            }
            let mut parent = found.parent;
            for _ in 0..ANCESTORS {
                if parent == main {
                    return Some(true);
                }
                let Some(next) = stat(parent) else { break };
                parent = next.parent;
            }
        }
        // A daemon that left its session still has the environment that it was started with.
        Some(self.origin(pid, run) == Some(true))
    }

    /// Whether the process was started for this incarnation; `None` if that cannot be told: it may have
    /// written its title over its environment, or keep it secret.
    fn origin(&self, pid: i32, run: Incarnation) -> Option<bool> {
        let path = format!("/proc/{pid}/environ");
        let text = file::read(Path::new(&path), ENVIRONMENT).ok()?;
        let value = |key: &[u8]| text.split(|byte| *byte == 0).find_map(|v| v.strip_prefix(key));
        let service = value(b"JAMB_SERVICE=")?;
        let generation = run.generation.to_string();
        Some(
            service == self.database.name(run.service).as_bytes()
                && value(b"JAMB_GENERATION=") == Some(generation.as_bytes()),
        )
    }

    /// The pid file of a service that has one.
    pub(super) fn pidfile(&self, id: ServiceId) -> Option<String> {
        if self.engine.graph().node(id).kind() != NodeKind::Longrun(Ready::Pidfile) {
            return None;
        }
        match self.database.record(id).ok()?.body {
            Body::Longrun { pidfile, .. } => pidfile,
            _ => None,
        }
    }

    /// A process is about to be started: what an earlier one left must not be taken for its word.
    pub(super) fn remove_pidfile(&mut self, run: Incarnation) {
        self.forget_heir(run.service);
        let Some(path) = (run.role == Role::Run).then(|| self.pidfile(run.service)).flatten()
        else {
            return;
        };
        if let Err(error) = super::disk::remove(Path::new(&path)) {
            let text = format_args!("cannot remove the stale {path}: {error}; it may be believed");
            self.report.tell(self.database.name(run.service), text);
        }
    }

    fn forget_heir(&mut self, id: ServiceId) {
        self.heirs.retain(|heir| heir.run().service != id);
        self.watch_pidfiles();
    }

    /// `MAINPID=`: at once if the process is a child of ours already, else when the present one ends.
    pub(super) fn told_main_pid(&mut self, run: Incarnation, pid: i32) {
        if self.children.pid_of(run).is_some_and(|main| main.as_raw_nonzero().get() == pid) {
            return;
        }
        if self.belongs(pid, run) != Some(true) {
            let text = format_args!("MAINPID={pid} is no process of it; not believed");
            return self.report.tell(self.database.name(run.service), text);
        }
        self.forget_heir(run.service);
        if !self.adopt(run, pid) {
            self.heirs.push(Heir::Named(run, pid));
        }
    }

    /// Whether the incarnation goes on although its process ended: another one has its place, or a pid
    /// file will name it. The children of the one that ended are ours already.
    pub(super) fn passes_on(&mut self, run: Incarnation, exit: Exit) -> bool {
        if run.role != Role::Run {
            return false;
        }
        let named = self.heirs.iter().find_map(|heir| match heir {
            Heir::Named(of, pid) if *of == run => Some(*pid),
            _ => None,
        });
        if let Some(pid) = named {
            self.forget_heir(run.service);
            let goes_on = self.adopt(run, pid);
            if goes_on && self.is_stopping(run) {
                // The one before was told to end; this one has not heard of it.
                self.signal(run, Signal::Term);
            }
            return goes_on;
        }
        let starts = self.engine.view(run.service).is_some_and(|v| v.phase == Phase::Starting);
        let path = (exit.is_success() && starts).then(|| self.pidfile(run.service)).flatten();
        let Some(path) = path else { return false };
        if !self.adopt_from(run, &path) {
            self.heirs.push(Heir::Awaited(run, path));
            self.watch_pidfiles();
        }
        true
    }

    /// Something happened that may bring an heir.
    pub(super) fn look_for_heirs(&mut self) {
        for place in (0..self.heirs.len()).rev() {
            let Some((run, path)) = self.heirs[place].awaited() else { continue };
            let path = path.clone();
            if self.adopt_from(run, &path) {
                self.heirs.remove(place);
                self.watch_pidfiles();
            }
        }
    }

    /// Takes over the process that the file names, which is how the service becomes ready.
    fn adopt_from(&mut self, run: Incarnation, path: &str) -> bool {
        // A file that is being written may name another process for a moment, but none of this service.
        let text = file::text(path, PIDFILE);
        let found = decimal::number(text.trim_ascii()).is_some_and(|pid| self.adopt(run, pid));
        if found {
            self.queue.push_back(Event::Ready(run));
            self.more = true;
        }
        found
    }

    fn is_stopping(&self, run: Incarnation) -> bool {
        self.engine.view(run.service).is_some_and(|view| view.phase == Phase::Stopping)
    }

    /// It is to end, and nothing of it is supervised, as no file has named its process yet. Takes over the child
    /// of ours that was started for it; without one it has ended, and the answer is `None`.
    pub(super) fn last_heir(&mut self, run: Incarnation) -> Option<Pid> {
        let is_awaited = |heir: &Heir| heir.awaited().is_some_and(|(of, _)| of == run);
        if !self.is_stopping(run) || !self.heirs.iter().any(is_awaited) {
            return None;
        }
        self.forget_heir(run.service);
        let ours = getpid().as_raw_nonzero().get();
        let is_it = |pid: &i32| {
            stat(*pid).is_some_and(|found| found.parent == ours)
                && self.origin(*pid, run) == Some(true)
        };
        if let Some(pid) = processes().into_iter().find(is_it)
            && self.adopt(run, pid)
        {
            return self.children.group_of(run);
        }
        self.queue.push_back(Event::Exited(run, Exit::Code(0)));
        self.more = true;
        None
    }

    /// Makes the process the one of the incarnation, if it is a live child of ours and the service's.
    fn adopt(&mut self, run: Incarnation, pid: i32) -> bool {
        let Some(process) = Pid::from_raw(pid.max(0)) else { return false };
        let ours = getpid().as_raw_nonzero().get();
        let Some(found) = stat(pid).filter(|found| !found.is_zombie && found.parent == ours) else {
            return false;
        };
        let group = Pid::from_raw(found.group.max(0));
        let is_other = self.children.knows(process) || self.logs.collector().1 == Some(process);
        let own_group = rustix::process::getpgrp();
        let (Some(group), false) = (group.filter(|group| *group != own_group), is_other) else {
            return false;
        };
        // A child of ours that hides where it is from, the service itself has named.
        let is_foreign = self.belongs(pid, run) != Some(true) && self.origin(pid, run).is_some();
        if !is_main(run.role) || is_foreign {
            return false;
        }
        self.children.born(process, group, run);
        let name = self.database.name(run.service);
        let number = u32::try_from(pid).unwrap_or(0);
        self.feed.push(
            self.clock.now(),
            name,
            super::What::Spawned { pid: number, role: run.role },
        );
        true
    }
}
