//! Scripts of events in, exact actions out: one test for each documented behaviour.
//!
//! A [`Machine`] is an engine with names. Every call hands in an event and answers what the engine
//! wants done, as words: `spawn ppp`, `spawn route.up`, `TERM ppp`, `write conf`, `settled`. That a
//! program is being executed is reported at once, as the shell does; everything else has to be said.

mod change;
mod command;
mod condition;
mod failover;
mod order;
mod pin;
mod retry;
mod save;
mod side;
mod stop;
mod switch;
mod table;

use super::{Action, Blocker, Engine, Event, Graph, Incarnation, Notice, Phase, Role, Want};
use crate::{
    db::{Database, encode},
    model::{
        Back, Command, Condition, Edge, Fact, Failover, File, Health, Kind, Longrun, OnChange,
        OnFailure, Oneshot, OutputDecl, Policy, Read, Ready, ReadyWhen, Relation, Restart, Service,
        ServiceId, System,
    },
    outputs::{OutputType, Scalar},
    text::Piece,
};
use supervisor::{
    exit::{Exit, SpawnFailure, SpawnStep},
    time::{Instant, Millis},
};

/// A service being defined.
struct Def {
    name: &'static str,
    service: Service,
    ties: Vec<(&'static str, Relation, OnChange)>,
    /// What it reads (`service.key`), and whether it can do without.
    reads: Vec<(&'static str, bool)>,
    /// What is never up beside it.
    conflicts: Vec<&'static str>,
}

fn define(name: &'static str, kind: Kind) -> Def {
    let service = Service::new(kind);
    Def { name, service, ties: Vec::new(), reads: Vec::new(), conflicts: Vec::new() }
}

fn program() -> Command {
    Command { argv: vec![vec![Piece::Literal("program".into())]] }
}

/// Ready when its program is executed.
fn longrun(name: &'static str) -> Def {
    define(name, Kind::Longrun(Longrun::new(program())))
}

/// Ready when it says so.
fn daemon(name: &'static str) -> Def {
    let mut def = longrun(name);
    if let Kind::Longrun(run) = &mut def.service.kind {
        run.ready = Ready::Notify;
    }
    def
}

/// Runs `up`.
fn oneshot(name: &'static str) -> Def {
    let policy = Policy::default();
    define(name, Kind::Oneshot(Oneshot { up: Some(program()), down: None, policy }))
}

/// Ready at once.
fn marker(name: &'static str) -> Def {
    define(name, Kind::Oneshot(Oneshot { up: None, down: None, policy: Policy::default() }))
}

fn bundle(name: &'static str, when: ReadyWhen, members: &[&'static str]) -> Def {
    members
        .iter()
        .fold(define(name, Kind::Bundle(when)), |def, member| def.tie(member, Relation::Member))
}

/// Uses the first that is ready; each publishes `v`, and so does it.
fn failover(name: &'static str, back: Back, alternatives: &[&'static str]) -> Def {
    let failover = Failover { back, patience: Millis(5000) };
    let mut def = define(name, Kind::Failover(failover));
    for to in alternatives {
        def = def.tie(to, Relation::Alternative).on_change(OnChange::Follow);
    }
    def
}

fn file(name: &'static str) -> Def {
    define(name, Kind::File(File { path: "/f".into(), mode: 0o644, text: Vec::new() }))
}

impl Def {
    fn tie(mut self, to: &'static str, relation: Relation) -> Self {
        self.ties.push((to, relation, OnChange::Restart));
        self
    }

    fn needs(self, to: &'static str) -> Self {
        self.tie(to, Relation::Needs)
    }

    fn wants(self, to: &'static str) -> Self {
        self.tie(to, Relation::Wants)
    }

    fn after(self, to: &'static str) -> Self {
        self.tie(to, Relation::After)
    }

    fn conflicts(mut self, other: &'static str) -> Self {
        self.conflicts.push(other);
        self
    }

    /// Depends on a condition that the test tells about.
    fn when(mut self) -> Self {
        let fact = Fact::Path("/there".into());
        self.service.conditions.push(Condition { fact, negated: false });
        self
    }

    /// Repeats the output `v` of each alternative under the same name.
    fn repeats(mut self) -> Self {
        for (to, ..) in self.ties.clone() {
            self.reads.push((Box::leak(format!("{to}.v").into_boxed_str()), false));
        }
        let from = (0..u16::try_from(self.ties.len()).unwrap()).collect();
        let kind = OutputType::One(Scalar::String);
        self.service.outputs.push(OutputDecl { key: "v".into(), kind, value: None, from });
        self
    }

    /// Is checked every 1000 ms, for at most 500 ms, and has failed after two failures.
    fn health(mut self) -> Self {
        let (every, timeout) = (Millis(1000), Millis(500));
        self.service.health = Some(Health { run: program(), every, timeout, retries: 2 });
        self
    }

    /// Has so many actions, and the first of them as its reload.
    fn actions(mut self, count: usize) -> Self {
        self.service.actions = vec![program(); count];
        self.service.reload = Some(OnChange::Run(0));
        self
    }

    fn watchdog(mut self, ms: u32) -> Self {
        if let Kind::Longrun(run) = &mut self.service.kind {
            run.watchdog = Some(Millis(ms));
        }
        self
    }

    /// What the last relation does about changes.
    fn on_change(mut self, action: OnChange) -> Self {
        self.ties.last_mut().unwrap().2 = action;
        self
    }

    /// Reads `service.key` and cannot do without; needs the service.
    fn reads(mut self, what: &'static str) -> Self {
        self.reads.push((what, true));
        self.needs_read(what)
    }

    /// Reads `service.key`, or a default.
    fn may_read(mut self, what: &'static str) -> Self {
        self.reads.push((what, false));
        self.needs_read(what)
    }

    fn needs_read(self, what: &'static str) -> Self {
        let (service, _) = what.split_once('.').unwrap();
        let known = self.ties.iter().any(|(to, ..)| *to == service);
        if known { self } else { self.needs(service) }
    }

    fn output(mut self, key: &str, value: Option<Vec<Piece>>) -> Self {
        let kind = OutputType::One(Scalar::String);
        self.service.outputs.push(OutputDecl { key: key.into(), kind, value, from: Vec::new() });
        self
    }

    /// Publishes `key` itself.
    fn publishes(self, key: &str) -> Self {
        self.output(key, None)
    }

    /// jamb publishes what the first read has.
    fn copies(self, key: &'static str) -> Self {
        let value = Piece::Value { read: 0, index: None, default: None };
        self.output(key, Some(vec![value]))
    }

    fn ready(mut self, ready: Ready) -> Self {
        if let Kind::Longrun(run) = &mut self.service.kind {
            run.ready = ready;
        }
        self
    }

    fn finish(mut self) -> Self {
        if let Kind::Longrun(run) = &mut self.service.kind {
            run.finish = Some(program());
        }
        self
    }

    fn down(mut self) -> Self {
        if let Kind::Oneshot(shot) = &mut self.service.kind {
            shot.down = Some(program());
        }
        self
    }

    fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        match &mut self.service.kind {
            Kind::Longrun(run) => change(&mut run.policy),
            Kind::Oneshot(shot) => change(&mut shot.policy),
            Kind::Bundle(_) | Kind::Failover(_) | Kind::File(_) => {}
        }
        self
    }
}

/// An engine with names and a clock.
struct Machine {
    engine: Engine,
    names: Vec<&'static str>,
    now: Instant,
    /// The spawn of this service fails next time.
    broken: Option<&'static str>,
    /// The states that services entered by the last event.
    entered: Vec<(&'static str, Phase)>,
}

impl Machine {
    fn new(mut defs: Vec<Def>) -> Self {
        defs.sort_by_key(|def| def.name);
        let names: Vec<_> = defs.iter().map(|def| def.name).collect();
        let id = |name: &str| ServiceId(u16::try_from(position(&names, name)).unwrap());
        let keys: Vec<Vec<String>> = defs
            .iter()
            .map(|def| def.service.outputs.iter().map(|output| output.key.clone()).collect())
            .collect();
        let rivals: Vec<_> = defs
            .iter()
            .flat_map(|def| def.conflicts.iter().map(|other| (def.name, *other)))
            .flat_map(|(a, b)| [(a, b), (b, a)])
            .collect();
        let mut records = Vec::new();
        for def in defs {
            let mut service = def.service;
            let edges = def.ties.iter();
            service.edges = edges
                .map(|&(to, relation, on_change)| Edge { to: id(to), relation, on_change })
                .collect();
            for (number, (what, required)) in def.reads.iter().enumerate() {
                let (of, key) = what.split_once('.').unwrap();
                let of = id(of);
                let output = keys[of.index()].iter().position(|one| one == key).unwrap();
                service.reads.push(Read { service: of, output: u16::try_from(output).unwrap() });
                let default = (!required).then(String::new);
                let read = u16::try_from(number).unwrap();
                let text = vec![Piece::Value { read, index: None, default }];
                match &mut service.kind {
                    Kind::File(file) => file.text.extend(text),
                    _ => service.exec.env.push((format!("V{number}"), text)),
                }
            }
            let own = rivals.iter().filter(|(a, _)| *a == def.name);
            service.conflicts = own.map(|(_, b)| id(b)).collect();
            records.push((def.name.to_owned(), service));
        }
        let bytes = encode([0; 16], &System::default(), &records).unwrap();
        let graph = Graph::load(&Database::new(bytes).unwrap()).unwrap();
        let (engine, now) = (Engine::new(graph), Instant::from_ms(1000));
        Self { engine, names, now, broken: None, entered: Vec::new() }
    }

    /// The same, and the first service is started.
    fn started(defs: Vec<Def>) -> Self {
        let first = defs[0].name;
        let mut machine = Self::new(defs);
        machine.start(first);
        machine
    }

    fn id(&self, name: &str) -> ServiceId {
        ServiceId(u16::try_from(position(&self.names, name)).unwrap())
    }

    /// `NAME` or `NAME.ROLE`, in the present generation.
    fn run(&self, what: &str) -> Incarnation {
        let (name, role) = what.split_once('.').unwrap_or((what, ""));
        let service = self.id(name);
        let role = match (role, self.engine.graph().node(service).kind()) {
            ("up", _) => Role::Up,
            ("down", _) => Role::Down,
            ("finish", _) => Role::Finish,
            (_, super::NodeKind::File) => Role::Write,
            _ => Role::Run,
        };
        Incarnation { service, generation: self.generation(name), role }
    }

    fn tell(&mut self, event: Event) -> String {
        let mut words = Vec::new();
        let mut events = vec![event];
        self.entered.clear();
        while let Some(event) = events.pop() {
            let mut actions = Vec::new();
            self.engine.handle(self.now, event, &mut actions);
            for action in actions {
                if let Action::Spawn(run) = action {
                    let failure = SpawnFailure { step: SpawnStep::Fork, errno: 11 };
                    let broken =
                        self.broken.take_if(|name| *name == self.names[run.service.index()]);
                    events.insert(
                        0,
                        match broken {
                            Some(_) => Event::Exited(run, Exit::NotStarted(failure)),
                            None => Event::Spawned(run),
                        },
                    );
                }
                if let Action::Notice(Notice::Changed { service, to, .. }) = action {
                    self.entered.push((self.names[service.index()], to));
                }
                words.extend(self.word(action));
            }
        }
        assert_eq!(self.engine.bugs(), 0);
        words.join(", ")
    }

    fn word(&self, action: Action) -> Option<String> {
        let name = |id: ServiceId| self.names[id.index()];
        Some(match action {
            Action::Spawn(run) => match run.role {
                Role::Run => format!("spawn {}", name(run.service)),
                role => {
                    format!("spawn {}.{}", name(run.service), format!("{role:?}").to_lowercase())
                }
            },
            Action::Signal(run, signal) => format!("{} {}", signal.name(), name(run.service)),
            Action::Write(run) => format!("write {}", name(run.service)),
            Action::Remove(id) => format!("remove {}", name(id)),
            Action::Publish(id) => format!("publish {}", name(id)),
            Action::Withdraw(id) => format!("withdraw {}", name(id)),
            Action::Escalate(id, action) => format!("{action:?} because of {}", name(id)),
            Action::AllStopped => "all stopped".to_owned(),
            Action::Notice(Notice::Settled { ready: true }) => "settled".to_owned(),
            Action::Notice(Notice::Settled { ready: false }) => "settled without".to_owned(),
            Action::Notice(Notice::Exited { timed_out: true, incarnation, .. }) => {
                format!("timed out {}", name(incarnation.service))
            }
            Action::Notice(_) => return None,
        })
    }

    fn boot(&mut self, name: &str) -> String {
        self.tell(Event::Boot(self.id(name)))
    }

    fn start(&mut self, name: &str) -> String {
        self.tell(Event::Start(self.id(name)))
    }

    fn stop(&mut self, name: &str) -> String {
        self.tell(Event::Stop(self.id(name)))
    }

    fn restart(&mut self, name: &str) -> String {
        self.tell(Event::Restart(self.id(name)))
    }

    /// The condition of a service holds, or does not.
    fn holds(&mut self, name: &str, holds: bool) -> String {
        self.tell(Event::Condition { service: self.id(name), number: 0, holds })
    }

    /// The check, or the action of this number, of a service ends with this code.
    fn beside(&mut self, name: &str, role: Role, code: u8) -> String {
        let run = Incarnation { role, ..self.run(name) };
        self.tell(Event::Exited(run, Exit::Code(code)))
    }

    fn ready(&mut self, name: &str) -> String {
        self.tell(Event::Ready(self.run(name)))
    }

    fn exits(&mut self, what: &str, code: u8) -> String {
        self.tell(Event::Exited(self.run(what), Exit::Code(code)))
    }

    /// The file was written, and its content is new or not.
    fn wrote(&mut self, name: &str, new: bool) -> String {
        self.tell(Event::Written(self.run(name), Ok(new)))
    }

    fn cannot_write(&mut self, name: &str) -> String {
        self.tell(Event::Written(self.run(name), Err(28)))
    }

    /// Publishes `KEY=VALUE`, or takes `KEY` back.
    fn publish(&mut self, name: &str, values: &[&str]) -> String {
        let service = self.id(name);
        let node = self.engine.graph().node(service);
        let value = |text: &&str| {
            let (key, value) = text.split_once('=').map_or((*text, None), |(k, v)| (k, Some(v)));
            let at = node.outputs().position(|output| output.key == key).unwrap();
            (u16::try_from(at).unwrap(), value.map(str::to_owned))
        };
        let values = values.iter().map(value).collect();
        let generation = self.generation(name);
        self.tell(Event::Published { service, generation, values })
    }

    /// So many milliseconds pass, from deadline to deadline.
    fn pass(&mut self, ms: u32) -> String {
        let end = self.now.after(Millis(ms));
        let mut words = Vec::new();
        while let Some(at) = self.engine.next_deadline().filter(|at| *at <= end) {
            assert!(at > self.now, "a deadline is in the past");
            self.now = at;
            words.push(self.tell(Event::Tick));
        }
        self.now = end;
        words.push(self.tell(Event::Tick));
        words.retain(|word| !word.is_empty());
        words.join(", ")
    }

    fn phase(&self, name: &str) -> Phase {
        self.engine.view(self.id(name)).unwrap().phase
    }

    fn generation(&self, name: &str) -> u32 {
        self.engine.view(self.id(name)).unwrap().generation
    }

    /// All services with their states.
    fn states(&self) -> String {
        let state = |name: &&str| format!("{name} {}", self.phase(name).name());
        self.names.iter().map(state).collect::<Vec<_>>().join(", ")
    }

    /// What a service waits for.
    fn waits(&self, name: &str) -> String {
        let word = |blocker: Blocker| match blocker {
            Blocker::Service(id) => self.names[id.index()].to_owned(),
            Blocker::Dependent(id) => format!("the end of {}", self.names[id.index()]),
            Blocker::Conflict(id) => format!("the end of {}, a conflict", self.names[id.index()]),
            Blocker::Condition(id, number) => {
                format!("condition {number} of {}", self.names[id.index()])
            }
            Blocker::Output(id, output) => {
                let node = self.engine.graph().node(id);
                format!(
                    "{}.{}",
                    self.names[id.index()],
                    node.output(usize::from(output)).unwrap().key
                )
            }
        };
        let blockers = self.engine.waiting_on(self.id(name));
        blockers.into_iter().map(word).collect::<Vec<_>>().join(", ")
    }
}

fn position(names: &[&str], name: &str) -> usize {
    names.iter().position(|one| *one == name).unwrap_or_else(|| panic!("no service {name}"))
}
