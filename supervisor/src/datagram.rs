//! One datagram with what the kernel says about it: who sent it, and the descriptors that came along.
//!
//! Written with libc, as rustix takes a sender's pid for one that cannot be 0, and it is 0 if the sender
//! is in a pid namespace that is not visible from here (unix(7), pid_namespaces(7)).

#![allow(unsafe_code)]

use core::{mem::MaybeUninit, ptr};
use rustix::{
    fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    io::Errno,
};

/// Bytes for control messages: the credentials, and some descriptors. The kernel closes those that have
/// no room (recvmsg(2), MSG_CTRUNC).
const CONTROL: usize = 256;

/// Who sent a datagram, as the kernel attests it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sender {
    /// The pid; 0 if the process cannot be seen from here.
    pub pid: i32,
    /// The user.
    pub uid: u32,
}

/// Room for control messages, aligned as `cmsghdr` has to be.
#[repr(align(8))]
struct Control([MaybeUninit<u8>; CONTROL]);

/// Receives one datagram without waiting: its length, which is at most that of `buffer`, and its sender
/// if the socket was told to pass credentials. If it `stays` it is received again the next time.
/// Descriptors that came along are added to `fds`, each time.
///
/// # Errors
/// As recvmsg(2) has it; EAGAIN if there is none.
pub fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    stays: bool,
    fds: &mut Vec<OwnedFd>,
) -> Result<(usize, Option<Sender>), Errno> {
    let mut control = Control([MaybeUninit::uninit(); CONTROL]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zero is a valid msghdr; musl has padding in it that must be zero.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL as _;
    // SAFETY: the header points to `part`, which describes `buffer`, and to `control`; both live on.
    let length = unsafe {
        let peek = if stays { libc::MSG_PEEK } else { 0 };
        let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC | peek;
        libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags)
    };
    let Ok(length) = usize::try_from(length) else {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        return Err(Errno::from_raw_os_error(errno));
    };
    // SAFETY: recvmsg succeeded, so the header describes well-formed control messages in `control`.
    Ok((length, unsafe { take_control(&header, fds) }))
}

/// Takes the descriptors among the control messages, and finds the credentials.
///
/// # Safety
/// `header` must be as recvmsg(2) filled it, and its control buffer alive.
unsafe fn take_control(header: &libc::msghdr, fds: &mut Vec<OwnedFd>) -> Option<Sender> {
    let mut sender = None;
    // SAFETY: as promised by the caller; CMSG_NXTHDR stays within the buffer.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !next.is_null() {
        // SAFETY: not null, so it is a message within the buffer; its data may be unaligned.
        unsafe {
            let message = &*next;
            let data = libc::CMSG_DATA(next);
            let head = data.offset_from(next.cast::<u8>());
            let length = (message.cmsg_len as usize).saturating_sub(head.unsigned_abs());
            match (message.cmsg_level, message.cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    for place in 0..length / size_of::<i32>() {
                        // The kernel made this descriptor for us a moment ago; nobody else has it.
                        let fd = ptr::read_unaligned(data.cast::<i32>().add(place));
                        fds.push(OwnedFd::from_raw_fd(fd));
                    }
                }
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if length >= size_of::<libc::ucred>() => {
                    let who = ptr::read_unaligned(data.cast::<libc::ucred>());
                    sender = Some(Sender { pid: who.pid, uid: who.uid });
                }
                _ => {}
            }
            next = libc::CMSG_NXTHDR(header, next);
        }
    }
    sender
}
