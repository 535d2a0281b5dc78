//! How often a process wakes up while nothing happens, told by the kernel's own counters.

use crate::ssh::Ssh;
use anyhow::{Context as _, Result};

/// The counters of one process before and after.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idle {
    /// Times that it went to sleep in between: it does so after each wake-up, so without one it also
    /// made no system call.
    pub wakeups: u64,
    /// Nanoseconds that it ran in between.
    pub ran_ns: u64,
    /// Its state at the end: `S` if it sleeps.
    pub state: String,
}

/// Watches a process for so many seconds of the machine's time. All is read by one shell that has
/// nothing to do with jamb: it is ssh's child, started before the first look.
///
/// # Errors
/// There is no connection, or the kernel does not tell.
pub fn watch(ssh: &Ssh, pid: u32, seconds: u32) -> Result<Idle> {
    // proc(5) for status; Documentation/scheduler/sched-stats.rst for schedstat.
    let look = format!("cat /proc/{pid}/status /proc/{pid}/schedstat");
    let text = ssh.must(&format!("{look}; echo after; sleep {seconds}; {look}"))?;
    let (before, after) = text.split_once("after\n").context("only one look")?;
    let (before, after) = (Look::read(before)?, Look::read(after)?);
    Ok(Idle {
        wakeups: after.switches - before.switches,
        ran_ns: after.ran_ns - before.ran_ns,
        state: after.state,
    })
}

struct Look {
    switches: u64,
    ran_ns: u64,
    state: String,
}

impl Look {
    fn read(text: &str) -> Result<Self> {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next())
                .with_context(|| format!("no {name} in {text}"))
        };
        let ran = text.lines().last().and_then(|line| line.split(' ').next());
        Ok(Self {
            switches: field("voluntary_ctxt_switches:")?.parse()?,
            ran_ns: ran.context("no schedstat")?.parse()?,
            state: field("State:")?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_are_found() {
        let text = "Name:\tinit\nState:\tS (sleeping)\nvoluntary_ctxt_switches:\t184\n\
                    nonvoluntary_ctxt_switches:\t11\n58146540 1822 195\n";
        let look = Look::read(text).unwrap();
        assert_eq!((look.switches, look.ran_ns, look.state.as_str()), (184, 58_146_540, "S"));
        assert!(Look::read("State:\tS\n").is_err());
    }
}
