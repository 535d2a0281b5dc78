//! The log pipes, and the one process that reads them.
//!
//! Both ends of every pipe are held here for good, so neither a service's nor the collector's death
//! loses what is in one. The collector is handed the read ends, a map of their numbers and its spool,
//! both memfds: a new one goes on exactly where the dead one was.

use super::{Resources, keep::number};
use crate::{
    clock::Clock,
    file,
    handover::{
        Handover,
        state::{Collector, Fixed},
    },
    inherit,
};
use jamb_log::SPOOL_IDLE_LEN;
use rc::{
    db::Database,
    engine::{NodeKind, Origin},
    model::System,
};
use rustix::{
    fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    fs::{OFlags, fcntl_setfl, fstat},
    io::{Errno, ioctl_fionread},
    pipe::{PipeFlags, pipe_with},
    process::Pid,
};
use std::fmt::Write as _;
use supervisor::{
    backoff::Backoff,
    problem::{Problem, problem},
    reap,
    signal::Signal,
    spawn::{Isolation, Spawner, Spec, Terminal},
    time::{Instant, Millis},
    words::Words,
};

/// The name under which jamb's own lines are logged.
pub const OWN_NAME: &str = "jamb";

/// The image of this very process; PID 1 may have been started where `/proc` is not mounted yet.
const PROGRAMS: [&str; 3] = ["/proc/self/exe", "/init", "/sbin/init"];

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
    arguments: Words,
    state: State,
    failures: u32,
    starts: u32,
    /// It is to end, and is not to blame for it.
    is_renewed: bool,
}

impl Logs {
    /// Makes the pipes of the services that have processes, and jamb's own; or takes over those that the
    /// program before had.
    ///
    /// # Errors
    /// What pipe2(2) or memfd_create(2) say; EMFILE if there are more services than descriptors; EBADF if
    /// what is to be taken over is not there.
    pub fn new(
        database: &Database,
        dir: &str,
        system: &System,
        before: Option<&Handover>,
    ) -> Result<Self, Errno> {
        let own = before.map_or_else(pipe, |before| Pipe::adopt(before.fixed.own))?;
        let mut pipes = Vec::with_capacity(database.len());
        for id in database.ids() {
            let kind = database.node(id).kind();
            let runs = matches!(kind, NodeKind::Longrun(_) | NodeKind::Oneshot { .. });
            let known = before.and_then(|before| match before.origin(id) {
                Origin::New => None,
                Origin::Kept(from) | Origin::Changed(from) => {
                    before.fixed.pipes.get(from.index()).copied().flatten()
                }
            });
            pipes.push(match known {
                _ if !runs => None,
                Some(fds) => Some(Pipe::adopt(fds)?),
                None => Some(pipe()?),
            });
        }
        let spool = match before {
            Some(before) => adopt(before.fixed.spool)?,
            None => {
                fcntl_setfl(&own.write, OFlags::NONBLOCK)?;
                file::in_memory(c"jamb-log-spool", &[])?
            }
        };
        let map = match before.filter(|before| before.switched.is_none()) {
            Some(before) => adopt(before.fixed.map)?,
            None => map_of(database, &own, &pipes)?,
        };
        let arguments = [
            "jamb",
            "log-collector",
            &map.as_raw_fd().to_string(),
            &spool.as_raw_fd().to_string(),
            dir,
            &system.log_max_file.to_string(),
            &system.log_max_total.to_string(),
        ];
        Ok(Self {
            pipes,
            own,
            map,
            spool,
            arguments: Words::of(&arguments).map_err(|_| Errno::INVAL)?,
            state: State::Waiting { until: Instant::default() },
            failures: 0,
            starts: 0,
            is_renewed: false,
        })
    }

    /// What of it the next program has to know and never changes.
    pub fn fixed(&self, clock: &Clock) -> Fixed {
        let (origin_ms, used_before_ms) = clock.origin();
        Fixed {
            origin_ms,
            used_before_ms,
            map: self.map.as_raw_fd(),
            spool: self.spool.as_raw_fd(),
            own: self.own.fds(),
            pipes: self.pipes.iter().map(|pipe| pipe.as_ref().map(Pipe::fds)).collect(),
            ..Fixed::default()
        }
    }

    /// What of it changes.
    pub fn record(&self) -> Collector {
        let (pid, at) = match self.state {
            State::Running { pid, since } => (Some(number(pid)), since),
            State::Waiting { until } => (None, until),
        };
        Collector { pid, at, failures: self.failures, starts: self.starts }
    }

    /// The collector of the program before is this one's.
    pub fn take_over(&mut self, collector: Collector) {
        let Collector { pid, at, failures, starts } = collector;
        self.state = match pid.and_then(Pid::from_raw) {
            Some(pid) => State::Running { pid, since: at },
            None => State::Waiting { until: at },
        };
        (self.failures, self.starts) = (failures, starts);
    }

    /// Its map is no longer true: it is to end, and the next one gets the new one. What it has read and not
    /// written is in the spool, under the names of services.
    pub fn renew(&mut self) {
        if let State::Running { pid, .. } = self.state {
            self.is_renewed = true;
            reap::signal_one(pid, Signal::Kill);
        }
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

    /// When it is to be started, if it does not run.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Running { .. } => None,
            State::Waiting { until } => Some(until),
        }
    }

    /// Starts the collector; an error is for people. It complains to `console`, and copies all lines there
    /// if told so.
    pub fn start(
        &mut self,
        now: Instant,
        spawner: &mut Spawner,
        resources: &Resources,
        console: Option<BorrowedFd<'_>>,
        copy: bool,
    ) -> Option<Problem> {
        let mut keep =
            vec![self.own.read.as_raw_fd(), self.map.as_raw_fd(), self.spool.as_raw_fd()];
        for pipe in self.pipes.iter().flatten() {
            keep.push(pipe.read.as_raw_fd());
        }
        let mut argv = self.arguments.clone();
        if let Some(console) = console.filter(|_| copy) {
            keep.push(console.as_raw_fd());
            argv.push(&[&console.as_raw_fd().to_string()]);
        }
        // Not the writing end of a pipe that it reads: it could never see the end of it.
        let stderr = console.unwrap_or(resources.nothing.as_fd());
        let spec = Spec {
            programs: &Words::of(&PROGRAMS).unwrap_or_default(),
            argv: &argv,
            env: &Words::new(),
            cwd: c"/",
            umask: 0o022,
            limits: &[],
            identity: None,
            stdio: [resources.nothing.as_fd(), stderr, stderr],
            pass: None,
            listen: &[],
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
                Some(problem!("cannot {step} the collector: {error}; again in {} ms", delay.0))
            }
        }
    }

    /// The child is dead; if it was the collector, answers after what delay there is another one, or nothing if
    /// that was our will.
    pub fn exited(&mut self, now: Instant, dead: Pid) -> Option<Option<Millis>> {
        match self.state {
            State::Running { pid, .. } if pid == dead && self.is_renewed => {
                self.is_renewed = false;
                self.state = State::Waiting { until: now };
                Some(None)
            }
            State::Running { pid, since } if pid == dead => {
                Some(Some(self.back_off(now, now.since_ms(since))))
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
        let spooled = fstat(&self.spool)
            .is_ok_and(|stat| u64::try_from(stat.st_size).is_ok_and(|size| size > SPOOL_IDLE_LEN));
        self.own.is_empty() && self.pipes.iter().flatten().all(Pipe::is_empty) && !spooled
    }

    /// Whether nobody has to read any more of what a service wrote.
    pub fn is_read(&self, service: usize) -> bool {
        self.pipes.get(service).and_then(Option::as_ref).is_none_or(Pipe::is_empty)
    }
}

impl Pipe {
    /// One that the program before had.
    fn adopt((read, write): (i32, i32)) -> Result<Self, Errno> {
        Ok(Self { read: adopt(read)?, write: adopt(write)? })
    }

    fn is_empty(&self) -> bool {
        ioctl_fionread(&self.read).is_ok_and(|bytes| bytes == 0)
    }

    fn fds(&self) -> (i32, i32) {
        (self.read.as_raw_fd(), self.write.as_raw_fd())
    }
}

fn adopt(fd: i32) -> Result<OwnedFd, Errno> {
    inherit::adopt(fd).ok_or(Errno::BADF)
}

/// Tells the collector which pipe is whose.
fn map_of(database: &Database, own: &Pipe, pipes: &[Option<Pipe>]) -> Result<OwnedFd, Errno> {
    let mut text = format!("{} {OWN_NAME}\n", own.read.as_raw_fd());
    for (id, pipe) in database.ids().zip(pipes) {
        if let Some(pipe) = pipe {
            let name = database.name(id);
            writeln!(text, "{} {name}", pipe.read.as_raw_fd()).ok();
        }
    }
    file::in_memory(c"jamb-log-map", text.as_bytes())
}

fn pipe() -> Result<Pipe, Errno> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok(Pipe { read, write })
}
