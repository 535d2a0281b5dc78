//! From a failing script a smaller one that fails by the same law: leaves out operations, services
//! and features, one after the other, for as long as anything can be left out.

use super::{
    laws::{Verdict, Violation},
    plan::{Again, PLAIN, Plan, Tells, What},
    script::{Op, Run},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a script to its end: then all goes well, and then a shutdown meets a world that does nothing.
pub fn replay(plan: &Plan, ops: &[Op]) -> Verdict {
    guarded(|| {
        let Some(mut run) = Run::new(plan) else { return Ok(()) };
        ops.iter().try_for_each(|op| run.apply(*op))?;
        finish(&mut run)
    })
}

/// The end of every script. Some are shut down from where they are, others from rest.
pub fn finish(run: &mut Run<'_>) -> Verdict {
    if !run.steps.is_multiple_of(3) {
        run.apply(Op::GoWell)?;
    }
    run.must_end()
}

/// A panic is a violation, too.
pub fn guarded(play: impl FnOnce() -> Verdict) -> Verdict {
    catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        super::laws::violation("7 no panic", text.unwrap_or_default())
    })
}

/// A smaller plan and script that break the same law, with the violation.
pub fn shrink(plan: Plan, ops: Vec<Op>, broken: Violation) -> (Plan, Vec<Op>, Violation) {
    let mut best = (plan, ops, broken);
    loop {
        let size = format!("{:?}{:?}", best.0, best.1).len();
        shorten(&mut best);
        no_switch(&mut best);
        fewer_services(&mut best);
        simpler_services(&mut best);
        fewer_conflicts(&mut best);
        simpler_times(&mut best);
        if format!("{:?}{:?}", best.0, best.1).len() >= size {
            return best;
        }
    }
}

type Case = (Plan, Vec<Op>, Violation);

/// Takes the candidate if it breaks the same law.
fn try_take(best: &mut Case, plan: Plan, ops: Vec<Op>) -> bool {
    match replay(&plan, &ops) {
        Err(broken) if broken.law == best.2.law => {
            *best = (plan, ops, broken);
            true
        }
        _ => false,
    }
}

fn shorten(best: &mut Case) {
    let mut part = best.1.len().div_ceil(2);
    while part > 0 {
        let mut from = 0;
        while from < best.1.len() {
            let mut ops = best.1.clone();
            ops.drain(from..(from + part).min(ops.len()));
            if !try_take(best, best.0.clone(), ops) {
                from += part;
            }
        }
        part /= 2;
    }
}

fn fewer_services(best: &mut Case) {
    let mut number = best.0.services.len();
    while number > 0 {
        number -= 1;
        if best.0.services.len() > 1 {
            let ops = best.1.iter().filter_map(|op| op.without(number)).collect();
            let plan = best.0.without(number);
            try_take(best, plan, ops);
        }
    }
}

/// Without the second database, or with fewer services in it.
fn no_switch(best: &mut Case) {
    let Some(next) = best.0.next.clone() else { return };
    let without = Plan { next: None, ..best.0.clone() };
    let ops = best.1.clone();
    if try_take(best, without, ops) {
        return;
    }
    for gone in (0..next.from.len()).rev() {
        let mut plan = best.0.clone();
        let ops = best.1.clone();
        if let Some(next) = plan.next.as_mut().filter(|next| next.from.len() > 1) {
            next.without_new(gone);
            try_take(best, plan, ops);
        }
    }
}

fn simpler_services(best: &mut Case) {
    for number in 0..best.0.services.len() {
        let mut change = |change: &dyn Fn(&mut super::plan::Svc)| {
            let mut plan = best.0.clone();
            change(&mut plan.services[number]);
            // In a second database it is as simple.
            let next = plan.next.as_mut().and_then(|next| {
                let at = next.of(u16::try_from(number).ok()?)?;
                next.plan.services.get_mut(usize::from(at))
            });
            next.into_iter().for_each(change);
            if plan != best.0 {
                let ops = best.1.clone();
                return try_take(best, plan, ops);
            }
            false
        };
        for at in (0..8).rev() {
            change(&|svc| {
                if at < svc.looks.len() {
                    svc.drop_look(at);
                }
            });
            change(&|svc| {
                if let Some(link) = svc.links.get(at)
                    && !svc.looks.iter().any(|look| look.of == link.to)
                {
                    svc.links.remove(at);
                }
            });
        }
        change(&|svc| svc.ifs.clear());
        change(&|svc| svc.ifs.truncate(1));
        change(&|svc| svc.health = PLAIN.health);
        change(&|svc| svc.watchdog_ms = 0);
        change(&|svc| svc.reload = PLAIN.reload);
        change(&|svc| svc.permanent = false);
        change(&|svc| svc.fail = PLAIN.fail);
        change(&|svc| svc.first = false);
        change(&|svc| svc.patience_ms = PLAIN.patience_ms);
        change(&|svc| svc.check_ms = PLAIN.check_ms);
        change(&|svc| svc.action_ms = PLAIN.action_ms);
        change(&|svc| {
            svc.actions = 0;
            let run = |on: &mut super::plan::On| {
                if let super::plan::On::Run(_) = on {
                    *on = super::plan::On::Hup;
                }
            };
            svc.links.iter_mut().for_each(|link| run(&mut link.on));
            run(&mut svc.reload);
        });
        change(&|svc| {
            if !has_parts(svc) {
                svc.what = What::Longrun;
            }
        });
        change(&|svc| {
            if svc.what == What::Longrun && !has_parts(svc) {
                svc.what = What::Oneshot;
            }
        });
        change(&|svc| svc.tells = Tells::AtOnce);
        change(&|svc| svc.up = true);
        change(&|svc| svc.end = false);
        change(&|svc| svc.count = 0);
        change(&|svc| svc.again = Again::Always);
        change(&|svc| svc.max = 0);
        change(&|svc| svc.delays_ms = PLAIN.delays_ms);
        change(&|svc| svc.start_ms = 0);
        change(&|svc| svc.grace_ms = PLAIN.grace_ms);
        change(&|svc| svc.finish_ms = PLAIN.finish_ms);
        change(&|svc| svc.stop = PLAIN.stop);
    }
}

/// Only groups have members and alternatives.
fn has_parts(svc: &super::plan::Svc) -> bool {
    use super::plan::Tie;
    svc.links.iter().any(|link| matches!(link.tie, Tie::Member | Tie::Alternative))
}

/// Pairs that conflict need not.
fn fewer_conflicts(best: &mut Case) {
    for one in 0..best.0.services.len() {
        while let Some(other) = best.0.services[one].conflicts.last().copied() {
            let mut plan = best.0.clone();
            plan.services[one].conflicts.pop();
            let back = &mut plan.services[usize::from(other)].conflicts;
            back.retain(|number| usize::from(*number) != one);
            let ops = best.1.clone();
            if !try_take(best, plan, ops) {
                break;
            }
        }
    }
}

fn simpler_times(best: &mut Case) {
    for at in 0..best.1.len() {
        let simpler = match best.1.get(at) {
            Some(Op::ToDeadline(1..)) => Op::ToDeadline(0),
            Some(Op::ArriveTwice(number)) => Op::Arrive(*number),
            Some(Op::Arrive(1..)) => Op::Arrive(0),
            _ => continue,
        };
        let mut ops = best.1.clone();
        ops[at] = simpler;
        try_take(best, best.0.clone(), ops);
    }
}

/// The bits of services after the one that is gone move down; exact for the first sixteen services.
fn bad_without(bad: u16, gone: usize) -> u16 {
    let Ok(gone) = u32::try_from(gone.min(15)) else { return bad };
    let low = bad & ((1u16 << gone) - 1);
    low | ((bad >> 1) & !((1u16 << gone) - 1))
}

impl Op {
    /// The service that it is about.
    pub fn service(self) -> Option<u16> {
        let about = core::cell::Cell::new(None);
        let seen = |service: u16| {
            about.set(Some(service));
            Some(service)
        };
        self.renumbered(&seen);
        about.get()
    }

    /// The same among services without one; `None` if it was about that one.
    fn without(self, gone: usize) -> Option<Self> {
        let moved = |service: u16| match usize::from(service).cmp(&gone) {
            core::cmp::Ordering::Less => Some(service),
            core::cmp::Ordering::Equal => None,
            core::cmp::Ordering::Greater => Some(service - 1),
        };
        match self {
            Self::Settle(bad) => Some(Self::Settle(bad_without(bad, gone))),
            other => other.renumbered(&moved),
        }
    }

    /// The same about another service; `None` if that is nobody.
    fn renumbered(self, moved: &dyn Fn(u16) -> Option<u16>) -> Option<Self> {
        Some(match self {
            Self::Boot(s) => Self::Boot(moved(s)?),
            Self::Start(s) => Self::Start(moved(s)?),
            Self::Stop(s) => Self::Stop(moved(s)?),
            Self::Restart(s) => Self::Restart(moved(s)?),
            Self::FailSpawn(s) => Self::FailSpawn(moved(s)?),
            Self::FailWrite(s) => Self::FailWrite(moved(s)?),
            Self::Exit(s, end) => Self::Exit(moved(s)?, end),
            Self::Obey(s) => Self::Obey(moved(s)?),
            Self::Ready(s) => Self::Ready(moved(s)?),
            Self::Close(s) => Self::Close(moved(s)?),
            Self::Publish(s, output, value) => Self::Publish(moved(s)?, output, value),
            Self::PublishAll(s, value) => Self::PublishAll(moved(s)?, value),
            Self::TakeBack(s, output) => Self::TakeBack(moved(s)?, output),
            Self::PublishLate(s, value) => Self::PublishLate(moved(s)?, value),
            Self::Touch(s) => Self::Touch(moved(s)?),
            Self::Fact(s, index, holds) => Self::Fact(moved(s)?, index, holds),
            Self::Unready(s) => Self::Unready(moved(s)?),
            Self::Reloading(s) => Self::Reloading(moved(s)?),
            Self::Extend(s, ms) => Self::Extend(moved(s)?, ms),
            Self::Keepalive(s) => Self::Keepalive(moved(s)?),
            Self::Trigger(s) => Self::Trigger(moved(s)?),
            Self::SetWatchdog(s, ms) => Self::SetWatchdog(moved(s)?, ms),
            Self::Beside(s, end) => Self::Beside(moved(s)?, end),
            Self::Reload(s) => Self::Reload(moved(s)?),
            Self::Reset(s) => Self::Reset(moved(s)?),
            Self::Hold(s, up) => Self::Hold(moved(s)?, up),
            Self::Release(s) => Self::Release(moved(s)?),
            other => other,
        })
    }
}
