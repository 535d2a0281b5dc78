//! `jamb supervise`: the services of a database without a machine: as any user, in containers, in tests.

use crate::{
    applet::{Call, asked_for_help},
    clock::Clock,
    exit,
    handover::{self, Handover},
    manager::{Manager, Paths, Report, Setup, Wish, below},
};
use core::ffi::c_int;
use libc::{SIGCHLD, SIGINT, SIGPIPE, SIGTERM};
use rc::{db::Database, engine::Graph, model::MAX_SERVICES, proto::Ending};
use rustix::{
    fd::OwnedFd,
    fs::{Mode, OFlags, open},
};
use std::path::Path;
use supervisor::{
    file::working_directory,
    options::{Known, Line},
    problem::{Problem, problem},
};

const HELP: &str = "\
usage: jamb supervise --db FILE --run-dir DIR [--log-dir DIR] [--target NAME] [--verbose]

Starts the services of a compiled database and keeps them as they are wanted,
without any duty of PID 1. Ends on SIGTERM or SIGINT after an orderly stop.

  --db FILE       the database, written by jambc compile
  --run-dir DIR   control socket, outputs and state; JAMB_RUN_DIR=DIR svc …
  --log-dir DIR   logs (default: DIR/log of the run directory)
  --target NAME   start this service instead of the database's own target
  --verbose       log every change of state

exit codes: 0 ended in order, 100 usage, 111 system error
";

/// The signals it listens to. SIGPIPE is among them so that a closed stderr does not end it.
const SIGNALS: &[c_int] = &[SIGCHLD, SIGTERM, SIGINT, SIGPIPE];

const fn meaning(signal: c_int) -> Option<Wish> {
    match signal {
        SIGCHLD => Some(Wish::Reap),
        SIGTERM | SIGINT => Some(Wish::End(Ending::Poweroff)),
        _ => None,
    }
}

const OPTIONS: &[Known] = &[
    Known::name(b'D', "db", "a file"),
    Known::name(b'R', "run-dir", "a directory"),
    Known::name(b'L', "log-dir", "a directory"),
    Known::name(b'T', "target", "a name"),
    Known::name(b'V', "verbose", ""),
    Known::name(b'H', handover::NAME, "a number"),
];

#[derive(Default)]
struct Options {
    db: Option<String>,
    run_dir: Option<String>,
    log_dir: Option<String>,
    target: Option<String>,
    verbose: bool,
}

/// The applet.
pub fn main(call: Call) -> i32 {
    if let Some(code) = asked_for_help(&call, HELP) {
        return code;
    }
    let mut line = vec!["jamb".to_owned(), "supervise".to_owned()];
    line.extend(handover::without_option(&call.args));
    let words: Vec<&str> = line.iter().map(String::as_str).collect();
    let handover = handover::take(&call.args, &words);
    let has_children = handover.is_some();
    let (db, run_dir, options) = match parse(call.args) {
        Ok(Options { db: Some(db), run_dir: Some(run_dir), log_dir, target, verbose }) => {
            (db, run_dir, Options { log_dir, target, verbose, ..Options::default() })
        }
        Ok(_) => return usage("--db and --run-dir are needed"),
        Err(problem) => return usage(&problem),
    };
    match supervise(&db, &run_dir, options, line, handover) {
        Ok(()) => exit::OK,
        Err(problem) => {
            let what =
                if has_children { "its services were stopped" } else { "nothing was started" };
            if has_children {
                handover::end_children();
            }
            exit::complain("jamb: supervise", format_args!("{problem}; {what}"));
            exit::SYSTEM
        }
    }
}

fn usage(problem: &str) -> i32 {
    exit::complain("jamb: supervise", format_args!("{problem}; see jamb supervise --help"));
    exit::USAGE
}

fn parse(args: Vec<String>) -> Result<Options, Problem> {
    let mut options = Options::default();
    let mut line = Line::new(args, OPTIONS);
    while let Some(mark) = line.read()? {
        match mark {
            b'D' => options.db = Some(line.take()),
            b'R' => options.run_dir = Some(line.take()),
            b'L' => options.log_dir = Some(line.take()),
            b'T' => options.target = Some(line.take()),
            b'V' => options.verbose = true,
            // It was looked at before.
            b'H' => {}
            _ => return Err(problem!("{} is no option", line.value)),
        }
    }
    Ok(options)
}

fn supervise(
    db: &str,
    run_dir: &str,
    options: Options,
    line: Vec<String>,
    mut handover: Option<Handover>,
) -> Result<(), Problem> {
    if let Some(why) = handover.as_ref().and_then(|handover| handover.degraded.as_ref()) {
        return end_degraded(why);
    }
    let (clock, loaded) = match &mut handover {
        None => (Clock::new(), load(Path::new(db))?),
        Some(handover) => (handover.clock(), handover.database()?),
    };
    let (database, graph, stored) = loaded;
    let target = match &options.target {
        Some(name) => Some(database.find(name).ok_or(format!("there is no service {name}"))?),
        None => graph.system.target,
    };
    // A daemon that forks becomes a child of ours, as it would of PID 1. Without it such services cannot be
    // followed, which is told when they start; before Linux 3.4 there is no such thing.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).ok();
    // Services are told these paths, and they may be anywhere.
    let log = options.log_dir.as_deref().map(absolute).transpose()?;
    let mut manager = Manager::new(Setup {
        clock,
        paths: Paths::of_directory(&absolute(run_dir)?, log, &absolute(db)?),
        database,
        stored,
        graph,
        report: Report::new(own_stderr(), options.verbose),
        signals: SIGNALS,
        meaning,
        target,
        log_to_console: false,
        oom_protected: false,
        attendant: None,
        rescue: None,
        guard: None,
        line,
        handover,
    })?;
    manager.run();
    // The kernel is faster at closing everything.
    core::mem::forget(manager);
    Ok(())
}

/// A path that means the same for everybody; an error is for people.
pub fn absolute(path: &str) -> Result<String, Problem> {
    if path.starts_with('/') {
        return Ok(path.to_owned());
    }
    let here = working_directory().map_err(|error| problem!("cannot use {path}: {error}"))?;
    let here = here.to_str().ok_or("the working directory is not UTF-8; name it otherwise")?;
    Ok(below(here, path))
}

/// It crashes again and again. The services may go on for a while; then they are told to end.
fn end_degraded(why: &str) -> Result<(), Problem> {
    let span = handover::DEGRADED.as_secs();
    exit::complain("jamb: handover", format_args!("{why}; it only reaps, and ends in {span} s"));
    handover::wait_degraded(SIGNALS, meaning, &mut || {});
    Err(why.into())
}

/// A database, what the engine needs of it, and a memfd that has it.
pub type Loaded = (Database, Graph, OwnedFd);

/// Reads and checks a database; an error is for people.
pub fn load(path: &Path) -> Result<Loaded, Problem> {
    let refuse = |problem: &str| problem!("cannot use {}: {problem}", path.display());
    // One byte more than is valid, so that what is too long is seen to be so.
    let bytes = crate::file::read(path, rc::db::MAX_LENGTH + 1);
    let bytes = bytes.map_err(|error| refuse(&exit::reason(error.raw_os_error())))?;
    let stored = handover::store(&bytes).map_err(|error| refuse(&error.to_string()))?;
    let (database, graph) = understand(bytes).map_err(|problem| refuse(&problem))?;
    debug_assert!(database.len() <= MAX_SERVICES);
    Ok((database, graph, stored))
}

/// A database from its bytes; an error is for people.
pub fn understand(bytes: Vec<u8>) -> Result<(Database, Graph), Problem> {
    let database = Database::new(bytes).map_err(|error| problem!("{error}"))?;
    let graph = Graph::load(&database).map_err(|error| problem!("{error}"))?;
    Ok((database, graph))
}

/// The standard error as an open file description of our own, so that not blocking on it is nobody
/// else's affair. A socket cannot be opened like this; then only the log is written.
fn own_stderr() -> Option<OwnedFd> {
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    open(c"/proc/self/fd/2", flags, Mode::empty()).ok()
}
