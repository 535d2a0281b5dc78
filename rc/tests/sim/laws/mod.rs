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
//! | 11 conditions hold; a flap is damped; a hand-over changes nothing | `group`, `retry`, script |
//! | 12 a failover uses what it should | `group` |
//! | 13 pins hold | `group`, `wanted` |
//! | 14 what conflicts is never up together | `group`, `action` |
//! | 15 at rest everything is as the reference says | `wanted`, [`super::reference`] |
//! | 16 another database disturbs only who is other in it | `switch`, and all laws over the second plan |

mod action;
mod group;
mod rest;
mod retry;
mod side;
mod switch;
mod values;
mod wanted;

use group::Choice;
use side::Side;

use super::{
    plan::{Link, Plan, Tells, Tie, id},
    world::{World, is_side},
};
use rc::{
    Exit, Instant, Millis,
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
    /// It asked for time until then.
    more: Option<Instant>,
    /// Whether it was told to end because it took too long; when all is killed, nobody asks.
    late: Option<bool>,
}

impl Live {
    /// When something is done about it next, if nothing happens before.
    fn due(&self, grace: Millis) -> Option<Instant> {
        match (self.told, self.killed) {
            (None, _) => self.timeout,
            (Some(told), None) => Some(told.after(grace)).max(self.more),
            (_, Some(killed)) => (!self.stuck).then(|| killed.after(Millis(3000))),
        }
    }
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
#[derive(Clone, Default)]
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
    /// Who was asked to restart by command, or by an action that failed.
    bounced: BTreeSet<usize>,
    /// Who was asked to restart by command while up.
    restarts: Vec<usize>,
    /// Who has to restart for what it missed while it was held up.
    released: Option<usize>,
    /// Whose start was to be forgiven.
    forgiven: BTreeSet<usize>,
    /// The end of something beside a service, and whether it had to be killed.
    beside: Option<(Incarnation, Exit, bool)>,
    /// A check found it ready.
    told_ready: Option<usize>,
    /// Who failed its checks, or was silent.
    given_up: BTreeSet<usize>,
    barked: BTreeSet<usize>,
    /// Actions that have to run, and those that do.
    actions_due: BTreeSet<(usize, u16)>,
    acted: BTreeSet<(usize, u16)>,
    /// Who has to reload by command.
    reloaded: Option<usize>,
    escalated: BTreeSet<usize>,
    escalations_due: BTreeSet<usize>,
    /// Who is to be started because of a failure for good.
    starts: Vec<usize>,
    /// What is wanted, and dormant, at its end.
    wants_before: Vec<bool>,
    /// Who changes its phase in it.
    moves: BTreeSet<usize>,
    /// Whose failure for good starts others just now.
    starter: Option<usize>,
    /// Who was blocked before it.
    blocked_before: Vec<bool>,
    /// Whose check (or action) was killed.
    killed: BTreeSet<(usize, bool)>,
    wants_after: Vec<bool>,
    dormant_after: Vec<bool>,
    barred_after: Vec<bool>,
}

const PHASES: [&str; 7] = ["down", "waiting", "starting", "ready", "stopping", "backoff", "failed"];

const EVENTS: [&str; 25] = [
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
    "unready",
    "reloading",
    "extend",
    "keepalive",
    "trigger",
    "watchdog",
    "condition",
    "reload",
    "reset",
    "hold",
    "release",
    "retire",
];

/// Which pairs of phase and event were met; see the coverage test.
#[derive(Clone, Default)]
pub struct Met {
    pub pairs: BTreeSet<(&'static str, &'static str)>,
    pub moves: BTreeSet<(&'static str, &'static str)>,
}

/// Everything that some alternative reaches.
fn searched(plan: &Plan) -> Vec<bool> {
    let mut searched = vec![false; plan.services.len()];
    for &number in plan.sorted().iter().rev() {
        for link in &plan.services[number].links {
            let pulls =
                link.tie == Tie::Alternative || (searched[number] && link.tie != Tie::After);
            searched[usize::from(link.to)] |= pulls;
        }
    }
    searched
}

/// Who depends on a service: the other's number and its link.
type Dependent = (usize, Link);

#[derive(Clone)]
pub struct Laws<'p> {
    plan: &'p Plan,
    /// The services, dependencies first.
    order: Vec<usize>,
    dependents: Vec<Vec<Dependent>>,
    asks: Vec<Ask>,
    pins: Vec<Option<bool>>,
    /// On its way out, for another database.
    retired: Vec<bool>,
    /// In the turn after a switch: failovers that are other now and go on with an alternative that is up.
    adopted: Vec<usize>,
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
    /// No start before, because of the last failure.
    retry_at: Vec<Option<Instant>>,
    last_exit: Vec<Option<Exit>>,
    /// What the shell told of conditions.
    holds: Vec<Vec<bool>>,
    dormant: Vec<bool>,
    /// Ends in a row that a condition caused, and whether the next start has to wait because of them.
    flaps: Vec<u32>,
    damp: Vec<bool>,
    /// What its failure for good leads to has been done.
    escalated: Vec<bool>,
    reloading: Vec<bool>,
    /// We ended its run because it failed; its `finish` said that it is of no use to go on.
    ended_by_us: Vec<bool>,
    hopeless: Vec<bool>,
    /// It is stopped because it was silent.
    silent: Vec<bool>,
    side: Vec<Side>,
    /// Who is reached by an alternative of some failover.
    searched: Vec<bool>,
    choice: Vec<Choice>,
    /// The same before the last turn.
    before: Vec<Choice>,
    /// The members that a bundle counts on, by link.
    counted: Vec<Vec<bool>>,
    /// How often what a service stands for has been new, and what each knew of those it relates to when it
    /// began, by link.
    news: Vec<u32>,
    known: Vec<Vec<u32>>,
    /// Who is settled and who is blocked at the end of the turn.
    settled_now: Vec<bool>,
    blocked: Vec<bool>,
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

    /// Whether every event met every phase.
    pub fn must_have_met(&self) {
        for event in EVENTS {
            for phase in PHASES {
                // Files are tried again for ever.
                let exists = (phase, event) != ("failed", "written");
                let met = self.pairs.contains(&(phase, event));
                assert!(met || !exists, "{event} never met {phase}");
            }
        }
    }

    /// Whether every move of the table was made.
    pub fn must_have_moved(&self) {
        let moves = PHASES.iter().flat_map(|from| PHASES.iter().map(move |to| (*from, *to)));
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
            pins: vec![None; count],
            retired: vec![false; count],
            adopted: Vec::new(),
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
            holds: plan.services.iter().map(|svc| vec![false; svc.ifs.len()]).collect(),
            dormant: vec![false; count],
            flaps: vec![0; count],
            damp: vec![false; count],
            escalated: vec![false; count],
            reloading: vec![false; count],
            ended_by_us: vec![false; count],
            hopeless: vec![false; count],
            silent: vec![false; count],
            side: vec![Side::default(); count],
            searched: searched(plan),
            choice: vec![Choice::default(); count],
            before: vec![Choice::default(); count],
            counted: plan.services.iter().map(|svc| vec![false; svc.links.len()]).collect(),
            news: vec![0; count],
            known: plan.services.iter().map(|svc| vec![0; svc.links.len()]).collect(),
            settled_now: vec![true; count],
            blocked: vec![false; count],
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
            // Nothing of what is beside a service is counted as stale.
            Event::Exited(run, _) | Event::Spawned(run) if is_side(run.role) => {}
            Event::Exited(run, exit) => self.exited(now, *run, *exit),
            Event::Spawned(run)
            | Event::Ready(run)
            | Event::ReadyClosed(run)
            | Event::Unready(run)
            | Event::Reloading(run)
            | Event::Extend(run, _)
            | Event::Keepalive(run)
            | Event::Trigger(run)
            | Event::Watchdog(run, _) => {
                self.turn.fresh = self.live[run.service.index()].is_some_and(|l| l.run == *run);
                self.stale += u64::from(!self.turn.fresh);
                self.said(now, event, *run);
            }
            Event::Written(run, result) => {
                let number = run.service.index();
                let up = matches!(self.phase[number], Phase::Starting | Phase::Ready);
                self.turn.fresh = up && self.generation[number] == run.generation;
                self.stale += u64::from(!self.turn.fresh);
                match result {
                    Ok(new) if self.turn.fresh => self.news[number] += u32::from(*new),
                    Err(_) if self.turn.fresh => self.write_failed(number, *result),
                    _ => {}
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
        self.side_event(now, event);
        self.command(now, event);
        self.watchdogs_bark(now, event);
        debug_assert_eq!(engine.graph().len(), self.phase.len());
        self.turn.event = Some(event.clone());
    }

    /// A process told something about itself.
    fn said(&mut self, now: Instant, event: &Event, run: Incarnation) {
        let number = run.service.index();
        if !self.turn.fresh {
            return;
        }
        match event {
            Event::Ready(_) => self.reloading[number] = false,
            // Being executed makes it ready, and again.
            Event::Spawned(_) if self.plan.services[number].tells == Tells::AtOnce => {
                self.reloading[number] = false;
            }
            Event::Reloading(_) => {
                self.reloading[number] = run.role == Role::Run && self.is_ready(number);
            }
            Event::Extend(_, span) => {
                let until = now.after(Millis(span.0.min(3_600_000)));
                let phase = self.phase[number];
                if let Some(live) = &mut self.live[number] {
                    let ends = phase == Phase::Stopping
                        && (live.told.is_some() || matches!(run.role, Role::Finish | Role::Down));
                    if phase == Phase::Starting || ends {
                        if live.told.is_none() {
                            live.timeout = live.timeout.map(|at| at.max(until));
                        } else if live.killed.is_none() {
                            live.more = live.more.max(Some(until));
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// What the engine wants now, before its actions are judged: within a turn either may be so.
    pub fn told(&mut self, engine: &Engine, actions: &[Action]) {
        for action in actions {
            if let Action::Notice(Notice::Changed { service, .. }) = action {
                self.turn.moves.insert(service.index());
            }
        }
        for number in 0..self.phase.len() {
            let view = engine.view(id(number));
            let up = view.is_some_and(|view| view.want == rc::engine::Want::Up);
            self.turn.wants_after.push(up);
            self.turn.dormant_after.push(view.is_some_and(|view| view.dormant));
            let mut met = engine.conditions(id(number));
            self.turn.barred_after.push(met.any(|met| met == rc::engine::Met::No));
        }
    }

    /// Whether it was wanted at the begin of the turn, or is so at its end.
    fn may_be_wanted(&self, number: usize) -> bool {
        self.wants[number]
            || self.turn.wants_after.get(number) == Some(&true)
            // A search may want it, and turn away in the same turn.
            || self.searched[number]
    }

    /// Whether it was wanted at the begin of the turn, and is so at its end.
    fn is_surely_wanted(&self, number: usize) -> bool {
        self.wants[number] && self.turn.wants_after.get(number) != Some(&false)
    }

    fn exited(&mut self, now: Instant, run: Incarnation, exit: Exit) {
        let number = run.service.index();
        self.turn.fresh = self.live[number].is_some_and(|live| live.run == run);
        if !self.turn.fresh {
            self.stale += 1;
            return;
        }
        if run.role == Role::Finish && exit == Exit::Code(125) {
            self.hopeless[number] = matches!(self.judgement[number], Judgement::Failed(..));
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
        self.take_choices(engine);
        self.values_hold(engine, world)?;
        self.turn.wants_before = core::mem::take(&mut self.wants);
        self.wants = self.wanted();
        self.dormant = self.dormancy();
        self.count_members();
        self.turn.blocked_before = core::mem::take(&mut self.blocked);
        (self.settled_now, self.blocked) = self.settlement();
        self.choices_right(now)?;
        self.adopted_right()?;
        self.rest(now, engine, world)?;
        self.soft_needs_were_waited_for()?;
        self.settling(engine)
    }

    /// After a hand-over everything is as it was.
    pub fn same(&mut self, now: Instant, engine: &Engine, world: &World) -> Verdict {
        self.turn = Turn { at_first: self.phase.clone(), ..Turn::default() };
        self.rest(now, engine, world)
    }

    pub fn generations(&self) -> Vec<u32> {
        self.generation.clone()
    }

    /// The process that is reported dead is gone before anything follows from it.
    fn forget_dead(&mut self) {
        if let (true, Some(Event::Exited(run, _))) = (self.turn.fresh, &self.turn.event) {
            let number = run.service.index();
            if is_side(run.role) {
                return;
            }
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

    /// What keeps a stopping service from ending: dependents that are up and have to be down.
    fn holders(&self, number: usize) -> Vec<usize> {
        let holds = |(dependent, link): &&Dependent| {
            let going = self.phase[*dependent] == Phase::Stopping;
            let leaves = !self.is_held_up(*dependent)
                && (link.is_hard()
                    || !self.may_be_wanted(*dependent)
                    || self.lacks_hard_need(*dependent)
                    || !self.has_members(*dependent, true)
                    || self.is_barred_by_world(*dependent));
            self.is_active(*dependent) && (going || leaves)
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

    /// Whether nothing is on its way but the next attempt of a bad service.
    pub fn is_quiet(&self, bad: &dyn Fn(u16) -> bool) -> bool {
        (0..self.phase.len()).all(|number| {
            let bad = u16::try_from(number).is_ok_and(bad);
            let still = match self.phase[number] {
                Phase::Starting | Phase::Stopping => false,
                Phase::Backoff => bad,
                _ => true,
            };
            let side = &self.side[number];
            still
                && side.check.is_none()
                && side.action.is_none()
                && self.choice[number].patience.is_none_or(|_| self.phase[number] != Phase::Waiting)
        })
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
            Event::Unready(run) => ("unready", run.service),
            Event::Reloading(run) => ("reloading", run.service),
            Event::Extend(run, _) => ("extend", run.service),
            Event::Keepalive(run) => ("keepalive", run.service),
            Event::Trigger(run) => ("trigger", run.service),
            Event::Watchdog(run, _) => ("watchdog", run.service),
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
            Action::Spawn(run) if is_side(run.role) => self.spawns_side(now, run),
            Action::Signal(run, signal) if is_side(run.role) => self.signals_side(now, run, signal),
            Action::Spawn(run) => self.spawns(now, run),
            Action::Signal(run, signal) => self.signals(now, run, signal),
            Action::Escalate(service, _) => {
                law!(
                    "6 a failure for good is told once",
                    self.turn.escalated.insert(service.index()),
                    "service {}",
                    service.0
                );
                Ok(())
            }
            Action::Write(run) => self.writes(now, run),
            Action::Remove(service) => self.removes(service.index()),
            Action::Publish(service) => {
                self.turn.published.insert(service.index());
                Ok(())
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
            Notice::Changed { service, from, to } => {
                self.changes(now, service.index(), from, to)?;
                for other in core::mem::take(&mut self.turn.starts) {
                    // Who is started for that is not forgiven by anybody.
                    self.turn.starter = Some(service.index());
                    self.start(other);
                    self.turn.starter = None;
                    self.wants = self.wanted();
                }
                Ok(())
            }
            Notice::Exited { incarnation, exit, timed_out } => {
                let told = Event::Exited(incarnation, exit);
                if let Some((run, how, killed)) = self.turn.beside.take() {
                    law!(
                        "3 the bad end of something beside a service is told",
                        run == incarnation && (exit, timed_out) == (how, killed),
                        "{incarnation:?}"
                    );
                    return Ok(());
                }
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
