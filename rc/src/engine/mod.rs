//! The dependency engine: from what is wanted and what is so to what has to be done next.
//!
//! It is level-triggered. Commands change what is *wanted*; events tell what is *so*; after each,
//! every service whose surroundings changed is looked at again ([`step`]) until nothing more follows.
//! There is no transaction and no lock: a service that waits for ever delays only its dependents.
//!
//! | state | what it means | leaves it when |
//! |---|---|---|
//! | down | not wanted, nothing runs | it is wanted |
//! | waiting | wanted; a need is not ready or an output is missing | all is there, or unwanted |
//! | starting | spawned, not ready | it tells so (ready), exits or times out, must stop |
//! | ready | up | its process exits, a need leaves ready, a value that it read changes, unwanted |
//! | stopping | dependents first; then signal, down, finish | the last process is gone |
//! | backoff | it failed; started again at a deadline | the deadline, a command, unwanted |
//! | failed | it failed for good | a command, unwanted |
//!
//! The engine must never read a clock or do anything itself, never act on a stale incarnation, and
//! never spawn for a service while one of its needs is not ready or another of its processes lives.

mod agenda;
mod change;
mod command;
mod condition;
mod graph;
mod group;
mod process;
mod records;
mod run;
mod save;
mod side;
mod state;
mod step;
mod switch;
mod tally;
#[cfg(test)]
mod tests;
mod values;
mod view;
mod want;
mod words;

pub use condition::Met;
pub use graph::Graph;
use save::Head;
pub use save::{RestoreError, SAVED};
pub use switch::{Fate, Origin, fates, origins};
pub use view::{Blocker, View};
pub use words::{Action, Cause, Incarnation, Notice, Phase, Role, Want, Why};

pub use crate::db::{Checkup, Node, NodeKind, NodeOutput};
use crate::model::{Edge, ServiceId};
use agenda::Agenda;
use core::cmp::Reverse;
use records::Records;
use state::{Ask, Dynamic, Group, Side, State, Step};
use std::collections::BinaryHeap;
use supervisor::coder::Coded;
use supervisor::{
    exit::Exit,
    time::{Instant, Millis},
};
use tally::Tally;

/// What the shell observed, or was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
// In the niche of a vector its tag would be a constant of 64 bits wherever it is made or looked at.
#[repr(u8)]
pub enum Event {
    /// The machine is up: start this service and all that it reaches.
    Boot(ServiceId),
    /// The program of this incarnation is being executed.
    Spawned(Incarnation),
    /// The process of this incarnation is gone, or never came to be.
    Exited(Incarnation, Exit),
    /// It told that it is ready.
    Ready(Incarnation),
    /// It closed its notification descriptor without telling that it is ready.
    ReadyClosed(Incarnation),
    /// It told that it is not ready any longer, or not yet.
    Unready(Incarnation),
    /// It told that it takes over its configuration anew, until it tells that it is ready.
    Reloading(Incarnation),
    /// It asked for this much more time to start or to stop.
    Extend(Incarnation, Millis),
    /// It told that it still works.
    Keepalive(Incarnation),
    /// It told that it will say so this often; 0: never.
    Watchdog(Incarnation, Millis),
    /// It told that it does not work.
    Trigger(Incarnation),
    /// The file was written (and whether its content is new), or could not be (errno).
    Written(Incarnation, Result<bool, i32>),
    /// Values published by the service, by position among its outputs; `None` takes one back.
    /// The shell has checked their types.
    Published {
        /// The service.
        service: ServiceId,
        /// The generation that the publisher belongs to.
        generation: u32,
        /// The values.
        values: Vec<(u16, Option<String>)>,
    },
    /// Whether a condition of a service holds, by its position; negation is taken into account. Not
    /// for conditions on outputs. Before the first word of it, a condition does not hold.
    Condition {
        /// The service.
        service: ServiceId,
        /// The position.
        number: u16,
        /// Whether it holds.
        holds: bool,
    },
    /// A command: start it, and what it needs even if that was stopped by command. What conflicts
    /// with any of them is stopped as by command.
    Start(ServiceId),
    /// A command: stop it, and keep it down.
    Stop(ServiceId),
    /// A command: stop it, with all that depends on it, and start them again.
    Restart(ServiceId),
    /// A command: take over the configuration anew, as its definition says how.
    Reload(ServiceId),
    /// A command: forget failures, and try again what waits because of them.
    Reset(ServiceId),
    /// A command: keep it up or down, whatever else follows from what is wanted.
    Hold(ServiceId, Want),
    /// A command: keep it no longer.
    Release(ServiceId),
    /// It is going to be removed or replaced by another database; see [`Engine::adopt`].
    Retire(ServiceId),
    /// Time passed; also the way to say that nothing else happened.
    Tick,
    /// Everything is to be down, within the bound of the system record.
    Shutdown,
    /// The same at once: kill what is left.
    ShutdownNow,
}

/// A shutdown in progress.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
enum Shutdown {
    No,
    Orderly { until: Instant },
    Killing { until: Instant },
    Done,
}

/// The engine. One per database.
pub struct Engine {
    graph: Graph,
    dynamic: Records,
    /// What each bundle counts of its members; follows from `dynamic`.
    tallies: Vec<Tally>,
    agenda: Agenda,
    /// Deadlines, earliest first. An entry whose service has another deadline by now is stale.
    deadlines: BinaryHeap<Reverse<(Instant, ServiceId)>>,
    /// How many services are active: something of them may be running.
    active: usize,
    target: Option<ServiceId>,
    settled: bool,
    shutdown: Shutdown,
    /// Who is wanted has to be computed anew.
    wants_stale: bool,
    stale: u64,
    bugs: u64,
    /// What belongs to no service, as it was when somebody asked whether it has changed.
    known: Option<Head>,
}

/// So many values that are not known.
fn unset(count: usize) -> Vec<Option<String>> {
    (0..count).map(|_| None).collect()
}

impl Engine {
    /// An engine in which nothing is wanted and nothing is so.
    #[must_use]
    pub fn new(graph: Graph) -> Self {
        let fresh = |node: Node<'_>| Dynamic {
            state: State::Down,
            want: Want::Down,
            ask: Ask::Nothing,
            generation: 0,
            since: Instant::default(),
            failures: 0,
            not_before: Instant::default(),
            restart: false,
            last_exit: None,
            values: unset(node.outputs().len()),
            bound: unset(node.reads().len()),
            rebound: false,
            revision: 0,
            seen: vec![0; node.edges().len()],
            pin: None,
            retired: false,
            conditions: vec![false; node.conditions().len()],
            dormant: false,
            flaps: 0,
            damp: false,
            reloading: false,
            escalated: false,
            group: Group {
                counted: vec![false; if node.is_group() { node.edges().len() } else { 0 }],
                reach: node.alternatives().next().map_or(0, |(position, _)| position),
                ..Group::default()
            },
            side: Side { pending: vec![false; node.actions()], ..Side::default() },
            armed: None,
        };
        let dynamic = Records::new(graph.nodes().map(fresh).collect());
        let mut engine = Self {
            agenda: Agenda::new(graph.len()),
            tallies: vec![Tally::NONE; graph.len()],
            graph,
            dynamic,
            deadlines: BinaryHeap::new(),
            active: 0,
            target: None,
            settled: false,
            shutdown: Shutdown::No,
            wants_stale: false,
            stale: 0,
            bugs: 0,
            known: None,
        };
        engine.recount_all();
        engine
    }

    /// Takes one event at `now`, which must not be earlier than at the call before, and appends
    /// what has to be done to `out`, in order.
    pub fn handle(&mut self, now: Instant, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Tick => {}
            Event::Boot(target) => self.boot(target),
            Event::Start(id) => self.start(now, id, out),
            Event::Stop(id) => self.ask(id, Ask::Down),
            Event::Restart(id) => self.restart(now, id, out),
            Event::Reload(id) => self.reload(now, id, out),
            Event::Reset(id) => self.reset(now, id, out),
            Event::Hold(id, want) => self.pin(now, id, Some(want), out),
            Event::Release(id) => self.pin(now, id, None, out),
            Event::Condition { service, number, holds } => {
                self.condition_told(service, number, holds);
            }
            Event::Retire(id) => self.retire(id),
            Event::Shutdown => self.begin_shutdown(now),
            Event::ShutdownNow => self.kill_all(now, out),
            Event::Published { service, generation, values } => {
                self.published(now, service, generation, values, out);
            }
            Event::Spawned(Incarnation { role: Role::Check(_) | Role::Action { .. }, .. }) => {}
            Event::Spawned(run) => self.with_live(now, run, out, Self::spawned),
            Event::Ready(run) => self.with_live(now, run, out, Self::told_ready),
            Event::ReadyClosed(run) => self.with_live(now, run, out, Self::told_never_ready),
            Event::Unready(run) => self.with_live(now, run, out, Self::told_unready),
            Event::Reloading(run) => self.with_live(now, run, out, Self::told_reloading),
            Event::Trigger(run) => self.with_live(now, run, out, Self::triggered),
            Event::Keepalive(run) => self.sign_from(now, run, None),
            Event::Watchdog(run, span) => self.sign_from(now, run, Some(span)),
            Event::Extend(run, span) => self.extend(now, run, span),
            Event::Written(run, result) => self.written(now, run, result, out),
            Event::Exited(run, exit) => self.exited(now, run, exit, out),
        }
        self.take_turn(now, out);
    }

    /// When [`Self::handle`] must be called at the latest, if nothing happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let service = self.deadlines.peek().map(|Reverse((at, _))| *at);
        let shutdown = match self.shutdown {
            Shutdown::Orderly { until } | Shutdown::Killing { until } => Some(until),
            Shutdown::No | Shutdown::Done => None,
        };
        match (service, shutdown) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Calls `f` if the incarnation's process is the one that lives now; counts it as stale if not.
    fn with_live(
        &mut self,
        now: Instant,
        run: Incarnation,
        out: &mut Vec<Action>,
        f: fn(&mut Self, Instant, Incarnation, &mut Vec<Action>),
    ) {
        if self.is_live(run) {
            f(self, now, run, out);
        }
    }

    /// Whether the incarnation's process is the one that lives now; it is counted as stale if not.
    fn is_live(&mut self, run: Incarnation) -> bool {
        let live = self.live(run.service) == Some(run);
        self.stale += u64::from(!live);
        live
    }

    /// Puts a service on the agenda.
    fn look_at(&mut self, id: ServiceId) {
        let rank = usize::from(self.graph.node(id).rank());
        if matches!(self.dynamic[id.index()].state, State::Stopping(Step::Draining(_), _)) {
            self.agenda.drain(rank);
        } else {
            self.agenda.look(rank);
        }
    }

    /// Makes the heap hold the deadline of a service, if that is another one now.
    fn arm(&mut self, id: ServiceId) {
        let deadline = self.dynamic[id.index()].deadline();
        // What is as it was is not touched, so that no copy of it is made.
        if self.dynamic[id.index()].armed != deadline {
            self.dynamic[id.index()].armed = deadline;
            if let Some(at) = deadline {
                self.deadlines.push(Reverse((at, id)));
            }
        }
    }

    /// The one place where a state changes: sets its deadline, ends what belongs to the state before,
    /// and wakes those whom it concerns.
    fn set_state(&mut self, now: Instant, id: ServiceId, state: State, out: &mut Vec<Action>) {
        let dynamic = &mut self.dynamic[id.index()];
        let stood = dynamic.standing();
        let before = core::mem::replace(&mut dynamic.state, state);
        let (from, to) = (before.phase(), state.phase());
        if from != to {
            dynamic.since = now;
            dynamic.reloading = false;
            if before.is_up() {
                self.end_side(id, out);
            }
            out.push(Action::Notice(Notice::Changed { service: id, from, to }));
        }
        self.tell_bundles(id, stood);
        self.active += usize::from(state.is_active());
        self.active -= usize::from(before.is_active());
        if from != to
            || before.is_active() != state.is_active()
            || before.is_settled() != state.is_settled()
        {
            self.wake_neighbours(id);
        }
        // Who waits for this one to be gone has to know, too, whether it stays.
        if before.is_present() != state.is_present() || before.is_settled() != state.is_settled() {
            let mut position = 0;
            while let Some(other) = self.graph.node(id).conflict(position) {
                self.look_at(other);
                position += 1;
            }
        }
        self.arm(id);
    }

    /// Dependents may have to start or stop; dependencies may have waited for this one to be down.
    fn wake_neighbours(&mut self, id: ServiceId) {
        let mut position = 0;
        while let Some((dependent, _)) = self.graph.node(id).dependent(position) {
            position += 1;
            let state = self.dynamic[dependent.index()].state;
            // Who has conditions may be dormant in any state.
            let watches = self.graph.node(dependent).conditions().len() > 0;
            if matches!(state, State::Waiting { .. } | State::Starting(_) | State::Ready(_))
                || watches
            {
                self.look_at(dependent);
            }
        }
        let mut position = 0;
        while let Some(Edge { to, .. }) = self.graph.node(id).edge(position) {
            position += 1;
            if matches!(self.dynamic[to.index()].state, State::Stopping(Step::Draining(_), _)) {
                self.look_at(to);
            }
        }
        self.look_at(id);
    }

    /// Works until nothing more follows from what is known at `now`. Each step brings a service
    /// nearer to what is wanted, so a turn is linear in what it touches; the bound is a guard
    /// against a defect, not a limit.
    fn take_turn(&mut self, now: Instant, out: &mut Vec<Action>) {
        let mut budget = 1000 + 200 * self.dynamic.len();
        loop {
            if self.wants_stale {
                self.recompute_wants();
            }
            while let Some(id) = self.next_on_agenda() {
                if self.goes_in_circles(&mut budget, id, out) {
                    return;
                }
                self.step(now, id, out);
                if self.wants_stale {
                    self.recompute_wants();
                }
            }
            // A delay of no length ends in the turn in which it began.
            if !self.expire(now, &mut budget, out) && !self.continue_shutdown(now, out) {
                break;
            }
        }
        self.settle(out);
        debug_assert!(self.has_counted_right(), "a bundle did not learn of a change");
    }

    /// Whether a turn has done more than it can have to do: a defect, told once for each turn.
    fn goes_in_circles(
        &mut self,
        budget: &mut usize,
        id: ServiceId,
        out: &mut Vec<Action>,
    ) -> bool {
        *budget = budget.saturating_sub(1);
        if *budget == 0 {
            self.bugs += 1;
            out.push(Action::Notice(Notice::Bug { service: id }));
        }
        *budget == 0
    }

    fn next_on_agenda(&mut self) -> Option<ServiceId> {
        while let Some(rank) = self.agenda.next_look() {
            let id = self.graph.at_rank(rank);
            if !matches!(self.dynamic[id.index()].state, State::Stopping(Step::Draining(_), _)) {
                return Some(id);
            }
            self.agenda.drain(rank);
        }
        self.agenda.next_drain().map(|rank| self.graph.at_rank(rank))
    }

    /// Lets every process whose deadline has come escalate, and every backoff end; answers whether
    /// there was one. Afterwards the first deadline is one that still holds.
    fn expire(&mut self, now: Instant, budget: &mut usize, out: &mut Vec<Action>) -> bool {
        let mut any = false;
        while let Some(&Reverse((at, id))) = self.deadlines.peek() {
            let current = self.dynamic[id.index()].armed;
            if current == Some(at) && at > now {
                break;
            }
            self.deadlines.pop();
            if current == Some(at) {
                self.dynamic[id.index()].armed = None;
                self.deadline_of(now, id, out);
                self.arm(id);
                any = true;
                if self.goes_in_circles(budget, id, out) {
                    return false;
                }
            }
        }
        // Entries that went stale before their time are dropped when they outnumber the live ones.
        if self.deadlines.len() > 64 + 2 * self.dynamic.len() {
            let mut kept = core::mem::take(&mut self.deadlines).into_vec();
            kept.retain(|&Reverse((at, id))| self.dynamic[id.index()].armed == Some(at));
            self.deadlines = kept.into();
        }
        any
    }

    /// Tells once that boot has come as far as it can.
    fn settle(&mut self, out: &mut Vec<Action>) {
        if let Some(target) = self.target
            && !self.settled
            && self.shutdown == Shutdown::No
            && self.dynamic[target.index()].state.is_settled()
        {
            self.settled = true;
            let ready = self.is_ready(target);
            out.push(Action::Notice(Notice::Settled { ready }));
        }
    }

    fn is_ready(&self, id: ServiceId) -> bool {
        matches!(self.dynamic[id.index()].state, State::Ready(_))
    }
}
