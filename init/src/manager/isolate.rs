//! How far a process is kept from the rest of the machine, and its terminal: from the record to what the
//! supervisor wants. Makes no process and decides nothing.

use super::prepare::c_string;
use rc::isolation::{Capabilities, Isolation};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{Mode, OFlags, fcntl_setfl},
    io::Errno,
    process::Pid,
};
use std::{ffi::CString, path::Path};
use supervisor::{file::open, problem::Problem, spawn::Tmp};

/// The isolation of a process, prepared: its texts, and what needs no preparation.
#[derive(Debug)]
pub struct Isolated {
    chroot: Option<CString>,
    /// Its out-of-memory score, if it has one of its own.
    pub oom_score: Option<CString>,
    /// The options of a `/tmp` of its own.
    pub tmp: Option<CString>,
    nice: Option<i32>,
    bounding: Capabilities,
    ambient: Capabilities,
    no_new_privileges: bool,
}

impl Isolated {
    /// Prepares what a record asks for.
    ///
    /// # Errors
    /// What is malformed, for people.
    pub fn new(record: &Isolation) -> Result<Self, Problem> {
        Ok(Self {
            chroot: record.chroot.clone().map(c_string).transpose()?,
            oom_score: record.oom_score.map(|score| c_string(score.to_string())).transpose()?,
            tmp: record
                .private_tmp
                .map(|bytes| c_string(format!("mode=1777,size={bytes}")))
                .transpose()?,
            nice: record.nice,
            bounding: record.bounding,
            ambient: record.ambient,
            no_new_privileges: record.no_new_privileges,
        })
    }

    /// As the supervisor wants it, with the control group that it joins, and the mounts of the main process
    /// if it is run beside that.
    pub fn view<'a>(
        &'a self,
        cgroup: Option<&'a OwnedFd>,
        namespace: Option<&'a OwnedFd>,
    ) -> supervisor::spawn::Isolation<'a> {
        supervisor::spawn::Isolation {
            cgroup: cgroup.map(OwnedFd::as_fd),
            tmp: match (self.tmp.as_deref(), namespace) {
                (None, _) => Tmp::Shared,
                (Some(_), Some(namespace)) => Tmp::Of(namespace.as_fd()),
                (Some(options), None) => Tmp::Own(options),
            },
            oom_score: self.oom_score.as_deref(),
            nice: self.nice,
            chroot: self.chroot.as_deref(),
            bounding: self.bounding.0,
            ambient: self.ambient.0,
            no_new_privileges: self.no_new_privileges,
        }
    }
}

/// A terminal, open for reading and writing. PID 1 waits for no carrier; whoever reads from it may.
///
/// # Errors
/// As open(2) has it.
pub fn terminal(path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
    let fd = open(Path::new(path), flags, Mode::empty())?;
    fcntl_setfl(&fd, OFlags::empty())?;
    Ok(fd)
}

/// The mounts that a process sees; `None` if it is gone.
pub fn mounts(pid: Pid) -> Option<OwnedFd> {
    let path = format!("/proc/{}/ns/mnt", pid.as_raw_nonzero());
    open(Path::new(&path), OFlags::RDONLY, Mode::empty()).ok()
}
