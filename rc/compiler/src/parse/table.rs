//! Reading a TOML table key by key: every value comes with its place and its key's name, and the
//! keys that nobody asked for are reported.

use crate::{
    board::Board,
    diag::{Code, Diagnostic, Report, nearest, one_of},
    source::{Located, Place, Sources},
    string::Str,
};
use toml::de::{DeTable, DeValue};

/// What reading needs beside the table.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c> {
    /// The files.
    pub sources: &'c Sources,
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
    pub value: &'v DeValue<'v>,
}

/// A table that is being read.
#[derive(Debug)]
pub struct Table<'v> {
    /// What it is, for example "service `wan`".
    pub what: String,
    /// Where messages about the whole table point.
    pub place: Place,
    prefix: String,
    entries: &'v DeTable<'v>,
    asked: Vec<&'static str>,
}

impl<'v> Table<'v> {
    /// Starts to read `entries`, which lie in the file of `place`.
    #[must_use]
    pub fn new(what: String, place: Place, entries: &'v DeTable<'v>) -> Self {
        Self { what, place, prefix: String::new(), entries, asked: Vec::new() }
    }

    /// The value under `key`, which thereby is a valid key.
    pub fn take(&mut self, key: &'static str) -> Option<Value<'v>> {
        self.asked.push(key);
        let (_, value) = self.entries.get_key_value(key)?;
        Some(self.value(key, value))
    }

    /// Every entry, for tables whose keys are free.
    pub fn entries(&self) -> impl Iterator<Item = (Located<&'v str>, Value<'v>)> + '_ {
        self.entries.iter().map(|(key, value)| {
            let name: &'v str = key.get_ref();
            let place = Place::new(self.place.file, key.span());
            (Located { value: name, place }, self.value(name, value))
        })
    }

    fn value(&self, key: &str, value: &'v toml::Spanned<DeValue<'v>>) -> Value<'v> {
        let place = Place::new(self.place.file, value.span());
        Value { key: format!("{}{key}", self.prefix), place, value: value.get_ref() }
    }

    /// Reports every key that was not asked for. `elsewhere` says where else a key is valid.
    pub fn finish(self, cx: Context<'_>, elsewhere: impl Fn(&str) -> Option<String>) {
        for key in self.entries.keys() {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let place = Place::new(self.place.file, key.span());
            let message = format!("{} has no key `{name}`", self.what);
            let mut error = Diagnostic::error(Code::UnknownKey, place, message);
            if let Some(other) = elsewhere(name) {
                error = error.help(other);
            } else if let Some(near) = nearest(name, self.asked.iter().copied()) {
                error = error.help(format!("did you mean `{near}`?"));
            }
            let mut valid = self.asked.clone();
            valid.sort_unstable();
            cx.report.push(error.help(format!("valid here: {}", one_of(valid))));
        }
    }
}

impl<'v> Value<'v> {
    /// Reports that the value is of the wrong type.
    pub fn wrong_type(&self, cx: Context<'_>, expected: &str) {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        let message = format!("`{}` must be {expected}, not {found}", self.key);
        cx.report.push(Diagnostic::error(Code::WrongType, self.place, message));
    }

    /// Reports that the value is not valid.
    pub fn invalid(&self, cx: Context<'_>, code: Code, message: String, help: &str) {
        let error = Diagnostic::error(code, self.place, message);
        cx.report.push(if help.is_empty() { error } else { error.help(help) });
    }

    /// The string with the board's values in it; anything else is reported.
    #[must_use]
    pub fn string(&self, cx: Context<'_>, expected: &str) -> Option<Str> {
        let found = self.as_string(cx);
        if found.is_none() {
            self.wrong_type(cx, expected);
        }
        found
    }

    /// The string with the board's values in it, if it is a string.
    #[must_use]
    pub fn as_string(&self, cx: Context<'_>) -> Option<Str> {
        let text = self.value.as_str()?;
        let source = &cx.sources.file(self.place.file).text;
        let string = Str::new(self.place.file, source, self.place.start..self.place.end, text);
        let string = cx.board.substitute(cx.report, string);
        if string.value.contains('\0') {
            let message = format!("`{}` contains a NUL character", self.key);
            self.invalid(cx, Code::BadValue, message, "no string of the kernel can hold one");
        }
        Some(string)
    }

    /// The strings of an array; anything else is reported.
    #[must_use]
    pub fn strings(&self, cx: Context<'_>, expected: &str) -> Vec<Str> {
        self.items(cx, expected).iter().filter_map(|item| item.string(cx, "a string")).collect()
    }

    /// The elements of an array; anything else is reported.
    #[must_use]
    pub fn items(&self, cx: Context<'_>, expected: &str) -> Vec<Value<'v>> {
        let Some(array) = self.value.as_array() else {
            self.wrong_type(cx, expected);
            return Vec::new();
        };
        let items = array.iter().enumerate().map(|(number, item)| Value {
            key: format!("{}[{number}]", self.key),
            place: Place::new(self.place.file, item.span()),
            value: item.get_ref(),
        });
        items.collect()
    }

    /// The integer, if it is one that fits 64 bits.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        let number = self.value.as_integer()?;
        i64::from_str_radix(number.as_str(), number.radix()).ok()
    }

    /// The table, if it is one.
    #[must_use]
    pub fn as_table(&self) -> Option<Table<'v>> {
        let entries = self.value.as_table()?;
        Some(Table {
            what: format!("`{}`", self.key),
            place: self.place,
            prefix: format!("{}.", self.key),
            entries,
            asked: Vec::new(),
        })
    }

    /// The table; anything else is reported.
    #[must_use]
    pub fn table(&self, cx: Context<'_>, expected: &str) -> Option<Table<'v>> {
        let table = self.as_table();
        if table.is_none() {
            self.wrong_type(cx, expected);
        }
        table
    }
}
