//! One run of a service from its first step to its last: begin, ready, end, clean up, rest.

use super::{
    Action, Engine,
    state::{State, Step, Then},
    words::{Cause, Incarnation, Role, Want, Why},
};
use crate::{
    db::NodeKind,
    model::{OnFailure, Ready, Restart, ServiceId},
};
use supervisor::{
    backoff::STABLE_RUN,
    exit::Exit,
    process::{Process, SendSignal, StopPolicy},
    signal::Signal,
    time::Instant,
};

impl Engine {
    /// Starts a service that nothing keeps from it.
    pub(super) fn begin(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let index = id.index();
        self.bind(id);
        for (position, edge) in self.graph.node(id).edges().enumerate() {
            self.dynamic[index].seen[position] = self.dynamic[edge.to.index()].revision;
        }
        let dynamic = &mut self.dynamic[index];
        dynamic.generation = dynamic.generation.wrapping_add(1);
        dynamic.restart = false;
        self.reset_side(id);
        let timeout = self.graph.node(id).start_timeout().map(|span| now.after(span));
        let role = match self.graph.node(id).kind() {
            NodeKind::Longrun(_) => Role::Run,
            NodeKind::Oneshot { up: true, .. } => Role::Up,
            NodeKind::Oneshot { up: false, .. } | NodeKind::Bundle(_) | NodeKind::Failover(_) => {
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
        if self.graph.node(id).is_group() {
            self.follow(id);
        }
        self.publish_fixed(id, out);
        if !matches!(self.graph.node(id).kind(), NodeKind::File) {
            self.bump_revision(id);
        }
        self.set_state(now, id, State::Ready(process), out);
        self.watch_over(now, id);
        self.arm(id);
        self.tell_soft_dependents(now, id, out);
    }

    /// Its dependents are down: tells its own process to end, or goes on if there is none.
    pub(super) fn end_process(
        &mut self,
        now: Instant,
        id: ServiceId,
        process: Option<Process>,
        then: Then,
        out: &mut Vec<Action>,
    ) {
        let Some(mut process) = process else { return self.clean_up(now, id, then, out) };
        let run = self.live(id);
        let policy = self.graph.node(id).stop();
        let signal = match then {
            // So that it leaves a core dump that tells where it hangs; systemd does the same.
            Then::Judge { cause: Cause::Watchdog, .. } => {
                process.expire(now, StopPolicy { signal: Signal::Abrt, ..policy })
            }
            _ => process.stop(now, policy),
        };
        if let (Some(run), Some(SendSignal(signal))) = (run, signal) {
            out.push(Action::Signal(run, signal));
        }
        self.set_state(now, id, State::Stopping(Step::Ending(process), then), out);
    }

    /// No process is left: runs what has to run afterwards, unless there is no time for it.
    pub(super) fn clean_up(
        &mut self,
        now: Instant,
        id: ServiceId,
        then: Then,
        out: &mut Vec<Action>,
    ) {
        let node = self.graph.node(id);
        let (role, span) = match node.kind() {
            _ if self.is_killing() => return self.rest(now, id, then, out),
            NodeKind::Longrun(_) if node.has_finish() => (Role::Finish, node.finish_timeout()),
            // An `up` that failed has brought nothing up that `down` could know. One that was
            // stopped in the middle may have left a half.
            NodeKind::Oneshot { down: true, .. }
                if matches!(then, Then::Free | Then::Judge { ready_ms: Some(_), .. }) =>
            {
                (Role::Down, node.stop().grace)
            }
            _ => return self.rest(now, id, then, out),
        };
        let process = Process::started(Some(now.after(span)));
        self.set_state(now, id, State::Stopping(Step::Cleanup(role, process), then), out);
        out.push(Action::Spawn(self.incarnation(id, role)));
    }

    /// Everything of it is gone: decides whether and when it starts again.
    pub(super) fn rest(&mut self, now: Instant, id: ServiceId, then: Then, out: &mut Vec<Action>) {
        if matches!(self.graph.node(id).kind(), NodeKind::File) {
            out.push(Action::Remove(id));
        }
        self.withdraw(id, out);
        let node = self.graph.node(id);
        let dynamic = &mut self.dynamic[id.index()];
        let asked = core::mem::replace(&mut dynamic.restart, false);
        let state = match then {
            Then::Judge { exit, ready_ms, cause } if !asked => {
                let (delay, failures) =
                    node.backoff().next(dynamic.failures, ready_ms.unwrap_or_default());
                let until = now.after(delay);
                dynamic.failures = failures;
                // It holds, too, if a failover turns away and back in the meantime.
                dynamic.not_before = until;
                let itself = matches!(cause, Cause::Itself | Cause::Hopeless);
                let leave = match node.restart() {
                    Restart::Always => false,
                    // What ended before it was ready has failed, whatever it says itself; and so has
                    // what we had to end.
                    Restart::OnFailure => itself && ready_ms.is_some() && exit.is_success(),
                    Restart::Never => true,
                };
                let permanent = |exit| match exit {
                    Exit::Code(code) => {
                        itself && node.permanent().iter().any(|one| one == u16::from(code))
                    }
                    _ => false,
                };
                if dynamic.want == Want::Down {
                    State::Down
                } else if cause == Cause::Hopeless || permanent(exit) {
                    State::Failed(Why::Permanent(exit))
                } else if leave {
                    State::Failed(Why::Ended(exit))
                } else if node.max_restarts() > 0 && failures > node.max_restarts() {
                    State::Failed(Why::TooMany(exit))
                } else {
                    State::Backoff { until }
                }
            }
            Then::Judge { .. } | Then::Free => State::Down,
        };
        if self.dynamic[id.index()].want == Want::Down {
            // A later search begins anew.
            self.let_go(id);
        }
        if let Then::Judge { ready_ms: Some(ready_ms), .. } = then
            && ready_ms >= u64::from(STABLE_RUN.0)
        {
            self.dynamic[id.index()].escalated = false;
        }
        self.set_state(now, id, state, out);
        if let State::Failed(Why::Permanent(_) | Why::TooMany(_)) = state {
            self.escalate(now, id, out);
        }
    }

    /// It failed for good: does what its definition says for that, once until somebody, or a stable
    /// run, forgives it.
    fn escalate(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let action = self.graph.node(id).on_failure();
        if core::mem::replace(&mut self.dynamic[id.index()].escalated, true) {
            return;
        }
        match action {
            OnFailure::Ignore => {}
            OnFailure::Start(other) => {
                self.bring_up(now, other, out);
            }
            OnFailure::Reboot | OnFailure::Rescue => out.push(Action::Escalate(id, action)),
        }
    }

    /// Whether it is ready and has been so for as long as makes earlier failures meaningless.
    pub(super) fn was_stable(&self, now: Instant, id: ServiceId) -> bool {
        let since = self.dynamic[id.index()].since;
        self.is_ready(id) && now.since_ms(since) >= u64::from(STABLE_RUN.0)
    }

    /// The deadline of its state has come.
    pub(super) fn deadline_of(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        if self.dynamic[id.index()].group.patience.is_some_and(|until| until <= now) {
            self.reach_on(now, id);
        }
        self.side_deadlines(now, id, out);
        let node = self.graph.node(id);
        let mut state = self.dynamic[id.index()].state;
        if state.deadline().is_none_or(|at| now < at) {
            return;
        }
        if let State::Backoff { .. } = state {
            return self.set_state(now, id, State::Waiting { blocked: false }, out);
        }
        let policy = match state {
            State::Stopping(Step::Cleanup(Role::Finish, _), _) => {
                StopPolicy { signal: Signal::Kill, ..node.stop() }
            }
            _ => node.stop(),
        };
        let run = self.live(id);
        let signal = state.process_mut().and_then(|p| p.handle_deadline(now, policy));
        if let (Some(run), Some(SendSignal(signal))) = (run, signal) {
            out.push(Action::Signal(run, signal));
        }
        if let State::Starting(Some(process)) = state {
            // It was not ready in time. Its dependents never started; nothing has to drain.
            state = State::Stopping(Step::Ending(process), Then::NOT_READY);
            // A failure is judged, even if an action failed at the same moment.
            self.dynamic[id.index()].restart = false;
        }
        self.set_state(now, id, state, out);
    }

    /// The incarnation whose process lives now.
    pub(super) fn live(&self, id: ServiceId) -> Option<Incarnation> {
        let dynamic = self.dynamic.get(id.index())?;
        dynamic.state.process()?;
        let role = match (dynamic.state, self.graph.node(id).kind()) {
            (State::Stopping(Step::Cleanup(role, _), _), _) => role,
            (_, NodeKind::Oneshot { .. }) => Role::Up,
            _ => Role::Run,
        };
        Some(self.incarnation(id, role))
    }

    pub(super) fn incarnation(&self, id: ServiceId, role: Role) -> Incarnation {
        Incarnation { service: id, generation: self.dynamic[id.index()].generation, role }
    }

    /// How a longrun becomes ready; `None` for other kinds.
    pub(super) fn readiness(&self, id: ServiceId) -> Option<Ready> {
        match self.graph.node(id).kind() {
            NodeKind::Longrun(ready) => Some(ready),
            _ => None,
        }
    }
}
