//! What a reference says about services.

use super::{Chapter, Entry, Part, Reference, Table, listed};
use crate::{
    show::{self, Decoded},
    tool::graph::{self, Graph, Lines},
};
use rc::db::{Database, Error};
use serde_json::Value;
use std::collections::BTreeMap;

/// Relations and what they are called from both sides.
const RELATIONS: &[(&str, &str, &str)] = &[
    ("needs", "needs", "needed by"),
    ("wants", "wants", "wanted by"),
    ("after", "after", "before"),
    ("contents", "contains", "part of"),
    ("alternatives", "alternatives", "alternative of"),
];

/// The reference of a database's services.
///
/// # Errors
/// If a record cannot be decoded.
pub fn services(database: &Database) -> Result<Reference, Error> {
    let decoded = Decoded::new(database)?;
    let shown = show::json(&decoded, None)?;
    let list = array(&shown["services"]);
    let around = Around::new(list, shown["system"]["default"].as_str());
    let mut entries = Vec::new();
    for service in list {
        let name = text(&service["name"]);
        let definition = show::toml(&decoded, Some(&name))?;
        entries.push(entry(service, &around, definition.trim_start().to_owned()));
    }
    let title = match shown["system"]["hostname"].as_str() {
        Some(host) => format!("The services of {host}"),
        None => "Services".to_owned(),
    };
    let chapters = vec![Chapter { title: "Services".to_owned(), entries }];
    let drawing = graph::svg(&Graph::new(database, Lines::Telling)?);
    Ok(Reference { title, chapters, drawing })
}

/// What others say about a service.
struct Around<'a> {
    target: Option<&'a str>,
    /// By service and relation: who has it.
    back: BTreeMap<(&'a str, &'a str), Vec<&'a str>>,
    /// By `service.key`: who reads it.
    readers: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Around<'a> {
    fn new(services: &'a [Value], target: Option<&'a str>) -> Self {
        let mut around = Self { target, back: BTreeMap::new(), readers: BTreeMap::new() };
        for service in services {
            let name = service["name"].as_str().unwrap_or_default();
            for edge in array(&service["edges"]) {
                let to = edge["service"].as_str().unwrap_or_default();
                let relation = edge["relation"].as_str().unwrap_or_default();
                around.back.entry((to, relation)).or_default().push(name);
            }
            for read in array(&service["reads"]).iter().filter_map(Value::as_str) {
                around.readers.entry(read).or_default().push(name);
            }
        }
        around
    }
}

fn entry(service: &Value, around: &Around<'_>, definition: String) -> Entry {
    let name = text(&service["name"]);
    let mut facts = Vec::new();
    if around.target == Some(name.as_str()) {
        facts.push(("boot", vec![Part::Text("starts it by name".to_owned())]));
    }
    for key in ["run", "up", "down", "path"] {
        let words = match &service[key] {
            Value::String(path) => path.clone(),
            Value::Array(argv) => argv.iter().map(text).collect::<Vec<_>>().join(" "),
            _ => continue,
        };
        facts.push((key, vec![Part::Code(words)]));
    }
    facts.extend(relations(service, &name, around));
    let on_change = array(&service["edges"]).iter().filter(|edge| edge["on_change"] != "restart");
    let on_change: Vec<Part> = on_change
        .flat_map(|edge| {
            let action = format!(": {}; ", text(&edge["on_change"]));
            [Part::Link(text(&edge["service"])), Part::Text(action)]
        })
        .collect();
    if !on_change.is_empty() {
        facts.push(("on change of", on_change));
    }
    let conflicts = array(&service["conflicts"]).iter().map(|one| Part::Link(text(one)));
    let conflicts = listed(conflicts);
    if !conflicts.is_empty() {
        facts.push(("conflicts with", conflicts));
    }
    Entry {
        label: text(&service["kind"]),
        description: text(&service["description"]),
        tables: outputs(service, &name, around).into_iter().collect(),
        name,
        facts,
        definition,
    }
}

fn relations(service: &Value, name: &str, around: &Around<'_>) -> Vec<(&'static str, Vec<Part>)> {
    let mut facts = Vec::new();
    for (relation, forth, back) in RELATIONS {
        let edges = array(&service["edges"]).iter().filter(|edge| edge["relation"] == **relation);
        let others = listed(edges.map(|edge| Part::Link(text(&edge["service"]))));
        if !others.is_empty() {
            facts.push((*forth, others));
        }
        let from = around.back.get(&(name, *relation)).map(Vec::as_slice).unwrap_or_default();
        if !from.is_empty() {
            facts.push((*back, listed(from.iter().map(|one| Part::Link((*one).to_owned())))));
        }
    }
    facts
}

fn outputs(service: &Value, name: &str, around: &Around<'_>) -> Option<Table> {
    let outputs = array(&service["outputs"]);
    let row = |output: &Value| {
        let key = text(&output["key"]);
        let value = match (&output["value"], array(&output["from"])) {
            (Value::String(value), _) => vec![Part::Code(value.clone())],
            (_, []) => vec![Part::Text("published by the service".to_owned())],
            (_, from) => {
                let mut parts = vec![Part::Text("that of ".to_owned())];
                parts.extend(listed(from.iter().map(|one| Part::Code(text(one)))));
                parts
            }
        };
        let readers = around.readers.get(format!("{name}.{key}").as_str());
        let readers = readers.map(Vec::as_slice).unwrap_or_default();
        vec![
            vec![Part::Code(key)],
            vec![Part::Code(text(&output["type"]))],
            value,
            listed(readers.iter().map(|one| Part::Link((*one).to_owned()))),
        ]
    };
    let rows: Vec<_> = outputs.iter().map(row).collect();
    (!rows.is_empty()).then(|| Table { head: vec!["output", "type", "value", "read by"], rows })
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
