//! A service's own outputs: their constant values, and references by which it uses them itself.

use super::refs::{References, Target, Use, shown};
use crate::{
    definition::Output,
    diag::{Code, Diagnostic},
    text::{Draft, Part, Reference},
};
use rc::{
    outputs::{MAX_VALUE, OutputType, Scalar},
    text::{Piece, Text, elements},
};

/// How far the value of an own output is.
#[derive(Clone)]
pub(super) enum Own {
    /// Not looked at.
    Open,
    /// Being linked: a reference to it now would be a circle.
    Linking,
    /// Linked.
    Done(Option<Text>),
}

impl References<'_> {
    /// The values of the service's own outputs, checked against their types.
    pub(super) fn own_values(&mut self) -> Vec<Option<Text>> {
        (0..self.own.len()).map(|index| self.own_value(index)).collect()
    }

    /// The text of an own output, or of one element of it.
    pub(super) fn inlined(&mut self, reference: &Reference, index: usize, output: &Output) -> Text {
        let refused = |this: &mut Self, message: String, help: &str| {
            let error = Diagnostic::error(Code::SelfReference, reference.place, message)
                .related(output.key.place, "declared here");
            this.report().push(if help.is_empty() { error } else { error.help(help) });
            this.fault()
        };
        if output.value.is_none() {
            let message =
                format!("`{}` is published by this service only once it runs", shown(reference));
            let help = "give the output a constant `value`, or refer to it from another service";
            return refused(self, message, help);
        }
        if matches!(self.own[index], Own::Linking) {
            let message = format!("the value of `{}` contains itself", shown(reference));
            return refused(self, message, "");
        }
        let before = self.faults;
        let text = self.own_value(index).unwrap_or_default();
        let Some(element) = reference.index else { return text };
        match text.as_slice() {
            _ if self.faults > before => Text::new(),
            [Piece::Value { read, index: None, .. }] => {
                let default = reference.default.clone();
                vec![Piece::Value { read: *read, index: Some(element), default }]
            }
            [] | [Piece::Literal(_)] => {
                let all = literal(&text).unwrap_or_default();
                match elements(all).nth(usize::from(element)).or(reference.default.as_deref()) {
                    Some(found) => vec![Piece::Literal(found.to_owned())],
                    None => {
                        let message = match elements(all).count() {
                            0 => "the list is empty".to_owned(),
                            1 => "the list has only one element, number 0".to_owned(),
                            count => format!("the list has only elements 0 to {}", count - 1),
                        };
                        refused(self, message, "elements count from 0")
                    }
                }
            }
            _ => {
                let message =
                    format!("the elements of `{}` are known only later", shown(reference));
                refused(self, message, "refer to the other service's list instead")
            }
        }
    }

    fn own_value(&mut self, index: usize) -> Option<Text> {
        if let Own::Done(text) = &self.own[index] {
            return text.clone();
        }
        self.own[index] = Own::Linking;
        let output = &self.names.definitions[self.me].outputs[index];
        let text = output.value.as_ref().map(|draft| {
            let before = self.faults;
            let text = self.text(draft, Use::Output(output.kind));
            if self.faults == before {
                self.check_type(output, draft);
                self.check_constant(output, draft, &text);
            }
            text
        });
        self.own[index] = Own::Done(text.clone());
        text
    }

    /// A value that is nothing but a reference must be of the same type.
    fn check_type(&self, output: &Output, draft: &Draft) {
        let [Part::Reference(reference)] = draft.parts.as_slice() else { return };
        let Some(Target::Other(_, _, source)) = self.target(reference) else { return };
        let is_list = matches!(source.kind, OutputType::List(_)) && reference.index.is_none();
        let wants_list = matches!(output.kind, OutputType::List(_));
        let shape = wants_list || !is_list;
        if shape && fits(source.kind.scalar(), output.kind.scalar()) {
            return;
        }
        let code = if shape { Code::OutputValue } else { Code::ListUse };
        let message = format!("an output of type {} cannot take a {}", output.kind, source.kind);
        self.report().push(
            Diagnostic::error(code, reference.place, message)
                .related(source.key.place, "declared here"),
        );
    }

    fn check_constant(&self, output: &Output, draft: &Draft, text: &Text) {
        let Some(literal) = literal(text) else { return };
        let place = draft.place.unwrap_or(output.key.place);
        if output.kind.is_secret() {
            let message = "a secret cannot be part of the database";
            self.report().push(
                Diagnostic::error(Code::Secret, place, message)
                    .help("declare it without a `value` and let the service publish it"),
            );
        } else if literal.len() > MAX_VALUE {
            let message =
                format!("this value has {} bytes, at most {MAX_VALUE} are possible", literal.len());
            self.report().push(Diagnostic::error(Code::TooLarge, place, message));
        } else if !output.kind.accepts(literal) {
            let shown: String = literal.chars().take(60).collect();
            let message =
                format!("`{}` is not a value of type {}", shown.escape_debug(), output.kind);
            let error = Diagnostic::error(Code::OutputValue, place, message);
            self.report().push(match output.kind {
                OutputType::List(_) => error.help("a list has one element a line"),
                OutputType::One(_) => error,
            });
        }
    }
}

/// The text, if it is known now.
fn literal(text: &Text) -> Option<&str> {
    match text.as_slice() {
        [] => Some(""),
        [Piece::Literal(literal)] => Some(literal),
        _ => None,
    }
}

/// Whether a value of type `from` is always one of type `to`.
pub(super) fn fits(from: Scalar, to: Scalar) -> bool {
    from == to
        || matches!(to, Scalar::String | Scalar::Secret)
        || (to == Scalar::Ip && matches!(from, Scalar::Ipv4 | Scalar::Ipv6))
}
