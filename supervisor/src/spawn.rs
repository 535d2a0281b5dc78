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
    slots::Slots,
};
use core::{
    ffi::{CStr, c_char, c_int, c_void},
    mem::MaybeUninit,
    ptr,
};
use rustix::{
    fd::{AsRawFd, BorrowedFd, RawFd},
    process::{Pid, Resource, Rlimit, chdir, setrlimit, setsid},
    thread::{Gid, Uid, set_thread_gid, set_thread_groups, set_thread_uid},
};
use std::ffi::CString;

/// The child's stack until execve(2). It calls a few shallow functions; 32 KiB is ample.
const STACK: usize = 32 * 1024;

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
    /// The standard input becomes the controlling terminal: a rescue shell.
    Stdin,
}

/// A process to be.
#[derive(Debug)]
pub struct Spec<'a> {
    /// The programs to try in order; the first that can be executed is.
    pub programs: &'a [CString],
    /// The arguments, the name first.
    pub argv: &'a [CString],
    /// The whole environment, `NAME=VALUE`.
    pub env: &'a [CString],
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
    /// Descriptors that the child keeps at their own numbers.
    pub keep: &'a [RawFd],
    /// Whether it gets a terminal.
    pub terminal: Terminal,
    /// What `/proc/self/oom_score_adj` is set to, as text, if it must differ from the caller's.
    pub oom_score_adj: Option<&'a CStr>,
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
}

/// What the child reads and writes while the parent is suspended.
struct Shared<'a> {
    spec: &'a Spec<'a>,
    programs: &'a [*const c_char],
    argv: *const *const c_char,
    env: *const *const c_char,
    groups: &'a [Gid],
    /// `NAME=` and room for the child's pid, which only the child knows; null if it is not told.
    own_pid: *mut u8,
    stdio: [RawFd; 3],
    pass: Option<(RawFd, RawFd)>,
    /// The table of descriptors is the parent's until all from this number on are left behind.
    unshare_from: Option<RawFd>,
    signals: &'a [c_int],
    failure: Option<SpawnFailure>,
    /// The kernel knows no way to leave them behind (before Linux 5.9, or a sandbox forbids it).
    refused: bool,
}

/// See [`Spec::tells_pid`].
const OWN_PID: &[u8; 13] = b"WATCHDOG_PID=";
/// Digits of the largest pid, and the zero byte.
const PID_ROOM: usize = 11;

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
        Self { stack, slots: Slots::new(), signals: None }
    }

    /// Starts the process in a session and process group of its own, with all signals unblocked and
    /// at their default, and no descriptors but those of the spec. Returns when the program is
    /// being executed. All handlers of signals have to be in place before the first call.
    ///
    /// # Errors
    /// The step that failed and its errno. After a failure past clone(2) there is a zombie, which
    /// the caller reaps like any unknown child.
    pub fn spawn(&mut self, spec: &Spec<'_>) -> Result<Pid, SpawnFailure> {
        // What is kept at its own number may have any.
        if spec.keep.is_empty()
            && let Some(mut slots) = self.slots.take()
        {
            let stdio = spec.stdio.map(|fd| slots.low(fd));
            let pass = spec.pass.map(|(fd, target)| (slots.low(fd), target));
            let result = self.clone(spec, stdio, pass, Some(slots.bound()));
            slots.clear();
            if let Some(result) = result {
                self.slots = Some(slots);
                return result;
            }
        }
        let stdio = spec.stdio.map(|fd| fd.as_raw_fd());
        let pass = spec.pass.map(|(fd, target)| (fd.as_raw_fd(), target));
        let refused = SpawnFailure { step: SpawnStep::Descriptors, errno: libc::ENOSYS };
        self.clone(spec, stdio, pass, None).unwrap_or(Err(refused))
    }

    /// The same with descriptors as numbers, which are below `unshare_from` if there is one; `None` if
    /// the kernel cannot unshare the table there. Then a zombie is left, too.
    fn clone(
        &mut self,
        spec: &Spec<'_>,
        stdio: [RawFd; 3],
        pass: Option<(RawFd, RawFd)>,
        unshare_from: Option<RawFd>,
    ) -> Option<Result<Pid, SpawnFailure>> {
        let pointers = |list: &[CString]| {
            let ends = core::iter::once(ptr::null());
            list.iter().map(|s| s.as_ptr()).chain(ends).collect::<Vec<_>>()
        };
        let (programs, argv, mut env) =
            (pointers(spec.programs), pointers(spec.argv), pointers(spec.env));
        let mut own_pid = [0; OWN_PID.len() + PID_ROOM];
        own_pid[..OWN_PID.len()].copy_from_slice(OWN_PID);
        let own_pid = (&raw mut own_pid).cast::<u8>();
        if spec.tells_pid {
            env.insert(0, own_pid.cast_const().cast());
        }
        let groups = spec.identity.map(|identity| identity.groups.as_slice()).unwrap_or_default();
        let groups: Vec<Gid> = groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
        let mut shared = Shared {
            spec,
            programs: &programs[..programs.len() - 1],
            argv: argv.as_ptr(),
            env: env.as_ptr(),
            groups: &groups,
            own_pid: if spec.tells_pid { own_pid } else { ptr::null_mut() },
            stdio,
            pass,
            unshare_from,
            signals: self.signals.get_or_insert_with(not_at_default),
            failure: None,
            refused: false,
        };
        let files = if unshare_from.is_some() { libc::CLONE_FILES } else { 0 };
        // A handler of ours must not run in the child, on memory that is ours. The child starts with
        // this mask and clears it when all dispositions are at their default.
        let blocked = Blocked::all();
        let top = self.stack.as_mut_ptr_range().end;
        let aligned = (top as usize) & !15;
        let back = top as usize - aligned;
        // SAFETY: `child_main` is a C function that never returns and runs on the stack below
        // `aligned`, which is 16-byte aligned, inside `self.stack` and used by nobody else, since the
        // parent is suspended until execve or _exit (CLONE_VFORK). `shared` outlives the call.
        let pid = unsafe {
            libc::clone(
                child_main,
                top.sub(back).cast::<c_void>(),
                libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD | files,
                (&raw mut shared).cast::<c_void>(),
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

/// All signals are blocked for as long as this lives.
struct Blocked(libc::sigset_t);

impl Blocked {
    fn all() -> Self {
        let mut all = MaybeUninit::<libc::sigset_t>::zeroed();
        let mut before = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: both point to memory for a sigset_t; sigfillset and sigprocmask fill them, and an
        // all-zero sigset_t is a valid (empty) one should they fail.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
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

fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

extern "C" fn child_main(argument: *mut c_void) -> c_int {
    // SAFETY: `argument` is the `Shared` of `spawn`, which is suspended and touches it no more until
    // this process is gone from its memory.
    let shared = unsafe { &mut *argument.cast::<Shared<'_>>() };
    if shared.unshare_from.is_some_and(|from| !leave_behind(from)) {
        // Nothing has been touched yet. SAFETY: as below.
        unsafe {
            ptr::write_volatile(&raw mut shared.refused, true);
            libc::_exit(127)
        }
    }
    let failure = match set_up(shared) {
        Ok(()) => SpawnFailure { step: SpawnStep::Exec, errno: execute(shared) },
        Err(failure) => failure,
    };
    // SAFETY: writes to `shared`, as above; volatile, so that it happens before `_exit`.
    unsafe {
        ptr::write_volatile(&raw mut shared.failure, Some(failure));
        libc::_exit(127)
    }
}

/// Everything between clone and execve, in an order in which each step still may do what it must.
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
        write_oom_score(text);
    }
    close_the_rest_on_exec();
    if let Some((fd, target)) = shared.pass {
        duplicate(fd, target).map_err(at(SpawnStep::Descriptors))?;
    }
    for &fd in spec.keep {
        // SAFETY: fcntl on a number; a number that is not open only yields EBADF.
        if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } < 0 {
            return Err(SpawnFailure { step: SpawnStep::Descriptors, errno: last_errno() });
        }
    }
    if spec.terminal == Terminal::Stdin {
        // SAFETY: TIOCSCTTY takes an int. Failing only means that there is no job control.
        unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
    }
    for &(resource, current, maximum) in spec.limits {
        setrlimit(resource, Rlimit { current, maximum }).map_err(at(SpawnStep::Limits))?;
    }
    if let Some(identity) = spec.identity {
        // The system calls themselves, not libc's functions: those would look for other threads.
        set_thread_groups(shared.groups).map_err(at(SpawnStep::Identity))?;
        set_thread_gid(Gid::from_raw(identity.gid)).map_err(at(SpawnStep::Identity))?;
        set_thread_uid(Uid::from_raw(identity.uid)).map_err(at(SpawnStep::Identity))?;
    }
    if !shared.own_pid.is_null() {
        tell_pid(shared.own_pid);
    }
    // With the service's own rights, so that it cannot start where it could not go.
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
fn zero_action() -> ([u64; 8], usize) {
    ([0; 8], usize::try_from(libc::SIGRTMAX()).unwrap_or_default().div_ceil(8))
}

/// The signals that are ignored or caught here.
///
/// By the system call itself, as libc refuses the two or three signals that it keeps for threads; whoever
/// started us may have left them ignored all the same.
fn not_at_default() -> Vec<c_int> {
    let mut signals: Vec<c_int> = (1..=libc::SIGRTMAX()).collect();
    signals.retain(|&signal| {
        let (mut action, set_size) = zero_action();
        let nothing = ptr::null::<u8>();
        // SAFETY: it writes a kernel sigaction, for which there is room, and changes nothing.
        let result = unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, nothing, action.as_mut_ptr(), set_size)
        };
        result < 0 || action != zero_action().0
    });
    signals
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

fn write_oom_score(text: &CStr) {
    let path = c"/proc/self/oom_score_adj";
    // SAFETY: open, write and close with pointers to live NUL-terminated memory. Without /proc there is
    // nothing to reset.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if fd >= 0 {
            libc::write(fd, text.as_ptr().cast(), text.count_bytes());
            libc::close(fd);
        }
    }
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
    for (at, digit) in digits[first..].iter().enumerate() {
        // SAFETY: `text` has room for the name and PID_ROOM bytes, and `digits` is no longer than that;
        // the parent is suspended and does not touch it.
        unsafe { text.add(OWN_PID.len() + at).write(*digit) };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exit::Exit, reap};
    use rustix::fd::AsFd;
    use std::{fs::File, io::Read};

    /// Tests share one process and its children, so they take turns.
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

    fn strings(list: &[&str]) -> Vec<CString> {
        list.iter().map(|s| CString::new(*s).unwrap()).collect()
    }

    fn wait_for(pid: Pid) -> Exit {
        loop {
            if let Some(dead) = reap::peek()
                && reap::release(dead.pid)
                && dead.pid == pid
            {
                return dead.exit;
            }
            std::thread::yield_now();
        }
    }

    fn plain<'a>(
        programs: &'a [CString],
        argv: &'a [CString],
        stdio: [BorrowedFd<'a>; 3],
    ) -> Spec<'a> {
        Spec {
            programs,
            argv,
            env: &[],
            cwd: c"/",
            umask: 0o027,
            limits: &[],
            identity: None,
            stdio,
            pass: None,
            keep: &[],
            terminal: Terminal::None,
            oom_score_adj: None,
            tells_pid: false,
        }
    }

    fn run(
        programs: &[&str],
        argv: &[&str],
        change: fn(&mut Spec<'_>),
    ) -> (Result<Exit, SpawnFailure>, String) {
        let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let null = File::open("/dev/null").unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let (programs, argv, env) = (strings(programs), strings(argv), strings(&["A=b"]));
        let stdio = [null.as_fd(), writer.as_fd(), writer.as_fd()];
        let mut spec = Spec { env: &env, ..plain(&programs, &argv, stdio) };
        change(&mut spec);
        let pid = Spawner::new().spawn(&spec);
        drop(writer);
        let exit = pid.map(wait_for);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        (exit, text)
    }

    fn sh(script: &str, change: fn(&mut Spec<'_>)) -> (Result<Exit, SpawnFailure>, String) {
        run(&["/bin/sh"], &["sh", "-c", script], change)
    }

    #[test]
    fn a_child_is_clean() {
        let script = "umask; pwd; echo $A; ls /proc/self/fd | wc -l; \
            grep -E '^Sig(Blk|Ign)' /proc/self/status; exit 7";
        let (exit, text) = sh(script, |spec| spec.umask = 0o027);
        assert_eq!(exit, Ok(Exit::Code(7)));
        // 0, 1, 2 and the one that ls itself opens.
        let want = "0027\n/\nb\n4\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n";
        assert_eq!(text, want);
    }

    #[test]
    fn where_the_table_cannot_be_unshared_it_is_copied() {
        let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let null = File::open("/dev/null").unwrap();
        let (programs, argv) = (strings(&["/bin/sh"]), strings(&["sh", "-c", "exit 7"]));
        let spec = plain(&programs, &argv, [null.as_fd(); 3]);
        let mut spawner = Spawner::new();
        let numbers = [null.as_raw_fd(); 3];
        // There is no such number: the child ends before it touches anything.
        assert!(spawner.clone(&spec, numbers, None, Some(-1)).is_none());
        assert!(null.metadata().is_ok(), "our own descriptors are untouched");
        spawner.slots = None;
        assert_eq!(spawner.spawn(&spec).map(wait_for), Ok(Exit::Code(7)));
    }

    #[test]
    fn it_leads_its_own_session() {
        let (_, text) = sh("cut -d' ' -f1,5,6 /proc/$$/stat", |_| {});
        let ids: Vec<&str> = text.split_whitespace().collect();
        assert!(ids.len() == 3 && ids[0] == ids[1] && ids[1] == ids[2], "{text}");
    }

    #[test]
    fn it_is_told_its_pid() {
        let (_, text) = sh("echo $WATCHDOG_PID $$ $A", |spec| spec.tells_pid = true);
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(words.len() == 3 && words[0] == words[1] && words[2] == "b", "{text}");
        assert_eq!(sh("echo ${WATCHDOG_PID-unset}", |_| {}).1, "unset\n");
    }

    #[test]
    fn limits_and_identity_are_set() {
        static NOBODY: Identity = Identity { uid: 65534, gid: 65533, groups: Vec::new() };
        let (exit, text) = sh("ulimit -n; grep -E '^(Uid|Gid|Groups)' /proc/self/status", |spec| {
            spec.limits = &[(Resource::Nofile, Some(33), Some(44))];
            if rustix::process::geteuid().is_root() {
                spec.identity = Some(&NOBODY);
            }
        });
        assert_eq!(exit, Ok(Exit::Code(0)));
        assert!(text.starts_with("33\n"), "{text}");
        if rustix::process::geteuid().is_root() {
            assert!(text.contains("Uid:\t65534\t65534\t65534\t65534\n"), "{text}");
            assert!(text.contains("Gid:\t65533\t65533\t65533\t65533\n"), "{text}");
            assert!(text.contains("Groups:\t\n") || text.contains("Groups:\t \n"), "{text}");
        }
    }

    #[test]
    fn failures_name_the_step() {
        let at = |step, errno| Err(SpawnFailure { step, errno });
        let missing = &["/nonexistent/a", "/etc/hostname/b"];
        assert_eq!(run(missing, &["a"], |_| {}).0, at(SpawnStep::Exec, libc::ENOENT));
        // A file that may not be executed is remembered over one that does not exist.
        let forbidden = &["/etc/passwd", "/nonexistent/a"];
        assert_eq!(run(forbidden, &["a"], |_| {}).0, at(SpawnStep::Exec, libc::EACCES));
        let nowhere = sh("", |spec| spec.cwd = c"/nonexistent").0;
        assert_eq!(nowhere, at(SpawnStep::Chdir, libc::ENOENT));
    }

    #[test]
    fn a_descriptor_arrives_at_its_number() {
        let (exit, text) = sh("echo ready >&9; ls /proc/self/fd | tr '\\n' ' '", |spec| {
            spec.pass = Some((spec.stdio[1], 9));
        });
        assert_eq!(exit, Ok(Exit::Code(0)));
        assert_eq!(text, "ready\n0 1 2 3 9 ");
    }

    #[test]
    fn descriptors_may_have_high_numbers() {
        let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (mut reader, writer) = std::io::pipe().unwrap();
        let high = |fd: BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(fd, 700).unwrap();
        let null = high(File::open("/dev/null").unwrap().as_fd());
        let theirs = high(writer.as_fd());
        drop(writer);
        let script = "echo ready >/proc/self/fd/200; readlink /proc/self/fd/0; ls /proc/self/fd | tr '\\n' ' '";
        let (programs, argv) = (strings(&["/bin/sh"]), strings(&["sh", "-c", script]));
        let stdio = [null.as_fd(), theirs.as_fd(), theirs.as_fd()];
        let spec = Spec { pass: Some((theirs.as_fd(), 200)), ..plain(&programs, &argv, stdio) };
        let mut spawner = Spawner::new();
        assert_eq!(spawner.spawn(&spec).map(wait_for), Ok(Exit::Code(0)));
        assert!(spawner.slots.is_some(), "this kernel can unshare");
        drop(theirs);
        // Nothing of the spawner's keeps the pipe open either.
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "ready\n/dev/null\n0 1 2 200 3 ");
    }
}
