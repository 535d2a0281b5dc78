//! What runs beside the process of a service: checks of readiness and health, actions that make it take
//! over what changed, and the watchdog. At most one check and one action of a service run at a time.

use super::{
    Action, Engine, Notice,
    state::{Side, State, Step, Then},
    words::{Cause, Incarnation, Role},
};
use crate::model::{Ready, ServiceId};
use supervisor::{
    exit::Exit,
    process::{Process, SendSignal, StopPolicy},
    signal::Signal,
    time::{Instant, Millis},
};

/// A check or action that takes too long is killed at once: nothing depends on how it ends.
const KILL: StopPolicy = StopPolicy { signal: Signal::Kill, grace: Millis(0) };

/// A readiness check has at least this long, however often it runs.
const LEAST_CHECK: Millis = Millis::from_secs(1);

impl Engine {
    /// A new run begins.
    pub(super) fn reset_side(&mut self, id: ServiceId) {
        let side = &mut self.dynamic[id.index()].side;
        let mut pending = core::mem::take(&mut side.pending);
        pending.fill(false);
        *side = Side { pending, ..Side::default() };
    }

    /// It is ready: its health is checked from now on, and its watchdog expects to hear of it.
    pub(super) fn watch_over(&mut self, now: Instant, id: ServiceId) {
        let node = self.graph.node(id);
        let side = &mut self.dynamic[id.index()].side;
        side.failures = 0;
        side.check_at = node.health().map(|health| now.after(health.every));
        let span = side.watchdog.or(node.watchdog()).filter(|span| span.0 > 0);
        side.watchdog_at = span.map(|span| now.after(span));
    }

    /// The program of a service with readiness checks runs: the first check is due.
    pub(super) fn begin_checks(&mut self, now: Instant, id: ServiceId) {
        self.dynamic[id.index()].side.check_at = Some(now);
    }

    /// Its state changed: ends what belongs to the state before. What is killed here is forgotten;
    /// its end means nothing any more.
    pub(super) fn end_side(&mut self, id: ServiceId, out: &mut Vec<Action>) {
        let goes_on = self.dynamic[id.index()].state.is_up();
        let side = &mut self.dynamic[id.index()].side;
        side.check_at = None;
        side.watchdog_at = None;
        let check = side.check.take().map(|_| Role::Check(side.checks));
        let mut action = None;
        if !goes_on {
            side.pending.fill(false);
            let round = side.actions;
            action = side.action.take().map(|(number, _)| Role::Action { number, round });
        }
        for role in [check, action].into_iter().flatten() {
            out.push(Action::Signal(self.incarnation(id, role), Signal::Kill));
        }
    }

    /// What is due of the checks, actions and the watchdog.
    pub(super) fn side_deadlines(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.dynamic[id.index()].side.watchdog_at) {
            return self.lost_sign_of_life(now, id, out);
        }
        if is_due(self.dynamic[id.index()].side.check_at) {
            self.start_check(now, id, out);
        }
        let side = &mut self.dynamic[id.index()].side;
        let check = side.check.as_mut().and_then(|process| process.handle_deadline(now, KILL));
        let check = check.map(|signal| (Role::Check(side.checks), signal));
        let round = side.actions;
        let action = side.action.as_mut().and_then(|(number, process)| {
            let signal = process.handle_deadline(now, KILL)?;
            Some((Role::Action { number: *number, round }, signal))
        });
        let check_stuck = side.check.as_ref().is_some_and(Process::is_stuck);
        let action_stuck = side.action.as_ref().is_some_and(|(_, process)| process.is_stuck());
        for (role, SendSignal(signal)) in [check, action].into_iter().flatten() {
            out.push(Action::Signal(self.incarnation(id, role), signal));
        }
        // What survives SIGKILL is not waited for.
        if check_stuck {
            self.check_ended(now, id, Exit::Signal(0), out);
        }
        if action_stuck {
            self.action_ended(now, id, false, out);
        }
    }

    fn start_check(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let bound = match (self.readiness(id), self.graph.node(id).health()) {
            (Some(Ready::Check { every }), _) if !self.is_ready(id) => every.max(LEAST_CHECK),
            (_, Some(health)) => health.timeout,
            _ => LEAST_CHECK,
        };
        let side = &mut self.dynamic[id.index()].side;
        side.check_at = None;
        side.checks = side.checks.wrapping_add(1);
        side.check = Some(Process::started(Some(now.after(bound))));
        let role = Role::Check(side.checks);
        out.push(Action::Spawn(self.incarnation(id, role)));
    }

    /// A process beside the main one ended; nothing happens if it has been forgotten.
    pub(super) fn side_exited(
        &mut self,
        now: Instant,
        run: Incarnation,
        exit: Exit,
        out: &mut Vec<Action>,
    ) {
        let Some(dynamic) = self.dynamic.get(run.service.index()) else { return };
        let side = &dynamic.side;
        let process = match run.role {
            Role::Check(round) if round == side.checks => side.check,
            Role::Action { number, round } if round == side.actions => {
                side.action.filter(|(live, _)| *live == number).map(|(_, process)| process)
            }
            _ => None,
        };
        let Some(process) = process.filter(|_| dynamic.generation == run.generation) else {
            return;
        };
        let timed_out = process.timed_out();
        let fine = exit.is_success() && !timed_out;
        if !fine {
            out.push(Action::Notice(Notice::Exited { incarnation: run, exit, timed_out }));
        }
        // A check that had to be killed has failed, whatever it said at the end.
        let exit = if fine || !exit.is_success() { exit } else { Exit::Signal(9) };
        match run.role {
            Role::Check(_) => self.check_ended(now, run.service, exit, out),
            _ => self.action_ended(now, run.service, fine, out),
        }
        self.arm(run.service);
    }

    fn check_ended(&mut self, now: Instant, id: ServiceId, exit: Exit, out: &mut Vec<Action>) {
        let index = id.index();
        self.dynamic[index].side.check = None;
        match (self.dynamic[index].state, self.readiness(id)) {
            (State::Starting(process), Some(Ready::Check { .. })) if exit.is_success() => {
                self.became_ready(now, id, process, out);
            }
            (State::Starting(_), Some(Ready::Check { every })) => {
                self.dynamic[index].side.check_at = Some(now.after(every));
            }
            (State::Ready(process), _) => {
                let Some(health) = self.graph.node(id).health() else { return };
                let side = &mut self.dynamic[index].side;
                side.failures = if exit.is_success() { 0 } else { side.failures.saturating_add(1) };
                if side.failures < health.retries {
                    side.check_at = Some(now.after(health.every));
                } else {
                    self.give_up(now, id, process, exit, Cause::Unhealthy, out);
                }
            }
            _ => {}
        }
    }

    /// It does not do its work any longer: it is stopped, after its dependents, and judged.
    fn give_up(
        &mut self,
        now: Instant,
        id: ServiceId,
        process: Option<Process>,
        exit: Exit,
        cause: Cause,
        out: &mut Vec<Action>,
    ) {
        let ready_ms = Some(now.since_ms(self.dynamic[id.index()].since));
        let then = Then::Judge { exit, ready_ms, cause };
        self.set_state(now, id, State::Stopping(Step::Draining(process), then), out);
    }

    /// Its watchdog did not hear of it in time, or it asked to be taken for dead.
    pub(super) fn lost_sign_of_life(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        self.dynamic[id.index()].side.watchdog_at = None;
        if let State::Ready(process) = self.dynamic[id.index()].state {
            self.give_up(now, id, process, Exit::Signal(6), Cause::Watchdog, out);
        }
    }

    /// It said that it works; with a span, that it will say so this often from now on.
    pub(super) fn sign_of_life(&mut self, now: Instant, id: ServiceId, span: Option<Millis>) {
        let ready = self.is_ready(id);
        let node = self.graph.node(id);
        let side = &mut self.dynamic[id.index()].side;
        side.watchdog = span.or(side.watchdog);
        let span = side.watchdog.or(node.watchdog()).filter(|span| span.0 > 0 && ready);
        side.watchdog_at = span.map(|span| now.after(span));
        self.arm(id);
    }

    /// Runs an action of a service that is up, at once or after the one that runs.
    pub(super) fn request_action(
        &mut self,
        now: Instant,
        id: ServiceId,
        number: u16,
        out: &mut Vec<Action>,
    ) {
        let bound = self.graph.node(id).action_timeout();
        let side = &mut self.dynamic[id.index()].side;
        if side.action.is_some() {
            if let Some(pending) = side.pending.get_mut(usize::from(number)) {
                *pending = true;
            }
            return;
        }
        side.actions = side.actions.wrapping_add(1);
        side.action = Some((number, Process::started(Some(now.after(bound)))));
        let role = Role::Action { number, round: side.actions };
        out.push(Action::Spawn(self.incarnation(id, role)));
        self.arm(id);
    }

    fn action_ended(&mut self, now: Instant, id: ServiceId, fine: bool, out: &mut Vec<Action>) {
        let dynamic = &mut self.dynamic[id.index()];
        dynamic.side.action = None;
        if !dynamic.state.is_up() {
            return;
        }
        if !fine && !self.is_kept_up(id) {
            // It must not go on with what is no longer true.
            self.dynamic[id.index()].restart = true;
            return self.look_at(id);
        }
        let pending = &mut self.dynamic[id.index()].side.pending;
        if let Some(next) = pending.iter().position(|wanted| *wanted) {
            pending[next] = false;
            self.request_action(now, id, u16::try_from(next).unwrap_or(u16::MAX), out);
        }
    }
}
