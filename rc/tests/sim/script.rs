//! What happens: a list of operations that can be replayed, shortened and printed. An operation that
//! makes no sense at its time does nothing, so any part of a script is a script.

mod think;

use super::{
    kept::Kept,
    laws::{Laws, Verdict, violation},
    plan::{Plan, VALUES, What, id},
    world::{End, World},
};
use rc::{
    Instant, Millis,
    engine::{Engine, Event, Origin, Phase, Want},
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
    /// A condition of a service becomes so, or not.
    Fact(u16, u16, bool),
    Unready(u16),
    Reloading(u16),
    Extend(u16, u32),
    Keepalive(u16),
    Trigger(u16),
    SetWatchdog(u16, u32),
    /// A check or action of a service ends.
    Beside(u16, End),
    Reload(u16),
    Reset(u16),
    /// Held up, or down.
    Hold(u16, bool),
    Release(u16),
    /// The state of the engine is written out, and another engine goes on from it.
    HandOver,
    /// Another database is to take over: what is other in it goes.
    Switch,
    /// It takes over, if what had to go is gone.
    Adopt,
    /// All facts stay as they are, services whose bit is set (of 16) die whenever they run, and all others
    /// behave, until nothing but that happens any more.
    Settle(u16),
    /// From now on all goes well, until nothing more happens.
    GoWell,
}

/// A plan being run.
pub struct Run<'p> {
    plan: &'p Plan,
    pub engine: Engine,
    /// What a shell has of its state after the last event.
    kept: Kept,
    scratch: Vec<u8>,
    pub world: World,
    laws: Laws<'p>,
    now: Instant,
    /// Calls of the engine so far.
    pub steps: u64,
    /// Another database is about to take over.
    switching: bool,
    /// Prints every event and action.
    trace: bool,
}

/// The most calls of the engine that a world which behaves may cost, for each service.
const PATIENCE: usize = 400;
/// The most starts that a service may need in a world which behaves.
const STARTS: u32 = 60;

impl<'p> Run<'p> {
    pub fn new(plan: &'p Plan) -> Option<Self> {
        Some(Self {
            plan,
            engine: plan.engine()?,
            kept: Kept::default(),
            scratch: Vec::new(),
            world: World::new(plan),
            laws: Laws::new(plan),
            now: Instant::from_ms(1000),
            steps: 0,
            switching: false,
            trace: std::env::var_os("SIM_TRACE").is_some(),
        })
    }

    /// Another run that goes on from here.
    pub fn fork(&mut self) -> Self {
        let kept = Kept::whole(&mut self.engine);
        let engine = kept.restore(self.engine.graph()).expect("what was saved can be restored");
        Self {
            plan: self.plan,
            engine,
            kept,
            scratch: Vec::new(),
            world: self.world.clone(),
            laws: self.laws.clone(),
            now: self.now,
            steps: self.steps,
            switching: self.switching,
            trace: self.trace,
        }
    }

    pub const fn now(&self) -> Instant {
        self.now
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
        self.kept.follow(&mut self.engine);
        if !self.kept.is_whole(&mut self.engine, &mut self.scratch) {
            let text = "what was touched is not all that changed".to_owned();
            return violation("11 hand-over", text);
        }
        self.laws.told(&self.engine, &actions);
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
        // Another database may have fewer.
        if op.service().is_some_and(|service| usize::from(service) >= plan.services.len()) {
            return Ok(());
        }
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
            Op::Reload(service) => Event::Reload(id(usize::from(service))),
            Op::Reset(service) => Event::Reset(id(usize::from(service))),
            Op::Hold(service, up) => {
                Event::Hold(id(usize::from(service)), if up { Want::Up } else { Want::Down })
            }
            Op::Release(service) => Event::Release(id(usize::from(service))),
            Op::HandOver => return self.hand_over(),
            Op::Switch => return self.begin_switch(),
            Op::Adopt => return self.adopt(),
            Op::ArriveAll => return self.all_arrive(),
            Op::GoWell => {
                self.world.behave();
                self.facts_come_true();
                return self.go_well();
            }
            Op::Settle(bad) => {
                self.world.behave();
                return self.come_to_rest(bad);
            }
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
            Op::Fact(service, index, holds) => drop(world.set_fact(plan, service, index, holds)),
            Op::Unready(service) => drop(world.say(service, Event::Unready)),
            Op::Reloading(service) => drop(world.say(service, Event::Reloading)),
            Op::Extend(service, ms) => {
                world.say(service, |run| Event::Extend(run, Millis(ms)));
            }
            Op::Keepalive(service) => drop(world.say(service, Event::Keepalive)),
            Op::Trigger(service) => drop(world.say(service, Event::Trigger)),
            Op::SetWatchdog(service, ms) => {
                world.say(service, |run| Event::Watchdog(run, Millis(ms)));
            }
            Op::Beside(service, end) => drop(world.exit_beside(plan, service, end)),
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

    /// Everything that services wait for in the world is so.
    fn facts_come_true(&mut self) {
        let plan = self.plan;
        for (number, svc) in plan.services.iter().enumerate() {
            for at in 0..svc.ifs.len() {
                if let (Ok(service), Ok(index)) = (u16::try_from(number), u16::try_from(at)) {
                    self.world.set_fact(plan, service, index, true);
                }
            }
        }
    }

    /// The state survives being written out and read again, to the byte, and nothing follows from it.
    fn hand_over(&mut self) -> Verdict {
        self.kept.follow(&mut self.engine);
        let Ok(mut engine) = self.kept.restore(self.engine.graph()) else {
            return violation("11 hand-over", "what was saved cannot be restored".to_owned());
        };
        if Kept::whole(&mut engine) != Kept::whole(&mut self.engine) {
            return violation("11 hand-over", "what was restored is not what was saved".to_owned());
        }
        self.engine = engine;
        self.nothing_follows("11 hand-over: nothing follows from it")?;
        self.laws.same(self.now, &self.engine, &self.world)
    }

    /// Everything that another database has otherwise, or not at all, is retired.
    fn begin_switch(&mut self) -> Verdict {
        let plan = self.plan;
        let Some(next) = plan.next.as_ref().filter(|_| !self.switching) else { return Ok(()) };
        self.switching = true;
        let origins = next.origins(plan);
        for number in (0..plan.services.len()).map(id) {
            if !origins.contains(&Origin::Kept(number)) {
                self.handle(Event::Retire(number))?;
            }
        }
        Ok(())
    }

    /// The other database takes over, once nothing is left of what is other in it.
    fn adopt(&mut self) -> Verdict {
        let plan = self.plan;
        let Some(next) = plan.next.as_ref().filter(|_| self.switching) else { return Ok(()) };
        // A machine that goes down takes over nothing.
        if !self.laws.are_retired(&self.engine)? || self.laws.is_ending() {
            return Ok(());
        }
        let Some(new) = next.plan.engine() else { return Ok(()) };
        self.laws.left_cleanly()?;
        let graph = new.graph().clone();
        let origins = next.origins(plan);
        let target = self.laws.target().and_then(|at| next.of(u16::try_from(at).ok()?));
        let old = core::mem::replace(&mut self.engine, new);
        self.engine = old.adopt(graph, &origins, target.map(rc::model::ServiceId));
        let world = core::mem::replace(&mut self.world, World::new(&next.plan));
        self.world = world.switch(next, &origins);
        self.laws.switch(next, &origins, target.map(usize::from));
        (self.plan, self.switching, self.kept) = (&next.plan, false, Kept::default());
        if self.trace {
            println!("{:6} another database: {origins:?}", self.now.ms);
        }
        self.laws.switched(&self.engine, &origins)?;
        self.handle(Event::Tick)
    }

    /// The world behaves until nothing more happens: then all that is wanted and can be must be up.
    fn go_well(&mut self) -> Verdict {
        for _ in 0..=5 * self.plan.services.len() {
            self.come_to_rest(0)?;
            let Some(failed) = self.laws.find_phase(Phase::Failed) else {
                return self.laws.all_is_well();
            };
            // Failed for good: only somebody's command brings it back.
            self.apply(Op::Restart(u16::try_from(failed).unwrap_or(0)))?;
        }
        violation("4 liveness", "something goes on failing".to_owned())
    }

    /// The world goes on, the bad services dying, until nothing but that happens; then the system is what
    /// the reference says.
    fn come_to_rest(&mut self, bad: u16) -> Verdict {
        let plan = self.plan;
        let is_bad = |service: u16| {
            let svc = &plan.services[usize::from(service)];
            bad >> (service % 16) & 1 == 1
                && (svc.what == What::Longrun || (svc.what == What::Oneshot && svc.up))
        };
        let limit = 400 + PATIENCE * self.plan.services.len();
        let before = self.laws.generations();
        for _ in 0..limit {
            if !self.world.pending.is_empty() {
                self.apply(Op::Arrive(0))?;
            } else if self.world.do_something_good(self.plan, &self.engine, &is_bad) {
            } else if self.laws.is_quiet(&is_bad) && self.switching && !self.laws.is_ending() {
                self.adopt()?;
                return if self.switching { Ok(()) } else { self.come_to_rest(bad) };
            } else if self.laws.is_quiet(&is_bad) {
                return self.laws.is_as_reference(&is_bad);
            } else if self.engine.next_deadline().is_some() {
                // What is bad is tried so often that others would never have their time.
                self.time_passes(if bad == 0 { 0 } else { 500 })?;
            } else {
                return violation("4 liveness", "nothing will ever happen again".to_owned());
            }
            let now = self.laws.generations();
            let mut starts = before.iter().zip(&now).enumerate();
            let busy = starts.find(|(number, (before, now))| {
                let good = u16::try_from(*number).is_ok_and(|number| !is_bad(number));
                good && **now > **before + STARTS * (1 + u32::from(bad.count_ones() > 0) * 20)
            });
            if let Some((number, _)) = busy {
                return violation("7 livelock: starts end", format!("service {number}"));
            }
        }
        violation("4 liveness", format!("not at rest after {limit} steps"))
    }

    /// The next deadline comes, unless somebody has to say before that it lives.
    fn time_passes(&mut self, late: u32) -> Verdict {
        let due = self.laws.next_watchdog();
        match (due, self.engine.next_deadline()) {
            (Some((at, run)), Some(next)) if at <= next && at > self.now => {
                let before = Instant::from_ms(at.ms.saturating_sub(1)).max(self.now);
                self.now = before;
                self.handle(Event::Keepalive(run))
            }
            (None, _) => self.apply(Op::ToDeadline(late)),
            _ => self.apply(Op::ToDeadline(0)),
        }
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
}
