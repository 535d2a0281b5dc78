//! Outputs that are passed on: from the alternatives of a failover, and from the members of a bundle.

use super::{
    Names, Tie,
    own::fits,
    refs::{References, Use},
};
use crate::{
    definition::{Body, Definition, Output},
    diag::{Code, Diagnostic, nearest},
    source::{Located, Place},
    text::Reference,
};
use rc::{
    model::{Relation, ServiceId},
    outputs::OutputType,
};

/// The alternatives of a failover in their order, each once.
fn alternatives<'d>(
    names: &Names<'_>,
    definition: &'d Definition,
) -> Vec<(ServiceId, &'d Located<String>)> {
    let mut found: Vec<(ServiceId, &Located<String>)> = Vec::new();
    for (relation, name) in &definition.relations {
        if *relation != Relation::Alternative {
            continue;
        }
        let Some(id) = names.known(&name.value) else { continue };
        if !found.iter().any(|(known, _)| *known == id) {
            found.push((id, name));
        }
    }
    found
}

/// The order of alternatives, the preferred first.
pub(super) fn order(names: &Names<'_>, definition: &Definition) -> Vec<ServiceId> {
    alternatives(names, definition).into_iter().map(|(id, _)| id).collect()
}

/// Reports alternatives that are too few, or named twice.
pub(super) fn check(names: &Names<'_>, definition: &Definition) {
    let Body::Failover { back, .. } = &definition.body else { return };
    let named: Vec<&Located<String>> = definition
        .relations
        .iter()
        .filter(|(relation, _)| *relation == Relation::Alternative)
        .map(|(_, name)| name)
        .collect();
    for (at, name) in named.iter().enumerate() {
        if let Some(first) = named[..at].iter().find(|other| other.value == name.value) {
            let message = format!("`{}` is an alternative to itself", name.value);
            names.report.push(
                Diagnostic::error(Code::Failover, name.place, message)
                    .related(first.place, "first named here")
                    .help("name each alternative once, the preferred first"),
            );
        }
    }
    if named.len() < 2 {
        let message = format!(
            "failover `{}` has {}, it needs at least two alternatives",
            definition.name.value,
            if named.is_empty() { "none" } else { "one" }
        );
        let place = named.first().map_or(back.place, |name| name.place);
        names.report.push(
            Diagnostic::error(Code::Failover, place, message)
                .help("write `alternatives = [\"FIRST\", \"SECOND\"]`, the preferred first"),
        );
    }
}

/// The reads behind an output of a failover, one for each alternative.
pub(super) fn from(
    references: &mut References<'_>,
    definition: &Definition,
    output: &Output,
) -> Vec<u16> {
    if !matches!(definition.body, Body::Failover { .. }) {
        return Vec::new();
    }
    if let Some(place) = output.value.as_ref().map(|value| value.place) {
        let message = "an output of a failover has no value of its own";
        references.report().push(
            Diagnostic::error(Code::Failover, place.unwrap_or(output.key.place), message)
                .help("it has that of the alternative which is used; write only its type"),
        );
    }
    let mut reads = Vec::new();
    for (id, name) in alternatives(references.names, definition) {
        let other = references.names.definition(id);
        let Some((position, source)) = other.output(&output.key.value) else {
            missing(references, other, name, output);
            continue;
        };
        if !assignable(source.kind, output.kind) {
            let message = format!(
                "`{}` is {} in `{}`, but {} in `{}`",
                output.key.value, output.kind, definition.name.value, source.kind, name.value
            );
            references.report().push(
                Diagnostic::error(Code::Failover, output.key.place, message)
                    .related(source.key.place, "declared here")
                    .help("all alternatives publish the type of the failover, or one within it"),
            );
        }
        let Ok(position) = u16::try_from(position) else { continue };
        let reference = Reference {
            place: name.place,
            service: (*name).clone(),
            key: output.key.clone(),
            index: None,
            default: None,
        };
        reads.push(references.read(&reference, id, position, Use::Passed));
    }
    reads
}

fn missing(
    references: &References<'_>,
    other: &Definition,
    name: &Located<String>,
    output: &Output,
) {
    let key = &output.key.value;
    let message = format!("alternative `{}` has no output `{key}`", name.value);
    let mut error = Diagnostic::error(Code::Failover, name.place, message)
        .related(output.key.place, "the failover promises it here")
        .related(other.name.place, format!("`{}` is defined here", name.value));
    if let Some(near) = nearest(key, other.outputs.iter().map(|o| o.key.value.as_str())) {
        error = error.help(format!("did you mean `{near}`?"));
    }
    let kind = output.kind;
    let help = format!("add `outputs.{key} = \"{kind}\"` to `{}`, and publish it", name.value);
    references.report().push(error.help(help));
}

fn assignable(from: OutputType, to: OutputType) -> bool {
    let shape = matches!(from, OutputType::List(_)) == matches!(to, OutputType::List(_));
    shape && from.is_secret() == to.is_secret() && fits(from.scalar(), to.scalar())
}

/// Reports outputs of a bundle that come from a service which is none of its members.
pub(super) fn check_members(
    names: &Names<'_>,
    definition: &Definition,
    passed: &[(Place, ServiceId)],
    ties: &[Tie],
) {
    let bundle = &definition.name.value;
    for (place, id) in passed {
        if ties.iter().any(|tie| tie.to == *id && tie.relation == Relation::Member) {
            continue;
        }
        let name = &names.definition(*id).name;
        let message = format!("`{}` is not a member of bundle `{bundle}`", name.value);
        names.report.push(
            Diagnostic::error(Code::Unfollowed, *place, message)
                .related(name.place, format!("`{}` is defined here", name.value))
                .help(format!(
                    "a bundle passes on outputs of its members; add `{}` to `contents`",
                    name.value
                )),
        );
    }
}
