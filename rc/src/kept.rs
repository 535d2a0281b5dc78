//! Descriptors that jamb keeps for a service while its process comes and goes: sockets that it listens
//! on, and what it gives into its store. Data only.

use supervisor::coder::Coded;

/// What is kept for a longrun.
#[derive(Clone, PartialEq, Eq, Debug, Default, Coded)]
pub struct Kept {
    /// The sockets that its process is given, in this order, from descriptor 3 on; sd_listen_fds(3).
    pub sockets: Vec<Socket>,
    /// How many descriptors it may give away with `FDSTORE=1`; sd_notify(3).
    pub store: u16,
}

/// A socket.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub struct Socket {
    /// Its name, as `LISTEN_FDNAMES` has it.
    pub name: String,
    /// How bytes travel.
    pub kind: SocketKind,
    /// Where it listens.
    pub address: Address,
    /// Connections that wait for their accept(2), at most.
    pub backlog: u16,
    /// Permission bits of a unix socket.
    pub mode: u16,
    /// Who owns a unix socket; `None`: jamb's own user.
    pub user: Option<String>,
    /// Its group; `None`: the user's own, or jamb's.
    pub group: Option<String>,
}

/// How bytes travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum SocketKind {
    /// In connections: SOCK_STREAM.
    Stream,
    /// One by one: SOCK_DGRAM.
    Datagram,
}

/// Where a socket listens.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub enum Address {
    /// At a path.
    Unix(String),
    /// At an IPv4 address and port.
    V4([u8; 4], u16),
    /// At an IPv6 address and port, for IPv6 only.
    V6([u8; 16], u16),
    /// At a port of every address, IPv6 and IPv4.
    Every(u16),
}
