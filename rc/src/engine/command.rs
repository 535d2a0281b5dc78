//! What people ask for: boot, start, stop, restart, shutdown. Commands change what is wanted; the
//! steps that follow are the engine's.

use super::{
    Action, Engine, Shutdown,
    graph::id_of,
    state::{Ask, State, Then},
    words::Want,
};
use crate::model::{Relation, ServiceId};
use supervisor::{
    process::{KILL_GRACE, SendSignal},
    time::{Instant, Millis},
};

impl Engine {
    pub(super) fn boot(&mut self, target: ServiceId) {
        if target.index() < self.dynamic.len() {
            self.target = Some(target);
            self.ask(target, Ask::Up);
        }
    }

    pub(super) fn ask(&mut self, id: ServiceId, ask: Ask) {
        if let Some(dynamic) = self.dynamic.get_mut(id.index()) {
            dynamic.ask = ask;
            if ask == Ask::Down {
                dynamic.restart = false;
            }
            self.obey();
        }
    }

    /// Starts a service; what it needs is started too, even if it was stopped by command, since it
    /// could not come up otherwise. Earlier failures are forgotten.
    pub(super) fn start(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        for index in self.bring_up(now, id, out) {
            self.dynamic[index].escalated = false;
        }
        self.obey();
    }

    /// The same for who is not somebody: what has escalated does not do so again. Answers who was
    /// given a new chance.
    pub(super) fn bring_up(
        &mut self,
        now: Instant,
        id: ServiceId,
        out: &mut Vec<Action>,
    ) -> Vec<usize> {
        if id.index() >= self.dynamic.len() {
            return Vec::new();
        }
        let mut seen = vec![false; self.dynamic.len()];
        self.reach(id, &[Relation::Needs, Relation::Member], &mut seen);
        for (index, seen) in seen.iter().enumerate() {
            if *seen && self.dynamic[index].ask == Ask::Down {
                self.dynamic[index].ask = Ask::Nothing;
            }
        }
        // Alternatives are given a new chance, too, but what was stopped by command stays down.
        let mut reached = vec![false; self.dynamic.len()];
        let relations = [Relation::Needs, Relation::Member, Relation::Alternative];
        self.reach(id, &relations, &mut reached);
        let mut pardoned = Vec::new();
        for (index, _) in reached.iter().enumerate().filter(|(_, reached)| **reached) {
            self.pardon(now, id_of(index), out);
            pardoned.push(index);
        }
        self.make_way(&seen);
        self.dynamic[id.index()].ask = Ask::Up;
        self.wants_stale = true;
        pardoned
    }

    /// Marks everything that a service reaches over these relations, itself included.
    fn reach(&self, id: ServiceId, relations: &[Relation], seen: &mut [bool]) {
        let mut open = vec![id];
        while let Some(next) = open.pop() {
            if !core::mem::replace(&mut seen[next.index()], true) {
                for edge in self.graph.node(next).edges() {
                    if relations.contains(&edge.relation) {
                        open.push(edge.to);
                    }
                }
            }
        }
    }

    /// Stops, as by command, what conflicts with those that are to come up, and is not held up.
    fn make_way(&mut self, chosen: &[bool]) {
        for index in 0..chosen.len() {
            for other in self.graph.node(id_of(index)).conflicts() {
                let other = other.index();
                if chosen[index] && !chosen[other] && self.dynamic[other].pin != Some(Want::Up) {
                    self.dynamic[other].ask = Ask::Down;
                    self.dynamic[other].restart = false;
                }
            }
        }
    }

    /// Lets a service take over its configuration anew, as its definition says; nothing happens if
    /// that says nothing or the service is not up.
    pub(super) fn reload(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let Some(dynamic) = self.dynamic.get(id.index()) else { return };
        let reload = self.graph.node(id).reload().filter(|_| dynamic.state.is_up());
        if let Some(reload) = reload {
            self.act_on(now, id, reload, out);
        }
    }

    /// Forgets failures; what is wanted stays as it is.
    pub(super) fn reset(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        if let Some(dynamic) = self.dynamic.get_mut(id.index()) {
            dynamic.escalated = false;
            self.pardon(now, id, out);
        }
    }

    /// Holds a service up or down, or no longer.
    pub(super) fn pin(
        &mut self,
        now: Instant,
        id: ServiceId,
        pin: Option<Want>,
        out: &mut Vec<Action>,
    ) {
        let Some(dynamic) = self.dynamic.get_mut(id.index()) else { return };
        let held = core::mem::replace(&mut dynamic.pin, pin) == Some(Want::Up);
        if pin == Some(Want::Down) {
            dynamic.restart = false;
        }
        if pin == Some(Want::Up) {
            dynamic.escalated = false;
            self.pardon(now, id, out);
        }
        if held && pin != Some(Want::Up) && self.has_missed(id) {
            self.dynamic[id.index()].restart = true;
        }
        // Those who depend on it may have been waiting for it, or it for them.
        self.wake_neighbours(id);
        self.obey();
    }

    /// Whether something that it would have restarted for has changed while it was held up.
    fn has_missed(&self, id: ServiceId) -> bool {
        let dynamic = &self.dynamic[id.index()];
        let node = self.graph.node(id);
        let mut edges = node.edges().zip(&dynamic.seen);
        dynamic.state.is_up()
            && edges.any(|(edge, seen)| {
                let other = &self.dynamic[edge.to.index()];
                node.is_hard(edge)
                    && self.is_ready(edge.to)
                    && (other.revision != *seen || self.values_differ(id, edge.to))
            })
    }

    /// Stops a service with what depends on it and starts them again; starts it if it is not wanted.
    pub(super) fn restart(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let Some(dynamic) = self.dynamic.get_mut(id.index()) else { return };
        if dynamic.want == Want::Down {
            return self.start(now, id, out);
        }
        if let State::Starting(_) | State::Ready(_) = dynamic.state {
            dynamic.restart = true;
            self.look_at(id);
        }
        self.dynamic[id.index()].escalated = false;
        self.pardon(now, id, out);
    }

    /// Forgets everything that speaks against a service because of its past.
    fn pardon(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let dynamic = &mut self.dynamic[id.index()];
        dynamic.flaps = 0;
        dynamic.damp = false;
        dynamic.side.failures = 0;
        self.forgive(now, id, out);
    }

    /// Forgets failures: what waits because of them is looked at as if it had just been wanted.
    fn forgive(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let dynamic = &mut self.dynamic[id.index()];
        dynamic.failures = 0;
        dynamic.not_before = Instant::default();
        match dynamic.state {
            State::Failed(_) | State::Backoff { .. } => {
                self.set_state(now, id, State::Waiting { blocked: false }, out);
            }
            State::Stopping(_, Then::Judge { .. }) => dynamic.restart = true,
            _ => {}
        }
    }

    pub(super) fn begin_shutdown(&mut self, now: Instant) {
        if self.shutdown == Shutdown::No {
            let until = now.after(self.graph.system.shutdown_timeout);
            self.shutdown = Shutdown::Orderly { until };
            self.recompute_wants();
        }
    }

    /// Kills every process. What survives that for [`KILL_GRACE`] is not waited for.
    pub(super) fn kill_all(&mut self, now: Instant, out: &mut Vec<Action>) {
        if !matches!(self.shutdown, Shutdown::No | Shutdown::Orderly { .. }) {
            return;
        }
        let until = now.after(Millis(KILL_GRACE.0 + 500));
        self.shutdown = Shutdown::Killing { until };
        self.recompute_wants();
        for index in 0..self.dynamic.len() {
            let id = id_of(index);
            let mut state = self.dynamic[index].state;
            let run = self.live(id);
            let signal = state.process_mut().and_then(|process| process.kill(now));
            if let (Some(run), Some(SendSignal(signal))) = (run, signal) {
                out.push(Action::Signal(run, signal));
                self.set_state(now, id, state, out);
            }
            self.end_side(id, out);
            // Nobody waits for dependents any longer.
            self.look_at(id);
        }
    }

    /// Ends the orderly part when everything is down or its time is over; answers whether there is
    /// more to do for it now.
    pub(super) fn continue_shutdown(&mut self, now: Instant, out: &mut Vec<Action>) -> bool {
        match self.shutdown {
            Shutdown::Orderly { .. } | Shutdown::Killing { .. } if self.active == 0 => {
                self.shutdown = Shutdown::Done;
                out.push(Action::AllStopped);
                false
            }
            Shutdown::Orderly { until } if now >= until => {
                self.kill_all(now, out);
                true
            }
            Shutdown::Killing { until } if now >= until => {
                self.shutdown = Shutdown::Done;
                out.push(Action::AllStopped);
                false
            }
            _ => false,
        }
    }

    /// Whether a shutdown has begun.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shutdown != Shutdown::No
    }

    /// Whether all ends at once: nobody waits for dependents, and nothing is cleaned up.
    pub(super) fn is_killing(&self) -> bool {
        matches!(self.shutdown, Shutdown::Killing { .. } | Shutdown::Done)
    }
}
