//! The `[system]` tables of a tree, which together describe the machine.

use super::{
    table::{Context, Table},
    value::{duration, name, size_u32},
};
use crate::{
    definition::System,
    diag::{Code, Diagnostic},
    source::Located,
};

/// The longest host name, in bytes: HOST_NAME_MAX of Linux, gethostname(2).
const MAX_HOSTNAME: usize = 64;

/// Adds one `[system]` table. A key that another one has already set is an error.
pub fn system(cx: Context<'_>, mut table: Table<'_>, into: &mut System) {
    if let Some(value) = table.take("hostname")
        && let Some(string) = value.string(cx, "a host name")
    {
        let found = Located { value: string.value, place: string.place };
        if is_hostname(&found.value) {
            set(cx, &mut into.hostname, found, "hostname");
        } else {
            let message = format!("`{}` is not a host name", found.value);
            let help =
                "letters, digits, `-` and `.`, at most 64 bytes, not starting with `-` or `.`";
            value.invalid(cx, Code::BadValue, message, help);
        }
    }
    if let Some(value) = table.take("default")
        && let Some(string) = value.string(cx, "the name of a service")
        && let Some(found) = name(cx, string, "a service")
    {
        set(cx, &mut into.default, found, "default");
    }
    if let Some(found) = table.take("shutdown-timeout").and_then(|v| duration(cx, &v)) {
        set(cx, &mut into.shutdown_timeout, found, "shutdown-timeout");
    }
    if let Some(found) = table.take("log-max-file").and_then(|v| size_u32(cx, &v)) {
        set(cx, &mut into.log_max_file, found, "log-max-file");
    }
    if let Some(found) = table.take("log-max-total").and_then(|v| size_u32(cx, &v)) {
        set(cx, &mut into.log_max_total, found, "log-max-total");
    }
    table.finish(cx);
}

fn set<T>(cx: Context<'_>, into: &mut Option<Located<T>>, found: Located<T>, key: &str) {
    if let Some(first) = into {
        cx.report.push(
            Diagnostic::error(Code::Twice, found.place, format!("`system.{key}` is set twice"))
                .label("set again here")
                .related(first.place, "first set here"),
        );
    } else {
        *into = Some(found);
    }
}

fn is_hostname(text: &str) -> bool {
    (1..=MAX_HOSTNAME).contains(&text.len())
        && !text.starts_with(['-', '.'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}
