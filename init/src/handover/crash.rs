//! How this program becomes the next one: on purpose, or because it crashed. The handlers of the signals that
//! mean a crash do nothing but note where it was in the [`Header`] and execute the image that is open: its
//! file may be gone by then, and memory may be in any state.
//!
//! What must never happen here: an allocation, a lock, a panic, or a return from a handler.

#![allow(unsafe_code)]

use super::{
    OPTION, TOO_CLOSE_S,
    area::{Header, TIMES, kept_of, numbers, phase},
};
use crate::file::put;
use core::{
    cell::UnsafeCell,
    ffi::{CStr, c_char, c_int, c_void},
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicUsize, Ordering::Relaxed},
};
use rustix::{
    fd::RawFd,
    fs::{OFlags, sync},
    io::Errno,
};
use std::{ffi::CString, io, time::Duration};

/// What means a crash: a panic is an invalid instruction on most machines, and a trap on MIPS.
const CRASHES: [c_int; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP];

/// Bytes of the stack on which handlers of crashes run: the ordinary one may have overflowed.
const STACK: usize = 16 * 1024;
/// How long a last act may take, in seconds.
pub const LAST_ACT_S: u32 = 1800;
/// Where the image is if its descriptor is of no use.
const PLACES: [&CStr; 3] = [c"/proc/self/exe", c"/init", c"/sbin/init"];
/// Signals that can be caught; SIGRTMAX is 127 on MIPS.
const SIGNALS: usize = 128;

#[repr(align(16))]
struct Stack(UnsafeCell<[MaybeUninit<u8>; STACK]>);
// SAFETY: only the kernel is told where it is, and only handlers of the one thread run on it.
unsafe impl Sync for Stack {}
static CRASH_STACK: Stack = Stack(UnsafeCell::new([MaybeUninit::uninit(); STACK]));

/// The header of the area in use; of the one before, as long as this program reads that.
static HEADER: AtomicPtr<Header> = AtomicPtr::new(ptr::null_mut());
/// The arguments of the next program, and a null pointer; and which of them is the number of the memfd.
static ARGUMENTS: AtomicPtr<*const c_char> = AtomicPtr::new(ptr::null_mut());
static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// Of a program that has no area, since nobody could go on with what it does.
// SAFETY: zeros are valid for every field.
static ALONE: Header = unsafe { MaybeUninit::zeroed().assume_init() };

static ARRIVED: [AtomicBool; SIGNALS] = [const { AtomicBool::new(false) }; SIGNALS];
/// The signal that is being acted upon.
static ACTING: AtomicI32 = AtomicI32::new(0);
/// Where a byte is written when a signal arrives.
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// From now on a crash leads to the image in `header`, called with `arguments` and where the memfd is.
/// May be called again with another header; the arguments are those of the first call.
pub fn install(header: &'static Header, arguments: &[&str]) {
    HEADER.store(ptr::from_ref(header).cast_mut(), Relaxed);
    if !ARGUMENTS.load(Relaxed).is_null() {
        return;
    }
    let mut pointers = Vec::with_capacity(arguments.len() + 3);
    for argument in arguments.iter().chain([&OPTION]) {
        // They live as long as the program; what has a NUL in it did not come from execve(2).
        pointers.push(CString::new(*argument).unwrap_or_default().into_raw().cast_const());
    }
    pointers.extend([ptr::null(), ptr::null()]);
    NUMBER.store(arguments.len() + 1, Relaxed);
    ARGUMENTS.store(pointers.leak().as_mut_ptr(), Relaxed);
    let stack = libc::stack_t { ss_sp: CRASH_STACK.0.get().cast(), ss_flags: 0, ss_size: STACK };
    // SAFETY: the stack lives for ever and is used for nothing else. The actions are zeroed, which is valid,
    // and their handler has the type that SA_SIGINFO asks for.
    unsafe {
        libc::sigaltstack(&raw const stack, ptr::null_mut());
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_crash;
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigfillset(&raw mut action.sa_mask);
        for signal in CRASHES {
            libc::sigaction(signal, &raw const action, ptr::null_mut());
        }
    }
    mask(libc::SIG_UNBLOCK, &CRASHES);
}

/// Unblocks what the program before blocked for the change.
pub fn unblock() {
    // SAFETY: an empty set; only the mask of this thread changes.
    unsafe {
        let mut none = MaybeUninit::<libc::sigset_t>::zeroed();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
}

fn mask(how: c_int, signals: &[c_int]) {
    // SAFETY: `set` is filled before it is used.
    unsafe {
        let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        libc::sigprocmask(how, set.as_ptr(), ptr::null_mut());
    }
}

extern "C" fn on_crash(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the pointer is null or to a header that lives for ever.
    let header = unsafe { HEADER.load(Relaxed).as_ref() };
    // SAFETY: getpid(2) and _exit(2) have no preconditions. A child that shares this memory must not touch it.
    let header = unsafe {
        match header {
            Some(header) if header.owner.load(Relaxed) == libc::getpid() => header,
            _ => libc::_exit(127),
        }
    };
    // SAFETY: the kernel passes a siginfo that is valid for the handler; si_addr may be read for any signal,
    // and for one that a process sent is that process.
    let (code, about) = unsafe { ((*info).si_code, (*info).si_addr() as u64) };
    header.code.store(code, Relaxed);
    note(&header.about, about);
    note(&header.place, place(context));
    header.signal.store(signal.unsigned_abs(), Relaxed);
    after_crash(header);
}

fn note(pair: &[AtomicU32; 2], value: u64) {
    let bytes = value.to_ne_bytes();
    for (word, half) in pair.iter().zip(bytes.chunks_exact(4)) {
        word.store(u32::from_ne_bytes([half[0], half[1], half[2], half[3]]), Relaxed);
    }
}

/// The pair as one number.
pub fn noted(pair: &[AtomicU32; 2]) -> u64 {
    let mut bytes = [0; 8];
    for (word, half) in pair.iter().zip(bytes.chunks_exact_mut(4)) {
        half.copy_from_slice(&word.load(Relaxed).to_ne_bytes());
    }
    u64::from_ne_bytes(bytes)
}

/// Where in a ucontext_t the kernel puts the address of the instruction, and how many bytes that has.
#[cfg(target_arch = "x86_64")]
const PLACE: (usize, usize) =
    (core::mem::offset_of!(libc::ucontext_t, uc_mcontext.gregs) + 8 * libc::REG_RIP as usize, 8);
#[cfg(target_arch = "aarch64")]
const PLACE: (usize, usize) = (core::mem::offset_of!(libc::ucontext_t, uc_mcontext.pc), 8);
#[cfg(target_arch = "arm")]
const PLACE: (usize, usize) = (core::mem::offset_of!(libc::ucontext_t, uc_mcontext.arm_pc), 4);
/// libc has no type for it. `arch/mips/include/uapi/asm/{ucontext,sigcontext}.h` of the kernel, by the ABI that is
/// called o32: registers have 64 bits all the same.
#[cfg(target_arch = "mips")]
const PLACE: (usize, usize) = (32, 8);

/// Where the program was.
fn place(context: *const c_void) -> u64 {
    // SAFETY: the third argument of a handler with SA_SIGINFO is a ucontext_t, sigaction(2), which is longer.
    let at = unsafe { core::slice::from_raw_parts(context.cast::<u8>().add(PLACE.0), PLACE.1) };
    let mut bytes = [0; 8];
    let first = if cfg!(target_endian = "big") { 8 - PLACE.1 } else { 0 };
    bytes[first..first + PLACE.1].copy_from_slice(at);
    u64::from_ne_bytes(bytes)
}

/// From now on the machine ends with this command of reboot(2), also if this program crashes. A watchdog is fed
/// until then, unless it is -1. For PID 1 only.
pub fn ends(command: c_int, watchdog: RawFd) {
    // SAFETY: the pointer is null or to a header that lives for ever.
    let known = unsafe { HEADER.load(Relaxed).as_ref() };
    let header = known.unwrap_or(&ALONE);
    header.ending.store(command, Relaxed);
    header.watchdog.store(watchdog, Relaxed);
    header.phase.store(phase::ENDING, Relaxed);
    if known.is_none() {
        header.owner.store(1, Relaxed);
        header.phase.store(phase::LAST, Relaxed);
        install(header, &[]);
    }
}

/// Counts the crash, decides how the next program is to be, and becomes it.
fn after_crash(header: &'static Header) -> ! {
    let now = seconds();
    let count = header.crashes.load(Relaxed);
    let slot = &header.times[count as usize % TIMES];
    let earlier = slot.load(Relaxed);
    slot.store(now, Relaxed);
    header.crashes.store(count.wrapping_add(1), Relaxed);
    let is_loop = count as usize >= TIMES && now.wrapping_sub(earlier) < TOO_CLOSE_S;
    let former = header.former.load(Relaxed);
    match header.phase.load(Relaxed) {
        phase::RUNNING if is_loop => header.phase.store(phase::DEGRADED, Relaxed),
        phase::RUNNING => {}
        // Its predecessor was ending the machine, as it crashed.
        phase::RECOVERING | phase::AGAIN if header.ending.load(Relaxed) != 0 => end(header),
        // A new version that cannot take over: the one before can.
        phase::RECOVERING if former >= 0 => {
            header.image.store(former, Relaxed);
            header.former.store(-1, Relaxed);
            header.phase.store(phase::RUNNING, Relaxed);
        }
        // What it read is as it was, and what it lacked may be there by now.
        phase::RECOVERING => header.phase.store(phase::AGAIN, Relaxed),
        phase::AGAIN => header.phase.store(phase::DEGRADED, Relaxed),
        // The next program finds everything stopped, and goes on with the end.
        phase::ENDING if count == 0 => {}
        phase::ENDING | phase::LAST => end(header),
        _ => give_up(header),
    }
    become_image(header);
    for place in PLACES {
        // SAFETY: NUL-terminated, as are the arguments.
        unsafe { libc::execve(place.as_ptr(), ARGUMENTS.load(Relaxed), environment()) };
    }
    give_up(header)
}

/// Ends the machine as it was asked for, when children have ended that may be writing another system. Whatever is
/// called here is but system calls.
fn end(header: &'static Header) -> ! {
    put(c"/dev/kmsg", OFlags::WRONLY, 0, b"jamb: crashed at the end\n").ok();
    let mut left = if header.phase.load(Relaxed) == phase::LAST { LAST_ACT_S } else { 0 };
    // SAFETY: system calls that may be made in a handler, signal-safety(7), with numbers and constants; without
    // children there is an error, and a descriptor that is not open yields EBADF.
    while left > 0 && unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) } >= 0 {
        // SAFETY: as above.
        unsafe { libc::write(header.watchdog.load(Relaxed), c"".as_ptr().cast(), 1) };
        std::thread::sleep(Duration::from_secs(1));
        left -= 1;
    }
    sync();
    // SAFETY: a number that the kernel checks.
    unsafe { libc::reboot(header.ending.load(Relaxed)) };
    give_up(header)
}

/// Not even reaping works. A machine is started again at once; what is no machine ends.
fn give_up(header: &'static Header) -> ! {
    // SAFETY: both are single system calls without preconditions.
    unsafe {
        if header.owner.load(Relaxed) == 1 {
            libc::reboot(libc::RB_AUTOBOOT);
        }
        libc::_exit(111)
    }
}

fn seconds() -> u32 {
    let mut now = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: clock_gettime(2) fills what it is given, and may be called in a handler; signal-safety(7).
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, now.as_mut_ptr());
        now.assume_init().tv_sec
    };
    u32::try_from(now).unwrap_or(u32::MAX)
}

fn environment() -> *const *const c_char {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: libc's own; nothing in this program changes it.
    unsafe { environ }
}

/// Executes the image with all that is to be kept. All signals are blocked, so that none is lost; those that
/// came and were not acted upon come again. Returns if it failed.
fn become_image(header: &'static Header) {
    let fds = || {
        let own = [header.fd.load(Relaxed), header.former.load(Relaxed)];
        numbers(kept_of(header)).chain(own)
    };
    // SAFETY: the array has room for the number and belongs to nobody else. fcntl of a number that is not open
    // only yields EBADF; kill, sigfillset and execveat are safe in a handler, and the arguments are
    // NUL-terminated and live for ever.
    unsafe {
        let mut all = MaybeUninit::<libc::sigset_t>::zeroed();
        libc::sigfillset(all.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut());
        for fd in fds() {
            libc::fcntl(fd, libc::F_SETFD, 0);
        }
        let acting = ACTING.load(Relaxed);
        for (signal, arrived) in (0..).zip(&ARRIVED) {
            if arrived.load(Relaxed) || (signal == acting && signal > 0) {
                libc::kill(libc::getpid(), signal);
            }
        }
        let number = ARGUMENTS.load(Relaxed).add(NUMBER.load(Relaxed));
        number.write(header.digits.as_ptr().cast());
        libc::syscall(
            libc::SYS_execveat,
            header.image.load(Relaxed),
            c"".as_ptr(),
            ARGUMENTS.load(Relaxed),
            environment(),
            libc::AT_EMPTY_PATH,
        );
    }
}

/// Becomes the image in the header on purpose.
///
/// # Errors
/// Only if it failed: as execveat(2) has it. Then all is as before.
pub fn exec(header: &'static Header) -> Errno {
    become_image(header);
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
    let own = [header.fd.load(Relaxed), header.former.load(Relaxed)];
    for fd in numbers(kept_of(header)).chain(own) {
        // SAFETY: as above.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    unblock();
    Errno::from_raw_os_error(errno)
}

/// From now on `signal` sets a flag and writes a byte to the descriptor of [`wake_at`], which must not block.
///
/// # Errors
/// As sigaction(2) has it.
pub fn catch(signal: c_int) -> io::Result<()> {
    let handler: extern "C" fn(c_int) = on_signal;
    // SAFETY: a zeroed action is valid, and its handler has the type that goes without SA_SIGINFO.
    let result = unsafe {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal, &raw const action, ptr::null_mut())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// An atomic store and one system call, which is safe in a handler, signal-safety(7).
extern "C" fn on_signal(signal: c_int) {
    if let Some(arrived) = usize::try_from(signal).ok().and_then(|number| ARRIVED.get(number)) {
        arrived.store(true, Relaxed);
    }
    // SIGPIPE is caught only to be survived: writing because of it could raise it anew.
    if signal != libc::SIGPIPE {
        // SAFETY: errno is this thread's, and whoever was interrupted finds it as it was. One byte of a constant
        // is written; whether it could be does not matter: a full pipe wakes all the same.
        unsafe {
            let errno = libc::__errno_location();
            let before = *errno;
            libc::write(WAKE.load(Relaxed), c"".as_ptr().cast(), 1);
            *errno = before;
        }
    }
}

/// Where the byte is written.
pub fn wake_at(fd: RawFd) {
    WAKE.store(fd, Relaxed);
}

/// Takes one signal that arrived. Until the next call it comes again should the program crash.
pub fn take_signal() -> Option<c_int> {
    for (signal, arrived) in (0..).zip(&ARRIVED) {
        if arrived.load(Relaxed) {
            ACTING.store(signal, Relaxed);
            arrived.store(false, Relaxed);
            return Some(signal);
        }
    }
    ACTING.store(0, Relaxed);
    None
}

/// Crashes in the way that a test asks for.
#[cfg(feature = "crash-points")]
pub fn provoke(way: &str) {
    fn overflow(depth: u64) -> u64 {
        let room = [depth; 512];
        if core::hint::black_box(&room)[7] == u64::MAX { 0 } else { overflow(depth + 1) + room[3] }
    }
    match way {
        // SAFETY: none: it is to crash.
        "segv" => unsafe { ptr::without_provenance_mut::<u8>(16).write_volatile(1) },
        "overflow" => drop(core::hint::black_box(overflow(0))),
        // SAFETY: kill(2) has no preconditions.
        "ill" => unsafe {
            libc::kill(libc::getpid(), libc::SIGILL);
        },
        _ => std::process::abort(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_noted_and_leaves_errno_alone() {
        catch(libc::SIGWINCH).unwrap();
        // SAFETY: errno is this thread's; raise(3) has no preconditions, and sends to this thread.
        let after = unsafe {
            *libc::__errno_location() = libc::EXDEV;
            libc::raise(libc::SIGWINCH);
            // There is nowhere to write to, so that failed, and set errno in between.
            *libc::__errno_location()
        };
        assert_eq!((after, take_signal()), (libc::EXDEV, Some(libc::SIGWINCH)));
        assert_eq!(catch(libc::SIGKILL).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    }
}
