//! Programs of the machine itself on the console: the rescue shell, and those that prepare a root or are
//! the last act. They are not services: nothing is logged, and nobody but the caller waits for them.

use super::{CHILD_OOM_SCORE, cmdline::Cmdline, console};
use crate::manager::PATH;
use rustix::{fd::AsFd, fs::OFlags, io::Errno, process::Pid};
use supervisor::{
    exit::Exit,
    problem::{Problem, problem},
    reap,
    signal::Signal,
    spawn::{Isolation, Spawner, Spec, Terminal},
    time::Millis,
    words::Words,
};

/// How often a program that is waited for is looked at.
pub const LOOK_AGAIN: Millis = Millis(20);

/// Starts the first of the programs that can be executed, under the given name.
///
/// # Errors
/// What could not be done, for people.
pub fn start(
    programs: &[&str],
    name: &str,
    cmdline: &Cmdline,
    spawner: &mut Spawner,
) -> Result<Pid, Problem> {
    // It needs a console that blocks; opening one does not wait, as it is no modem line.
    let Some(fd) = console::open_with(cmdline, OFlags::RDWR | OFlags::NONBLOCK) else {
        return Err("cannot open the console".into());
    };
    rustix::fs::fcntl_setfl(&fd, OFlags::RDWR).ok();
    // What cannot be a program's path is not found.
    let words = |texts| Words::of(texts).unwrap_or_default();
    let mut env = words(&["HOME=/", "TERM=linux"]);
    env.push(&["PATH=", PATH]);
    let spec = Spec {
        programs: &words(programs),
        argv: &words(&[name]),
        env: &env,
        cwd: c"/",
        umask: 0o022,
        limits: &[],
        identity: None,
        stdio: [fd.as_fd(), fd.as_fd(), fd.as_fd()],
        pass: None,
        listen: &[],
        keep: &[],
        terminal: Terminal::Stdin,
        oom_score_adj: Some(CHILD_OOM_SCORE),
        isolation: Isolation::NONE,
        tells_pid: false,
    };
    spawner.spawn(&spec).map_err(|failure| {
        let error = Errno::from_raw_os_error(failure.errno);
        problem!("cannot {} {}: {error}", failure.step.verb(), name)
    })
}

/// Runs a program to its end, and reaps whoever ends meanwhile. `pause` waits for [`LOOK_AGAIN`].
///
/// # Errors
/// It cannot be started, fails, or takes longer than `bound` and is killed; for people.
pub fn run(
    path: &str,
    cmdline: &Cmdline,
    bound: Millis,
    pause: &mut dyn FnMut(Millis),
) -> Result<(), Problem> {
    let pid = start(&[path], path, cmdline, &mut Spawner::new())?;
    let mut left = bound.0;
    loop {
        while let Some(dead) = reap::peek() {
            reap::release(dead.pid);
            if dead.pid == pid {
                return match dead.exit {
                    Exit::Code(0) => Ok(()),
                    exit => Err(problem!("{path} has failed: {exit}")),
                };
            }
        }
        if left == 0 {
            reap::signal_group(pid, Signal::Kill);
            return Err(problem!("{path} took longer than {} s and was killed", bound.0 / 1000));
        }
        pause(LOOK_AGAIN);
        left = left.saturating_sub(LOOK_AGAIN.0);
    }
}
