//! Signals as something the loop can poll: a handler sets a flag and writes one byte into a socket.
//! Nothing else happens in a handler; see signal-safety(7).

use core::{
    ffi::c_int,
    mem::ManuallyDrop,
    sync::atomic::{AtomicBool, Ordering},
};
use signal_hook::{consts::SIGPIPE, flag, low_level::pipe};
use std::{
    io::{self, Read},
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixStream,
    },
    sync::Arc,
};

/// The signals that are listened to.
pub struct Signals {
    /// Never closed: the handlers stay for good, and a write into a socket that nobody reads raises
    /// SIGPIPE, whose handler writes again; PID 1 would do nothing else from then on.
    wake: ManuallyDrop<UnixStream>,
    arrived: Vec<(c_int, Arc<AtomicBool>)>,
}

impl Signals {
    /// From now on catches these signals.
    ///
    /// # Errors
    /// A handler cannot be installed, or there is no descriptor left.
    pub fn catch(signals: &[c_int]) -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let mut arrived = Vec::with_capacity(signals.len());
        for &signal in signals {
            let set = Arc::new(AtomicBool::new(false));
            // SIGPIPE is caught only to be survived: nobody acts upon it, and writing because of it could
            // raise it anew. For the rest, in this order: whoever is woken finds the flag set. A full socket is no loss, as it
            // wakes all the same.
            flag::register(signal, Arc::clone(&set))?;
            if signal != SIGPIPE {
                pipe::register(signal, write.try_clone()?)?;
            }
            arrived.push((signal, set));
        }
        Ok(Self { wake: ManuallyDrop::new(wake), arrived })
    }

    /// What becomes readable when a signal arrives.
    pub fn fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }

    /// Takes those that arrived since the last time, each once however often it came.
    pub fn take(&mut self) -> impl Iterator<Item = c_int> {
        let mut bytes = [0; 64];
        // The poll is edge-triggered: empty means that the next byte is reported.
        while matches!((&*self.wake).read(&mut bytes), Ok(length) if length > 0) {}
        let came = |(signal, set): &(c_int, Arc<AtomicBool>)| {
            set.swap(false, Ordering::SeqCst).then_some(*signal)
        };
        self.arrived.iter().filter_map(came)
    }
}
