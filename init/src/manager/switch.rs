//! Another database while the services run. What it changes goes down by its old definition; then this
//! program is followed by itself, which has the new database and maps the records of the old one by the names
//! of services. So there is one way in which state finds its place, and it is that of every hand-over.
//!
//! | state | the database in use | after a crash | after a reboot |
//! |---|---|---|---|
//! | *next*: what changes goes down | the one before | it goes on | the one before |
//! | *former*: it was not told to stay | the new one | it goes on, and back when it is time | the one before |
//! | neither | – | – | what the file has by then, which clients write |
//!
//! It decides nothing about services, writes no file, and never waits for what goes down.

use super::{DRAIN, DRAIN_STEP, Manager, keep::Vault};
use crate::{
    handover::{self, Handover, number, state},
    inherit,
    supervise::load,
};
use rc::{
    db::Database,
    engine::{Event, Fate, fates, origins},
    model::ServiceId,
    proto::Switching,
};
use rustix::fd::OwnedFd;
use std::path::Path;
use supervisor::{
    problem::{Problem, problem},
    time::{Instant, Millis},
};

/// When it is tried again to execute this program.
const AGAIN: Millis = Millis::from_secs(1);

/// Other databases than the one in use.
#[derive(Default)]
pub struct Switch {
    next: Option<Next>,
    /// The one before, and when it comes back by itself.
    former: Option<(OwnedFd, Option<Instant>)>,
}

/// The database that is to come.
struct Next {
    database: OwnedFd,
    /// The one before may come back, and after what time it does by itself.
    asks: bool,
    confirm: Option<Millis>,
    /// All that it changes is down.
    is_ready: bool,
    /// It is not looked at before; and until when logs are waited for.
    at: Instant,
    until: Option<Instant>,
}

impl Switch {
    /// Whether there is another database.
    pub const fn is_open(&self) -> bool {
        self.next.is_some() || self.former.is_some()
    }

    /// How many descriptors it has.
    pub fn descriptors(&self) -> usize {
        usize::from(self.next.is_some()) + usize::from(self.former.is_some())
    }

    /// What the next program has to know; `count` is how many there have been.
    pub fn record(&self, count: u16) -> state::Switch {
        state::Switch {
            next: self.next.as_ref().map(|next| state::Next {
                database: number(&next.database),
                asks: next.asks,
                confirm: next.confirm,
                is_ready: next.is_ready,
            }),
            former: self.former.as_ref().map(|(fd, until)| (number(fd), *until)),
            count,
        }
    }

    /// The same from such a record.
    fn take_over(&mut self, record: state::Switch, vault: &Vault) {
        if let Some(next) = record.next
            && let Some(database) = inherit::adopt(next.database)
        {
            vault.keep(next.database, true);
            let state::Next { asks, confirm, .. } = next;
            let at = Instant::default();
            self.next = Some(Next { database, asks, confirm, is_ready: false, at, until: None });
        }
        if let Some((fd, until)) = record.former
            && let Some(database) = inherit::adopt(fd)
        {
            vault.keep(fd, true);
            self.former = Some((database, until));
        }
    }
}

impl Manager {
    /// Goes over to the database at `path`; an error is for people.
    pub(super) fn switch_to(&mut self, path: &str, confirm: Option<Millis>) -> Result<(), Problem> {
        self.may_switch()?;
        if self.switch.former.is_some() {
            return Err(
                "the database in use is not confirmed: svc confirm or svc rollback comes first"
                    .into(),
            );
        }
        let (new, graph, fd) = load(Path::new(path))?;
        let started =
            self.engine.target().filter(|id| Some(*id) != self.engine.graph().system.target);
        let started = started.map(|id| self.database.name(id));
        if graph.system.target.is_none() || started.is_some_and(|name| new.find(name).is_none()) {
            let name = started.unwrap_or(rc::model::DEFAULT_TARGET);
            return Err(problem!("{path} has no service {name} to start; nothing was done"));
        }
        self.begin_switch(&new, fd, true, confirm);
        Ok(())
    }

    /// Goes back to the database before; an error is for people.
    pub(super) fn roll_back(&mut self) -> Result<(), Problem> {
        self.may_switch()?;
        let (fd, _) = self.switch.former.as_ref().ok_or("there is no database to go back to")?;
        let (new, _) = handover::database(fd)?;
        if let Some((fd, _)) = self.switch.former.take() {
            self.begin_switch(&new, fd, false, None);
        }
        Ok(())
    }

    /// The database in use is to stay; an error is for people.
    pub(super) fn confirm(&mut self) -> Result<(), Problem> {
        if self.switch.next.is_some() {
            return Err(COMING.into());
        }
        if let Some((fd, _)) = self.switch.former.take() {
            // A crash from here on finds a descriptor that nobody takes over.
            self.commit();
            self.vault.keep(number(&fd), false);
            self.report.say("switch", "the database in use is confirmed");
        }
        Ok(())
    }

    /// How it stands, for clients.
    pub(super) fn switching(&self) -> Option<Switching> {
        if self.switch.next.is_some() {
            return Some(Switching::Coming);
        }
        let (_, until) = self.switch.former.as_ref()?;
        let left = until.map(|at| at.since_ms(self.clock.now()));
        Some(Switching::Unconfirmed(left.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX))))
    }

    fn may_switch(&self) -> Result<(), Problem> {
        self.may_be_followed()?;
        if self.switch.next.is_some() || self.candidate.is_some() {
            return Err(COMING.into());
        }
        match self.ending {
            Some(_) => Err("a shutdown is in progress; nothing was done".into()),
            None => Ok(()),
        }
    }

    fn begin_switch(&mut self, new: &Database, fd: OwnedFd, asks: bool, confirm: Option<Millis>) {
        self.vault.keep(number(&fd), true);
        let at = self.clock.now();
        let next = Next { database: fd, asks, confirm, is_ready: false, at, until: None };
        self.switch.next = Some(next);
        // Before anything goes down for it.
        self.commit();
        self.report.say("switch", "another database is to come; what it changes goes down");
        self.retire(new);
    }

    fn retire(&mut self, new: &Database) {
        let origins = origins(&self.database, new);
        for (index, fate) in (0..).zip(fates(&self.database, &origins)) {
            if matches!(fate, Fate::Changed | Fate::Gone) {
                self.tell(Event::Retire(ServiceId(index)));
            }
        }
    }

    /// The program before was in the middle of it, and may not have told the engine all.
    pub(super) fn go_on_switching(&mut self) {
        let next = self.switch.next.as_ref().map(|next| handover::database(&next.database));
        match next {
            None => {}
            Some(Ok((new, _))) => self.retire(&new),
            // It could be read before.
            Some(Err(problem)) => self.report.say("switch", &problem),
        }
    }

    /// When something is to be done about it, if nothing else happens.
    pub(super) fn switch_deadline(&self) -> Option<Instant> {
        let until = self.switch.former.as_ref().and_then(|former| former.1);
        let next = self.switch.next.as_ref().filter(|_| self.is_clear()).map(|next| next.at);
        next.into_iter().chain(until).min()
    }

    /// Whether the next program could go over to another database.
    fn is_clear(&self) -> bool {
        let is_idle = self.todo.is_empty() && self.queue.is_empty() && self.ending.is_none();
        is_idle && self.engine.is_retired()
    }

    /// Goes back if it is time, and over if what changes is down.
    pub(super) fn switch_turn(&mut self) {
        let now = self.clock.now();
        if let Some((_, Some(until))) = &mut self.switch.former
            && *until <= now
        {
            // Until it can, if it cannot at once.
            *until = now.after(AGAIN);
            self.report.say("switch", "nobody has confirmed the database in use: it goes back");
            if let Err(problem) = self.roll_back() {
                self.report.say("switch", &problem);
            }
        }
        if !self.is_clear() {
            return;
        }
        let Some(next) = self.switch.next.as_mut().filter(|next| next.at <= now) else { return };
        // What was written last is read under its name, or never.
        let until = *next.until.get_or_insert(now.after(DRAIN));
        let is_read =
            |id: ServiceId| self.children.pid(id).is_some() || self.logs.is_read(id.index());
        if now < until && !self.database.ids().all(is_read) {
            next.at = now.after(DRAIN_STEP);
            return;
        }
        next.at = now.after(AGAIN);
        match handover::own_image() {
            Ok(image) => {
                next.is_ready = true;
                self.next_image = Some(image);
            }
            Err(errno) => {
                self.report.tell("switch", format_args!("cannot open jamb itself: {errno}"));
            }
        }
    }

    /// The next program could not be executed.
    pub(super) fn stay_with_database(&mut self) {
        if let Some(next) = &mut self.switch.next {
            next.is_ready = false;
        }
    }

    /// Takes over what the program before had of other databases.
    pub(super) fn take_switch(&mut self, record: state::Switch, handover: &mut Handover) {
        self.paths.switches = record.count;
        let Some(switched) = &mut handover.switched else {
            return self.switch.take_over(record, &self.vault);
        };
        // It has come, and there was none before that could come back.
        self.paths.switches = record.count.wrapping_add(1);
        self.logs.renew();
        if let Some(fd) = switched.memfd.take() {
            let until = switched.confirm.map(|span| self.clock.now().after(span));
            if switched.asks {
                self.vault.keep(number(&fd), true);
                self.switch.former = Some((fd, until));
            } else {
                // It is among those that nobody takes over, which are closed when all is done.
                core::mem::forget(fd);
            }
        }
        self.report.say("switch", "another database is in use");
    }
}

const COMING: &str = "another database or version is on its way; nothing was done";
