//! What the laws take note of: events before the engine has them, and what it answers, action by action.

use super::{Judgement, Laws, Turn, Verdict, law, violation};
use crate::sim::{
    plan::{Tells, id},
    world::is_side,
};
use rc::{
    Exit, Instant, Millis,
    engine::{Action, Engine, Event, Incarnation, Notice, Phase, Role},
};

impl Laws<'_> {
    /// Takes note of an event before the engine has it.
    pub fn before(&mut self, now: Instant, event: &Event, engine: &Engine) {
        self.turn = Turn { at_first: self.phase.clone(), ..Turn::default() };
        self.meet(event);
        match event {
            // Nothing of what is beside a service is counted as stale.
            Event::Exited(run, _) | Event::Spawned(run) if is_side(run.role) => {}
            Event::Exited(run, exit) => self.exited(now, *run, *exit),
            Event::Spawned(run)
            | Event::Ready(run)
            | Event::ReadyClosed(run)
            | Event::Unready(run)
            | Event::Reloading(run)
            | Event::Extend(run, _)
            | Event::Keepalive(run)
            | Event::Trigger(run)
            | Event::Watchdog(run, _) => {
                self.turn.fresh = self.live[run.service.index()].is_some_and(|l| l.run == *run);
                self.stale += u64::from(!self.turn.fresh);
                self.said(now, event, *run);
            }
            Event::Written(run, result) => {
                let number = run.service.index();
                let up = matches!(self.phase[number], Phase::Starting | Phase::Ready);
                self.turn.fresh = up && self.generation[number] == run.generation;
                self.stale += u64::from(!self.turn.fresh);
                match result {
                    Ok(new) if self.turn.fresh => self.news[number] += u32::from(*new),
                    Err(_) if self.turn.fresh => self.write_failed(number, *result),
                    _ => {}
                }
            }
            Event::Published { service, generation, values } => {
                let number = service.index();
                let up = matches!(self.phase[number], Phase::Starting | Phase::Ready);
                self.turn.fresh = up && self.generation[number] == *generation;
                self.stale += u64::from(!self.turn.fresh);
                if self.turn.fresh {
                    for (output, value) in values {
                        self.own[number][usize::from(*output)].clone_from(value);
                    }
                }
            }
            _ => {}
        }
        self.side_event(now, event);
        self.command(now, event);
        self.watchdogs_bark(now, event);
        debug_assert_eq!(engine.graph().len(), self.phase.len());
        self.turn.event = Some(event.clone());
    }

    /// A process told something about itself.
    fn said(&mut self, now: Instant, event: &Event, run: Incarnation) {
        let number = run.service.index();
        if !self.turn.fresh {
            return;
        }
        match event {
            Event::Ready(_) => self.reloading[number] = false,
            // Being executed makes it ready, and again.
            Event::Spawned(_) if self.plan.services[number].tells == Tells::AtOnce => {
                self.reloading[number] = false;
            }
            Event::Reloading(_) => {
                self.reloading[number] = run.role == Role::Run && self.is_ready(number);
            }
            Event::Extend(_, span) => {
                let until = now.after(Millis(span.0.min(3_600_000)));
                let phase = self.phase[number];
                if let Some(live) = &mut self.live[number] {
                    let ends = phase == Phase::Stopping
                        && (live.told.is_some() || matches!(run.role, Role::Finish | Role::Down));
                    if phase == Phase::Starting || ends {
                        if live.told.is_none() {
                            live.timeout = live.timeout.map(|at| at.max(until));
                        } else if live.killed.is_none() {
                            live.more = live.more.max(Some(until));
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// What the engine wants now, before its actions are judged: within a turn either may be so.
    pub fn told(&mut self, engine: &Engine, actions: &[Action]) {
        for action in actions {
            if let Action::Notice(Notice::Changed { service, .. }) = action {
                self.turn.moves.insert(service.index());
            }
        }
        for number in 0..self.phase.len() {
            let view = engine.view(id(number));
            let up = view.is_some_and(|view| view.want == rc::engine::Want::Up);
            self.turn.wants_after.push(up);
            self.turn.dormant_after.push(view.is_some_and(|view| view.dormant));
            let mut met = engine.conditions(id(number));
            self.turn.barred_after.push(met.any(|met| met == rc::engine::Met::No));
        }
    }

    fn exited(&mut self, now: Instant, run: Incarnation, exit: Exit) {
        let number = run.service.index();
        self.turn.fresh = self.live[number].is_some_and(|live| live.run == run);
        if !self.turn.fresh {
            self.stale += 1;
            return;
        }
        if run.role == Role::Finish && exit == Exit::Code(125) {
            self.hopeless[number] = matches!(self.judgement[number], Judgement::Failed(..));
        }
        if matches!(run.role, Role::Run | Role::Up) {
            self.last_exit[number] = Some(exit);
            let ready_ms = match self.phase[number] {
                Phase::Ready => Some(now.since_ms(self.since[number])),
                _ => None,
            };
            match (self.phase[number], self.judgement[number]) {
                (Phase::Starting | Phase::Ready, _) => {
                    self.judgement[number] = Judgement::Failed(Some(exit), ready_ms);
                }
                (_, Judgement::Failed(_, ready_ms)) => {
                    self.judgement[number] = Judgement::Failed(Some(exit), ready_ms);
                }
                _ => {}
            }
        }
    }

    /// The process that is reported dead is gone before anything follows from it.
    pub(super) fn forget_dead(&mut self) {
        if let (true, Some(Event::Exited(run, _))) = (self.turn.fresh, &self.turn.event) {
            let number = run.service.index();
            if is_side(run.role) {
                return;
            }
            if let Some(live) = self.live[number].take_if(|live| live.run == *run) {
                self.turn.dead = Some(live.run);
                self.turn.late = live.late;
            }
        }
    }

    /// Judges one action, in the order in which they come.
    pub fn action(&mut self, now: Instant, action: Action) -> Verdict {
        self.forget_dead();
        self.turn.actions += 1;
        match action {
            Action::Spawn(run) if is_side(run.role) => self.spawns_side(now, run),
            Action::Signal(run, signal) if is_side(run.role) => self.signals_side(now, run, signal),
            Action::Spawn(run) => self.spawns(now, run),
            Action::Signal(run, signal) => self.signals(now, run, signal),
            Action::Escalate(service, _) => {
                law!(
                    "6 a failure for good is told once",
                    self.turn.escalated.insert(service.index()),
                    "service {}",
                    service.0
                );
                Ok(())
            }
            Action::Write(run) => self.writes(now, run),
            Action::Remove(service) => self.removes(service.index()),
            Action::Publish(service) => {
                self.turn.published.insert(service.index());
                Ok(())
            }
            Action::Withdraw(service) => {
                self.turn.withdrawn.insert(service.index());
                Ok(())
            }
            Action::Notice(notice) => self.notice(now, notice),
            Action::AllStopped => self.all_stopped(now),
        }
    }

    fn notice(&mut self, now: Instant, notice: Notice) -> Verdict {
        match notice {
            Notice::Changed { service, from, to } => {
                self.changes(now, service.index(), from, to)?;
                for other in core::mem::take(&mut self.turn.starts) {
                    // Who is started for that is not forgiven by anybody.
                    self.turn.starter = Some(service.index());
                    self.start(other);
                    self.turn.starter = None;
                    self.wants = self.wanted();
                }
                Ok(())
            }
            Notice::Exited { incarnation, exit, timed_out } => {
                let told = Event::Exited(incarnation, exit);
                if let Some((run, how, killed)) = self.turn.beside.take() {
                    law!(
                        "3 the bad end of something beside a service is told",
                        run == incarnation && (exit, timed_out) == (how, killed),
                        "{incarnation:?}"
                    );
                    return Ok(());
                }
                law!(
                    "3 one incarnation: an exit is told once, and no other",
                    self.turn.dead.take().is_some() && self.turn.event == Some(told),
                    "{incarnation:?}"
                );
                law!(
                    "5 a timeout is told",
                    self.turn.late.is_none_or(|late| late == timed_out),
                    "{incarnation:?}"
                );
                Ok(())
            }
            Notice::Settled { ready } => {
                law!("10 settled once", self.turn.settled.is_none(), "twice in one turn");
                self.turn.settled = Some(ready);
                Ok(())
            }
            Notice::Bug { service } => {
                violation("7 bounded: no bug", format!("at service {}", service.0))
            }
        }
    }
}
