//! PID 1: what a machine needs before and after its services. Brings up the file systems, chooses the
//! console, loads the database, runs the manager, and ends the machine.
//!
//! It must never return and never panic: either is a kernel panic. What goes wrong is said on the
//! console and leads to the rescue shell.

mod cmdline;
mod console;
mod kept;
mod last;
mod modules;
pub mod mounts;
mod power;
mod program;
mod rescue;
mod setup;
mod swap;
pub mod watchdog;

use crate::{
    applet::{Call, VERSION, asked_for_help},
    clock::Clock,
    exit, file,
    handover::{self, Handover},
    manager::{End, Guard, Manager, NO_OOM_PROTECTION, Paths, Report, Rescue, Setup, Wish},
    root,
    supervise::{self, Loaded},
};
use cmdline::Cmdline;
use core::ffi::c_int;
use libc::{SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use rc::{
    Instant, Millis,
    boot::{Op, Step},
    db::{Database, MAX_LENGTH},
    engine::Graph,
    proto::Ending,
};
use rustix::fs::{Mode, OFlags};
use rustix::system::{RebootCommand, reboot, sethostname};
use std::{path::Path, time::Duration};
use supervisor::problem::{Problem, problem};
use watchdog::Device;

pub use power::end_now;

const HELP: &str = "\
usage: init, as PID 1 only: put jamb into the image as /init or /sbin/init

Kernel command line:
  jamb.db=FILE       the database (default /etc/jamb/services.db)
  jamb.target=NAME   start this service instead of the database's own target
  jamb.debug         log every change of state; all logs also on the console
  jamb.rescue=WHAT   shell (the default), reboot, or seconds until the reboot, when there is
                     no usable database or no root
  jamb.watchdog=DEV  use this watchdog, from the first moment on; off: none
  single             the rescue shell instead of services
  root=DEVICE        what an initramfs that looks for a root mounts, with rootfstype=,
                     rootflags=, ro, rw, rootwait[=SECONDS], rootdelay=SECONDS, init=PROGRAM

Signals, as BusyBox init has them: USR1 halt, USR2 poweroff, TERM reboot,
INT reboot (ctrl-alt-del), PWR poweroff. In a container, TERM is poweroff.
";

/// What a watchdog gets before the database says more.
const EARLY: Millis = Millis::from_secs(30);

/// What the program is called when it is executed anew.
const NAME: &str = "init";

/// How long a root is waited for that only the command line names.
const ROOT_WAIT: Millis = Millis::from_secs(10);

/// How long a program may take that prepares a root.
const PROGRAM: Millis = Millis::from_secs(60);

const DATABASE: &str = "/etc/jamb/services.db";

/// Handled signals. PID 1 gets no signal that it has no handler for; signal(7), kill(2).
const SIGNALS: &[c_int] =
    &[SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP, SIGQUIT, SIGPIPE, libc::SIGPWR];

const fn on_machine(signal: c_int) -> Option<Wish> {
    match signal {
        SIGCHLD => Some(Wish::Reap),
        SIGTERM | SIGINT => Some(Wish::End(Ending::Reboot)),
        SIGUSR1 => Some(Wish::End(Ending::Halt)),
        SIGUSR2 | libc::SIGPWR => Some(Wish::End(Ending::Poweroff)),
        _ => None,
    }
}

const fn in_container(signal: c_int) -> Option<Wish> {
    match signal {
        SIGTERM => Some(Wish::End(Ending::Poweroff)),
        other => on_machine(other),
    }
}

/// The applet.
pub fn main(call: Call) -> i32 {
    if std::process::id() != 1 {
        return asked_for_help(&call, HELP).unwrap_or_else(|| {
            exit::complain(
                "init",
                format_args!("cannot start: it is not PID 1; see jamb supervise --help"),
            );
            exit::USAGE
        });
    }
    if call.args.first().is_some_and(|first| first == last::ARGUMENT) {
        last::act(&call.args);
    }
    let mut handover = handover::take(&call.args, &[NAME]);
    let clock = handover.as_ref().map_or_else(Clock::new, Handover::clock);
    let is_first = handover.is_none();
    let trouble = if is_first { mounts::early() } else { Vec::new() };
    let mut cmdline = Cmdline::read();
    // One that is named there is fed before there is a database.
    let path = cmdline.watchdog.as_deref().filter(|path| *path != "off");
    // What is wrong with it is told when it is opened for good.
    let early = match handover.as_mut().map(Handover::take_watchdog) {
        // Until the database is read.
        Some(fd) => fd.map(|fd| Device::set(fd, EARLY, None)),
        None => path.and_then(|path| Device::open(path, EARLY, None).ok()),
    };
    // ctrl-alt-del shall be a signal, not a reboot behind our back. Only a real machine lets us say so.
    let is_machine = reboot(RebootCommand::CadOff).is_ok();
    let mut report = Report::new(console::open(&cmdline), cmdline.debug);
    if is_first {
        report.tell("init", format_args!("jamb {VERSION} starts"));
    }
    for problem in trouble.into_iter() {
        report.say("init", &problem);
    }
    let oom_protected = protect_from_oom();
    rustix::process::umask(Mode::from_raw_mode(0o022));
    if is_first && is_machine && root::is_in_memory(c"/") {
        cmdline.no_root = initramfs(&mut cmdline, &call.args, early.as_ref(), &mut report);
    }
    let Over { end, record, device } =
        match handover.as_ref().and_then(|handover| handover.degraded.as_ref()) {
            None => run(clock, report, &cmdline, is_machine, oom_protected, early, handover),
            Some(why) => degraded(why, &mut report, is_machine, early),
        };
    power::finish(&end, record.as_deref(), is_machine, console::open(&cmdline), device)
}

/// The loop is over, or there could be none.
struct Over {
    end: End,
    /// Where it is kept how it ended.
    record: Option<String>,
    /// The watchdog, if somebody still feeds it.
    device: Option<Device>,
}

/// Looks for a root, if this initramfs is for that: its database says so, or it has none and the command
/// line names one. Returns only if there is none or it cannot be used, and says why.
fn initramfs(
    cmdline: &mut Cmdline,
    arguments: &[String],
    early: Option<&Device>,
    report: &mut Report,
) -> Option<String> {
    // jamb.db= is for the one who finds services there.
    let mut steps = match file::read(Path::new(DATABASE), MAX_LENGTH) {
        Ok(bytes) => {
            let mut system = Database::new(bytes).and_then(|database| database.system()).ok()?;
            if system.root.is_empty() {
                return None;
            }
            let boot = core::mem::take(&mut system.boot);
            setup::carry_out(&boot, report, &mut |span| pause(early, span));
            cmdline.rescue.get_or_insert(system.rescue_reboot);
            system.root
        }
        Err(_) if cmdline.root.is_some() && cmdline.database.is_none() => {
            vec![Step { wait: ROOT_WAIT, ..Step::new(Op::Root, "/sbin/init") }]
        }
        Err(_) => return None,
    };
    if let Some(root) = steps.iter_mut().find(|step| step.op == Op::Root) {
        cmdline.change(root);
    }
    Some(root::assemble(&steps, arguments, &mut Hands { cmdline, early }).into())
}

/// What assembling a root needs of a machine.
struct Hands<'m> {
    cmdline: &'m Cmdline,
    early: Option<&'m Device>,
}

impl root::Hands for Hands<'_> {
    fn run(&mut self, path: &str) -> Result<(), Problem> {
        let cmdline = self.cmdline;
        program::run(path, cmdline, PROGRAM, &mut |span| root::Hands::pause(self, span))
    }

    fn pause(&mut self, span: Millis) {
        pause(self.early, span);
    }
}

/// Waits before there is a loop; the watchdog is fed meanwhile.
fn pause(early: Option<&Device>, span: Millis) {
    if let Some(device) = early {
        // A watchdog that takes no food bites, which is what it is for.
        device.feed().ok();
    }
    std::thread::sleep(Duration::from_millis(span.0.into()));
}

/// How the watchdog is used: as the command line says, or else the database.
fn guard(
    now: Instant,
    graph: &mut Graph,
    cmdline: &Cmdline,
    is_usual: bool,
    early: Option<Device>,
    report: &mut Report,
) -> Option<Guard> {
    let mut rule = graph.system.watchdog.take();
    match &cmdline.watchdog {
        Some(path) if path == "off" => return None,
        Some(path) => rule.get_or_insert_default().device.clone_from(path),
        None => {}
    }
    if early.is_some() {
        // Another database may have no use for it; whoever let go of it could be reset.
        rule.get_or_insert_default();
    }
    let mut rule = rule?;
    if !is_usual && !rule.needs.is_empty() {
        report.say("watchdog", "not the usual services are started; only jamb itself is watched");
        rule.needs.clear();
    }
    // It was opened before its times were known.
    let early = early.map(|device| Device::set(device.into_fd(), rule.timeout, rule.pretimeout));
    Some(Guard::new(now, rule, graph, early, report))
}

/// The database to use and a memfd that has it, and why there is to be a rescue shell instead of its services.
type Chosen = (Loaded, Option<String>);

/// At boot: the database of the command line, or none.
fn choose(cmdline: &Cmdline, path: &str) -> Result<Chosen, Problem> {
    let mut why = cmdline.no_root.clone();
    if why.is_none() && cmdline.single {
        why = Some("single is on the kernel command line".to_owned());
    }
    let loaded = match &why {
        None => supervise::load(Path::new(path)).map_err(|problem| why = Some(problem.into())).ok(),
        Some(_) => None,
    };
    let loaded = match loaded {
        Some(loaded) => loaded,
        // Without services the rescue still has the same loop, and `svc` and `reboot` answer.
        None => {
            let nothing = handover::store(&[]).map_err(|error| problem!("{error}"))?;
            (Database::empty(), Graph::empty(), nothing)
        }
    };
    Ok((loaded, why))
}

/// It crashes again and again: everything that runs goes on for a while, then the machine starts anew.
fn degraded(why: &str, report: &mut Report, is_machine: bool, device: Option<Device>) -> Over {
    let span = handover::DEGRADED.as_secs();
    report.tell(
        "handover",
        format_args!("{why}; it only reaps, and the machine reboots in {span} s"),
    );
    let meaning = if is_machine { on_machine } else { in_container };
    let ending = handover::wait_degraded(SIGNALS, meaning, &mut || {
        if let Some(device) = &device {
            // It was told already if it cannot be fed.
            device.feed().ok();
        }
    });
    Over { end: End::new(ending, why), record: None, device }
}

fn run(
    clock: Clock,
    mut report: Report,
    cmdline: &Cmdline,
    is_machine: bool,
    oom_protected: bool,
    early: Option<Device>,
    mut handover: Option<Handover>,
) -> Over {
    let path = cmdline.database.as_deref().unwrap_or(DATABASE);
    let chosen = match &mut handover {
        None => choose(cmdline, path),
        Some(before) => before.database().map(|loaded| (loaded, before.rescue())),
    };
    let ((database, mut graph, stored), mut why) = match chosen {
        Ok(chosen) => chosen,
        Err(problem) => {
            let end = End::new(rescue::without_manager(&problem, cmdline), &problem);
            return Over { end, record: None, device: early };
        }
    };
    let target = match &cmdline.target {
        None => graph.system.target,
        Some(name) => database.find(name),
    };
    if why.is_none() && target.is_none() {
        let wanted = cmdline.target.as_deref().unwrap_or("default");
        why = Some(format!("there is no service {wanted} in {path} to start"));
    }
    // It is done once; nobody needs to remember it.
    let boot = core::mem::take(&mut graph.system.boot);
    if handover.is_none() {
        setup::carry_out(&boot, &mut report, &mut |span| pause(early.as_ref(), span));
    }
    let record = graph.system.end_record.clone();
    if handover.is_none() && is_machine {
        tell_end(record.as_deref(), &mut report);
    }
    let is_other = handover.as_ref().is_none_or(|before| before.switched.is_some());
    if let (Some(name), true) = (&graph.system.hostname, is_other)
        && let Err(error) = sethostname(name.as_bytes())
    {
        report.tell(
            "init",
            format_args!("cannot set the host name {name}: {error}; it stays as it is"),
        );
    }
    let is_usual = why.is_none() && target == graph.system.target;
    let mut guard = guard(clock.now(), &mut graph, cmdline, is_usual, early, &mut report);
    if let Some(guard) =
        guard.as_mut().filter(|_| handover.as_ref().is_some_and(Handover::is_armed))
    {
        guard.arm();
    }
    let mut of_rescue = cmdline.clone();
    of_rescue.rescue.get_or_insert(graph.system.rescue_reboot);
    let attendant = why.map(|why| rescue::attendant(why, &of_rescue, &mut report));
    let rescue: Option<Rescue> = is_machine.then(|| -> Rescue {
        Box::new(move |why, report| rescue::attendant(why, &of_rescue, report))
    });
    let setup = Setup {
        clock,
        database,
        stored,
        graph,
        paths: Paths::of_machine(path),
        report,
        signals: SIGNALS,
        meaning: if is_machine { on_machine } else { in_container },
        target,
        log_to_console: cmdline.debug,
        oom_protected,
        attendant,
        rescue,
        guard,
        line: vec![NAME.to_owned()],
        handover,
    };
    match Manager::new(setup) {
        Ok(mut manager) => {
            let end = manager.run();
            let device = manager.take_guard().and_then(Guard::into_device);
            // Should what follows crash, the next program finds everything open and comes to the same end.
            core::mem::forget(manager);
            Over { end, record, device }
        }
        // Nobody feeds the watchdog from here on, so it resets the machine if the reboot does not.
        Err(problem) => {
            let end = End::new(rescue::without_manager(&problem, cmdline), &problem);
            Over { end, record, device: None }
        }
    }
}

/// Says how the run before ended.
fn tell_end(record: Option<&str>, report: &mut Report) {
    match kept::take(record) {
        Some(end) => report.tell("init", format_args!("the run before ended in order: {end}")),
        // Where nothing is kept, nothing can be missed.
        None if record.is_none() => {}
        None => report.say(
            "init",
            "no run before has left word how it ended: it was the first, was reset, or lost power",
        ),
    }
}

/// Memory must be got from anybody else; proc(5) on oom_score_adj.
fn protect_from_oom() -> bool {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let fd = rustix::fs::open(c"/proc/self/oom_score_adj", flags, Mode::empty());
    fd.is_ok_and(|fd| rustix::io::write(fd, b"-1000").is_ok())
}

/// What a child of PID 1 that is no service gets back.
const CHILD_OOM_SCORE: &core::ffi::CStr = NO_OOM_PROTECTION;
