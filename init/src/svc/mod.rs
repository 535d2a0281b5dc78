//! `svc`: the client. This file is the table of its commands; what they do is in [`query`] (reading)
//! and [`change`] (commanding).

mod args;
mod bootchart;
mod change;
mod client;
mod handover;
mod json;
mod logs;
mod outputs;
mod query;
mod relations;
mod selfcheck;
mod show;
mod switch;
mod why;

use crate::{
    applet::{Call, asked_for_help},
    exit::{self, Failure},
};
use args::{
    ALL, Allowed, Args, CONFIRM, FOLLOW, FOR_HELP, JSON, LINES, NO_WAIT, REVERSE, SINCE,
    SINCE_BOOT, TEMPORARY, TIMEOUT,
};
use core::fmt::Arguments;

pub use client::{Connection, Error, run_dir};

const HELP: &str = "\
usage: svc COMMAND [OPTION]… [NAME]…

  status [NAME]…          states; with names in detail        --json
  list                    names, one a line                   --json
  why NAME…               what keeps a service from being ready  --json
  tree [NAME]             what services are made of and need  --json
  deps NAME               its relations to others             --json -r
  start NAME…             start, with what it needs           -t -n
  stop NAME…              stop, with what depends on it       -t -n
  restart NAME…           stop and start again                -t -n
  reload NAME…            take over a changed configuration
  hold NAME… [up|down]    keep up or down, whatever else is asked
  release NAME…           hold no longer
  reset NAME…             forget failures, and try again
  signal SIGNAL NAME…     send a signal to the process
  wait NAME… [ready|down] wait for a state                    -t
  outputs NAME [KEY]      published values                    --follow --json
  log [NAME]…             logs, merged by time                -f -n LINES --since WHEN
  events                  what happens, as it happens         --json --all
  bootchart               when services got ready             --json
  selfcheck               how jamb itself is; 1 if not well  --json
  version                 of this program and the running one --json
  plan FILE               what another database would change  --json
  switch FILE             use it; what is the same goes on    -t --confirm TIME
  confirm                 the database in use stays, also for the next boot
  rollback                back to the database before         -t
  reexec                  execute jamb anew; services go on
  upgrade PATH            the same with another version, if it can take over

  -t, --timeout TIME      give up after 5 or 0.5 seconds, 45s, 2m, … (exit code 2)
  -n, --no-wait           do not wait for the result
  -n, --lines LINES       of log: only so many last lines
  -f, --follow            of log and outputs: go on until interrupted
  -r, --reverse           of deps: the relations of others to it
      --all               of events: begin with the first that is still kept
      --since WHEN        an age (10s 5m 2h 1d) or a time (2026-11-24T08:00:00Z)
      --confirm TIME      of switch: back after TIME unless svc confirm is said
      --temporary         of switch: the next boot has the database before

JAMB_RUN_DIR names the run directory of the jamb to talk to (default /run/jamb).

exit codes: 0 done, 1 failed, 2 timed out, 3 unknown service, 100 usage,
111 system error; of status NAME as LSB has it: 0 ready, 3 not ready,
4 unknown service
";

/// A command.
struct Command {
    name: &'static str,
    allowed: Allowed,
    run: fn(&Args) -> Result<i32, Failure>,
}

/// A command with any number of names.
const PLAIN: Allowed = Allowed { options: &[FOR_HELP], least: 0, most: usize::MAX };
/// One that shows something.
const SHOW: Allowed = Allowed { options: &[FOR_HELP, JSON], ..PLAIN };
/// One that does something to services.
const NAMES: Allowed = Allowed { least: 1, ..PLAIN };
/// One that changes what is wanted of services, and waits for it.
const CHANGE: Allowed = Allowed { options: &[FOR_HELP, TIMEOUT, NO_WAIT], ..NAMES };

const COMMANDS: &[Command] = &[
    Command { name: "status", allowed: SHOW, run: query::status },
    Command { name: "list", allowed: Allowed { most: 0, ..SHOW }, run: query::list },
    Command { name: "why", allowed: Allowed { least: 1, ..SHOW }, run: why::why },
    Command { name: "tree", allowed: Allowed { most: 1, ..SHOW }, run: relations::tree },
    Command {
        name: "deps",
        allowed: Allowed { options: &[FOR_HELP, JSON, REVERSE], least: 1, most: 1 },
        run: relations::deps,
    },
    Command { name: "start", allowed: CHANGE, run: change::start },
    Command { name: "stop", allowed: CHANGE, run: change::stop },
    Command { name: "restart", allowed: CHANGE, run: change::restart },
    Command { name: "reload", allowed: NAMES, run: change::reload },
    Command { name: "hold", allowed: NAMES, run: change::hold },
    Command { name: "release", allowed: NAMES, run: change::release },
    Command { name: "reset", allowed: NAMES, run: change::reset },
    Command { name: "signal", allowed: Allowed { least: 2, ..PLAIN }, run: change::signal },
    Command {
        name: "wait",
        allowed: Allowed { options: &[FOR_HELP, TIMEOUT], ..NAMES },
        run: change::wait,
    },
    Command {
        name: "outputs",
        allowed: Allowed { options: &[FOR_HELP, JSON, FOLLOW], least: 1, most: 2 },
        run: outputs::outputs,
    },
    Command {
        name: "log",
        allowed: Allowed { options: &[FOR_HELP, FOLLOW, LINES, SINCE], ..PLAIN },
        run: logs::log,
    },
    Command {
        name: "events",
        allowed: Allowed { options: &[FOR_HELP, JSON, ALL, SINCE_BOOT], least: 0, most: 0 },
        run: query::events,
    },
    Command { name: "bootchart", allowed: Allowed { most: 0, ..SHOW }, run: bootchart::bootchart },
    Command { name: "reexec", allowed: Allowed { most: 0, ..PLAIN }, run: handover::reexec },
    Command {
        name: "upgrade",
        allowed: Allowed { least: 1, most: 1, ..PLAIN },
        run: handover::upgrade,
    },
    Command {
        name: "plan",
        allowed: Allowed { options: &[FOR_HELP, JSON], least: 1, most: 1 },
        run: switch::plan,
    },
    Command {
        name: "switch",
        allowed: Allowed { options: &[FOR_HELP, TIMEOUT, CONFIRM, TEMPORARY], least: 1, most: 1 },
        run: switch::switch,
    },
    Command { name: "confirm", allowed: Allowed { most: 0, ..PLAIN }, run: switch::confirm },
    Command {
        name: "rollback",
        allowed: Allowed { options: &[FOR_HELP, TIMEOUT], most: 0, ..PLAIN },
        run: switch::rollback,
    },
    Command { name: "selfcheck", allowed: Allowed { most: 0, ..SHOW }, run: selfcheck::selfcheck },
    Command { name: "version", allowed: Allowed { most: 0, ..SHOW }, run: query::version },
];

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(exit::SYSTEM, format_args!("{error}"))
    }
}

/// The command line is wrong.
fn misused(problem: Arguments<'_>) -> Failure {
    Failure::new(exit::USAGE, format_args!("{problem}; see svc --help"))
}

/// There is no such service.
fn unknown(name: &str) -> Failure {
    Failure::new(exit::UNKNOWN, format_args!("there is no service {name}; svc list shows them"))
}

/// The applet.
pub fn main(call: Call) -> i32 {
    if let Some(code) = asked_for_help(&call, HELP) {
        return code;
    }
    let mut words = call.args;
    if words.is_empty() {
        exit::complain("svc", format_args!("a command is missing\n\n{}", HELP.trim_ascii_end()));
        return exit::USAGE;
    }
    let name = words.remove(0);
    let found = COMMANDS.iter().find(|command| name == command.name);
    let Some(command) = found else {
        let known: Vec<String> = COMMANDS.iter().map(|command| command.name.to_owned()).collect();
        let known = known.join(" ");
        return misused(format_args!("no command {name}; there are: {known}")).report("svc");
    };
    let result = match args::parse(command.name, &command.allowed, words) {
        Ok(None) => {
            exit::say(HELP);
            return exit::OK;
        }
        Ok(Some(args)) => (command.run)(&args),
        Err(problem) => Err(misused(format_args!("{problem}"))),
    };
    result.unwrap_or_else(|failure| failure.report("svc"))
}
