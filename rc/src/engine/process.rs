//! What processes and files did: spawned, ready, exited, written.

use super::{
    Action, Engine, Notice,
    state::{State, Step, Then},
    words::{Cause, Incarnation, Role},
};
use crate::{db::NodeKind, model::Ready};
use supervisor::{
    exit::{Exit, SpawnFailure, SpawnStep},
    process::Process,
    time::{Instant, Millis},
};

/// What `finish` exits with if another attempt is of no use (s6-supervise's convention).
const HOPELESS: Exit = Exit::Code(125);

/// More time than this is not granted at once, so that a shutdown or a failure cannot be put off.
const MOST_MORE: Millis = Millis::from_secs(3600);

impl Engine {
    pub(super) fn spawned(&mut self, now: Instant, run: Incarnation, out: &mut Vec<Action>) {
        if run.role != Role::Run {
            return;
        }
        if self.readiness(run.service) == Some(Ready::Started) {
            self.told_ready(now, run, out);
        } else if let Some(Ready::Check { .. }) = self.readiness(run.service) {
            // The report may come late, or twice.
            let dynamic = &self.dynamic[run.service.index()];
            if matches!(dynamic.state, State::Starting(_)) && dynamic.side.is_unused() {
                self.begin_checks(now, run.service);
                self.arm(run.service);
            }
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
        self.dynamic[run.service.index()].reloading = false;
    }

    /// It is not ready any longer, but goes on: its dependents stop, and it has its time anew.
    pub(super) fn told_unready(&mut self, now: Instant, run: Incarnation, out: &mut Vec<Action>) {
        let id = run.service;
        let may = matches!(self.readiness(id), Some(Ready::Fd(_) | Ready::Notify));
        if let (Role::Run, State::Ready(Some(mut process)), true) =
            (run.role, self.dynamic[id.index()].state, may)
        {
            let timeout = self.graph.node(id).start_timeout();
            process.set_timeout(timeout.map(|span| now.after(span)));
            self.set_state(now, id, State::Starting(Some(process)), out);
        }
    }

    pub(super) fn told_reloading(&mut self, _: Instant, run: Incarnation, _: &mut Vec<Action>) {
        let dynamic = &mut self.dynamic[run.service.index()];
        dynamic.reloading = run.role == Role::Run && matches!(dynamic.state, State::Ready(_));
    }

    pub(super) fn triggered(&mut self, now: Instant, run: Incarnation, out: &mut Vec<Action>) {
        if run.role == Role::Run {
            self.lost_sign_of_life(now, run.service, out);
        }
    }

    pub(super) fn sign_from(&mut self, now: Instant, run: Incarnation, span: Option<Millis>) {
        if self.is_live(run) && run.role == Role::Run {
            self.sign_of_life(now, run.service, span);
        }
    }

    /// It asked for more time, which counts while it starts or ends.
    pub(super) fn extend(&mut self, now: Instant, run: Incarnation, span: Millis) {
        if !self.is_live(run) {
            return;
        }
        let until = now.after(Millis(span.0.min(MOST_MORE.0)));
        let state = &mut self.dynamic[run.service.index()].state;
        if matches!(
            state,
            State::Starting(_) | State::Stopping(Step::Ending(_) | Step::Cleanup(..), _)
        ) && let Some(process) = state.process_mut()
        {
            process.extend(until);
        }
        self.arm(run.service);
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
        if matches!(run.role, Role::Check(_) | Role::Action { .. }) {
            return self.side_exited(now, run, exit, out);
        }
        if !self.is_live(run) {
            return;
        }
        let state = self.dynamic[id.index()].state;
        let timed_out = state.process().is_some_and(Process::timed_out);
        out.push(Action::Notice(Notice::Exited { incarnation: run, exit, timed_out }));
        if !matches!(run.role, Role::Finish | Role::Down) {
            self.dynamic[id.index()].last_exit = Some(exit);
        }
        match state {
            State::Stopping(Step::Cleanup(role, _), then) => {
                let then = match then {
                    // s6's convention: the service is not to be started again.
                    Then::Judge { exit: of, ready_ms, .. }
                        if role == Role::Finish && exit == HOPELESS =>
                    {
                        Then::Judge { exit: of, ready_ms, cause: Cause::Hopeless }
                    }
                    then => then,
                };
                self.rest(now, id, then, out);
            }
            State::Stopping(Step::Ending(_), then) => {
                let then = match then {
                    Then::Judge { ready_ms, cause, .. } => Then::Judge { exit, ready_ms, cause },
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
        let then = Then::Judge { exit, ready_ms, cause: Cause::Itself };
        self.clean_up(now, id, then, out);
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
        if !live || self.graph.node(id).kind() != NodeKind::File {
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
                    self.tell_of_new_content(now, id, out);
                }
            }
            Err(errno) => {
                let failure = SpawnFailure { step: SpawnStep::Prepare, errno };
                let exit = Exit::NotStarted(failure);
                self.dynamic[id.index()].last_exit = Some(exit);
                let then = Then::Judge { exit, ready_ms: None, cause: Cause::Itself };
                self.rest(now, id, then, out);
            }
        }
    }
}
