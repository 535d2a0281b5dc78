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
mod events;
mod group;
mod met;
mod rest;
mod retry;
mod side;
mod switch;
mod turn;
mod values;
mod wanted;

use group::Choice;
pub use met::Met;
use side::Side;
use turn::{Judgement, Live, Turn};

use super::{
    plan::{Link, Plan, Tie},
    world::World,
};
use rc::{
    Exit, Instant,
    engine::{Engine, Phase},
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

    fn name(number: usize) -> Name {
        Name(number, None)
    }
}

/// What a violation says of a service; put into words only if it has to be.
struct Name(usize, Option<Phase>);

impl core::fmt::Display for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "service {}", self.0)?;
        self.1.map_or(Ok(()), |phase| write!(f, " is {}", phase.name()))
    }
}
