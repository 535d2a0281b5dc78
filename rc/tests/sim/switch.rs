//! Another database for a running system: what is made up for it, who of it was there before, and what
//! becomes of the world around when the numbers of services change.

use super::{
    dice::Dice,
    plan::{About, Fail, If, Link, Look, On, Out, Plan, Svc, Tells, Tie, What},
    world::World,
};
use rc::{
    engine::{Event, Incarnation, Origin},
    model::ServiceId,
};

/// A second database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Next {
    pub plan: Plan,
    /// By service of the second: which one of the first it was.
    pub from: Vec<Option<u16>>,
}

fn number(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}

impl Next {
    /// What became of a service of the first.
    pub fn of(&self, old: u16) -> Option<u16> {
        self.from.iter().position(|from| *from == Some(old)).map(number)
    }

    /// Where each service comes from: it is kept if its definition says the same.
    pub fn origins(&self, first: &Plan) -> Vec<Origin> {
        let services = self.plan.services.iter().zip(&self.from);
        let origin = |(svc, from): (&Svc, &Option<u16>)| match *from {
            None => Origin::New,
            Some(old) => {
                let same = self.renumbered(&first.services[usize::from(old)]);
                let kept = same.is_some_and(|same| same == *svc);
                if kept { Origin::Kept(ServiceId(old)) } else { Origin::Changed(ServiceId(old)) }
            }
        };
        services.map(origin).collect()
    }

    /// A definition of the first with the numbers of the second; `None` if it speaks of who is gone.
    fn renumbered(&self, svc: &Svc) -> Option<Svc> {
        let mut svc = svc.clone();
        for link in &mut svc.links {
            link.to = self.of(link.to)?;
        }
        for look in &mut svc.looks {
            look.of = self.of(look.of)?;
        }
        for other in &mut svc.conflicts {
            *other = self.of(*other)?;
        }
        if let Fail::Start(other) = &mut svc.fail {
            *other = self.of(*other)?;
        }
        Some(svc)
    }

    /// Without a service of the first: who is left of it in the second is new.
    pub fn without_old(&mut self, gone: u16) {
        for from in &mut self.from {
            *from = match *from {
                Some(old) if old == gone => None,
                Some(old) if old > gone => Some(old - 1),
                from => from,
            };
        }
    }

    /// Without a service of the second.
    pub fn without_new(&mut self, gone: usize) {
        self.from.remove(gone);
        self.plan = self.plan.without(gone);
    }
}

/// Makes up a second database: most services stay as they are.
pub fn next(dice: &mut Dice, first: &Plan) -> Next {
    let stays: Vec<bool> = first.services.iter().map(|_| !dice.chance(12)).collect();
    let mut plan = first.clone();
    let mut from: Vec<Option<u16>> = (0..first.services.len()).map(|at| Some(number(at))).collect();
    for gone in (0..stays.len()).rev() {
        if !stays[gone] && plan.services.len() > 1 {
            plan = plan.without(gone);
            from.remove(gone);
        }
    }
    for svc in &mut plan.services {
        if svc.what == What::Failover && svc.alternatives() == 0 {
            svc.what = What::Bundle;
        }
    }
    for _ in 0..dice.of(&[0, 1, 1, 2]) {
        add(dice, &mut plan, &mut from);
    }
    for _ in 0..dice.of(&[0, 1, 2, 3]) {
        change(dice, &mut plan);
    }
    Next { plan, from }
}

/// A new service among the others, which some of them need.
fn add(dice: &mut Dice, plan: &mut Plan, from: &mut Vec<Option<u16>>) {
    let at = dice.below(plan.services.len() + 1);
    plan.make_room(at);
    from.insert(at, None);
    let order = plan.sorted();
    let mut order: Vec<usize> = order.into_iter().filter(|other| *other != at).collect();
    let above = order.split_off(dice.below(order.len() + 1));
    plan.services[at] = super::dice::service(dice, &plan.services, &order, false);
    let users = above.iter().filter(|_| dice.chance(30)).copied().collect::<Vec<_>>();
    for user in users {
        relate(dice, plan, user, number(at));
    }
}

/// One more relation, if it makes sense.
fn relate(dice: &mut Dice, plan: &mut Plan, user: usize, to: u16) {
    let outs = plan.services[usize::from(to)].outs.len();
    let svc = &mut plan.services[user];
    if svc.on(to).is_some() || svc.conflicts.contains(&to) || usize::from(to) == user {
        return;
    }
    let picks = svc.outs.iter().any(|out| matches!(out, Out::Pick(_)));
    let (tie, on) = match svc.what {
        What::Bundle => (Tie::Member, On::Stop),
        What::Failover if !picks => (Tie::Alternative, On::Follow),
        _ => (dice.of(&[Tie::Needs, Tie::Needs, Tie::Wants, Tie::After]), On::Stop),
    };
    svc.links.push(Link { to, tie, on });
    svc.links.sort_by_key(|link| link.to);
    if outs > 0 && tie == Tie::Needs && !matches!(svc.what, What::Failover | What::Bundle) {
        svc.looks.push(Look { of: to, output: dice.below16(outs), must: dice.chance(60) });
    }
}

/// One service is defined otherwise.
fn change(dice: &mut Dice, plan: &mut Plan) {
    let mut failovers = plan.services.iter_mut().filter(|svc| svc.what == What::Failover);
    if dice.chance(40)
        && let Some(svc) = failovers.next()
    {
        svc.patience_ms += 1;
        return;
    }
    let at = dice.below(plan.services.len());
    let order = plan.sorted();
    let below = order.iter().take_while(|other| **other != at).copied().collect::<Vec<_>>();
    let svc = &mut plan.services[at];
    let is_own = matches!(svc.what, What::Longrun | What::Oneshot);
    match dice.below(9) {
        0 => svc.grace_ms += 1,
        1 => svc.end = !svc.end,
        2 if is_own => svc.outs.push(dice.of(&[Out::Own, Out::Fixed(0), Out::Fixed(1)])),
        3 if svc.ifs.is_empty() => svc.ifs.push(If { fact: About::World, not: false }),
        3 => svc.ifs.truncate(svc.ifs.len() - 1),
        4 => svc.first = !svc.first,
        5 => svc.count = svc.count.saturating_sub(1),
        6 if svc.what == What::Longrun => {
            svc.tells = dice.of(&[Tells::AtOnce, Tells::ByNotify, Tells::ByFd]);
        }
        7 if !below.is_empty() => {
            let to = number(dice.of(&below));
            relate(dice, plan, at, to);
        }
        _ => unrelate(dice, svc),
    }
}

/// A relation less, with what was read over it.
fn unrelate(dice: &mut Dice, svc: &mut Svc) {
    if svc.links.is_empty() || svc.what == What::Failover {
        return;
    }
    let gone = svc.links.remove(dice.below(svc.links.len()));
    while let Some(at) = svc.looks.iter().position(|look| look.of == gone.to) {
        svc.drop_look(at);
    }
}

/// An event about a service under its new number; `None` if it is gone.
fn moved(event: Event, to: &dyn Fn(ServiceId) -> Option<ServiceId>) -> Option<Event> {
    let run = |run: Incarnation| Some(Incarnation { service: to(run.service)?, ..run });
    Some(match event {
        Event::Spawned(r) => Event::Spawned(run(r)?),
        Event::Exited(r, exit) => Event::Exited(run(r)?, exit),
        Event::Ready(r) => Event::Ready(run(r)?),
        Event::ReadyClosed(r) => Event::ReadyClosed(run(r)?),
        Event::Unready(r) => Event::Unready(run(r)?),
        Event::Reloading(r) => Event::Reloading(run(r)?),
        Event::Extend(r, span) => Event::Extend(run(r)?, span),
        Event::Keepalive(r) => Event::Keepalive(run(r)?),
        Event::Watchdog(r, span) => Event::Watchdog(run(r)?, span),
        Event::Trigger(r) => Event::Trigger(run(r)?),
        Event::Written(r, result) => Event::Written(run(r)?, result),
        Event::Published { service, generation, values } => {
            Event::Published { service: to(service)?, generation, values }
        }
        Event::Condition { service, number, holds } => {
            Event::Condition { service: to(service)?, number, holds }
        }
        // Nothing else is reported by the world.
        _ => return None,
    })
}

impl World {
    /// The same world around the second database. A process that nobody could end is left behind; reports of
    /// who changed keep coming, and are stale.
    pub fn switch(self, next: &Next, origins: &[Origin]) -> Self {
        let kept = |id: ServiceId| {
            let origin = origins.iter().position(|one| *one == Origin::Kept(id))?;
            Some(ServiceId(number(origin)))
        };
        let known = |id: ServiceId| next.of(id.0).map(ServiceId);
        let mut world = Self::new(&next.plan);
        for child in self.children {
            if let Some(service) = kept(child.run.service) {
                let run = Incarnation { service, ..child.run };
                world.children.push(super::world::Child { run, ..child });
            }
        }
        for event in self.pending {
            // What was watched for another definition is not told any more.
            let about_facts = matches!(event, Event::Condition { .. });
            let to: &dyn Fn(ServiceId) -> Option<ServiceId> =
                if about_facts { &kept } else { &known };
            world.pending.extend(moved(event, to));
        }
        for (at, origin) in origins.iter().enumerate() {
            if let Origin::Kept(old) = origin {
                let old = old.index();
                world.disk[at].clone_from(&self.disk[old]);
                world.touched[at] = self.touched[old];
                world.facts[at].clone_from(&self.facts[old]);
            }
        }
        world
    }
}
