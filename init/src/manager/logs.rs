//! The log pipes, and the one process that reads them.
//!
//! Both ends of every pipe are held here for good, so neither a service's nor the collector's death
//! loses what is in one. The collector is handed the read ends, a map of their numbers and its spool,
//! both memfds: a new one goes on exactly where the dead one was.

use super::Resources;
use core::ffi::CStr;
use jamb_log::SPOOL_IDLE_LEN;
use rc::model::System;
use rustix::{
    fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    fs::{MemfdFlags, OFlags, fcntl_setfl, fstat, memfd_create},
    io::{Errno, ioctl_fionread, pwrite},
    pipe::{PipeFlags, pipe_with},
    process::Pid,
};
use std::{ffi::CString, path::Path};
use supervisor::{
    backoff::Backoff,
    spawn::{Isolation, Spawner, Spec, Terminal},
    time::{Instant, Millis},
};

/// The name under which jamb's own lines are logged.
pub const OWN_NAME: &str = "jamb";

/// The image of this very process; PID 1 may have been started where `/proc` is not mounted yet.
const PROGRAMS: [&CStr; 3] = [c"/proc/self/exe", c"/init", c"/sbin/init"];

/// How soon a collector that died is replaced.
const BACKOFF: Backoff = Backoff { min: Millis(50), max: Millis(1000) };

/// One pipe.
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

/// Where the collector is in its life.
enum State {
    Running { pid: Pid, since: Instant },
    Waiting { until: Instant },
}

/// All pipes and the collector.
pub struct Logs {
    /// By service number; services without processes have none.
    pipes: Vec<Option<Pipe>>,
    own: Pipe,
    map: OwnedFd,
    spool: OwnedFd,
    arguments: Vec<CString>,
    state: State,
    failures: u32,
    starts: u32,
}

impl Logs {
    /// Makes the pipes of the services for which `names` has one, and jamb's own.
    ///
    /// # Errors
    /// What pipe2(2) or memfd_create(2) say; EMFILE if there are more services than descriptors.
    pub fn new(names: &[Option<String>], dir: &Path, system: &System) -> Result<Self, Errno> {
        let own = pipe()?;
        fcntl_setfl(&own.write, OFlags::NONBLOCK)?;
        let mut map_text = format!("{} {OWN_NAME}\n", own.read.as_raw_fd());
        let mut pipes = Vec::with_capacity(names.len());
        for name in names {
            let one = name.as_ref().map(|_| pipe()).transpose()?;
            if let (Some(pipe), Some(name)) = (&one, name) {
                map_text.push_str(&format!("{} {name}\n", pipe.read.as_raw_fd()));
            }
            pipes.push(one);
        }
        let map = memfd_create("jamb-log-map", MemfdFlags::CLOEXEC)?;
        let mut written = 0;
        while written < map_text.len() {
            written += pwrite(&map, &map_text.as_bytes()[written..], written as u64)?;
        }
        let spool = memfd_create("jamb-log-spool", MemfdFlags::CLOEXEC)?;
        let arguments = [
            "jamb",
            "log-collector",
            "--map-fd",
            &map.as_raw_fd().to_string(),
            "--spool-fd",
            &spool.as_raw_fd().to_string(),
            "--dir",
            &dir.to_string_lossy(),
            "--max-file",
            &system.log_max_file.to_string(),
            "--max-total",
            &system.log_max_total.to_string(),
        ];
        let arguments = arguments.map(|one| CString::new(one).map_err(|_| Errno::INVAL));
        Ok(Self {
            pipes,
            own,
            map,
            spool,
            arguments: arguments.into_iter().collect::<Result<_, _>>()?,
            state: State::Waiting { until: Instant::default() },
            failures: 0,
            starts: 0,
        })
    }

    /// Where a service's processes write.
    pub fn writer(&self, service: usize) -> BorrowedFd<'_> {
        let pipe = self.pipes.get(service).and_then(Option::as_ref);
        pipe.map_or(self.own.write.as_fd(), |pipe| pipe.write.as_fd())
    }

    /// Where jamb writes itself; never blocks.
    pub fn own_writer(&self) -> Result<OwnedFd, Errno> {
        rustix::io::fcntl_dupfd_cloexec(&self.own.write, 3)
    }

    /// When [`Self::start_if_due`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Running { .. } => None,
            State::Waiting { until } => Some(until),
        }
    }

    /// Starts the collector if it does not run and it is time to; an error is for people. It complains
    /// to `console`, and copies all lines there if told so.
    pub fn start_if_due(
        &mut self,
        now: Instant,
        spawner: &mut Spawner,
        resources: &Resources,
        console: Option<BorrowedFd<'_>>,
        copy: bool,
    ) -> Option<String> {
        if self.deadline().is_none_or(|until| now < until) {
            return None;
        }
        let mut keep: Vec<_> = self.pipes.iter().flatten().map(|p| p.read.as_raw_fd()).collect();
        keep.extend([self.own.read.as_raw_fd(), self.map.as_raw_fd(), self.spool.as_raw_fd()]);
        let mut argv = self.arguments.clone();
        if let Some(console) = console.filter(|_| copy) {
            keep.push(console.as_raw_fd());
            argv.push(c"--console-fd".to_owned());
            argv.extend(CString::new(console.as_raw_fd().to_string()));
        }
        // Not the writing end of a pipe that it reads: it could never see the end of it.
        let stderr = console.unwrap_or(resources.nothing.as_fd());
        let spec = Spec {
            programs: &PROGRAMS.map(CStr::to_owned),
            argv: &argv,
            env: &[],
            cwd: c"/",
            umask: 0o022,
            limits: &[],
            identity: None,
            stdio: [resources.nothing.as_fd(), stderr, stderr],
            pass: None,
            keep: &keep,
            terminal: Terminal::None,
            oom_score_adj: None,
            isolation: Isolation::NONE,
            tells_pid: false,
        };
        self.starts = self.starts.saturating_add(1);
        match spawner.spawn(&spec) {
            Ok(pid) => {
                self.state = State::Running { pid, since: now };
                None
            }
            Err(failure) => {
                let delay = self.back_off(now, 0);
                let error = Errno::from_raw_os_error(failure.errno);
                let step = failure.step.verb();
                Some(format!("cannot {step} the collector: {error}; again in {} ms", delay.0))
            }
        }
    }

    /// The child is dead; answers whether it was the collector.
    pub fn exited(&mut self, now: Instant, dead: Pid) -> Option<Millis> {
        match self.state {
            State::Running { pid, since } if pid == dead => {
                Some(self.back_off(now, now.since_ms(since)))
            }
            _ => None,
        }
    }

    fn back_off(&mut self, now: Instant, ran_ms: u64) -> Millis {
        let (delay, failures) = BACKOFF.next(self.failures, ran_ms);
        self.failures = failures;
        self.state = State::Waiting { until: now.after(delay) };
        delay
    }

    /// How often it was started, and its pid.
    pub fn collector(&self) -> (u32, Option<Pid>) {
        let pid = match self.state {
            State::Running { pid, .. } => Some(pid),
            State::Waiting { .. } => None,
        };
        (self.starts, pid)
    }

    /// Whether everything that was written so far is in the files.
    pub fn is_drained(&self) -> bool {
        let empty = |pipe: &Pipe| ioctl_fionread(&pipe.read).is_ok_and(|bytes| bytes == 0);
        let spooled = fstat(&self.spool)
            .is_ok_and(|stat| u64::try_from(stat.st_size).is_ok_and(|size| size > SPOOL_IDLE_LEN));
        empty(&self.own) && self.pipes.iter().flatten().all(empty) && !spooled
    }
}

fn pipe() -> Result<Pipe, Errno> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok(Pipe { read, write })
}
