//! Conditions with numbered outputs, and with the names of interfaces put in.

use super::{
    Names,
    refs::{References, Target, Use, shown},
};
use crate::{
    definition::{Condition, Definition, Fact},
    diag::{Code, Diagnostic},
    source::Located,
    text::{Draft, Part, Reference},
};
use rc::{
    model,
    outputs::{OutputType, Scalar},
    text::elements,
};

/// Over as many outputs a constant may refer to another one.
const DEPTH: usize = 32;

/// Links the conditions of a service; one that has been reported is left out.
pub(super) fn conditions(
    references: &mut References<'_>,
    definition: &Definition,
) -> Vec<model::Condition> {
    let mut found = Vec::new();
    for Condition { fact, negated, .. } in &definition.conditions {
        let fact = match fact {
            Fact::Link(draft, is) => {
                link(references, draft).map(|name| model::Fact::Link { name, is: *is })
            }
            Fact::Device { subsystem, name, properties } => Some(model::Fact::Device {
                subsystem: subsystem.clone(),
                name: name.clone(),
                properties: properties.clone(),
            }),
            Fact::Path(path) => Some(model::Fact::Path(path.value.clone())),
            Fact::Output(draft, equals) => output(references, draft, equals.as_ref()),
            Fact::Unknown => None,
        };
        found.extend(fact.map(|fact| model::Condition { fact, negated: *negated }));
    }
    found
}

/// The name of an interface, which must be known now.
fn link(references: &References<'_>, draft: &Draft) -> Option<String> {
    let name = match constant(references.names, references.me, draft, DEPTH) {
        Ok(name) => name,
        Err(Unknown::Reported) => return None,
        Err(Unknown::Published(reference)) => {
            let message =
                format!("the value of `{}` is known only on the device", shown(&reference));
            references.report().push(
                Diagnostic::error(Code::Template, reference.place, message).help(
                    "the name of an interface in a condition must be known when compiling: write \
                     it, or refer to an output with a constant `value`",
                ),
            );
            return None;
        }
    };
    if !OutputType::One(Scalar::Ifname).accepts(&name) {
        let message = format!("`{name}` is not the name of an interface");
        let help = "it has 1 to 15 characters, without `/`, `:` and blanks";
        if let Some(place) = draft.place {
            references.report().push(Diagnostic::error(Code::BadName, place, message).help(help));
        }
        return None;
    }
    Some(name)
}

/// Why a text is not known now.
enum Unknown {
    /// It holds an output that a service publishes when it runs.
    Published(Box<Reference>),
    /// What it refers to does not exist, which has been reported.
    Reported,
}

/// The text of a draft of the service `me`, with constant outputs put in.
fn constant(names: &Names<'_>, me: usize, draft: &Draft, left: usize) -> Result<String, Unknown> {
    let mut out = String::new();
    for part in &draft.parts {
        match part {
            Part::Literal(literal) => out.push_str(literal),
            Part::Reference(reference) | Part::Loop(reference, _) => {
                let (owner, output) = match References::new(names, me).target(reference) {
                    None => return Err(Unknown::Reported),
                    Some(Target::Own(_, output)) => (me, output),
                    Some(Target::Other(id, _, output)) => (id.index(), output),
                };
                let published = || Unknown::Published(Box::new(reference.clone()));
                let value = output.value.as_ref().filter(|_| left > 0).ok_or_else(published)?;
                let value = match constant(names, owner, value, left - 1) {
                    Ok(value) => value,
                    Err(Unknown::Published(_)) => return Err(published()),
                    Err(reported) => return Err(reported),
                };
                let element = reference.index.map(|at| elements(&value).nth(usize::from(at)));
                match element {
                    None => out.push_str(&value),
                    Some(element) => {
                        let found = element.or(reference.default.as_deref());
                        out.push_str(found.ok_or_else(published)?);
                    }
                }
            }
        }
    }
    Ok(out)
}

fn output(
    references: &mut References<'_>,
    draft: &Draft,
    equals: Option<&Located<String>>,
) -> Option<model::Fact> {
    let [Part::Reference(reference)] = draft.parts.as_slice() else { return None };
    let (service, position, output) = match references.target(reference)? {
        Target::Other(service, position, output) => (service, position, output),
        Target::Own(..) => {
            let message = "a condition on an own output, which has no value while it is down";
            references.report().push(
                Diagnostic::error(Code::SelfReference, reference.place, message)
                    .help("a condition is about the output of another service"),
            );
            return None;
        }
    };
    if let Some(equals) = equals {
        if output.kind.is_secret() {
            let message = "a secret that is compared with a text would be in the database";
            references.report().push(
                Diagnostic::error(Code::Secret, equals.place, message)
                    .related(output.key.place, "declared as a secret here")
                    .help("leave out `equals`: then it is enough that the output has a value"),
            );
        } else if !output.kind.accepts(&equals.value) {
            let message = format!("`{}` is never a value of type {}", equals.value, output.kind);
            references.report().push(
                Diagnostic::error(Code::OutputValue, equals.place, message)
                    .related(output.key.place, "declared here"),
            );
        }
    }
    let read = references.read(reference, service, position, Use::Condition);
    Some(model::Fact::Output { read, equals: equals.map(|text| text.value.clone()) })
}
