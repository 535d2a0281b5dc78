//! From names to numbers: every service with its edges and reads, as the database holds them.

mod action;
mod binding;
mod boot;
mod condition;
mod edges;
mod failover;
mod own;
mod refs;
mod watchdog;

pub(crate) use boot::parts as module_parts;

use crate::{
    definition::{Body, Definition, Definitions, Exec},
    diag::{Code, Diagnostic, Report, all_of, nearest},
    source::{Located, Place},
    text::Draft,
};
use action::Actions;
use edges::Ties;
use rc::{
    isolation::Isolation,
    kept::Kept,
    model::{
        self, Command, DEFAULT_TARGET, File, Kind, Longrun, MAX_SERVICES, Oneshot, OutputDecl,
        Policy, Ready, Relation, Service, ServiceId,
    },
    text::Text,
};
use refs::{References, Use};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
};

/// Permission bits of a file whose definition does not say.
const FILE_MODE: u16 = 0o644;

/// The same, if a secret is in it.
const SECRET_FILE_MODE: u16 = 0o600;

/// As many services are listed where a name is unknown and none is similar.
const FEW: usize = 12;

/// For as many unknown names a similar one is looked for.
const MOST: usize = 200;

/// How an edge came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// By the key that the relation is named after.
    Key,
    /// By `part-of` of the other service.
    PartOf,
    /// By a reference.
    Reference,
    /// By a condition on an output.
    Condition,
}

/// An edge with its reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tie {
    /// The other service.
    pub to: ServiceId,
    /// What it is to this one.
    pub relation: Relation,
    /// Where that is written.
    pub place: Place,
    /// How it came about.
    pub why: Why,
}

/// All services as numbers.
#[derive(Debug, Default)]
pub struct Linked {
    /// Sorted by name.
    pub services: Vec<(String, Service)>,
    /// For each service its edges, in the order of [`Service::edges`].
    pub ties: Vec<Vec<Tie>>,
    /// The machine.
    pub system: model::System,
    /// The names of services that do not exist, where each was first looked up.
    pub missing: Vec<Located<String>>,
}

/// What linking looks names up in.
pub(crate) struct Names<'d> {
    pub(crate) definitions: &'d [Definition],
    pub(crate) report: &'d Report,
    numbers: HashMap<&'d str, ServiceId>,
    suggestions: Cell<usize>,
    missing: RefCell<BTreeMap<String, Place>>,
}

impl<'d> Names<'d> {
    fn new(definitions: &'d [Definition], report: &'d Report) -> Self {
        let number = |index: usize| u16::try_from(index).map(ServiceId);
        let named = definitions.iter().enumerate();
        let numbers = named.filter_map(|(i, d)| Some((d.name.value.as_str(), number(i).ok()?)));
        Self {
            definitions,
            report,
            numbers: numbers.collect(),
            suggestions: Cell::new(MOST),
            missing: RefCell::default(),
        }
    }

    /// The number of a service; an unknown name is reported.
    pub(crate) fn find(&self, name: &Located<String>) -> Option<ServiceId> {
        let found = self.numbers.get(name.value.as_str()).copied();
        if found.is_none() {
            self.missing.borrow_mut().entry(name.value.clone()).or_insert(name.place);
            let message = format!("there is no service `{}`", name.value);
            let mut error = Diagnostic::error(Code::UnknownService, name.place, message);
            let names = self.definitions.iter().map(|d| d.name.value.as_str());
            let left = self.suggestions.get();
            self.suggestions.set(left.saturating_sub(1));
            if left == 0 {
                // Comparing every unknown name with every service could take minutes.
            } else if let Some(near) = nearest(&name.value, names) {
                error = error.help(format!("did you mean `{near}`?"));
                if let Some(id) = self.numbers.get(near) {
                    let place = self.definition(*id).name.place;
                    error = error.related(place, format!("`{near}` is defined here"));
                }
            } else if self.definitions.len() <= FEW {
                let names = self.definitions.iter().map(|d| d.name.value.as_str());
                error = error.help(format!("there are {}", all_of(names)));
            }
            self.report.push(error);
        }
        found
    }

    /// The number of a service, if there is one of this name.
    pub(crate) fn known(&self, name: &str) -> Option<ServiceId> {
        self.numbers.get(name).copied()
    }

    pub(crate) fn definition(&self, id: ServiceId) -> &'d Definition {
        &self.definitions[id.index()]
    }
}

/// Links every service. Names that lead nowhere are reported.
#[must_use]
pub fn link(definitions: &Definitions, report: &Report) -> Linked {
    let services = &definitions.services;
    if let Some(first) = services.get(MAX_SERVICES) {
        let message = format!("{} services, {MAX_SERVICES} are possible", services.len());
        report.push(Diagnostic::error(Code::TooLarge, first.name.place, message));
        return Linked::default();
    }
    let names = Names::new(services, report);
    let mut ties = Ties::new(&names);
    let mut linked = Vec::with_capacity(services.len());
    let mut more = Vec::with_capacity(services.len());
    for (index, definition) in services.iter().enumerate() {
        failover::check(&names, definition);
        let mut references = References::new(&names, index);
        let (service, actions) = one(&mut references, definition);
        let (reads, passed) = references.into_ties();
        ties.add_reads(index, reads);
        linked.push((definition.name.value.clone(), service));
        more.push((actions, passed));
    }
    let ties = ties.merged();
    let all = linked.iter_mut().zip(services).zip(ties.iter().zip(more));
    for (((_, service), definition), (ties, (actions, passed))) in all {
        report.allow(&definition.allow);
        failover::check_members(&names, definition, &passed, ties);
        service.edges = edges::edges(&names, definition, &service.reads, &actions, ties);
        service.reload = actions.reload;
        service.actions = actions.commands;
    }
    report.allow(&[]);
    conflicts(&names, &mut linked);
    binding::check(&names, &definitions.bindings);
    let system = system(&names, definitions);
    let missing = names.missing.take().into_iter();
    let missing = missing.map(|(value, place)| Located { value, place }).collect();
    Linked { services: linked, ties, system, missing }
}

/// Fills in the conflicts, which are mutual.
fn conflicts(names: &Names<'_>, linked: &mut [(String, Service)]) {
    let mut of: Vec<Vec<ServiceId>> = vec![Vec::new(); linked.len()];
    for (index, definition) in names.definitions.iter().enumerate() {
        let Ok(me) = u16::try_from(index).map(ServiceId) else { continue };
        for name in &definition.conflicts {
            let Some(id) = names.find(name) else { continue };
            if id == me {
                let message = format!("service `{}` conflicts with itself", name.value);
                names.report.push(
                    Diagnostic::error(Code::Conflict, name.place, message)
                        .help("it could never start; name the other service"),
                );
                continue;
            }
            of[index].push(id);
            of[id.index()].push(me);
        }
    }
    for ((_, service), mut ids) in linked.iter_mut().zip(of) {
        ids.sort_unstable();
        ids.dedup();
        service.conflicts = ids;
    }
}

fn one(references: &mut References<'_>, definition: &Definition) -> (Service, Actions) {
    let values = references.own_values();
    let mut outputs = Vec::with_capacity(definition.outputs.len());
    for (output, value) in definition.outputs.iter().zip(values) {
        outputs.push(OutputDecl {
            key: output.key.value.clone(),
            kind: output.kind,
            value,
            from: failover::from(references, definition, output),
        });
        if output.value.is_none() && matches!(definition.body, Body::Bundle(_)) {
            let key = &output.key.value;
            let message = format!("output `{key}` of a bundle has no value");
            references.report().push(
                Diagnostic::error(Code::Missing, output.key.place, message).help(format!(
                    "a bundle publishes nothing itself; pass on that of a member: \
                     `outputs.{key} = \"${{MEMBER.{key}}}\"`"
                )),
            );
        }
    }
    let kind = kind(references, definition);
    let exec = exec(references, &definition.exec);
    let health = definition.health.as_ref().map(|health| model::Health {
        run: command(references, &health.run),
        every: health.every.value,
        timeout: health.timeout.value,
        retries: health.retries,
    });
    let actions = Actions::new(references, definition);
    let conditions = condition::conditions(references, definition);
    let service = Service {
        description: definition.description.clone(),
        reads: references.reads(),
        outputs,
        exec,
        health,
        conditions,
        ..Service::new(kind)
    };
    (service, actions)
}

fn kind(references: &mut References<'_>, definition: &Definition) -> Kind {
    let policy = |references: &References<'_>, policy: &Policy| Policy {
        on_failure: action::on_failure(references, definition),
        ..policy.clone()
    };
    match &definition.body {
        Body::Longrun { run, finish, ready, check, pidfile, watchdog, tty, policy: times } => {
            Kind::Longrun(Longrun {
                run: command(references, run),
                finish: finish.as_ref().map(|argv| command(references, argv)),
                ready: readiness(references, definition, *ready),
                check: check.as_ref().map(|argv| command(references, argv)),
                pidfile: pidfile.as_ref().map(|path| path.value.clone()),
                watchdog: watchdog.map(|limit| limit.value),
                tty: tty.as_ref().map(|path| path.value.clone()),
                kept: kept(&definition.kept),
                policy: policy(references, times),
            })
        }
        Body::Oneshot { up, down, policy: times } => Kind::Oneshot(Oneshot {
            up: up.as_ref().map(|argv| command(references, argv)),
            down: down.as_ref().map(|argv| command(references, argv)),
            policy: policy(references, times),
        }),
        Body::Bundle(ready) => Kind::Bundle(ready.value),
        Body::Failover { back, patience } => {
            Kind::Failover(model::Failover { back: back.value, patience: *patience })
        }
        Body::File { path, text, mode } => {
            let (text, secret) = references.file(text, *mode);
            let default = if secret { SECRET_FILE_MODE } else { FILE_MODE };
            let mode = mode.map_or(default, |mode| mode.value);
            Kind::File(File { path: path.value.clone(), mode, text })
        }
        Body::Unknown => Kind::Bundle(model::ReadyWhen::All),
    }
}

fn command(references: &mut References<'_>, argv: &[Draft]) -> Command {
    Command { argv: argv.iter().map(|draft| references.text(draft, Use::Argument)).collect() }
}

fn exec(references: &mut References<'_>, exec: &Exec) -> model::Exec {
    let plain = |name: &Option<Located<String>>| name.as_ref().map(|name| name.value.clone());
    let variables = exec.env.iter();
    let env: Vec<(String, Text)> = variables
        .map(|(name, draft)| (name.value.clone(), references.text(draft, Use::Environment)))
        .collect();
    model::Exec {
        user: plain(&exec.user),
        group: plain(&exec.group),
        groups: exec.groups.iter().map(|group| group.value.clone()).collect(),
        env,
        cwd: plain(&exec.cwd),
        umask: exec.umask,
        limits: exec.limits.clone(),
        isolation: isolation(&exec.isolation),
    }
}

/// The record of what is kept for a service; most services have none.
fn kept(kept: &crate::definition::Kept) -> Option<Box<Kept>> {
    let sockets = kept.sockets.iter().map(|socket| socket.value.clone()).collect();
    let record = Kept { sockets, store: kept.store.map_or(0, |store| store.value) };
    (record != Kept::default()).then(|| Box::new(record))
}

/// The record of what isolates a service; most services have none.
fn isolation(isolation: &crate::definition::Isolation) -> Option<Box<Isolation>> {
    let none = Isolation::default();
    let record = Isolation {
        chroot: isolation.chroot.as_ref().map(|path| path.value.clone()),
        nice: isolation.nice,
        oom_score: isolation.oom_score,
        bounding: isolation.bounding.map_or(none.bounding, |set| set.value),
        ambient: isolation.ambient.map_or(none.ambient, |set| set.value),
        no_new_privileges: isolation.no_new_privileges,
        private_tmp: isolation.private_tmp.map(|bytes| bytes.value),
        cgroup: isolation.cgroup,
    };
    (record != none).then(|| Box::new(record))
}

fn readiness(
    references: &References<'_>,
    definition: &Definition,
    ready: Option<Located<Ready>>,
) -> Ready {
    let publishes = definition.outputs.iter().any(|output| output.value.is_none());
    match ready {
        None if publishes => Ready::Outputs,
        None => Ready::Started,
        Some(Located { value: Ready::Outputs, place }) if !publishes => {
            let message = "`ready = \"outputs\"`, but no output is published at run time";
            references.report().push(
                Diagnostic::error(Code::ReadyOutputs, place, message).help(
                    "declare an output without a `value`, such as `outputs.address = \"ip\"`",
                ),
            );
            Ready::Outputs
        }
        Some(ready) => ready.value,
    }
}

fn system(names: &Names<'_>, definitions: &Definitions) -> model::System {
    let system = &definitions.system;
    let default = model::System::default();
    let target = match &system.default {
        Some(name) => names.find(name),
        None => names.numbers.get(DEFAULT_TARGET).copied(),
    };
    let file = system.log_max_file;
    let total = system.log_max_total;
    if let (Some(file), Some(total)) = (file, total)
        && file.value > total.value
    {
        let message = "`log-max-file` is above `log-max-total`";
        names.report.push(
            Diagnostic::error(Code::Contradiction, file.place, message)
                .related(total.place, "the bound of all logs together"),
        );
    }
    model::System {
        target,
        hostname: system.hostname.as_ref().map(|name| name.value.clone()),
        shutdown_timeout: system.shutdown_timeout.map_or(default.shutdown_timeout, |t| t.value),
        log_max_file: file.map_or(default.log_max_file, |size| size.value),
        log_max_total: total.map_or(default.log_max_total, |size| size.value),
        watchdog: system.watchdog.as_ref().map(|watchdog| watchdog::link(names, watchdog)),
        boot: boot::link(definitions, names.report),
        root: system.boot.root.clone(),
        rescue_reboot: system.boot.rescue_reboot,
        end_record: system.boot.end_record.clone(),
    }
}
