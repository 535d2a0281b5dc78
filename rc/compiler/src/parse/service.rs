//! One `[service.NAME]` table: which keys each kind has, and what their values may be.

use super::{
    action::{on_change, on_failure, reload},
    boot::modules,
    condition::conditions,
    exec::{Short, absolute, exec, outputs},
    isolation::together,
    kept::{fits, kept},
    policy::{finish_timeout, oneshot_default, policy},
    ready::{Readiness, health, readiness},
    table::{Context, Table, Value},
    value::{choice, lasting, name, octal},
};
use crate::{
    definition::{Body, Definition},
    diag::{Code, Diagnostic, all_of},
    fields::Kinds,
    layers,
    source::Located,
    text::{self, Draft, Syntax},
};
use rc::{
    Millis, Signal,
    model::{Back, Policy, ReadyWhen, Relation},
};

/// When a bundle is ready, besides a number.
pub const COUNTS: &[(&str, ReadyWhen)] = &[("all", ReadyWhen::All), ("any", ReadyWhen::AtLeast(1))];

/// Whether a failover goes back.
pub const RETURNS: &[(&str, Back)] =
    &[("sticky", Back::Sticky), ("prefer-first", Back::PreferFirst)];

/// How long an alternative of a failover is waited for, unless the definition says otherwise.
const PATIENCE: Millis = Millis::from_secs(30);

/// Reads the table of the service `called`.
pub fn service(cx: Context<'_>, called: Located<String>, mut table: Table<'_>) -> Definition {
    table.pass_over(&layers::OWN_KEYS);
    table.pass_over(&["template", "params"]);
    let allow = allow(cx, &mut table);
    cx.report.allow(&allow);
    let kind = kind(cx, &mut table);
    table.narrow(kind);
    let mut definition = Definition {
        allow,
        description: description(cx, &mut table),
        part_of: names(cx, &mut table, "part-of"),
        conflicts: names(cx, &mut table, "conflicts"),
        conditions: conditions(cx, &mut table),
        modules: modules(cx, &mut table),
        ..Definition::unknown(called)
    };
    let mut relations =
        vec![("needs", Relation::Needs), ("wants", Relation::Wants), ("after", Relation::After)];
    match kind {
        Some(Kinds::BUNDLE) => relations.push(("contents", Relation::Member)),
        Some(Kinds::FAILOVER) => relations.push(("alternatives", Relation::Alternative)),
        _ => {}
    }
    for (key, relation) in relations {
        let named = names(cx, &mut table, key);
        definition.relations.extend(named.into_iter().map(|name| (relation, name)));
    }
    (definition.on_change, definition.on_change_of) = on_change(cx, &mut table);
    if kind != Some(Kinds::FILE) {
        let short = if kind == Some(Kinds::BUNDLE) { Short::Reference } else { Short::Type };
        definition.outputs = outputs(cx, &mut table, short);
    }
    if !matches!(kind, Some(Kinds::BUNDLE | Kinds::FAILOVER | Kinds::FILE)) {
        definition.exec = exec(cx, &mut table);
        definition.reload = reload(cx, &mut table);
        definition.health = health(cx, &mut table);
        definition.on_failure = on_failure(cx, &mut table);
    }
    if kind == Some(Kinds::LONGRUN) {
        definition.kept = kept(cx, &mut table);
    }
    let down = &mut definition.timeout_down;
    let body = match kind {
        Some(Kinds::LONGRUN) => longrun(cx, &mut table, down),
        Some(Kinds::ONESHOT) => oneshot(cx, &mut table, down),
        Some(Kinds::BUNDLE) => Body::Bundle(ready_when(cx, &mut table)),
        Some(Kinds::FAILOVER) => failover(cx, &mut table),
        Some(Kinds::FILE) => file(cx, &mut table),
        _ => return definition,
    };
    definition.body = body;
    together(cx, &definition);
    fits(cx, &definition);
    table.finish(cx);
    definition
}

/// Reads the codes of warnings that are not wanted.
fn allow(cx: Context<'_>, table: &mut Table<'_>) -> Vec<Code> {
    let Some(value) = table.take("allow") else { return Vec::new() };
    let items = value.items(cx, "a list of codes such as [\"J0036\"]");
    let mut found = Vec::new();
    for item in &items {
        let Some(name) = item.string(cx, "a code such as \"J0036\"") else { continue };
        let known = Code::from_name(&name.value);
        match known.filter(|code| Code::ALLOWABLE.contains(code)) {
            Some(code) => found.push(code),
            None => {
                let message = if known.is_some() {
                    format!("`{}`: {} is not a warning", item.key, name.value)
                } else {
                    format!("`{}`: there is no code `{}`", item.key, name.value)
                };
                let codes = Code::ALLOWABLE.iter().map(|code| code.name());
                let help = format!("warnings are {}", all_of(codes));
                item.invalid(cx, Code::BadValue, message, &help);
            }
        }
    }
    found
}

/// Reports a required key that is not there.
pub fn missing(cx: Context<'_>, table: &Table<'_>, key: &str, help: &str) {
    let message = format!("{} has no `{key}`", table.what);
    cx.report.push(Diagnostic::error(Code::Missing, table.place, message).help(help));
}

fn kind(cx: Context<'_>, table: &mut Table<'_>) -> Option<Kinds> {
    let Some(value) = table.take("kind") else {
        missing(
            cx,
            table,
            "kind",
            "`kind` is `longrun`, `oneshot`, `bundle`, `failover` or `file`",
        );
        return None;
    };
    let word =
        value.string(cx, "\"longrun\", \"oneshot\", \"bundle\", \"failover\" or \"file\"")?;
    choice(cx, &value, &word.value, Kinds::WORDS, "")
}

fn description(cx: Context<'_>, table: &mut Table<'_>) -> String {
    let Some(value) = table.take("description") else { return String::new() };
    let Some(string) = value.text(cx, "a string") else { return String::new() };
    if string.value.contains('\n') {
        let help = "write longer explanations as comments";
        value.invalid(cx, Code::BadValue, "`description` has more than one line".into(), help);
    }
    string.value
}

fn names(cx: Context<'_>, table: &mut Table<'_>, key: &'static str) -> Vec<Located<String>> {
    let Some(value) = table.take(key) else { return Vec::new() };
    let strings = value.strings(cx, "a list of services such as [\"lan\"]");
    strings.into_iter().filter_map(|string| name(cx, string, "a service")).collect()
}

fn command(cx: Context<'_>, table: &mut Table<'_>, key: &'static str) -> Option<Vec<Draft>> {
    table.take(key).map(|value| argv(cx, &value))
}

/// A command: a list of arguments, the program first.
pub fn argv(cx: Context<'_>, value: &Value<'_>) -> Vec<Draft> {
    let items = value.items(cx, "a list of arguments such as [\"program\", \"-x\"]");
    let strings = items.iter().filter_map(|item| item.text(cx, "a string"));
    let argv: Vec<Draft> =
        strings.map(|s| text::parse(cx.report, &s, Syntax::References)).collect();
    let empty = match argv.first() {
        None => value.is_array() && items.is_empty(),
        Some(program) => program.constant() == Some(""),
    };
    if empty {
        let message = format!("`{}` names no program", value.key);
        value.invalid(cx, Code::BadValue, message, "the first element is the program");
    }
    argv
}

fn longrun(cx: Context<'_>, table: &mut Table<'_>, down: &mut Option<Located<Millis>>) -> Body {
    let run = command(cx, table, "run");
    if run.is_none() {
        missing(cx, table, "run", "a longrun needs `run = [\"PROGRAM\", \"ARGUMENT\"…]`");
    }
    let finish = command(cx, table, "finish");
    let Readiness { ready, check, pidfile, watchdog } = readiness(cx, table);
    let tty = table.take("tty").and_then(|value| absolute(cx, &value));
    let mut usual = Policy::default();
    if tty.is_some() {
        // Shells at a terminal take no notice of TERM; HUP is what they get when it is hung up.
        usual.stop.signal = Signal::Hup;
    }
    let mut policy = policy(cx, table, usual, down);
    finish_timeout(cx, table, &mut policy, finish.is_some());
    let run = run.unwrap_or_default();
    Body::Longrun { run, finish, ready, check, pidfile, watchdog, tty, policy }
}

fn oneshot(cx: Context<'_>, table: &mut Table<'_>, downs: &mut Option<Located<Millis>>) -> Body {
    let up = command(cx, table, "up");
    let down = command(cx, table, "down");
    Body::Oneshot { up, down, policy: policy(cx, table, oneshot_default(), downs) }
}

fn failover(cx: Context<'_>, table: &mut Table<'_>) -> Body {
    let mut back = Located { value: Back::Sticky, place: table.place };
    if let Some(value) = table.take("return")
        && let Some(word) = value.string(cx, "\"sticky\" or \"prefer-first\"")
        && let Some(found) = choice(cx, &value, &word.value, RETURNS, "")
    {
        back = Located { value: found, place: value.place };
    }
    let patience = table.take("patience").and_then(|value| lasting(cx, &value));
    Body::Failover { back, patience: patience.map_or(PATIENCE, |patience| patience.value) }
}

fn ready_when(cx: Context<'_>, table: &mut Table<'_>) -> Located<ReadyWhen> {
    let default = Located { value: ReadyWhen::All, place: table.place };
    let Some(value) = table.take("ready-when") else { return default };
    let found = if let Some(word) = value.as_string(cx) {
        choice(cx, &value, &word.value, COUNTS, ", or a number of members")
    } else {
        match value.as_integer(cx).map(u16::try_from) {
            Some(Ok(count)) if count > 0 => Some(ReadyWhen::AtLeast(count)),
            Some(_) => {
                let message = "`ready-when` must be between 1 and 65535".to_owned();
                value.invalid(cx, Code::BadValue, message, "or \"all\", or \"any\"");
                None
            }
            None => {
                value.wrong_type(cx, "\"all\", \"any\" or a number of members");
                None
            }
        }
    };
    Located { value: found.unwrap_or(ReadyWhen::All), place: value.place }
}

fn file(cx: Context<'_>, table: &mut Table<'_>) -> Body {
    let path = table.take("path");
    if path.is_none() {
        missing(cx, table, "path", "a file needs `path = \"/absolute/path\"`");
    }
    let text = table.take("text");
    if text.is_none() {
        missing(cx, table, "text", "a file needs `text = \"…\"`; it may be empty");
    }
    let mode = table.take("mode").and_then(|value| octal(cx, &value));
    let text = text.and_then(|value| value.text(cx, "a string"));
    let text = text.map(|string| text::parse(cx.report, &string, Syntax::Loops));
    match path.and_then(|value| absolute(cx, &value)) {
        Some(path) if path.value == "/" => {
            let message = "`path` cannot be the root directory";
            cx.report.push(Diagnostic::error(Code::BadValue, path.place, message));
            Body::Unknown
        }
        Some(path) => Body::File { path, text: text.unwrap_or_default(), mode },
        None => Body::Unknown,
    }
}
