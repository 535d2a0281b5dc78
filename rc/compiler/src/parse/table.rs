//! Reading a table key by key: every value comes with its place and its key's name, and the
//! keys that nobody asked for are reported.

use crate::{
    board::Board,
    diag::{Code, Diagnostic, Report, nearest, one_of},
    fields::{Kinds, Shape},
    node::{Data, Entries, Entry, Node},
    scan,
    source::{Located, Place},
    string::Str,
};
use std::borrow::Cow;

/// What reading needs beside the table.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c> {
    /// Where findings go.
    pub report: &'c Report,
    /// The values for `{{board.…}}`.
    pub board: &'c Board,
}

/// A value, the key it stands under, and where it is.
#[derive(Clone, Debug)]
pub struct Value<'v> {
    /// The key as messages name it, for example `limits.nofile`.
    pub key: String,
    /// Where the value is.
    pub place: Place,
    /// The value.
    pub node: &'v Node,
}

/// A table that is being read.
#[derive(Debug)]
pub struct Table<'v> {
    /// What it is, for example "service `wan`".
    pub what: String,
    /// Where messages about the whole table point.
    pub place: Place,
    prefix: String,
    entries: &'v Entries,
    /// Its valid keys, of which a service of `kind` has some.
    shape: &'static Shape,
    kind: Option<Kinds>,
    #[cfg(debug_assertions)]
    asked: Vec<&'static str>,
}

impl<'v> Table<'v> {
    /// Starts to read `entries`.
    #[must_use]
    pub fn new(what: String, place: Place, entries: &'v Entries, shape: &'static Shape) -> Self {
        Self {
            what,
            place,
            prefix: String::new(),
            entries,
            shape,
            kind: Some(Kinds::ALL),
            #[cfg(debug_assertions)]
            asked: Vec::new(),
        }
    }

    /// From here on only the keys of services of this kind are valid; `None`: it is not known which
    /// are.
    pub const fn narrow(&mut self, kind: Option<Kinds>) {
        self.kind = kind;
    }

    /// These keys are dealt with elsewhere.
    pub fn pass_over(&mut self, keys: &[&'static str]) {
        #[cfg(debug_assertions)]
        self.asked.extend(keys);
        #[cfg(not(debug_assertions))]
        let _unchecked = keys;
    }

    /// The value under `key`, which is one of the shape's.
    pub fn take(&mut self, key: &'static str) -> Option<Value<'v>> {
        #[cfg(debug_assertions)]
        {
            let known = self.shape.fields.iter().any(|field| field.key == key);
            debug_assert!(known, "{key} is read, but not among the fields of {}", self.shape.name);
            self.asked.push(key);
        }
        let entry = self.entries.find(key)?;
        Some(self.value(entry))
    }

    /// Every entry, for tables whose keys are free.
    pub fn entries(&self) -> impl Iterator<Item = (Located<&'v str>, Value<'v>)> + '_ {
        let entries: &'v Entries = self.entries;
        entries.iter().map(|entry| {
            let name: &'v str = &entry.key;
            (Located { value: name, place: entry.place }, self.value(entry))
        })
    }

    fn value(&self, entry: &'v Entry) -> Value<'v> {
        let (key, node) = (format!("{}{}", self.prefix, entry.key), &entry.value);
        Value { key, place: node.place, node }
    }

    /// Reports every key that is not valid.
    pub fn finish(self, cx: Context<'_>) {
        let Some(kind) = self.kind else { return };
        #[cfg(debug_assertions)]
        for key in self.shape.keys(kind) {
            debug_assert!(self.asked.contains(&key), "{}.{key} is never read", self.shape.name);
        }
        for Entry { key, place, .. } in self.entries.iter() {
            if self.shape.find(key, kind).is_some() {
                continue;
            }
            let message = format!("{} has no key `{key}`", self.what);
            let mut error = Diagnostic::error(Code::UnknownKey, *place, message);
            if let Some(owners) = self.shape.owners(key) {
                let this = kind.words().next().unwrap_or_default();
                error = error.help(format!("`{key}` is a key of {owners}; this is a {this}"));
            } else if let Some(near) = nearest(key, self.shape.keys(kind)) {
                error = error.help(format!("did you mean `{near}`?"));
            }
            let mut valid: Vec<&str> = self.shape.keys(kind).collect();
            valid.sort_unstable();
            cx.report.push(error.help(format!("valid here: {}", one_of(valid))));
        }
    }
}

impl<'v> Value<'v> {
    /// Reports that the value is of the wrong type.
    pub fn wrong_type(&self, cx: Context<'_>, expected: &str) {
        let message = format!("`{}` must be {expected}, not {}", self.key, self.node.what());
        cx.report.push(Diagnostic::error(Code::WrongType, self.place, message));
    }

    /// Reports that the value is not valid.
    pub fn invalid(&self, cx: Context<'_>, code: Code, message: String, help: &str) {
        let error = Diagnostic::error(code, self.place, message);
        cx.report.push(if help.is_empty() { error } else { error.help(help) });
    }

    /// The string with the board's values in it, in which no reference may stand; anything else is
    /// reported.
    #[must_use]
    pub fn string(&self, cx: Context<'_>, expected: &str) -> Option<Str> {
        let found = self.text(cx, expected)?;
        self.is_plain(cx, &found).then_some(found)
    }

    /// The string with the board's values in it, if it is a string. A reference in it is reported.
    #[must_use]
    pub fn as_string(&self, cx: Context<'_>) -> Option<Str> {
        let found = self.substituted(cx)?;
        let _reported = self.is_plain(cx, &found);
        Some(found)
    }

    /// Whether the string has no reference in it; one is reported.
    fn is_plain(&self, cx: Context<'_>, string: &Str) -> bool {
        let Some(range) = scan::reference_in(string) else { return true };
        let message = format!("`{}` cannot hold a reference", self.key);
        cx.report.push(
            Diagnostic::error(Code::Template, string.at(range), message)
                .help("its value must be known when compiling"),
        );
        false
    }

    /// The string with the board's values in it, in which references may stand; anything else is
    /// reported.
    #[must_use]
    pub fn text(&self, cx: Context<'_>, expected: &str) -> Option<Str> {
        let found = self.substituted(cx);
        if found.is_none() {
            self.wrong_type(cx, expected);
        }
        found
    }

    fn substituted(&self, cx: Context<'_>) -> Option<Str> {
        let Data::String(written) = &self.node.data else { return None };
        let string = cx.board.substitute(cx.report, written.clone());
        if string.value.contains('\0') {
            let message = format!("`{}` contains a NUL character", self.key);
            self.invalid(cx, Code::BadValue, message, "no string of the kernel can hold one");
        }
        Some(string)
    }

    /// A string, an integer or a truth value as it is written; anything else is reported.
    #[must_use]
    pub fn plain(&self, cx: Context<'_>, expected: &str) -> Option<String> {
        match &self.node.data {
            Data::Integer(Some(number)) => Some(number.to_string()),
            Data::Boolean(value) => Some(value.to_string()),
            _ => self.string(cx, expected).map(|string| string.value),
        }
    }

    /// `true` or `false`; anything else is reported.
    #[must_use]
    pub fn boolean(&self, cx: Context<'_>) -> Option<bool> {
        let found = match &self.node.data {
            Data::Boolean(value) => Some(*value),
            Data::String(_) => self.word(cx).and_then(|word| word.parse().ok()),
            _ => None,
        };
        if found.is_none() {
            self.wrong_type(cx, "`true` or `false`");
        }
        found
    }

    /// The number or truth value that the board or a parameter supplied as the whole string.
    fn word(&self, cx: Context<'_>) -> Option<Cow<'v, str>> {
        let Data::String(written) = &self.node.data else { return None };
        if written.is_word {
            return Some(Cow::Borrowed(&written.value));
        }
        let string = cx.board.substitute(&Report::default(), written.clone());
        string.is_word.then_some(Cow::Owned(string.value))
    }

    /// Whether it is written as a string.
    #[must_use]
    pub const fn is_string(&self) -> bool {
        matches!(self.node.data, Data::String(_))
    }

    /// Whether it is a list.
    #[must_use]
    pub const fn is_array(&self) -> bool {
        matches!(self.node.data, Data::Array(_))
    }

    /// Whether it is a table.
    #[must_use]
    pub const fn is_table(&self) -> bool {
        matches!(self.node.data, Data::Table(_))
    }

    /// The strings of an array; anything else is reported.
    #[must_use]
    pub fn strings(&self, cx: Context<'_>, expected: &str) -> Vec<Str> {
        self.items(cx, expected).iter().filter_map(|item| item.string(cx, "a string")).collect()
    }

    /// The elements of an array; anything else is reported.
    #[must_use]
    pub fn items(&self, cx: Context<'_>, expected: &str) -> Vec<Value<'v>> {
        let Data::Array(array) = &self.node.data else {
            self.wrong_type(cx, expected);
            return Vec::new();
        };
        let items = array.iter().enumerate().map(|(number, node)| Value {
            key: format!("{}[{number}]", self.key),
            place: node.place,
            node,
        });
        items.collect()
    }

    /// The integer, if it is one that fits 64 bits.
    #[must_use]
    pub fn as_integer(&self, cx: Context<'_>) -> Option<i64> {
        match &self.node.data {
            Data::Integer(number) => (*number)?.try_into().ok(),
            Data::String(_) => self.word(cx)?.parse().ok(),
            _ => None,
        }
    }

    /// The table with the keys of `shape`, if it is one.
    #[must_use]
    pub fn as_table(&self, shape: &'static Shape) -> Option<Table<'v>> {
        let entries = self.node.as_table()?;
        let mut table = Table::new(format!("`{}`", self.key), self.place, entries, shape);
        table.prefix = format!("{}.", self.key);
        Some(table)
    }

    /// The table with the keys of `shape`; anything else is reported.
    #[must_use]
    pub fn table(
        &self,
        cx: Context<'_>,
        expected: &str,
        shape: &'static Shape,
    ) -> Option<Table<'v>> {
        let table = self.as_table(shape);
        if table.is_none() {
            self.wrong_type(cx, expected);
        }
        table
    }
}
