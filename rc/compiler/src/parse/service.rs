//! One `[service.NAME]` table: which keys each kind has, and what their values may be.

use super::{
    exec::{absolute, exec, outputs},
    policy::{finish_timeout, oneshot_default, policy},
    table::{Context, Table, Value},
    value::{choice, name, octal, signal_named},
};
use crate::{
    definition::{Body, Definition, Exec},
    diag::{Code, Diagnostic},
    source::Located,
    text::{self, Draft, Syntax},
};
use rc::model::{OnChange, Policy, Ready, ReadyWhen, Relation};

/// What `kind` may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Longrun,
    Oneshot,
    Bundle,
    File,
}

const KINDS: &[(&str, Kind)] = &[
    ("longrun", Kind::Longrun),
    ("oneshot", Kind::Oneshot),
    ("bundle", Kind::Bundle),
    ("file", Kind::File),
];

/// The keys that only some kinds have, and which.
const KEYS_OF_KINDS: &[(&str, &str)] = &[
    ("run", "longruns"),
    ("finish", "longruns"),
    ("ready", "longruns"),
    ("timeout-finish", "longruns"),
    ("up", "oneshots"),
    ("down", "oneshots"),
    ("contents", "bundles"),
    ("ready-when", "bundles"),
    ("path", "files"),
    ("text", "files"),
    ("mode", "files"),
    ("outputs", "longruns and oneshots"),
    ("user", "longruns and oneshots"),
    ("group", "longruns and oneshots"),
    ("groups", "longruns and oneshots"),
    ("env", "longruns and oneshots"),
    ("cwd", "longruns and oneshots"),
    ("umask", "longruns and oneshots"),
    ("limits", "longruns and oneshots"),
    ("restart", "longruns and oneshots"),
    ("timeout-start", "longruns and oneshots"),
    ("timeout-down", "longruns and oneshots"),
    ("down-signal", "longruns and oneshots"),
];

/// Reads the table of the service `called`.
pub fn service(cx: Context<'_>, called: Located<String>, mut table: Table<'_>) -> Definition {
    let kind = kind(cx, &mut table);
    let mut definition = Definition {
        description: description(cx, &mut table),
        relations: Vec::new(),
        part_of: names(cx, &mut table, "part-of"),
        on_change: None,
        on_change_of: Vec::new(),
        outputs: Vec::new(),
        exec: Exec::default(),
        body: Body::Unknown,
        name: called,
    };
    let mut relations =
        vec![("needs", Relation::Needs), ("wants", Relation::Wants), ("after", Relation::After)];
    if kind == Some(Kind::Bundle) {
        relations.push(("contents", Relation::Member));
    }
    for (key, relation) in relations {
        let named = names(cx, &mut table, key);
        definition.relations.extend(named.into_iter().map(|name| (relation, name)));
    }
    if let Some(value) = table.take("on-change") {
        on_change(cx, &value, &mut definition);
    }
    if !matches!(kind, Some(Kind::Bundle | Kind::File)) {
        definition.outputs = outputs(cx, &mut table);
        definition.exec = exec(cx, &mut table);
    }
    definition.body = match kind {
        Some(Kind::Longrun) => longrun(cx, &mut table),
        Some(Kind::Oneshot) => oneshot(cx, &mut table),
        Some(Kind::Bundle) => Body::Bundle(ready_when(cx, &mut table)),
        Some(Kind::File) => file(cx, &mut table),
        None => return definition,
    };
    let this = definition.kind();
    table.finish(cx, |key| {
        let (_, kinds) = KEYS_OF_KINDS.iter().find(|(known, _)| *known == key)?;
        Some(format!("`{key}` is a key of {kinds}; this is a {this}"))
    });
    definition
}

fn missing(cx: Context<'_>, table: &Table<'_>, key: &str, help: &str) {
    let message = format!("{} has no `{key}`", table.what);
    cx.report.push(Diagnostic::error(Code::Missing, table.place, message).help(help));
}

fn kind(cx: Context<'_>, table: &mut Table<'_>) -> Option<Kind> {
    let Some(value) = table.take("kind") else {
        missing(cx, table, "kind", "`kind` is `longrun`, `oneshot`, `bundle` or `file`");
        return None;
    };
    let word = value.string(cx, "\"longrun\", \"oneshot\", \"bundle\" or \"file\"")?;
    choice(cx, &value, &word.value, KINDS, "")
}

fn description(cx: Context<'_>, table: &mut Table<'_>) -> String {
    let Some(value) = table.take("description") else { return String::new() };
    let Some(string) = value.string(cx, "a string") else { return String::new() };
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
    let value = table.take(key)?;
    let strings = value.strings(cx, "a list of arguments such as [\"program\", \"-x\"]");
    let argv: Vec<Draft> =
        strings.iter().map(|s| text::parse(cx.report, s, Syntax::References)).collect();
    let empty = match argv.first() {
        None => value.value.as_array().is_some_and(|array| array.is_empty()),
        Some(program) => program.constant() == Some(""),
    };
    if empty {
        let message = format!("`{key}` names no program");
        value.invalid(cx, Code::BadValue, message, "the first element is the program");
    }
    Some(argv)
}

fn longrun(cx: Context<'_>, table: &mut Table<'_>) -> Body {
    let run = command(cx, table, "run");
    if run.is_none() {
        missing(cx, table, "run", "a longrun needs `run = [\"PROGRAM\", \"ARGUMENT\"…]`");
    }
    let finish = command(cx, table, "finish");
    let ready = table.take("ready").and_then(|value| ready(cx, &value));
    let mut policy = policy(cx, table, Policy::default());
    finish_timeout(cx, table, &mut policy, finish.is_some());
    Body::Longrun { run: run.unwrap_or_default(), finish, ready, policy }
}

fn ready(cx: Context<'_>, value: &Value<'_>) -> Option<Located<Ready>> {
    const WORDS: &[(&str, Ready)] =
        &[("started", Ready::Started), ("notify", Ready::Notify), ("outputs", Ready::Outputs)];
    let located = |ready| Located { value: ready, place: value.place };
    if let Some(word) = value.as_string(cx) {
        return choice(cx, value, &word.value, WORDS, ", or { fd = N }").map(located);
    }
    let mut table = value.table(cx, "\"started\", \"notify\", \"outputs\" or { fd = N }")?;
    let fd = table.take("fd");
    if fd.is_none() {
        missing(cx, &table, "fd", "write for example `{ fd = 3 }`");
    }
    table.finish(cx, |_| None);
    let fd = fd?;
    match fd.as_integer().map(u16::try_from) {
        Some(Ok(number)) if number > 2 => Some(located(Ready::Fd(number))),
        Some(_) => {
            let help = "0, 1 and 2 are standard input, output and error; the daemon says which \
                        descriptor it notifies, often 3";
            let message = format!("`{}` must be between 3 and 65535", fd.key);
            fd.invalid(cx, Code::BadValue, message, help);
            None
        }
        None => {
            fd.wrong_type(cx, "the number of a descriptor");
            None
        }
    }
}

fn oneshot(cx: Context<'_>, table: &mut Table<'_>) -> Body {
    let up = command(cx, table, "up");
    let down = command(cx, table, "down");
    Body::Oneshot { up, down, policy: policy(cx, table, oneshot_default()) }
}

fn ready_when(cx: Context<'_>, table: &mut Table<'_>) -> Located<ReadyWhen> {
    const WORDS: &[(&str, ReadyWhen)] = &[("all", ReadyWhen::All), ("any", ReadyWhen::AtLeast(1))];
    let default = Located { value: ReadyWhen::All, place: table.place };
    let Some(value) = table.take("ready-when") else { return default };
    let found = if let Some(word) = value.as_string(cx) {
        choice(cx, &value, &word.value, WORDS, ", or a number of members")
    } else {
        match value.as_integer().map(u16::try_from) {
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
    let text = text.and_then(|value| value.string(cx, "a string"));
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

fn on_change(cx: Context<'_>, value: &Value<'_>, definition: &mut Definition) {
    if value.value.as_str().is_some() {
        definition.on_change = action(cx, value);
        return;
    }
    let Some(table) = value.table(cx, "an action such as \"restart\", or a table of them") else {
        return;
    };
    for (key, value) in table.entries() {
        let service = Located { value: key.value.to_owned(), place: key.place };
        if let Some(action) = action(cx, &value) {
            definition.on_change_of.push((service, action));
        }
    }
}

fn action(cx: Context<'_>, value: &Value<'_>) -> Option<Located<OnChange>> {
    const WORDS: &[(&str, OnChange)] = &[
        ("restart", OnChange::Restart),
        ("render", OnChange::Render),
        ("ignore", OnChange::Ignore),
    ];
    let text = value.string(cx, "an action such as \"restart\"")?.value;
    let found = match text.strip_prefix("signal ") {
        Some(name) => signal_named(cx, value, name.trim()).map(OnChange::Signal),
        None => choice(cx, value, &text, WORDS, ", or `signal NAME`"),
    };
    found.map(|action| Located { value: action, place: value.place })
}
