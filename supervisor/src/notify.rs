//! How a process tells that it is ready: a newline on a pipe, or a datagram on a socket.
//!
//! Both are made for one incarnation and dropped with it, so that nothing of an earlier one can speak
//! for it. Reading never waits and takes a bounded amount at a time.

use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{Mode, OFlags, chmod, chown, fcntl_setfl, unlink},
    io::{Errno, read},
    net::{
        AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, bind, recv, socket_with,
    },
    pipe::{PipeFlags, pipe_with},
    process::{Gid, Uid},
};
use std::path::Path;

/// The longest datagram that is understood, in bytes. A longer one is cut.
const MAX_DATAGRAM: usize = 2048;
/// Reads per call, so that a process that floods its channel gets its turn like others.
const MAX_READS: usize = 16;

/// What was heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// Nothing of interest.
    Nothing,
    /// That it is ready.
    Ready,
    /// That it will never say so: the other side was closed.
    Closed,
    /// Nothing yet, but there is more to read: call again.
    More,
}

/// A pipe for s6's notification-fd: our end, and the one for the process.
///
/// # Errors
/// What pipe2(2) says.
pub fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setfl(&ours, OFlags::NONBLOCK)?;
    Ok((ours, theirs))
}

/// Reads the pipe. A process is ready once it has written a newline, whatever came before it.
pub fn hear_pipe(fd: impl AsFd) -> Heard {
    let mut buffer = [0; 128];
    for _ in 0..MAX_READS {
        match read(&fd, &mut buffer) {
            Ok(0) => return Heard::Closed,
            Ok(length) if buffer[..length].contains(&b'\n') => return Heard::Ready,
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Heard::Nothing,
            Err(_) => return Heard::Closed,
        }
    }
    Heard::More
}

/// A datagram socket for `NOTIFY_SOCKET`, bound to `path` and usable by nobody but root and `owner`.
///
/// # Errors
/// What socket(2), bind(2) or chown(2) say; ENAMETOOLONG if the path does not fit unix(7).
pub fn socket(path: &Path, owner: Option<(u32, u32)>) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    match unlink(path) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error),
    }
    bind(&fd, &SocketAddrUnix::new(path)?)?;
    chmod(path, Mode::RUSR | Mode::WUSR)?;
    if let Some((uid, gid)) = owner {
        chown(path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    Ok(fd)
}

/// Reads the socket: datagrams of `NAME=VALUE` lines, sd_notify(3). Only `READY=1` counts here.
pub fn hear_socket(fd: impl AsFd) -> Heard {
    let mut buffer = [0; MAX_DATAGRAM];
    let mut ready = false;
    for _ in 0..MAX_READS {
        match recv(&fd, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((_, length)) => {
                let text = &buffer[..length.min(MAX_DATAGRAM)];
                ready |= text.split(|byte| *byte == b'\n').any(|line| line == b"READY=1");
            }
            Err(Errno::INTR) => {}
            Err(_) if ready => return Heard::Ready,
            Err(_) => return Heard::Nothing,
        }
    }
    if ready { Heard::Ready } else { Heard::More }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn a_newline_makes_ready_and_an_end_never() {
        let (ours, theirs) = pipe().unwrap();
        assert_eq!(hear_pipe(&ours), Heard::Nothing);
        rustix::io::write(&theirs, b"almost").unwrap();
        assert_eq!(hear_pipe(&ours), Heard::Nothing);
        rustix::io::write(&theirs, b" there\n").unwrap();
        assert_eq!(hear_pipe(&ours), Heard::Ready);
        drop(theirs);
        assert_eq!(hear_pipe(&ours), Heard::Closed);
    }

    #[test]
    fn a_flood_is_read_in_turns() {
        let (ours, theirs) = pipe().unwrap();
        rustix::io::write(&theirs, &[b'x'; 60_000]).unwrap();
        assert_eq!(hear_pipe(&ours), Heard::More);
    }

    #[test]
    fn datagrams_are_understood() {
        let path = std::env::temp_dir().join(format!("jamb-notify-{}", std::process::id()));
        let ours = socket(&path, None).unwrap();
        let theirs = UnixDatagram::unbound().unwrap();
        let say = |text: &str| {
            theirs.send_to(text.as_bytes(), &path).unwrap();
            hear_socket(&ours)
        };
        assert_eq!(hear_socket(&ours), Heard::Nothing);
        assert_eq!(say("STATUS=READY=1"), Heard::Nothing);
        assert_eq!(say("READY=10\nMAINPID=3"), Heard::Nothing);
        assert_eq!(say(""), Heard::Nothing);
        assert_eq!(say("STATUS=fine\nREADY=1\n"), Heard::Ready);
        std::fs::remove_file(&path).unwrap();
    }
}
