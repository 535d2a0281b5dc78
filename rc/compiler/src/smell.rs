//! Definitions that work, but are probably not meant: told as warnings, once there are no errors.

use crate::{
    definition::{Body, Definition, Definitions},
    diag::{Code, Diagnostic, Report},
    link::{Linked, Tie, Why},
};
use rc::model::{
    Condition, Fact, Kind, Longrun, OnChange, OnFailure, Oneshot, Ready, Relation, Service,
};

/// Reports needs that are implied, services that nothing starts, dependencies on a service that does
/// not tell when it is ready, and conditions that always hold. The key `allow` of a service silences.
pub fn check(definitions: &Definitions, linked: &Linked, report: &Report) {
    let closure = Closure::new(linked);
    let unwanted = unwanted(linked);
    let dependents = dependents(linked);
    for (index, definition) in definitions.services.iter().enumerate() {
        report.allow(&definition.allow);
        implied(linked, &closure, index, definition, report);
        if unwanted[index] {
            nothing_starts(definition, report);
        }
        if let Some((dependent, tie)) = dependents[index] {
            silent(definition, &definitions.services[dependent], tie, report);
        }
        for (number, condition) in linked.services[index].1.conditions.iter().enumerate() {
            certain(definitions, linked, index, number, condition, report);
        }
    }
    report.allow(&[]);
    unwatched(definitions, linked, report);
}

/// A service that boot does not start is never well, and the watchdog waits for it in vain.
fn unwatched(definitions: &Definitions, linked: &Linked, report: &Report) {
    let (Some(watchdog), Some(target)) = (&definitions.system.watchdog, linked.system.target)
    else {
        return;
    };
    let count = linked.services.len();
    let pulled: Vec<Vec<usize>> = (0..count).map(|index| pulls(linked, index)).collect();
    let mut reached = vec![false; count];
    reach(&pulled, target.index(), &mut reached);
    for name in &watchdog.needs {
        let index = linked.services.iter().position(|(other, _)| *other == name.value);
        if index.is_some_and(|index| !reached[index]) {
            let message = format!("the watchdog needs `{}`, which boot does not start", name.value);
            report
                .push(Diagnostic::warning(Code::Unwanted, name.place, message).help(
                    "the machine would be reset again and again; start it, or watch another",
                ));
        }
    }
}

fn is_hard(service: &Service, tie: &Tie) -> bool {
    let edge = service.edges.iter().find(|edge| edge.to == tie.to);
    edge.is_some_and(|edge| edge.relation == Relation::Needs && edge.on_change == OnChange::Restart)
}

/// For each service, all that it needs over hard needs, as a set of bits.
struct Closure {
    words: usize,
    bits: Vec<u64>,
}

impl Closure {
    fn new(linked: &Linked) -> Self {
        let count = linked.services.len();
        let words = count.div_ceil(64);
        let mut closure = Self { words, bits: vec![0; words * count] };
        let needs: Vec<Vec<usize>> = linked
            .services
            .iter()
            .zip(&linked.ties)
            .map(|((_, service), ties)| {
                let hard = ties.iter().filter(|tie| is_hard(service, tie));
                hard.map(|tie| tie.to.index()).collect()
            })
            .collect();
        let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); count];
        let mut open: Vec<usize> = needs.iter().map(Vec::len).collect();
        for (index, needed) in needs.iter().enumerate() {
            for &other in needed {
                dependents[other].push(index);
            }
        }
        let mut ready: Vec<usize> = (0..count).filter(|&index| open[index] == 0).collect();
        while let Some(index) = ready.pop() {
            for &other in &needs[index] {
                closure.add(index, other);
            }
            for &dependent in &dependents[index] {
                open[dependent] -= 1;
                if open[dependent] == 0 {
                    ready.push(dependent);
                }
            }
        }
        closure
    }

    /// Adds `other` and all that it needs to what `index` needs.
    fn add(&mut self, index: usize, other: usize) {
        for word in 0..self.words {
            let more = self.bits[other * self.words + word];
            self.bits[index * self.words + word] |= more;
        }
        self.bits[index * self.words + other / 64] |= 1 << (other % 64);
    }

    fn has(&self, index: usize, other: usize) -> bool {
        self.bits[index * self.words + other / 64] & (1 << (other % 64)) != 0
    }
}

fn implied(
    linked: &Linked,
    closure: &Closure,
    index: usize,
    definition: &Definition,
    report: &Report,
) {
    let (_, service) = &linked.services[index];
    let ties = &linked.ties[index];
    for tie in ties.iter().filter(|tie| tie.why == Why::Key && is_hard(service, tie)) {
        let over = ties.iter().find(|other| {
            other.to != tie.to
                && is_hard(service, other)
                && closure.has(other.to.index(), tie.to.index())
        });
        let Some(over) = over else { continue };
        let (needed, way) = (name(linked, tie), name(linked, over));
        let how = if over.why == Why::Reference { "reads from" } else { "needs" };
        let message = format!("`{needed}` is needed by `{way}` already");
        report.push(
            Diagnostic::warning(Code::Implied, tie.place, message)
                .related(over.place, format!("`{}` {how} `{way}` here", definition.name.value))
                .help(format!(
                    "remove `{needed}` here, or write `allow = [\"{}\"]` if it should stay",
                    Code::Implied.name()
                )),
        );
    }
}

fn name<'l>(linked: &'l Linked, tie: &Tie) -> &'l str {
    linked.services[tie.to.index()].0.as_str()
}

/// Services that nobody pulls up, though somebody could: of a group that only pulls up itself, the
/// first.
fn unwanted(linked: &Linked) -> Vec<bool> {
    let count = linked.services.len();
    let Some(target) = linked.system.target else { return vec![false; count] };
    let pulled: Vec<Vec<usize>> = (0..count).map(|index| pulls(linked, index)).collect();
    let mut reached = vec![false; count];
    reach(&pulled, target.index(), &mut reached);
    let mut has_puller = vec![false; count];
    for index in (0..count).filter(|&index| !reached[index]) {
        for &other in pulled[index].iter().filter(|&&other| other != index) {
            has_puller[other] = true;
        }
    }
    (0..count).map(|index| !reached[index] && !has_puller[index]).collect()
}

/// What is started because this service is wanted, or has failed.
fn pulls(linked: &Linked, index: usize) -> Vec<usize> {
    let (_, service) = &linked.services[index];
    let edges = service.edges.iter().filter(|edge| edge.relation != Relation::After);
    let failure = match &service.kind {
        Kind::Longrun(Longrun { policy, .. }) | Kind::Oneshot(Oneshot { policy, .. }) => {
            policy.on_failure
        }
        Kind::Bundle(_) | Kind::Failover(_) | Kind::File(_) => OnFailure::Ignore,
    };
    let started = match failure {
        OnFailure::Start(id) => Some(id.index()),
        OnFailure::Ignore | OnFailure::Reboot | OnFailure::Rescue => None,
    };
    edges.map(|edge| edge.to.index()).chain(started).collect()
}

fn reach(pulled: &[Vec<usize>], start: usize, reached: &mut [bool]) {
    let mut open = vec![start];
    reached[start] = true;
    while let Some(index) = open.pop() {
        for &other in &pulled[index] {
            if !std::mem::replace(&mut reached[other], true) {
                open.push(other);
            }
        }
    }
}

fn nothing_starts(definition: &Definition, report: &Report) {
    let message = format!("nothing starts `{}`", definition.name.value);
    report.push(Diagnostic::warning(Code::Unwanted, definition.name.place, message).help(format!(
        "add `part-of = [\"default\"]`, or write `allow = [\"{}\"]` if only `svc start` shall do it",
        Code::Unwanted.name()
    )));
}

/// For each longrun somebody who needs it.
fn dependents(linked: &Linked) -> Vec<Option<(usize, Tie)>> {
    let mut found = vec![None; linked.services.len()];
    for (index, ties) in linked.ties.iter().enumerate() {
        for tie in ties.iter().filter(|tie| tie.relation == Relation::Needs) {
            let first: &mut Option<(usize, Tie)> = &mut found[tie.to.index()];
            first.get_or_insert((index, *tie));
        }
    }
    found
}

/// A longrun that others wait for, although it never says that it is ready.
fn silent(definition: &Definition, dependent: &Definition, tie: Tie, report: &Report) {
    let Body::Longrun { ready: None, .. } = &definition.body else { return };
    if definition.outputs.iter().any(|output| output.value.is_none()) {
        return;
    }
    let (name, other) = (&definition.name.value, &dependent.name.value);
    let message = format!("`{other}` needs `{name}`, which does not tell when it is ready");
    report.push(
        Diagnostic::warning(Code::NoReadiness, definition.name.place, message)
            .related(tie.place, format!("`{other}` needs it here"))
            .help(
                "it counts as ready as soon as it is executed; say how it tells: `ready = \"notify\"`, \
                 `{ fd = N }`, `{ check = [\"PROGRAM\"] }` or `{ pidfile = \"…\" }`, or write \
                 `ready = \"started\"` if that is enough",
            ),
    );
}

/// A condition that a need decides already.
fn certain(
    definitions: &Definitions,
    linked: &Linked,
    index: usize,
    number: usize,
    condition: &Condition,
    report: &Report,
) {
    let (_, service) = &linked.services[index];
    let hard = |to: usize| {
        let tie = linked.ties[index].iter().find(|tie| tie.to.index() == to);
        tie.filter(|tie| is_hard(service, tie)).copied()
    };
    let found = match &condition.fact {
        Fact::Output { read, equals: None } => {
            let Some(read) = service.reads.get(usize::from(*read)) else { return };
            let (name, publisher) = &linked.services[read.service.index()];
            let Some(output) = publisher.outputs.get(usize::from(read.output)) else { return };
            let published = output.value.is_some()
                || matches!(&publisher.kind, Kind::Longrun(run) if run.ready == Ready::Outputs);
            let why =
                format!("`{name}` is ready only once its output `{}` has a value", output.key);
            hard(read.service.index()).filter(|_| published).map(|tie| (tie, why))
        }
        Fact::Path(path) => linked.ties[index].iter().find_map(|tie| {
            let (name, needed) = &linked.services[tie.to.index()];
            let writes = matches!(&needed.kind, Kind::File(file) if file.path == *path);
            let why = format!("`{name}` is ready only once it has written `{path}`");
            hard(tie.to.index()).filter(|_| writes).map(|tie| (tie, why))
        }),
        Fact::Output { .. } | Fact::Link { .. } | Fact::Device { .. } => None,
    };
    let Some((tie, why)) = found else { return };
    let Some(written) = definitions.services[index].conditions.get(number) else { return };
    let message = if condition.negated {
        "this condition never holds when it matters"
    } else {
        "this condition always holds when it matters"
    };
    let mut warning = Diagnostic::warning(Code::Certain, written.place, message);
    if tie.why != Why::Condition {
        warning = warning.related(tie.place, "because of this need");
    }
    report.push(warning.help(format!("{why}; remove the condition")));
}
