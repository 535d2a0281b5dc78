//! The `[system]` tables of a tree, which are one by now and describe the machine.

use super::{
    table::{Context, Table},
    value::{duration, name, size_u32},
};
use crate::{definition::System, diag::Code, source::Located};

/// The longest host name, in bytes: HOST_NAME_MAX of Linux, gethostname(2).
const MAX_HOSTNAME: usize = 64;

/// Reads the machine's table.
pub fn system(cx: Context<'_>, mut table: Table<'_>) -> System {
    let mut into = System::default();
    table.pass_over(&["override"]);
    if let Some(value) = table.take("hostname")
        && let Some(string) = value.string(cx, "a host name")
    {
        let found = Located { value: string.value, place: string.place };
        if is_hostname(&found.value) {
            into.hostname = Some(found);
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
        into.default = Some(found);
    }
    if let Some(found) = table.take("shutdown-timeout").and_then(|v| duration(cx, &v)) {
        into.shutdown_timeout = Some(found);
    }
    if let Some(found) = table.take("log-max-file").and_then(|v| size_u32(cx, &v)) {
        into.log_max_file = Some(found);
    }
    if let Some(found) = table.take("log-max-total").and_then(|v| size_u32(cx, &v)) {
        into.log_max_total = Some(found);
    }
    table.finish(cx);
    into
}

fn is_hostname(text: &str) -> bool {
    (1..=MAX_HOSTNAME).contains(&text.len())
        && !text.starts_with(['-', '.'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}
