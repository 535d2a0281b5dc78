//! Which fields of a service differ.

use serde_json::Value;
use std::collections::BTreeMap;

/// A field that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    /// Its path, with dots.
    pub(super) field: String,
    /// What it was; null if it was not there.
    pub(super) old: Value,
    /// What it is; null if it is not there.
    pub(super) new: Value,
}

/// The fields in which two services, or two systems, differ.
pub(super) fn changes(old: &Value, new: &Value) -> Vec<Change> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    for (side, fields) in [(old, &mut before), (new, &mut after)] {
        flatten("", side, fields);
        let edges = super::edges(side).filter(|edge| edge.relation == "alternatives");
        let order: Vec<&str> = edges.map(|edge| edge.to).collect();
        if !order.is_empty() {
            fields.insert("alternatives".to_owned(), order.into());
        }
    }
    let mut changes = Vec::new();
    for (field, old) in &before {
        let new = after.get(field).cloned().unwrap_or(Value::Null);
        if *old != new {
            changes.push(Change { field: field.clone(), old: old.clone(), new });
        }
    }
    for (field, new) in after {
        if !before.contains_key(&field) && !new.is_null() {
            changes.push(Change { field, old: Value::Null, new });
        }
    }
    changes.sort_by(|a, b| a.field.cmp(&b.field));
    changes
}

/// Objects by their keys, lists of named objects (relations, outputs) by their names. What is read
/// follows from the texts.
fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter().filter(|(key, _)| *key != "reads") {
                flatten(&inner(key), value, into);
            }
        }
        Value::Array(list) if !list.is_empty() && list.iter().all(|one| name(one).is_some()) => {
            for one in list {
                let Some((name, key)) = name(one) else { continue };
                let mut rest = one.clone();
                if let Some(fields) = rest.as_object_mut() {
                    fields.remove(key);
                }
                flatten(&inner(name), &rest, into);
            }
        }
        Value::Array(list) if list.is_empty() => {}
        other => {
            into.insert(path.to_owned(), other.clone());
        }
    }
}

/// What names an object in a list, and under which key.
fn name(value: &Value) -> Option<(&str, &'static str)> {
    ["service", "key", "name"].into_iter().find_map(|key| Some((value.get(key)?.as_str()?, key)))
}
