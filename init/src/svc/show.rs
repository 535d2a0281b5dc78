//! How services and events look: tables for people, JSON for programs. Pure; input is what PID 1 said.

use super::json::Json;
use crate::exit::reason;
use rc::{
    engine::{Notice, Phase, Role, Want, Why},
    proto::{Condition, DogState, Ending, Event, Item, Kind, Watchdog, What},
};
use std::fmt::{self, Arguments, Write as _};
use supervisor::{exit::Exit, signal::Signal};

/// The widest name before columns give way.
const NAME_WIDTH: usize = 24;
/// The width of a line, if possible.
const WIDTH: usize = 80;

/// A kind's name.
pub const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Longrun => "longrun",
        Kind::Oneshot => "oneshot",
        Kind::Bundle => "bundle",
        Kind::Failover => "failover",
        Kind::File => "file",
    }
}

/// What is wanted.
pub const fn want(want: Want) -> &'static str {
    match want {
        Want::Up => "up",
        Want::Down => "down",
    }
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Run => "run",
        Role::Up => "up",
        Role::Down => "down",
        Role::Finish => "finish",
        Role::Write => "write",
        Role::Check(_) => "check",
        Role::Action { .. } => "action",
    }
}

/// The end's name.
pub const fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Reboot => "reboot",
        Ending::Poweroff => "poweroff",
        Ending::Halt => "halt",
        Ending::Kexec => "kexec",
    }
}

/// How a process ended, briefly.
pub struct Brief(pub Exit);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Exit::Code(code) => write!(f, "exit {code}"),
            Exit::Signal(number) => match Signal::from_number(i32::from(number)) {
                Some(signal) => write!(f, "SIG{}", signal.name()),
                None => write!(f, "signal {number}"),
            },
            Exit::NotStarted(failure) => {
                write!(f, "cannot {}", failure.step.verb())?;
                if failure.errno == 0 { Ok(()) } else { write!(f, ": {}", reason(failure.errno)) }
            }
        }
    }
}

/// A span of time of so many milliseconds, in at most six characters.
pub struct Span(pub u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0 / 1000;
        let (number, unit) = match secs {
            0 => (self.0, "ms"),
            1..100 => (secs, "s"),
            100..6000 => (secs / 60, "m"),
            6000..360_000 => (secs / 3600, "h"),
            _ => (secs / 86_400, "d"),
        };
        // In a table it has a width.
        f.pad(&format!("{number}{unit}"))
    }
}

/// What one would want to know about a service beyond its state.
pub fn detail(item: &Item) -> String {
    let mut text = String::new();
    // A string takes everything.
    let mut put = |words: Arguments<'_>| text.write_fmt(words).unwrap_or_default();
    let last = item.last_exit.map(Brief);
    match item.phase {
        Phase::Down if item.pinned.is_some() => put(format_args!("held down")),
        Phase::Down if item.stopped_by_command => put(format_args!("stopped by command")),
        Phase::Waiting if item.waiting_on.is_empty() => put(format_args!("for its members")),
        Phase::Waiting => put(format_args!("for {}", item.waiting_on.join(" "))),
        Phase::Stopping if !item.waiting_on.is_empty() => {
            put(format_args!("after {}", item.waiting_on.join(" ")));
        }
        Phase::Stopping => {
            if let Some(one) = item.role {
                put(format_args!("{} runs", role(one)));
            }
        }
        Phase::Backoff => {
            match last {
                Some(last) => put(format_args!("{last}")),
                None => put(format_args!("failed")),
            }
            if let Some(ms) = item.retry_ms {
                put(format_args!("; again in {}", Span(ms)));
            }
        }
        Phase::Failed => match item.why {
            Some(Why::Permanent(how)) => put(format_args!("for good: {}", Brief(how))),
            Some(Why::TooMany(how)) => {
                put(format_args!("{}, {} times", Brief(how), item.failures));
            }
            Some(Why::Ended(how)) => put(format_args!("{}", Brief(how))),
            None => {}
        },
        Phase::Ready if item.health_failures > 0 => {
            put(format_args!("{} failed health checks in a row", item.health_failures));
        }
        Phase::Ready if !item.status.is_empty() => put(format_args!("{}", item.status)),
        Phase::Ready if item.pinned.is_some() => put(format_args!("held up")),
        Phase::Ready if item.selected.is_some() => {
            put(format_args!("uses {}", item.selected.as_deref().unwrap_or_default()));
        }
        Phase::Ready if item.kind == Kind::Longrun && item.generation > 1 => {
            put(format_args!("run {}", item.generation));
            if let Some(last) = last {
                put(format_args!("; before: {last}"));
            }
        }
        _ => {}
    }
    text
}

const fn dog(state: DogState) -> &'static str {
    match state {
        DogState::Absent => "absent",
        DogState::Boot => "boot",
        DogState::Armed => "armed",
        DogState::Starving => "starving",
    }
}

/// The line about the watchdog below the services.
pub fn watchdog(watchdog: &Watchdog) -> String {
    let state = match watchdog.state {
        DogState::Absent => "no device".to_owned(),
        DogState::Starving => "not fed; it will reset the machine".to_owned(),
        state => format!(
            "{}, fed {} ago, resets after {}",
            dog(state),
            Span(watchdog.fed_ms),
            Span(watchdog.timeout_ms.into())
        ),
    };
    let last = if watchdog.has_reset { "; the last reset was the watchdog's" } else { "" };
    format!("watchdog: {state}{last}\n")
}

/// The same for programs.
pub fn watchdog_json(json: &mut Json, watchdog: &Watchdog) {
    json.named("state", dog(watchdog.state));
    json.count("timeout_ms", watchdog.timeout_ms.into());
    json.count("fed_ms", watchdog.fed_ms);
    json.flag("last_reset", watchdog.has_reset);
}

/// A table of services.
pub fn table(items: &[Item], colour: bool) -> String {
    let widest = items.iter().map(|item| item.name.len()).max().unwrap_or(0);
    let width = widest.clamp(7, NAME_WIDTH);
    let mut text = format!("{:<width$}  STATE     FOR     PID    DETAIL\n", "SERVICE");
    for item in items {
        let pid = item.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let (on, off) = if colour { (paint(item), "\x1b[0m") } else { ("", "") };
        let line = format!(
            "{:<width$}  {on}{:<8}{off}  {:<6}  {:<5}  ",
            item.name,
            item.phase.name(),
            Span(item.since_ms),
            pid
        );
        let visible = line.chars().count() - if colour { on.len() + off.len() } else { 0 };
        let detail = cut(&detail(item), WIDTH.saturating_sub(visible).max(20));
        text.push_str((line + &detail).trim_ascii_end());
        text.push('\n');
    }
    text
}

/// One service for people, over several lines.
pub fn in_detail(item: &Item) -> String {
    let detail = detail(item);
    let colon = if detail.is_empty() { "" } else { ": " };
    let phase = item.phase.name();
    let mut text = format!("{}: {phase} for {}{colon}{detail}\n", item.name, Span(item.since_ms));
    let mut row = |key: &str, value: Arguments<'_>| writeln!(text, "  {key:<12}{value}").ok();
    row("kind", format_args!("{}", kind(item.kind)));
    let by = if item.stopped_by_command { " (stopped by command)" } else { "" };
    row("wanted", format_args!("{}{by}", want(item.want)));
    if let Some(pinned) = item.pinned {
        row("held", format_args!("{}", want(pinned)));
    }
    if let Some(pid) = item.pid {
        row("process", format_args!("pid {pid} ({})", item.role.map_or("", role)));
    }
    row("generation", format_args!("{}", item.generation));
    if let Some(last) = item.last_exit {
        row("last exit", format_args!("{}", Brief(last)));
    }
    if item.failures > 0 {
        row("failures", format_args!("{} in a row", item.failures));
    }
    if let Some(ms) = item.retry_ms {
        row("retry", format_args!("in {}", Span(ms)));
    }
    if item.health_failures > 0 {
        row("health", format_args!("{} failures in a row", item.health_failures));
    }
    if let Some(selected) = &item.selected {
        row("uses", format_args!("{selected}"));
    }
    if item.reloading {
        row("now", format_args!("reloading"));
    }
    if !item.status.is_empty() {
        row("says", format_args!("{}", item.status));
    }
    for Condition { text, holds, now } in &item.conditions {
        let holds = if *holds { "holds" } else { "does not hold" };
        row("condition", format_args!("{text}: {holds}, now {now}"));
    }
    for note in &item.notes {
        row("note", format_args!("{note}"));
    }
    if !item.waiting_on.is_empty() {
        row("waiting on", format_args!("{}", item.waiting_on.join(" ")));
    }
    text
}

/// Green is up, red needs somebody, yellow is on its way.
const fn paint(item: &Item) -> &'static str {
    match item.phase {
        Phase::Ready => "\x1b[32m",
        Phase::Failed | Phase::Backoff => "\x1b[31m",
        Phase::Waiting | Phase::Starting | Phase::Stopping => "\x1b[33m",
        Phase::Down => "",
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// One service as an object.
pub fn item_json(json: &mut Json, item: &Item) {
    json.object(|json| {
        json.named("name", &item.name);
        json.named("kind", kind(item.kind));
        json.named("want", want(item.want));
        json.named("state", item.phase.name());
        json.count_or_null("pid", item.pid.map(u64::from));
        json.count("generation", item.generation.into());
        json.count("since_ms", item.since_ms);
        json.key("waiting_on").array(|json| item.waiting_on.iter().for_each(|on| json.string(on)));
        json.key("last_exit");
        match item.last_exit {
            Some(how) => exit_json(json, how),
            None => json.number(None),
        }
        json.count("failures", item.failures.into());
        json.count_or_null("retry_ms", item.retry_ms);
        json.flag("stopped_by_command", item.stopped_by_command);
        json.flag("dormant", item.dormant);
        json.key("pinned").text_or_null(item.pinned.map(want));
        json.flag("reloading", item.reloading);
        json.named("status", &item.status);
        json.key("conditions").array(|json| {
            item.conditions.iter().for_each(|condition| condition_json(json, condition));
        });
        json.key("selected").text_or_null(item.selected.as_deref());
        json.count("health_failures", item.health_failures.into());
        json.key("notes").array(|json| item.notes.iter().for_each(|note| json.string(note)));
    });
}

fn condition_json(json: &mut Json, condition: &Condition) {
    json.object(|json| {
        json.named("text", &condition.text);
        json.flag("holds", condition.holds);
        json.named("now", &condition.now);
    });
}

fn exit_json(json: &mut Json, how: Exit) {
    json.object(|json| {
        match how {
            Exit::Code(code) => json.count("code", code.into()),
            Exit::Signal(number) => json.count("signal", u64::from(number)),
            Exit::NotStarted(failure) => {
                json.named("step", failure.step.verb());
                json.count("errno", failure.errno.unsigned_abs().into());
            }
        }
        json.named("text", &Brief(how).to_string());
    });
}

/// One event as an object on one line.
pub fn event_json(event: &Event) -> String {
    Json::text(|json| json.object(|json| event_fields(json, event)))
}

fn event_fields(json: &mut Json, event: &Event) {
    json.count("number", event.number);
    json.count("at_ms", event.at_ms);
    json.named("service", &event.service);
    json.key("event");
    match &event.what {
        What::Engine(Notice::Changed { from, to, .. }) => {
            json.string("state");
            json.named("from", from.name());
            json.named("to", to.name());
        }
        What::Engine(Notice::Exited { incarnation, exit, timed_out }) => {
            json.string("exited");
            json.named("role", role(incarnation.role));
            json.count("generation", incarnation.generation.into());
            exit_json(json.key("exit"), *exit);
            json.flag("timed_out", *timed_out);
        }
        What::Engine(Notice::Settled { ready }) => {
            json.string("settled");
            json.flag("ready", *ready);
        }
        What::Engine(Notice::Bug { .. }) => json.string("bug"),
        What::Spawned { pid, role: of } => {
            json.string("spawned");
            json.named("role", role(*of));
            json.count("pid", (*pid).into());
        }
        What::Outputs(keys) => {
            json.string("outputs");
            json.key("keys").array(|json| keys.iter().for_each(|key| json.string(key)));
        }
        What::Condition { index, holds } => {
            json.string("condition");
            json.count("index", (*index).into());
            json.flag("holds", *holds);
        }
        What::Resumed { crashes, reexecs } => {
            json.string("resumed");
            json.count("crashes", (*crashes).into());
            json.count("reexecs", (*reexecs).into());
        }
        What::Shutdown(how) => {
            json.string("shutdown");
            json.named("how", ending(*how));
        }
    }
}

/// One event for people.
pub fn event_text(event: &Event) -> String {
    let name = if event.service.is_empty() { "jamb" } else { &event.service };
    let (secs, ms) = (event.at_ms / 1000, event.at_ms % 1000);
    let mut text = format!("{secs:>9}.{ms:03}  {name}: ");
    let mut put = |words: Arguments<'_>| text.write_fmt(words).unwrap_or_default();
    match &event.what {
        What::Engine(Notice::Changed { from, to, .. }) => {
            put(format_args!("{} (was {})", to.name(), from.name()));
        }
        What::Engine(Notice::Exited { incarnation, exit, timed_out }) => {
            let late = if *timed_out { ", it took too long" } else { "" };
            put(format_args!("{} ended: {}{late}", role(incarnation.role), Brief(*exit)));
        }
        What::Engine(Notice::Settled { ready: true }) => put(format_args!("everything is ready")),
        What::Engine(Notice::Settled { ready: false }) => {
            put(format_args!("not everything is ready"));
        }
        What::Engine(Notice::Bug { .. }) => put(format_args!("a defect of jamb")),
        What::Spawned { pid, role: of } => put(format_args!("{} has pid {pid}", role(*of))),
        What::Outputs(keys) if keys.is_empty() => put(format_args!("outputs are withdrawn")),
        What::Outputs(keys) => put(format_args!("outputs: {}", keys.join(" "))),
        What::Shutdown(how) => put(format_args!("{} begins", ending(*how))),
        What::Resumed { crashes, reexecs } => put(format_args!(
            "executed anew ({reexecs} times so far; {crashes} crashes); all goes on"
        )),
        What::Condition { index, holds } => {
            let holds = if *holds { "holds" } else { "does not hold" };
            put(format_args!("condition {index} {holds}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::why::tests::item, *};
    use supervisor::exit::{SpawnFailure, SpawnStep};

    #[test]
    fn columns_stand_below_each_other() {
        let mut wan = item("wan", Phase::Ready, &[]);
        (wan.pid, wan.generation, wan.since_ms) = (Some(84), 3, 5_999_000);
        let mut route = item("default-route", Phase::Waiting, &["wan", "lan"]);
        route.since_ms = 250;
        let want = "\
SERVICE        STATE     FOR     PID    DETAIL
wan            ready     99m     84     run 3; before: exit 1
default-route  waiting   250ms   -      for wan lan
";
        assert_eq!(table(&[wan, route], false), want);
    }

    #[test]
    fn a_span_has_at_most_six_characters() {
        let spans = [0, 999, 99_999, 100_000, 5_999_999, 6_000_000, 359_999_999, 360_000_000];
        let shown = spans.map(|ms| Span(ms).to_string());
        assert_eq!(shown, ["0ms", "999ms", "99s", "1m", "99m", "1h", "99h", "4d"]);
    }

    #[test]
    fn details_say_how_it_ended_and_what_comes() {
        let not_started = |errno| Exit::NotStarted(SpawnFailure { step: SpawnStep::Exec, errno });
        for (how, want) in [
            (Exit::Signal(9), "SIGKILL; again in 2s"),
            (Exit::Signal(200), "signal 200; again in 2s"),
            (not_started(0), "cannot execute; again in 2s"),
            (not_started(2), "cannot execute: No such file or directory (errno 2); again in 2s"),
        ] {
            let mut one = item("x", Phase::Backoff, &[]);
            one.last_exit = Some(how);
            assert_eq!(detail(&one), want);
        }
        let mut failed = item("x", Phase::Failed, &[]);
        (failed.why, failed.failures) = (Some(Why::TooMany(Exit::Code(1))), 5);
        assert_eq!(detail(&failed), "exit 1, 5 times");
        assert_eq!(detail(&item("x", Phase::Stopping, &["y"])), "after y");
    }
}
