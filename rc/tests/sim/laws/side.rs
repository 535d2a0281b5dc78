//! Laws about what runs beside the process of a service: checks of readiness and health, actions, and
//! the watchdog.

use super::{Judgement, Laws, Live, Verdict, law, values::Values};
use crate::sim::{
    plan::{On, Svc, Tells, What},
    world::is_side,
};
use rc::{
    Exit, Instant, Millis, Signal,
    engine::{Event, Incarnation, Phase, Role},
};
use std::collections::BTreeSet;

/// A readiness check has at least this long.
const LEAST_CHECK: Millis = Millis(1000);
/// What survives SIGKILL for this long is not waited for.
const KILL_GRACE: Millis = Millis(3000);

/// What is known of the side of one service.
#[derive(Clone, Default)]
pub(super) struct Side {
    /// The check and the action that run.
    pub check: Option<Live>,
    pub action: Option<Live>,
    /// When the next check begins.
    pub check_at: Option<Instant>,
    /// Health checks that failed in a row.
    pub failures: u32,
    /// Begun in this generation.
    pub checks: u32,
    pub actions: u32,
    /// Actions that have to follow.
    pub pending: BTreeSet<u16>,
    /// What it said itself about how often it speaks.
    pub span: Option<Millis>,
    pub watchdog_at: Option<Instant>,
    /// How its checks failed, if that is why it stops.
    pub verdict: Option<Exit>,
}

fn due(live: &Live) -> Option<Instant> {
    match (live.told, live.killed) {
        (None, _) => live.timeout,
        (_, Some(killed)) => (!live.stuck).then(|| killed.after(KILL_GRACE)),
        (Some(_), None) => None,
    }
}

impl Side {
    /// When something is due.
    pub fn deadline(&self) -> Option<Instant> {
        let live = self.check.iter().chain(&self.action).filter_map(due);
        live.chain(self.check_at).chain(self.watchdog_at).min()
    }

    fn slot(&mut self, role: Role) -> &mut Option<Live> {
        match role {
            Role::Check(_) => &mut self.check,
            _ => &mut self.action,
        }
    }
}

pub(super) fn has_checks(svc: &Svc) -> bool {
    svc.health.2 > 0 && matches!(svc.what, What::Longrun | What::Oneshot)
}

/// Whether it becomes ready by a check.
fn is_ready_by_check(svc: &Svc) -> bool {
    svc.what == What::Longrun && svc.tells == Tells::ByCheck
}

impl Laws<'_> {
    /// How often a service has to say that it works.
    fn span(&self, number: usize) -> Option<Millis> {
        let svc = &self.plan.services[number];
        let own =
            (svc.what == What::Longrun && svc.watchdog_ms > 0).then_some(Millis(svc.watchdog_ms));
        self.side[number].span.or(own).filter(|span| span.0 > 0)
    }

    /// Takes note of an event about the side of a service.
    pub(super) fn side_event(&mut self, now: Instant, event: &Event) {
        match event {
            Event::Exited(run, exit) if is_side(run.role) => self.side_exited(now, *run, *exit),
            Event::Keepalive(run) | Event::Watchdog(run, _) if self.turn.fresh => {
                let number = run.service.index();
                if let Event::Watchdog(_, span) = event {
                    self.side[number].span = Some(*span);
                }
                let ready = self.is_ready(number);
                let span = self.span(number).filter(|_| ready);
                self.side[number].watchdog_at = span.map(|span| now.after(span));
            }
            _ => {}
        }
    }

    fn side_exited(&mut self, now: Instant, run: Incarnation, exit: Exit) {
        let number = run.service.index();
        let side = &mut self.side[number];
        let Some(live) = side.slot(run.role).take_if(|live| live.run == run) else { return };
        self.turn.fresh = true;
        let fine = exit.is_success() && live.told.is_none();
        if !fine {
            self.turn.beside = Some((run, exit, live.told.is_some()));
        }
        self.side_ended(now, number, run.role, fine, exit);
    }

    /// A check or action ended, or is not waited for any longer.
    fn side_ended(&mut self, now: Instant, number: usize, role: Role, fine: bool, exit: Exit) {
        let svc = &self.plan.services[number];
        let phase = self.phase[number];
        let held = self.is_held_up(number);
        let side = &mut self.side[number];
        match (role, phase) {
            (Role::Check(_), Phase::Starting) if fine => self.turn.told_ready = Some(number),
            (Role::Check(_), Phase::Starting) => {
                side.check_at = Some(now.after(Millis(svc.check_ms)));
            }
            (Role::Check(_), Phase::Ready) => {
                side.failures = if fine { 0 } else { side.failures + 1 };
                if side.failures < svc.health.2.max(1) {
                    side.check_at = Some(now.after(Millis(svc.health.0)));
                } else {
                    side.verdict = Some(exit);
                    self.turn.given_up.insert(number);
                }
            }
            (Role::Action { .. }, _) if fine || held => {
                if let Some(next) = side.pending.pop_first() {
                    self.turn.actions_due.insert((number, next));
                }
            }
            (Role::Action { .. }, _) => {
                self.turn.bounced.insert(number);
            }
            _ => {}
        }
    }

    pub(super) fn spawns_side(&mut self, now: Instant, run: Incarnation) -> Verdict {
        let number = run.service.index();
        let svc = &self.plan.services[number];
        let phase = self.phase[number];
        let side = &mut self.side[number];
        law!("3 the same run", self.generation[number] == run.generation, "{run:?}");
        law!(
            "3 one check and one action at a time",
            side.slot(run.role).is_none(),
            "{run:?} beside {:?}",
            side.slot(run.role)
        );
        let bound = match run.role {
            Role::Check(round) => {
                side.checks += 1;
                law!("3 rounds are counted", round == side.checks, "{run:?}");
                let due = side.check_at.take().is_some_and(|at| at <= now);
                let first = self.turn.event
                    == Some(Event::Spawned(Incarnation { role: Role::Run, ..run }))
                    && svc.tells == Tells::ByCheck;
                law!("5 a check at its time", due || first, "{run:?} at {now:?}");
                match phase {
                    Phase::Starting if is_ready_by_check(svc) => {
                        Millis(svc.check_ms).max(LEAST_CHECK)
                    }
                    Phase::Ready if has_checks(svc) => Millis(svc.health.1),
                    _ => return super::violation("3 no such check", format!("{run:?}")),
                }
            }
            Role::Action { number: action, round } => {
                side.actions += 1;
                law!("3 rounds are counted", round == side.actions, "{run:?}");
                law!(
                    "8 an action while the service is up",
                    matches!(phase, Phase::Starting | Phase::Ready) && action < svc.actions,
                    "{run:?}"
                );
                self.turn.acted.insert((number, action));
                Millis(svc.action_ms)
            }
            _ => return Ok(()),
        };
        let timeout = Some(now.after(bound));
        let live =
            Live { run, timeout, told: None, killed: None, stuck: false, more: None, late: None };
        *self.side[number].slot(run.role) = Some(live);
        Ok(())
    }

    pub(super) fn signals_side(
        &mut self,
        now: Instant,
        run: Incarnation,
        signal: Signal,
    ) -> Verdict {
        let number = run.service.index();
        let up = matches!(self.phase[number], Phase::Starting | Phase::Ready);
        let moved = self.turn.moves.contains(&number);
        let Some(mut live) = self.side[number].slot(run.role).take_if(|live| live.run == run)
        else {
            return super::violation("3 no signal to the dead", format!("{run:?} {signal:?}"));
        };
        law!("5 what is beside is killed", signal == Signal::Kill, "{run:?} gets {signal:?}");
        // With the state that it belongs to it ends, and is forgotten.
        self.turn.killed.insert((number, matches!(run.role, Role::Check(_))));
        let overdue = due(&live).is_some_and(|at| at <= now);
        let silent = moved && self.turn.barked.contains(&number);
        if !up || self.is_killing() || silent || (moved && !overdue) {
            if moved && up {
                *self.side[number].slot(run.role) = Some(live);
            }
            return Ok(());
        }
        law!("5 in its time", overdue, "{run:?} is killed early");
        if live.killed.is_some() {
            self.side_ended(now, number, run.role, false, Exit::Signal(0));
            if moved {
                // With its service it may be killed once more.
                *self.side[number].slot(run.role) = Some(Live { stuck: true, ..live });
            }
            return Ok(());
        }
        (live.told, live.killed) = (Some(now), Some(now));
        *self.side[number].slot(run.role) = Some(live);
        Ok(())
    }

    /// A service changed its phase: what begins and ends with it.
    pub(super) fn side_moves(&mut self, now: Instant, number: usize, to: Phase) -> Verdict {
        let svc = &self.plan.services[number];
        let span = self.span(number);
        let side = &mut self.side[number];
        (side.check_at, side.watchdog_at) = (None, None);
        let goes_on = matches!(to, Phase::Starting | Phase::Ready);
        let action = if goes_on { None } else { side.action.take() };
        for live in [side.check.take(), action].into_iter().flatten() {
            law!(
                "3 nothing goes on beside what has ended",
                self.turn.killed.contains(&(number, live.run.role == Role::Check(side.checks))),
                "{:?}",
                live.run
            );
        }
        match to {
            Phase::Ready => {
                side.failures = 0;
                side.check_at = has_checks(svc).then(|| now.after(Millis(svc.health.0)));
                side.watchdog_at = span.map(|span| now.after(span));
            }
            Phase::Starting => {}
            _ => side.pending.clear(),
        }
        Ok(())
    }

    /// A new run begins.
    pub(super) fn side_begins(&mut self, number: usize) {
        self.side[number] = Side::default();
    }

    /// What is beside a service fits its state.
    pub(super) fn side_right(&self, now: Instant, number: usize) -> Verdict {
        let svc = &self.plan.services[number];
        let side = &self.side[number];
        let phase = self.phase[number];
        let up = matches!(phase, Phase::Starting | Phase::Ready);
        law!(
            "3 nothing beside what is not up",
            up || (side.check.is_none() && side.action.is_none()),
            "service {number}: {:?} {:?}",
            side.check,
            side.action
        );
        let checked = match phase {
            Phase::Ready => has_checks(svc),
            // Not before its program is executed.
            Phase::Starting => is_ready_by_check(svc) && side.checks > 0,
            _ => false,
        };
        law!(
            "4 liveness: checks go on",
            !checked
                || !matches!(svc.what, What::Longrun | What::Oneshot)
                || side.check.is_some() != side.check_at.is_some(),
            "service {number}: {:?} and {:?}",
            side.check,
            side.check_at
        );
        law!(
            "5 nothing beside is late",
            side.deadline().is_none_or(|at| at > now),
            "service {number}: {:?}",
            side.deadline()
        );
        law!(
            "6 who fails its checks, or is silent, stops",
            !self.turn.given_up.contains(&number)
                || phase != Phase::Ready
                || self.turn.begun.contains(&number),
            "service {number}"
        );
        Ok(())
    }

    /// Actions that are due run, now or after the one that runs, and no others.
    pub(super) fn actions_right(
        &mut self,
        number: usize,
        bound_before: Option<&Values>,
    ) -> Verdict {
        if !self.stayed_up(number) {
            return Ok(());
        }
        let svc = &self.plan.services[number];
        let due = self.turn.actions_due.iter().filter(|(of, _)| *of == number);
        let mut due: BTreeSet<u16> = due.map(|(_, action)| *action).collect();
        let mut again = BTreeSet::new();
        if let (true, On::Run(action)) = (self.turn.reloaded == Some(number), svc.reload) {
            due.insert(action);
        }
        for link in &svc.links {
            let On::Run(action) = link.on else { continue };
            let mut looks = svc.looks.iter().enumerate().filter(|(_, look)| look.of == link.to);
            let back = looks.clone().count() == 0 && self.is_new(usize::from(link.to));
            let present = &self.present[usize::from(link.to)];
            let whole = looks
                .clone()
                .all(|(_, look)| !look.must || present[usize::from(look.output)].is_some());
            // What is not whole is not told of; something else made it look.
            let changed = whole
                && looks
                    .any(|(at, _)| bound_before.is_some_and(|b| b[at] != self.bound[number][at]));
            if (back || changed) && !due.insert(action) {
                // Asked for twice: it runs once more after the first.
                again.insert(action);
            }
        }
        for &action in &due {
            let acted = self.turn.acted.contains(&(number, action));
            if !acted && self.side[number].action.is_some() {
                self.side[number].pending.insert(action);
            } else {
                law!("8 an action that is due runs", acted, "service {number}: {action}");
            }
        }
        self.side[number].pending.extend(again);
        // Ready for a moment, in a turn in which a failover searched.
        let passing = |action: u16| {
            svc.links.iter().any(|link| {
                let to = usize::from(link.to);
                link.on == On::Run(action)
                    && self.searched[to]
                    && self.turn.entered.contains(&(to, Phase::Ready))
            })
        };
        let mut acted = self.turn.acted.iter().filter(|(of, _)| *of == number);
        law!(
            "8 no action without a reason",
            acted.all(|(_, action)| due.contains(action) || passing(*action)),
            "service {number}: {:?}, due: {due:?}",
            self.turn.acted
        );
        Ok(())
    }

    /// The watchdog, if it is due, takes a service for dead.
    pub(super) fn watchdogs_bark(&mut self, now: Instant, event: &Event) {
        for number in 0..self.phase.len() {
            let late = self.side[number].watchdog_at.is_some_and(|at| at <= now);
            let asked = matches!(event, Event::Trigger(run)
                if self.turn.fresh && run.service.index() == number);
            if self.is_ready(number) && (late || asked) {
                self.turn.given_up.insert(number);
                self.turn.barked.insert(number);
            }
        }
    }

    /// Who speaks next, at the latest, and when.
    pub fn next_watchdog(&self) -> Option<(Instant, Incarnation)> {
        let due = (0..self.phase.len()).filter_map(|number| {
            let run = self.live[number].as_ref()?.run;
            Some((self.side[number].watchdog_at?, run))
        });
        due.min_by_key(|(at, _)| *at)
    }

    /// Why a service that is given up is judged as it is.
    pub(super) fn verdict_on(&mut self, now: Instant, number: usize) -> Option<Judgement> {
        if !self.turn.given_up.contains(&number) {
            return None;
        }
        let exit = match self.side[number].verdict.take() {
            Some(exit) => exit,
            None => Exit::Signal(6),
        };
        Some(Judgement::Failed(Some(exit), Some(now.since_ms(self.since[number]))))
    }
}
