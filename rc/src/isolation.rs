//! How far a service is kept from the rest of the machine: the part of its record that most services do
//! not have. Data only; what it means to a process is in the supervisor, what may be combined in the
//! compiler.

use supervisor::coder::Coded;

/// What a service may do, see and use up, as far as it differs from what every service gets.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub struct Isolation {
    /// The directory that is `/` to it; chroot(2).
    pub chroot: Option<String>,
    /// Its niceness, -20 to 19; setpriority(2). An `i32`, as narrower ones are not decoded.
    pub nice: Option<i32>,
    /// What `/proc/PID/oom_score_adj` says of it, -1000 to 1000; `None`: 0.
    pub oom_score: Option<i32>,
    /// The capabilities that it can ever have, a bit each; capabilities(7), "bounding set".
    pub bounding: Capabilities,
    /// The capabilities that it has although its user is not root, a bit each; the "ambient set".
    pub ambient: Capabilities,
    /// No program that it executes gives it more rights; prctl(2), PR_SET_NO_NEW_PRIVS.
    pub no_new_privileges: bool,
    /// The most bytes in a `/tmp` of its own; `None`: it has that of the machine.
    pub private_tmp: Option<u64>,
    /// The control group that its processes are in, Documentation/admin-guide/cgroup-v2.rst.
    pub cgroup: Option<Cgroup>,
}

/// A control group: what its processes may use up together. `None`: as much as there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Coded)]
pub struct Cgroup {
    /// Memory, in bytes; what cannot be got back at this size ends with the out-of-memory killer.
    pub memory: Option<u64>,
    /// Processor time, in percent of one processor.
    pub cpu: Option<u32>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

impl Default for Isolation {
    fn default() -> Self {
        Self {
            chroot: None,
            nice: None,
            oom_score: None,
            bounding: Capabilities::ALL,
            ambient: Capabilities::NONE,
            no_new_privileges: false,
            private_tmp: None,
            cgroup: None,
        }
    }
}

/// A set of capabilities: bit `N` is the one with number `N`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// All that there are, also those that a later kernel adds.
    pub const ALL: Self = Self(u64::MAX);
    /// None.
    pub const NONE: Self = Self(0);

    /// Their names, by number: those of linux/capability.h without `CAP_`, in small letters.
    pub const NAMES: &'static [&'static str] = &[
        "chown",
        "dac_override",
        "dac_read_search",
        "fowner",
        "fsetid",
        "kill",
        "setgid",
        "setuid",
        "setpcap",
        "linux_immutable",
        "net_bind_service",
        "net_broadcast",
        "net_admin",
        "net_raw",
        "ipc_lock",
        "ipc_owner",
        "sys_module",
        "sys_rawio",
        "sys_chroot",
        "sys_ptrace",
        "sys_pacct",
        "sys_admin",
        "sys_boot",
        "sys_nice",
        "sys_resource",
        "sys_time",
        "sys_tty_config",
        "mknod",
        "lease",
        "audit_write",
        "audit_control",
        "setfcap",
        "mac_override",
        "mac_admin",
        "syslog",
        "wake_alarm",
        "block_suspend",
        "audit_read",
        "perfmon",
        "bpf",
        "checkpoint_restore",
    ];

    /// The one of this number, below 64.
    #[must_use]
    pub const fn one(number: u32) -> Self {
        Self(1 << (number & 63))
    }

    /// Whether all of `other` are in it.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those that are in one of two sets.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of those that have one, by number.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = (0..).zip(Self::NAMES);
        all.filter(move |(number, _)| self.has(Self::one(*number))).map(|(_, name)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_their_numbers() {
        // linux/capability.h
        for (number, name) in [(0, "chown"), (12, "net_admin"), (21, "sys_admin"), (38, "perfmon")]
        {
            assert_eq!(Capabilities::one(number).names().collect::<Vec<_>>(), [name]);
        }
        assert_eq!(Capabilities::NAMES.len(), 41);
        assert_eq!(Capabilities::ALL.names().count(), 41);
        assert!(!Capabilities::NONE.has(Capabilities::one(3)));
    }
}
