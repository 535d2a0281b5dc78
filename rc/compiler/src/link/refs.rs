//! References to outputs: each becomes a read of a numbered service, or the text of an own output.

use super::{Names, Tie, Why};
use crate::{
    definition::{Body, Definition, Output},
    diag::{Code, Diagnostic, Report, nearest, one_of},
    source::Located,
    text::{BodyPart, Draft, Part, Reference},
};
use rc::{
    model::{Read, Relation, ServiceId},
    outputs::{OutputType, Scalar},
    text::{EachPiece, MAX_EXPANDED, Piece, Text, elements},
};

/// Permission bits that let others than owner and group read.
const OTHERS_READ: u16 = 0o004;

/// What a text is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    /// One argument of a command.
    Argument,
    /// The value of a variable.
    Environment,
    /// The content of a file.
    File,
    /// The value of an output of this type.
    Output(OutputType),
}

/// How far the value of an own output is.
#[derive(Clone)]
enum Own {
    Open,
    Linking,
    Done(Option<Text>),
}

/// What a reference leads to.
enum Target<'d> {
    /// An output of the service itself.
    Own(usize, &'d Output),
    /// An output of another service.
    Other(ServiceId, u16, &'d Output),
}

/// The references of one service.
pub(super) struct References<'n> {
    names: &'n Names<'n>,
    me: usize,
    reads: Vec<Read>,
    ties: Vec<Tie>,
    own: Vec<Own>,
    secrets: Vec<Reference>,
    /// How many references were reported so far.
    faults: usize,
}

impl<'n> References<'n> {
    pub(super) fn new(names: &'n Names<'n>, me: usize) -> Self {
        let own = vec![Own::Open; names.definitions[me].outputs.len()];
        Self { names, me, reads: Vec::new(), ties: Vec::new(), own, secrets: Vec::new(), faults: 0 }
    }

    pub(super) fn report(&self) -> &'n Report {
        self.names.report
    }

    /// What was read, in the order of first use.
    pub(super) fn reads(&self) -> Vec<Read> {
        self.reads.clone()
    }

    /// The needs that the references are.
    pub(super) fn into_ties(self) -> Vec<Tie> {
        self.ties
    }

    /// The values of the service's own outputs, checked against their types.
    pub(super) fn own_values(&mut self) -> Vec<Option<Text>> {
        (0..self.own.len()).map(|index| self.own_value(index)).collect()
    }

    /// The content of a file, and whether a secret is in it. The mode must then keep others out.
    pub(super) fn file(&mut self, draft: &Draft, mode: Option<Located<u16>>) -> (Text, bool) {
        let text = self.text(draft, Use::File);
        let secret = self.secrets.first();
        if let (Some(secret), Some(mode)) = (secret, mode)
            && mode.value & OTHERS_READ != 0
        {
            let message = format!("everybody may read this file (mode {:04o})", mode.value);
            self.report().push(
                Diagnostic::error(Code::Secret, mode.place, message)
                    .related(secret.place, "this is a secret")
                    .help("write \"0600\", or \"0640\" to share it with the file's group"),
            );
        }
        (text, secret.is_some())
    }

    /// Links a text.
    pub(super) fn text(&mut self, draft: &Draft, used: Use) -> Text {
        let mut text = Text::new();
        for part in &draft.parts {
            match part {
                Part::Literal(literal) => push_literal(&mut text, literal),
                Part::Reference(reference) => {
                    for piece in self.value(reference, used) {
                        match piece {
                            Piece::Literal(literal) => push_literal(&mut text, &literal),
                            other => text.push(other),
                        }
                    }
                }
                Part::Loop(list, body) => {
                    if let Some(piece) = self.each(list, body) {
                        text.push(piece);
                    }
                }
            }
        }
        if let (Some(place), [Piece::Literal(literal)]) = (draft.place, text.as_slice())
            && literal.len() > MAX_EXPANDED
        {
            let message = format!("{} bytes, at most {MAX_EXPANDED} are possible", literal.len());
            self.report().push(Diagnostic::error(Code::TooLarge, place, message));
        }
        text
    }

    fn each(&mut self, list: &Reference, body: &[BodyPart]) -> Option<Piece> {
        let target = self.target(list)?;
        let (Target::Own(_, output) | Target::Other(_, _, output)) = &target;
        if !matches!(output.kind, OutputType::List(_)) {
            let message = format!("`{}` is no list but one {}", shown(list), output.kind);
            self.report().push(
                Diagnostic::error(Code::ListUse, list.place, message)
                    .related(output.key.place, "declared here")
                    .help("a loop needs an output of type `list<…>`"),
            );
            return None;
        }
        let Target::Other(service, position, output) = target else { return None };
        self.note_secret(list, output, Use::File);
        let read = self.read(list, service, position);
        let mut pieces = Vec::new();
        for part in body {
            match part {
                BodyPart::Literal(literal) => pieces.push(EachPiece::Literal(literal.clone())),
                BodyPart::Item => pieces.push(EachPiece::Item),
                BodyPart::Reference(reference) => {
                    for piece in self.value(reference, Use::File) {
                        match piece {
                            Piece::Literal(literal) => pieces.push(EachPiece::Literal(literal)),
                            Piece::Value { read, index, default } => {
                                pieces.push(EachPiece::Value { read, index, default });
                            }
                            // Values of outputs have no loops.
                            Piece::Each { .. } => {}
                        }
                    }
                }
            }
        }
        Some(Piece::Each { read, body: pieces })
    }

    /// What a reference stands for; nothing if it was reported.
    fn value(&mut self, reference: &Reference, used: Use) -> Text {
        let Some(target) = self.target(reference) else { return self.fault() };
        let (Target::Own(_, output) | Target::Other(_, _, output)) = &target;
        if !self.check_list(reference, output, used) {
            return self.fault();
        }
        self.note_secret(reference, output, used);
        match target {
            Target::Own(index, output) => self.inlined(reference, index, output),
            Target::Other(service, position, _) => {
                let read = self.read(reference, service, position);
                let default = reference.default.clone();
                vec![Piece::Value { read, index: reference.index, default }]
            }
        }
    }

    /// Stands for a reference that was reported.
    fn fault(&mut self) -> Text {
        self.faults += 1;
        Text::new()
    }

    fn target(&self, reference: &Reference) -> Option<Target<'n>> {
        let me = &self.names.definitions[self.me];
        let name = &reference.service;
        let is_own = name.value == "self" || name.value == me.name.value;
        let id = if is_own { None } else { Some(self.names.find(name)?) };
        let publisher = id.map_or(me, |id| self.names.definition(id));
        let Some((position, output)) = publisher.output(&reference.key.value) else {
            self.no_output(reference, publisher);
            return None;
        };
        match id {
            None => Some(Target::Own(position, output)),
            Some(id) => Some(Target::Other(id, u16::try_from(position).ok()?, output)),
        }
    }

    fn no_output(&self, reference: &Reference, publisher: &Definition) {
        let key = &reference.key;
        let (name, kind) = (&publisher.name.value, publisher.kind());
        let known = publisher.outputs.iter().map(|output| output.key.value.as_str());
        let message = format!("service `{name}` has no output `{}`", key.value);
        let mut error = Diagnostic::error(Code::UnknownOutput, key.place, message)
            .related(publisher.name.place, format!("`{name}` is defined here"));
        if let Some(near) = nearest(&key.value, known.clone()) {
            error = error.help(format!("did you mean `{near}`?"));
        } else if matches!(publisher.body, Body::Bundle(_) | Body::File { .. }) {
            error = error.help(format!("a {kind} has no outputs"));
        } else if publisher.outputs.is_empty() {
            error = error.help(format!("it declares none; add `outputs.{} = \"TYPE\"`", key.value));
        } else {
            error = error.help(format!("it has {}", one_of(known)));
        }
        self.report().push(error);
    }

    fn check_list(&self, reference: &Reference, output: &Output, used: Use) -> bool {
        let list = matches!(output.kind, OutputType::List(_));
        let (message, help) = if !list && reference.index.is_some() {
            let message = format!("`{}` is no list but one {}", shown(reference), output.kind);
            (message, "remove the index".to_owned())
        } else if list && reference.index.is_none() && used == Use::Argument {
            let message = format!("`{}` is a list, an argument is one value", shown(reference));
            let help = format!(
                "take one element, such as `${{{}.0}}`, or write the list into a file with a \
                 `{{% for %}}` loop",
                shown(reference)
            );
            (message, help)
        } else {
            return true;
        };
        self.report().push(
            Diagnostic::error(Code::ListUse, reference.place, message)
                .related(output.key.place, format!("declared as {} here", output.kind))
                .help(help),
        );
        false
    }

    fn note_secret(&mut self, reference: &Reference, output: &Output, used: Use) {
        if !output.kind.is_secret() {
            return;
        }
        match used {
            Use::File => self.secrets.push(reference.clone()),
            Use::Environment => {}
            Use::Argument => {
                let message = "a secret in an argument can be seen by every user of the device";
                self.report().push(
                    Diagnostic::warning(Code::Secret, reference.place, message)
                        .related(output.key.place, "declared as a secret here")
                        .help("pass it in `env` or in a file, if the program can take it so"),
                );
            }
            Use::Output(kind) => {
                if !kind.is_secret() {
                    let message = format!("a secret becomes part of an output of type {kind}");
                    self.report().push(
                        Diagnostic::error(Code::Secret, reference.place, message)
                            .related(output.key.place, "declared as a secret here")
                            .help("declare the output as `secret`"),
                    );
                }
            }
        }
    }

    fn read(&mut self, reference: &Reference, service: ServiceId, output: u16) -> u16 {
        let read = Read { service, output };
        let known = self.reads.iter().position(|other| *other == read);
        let position = known.unwrap_or_else(|| {
            self.reads.push(read);
            let (place, why) = (reference.place, Why::Reference);
            self.ties.push(Tie { to: service, relation: Relation::Needs, place, why });
            self.reads.len() - 1
        });
        u16::try_from(position).unwrap_or_else(|_| {
            let message = format!("more than {} different references", u16::MAX);
            self.report().push(Diagnostic::error(Code::TooLarge, reference.place, message));
            0
        })
    }

    /// The text of an own output, or of one element of it.
    fn inlined(&mut self, reference: &Reference, index: usize, output: &Output) -> Text {
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
fn fits(from: Scalar, to: Scalar) -> bool {
    from == to
        || matches!(to, Scalar::String | Scalar::Secret)
        || (to == Scalar::Ip && matches!(from, Scalar::Ipv4 | Scalar::Ipv6))
}

/// `service.key` of a reference.
fn shown(reference: &Reference) -> String {
    format!("{}.{}", reference.service.value, reference.key.value)
}

/// Appends a literal, joining it with one that is already there.
fn push_literal(text: &mut Text, literal: &str) {
    if literal.is_empty() {
        return;
    }
    if let Some(Piece::Literal(last)) = text.last_mut() {
        last.push_str(literal);
    } else {
        text.push(Piece::Literal(literal.to_owned()));
    }
}
