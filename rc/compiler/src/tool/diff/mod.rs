//! What lies between two sets of services: which were added, removed or changed, and what a device that
//! runs the first and switches to the second would do to each.
//!
//! Both sides are compared as the JSON that `jambc show --json` prints, in which services are named and
//! not numbered, so that a field that the compiler learns is compared without being taught here.

mod effect;
mod fields;
mod print;

pub use effect::Action;
pub use print::{human, json};

use crate::show::{self, Decoded};
use fields::Change;
use rc::{
    db::{Database, Error},
    model::Service,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One side of the comparison.
#[derive(Clone, Debug)]
pub struct Side {
    content_id: String,
    system: Value,
    services: BTreeMap<String, Value>,
    /// The services as a device has them, with numbers in place of names.
    records: BTreeMap<String, Service>,
    /// What a device knows by whether a service is the same.
    digests: BTreeMap<String, u64>,
}

impl Side {
    /// The services of a database.
    ///
    /// # Errors
    /// If a record cannot be decoded.
    pub fn new(database: &Database) -> Result<Self, Error> {
        let mut all = show::json(&Decoded::new(database)?, None)?;
        let services = match all["services"].take() {
            Value::Array(list) => list,
            _ => Vec::new(),
        };
        let named = services.into_iter().filter_map(|mut service| {
            let name = service.as_object_mut()?.remove("name")?;
            Some((name.as_str()?.to_owned(), service))
        });
        let services = named.collect();
        let records = database
            .ids()
            .map(|id| database.service(id).map(|record| (database.name(id).to_owned(), record)));
        let records = records.collect::<Result<_, _>>()?;
        let digest = |id| (database.name(id).to_owned(), database.node(id).digest());
        let digests = database.ids().map(digest).collect();
        let content_id = all["content_id"].as_str().unwrap_or_default().to_owned();
        Ok(Self { content_id, system: all["system"].take(), services, records, digests })
    }

    /// What boot starts: all that the default target reaches over relations that start.
    fn wanted(&self) -> BTreeSet<&str> {
        let mut wanted = BTreeSet::new();
        let mut open: Vec<&str> = self.system["default"].as_str().into_iter().collect();
        while let Some(name) = open.pop() {
            if wanted.insert(name)
                && let Some(service) = self.services.get(name)
            {
                let starting = edges(service).filter(|edge| edge.relation != "after");
                open.extend(starting.map(|edge| edge.to));
            }
        }
        wanted
    }
}

/// A relation as it is shown.
#[derive(Clone, Copy)]
struct Edge<'e> {
    to: &'e str,
    relation: &'e str,
    on_change: &'e str,
}

impl Edge<'_> {
    /// Whether the service stops when what the edge points to leaves ready.
    fn is_hard(&self) -> bool {
        self.relation == "needs" && self.on_change == "restart"
    }
}

fn edges(service: &Value) -> impl Iterator<Item = Edge<'_>> {
    let list = service["edges"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|edge| {
        Some(Edge {
            to: edge["service"].as_str()?,
            relation: edge["relation"].as_str()?,
            on_change: edge["on_change"].as_str()?,
        })
    })
}

/// How a service differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Only the second side has it.
    Added,
    /// Only the first side has it.
    Removed,
    /// Both have it, differently.
    Changed,
    /// Both have the same.
    Kept,
}

/// What happens to one service.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// How it differs.
    pub status: Status,
    /// Which fields differ.
    changes: Vec<Change>,
    /// What a switch does to it.
    pub action: Action,
    /// Why, besides the changed fields.
    pub because: Vec<String>,
}

/// The whole comparison.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Whether both sides are one and the same set.
    pub is_equal: bool,
    /// Every service of either side, by name.
    pub entries: Vec<Entry>,
    /// Changed fields of `[system]`.
    system: Vec<Change>,
    ids: (String, String),
}

/// Compares two sides. The device is taken to run what boot starts; what people started or stopped since
/// then is not known here.
#[must_use]
pub fn compare(old: &Side, new: &Side) -> Difference {
    let mut names: BTreeSet<&String> = old.services.keys().collect();
    names.extend(new.services.keys());
    let entries = names.into_iter().map(|name| {
        let (before, after) = (old.services.get(name), new.services.get(name));
        let changes = match (before, after) {
            (Some(before), Some(after)) => fields::changes(before, after),
            _ => Vec::new(),
        };
        let status = match (before, after) {
            (None, _) => Status::Added,
            (_, None) => Status::Removed,
            _ if changes.is_empty() => Status::Kept,
            _ => Status::Changed,
        };
        let (action, because) = (Action::Keep, Vec::new());
        Entry { name: name.clone(), status, changes, action, because }
    });
    let mut entries: Vec<Entry> = entries.collect();
    effect::effects(old, new, &mut entries);
    Difference {
        is_equal: old.content_id == new.content_id,
        entries,
        system: fields::changes(&old.system, &new.system),
        ids: (old.content_id.clone(), new.content_id.clone()),
    }
}
