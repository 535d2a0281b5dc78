//! One look at one service: compares what is wanted with what is so and takes the next step.

use super::{
    Action, Engine,
    state::{Incarnation, Role, State, Step, Then, Want, Why},
    view::Blocker,
};
use crate::{
    engine::graph::NodeKind,
    model::{OnChange, Ready, Relation, Restart, ServiceId},
};
use supervisor::{
    process::{Process, SendSignal, StopPolicy},
    signal::Signal,
    time::Instant,
};

impl Engine {
    pub(super) fn step(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        match self.dynamic[id.index()].state {
            State::Down | State::Waiting { .. } => self.consider_start(now, id, out),
            State::Starting(process) | State::Ready(process) => {
                if self.must_stop(id) {
                    let step = Step::Draining(process);
                    self.leave(now, id, State::Stopping(step, Then::Free), out);
                } else if self.graph.nodes[id.index()].is_bundle() {
                    self.recount(now, id, out);
                }
            }
            State::Stopping(Step::Draining(process), then) => {
                if self.is_killing() || !self.is_draining(id) {
                    self.end_process(now, id, process, then, out);
                }
            }
            State::Stopping(..) => {}
            State::Backoff { .. } | State::Failed(_) => {
                if self.dynamic[id.index()].want == Want::Down {
                    self.dynamic[id.index()].failures = 0;
                    self.set_state(now, id, State::Down, out);
                }
            }
        }
    }

    /// From down or waiting: starts it, or says whether what it waits for has failed.
    fn consider_start(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let index = id.index();
        if self.dynamic[index].want == Want::Down {
            if self.dynamic[index].state != State::Down {
                self.set_state(now, id, State::Down, out);
            }
            return;
        }
        if self.graph.nodes[index].is_bundle() {
            self.recount(now, id, out);
            return;
        }
        let mut blocked = false;
        let mut missing = false;
        self.blockers(id, &mut |blocker| {
            missing = true;
            blocked |= self.is_hopeless(blocker);
        });
        if missing {
            self.wait(now, id, blocked, out);
        } else {
            self.begin(now, id, out);
        }
    }

    fn wait(&mut self, now: Instant, id: ServiceId, blocked: bool, out: &mut Vec<Action>) {
        let state = State::Waiting { blocked };
        if self.dynamic[id.index()].state != state {
            self.set_state(now, id, state, out);
        }
    }

    /// A bundle is ready when its needs and enough members are.
    fn recount(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let mut blocked = false;
        let mut missing = false;
        self.blockers(id, &mut |blocker| {
            missing = true;
            blocked |= self.is_hopeless(blocker);
        });
        let is_ready = self.is_ready(id);
        if !missing && self.members_suffice(id) {
            if !is_ready {
                self.became_ready(now, id, None, out);
            }
            return;
        }
        let node = &self.graph.nodes[id.index()];
        let members = node.edges.iter().filter(|edge| edge.relation == Relation::Member);
        let all_settled =
            members.into_iter().all(|edge| self.dynamic[edge.to.index()].state.is_settled());
        self.wait(now, id, blocked || (!missing && all_settled), out);
    }

    fn members_suffice(&self, id: ServiceId) -> bool {
        let node = &self.graph.nodes[id.index()];
        let NodeKind::Bundle { need } = node.kind else { return true };
        let members = node.edges.iter().filter(|edge| edge.relation == Relation::Member);
        let ready = members.filter(|edge| self.is_ready(edge.to)).count();
        ready >= usize::from(need)
    }

    /// Calls `tell` with everything that keeps a wanted service from being started.
    pub(super) fn blockers(&self, id: ServiceId, tell: &mut dyn FnMut(Blocker)) {
        let node = &self.graph.nodes[id.index()];
        for edge in &node.edges {
            let other = &self.dynamic[edge.to.index()];
            let fine = match edge.relation {
                Relation::Needs => self.is_ready(edge.to),
                Relation::Wants => other.state.is_settled(),
                Relation::After => other.want == Want::Down || other.state.is_settled(),
                Relation::Member => true,
            };
            if !fine {
                tell(Blocker::Service(edge.to));
            }
        }
        for read in &node.reads {
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
            Blocker::Service(other) => self.dynamic[other.index()].state.is_settled(),
            Blocker::Output(..) => true,
            Blocker::Dependent(_) => false,
        }
    }

    /// Whether a service that is starting or ready may not stay so.
    fn must_stop(&self, id: ServiceId) -> bool {
        let dynamic = &self.dynamic[id.index()];
        if dynamic.want == Want::Down || dynamic.restart {
            return true;
        }
        let node = &self.graph.nodes[id.index()];
        if node.edges.iter().any(|edge| node.is_hard(edge) && !self.is_ready(edge.to)) {
            return true;
        }
        node.is_bundle() && !self.members_suffice(id)
    }

    /// Whether it has to wait for something that depends on it to be down before it ends.
    pub(super) fn is_draining(&self, id: ServiceId) -> bool {
        let mut dependents = self.graph.nodes[id.index()].dependents.iter();
        dependents.any(|&(dependent, edge)| self.holds_up(dependent, edge))
    }

    /// Whether the dependent is still up and is going to be down: because its edge is hard, or for
    /// a reason of its own.
    pub(super) fn holds_up(&self, dependent: ServiceId, edge: u16) -> bool {
        let dynamic = &self.dynamic[dependent.index()];
        if !dynamic.state.is_active() {
            return false;
        }
        let node = &self.graph.nodes[dependent.index()];
        let hard = node.edges.get(usize::from(edge)).is_some_and(|edge| node.is_hard(edge));
        let going = matches!(dynamic.state, State::Stopping(..));
        hard || going || self.must_stop(dependent)
    }

    /// Starts a service all of whose needs are ready.
    fn begin(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let index = id.index();
        self.bind(id);
        for position in 0..self.graph.nodes[index].edges.len() {
            let to = self.graph.nodes[index].edges[position].to;
            self.dynamic[index].seen[position] = self.dynamic[to.index()].revision;
        }
        let dynamic = &mut self.dynamic[index];
        dynamic.generation = dynamic.generation.wrapping_add(1);
        dynamic.restart = false;
        let timeout = self.graph.nodes[index].policy.start_timeout.map(|span| now.after(span));
        let role = match self.graph.nodes[index].kind {
            NodeKind::Longrun(_) => Role::Run,
            NodeKind::Oneshot { up: true, .. } => Role::Up,
            NodeKind::Oneshot { up: false, .. } | NodeKind::Bundle { .. } => {
                return self.became_ready(now, id, None, out);
            }
            NodeKind::File => {
                self.set_state(now, id, State::Starting(None), out);
                out.push(Action::Write(self.incarnation(id, Role::Write)));
                return;
            }
        };
        self.set_state(now, id, State::Starting(Some(Process::started(timeout))), out);
        out.push(Action::Spawn(self.incarnation(id, role)));
    }

    /// It is ready now: publishes what jamb publishes for it and tells its dependents.
    pub(super) fn became_ready(
        &mut self,
        now: Instant,
        id: ServiceId,
        mut process: Option<Process>,
        out: &mut Vec<Action>,
    ) {
        if let Some(process) = &mut process {
            process.clear_timeout();
        }
        self.publish_fixed(id, out);
        if !matches!(self.graph.nodes[id.index()].kind, NodeKind::File) {
            self.bump_revision(id);
        }
        self.set_state(now, id, State::Ready(process), out);
        self.tell_soft_dependents(id, out);
    }

    /// Leaves starting or ready. What it published goes when it is down.
    fn leave(&mut self, now: Instant, id: ServiceId, to: State, out: &mut Vec<Action>) {
        self.set_state(now, id, to, out);
        self.look_at(id);
    }

    /// Its dependents are down: tells its own process to end, or goes on if there is none.
    fn end_process(
        &mut self,
        now: Instant,
        id: ServiceId,
        process: Option<Process>,
        then: Then,
        out: &mut Vec<Action>,
    ) {
        let Some(mut process) = process else { return self.clean_up(now, id, then, out) };
        let run = self.live(id);
        let policy = self.graph.nodes[id.index()].policy.stop;
        if let (Some(run), Some(SendSignal(signal))) = (run, process.stop(now, policy)) {
            out.push(Action::Signal(run, signal));
        }
        self.set_state(now, id, State::Stopping(Step::Ending(process), then), out);
    }

    /// No process is left: runs what has to run afterwards.
    pub(super) fn clean_up(
        &mut self,
        now: Instant,
        id: ServiceId,
        then: Then,
        out: &mut Vec<Action>,
    ) {
        let node = &self.graph.nodes[id.index()];
        let ours = then == Then::Free;
        let (role, span) = match node.kind {
            NodeKind::Longrun(_) if node.finish => (Role::Finish, node.policy.finish_timeout),
            // A oneshot that failed has not brought anything up that its `down` could know.
            NodeKind::Oneshot { down: true, .. } if ours && self.has_come_up(id) => {
                (Role::Down, node.policy.stop.grace)
            }
            _ => return self.rest(now, id, then, out),
        };
        let process = Process::started(Some(now.after(span)));
        self.set_state(now, id, State::Stopping(Step::Cleanup(role, process), then), out);
        out.push(Action::Spawn(self.incarnation(id, role)));
    }

    /// A oneshot that is stopped while `up` still runs was killed in the middle; its `down` runs
    /// too, as it may have to undo half of it.
    fn has_come_up(&self, id: ServiceId) -> bool {
        self.dynamic[id.index()].generation > 0
    }

    /// Everything of it is gone: decides whether and when it starts again.
    pub(super) fn rest(&mut self, now: Instant, id: ServiceId, then: Then, out: &mut Vec<Action>) {
        let node = &self.graph.nodes[id.index()];
        if matches!(node.kind, NodeKind::File) {
            out.push(Action::Remove(id));
        }
        self.withdraw(id, out);
        let policy = &self.graph.nodes[id.index()].policy;
        let dynamic = &mut self.dynamic[id.index()];
        let asked = core::mem::replace(&mut dynamic.restart, false);
        let state = match then {
            Then::Judge { exit, ready_ms } if !asked && dynamic.want == Want::Up => {
                let (delay, failures) = policy.backoff.next(dynamic.failures, ready_ms);
                dynamic.failures = failures;
                let leave = match policy.restart {
                    Restart::Always => false,
                    Restart::OnFailure => exit.is_success(),
                    Restart::Never => true,
                };
                if leave {
                    State::Failed(Why::Ended(exit))
                } else if policy.max_restarts > 0 && failures > policy.max_restarts {
                    State::Failed(Why::TooMany(exit))
                } else {
                    State::Backoff { until: now.after(delay) }
                }
            }
            Then::Judge { .. } | Then::Free => {
                dynamic.failures = 0;
                State::Down
            }
        };
        self.set_state(now, id, state, out);
        self.look_at(id);
    }

    /// The deadline of its state has come.
    pub(super) fn deadline_of(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let node = &self.graph.nodes[id.index()];
        let mut state = self.dynamic[id.index()].state;
        if let State::Backoff { .. } = state {
            self.set_state(now, id, State::Waiting { blocked: false }, out);
            self.look_at(id);
            return;
        }
        let policy = match state {
            State::Stopping(Step::Cleanup(Role::Finish, _), _) => {
                StopPolicy { signal: Signal::Kill, ..node.policy.stop }
            }
            _ => node.policy.stop,
        };
        let run = self.live(id);
        let signal = state.process_mut().and_then(|p| p.handle_deadline(now, policy));
        if let (Some(run), Some(SendSignal(signal))) = (run, signal) {
            out.push(Action::Signal(run, signal));
        }
        if let State::Starting(Some(process)) = state
            && !process.is_running()
        {
            // It was not ready in time. Its dependents never started; nothing has to drain.
            let then = Then::Judge { exit: supervisor::exit::Exit::Code(0), ready_ms: 0 };
            state = State::Stopping(Step::Ending(process), then);
        }
        self.set_state(now, id, state, out);
    }

    /// The incarnation whose process lives now.
    pub(super) fn live(&self, id: ServiceId) -> Option<Incarnation> {
        let dynamic = self.dynamic.get(id.index())?;
        dynamic.state.process()?;
        let role = match (dynamic.state, self.graph.nodes[id.index()].kind) {
            (State::Stopping(Step::Cleanup(role, _), _), _) => role,
            (_, NodeKind::Oneshot { .. }) => Role::Up,
            _ => Role::Run,
        };
        Some(self.incarnation(id, role))
    }

    pub(super) fn incarnation(&self, id: ServiceId, role: Role) -> Incarnation {
        Incarnation { service: id, generation: self.dynamic[id.index()].generation, role }
    }

    /// What it stands for is new.
    pub(super) fn bump_revision(&mut self, id: ServiceId) {
        let dynamic = &mut self.dynamic[id.index()];
        dynamic.revision = dynamic.revision.wrapping_add(1);
    }

    /// Services that stayed up while this one was away act now, if it is different.
    pub(super) fn tell_soft_dependents(&mut self, id: ServiceId, out: &mut Vec<Action>) {
        for position in 0..self.graph.nodes[id.index()].dependents.len() {
            let (dependent, edge) = self.graph.nodes[id.index()].dependents[position];
            let node = &self.graph.nodes[dependent.index()];
            let Some(edge_at) = node.edges.get(usize::from(edge)).copied() else { continue };
            let state = self.dynamic[dependent.index()].state;
            if edge_at.on_change == OnChange::Restart
                || !matches!(state, State::Starting(_) | State::Ready(_))
            {
                continue;
            }
            let revision = self.dynamic[id.index()].revision;
            let seen = &mut self.dynamic[dependent.index()].seen[usize::from(edge)];
            let newer = core::mem::replace(seen, revision) != revision;
            let reads = node.reads.iter().any(|read| read.service == id);
            let changed = if reads { self.values_differ(dependent, id) } else { newer };
            // A file is written again in any case: somebody may have touched it meanwhile.
            if changed || (newer && edge_at.on_change == OnChange::Render) {
                self.act_on(dependent, edge_at.on_change, out);
            }
        }
    }

    /// A dependent acts on a change of what it needs or reads.
    pub(super) fn act_on(&mut self, id: ServiceId, action: OnChange, out: &mut Vec<Action>) {
        match action {
            OnChange::Ignore => {}
            OnChange::Restart => {
                self.dynamic[id.index()].restart = true;
                self.look_at(id);
            }
            OnChange::Signal(signal) => {
                self.bind(id);
                if let Some(run) = self.live(id) {
                    out.push(Action::Signal(run, signal));
                }
            }
            OnChange::Render => {
                self.bind(id);
                out.push(Action::Write(self.incarnation(id, Role::Write)));
            }
        }
    }

    /// Whether a longrun becomes ready in this way.
    pub(super) fn readiness(&self, id: ServiceId) -> Option<Ready> {
        match self.graph.nodes[id.index()].kind {
            NodeKind::Longrun(ready) => Some(ready),
            _ => None,
        }
    }
}
