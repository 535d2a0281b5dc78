//! How a service shows that it works: `ready` and `watchdog` of longruns, `health`.

use super::{
    exec::absolute,
    service::{argv, missing},
    table::{Context, Table, Value},
    value::{choice, count, lasting},
};
use crate::{
    definition::Health,
    diag::{Code, Diagnostic},
    fields::{HEALTH, READY},
    source::Located,
    text::Draft,
};
use rc::{Millis, model};

/// What `ready` may be as one word.
pub const READIES: &[(&str, model::Ready)] = &[
    ("started", model::Ready::Started),
    ("notify", model::Ready::Notify),
    ("outputs", model::Ready::Outputs),
];

/// From one run of a readiness check to the next, unless the definition says otherwise.
const CHECK_EVERY: Millis = Millis::from_secs(1);

/// From one run of a health check to the next, unless the definition says otherwise.
const HEALTH_EVERY: Millis = Millis::from_secs(30);

/// The bound of a health check, unless the definition says otherwise.
const HEALTH_TIMEOUT: Millis = Millis::from_secs(10);

/// After as many failed checks in a row the service has failed, unless the definition says otherwise.
const HEALTH_RETRIES: u32 = 3;

/// What a longrun's definition says about its readiness.
#[derive(Debug, Default)]
pub struct Readiness {
    /// How it tells.
    pub ready: Option<Located<model::Ready>>,
    /// The program of a check.
    pub check: Option<Vec<Draft>>,
    /// The file of a daemon that forks.
    pub pidfile: Option<Located<String>>,
    /// How often it must say that it is alive.
    pub watchdog: Option<Located<Millis>>,
}

/// Reads `ready` and `watchdog`.
pub fn readiness(cx: Context<'_>, table: &mut Table<'_>) -> Readiness {
    let mut found = Readiness::default();
    if let Some(value) = table.take("ready") {
        ready(cx, &value, &mut found);
    }
    if let Some(value) = table.take("watchdog") {
        found.watchdog = lasting(cx, &value);
        if !found.ready.is_some_and(|ready| ready.value == model::Ready::Notify) {
            let message = "`watchdog` without `ready = \"notify\"`";
            cx.report.push(Diagnostic::error(Code::Contradiction, value.place, message).help(
                "the daemon says `WATCHDOG=1` to NOTIFY_SOCKET, which it only has with \
                     `ready = \"notify\"`; for others there is `health`",
            ));
        }
    }
    found
}

fn ready(cx: Context<'_>, value: &Value<'_>, found: &mut Readiness) {
    const ALSO: &str = ", or one of { fd = N }, { check = [\"PROGRAM\"] } and { pidfile = \"…\" }";
    let located = |ready| Located { value: ready, place: value.place };
    if let Some(word) = value.as_string(cx) {
        found.ready = choice(cx, value, &word.value, READIES, ALSO).map(located);
        return;
    }
    let Some(mut table) =
        value.table(cx, "\"started\", \"notify\", \"outputs\" or a table", &READY)
    else {
        return;
    };
    let fd = table.take("fd");
    let check = table.take("check");
    let every = table.take("every");
    let pidfile = table.take("pidfile");
    let given: Vec<&Value<'_>> = [&fd, &check, &pidfile].into_iter().flatten().collect();
    match given.as_slice() {
        [] => {
            let help = "it has `fd`, `check` or `pidfile`, such as `{ fd = 3 }`";
            let message = format!("{} does not say how", table.what);
            cx.report.push(Diagnostic::error(Code::Missing, table.place, message).help(help));
        }
        [_] => {}
        [first, second, ..] => {
            let message = format!("both `{}` and `{}`", first.key, second.key);
            let help = "a service becomes ready in one way";
            second.invalid(cx, Code::Contradiction, message, help);
        }
    }
    if let (None, Some(every)) = (&check, &every) {
        let message = format!("`{}` without `check`", every.key);
        every.invalid(cx, Code::Contradiction, message, "only a check is run again and again");
    }
    let every = every.and_then(|value| lasting(cx, &value)).map_or(CHECK_EVERY, |e| e.value);
    if let Some(fd) = &fd {
        found.ready = descriptor(cx, fd).map(|fd| located(model::Ready::Fd(fd)));
    } else if let Some(check) = &check {
        found.check = Some(argv(cx, check));
        found.ready = Some(located(model::Ready::Check { every }));
    } else if let Some(pidfile) = &pidfile {
        found.pidfile = absolute(cx, pidfile);
        found.ready = Some(located(model::Ready::Pidfile));
    }
    table.finish(cx);
}

/// The kernel lets a process have descriptors below 1,024 unless it is told otherwise (getrlimit(2)).
pub const MAX_READY_FD: u16 = 1023;

fn descriptor(cx: Context<'_>, fd: &Value<'_>) -> Option<u16> {
    match fd.as_integer(cx).map(u16::try_from) {
        Some(Ok(number)) if (3..=MAX_READY_FD).contains(&number) => Some(number),
        Some(_) => {
            let help = "0, 1 and 2 are standard input, output and error; the daemon says which \
                        descriptor it notifies, often 3";
            let message = format!("`{}` must be between 3 and {MAX_READY_FD}", fd.key);
            fd.invalid(cx, Code::BadValue, message, help);
            None
        }
        None => {
            fd.wrong_type(cx, "the number of a descriptor");
            None
        }
    }
}

/// Reads `health`.
pub fn health(cx: Context<'_>, table: &mut Table<'_>) -> Option<Health> {
    let value = table.take("health")?;
    let expected = "a table such as { run = [\"PROGRAM\"], every = \"30s\" }";
    let mut table = value.table(cx, expected, &HEALTH)?;
    let run = table.take("run");
    if run.is_none() {
        missing(cx, &table, "run", "write `health = { run = [\"PROGRAM\", \"ARGUMENT\"…] }`");
    }
    let default = |millis| Located { value: millis, place: value.place };
    let every = table.take("every").and_then(|value| lasting(cx, &value));
    let every = every.unwrap_or_else(|| default(HEALTH_EVERY));
    let timeout = table.take("timeout").and_then(|value| lasting(cx, &value));
    let timeout = timeout.unwrap_or_else(|| default(HEALTH_TIMEOUT.min(every.value)));
    if timeout.value > every.value {
        let message = "`health.timeout` is longer than `health.every`";
        cx.report.push(
            Diagnostic::warning(Code::Timeouts, timeout.place, message)
                .help("a check that hangs would be noticed later than the next one is due"),
        );
    }
    let retries = table.take("retries").and_then(|value| count(cx, &value, 1));
    table.finish(cx);
    let run = argv(cx, &run?);
    Some(Health { run, every, timeout, retries: retries.unwrap_or(HEALTH_RETRIES) })
}
