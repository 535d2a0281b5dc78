//! Times and retries: `restart`, `timeout-start`, `timeout-down`, `timeout-action`,
//! `timeout-finish`, `down-signal`.

use super::{
    table::{Context, Table, Value},
    value::{choice, count, duration, duration_of, duration_or_never, lasting, signal},
};
use crate::{
    diag::{Code, Diagnostic},
    fields::RESTART,
    source::Located,
};
use rc::{
    Backoff, Millis,
    model::{Policy, Restart},
};

/// What `restart` may be as one word.
pub const RESTARTS: &[(&str, Restart)] =
    &[("always", Restart::Always), ("on-failure", Restart::OnFailure), ("never", Restart::Never)];

/// What a oneshot does unless told otherwise: it is retried after a failure, ever more slowly, and
/// may take five minutes.
#[must_use]
pub fn oneshot_default() -> Policy {
    Policy {
        restart: Restart::OnFailure,
        backoff: Backoff { min: Millis::from_secs(1), max: Millis::from_secs(60) },
        start_timeout: Some(Millis::from_secs(5 * 60)),
        ..Policy::default()
    }
}

/// Reads the keys of a policy out of a service's table; `down` becomes its `timeout-down`.
pub fn policy(
    cx: Context<'_>,
    table: &mut Table<'_>,
    mut policy: Policy,
    down: &mut Option<Located<Millis>>,
) -> Policy {
    if let Some(value) = table.take("restart") {
        restart(cx, &value, &mut policy);
    }
    if let Some(limit) = table.take("timeout-start").and_then(|v| duration_or_never(cx, &v)) {
        policy.start_timeout = limit;
    }
    if let Some(grace) = table.take("timeout-down").and_then(|v| duration(cx, &v)) {
        policy.stop.grace = grace.value;
        *down = Some(grace);
    }
    if let Some(limit) = table.take("timeout-action").and_then(|v| lasting(cx, &v)) {
        policy.action_timeout = limit.value;
    }
    if let Some(signal) = table.take("down-signal").and_then(|v| signal(cx, &v)) {
        policy.stop.signal = signal;
    }
    policy
}

/// `timeout-finish`, which only a longrun has.
pub fn finish_timeout(cx: Context<'_>, table: &mut Table<'_>, policy: &mut Policy, finish: bool) {
    let Some(value) = table.take("timeout-finish") else { return };
    if let Some(limit) = duration(cx, &value) {
        policy.finish_timeout = limit.value;
    }
    if !finish {
        let message = "`timeout-finish` without a `finish` program";
        cx.report.push(
            Diagnostic::warning(Code::Contradiction, value.place, message)
                .help("add `finish = [\"PROGRAM\"]` or remove the timeout"),
        );
    }
}

fn restart(cx: Context<'_>, value: &Value<'_>, policy: &mut Policy) {
    const ALSO: &str = ", or { policy = …, backoff = \"100ms..30s\", max = N, permanent = […] }";
    if let Some(word) = value.as_string(cx) {
        if let Some(restart) = choice(cx, value, &word.value, RESTARTS, ALSO) {
            policy.restart = restart;
        }
        return;
    }
    let Some(mut table) =
        value.table(cx, "\"always\", \"on-failure\", \"never\" or a table", &RESTART)
    else {
        return;
    };
    if let Some(value) = table.take("policy")
        && let Some(word) = value.string(cx, "a string")
        && let Some(restart) = choice(cx, &value, &word.value, RESTARTS, "")
    {
        policy.restart = restart;
    }
    if let Some(value) = table.take("backoff")
        && let Some(backoff) = backoff(cx, &value)
    {
        policy.backoff = backoff;
    }
    if let Some(value) = table.take("max") {
        policy.max_restarts = count(cx, &value, 0).unwrap_or(policy.max_restarts);
    }
    if let Some(value) = table.take("permanent") {
        let codes = value.items(cx, "a list of exit codes such as [100, 111]");
        policy.permanent = codes.iter().filter_map(|value| exit_code(cx, value)).collect();
    }
    table.finish(cx);
}

fn exit_code(cx: Context<'_>, value: &Value<'_>) -> Option<u8> {
    match value.as_integer(cx).map(u8::try_from) {
        Some(Ok(code)) if code > 0 => Some(code),
        Some(_) => {
            let message = format!("`{}` must be between 1 and 255", value.key);
            value.invalid(cx, Code::BadValue, message, "0 means success");
            None
        }
        None => {
            value.wrong_type(cx, "an exit code");
            None
        }
    }
}

fn backoff(cx: Context<'_>, value: &Value<'_>) -> Option<Backoff> {
    let help = "write the first and the longest delay, such as \"100ms..30s\"";
    let text = value.string(cx, "two durations such as \"100ms..30s\"")?.value;
    let pair = text.split_once("..").map(|(min, max)| (duration_of(min), duration_of(max)));
    let Some((Some(min), Some(max))) = pair else {
        let message = format!("`{}`: `{text}` is not a pair of durations", value.key);
        value.invalid(cx, Code::Duration, message, help);
        return None;
    };
    if min > max {
        let message = format!("`{}`: the first delay is longer than the longest", value.key);
        value.invalid(cx, Code::Contradiction, message, help);
        return None;
    }
    Some(Backoff { min, max })
}
