//! Which process belongs to which incarnation, and how processes speak up: the pid table, readiness
//! channels, reaping. One owner of pids; the engine knows none.

use super::{CHANNELS, Manager, disk, prepare::Channel};
use mio::{Interest, Poll, Token, unix::SourceFd};
use rc::{
    engine::{Event, Incarnation},
    model::ServiceId,
};
use rustix::{
    fd::{AsRawFd, OwnedFd},
    process::Pid,
};
use std::path::PathBuf;
use supervisor::{
    notify::{Heard, hear_pipe, hear_socket},
    reap,
    signal::Signal,
};

/// Dead children released in one turn; ten thousand orphans must not keep a client waiting.
const REAP_TURN: usize = 128;

/// Where a process tells that it is ready.
pub enum Ear {
    /// Our end of its pipe.
    Pipe(OwnedFd),
    /// Its socket and the socket's path.
    Socket(OwnedFd, PathBuf),
}

impl Ear {
    fn fd(&self) -> &OwnedFd {
        match self {
            Self::Pipe(fd) | Self::Socket(fd, _) => fd,
        }
    }
}

/// A service's ear, and whose it is.
struct Listening {
    ear: Ear,
    run: Incarnation,
}

/// The table.
pub struct Children {
    /// One entry for each live process of a service; a router has dozens.
    runs: Vec<(Pid, Incarnation)>,
    /// By service number: the pid of its live process.
    pids: Vec<Option<Pid>>,
    ears: Vec<Option<Listening>>,
    reap: bool,
}

impl Children {
    /// No children of this many services.
    pub fn new(services: usize) -> Self {
        Self {
            runs: Vec::with_capacity(services),
            pids: vec![None; services],
            ears: core::iter::repeat_with(|| None).take(services).collect(),
            reap: false,
        }
    }

    /// Children may have died.
    pub fn reap_later(&mut self) {
        self.reap = true;
    }

    /// The pid of a service's process.
    pub fn pid(&self, id: ServiceId) -> Option<Pid> {
        self.pids.get(id.index()).copied().flatten()
    }

    /// The pid of exactly this incarnation.
    pub fn pid_of(&self, run: Incarnation) -> Option<Pid> {
        let pid = self.pid(run.service)?;
        self.runs.contains(&(pid, run)).then_some(pid)
    }

    /// A process was started.
    pub fn born(&mut self, pid: Pid, run: Incarnation) {
        self.runs.push((pid, run));
        if let Some(slot) = self.pids.get_mut(run.service.index()) {
            *slot = Some(pid);
        }
    }

    fn forget(&mut self, pid: Pid) -> Option<Incarnation> {
        let at = self.runs.iter().position(|(live, _)| *live == pid)?;
        let (_, run) = self.runs.swap_remove(at);
        let slot = self.pids.get_mut(run.service.index())?;
        if *slot == Some(pid) {
            *slot = None;
        }
        Some(run)
    }

    /// From now on listens to `ear` for `run`.
    pub fn listen(&mut self, run: Incarnation, ear: Ear, poll: &Poll) -> std::io::Result<()> {
        self.stop_listening(run.service, poll);
        let token = Token(CHANNELS + run.service.index());
        let fd = ear.fd().as_raw_fd();
        poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE)?;
        if let Some(slot) = self.ears.get_mut(run.service.index()) {
            *slot = Some(Listening { ear, run });
        }
        Ok(())
    }

    /// Closes a service's ear.
    pub fn stop_listening(&mut self, id: ServiceId, poll: &Poll) {
        let Some(listening) = self.ears.get_mut(id.index()).and_then(Option::take) else { return };
        let fd = listening.ear.fd().as_raw_fd();
        // It was registered; and closing it, which follows, takes it out of the set as well.
        poll.registry().deregister(&mut SourceFd(&fd)).ok();
        if let Ear::Socket(_, path) = &listening.ear {
            disk::remove(path).ok();
        }
    }
}

/// Our ear, and the descriptor that a process gets with the number under which it expects it.
type ChannelEnds = (Option<Ear>, Option<(OwnedFd, i32)>);

impl Manager {
    /// A service's ear has something.
    pub(super) fn hear(&mut self, id: ServiceId) {
        let Some(Some(Listening { ear, run })) = self.children.ears.get(id.index()) else { return };
        let (heard, run) = match ear {
            Ear::Pipe(fd) => (hear_pipe(fd), *run),
            Ear::Socket(fd, _) => (hear_socket(fd), *run),
        };
        let is_pipe = matches!(ear, Ear::Pipe(_));
        match heard {
            Heard::Nothing => {}
            Heard::More => {
                // The poll is edge-triggered: what is left now is not reported again. Registering
                // anew is, and gives everybody else their turn first.
                self.rearm(id);
            }
            Heard::Ready => {
                if is_pipe {
                    self.children.stop_listening(id, &self.poll);
                }
                self.tell(Event::Ready(run));
            }
            Heard::Closed => {
                self.children.stop_listening(id, &self.poll);
                self.tell(Event::ReadyClosed(run));
            }
        }
    }

    fn rearm(&mut self, id: ServiceId) {
        if let Some(Some(listening)) = self.children.ears.get(id.index()) {
            let fd = listening.ear.fd().as_raw_fd();
            let token = Token(CHANNELS + id.index());
            let again =
                self.poll.registry().reregister(&mut SourceFd(&fd), token, Interest::READABLE);
            if let Err(error) = again {
                let name = self.database.name(id);
                self.report.say(name, &format!("cannot watch its readiness channel: {error}"));
            }
        }
    }

    /// Releases dead children and tells the engine of those that were services'.
    pub(super) fn reap(&mut self) {
        if !self.children.reap {
            return;
        }
        for _ in 0..REAP_TURN {
            let Some(dead) = reap::peek() else {
                self.children.reap = false;
                return;
            };
            let run = self.children.forget(dead.pid);
            if run.is_some_and(|run| self.leaves_nobody(run)) {
                // Its pid is still taken, so this cannot hit another's group.
                reap::signal_group(dead.pid, Signal::Kill);
            }
            reap::release(dead.pid);
            let now = self.clock.now();
            if let Some(run) = run {
                // What it said last counts: a daemon may tell and fork at once.
                self.hear(run.service);
                self.children.stop_listening(run.service, &self.poll);
                self.tell(Event::Exited(run, dead.exit));
            } else if let Some(delay) = self.logs.exited(now, dead.pid) {
                let exit = super::messages::exit(dead.exit);
                let text =
                    format!("the collector {exit}; another one is started in {} ms", delay.0);
                self.report.say("log", &text);
            } else if let Some(attendant) = &mut self.attendant
                && attendant.exited(now, dead.pid, &mut self.report)
            {
                self.attend_at = Some(now);
            }
        }
        self.more = true;
    }

    /// A longrun that died leaves nobody behind; what a oneshot started may go on.
    fn leaves_nobody(&self, run: Incarnation) -> bool {
        let view = self.engine.view(run.service);
        view.is_some_and(|view| matches!(view.kind, rc::engine::NodeKind::Longrun(_)))
    }

    /// Makes the readiness channel of a process: our ear, and what the process gets.
    pub(super) fn make_channel(
        &self,
        run: Incarnation,
        channel: Channel,
        owner: Option<(u32, u32)>,
    ) -> Result<ChannelEnds, rustix::io::Errno> {
        match channel {
            Channel::None => Ok((None, None)),
            Channel::Pipe(number) => {
                let (ours, theirs) = supervisor::notify::pipe()?;
                Ok((Some(Ear::Pipe(ours)), Some((theirs, number))))
            }
            Channel::Socket => {
                let path = self.paths.notify(run.service.0);
                let fd = supervisor::notify::socket(&path, owner)?;
                Ok((Some(Ear::Socket(fd, path)), None))
            }
        }
    }
}
