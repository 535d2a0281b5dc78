//! All documents as one set of tables: a name belongs to one place, unless a later layer says that it
//! overrides it.
//!
//! The keys `override`, `remove` and `unset` are dealt with here; nobody after this meets them.

use crate::{
    diag::{Code, Diagnostic, Report, nearest},
    fields::{Merge, SYSTEM, Shape},
    node::{Data, Entries, Entry, Node},
    source::{Located, Place, Sources},
};
use std::collections::BTreeMap;

/// A table with a name of its own: a service or a template.
#[derive(Clone, Debug)]
pub struct Raw {
    /// Its name, where it was first written.
    pub name: Located<String>,
    /// What it says.
    pub entries: Entries,
}

/// Tables by their names.
pub type Raws = BTreeMap<String, Raw>;

/// What stands in the way of overriding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Override {
    /// It is not asked for.
    No,
    /// Single keys.
    Keys,
    /// All of it.
    Replace,
    /// It is taken away.
    Remove,
}

/// The keys with which a layer says what it does to those below.
pub const OWN_KEYS: [&str; 3] = ["override", "remove", "unset"];

/// Puts the tables of the kind `what` (`service`, `template`) of one document to those before it.
pub fn add(
    sources: &Sources,
    report: &Report,
    what: &str,
    shape: &'static Shape,
    table: &Entries,
    into: &mut Raws,
) {
    for Entry { key, place, value } in table.iter() {
        let name = Located { value: key.clone(), place: *place };
        let Data::Table(entries) = &value.data else {
            let message = format!("`{what}.{key}` must be a table");
            report.push(
                Diagnostic::error(Code::WrongType, *place, message)
                    .help(format!("{what}s are written as `[{what}.NAME]`")),
            );
            continue;
        };
        let mut entries = entries.clone();
        let own = own(report, &mut entries);
        one(&Layer { sources, report, what, shape }, name, entries, own, into);
    }
}

/// What a table says about those below it.
struct Own {
    how: Override,
    /// Where it says so.
    place: Option<Place>,
    /// Keys to take away.
    unset: Vec<Located<String>>,
}

/// Takes `override`, `remove` and `unset` out of a table.
fn own(report: &Report, entries: &mut Entries) -> Own {
    let mut found = Own { how: Override::No, place: None, unset: Vec::new() };
    let [how, remove, unset] = OWN_KEYS.map(|key| entries.remove(key));
    let wrong = |entry: &Entry, expected: &str| {
        let message = format!("`{}` must be {expected}, not {}", entry.key, entry.value.what());
        report.push(Diagnostic::error(Code::WrongType, entry.value.place, message));
    };
    if let Some(entry) = how {
        found.place = Some(entry.place);
        match &entry.value.data {
            Data::Boolean(true) => found.how = Override::Keys,
            Data::Boolean(false) => {}
            Data::String(word) if word.value == "replace" => found.how = Override::Replace,
            _ => wrong(&entry, "`true` or \"replace\""),
        }
    }
    if let Some(entry) = remove {
        found.place = Some(entry.place);
        match entry.value.data {
            Data::Boolean(true) => found.how = Override::Remove,
            Data::Boolean(false) => {}
            _ => wrong(&entry, "`true`; single keys are removed by `unset`"),
        }
    }
    let Some(entry) = unset else { return found };
    let Data::Array(items) = &entry.value.data else {
        wrong(&entry, "a list of keys such as [\"finish\", \"env.TZ\"]");
        return found;
    };
    for item in items {
        match &item.data {
            Data::String(key) => {
                found.unset.push(Located { value: key.value.clone(), place: item.place });
            }
            _ => {
                let message = format!("a key must be a string, not {}", item.what());
                report.push(Diagnostic::error(Code::WrongType, item.place, message));
            }
        }
    }
    if found.how != Override::Keys && !found.unset.is_empty() {
        let message = "`unset` without `override = true`";
        report.push(
            Diagnostic::error(Code::Override, entry.place, message)
                .help("it takes keys away from what a layer below defines"),
        );
    }
    found
}

/// What adding a table needs.
struct Layer<'l> {
    sources: &'l Sources,
    report: &'l Report,
    what: &'l str,
    shape: &'static Shape,
}

fn one(layer: &Layer<'_>, name: Located<String>, entries: Entries, own: Own, into: &mut Raws) {
    let of = |place: Place| layer.sources.file(place.file).layer;
    let Some(below) = into.get_mut(&name.value) else {
        if own.how != Override::No {
            nothing(layer, &name, own.place, into);
        }
        if own.how != Override::Remove {
            into.insert(name.value.clone(), Raw { name, entries });
        }
        return;
    };
    if own.how == Override::No || of(name.place) <= of(below.name.place) {
        twice(layer, &name, below, own.how);
        return;
    }
    match own.how {
        Override::No => {}
        Override::Remove => {
            for Entry { key, place, .. } in entries.iter() {
                let message = format!("`{key}` beside `remove = true`");
                layer
                    .report
                    .push(Diagnostic::error(Code::Override, *place, message).help(
                        "what is removed has no keys; `override = \"replace\"` redefines it",
                    ));
            }
            into.remove(&name.value);
        }
        Override::Replace => {
            below.name = name;
            below.entries = entries;
        }
        Override::Keys => {
            for key in &own.unset {
                unset(layer, below, key);
            }
            merge(layer.shape, &mut below.entries, entries, Lists::Replace);
        }
    }
}

fn twice(layer: &Layer<'_>, name: &Located<String>, below: &Raw, how: Override) {
    let (what, known) = (layer.what, below.name.place);
    let message = format!("{what} `{}` is defined twice", name.value);
    let error = Diagnostic::error(Code::Twice, name.place, message)
        .label("defined again here")
        .related(known, "first defined here");
    let layer_of = |place: Place| layer.sources.file(place.file).layer;
    layer.report.push(if how != Override::No {
        error.help(
            "only a later layer may override: another folder behind this one on the command line",
        )
    } else if layer_of(name.place) > layer_of(known) {
        error.help(
            "a later layer says so if it is meant: `override = true` changes single keys, \
             `override = \"replace\"` all of it, `remove = true` takes it away",
        )
    } else {
        error
    });
}

fn nothing(layer: &Layer<'_>, name: &Located<String>, place: Option<Place>, known: &Raws) {
    let what = layer.what;
    let message = format!("there is no {what} `{}` below to override", name.value);
    let mut error = Diagnostic::error(Code::Override, place.unwrap_or(name.place), message);
    if let Some(near) = nearest(&name.value, known.keys().map(String::as_str)) {
        error = error.help(format!("did you mean `{near}`?"));
    }
    layer.report.push(error.help(
        "layers are the folders on the command line, the later ones above; a file can only override \
         what a folder before its own defines",
    ));
}

/// Takes `key`, or the entry `b` of `a` for `a.b`, out of a table.
fn unset(layer: &Layer<'_>, below: &mut Raw, key: &Located<String>) {
    let removed = match key.value.split_once('.') {
        None => below.entries.remove(&key.value).is_some(),
        Some((outer, inner)) => match below.entries.find_mut(outer) {
            Some(Entry { value, .. }) => match &mut value.data {
                Data::Table(entries) => entries.remove(inner).is_some(),
                _ => false,
            },
            None => false,
        },
    };
    if !removed {
        let message =
            format!("{} `{}` has no `{}` to unset", layer.what, below.name.value, key.value);
        let mut error = Diagnostic::error(Code::Override, key.place, message)
            .related(below.name.place, "defined here");
        if let Some(near) = nearest(&key.value, below.entries.iter().map(|e| e.key.as_str())) {
            error = error.help(format!("did you mean `{near}`?"));
        }
        layer.report.push(error);
    }
}

/// What a second list does to the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lists {
    /// It takes its place.
    Replace,
    /// Its elements are added, where [`Merge::Add`] says so.
    Add,
}

/// Puts `new` over `old`, key by key as the fields say.
pub fn merge(shape: &Shape, old: &mut Entries, new: Entries, lists: Lists) {
    for entry in new.into_entries() {
        let merge = shape.find_any(&entry.key).map_or(Merge::Replace, |field| field.merge);
        let Some(known) = old.find_mut(&entry.key) else {
            old.put(entry);
            continue;
        };
        match (merge, &mut known.value.data, entry.value.data) {
            (Merge::Entries, Data::Table(below), Data::Table(above)) => {
                for inner in above.into_entries() {
                    below.put(inner);
                }
            }
            (Merge::Add, Data::Array(below), Data::Array(above)) if lists == Lists::Add => {
                below.extend(above);
            }
            // One condition, or a list of them.
            (Merge::Add, known_data, data)
                if lists == Lists::Add && (is_listed(known_data) && is_listed(&data)) =>
            {
                let (below, above) = (known.value.place, entry.value.place);
                let first = std::mem::replace(known_data, Data::Null);
                let both = listed(first, below).into_iter().chain(listed(data, above));
                *known_data = Data::Array(both.collect());
            }
            (_, known_data, data) => {
                *known_data = data;
                known.place = entry.place;
                known.value.place = entry.value.place;
            }
        }
    }
}

const fn is_listed(data: &Data) -> bool {
    matches!(data, Data::Array(_) | Data::Table(_))
}

/// The elements of a list; another value as a list of itself.
fn listed(data: Data, place: Place) -> Vec<Node> {
    match data {
        Data::Array(items) => items,
        data => vec![Node { place, data }],
    }
}

/// Puts one `[system]` to those before it. A key may be set again only by a later layer that says
/// `override = true`; the same holds for the entries of a table that has such.
pub fn add_system(sources: &Sources, report: &Report, table: &Entries, into: &mut Entries) {
    let mut entries = table.clone();
    let own = own(report, &mut entries);
    let overrides = own.how == Override::Keys;
    let machine = Machine { sources, report, overrides };
    for entry in entries.into_entries() {
        let merge = SYSTEM.find_any(&entry.key).map_or(Merge::Replace, |field| field.merge);
        if let (Merge::Entries, Some(known), Data::Table(new)) =
            (merge, into.find_mut(&entry.key), &entry.value.data)
            && let Data::Table(known) = &mut known.value.data
        {
            for inner in new.iter() {
                machine.put(&format!("{}.{}", entry.key, inner.key), inner.clone(), known);
            }
            continue;
        }
        let key = entry.key.clone();
        machine.put(&key, entry, into);
    }
}

/// What putting one key of `[system]` to those before it needs.
struct Machine<'m> {
    sources: &'m Sources,
    report: &'m Report,
    overrides: bool,
}

impl Machine<'_> {
    fn put(&self, key: &str, entry: Entry, into: &mut Entries) {
        let layer = |place: Place| self.sources.file(place.file).layer;
        if let Some(first) = into.find(&entry.key)
            && (!self.overrides || layer(entry.place) <= layer(first.place))
        {
            let message = format!("`system.{key}` is set twice");
            let error = Diagnostic::error(Code::Twice, entry.place, message)
                .label("set again here")
                .related(first.place, "first set here");
            self.report.push(if layer(entry.place) > layer(first.place) {
                error.help("a later layer says so if it is meant: `override = true` in `[system]`")
            } else {
                error
            });
            return;
        }
        into.put(entry);
    }
}
