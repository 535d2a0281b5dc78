//! What happens: a list of operations that can be replayed, shortened and printed. An operation that
//! makes no sense at its time does nothing, so any part of a script is a script.

use super::{
    dice::Dice,
    laws::{Laws, Verdict, violation},
    plan::{Plan, VALUES, What, id},
    world::{End, World},
};
use rc::{
    Instant, Millis,
    engine::{Engine, Event, Phase},
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    Boot(u16),
    Start(u16),
    Stop(u16),
    Restart(u16),
    Shutdown,
    ShutdownNow,
    Tick,
    /// So many milliseconds pass.
    Wait(u32),
    /// Time passes up to the engine's next deadline and so many milliseconds more.
    ToDeadline(u32),
    /// One report arrives.
    Arrive(u16),
    /// One report arrives, and will arrive again.
    ArriveTwice(u16),
    /// All reports arrive in order.
    ArriveAll,
    FailSpawn(u16),
    FailWrite(u16),
    Exit(u16, End),
    /// A process ends that was told to.
    Obey(u16),
    Ready(u16),
    Close(u16),
    Publish(u16, u16, usize),
    PublishAll(u16, usize),
    TakeBack(u16, u16),
    /// An earlier run of the service publishes.
    PublishLate(u16, usize),
    /// Somebody changes the file.
    Touch(u16),
    /// From now on all goes well, until nothing more happens.
    GoWell,
}

/// A plan being run.
pub struct Run<'p> {
    plan: &'p Plan,
    pub engine: Engine,
    pub world: World,
    laws: Laws<'p>,
    now: Instant,
    /// Calls of the engine so far.
    pub steps: u64,
    /// Prints every event and action.
    trace: bool,
}

/// The most calls of the engine that a world which behaves may cost, for each service.
const PATIENCE: usize = 60;

impl<'p> Run<'p> {
    pub fn new(plan: &'p Plan) -> Option<Self> {
        Some(Self {
            plan,
            engine: plan.engine()?,
            world: World::new(plan),
            laws: Laws::new(plan),
            now: Instant::from_ms(1000),
            steps: 0,
            trace: std::env::var_os("SIM_TRACE").is_some(),
        })
    }

    /// What was met so far, for the coverage test.
    pub fn met(&self) -> &super::laws::Met {
        &self.laws.met
    }

    /// Hands one event to the engine, checks the laws and does what it says.
    fn handle(&mut self, event: Event) -> Verdict {
        self.steps += 1;
        let mut actions = Vec::new();
        self.laws.before(self.now, &event, &self.engine);
        if self.trace {
            println!("{:6} {event:?}", self.now.ms);
        }
        self.engine.handle(self.now, event, &mut actions);
        for action in actions.iter().filter(|_| self.trace) {
            println!("       → {action:?}");
        }
        for &action in &actions {
            self.laws.action(self.now, action)?;
            self.world.perform(self.plan, &self.engine, action);
        }
        self.laws.after(self.now, &self.engine, &self.world)?;
        self.nothing_follows("7 bounded: a second look finds nothing to do")
    }

    /// Without an event and a deadline, nothing happens.
    fn nothing_follows(&mut self, law: &'static str) -> Verdict {
        let mut actions = Vec::new();
        self.engine.handle(self.now, Event::Tick, &mut actions);
        match actions.as_slice() {
            [] => Ok(()),
            actions => violation(law, format!("{actions:?}")),
        }
    }

    pub fn apply(&mut self, op: Op) -> Verdict {
        let plan = self.plan;
        let event = match op {
            Op::Boot(service) => Event::Boot(id(usize::from(service))),
            Op::Start(service) => Event::Start(id(usize::from(service))),
            Op::Stop(service) => Event::Stop(id(usize::from(service))),
            Op::Restart(service) => Event::Restart(id(usize::from(service))),
            Op::Shutdown => Event::Shutdown,
            Op::ShutdownNow => Event::ShutdownNow,
            Op::Tick => Event::Tick,
            Op::Wait(ms) => {
                self.now = self.now.after(Millis(ms));
                Event::Tick
            }
            Op::ToDeadline(more) => {
                if let Some(at) = self.engine.next_deadline() {
                    let before = Instant::from_ms(at.ms.saturating_sub(1));
                    if before > self.now {
                        self.now = before;
                        self.nothing_follows("4 liveness: nothing is due before the deadline")?;
                    }
                    self.now = at.after(Millis(more));
                }
                Event::Tick
            }
            Op::Arrive(number) => match self.world.take(usize::from(number), false) {
                Some(event) => event,
                None => return Ok(()),
            },
            Op::ArriveTwice(number) => match self.world.take(usize::from(number), true) {
                Some(event) => event,
                None => return Ok(()),
            },
            Op::ArriveAll => return self.all_arrive(),
            Op::GoWell => return self.go_well(),
            other => {
                self.nature(plan, other);
                return Ok(());
            }
        };
        self.handle(event)
    }

    /// What happens outside, and is heard of later.
    fn nature(&mut self, plan: &Plan, op: Op) {
        let generation = |service: u16| {
            self.engine.view(id(usize::from(service))).map_or(0, |view| view.generation)
        };
        let world = &mut self.world;
        match op {
            Op::FailSpawn(service) => world.fail_spawn(service),
            Op::FailWrite(service) => world.fail_write(service),
            Op::Exit(service, end) => drop(world.exit(plan, service, end)),
            Op::Obey(service) => drop(world.obey(plan, service)),
            Op::Ready(service) => drop(world.tell(plan, service, true)),
            Op::Close(service) => drop(world.tell(plan, service, false)),
            Op::Publish(service, output, value) => {
                let value = VALUES.get(value).copied();
                world.publish(plan, service, generation(service), Some(output), value);
            }
            Op::PublishAll(service, value) => {
                let value = VALUES.get(value).copied();
                world.publish(plan, service, generation(service), None, value);
            }
            Op::TakeBack(service, output) => {
                world.publish(plan, service, generation(service), Some(output), None);
            }
            Op::PublishLate(service, value) => {
                let earlier = generation(service).wrapping_sub(1);
                world.publish(plan, service, earlier, None, VALUES.get(value).copied());
            }
            Op::Touch(service) => world.touched[usize::from(service)] = true,
            _ => {}
        }
    }

    fn all_arrive(&mut self) -> Verdict {
        // What follows from them is not waited for.
        for _ in 0..self.world.pending.len() {
            if let Some(event) = self.world.take(0, false) {
                self.handle(event)?;
            }
        }
        Ok(())
    }

    /// The world behaves until nothing more happens: then all that is wanted and can be must be up.
    fn go_well(&mut self) -> Verdict {
        self.world.behave();
        let limit = 200 + PATIENCE * self.plan.services.len();
        let mut forgiven = 0;
        for _ in 0..limit {
            if !self.world.pending.is_empty() {
                self.apply(Op::Arrive(0))?;
            } else if self.world.do_something_good(self.plan, &self.engine) {
            } else if self.laws.is_quiet() {
                let Some(failed) = self.laws.find_phase(Phase::Failed) else {
                    return self.laws.all_is_well();
                };
                // Failed for good: only somebody's command brings it back.
                forgiven += 1;
                if forgiven > 5 * self.plan.services.len() {
                    return violation("4 liveness", format!("service {failed} goes on failing"));
                }
                self.apply(Op::Restart(u16::try_from(failed).unwrap_or(0)))?;
            } else if self.engine.next_deadline().is_some() {
                self.apply(Op::ToDeadline(0))?;
            } else {
                return violation("4 liveness", "nothing will ever happen again".to_owned());
            }
        }
        violation("4 liveness", format!("not at rest after {limit} steps"))
    }

    /// Whatever the world does, a shutdown ends.
    pub fn must_end(&mut self) -> Verdict {
        self.apply(Op::Shutdown)?;
        for _ in 0..10 + 8 * self.plan.services.len() {
            if self.laws.is_stopped() {
                // What happens afterwards is nobody's business.
                self.all_arrive()?;
                return self.all_arrive();
            }
            self.apply(Op::ToDeadline(0))?;
        }
        violation("5 stop ends: a shutdown does", "it does not".to_owned())
    }

    /// The next operation of a random script: mostly such that have an effect.
    pub fn think_of(&self, dice: &mut Dice) -> Op {
        let count = self.plan.services.len();
        let any = dice.below16(count);
        match dice.below(1200) {
            0 | 1 => return Op::Boot(any),
            2..5 => return Op::GoWell,
            5 => return Op::Shutdown,
            6 => return Op::ShutdownNow,
            _ => {}
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
                self.act_of(dice, child.run.service.0, child.told)
            }
            0..82 => match dice.below(8) {
                0 => Op::Wait(dice.of(&[0, 1, 10, 1000, 9999, 10_000, 60_000])),
                1 => Op::ToDeadline(dice.of(&[1, 100, 5000])),
                2 => Op::Tick,
                _ => Op::ToDeadline(0),
            },
            82..92 => match dice.below(8) {
                0..3 => Op::Stop(any),
                3..5 => Op::Restart(any),
                _ => Op::Start(any),
            },
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

    fn act_of(&self, dice: &mut Dice, service: u16, told: bool) -> Op {
        if told {
            return if dice.chance(60) { Op::Obey(service) } else { Op::ToDeadline(0) };
        }
        match dice.below(100) {
            0..30 => Op::Ready(service),
            30..35 => Op::Close(service),
            35..75 => self.publication(dice, service),
            75..85 => Op::Exit(service, End::Well),
            85..95 => Op::Exit(service, End::Badly),
            _ => Op::Exit(service, End::Crash),
        }
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
