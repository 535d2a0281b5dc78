//! The collector process: adopts what PID 1 passed on, then waits for pipes and gives each ready
//! one a turn. Input: the command line, inherited descriptors. It never blocks but in the poll, and
//! does not wake up while there is nothing to collect.

use crate::args::{self, Args};
use crate::collector::{Collector, Turn};
use crate::linux::{Linux, complain};
use crate::system::System;
use core::mem::ManuallyDrop;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::fs::{MemfdFlags, Mode, OFlags, fcntl_getfl, fcntl_setfl, memfd_create};
use rustix::io::{self, Errno};
use std::io::Error;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Exit codes, as everywhere in jamb.
const EXIT_USAGE: i32 = 100;
const EXIT_SYSTEM: i32 = 111;
/// The most bytes of the map: thousands of services.
const MAP_MAX: usize = 1 << 20;
/// Events taken at once; more than this are ready again in the next turn.
const EVENTS: usize = 64;

/// Runs the collector until every pipe is closed; answers the exit code: 0 at the end, 100 for a
/// wrong command line, 111 if the system refuses something it cannot do without.
///
/// `args`, without the program's name: `MAP SPOOL DIR MAX-FILE MAX-TOTAL [CONSOLE]`, descriptors by their numbers
/// and sizes in bytes.
/// * The map has a line `FD NAME` for each pipe; it is read from its beginning, wherever its offset is.
/// * The pipes' read ends are set to `O_NONBLOCK`. PID 1 keeps a duplicate of each end, so that what is
///   in a pipe outlives this process.
/// * The spool is a memfd that PID 1 keeps too and passes to each incarnation. It may be killed at any
///   moment (SIGTERM and SIGKILL alike): nothing is lost or doubled. All is in the files once the
///   pipes are empty and the spool is no longer than [`crate::SPOOL_IDLE_LEN`].
/// * The console's open file description is set to `O_NONBLOCK`.
///
/// `inherited` turns such a number into a descriptor that is owned from then on, or into `None` if it
/// is not open or was asked for before. The umask becomes 022.
pub fn collector_main(
    inherited: &mut dyn FnMut(RawFd) -> Option<OwnedFd>,
    args: Vec<String>,
) -> i32 {
    rustix::process::umask(Mode::from_raw_mode(0o022));
    match args::parse(args) {
        Ok(args) => collect(inherited, args).unwrap_or_else(|error| {
            complain(format_args!("jamb: log: cannot collect: {error}; the collector ends"));
            EXIT_SYSTEM
        }),
        Err(mistake) => {
            complain(format_args!("jamb: log: cannot collect: {mistake}; the collector ends"));
            EXIT_USAGE
        }
    }
}

fn collect(inherited: &mut dyn FnMut(RawFd) -> Option<OwnedFd>, args: Args) -> Result<i32, Error> {
    let map = inherited(args.map).ok_or(Errno::BADF)?;
    let poll = Poll::new()?;
    let mut names = Vec::new();
    let mut pipes = Vec::new();
    for line in read_map(&map)?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Some((number, name)) = args::map_line(line) else {
            complain(format_args!(
                "jamb: log: cannot use a line of the map: not `FD NAME`; it is skipped"
            ));
            continue;
        };
        let pipe = inherited(number).ok_or(Errno::BADF.into());
        match pipe.and_then(|pipe| watch(&poll, pipe, Token(pipes.len()))) {
            Ok(pipe) => {
                names.push(name.to_owned());
                pipes.push(Some(pipe));
            }
            Err(error) => complain(format_args!(
                "jamb: {name}: cannot watch descriptor {number}: {error}; its log is not collected"
            )),
        }
    }
    let spool = inherited(args.spool).filter(|fd| io::pwrite(fd, &[], 0).is_ok());
    let spool = match spool {
        Some(spool) => spool,
        None => {
            complain(format_args!(
                "jamb: log: cannot use the spool; a crash may lose lines until a restart"
            ));
            memfd_create("jamb-log-spool", MemfdFlags::CLOEXEC)?
        }
    };
    let console = args.console.and_then(inherited).filter(|fd| unblock(fd).is_ok());
    let linux = Linux { dir: args.dir, pipes, spool, console, can_splice: true };
    // It is used to the end of the process, and the kernel is faster at closing everything.
    let mut collector = ManuallyDrop::new(Collector::new(linux, args.limits, &names));
    turns(&mut collector, poll, names.len())
}

/// The loop. mio reports edges: a pipe that was not drained is not reported again. So each ready
/// pipe gets one turn after the other, among all ready ones, until it is empty.
fn turns(collector: &mut Collector<Linux>, mut poll: Poll, count: usize) -> Result<i32, Error> {
    let mut events = Events::with_capacity(EVENTS);
    let mut ready = vec![false; count];
    let mut open = count;
    while open > 0 {
        let wait = ready.contains(&true).then_some(Duration::ZERO);
        match poll.poll(&mut events, wait) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INTR) => continue,
            other => other?,
        }
        for event in &events {
            if let Some(flag) = ready.get_mut(event.token().0) {
                *flag = true;
            }
        }
        for (source, flag) in ready.iter_mut().enumerate().filter(|(_, flag)| **flag) {
            let turn = collector.turn(source);
            *flag = turn == Turn::More;
            if turn == Turn::Closed {
                close(&poll, &mut collector.sys, source);
                open -= 1;
            }
        }
    }
    Ok(0)
}

/// Forgets a pipe. PID 1 may have the same open file description, so closing alone would leave it
/// in the epoll set.
fn close(poll: &Poll, sys: &mut Linux, source: usize) {
    if let Some(pipe) = sys.pipes[source].take()
        && let Err(error) = poll.registry().deregister(&mut SourceFd(&pipe.as_raw_fd()))
    {
        sys.warn(format_args!("jamb: log: cannot unwatch a pipe: {error}; it is closed"));
    }
}

fn watch(poll: &Poll, pipe: OwnedFd, token: Token) -> Result<OwnedFd, Error> {
    unblock(&pipe)?;
    poll.registry().register(&mut SourceFd(&pipe.as_raw_fd()), token, Interest::READABLE)?;
    Ok(pipe)
}

fn unblock(fd: impl AsFd) -> Result<(), Errno> {
    let flags = fcntl_getfl(&fd)?;
    fcntl_setfl(&fd, flags | OFlags::NONBLOCK)
}

fn read_map(fd: &OwnedFd) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    let mut part = [0; 1024];
    while text.len() < MAP_MAX {
        let bytes = io::retry_on_intr(|| io::pread(fd, &mut part, text.len() as u64))?;
        if bytes == 0 {
            return Ok(text);
        }
        text.extend_from_slice(&part[..bytes]);
    }
    Err(Error::from(Errno::FBIG))
}
