//! How services and events look: tables for people, JSON for programs. Pure; input is what PID 1 said.

use super::json::{array, number, object, string};
use crate::exit::reason;
use rc::{
    engine::{Notice, Phase, Role, Want, Why},
    proto::{Ending, Event, Item, Kind, What},
};
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
    }
}

/// The end's name.
pub const fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Reboot => "reboot",
        Ending::Poweroff => "poweroff",
        Ending::Halt => "halt",
    }
}

/// How a process ended, briefly.
pub fn exit(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal(number) => match Signal::from_number(i32::from(number)) {
            Some(signal) => format!("SIG{}", signal.name()),
            None => format!("signal {number}"),
        },
        Exit::NotStarted(failure) if failure.errno == 0 => {
            format!("cannot {}", failure.step.verb())
        }
        Exit::NotStarted(failure) => {
            format!("cannot {}: {}", failure.step.verb(), reason(failure.errno))
        }
    }
}

/// A span of time in at most six characters.
pub fn span(ms: u64) -> String {
    let secs = ms / 1000;
    match secs {
        0 => format!("{ms}ms"),
        1..100 => format!("{secs}s"),
        100..6000 => format!("{}m", secs / 60),
        6000..360_000 => format!("{}h", secs / 3600),
        _ => format!("{}d", secs / 86_400),
    }
}

/// What one would want to know about a service beyond its state.
pub fn detail(item: &Item) -> String {
    let last = item.last_exit.map(exit);
    match item.phase {
        Phase::Down if item.stopped_by_command => "stopped by command".to_owned(),
        Phase::Waiting if item.waiting_on.is_empty() => "for its members".to_owned(),
        Phase::Waiting => format!("for {}", item.waiting_on.join(" ")),
        Phase::Stopping if !item.waiting_on.is_empty() => {
            format!("after {}", item.waiting_on.join(" "))
        }
        Phase::Stopping => item.role.map_or(String::new(), |r| format!("{} runs", role(r))),
        Phase::Backoff => {
            let again =
                item.retry_ms.map_or(String::new(), |ms| format!("; again in {}", span(ms)));
            format!("{}{again}", last.unwrap_or_else(|| "failed".to_owned()))
        }
        Phase::Failed => match item.why {
            Some(Why::TooMany(how)) => format!("{}, {} times", exit(how), item.failures),
            Some(Why::Ended(how)) => exit(how),
            None => String::new(),
        },
        Phase::Ready if item.kind == Kind::Longrun && item.generation > 1 => {
            let last = last.map_or(String::new(), |last| format!("; before: {last}"));
            format!("run {}{last}", item.generation)
        }
        _ => String::new(),
    }
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
            span(item.since_ms),
            pid
        );
        let visible = line.chars().count() - if colour { on.len() + off.len() } else { 0 };
        let detail = cut(&detail(item), WIDTH.saturating_sub(visible).max(20));
        text.push_str((line + &detail).trim_end());
        text.push('\n');
    }
    text
}

/// One service for people, over several lines.
pub fn in_detail(item: &Item) -> String {
    let detail = detail(item);
    let colon = if detail.is_empty() { "" } else { ": " };
    let phase = item.phase.name();
    let mut text = format!("{}: {phase} for {}{colon}{detail}\n", item.name, span(item.since_ms));
    let by = if item.stopped_by_command { " (stopped by command)" } else { "" };
    text.push_str(&format!("  kind        {}\n", kind(item.kind)));
    text.push_str(&format!("  wanted      {}{by}\n", want(item.want)));
    if let Some(pid) = item.pid {
        let of = item.role.map_or("", role);
        text.push_str(&format!("  process     pid {pid} ({of})\n"));
    }
    text.push_str(&format!("  generation  {}\n", item.generation));
    if let Some(last) = item.last_exit {
        text.push_str(&format!("  last exit   {}\n", exit(last)));
    }
    if item.failures > 0 {
        text.push_str(&format!("  failures    {} in a row\n", item.failures));
    }
    if let Some(ms) = item.retry_ms {
        text.push_str(&format!("  retry       in {}\n", span(ms)));
    }
    if !item.waiting_on.is_empty() {
        text.push_str(&format!("  waiting on  {}\n", item.waiting_on.join(" ")));
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
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// One service as an object.
pub fn item_json(item: &Item) -> String {
    object(&[
        ("name", string(&item.name)),
        ("kind", string(kind(item.kind))),
        ("want", string(want(item.want))),
        ("state", string(item.phase.name())),
        ("pid", number(item.pid.map(u64::from))),
        ("generation", item.generation.to_string()),
        ("since_ms", item.since_ms.to_string()),
        ("waiting_on", array(item.waiting_on.iter().map(|name| string(name)))),
        ("last_exit", item.last_exit.map_or_else(|| "null".to_owned(), exit_json)),
        ("failures", item.failures.to_string()),
        ("retry_ms", number(item.retry_ms)),
        ("stopped_by_command", item.stopped_by_command.to_string()),
    ])
}

fn exit_json(how: Exit) -> String {
    let text = ("text", string(&exit(how)));
    match how {
        Exit::Code(code) => object(&[("code", code.to_string()), text]),
        Exit::Signal(number) => object(&[("signal", number.to_string()), text]),
        Exit::NotStarted(failure) => {
            let step = string(failure.step.verb());
            object(&[("step", step), ("errno", failure.errno.to_string()), text])
        }
    }
}

/// One event as an object on one line.
pub fn event_json(event: &Event) -> String {
    let mut fields = vec![
        ("number", event.number.to_string()),
        ("at_ms", event.at_ms.to_string()),
        ("service", string(&event.service)),
    ];
    match &event.what {
        What::Engine(Notice::Changed { from, to, .. }) => {
            fields.push(("event", string("state")));
            fields.push(("from", string(from.name())));
            fields.push(("to", string(to.name())));
        }
        What::Engine(Notice::Exited { incarnation, exit, timed_out }) => {
            fields.push(("event", string("exited")));
            fields.push(("role", string(role(incarnation.role))));
            fields.push(("generation", incarnation.generation.to_string()));
            fields.push(("exit", exit_json(*exit)));
            fields.push(("timed_out", timed_out.to_string()));
        }
        What::Engine(Notice::Settled { ready }) => {
            fields.push(("event", string("settled")));
            fields.push(("ready", ready.to_string()));
        }
        What::Engine(Notice::Bug { .. }) => fields.push(("event", string("bug"))),
        What::Spawned { pid, role: of } => {
            fields.push(("event", string("spawned")));
            fields.push(("role", string(role(*of))));
            fields.push(("pid", pid.to_string()));
        }
        What::Outputs(keys) => {
            fields.push(("event", string("outputs")));
            fields.push(("keys", array(keys.iter().map(|key| string(key)))));
        }
        What::Shutdown(how) => {
            fields.push(("event", string("shutdown")));
            fields.push(("how", string(ending(*how))));
        }
    }
    object(&fields)
}

/// One event for people.
pub fn event_text(event: &Event) -> String {
    let name = if event.service.is_empty() { "jamb" } else { &event.service };
    let what = match &event.what {
        What::Engine(Notice::Changed { from, to, .. }) => {
            format!("{} (was {})", to.name(), from.name())
        }
        What::Engine(Notice::Exited { incarnation, exit: how, timed_out }) => {
            let late = if *timed_out { ", it took too long" } else { "" };
            format!("{} ended: {}{late}", role(incarnation.role), exit(*how))
        }
        What::Engine(Notice::Settled { ready: true }) => "everything is ready".to_owned(),
        What::Engine(Notice::Settled { ready: false }) => "not everything is ready".to_owned(),
        What::Engine(Notice::Bug { .. }) => "a defect of jamb".to_owned(),
        What::Spawned { pid, role: of } => format!("{} has pid {pid}", role(*of)),
        What::Outputs(keys) if keys.is_empty() => "outputs are withdrawn".to_owned(),
        What::Outputs(keys) => format!("outputs: {}", keys.join(" ")),
        What::Shutdown(how) => format!("{} begins", ending(*how)),
    };
    format!("{:>9}.{:03}  {name}: {what}", event.at_ms / 1000, event.at_ms % 1000)
}
