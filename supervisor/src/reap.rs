//! Children that died: who, and how, in two steps. [`peek`] tells, [`release`] frees the pid.
//!
//! Between the two the pid cannot belong to anybody else, so that is the moment to kill what is left
//! of its process group. Nothing here waits.

#![allow(unsafe_code)]

use crate::exit::Exit;
use core::mem::MaybeUninit;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};

/// A child that is dead and not yet released.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dead {
    /// Its pid, still taken.
    pub pid: Pid,
    /// How it ended.
    pub exit: Exit,
}

/// A dead child, if there is one. The same one is answered until it is released.
///
/// SIGCHLD coalesces (signal(7)): after one signal, call this until it answers `None`.
#[must_use]
pub fn peek() -> Option<Dead> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    loop {
        // SAFETY: waitid(2) fills the siginfo_t that `info` has room for. Without a dead child it
        // returns 0 and leaves the pid 0, as `info` was zeroed.
        let result = unsafe {
            let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), options)
        };
        if result == 0 {
            break;
        }
        if std::io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            // ECHILD: there are no children at all.
            return None;
        }
    }
    // SAFETY: zeroed, then filled by waitid; for its children both fields are set.
    let (pid, status, code) = unsafe {
        let info = info.assume_init();
        (info.si_pid(), info.si_status(), info.si_code)
    };
    let byte = u8::try_from(status & 0xff).unwrap_or(u8::MAX);
    let exit = if code == libc::CLD_EXITED { Exit::Code(byte) } else { Exit::Signal(byte & 0x7f) };
    Pid::from_raw(pid).map(|pid| Dead { pid, exit })
}

/// Frees the pid of a dead child; false if there was none.
pub fn release(pid: Pid) -> bool {
    loop {
        match waitpid(Some(pid), WaitOptions::NOHANG) {
            Err(rustix::io::Errno::INTR) => {}
            other => return matches!(other, Ok(Some(_))),
        }
    }
}

/// Sends a signal to the process group that `leader` leads or led. That nobody is left in it is what
/// one wants when killing, so errors are not reported.
pub fn signal_group(leader: Pid, signal: crate::signal::Signal) {
    if let Some(signal) = Signal::from_named_raw(signal.number()) {
        kill_process_group(leader, signal).ok();
    }
}

/// Sends a signal to one process that has not been released yet.
pub fn signal_one(pid: Pid, signal: crate::signal::Signal) {
    if let Some(signal) = Signal::from_named_raw(signal.number()) {
        rustix::process::kill_process(pid, signal).ok();
    }
}

/// Sends a signal to every process that the caller may signal, except itself and, in the kernel's
/// eyes, PID 1; kill(2) with -1.
pub fn signal_all(signal: crate::signal::Signal) {
    // SAFETY: kill takes two numbers.
    unsafe { libc::kill(-1, signal.number()) };
}
