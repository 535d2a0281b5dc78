//! One look at one service: compares what is wanted with what is so and decides on the next step.

use super::{
    Action, Engine,
    condition::Met,
    state::{State, Step, Then},
    view::Blocker,
    words::Want,
};
use crate::model::{Relation, ServiceId};
use supervisor::time::Instant;

impl Engine {
    pub(super) fn step(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let index = id.index();
        let want = self.dynamic[index].want;
        self.refresh_dormancy(id);
        match self.dynamic[index].state {
            State::Down | State::Waiting { .. } if want == Want::Up => {
                self.consider_start(now, id, out);
            }
            State::Starting(_) | State::Ready(_) if self.must_stop(id) => {
                self.leave(now, id, out);
            }
            State::Ready(_) => {
                if self.graph.node(id).is_group() {
                    self.follow(id);
                }
                if self.dynamic[index].rebound {
                    self.publish_again(now, id, out);
                }
            }
            State::Stopping(Step::Draining(process), then)
                if self.is_killing() || !self.is_draining(id) =>
            {
                self.end_process(now, id, process, then, out);
            }
            State::Waiting { .. } | State::Backoff { .. } | State::Failed(_)
                if want == Want::Down =>
            {
                self.let_go(id);
                self.set_state(now, id, State::Down, out);
            }
            // It came from another database with an alternative, and nobody wants it in this one.
            State::Down if self.dynamic[index].group.selected.is_some() => self.let_go(id),
            _ => {}
        }
        self.arm(id);
    }

    /// From down or waiting: starts it, or says whether what it waits for has failed.
    fn consider_start(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let mut missing = false;
        let mut blocked = false;
        self.blockers(id, &mut |blocker| {
            missing = true;
            blocked |= self.is_hopeless(blocker);
        });
        // A failover searches while it waits for what it needs itself.
        let found = self.search(now, id);
        if !missing {
            if found && self.tallies[id.index()].can_gather() && !self.sleeps(id) {
                let damped = self.take_damping(id).map_or(now, |delay| now.after(delay));
                let until = damped.max(self.dynamic[id.index()].not_before);
                return if until > now {
                    self.dynamic[id.index()].not_before = until;
                    self.set_state(now, id, State::Backoff { until }, out);
                } else {
                    self.begin(now, id, out);
                };
            }
            // A group has come as far as it can when all its members have.
            let settled = self.tallies[id.index()].is_settled();
            blocked = if found { settled } else { self.has_searched(id) };
        }
        let same =
            matches!(self.dynamic[id.index()].state, State::Waiting { blocked: b } if b == blocked);
        if !same {
            self.set_state(now, id, State::Waiting { blocked }, out);
        }
    }

    /// Calls `tell` with everything but members that keeps a wanted service from being started.
    pub(super) fn blockers(&self, id: ServiceId, tell: &mut dyn FnMut(Blocker)) {
        let node = self.graph.node(id);
        for edge in self.ties(id) {
            let other = &self.dynamic[edge.to.index()];
            let fine = match edge.relation {
                Relation::Needs => self.is_ready(edge.to),
                Relation::Wants => other.state.is_settled(),
                Relation::After => other.want == Want::Down || other.state.is_settled(),
                Relation::Member | Relation::Alternative => true,
            };
            if !fine {
                tell(Blocker::Service(edge.to));
            }
        }
        for (number, met) in (0u16..).zip(self.conditions(id)) {
            if met != Met::Yes {
                tell(Blocker::Condition(id, number));
            }
        }
        for other in node.conflicts() {
            if self.dynamic[other.index()].state.is_present() {
                tell(Blocker::Conflict(other));
            }
        }
        for read in node.reads() {
            let publisher = &self.dynamic[read.service.index()];
            let missing = publisher.values[usize::from(read.output)].is_none();
            // While the publisher itself is not ready, it is the blocker.
            if read.required && missing && self.is_ready(read.service) {
                tell(Blocker::Output(read.service, read.output));
            }
        }
    }

    /// Whether a blocker stays one until something fails no longer.
    fn is_hopeless(&self, blocker: Blocker) -> bool {
        match blocker {
            Blocker::Service(other) | Blocker::Conflict(other) => {
                self.dynamic[other.index()].state.is_settled()
            }
            Blocker::Condition(id, number) => self.is_hopeless_condition(id, number),
            Blocker::Output(..) => true,
            Blocker::Dependent(_) => false,
        }
    }

    /// Whether a service that is starting or ready may not stay so.
    pub(super) fn must_stop(&self, id: ServiceId) -> bool {
        let dynamic = &self.dynamic[id.index()];
        if self.is_kept_up(id) {
            return dynamic.restart;
        }
        let node = self.graph.node(id);
        dynamic.want == Want::Down
            || dynamic.restart
            || self.ties(id).any(|edge| node.is_hard(edge) && !self.is_ready(edge.to))
            || self.is_barred(id)
            || self.sleeps(id)
            || !self.holds_together(id)
    }

    /// Whether it is held up by command: nothing but its own end, or a command, ends it.
    pub(super) fn is_kept_up(&self, id: ServiceId) -> bool {
        let dynamic = &self.dynamic[id.index()];
        dynamic.pin == Some(Want::Up) && !dynamic.retired && !self.is_shutting_down()
    }

    /// Whether it has to wait for something that depends on it to be down before it ends.
    fn is_draining(&self, id: ServiceId) -> bool {
        let mut dependents = self.graph.node(id).dependents();
        dependents.any(|(dependent, edge)| self.holds_up(dependent, edge))
    }

    /// Whether the dependent is still up and is going to be down: because its edge is hard, or for
    /// a reason of its own.
    pub(super) fn holds_up(&self, dependent: ServiceId, edge: u16) -> bool {
        let dynamic = &self.dynamic[dependent.index()];
        if !dynamic.state.is_active() {
            return false;
        }
        let node = self.graph.node(dependent);
        let hard = node.edge(usize::from(edge)).is_some_and(|edge| node.is_hard(edge));
        let going = matches!(dynamic.state, State::Stopping(..));
        if self.is_kept_up(dependent) && !going {
            return self.must_stop(dependent);
        }
        hard || going || self.must_stop(dependent)
    }

    /// Leaves starting or ready, by our will. Its process goes on until its dependents are down.
    fn leave(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let state = self.dynamic[id.index()].state;
        let (State::Starting(mut process) | State::Ready(mut process)) = state else { return };
        if let Some(process) = &mut process {
            process.clear_timeout();
        }
        if self.was_stable(now, id) {
            self.dynamic[id.index()].failures = 0;
        }
        self.count_flap(now, id);
        self.let_go(id);
        self.set_state(now, id, State::Stopping(Step::Draining(process), Then::Free), out);
    }
}
