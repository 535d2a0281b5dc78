//! References to outputs: each becomes a read of a numbered service, or the text of an own output.

use super::{Names, Tie, Why, own::Own};
use crate::{
    definition::{Body, Definition, Output},
    diag::{Code, Diagnostic, Report, all_of, nearest},
    source::{Located, Place},
    text::{BodyPart, Draft, Part, Reference},
};
use rc::{
    model::{Read, Relation, ServiceId},
    outputs::OutputType,
    text::{EachPiece, MAX_EXPANDED, Piece, Text},
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
    /// A condition.
    Condition,
    /// An output that is passed on as it is.
    Passed,
}

/// What a reference leads to.
pub(super) enum Target<'d> {
    /// An output of the service itself.
    Own(usize, &'d Output),
    /// An output of another service.
    Other(ServiceId, u16, &'d Output),
}

/// The references of one service.
pub(super) struct References<'n> {
    pub(super) names: &'n Names<'n>,
    pub(super) me: usize,
    reads: Vec<Read>,
    ties: Vec<Tie>,
    pub(super) own: Vec<Own>,
    secrets: Vec<Reference>,
    /// Of bundles: what their outputs refer to.
    passed: Vec<(Place, ServiceId)>,
    /// The string that is being linked.
    within: Option<Place>,
    /// How many references were reported so far.
    pub(super) faults: usize,
}

impl<'n> References<'n> {
    pub(super) fn new(names: &'n Names<'n>, me: usize) -> Self {
        let own = vec![Own::Open; names.definitions[me].outputs.len()];
        Self {
            names,
            me,
            reads: Vec::new(),
            ties: Vec::new(),
            own,
            secrets: Vec::new(),
            passed: Vec::new(),
            within: None,
            faults: 0,
        }
    }

    pub(super) fn report(&self) -> &'n Report {
        self.names.report
    }

    /// What was read, in the order of first use.
    pub(super) fn reads(&self) -> Vec<Read> {
        self.reads.clone()
    }

    /// The relations that the references are, and of a bundle what its outputs refer to.
    pub(super) fn into_ties(self) -> (Vec<Tie>, Vec<(Place, ServiceId)>) {
        (self.ties, self.passed)
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
        let outer = self.within;
        self.within = draft.place;
        let text = self.parts(draft, used);
        self.within = outer;
        text
    }

    /// Says where a reference is used, if that is not where it is written: as a template's parameter.
    fn used_here(&self, reference: &Reference, error: Diagnostic) -> Diagnostic {
        let written = reference.place;
        match self.within {
            Some(place)
                if place.file != written.file
                    || written.start < place.start
                    || place.end < written.end =>
            {
                error.related(place, "it is put in here")
            }
            _ => error,
        }
    }

    fn parts(&mut self, draft: &Draft, used: Use) -> Text {
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
            let message = format!(
                "this text has {} bytes, at most {MAX_EXPANDED} are possible",
                literal.len()
            );
            self.report().push(Diagnostic::error(Code::TooLarge, place, message));
        }
        text
    }

    fn each(&mut self, list: &Reference, body: &[BodyPart]) -> Option<Piece> {
        let target = self.target(list)?;
        let (Target::Own(_, output) | Target::Other(_, _, output)) = &target;
        if !matches!(output.kind, OutputType::List(_)) {
            let message = format!("`{}` is not a list, its type is {}", shown(list), output.kind);
            self.report().push(
                Diagnostic::error(Code::ListUse, list.place, message)
                    .related(output.key.place, "declared here")
                    .help("a loop needs an output of type `list<…>`"),
            );
            return None;
        }
        let Target::Other(service, position, output) = target else { return None };
        self.note_secret(list, output, Use::File);
        let read = self.read(list, service, position, Use::File);
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
                let read = self.read(reference, service, position, used);
                let default = reference.default.clone();
                vec![Piece::Value { read, index: reference.index, default }]
            }
        }
    }

    /// Stands for a reference that was reported.
    pub(super) fn fault(&mut self) -> Text {
        self.faults += 1;
        Text::new()
    }

    pub(super) fn target(&self, reference: &Reference) -> Option<Target<'n>> {
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
        if matches!(publisher.body, Body::Unknown) {
            // What it has is not known, which has been reported.
            return;
        }
        let key = &reference.key;
        let (name, kind) = (&publisher.name.value, publisher.kind());
        let known = publisher.outputs.iter().map(|output| output.key.value.as_str());
        let message = format!("service `{name}` has no output `{}`", key.value);
        let mut error = Diagnostic::error(Code::UnknownOutput, key.place, message)
            .related(publisher.name.place, format!("`{name}` is defined here"));
        if let Some(near) = nearest(&key.value, known.clone()) {
            error = error.help(format!("did you mean `{near}`?"));
        } else if matches!(publisher.body, Body::File { .. }) {
            error = error.help(format!("a {kind} has no outputs"));
        } else if matches!(publisher.body, Body::Bundle(_)) && publisher.outputs.is_empty() {
            let key = &key.value;
            error = error
                .help(format!("it passes on none; add `outputs.{key} = \"${{MEMBER.{key}}}\"`"));
        } else if publisher.outputs.is_empty() {
            error = error.help(format!("it declares none; add `outputs.{} = \"TYPE\"`", key.value));
        } else {
            error = error.help(format!("it has {}", all_of(known)));
        }
        self.report().push(error);
    }

    fn check_list(&self, reference: &Reference, output: &Output, used: Use) -> bool {
        let list = matches!(output.kind, OutputType::List(_));
        let (message, help) = if !list && reference.index.is_some() {
            let message =
                format!("`{}` is not a list, its type is {}", shown(reference), output.kind);
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
        let error = Diagnostic::error(Code::ListUse, reference.place, message)
            .related(output.key.place, format!("declared as {} here", output.kind));
        self.report().push(self.used_here(reference, error).help(help));
        false
    }

    fn note_secret(&mut self, reference: &Reference, output: &Output, used: Use) {
        if !output.kind.is_secret() {
            return;
        }
        match used {
            Use::File => self.secrets.push(reference.clone()),
            Use::Environment | Use::Condition | Use::Passed => {}
            Use::Argument => {
                let message = "a secret in an argument can be seen by every user of the device";
                let error = Diagnostic::error(Code::Secret, reference.place, message)
                    .related(output.key.place, "declared as a secret here");
                self.report().push(self.used_here(reference, error).help(format!(
                    "pass it in a variable: `env.NAME = \"${{{0}}}\"`; or in a file that \
                             only its owner may read: `kind = \"file\"`, `text = \"${{{0}}}\"`, \
                             which then has mode 0600, and give the program its path, or let a \
                             shell open it as a descriptor: `exec PROGRAM 3</run/FILE`",
                    shown(reference)
                )));
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

    /// The number of a read of `output` of `service`, for which a relation comes with it.
    pub(super) fn read(
        &mut self,
        reference: &Reference,
        service: ServiceId,
        output: u16,
        used: Use,
    ) -> u16 {
        let read = Read { service, output };
        let known = self.reads.iter().position(|other| *other == read);
        let position = known.unwrap_or_else(|| {
            self.reads.push(read);
            self.tie(reference.place, service, used);
            self.reads.len() - 1
        });
        u16::try_from(position).unwrap_or_else(|_| {
            let message = format!("more than {} different references", u16::MAX);
            self.report().push(Diagnostic::error(Code::TooLarge, reference.place, message));
            0
        })
    }

    /// A read is a need, except of what is a member or alternative anyway.
    fn tie(&mut self, place: Place, to: ServiceId, used: Use) {
        let is_bundle = matches!(self.names.definitions[self.me].body, Body::Bundle(_));
        let why = match used {
            Use::Passed => return,
            Use::Output(_) if is_bundle => {
                self.passed.push((place, to));
                return;
            }
            Use::Condition => Why::Condition,
            _ => Why::Reference,
        };
        self.ties.push(Tie { to, relation: Relation::Needs, place, why });
    }
}

/// `service.key` of a reference.
pub(super) fn shown(reference: &Reference) -> String {
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
