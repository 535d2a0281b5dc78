//! The device of the hardware's watchdog. It feeds when it is told to and decides nothing; what its
//! numbers mean is in Documentation/watchdog/watchdog-api.rst. Opening it starts it; from then on only
//! [`Device::close`] stops it, and not even that where the driver has `nowayout`.

#![allow(unsafe_code)]

use core::ffi::c_int;
use rc::Millis;
use rustix::{
    fd::{AsRawFd, OwnedFd},
    fs::{Mode, OFlags, open},
    io::{Result, write},
    ioctl::{Opcode, opcode},
};

/// `WDIOF_CARDRESET` of the boot status: the last reset was this watchdog's.
const CARD_RESET: c_int = 0x20;

/// An open device, which resets the machine if nobody feeds it.
pub struct Device {
    fd: OwnedFd,
    /// After what time; what the hardware can may differ from what it was asked for.
    pub timeout: Millis,
    /// Whether the driver said so; if not, that is only what it was asked for.
    pub is_known: bool,
    /// Whether the last reset of the machine was its own.
    pub has_reset: bool,
}

impl Device {
    /// Opens and sets it, both in whole seconds. A driver that cannot set a timeout keeps its own.
    ///
    /// # Errors
    /// If it cannot be opened: most likely its driver is not there yet.
    pub fn open(path: &str, timeout: Millis, pretimeout: Option<Millis>) -> Result<Self> {
        let fd = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self::set(fd, timeout, pretimeout))
    }

    /// The same with one that is open already.
    pub fn set(fd: OwnedFd, timeout: Millis, pretimeout: Option<Millis>) -> Self {
        // A driver that does not know a request keeps what it has.
        let mut seconds = c_int::try_from(timeout.0 / 1000).unwrap_or(c_int::MAX);
        let is_set = control(&fd, opcode::read_write::<c_int>(b'W', 6), &mut seconds);
        let is_told = control(&fd, opcode::read::<c_int>(b'W', 7), &mut seconds);
        if let Some(span) = pretimeout {
            let mut seconds = c_int::try_from(span.0 / 1000).unwrap_or(0);
            control(&fd, opcode::read_write::<c_int>(b'W', 8), &mut seconds);
        }
        let mut status = 0;
        control(&fd, opcode::read::<c_int>(b'W', 2), &mut status);
        let device = Self {
            fd,
            timeout: Millis::from_secs(u32::try_from(seconds).unwrap_or(0).max(1)),
            is_known: is_set || is_told,
            has_reset: status & CARD_RESET != 0,
        };
        // Opening and setting count as feeding for most drivers; this does for all.
        device.feed().ok();
        device
    }

    /// One that is set already, for feeding only.
    pub const fn of(fd: OwnedFd) -> Self {
        Self { fd, timeout: Millis(0), is_known: false, has_reset: false }
    }

    /// Any byte but the magic one feeds it.
    ///
    /// # Errors
    /// What the driver says.
    pub fn feed(&self) -> Result<()> {
        write(&self.fd, b"\0").map(drop)
    }

    /// Stops it: the machine ends in order.
    pub fn close(self) {
        // Whoever cannot be stopped says so to the kernel's log.
        write(&self.fd, b"V").ok();
    }

    /// Stays open for the program that is executed next.
    pub fn outlives_exec(&self) {
        // If not, the machine is reset in the middle: nobody who could be told could do anything about it.
        rustix::io::fcntl_setfd(&self.fd, rustix::io::FdFlags::empty()).ok();
    }

    /// The number of the descriptor.
    pub fn number(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    /// The descriptor, for another who goes on feeding it.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

/// Whether the driver did it.
fn control(fd: &OwnedFd, request: Opcode, value: &mut c_int) -> bool {
    // SAFETY: the requests above are for one int, which the kernel reads or fills in. What a driver does not
    // know it answers with an error, and touches nothing.
    unsafe { libc::ioctl(fd.as_raw_fd(), request as _, core::ptr::from_mut(value)) == 0 }
}
