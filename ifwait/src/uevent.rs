//! The socket that keeps [`Devices`] true: kernel uevents, and a scan of sysfs for what was there before
//! them or was lost. Same structure as [`crate::monitor`]: subscribe, scan, then follow; a bounded number
//! of datagrams per turn; an overflow leads to another scan. It decides nothing and never blocks.

use crate::device::{Devices, Pattern, decode};
use crate::monitor::Turn;
use crate::socket::{self, Received};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags, RawDir, open, openat, readlinkat};
use rustix::io::{Errno, read};
use rustix::net::netlink;
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;

/// The group of the kernel's own messages; udev's are in group 2.
const KERNEL: u32 = 1;
/// A message has a path and at most 2 KiB of properties (UEVENT_BUFFER_SIZE).
const BUFFER: usize = 6 << 10;
/// Events that the kernel may queue, in bytes of its own memory, while we are busy.
const QUEUE: usize = 256 << 10;
/// Datagrams per turn.
const DATAGRAMS_PER_TURN: usize = 64;
/// Bytes of a `uevent` file that are looked at.
const FILE: usize = 4 << 10;
/// Room for directory entries.
const DIRECTORY_CHUNK: usize = 2 << 10;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Throws away what is queued; a scan follows.
    Discarding,
    Following,
}

/// Follows the devices.
#[derive(Debug)]
pub struct Uevents {
    socket: OwnedFd,
    phase: Phase,
    changed: bool,
    /// Where sysfs is.
    sys: String,
    scans: u32,
}

impl Uevents {
    /// Opens the socket and subscribes; `sys` is where sysfs is mounted. Nothing is read before the first
    /// [`Uevents::drain`].
    ///
    /// # Errors
    /// If there is no socket to be had.
    pub fn new(sys: &str) -> io::Result<Self> {
        Self::with_queue(sys, QUEUE)
    }

    /// The same with a queue of `bytes`, which the kernel doubles and rounds (socket(7)).
    ///
    /// # Errors
    /// If there is no socket to be had.
    pub fn with_queue(sys: &str, bytes: usize) -> io::Result<Self> {
        let socket = socket::open(Some(netlink::KOBJECT_UEVENT), KERNEL)?;
        socket::set_queue(&socket, bytes);
        let phase = Phase::Discarding;
        Ok(Self { socket, phase, changed: false, sys: sys.to_owned(), scans: 0 })
    }

    /// How often sysfs was scanned; for tests and statistics.
    #[must_use]
    pub fn scans(&self) -> u32 {
        self.scans
    }

    /// Reads what there is, at most a turn's share, into `devices`: always the same ones. mio tells of
    /// readiness once only, so call until the answer is not [`Turn::More`], also right after registering.
    ///
    /// # Errors
    /// If the socket fails. It is of no use then: drop it, and make a new one later.
    pub fn drain(&mut self, devices: &mut Devices) -> io::Result<Turn> {
        let mut buffer = [0; BUFFER];
        for _ in 0..DATAGRAMS_PER_TURN {
            match (socket::receive(&self.socket, &mut buffer)?, self.phase) {
                (Received::Nothing, Phase::Discarding) => {
                    self.scan(devices);
                    self.phase = Phase::Following;
                }
                (Received::Nothing, Phase::Following) => {
                    let changed = std::mem::take(&mut self.changed);
                    return Ok(Turn::Settled { changed });
                }
                (Received::Datagram(length), Phase::Following) => {
                    if let Some(event) = decode(buffer.get(..length).unwrap_or_default()) {
                        let effect = devices.apply(&event);
                        self.changed |= effect.changed;
                        if effect.stale {
                            self.phase = Phase::Discarding;
                        }
                    }
                }
                (Received::Overflow | Received::Truncated(_), Phase::Following) => {
                    self.phase = Phase::Discarding;
                }
                (_, Phase::Discarding) => {}
            }
        }
        Ok(Turn::More)
    }

    /// Asks sysfs for all that matches. What cannot be read is not there: devices vanish while they are
    /// looked at, and a container may have no sysfs at all.
    fn scan(&mut self, devices: &mut Devices) {
        self.scans = self.scans.wrapping_add(1);
        self.changed = true;
        devices.clear();
        for position in 0..devices.patterns().len() {
            let subsystem = devices.patterns()[position].subsystem.as_str();
            if subsystem.is_empty() || subsystem.as_bytes().contains(&b'/') || subsystem == ".." {
                continue;
            }
            for directory in [
                [self.sys.as_str(), "/class/", subsystem].concat(),
                [self.sys.as_str(), "/bus/", subsystem, "/devices"].concat(),
            ] {
                scan_directory(&directory, position, devices).ok();
            }
        }
    }
}

/// The links in `directory` lead to devices of one subsystem.
fn scan_directory(directory: &str, position: usize, devices: &mut Devices) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = open(directory, flags, Mode::empty())?;
    let mut chunk = [MaybeUninit::uninit(); DIRECTORY_CHUNK];
    let mut entries = RawDir::new(&directory, &mut chunk);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        let pattern = &devices.patterns()[position];
        let is_it = pattern.is_named(name.to_bytes()) && is_of(pattern, &directory, name);
        // What is no link is an attribute of the class.
        if let (true, Ok(link)) = (is_it, readlinkat(&directory, name, Vec::new())) {
            devices.insert(position, path_of(link.as_bytes()));
        }
    }
    Ok(())
}

/// `../../devices/virtual/net/lo` is `/devices/virtual/net/lo` in events.
fn path_of(mut link: &[u8]) -> &[u8] {
    while let Some(rest) = link.strip_prefix(b"/..").or_else(|| link.strip_prefix(b"..")) {
        link = rest;
    }
    link
}

fn is_of(pattern: &Pattern, directory: &OwnedFd, name: &CStr) -> bool {
    if pattern.properties.is_empty() {
        return true;
    }
    let path = [name.to_bytes(), b"/uevent"].concat();
    let Ok(file) = openat(directory, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else {
        return false;
    };
    // An attribute of sysfs is read in one go.
    let mut text = [0; FILE];
    let length = rustix::io::retry_on_intr(|| read(&file, &mut text)).unwrap_or(0);
    pattern.is_of(text.get(..length).unwrap_or_default())
}

impl mio::event::Source for Uevents {
    fn register(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        SourceFd(&self.socket.as_raw_fd()).register(registry, token, what)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, what: Interest) -> io::Result<()> {
        SourceFd(&self.socket.as_raw_fd()).reregister(registry, token, what)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.socket.as_raw_fd()).deregister(registry)
    }
}
