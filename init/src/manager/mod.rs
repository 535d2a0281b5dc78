//! The event loop: hands what the kernel and clients say to the engine, and does what it answers.
//!
//! Input: a database, run-time directories, and whatever becomes readable. It decides nothing about
//! services, never blocks but in the one poll, and wakes up only when something happened or a deadline
//! of the engine has come. Each source gets a bounded turn; what is left over makes the next poll
//! return at once.

mod act;
mod adopt;
mod answer;
mod cgroups;
mod children;
mod client;
mod conditions;
mod control;
mod describe;
mod disk;
mod ears;
mod feed;
mod guard;
mod held;
mod isolate;
mod keep;
mod logs;
pub mod messages;
mod paths;
mod prepare;
mod report;
mod resume;
mod selfcheck;
mod setup;
mod signals;
mod switch;
mod upgrade;
mod users;
mod watch;

pub use guard::Guard;
pub use logs::OWN_NAME;
pub use paths::{PATH, Paths, below};
pub use prepare::NO_OOM_PROTECTION;
pub use report::Report;
pub use setup::{Attendant, Meaning, Rescue, Setup, Wish};
pub use users::account;

use crate::{
    clock::Clock,
    handover::{
        Handover,
        area::spawning,
        crash, number,
        point::{arm, point},
        state::Fixed,
    },
};
pub use adopt::{Heir, parent};
use cgroups::Cgroups;
use children::Children;
use conditions::Conditions;
use control::Control;
use core::ffi::c_int;
use feed::Feed;
use held::Held;
use keep::Vault;
use logs::Logs;
use mio::{Events, Poll, Token};
use rc::{
    db::Database,
    engine::{Action, Engine, Event},
    model::ServiceId,
    proto::{Ending, Milestones, What},
};
use rustix::{
    fd::OwnedFd,
    io::Errno,
    process::{Resource, Rlimit, getrlimit, prlimit},
};
use selfcheck::Peaks;
use signals::Signals;
use std::{collections::VecDeque, io, path::Path, time::Duration};
use supervisor::{
    notify::Glass,
    problem::{Problem, problem},
    spawn::Spawner,
    time::{Instant, Millis},
};
use switch::Switch;
use upgrade::Candidate;

const SIGNAL: Token = Token(0);
const CONTROL: Token = Token(1);
/// Tokens from here on are clients, by their place.
const CLIENTS: usize = 16;
/// Tokens from here on are readiness channels, by service number.
const CHANNELS: usize = 1024;

/// Kernel events taken in one turn.
const EVENTS: usize = 64;

/// After the last service is down, the collector has this long to empty the pipes.
const DRAIN: Millis = Millis(1500);
/// How often it is looked at meanwhile.
const DRAIN_STEP: Millis = Millis(10);

/// What every process gets or must not get.
pub struct Resources {
    /// The standard input of services.
    pub nothing: OwnedFd,
    /// The directory of the services' state directories.
    pub states: OwnedFd,
    /// The limit of open descriptors before jamb raised its own.
    pub nofile: (Option<u64>, Option<u64>),
    /// Whether jamb has protected itself from the out-of-memory killer.
    pub oom_protected: bool,
}

/// The end that was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// How.
    pub how: Ending,
    /// Who asked for it, and what for; for people.
    pub why: String,
    /// The directory of the last act; empty if there is none.
    pub last_act: String,
}

impl End {
    /// One without a last act.
    pub fn new(how: Ending, why: &str) -> Self {
        Self { how, why: why.to_owned(), last_act: String::new() }
    }
}

/// The manager.
pub struct Manager {
    clock: Clock,
    database: Database,
    engine: Engine,
    paths: Paths,
    report: Report,
    resources: Resources,
    spawner: Spawner,
    children: Children,
    logs: Logs,
    log_to_console: bool,
    control: Control,
    feed: Feed,
    poll: Poll,
    signals: Signals,
    meaning: Meaning,
    attendant: Option<Box<dyn Attendant>>,
    attend_at: Option<Instant>,
    rescue: Option<Rescue>,
    conditions: Conditions,
    cgroups: Cgroups,
    held: Held,
    /// Daemons that fork, before it is known which process goes on.
    heirs: Vec<Heir>,
    /// Looks into pipes.
    glass: Glass,
    vault: Vault,
    /// What is left to be done of what the last event led to, the last first.
    todo: Vec<Action>,
    /// Events that doing something led to.
    queue: VecDeque<Event>,
    /// An event is being handled: what comes meanwhile waits.
    is_telling: bool,
    /// Another version that is asked whether it can take over.
    candidate: Option<Candidate>,
    /// The program to become, when the turn is over.
    next_image: Option<OwnedFd>,
    /// Other databases.
    switch: Switch,
    /// See [`crate::handover::next`].
    next_count: u8,
    /// Counts published generations; makes their names unique.
    publications: u64,
    settled_at: Option<Instant>,
    /// By service number.
    milestones: Vec<Milestones>,
    /// How many services have been ready.
    ever_ready: u32,
    guard: Option<Guard>,
    peaks: Peaks,
    ending: Option<End>,
    stopped_at: Option<Instant>,
    /// Something was left for the next turn.
    more: bool,
}

impl Manager {
    /// Makes everything that running needs.
    ///
    /// # Errors
    /// What could not be made and why, for people.
    pub fn new(setup: Setup) -> Result<Self, Problem> {
        let Setup { database, graph, paths, mut report, mut handover, .. } = setup;
        let before = handover.as_ref().map(|handover| &handover.fixed);
        let nofile = before.map_or_else(raise_nofile, |fixed| fixed.nofile);
        // What every process gets, and what hands it over, should have low numbers; see there.
        let nothing = disk::nothing().map_err(|error| cannot("open", "/dev/null", error))?;
        let mut spawner = Spawner::new();
        let states = paths.make().map_err(|(path, error)| cannot("make", &path, error))?;
        let logs = Logs::new(&database, &paths.log, &graph.system, handover.as_ref())
            .map_err(|errno| cannot("make", "the log pipes", errno.into()))?;
        let own = logs.own_writer();
        report.set_log(own.map_err(|errno| cannot("make", "the log pipes", errno.into()))?);
        let glass = Glass::new().map_err(|errno| cannot("make", "a pipe", errno.into()))?;
        let poll = Poll::new().map_err(|error| cannot("make", "the poll", error))?;
        let control =
            Control::open(Path::new(&paths.control), &poll, before.map(|fixed| fixed.control))
                .map_err(|error| cannot("listen on", &paths.control, error))?;
        let fixed = Fixed {
            services: u16::try_from(database.len()).unwrap_or(u16::MAX),
            database: number(&setup.stored),
            control: control.fd(),
            nofile,
            ..logs.fixed(&setup.clock)
        };
        let vault = Vault::make(&fixed, setup.stored)
            .map_err(|errno| cannot("make", "the state", errno.into()))?;
        spawner.note_pid_at(&vault.header.spawned);
        let (engine, todo, queue) = match &mut handover {
            None => (Engine::new(graph), Vec::new(), VecDeque::new()),
            Some(handover) => resume::engine(graph, handover, setup.target)?,
        };
        let milestones = database.ids().map(|_| Milestones::default()).collect();
        let mut manager = Self {
            clock: setup.clock,
            children: Children::new(database.len()),
            conditions: Conditions::new(&database, &engine),
            cgroups: Cgroups::default(),
            held: Held::default(),
            heirs: Vec::new(),
            engine,
            database,
            paths,
            report,
            resources: Resources { nothing, states, nofile, oom_protected: setup.oom_protected },
            spawner,
            logs,
            log_to_console: setup.log_to_console,
            control,
            feed: Feed::new(),
            poll,
            signals: Signals::default(),
            meaning: setup.meaning,
            attendant: setup.attendant,
            attend_at: Some(Instant::default()),
            rescue: setup.rescue,
            glass,
            vault,
            todo,
            queue,
            is_telling: false,
            candidate: None,
            next_image: None,
            switch: Switch::default(),
            next_count: 1,
            publications: 0,
            settled_at: None,
            milestones,
            ever_ready: 0,
            guard: setup.guard,
            peaks: Peaks::default(),
            ending: None,
            stopped_at: None,
            more: false,
        };
        let target = setup.target.filter(|_| handover.is_none());
        if let Err(problem) = manager.begin_with(handover, &fixed, setup.signals, &setup.line) {
            // Nobody is to wait for an answer. Whoever has no manager ends soon, and the kernel closes the rest.
            supervisor::file::unlink(Path::new(&manager.paths.control)).ok();
            core::mem::forget(manager);
            return Err(problem);
        }
        manager.tend();
        // What is so at first is told before anything starts, so that nothing starts in vain.
        let now = manager.clock.now();
        let problem = manager.conditions.settle(now, manager.poll.registry());
        manager.tell_conditions(problem);
        manager.begin_selfcheck();
        // An engine that goes on looks at what the one before may not have come to.
        manager.tell(target.map_or(Event::Tick, Event::Boot));
        Ok(manager)
    }

    /// Goes on from what the program before left, if there was one. From then on a crash is one of this program,
    /// whose state is complete.
    fn begin_with(
        &mut self,
        mut handover: Option<Handover>,
        fixed: &Fixed,
        signals: &[c_int],
        line: &[String],
    ) -> Result<(), Problem> {
        if let Some(handover) = &mut handover {
            self.take_over(handover)?;
        }
        self.keep_all(fixed, line);
        self.signals = Signals::catch(signals, &self.poll)
            .map_err(|error| cannot("catch", "signals", error))?;
        if let Some(handover) = handover {
            self.go_on_from(handover);
        }
        Ok(())
    }

    /// Runs until an orderly end is over; answers which end was asked for.
    pub fn run(&mut self) -> End {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            if let (Some(end), true) = (&self.ending, self.is_over()) {
                let end = end.clone();
                self.remove_control_groups();
                point("over");
                return end;
            }
            let timeout = self.timeout();
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && Errno::from_io_error(&error) != Some(Errno::INTR)
            {
                // Nothing sensible makes epoll_wait(2) fail. Doing deadlines is better than to give up.
                self.report.tell("loop", format_args!("cannot poll: {error}; it goes on"));
            }
            self.more = false;
            arm(Path::new(&self.paths.run), false);
            point("poll");
            for event in &events {
                self.turn_of(event.token(), event.is_read_closed());
            }
            self.take_signals();
            self.watch_conditions();
            self.tell(Event::Tick);
            self.tend();
            self.end_slow_candidate();
            self.guard_turn();
            self.serve_clients();
            self.note_turn(self.has_more());
            self.switch_turn();
            self.become_next();
        }
    }

    /// The watchdog, for whoever goes on without the loop.
    pub const fn take_guard(&mut self) -> Option<Guard> {
        self.guard.take()
    }

    /// Whether something was left for the next turn.
    fn has_more(&self) -> bool {
        self.more || self.control.has_more() || self.conditions.has_more()
    }

    /// Until when nothing has to be done, as a timeout: `None` if nothing will ever.
    fn timeout(&self) -> Option<Duration> {
        if self.has_more() {
            return Some(Duration::ZERO);
        }
        let drain = self.stopped_at.map(|_| self.clock.now().after(DRAIN_STEP));
        let candidates = [
            self.engine.next_deadline(),
            self.logs.deadline(),
            self.attend_at,
            self.conditions.deadline(),
            self.control.deadline(),
            self.guard.as_ref().and_then(|guard| guard.deadline(self.clock.now())),
            self.candidate.as_ref().map(|candidate| candidate.until),
            self.switch_deadline(),
            drain,
        ];
        let at = candidates.into_iter().flatten().min()?;
        Some(Duration::from_millis(at.since_ms(self.clock.now())))
    }

    fn turn_of(&mut self, token: Token, is_closed: bool) {
        match token {
            // What is caught from now on is seen in this turn, or wakes the next.
            SIGNAL => self.signals.quiet(),
            CONTROL => self.control.accept_later(),
            Token(number) if number < CLIENTS => self.conditions.is_readable(token),
            Token(number) if number >= CHANNELS => {
                let index = u16::try_from(number - CHANNELS).unwrap_or(u16::MAX);
                self.hear(ServiceId(index), is_closed);
            }
            Token(number) => self.control.is_readable(number - CLIENTS),
        }
    }

    fn take_signals(&mut self) {
        while let Some(signal) = crash::take_signal() {
            point("signal");
            match (self.meaning)(signal) {
                Some(Wish::Reap) => self.children.reap_later(),
                Some(Wish::End(how)) => {
                    let name = supervisor::signal::Signal::from_number(signal);
                    let name = name.map_or("PWR", supervisor::signal::Signal::name);
                    self.end(End::new(how, &format!("SIG{name}")), false);
                }
                None => {}
            }
        }
        self.reap();
    }

    /// Gives those who watch for conditions their turn.
    fn watch_conditions(&mut self) {
        if self.conditions.is_due(self.clock.now()) {
            let problem = self.conditions.turn(self.clock.now(), self.poll.registry());
            self.tell_conditions(problem);
            self.look_for_heirs();
        }
    }

    fn tell_conditions(&mut self, problem: Option<Problem>) {
        point("condition");
        if let Some(problem) = problem {
            self.report.say("conditions", &problem);
        }
        for (service, index, holds) in self.conditions.changes() {
            let name = self.database.name(service);
            self.feed.push(self.clock.now(), name, What::Condition { index, holds });
            self.tell(Event::Condition { service, number: index, holds });
        }
    }

    /// The pid files that are waited for may be others now.
    fn watch_pidfiles(&mut self) {
        self.conditions
            .watch_pidfiles(self.heirs.iter().filter_map(|heir| Some(heir.awaited()?.1)));
    }

    /// Hands an event to the engine, does what it says, and goes on with what came of that.
    fn tell(&mut self, event: Event) {
        self.queue.push_back(event);
        if !core::mem::replace(&mut self.is_telling, true) {
            self.go_on();
            self.is_telling = false;
        }
    }

    /// Does what is to be done, and handles what waits.
    fn go_on(&mut self) {
        let mut actions = Vec::new();
        // Whether nothing happened since the last record.
        let mut is_recorded = self.todo.is_empty();
        loop {
            self.make_state_directories();
            while let Some(action) = self.todo.pop() {
                // Somebody may be waiting for just this.
                self.control.serve_again();
                self.act(action);
                if !matches!(action, Action::Notice(_)) {
                    self.done(matches!(action, Action::Spawn(_)));
                }
            }
            self.peaks.queued(self.queue.len());
            let Some((event, has_waited)) = self.next_event() else { break };
            point("handle");
            self.engine.handle(self.clock.now(), event, &mut actions);
            point("handled");
            self.begin(&actions, has_waited);
            is_recorded = actions.is_empty();
            actions.reverse();
            self.todo.append(&mut actions);
        }
        if !is_recorded {
            self.commit();
        }
    }

    /// Starts what is not a service: the collector, and what the machine has of its own.
    fn tend(&mut self) {
        let now = self.clock.now();
        if self.logs.deadline().is_some_and(|at| at <= now) {
            point("collector");
            self.vault.will_spawn(spawning::COLLECTOR);
            let problem = self.logs.start(
                now,
                &mut self.spawner,
                &self.resources,
                self.report.console(),
                self.log_to_console,
            );
            point("collector-started");
            if let Some(problem) = problem {
                self.report.say("log", &problem);
            }
            self.commit();
        }
        if self.attend_at.is_some_and(|at| at <= now) {
            let attendant = self.attendant.as_mut();
            self.vault.will_spawn(spawning::ATTENDANT);
            self.attend_at =
                attendant.and_then(|one| one.tend(now, &mut self.spawner, &mut self.report));
            self.commit();
        }
    }

    /// Begins an orderly end; the first one who asks says which. With `now`, services are killed.
    fn end(&mut self, end: End, now: bool) {
        if self.ending.is_none() {
            point("stop");
            let text = messages::ending(end.how);
            self.report.tell("shutdown", format_args!("{text} is asked for by {}", end.why));
            self.report.tell("shutdown", format_args!("{text}; stopping the services"));
            self.feed.push(self.clock.now(), "", What::Shutdown(end.how));
            self.ending = Some(end);
            if let Some(guard) = &mut self.guard {
                guard.end(self.clock.now(), self.engine.graph().system.shutdown_timeout);
            }
            self.tell(Event::Shutdown);
        }
        if now {
            self.tell(Event::ShutdownNow);
        }
    }

    /// Whether all services are down and what they wrote is in the logs, or that takes too long.
    fn is_over(&self) -> bool {
        self.stopped_at
            .is_some_and(|at| self.logs.is_drained() || self.clock.now() >= at.after(DRAIN))
    }
}

/// Why there is no manager, for people.
#[cold]
fn cannot(verb: &str, what: &str, error: io::Error) -> Problem {
    problem!("cannot {verb} {what}: {error}")
}

/// Two descriptors a service, and some: raises the soft limit to the hard one and answers what it was.
fn raise_nofile() -> (Option<u64>, Option<u64>) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // If not, the old limit has to do; pipes that cannot be made are reported as such.
    prlimit(None, Resource::Nofile, Rlimit { current: maximum, maximum }).ok();
    (current, maximum)
}
