//! What a file says before it has a meaning: values with places, equal for TOML and JSON, and for
//! what was written, taken from another layer, or made by a template.

use crate::{
    source::{FileId, Place},
    string::Str,
};
use toml::de::{DeTable, DeValue};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where.
    pub place: Place,
    /// What.
    pub data: Data,
}

/// A value.
#[derive(Clone, Debug)]
pub enum Data {
    /// A string.
    String(Str),
    /// A whole number; `None` if it has more than 128 bits.
    Integer(Option<i128>),
    /// A number that is not whole.
    Float,
    /// A truth value.
    Boolean(bool),
    /// A date or time.
    Datetime,
    /// Nothing, in JSON.
    Null,
    /// A list.
    Array(Vec<Node>),
    /// Values by name.
    Table(Entries),
}

/// The entries of a table, sorted by key, each key once.
#[derive(Clone, Debug, Default)]
pub struct Entries(Vec<Entry>);

/// One entry of a table.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Where the key was written.
    pub place: Place,
    /// Its value.
    pub value: Node,
}

impl Entries {
    /// Takes entries in any order. Of two with the same key the first stays.
    #[must_use]
    pub fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries.dedup_by(|second, first| second.key == first.key);
        Self(entries)
    }

    /// The entry under `key`.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Entry> {
        let at = self.0.binary_search_by(|entry| entry.key.as_str().cmp(key)).ok()?;
        self.0.get(at)
    }

    /// Removes the entry under `key`.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        let at = self.0.binary_search_by(|entry| entry.key.as_str().cmp(key)).ok()?;
        Some(self.0.remove(at))
    }

    /// Puts an entry in, in place of one with the same key.
    pub fn put(&mut self, entry: Entry) {
        match self.0.binary_search_by(|known| known.key.cmp(&entry.key)) {
            Ok(at) => self.0[at] = entry,
            Err(at) => self.0.insert(at, entry),
        }
    }

    /// The entry under `key`, to be changed.
    pub fn find_mut(&mut self, key: &str) -> Option<&mut Entry> {
        let at = self.0.binary_search_by(|entry| entry.key.as_str().cmp(key)).ok()?;
        self.0.get_mut(at)
    }

    /// All of them, by key.
    pub fn into_entries(self) -> impl Iterator<Item = Entry> {
        self.0.into_iter()
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }
}

impl Node {
    /// A value of TOML in `file`, whose text is `source`.
    #[must_use]
    pub fn of_toml(file: FileId, source: &str, value: &toml::Spanned<DeValue<'_>>) -> Self {
        let place = Place::new(file, value.span());
        let data = match value.get_ref() {
            DeValue::String(text) => Data::String(Str::new(file, source, value.span(), text)),
            DeValue::Integer(number) => {
                Data::Integer(i128::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::Float(_) => Data::Float,
            DeValue::Boolean(value) => Data::Boolean(*value),
            DeValue::Datetime(_) => Data::Datetime,
            DeValue::Array(items) => {
                Data::Array(items.iter().map(|item| Self::of_toml(file, source, item)).collect())
            }
            DeValue::Table(table) => Data::Table(entries_of_toml(file, source, table)),
        };
        Self { place, data }
    }

    /// The table, if it is one.
    #[must_use]
    pub const fn as_table(&self) -> Option<&Entries> {
        match &self.data {
            Data::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// What it is, with its article.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match self.data {
            Data::String(_) => "a string",
            Data::Integer(_) => "an integer",
            Data::Float => "a float",
            Data::Boolean(_) => "a boolean",
            Data::Datetime => "a date or time",
            Data::Null => "null",
            Data::Array(_) => "an array",
            Data::Table(_) => "a table",
        }
    }
}

/// The entries of a table of TOML in `file`, whose text is `source`.
#[must_use]
pub fn entries_of_toml(file: FileId, source: &str, table: &DeTable<'_>) -> Entries {
    let entries = table.iter().map(|(key, value)| Entry {
        key: key.get_ref().to_string(),
        place: Place::new(file, key.span()),
        value: Node::of_toml(file, source, value),
    });
    Entries::new(entries.collect())
}
