//! The commands that read: status, list, events, version.

use super::{Connection, args::Args, json::Json, show, switch, unknown};
use crate::{
    applet::VERSION,
    exit::{self, Failure},
};
use rc::{
    engine::Phase,
    proto::{Info, Item, Reply, Request, Switching, Watchdog},
};
use rustix::termios::isatty;
use std::fmt::Write as _;

/// LSB's codes for `status NAME`, section "Init Script Actions".
const NOT_RUNNING: i32 = 3;
const STATUS_UNKNOWN: i32 = 4;

/// All services.
pub fn all(connection: &mut Connection) -> Result<Vec<Item>, Failure> {
    let mut all = Vec::new();
    let mut from = 0;
    loop {
        match connection.ask(Request::Status { from })? {
            Reply::Status { items, next } => {
                all.extend(items);
                match next {
                    // A page that does not lead on would lead round in circles.
                    Some(next) if next > from => from = next,
                    _ => return Ok(all),
                }
            }
            other => return Err(unexpected(other)),
        }
    }
}

/// One service.
pub fn one(connection: &mut Connection, name: &str) -> Result<Item, Failure> {
    match connection.ask(Request::Service { name: name.to_owned() })? {
        Reply::Status { mut items, .. } if items.len() == 1 => Ok(items.remove(0)),
        other => Err(unexpected(other)),
    }
}

/// Who answers.
pub fn info(connection: &mut Connection) -> Result<Info, Failure> {
    info_of(connection.ask(Request::Info)?)
}

/// The same from the answer.
pub fn info_of(reply: Reply) -> Result<Info, Failure> {
    match reply {
        Reply::Info(info) => Ok(info),
        other => Err(unexpected(other)),
    }
}

/// A reply that is not the one to the request.
pub fn unexpected(reply: Reply) -> Failure {
    match reply {
        Reply::Unknown(name) => unknown(&name),
        Reply::Refused(problem) => Failure::new(exit::FAILED, format_args!("{problem}")),
        _ => {
            let text = format_args!("jamb answered something else than what was asked");
            Failure::new(exit::SYSTEM, text)
        }
    }
}

/// `svc status`
pub fn status(args: &Args) -> Result<i32, Failure> {
    let mut connection = Connection::open()?;
    if args.names.is_empty() {
        let items = all(&mut connection)?;
        let info = info(&mut connection)?;
        let watchdog = &info.watchdog;
        if args.json {
            print_json(&items, watchdog.as_ref());
        } else {
            let mut text = show::table(&items, isatty(rustix::stdio::stdout()));
            if let Some(watchdog) = watchdog {
                text.push_str(&show::watchdog(watchdog));
            }
            if let Some(state) = switch::state(&info) {
                text.push_str(&(state + "\n"));
            }
            exit::say(&text);
        }
        return Ok(exit::OK);
    }
    let mut code = exit::OK;
    let mut items = Vec::new();
    for name in &args.names {
        match one(&mut connection, name) {
            Ok(item) => {
                if item.phase != Phase::Ready {
                    code = code.max(NOT_RUNNING);
                }
                items.push(item);
            }
            Err(failure) if failure.code() == exit::UNKNOWN => {
                failure.report("svc");
                code = STATUS_UNKNOWN;
            }
            Err(failure) => return Err(failure),
        }
    }
    if args.json {
        print_json(&items, None);
    } else {
        let texts: Vec<String> = items.iter().map(show::in_detail).collect();
        exit::say(&texts.join("\n"));
    }
    Ok(code)
}

fn print_json(items: &[Item], watchdog: Option<&Watchdog>) {
    let list = |json: &mut Json| items.iter().for_each(|item| show::item_json(json, item));
    let all = |json: &mut Json| {
        json.key("services").array(list);
        if let Some(watchdog) = watchdog {
            json.key("watchdog").object(|json| show::watchdog_json(json, watchdog));
        }
    };
    exit::say(&(Json::text(|json| json.object(all)) + "\n"));
}

/// `svc list`
pub fn list(args: &Args) -> Result<i32, Failure> {
    let items = all(&mut Connection::open()?)?;
    let text = if args.json {
        let names = |json: &mut Json| items.iter().for_each(|item| json.string(&item.name));
        Json::text(|json| json.array(names)) + "\n"
    } else {
        items.iter().map(|item| format!("{}\n", item.name)).collect()
    };
    exit::say(&text);
    Ok(exit::OK)
}

/// `svc events`
pub fn events(args: &Args) -> Result<i32, Failure> {
    // The first event has the number 1.
    let mut connection = follow(u64::from(args.all))?;
    loop {
        let reply = match connection.next(None) {
            // Another program goes on, which tells so with its first event. One that is over cannot be
            // connected to.
            Err(error) if error.is_end() => {
                connection = follow(1)?;
                continue;
            }
            reply => reply?,
        };
        let line = match reply {
            Reply::Event(event) if args.json => show::event_json(&event),
            Reply::Event(event) => show::event_text(&event),
            Reply::Lost(count) if args.json => {
                let lost = |json: &mut Json| {
                    json.named("event", "lost");
                    json.count("count", count);
                };
                Json::text(|json| json.object(lost))
            }
            Reply::Lost(count) => format!("{count} events were lost: this reader is too slow"),
            other => return Err(unexpected(other)),
        };
        // A reader that has gone ends it; there is nobody left to tell.
        if !exit::can_say(&(line + "\n")) {
            return Ok(exit::OK);
        }
    }
}

/// A connection over which events come.
pub fn follow(from: u64) -> Result<Connection, Failure> {
    let mut connection = Connection::open()?;
    match connection.ask(Request::Events { from })? {
        Reply::Done => Ok(connection),
        other => Err(unexpected(other)),
    }
}

/// `svc version`
pub fn version(args: &Args) -> Result<i32, Failure> {
    let info = info(&mut Connection::open()?)?;
    let text = if args.json {
        Json::text(|json| json.object(|json| info_fields(json, &info)))
    } else {
        let settled = info.settled_ms.map_or_else(
            || "boot goes on".to_owned(),
            |ms| format!("boot took {}.{:03} s", ms / 1000, ms % 1000),
        );
        let mut text = format!(
            "svc {VERSION}, jamb {} (pid {}), up for {}; {settled}\ndatabase {}",
            info.version,
            info.pid,
            show::Span(info.up_ms),
            hexadecimal(&info.database),
        );
        if info.reexecs + info.crashes > 0 {
            let (reexecs, crashes) = (info.reexecs, info.crashes);
            write!(text, "\nexecuted anew {reexecs} times, {crashes} crashes survived").ok();
        }
        if let Some(state) = switch::state(&info) {
            text.push('\n');
            text.push_str(&state);
        }
        if let Some(ending) = info.ending {
            write!(text, "\n{} is in progress", show::ending(ending)).ok();
        }
        text
    };
    exit::say(&(text + "\n"));
    Ok(exit::OK)
}

fn info_fields(json: &mut Json, info: &Info) {
    json.named("client", VERSION);
    json.named("version", &info.version);
    json.count("pid", info.pid.into());
    json.named("database", &hexadecimal(&info.database));
    json.count("up_ms", info.up_ms);
    json.count_or_null("settled_ms", info.settled_ms);
    json.count_or_null("collector_pid", info.collector_pid.map(u64::from));
    json.count("collector_starts", info.collector_starts.into());
    json.count("stale_events", info.stale_events);
    json.count("bugs", info.bugs);
    json.count("reexecs", info.reexecs.into());
    json.count("crashes", info.crashes.into());
    json.key("ending").text_or_null(info.ending.map(show::ending));
    json.named("database_path", &info.database_path);
    let (switching, back_ms) = match info.switching {
        None => (None, None),
        Some(Switching::Coming) => (Some("coming"), None),
        Some(Switching::Unconfirmed(ms)) => (Some("unconfirmed"), ms),
    };
    json.key("switching").text_or_null(switching);
    json.count_or_null("back_ms", back_ms.map(u64::from));
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
