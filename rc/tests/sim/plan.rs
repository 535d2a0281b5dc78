//! A database in few words: what random generation makes, shrinking takes apart, and a failure
//! prints. Its `Debug` form, with `[` read as `vec![`, is the Rust expression that makes it again; of a
//! service it tells only what [`PLAIN`] does not say.

use super::switch::Next;
use rc::{
    Backoff, Millis, Signal, StopPolicy,
    db::{Database, encode},
    engine::{Engine, Graph},
    model::{
        Back, Command, Condition, Edge, Exec, Fact, Failover, File, Health, Kind, Longrun,
        OnChange, OnFailure, Oneshot, OutputDecl, Policy, Read, Ready, ReadyWhen, Relation,
        Restart, Service, ServiceId, System,
    },
    outputs::{OutputType, Scalar},
    text::{Piece, Text},
};
use std::fmt;

/// What services publish; plans and scripts name values by position.
pub const VALUES: [&str; 3] = ["1", "2", "x"];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    Longrun,
    Oneshot,
    Bundle,
    File,
    Failover,
}

/// How a longrun tells that it is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tells {
    AtOnce,
    ByFd,
    ByNotify,
    ByOutputs,
    ByCheck,
    ByPidfile,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tie {
    Needs,
    Wants,
    After,
    Member,
    Alternative,
}

/// What happens when the other service changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum On {
    Stop,
    Hup,
    Render,
    /// Runs the action of this number.
    Run(u16),
    Follow,
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    Always,
    Failing,
    NotAtAll,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    pub to: u16,
    pub tie: Tie,
    pub on: On,
}

/// An output that is read; with a default unless it `must` be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    pub of: u16,
    pub output: u16,
    pub must: bool,
}

/// An output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Out {
    /// Published by the service.
    Own,
    /// Published by jamb: one of [`VALUES`].
    Fixed(usize),
    /// Published by jamb: what this look sees.
    Copy(u16),
    /// The same, but only an integer will do.
    CopyInt(u16),
    /// Of failovers: what the looks from this one on see, one for each alternative.
    Pick(u16),
}

/// Something that must be so for a service to be up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct If {
    pub fact: About,
    pub not: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum About {
    /// Something that the shell tells.
    World,
    /// What a look sees: one of [`VALUES`], or anything.
    Look(u16, Option<usize>),
}

/// What happens besides when a service is failed for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fail {
    Nothing,
    Reboot,
    Rescue,
    Start(u16),
}

/// Exit codes with this value are permanent for services that say so.
pub const FATAL: u8 = 3;

#[derive(Clone, PartialEq, Eq)]
pub struct Svc {
    pub what: What,
    pub tells: Tells,
    /// Whether a oneshot has `up`.
    pub up: bool,
    /// Whether it has `finish` or `down`.
    pub end: bool,
    /// How many members make a bundle ready; 0: all.
    pub count: u16,
    pub links: Vec<Link>,
    pub looks: Vec<Look>,
    pub outs: Vec<Out>,
    pub again: Again,
    pub max: u32,
    pub delays_ms: (u32, u32),
    /// 0: none.
    pub start_ms: u32,
    pub grace_ms: u32,
    pub finish_ms: u32,
    pub stop: Signal,
    pub ifs: Vec<If>,
    pub conflicts: Vec<u16>,
    /// Interval, bound and retries; without retries there is no health check.
    pub health: (u32, u32, u32),
    pub check_ms: u32,
    /// 0: none.
    pub watchdog_ms: u32,
    /// How many programs [`On::Run`] may name.
    pub actions: u16,
    pub action_ms: u32,
    /// What a reload does; [`On::Nothing`]: it has none.
    pub reload: On,
    /// Whether [`FATAL`] is permanent.
    pub permanent: bool,
    pub fail: Fail,
    /// Whether a failover goes back to the first that is ready.
    pub first: bool,
    pub patience_ms: u32,
}

/// A longrun without anything special.
pub const PLAIN: Svc = Svc {
    what: What::Longrun,
    tells: Tells::AtOnce,
    up: true,
    end: false,
    count: 0,
    links: Vec::new(),
    looks: Vec::new(),
    outs: Vec::new(),
    again: Again::Always,
    max: 0,
    delays_ms: (100, 30_000),
    start_ms: 0,
    grace_ms: 10_000,
    finish_ms: 5000,
    stop: Signal::Term,
    ifs: Vec::new(),
    conflicts: Vec::new(),
    health: (0, 0, 0),
    check_ms: 1000,
    watchdog_ms: 0,
    actions: 0,
    action_ms: 30_000,
    reload: On::Nothing,
    permanent: false,
    fail: Fail::Nothing,
    first: false,
    patience_ms: 30_000,
};

impl fmt::Debug for Svc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Svc { ")?;
        macro_rules! fields {
            ($($field:ident)*) => { $(
                if self.$field != PLAIN.$field {
                    write!(f, concat!(stringify!($field), ": {:?}, "), self.$field)?;
                }
            )* };
        }
        fields!(what tells up end count links looks outs again max delays_ms start_ms grace_ms
            finish_ms stop ifs conflicts health check_ms watchdog_ms actions action_ms reload
            permanent fail first patience_ms);
        f.write_str("..PLAIN }")
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    pub services: Vec<Svc>,
    pub shutdown_ms: u32,
    /// What it can be switched to.
    pub next: Option<Box<Next>>,
}

pub fn id(number: usize) -> ServiceId {
    ServiceId(u16::try_from(number).unwrap_or(u16::MAX))
}

impl Link {
    /// Whether the loss of the other stops this one.
    pub fn is_hard(self) -> bool {
        self.tie == Tie::Needs && self.on == On::Stop
    }
}

impl Svc {
    /// How many members make it ready.
    pub fn members_needed(&self) -> usize {
        let members = self.links.iter().filter(|link| link.tie == Tie::Member).count();
        if self.count == 0 { members } else { members.min(usize::from(self.count)) }
    }

    /// What it does about changes of `other`.
    pub fn on(&self, other: u16) -> Option<Link> {
        self.links.iter().copied().find(|link| link.to == other)
    }

    /// The value that an output published by jamb has, given what is read.
    pub fn fixed(&self, out: Out, read: &dyn Fn(u16) -> Option<String>) -> Option<String> {
        let see = |look: u16| {
            let default = (!self.looks[usize::from(look)].must).then(|| "0".to_owned());
            read(look).or(default)
        };
        match out {
            Out::Own | Out::Pick(_) => None,
            Out::Fixed(value) => Some(VALUES[value].to_owned()),
            Out::Copy(look) => see(look),
            Out::CopyInt(look) => see(look).filter(|value| value.parse::<i64>().is_ok()),
        }
    }

    /// The content of a file, given what is read; `None` if something is missing.
    pub fn content(&self, read: &dyn Fn(u16) -> Option<String>) -> Option<String> {
        let mut content = "file".to_owned();
        for (position, look) in self.looks.iter().enumerate() {
            let value = read(u16::try_from(position).ok()?);
            content += &value.or((!look.must).then(|| "0".to_owned()))?;
        }
        Some(content)
    }

    fn policy(&self) -> Policy {
        Policy {
            restart: match self.again {
                Again::Always => Restart::Always,
                Again::Failing => Restart::OnFailure,
                Again::NotAtAll => Restart::Never,
            },
            backoff: Backoff { min: Millis(self.delays_ms.0), max: Millis(self.delays_ms.1) },
            max_restarts: self.max,
            start_timeout: (self.start_ms > 0).then_some(Millis(self.start_ms)),
            stop: StopPolicy { signal: self.stop, grace: Millis(self.grace_ms) },
            finish_timeout: Millis(self.finish_ms),
            action_timeout: Millis(self.action_ms),
            permanent: if self.permanent { vec![FATAL] } else { Vec::new() },
            on_failure: match self.fail {
                Fail::Nothing => OnFailure::Ignore,
                Fail::Reboot => OnFailure::Reboot,
                Fail::Rescue => OnFailure::Rescue,
                Fail::Start(service) => OnFailure::Start(ServiceId(service)),
            },
        }
    }

    /// The policy that holds: bundles and files have no own one.
    pub fn effective_policy(&self) -> Policy {
        match self.what {
            What::Longrun | What::Oneshot => self.policy(),
            What::Bundle | What::File | What::Failover => Policy::default(),
        }
    }

    fn record(&self) -> Service {
        let piece = |look: u16| Piece::Value {
            read: look,
            index: None,
            default: (!self.looks[usize::from(look)].must).then(|| "0".to_owned()),
        };
        let looks = || (0..self.looks.len()).filter_map(|at| u16::try_from(at).ok());
        let command = || Command { argv: vec![vec![Piece::Literal("program".to_owned())]] };
        let mut text: Text = vec![Piece::Literal("file".to_owned())];
        text.extend(looks().map(piece));
        let kind = match self.what {
            What::Longrun => Kind::Longrun(Longrun {
                finish: self.end.then(command),
                ready: match self.tells {
                    Tells::AtOnce => Ready::Started,
                    Tells::ByFd => Ready::Fd(3),
                    Tells::ByNotify => Ready::Notify,
                    Tells::ByOutputs => Ready::Outputs,
                    Tells::ByCheck => Ready::Check { every: Millis(self.check_ms) },
                    Tells::ByPidfile => Ready::Pidfile,
                },
                check: (self.tells == Tells::ByCheck).then(command),
                pidfile: (self.tells == Tells::ByPidfile).then(|| "/p".to_owned()),
                watchdog: (self.watchdog_ms > 0).then_some(Millis(self.watchdog_ms)),
                policy: self.policy(),
                ..Longrun::new(command())
            }),
            What::Oneshot => Kind::Oneshot(Oneshot {
                up: self.up.then(command),
                down: self.end.then(command),
                policy: self.policy(),
            }),
            What::Bundle if self.count == 0 => Kind::Bundle(ReadyWhen::All),
            What::Bundle => Kind::Bundle(ReadyWhen::AtLeast(self.count)),
            What::Failover => Kind::Failover(Failover {
                back: if self.first { Back::PreferFirst } else { Back::Sticky },
                patience: Millis(self.patience_ms),
            }),
            What::File => {
                Kind::File(File { path: "/f".to_owned(), mode: 0o644, text: text.clone() })
            }
        };
        let edge = |link: &Link| Edge {
            to: ServiceId(link.to),
            relation: match link.tie {
                Tie::Needs => Relation::Needs,
                Tie::Wants => Relation::Wants,
                Tie::After => Relation::After,
                Tie::Member => Relation::Member,
                Tie::Alternative => Relation::Alternative,
            },
            on_change: link.on.of_model(),
        };
        let output = |(number, out): (usize, &Out)| {
            let (scalar, value) = match *out {
                Out::Own => (Scalar::String, None),
                Out::Fixed(value) => {
                    (Scalar::String, Some(vec![Piece::Literal(VALUES[value].to_owned())]))
                }
                Out::Copy(look) => (Scalar::String, Some(vec![piece(look)])),
                Out::CopyInt(look) => (Scalar::Int, Some(vec![piece(look)])),
                Out::Pick(_) => (Scalar::String, None),
            };
            let from = match *out {
                Out::Pick(look) => (look..look + self.alternatives()).collect(),
                _ => Vec::new(),
            };
            let (key, kind) = (format!("k{number}"), OutputType::One(scalar));
            OutputDecl { key, kind, value, from }
        };
        // A file reads in its text, all others in a variable.
        let env = match self.what {
            What::Longrun | What::Oneshot => vec![("READ".to_owned(), text)],
            What::File | What::Bundle | What::Failover => Vec::new(),
        };
        Service {
            edges: self.links.iter().map(edge).collect(),
            reads: self
                .looks
                .iter()
                .map(|look| Read { service: ServiceId(look.of), output: look.output })
                .collect(),
            outputs: self.outs.iter().enumerate().map(output).collect(),
            exec: Exec { env, ..Exec::default() },
            conditions: self.ifs.iter().map(condition).collect(),
            conflicts: self.conflicts.iter().map(|other| ServiceId(*other)).collect(),
            health: (self.health.2 > 0).then(|| Health {
                run: command(),
                every: Millis(self.health.0),
                timeout: Millis(self.health.1),
                retries: self.health.2,
            }),
            reload: (self.reload != On::Nothing).then(|| self.reload.of_model()),
            actions: (0..self.actions).map(|_| command()).collect(),
            ..Service::new(kind)
        }
    }

    /// How many alternatives a failover has.
    pub fn alternatives(&self) -> u16 {
        let all = self.links.iter().filter(|link| link.tie == Tie::Alternative);
        u16::try_from(all.count()).unwrap_or(u16::MAX)
    }
}

impl On {
    const fn of_model(self) -> OnChange {
        match self {
            Self::Stop => OnChange::Restart,
            Self::Hup => OnChange::Signal(Signal::Hup),
            Self::Render => OnChange::Render,
            Self::Run(number) => OnChange::Run(number),
            Self::Follow => OnChange::Follow,
            Self::Nothing => OnChange::Ignore,
        }
    }
}

fn condition(one: &If) -> Condition {
    let fact = match one.fact {
        About::World => Fact::Path("/x".to_owned()),
        About::Look(read, value) => {
            Fact::Output { read, equals: value.map(|value| VALUES[value].to_owned()) }
        }
    };
    Condition { fact, negated: one.not }
}

impl Plan {
    /// An engine for it, over the real encoding. `None`: it is no possible database.
    pub fn engine(&self) -> Option<Engine> {
        // A group of nothing is refused by the compiler.
        if self.services.iter().any(|svc| svc.what == What::Failover && svc.alternatives() == 0) {
            return None;
        }
        let records = self.services.iter().enumerate();
        let records: Vec<_> =
            records.map(|(number, svc)| (format!("s{number:05}"), svc.record())).collect();
        let system = System { shutdown_timeout: Millis(self.shutdown_ms), ..System::default() };
        let bytes = encode([0; 16], &system, &records).ok()?;
        let graph = Graph::load(&Database::new(bytes).ok()?).ok()?;
        Some(Engine::new(graph))
    }

    /// The services, dependencies first.
    pub fn sorted(&self) -> Vec<usize> {
        let mut done = vec![false; self.services.len()];
        let mut order = Vec::new();
        while order.len() < done.len() {
            let before = order.len();
            for (number, svc) in self.services.iter().enumerate() {
                if !done[number] && svc.links.iter().all(|link| done[usize::from(link.to)]) {
                    done[number] = true;
                    order.push(number);
                }
            }
            assert!(order.len() > before, "the plan has a cycle");
        }
        order
    }

    /// With a service that is nothing special at this place.
    pub fn make_room(&mut self, at: usize) {
        let Ok(at16) = u16::try_from(at) else { return };
        let move_on = |number: &mut u16| *number += u16::from(*number >= at16);
        for svc in &mut self.services {
            svc.links.iter_mut().for_each(|link| move_on(&mut link.to));
            svc.looks.iter_mut().for_each(|look| move_on(&mut look.of));
            svc.conflicts.iter_mut().for_each(move_on);
            if let Fail::Start(other) = &mut svc.fail {
                move_on(other);
            }
        }
        self.services.insert(at, PLAIN);
    }

    /// Without one service.
    pub fn without(&self, gone: usize) -> Self {
        let Ok(gone16) = u16::try_from(gone) else { return self.clone() };
        let mut plan = self.clone();
        plan.services.remove(gone);
        if let Some(next) = &mut plan.next {
            next.without_old(gone16);
        }
        let moved = |number: u16| if number > gone16 { number - 1 } else { number };
        for svc in &mut plan.services {
            while let Some(at) = svc.looks.iter().position(|look| look.of == gone16) {
                svc.drop_look(at);
            }
            svc.links.retain(|link| link.to != gone16);
            svc.links.iter_mut().for_each(|link| link.to = moved(link.to));
            svc.looks.iter_mut().for_each(|look| look.of = moved(look.of));
            svc.conflicts.retain(|other| *other != gone16);
            svc.conflicts.iter_mut().for_each(|other| *other = moved(*other));
            svc.fail = match svc.fail {
                Fail::Start(other) if other == gone16 => Fail::Nothing,
                Fail::Start(other) => Fail::Start(moved(other)),
                fail => fail,
            };
        }
        plan
    }
}

impl Svc {
    /// Without one look; an output that copied it becomes a constant.
    pub fn drop_look(&mut self, gone: usize) {
        self.looks.remove(gone);
        let alternatives = usize::from(self.alternatives());
        for out in &mut self.outs {
            match out {
                Out::Copy(at) | Out::CopyInt(at) => match usize::from(*at).cmp(&gone) {
                    core::cmp::Ordering::Less => {}
                    core::cmp::Ordering::Equal => *out = Out::Fixed(0),
                    core::cmp::Ordering::Greater => *at -= 1,
                },
                // An output that no alternative has any longer is never published.
                Out::Pick(at) if usize::from(*at) > gone => *at -= 1,
                Out::Pick(at) if usize::from(*at) + alternatives > gone => *out = Out::Own,
                _ => {}
            }
        }
        self.ifs.retain(|one| !matches!(one.fact, About::Look(at, _) if usize::from(at) == gone));
        for one in &mut self.ifs {
            if let About::Look(at, _) = &mut one.fact
                && usize::from(*at) > gone
            {
                *at -= 1;
            }
        }
    }
}
