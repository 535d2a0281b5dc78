//! The board: named values of one device, and their substitution for `{{board.…}}`.

use crate::{
    diag::{Code, Diagnostic, Report, nearest},
    node::{Data, Entries, Entry as Written, Node},
    parse::{Context, Value, module},
    source::{Located, Place, Sources},
    string::{Insert, Str},
};
use std::{collections::BTreeMap, ops::Range};

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// One value of the board.
#[derive(Clone, Debug)]
struct Entry {
    /// Its text; `None` for an array, a date or a float, which cannot be put into a string.
    text: Option<String>,
    /// Whether it is a number or truth value.
    is_word: bool,
    place: Place,
}

/// The list of the kernel modules that the device needs.
const MODULES: &str = "modules";

/// All values, under their dotted path without the leading `board.`.
#[derive(Clone, Debug, Default)]
pub struct Board {
    entries: BTreeMap<String, Entry>,
    modules: Option<Node>,
    is_given: bool,
}

impl Board {
    /// Adds a `[board]` table of the tree. A value that is already there is an error, unless the table
    /// says `override = true` and belongs to a later layer.
    pub fn add(&mut self, sources: &Sources, report: &Report, table: &Entries) {
        let mut table = table.clone();
        let says = |entry: &Written| matches!(entry.value.data, Data::Boolean(true));
        let overrides = table.find("override").is_some_and(says);
        if overrides {
            table.remove("override");
        }
        let layer = |place: Place| sources.file(place.file).layer;
        let table = &table;
        let mut new = BTreeMap::new();
        collect(&mut new, "", table);
        self.take_modules(table);
        for (path, entry) in new {
            if let Some(first) = self.entries.get(&path)
                && !(overrides && layer(entry.place) > layer(first.place))
            {
                report.push(
                    Diagnostic::error(
                        Code::Twice,
                        entry.place,
                        format!("`board.{path}` is defined twice"),
                    )
                    .label("defined again here")
                    .related(first.place, "first defined here"),
                );
            } else {
                self.entries.insert(path, entry);
            }
        }
        self.is_given = true;
    }

    /// Adds the `[board]` table of the board file, whose values replace those of the tree.
    pub fn overlay(&mut self, table: &Entries) {
        let mut new = BTreeMap::new();
        collect(&mut new, "", table);
        self.take_modules(table);
        self.entries.extend(new);
        self.is_given = true;
    }

    /// A later table is the board's file, or one that may say the same again.
    fn take_modules(&mut self, table: &Entries) {
        if let Some(entry) = table.find(MODULES) {
            self.modules = Some(entry.value.clone());
        }
    }

    /// The kernel modules that the device needs: `board.modules`, if it is a list.
    #[must_use]
    pub fn modules(&self, cx: Context<'_>) -> Vec<Located<String>> {
        let Some(node) = self.modules.as_ref().filter(|node| matches!(node.data, Data::Array(_)))
        else {
            return Vec::new();
        };
        let list = Value { key: "board.modules".to_owned(), place: node.place, node };
        let names = list.strings(cx, "a list of kernel modules");
        names.into_iter().filter_map(|name| module(cx, name)).collect()
    }

    /// Whether it has a value under `path`, which is without the leading `board.`.
    #[must_use]
    pub fn knows(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    /// Replaces every `{{board.…}}` of a string; what cannot be replaced is reported and left.
    #[must_use]
    pub fn substitute(&self, report: &Report, string: Str) -> Str {
        let mut parts: Vec<(Range<usize>, Insert)> = Vec::new();
        let mut from = 0;
        while let Some(open) = opening(&string.value, from) {
            let Some(length) = string.value[open..].find(CLOSE) else { break };
            let range = open..open + length + CLOSE.len();
            from = range.end;
            let inner = string.value[open + OPEN.len()..open + length].trim();
            let Some((root, path)) = inner.split_once('.') else { continue };
            if root != "board" {
                if nearest(root, ["board"]).is_some() {
                    report.push(
                        Diagnostic::error(
                            Code::Template,
                            string.at(range),
                            format!("`{{{{{inner}}}}}` names nothing"),
                        )
                        .help(format!("did you mean `{{{{board.{path}}}}}`?")),
                    );
                }
                continue;
            }
            match self.entries.get(path) {
                Some(Entry { text: Some(text), is_word, .. }) => {
                    parts.push((range, Insert::Data { text: text.clone(), is_word: *is_word }));
                }
                Some(Entry { text: None, place, .. }) => report.push(
                    Diagnostic::error(
                        Code::NoBoardValue,
                        string.at(range),
                        format!("`board.{path}` cannot be put into a string"),
                    )
                    .label("only strings, integers and booleans can")
                    .related(*place, "defined here"),
                ),
                None => report.push(self.missing(string.at(range), path)),
            }
        }
        if parts.is_empty() { string } else { string.replaced(&parts) }
    }

    fn missing(&self, place: Place, path: &str) -> Diagnostic {
        let message = format!("the board has no value `board.{path}`");
        let error = Diagnostic::error(Code::NoBoardValue, place, message);
        if !self.is_given {
            return error.help(
                "no board was given: choose one with `--board NAME`, or add a `[board]` table",
            );
        }
        let inside = format!("{path}.");
        if self.entries.keys().any(|key| key.starts_with(&inside)) {
            return error.help(format!("`board.{path}` is a table; name a value in it"));
        }
        match nearest(path, self.entries.keys().map(String::as_str)) {
            Some(near) => error.help(format!("did you mean `board.{near}`?")),
            None if self.entries.is_empty() => error.help("the board has no values at all"),
            None => {
                let keys: Vec<String> =
                    self.entries.keys().map(|key| format!("`board.{key}`")).collect();
                error.help(format!("it has {}", keys.join(", ")))
            }
        }
    }
}

/// Where the next `{{` begins; of `{{{`, as in `${{{name}}.key}`, the inner one.
pub(crate) fn opening(text: &str, from: usize) -> Option<usize> {
    let mut at = from + text.get(from..)?.find(OPEN)?;
    while text[at + 1..].starts_with(OPEN) {
        at += 1;
    }
    Some(at)
}

fn collect(into: &mut BTreeMap<String, Entry>, prefix: &str, table: &Entries) {
    for Written { key, place, value } in table.iter() {
        let path = format!("{prefix}{key}");
        let (text, is_word) = match &value.data {
            Data::Table(inner) => {
                collect(into, &format!("{path}."), inner);
                continue;
            }
            Data::String(text) => (Some(text.value.clone()), false),
            Data::Integer(number) => (number.map(|number| number.to_string()), true),
            Data::Boolean(value) => (Some(value.to_string()), true),
            Data::Float | Data::Datetime | Data::Null | Data::Array(_) => (None, false),
        };
        into.insert(path, Entry { text, is_word, place: *place });
    }
}
