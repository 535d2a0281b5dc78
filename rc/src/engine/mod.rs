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
mod graph;
mod process;
mod run;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod values;
mod view;

pub use graph::{Graph, LoadError, Node, NodeKind, NodeOutput};
pub use state::{Action, Incarnation, Notice, Phase, Role, Want, Why};
pub use view::{Blocker, View};

use crate::model::{Relation, ServiceId};
use agenda::Agenda;
use core::cmp::Reverse;
use state::{Ask, Dynamic, State, Step};
use std::collections::BinaryHeap;
use supervisor::{exit::Exit, time::Instant};

/// What the shell observed, or was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
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
    /// A command: start it, and what it needs even if that was stopped by command.
    Start(ServiceId),
    /// A command: stop it, and keep it down.
    Stop(ServiceId),
    /// A command: stop it, with all that depends on it, and start them again.
    Restart(ServiceId),
    /// Time passed; also the way to say that nothing else happened.
    Tick,
    /// Everything is to be down, within the bound of the system record.
    Shutdown,
    /// The same at once: kill what is left.
    ShutdownNow,
}

/// A shutdown in progress.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shutdown {
    No,
    Orderly { until: Instant },
    Killing { until: Instant },
    Done,
}

/// The engine. One per database.
pub struct Engine {
    graph: Graph,
    dynamic: Vec<Dynamic>,
    agenda: Agenda,
    /// Deadlines, earliest first. An entry whose service has another deadline by now is stale.
    deadlines: BinaryHeap<Reverse<(Instant, ServiceId)>>,
    /// How many services are active: something of them may be running.
    active: usize,
    target: Option<ServiceId>,
    settled: bool,
    shutdown: Shutdown,
    stale: u64,
    bugs: u64,
}

impl Engine {
    /// An engine in which nothing is wanted and nothing is so.
    #[must_use]
    pub fn new(graph: Graph) -> Self {
        let fresh = |node: &Node| Dynamic {
            state: State::Down,
            want: Want::Down,
            ask: Ask::Nothing,
            generation: 0,
            since: Instant::default(),
            failures: 0,
            restart: false,
            last_exit: None,
            values: vec![None; node.outputs.len()],
            bound: vec![None; node.reads.len()],
            rebound: false,
            revision: 0,
            seen: vec![0; node.edges.len()],
        };
        let dynamic = graph.nodes.iter().map(fresh).collect();
        Self {
            agenda: Agenda::new(graph.nodes.len()),
            graph,
            dynamic,
            deadlines: BinaryHeap::new(),
            active: 0,
            target: None,
            settled: false,
            shutdown: Shutdown::No,
            stale: 0,
            bugs: 0,
        }
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
            Event::Shutdown => self.begin_shutdown(now),
            Event::ShutdownNow => self.kill_all(now, out),
            Event::Published { service, generation, values } => {
                self.published(now, service, generation, values, out);
            }
            Event::Spawned(run) => self.with_live(now, run, out, Self::spawned),
            Event::Ready(run) => self.with_live(now, run, out, Self::told_ready),
            Event::ReadyClosed(run) => self.with_live(now, run, out, Self::told_never_ready),
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
        if self.live(run.service) == Some(run) {
            f(self, now, run, out);
        } else {
            self.stale += 1;
        }
    }

    /// Puts a service on the agenda.
    fn look_at(&mut self, id: ServiceId) {
        let rank = usize::from(self.graph.nodes[id.index()].rank);
        if matches!(self.dynamic[id.index()].state, State::Stopping(Step::Draining(_), _)) {
            self.agenda.drain(rank);
        } else {
            self.agenda.look(rank);
        }
    }

    /// The one place where a state changes: sets its deadline and wakes those whom it concerns.
    fn set_state(&mut self, now: Instant, id: ServiceId, state: State, out: &mut Vec<Action>) {
        let dynamic = &mut self.dynamic[id.index()];
        let before = core::mem::replace(&mut dynamic.state, state);
        if let Some(at) = state.deadline() {
            self.deadlines.push(Reverse((at, id)));
        }
        let (from, to) = (before.phase(), state.phase());
        if from != to {
            dynamic.since = now;
            out.push(Action::Notice(Notice::Changed { service: id, from, to }));
        }
        self.active += usize::from(state.is_active());
        self.active -= usize::from(before.is_active());
        if from != to
            || before.is_active() != state.is_active()
            || before.is_settled() != state.is_settled()
        {
            self.wake_neighbours(id);
        }
    }

    /// Dependents may have to start or stop; dependencies may have waited for this one to be down.
    fn wake_neighbours(&mut self, id: ServiceId) {
        for position in 0..self.graph.nodes[id.index()].dependents.len() {
            let (dependent, _) = self.graph.nodes[id.index()].dependents[position];
            let state = self.dynamic[dependent.index()].state;
            if matches!(state, State::Waiting { .. } | State::Starting(_) | State::Ready(_)) {
                self.look_at(dependent);
            }
        }
        for position in 0..self.graph.nodes[id.index()].edges.len() {
            let to = self.graph.nodes[id.index()].edges[position].to;
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
            while let Some(id) = self.next_on_agenda() {
                budget -= 1;
                if budget == 0 {
                    self.bugs += 1;
                    out.push(Action::Notice(Notice::Bug { service: id }));
                    return;
                }
                self.step(now, id, out);
            }
            // A delay of no length ends in the turn in which it began.
            if !self.expire(now, out) && !self.continue_shutdown(now, out) {
                break;
            }
        }
        self.settle(out);
    }

    fn next_on_agenda(&mut self) -> Option<ServiceId> {
        while let Some(rank) = self.agenda.next_look() {
            let id = self.graph.order[rank];
            if !matches!(self.dynamic[id.index()].state, State::Stopping(Step::Draining(_), _)) {
                return Some(id);
            }
            self.agenda.drain(rank);
        }
        self.agenda.next_drain().map(|rank| self.graph.order[rank])
    }

    /// Lets every process whose deadline has come escalate, and every backoff end; answers whether
    /// there was one. Afterwards the first deadline is one that still holds.
    fn expire(&mut self, now: Instant, out: &mut Vec<Action>) -> bool {
        let mut any = false;
        while let Some(&Reverse((at, id))) = self.deadlines.peek() {
            let current = self.dynamic[id.index()].state.deadline();
            if current == Some(at) && at > now {
                break;
            }
            self.deadlines.pop();
            if current == Some(at) {
                self.deadline_of(now, id, out);
                any = true;
            }
        }
        // Entries that went stale before their time are dropped when they outnumber the live ones.
        if self.deadlines.len() > 64 + 2 * self.dynamic.len() {
            let mut kept = core::mem::take(&mut self.deadlines).into_vec();
            kept.retain(|&Reverse((at, id))| self.dynamic[id.index()].state.deadline() == Some(at));
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

    /// Recomputes who is wanted: everything that a service asked to be up reaches, except what was
    /// asked to be down. Linear in services and relations; runs for commands only.
    fn recompute_wants(&mut self) {
        let mut reached = vec![false; self.dynamic.len()];
        let mut open = Vec::new();
        if matches!(self.shutdown, Shutdown::No) {
            for (index, dynamic) in self.dynamic.iter().enumerate() {
                if dynamic.ask == Ask::Up {
                    reached[index] = true;
                    open.push(index);
                }
            }
        }
        while let Some(index) = open.pop() {
            for edge in &self.graph.nodes[index].edges {
                let to = edge.to.index();
                if edge.relation != Relation::After && !reached[to] {
                    reached[to] = true;
                    open.push(to);
                }
            }
        }
        for (index, reached) in reached.into_iter().enumerate() {
            let dynamic = &mut self.dynamic[index];
            let up = reached && dynamic.ask != Ask::Down;
            let want = if up { Want::Up } else { Want::Down };
            if dynamic.want != want {
                dynamic.want = want;
                self.wake_neighbours(graph::id_of(index));
            }
        }
    }
}
