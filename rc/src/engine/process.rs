//! What processes and files did: spawned, ready, exited, written.

use super::{
    Action, Engine, Notice,
    state::{Incarnation, Role, State, Step, Then},
};
use crate::{engine::graph::NodeKind, model::Ready};
use supervisor::{
    exit::{Exit, SpawnFailure, SpawnStep},
    process::Process,
    time::Instant,
};

impl Engine {
    pub(super) fn spawned(&mut self, now: Instant, run: Incarnation, out: &mut Vec<Action>) {
        if self.readiness(run.service) == Some(Ready::Started) {
            self.told_ready(now, run, out);
        } else if self.readiness(run.service) == Some(Ready::Outputs) {
            // Without outputs to wait for, there is nothing to wait for.
            self.check_outputs(now, run.service, out);
        }
    }

    pub(super) fn told_ready(&mut self, now: Instant, run: Incarnation, out: &mut Vec<Action>) {
        if let (Role::Run, State::Starting(process)) =
            (run.role, self.dynamic[run.service.index()].state)
        {
            self.became_ready(now, run.service, process, out);
        }
    }

    /// It can never tell now that it is ready, so waiting for it has no end: it failed.
    pub(super) fn told_never_ready(
        &mut self,
        now: Instant,
        run: Incarnation,
        out: &mut Vec<Action>,
    ) {
        let id = run.service;
        if let (Role::Run, State::Starting(process)) = (run.role, self.dynamic[id.index()].state) {
            self.end_process(now, id, process, Then::NOT_READY, out);
        }
    }

    pub(super) fn exited(
        &mut self,
        now: Instant,
        run: Incarnation,
        exit: Exit,
        out: &mut Vec<Action>,
    ) {
        let id = run.service;
        if self.live(id) != Some(run) {
            self.stale += 1;
            return;
        }
        let state = self.dynamic[id.index()].state;
        let timed_out = state.process().is_some_and(Process::timed_out);
        out.push(Action::Notice(Notice::Exited { incarnation: run, exit, timed_out }));
        if !matches!(run.role, Role::Finish | Role::Down) {
            self.dynamic[id.index()].last_exit = Some(exit);
        }
        match state {
            State::Stopping(Step::Cleanup(..), then) => self.rest(now, id, then, out),
            State::Stopping(Step::Ending(_), then) => {
                let then = match then {
                    Then::Judge { ready_ms, .. } => Then::Judge { exit, ready_ms },
                    Then::Free => Then::Free,
                };
                self.clean_up(now, id, then, out);
            }
            // It died while its dependents were stopping; they go on stopping.
            State::Stopping(Step::Draining(_), then) => {
                self.set_state(now, id, State::Stopping(Step::Draining(None), then), out);
                self.look_at(id);
            }
            State::Starting(_) | State::Ready(_) => self.died(now, run, exit, out),
            State::Down | State::Waiting { .. } | State::Backoff { .. } | State::Failed(_) => {}
        }
    }

    /// Its process ended without having been told to.
    fn died(&mut self, now: Instant, run: Incarnation, exit: Exit, out: &mut Vec<Action>) {
        let id = run.service;
        if run.role == Role::Up && exit.is_success() {
            return self.became_ready(now, id, None, out);
        }
        let ready_ms = self.is_ready(id).then(|| now.since_ms(self.dynamic[id.index()].since));
        // Dependents learn of it by the change of state; they stop while this one starts again.
        self.clean_up(now, id, Then::Judge { exit, ready_ms }, out);
    }

    pub(super) fn written(
        &mut self,
        now: Instant,
        run: Incarnation,
        result: Result<bool, i32>,
        out: &mut Vec<Action>,
    ) {
        let id = run.service;
        let known = self.dynamic.get(id.index());
        let live = known.is_some_and(|dynamic| {
            dynamic.generation == run.generation
                && run.role == Role::Write
                && matches!(dynamic.state, State::Starting(None) | State::Ready(None))
        });
        if !live || self.graph.nodes[id.index()].kind != NodeKind::File {
            self.stale += 1;
            return;
        }
        match result {
            Ok(changed) => {
                if changed {
                    self.bump_revision(id);
                }
                if !self.is_ready(id) {
                    self.became_ready(now, id, None, out);
                } else if changed {
                    self.tell_of_new_content(id, out);
                }
            }
            Err(errno) => {
                let failure = SpawnFailure { step: SpawnStep::Prepare, errno };
                let exit = Exit::NotStarted(failure);
                self.dynamic[id.index()].last_exit = Some(exit);
                self.rest(now, id, Then::Judge { exit, ready_ms: None }, out);
            }
        }
    }
}
