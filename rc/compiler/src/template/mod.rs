//! Templates: services with parameters, which instances fill in.
//!
//! [`declare`] reads `[template.NAME]`, [`bind`] checks what an instance gives for the parameters,
//! [`fill`] puts it into the strings of the body, and [`expand`] makes services of instances. What
//! comes out is what a person could have written; only its places know the expansion they are from.

pub mod bind;
pub mod declare;
pub mod expand;
mod fill;
pub(crate) mod trial;

use crate::{
    diag::Diagnostic,
    node::{Entries, Node},
    source::{Located, Place},
};
use rc::outputs::Scalar;
use std::{collections::BTreeMap, fmt};

/// A template, with all that its documentation needs.
#[derive(Clone, Debug)]
pub struct Template {
    /// Its name.
    pub name: Located<String>,
    /// What it is for, in the words of its author.
    pub doc: String,
    /// Its parameters, by name.
    pub params: Vec<Param>,
    /// The keys of the service that has the name of the instance.
    pub body: Entries,
    /// More services, called INSTANCE-SUFFIX.
    pub services: Vec<(Located<String>, Entries)>,
}

/// A parameter of a template.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name.
    pub name: Located<String>,
    /// What may be given for it.
    pub kind: Kind,
    /// What holds if nothing is given; `None`: something must be given.
    pub default: Option<Node>,
    /// The least number, duration (in milliseconds) or size (in bytes).
    pub min: Option<Bound>,
    /// The greatest.
    pub max: Option<Bound>,
    /// Of enums: the words.
    pub values: Vec<String>,
    /// What it is, in the words of the author.
    pub doc: String,
    /// What somebody might give.
    pub example: Option<Node>,
}

/// A bound of a parameter.
#[derive(Clone, Debug)]
pub struct Bound {
    /// As it is written.
    pub text: String,
    /// In the smallest unit.
    pub value: i128,
}

/// What may be given for a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One value.
    One(Word),
    /// Any number of values.
    List(Word),
}

/// What one value of a parameter may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// A value that an output could have, too.
    Value(Scalar),
    /// A time with a unit.
    Duration,
    /// A number of bytes.
    Size,
    /// One of some words.
    Enum,
    /// The name of a service.
    Service,
}

impl Word {
    /// Those that no output has.
    const OTHERS: &'static [(Self, &'static str)] = &[
        (Self::Duration, "duration"),
        (Self::Size, "size"),
        (Self::Enum, "enum"),
        (Self::Service, "service"),
    ];

    /// Every name of one.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        let values = Scalar::ALL.iter().map(|(_, name)| *name);
        values.chain(Self::OTHERS.iter().map(|(_, name)| *name))
    }

    /// The one called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let value = Scalar::ALL.iter().find(|(_, known)| *known == name);
        let other = || Self::OTHERS.iter().find(|(_, known)| *known == name).map(|(word, _)| *word);
        value.map(|(scalar, _)| Self::Value(*scalar)).or_else(other)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Value(scalar) => scalar.name(),
            other => Self::OTHERS.iter().find(|(word, _)| *word == other).map_or("", |(_, n)| n),
        }
    }
}

impl Kind {
    /// What its elements are.
    #[must_use]
    pub const fn word(self) -> Word {
        match self {
            Self::One(word) | Self::List(word) => word,
        }
    }

    /// The one written as `text`: a name, or `list<NAME>`.
    #[must_use]
    pub fn from_name(text: &str) -> Option<Self> {
        match text.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>')) {
            Some(inner) => Word::from_name(inner).map(Self::List),
            None => Word::from_name(text).map(Self::One),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(word) => f.write_str(word.name()),
            Self::List(word) => write!(f, "list<{}>", word.name()),
        }
    }
}

/// Templates by their names.
pub type Templates = BTreeMap<String, Template>;

/// One use of a template. [`Place::via`] is its position among all of them, from 1.
#[derive(Clone, Debug)]
pub struct Expansion {
    /// The instance.
    pub instance: String,
    /// The template.
    pub template: String,
    /// Where the instance names the template.
    pub place: Place,
    /// Whether nobody wrote it: it only tries the template.
    pub is_trial: bool,
}

/// An output that is given for a parameter, to be checked once all outputs are known.
#[derive(Clone, Debug)]
pub struct Binding {
    /// What the parameter takes.
    pub kind: Kind,
    /// The parameter.
    pub param: Located<String>,
    /// The template.
    pub template: String,
    /// What is given.
    pub given: Given,
}

/// What is given for a parameter that can only be checked later.
#[derive(Clone, Debug)]
pub enum Given {
    /// An output.
    Output(crate::text::Reference),
    /// The name of a service.
    Service(Located<String>),
}

/// So many instances are named at a finding that is the same in all of them.
const NAMED: usize = 3;

/// Says at each finding inside of an expansion which instance it is in. `found` is sorted; the same
/// finding in several instances of a template is told once.
#[must_use]
pub fn traced(expansions: &[Expansion], found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut told: Vec<Diagnostic> = Vec::with_capacity(found.len());
    for mut one in found {
        let Some(place) = one.place.filter(|place| place.via > 0) else {
            told.push(one);
            continue;
        };
        let mut via = place.via;
        let mut notes = Vec::new();
        while let Some(expansion) = via.checked_sub(1).and_then(|at| expansions.get(at as usize)) {
            let Expansion { instance, template, place, is_trial } = expansion;
            notes.push((
                *place,
                if *is_trial {
                    format!("in template `{template}`, tried as `{instance}`: nothing uses it")
                } else {
                    format!("in `{instance}`, an instance of template `{template}`")
                },
            ));
            via = place.via;
        }
        let here = |other: &Diagnostic| {
            let Some(there) = other.place else { return false };
            (there.file, there.start, there.end) == (place.file, place.start, place.end)
                && there.via > 0
                && (other.code, other.severity) == (one.code, one.severity)
                && generalized(other, expansions) == generalized(&one, expansions)
        };
        // The same text in other instances follows directly, as findings are sorted by place.
        if let Some(same) = told.iter_mut().rev().take(NAMED * 8).find(|other| here(other)) {
            if same.related.iter().filter(|(_, text)| text.starts_with("in `")).count() < NAMED {
                for note in notes {
                    if !same.related.contains(&note) {
                        same.related.push(note);
                    }
                }
            }
            continue;
        }
        one.related.extend(notes);
        told.push(one);
    }
    told
}

/// The message without the instance's own name.
fn generalized(one: &Diagnostic, expansions: &[Expansion]) -> String {
    let via = one.place.map_or(0, |place| place.via);
    let expansion = via.checked_sub(1).and_then(|at| expansions.get(at as usize));
    expansion.map_or_else(
        || one.message.clone(),
        |expansion| one.message.replace(&expansion.instance, "{{name}}"),
    )
}
