//! How far a process is kept from the rest of the machine: from the record to what the supervisor wants.
//! Makes no process and decides nothing.

use super::prepare::c_string;
use rc::isolation::{Capabilities, Isolation};
use rustix::fd::{AsFd, OwnedFd};
use std::ffi::CString;

/// The isolation of a process, prepared: its texts, and what needs no preparation.
#[derive(Debug)]
pub struct Isolated {
    chroot: Option<CString>,
    /// Its out-of-memory score, if it has one of its own.
    pub oom_score: Option<CString>,
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
    pub fn new(record: &Isolation) -> Result<Self, String> {
        Ok(Self {
            chroot: record.chroot.clone().map(c_string).transpose()?,
            oom_score: record.oom_score.map(|score| c_string(score.to_string())).transpose()?,
            nice: record.nice,
            bounding: record.bounding,
            ambient: record.ambient,
            no_new_privileges: record.no_new_privileges,
        })
    }

    /// As the supervisor wants it.
    pub fn view<'a>(&'a self, cgroup: Option<&'a OwnedFd>) -> supervisor::spawn::Isolation<'a> {
        supervisor::spawn::Isolation {
            cgroup: cgroup.map(OwnedFd::as_fd),
            oom_score: self.oom_score.as_deref(),
            nice: self.nice,
            chroot: self.chroot.as_deref(),
            bounding: self.bounding.0,
            ambient: self.ambient.0,
            no_new_privileges: self.no_new_privileges,
        }
    }
}
