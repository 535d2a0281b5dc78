//! The next operation of a random script.

use super::{Op, Run};
use crate::sim::{
    dice::Dice,
    plan::{Link, On, VALUES, What, id},
    world::{End, is_side},
};
use rc::engine::Phase;

impl Run<'_> {
    /// The next operation of a random script: mostly such that have an effect.
    pub fn think_of(&self, dice: &mut Dice) -> Op {
        let count = self.plan.services.len();
        let any = dice.below16(count);
        match dice.below(1200) {
            0 | 1 => return Op::Boot(any),
            2..5 => return Op::GoWell,
            5 => return Op::Shutdown,
            6 => return Op::ShutdownNow,
            7..10 => return Op::Settle(dice.below16(1 << 15) & dice.below16(1 << 15)),
            10..40 => return Op::HandOver,
            40..60 if self.plan.next.is_some() && !self.switching => return Op::Switch,
            60..140 if self.uses_an_alternative() && !self.switching => return Op::Switch,
            40..400 if self.switching && self.engine.is_retired() => return Op::Adopt,
            _ => {}
        }
        if dice.chance(12)
            && let Some(op) = self.fact(dice)
        {
            return op;
        }
        match dice.below(100) {
            0..38 if !self.world.pending.is_empty() => {
                let number = if dice.chance(70) { 0 } else { dice.below16(64) };
                match dice.below(12) {
                    0 => Op::ArriveTwice(number),
                    1 | 2 => Op::ArriveAll,
                    _ => Op::Arrive(number),
                }
            }
            0..68 if !self.world.children.is_empty() => {
                let child = &self.world.children[dice.below(self.world.children.len())];
                let service = child.run.service.0;
                if is_side(child.run.role) {
                    return Op::Beside(service, dice.of(&[End::Well, End::Badly, End::Crash]));
                }
                self.act_of(dice, service, child.told)
            }
            0..82 => match dice.below(8) {
                0 => Op::Wait(dice.of(&[0, 1, 10, 1000, 9999, 10_000, 60_000])),
                1 => Op::ToDeadline(dice.of(&[1, 100, 5000])),
                2 => Op::Tick,
                _ => Op::ToDeadline(0),
            },
            82..92 => self.command(dice, any),
            92..95 => Op::FailSpawn(any),
            95..98 => {
                let services = self.plan.services.iter().enumerate();
                let files = services.filter(|(_, svc)| svc.what == What::File);
                let files: Vec<u16> = files.filter_map(|(at, _)| u16::try_from(at).ok()).collect();
                match (files.is_empty(), dice.below(3)) {
                    (true, _) => Op::Tick,
                    (false, 0) => Op::Touch(dice.of(&files)),
                    (false, _) => Op::FailWrite(dice.of(&files)),
                }
            }
            _ => self.publication(dice, any),
        }
    }

    /// A command, mostly to somebody to whom it means something.
    fn command(&self, dice: &mut Dice, any: u16) -> Op {
        let is_up = |service: u16| {
            let view = self.engine.view(id(usize::from(service)));
            view.is_some_and(|view| matches!(view.phase, Phase::Starting | Phase::Ready))
        };
        let is_held = |service: u16| {
            self.engine.view(id(usize::from(service))).is_some_and(|view| view.pinned.is_some())
        };
        let reloads = |service: u16| {
            let svc = &self.plan.services[usize::from(service)];
            svc.reload != On::Nothing && is_up(service)
        };
        // Who is held up misses what happens to these.
        let is_needed_by_held = |service: u16| {
            let mut services = (0u16..).zip(&self.plan.services);
            is_up(service)
                && services.any(|(other, svc)| {
                    is_held(other) && svc.on(service).is_some_and(Link::is_hard)
                })
        };
        match dice.below(15) {
            0..3 => Op::Stop(any),
            3 => Op::Restart(any),
            4 => Op::Restart(self.fitting(dice, any, &is_needed_by_held)),
            5 => Op::Hold(any, dice.chance(50)),
            6 => Op::Hold(self.fitting(dice, any, &is_up), true),
            7 | 8 => Op::Release(self.fitting(dice, any, &is_held)),
            9 => Op::Reload(self.fitting(dice, any, &reloads)),
            10 => Op::Reset(any),
            _ => Op::Start(any),
        }
    }

    /// One of the services that fit; any, if there is none, or now and then.
    fn fitting(&self, dice: &mut Dice, any: u16, fits: &dyn Fn(u16) -> bool) -> u16 {
        let services = (0..self.plan.services.len()).filter_map(|at| u16::try_from(at).ok());
        let fitting: Vec<u16> = services.filter(|service| fits(*service)).collect();
        if fitting.is_empty() || dice.chance(20) { any } else { dice.of(&fitting) }
    }

    /// Whether another database would find a failover at work.
    fn uses_an_alternative(&self) -> bool {
        let services = 0..self.plan.services.len();
        let mut views = services.filter_map(|at| self.engine.view(id(at)));
        self.plan.next.is_some() && views.any(|view| view.selected.is_some())
    }

    fn act_of(&self, dice: &mut Dice, service: u16, told: bool) -> Op {
        if told {
            return if dice.chance(60) { Op::Obey(service) } else { Op::ToDeadline(0) };
        }
        if dice.chance(25) {
            let ms = dice.of(&[0, 700, 30_000, 4_000_000]);
            return match dice.below(8) {
                0..3 => Op::Unready(service),
                3 => Op::Reloading(service),
                4 => Op::Extend(service, ms),
                5 => Op::Trigger(service),
                6 => Op::SetWatchdog(service, ms),
                _ => Op::Keepalive(service),
            };
        }
        match dice.below(100) {
            0..30 => Op::Ready(service),
            30..35 => Op::Close(service),
            35..75 => self.publication(dice, service),
            75..85 => Op::Exit(service, End::Well),
            85..94 => Op::Exit(service, End::Badly),
            94..97 => Op::Exit(service, End::Fatally),
            _ => Op::Exit(service, End::Crash),
        }
    }

    /// A condition of some service changes, mostly for the better; one flaps.
    fn fact(&self, dice: &mut Dice) -> Option<Op> {
        let flaps = dice.chance(60);
        let first = self.plan.services.iter().position(|svc| !svc.ifs.is_empty())?;
        let number = if flaps { first } else { dice.below(self.plan.services.len()) };
        let ifs = &self.plan.services[number].ifs;
        let at = if flaps { 0 } else { dice.below(ifs.len()) };
        ifs.get(at)?;
        let holds = if flaps { !self.world.facts[number][at] } else { dice.chance(70) };
        Some(Op::Fact(u16::try_from(number).ok()?, u16::try_from(at).ok()?, holds))
    }

    fn publication(&self, dice: &mut Dice, service: u16) -> Op {
        let outs = self.plan.services[usize::from(service)].outs.len();
        let value = dice.below(VALUES.len());
        match dice.below(10) {
            0 => Op::PublishLate(service, value),
            1 | 2 => Op::TakeBack(service, dice.below16(outs)),
            3..6 => Op::PublishAll(service, value),
            _ => Op::Publish(service, dice.below16(outs), value),
        }
    }
}
