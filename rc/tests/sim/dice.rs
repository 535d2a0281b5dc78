//! Reproducible chance (splitmix64), and random plans.

use super::plan::{
    About, Again, Fail, If, Link, Look, On, Out, PLAIN, Plan, Svc, Tells, Tie, VALUES, What,
};
use rc::Signal;

pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// A number below `bound`.
    pub fn below16(&mut self, bound: usize) -> u16 {
        u16::try_from(self.below(bound)).unwrap_or(0)
    }

    /// True `percent` times in a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// A random plan; mostly small, since small ones meet themselves more often.
pub fn plan(dice: &mut Dice) -> Plan {
    let count = match dice.below(100) {
        0..70 => 2 + dice.below(7),
        70..97 => 2 + dice.below(16),
        97..99 => 20 + dice.below(30),
        _ => 60 + dice.below(140),
    };
    // The order of numbers must not be the order of dependencies.
    let mut places: Vec<usize> = (0..count).collect();
    for at in (1..count).rev() {
        places.swap(at, dice.below(at + 1));
    }
    // In some systems everybody reads everybody and acts upon changes.
    let avid = dice.chance(25);
    let mut services = vec![PLAIN; count];
    for at in 0..count {
        services[places[at]] = service(dice, &services, &places[..at], avid);
    }
    quarrel(dice, &mut services);
    let mut plan = Plan { services, shutdown_ms: dice.of(&[0, 1000, 5000, 30_000]), next: None };
    if dice.chance(60) {
        plan.next = Some(Box::new(super::switch::next(dice, &plan)));
    }
    plan
}

/// Some pairs conflict; a need on something that conflicts is no possible database.
fn quarrel(dice: &mut Dice, services: &mut [Svc]) {
    let wish = if dice.chance(30) { 1 + dice.below(1 + services.len() / 3) } else { 0 };
    for _ in 0..wish {
        let (one, other) = (dice.below(services.len()), dice.below(services.len()));
        let number = |at: usize| u16::try_from(at).unwrap_or(0);
        let linked = |a: &Svc, b: usize| a.links.iter().any(|link| link.to == number(b));
        let (a, b) = (&services[one], &services[other]);
        let known = a.conflicts.contains(&number(other));
        if one != other && !known && !linked(a, other) && !linked(b, one) {
            services[one].conflicts.push(number(other));
            services[other].conflicts.push(number(one));
        }
    }
}

/// What a service can do besides.
fn extras(dice: &mut Dice, svc: &mut Svc, count: usize) {
    for _ in 0..dice.of(&[0, 0, 0, 1, 1, 2]) {
        svc.ifs.push(If { fact: About::World, not: dice.chance(20) });
    }
    if !svc.looks.is_empty() && dice.chance(15) {
        let value = dice.of(&[None, Some(0), Some(1)]);
        let fact = About::Look(dice.below16(svc.looks.len()), value);
        svc.ifs.push(If { fact, not: dice.chance(30) });
    }
    if !matches!(svc.what, What::Longrun | What::Oneshot) {
        return;
    }
    if dice.chance(20) {
        svc.health =
            (dice.of(&[500, 5000, 30_000]), dice.of(&[1, 500, 10_000]), dice.of(&[1, 2, 3]));
    }
    svc.permanent = dice.chance(20);
    if dice.chance(15) {
        svc.fail = match dice.below(4) {
            0 => Fail::Reboot,
            1 => Fail::Rescue,
            _ => Fail::Start(dice.below16(count)),
        };
    }
    svc.action_ms = dice.of(&[500, 5000, 30_000]);
    svc.check_ms = dice.of(&[200, 1000, 5000]);
    if svc.what == What::Longrun {
        if svc.tells == Tells::ByNotify && dice.chance(30) {
            svc.watchdog_ms = dice.of(&[700, 30_000]);
        }
        if dice.chance(20) {
            svc.reload = On::Hup;
        }
        if svc.actions > 0 && dice.chance(50) {
            svc.reload = On::Run(0);
        }
    }
}

pub fn service(dice: &mut Dice, services: &[Svc], below: &[usize], avid: bool) -> Svc {
    let mut svc = PLAIN;
    svc.what = match dice.below(100) {
        0..52 => What::Longrun,
        52..68 => What::Oneshot,
        68..80 => What::Bundle,
        80..90 => What::Failover,
        _ => What::File,
    };
    svc.tells = dice.of(&[
        Tells::AtOnce,
        Tells::AtOnce,
        Tells::ByFd,
        Tells::ByNotify,
        Tells::ByNotify,
        Tells::ByOutputs,
        Tells::ByOutputs,
        Tells::ByCheck,
        Tells::ByPidfile,
    ]);
    svc.first = dice.chance(50);
    svc.patience_ms = dice.of(&[0, 1, 2000, 30_000]);
    svc.actions = if dice.chance(if avid { 80 } else { 30 }) { 2 } else { 0 };
    svc.up = dice.chance(75);
    svc.end = dice.chance(35);
    svc.again = dice.of(&[Again::Always, Again::Always, Again::Failing, Again::NotAtAll]);
    svc.max = dice.of(&[0, 0, 1, 3]);
    svc.delays_ms = dice.of(&[(0, 0), (1, 20), (100, 30_000), (1000, 2000), (500, 500)]);
    svc.start_ms = dice.of(&[0, 0, 0, 1, 3000, 20_000]);
    svc.grace_ms = dice.of(&[0, 1, 500, 10_000]);
    svc.finish_ms = dice.of(&[0, 1, 5000]);
    svc.stop = dice.of(&[Signal::Term, Signal::Term, Signal::Int, Signal::Kill]);
    relate(dice, &mut svc, services, below, avid);
    if svc.what == What::Failover && svc.alternatives() == 0 {
        svc.what = What::Bundle;
    }
    if matches!(svc.what, What::Longrun | What::Oneshot) {
        for _ in 0..dice.of(if avid { &[1, 1, 1, 2, 2, 3] } else { &[0, 0, 1, 1, 2, 3] }) {
            let copy = (!svc.looks.is_empty()).then(|| dice.below16(svc.looks.len()));
            let out = match (dice.below(6), copy) {
                (0, _) => Out::Fixed(dice.below(VALUES.len())),
                (1, Some(look)) => Out::Copy(look),
                (2, Some(look)) => Out::CopyInt(look),
                _ => Out::Own,
            };
            svc.outs.push(out);
        }
    }
    export(dice, &mut svc, services);
    extras(dice, &mut svc, services.len());
    svc
}

/// Outputs of groups: those of their members, live.
fn export(dice: &mut Dice, svc: &mut Svc, services: &[Svc]) {
    let outs = |to: u16| services[usize::from(to)].outs.len();
    match svc.what {
        What::Bundle if dice.chance(40) => {
            for link in &mut svc.links {
                if link.tie == Tie::Member && outs(link.to) > 0 && dice.chance(60) {
                    link.on = On::Follow;
                    let look = u16::try_from(svc.looks.len()).unwrap_or(0);
                    let output = dice.below16(outs(link.to));
                    svc.looks.push(Look { of: link.to, output, must: dice.chance(70) });
                    svc.outs.push(Out::Copy(look));
                }
            }
        }
        // Every alternative has each of its outputs.
        What::Failover => {
            let all = || svc.links.iter().filter(|link| link.tie == Tie::Alternative);
            if all().count() > 0 && all().all(|link| outs(link.to) > 0) {
                let looks: Vec<_> = all()
                    .map(|link| Look {
                        of: link.to,
                        output: dice.below16(outs(link.to)),
                        must: false,
                    })
                    .collect();
                svc.outs.push(Out::Pick(u16::try_from(svc.looks.len()).unwrap_or(0)));
                svc.looks.extend(looks);
            }
        }
        _ => {}
    }
}

fn relate(dice: &mut Dice, svc: &mut Svc, services: &[Svc], below: &[usize], avid: bool) {
    let group = matches!(svc.what, What::Bundle | What::Failover);
    let wish = if group { 1 + dice.below(5) } else { dice.below(4) };
    for _ in 0..wish.min(below.len()) {
        // Mostly neighbours: long chains rather than stars.
        let near = dice.chance(60);
        let from = if near { below.len().saturating_sub(4) } else { 0 };
        let number = below[from + dice.below(below.len() - from)];
        let to = u16::try_from(number).unwrap_or(0);
        if svc.links.iter().any(|link| link.to == to) {
            continue;
        }
        let tie = match dice.below(100) {
            0..70 if svc.what == What::Bundle => Tie::Member,
            0..85 if svc.what == What::Failover => Tie::Alternative,
            0..60 => Tie::Needs,
            60..85 => Tie::Wants,
            _ => Tie::After,
        };
        let roll = if avid { 40 + dice.below(60) } else { dice.below(100) };
        let on = match (roll, svc.what) {
            _ if tie == Tie::Alternative => On::Follow,
            (0..60, _) => On::Stop,
            (60..75, What::Longrun | What::Oneshot) if svc.actions > 0 => {
                On::Run(dice.below16(usize::from(svc.actions)))
            }
            (60..85, What::Longrun) => On::Hup,
            (60..90, What::File) => On::Render,
            (60..70, _) => On::Nothing,
            _ => On::Stop,
        };
        svc.links.push(Link { to, tie, on });
        let outputs = services[number].outs.len();
        if tie == Tie::Needs && outputs > 0 && !group {
            for _ in 0..dice.below(3) + usize::from(avid) {
                let output = dice.below16(outputs);
                svc.looks.push(Look { of: to, output, must: dice.chance(70) });
            }
        }
    }
    if svc.what == What::Bundle && dice.chance(50) {
        let members = svc.links.iter().filter(|link| link.tie == Tie::Member).count();
        svc.count = 1 + dice.below16(members.max(1));
    }
    svc.links.sort_by_key(|link| link.to);
}
