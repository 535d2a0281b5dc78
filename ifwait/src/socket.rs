//! The two system calls on a netlink socket, and its set-up. Input: the kernel's datagrams; those
//! of other senders are dropped, for any process may send to a port number it guesses. It never
//! blocks and decides nothing about what was read.

use rustix::fd::OwnedFd;
use rustix::io::{self, Errno};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recvfrom, sendto,
    socket_with, sockopt,
};

/// A non-blocking socket that receives events of `groups` (the bit mask of netlink(7)); `None` as
/// a protocol is NETLINK_ROUTE, which is 0.
pub fn open(protocol: Option<Protocol>, groups: u32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// Lets the kernel queue `bytes` of events, beyond the system's limit if we are root.
pub fn set_queue(socket: &OwnedFd, bytes: usize) {
    if sockopt::set_socket_recv_buffer_size_force(socket, bytes).is_err() {
        // Without privilege the default has to do: an overflow costs a dump, nothing is lost.
        sockopt::set_socket_recv_buffer_size(socket, bytes).ok();
    }
}

/// Sends a request to the kernel.
pub fn send(socket: &OwnedFd, request: &[u8]) -> io::Result<()> {
    let kernel = SocketAddrNetlink::new(0, 0);
    io::retry_on_intr(|| sendto(socket, request, SendFlags::empty(), &kernel))?;
    Ok(())
}

/// What one read found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// So many bytes are in the buffer; none if the sender was not the kernel.
    Datagram(usize),
    /// A datagram of so many bytes, which the buffer is too small for. Its end is lost.
    Truncated(usize),
    /// Nothing to read now.
    Nothing,
    /// The queue was full: events were lost (ENOBUFS, netlink(7)).
    Overflow,
}

/// Reads one datagram.
pub fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Received> {
    // With MSG_TRUNC recvfrom answers the datagram's length, not what fitted.
    let read = io::retry_on_intr(|| recvfrom(socket, &mut *buffer, RecvFlags::TRUNC));
    let (stored, length, sender) = match read {
        Ok(read) => read,
        Err(Errno::AGAIN) => return Ok(Received::Nothing),
        Err(Errno::NOBUFS) => return Ok(Received::Overflow),
        Err(error) => return Err(error),
    };
    let sender = sender.and_then(|any| SocketAddrNetlink::try_from(any).ok());
    Ok(match sender.map(|address| address.pid()) {
        Some(0) if length > stored => Received::Truncated(length),
        Some(0) => Received::Datagram(stored),
        _ => Received::Datagram(0),
    })
}
