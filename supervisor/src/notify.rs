//! How a process tells about itself: lines on a pipe, or datagrams on a socket, sd_notify(3).
//!
//! Both are made for one incarnation and dropped with it, so that nothing of an earlier one can speak
//! for it. Reading never waits and takes a bounded amount at a time. What a word means for the service
//! is not decided here, nor whether its sender may say it.

use crate::coder::Coded;
use crate::{
    datagram::{self, Sender},
    decimal, file,
    time::Millis,
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{CWD, Mode, OFlags, chmod, fcntl_setfl},
    io::{Errno, read},
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with,
        sockopt::set_socket_passcred,
    },
    pipe::{PipeFlags, SpliceFlags, pipe_with, tee},
};
use std::path::Path;

/// The longest datagram that is understood, in bytes. A longer one is cut.
const MAX_DATAGRAM: usize = 2048;
/// The most that is heard of a pipe at once, in bytes.
pub const MAX_HEARD: usize = MAX_DATAGRAM;
/// The longest status text that is kept, in bytes.
pub const MAX_STATUS: usize = 120;
/// The line that takes readiness back on a pipe.
const WITHDRAWN: &[u8] = b"READY=0";

/// A pipe for s6's notification-fd: our end, and the one for the process.
///
/// # Errors
/// What pipe2(2) says.
pub fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setfl(&ours, OFlags::NONBLOCK)?;
    Ok((ours, theirs))
}

/// The line that a pipe is in the middle of, as far as it matters.
#[derive(Clone, Copy, Default, Debug, Coded)]
pub struct Line {
    start: [u8; WITHDRAWN.len()],
    length: u32,
}

impl Line {
    fn take(&mut self, byte: u8) {
        if let Some(place) = self.start.get_mut(self.length as usize) {
            *place = byte;
        }
        self.length = self.length.saturating_add(1);
    }
}

/// What a pipe said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Heard {
    /// The last word on readiness.
    pub ready: Option<bool>,
    /// The other side was closed: nothing more will come.
    pub closed: bool,
    /// Bytes that this was, which are still in the pipe: all that it had, if fewer than [`MAX_HEARD`].
    pub bytes: usize,
}

/// A pipe of one's own, through which one looks into others without taking anything out of them, tee(2).
pub struct Glass {
    read: OwnedFd,
    write: OwnedFd,
}

impl Glass {
    /// An empty one.
    ///
    /// # Errors
    /// What pipe2(2) says.
    pub fn new() -> Result<Self, Errno> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { read, write })
    }

    fn look(&self, fd: impl AsFd, buffer: &mut [u8]) -> Result<usize, Errno> {
        let length = tee(fd, &self.write, buffer.len(), SpliceFlags::NONBLOCK)?;
        let mut copied = 0;
        while copied < length {
            copied += read(&self.read, &mut buffer[copied..length])?;
        }
        Ok(length)
    }
}

/// Looks at what the pipe has, which stays there until [`take`]. A process is ready once it has written a
/// newline, whatever came before it on the line; the line `READY=0` takes that back.
pub fn hear_pipe(fd: impl AsFd, line: &mut Line, glass: &Glass) -> Heard {
    let mut heard = Heard::default();
    let mut buffer = [0; MAX_HEARD];
    let length = loop {
        match glass.look(&fd, &mut buffer) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return heard,
            Ok(0) | Err(_) => return Heard { closed: true, ..heard },
            Ok(length) => break length,
        }
    };
    for &byte in buffer.get(..length).unwrap_or_default() {
        if byte == b'\n' {
            let is_word = line.length as usize == WITHDRAWN.len() && line.start == *WITHDRAWN;
            heard.ready = Some(!is_word);
            *line = Line::default();
        } else {
            line.take(byte);
        }
    }
    Heard { bytes: length, ..heard }
}

/// Takes what was heard out of the pipe, for good.
pub fn take(fd: impl AsFd, heard: Heard) {
    let mut buffer = [0; MAX_HEARD];
    let mut left = heard.bytes.min(buffer.len());
    while left > 0 {
        match read(&fd, &mut buffer[..left]) {
            Ok(length) if length > 0 => left -= length,
            Err(Errno::INTR) => {}
            // It cannot be: nobody else reads it.
            _ => return,
        }
    }
}

/// A datagram socket for `NOTIFY_SOCKET`, bound to `path` and usable by nobody but root and `owner`. Each
/// datagram comes with its sender.
///
/// # Errors
/// What socket(2), bind(2) or chown(2) say; ENAMETOOLONG if the path does not fit unix(7).
pub fn socket(path: &Path, owner: Option<(u32, u32)>) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    set_socket_passcred(&fd, true)?;
    file::unlink_if_there(path)?;
    let name = file::c_path(path)?;
    bind(&fd, &SocketAddrUnix::new(&*name)?)?;
    chmod(&*name, Mode::RUSR | Mode::WUSR)?;
    if let Some(owner) = owner {
        file::change_owner(CWD, path, owner)?;
    }
    Ok(fd)
}

/// What `WATCHDOG=` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beat {
    /// That it is alive.
    Alive,
    /// That it is to be treated as if it had not said so in time.
    Trigger,
}

/// What one datagram says. Words that are not known, and values that are none, are left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Message {
    /// `READY=1` or `READY=0`.
    pub ready: Option<bool>,
    /// `RELOADING=1`; the time in MONOTONIC_USEC is not needed, as it is taken in order.
    pub reloading: bool,
    /// `STOPPING=1`.
    pub stopping: bool,
    /// `STATUS=`: a line for people.
    pub status: Option<String>,
    /// `ERRNO=`.
    pub errno: Option<i32>,
    /// `MAINPID=`.
    pub main_pid: Option<i32>,
    /// `WATCHDOG=1` or `WATCHDOG=trigger`.
    pub beat: Option<Beat>,
    /// `WATCHDOG_USEC=`, rounded up to a millisecond; 0 switches it off.
    pub watchdog: Option<Millis>,
    /// `EXTEND_TIMEOUT_USEC=`.
    pub extend: Option<Millis>,
    /// `FDSTORE=1`.
    pub stores: bool,
    /// `FDSTOREREMOVE=1`.
    pub removes: bool,
    /// `FDNAME=`, if it is one that `LISTEN_FDNAMES` can hold.
    pub fd_name: Option<String>,
}

impl Message {
    /// Reads lines of `NAME=VALUE`.
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Self {
        let mut message = Self::default();
        for line in datagram.split(|byte| *byte == b'\n') {
            let Some(at) = line.iter().position(|byte| *byte == b'=') else { continue };
            let (name, value) = line.split_at(at);
            // As text, because of which names are compared by a call each.
            let name = core::str::from_utf8(name).unwrap_or_default();
            message.take(name, value.get(1..).unwrap_or_default());
        }
        message
    }

    fn take(&mut self, name: &str, value: &[u8]) {
        let is_one = value == b"1";
        match name {
            "READY" if is_one => self.ready = Some(true),
            "READY" if value == b"0" => self.ready = Some(false),
            "RELOADING" => self.reloading |= is_one,
            "STOPPING" => self.stopping |= is_one,
            "STATUS" => self.status = Some(status(value)),
            "ERRNO" => self.errno = signed(value),
            "MAINPID" => self.main_pid = signed(value),
            "WATCHDOG" if is_one => self.beat = Some(Beat::Alive),
            "WATCHDOG" if value == b"trigger" => self.beat = Some(Beat::Trigger),
            "WATCHDOG_USEC" => self.watchdog = span(value),
            "EXTEND_TIMEOUT_USEC" => self.extend = span(value),
            "FDSTORE" => self.stores |= is_one,
            "FDSTOREREMOVE" => self.removes |= is_one,
            "FDNAME" => self.fd_name = fd_name(value),
            _ => {}
        }
    }
}

fn signed(value: &[u8]) -> Option<i32> {
    i32::try_from(decimal::signed(core::str::from_utf8(value).ok()?)?).ok()
}

fn span(value: &[u8]) -> Option<Millis> {
    let usec: u64 = decimal::number(core::str::from_utf8(value).ok()?)?;
    Some(Millis(u32::try_from(usec.div_ceil(1000)).unwrap_or(u32::MAX)))
}

/// sd_pid_notify_with_fds(3): at most 255 printable ASCII characters, none of them a colon.
fn fd_name(value: &[u8]) -> Option<String> {
    let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b':';
    let fits = (1..=255).contains(&value.len()) && value.iter().all(is_plain);
    fits.then(|| String::from_utf8_lossy(value).into_owned())
}

/// The text that people see: of bounded length, and without anything that moves a cursor.
fn status(value: &[u8]) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(value).chars() {
        if text.len() + c.len_utf8() > MAX_STATUS {
            break;
        }
        text.push(if c.is_control() { ' ' } else { c });
    }
    text
}

/// Looks at the next datagram, which stays there until [`drop_datagram`]; `None` if there is none now.
/// Copies of the descriptors that come with it are added to `fds`.
pub fn hear_socket(fd: impl AsFd, fds: &mut Vec<OwnedFd>) -> Option<(Message, Option<Sender>)> {
    let mut buffer = [0; MAX_DATAGRAM];
    let (length, sender) = receive(fd.as_fd(), &mut buffer, true, fds)?;
    let text = buffer.get(..length).unwrap_or_default();
    Some((Message::parse(text), sender))
}

/// Takes the next datagram off the socket, with its descriptors: this is what the sender of `BARRIER=1` waits
/// for.
pub fn drop_datagram(fd: impl AsFd) {
    receive(fd.as_fd(), &mut [0; 1], false, &mut Vec::new());
}

fn receive(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    stays: bool,
    fds: &mut Vec<OwnedFd>,
) -> Option<(usize, Option<Sender>)> {
    loop {
        match datagram::receive(fd, buffer, stays, fds) {
            Ok(received) => return Some(received),
            Err(Errno::INTR) => {}
            // Nothing there, or nothing to be had: both end the turn.
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::IoSlice, os::unix::net::UnixDatagram};

    #[test]
    fn a_newline_makes_ready_and_a_line_takes_it_back() {
        let glass = Glass::new().unwrap();
        let (ours, theirs) = pipe().unwrap();
        let mut line = Line::default();
        let mut say = |text: &[u8]| {
            rustix::io::write(&theirs, text).unwrap();
            let heard = hear_pipe(&ours, &mut line, &glass);
            assert_eq!(hear_pipe(&ours, &mut line.clone(), &glass).bytes, heard.bytes, "it stays");
            take(&ours, heard);
            Heard { bytes: 0, ..heard }
        };
        let ready = |ready| Heard { ready, ..Heard::default() };
        assert_eq!(say(b"almost"), ready(None));
        assert_eq!(say(b" there\n"), ready(Some(true)));
        assert_eq!(say(b"READY="), ready(None));
        assert_eq!(say(b"0\n"), ready(Some(false)));
        assert_eq!(say(b"READY=00\n"), ready(Some(true)));
        assert_eq!(say(b"READY=0\n\n"), ready(Some(true)));
        assert_eq!(say(b"\nREADY=0\nREADY"), ready(Some(false)));
        assert_eq!(say(b"=0"), ready(None));
        rustix::io::write(&theirs, b"\n").unwrap();
        drop(theirs);
        let end = hear_pipe(&ours, &mut line, &glass);
        assert_eq!(end, Heard { ready: Some(false), bytes: 1, ..Heard::default() });
        take(&ours, end);
        for _ in 0..2 {
            let closed = Heard { closed: true, ..Heard::default() };
            assert_eq!(hear_pipe(&ours, &mut line, &glass), closed);
        }
    }

    #[test]
    fn a_flood_is_read_in_turns() {
        let (ours, theirs) = pipe().unwrap();
        rustix::io::write(&theirs, &[b'x'; 60_000]).unwrap();
        let (mut turns, mut line, glass) = (0, Line::default(), Glass::new().unwrap());
        loop {
            let heard = hear_pipe(&ours, &mut line, &glass);
            assert!(heard.bytes <= MAX_DATAGRAM && !heard.closed);
            if heard.bytes == 0 {
                break;
            }
            take(&ours, heard);
            turns += 1;
        }
        assert_eq!(turns, 60_000usize.div_ceil(MAX_DATAGRAM));
    }

    #[test]
    fn words_are_understood() {
        let none = Message::default();
        assert_eq!(Message::parse(b""), none);
        assert_eq!(Message::parse(b"READY=10\n=1\nREADY\nMAINPID=x\nX_Y=1\nWATCHDOG=2"), none);
        assert_eq!(Message::parse(b"STATUS=READY=1").ready, None);
        let all = Message::parse(
            b"READY=1\nRELOADING=1\nMONOTONIC_USEC=5\nSTOPPING=1\nSTATUS=a\tb\nERRNO=2\n\
            MAINPID=77\nWATCHDOG=1\nWATCHDOG_USEC=1\nEXTEND_TIMEOUT_USEC=2500000\nFDSTORE=1\n\
            FDSTOREREMOVE=1\nFDNAME=a b\n",
        );
        let want = Message {
            ready: Some(true),
            reloading: true,
            stopping: true,
            status: Some("a b".to_owned()),
            errno: Some(2),
            main_pid: Some(77),
            beat: Some(Beat::Alive),
            watchdog: Some(Millis(1)),
            extend: Some(Millis(2500)),
            stores: true,
            removes: true,
            fd_name: Some("a b".to_owned()),
        };
        for bad in ["FDNAME=", "FDNAME=a:b", "FDNAME=a\tb", "FDNAME=é"] {
            assert_eq!(Message::parse(bad.as_bytes()).fd_name, None, "{bad}");
        }
        assert_eq!(all, want);
        let other = Message::parse(b"READY=0\nWATCHDOG=trigger\nWATCHDOG_USEC=0");
        assert_eq!((other.ready, other.beat), (Some(false), Some(Beat::Trigger)));
        assert_eq!(other.watchdog, Some(Millis(0)));
        let endless = Message::parse(b"WATCHDOG_USEC=18446744073709551615\nEXTEND_TIMEOUT_USEC=-1");
        assert_eq!((endless.watchdog, endless.extend), (Some(Millis(u32::MAX)), None));
        let long = Message::parse(&[b"STATUS=".as_slice(), "é".repeat(100).as_bytes()].concat());
        assert_eq!(long.status.map(|text| text.len()), Some(MAX_STATUS));
    }

    #[test]
    fn a_datagram_comes_with_its_sender_and_its_descriptors() {
        let path = std::env::temp_dir().join(format!("jamb-notify-{}", std::process::id()));
        let ours = socket(&path, None).unwrap();
        let theirs = UnixDatagram::unbound().unwrap();
        let mut fds = Vec::new();
        assert!(hear_socket(&ours, &mut fds).is_none());
        theirs.send_to(b"STATUS=fine\nREADY=1\n", &path).unwrap();
        theirs.send_to(b"", &path).unwrap();
        assert!(hear_socket(&ours, &mut fds).is_some(), "it stays");
        let (message, sender) = hear_socket(&ours, &mut fds).unwrap();
        drop_datagram(&ours);
        assert_eq!((message.ready, message.status.as_deref()), (Some(true), Some("fine")));
        let me = Sender {
            pid: i32::try_from(std::process::id()).unwrap(),
            uid: rustix::process::geteuid().as_raw(),
        };
        assert_eq!(sender, Some(me));
        assert_eq!(hear_socket(&ours, &mut fds), Some((Message::default(), Some(me))));
        drop_datagram(&ours);
        assert!(hear_socket(&ours, &mut fds).is_none() && fds.is_empty());

        // sd_notify_barrier(3): the sender waits for the other end of a pipe to be closed.
        let (reader, writer) = pipe().unwrap();
        theirs.connect(&path).unwrap();
        let mut space = [core::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(40))];
        let mut ancillary = rustix::net::SendAncillaryBuffer::new(&mut space);
        // Those that there is no room for are closed by the kernel.
        let many = [writer.as_fd(); 40];
        assert!(ancillary.push(rustix::net::SendAncillaryMessage::ScmRights(&many)));
        let text = [IoSlice::new(b"BARRIER=1")];
        let flags = rustix::net::SendFlags::empty();
        rustix::net::sendmsg(&theirs, &text, &mut ancillary, flags).unwrap();
        drop(writer);
        assert_eq!(read(&reader, &mut [0; 1][..]), Err(Errno::AGAIN), "it is on its way");
        assert_eq!(hear_socket(&ours, &mut fds), Some((Message::default(), Some(me))));
        drop_datagram(&ours);
        assert!((1..=40).contains(&fds.len()), "{}", fds.len());
        let flags = |fd| rustix::io::fcntl_getfd(fd).unwrap();
        assert!(fds.iter().all(|fd| flags(fd).contains(rustix::io::FdFlags::CLOEXEC)));
        assert_eq!(read(&reader, &mut [0; 1][..]), Err(Errno::AGAIN), "there are copies");
        fds.clear();
        assert_eq!(read(&reader, &mut [0; 1][..]), Ok(0), "a descriptor is still open");
        std::fs::remove_file(&path).unwrap();
    }
}
