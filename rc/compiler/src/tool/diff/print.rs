//! The comparison for people and for programs.

use super::{Action, Difference, Entry, Status, fields::Change};
use serde_json::{Value, json};

/// The longest value that is shown, in characters.
const SHOWN: usize = 70;

/// The comparison for people: one service a line with the reasons below it.
#[must_use]
pub fn human(difference: &Difference) -> String {
    if difference.is_equal {
        return format!("equal: content id {}\n", difference.ids.0);
    }
    let mut out = String::new();
    let acting = difference.acting();
    let width = acting.iter().map(|entry| entry.name.chars().count()).max().unwrap_or(0);
    for entry in &acting {
        let mut reasons = entry.because.clone();
        reasons.extend(entry.changes.iter().filter_map(change));
        let first = if reasons.is_empty() { String::new() } else { reasons.remove(0) };
        let (sign, word) = (sign(entry.status), entry.action.word());
        let line = format!("{sign} {word:<7}  {:<width$}  {first}", entry.name);
        out.push_str(line.trim_end());
        out.push('\n');
        for reason in reasons {
            out.push_str(&format!("{:indent$}{reason}\n", "", indent = width + 13));
        }
    }
    for changed in difference.system.iter().filter_map(change) {
        out.push_str(&format!("[system] {changed}\n"));
    }
    let kept = difference.entries.len() - acting.len();
    let linked = difference.entries.iter().filter(|entry| entry.action == Action::Relink).count();
    let linked =
        if linked == 0 { String::new() } else { format!(", {linked} of them under new numbers") };
    let all = difference.entries.len();
    out.push_str(&format!("{kept} of {all} services stay as they are{linked}\n"));
    out
}

const fn sign(status: Status) -> char {
    match status {
        Status::Added => '+',
        Status::Removed => '-',
        Status::Changed => '~',
        Status::Kept => ' ',
    }
}

/// One line about a change; none if another line says it already.
fn change(change: &Change) -> Option<String> {
    if let Some(edge) = change.field.strip_prefix("edges.") {
        return relation(change, edge);
    }
    let field = change.field.replace("policy.", "").replace("exec.", "");
    Some(match (&change.old, &change.new) {
        (Value::Null, new) => format!("{field}: now {}", short(new)),
        (old, Value::Null) => format!("{field}: no longer {}", short(old)),
        (old, new) => format!("{field}: {} -> {}", short(old), short(new)),
    })
}

/// A changed relation; what it did about changes is of no interest if it came or went as a whole.
fn relation(change: &Change, edge: &str) -> Option<String> {
    let (other, what) = edge.rsplit_once('.')?;
    let word = |value: &Value| match value.as_str().unwrap_or_default() {
        "contents" => "contains".to_owned(),
        word => word.to_owned(),
    };
    Some(match (what, &change.old, &change.new) {
        ("relation", Value::Null, new) => format!("now {} {other}", word(new)),
        ("relation", old, Value::Null) => format!("no longer {} {other}", word(old)),
        ("relation", old, new) => format!("now {} instead of {} {other}", word(new), word(old)),
        (_, Value::Null, new) if *new == "restart" => return None,
        (_, _, Value::Null) => return None,
        (_, Value::Null, new) => format!("on-change.{other}: {}", word(new)),
        (_, old, new) => format!("on-change.{other}: {} -> {}", word(old), word(new)),
    })
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The comparison for programs.
#[must_use]
pub fn json(difference: &Difference) -> Value {
    json!({
        "equal": difference.is_equal,
        "old": difference.ids.0,
        "new": difference.ids.1,
        "system": difference.system.iter().map(change_json).collect::<Vec<_>>(),
        "services": difference.entries.iter().map(entry_json).collect::<Vec<_>>(),
    })
}

fn entry_json(entry: &Entry) -> Value {
    let status = match entry.status {
        Status::Added => "added",
        Status::Removed => "removed",
        Status::Changed => "changed",
        Status::Kept => "kept",
    };
    let mut value = json!({
        "name": entry.name,
        "status": status,
        "action": entry.action.word(),
        "because": entry.because,
        "changes": entry.changes.iter().map(change_json).collect::<Vec<_>>(),
    });
    if let Action::React(reaction) = &entry.action {
        value["on_change"] = json!(reaction);
    }
    value
}

fn change_json(change: &Change) -> Value {
    json!({
        "field": change.field,
        "old": change.old,
        "new": change.new,
    })
}
