//! The command `ifwait`: waits until predicates hold for an interface. Input: its command line and
//! the kernel's netlink messages. It polls nothing: it sleeps until the kernel tells of a change,
//! and never changes an interface.

use crate::args::{self, Command, HELP, Wait};
use crate::monitor::{Monitor, Turn, Watch};
use crate::predicate::Predicate;
use crate::table::Table;
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use std::fmt;
use std::io::{self, Write};
use std::time::Instant;
use supervisor::problem::{Problem, problem};

/// All predicates hold.
pub const MET: i32 = 0;
/// They did not in time.
pub const TIMED_OUT: i32 = 1;
/// The command line is wrong.
pub const USAGE: i32 = 2;
/// A system call failed.
pub const SYSTEM: i32 = 111;

/// Runs the applet with the words after its name; answers its exit code.
pub fn applet_main(args: Vec<String>, out: &mut dyn Write, err: &mut dyn Write) -> i32 {
    let result = match args::parse(args) {
        Ok(Command::Help) => print(out, format_args!("{HELP}")).map(|()| MET),
        Ok(Command::Version) => {
            print(out, format_args!("ifwait (jamb) {}\n", env!("CARGO_PKG_VERSION"))).map(|()| MET)
        }
        Ok(Command::Wait(wanted)) => wait(&wanted, out),
        Err(mistake) => {
            // With no standard error left, the exit code has to say it.
            writeln!(err, "jamb: ifwait: {mistake}; see ifwait --help").ok();
            return USAGE;
        }
    };
    result.unwrap_or_else(|problem| {
        // As above.
        writeln!(err, "jamb: ifwait: cannot {problem}; giving up").ok();
        SYSTEM
    })
}

fn print(out: &mut dyn Write, text: fmt::Arguments<'_>) -> Result<(), Problem> {
    let printed = out.write_fmt(text).and_then(|()| out.flush());
    printed.map_err(|error| problem!("write its output: {error}"))
}

fn wait(wanted: &Wait, out: &mut dyn Write) -> Result<i32, Problem> {
    let failed = |error: io::Error| problem!("watch {}: {error}", wanted.ifname);
    // A sum too far away to be a time is no deadline at all.
    let deadline = wanted.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let asks_routes = wanted.predicates.iter().any(|one| matches!(one, Predicate::Route(_)));
    let routes = asks_routes || wanted.verbose.is_some();
    let mut monitor = Monitor::new(if routes { Watch::Routes } else { Watch::LinksAndAddresses })
        .map_err(failed)?;
    let mut poll = Poll::new().map_err(failed)?;
    poll.registry().register(&mut monitor, Token(0), Interest::READABLE).map_err(failed)?;
    let mut events = Events::with_capacity(2);
    let mut table = Table::default();
    let mut shown = None;
    // The first judgement is made however short the time: so that 0 is "check once".
    let mut judged = false;
    loop {
        let turn = monitor.drain(&mut table).map_err(failed)?;
        if let Turn::Settled { .. } = turn {
            judged = true;
            let state = table.state(&wanted.ifname);
            if wanted.verbose.is_some() && shown != Some(state) {
                shown = Some(state);
                print(out, format_args!("{}: {state}\n", wanted.ifname))?;
            }
            if wanted.predicates.iter().all(|predicate| state.holds(*predicate)) {
                return Ok(MET);
            }
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if judged && left.is_some_and(|left| left.is_zero()) {
            return Ok(TIMED_OUT);
        }
        if turn == Turn::More {
            continue;
        }
        match poll.poll(&mut events, if judged { left } else { None }) {
            Err(error) if Errno::from_io_error(&error) != Some(Errno::INTR) => {
                return Err(failed(error));
            }
            // Interrupted by a signal, or out of time: the loop looks at the clock.
            Ok(()) | Err(_) => {}
        }
    }
}
