//! The memory that survives this program: a memfd, mapped, so that writing it is no system call. Made anew by
//! every program that goes on from an earlier one's, which it only reads.
//!
//! In front is a header of plain numbers, which a handler of signals can use; then one bit for each descriptor
//! that is to stay open; then the space of the [`super::ledger`].

#![allow(unsafe_code)]

use super::ledger;
use crate::file;
use core::{
    ptr,
    sync::atomic::{AtomicI32, AtomicU8, AtomicU32, Ordering::Relaxed},
};
use rustix::{
    fd::{AsRawFd, OwnedFd, RawFd},
    fs::{MemfdFlags, fstat, ftruncate, memfd_create},
    io::Errno,
};
use std::os::fd::{BorrowedFd, FromRawFd};

/// "jamb", as what it is read by writes it.
const MAGIC: u32 = u32::from_ne_bytes(*b"jamb");
/// Room for the header.
const HEADER: usize = 256;
/// Crashes of which the time is kept: with one more as close as [`super::TOO_CLOSE_S`] it is a loop.
pub const TIMES: usize = 4;

/// How the program is, for the one that comes after it.
pub mod phase {
    /// It does its work.
    pub const RUNNING: u32 = 0;
    /// It reads what the one before left.
    pub const RECOVERING: u32 = 1;
    /// It has crashed too often: it reaps, and soon ends everything in order.
    pub const DEGRADED: u32 = 2;
    /// The machine ends. After the first crash of all, another program goes on with that.
    pub const ENDING: u32 = 3;
    /// The same, but no other program could go on with it, and there may be a last act to wait for.
    pub const LAST: u32 = 4;
    /// It reads what the one before left, and is the second to do so: the first crashed.
    pub const AGAIN: u32 = 5;
}

/// What is being started outside of a journal, or [`SERVICE`] for the journal's next action.
pub mod spawning {
    /// A process of a service.
    pub const SERVICE: u32 = 1;
    /// The log collector.
    pub const COLLECTOR: u32 = 2;
    /// The machine's own.
    pub const ATTENDANT: u32 = 3;
}

/// Plain numbers, each whole at any instant.
#[repr(C)]
#[derive(Default)]
pub struct Header {
    magic: AtomicU32,
    /// The format of the records.
    pub format: AtomicU32,
    /// The process that it belongs to.
    pub owner: AtomicI32,
    /// Services in the database.
    pub services: AtomicU32,
    /// The memfd itself.
    pub fd: AtomicI32,
    /// How much of the ledger counts.
    pub counts: AtomicU32,
    /// See [`phase`].
    pub phase: AtomicU32,
    /// The program that follows after a crash, as a descriptor, and the one before an upgrade, or -1.
    pub image: AtomicI32,
    pub former: AtomicI32,
    /// How often the program was followed by another: on purpose, and after crashes.
    pub reexecs: AtomicU32,
    pub crashes: AtomicU32,
    /// When the last crashes were, in seconds of CLOCK_MONOTONIC.
    pub times: [AtomicU32; TIMES],
    /// The last crash, if it was not told yet: the signal (0: none), its code, what it was about and where
    /// the program was.
    pub signal: AtomicU32,
    pub code: AtomicI32,
    pub about: [AtomicU32; 2],
    pub place: [AtomicU32; 2],
    /// What is being started, see [`spawning`], and its pid once there is one.
    pub spawning: AtomicU32,
    pub spawned: AtomicI32,
    /// The file that is being written is new, and about to be, or was, renamed to its place.
    pub renamed: AtomicU32,
    /// `fd` in digits, as the next program is told it.
    pub digits: [AtomicU8; 12],
    /// How the machine ends, as reboot(2) has it, and the watchdog, or -1.
    pub ending: AtomicI32,
    pub watchdog: AtomicI32,
}

const _: () = assert!(size_of::<Header>() <= HEADER);

/// The mapping.
pub struct Area {
    address: *mut u8,
    length: usize,
    fd: OwnedFd,
}

/// Descriptors that have a bit.
const fn descriptors(services: usize) -> usize {
    (4 * services + 1024).next_multiple_of(32)
}

const fn space_at(services: usize) -> usize {
    HEADER + descriptors(services) / 8
}

const fn length(services: usize) -> usize {
    space_at(services) + ledger::space_for(services)
}

impl Area {
    /// An empty one for so many services.
    ///
    /// # Errors
    /// As memfd_create(2), ftruncate(2) and mmap(2) have it.
    pub fn new(services: usize) -> Result<Self, Errno> {
        let fd = memfd_create("jamb-state", MemfdFlags::CLOEXEC)?;
        ftruncate(&fd, length(services) as u64)?;
        let area = Self::map(fd, length(services))?;
        let header = area.header();
        header.services.store(u32::try_from(services).unwrap_or(0), Relaxed);
        header.owner.store(own_pid(), Relaxed);
        header.fd.store(area.fd.as_raw_fd(), Relaxed);
        for (to, digit) in header.digits.iter().zip(area.fd.as_raw_fd().to_string().bytes()) {
            to.store(digit, Relaxed);
        }
        header.image.store(-1, Relaxed);
        header.former.store(-1, Relaxed);
        header.magic.store(MAGIC, Relaxed);
        Ok(area)
    }

    /// What another program left at this descriptor; `None` if it is none of ours.
    pub fn open(fd: RawFd) -> Option<Self> {
        let fd = crate::inherit::adopt(fd)?;
        let size = usize::try_from(fstat(&fd).ok()?.st_size).ok()?;
        if size < HEADER {
            return None;
        }
        let area = Self::map(fd, size).ok()?;
        let header = area.header();
        let services = usize::try_from(header.services.load(Relaxed)).ok()?;
        let fits = services <= usize::from(u16::MAX) && length(services) == size;
        (header.magic.load(Relaxed) == MAGIC && fits).then_some(area)
    }

    /// The descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        use rustix::fd::AsFd as _;
        self.fd.as_fd()
    }

    fn map(fd: OwnedFd, length: usize) -> Result<Self, Errno> {
        // SAFETY: a new mapping of a file that this process has; nothing is mapped over.
        let address = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let (flags, fd) = (libc::MAP_SHARED, fd.as_raw_fd());
            libc::mmap(ptr::null_mut(), length, protection, flags, fd, 0)
        };
        if address == libc::MAP_FAILED {
            let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
            return Err(Errno::from_raw_os_error(errno));
        }
        Ok(Self { address: address.cast(), length, fd })
    }

    /// The numbers in front.
    pub fn header(&self) -> &Header {
        // SAFETY: the mapping begins at a page and is at least as long as a header, whose fields are atomic;
        // any bytes are valid ones. It is unmapped only when `self` is dropped.
        unsafe { &*self.address.cast::<Header>() }
    }

    fn services(&self) -> usize {
        self.header().services.load(Relaxed) as usize
    }

    /// One bit a descriptor, for those to be kept.
    pub fn kept(&self) -> &[AtomicU32] {
        // SAFETY: the words follow the header, 4-byte aligned, and are within the mapping, whose length was
        // checked against the number of services.
        unsafe { words(self.address.cast(), self.services()) }
    }

    /// What the ledger has, for reading.
    pub fn space(&self) -> &[u8] {
        let at = space_at(self.services());
        // SAFETY: within the mapping; an area that is read this way is written by nobody: the program that
        // did is gone, and one's own ledger has taken it by `begin`.
        unsafe { core::slice::from_raw_parts(self.address.add(at), self.length - at) }
    }

    /// Begins to use it; it stays for as long as the program.
    pub fn begin(self) -> (&'static Header, &'static [AtomicU32], &'static mut [u8]) {
        let (services, at) = (self.services(), space_at(self.services()));
        let (address, length) = (self.address, self.length);
        core::mem::forget(self);
        // SAFETY: as above, and it is never unmapped. Nothing else refers to the space, since `self` is gone
        // and the parts do not overlap.
        unsafe {
            let space = core::slice::from_raw_parts_mut(address.add(at), length - at);
            (&*address.cast::<Header>(), words(address.cast(), services), space)
        }
    }

    /// A copy of what counts now, in a memfd of its own, for somebody who looks at it meanwhile.
    ///
    /// # Errors
    /// As memfd_create(2) and write(2) have it.
    pub fn copy(header: &Header, ledger: &ledger::Ledger) -> Result<Self, Errno> {
        let copy = Self::new(header.services.load(Relaxed) as usize)?;
        let to = copy.header();
        to.format.store(header.format.load(Relaxed), Relaxed);
        let (place, bytes, counts) = ledger.content();
        to.counts.store(counts, Relaxed);
        file::write_at(&copy.fd, bytes, space_at(copy.services()) + place)?;
        Ok(copy)
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length; nothing refers to it any more, as what `header`, `kept`
        // and `space` answer borrows `self`.
        unsafe { libc::munmap(self.address.cast(), self.length) };
    }
}

/// The words with a bit for each descriptor.
///
/// # Safety
/// The header must be in front of an area for so many services, which lives for `'a`.
unsafe fn words<'a>(header: *const Header, services: usize) -> &'a [AtomicU32] {
    // SAFETY: as promised by the caller.
    unsafe {
        let first = header.cast::<u8>().add(HEADER).cast::<AtomicU32>();
        core::slice::from_raw_parts(first, descriptors(services) / 32)
    }
}

/// The descriptors of an area of ours that are to be kept.
pub fn kept_of(header: &'static Header) -> &'static [AtomicU32] {
    // SAFETY: there are headers that live for ever only in front of areas that were begun.
    unsafe { words(header, header.services.load(Relaxed) as usize) }
}

/// The numbers of the bits that are set.
pub fn numbers(kept: &[AtomicU32]) -> impl Iterator<Item = RawFd> + '_ {
    let count = i32::try_from(kept.len() * 32).unwrap_or(0);
    (0..count).filter(|number| is_set(kept, *number))
}

/// Whether a bit is set.
pub fn is_set(kept: &[AtomicU32], number: RawFd) -> bool {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    kept.get(number / 32).is_some_and(|word| word.load(Relaxed) >> (number % 32) & 1 == 1)
}

/// Sets or clears a bit; false if there is none.
pub fn set(kept: &[AtomicU32], number: RawFd, is_kept: bool) -> bool {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    let Some(word) = kept.get(number / 32) else { return false };
    let bit = 1 << (number % 32);
    let now = word.load(Relaxed);
    word.store(if is_kept { now | bit } else { now & !bit }, Relaxed);
    true
}

/// The process id, which the kernel is asked for each time.
pub fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// Closes a descriptor that nobody owns.
pub fn close(fd: RawFd) {
    // SAFETY: the number was inherited from the program before, and nothing in this one took it over.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
}
