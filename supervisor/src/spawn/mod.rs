//! Starts one process: clone, a clean child, execve. All `unsafe` of process creation is here.
//!
//! Input is a [`Spec`] that the caller prepared completely; output is a pid or the step that failed
//! with its errno, known when [`Spawner::spawn`] returns. The child shares the parent's memory until
//! execve(2) (`CLONE_VM | CLONE_VFORK`, clone(2)), which costs the same however big the parent is, so
//! the child must never allocate, take a lock or return. It shares the descriptors as well until it
//! has its own copy of the few that it needs, which costs the same however many the parent has.

#![allow(unsafe_code)]

use crate::{
    exit::{SpawnFailure, SpawnStep},
    words::Words,
};
use core::{
    ffi::{CStr, c_int, c_void},
    mem::MaybeUninit,
    ptr,
    sync::atomic::AtomicI32,
};
use rustix::{
    fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
    io::{Errno, fcntl_dupfd_cloexec},
    process::{Pid, Resource},
    thread::Gid,
};

mod child;
mod isolation;
mod slots;
#[cfg(test)]
mod tests;

use child::{LISTEN_PID, OWN_PIDS, Shared, WATCHDOG_PID, child_main, last_errno, zero_action};
use slots::Slots;

pub use isolation::{Isolation, Tmp};
/// The signals of a crash.
const CRASHES: [c_int; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP];

/// The child's stack until execve(2). It calls a few shallow functions; 32 KiB is ample.
const STACK: usize = 32 * 1024;
/// Left free above its first frame. musl's syscall(2) reads six arguments whatever it was given, those on the stack
/// from above its caller's frame; a function that never returns need not save a register there, so that what lay
/// behind the stack was read, and was not always memory.
const HEADROOM: usize = 64;

/// Who a process runs as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// Where the session's terminal comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Terminal {
    /// None: a service.
    None,
    /// The standard input becomes the controlling terminal, if it can: a rescue shell.
    Stdin,
    /// The standard input becomes the controlling terminal, whoever has it now, or the start fails.
    Own,
}

/// A process to be.
#[derive(Debug)]
pub struct Spec<'a> {
    /// The programs to try in order; the first that can be executed is.
    pub programs: &'a Words,
    /// The arguments, the name first.
    pub argv: &'a Words,
    /// The whole environment, `NAME=VALUE`.
    pub env: &'a Words,
    /// The working directory.
    pub cwd: &'a CStr,
    /// The file mode creation mask.
    pub umask: u32,
    /// Soft and hard limits, `None` for unlimited.
    pub limits: &'a [(Resource, Option<u64>, Option<u64>)],
    /// Who it runs as; `None`: as the caller.
    pub identity: Option<&'a Identity>,
    /// Descriptors 0, 1 and 2. Their numbers must be above 2.
    pub stdio: [BorrowedFd<'a>; 3],
    /// A descriptor that the child gets at the given number (above 2).
    pub pass: Option<(BorrowedFd<'a>, RawFd)>,
    /// Descriptors that the child gets from number 3 on, and is told of by `LISTEN_PID`; the rest of
    /// sd_listen_fds(3) is in `env`. Not together with `keep`.
    pub listen: &'a [BorrowedFd<'a>],
    /// Descriptors that the child keeps at their own numbers.
    pub keep: &'a [RawFd],
    /// Whether it gets a terminal.
    pub terminal: Terminal,
    /// What `/proc/self/oom_score_adj` is set to, as text, if it must differ from the caller's.
    pub oom_score_adj: Option<&'a CStr>,
    /// How far it is kept from the rest of the machine.
    pub isolation: Isolation<'a>,
    /// Whether `WATCHDOG_PID` with the child's own pid is added to the environment,
    /// sd_watchdog_enabled(3).
    pub tells_pid: bool,
}

/// Starts processes; owns the stack that children borrow.
pub struct Spawner {
    stack: Box<[MaybeUninit<u8>]>,
    /// For children that share the table of descriptors; `None` where that is not possible.
    slots: Option<Slots>,
    /// The signals that are not at their default here, known from the first spawn on.
    signals: Option<Vec<c_int>>,
    /// Where the pid of a child is noted by the kernel before anything else can happen.
    note: Option<&'static AtomicI32>,
}

impl Default for Spawner {
    fn default() -> Self {
        Self::new()
    }
}

impl Spawner {
    /// A spawner with its stack, and some of the lowest descriptors that are free: it is best made
    /// before most others are.
    #[must_use]
    pub fn new() -> Self {
        let stack = vec![MaybeUninit::uninit(); STACK].into_boxed_slice();
        Self { stack, slots: Slots::new(), signals: None, note: None }
    }

    /// From now on the pid of each child is in `place` before the child or this process does anything: whoever
    /// finds that memory knows whether there is a child.
    pub fn note_pid_at(&mut self, place: &'static AtomicI32) {
        self.note = Some(place);
    }

    /// Starts the process in a session and process group of its own, with all signals unblocked and
    /// at their default, and no descriptors but those of the spec. Returns when the program is
    /// being executed. All handlers of signals have to be in place before the first call.
    ///
    /// # Errors
    /// The step that failed and its errno. After a failure past clone(2) there is a zombie, which
    /// the caller reaps like any unknown child.
    pub fn spawn(&mut self, spec: &Spec<'_>) -> Result<Pid, SpawnFailure> {
        // What is kept at its own number may have any, and of what is passed in numbers there may be many.
        if spec.keep.is_empty()
            && spec.listen.is_empty()
            && let Some(mut slots) = self.slots.take()
        {
            let stdio = spec.stdio.map(|fd| slots.low(fd));
            let pass = spec.pass.map(|(fd, target)| (slots.low(fd), target));
            let result = self.clone(spec, stdio, pass, &[], Some(slots.bound()));
            slots.clear();
            if let Some(result) = result {
                self.slots = Some(slots);
                return result;
            }
        }
        let stdio = spec.stdio.map(|fd| fd.as_raw_fd());
        let above = Above::all(spec).map_err(|errno| {
            let errno = errno.raw_os_error();
            SpawnFailure { step: SpawnStep::Descriptors, errno }
        })?;
        let listen: Vec<RawFd> = above.listen.iter().map(AsRawFd::as_raw_fd).collect();
        let raw = |(fd, target): (BorrowedFd<'_>, RawFd)| {
            (above.pass.as_ref().map_or(fd.as_raw_fd(), AsRawFd::as_raw_fd), target)
        };
        let pass = spec.pass.map(raw);
        let refused = SpawnFailure { step: SpawnStep::Descriptors, errno: libc::ENOSYS };
        self.clone(spec, stdio, pass, &listen, None).unwrap_or(Err(refused))
    }

    /// The same with descriptors as numbers, which are below `unshare_from` if there is one; `None` if
    /// the kernel cannot unshare the table there. Then a zombie is left, too.
    fn clone(
        &mut self,
        spec: &Spec<'_>,
        stdio: [RawFd; 3],
        pass: Option<(RawFd, RawFd)>,
        listen: &[RawFd],
        unshare_from: Option<RawFd>,
    ) -> Option<Result<Pid, SpawnFailure>> {
        let programs = spec.programs.pointers();
        let (argv, mut env) = (spec.argv.pointers(), spec.env.pointers());
        let mut own_pids = [OWN_PIDS; 2];
        own_pids[0][..WATCHDOG_PID.len()].copy_from_slice(WATCHDOG_PID);
        own_pids[1][..LISTEN_PID.len()].copy_from_slice(LISTEN_PID);
        let mut told = [ptr::null_mut(); 2];
        let tells = [spec.tells_pid, !listen.is_empty()];
        for ((text, place), _) in
            own_pids.iter_mut().zip(&mut told).zip(tells).filter(|(_, tells)| *tells)
        {
            *place = text.as_mut_ptr();
            env.insert(0, place.cast_const().cast());
        }
        let groups = spec.identity.map(|identity| identity.groups.as_slice()).unwrap_or_default();
        let groups: Vec<Gid> = groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
        let mut shared = Shared {
            spec,
            programs: &programs[..programs.len() - 1],
            argv: argv.as_ptr(),
            env: env.as_ptr(),
            groups: &groups,
            own_pids: told,
            listen,
            stdio,
            pass,
            unshare_from,
            signals: self.signals.get_or_insert_with(not_at_default),
            failure: None,
            refused: false,
        };
        let files = if unshare_from.is_some() { libc::CLONE_FILES } else { 0 };
        let noted = if self.note.is_some() { libc::CLONE_PARENT_SETTID } else { 0 };
        let note = self.note.map_or(ptr::null_mut(), AtomicI32::as_ptr);
        // A handler of ours must not run in the child, on memory that is ours. The child starts with
        // this mask and clears it when all dispositions are at their default.
        let blocked = Blocked::all();
        let top = self.stack.as_mut_ptr_range().end;
        let aligned = (top as usize - HEADROOM) & !15;
        let back = top as usize - aligned;
        // SAFETY: `child_main` is a C function that never returns and runs on the stack below
        // `aligned`, which is 16-byte aligned, inside `self.stack` and used by nobody else, since the
        // parent is suspended until execve or _exit (CLONE_VFORK). `shared` outlives the call, and `note` is
        // null or lives for ever.
        let pid = unsafe {
            libc::clone(
                child_main,
                top.sub(back).cast::<c_void>(),
                libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD | files | noted,
                (&raw mut shared).cast::<c_void>(),
                note,
            )
        };
        let errno = last_errno();
        drop(blocked);
        // SAFETY: both may have been written by the child behind the compiler's back; the child is done
        // with them, and volatile reads see what it wrote.
        let (failure, refused) = unsafe {
            let refused = ptr::read_volatile(&raw const shared.refused);
            (ptr::read_volatile(&raw const shared.failure), refused)
        };
        Some(match (Pid::from_raw(pid.max(0)), failure) {
            (None, _) => Err(SpawnFailure { step: SpawnStep::Fork, errno }),
            (Some(_), _) if refused => return None,
            (Some(_), Some(failure)) => Err(failure),
            (Some(pid), None) => Ok(pid),
        })
    }
}

/// Copies of what a child gets at numbers that are given, all above those numbers, so that none of them
/// is overwritten before it is there.
struct Above {
    listen: Vec<OwnedFd>,
    pass: Option<OwnedFd>,
}

impl Above {
    /// None, if there is nothing to listen on.
    fn all(spec: &Spec<'_>) -> Result<Self, Errno> {
        let mut above = Self { listen: Vec::new(), pass: None };
        if spec.listen.is_empty() {
            return Ok(above);
        }
        let last = RawFd::try_from(spec.listen.len()).unwrap_or(RawFd::MAX).saturating_add(2);
        let last = spec.pass.map_or(last, |(_, target)| last.max(target));
        for fd in spec.listen {
            above.listen.push(fcntl_dupfd_cloexec(fd, last.saturating_add(1))?);
        }
        if let Some((fd, _)) = spec.pass {
            above.pass = Some(fcntl_dupfd_cloexec(fd, last.saturating_add(1))?);
        }
        Ok(above)
    }
}

/// All signals are blocked for as long as this lives, but for those of a crash: the kernel kills whoever
/// causes one while it is blocked, and they have their own way to tell a child from its parent.
struct Blocked(libc::sigset_t);

impl Blocked {
    fn all() -> Self {
        let mut all = MaybeUninit::<libc::sigset_t>::zeroed();
        let mut before = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: both point to memory for a sigset_t; sigfillset and sigprocmask fill them, and an
        // all-zero sigset_t is a valid (empty) one should they fail.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            for crash in CRASHES {
                libc::sigdelset(all.as_mut_ptr(), crash);
            }
            libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            Self(before.assume_init())
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set was filled by sigprocmask.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

/// The signals that are ignored or caught here, but for those of a crash that are caught: execve(2) puts them
/// back, and whoever catches them has to tell a child, which may crash before that, from its parent.
///
/// By the system call itself, as libc refuses the two or three signals that it keeps for threads; whoever
/// started us may have left them ignored all the same.
fn not_at_default() -> Vec<c_int> {
    let mut signals = Vec::new();
    for signal in 1..=libc::SIGRTMAX() {
        let (mut action, set_size) = zero_action();
        let nothing = ptr::null::<u8>();
        // SAFETY: it writes a kernel sigaction, for which there is room, and changes nothing.
        let result = unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, nothing, action.as_mut_ptr(), set_size)
        };
        let is_default = result == 0 && action == zero_action().0;
        if !(is_default || CRASHES.contains(&signal) && is_caught(signal)) {
            signals.push(signal);
        }
    }
    signals
}

fn is_caught(signal: c_int) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: sigaction(2) fills it or leaves it as it is; all zero it is valid, and means SIG_DFL.
    let handler = unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr());
        action.assume_init().sa_sigaction
    };
    handler != libc::SIG_DFL && handler != libc::SIG_IGN
}
