//! Every key of the language, once: what it is for, what its values may be, what holds without it.
//!
//! The decoder's valid keys, the JSON Schema ([`crate::schema`]) and the tables of LANGUAGE.md
//! ([`crate::reference`]) come from here. A key that is decoded but not here, or here but not
//! decoded, fails in every test that reads a definition.

mod boot;
mod forms;
mod service;
mod tables;

pub use boot::{MOUNT, OVERLAYS, PSEUDOFILE, ROOT};
pub use forms::Form;
pub use service::SERVICE;
pub use tables::{
    ACTION, BOARD, CAPABILITIES, CGROUP, CONDITION, DEVICE, FILE, FREE, HEALTH, LIMIT, LIMITS,
    OUTPUT, PARAM, READY, RESTART, SHAPES, SOCKET, SYSTEM, TEMPLATE, WATCHDOG,
};

/// A table with fixed keys.
#[derive(Debug)]
pub struct Shape {
    /// Its name in the schema and in the markers of LANGUAGE.md.
    pub name: &'static str,
    /// Its keys, in the order in which people read about them.
    pub fields: &'static [Field],
}

/// A key.
#[derive(Debug)]
pub struct Field {
    /// As it is written.
    pub key: &'static str,
    /// The kinds of services that have it; of other tables [`Kinds::ALL`].
    pub of: Kinds,
    /// What its value may be.
    pub value: Type,
    /// What holds without it.
    pub default: Absent,
    /// What it means, for people.
    pub doc: &'static str,
    /// The first version that has it.
    pub since: &'static str,
    /// What a value of another layer or of an instance does with one that is there.
    pub merge: Merge,
}

/// What holds when a key is not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absent {
    /// It has to be written.
    Required,
    /// Nothing.
    Nothing,
    /// This, in the words of LANGUAGE.md.
    Is(&'static str),
}

/// What a second value of a key does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merge {
    /// It takes the place of the first.
    Replace,
    /// Its entries are added to those of the first, and take the place of those with the same name.
    Entries,
    /// Of an instance: its elements are added to those of the template. Of a layer: as `Replace`.
    Add,
}

/// A set of kinds of services.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kinds(u8);

impl Kinds {
    /// Processes that run for as long as the service is up.
    pub const LONGRUN: Self = Self(1);
    /// Programs that run to their end.
    pub const ONESHOT: Self = Self(2);
    /// Groups.
    pub const BUNDLE: Self = Self(4);
    /// Alternatives.
    pub const FAILOVER: Self = Self(8);
    /// Rendered files.
    pub const FILE: Self = Self(16);
    /// Longruns and oneshots.
    pub const PROCESSES: Self = Self(3);
    /// All of them.
    pub const ALL: Self = Self(31);

    /// Every kind with its word.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("longrun", Self::LONGRUN),
        ("oneshot", Self::ONESHOT),
        ("bundle", Self::BUNDLE),
        ("failover", Self::FAILOVER),
        ("file", Self::FILE),
    ];

    /// Those that are in one of two sets.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are in it.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The words of those in it.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS.iter().filter(move |(_, kind)| self.has(*kind)).map(|(word, _)| *word)
    }
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// A string of some form.
    String(Form),
    /// One of these strings.
    Words(fn() -> Vec<&'static str>),
    /// A whole number within bounds.
    Integer(i64, i64),
    /// `true` or `false`.
    Boolean,
    /// A list, each element of this type.
    List(&'static Type),
    /// A list of strings with references, the program first.
    Command,
    /// A table whose keys are free, each value of this type.
    Map(&'static Type),
    /// A table with fixed keys.
    Table(&'static Shape),
    /// One of these.
    Any(&'static [Type]),
    /// Any value: what it may be depends on another one.
    Free,
}

impl Shape {
    /// A key that services of `kind` have.
    #[must_use]
    pub fn find(&self, key: &str, kind: Kinds) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key && field.of.has(kind))
    }

    /// A key that services of some kind have.
    #[must_use]
    pub fn find_any(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// The keys that services of `kind` have.
    pub fn keys(&self, kind: Kinds) -> impl Iterator<Item = &'static str> {
        self.fields.iter().filter(move |field| field.of.has(kind)).map(|field| field.key)
    }

    /// The kinds that have `key`, as a list of words for people; `None` if none has.
    #[must_use]
    pub fn owners(&self, key: &str) -> Option<String> {
        let field = self.fields.iter().find(|field| field.key == key)?;
        let words: Vec<String> = field.of.words().map(|word| format!("{word}s")).collect();
        let (last, rest) = words.split_last()?;
        Some(if rest.is_empty() { last.clone() } else { format!("{} and {last}", rest.join(", ")) })
    }
}

/// The words of a list of choices.
#[must_use]
pub fn words<T>(choices: &[(&'static str, T)]) -> Vec<&'static str> {
    choices.iter().map(|(word, _)| *word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_kinds() {
        assert!(Kinds::PROCESSES.has(Kinds::ONESHOT) && !Kinds::PROCESSES.has(Kinds::FILE));
        assert_eq!(Kinds::ALL.words().count(), 5);
        assert_eq!(SERVICE.owners("run").as_deref(), Some("longruns"));
        assert_eq!(
            SERVICE.owners("outputs").as_deref(),
            Some("longruns, oneshots, bundles and failovers")
        );
        assert_eq!(SERVICE.owners("nothing"), None);
    }

    #[test]
    fn a_key_is_in_its_table_once() {
        for shape in SHAPES {
            let mut keys: Vec<&str> = shape.fields.iter().map(|field| field.key).collect();
            let count = keys.len();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), count, "{}", shape.name);
        }
    }
}
