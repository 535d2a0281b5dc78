//! What the child does between clone(2) and execve(2): on memory that is its parent's, which waits. It
//! must never allocate, take a lock or return.

use super::{Spec, Terminal, isolation};
use crate::exit::{SpawnFailure, SpawnStep};
use core::{
    ffi::{CStr, c_char, c_int, c_void},
    mem::MaybeUninit,
    ptr,
};
use rustix::{
    fd::RawFd,
    process::{Rlimit, chdir, prlimit, setsid},
    thread::{Gid, Uid, set_thread_gid, set_thread_groups, set_thread_uid},
};

/// What the child reads and writes while the parent is suspended.
pub(super) struct Shared<'a> {
    pub spec: &'a Spec<'a>,
    pub programs: &'a [*const c_char],
    pub argv: *const *const c_char,
    pub env: *const *const c_char,
    pub groups: &'a [Gid],
    /// `NAME=` and room for the child's pid, which only the child knows; null if it is not told.
    pub own_pids: [*mut u8; 2],
    pub stdio: [RawFd; 3],
    pub pass: Option<(RawFd, RawFd)>,
    /// What it gets from descriptor 3 on; all numbers, and that of `pass`, are above where they go.
    pub listen: &'a [RawFd],
    /// The table of descriptors is the parent's until all from this number on are left behind.
    pub unshare_from: Option<RawFd>,
    pub signals: &'a [c_int],
    pub failure: Option<SpawnFailure>,
    /// The kernel knows no way to leave them behind (before Linux 5.9, or a sandbox forbids it).
    pub refused: bool,
}

/// See [`Spec::tells_pid`].
pub(super) const WATCHDOG_PID: &[u8; 13] = b"WATCHDOG_PID=";
/// See [`Spec::listen`].
pub(super) const LISTEN_PID: &[u8; 11] = b"LISTEN_PID=";
/// Digits of the largest pid, and the zero byte.
const PID_ROOM: usize = 11;
/// Room for the longer name, and a pid.
pub(super) const OWN_PIDS: [u8; WATCHDOG_PID.len() + PID_ROOM] = [0; WATCHDOG_PID.len() + PID_ROOM];

pub(super) fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

pub(super) extern "C" fn child_main(argument: *mut c_void) -> c_int {
    // SAFETY: `argument` is the `Shared` of `spawn`, which is suspended and touches it no more until
    // this process is gone from its memory.
    let shared = unsafe { &mut *argument.cast::<Shared<'_>>() };
    let joined = isolation::with_all_descriptors(&shared.spec.isolation);
    if shared.unshare_from.is_some_and(|from| !leave_behind(from)) {
        // Nothing of the parent's has been touched yet. SAFETY: as below.
        unsafe {
            ptr::write_volatile(&raw mut shared.refused, true);
            libc::_exit(127)
        }
    }
    let failure = match joined.and_then(|()| set_up(shared)) {
        Ok(()) => SpawnFailure { step: SpawnStep::Exec, errno: execute(shared) },
        Err(failure) => failure,
    };
    // SAFETY: writes to `shared`, as above; volatile, so that it happens before `_exit`.
    unsafe {
        ptr::write_volatile(&raw mut shared.failure, Some(failure));
        libc::_exit(127)
    }
}

/// Everything between clone and execve, in an order in which each step still may do what it must:
///
/// | step | why not earlier | why not later |
/// |---|---|---|
/// | control group, mounts of the main process | | their descriptors have any number, and are the parent's; what follows counts for the group |
/// | the table of descriptors is its own | | all below changes it |
/// | dispositions, session | | a terminal is had by the leader of a session only |
/// | descriptors 0 to 2, others close on exec, what is passed | | a limit of open files may be below their numbers |
/// | out-of-memory score | | `/proc` is not in a chroot, a lower score takes CAP_SYS_RESOURCE |
/// | terminal | it is descriptor 0 | |
/// | limits, niceness | | raising them takes CAP_SYS_RESOURCE, CAP_SYS_NICE |
/// | `/tmp` of its own | | CAP_SYS_ADMIN; it is not in a chroot |
/// | bounding set | | CAP_SETPCAP; what is in effect stays so until the user changes |
/// | chroot | out-of-memory score | CAP_SYS_CHROOT |
/// | groups, group, user | all that takes rights | the user's change takes away all that is in effect |
/// | ambient set | a change of the user clears it | |
/// | no new privileges | | it binds execve(2) only |
/// | directory, umask | with its own rights and root, so that it cannot start where it could not go | |
/// | signals unblocked | a handler of ours would run on memory that is ours | |
fn set_up(shared: &Shared<'_>) -> Result<(), SpawnFailure> {
    let spec = shared.spec;
    let at =
        |step| move |errno: rustix::io::Errno| SpawnFailure { step, errno: errno.raw_os_error() };
    default_dispositions(shared.signals);
    setsid().map_err(at(SpawnStep::Fork))?;
    for (fd, target) in shared.stdio.into_iter().zip(0..) {
        duplicate(fd, target).map_err(at(SpawnStep::Descriptors))?;
    }
    if let Some(text) = spec.oom_score_adj {
        // Without /proc there is nothing to reset.
        isolation::write_oom_score(text).ok();
    }
    if let Some(text) = spec.isolation.oom_score {
        isolation::write_oom_score(text)?;
    }
    close_the_rest_on_exec();
    for (&fd, target) in shared.listen.iter().zip(3..) {
        duplicate(fd, target).map_err(at(SpawnStep::Descriptors))?;
    }
    if let Some((fd, target)) = shared.pass {
        duplicate(fd, target).map_err(at(SpawnStep::Descriptors))?;
    }
    for &fd in spec.keep {
        // SAFETY: fcntl on a number; a number that is not open only yields EBADF.
        if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } < 0 {
            return Err(SpawnFailure { step: SpawnStep::Descriptors, errno: last_errno() });
        }
    }
    if spec.terminal != Terminal::None {
        let own = spec.terminal == Terminal::Own;
        // SAFETY: TIOCSCTTY takes an int: whether to steal it, ioctl_tty(2).
        let result = unsafe { libc::ioctl(0, libc::TIOCSCTTY, c_int::from(own)) };
        // For a shell it only means that there is no job control.
        if own && result < 0 {
            return Err(SpawnFailure { step: SpawnStep::Terminal, errno: last_errno() });
        }
    }
    for &(resource, current, maximum) in spec.limits {
        // musl's setrlimit(3) has a way around kernels without prlimit(2), which stops all threads: 3 KB.
        prlimit(None, resource, Rlimit { current, maximum }).map_err(at(SpawnStep::Limits))?;
    }
    isolation::with_all_rights(&spec.isolation)?;
    if let Some(identity) = spec.identity {
        // The system calls themselves, not libc's functions: those would look for other threads.
        set_thread_groups(shared.groups).map_err(at(SpawnStep::Identity))?;
        set_thread_gid(Gid::from_raw(identity.gid)).map_err(at(SpawnStep::Identity))?;
        set_thread_uid(Uid::from_raw(identity.uid)).map_err(at(SpawnStep::Identity))?;
    }
    isolation::with_own_rights(&spec.isolation)?;
    for text in shared.own_pids {
        if !text.is_null() {
            tell_pid(text);
        }
    }
    chdir(spec.cwd).map_err(at(SpawnStep::Chdir))?;
    // SAFETY: umask and an empty signal mask; both touch only this process.
    unsafe {
        libc::umask(libc::mode_t::try_from(spec.umask).unwrap_or(0o022));
        let mut none = MaybeUninit::<libc::sigset_t>::zeroed();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
    Ok(())
}

/// One entry of the table of signals, as zeros, and what rt_sigaction(2) must be told of its masks. A
/// kernel sigaction has at most 40 bytes on any architecture; all zero it is SIG_DFL without flags.
pub(super) fn zero_action() -> ([u64; 8], usize) {
    ([0; 8], usize::try_from(libc::SIGRTMAX()).unwrap_or_default().div_ceil(8))
}

/// execve(2) resets caught signals but keeps ignored ones ignored; a service must not inherit that. And
/// a handler of ours must not run in the child once its signals are unblocked.
fn default_dispositions(signals: &[c_int]) {
    let (zero, set_size) = zero_action();
    for &signal in signals {
        let nothing = ptr::null::<u8>();
        // SAFETY: it reads a kernel sigaction. The child has its own table of dispositions (no
        // CLONE_SIGHAND). Signals that may not be changed only yield EINVAL.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, zero.as_ptr(), nothing, set_size);
        }
    }
}

/// Makes the lowest descriptors the child's own, and leaves those from `first` on to the parent; false
/// if the kernel cannot.
fn leave_behind(first: RawFd) -> bool {
    let Ok(first) = libc::c_uint::try_from(first) else { return false };
    let flags = libc::CLOSE_RANGE_UNSHARE;
    // SAFETY: close_range(2) with CLOSE_RANGE_UNSHARE first gives the child a table of its own, so that
    // the parent's is not touched, and all that it needs is below `first`.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) == 0 }
}

fn duplicate(fd: RawFd, target: RawFd) -> Result<(), rustix::io::Errno> {
    // SAFETY: dup2 and fcntl on numbers of the child's own table: copied by clone(2), or left behind.
    // dup2 onto itself would keep the close-on-exec flag, hence the fcntl.
    let result = unsafe {
        if fd == target { libc::fcntl(target, libc::F_SETFD, 0) } else { libc::dup2(fd, target) }
    };
    if result < 0 { Err(rustix::io::Errno::from_raw_os_error(last_errno())) } else { Ok(()) }
}

/// Everything is opened with close-on-exec already; this is for what a library forgot, or what
/// whoever started us left open. Before Linux 5.11 it fails, and the flags alone have to do.
fn close_the_rest_on_exec() {
    const FROM: libc::c_uint = 3;
    // SAFETY: close_range(2) with CLOSE_RANGE_CLOEXEC sets a flag on the child's own table.
    unsafe {
        libc::syscall(libc::SYS_close_range, FROM, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    };
}

/// Writes the child's pid behind the `NAME=` at `text`.
fn tell_pid(text: *mut u8) {
    let mut rest = rustix::process::getpid().as_raw_nonzero().get().unsigned_abs();
    let mut digits = [0; PID_ROOM];
    let mut first = PID_ROOM - 1;
    while rest > 0 && first > 0 {
        first -= 1;
        digits[first] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    // SAFETY: `text` has OWN_PIDS.len() bytes, which is room for the longer name and all of `digits`, and
    // is zero behind the name; the parent is suspended and does not touch it.
    unsafe {
        let end = CStr::from_ptr(text.cast_const().cast()).count_bytes();
        for (at, digit) in digits[first..].iter().enumerate() {
            text.add(end + at).write(*digit);
        }
    }
}

/// Tries the programs like execvp(3): what is missing leads to the next, EACCES is remembered, any
/// other error ends the search.
fn execute(shared: &Shared<'_>) -> i32 {
    let mut worst = libc::ENOENT;
    for &program in shared.programs {
        // SAFETY: the program and both arrays are NUL-terminated and alive in the parent.
        unsafe { libc::execve(program, shared.argv, shared.env) };
        match last_errno() {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => worst = libc::EACCES,
            errno => return errno,
        }
    }
    worst
}
