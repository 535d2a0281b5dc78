//! The commands that change something, or wait for a change: start, stop, restart, reload, hold, release,
//! reset, signal, wait.

use super::{Connection, Error, args::Args, misused, query::unexpected, show};
use crate::exit::{self, Failure};
use rc::engine::Want;
use rc::proto::{Goal, Item, Reply, Request, Verb};
use std::time::{Duration, Instant};
use supervisor::signal::Signal;

/// `svc start`
pub fn start(args: &Args) -> Result<i32, Failure> {
    change(args, Verb::Start)
}

/// `svc stop`
pub fn stop(args: &Args) -> Result<i32, Failure> {
    change(args, Verb::Stop)
}

/// `svc restart`
pub fn restart(args: &Args) -> Result<i32, Failure> {
    change(args, Verb::Restart)
}

/// `svc reload`
pub fn reload(args: &Args) -> Result<i32, Failure> {
    tell(&args.names, Verb::Reload)
}

/// `svc reset`
pub fn reset(args: &Args) -> Result<i32, Failure> {
    tell(&args.names, Verb::Reset)
}

/// `svc hold`
pub fn hold(args: &Args) -> Result<i32, Failure> {
    let (want, names) = match args.names.split_last() {
        Some((word, names)) if word == "up" && !names.is_empty() => (Some(Want::Up), names),
        Some((word, names)) if word == "down" && !names.is_empty() => (Some(Want::Down), names),
        _ => (None, args.names.as_slice()),
    };
    tell(names, Verb::Hold(want))
}

/// `svc release`
pub fn release(args: &Args) -> Result<i32, Failure> {
    tell(&args.names, Verb::Release)
}

/// A change whose effect is not waited for.
fn tell(names: &[String], verb: Verb) -> Result<i32, Failure> {
    let request = Request::Change { verb, names: names.to_vec() };
    match Connection::open()?.ask(request)? {
        Reply::Tickets(_) => Ok(exit::OK),
        other => Err(unexpected(other)),
    }
}

fn change(args: &Args, verb: Verb) -> Result<i32, Failure> {
    let mut connection = Connection::open()?;
    let request = Request::Change { verb, names: args.names.clone() };
    let tickets = match connection.ask(request)? {
        Reply::Tickets(tickets) => tickets,
        other => return Err(unexpected(other)),
    };
    if args.no_wait {
        return Ok(exit::OK);
    }
    let mut waits = Waits::new(connection, args.timeout);
    for (name, generation) in tickets {
        let (goal, after) = match verb {
            Verb::Stop => (Goal::Down, 0),
            Verb::Restart => (Goal::ReadyAtOnce, generation),
            _ => (Goal::ReadyAtOnce, 0),
        };
        waits.wait(name, goal, after)?;
    }
    Ok(waits.code)
}

/// `svc wait`
pub fn wait(args: &Args) -> Result<i32, Failure> {
    let mut names = args.names.clone();
    let goal = match names.last().map(String::as_str) {
        Some("ready") => Some(Goal::Ready),
        Some("down") => Some(Goal::Down),
        _ => None,
    };
    if goal.is_some() && names.len() > 1 {
        names.pop();
    }
    let mut waits = Waits::new(Connection::open()?, args.timeout);
    for name in names {
        waits.wait(name, goal.unwrap_or(Goal::Ready), 0)?;
    }
    Ok(waits.code)
}

/// `svc signal`
pub fn signal(args: &Args) -> Result<i32, Failure> {
    let Some((word, names)) = args.names.split_first() else {
        return Err(misused(format_args!("signal needs a signal and a name")));
    };
    let Some(signal) = Signal::from_name(word) else {
        let problem = format_args!("{word} is no signal's name; HUP, TERM, USR1 are");
        return Err(misused(problem));
    };
    let mut connection = Connection::open()?;
    for name in names {
        match connection.ask(Request::Signal { name: name.clone(), signal })? {
            Reply::Done => {}
            other => return Err(unexpected(other)),
        }
    }
    Ok(exit::OK)
}

/// Waits for one service after the other, all within one bound.
struct Waits {
    connection: Connection,
    until: Option<Instant>,
    code: i32,
}

impl Waits {
    fn new(connection: Connection, timeout: Option<Duration>) -> Self {
        Self { connection, until: timeout.map(|span| Instant::now() + span), code: exit::OK }
    }

    fn wait(&mut self, name: String, goal: Goal, after: u32) -> Result<(), Failure> {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        let request = Request::Wait { name: name.clone(), goal, after };
        match self.connection.ask_within(request, left) {
            Ok(Reply::Waited { reached: true, .. }) => Ok(()),
            Ok(Reply::Waited { reached: false, item }) => {
                exit::complain("svc", format_args!("{}", not_reached(&item)));
                self.code = self.code.max(exit::FAILED);
                Ok(())
            }
            Ok(other) => Err(unexpected(other)),
            Err(Error::TimedOut) => {
                let state = match goal {
                    Goal::Down => "down",
                    Goal::Ready | Goal::ReadyAtOnce => "ready",
                };
                let text =
                    format_args!("{name} is not {state} yet; it goes on, svc why {name} shows how");
                exit::complain("svc", text);
                self.code = exit::TIMED_OUT;
                // The answer may still come on this connection; another one has a clean start.
                self.connection = Connection::open()?;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn not_reached(item: &Item) -> String {
    let detail = show::detail(item);
    let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
    format!("{} is {}{detail}", item.name, item.phase.name())
}
