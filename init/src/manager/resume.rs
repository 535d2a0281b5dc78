//! What the program before left becomes what this one has: processes, descriptors, the engine's state, and
//! what was still to be done. Nothing is started here that was running.

use super::{
    End, Manager,
    ears::Ear,
    held::One,
    keep::{Vault, number},
};
use crate::{
    applet::VERSION,
    handover::{
        self, Handover,
        area::{Area, spawning},
        crash,
        ledger::{JOURNAL, Ledger, Legacy, QUEUE},
        point::{arm, point},
        state::{self, Done, Fixed, Journal, Sequel, Shell},
    },
    inherit,
};
use core::sync::atomic::Ordering::Relaxed;
use rc::{
    engine::{Action, Engine, Event, Graph, Incarnation, Origin},
    model::ServiceId,
    proto::What,
};
use rustix::{
    fd::{AsRawFd, OwnedFd},
    io::Errno,
    process::Pid,
};
use std::{collections::VecDeque, os::fd::IntoRawFd, path::Path};
use supervisor::problem::Problem;

const DAMAGED: &str = "the state of the program before is damaged";

/// The engine, what was still to be done, the last first, and the events that wait.
pub type GoesOn = (Engine, Vec<Action>, VecDeque<Event>);

/// What the program before was in the middle of. With another database, `target` is what it starts at first.
///
/// # Errors
/// What is wrong with what it left, for people.
pub fn engine(
    graph: Graph,
    handover: &mut Handover,
    target: Option<ServiceId>,
) -> Result<GoesOn, Problem> {
    let legacy = handover.legacy()?;
    let engine = match &mut handover.switched {
        None => handover::engine(graph, &legacy)?,
        Some(switched) => {
            let former = switched.graph.take().ok_or(DAMAGED)?;
            handover::engine(former, &legacy)?.adopt(graph, &switched.origins, target)
        }
    };
    let (todo, queue) = rest(&legacy).ok_or(DAMAGED)?;
    Ok((engine, todo, queue))
}

/// The actions of the last journal that are not done, the last first, and the events that wait.
fn rest(legacy: &Legacy<'_>) -> Option<(Vec<Action>, VecDeque<Event>)> {
    let mut todo = Vec::new();
    let waited: Vec<Sequel> = state::read(legacy, QUEUE)?;
    let mut queue = VecDeque::new();
    for sequel in waited {
        queue.push_back(Event::from(sequel));
    }
    for (key, bytes) in &legacy.trail {
        if *key == JOURNAL {
            let journal: Journal = supervisor::coder::decode(bytes)?;
            todo = journal.actions;
            todo.reverse();
            if journal.has_waited {
                queue.pop_front()?;
            }
        } else {
            let done: Done = supervisor::coder::decode(bytes)?;
            if done.is_one {
                todo.pop()?;
            }
            for sequel in done.queue {
                queue.push_back(sequel.into());
            }
        }
    }
    Some((todo, queue))
}

impl Vault {
    /// Memory for the next program, with nothing in it yet. It has the database, which it keeps.
    ///
    /// # Errors
    /// As memfd_create(2) and mmap(2) have it.
    pub fn make(fixed: &Fixed, database: OwnedFd) -> Result<Self, Errno> {
        let services = usize::from(fixed.services);
        let area = Area::new(services)?;
        let (header, kept, space) = area.begin();
        header.format.store(handover::format(), Relaxed);
        // Without it, the file will have to do.
        if let Ok(image) = handover::own_image() {
            header.image.store(image.into_raw_fd(), Relaxed);
        }
        let ledger = Ledger::new(space, &header.counts, state::keys(services));
        let vault = Self::new(header, kept, ledger, database.into_raw_fd());
        let single = [fixed.database, fixed.control, fixed.map, fixed.spool];
        for fd in single {
            vault.keep(fd, true);
        }
        for &(read, write) in fixed.pipes.iter().flatten().chain([&fixed.own]) {
            vault.keep(read, true);
            vault.keep(write, true);
        }
        Ok(vault)
    }
}

impl Manager {
    /// Takes over what belongs to the services, and what was being started.
    pub(super) fn take_over(&mut self, handover: &mut Handover) -> Result<(), Problem> {
        arm(Path::new(&self.paths.run), true);
        point("take-over");
        let legacy = handover.legacy()?;
        let (shell, count) = handover::shell(&legacy)?;
        self.take_shell(shell, handover);
        self.next_count = count.wrapping_add(1);
        for id in self.database.ids() {
            let (from, is_kept) = match handover.origin(id) {
                Origin::New => continue,
                Origin::Changed(from) => (from, false),
                Origin::Kept(from) => (from, true),
            };
            let key = state::of_service(from);
            // Of one that has none nothing is known yet.
            if legacy.has(key) {
                self.take_service(id, state::read(&legacy, key).ok_or(DAMAGED)?, is_kept);
            }
        }
        self.take_child(handover);
        let (from, to) = (handover.header(), self.vault.header);
        to.reexecs.store(from.reexecs.load(Relaxed), Relaxed);
        to.crashes.store(from.crashes.load(Relaxed), Relaxed);
        for (from, to) in from.times.iter().zip(&to.times) {
            to.store(from.load(Relaxed), Relaxed);
        }
        to.renamed.store(from.renamed.load(Relaxed), Relaxed);
        point("taken");
        Ok(())
    }

    fn take_shell(&mut self, shell: Shell, handover: &mut Handover) {
        // One generation may have been on its way: its number is not used again.
        self.publications = shell.publications + 1;
        self.settled_at = shell.settled_at;
        let (why, last_act) = (shell.why, shell.last_act);
        self.ending = shell.ending.map(|how| End { how, why, last_act });
        self.stopped_at = shell.stopped_at;
        self.logs.take_over(shell.collector);
        self.cgroups.take_over(shell.cgroups);
        for mut heir in shell.heirs {
            if let Some(id) = handover.kept(heir.run().service) {
                heir.run_mut().service = id;
                self.heirs.push(heir);
            }
        }
        self.take_switch(shell.switch, handover);
        let pid = shell.attendant.flatten().and_then(Pid::from_raw);
        if let (Some(attendant), Some(pid)) = (&mut self.attendant, pid) {
            attendant.take_over(pid);
        }
    }

    /// One that is defined otherwise now is down, so that only its past is left.
    fn take_service(&mut self, service: ServiceId, known: state::Service, is_kept: bool) {
        self.children.touch(service);
        if let Some(milestones) = self.milestones.get_mut(service.index()) {
            *milestones = known.milestones;
            self.ever_ready += u32::from(known.milestones.ready.is_some());
        }
        if !is_kept {
            return;
        }
        for (role, generation, pid, group) in known.live {
            if let (Some(pid), Some(group)) = (Pid::from_raw(pid), Pid::from_raw(group)) {
                self.children.born(pid, group, Incarnation { service, generation, role });
            }
        }
        for (name, is_stored, fd) in known.held {
            if let Some(fd) = inherit::adopt(fd) {
                self.vault.keep(fd.as_raw_fd(), true);
                self.held.take_over(One { service, name, is_stored, fd });
            }
        }
        let Some(state::Ear { fd, run, owner, line, status }) = known.ear else { return };
        let Some(fd) = inherit::adopt(fd) else { return };
        let ear = match owner {
            None => Ear::Pipe(fd, line),
            Some(owner) => Ear::Socket(fd, known.socket.unwrap_or(run.service.0.into()), owner),
        };
        self.listen(Incarnation { service, ..run }, ear, status);
    }

    /// A child that the program before had made, and not recorded yet.
    fn take_child(&mut self, handover: &Handover) {
        let header = handover.header();
        let spawning = header.spawning.load(Relaxed);
        let pid = Pid::from_raw(header.spawned.load(Relaxed).max(0));
        let Some(pid) = pid.filter(|pid| !self.children.knows(*pid)) else { return };
        match (spawning, self.todo.last()) {
            (spawning::SERVICE, Some(&Action::Spawn(run))) => {
                self.children.born(pid, pid, run);
                self.todo.pop();
                self.queue.push_back(Event::Spawned(run));
            }
            (spawning::COLLECTOR, _) => {
                let mut collector = self.logs.record();
                collector.starts += u32::from(collector.pid != Some(number(pid)));
                collector.pid = Some(number(pid));
                collector.at = self.clock.now();
                self.logs.take_over(collector);
            }
            (spawning::ATTENDANT, _) => {
                if let Some(attendant) = &mut self.attendant {
                    attendant.take_over(pid);
                }
            }
            _ => {}
        }
    }

    /// Records for the first time what is not as it is at first. From then on the next program goes on from here.
    pub(super) fn keep_all(&mut self, fixed: &Fixed, line: &[String]) {
        self.vault.stage(state::FIXED, fixed.clone());
        if let Some(fd) = self.guard.as_ref().and_then(super::Guard::fd) {
            self.vault.keep(fd, true);
        }
        self.stage_queue();
        let mut todo = self.todo.clone();
        todo.reverse();
        self.begin(&todo, false);
        let arguments: Vec<&str> = line.iter().map(String::as_str).collect();
        crash::install(self.vault.header, &arguments);
    }

    /// Does what was left to be done.
    pub(super) fn go_on_from(&mut self, handover: Handover) {
        point("recover");
        let header = self.vault.header;
        let (crashes, reexecs) = (header.crashes.load(Relaxed), header.reexecs.load(Relaxed));
        let text = match &handover.crash {
            Some(crash) => format!("jamb crashed ({crash}), {crashes} times so far; "),
            None => format!("jamb was executed anew, {reexecs} times so far; "),
        };
        let services = match &handover.switched {
            Some(_) => "with another database",
            None => "all services as they were",
        };
        self.report.tell("handover", format_args!("{text}{VERSION} goes on, {services}"));
        self.feed.push(self.clock.now(), "", What::Resumed { crashes, reexecs });
        if handover::next::is_next() {
            let text = format_args!("the next format's field is {}", self.next_count);
            self.report.tell("handover", text);
        }
        handover.finish(self.vault.kept());
        super::disk::sweep(Path::new(&self.paths.outputs));
        self.children.reap_later();
        self.watch_pidfiles();
        self.is_telling = true;
        self.go_on();
        self.is_telling = false;
        self.go_on_switching();
    }
}
