//! Values in one form.

use super::{
    WIDTH,
    comment::{Remarks, inside, prefix, raw, suffix},
};
use crate::tool::import::filled;
use toml_edit::{Array, InlineTable, Key, Value};

const INDENT: &str = "    ";

/// A key, in quotes only if it needs them.
pub(super) fn key(key: &Key) -> String {
    Key::new(key.get()).display_repr().into_owned()
}

/// A value that begins in the column `column`.
pub(super) fn value(value: &Value, column: usize) -> String {
    if is_remarked(value) {
        return match value {
            Value::Array(array) => remarked(array),
            other => bare(other),
        };
    }
    let line = on_one_line(value);
    match value {
        // A script in several lines is not moved.
        Value::Array(array) if column + line.chars().count() > WIDTH && !line.contains('\n') => {
            filled(&array.iter().map(on_one_line).collect::<Vec<_>>())
        }
        _ => line,
    }
}

fn is_remarked(value: &Value) -> bool {
    let mut found = Vec::new();
    inside(value, &mut found);
    !found.is_empty()
}

/// A value as it was written, without what is around it.
fn bare(value: &Value) -> String {
    let mut bare = value.clone();
    bare.decor_mut().clear();
    bare.to_string().trim().to_owned()
}

fn on_one_line(value: &Value) -> String {
    match value {
        Value::Array(array) => {
            let inner: Vec<String> = array.iter().map(on_one_line).collect();
            format!("[{}]", inner.join(", "))
        }
        Value::InlineTable(table) => on_one_line_table(table),
        Value::String(string) => {
            let written = bare(value);
            let is_simple = |c: char| !matches!(c, '"' | '\\') && !c.is_control();
            if written.starts_with('\'') && string.value().chars().all(is_simple) {
                format!("\"{}\"", string.value())
            } else {
                written
            }
        }
        other => bare(other),
    }
}

fn on_one_line_table(table: &InlineTable) -> String {
    let pairs = table.get_values();
    if pairs.is_empty() {
        return "{}".to_owned();
    }
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(path, value)| {
            let path: Vec<String> = path.iter().map(|part| key(part)).collect();
            format!("{} = {}", path.join("."), on_one_line(value))
        })
        .collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// An array with comments in it: one element a line, each with its comments.
fn remarked(array: &Array) -> String {
    let mut out = String::from("[");
    let mut rest = String::new();
    for (number, element) in array.iter().enumerate() {
        // A comment behind the last comma belongs to that line.
        let before = format!("{rest}{}", prefix(element.decor()));
        between(&mut out, &before, number == 0);
        out.push_str(INDENT);
        let inner = value(element, INDENT.len());
        out.push_str(&if is_remarked(element) { inner.replace('\n', "\n    ") } else { inner });
        out.push(',');
        rest = suffix(element.decor()).to_owned();
    }
    between(&mut out, &format!("{rest}{}", raw(Some(array.trailing()))), array.is_empty());
    out.push(']');
    out
}

/// What stands between two elements: a comment behind the first one, an end of line, and other comments.
fn between(out: &mut String, text: &str, is_first: bool) {
    let (behind, lines) = text.split_once('\n').unwrap_or((text, ""));
    let behind = behind.trim();
    if !behind.is_empty() {
        out.push_str(if is_first { "  " } else { " " });
        out.push_str(behind);
    }
    out.push('\n');
    Remarks::of(lines).write(out, INDENT);
}
