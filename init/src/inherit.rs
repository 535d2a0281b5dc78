//! What a process gets from whoever executed it: arguments and descriptors. Nothing here decides anything.

#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_int};
use rustix::{
    fd::{FromRawFd, OwnedFd, RawFd},
    io::Errno,
};
use std::{
    ffi::{CString, OsString},
    os::unix::ffi::OsStringExt,
};

/// The arguments as the C runtime got them; what is not UTF-8 in them becomes U+FFFD.
///
/// # Safety
/// `argv` must point to `argc` pointers to NUL-terminated strings.
pub unsafe fn arguments(argc: c_int, argv: *const *const c_char) -> Vec<String> {
    let count = usize::try_from(argc).unwrap_or(0);
    let one = |index| {
        // SAFETY: `index` is below `argc`, and each pointer is to a NUL-terminated string.
        let argument = unsafe { CStr::from_ptr(*argv.add(index)) };
        argument.to_string_lossy().into_owned()
    };
    (0..count).map(one).collect()
}

/// The value of a variable of the environment, unless it is empty; getenv(3).
pub fn variable(name: &CStr) -> Option<OsString> {
    // SAFETY: jamb has one thread and never changes its environment, so what is found stays.
    let value = unsafe {
        let value = libc::getenv(name.as_ptr());
        if value.is_null() {
            return None;
        }
        CStr::from_ptr(value)
    };
    Some(OsString::from_vec(value.to_bytes().to_vec())).filter(|value| !value.is_empty())
}

/// Occupies those of the descriptors 0 to 2 that are closed, so that nothing opened later gets a
/// number that others write to. Without `/dev/null`, a descriptor that nobody can read or write has
/// to do.
pub fn occupy_standard_descriptors() {
    loop {
        // SAFETY: open(2) with NUL-terminated paths.
        let fd = unsafe {
            match libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) {
                -1 => libc::open(c"/".as_ptr(), libc::O_PATH),
                fd => fd,
            }
        };
        // The lowest free number is given out first: past 2 all three are taken.
        if fd > 2 {
            // SAFETY: just opened, known to nobody.
            unsafe { libc::close(fd) };
        }
        if !(0..=2).contains(&fd) {
            return;
        }
    }
}

/// Marks a descriptor to be closed on execve(2); false if it is not open.
pub fn closes_on_exec(fd: RawFd) -> bool {
    // SAFETY: fcntl on a number only asks whether it is open.
    fd > 2 && unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } >= 0
}

/// Takes over a descriptor that was inherited under a number known from the command line; `None` if
/// it is not open. Each number may be taken once, which the caller has to see to.
pub fn adopt(fd: RawFd) -> Option<OwnedFd> {
    if !closes_on_exec(fd) {
        return None;
    }
    // SAFETY: it is open, inherited and not owned by anything in this process: the caller takes each
    // number once, before it opens anything else.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Executes a program in place of this one, with this one's environment. Returns only if that failed.
pub fn execute(path: &CStr, arguments: &[CString]) -> Errno {
    let mut pointers: Vec<*const c_char> = Vec::new();
    for argument in arguments {
        pointers.push(argument.as_ptr());
    }
    pointers.push(core::ptr::null());
    // SAFETY: a NUL-terminated path, and a NULL-terminated array of NUL-terminated strings that outlive
    // the call.
    unsafe { libc::execv(path.as_ptr(), pointers.as_ptr()) };
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::NOSYS)
}
