//! Strings with references: `${svc.key}`, and in the text of files `{% for x in svc.key %}` loops.
//!
//! What this pass makes still names services and outputs by their names; the link pass turns it
//! into [`rc::text::Text`].

use crate::{
    diag::Report,
    scan::{Scanner, Token},
    source::{Located, Place},
    string::Str,
};

/// A string in parts, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Draft {
    /// The parts.
    pub parts: Vec<Part>,
    /// The whole string in the file; `None` if it was not written there.
    pub place: Option<Place>,
}

/// A part of a string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// Itself.
    Literal(String),
    /// The value of an output.
    Reference(Reference),
    /// The body once for every element of a list.
    Loop(Reference, Vec<BodyPart>),
}

/// A part of a loop's body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BodyPart {
    /// Itself.
    Literal(String),
    /// The element.
    Item,
    /// The value of an output.
    Reference(Reference),
}

/// `${service.key.index:-default}`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    /// All of it.
    pub place: Place,
    /// The service, or `self`.
    pub service: Located<String>,
    /// The output.
    pub key: Located<String>,
    /// The element of a list, from 0.
    pub index: Option<u16>,
    /// What stands in for a missing value.
    pub default: Option<String>,
}

/// Which syntax a string may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syntax {
    /// References.
    References,
    /// References and loops: the text of a file.
    Loops,
}

impl Draft {
    /// The text, if nothing in it has to be looked up.
    #[must_use]
    pub fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

/// Takes a string apart. What cannot be read is reported and taken literally.
#[must_use]
pub fn parse(report: &Report, string: &Str, syntax: Syntax) -> Draft {
    let mut scanner = Scanner::new(report, string, syntax);
    let mut parts = Vec::new();
    while let Some(token) = scanner.next(None) {
        match token {
            Token::Literal(text) => parts.push(Part::Literal(text)),
            Token::Reference(reference) => parts.push(Part::Reference(reference)),
            Token::For { variable, list, place } => {
                parts.push(Part::Loop(list, body(&mut scanner, &variable, place)));
            }
            Token::EndFor(place) => scanner.stray_end(place),
            Token::Item => {}
        }
    }
    Draft { parts, place: Some(string.place) }
}

/// The parts up to the end of the loop that was opened at `opened`.
fn body(scanner: &mut Scanner<'_>, variable: &str, opened: Place) -> Vec<BodyPart> {
    let mut parts = Vec::new();
    while let Some(token) = scanner.next(Some(variable)) {
        match token {
            Token::Literal(text) => parts.push(BodyPart::Literal(text)),
            Token::Reference(reference) => parts.push(BodyPart::Reference(reference)),
            Token::Item => parts.push(BodyPart::Item),
            Token::For { place, .. } => scanner.nested(place, opened),
            Token::EndFor(_) => return parts,
        }
    }
    scanner.unclosed(opened);
    parts
}
