//! What the next program would need, kept up to date in memory that survives this one: after each event what
//! that changed and what it led to, after each action that it is done. No system call is made for it.
//!
//! | what | when it counts | if the program ends before | and after |
//! |---|---|---|---|
//! | an event | with its actions, in one commit | it is as if it never was: a death or a message is found again, a client asks again | its actions are done |
//! | an action | with what it led to, in one commit; a start, with the next one | it is done again; a process that was made already is found by its pid | the next one is done |
//! | taking a death or message off the kernel | after the commit of its event | it is found again, and changes nothing | – |

use super::{Guard, Manager};
use crate::handover::{
    area::{Header, set},
    ledger::{DONE, JOURNAL, Key, Ledger, QUEUE},
    next,
    point::point,
    state::{self, Done, Journal, Sequel, Shell},
};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use rc::{
    engine::{Action, Event, Notice},
    model::ServiceId,
};
use rustix::{fd::RawFd, process::Pid};
use supervisor::{
    coder::{Coded, encode},
    time::Instant,
};

/// The memory, and what of it is up to date.
pub struct Vault {
    pub header: &'static Header,
    kept: &'static [AtomicU32],
    pub ledger: Ledger,
    /// The memfd with the database.
    pub database: RawFd,
    /// Events of the queue that it has.
    queued: usize,
    /// Of the latest record of the shell.
    glance: Option<Glance>,
    /// It was said that there is no room.
    is_full: bool,
}

/// The numbers in a record of the shell, which are compared before it is encoded.
type Glance = [u64; 8];

impl Vault {
    pub fn new(
        header: &'static Header,
        kept: &'static [AtomicU32],
        ledger: Ledger,
        database: RawFd,
    ) -> Self {
        Self { header, kept, ledger, database, queued: 0, glance: None, is_full: false }
    }

    /// From now on the next program gets this descriptor, too, or no longer.
    pub fn keep(&self, fd: RawFd, is_kept: bool) {
        // One without a bit is lost to the next program, which makes another.
        set(self.kept, fd, is_kept);
    }

    /// One bit for each that is kept.
    pub const fn kept(&self) -> &'static [AtomicU32] {
        self.kept
    }

    /// Whether what it has is out of date for good.
    pub const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Stages a record.
    pub fn stage<T: Coded>(&mut self, key: Key, mut record: T) {
        let bytes = self.ledger.open(key);
        self.ledger.close(encode(&mut record, bytes));
    }

    /// Something that [`crate::handover::area::spawning`] names is about to be started.
    pub fn will_spawn(&self, what: u32) {
        self.header.spawned.store(0, Relaxed);
        self.header.spawning.store(what, Relaxed);
    }
}

impl Manager {
    /// Takes the next event that waits; answers, too, whether the ledger knows that it does.
    pub(super) fn next_event(&mut self) -> Option<(Event, bool)> {
        let event = self.queue.pop_front()?;
        let is_known = self.vault.queued > 0 && Sequel::of(&event).is_some();
        self.vault.queued = self.vault.queued.saturating_sub(1);
        Some((event, is_known))
    }

    /// An event was handled, which the ledger knew to wait or not, and led to these actions.
    pub(super) fn begin(&mut self, actions: &[Action], has_waited: bool) {
        let mut journal = Journal { has_waited, ..Journal::default() };
        if self.vault.ledger.wants_room() {
            self.stage_queue();
            journal.has_waited = false;
        }
        for action in actions {
            match *action {
                // With nothing before it in the journal, what it notes goes with the event.
                Action::Notice(Notice::Changed { service, to, .. })
                    if journal.actions.is_empty() =>
                {
                    self.milestone(service, to);
                }
                Action::Notice(_) => {}
                action => journal.actions.push(action),
            }
        }
        if journal.has_waited || !journal.actions.is_empty() {
            self.vault.stage(JOURNAL, journal);
        }
        self.record();
    }

    /// Everything that waits, at once.
    pub(super) fn stage_queue(&mut self) {
        self.vault.queued = 0;
        let queue = self.new_sequels();
        self.vault.stage(QUEUE, queue);
    }

    /// Events of the queue that the ledger does not have yet.
    fn new_sequels(&mut self) -> Vec<Sequel> {
        let mut sequels = Vec::new();
        while let Some(event) = self.queue.get(self.vault.queued) {
            if let Some(sequel) = Sequel::of(event) {
                sequels.push(sequel);
            }
            self.vault.queued += 1;
        }
        sequels
    }

    /// One action of the journal is done. That a process was started needs no commit of its own, as its pid is
    /// noted where the next program finds it: it goes with the next one, of the next start or of the next event.
    pub(super) fn done(&mut self, has_noted: bool) {
        self.stage_done(true);
        point("done");
        if !has_noted {
            self.record();
            self.vault.header.renamed.store(0, Relaxed);
        }
    }

    fn stage_done(&mut self, is_one: bool) {
        let queue = self.new_sequels();
        self.vault.stage(DONE, Done { is_one, queue });
    }

    /// Makes everything that changed count.
    pub(super) fn commit(&mut self) {
        // In the middle of the journal its marks are needed.
        if !self.is_telling && self.vault.ledger.wants_room() {
            self.stage_queue();
        }
        self.record();
    }

    fn record(&mut self) {
        if self.queue.len() > self.vault.queued {
            self.stage_done(false);
        }
        while let Some(id) = self.engine.next_touched() {
            let bytes = self.vault.ledger.open(state::of_engine(id));
            self.vault.ledger.close(self.engine.save_record(id, bytes));
        }
        if self.engine.head_was_touched() {
            let bytes = self.vault.ledger.open(state::ENGINE);
            self.vault.ledger.close(self.engine.save_head(bytes));
        }
        while let Some(id) = self.children.next_touched() {
            let record = self.service_record(id);
            self.vault.stage(state::of_service(id), record);
        }
        let glance = self.glance();
        if !is_same(glance.as_ref(), self.vault.glance.as_ref()) {
            self.vault.glance = glance;
            let bytes = self.vault.ledger.open(state::SHELL);
            self.vault.ledger.close(self.shell_record(bytes));
        }
        point("commit");
        if !self.vault.ledger.commit() && !self.vault.is_full {
            self.vault.is_full = true;
            let text = "the state has outgrown its memory; after a crash all services start anew";
            self.report.say("handover", text);
        }
        // Whatever was started is in the records.
        self.vault.header.spawning.store(0, Relaxed);
        point("committed");
    }

    fn service_record(&self, id: ServiceId) -> state::Service {
        state::Service {
            live: self.children.of(id),
            ear: self.children.ears.record(id),
            held: self.held.record(id),
            milestones: self.milestones.get(id.index()).copied().unwrap_or_default(),
            socket: self.children.ears.socket(id).filter(|number| *number != u32::from(id.0)),
        }
    }

    /// `None` if there are daemons that fork, or other databases, of which these numbers do not tell all.
    fn glance(&self) -> Option<Glance> {
        if !self.heirs.is_empty() || self.switch.is_open() {
            return None;
        }
        let time = |at: Option<Instant>| at.map_or(0, |at| at.ms + 1);
        let plain = |number: i32| u64::from(number.unsigned_abs());
        let collector = self.logs.record();
        let attendant = self.attendant.as_ref().map(|one| one.pid().map_or(1, number));
        let watchdog = self.guard.as_ref().and_then(Guard::record);
        Some([
            self.publications,
            time(self.settled_at),
            time(self.stopped_at),
            // What is asked for first stays.
            u64::from(self.ending.is_some()),
            collector.at.ms,
            plain(collector.pid.unwrap_or(0)),
            plain(attendant.unwrap_or(0)),
            watchdog.map_or(0, |(fd, turned)| 2 + 2 * plain(fd) + u64::from(turned))
                | u64::from(self.cgroups.are_used()) << 63,
        ])
    }

    fn shell_record(&self, bytes: Vec<u8>) -> Vec<u8> {
        let mut shell = Shell {
            publications: self.publications,
            settled_at: self.settled_at,
            ending: self.ending.as_ref().map(|end| end.how),
            stopped_at: self.stopped_at,
            collector: self.logs.record(),
            attendant: self.attendant.as_ref().map(|one| one.pid().map(number)),
            watchdog: self.guard.as_ref().and_then(Guard::record),
            cgroups: self.cgroups.are_used(),
            heirs: self.heirs.clone(),
            why: self.ending.as_ref().map_or(String::new(), |end| end.why.clone()),
            last_act: self.ending.as_ref().map_or(String::new(), |end| end.last_act.clone()),
            switch: self.switch.record(self.paths.switches),
        };
        let mut bytes = encode(&mut shell, bytes);
        next::append(&mut bytes, self.next_count);
        bytes
    }
}

/// Whether both are there and say the same. (To compare them as a whole, libc would look at each byte.)
fn is_same(one: Option<&Glance>, other: Option<&Glance>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return false };
    one.iter().zip(other).all(|(one, other)| one == other)
}

/// A pid as a plain number.
pub fn number(pid: Pid) -> i32 {
    pid.as_raw_nonzero().get()
}
