//! What a service does about changes and after its own failure: `on-change`, `reload`, `on-failure`.

use super::{
    service::argv,
    table::{Context, Table, Value},
    value::{choice, name, signal_named},
};
use crate::{
    definition::{Action, OnFailure},
    diag::{Code, Diagnostic},
    fields::{ACTION, FREE},
    source::Located,
};

/// The actions that are one word.
pub const ACTIONS: &[(&str, Word)] = &[
    ("restart", Word::Restart),
    ("render", Word::Render),
    ("ignore", Word::Ignore),
    ("reload", Word::Reload),
];

/// An action that is one word.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    /// See [`Action::Restart`].
    Restart,
    /// See [`Action::Render`].
    Render,
    /// See [`Action::Ignore`].
    Ignore,
    /// See [`Action::Reload`].
    Reload,
}

/// What `on-failure` may be beside `start NAME`.
pub const FAILURES: &[(&str, OnFailure)] =
    &[("ignore", OnFailure::Ignore), ("reboot", OnFailure::Reboot), ("rescue", OnFailure::Rescue)];

/// What `on-change` says: for all relations, and for single ones.
pub type OnChanges = (Option<Located<Action>>, Vec<(Located<String>, Located<Action>)>);

/// Reads `on-change`.
pub fn on_change(cx: Context<'_>, table: &mut Table<'_>) -> OnChanges {
    let Some(value) = table.take("on-change") else { return (None, Vec::new()) };
    if value.is_string() {
        return (action(cx, &value), Vec::new());
    }
    let Some(table) = value.table(cx, "an action such as \"restart\", or a table of them", &FREE)
    else {
        return (None, Vec::new());
    };
    let mut of = Vec::new();
    for (key, value) in table.entries() {
        let service = Located { value: key.value.to_owned(), place: key.place };
        let action = if value.is_table() { run(cx, &value) } else { action(cx, &value) };
        if let Some(action) = action {
            of.push((service, action));
        }
    }
    (None, of)
}

fn action(cx: Context<'_>, value: &Value<'_>) -> Option<Located<Action>> {
    const ALSO: &str = ", `signal NAME`, or for one service { run = [\"PROGRAM\"] }";
    let text = value.string(cx, "an action such as \"restart\"")?.value;
    let found = match text.strip_prefix("signal ") {
        Some(name) => signal_named(cx, value, name.trim()).map(Action::Signal),
        None => choice(cx, value, &text, ACTIONS, ALSO).map(|word| match word {
            Word::Restart => Action::Restart,
            Word::Render => Action::Render,
            Word::Ignore => Action::Ignore,
            Word::Reload => Action::Reload,
        }),
    };
    found.map(|action| Located { value: action, place: value.place })
}

/// `{ run = ["PROGRAM", …] }`.
fn run(cx: Context<'_>, value: &Value<'_>) -> Option<Located<Action>> {
    let mut table = value.table(cx, "a table such as { run = [\"PROGRAM\"] }", &ACTION)?;
    let run = table.take("run");
    if run.is_none() {
        let message = format!("{} has no `run`", table.what);
        cx.report.push(Diagnostic::error(Code::Missing, table.place, message).help(
            "write `{ run = [\"PROGRAM\", \"ARGUMENT\"…] }`, or an action such as \
                       \"restart\"",
        ));
    }
    table.finish(cx);
    let command = argv(cx, &run?);
    Some(Located { value: Action::Run(command), place: value.place })
}

/// Reads `reload`: `"signal NAME"` or a command.
pub fn reload(cx: Context<'_>, table: &mut Table<'_>) -> Option<Located<Action>> {
    let value = table.take("reload")?;
    let place = value.place;
    if value.is_array() {
        return Some(Located { value: Action::Run(argv(cx, &value)), place });
    }
    let text = value.string(cx, "\"signal NAME\" or a command such as [\"PROGRAM\"]")?.value;
    let Some(name) = text.strip_prefix("signal ") else {
        let message = format!("`{}` cannot be `{text}`", value.key);
        let help = "write \"signal HUP\", or a command such as [\"PROGRAM\", \"reload\"]";
        value.invalid(cx, Code::BadValue, message, help);
        return None;
    };
    let signal = signal_named(cx, &value, name.trim())?;
    Some(Located { value: Action::Signal(signal), place })
}

/// Reads `on-failure`.
pub fn on_failure(cx: Context<'_>, table: &mut Table<'_>) -> Option<Located<OnFailure>> {
    let value = table.take("on-failure")?;
    let string = value.string(cx, "\"ignore\", \"reboot\", \"rescue\" or \"start NAME\"")?;
    let found = if let Some(rest) = string.value.strip_prefix("start ") {
        let at = string.value.len() - rest.trim_start().len();
        let service = string.part(at..string.value.trim_end().len());
        OnFailure::Start(name(cx, service, "a service")?)
    } else {
        choice(cx, &value, &string.value, FAILURES, ", or `start NAME`")?
    };
    Some(Located { value: found, place: value.place })
}
