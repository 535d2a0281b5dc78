//! The `[system]` tables of a tree, which are one by now and describe the machine.

use super::{
    boot::boot,
    exec::absolute,
    table::{Context, Table, Value},
    value::{duration, lasting, name, size_u32},
};
use crate::{
    definition::{System, Watchdog},
    diag::Code,
    fields::WATCHDOG,
    source::Located,
};
use rc::{Millis, model::MAX_CRITICAL};

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
    into.watchdog = table.take("watchdog").and_then(|value| watchdog(cx, &value));
    into.boot = boot(cx, &mut table);
    table.finish(cx);
    into
}

fn watchdog(cx: Context<'_>, value: &Value<'_>) -> Option<Watchdog> {
    let mut table = value.table(cx, "a table such as { needs = [\"SERVICE\"] }", &WATCHDOG)?;
    let mut needs: Vec<Located<String>> = Vec::new();
    if let Some(list) = table.take("needs") {
        for string in list.strings(cx, "a list of services") {
            let found = name(cx, string, "a service");
            needs.extend(found.filter(|new| needs.iter().all(|old| old.value != new.value)));
        }
        if needs.len() > MAX_CRITICAL {
            let message = format!("a watchdog cannot watch more than {MAX_CRITICAL} services");
            let help = "name a bundle that needs them all";
            list.invalid(cx, Code::TooLarge, message, help);
        }
    }
    let mut span = |key| table.take(key).and_then(|value| lasting(cx, &value));
    let (grace, boot, stall) = (span("grace"), span("boot"), span("stall"));
    let mut seconds = |key, least| {
        let value = table.take(key)?;
        let found = duration(cx, &value)?;
        if found.value.0 % 1000 == 0 && found.value >= least {
            return Some(found);
        }
        let message = format!("`{}` must be whole seconds, at least {}", value.key, least.0 / 1000);
        value.invalid(cx, Code::BadValue, message, "that is what watchdogs of the hardware know");
        None
    };
    // It is fed at half of its time.
    let (timeout, pretimeout) =
        (seconds("timeout", Millis::from_secs(2)), seconds("pretimeout", Millis::from_secs(1)));
    let device = table.take("device").and_then(|value| absolute(cx, &value));
    table.finish(cx);
    Some(Watchdog { place: value.place, needs, grace, boot, stall, device, timeout, pretimeout })
}

fn is_hostname(text: &str) -> bool {
    (1..=MAX_HOSTNAME).contains(&text.len())
        && !text.starts_with(['-', '.'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}
