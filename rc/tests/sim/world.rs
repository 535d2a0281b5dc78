//! What the engine acts upon: processes, files, and events on their way. It does what it is told at
//! once; what it reports may arrive late, twice and in any order.

use super::plan::{About, FATAL, Out, Plan, Tells, What, id};
use rc::{
    Exit, Signal,
    engine::{Action, Engine, Event, Incarnation, Role},
};
use supervisor::exit::{SpawnFailure, SpawnStep};

/// A process that has not ended.
#[derive(Clone, Debug)]
pub struct Child {
    pub run: Incarnation,
    /// It got a signal that should end it.
    pub told: bool,
}

/// How a process ends by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Well,
    Badly,
    /// In a way that may be permanent.
    Fatally,
    Crash,
}

/// Whether a role runs beside the process of a service.
pub const fn is_side(role: Role) -> bool {
    matches!(role, Role::Check(_) | Role::Action { .. })
}

#[derive(Clone, Debug)]
pub struct World {
    pub children: Vec<Child>,
    /// Reports on their way, in the order in which things happened.
    pub pending: Vec<Event>,
    spawn_fails: Vec<bool>,
    write_fails: Vec<bool>,
    /// The files, as last written by the engine's orders.
    pub disk: Vec<Option<String>>,
    /// Somebody else has changed the file.
    pub touched: Vec<bool>,
    /// What is so, for the conditions of each service that the shell tells of.
    pub facts: Vec<Vec<bool>>,
}

impl World {
    pub fn new(plan: &Plan) -> Self {
        let count = plan.services.len();
        Self {
            children: Vec::new(),
            pending: Vec::new(),
            spawn_fails: vec![false; count],
            write_fails: vec![false; count],
            disk: vec![None; count],
            touched: vec![false; count],
            facts: plan.services.iter().map(|svc| vec![false; svc.ifs.len()]).collect(),
        }
    }

    /// Two worlds with the same are the same.
    pub fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    /// The process of a service, other than those beside it.
    pub fn child(&self, service: u16) -> Option<&Child> {
        let own = |child: &&Child| child.run.service.0 == service && !is_side(child.run.role);
        self.children.iter().find(own)
    }

    /// A condition becomes so, or not, and the shell tells it.
    pub fn set_fact(&mut self, plan: &Plan, service: u16, index: u16, holds: bool) -> bool {
        let (number, at) = (usize::from(service), usize::from(index));
        let about = plan.services[number].ifs.get(at).map(|one| one.fact);
        if about != Some(About::World) || self.facts[number][at] == holds {
            return false;
        }
        self.facts[number][at] = holds;
        self.pending.push(Event::Condition { service: id(number), number: index, holds });
        true
    }

    pub fn fail_spawn(&mut self, service: u16) {
        self.spawn_fails[usize::from(service)] = true;
    }

    pub fn fail_write(&mut self, service: u16) {
        self.write_fails[usize::from(service)] = true;
    }

    /// The next spawn and write of every service succeed.
    pub fn behave(&mut self) {
        self.spawn_fails.fill(false);
        self.write_fails.fill(false);
    }

    /// Does what the engine says.
    pub fn perform(&mut self, plan: &Plan, engine: &Engine, action: Action) {
        match action {
            Action::Spawn(run) => self.spawn(run),
            Action::Signal(run, signal) => {
                if signal != Signal::Hup
                    && let Some(child) = self.children.iter_mut().find(|child| child.run == run)
                {
                    child.told = true;
                }
            }
            Action::Write(run) => {
                let number = run.service.index();
                let read = |look: u16| engine.bound(run.service, look).map(str::to_owned);
                let content = plan.services[number].content(&read);
                let failed = core::mem::take(&mut self.write_fails[number]);
                let result = match content {
                    Some(content) if !failed => {
                        let touched = core::mem::take(&mut self.touched[number]);
                        let new = touched || self.disk[number].as_ref() != Some(&content);
                        self.disk[number] = Some(content);
                        Ok(new)
                    }
                    _ => Err(28),
                };
                self.pending.push(Event::Written(run, result));
            }
            Action::Remove(service) => {
                self.disk[service.index()] = None;
                self.touched[service.index()] = false;
            }
            Action::Publish(_)
            | Action::Withdraw(_)
            | Action::Notice(_)
            | Action::Escalate(..)
            | Action::AllStopped => {}
        }
    }

    fn spawn(&mut self, run: Incarnation) {
        if core::mem::take(&mut self.spawn_fails[run.service.index()]) {
            let failure = SpawnFailure { step: SpawnStep::Fork, errno: 11 };
            self.pending.push(Event::Exited(run, Exit::NotStarted(failure)));
        } else {
            self.children.push(Child { run, told: false });
            self.pending.push(Event::Spawned(run));
        }
    }

    /// The process of a service ends.
    pub fn exit(&mut self, plan: &Plan, service: u16, end: End) -> bool {
        let Some(run) = self.child(service).map(|child| child.run) else { return false };
        self.exit_of(plan, run, end)
    }

    /// One of the processes beside that of a service ends.
    pub fn exit_beside(&mut self, plan: &Plan, service: u16, end: End) -> bool {
        let beside = |run: &Incarnation| run.service.0 == service && is_side(run.role);
        let run = self.children.iter().map(|child| child.run).find(beside);
        run.is_some_and(|run| self.exit_of(plan, run, end))
    }

    fn exit_of(&mut self, plan: &Plan, run: Incarnation, end: End) -> bool {
        let service = run.service.0;
        let Some(at) = self.children.iter().position(|child| child.run == run) else {
            return false;
        };
        let child = self.children.remove(at);
        let exit = match end {
            End::Well => Exit::Code(0),
            End::Badly => Exit::Code(1),
            End::Fatally if child.run.role == Role::Finish => Exit::Code(125),
            End::Fatally => Exit::Code(FATAL),
            End::Crash => Exit::Signal(11),
        };
        let svc = &plan.services[usize::from(service)];
        if svc.tells == Tells::ByFd && child.run.role == Role::Run && svc.what == What::Longrun {
            self.pending.push(Event::ReadyClosed(child.run));
        }
        self.pending.push(Event::Exited(child.run, exit));
        true
    }

    /// The process of a service ends because it was told to.
    pub fn obey(&mut self, plan: &Plan, service: u16) -> bool {
        let end = if service.is_multiple_of(2) { End::Well } else { End::Crash };
        self.child(service).is_some_and(|child| child.told) && self.exit(plan, service, end)
    }

    /// The process of a service tells that it is ready, or closes the channel for that.
    pub fn tell(&mut self, plan: &Plan, service: u16, ready: bool) -> bool {
        let svc = &plan.services[usize::from(service)];
        let Some(run) = self.child(service).map(|child| child.run) else { return false };
        let fits = match svc.tells {
            Tells::ByFd => true,
            Tells::ByNotify | Tells::ByPidfile => ready,
            Tells::AtOnce | Tells::ByOutputs | Tells::ByCheck => false,
        };
        if run.role != Role::Run || !fits {
            return false;
        }
        self.pending.push(if ready { Event::Ready(run) } else { Event::ReadyClosed(run) });
        true
    }

    /// The process of a service tells something else.
    pub fn say(&mut self, service: u16, what: impl Fn(Incarnation) -> Event) -> bool {
        let Some(run) = self.child(service).map(|child| child.run) else { return false };
        let fits = run.role == Role::Run;
        if fits {
            self.pending.push(what(run));
        }
        fits
    }

    /// A service publishes a value under one of its own outputs, or under all.
    pub fn publish(
        &mut self,
        plan: &Plan,
        service: u16,
        generation: u32,
        output: Option<u16>,
        value: Option<&str>,
    ) -> bool {
        let outs = plan.services[usize::from(service)].outs.iter().enumerate();
        let own = outs.filter(|(_, out)| **out == Out::Own).map(|(at, _)| at);
        let own = own.filter_map(|at| u16::try_from(at).ok());
        let values: Vec<_> = own
            .filter(|at| output.is_none_or(|output| output == *at))
            .map(|at| (at, value.map(str::to_owned)))
            .collect();
        let any = !values.is_empty();
        if any {
            let service = id(usize::from(service));
            self.pending.push(Event::Published { service, generation, values });
        }
        any
    }

    /// Takes a report out, or a copy of it. Writes are reported once each and in order.
    pub fn take(&mut self, number: usize, keep: bool) -> Option<Event> {
        if self.pending.is_empty() {
            return None;
        }
        let mut at = number % self.pending.len();
        if let Event::Written(run, _) = &self.pending[at] {
            let service = run.service;
            let first =
                |event: &Event| matches!(event, Event::Written(r, _) if r.service == service);
            at = self.pending.iter().position(first).unwrap_or(at);
            return Some(self.pending.remove(at));
        }
        if let Event::Condition { service, number: index, .. } = self.pending[at] {
            let same = |event: &Event| {
                matches!(event, Event::Condition { service: s, number: i, .. }
                    if (*s, *i) == (service, index))
            };
            at = self.pending.iter().position(same).unwrap_or(at);
            return Some(self.pending.remove(at));
        }
        Some(if keep { self.pending[at].clone() } else { self.pending.remove(at) })
    }

    /// Whether the result of a write of this incarnation is on its way.
    pub fn is_writing(&self, run: Incarnation) -> bool {
        self.pending.iter().any(|event| matches!(event, Event::Written(r, _) if *r == run))
    }

    /// What a world does next without being asked; false: nothing. Services that are `bad` die as soon
    /// as they run; all others behave.
    pub fn do_something_good(
        &mut self,
        plan: &Plan,
        engine: &Engine,
        bad: &dyn Fn(u16) -> bool,
    ) -> bool {
        let ends = |child: &Child| {
            let dies = bad(child.run.service.0) && matches!(child.run.role, Role::Run | Role::Up);
            child.told || child.run.role != Role::Run || dies
        };
        if let Some(child) = self.children.iter().find(|child| ends(child)) {
            let dies = bad(child.run.service.0) && matches!(child.run.role, Role::Run | Role::Up);
            return self.exit_of(plan, child.run, if dies { End::Badly } else { End::Well });
        }
        let good = |service: u16| {
            let view = engine.view(id(usize::from(service)))?;
            let starting = view.phase == rc::engine::Phase::Starting;
            let up = starting || view.phase == rc::engine::Phase::Ready;
            let svc = &plan.services[usize::from(service)];
            let outputs = engine.outputs(id(usize::from(service))).zip(&svc.outs);
            let lacks = outputs.filter(|(_, out)| **out == Out::Own).any(|((_, v), _)| v.is_none());
            let publishes = matches!(svc.what, What::Longrun | What::Oneshot);
            Some((starting, up && lacks && publishes, view.generation))
        };
        for service in 0..plan.services.len() {
            let Ok(service) = u16::try_from(service) else { break };
            let Some((starting, lacks, generation)) = good(service) else { continue };
            if lacks {
                return self.publish(plan, service, generation, None, Some("1"));
            }
            if starting && self.tell(plan, service, true) {
                return true;
            }
        }
        false
    }
}
