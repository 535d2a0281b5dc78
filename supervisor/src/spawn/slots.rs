//! Low numbers for the descriptors that a child gets.
//!
//! A supervisor of a thousand services has thousands of descriptors open. clone(2) would copy them all
//! and execve(2) close the copies one by one, for every process that is started. A child that shares
//! the table and then unshares only its lowest part, close_range(2), is spared that; what it needs has
//! to be in that part. The slots are held for good, by a descriptor that stands for nothing.

use rustix::{
    fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    fs::{CWD, Mode, OFlags, openat},
    io::{DupFlags, dup3, fcntl_dupfd_cloexec},
};

/// A descriptor for each of standard input, output, error, and what is passed.
const COUNT: usize = 4;

/// Slots above this number would spare nothing.
const HIGHEST: RawFd = 64;

/// The slots.
#[derive(Debug)]
pub(crate) struct Slots {
    slots: [OwnedFd; COUNT],
    empty: OwnedFd,
    used: usize,
    /// The descriptor that the last slot in use stands for: standard output and error often are one.
    last: RawFd,
}

impl Slots {
    /// Takes the lowest numbers that are free; `None` if they are not low, or nothing can be opened.
    pub(crate) fn new() -> Option<Self> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let empty = openat(CWD, c"/", flags, Mode::empty()).ok()?;
        let slot = || fcntl_dupfd_cloexec(&empty, 3).ok();
        let slots = [slot()?, slot()?, slot()?, slot()?];
        let low = slots.iter().all(|slot| slot.as_raw_fd() < HIGHEST);
        low.then_some(Self { slots, empty, used: 0, last: -1 })
    }

    /// All slots are below this number.
    pub(crate) fn bound(&self) -> RawFd {
        self.slots.iter().map(AsRawFd::as_raw_fd).max().unwrap_or(HIGHEST) + 1
    }

    /// A number below the bound for a descriptor: its own, or a slot's that stands for it until
    /// [`Self::clear`]. Without a slot, it has to be its own.
    pub(crate) fn low(&mut self, fd: BorrowedFd<'_>) -> RawFd {
        let own = fd.as_raw_fd();
        if own < self.bound() {
            return own;
        }
        if own == self.last
            && let Some(slot) = self.slots[..self.used].last()
        {
            return slot.as_raw_fd();
        }
        if let Some(slot) = self.slots.get_mut(self.used)
            && dup3(fd, slot, DupFlags::CLOEXEC).is_ok()
        {
            self.used += 1;
            self.last = own;
            return slot.as_raw_fd();
        }
        own
    }

    /// Lets go of what the slots stand for.
    pub(crate) fn clear(&mut self) {
        for slot in &mut self.slots[..self.used] {
            // It only fails for numbers that are not open. Should it, the slot goes on standing for
            // what it stood for until it is used again.
            dup3(self.empty.as_fd(), slot, DupFlags::CLOEXEC).ok();
        }
        self.used = 0;
        self.last = -1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_slot_stands_for_a_descriptor_until_it_is_cleared() {
        let mut slots = Slots::new().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let high = fcntl_dupfd_cloexec(&writer, 200).unwrap();
        drop(writer);
        assert!(slots.low(high.as_fd()) < slots.bound());
        assert_eq!(slots.low(high.as_fd()), slots.low(high.as_fd()), "one slot is enough");
        assert_eq!(slots.used, 1);
        assert!(slots.low(slots.empty.try_clone().unwrap().as_fd()) < 200);
        drop(high);
        slots.clear();
        // Nobody has the writing end any more.
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }
}
