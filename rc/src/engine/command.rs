//! What people ask for: boot, start, stop, restart, shutdown. Commands change what is wanted; the
//! steps that follow are the engine's.

use super::{
    Action, Engine, Shutdown,
    state::{Ask, State},
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
            dynamic.restart = false;
            self.recompute_wants();
            self.wake_neighbours(id);
        }
    }

    /// Starts a service; what it needs is started too, even if it was stopped by command, since it
    /// could not come up otherwise. Earlier failures are forgotten.
    pub(super) fn start(&mut self, id: ServiceId) {
        if id.index() >= self.dynamic.len() {
            return;
        }
        let mut open = vec![id];
        let mut seen = vec![false; self.dynamic.len()];
        while let Some(next) = open.pop() {
            if core::mem::replace(&mut seen[next.index()], true) {
                continue;
            }
            let dynamic = &mut self.dynamic[next.index()];
            if dynamic.ask == Ask::Down {
                dynamic.ask = Ask::Nothing;
            }
            self.forgive(next);
            let needs = self.graph.nodes[next.index()].edges.iter();
            let needs = needs.filter(|e| matches!(e.relation, Relation::Needs | Relation::Member));
            open.extend(needs.map(|edge| edge.to));
        }
        self.ask(id, Ask::Up);
    }

    /// Stops a service with what depends on it and starts them again; starts it if it is not up.
    pub(super) fn restart(&mut self, id: ServiceId) {
        let Some(dynamic) = self.dynamic.get_mut(id.index()) else { return };
        match dynamic.state {
            State::Starting(_) | State::Ready(_) => {
                dynamic.restart = true;
                self.look_at(id);
            }
            // It is on its way down already and comes back if it is wanted.
            State::Stopping(..) => self.look_at(id),
            State::Down | State::Failed(_) => self.start(id),
            State::Waiting { .. } | State::Backoff { .. } => self.forgive(id),
        }
    }

    /// Forgets failures: what is failed or backing off is looked at as if it had just been wanted.
    fn forgive(&mut self, id: ServiceId) {
        let dynamic = &mut self.dynamic[id.index()];
        dynamic.failures = 0;
        if matches!(dynamic.state, State::Failed(_) | State::Backoff { .. }) {
            // The step that follows decides; it reports the change.
            dynamic.state = State::Backoff { until: Instant::default() };
            let at = core::cmp::Reverse((Instant::default(), id));
            self.deadlines.push(at);
        }
        self.look_at(id);
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
            let id = super::graph::id_of(index);
            let mut state = self.dynamic[index].state;
            let Some(run) = self.live(id) else { continue };
            if let Some(SendSignal(signal)) = state.process_mut().and_then(|p| p.kill(now)) {
                out.push(Action::Signal(run, signal));
                self.set_state(now, id, state, out);
            }
        }
    }

    /// Ends the orderly part when everything is down or its time is over.
    pub(super) fn continue_shutdown(&mut self, now: Instant, out: &mut Vec<Action>) {
        if matches!(self.shutdown, Shutdown::No | Shutdown::Done) {
            return;
        }
        if !self.dynamic.iter().any(|dynamic| dynamic.state.is_active()) {
            self.shutdown = Shutdown::Done;
            out.push(Action::AllStopped);
            return;
        }
        match self.shutdown {
            Shutdown::Orderly { until } if now >= until => {
                self.kill_all(now, out);
                self.work_off(now, out);
                self.continue_shutdown(now, out);
            }
            Shutdown::Killing { until } if now >= until => {
                self.shutdown = Shutdown::Done;
                out.push(Action::AllStopped);
            }
            _ => {}
        }
    }

    /// Whether a shutdown has begun.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shutdown != Shutdown::No
    }

    /// Whether dependents may be killed together with what they depend on.
    pub(super) fn is_killing(&self) -> bool {
        matches!(self.shutdown, Shutdown::Killing { .. } | Shutdown::Done)
    }
}
