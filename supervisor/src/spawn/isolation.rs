//! The steps of a child that keep it from the rest of the machine. Each says in the table of `child`
//! when it may be done; each that the kernel refuses fails the start: a service never runs with more
//! rights than its definition gives it.
//!
//! They run on the parent's memory and must never allocate.

use super::child::last_errno;
use crate::exit::{SpawnFailure, SpawnStep};
use core::ffi::{CStr, c_int, c_long, c_ulong};
use rustix::fd::{AsRawFd, BorrowedFd};

/// How far a process is kept from the rest of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Isolation<'a> {
    /// The `cgroup.procs` of the control group that it joins, open for writing.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// What is at `/tmp`.
    pub tmp: Tmp<'a>,
    /// What `/proc/self/oom_score_adj` is set to, as text. Unlike [`super::Spec::oom_score_adj`] it must
    /// succeed.
    pub oom_score: Option<&'a CStr>,
    /// The niceness, -20 to 19.
    pub nice: Option<i32>,
    /// The directory that becomes `/`.
    pub chroot: Option<&'a CStr>,
    /// The capabilities that stay in the bounding set, a bit each.
    pub bounding: u64,
    /// The ambient set, a bit each. Only a process whose user is not root needs one.
    pub ambient: u64,
    /// PR_SET_NO_NEW_PRIVS.
    pub no_new_privileges: bool,
}

/// What is at `/tmp`.
#[derive(Clone, Copy, Debug)]
pub enum Tmp<'a> {
    /// What the caller has there.
    Shared,
    /// An empty tmpfs with these options, tmpfs(5), that nobody else sees.
    Own(&'a CStr),
    /// What the process with this mount namespace, `/proc/PID/ns/mnt`, has there.
    Of(BorrowedFd<'a>),
}

impl Isolation<'_> {
    /// As the caller is itself.
    pub const NONE: Self = Self {
        cgroup: None,
        tmp: Tmp::Shared,
        oom_score: None,
        nice: None,
        chroot: None,
        bounding: u64::MAX,
        ambient: 0,
        no_new_privileges: false,
    };
}

/// `-1` of a system call as the failure of a step.
fn check(step: SpawnStep, result: c_long) -> Result<(), SpawnFailure> {
    if result < 0 { Err(SpawnFailure { step, errno: last_errno() }) } else { Ok(()) }
}

/// prctl(2), whose arguments all have the size of a register.
fn control(option: c_int, argument: c_ulong, second: c_ulong) -> c_long {
    const ZERO: c_ulong = 0;
    // SAFETY: the options used here take numbers only, and change nothing but this process.
    c_long::from(unsafe { libc::prctl(option, argument, second, ZERO, ZERO) })
}

pub(super) fn write_oom_score(text: &CStr) -> Result<(), SpawnFailure> {
    let path = c"/proc/self/oom_score_adj";
    // SAFETY: open, write and close with pointers to live NUL-terminated memory; of a number that is not
    // open only EBADF comes, and the first errno is the one that counts.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        let result = check(SpawnStep::OomScore, c_long::from(fd)).and_then(|()| {
            let written = libc::write(fd, text.as_ptr().cast(), text.count_bytes());
            check(SpawnStep::OomScore, if written < 0 { -1 } else { 0 })
        });
        libc::close(fd);
        result
    }
}

/// What has to be done while the table of descriptors is the parent's.
pub(super) fn with_all_descriptors(isolation: &Isolation<'_>) -> Result<(), SpawnFailure> {
    if let Some(group) = isolation.cgroup {
        // SAFETY: write(2) of one byte of a constant. 0 is whoever writes.
        let written = unsafe { libc::write(group.as_raw_fd(), c"0".as_ptr().cast(), 1) };
        check(SpawnStep::Cgroup, if written < 0 { -1 } else { 0 })?;
    }
    if let Tmp::Of(namespace) = isolation.tmp {
        // SAFETY: setns(2) of a number, of this process only: it shares no file system information.
        let result = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNS) };
        check(SpawnStep::PrivateTmp, c_long::from(result))?;
    }
    Ok(())
}

/// What has to be done while the process still has all rights of its parent.
pub(super) fn with_all_rights(isolation: &Isolation<'_>) -> Result<(), SpawnFailure> {
    if let Some(nice) = isolation.nice {
        // SAFETY: setpriority(2) of this process. Its first argument's type is libc's own affair.
        let result = unsafe { libc::setpriority(libc::PRIO_PROCESS as _, 0, nice) };
        check(SpawnStep::Nice, c_long::from(result))?;
    }
    if let Tmp::Own(options) = isolation.tmp {
        own_tmp(options)?;
    }
    for capability in 0..u64::BITS {
        // What the kernel does not know it does not give either.
        if isolation.bounding & (1 << capability) == 0
            && control(libc::PR_CAPBSET_DROP, c_ulong::from(capability), 0) < 0
            && last_errno() != libc::EINVAL
        {
            return check(SpawnStep::Capabilities, -1);
        }
    }
    if let Some(path) = isolation.chroot {
        // SAFETY: chroot(2) of NUL-terminated memory. What is outside is left by the chdir that follows.
        check(SpawnStep::Chroot, c_long::from(unsafe { libc::chroot(path.as_ptr()) }))?;
    }
    if isolation.ambient != 0 {
        // What is permitted outlives the change of the user; capabilities(7).
        check(SpawnStep::Capabilities, control(libc::PR_SET_KEEPCAPS, 1, 0))?;
    }
    Ok(())
}

/// Mounts of the machine go on to be seen; what is mounted here is not seen there, mount_namespaces(7).
fn own_tmp(options: &CStr) -> Result<(), SpawnFailure> {
    let nothing = core::ptr::null();
    let slave = libc::MS_REC | libc::MS_SLAVE;
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    let (kind, data) = (c"tmpfs".as_ptr(), options.as_ptr().cast());
    // SAFETY: unshare(2) of this process only; mount(2) with NUL-terminated memory, or nothing where it
    // takes nothing.
    // The first that fails is the last that is tried, so that its errno is the one that is told.
    let done = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(nothing, c"/".as_ptr(), nothing, slave, nothing.cast()) == 0
            && libc::mount(kind, c"/tmp".as_ptr(), kind, flags, data) == 0
    };
    check(SpawnStep::PrivateTmp, if done { 0 } else { -1 })
}

/// Of capset(2): the version with 64 bits, and this process.
#[repr(C)]
struct Header {
    version: u32,
    pid: c_int,
}

/// Of capset(2): half of each set.
#[repr(C)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// _LINUX_CAPABILITY_VERSION_3 of linux/capability.h.
const VERSION: u32 = 0x2008_0522;

/// What has to be done once the process is who it shall be.
pub(super) fn with_own_rights(isolation: &Isolation<'_>) -> Result<(), SpawnFailure> {
    if isolation.ambient != 0 {
        let half = |shift: u32| {
            let bits = u32::try_from((isolation.ambient >> shift) & 0xffff_ffff).unwrap_or(0);
            Half { effective: bits, permitted: bits, inheritable: bits }
        };
        let (header, halves) = (Header { version: VERSION, pid: 0 }, [half(0), half(32)]);
        // SAFETY: capset(2) reads a header and two halves, which is what version 3 has.
        let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, halves.as_ptr()) };
        check(SpawnStep::Capabilities, result)?;
        for capability in 0..u64::BITS {
            if isolation.ambient & (1 << capability) != 0 {
                let raise = libc::PR_CAP_AMBIENT_RAISE as c_ulong;
                let result = control(libc::PR_CAP_AMBIENT, raise, c_ulong::from(capability));
                check(SpawnStep::Capabilities, result)?;
            }
        }
    }
    if isolation.no_new_privileges {
        check(SpawnStep::Capabilities, control(libc::PR_SET_NO_NEW_PRIVS, 1, 0))?;
    }
    Ok(())
}
