//! Laws about the state between events: nothing may be left to do, and everything that is not as
//! wanted must have somebody who will do something about it.

use super::{Ask, Ending, Laws, Verdict, law};
use crate::sim::{
    plan::{Tells, Tie, What, id},
    world::World,
};
use rc::{
    Instant,
    engine::{Blocker, Engine, Event, Phase, Role, View, Want},
    model::ServiceId,
};

impl Laws<'_> {
    pub(super) fn rest(&mut self, now: Instant, engine: &Engine, world: &World) -> Verdict {
        let count = self.phase.len();
        law!("7 bounded: no bug", engine.bugs() == 0, "{}", engine.bugs());
        let (deadlines, agenda) = engine.backlog();
        law!("7 bounded: the agenda is worked off", agenda == 0, "{agenda} left");
        law!("7 bounded: the deadlines", deadlines <= 64 + 4 * count, "{deadlines} of {count}");
        law!(
            "7 bounded: the actions",
            self.turn.actions <= 30 * count + 10,
            "{}",
            self.turn.actions
        );
        law!(
            "3 stale events are counted",
            engine.stale_events() == self.stale,
            "{} instead of {}",
            engine.stale_events(),
            self.stale
        );
        let (settled, blocked) = (self.settled_now.clone(), self.blocked.clone());
        for (number, &blocked) in blocked.iter().enumerate() {
            let Some(view) = engine.view(id(number)) else {
                return super::violation(
                    "7 every service can be seen",
                    Self::name(number).to_string(),
                );
            };
            self.view_right(number, &view, blocked)?;
            self.state_right(now, number, world)?;
            self.waiting_on_right(number, engine, &settled)?;
            self.side_right(now, number)?;
            self.may_be_up(number, engine)?;
        }
        law!(
            "6 a failure for good leads to what its definition says",
            self.turn.escalated == self.turn.escalations_due,
            "{:?} instead of {:?}",
            self.turn.escalated,
            self.turn.escalations_due
        );
        self.asked_right()?;
        law!(
            "3 the bad end of something beside is told",
            self.turn.beside.is_none(),
            "{:?}",
            self.turn.beside
        );
        let due = self.next_deadline();
        law!(
            "4 liveness: the next deadline is the earliest wait, and to come",
            engine.next_deadline() == due && due.is_none_or(|at| at > now),
            "{:?} instead of {due:?} at {now:?}",
            engine.next_deadline()
        );
        law!(
            "5 all stopped is told",
            !matches!(self.ending, Ending::Orderly(_) | Ending::Killing(_))
                || (0..count).any(|number| self.is_active(number)),
            "nothing is active"
        );
        Ok(())
    }

    /// What was asked for in this turn, and told, has been heard.
    fn asked_right(&self) -> Verdict {
        let moved = |number: usize| self.turn.entered.iter().any(|(at, _)| *at == number);
        for &number in &self.turn.restarts {
            let stopped = self.turn.stopped.iter().any(|(at, _)| *at == number);
            law!("4 a restart by command restarts", stopped, "service {number}");
        }
        if let Some(number) = self.turn.released {
            let stopped = self.turn.stopped.iter().any(|(at, _)| *at == number);
            law!("13 what was missed while held up is made up for", stopped, "service {number}");
        }
        for &number in &self.turn.forgiven {
            let delayed = matches!(self.phase[number], Phase::Backoff | Phase::Failed);
            law!(
                "6 who is forgiven waits for nothing",
                !delayed || moved(number),
                "service {number}"
            );
        }
        if let (Some(Event::Unready(run)), true) = (&self.turn.event, self.turn.fresh) {
            let number = run.service.index();
            let tells = self.plan.services[number].tells;
            let heard = matches!(tells, Tells::ByFd | Tells::ByNotify)
                && self.plan.services[number].what == What::Longrun
                && run.role == Role::Run;
            law!(
                "2 readiness can be withdrawn",
                !heard || self.phase[number] != Phase::Ready || moved(number),
                "service {number}"
            );
        }
        Ok(())
    }

    /// The engine's account of a service is what its actions said.
    fn view_right(&self, number: usize, view: &View, blocked: bool) -> Verdict {
        let want = if self.wants[number] { Want::Up } else { Want::Down };
        let name = Self::name(number);
        law!("4 wanted is what is reached and not stopped", view.want == want, "{name}: {want:?}");
        law!("7 changes are told", view.phase == self.phase[number], "{name}: {:?}", view.phase);
        law!("7 times are right", view.since == self.since[number], "{name}: {:?}", view.since);
        law!(
            "3 generations are told",
            view.generation == self.generation[number],
            "{name}: {}",
            view.generation
        );
        let live = self.live[number].map(|live| live.run);
        law!("3 one live incarnation", view.live == live, "{name}: {:?}, not {live:?}", view.live);
        law!(
            "6 failures are counted",
            view.failures == self.failures[number],
            "{name}: {} instead of {}",
            view.failures,
            self.failures[number]
        );
        let retry_at = self.retry_at[number].filter(|_| self.phase[number] == Phase::Backoff);
        law!(
            "6 delays grow",
            view.retry_at == retry_at,
            "{name}: {:?}, not {retry_at:?}",
            view.retry_at
        );
        law!("7 the last exit is kept", view.last_exit == self.last_exit[number], "{name}");
        law!("9 a reload is told", view.reloading == self.reloading[number], "{name}");
        law!(
            "6 failed checks are counted",
            view.health_failures == self.side[number].failures,
            "{name}: {} instead of {}",
            view.health_failures,
            self.side[number].failures
        );
        law!("9 blocked by what has failed", view.blocked == blocked, "{name}: {}", view.blocked);
        law!(
            "9 a stop by command is told",
            view.stopped_by_command == (self.asks[number] == Ask::Down),
            "{name}"
        );
        Ok(())
    }

    /// The state fits what is wanted and what surrounds it, and somebody will move it on.
    fn state_right(&self, now: Instant, number: usize, world: &World) -> Verdict {
        let (want, phase) = (self.wants[number], self.phase[number]);
        let what = self.plan.services[number].what;
        let name = super::Name(number, Some(phase));
        let fits = match phase {
            Phase::Down => !want,
            Phase::Stopping => true,
            _ => want,
        };
        law!("4 the state follows what is wanted", fits, "{name}, wanted: {want}");
        let live = self.live[number].as_ref();
        if let Phase::Starting | Phase::Ready = phase {
            let held = self.is_held_up(number);
            law!(
                "2 no dependent without its need",
                held || !self.lacks_hard_need(number),
                "{name}"
            );
            law!("2 no bundle without members", held || self.has_members(number, true), "{name}");
            law!(
                "11 nothing is up that sleeps",
                held || !self.dormant[number] || self.sleeps_softly(number),
                "{name}"
            );
            law!(
                "5 nothing that is up was told to end",
                live.is_none_or(|l| l.told.is_none()),
                "{name}"
            );
        }
        let runs = match phase {
            Phase::Starting => what != What::File,
            Phase::Ready => what == What::Longrun,
            Phase::Stopping => live.is_some(),
            _ => false,
        };
        law!("3 who runs has a process, others none", live.is_some() == runs, "{name}: {live:?}");
        if let Some(live) = live {
            let in_world = world.children.iter().any(|child| child.run == live.run);
            let reported = world
                .pending
                .iter()
                .any(|event| matches!(event, Event::Exited(run, _) if *run == live.run));
            law!("4 liveness: its end is still to come", in_world || reported, "{name}: {live:?}");
            let due = live.due(self.plan.services[number].effective_policy().stop.grace);
            law!(
                "5 a stop ends: no step is late",
                due.is_none_or(|at| at > now),
                "{name}: {live:?}"
            );
        }
        if phase == Phase::Stopping {
            let told = live.is_some_and(|live| {
                live.told.is_some() || matches!(live.run.role, Role::Finish | Role::Down)
            });
            law!(
                "4 liveness: a stop goes on, or waits for dependents",
                told || (!self.is_killing() && !self.holders(number).is_empty()),
                "{name}, told: {told}"
            );
        }
        Ok(())
    }

    fn waiting_on_right(&self, number: usize, engine: &Engine, settled: &[bool]) -> Verdict {
        let service = |other: usize| id(other);
        let mut right: Vec<Blocker> = Vec::new();
        let svc = &self.plan.services[number];
        match self.phase[number] {
            Phase::Waiting => {
                let links = svc.links.iter().filter(|link| self.waits_for(link, settled));
                right.extend(links.map(|link| Blocker::Service(ServiceId(link.to))));
                let missing = self.missing_outputs(number).into_iter();
                right.extend(missing.map(|(of, output)| Blocker::Output(ServiceId(of), output)));
                let unmet = self.unmet(number).into_iter();
                let unmet = unmet.filter_map(|at| u16::try_from(at).ok());
                right.extend(unmet.map(|at| Blocker::Condition(service(number), at)));
                right.extend(
                    self.rivals(number).into_iter().map(|at| Blocker::Conflict(service(at))),
                );
                right.extend(
                    self.alternatives(number).into_iter().map(|at| Blocker::Service(service(at))),
                );
                let asleep = self.sleeps(number);
                if !self.has_members(number, false) || asleep {
                    let skips = svc.count == 0 && !asleep;
                    let lost = svc.links.iter().filter(|link| {
                        let to = usize::from(link.to);
                        let missing = !(self.is_ready(to) || skips && self.dormant[to]);
                        link.tie == Tie::Member && missing
                    });
                    right.extend(lost.map(|link| Blocker::Service(ServiceId(link.to))));
                }
                law!("9 who waits, waits for something", !right.is_empty(), "service {number}");
            }
            Phase::Stopping => {
                let draining = self.live[number].as_ref().is_none_or(|live| {
                    live.told.is_none() && matches!(live.run.role, Role::Run | Role::Up)
                });
                if draining {
                    right.extend(
                        self.holders(number).into_iter().map(service).map(Blocker::Dependent),
                    );
                }
            }
            _ => {}
        }
        let key = |blocker: &Blocker| match blocker {
            Blocker::Service(id) => (0, id.0, 0),
            Blocker::Output(id, output) => (1, id.0, *output),
            Blocker::Dependent(id) => (2, id.0, 0),
            Blocker::Condition(id, at) => (3, id.0, *at),
            Blocker::Conflict(id) => (4, id.0, 0),
        };
        let mut told = engine.waiting_on(id(number));
        told.sort_by_key(key);
        right.sort_by_key(key);
        law!(
            "9 what it waits for is told, and nothing else",
            told == right,
            "service {number}: {told:?} instead of {right:?}"
        );
        Ok(())
    }

    /// Whether a bundle sleeps because all its members do.
    fn sleeps(&self, number: usize) -> bool {
        let members = self.plan.services[number].links.iter();
        let mut members = members.filter(|link| link.tie == Tie::Member).peekable();
        members.peek().is_some() && members.all(|link| self.dormant[usize::from(link.to)])
    }

    /// Whether it is up although it is dormant, over a soft need that is.
    fn sleeps_softly(&self, number: usize) -> bool {
        self.bars(number).is_empty() && !self.sleeps(number)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let of = |number: usize| {
            let grace = self.plan.services[number].effective_policy().stop.grace;
            let live = self.live[number].as_ref().and_then(|live| live.due(grace));
            let retry = self.retry_at[number].filter(|_| self.phase[number] == Phase::Backoff);
            let side = self.side[number].deadline();
            let patience = self.choice[number].patience;
            live.into_iter().chain(retry).chain(side).chain(patience).min()
        };
        let shutdown = match self.ending {
            Ending::Orderly(until) | Ending::Killing(until) => Some(until),
            Ending::No | Ending::Done => None,
        };
        (0..self.phase.len()).filter_map(of).chain(shutdown).min()
    }
}
