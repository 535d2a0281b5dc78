//! The tables of LANGUAGE.md, as Markdown.

use crate::fields::{Absent, Field, Kinds, SERVICE, SHAPES, Type};

/// Every table with its name: that of a shape, or `service/KINDS` for the keys that just these kinds
/// have.
#[must_use]
pub fn tables() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for shape in SHAPES {
        if shape.name == SERVICE.name {
            all.extend(of_services());
        } else if !shape.fields.is_empty() {
            all.push((shape.name.to_owned(), table(&shape.fields.iter().collect::<Vec<_>>())));
        }
    }
    all
}

/// The keys of services: those that most kinds have, that two have, and those of single kinds.
fn of_services() -> Vec<(String, String)> {
    let mut groups = vec![("service".to_owned(), Vec::new())];
    groups.push(("processes".to_owned(), Vec::new()));
    groups.extend(Kinds::WORDS.iter().map(|(word, _)| ((*word).to_owned(), Vec::new())));
    for field in SERVICE.fields {
        let words: Vec<&str> = field.of.words().collect();
        let group = match words.as_slice() {
            [word] => word,
            [_, _] => "processes",
            _ => "service",
        };
        if let Some((_, fields)) = groups.iter_mut().find(|(name, _)| name == group) {
            fields.push(field);
        }
    }
    groups.into_iter().map(|(name, fields)| (name, table(&fields))).collect()
}

/// The whole reference, each table under a heading.
#[must_use]
pub fn reference() -> String {
    let sections = tables().into_iter().map(|(name, table)| format!("## {name}\n\n{table}\n"));
    format!("# The keys of jamb's definitions\n\n{}", sections.collect::<String>())
}

fn table(fields: &[&Field]) -> String {
    let mut out =
        String::from("| key | type | default | meaning | since |\n|---|---|---|---|---|\n");
    for field in fields {
        let default = match field.default {
            Absent::Required => "required",
            Absent::Nothing => "none",
            Absent::Is(default) => default,
        };
        out.push_str(&format!(
            "| `{}` | {} | {default} | {} | {} |\n",
            field.key,
            shown(&field.value),
            field.doc,
            field.since
        ));
    }
    out
}

/// A type in words.
fn shown(kind: &Type) -> String {
    match kind {
        Type::String(form) => form.word().to_owned(),
        Type::Words(words) => {
            let quoted: Vec<String> = words().iter().map(|word| format!("`\"{word}\"`")).collect();
            quoted.join(", ")
        }
        Type::Integer(min, max) => match (*min, *max) {
            (0, i64::MAX) => "number".to_owned(),
            (i64::MIN, i64::MAX) => "integer".to_owned(),
            (min, max) if max == i64::from(u32::MAX) => format!("number from {min}"),
            (min, max) => format!("number {min} to {max}"),
        },
        Type::Boolean => "boolean".to_owned(),
        Type::List(Type::String(form)) => format!("list of {}", form.plural()),
        Type::List(Type::Integer(..)) => "list of numbers".to_owned(),
        Type::List(Type::Table(_)) => "list of tables".to_owned(),
        Type::List(inner) => format!("list, each {}", shown(inner)),
        Type::Command => "command".to_owned(),
        Type::Map(Type::String(form)) => format!("table of {}", form.plural()),
        Type::Map(_) | Type::Table(_) => "table".to_owned(),
        Type::Any(types) => {
            let mut all: Vec<String> = types.iter().map(shown).collect();
            all.dedup();
            all.join(" or ")
        }
        Type::Free => "any".to_owned(),
    }
}
