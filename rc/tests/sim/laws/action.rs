//! Laws about single actions: who may be spawned, signalled, written, removed, and in which order.

use super::{Ending, Judgement, Laws, Live, Verdict, law};
use crate::sim::plan::{Link, On, Tie, What};
use rc::{
    Instant, Millis, Signal,
    engine::{Event, Incarnation, Phase, Role},
};

/// What survives SIGKILL for this long is not waited for.
const KILL_GRACE: Millis = Millis(3000);

pub(super) const fn number_of(role: Role) -> u8 {
    match role {
        Role::Run => 0,
        Role::Up => 1,
        Role::Down => 2,
        Role::Finish => 3,
        Role::Write => 4,
        Role::Check(_) | Role::Action { .. } => 5,
    }
}

impl Laws<'_> {
    /// Everything that it needs is ready now, and it is wanted.
    fn may_start(&self, now: Instant, number: usize) -> Verdict {
        let svc = &self.plan.services[number];
        law!("1 no start unwanted", self.may_be_wanted(number), "{}", Self::name(number));
        for link in svc.links.iter().filter(|link| link.tie == Tie::Needs) {
            law!(
                "1 no start while a need is not ready",
                self.is_ready(usize::from(link.to)),
                "{} needs {}, which is {}",
                Self::name(number),
                link.to,
                self.phase[usize::from(link.to)].name()
            );
        }
        // Who is dormant may change within a turn in which a failover searches.
        let searched = svc.links.iter().any(|link| self.searched[usize::from(link.to)]);
        law!(
            "1 no bundle without members",
            searched || self.has_members(number, false),
            "service {number}"
        );
        law!(
            "11 no start against a condition",
            !self.is_barred_by_world(number),
            "service {number}"
        );
        let rivals = self.rivals(number);
        law!("14 no start beside what conflicts", rivals.is_empty(), "{number} beside {rivals:?}");
        law!("11 a flap is damped", !self.damp[number], "service {number} starts at once");
        law!(
            "6 no start before the delay is over, whatever a failover turned to meanwhile",
            self.retry_at[number].is_none_or(|at| at <= now),
            "service {number} at {now:?}, due {:?}",
            self.retry_at[number]
        );
        Ok(())
    }

    fn begins(&mut self, now: Instant, number: usize, generation: u32) -> Verdict {
        self.may_start(now, number)?;
        law!(
            "3 generations grow by one",
            generation == self.generation[number] + 1,
            "service {number} from {} to {generation}",
            self.generation[number]
        );
        self.cleaned_up(number)?;
        self.generation[number] = generation;
        let links = self.plan.services[number].links.iter();
        self.known[number] = links.map(|link| self.news[usize::from(link.to)]).collect();
        self.turn.begun.insert(number);
        self.done[number].clear();
        self.was_ready[number] = false;
        self.judgement[number] = Judgement::Free;
        self.reloading[number] = false;
        self.side_begins(number);
        Ok(())
    }

    /// Between two runs lies what cleans up after the first.
    pub(super) fn cleaned_up(&self, number: usize) -> Verdict {
        let svc = &self.plan.services[number];
        let role = match svc.what {
            What::Longrun if svc.end => Role::Finish,
            // A oneshot that was ready leaves it by our will only.
            What::Oneshot if svc.end && self.was_ready[number] => Role::Down,
            _ => return Ok(()),
        };
        law!(
            "2 cleaned up between two runs",
            self.generation[number] == 0 || self.done[number].contains(&number_of(role)),
            "service {number} without {role:?}"
        );
        Ok(())
    }

    pub(super) fn spawns(&mut self, now: Instant, run: Incarnation) -> Verdict {
        let number = run.service.index();
        let svc = &self.plan.services[number];
        let late = self.is_killing() && !self.turn.crossing;
        law!("5 no start once all is killed", !late, "{run:?}");
        law!(
            "3 one live incarnation",
            self.live[number].is_none(),
            "{run:?} beside {:?}",
            self.live[number]
        );
        let policy = svc.effective_policy();
        let timeout = match (run.role, svc.what) {
            (Role::Run, What::Longrun) => policy.start_timeout,
            (Role::Up, What::Oneshot) if svc.up => policy.start_timeout,
            (Role::Down, What::Oneshot) if svc.end => Some(policy.stop.grace),
            (Role::Finish, What::Longrun) if svc.end => Some(policy.finish_timeout),
            _ => return super::violation("3 no such program", format!("{run:?}")),
        };
        if matches!(run.role, Role::Run | Role::Up) {
            self.begins(now, number, run.generation)?;
        } else {
            law!(
                "2 cleaning up is a part of stopping",
                self.is(number, Phase::Stopping),
                "{run:?}"
            );
            law!("3 the same run", self.generation[number] == run.generation, "{run:?}");
            if run.role == Role::Down {
                law!(
                    "2 what failed to start is not taken down",
                    !matches!(self.judgement[number], Judgement::Failed(_, None)),
                    "{run:?}"
                );
                self.drained(number)?;
            }
        }
        law!(
            "3 each role once in a generation",
            self.done[number].insert(number_of(run.role)),
            "{run:?}"
        );
        let timeout = timeout.map(|span| now.after(span));
        self.live[number] = Some(Live {
            run,
            timeout,
            told: None,
            killed: None,
            stuck: false,
            more: None,
            late: Some(false),
        });
        self.turn.spawned.push(run);
        Ok(())
    }

    fn is(&self, number: usize, phase: Phase) -> bool {
        self.phase[number] == phase
    }

    pub(super) fn writes(&mut self, now: Instant, run: Incarnation) -> Verdict {
        let number = run.service.index();
        let svc = &self.plan.services[number];
        law!("3 only files are written", svc.what == What::File, "{run:?}");
        if run.generation == self.generation[number] {
            law!(
                "1 a file is written again while it is up and may stay so",
                matches!(self.phase[number], Phase::Starting | Phase::Ready)
                    && (self.may_be_wanted(number) && !self.lacks_hard_need(number)
                        || self.is_held_up(number)),
                "{run:?}"
            );
            law!(
                "8 a file is written again for a link that says so",
                svc.links.iter().any(|link| link.on == On::Render),
                "{run:?}"
            );
        } else {
            self.begins(now, number, run.generation)?;
        }
        self.turn.written.push(run);
        Ok(())
    }

    pub(super) fn removes(&mut self, number: usize) -> Verdict {
        if self.is(number, Phase::Stopping) {
            self.drained(number)?;
        }
        Ok(())
    }

    /// Everything that depends on it and has to be down is, when the first thing is done to end it.
    fn drained(&mut self, number: usize) -> Verdict {
        if self.is_killing() || core::mem::replace(&mut self.ends[number], true) {
            return Ok(());
        }
        let holders = self.holders(number);
        law!(
            "2 dependents are down first",
            holders.is_empty(),
            "service {number} ends while {holders:?} are still up"
        );
        Ok(())
    }

    pub(super) fn signals(&mut self, now: Instant, run: Incarnation, signal: Signal) -> Verdict {
        let number = run.service.index();
        let Some(mut live) = self.live[number].filter(|live| live.run == run) else {
            return super::violation("3 no signal to the dead", format!("{run:?} {signal:?}"));
        };
        let svc = &self.plan.services[number];
        let policy = svc.effective_policy().stop;
        if signal == Signal::Hup {
            let asks = |link: &Link| link.on == On::Hup;
            let reloads = self.turn.reloaded == Some(number) && svc.reload == On::Hup;
            law!(
                "8 a service signals itself for a link that says so, while it is up",
                matches!(self.phase[number], Phase::Starting | Phase::Ready)
                    && live.told.is_none()
                    && (svc.links.iter().any(asks) || reloads),
                "{run:?}"
            );
            self.turn.signalled.push(number);
            return Ok(());
        }
        match (live.told, live.killed) {
            (None, None) => {
                let overdue = live.timeout.is_some_and(|at| at <= now);
                let direct = run.role == Role::Finish && overdue;
                let barked = self.silent[number];
                let own = if barked { Signal::Abrt } else { policy.signal };
                let first = if self.is_killing() || direct { Signal::Kill } else { own };
                law!(
                    "5 the first signal is the service's own",
                    signal == first || (self.is_killing() && signal == own),
                    "{run:?} gets {signal:?}"
                );
                let overdue = overdue || barked;
                self.told_first(now, number, run)?;
                live.told = Some(now);
                live.late = (!self.is_killing()).then_some(overdue);
                live.killed = (signal == Signal::Kill).then_some(now);
            }
            (Some(told), None) => {
                let at = Some(told.after(policy.grace)).max(live.more);
                let due = at.is_some_and(|at| now >= at) || self.is_killing();
                law!(
                    "5 SIGKILL after the grace, not before",
                    due && signal == Signal::Kill,
                    "{run:?} gets {signal:?}, told at {told:?}"
                );
                live.killed = Some(now);
            }
            (_, Some(killed)) => {
                law!(
                    "5 SIGKILL again when it did not help",
                    now >= killed.after(KILL_GRACE) && signal == Signal::Kill && !live.stuck,
                    "{run:?} gets {signal:?}"
                );
                live.stuck = true;
            }
        }
        self.live[number] = Some(live);
        Ok(())
    }

    /// A process is told to end for a reason: by our will, or because it took too long.
    fn told_first(&mut self, now: Instant, number: usize, run: Incarnation) -> Verdict {
        let overdue = self.live[number].is_some_and(|l| l.timeout.is_some_and(|at| at <= now));
        if self.is_killing() {
            return Ok(());
        }
        if matches!(run.role, Role::Finish | Role::Down) {
            law!("5 cleaning up has its time", overdue, "{run:?} is ended before it is over");
            return Ok(());
        }
        if self.is(number, Phase::Stopping) {
            return self.drained(number);
        }
        let closed = self.turn.event == Some(Event::ReadyClosed(run));
        law!(
            "8 no process is ended without a reason",
            self.is(number, Phase::Starting) && (overdue || closed),
            "{run:?}"
        );
        Ok(())
    }

    pub(super) fn changes(
        &mut self,
        now: Instant,
        number: usize,
        from: Phase,
        to: Phase,
    ) -> Verdict {
        law!(
            "7 told changes make a chain",
            self.is(number, from) && from != to,
            "service {number} is {}, told from {} to {}",
            self.phase[number].name(),
            from.name(),
            to.name()
        );
        law!(
            "7 only changes of the table",
            TABLE.contains(&(from.name(), to.name())),
            "service {number} from {} to {}",
            from.name(),
            to.name()
        );
        self.met.moves.insert((from.name(), to.name()));
        let svc = &self.plan.services[number];
        let without_process = match svc.what {
            What::Bundle | What::Failover => true,
            What::Oneshot => !svc.up,
            What::Longrun | What::File => false,
        };
        match to {
            Phase::Ready if without_process => {
                self.begins(now, number, self.generation[number] + 1)?;
            }
            Phase::Ready => law!(
                "8 ready when it says so",
                self.may_be_ready(number),
                "service {number} for no reason"
            ),
            _ => {}
        }
        self.leaving(now, number, from, to)?;
        if to == Phase::Ready {
            self.was_ready[number] = true;
            self.news[number] += u32::from(svc.what != What::File);
        }
        if let (Phase::Ready | Phase::Stopping, Some(live)) = (to, &mut self.live[number]) {
            live.timeout = None;
        }
        let unready =
            matches!(self.turn.event, Some(Event::Unready(run)) if run.service.index() == number);
        if let (Phase::Ready, Phase::Starting, Some(live)) = (from, to, &mut self.live[number])
            && unready
        {
            live.timeout = svc.effective_policy().start_timeout.map(|span| now.after(span));
        }
        self.reloading[number] = false;
        if to == Phase::Stopping {
            self.silent[number] = self.turn.barked.contains(&number);
        }
        if !matches!(to, Phase::Stopping) && from == Phase::Stopping {
            self.silent[number] = false;
        }
        if matches!(from, Phase::Starting | Phase::Ready) || to == Phase::Ready {
            self.side_moves(now, number, to)?;
        }
        if from == Phase::Ready {
            self.turn.left_ready.insert(number);
        }
        if to == Phase::Stopping {
            self.ends[number] = false;
            self.turn.stopped.push((number, from));
            if self.judgement[number] == Judgement::Free {
                self.turn.ended_by_will.insert(number);
            }
        } else if from == Phase::Stopping && svc.what != What::Longrun && !self.is_killing() {
            let free = self.judgement[number] == Judgement::Free;
            if free && without_process {
                self.drained(number)?;
            }
        }
        self.turn.entered.push((number, to));
        self.since[number] = now;
        self.phase[number] = to;
        Ok(())
    }

    /// Whether the event of this turn makes it ready.
    fn may_be_ready(&self, number: usize) -> bool {
        use crate::sim::plan::Tells;
        let svc = &self.plan.services[number];
        let run = self.live[number].map(|live| live.run);
        match (&self.turn.event, svc.what) {
            (Some(Event::Written(of, Ok(_))), What::File) => of.service.index() == number,
            (Some(Event::Exited(of, exit)), What::Oneshot) => {
                of.service.index() == number && of.role == Role::Up && exit.is_success()
            }
            (Some(Event::Exited(..)), What::Longrun) => self.turn.told_ready == Some(number),
            (Some(Event::Spawned(of)), What::Longrun) => {
                Some(*of) == run && matches!(svc.tells, Tells::AtOnce | Tells::ByOutputs)
            }
            (Some(Event::Ready(of)), What::Longrun) => {
                Some(*of) == run
                    && matches!(svc.tells, Tells::ByFd | Tells::ByNotify | Tells::ByPidfile)
            }
            (Some(Event::Published { service, .. }), What::Longrun) => {
                service.index() == number && svc.tells == Tells::ByOutputs
            }
            _ => false,
        }
    }

    pub(super) fn all_stopped(&mut self, now: Instant) -> Verdict {
        let (bound, killing) = match self.ending {
            Ending::Orderly(until) => (until, false),
            Ending::Killing(until) => (until, true),
            Ending::No | Ending::Done => {
                return super::violation("5 all stopped, once", format!("{:?}", self.ending));
            }
        };
        let active: Vec<_> = (0..self.phase.len()).filter(|&at| self.is_active(at)).collect();
        law!(
            "5 all are stopped when it is told, or the time is over",
            active.is_empty() || (killing && now >= bound),
            "{active:?} are up"
        );
        self.ending = Ending::Done;
        Ok(())
    }
}

/// The changes in the table of the engine's documentation.
pub(super) const TABLE: [(&str, &str); 23] = [
    ("down", "waiting"),
    ("down", "starting"),
    ("down", "ready"),
    ("waiting", "down"),
    ("waiting", "starting"),
    ("waiting", "ready"),
    ("waiting", "backoff"),
    ("down", "backoff"),
    ("starting", "ready"),
    ("starting", "stopping"),
    ("starting", "backoff"),
    ("starting", "failed"),
    ("ready", "starting"),
    ("ready", "stopping"),
    ("ready", "backoff"),
    ("ready", "failed"),
    ("stopping", "down"),
    ("stopping", "backoff"),
    ("stopping", "failed"),
    ("backoff", "waiting"),
    ("backoff", "down"),
    ("failed", "waiting"),
    ("failed", "down"),
];
