//! Descriptors that are held for services while their processes come and go: the sockets of a definition,
//! and what a process gave away with `FDSTORE=1`. They are opened at the first start, handed to each run
//! as sd_listen_fds(3) has it, and closed when the service is down for good: not wanted, or failed.
//!
//! Who opens what is here, so that whoever has to pass all of them on finds them in one list.

use super::{Manager, disk, users};
use crate::{exit::reason, file};
use rc::{
    engine::{Incarnation, Role},
    kept::{Address, Kept, Socket, SocketKind},
    model::{Body, Record, ServiceId},
};
use rustix::{
    fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    fs::{Mode, chmod, chown},
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with, sockopt,
    },
    process::{Gid, Uid},
};
use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6},
    path::Path,
};
use supervisor::problem::Problem;

/// The name of a descriptor in the store that was given none; sd_pid_notify_with_fds(3).
const NAMELESS: &str = "stored";

/// A descriptor that is held.
pub struct One {
    /// For whom.
    pub service: ServiceId,
    /// As `LISTEN_FDNAMES` has it. Of sockets unique; in the store it may stand for several.
    pub name: String,
    /// Whether the process gave it away; else it is a socket of the definition.
    pub is_stored: bool,
    /// The descriptor itself.
    pub fd: OwnedFd,
}

/// All that is held. The sockets of a service stand before what it stored, each in their order.
#[derive(Default)]
pub struct Held(Vec<One>);

impl Held {
    /// Everything.
    pub fn list(&self) -> &[One] {
        &self.0
    }

    /// One that the program before held.
    pub fn take_over(&mut self, one: One) {
        self.0.push(one);
    }

    /// Those of a service, for the next program.
    pub fn record(&self, id: ServiceId) -> Vec<(String, bool, i32)> {
        let mut all = Vec::new();
        for one in self.of(id) {
            all.push((one.name.clone(), one.is_stored, one.fd.as_raw_fd()));
        }
        all
    }

    fn of(&self, id: ServiceId) -> impl Iterator<Item = &One> {
        self.list().iter().filter(move |one| one.service == id)
    }

    /// The descriptors of a service.
    pub fn fds(&self, id: ServiceId) -> Vec<BorrowedFd<'_>> {
        let mut all = Vec::new();
        for one in self.of(id) {
            all.push(one.fd.as_fd());
        }
        all
    }

    /// Their names, separated by colons; empty if there is none.
    pub fn names(&self, id: ServiceId) -> String {
        let mut names = String::new();
        for one in self.of(id) {
            if !names.is_empty() {
                names.push(':');
            }
            names.push_str(&one.name);
        }
        names
    }

    /// Keeps a descriptor, or closes it if the service has `most` in its store; answers which.
    fn store(&mut self, id: ServiceId, name: &str, fd: OwnedFd, most: u16) -> bool {
        let there = self.of(id).filter(|one| one.is_stored).count();
        if there >= usize::from(most) {
            return false;
        }
        self.0.push(One { service: id, name: name.to_owned(), is_stored: true, fd });
        true
    }

    /// Opens the sockets that are not open yet.
    fn open(&mut self, id: ServiceId, kept: &Kept) -> Result<(), Problem> {
        for (place, socket) in kept.sockets.iter().enumerate() {
            if self.of(id).any(|one| !one.is_stored && one.name == socket.name) {
                continue;
            }
            let fd = open(socket).map_err(|problem| {
                format!("its socket {} cannot listen: {problem}", socket.name)
            })?;
            // In the order of the definition, and before what was stored.
            let of_service = |one: &One| one.service == id;
            let start = self.0.iter().position(of_service).unwrap_or(self.0.len());
            let name = socket.name.clone();
            self.0.insert(start + place, One { service: id, name, is_stored: false, fd });
        }
        Ok(())
    }
}

/// A socket that listens; an error is for people.
fn open(socket: &Socket) -> Result<OwnedFd, Problem> {
    let because = |errno: Errno| reason(errno.raw_os_error());
    let fd = match &socket.address {
        Address::Unix(path) => {
            let fd = unix(socket, path).map_err(because)?;
            let groups = &[];
            let owner = users::account(socket.user.as_deref(), socket.group.as_deref(), groups)?;
            if let Some(owner) = owner {
                let (uid, gid) = (owner.identity.uid, owner.identity.gid);
                chown(path.as_str(), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
                    .map_err(because)?;
            }
            chmod(path.as_str(), Mode::from_raw_mode(socket.mode.into())).map_err(because)?;
            fd
        }
        other => internet(socket, other).map_err(because)?,
    };
    if socket.kind == SocketKind::Stream {
        listen(&fd, i32::from(socket.backlog)).map_err(because)?;
    }
    Ok(fd)
}

fn make(family: AddressFamily, socket: &Socket) -> Result<OwnedFd, Errno> {
    let kind = match socket.kind {
        SocketKind::Stream => SocketType::STREAM,
        SocketKind::Datagram => SocketType::DGRAM,
    };
    socket_with(family, kind, SocketFlags::CLOEXEC, None)
}

/// Nobody can use it before its mode is set: whoever connects needs to write, which the umask forbids.
fn unix(socket: &Socket, path: &str) -> Result<OwnedFd, Errno> {
    let fd = make(AddressFamily::UNIX, socket)?;
    let file = Path::new(path);
    file::make_directories(file::split(file).0)?;
    // What an earlier one left. If it cannot be removed, binding tells.
    disk::remove(file).ok();
    bind(&fd, &SocketAddrUnix::new(path)?)?;
    Ok(fd)
}

fn internet(socket: &Socket, address: &Address) -> Result<OwnedFd, Errno> {
    let (v4, v6) = match *address {
        Address::V4(ip, port) => (Some((Ipv4Addr::from(ip), port)), None),
        Address::V6(ip, port) => (None, Some((Ipv6Addr::from(ip), port))),
        // A kernel without IPv6 has the other half.
        Address::Every(port) => {
            (Some((Ipv4Addr::UNSPECIFIED, port)), Some((Ipv6Addr::UNSPECIFIED, port)))
        }
        Address::Unix(_) => (None, None),
    };
    if let Some((ip, port)) = v6 {
        match make(AddressFamily::INET6, socket) {
            Ok(fd) => {
                sockopt::set_ipv6_v6only(&fd, v4.is_none())?;
                sockopt::set_socket_reuseaddr(&fd, socket.kind == SocketKind::Stream)?;
                bind(&fd, &SocketAddrV6::new(ip, port, 0, 0))?;
                return Ok(fd);
            }
            Err(Errno::AFNOSUPPORT) if v4.is_some() => {}
            Err(error) => return Err(error),
        }
    }
    let (ip, port) = v4.ok_or(Errno::AFNOSUPPORT)?;
    let fd = make(AddressFamily::INET, socket)?;
    // Connections of the run before, or of another jamb, may still wait for their end.
    sockopt::set_socket_reuseaddr(&fd, socket.kind == SocketKind::Stream)?;
    bind(&fd, &SocketAddrV4::new(ip, port))?;
    Ok(fd)
}

/// What is kept for a service, if it is one for which something is.
fn kept(record: &Record) -> Option<&Kept> {
    match &record.body {
        Body::Longrun { kept, .. } => kept.as_deref(),
        _ => None,
    }
}

impl Manager {
    /// Opens what a run needs and nobody has opened yet; answers how many descriptors it is given, and
    /// their names. An error is for people.
    pub(super) fn hold_for(
        &mut self,
        run: Incarnation,
        record: &Record,
    ) -> Result<(usize, String), Problem> {
        let Some(kept) = kept(record).filter(|_| run.role == Role::Run) else {
            return Ok((0, String::new()));
        };
        let opened = self.held.open(run.service, kept);
        self.keep_held(run.service);
        opened?;
        Ok((self.held.of(run.service).count(), self.held.names(run.service)))
    }

    /// `FDSTORE=1`, `FDSTOREREMOVE=1`: descriptors that came along are kept or closed.
    pub(super) fn told_to_store(
        &mut self,
        id: ServiceId,
        removes: bool,
        name: Option<&str>,
        fds: Vec<OwnedFd>,
    ) {
        if removes {
            return self
                .close_held(id, &|one| one.is_stored && name.is_none_or(|name| one.name == name));
        }
        let record = self.database.record(id);
        let most = record.ok().as_ref().and_then(kept).map_or(0, |kept| kept.store);
        let mut closed = 0;
        for fd in fds {
            closed += usize::from(!self.held.store(id, name.unwrap_or(NAMELESS), fd, most));
        }
        self.keep_held(id);
        if closed > 0 {
            let text = format_args!(
                "{closed} descriptors more than its fd-store ({most}) has room for; closed"
            );
            self.report.tell(self.database.name(id), text);
        }
    }

    /// The next program gets all that is held for a service, too.
    fn keep_held(&mut self, id: ServiceId) {
        self.children.touch(id);
        for one in self.held.of(id) {
            self.vault.keep(one.fd.as_raw_fd(), true);
        }
    }

    fn close_held(&mut self, id: ServiceId, which: &dyn Fn(&One) -> bool) {
        self.children.touch(id);
        let Self { held, vault, .. } = self;
        held.0.retain(|one| {
            let stays = one.service != id || !which(one);
            if !stays {
                vault.keep(one.fd.as_raw_fd(), false);
            }
            stays
        });
    }

    /// A service is down for good: nobody is to wait for it in vain.
    pub(super) fn let_go(&mut self, id: ServiceId) {
        if self.held.of(id).next().is_none() {
            return;
        }
        self.close_held(id, &|_| true);
        let record = self.database.record(id);
        for socket in record.ok().as_ref().and_then(kept).map_or(&[][..], |kept| &kept.sockets) {
            if let Address::Unix(path) = &socket.address {
                disk::remove(Path::new(path)).ok();
            }
        }
    }

    /// What is held for a service, for people.
    pub(super) fn held_note(&self, id: ServiceId) -> Option<String> {
        let names = self.held.names(id);
        (!names.is_empty()).then(|| format!("descriptors held: {names}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(name: &str, kind: SocketKind, address: Address) -> Socket {
        let (user, group) = (None, None);
        Socket { name: name.to_owned(), kind, address, backlog: 5, mode: 0o640, user, group }
    }

    fn names(held: &Held, id: u16) -> String {
        held.names(ServiceId(id))
    }

    #[test]
    fn sockets_stand_before_what_is_stored_and_both_are_bounded() {
        let mut held = Held::default();
        let every = |name| socket(name, SocketKind::Stream, Address::Every(0));
        let (a, b) = (ServiceId(1), ServiceId(2));
        let fd = || rustix::io::dup(rustix::stdio::stdin()).unwrap();
        assert!(held.store(a, "early", fd(), 2));
        let mut kept = Kept { sockets: vec![every("one"), every("two")], store: 2 };
        held.open(a, &kept).unwrap();
        held.open(b, &kept).unwrap();
        assert!(held.store(a, "late", fd(), 2));
        assert!(!held.store(a, "more", fd(), 2), "it is full");
        assert_eq!(names(&held, 1), "one:two:early:late");
        assert_eq!(names(&held, 2), "one:two");
        let open: Vec<i32> = held.fds(a).iter().map(AsRawFd::as_raw_fd).collect();
        // A definition with more of them opens what is new, and leaves the rest.
        kept.sockets.insert(1, every("middle"));
        held.open(a, &kept).unwrap();
        assert_eq!(names(&held, 1), "one:middle:two:early:late");
        let now: Vec<i32> = held.fds(a).iter().map(AsRawFd::as_raw_fd).collect();
        assert_eq!([now[0], now[2], now[3], now[4]], open[..]);
        assert_eq!(held.list().len(), 7);
    }

    #[test]
    fn sockets_of_every_kind() {
        let dir = std::env::temp_dir().join(format!("jamb-held-{}", std::process::id()));
        let path = dir.join("sub/socket").to_string_lossy().into_owned();
        for kind in [SocketKind::Stream, SocketKind::Datagram] {
            let local = Address::V4([127, 0, 0, 1], 0);
            open(&socket("v4", kind, local)).unwrap();
            open(&socket("every", kind, Address::Every(0))).unwrap();
            let mut loopback = [0; 16];
            loopback[15] = 1;
            let v6 = open(&socket("v6", kind, Address::V6(loopback, 0)));
            assert!(
                v6.is_ok()
                    || make(AddressFamily::INET6, &socket("", kind, Address::Every(0))).is_err()
            );
            // The one before it is replaced.
            open(&socket("unix", kind, Address::Unix(path.clone()))).unwrap();
            let mode = rustix::fs::stat(path.as_str()).unwrap().st_mode;
            assert_eq!(mode & 0o777, 0o640);
        }
        let taken = open(&socket("a", SocketKind::Stream, Address::V4([127, 0, 0, 1], 0))).unwrap();
        let port = match rustix::net::getsockname(&taken).unwrap().try_into() {
            Ok(std::net::SocketAddr::V4(address)) => address.port(),
            other => panic!("{other:?}"),
        };
        let again = open(&socket("b", SocketKind::Stream, Address::V4([127, 0, 0, 1], port)));
        assert!(again.unwrap_err().contains("in use"));
        let nobody = Socket {
            user: Some("no-such-user".to_owned()),
            ..socket("c", SocketKind::Stream, Address::Unix(path))
        };
        assert!(open(&nobody).unwrap_err().contains("no-such-user"));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
