//! How processes speak up: the readiness pipe and the notification socket of each service, and what their
//! words mean to the engine, sd_notify(3). Nothing is believed of a process that is not the service's.

use super::{CHANNELS, Manager, disk, prepare::Channel};
use crate::handover::{point::point, state};
use mio::{Interest, Poll, Token, unix::SourceFd};
use rc::{
    engine::{Event, Incarnation},
    model::ServiceId,
};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use supervisor::{
    datagram::Sender,
    notify::{Beat, Line, MAX_HEARD, Message, drop_datagram, hear_pipe, hear_socket, take},
};

/// Messages of one service in one turn.
const TURN: usize = 16;

/// Where a process tells about itself.
pub enum Ear {
    /// Our end of its pipe, and the line that it is in the middle of.
    Pipe(OwnedFd, Line),
    /// Its socket, the number in the socket's path, and the user who may send to it.
    Socket(OwnedFd, u32, u32),
}

/// A service's ear, whose it is, and what it said for people.
struct Listening {
    ear: Ear,
    run: Incarnation,
    status: String,
}

impl Listening {
    fn fd(&self) -> BorrowedFd<'_> {
        match &self.ear {
            Ear::Pipe(fd, _) | Ear::Socket(fd, ..) => fd.as_fd(),
        }
    }
}

/// The ears, by service number.
pub struct Ears(Vec<Option<Box<Listening>>>);

impl Ears {
    /// None yet.
    pub fn new(services: usize) -> Self {
        Self(core::iter::repeat_with(|| None).take(services).collect())
    }

    fn get(&mut self, id: ServiceId) -> Option<&mut Listening> {
        self.0.get_mut(id.index())?.as_deref_mut()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// What a service last said about itself; empty if nothing.
    pub fn status(&self, id: ServiceId) -> &str {
        let listening = self.0.get(id.index()).and_then(Option::as_ref);
        listening.map_or("", |listening| &listening.status)
    }

    /// From now on listens to `ear` for `run`.
    pub fn open(
        &mut self,
        run: Incarnation,
        ear: Ear,
        status: String,
        poll: &Poll,
    ) -> std::io::Result<()> {
        let listening = Listening { ear, run, status };
        let fd = listening.fd().as_raw_fd();
        poll.registry().register(&mut SourceFd(&fd), token(run.service), Interest::READABLE)?;
        if let Some(slot) = self.0.get_mut(run.service.index()) {
            *slot = Some(Box::new(listening));
        }
        Ok(())
    }

    /// The number in the path of a service's socket, if it has one.
    pub fn socket(&self, id: ServiceId) -> Option<u32> {
        match self.0.get(id.index())?.as_deref()?.ear {
            Ear::Socket(_, number, _) => Some(number),
            Ear::Pipe(..) => None,
        }
    }

    /// What the next program has to know of a service's ear.
    pub fn record(&self, id: ServiceId) -> Option<state::Ear> {
        let Listening { ear, run, status } = self.0.get(id.index())?.as_deref()?;
        let (fd, line, owner) = match ear {
            Ear::Pipe(fd, line) => (fd, *line, None),
            Ear::Socket(fd, _, owner) => (fd, Line::default(), Some(*owner)),
        };
        Some(state::Ear { fd: fd.as_raw_fd(), run: *run, owner, line, status: status.clone() })
    }
}

const fn token(id: ServiceId) -> Token {
    Token(CHANNELS + id.index())
}

/// Our ear, and the descriptor that a process gets with the number under which it expects it.
type ChannelEnds = (Option<Ear>, Option<(OwnedFd, i32)>);

impl Manager {
    /// Makes `ear` the one of its service, which has none, for the next program, too.
    pub(super) fn listen(&mut self, run: Incarnation, ear: Ear, status: String) {
        self.children.touch(run.service);
        let opened = self.children.ears.open(run, ear, status, &self.poll);
        match (opened, self.children.ears.get(run.service)) {
            (Ok(()), Some(listening)) => self.vault.keep(listening.fd().as_raw_fd(), true),
            (Err(error), _) => {
                let text = format_args!("cannot watch its readiness channel: {error}");
                self.report.tell(self.database.name(run.service), text);
            }
            (Ok(()), None) => {}
        }
    }

    /// Closes a service's ear.
    pub(super) fn stop_listening(&mut self, id: ServiceId) {
        if let Some(listening) = self.without_ear(id) {
            self.close(&listening);
        }
    }

    /// A service's ear, which it no longer has by its record.
    fn without_ear(&mut self, id: ServiceId) -> Option<Box<Listening>> {
        self.children.touch(id);
        self.children.ears.0.get_mut(id.index())?.take()
    }

    fn close(&self, listening: &Listening) {
        let fd = listening.fd().as_raw_fd();
        // Closing it, which follows, takes it out of the poll's set as well: nobody else has it, as whoever is
        // between clone(2) and execve(2) is waited for.
        self.vault.keep(fd, false);
        if let Ear::Socket(_, number, _) = listening.ear {
            disk::remove(Path::new(&self.paths.notify(number))).ok();
        }
    }

    /// A service's ear has something. It is looked at first, and taken when what it led to is recorded. With
    /// `is_last` there is nobody any more who could say more.
    pub(super) fn hear(&mut self, id: ServiceId, is_last: bool) {
        let Some(run) = self.children.ears.get(id).map(|listening| listening.run) else { return };
        for _ in 0..TURN {
            // What was said before may have closed the ear.
            let Some(listening) = self.children.ears.get(id).filter(|one| one.run == run) else {
                return;
            };
            match &mut listening.ear {
                Ear::Pipe(fd, line) => {
                    let heard = hear_pipe(&*fd, line, &self.glass);
                    if heard.closed {
                        self.stop_listening(id);
                        return self.tell(Event::ReadyClosed(run));
                    }
                    if heard.bytes == 0 {
                        return;
                    }
                    point("ear-heard");
                    self.children.touch(id);
                    if is_last && heard.bytes < MAX_HEARD && heard.ready == Some(true) {
                        // As most do: ready, and the pipe is closed, which says nothing more. One record has both.
                        let ear = self.without_ear(id);
                        point("ear-last");
                        self.tell(Event::Ready(run));
                        point("ear-told");
                        if let Some(ear) = ear {
                            self.close(&ear);
                        }
                        return;
                    }
                    match heard.ready {
                        Some(true) => self.tell(Event::Ready(run)),
                        Some(false) => self.tell(Event::Unready(run)),
                        None => self.commit(),
                    }
                    self.taken(run, |fd| take(fd, heard));
                }
                Ear::Socket(fd, _, owner) => {
                    let owner = *owner;
                    let mut fds = Vec::new();
                    let Some((message, sender)) = hear_socket(&*fd, &mut fds) else { return };
                    point("ear-heard");
                    match self.stranger(run, owner, sender) {
                        None => self.heard_message(run, message, fds),
                        Some(who) => {
                            let name = self.database.name(id);
                            let text = format_args!("{who} may not speak for it; not believed");
                            self.report.tell(name, text);
                        }
                    }
                    self.commit();
                    self.taken(run, |fd| drop_datagram(fd));
                }
            }
        }
        // The poll is edge-triggered: what is left now is not reported again. Registering anew is, and gives
        // everybody else their turn first.
        self.rearm(id);
    }

    /// What was heard has led to what it leads to, and that is recorded: takes it off the ear.
    fn taken(&mut self, run: Incarnation, take: impl FnOnce(BorrowedFd<'_>)) {
        point("ear-told");
        if let Some(one) = self.children.ears.get(run.service).filter(|one| one.run == run) {
            take(one.fd());
        }
    }

    fn heard_message(&mut self, run: Incarnation, message: Message, fds: Vec<OwnedFd>) {
        // Before anything that may end it: it may store as its last act.
        if message.removes || message.stores {
            let name = message.fd_name.as_deref();
            self.told_to_store(run.service, message.removes, name, fds);
        }
        if let Some(span) = message.extend {
            self.tell(Event::Extend(run, span));
        }
        if let Some(span) = message.watchdog {
            self.tell(Event::Watchdog(run, span));
        }
        if let Some(pid) = message.main_pid {
            self.told_main_pid(run, pid);
        }
        if message.reloading {
            self.tell(Event::Reloading(run));
        }
        match message.ready {
            Some(true) => self.tell(Event::Ready(run)),
            Some(false) => self.tell(Event::Unready(run)),
            None => {}
        }
        match message.beat {
            Some(Beat::Alive) => self.tell(Event::Keepalive(run)),
            Some(Beat::Trigger) => self.tell(Event::Trigger(run)),
            None => {}
        }
        self.children.touch(run.service);
        if let Some(listening) = self.children.ears.get(run.service) {
            if message.stopping {
                "stopping".clone_into(&mut listening.status);
            }
            if let Some(errno) = message.errno {
                listening.status = crate::exit::reason(errno);
            }
            if let Some(status) = message.status {
                listening.status = status;
            }
        }
    }

    /// Who it is that speaks without a right to, if it is not the service itself.
    ///
    /// A process that is gone by now was let in by the permissions of the socket, which only root and the
    /// service's user can open: short-lived programs such as `notify` tell in its name.
    fn stranger(&self, run: Incarnation, owner: u32, sender: Option<Sender>) -> Option<String> {
        let Some(Sender { pid, uid }) = sender else { return Some("nobody".to_owned()) };
        let may = uid == 0 || uid == owner || uid == rustix::process::geteuid().as_raw();
        if may && pid > 0 && self.belongs(pid, run).unwrap_or(true) {
            return None;
        }
        Some(format!("process {pid} of user {uid}"))
    }

    fn rearm(&mut self, id: ServiceId) {
        let Some(listening) = self.children.ears.get(id) else { return };
        let fd = listening.fd().as_raw_fd();
        let registry = self.poll.registry();
        if let Err(error) = registry.reregister(&mut SourceFd(&fd), token(id), Interest::READABLE) {
            let name = self.database.name(id);
            self.report.tell(name, format_args!("cannot watch its readiness channel: {error}"));
        }
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
                Ok((Some(Ear::Pipe(ours, Line::default())), Some((theirs, number))))
            }
            Channel::Socket => {
                let number = self.paths.socket(run.service.0);
                let path = self.paths.notify(number);
                let fd = supervisor::notify::socket(Path::new(&path), owner)?;
                Ok((Some(Ear::Socket(fd, number, owner.map_or(0, |(uid, _)| uid))), None))
            }
        }
    }
}
