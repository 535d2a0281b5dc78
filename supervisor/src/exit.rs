//! How a process ended, as data that can be stored, sent and shown.

use crate::coder::Coded;
use core::fmt;

/// What ended one process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Exit {
    /// It exited by itself with this code (0–255).
    Code(u8),
    /// It was killed by this signal number of the running architecture; see wait(2).
    Signal(u8),
    /// It never ran: the step that failed and its errno.
    NotStarted(SpawnFailure),
}

/// The step of process creation that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum SpawnStep {
    /// clone(2): no process could be made.
    Fork,
    /// chdir(2) into the service's working directory.
    Chdir,
    /// setrlimit(2).
    Limits,
    /// setgroups(2), setgid(2) or setuid(2).
    Identity,
    /// dup2(2) of the standard descriptors.
    Descriptors,
    /// execve(2): most often the file is missing or not executable.
    Exec,
    /// The specification itself could not be prepared (a value is missing or malformed).
    Prepare,
    /// Writing the `cgroup.procs` of its control group.
    Cgroup,
    /// unshare(2), setns(2) and mount(2) for a `/tmp` of its own.
    PrivateTmp,
    /// ioctl(2), TIOCSCTTY.
    Terminal,
    /// Writing `/proc/self/oom_score_adj`.
    OomScore,
    /// setpriority(2).
    Nice,
    /// chroot(2).
    Chroot,
    /// prctl(2) and capset(2): the bounding and the ambient set, or that there are no new privileges.
    Capabilities,
}

/// Why a process could not be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub struct SpawnFailure {
    /// The step that failed.
    pub step: SpawnStep,
    /// The errno of that step on the running architecture; 0 if none applies.
    pub errno: i32,
}

impl Exit {
    /// Whether this is exit code 0.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Code(0))
    }
}

impl SpawnStep {
    /// A verb phrase for "cannot …".
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Fork => "create a process",
            Self::Chdir => "enter the working directory",
            Self::Limits => "set resource limits",
            Self::Identity => "become the user and group",
            Self::Descriptors => "set up descriptors",
            Self::Exec => "execute",
            Self::Prepare => "prepare the command",
            Self::Cgroup => "join the control group",
            Self::PrivateTmp => "have a /tmp of its own",
            Self::Terminal => "have the terminal",
            Self::OomScore => "set the out-of-memory score",
            Self::Nice => "set the niceness",
            Self::Chroot => "change the root directory",
            Self::Capabilities => "set the capabilities",
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Signal(number) => write!(f, "signal {number}"),
            Self::NotStarted(failure) => {
                write!(f, "cannot {} (errno {})", failure.step.verb(), failure.errno)
            }
        }
    }
}
