//! From names to numbers: every service with its edges and reads, as the database holds them.

mod edges;
mod own;
mod refs;

use crate::{
    definition::{Body, Definition, Definitions, Exec},
    diag::{Code, Diagnostic, Report, all_of, nearest},
    source::{Located, Place},
    text::Draft,
};
use edges::Ties;
use rc::{
    model::{
        self, Command, DEFAULT_TARGET, File, Kind, Longrun, MAX_SERVICES, Oneshot, OutputDecl,
        Ready, Relation, Service, ServiceId,
    },
    text::Text,
};
use refs::{References, Use};
use std::{cell::Cell, collections::HashMap};

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
}

/// What linking looks names up in.
pub(crate) struct Names<'d> {
    pub(crate) definitions: &'d [Definition],
    pub(crate) report: &'d Report,
    numbers: HashMap<&'d str, ServiceId>,
    suggestions: Cell<usize>,
}

impl<'d> Names<'d> {
    fn new(definitions: &'d [Definition], report: &'d Report) -> Self {
        let number = |index: usize| u16::try_from(index).map(ServiceId);
        let named = definitions.iter().enumerate();
        let numbers = named.filter_map(|(i, d)| Some((d.name.value.as_str(), number(i).ok()?)));
        Self { definitions, report, numbers: numbers.collect(), suggestions: Cell::new(MOST) }
    }

    /// The number of a service; an unknown name is reported.
    pub(crate) fn find(&self, name: &Located<String>) -> Option<ServiceId> {
        let found = self.numbers.get(name.value.as_str()).copied();
        if found.is_none() {
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
    for (index, definition) in services.iter().enumerate() {
        let mut references = References::new(&names, index);
        let service = one(&mut references, definition);
        ties.add_reads(index, references.into_ties());
        linked.push((definition.name.value.clone(), service));
    }
    let ties = ties.merged();
    for ((_, service), (definition, ties)) in linked.iter_mut().zip(services.iter().zip(&ties)) {
        service.edges = edges::edges(&names, definition, &service.reads, ties);
    }
    Linked { services: linked, ties, system: system(&names, definitions) }
}

fn one(references: &mut References<'_>, definition: &Definition) -> Service {
    let outputs = references.own_values();
    let outputs = definition.outputs.iter().zip(outputs).map(|(output, value)| OutputDecl {
        key: output.key.value.clone(),
        kind: output.kind,
        value,
        from: Vec::new(),
    });
    let outputs: Vec<OutputDecl> = outputs.collect();
    let kind = match &definition.body {
        Body::Longrun { run, finish, ready, policy } => Kind::Longrun(Longrun {
            finish: finish.as_ref().map(|argv| command(references, argv)),
            ready: readiness(references, definition, *ready),
            policy: policy.clone(),
            ..Longrun::new(command(references, run))
        }),
        Body::Oneshot { up, down, policy } => Kind::Oneshot(Oneshot {
            up: up.as_ref().map(|argv| command(references, argv)),
            down: down.as_ref().map(|argv| command(references, argv)),
            policy: policy.clone(),
        }),
        Body::Bundle(ready) => Kind::Bundle(ready.value),
        Body::File { path, text, mode } => {
            let (text, secret) = references.file(text, *mode);
            let default = if secret { SECRET_FILE_MODE } else { FILE_MODE };
            let mode = mode.map_or(default, |mode| mode.value);
            Kind::File(File { path: path.value.clone(), mode, text })
        }
        Body::Unknown => Kind::Bundle(model::ReadyWhen::All),
    };
    let exec = exec(references, &definition.exec);
    Service {
        description: definition.description.clone(),
        reads: references.reads(),
        outputs,
        exec,
        ..Service::new(kind)
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
    }
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
    }
}
