//! The laws, and what has to be remembered to judge by them. All of it is derived from the plan, the
//! events handed in and the actions handed out; the engine's own account of itself is only compared.
//!
//! | law | where |
//! |---|---|
//! | 1 nothing is started while a need is not ready | `action` |
//! | 2 dependents stop first, and come back | `action`, `rest` |
//! | 3 one live incarnation, nothing for a dead one | `action`, `rest` |
//! | 4 what is wanted and can be, will be; deadlines are told exactly | `rest`, `wanted` |
//! | 5 a stop ends | `action`, `rest` |
//! | 6 delays grow, and are forgiven | `retry` |
//! | 7 everything is bounded | `rest` |
//! | 8 who reads a changed value reacts, and only they | `values` |
//! | 9 what a service waits for is named | `rest` |
//! | 10 boot settles once | `wanted` |

mod action;
mod rest;
mod retry;
mod values;
mod wanted;

use super::{
    plan::{Link, Plan, Tie, id},
    world::World,
};
use rc::{
    Exit, Instant,
    engine::{Action, Engine, Event, Incarnation, Notice, Phase, Role},
};
use std::collections::BTreeSet;

/// A broken law.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    pub law: &'static str,
    pub text: String,
}

pub type Verdict = Result<(), Violation>;

pub fn violation(law: &'static str, text: String) -> Verdict {
    Err(Violation { law, text })
}

/// Fails with the law and the text unless the condition holds.
macro_rules! law {
    ($law:literal, $holds:expr, $($text:tt)*) => {
        if !$holds {
            return crate::sim::laws::violation($law, format!($($text)*));
        }
    };
}
use law;

/// What was asked by command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ask {
    Nothing,
    Up,
    Down,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    No,
    Orderly(Instant),
    Killing(Instant),
    Done,
}

/// A process, from its spawn to the report of its end.
#[derive(Clone, Copy, Debug)]
struct Live {
    run: Incarnation,
    /// When it is told to end because it took too long.
    timeout: Option<Instant>,
    told: Option<Instant>,
    killed: Option<Instant>,
    stuck: bool,
    /// Whether it was told to end because it took too long; when all is killed, nobody asks.
    late: Option<bool>,
}

/// What follows when a service that is stopping is down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Judgement {
    /// It was stopped, not failed.
    Free,
    /// It failed: how it ended, and how long it had been ready.
    Failed(Option<Exit>, Option<u64>),
}

/// What happened in the present turn.
#[derive(Default)]
struct Turn {
    event: Option<Event>,
    /// The event is of a live run.
    fresh: bool,
    /// The process that is dead now, until its end is told.
    dead: Option<Incarnation>,
    /// Whether it took too long.
    late: Option<bool>,
    /// Every phase that a service entered.
    entered: Vec<(usize, Phase)>,
    /// Services that left ready.
    left_ready: BTreeSet<usize>,
    /// Services that were stopped from starting or ready, and from which.
    stopped: Vec<(usize, Phase)>,
    spawned: Vec<Incarnation>,
    /// Services that began a new run.
    begun: BTreeSet<usize>,
    written: Vec<Incarnation>,
    signalled: Vec<usize>,
    published: BTreeSet<usize>,
    withdrawn: BTreeSet<usize>,
    settled: Option<bool>,
    actions: usize,
    /// The phases before it.
    at_first: Vec<Phase>,
    /// The orderly part of a shutdown ended in it.
    crossing: bool,
    /// Who was asked to restart by command.
    bounced: Option<usize>,
    /// Whose start was to be forgiven.
    forgiven: BTreeSet<usize>,
}

const EVENTS: [&str; 13] = [
    "boot",
    "start",
    "stop",
    "restart",
    "spawned",
    "exited",
    "told ready",
    "closed",
    "written",
    "published",
    "time",
    "shutdown",
    "shutdown now",
];

/// Which pairs of phase and event were met; see the coverage test.
#[derive(Clone, Default)]
pub struct Met {
    pub pairs: BTreeSet<(&'static str, &'static str)>,
    pub moves: BTreeSet<(&'static str, &'static str)>,
}

/// Who depends on a service: the other's number and its link.
type Dependent = (usize, Link);

pub struct Laws<'p> {
    plan: &'p Plan,
    /// The services, dependencies first.
    order: Vec<usize>,
    dependents: Vec<Vec<Dependent>>,
    asks: Vec<Ask>,
    wants: Vec<bool>,
    target: Option<usize>,
    settled: bool,
    ending: Ending,
    phase: Vec<Phase>,
    since: Vec<Instant>,
    generation: Vec<u32>,
    live: Vec<Option<Live>>,
    /// What has been run in the present generation.
    done: Vec<BTreeSet<u8>>,
    /// Whether the present generation was ready once.
    was_ready: Vec<bool>,
    judgement: Vec<Judgement>,
    /// Whether anything has been done yet to end what is stopping.
    ends: Vec<bool>,
    /// It failed, but somebody asked for it since.
    pardoned: Vec<bool>,
    failures: Vec<u32>,
    retry_at: Vec<Option<Instant>>,
    last_exit: Vec<Option<Exit>>,
    /// What services publish themselves.
    own: Vec<Vec<Option<String>>>,
    /// Everything that is published, at the end of the last turn.
    present: Vec<Vec<Option<String>>>,
    /// What readers are bound to, at the end of the last turn.
    bound: Vec<Vec<Option<String>>>,
    stale: u64,
    turn: Turn,
    pub met: Met,
}

impl Met {
    pub fn add(&mut self, other: &Self) {
        self.pairs.extend(&other.pairs);
        self.moves.extend(&other.moves);
    }

    /// Whether every event met every phase, and every move of the table was made.
    pub fn must_be_complete(&self) {
        let phases = ["down", "waiting", "starting", "ready", "stopping", "backoff", "failed"];
        for event in EVENTS {
            for phase in phases {
                // Files are tried again for ever.
                let exists = (phase, event) != ("failed", "written");
                let met = self.pairs.contains(&(phase, event));
                assert!(met || !exists, "{event} never met {phase}");
            }
        }
        let moves = phases.iter().flat_map(|from| phases.iter().map(move |to| (*from, *to)));
        let missing: Vec<_> = moves
            .filter(|pair| action::TABLE.contains(pair) && !self.moves.contains(pair))
            .collect();
        assert!(missing.is_empty(), "never made: {missing:?}");
    }
}

impl<'p> Laws<'p> {
    pub fn new(plan: &'p Plan) -> Self {
        let count = plan.services.len();
        let mut dependents = vec![Vec::new(); count];
        for (number, svc) in plan.services.iter().enumerate() {
            for link in &svc.links {
                dependents[usize::from(link.to)].push((number, *link));
            }
        }
        let outs = |svc: &super::plan::Svc| vec![None; svc.outs.len()];
        let values: Vec<_> = plan.services.iter().map(outs).collect();
        Self {
            plan,
            order: plan.sorted(),
            dependents,
            asks: vec![Ask::Nothing; count],
            wants: vec![false; count],
            target: None,
            settled: false,
            ending: Ending::No,
            phase: vec![Phase::Down; count],
            since: vec![Instant::default(); count],
            generation: vec![0; count],
            live: vec![None; count],
            done: vec![BTreeSet::new(); count],
            was_ready: vec![false; count],
            judgement: vec![Judgement::Free; count],
            ends: vec![false; count],
            pardoned: vec![false; count],
            failures: vec![0; count],
            retry_at: vec![None; count],
            last_exit: vec![None; count],
            own: values.clone(),
            present: values,
            bound: plan.services.iter().map(|svc| vec![None; svc.looks.len()]).collect(),
            stale: 0,
            turn: Turn::default(),
            met: Met::default(),
        }
    }

    /// Takes note of an event before the engine has it.
    pub fn before(&mut self, now: Instant, event: &Event, engine: &Engine) {
        self.turn = Turn { at_first: self.phase.clone(), ..Turn::default() };
        self.meet(event);
        match event {
            Event::Exited(run, exit) => self.exited(now, *run, *exit),
            Event::Spawned(run) | Event::Ready(run) | Event::ReadyClosed(run) => {
                self.turn.fresh = self.live[run.service.index()].is_some_and(|l| l.run == *run);
                self.stale += u64::from(!self.turn.fresh);
            }
            Event::Written(run, result) => {
                let number = run.service.index();
                let up = matches!(self.phase[number], Phase::Starting | Phase::Ready);
                self.turn.fresh = up && self.generation[number] == run.generation;
                self.stale += u64::from(!self.turn.fresh);
                if self.turn.fresh && result.is_err() {
                    self.write_failed(number, *result);
                }
            }
            Event::Published { service, generation, values } => {
                let number = service.index();
                let up = matches!(self.phase[number], Phase::Starting | Phase::Ready);
                self.turn.fresh = up && self.generation[number] == *generation;
                self.stale += u64::from(!self.turn.fresh);
                if self.turn.fresh {
                    for (output, value) in values {
                        self.own[number][usize::from(*output)].clone_from(value);
                    }
                }
            }
            _ => {}
        }
        self.command(now, event);
        debug_assert_eq!(engine.graph().nodes.len(), self.phase.len());
        self.turn.event = Some(event.clone());
    }

    fn exited(&mut self, now: Instant, run: Incarnation, exit: Exit) {
        let number = run.service.index();
        self.turn.fresh = self.live[number].is_some_and(|live| live.run == run);
        if !self.turn.fresh {
            self.stale += 1;
            return;
        }
        if matches!(run.role, Role::Run | Role::Up) {
            self.last_exit[number] = Some(exit);
            let ready_ms = match self.phase[number] {
                Phase::Ready => Some(now.since_ms(self.since[number])),
                _ => None,
            };
            match (self.phase[number], self.judgement[number]) {
                (Phase::Starting | Phase::Ready, _) => {
                    self.judgement[number] = Judgement::Failed(Some(exit), ready_ms);
                }
                (_, Judgement::Failed(_, ready_ms)) => {
                    self.judgement[number] = Judgement::Failed(Some(exit), ready_ms);
                }
                _ => {}
            }
        }
    }

    /// Judges the state after a turn.
    pub fn after(&mut self, now: Instant, engine: &Engine, world: &World) -> Verdict {
        self.forget_dead();
        law!("3 an exit is told", self.turn.dead.is_none(), "{:?}", self.turn.dead);
        self.values_hold(engine, world)?;
        self.rest(now, engine, world)?;
        self.soft_needs_were_waited_for()?;
        self.settling(engine)
    }

    /// The process that is reported dead is gone before anything follows from it.
    fn forget_dead(&mut self) {
        if let (true, Some(Event::Exited(run, _))) = (self.turn.fresh, &self.turn.event) {
            let number = run.service.index();
            if let Some(live) = self.live[number].take_if(|live| live.run == *run) {
                self.turn.dead = Some(live.run);
                self.turn.late = live.late;
            }
        }
    }

    fn is_killing(&self) -> bool {
        matches!(self.ending, Ending::Killing(_) | Ending::Done)
    }

    pub fn is_stopped(&self) -> bool {
        self.ending == Ending::Done
    }

    fn is_ready(&self, number: usize) -> bool {
        self.phase[number] == Phase::Ready
    }

    /// Whether something of it may still be running. What is stuck in the kernel does not count.
    fn is_active(&self, number: usize) -> bool {
        match self.phase[number] {
            Phase::Starting | Phase::Ready => true,
            Phase::Stopping => !self.live[number].is_some_and(|live| live.stuck),
            _ => false,
        }
    }

    /// Whether enough members are ready; soft ones count anyway for a bundle that is up.
    fn has_members(&self, number: usize, up: bool) -> bool {
        let svc = &self.plan.services[number];
        let counts = |link: &&Link| {
            link.tie == Tie::Member
                && (self.is_ready(usize::from(link.to)) || (up && link.on != super::plan::On::Stop))
        };
        svc.what != super::plan::What::Bundle
            || svc.links.iter().filter(counts).count() >= svc.members_needed()
    }

    /// What keeps a stopping service from ending: dependents that are up and have to be down.
    fn holders(&self, number: usize) -> Vec<usize> {
        let holds = |(dependent, link): &&Dependent| {
            self.is_active(*dependent)
                && (link.is_hard()
                    || self.phase[*dependent] == Phase::Stopping
                    || !self.wants[*dependent]
                    || self.lacks_hard_need(*dependent)
                    || !self.has_members(*dependent, true))
        };
        self.dependents[number].iter().filter(holds).map(|(dependent, _)| *dependent).collect()
    }

    fn lacks_hard_need(&self, number: usize) -> bool {
        let links = self.plan.services[number].links.iter();
        links.filter(|link| link.is_hard()).any(|link| !self.is_ready(usize::from(link.to)))
    }

    pub fn find_phase(&self, phase: Phase) -> Option<usize> {
        self.phase.iter().position(|one| *one == phase)
    }

    /// Whether nothing is on its way.
    pub fn is_quiet(&self) -> bool {
        let moving = |p: &Phase| matches!(p, Phase::Starting | Phase::Stopping | Phase::Backoff);
        !self.phase.iter().any(moving)
    }

    fn name(number: usize) -> String {
        format!("service {number}")
    }

    fn meet(&mut self, event: &Event) {
        let (name, service) = match event {
            Event::Boot(service) => ("boot", *service),
            Event::Start(service) => ("start", *service),
            Event::Stop(service) => ("stop", *service),
            Event::Restart(service) => ("restart", *service),
            Event::Spawned(run) => ("spawned", run.service),
            Event::Exited(run, _) => ("exited", run.service),
            Event::Ready(run) => ("told ready", run.service),
            Event::ReadyClosed(run) => ("closed", run.service),
            Event::Written(run, _) => ("written", run.service),
            Event::Published { service, .. } => ("published", *service),
            Event::Unready(run) => ("told unready", run.service),
            Event::Reloading(run) => ("reloading", run.service),
            Event::Extend(run, _) => ("extended", run.service),
            Event::Keepalive(run) => ("kept alive", run.service),
            Event::Watchdog(run, _) => ("watchdog set", run.service),
            Event::Trigger(run) => ("triggered", run.service),
            Event::Condition { service, .. } => ("condition", *service),
            Event::Reload(service) => ("reload", *service),
            Event::Reset(service) => ("reset", *service),
            Event::Hold(service, _) => ("hold", *service),
            Event::Release(service) => ("release", *service),
            Event::Retire(service) => ("retire", *service),
            Event::Tick => ("time", id(0)),
            Event::Shutdown => ("shutdown", id(0)),
            Event::ShutdownNow => ("shutdown now", id(0)),
        };
        if matches!(event, Event::Tick | Event::Shutdown | Event::ShutdownNow) {
            self.met.pairs.extend(self.phase.iter().map(|phase| (phase.name(), name)));
        } else {
            self.met.pairs.insert((self.phase[service.index()].name(), name));
        }
    }
}

impl Laws<'_> {
    /// Judges one action, in the order in which they come.
    pub fn action(&mut self, now: Instant, action: Action) -> Verdict {
        self.forget_dead();
        self.turn.actions += 1;
        match action {
            Action::Spawn(run) => self.spawns(now, run),
            Action::Signal(run, signal) => self.signals(now, run, signal),
            Action::Write(run) => self.writes(run),
            Action::Remove(service) => self.removes(service.index()),
            Action::Publish(service) => {
                self.turn.published.insert(service.index());
                Ok(())
            }
            Action::Escalate(service, _) => {
                violation("6 escalation is asked for", format!("service {}", service.0))
            }
            Action::Withdraw(service) => {
                self.turn.withdrawn.insert(service.index());
                Ok(())
            }
            Action::Notice(notice) => self.notice(now, notice),
            Action::AllStopped => self.all_stopped(now),
        }
    }

    fn notice(&mut self, now: Instant, notice: Notice) -> Verdict {
        match notice {
            Notice::Changed { service, from, to } => self.changes(now, service.index(), from, to),
            Notice::Exited { incarnation, exit, timed_out } => {
                let told = Event::Exited(incarnation, exit);
                law!(
                    "3 one incarnation: an exit is told once, and no other",
                    self.turn.dead.take().is_some() && self.turn.event == Some(told),
                    "{incarnation:?}"
                );
                law!(
                    "5 a timeout is told",
                    self.turn.late.is_none_or(|late| late == timed_out),
                    "{incarnation:?}"
                );
                Ok(())
            }
            Notice::Settled { ready } => {
                law!("10 settled once", self.turn.settled.is_none(), "twice in one turn");
                self.turn.settled = Some(ready);
                Ok(())
            }
            Notice::Bug { service } => {
                violation("7 bounded: no bug", format!("at service {}", service.0))
            }
        }
    }
}
