//! The control socket: who is connected. Bounded: when all places are taken, a client that is not root
//! gives way to a new one, so that nobody can lock root out.

use super::{
    CLIENTS, CONTROL,
    client::{Client, Mode},
};
use mio::{Interest, Poll, Token, net::UnixListener};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::{fs::Mode as Permissions, io::Errno};
use std::{io, path::Path};
use supervisor::time::{Instant, Millis};

/// Without a descriptor for one more client, it is tried again after this.
const AGAIN: Millis = Millis::from_secs(1);

/// Clients at a time.
pub const PLACES: usize = 32;
/// Connections accepted in one turn.
const ACCEPT_TURN: usize = 8;

/// The socket and its clients.
pub struct Control {
    listener: UnixListener,
    clients: Vec<Option<Client>>,
    accept: bool,
    /// When to try again to accept.
    again_at: Option<Instant>,
    /// It has been told that this does not work.
    is_short: bool,
    /// Places that have something to do, by bit; there are at most 32.
    busy: u32,
    /// The place that gives way next.
    victim: usize,
}

impl Control {
    /// Listens on `path`; what was there is replaced.
    ///
    /// Everybody may connect, since services under their own users publish outputs; what they may do
    /// is decided per request. The program before may have listened already, at this descriptor: then who
    /// connects meanwhile just waits.
    pub fn open(path: &Path, poll: &Poll, before: Option<i32>) -> io::Result<Self> {
        let mut listener = match before.and_then(crate::inherit::adopt) {
            Some(fd) => UnixListener::from_std(fd.into()),
            None => {
                super::disk::remove(path)?;
                let listener = UnixListener::bind(path)?;
                rustix::fs::chmod(path, Permissions::from_raw_mode(0o666))?;
                listener
            }
        };
        poll.registry().register(&mut listener, CONTROL, Interest::READABLE)?;
        let clients = core::iter::repeat_with(|| None).take(PLACES).collect();
        Ok(Self {
            listener,
            clients,
            accept: true,
            again_at: None,
            is_short: false,
            busy: 0,
            victim: 0,
        })
    }

    /// The listening socket.
    pub fn fd(&self) -> i32 {
        std::os::fd::AsRawFd::as_raw_fd(&self.listener)
    }

    /// Somebody connects.
    pub fn accept_later(&mut self) {
        self.accept = true;
    }

    /// A client's socket is ready for something.
    pub fn is_readable(&mut self, place: usize) {
        if let Some(Some(client)) = self.clients.get_mut(place) {
            client.readable = true;
            self.busy |= 1 << place;
        }
    }

    /// How many are connected.
    pub fn count(&self) -> usize {
        self.clients.iter().flatten().count()
    }

    /// Whether there is something to do without waiting for the poll.
    pub fn has_more(&self) -> bool {
        self.accept || self.busy != 0
    }

    /// When those who could not be accepted have their next chance.
    pub const fn deadline(&self) -> Option<Instant> {
        self.again_at
    }

    /// Clients that wait for an event or a service may have something to hear.
    pub fn serve_again(&mut self) {
        for (place, client) in self.clients.iter().enumerate() {
            if client.as_ref().is_some_and(|client| client.mode != Mode::Idle) {
                self.busy |= 1 << place;
            }
        }
    }

    /// Accepts some of those who connect.
    pub fn accept(&mut self, now: Instant, poll: &Poll) -> io::Result<()> {
        if self.again_at.is_some_and(|at| at <= now) {
            self.again_at = None;
            self.accept = true;
        }
        if !self.accept {
            return Ok(());
        }
        for _ in 0..ACCEPT_TURN {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if Errno::from_io_error(&error) == Some(Errno::AGAIN) => {
                    self.accept = false;
                    return Ok(());
                }
                Err(error) if Errno::from_io_error(&error) == Some(Errno::INTR) => continue,
                Err(error) => {
                    // EMFILE and the like: they stay in the backlog, and nobody tells when there is room.
                    self.accept = false;
                    self.again_at = Some(now.after(AGAIN));
                    let is_told = core::mem::replace(&mut self.is_short, true);
                    return if is_told { Ok(()) } else { Err(error) };
                }
            };
            self.is_short = false;
            // Who cannot be identified is nobody. Not by rustix 1.1, for which a peer in an outer PID
            // namespace, whose pid is 0 here, is an error.
            let peer = getsockopt(&stream, PeerCredentials);
            let (uid, pid) = peer.map_or((u32::MAX, 0), |peer| (peer.uid(), peer.pid()));
            let Some(place) = self.place_for(uid) else { continue };
            let mut client = Client::new(stream, uid, pid);
            let token = Token(CLIENTS + place);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(client.stream(), token, interest)?;
            self.clients[place] = Some(client);
            self.busy |= 1 << place;
        }
        Ok(())
    }

    /// A free place, or one that has to be given up for this user.
    fn place_for(&mut self, uid: u32) -> Option<usize> {
        if let Some(free) = self.clients.iter().position(Option::is_none) {
            return Some(free);
        }
        let others = (1..=PLACES).map(|step| (self.victim + step) % PLACES);
        let lesser =
            |place: &usize| self.clients[*place].as_ref().is_some_and(|client| client.uid != 0);
        // Rather one that is not root's; among root's own they take turns.
        let first = others.clone().next().filter(|_| uid == 0);
        let place = others.clone().find(lesser).or(first)?;
        self.victim = place;
        self.clients[place] = None;
        Some(place)
    }

    /// The places that have something to do; they are idle until told otherwise.
    pub fn take_busy(&mut self) -> impl Iterator<Item = usize> + use<> {
        let busy = core::mem::take(&mut self.busy);
        (0..PLACES).filter(move |place| busy & (1 << place) != 0)
    }

    /// The place has more to do in the next turn.
    pub fn again(&mut self, place: usize) {
        self.busy |= 1 << place;
    }

    /// All places.
    pub fn places(&self) -> core::ops::Range<usize> {
        0..PLACES
    }

    /// The client at a place.
    pub fn client(&mut self, place: usize) -> Option<&mut Client> {
        self.clients.get_mut(place)?.as_mut()
    }

    /// Hangs up.
    pub fn close(&mut self, place: usize) {
        if let Some(slot) = self.clients.get_mut(place) {
            *slot = None;
        }
    }
}
