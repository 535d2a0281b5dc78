//! Signals as something the loop can poll: a handler sets a flag and writes one byte into a pipe, see
//! [`crash::catch`]. Nothing else happens in a handler; see signal-safety(7).

use super::SIGNAL;
use crate::handover::crash;
use core::{ffi::c_int, mem::ManuallyDrop};
use mio::{Interest, Poll, unix::SourceFd};
use rustix::{
    fd::{AsRawFd, OwnedFd},
    pipe::{PipeFlags, pipe_with},
};
use std::{io, os::fd::IntoRawFd};

/// The pipe that becomes readable when a signal arrives; none yet.
#[derive(Default)]
pub struct Signals {
    /// Never closed: the handlers stay for good, and a write into a pipe that nobody reads raises SIGPIPE.
    wake: Option<ManuallyDrop<OwnedFd>>,
}

impl Signals {
    /// From now on catches these signals. Those that the program before left blocked arrive at once.
    ///
    /// # Errors
    /// A handler cannot be installed, or there is no descriptor left.
    pub fn catch(signals: &[c_int], poll: &Poll) -> io::Result<Self> {
        let (wake, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        crash::wake_at(write.into_raw_fd());
        poll.registry().register(&mut SourceFd(&wake.as_raw_fd()), SIGNAL, Interest::READABLE)?;
        for &signal in signals {
            crash::catch(signal)?;
        }
        crash::unblock();
        Ok(Self { wake: Some(ManuallyDrop::new(wake)) })
    }

    /// Takes what the handlers wrote. It only wakes; the signals themselves are flags.
    pub fn quiet(&mut self) {
        let mut bytes = [0; 64];
        let Some(wake) = &mut self.wake else { return };
        while matches!(rustix::io::read(&**wake, &mut bytes), Ok(length) if length > 0) {}
    }
}
