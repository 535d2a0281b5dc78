//! How often a process wakes up while nothing happens, told by the kernel's own counters.

use crate::ssh::Ssh;
use anyhow::{Context as _, Result, anyhow};

/// Ends the text about one process.
const END: &str = "end of look";

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

/// Watches processes for so many seconds of the machine's time. All is read by one shell that has
/// nothing to do with jamb: it is ssh's child, started before the first look.
///
/// # Errors
/// There is no connection, or the kernel does not tell.
pub fn watch<const N: usize>(ssh: &Ssh, pids: [u32; N], seconds: u32) -> Result<[Idle; N]> {
    // proc(5) for status; Documentation/scheduler/sched-stats.rst for schedstat.
    let look = pids.map(|pid| format!("cat /proc/{pid}/status /proc/{pid}/schedstat; echo {END}"));
    let look = look.join("; ");
    let text = ssh.must(&format!("{look}; sleep {seconds}; {look}"))?;
    let looks: Vec<Look> =
        text.split_terminator(&format!("{END}\n")).map(Look::read).collect::<Result<_>>()?;
    let (before, after) = looks.split_at_checked(N).context("too few looks")?;
    let between = before.iter().zip(after).map(|(before, after)| Idle {
        wakeups: after.switches - before.switches,
        ran_ns: after.ran_ns - before.ran_ns,
        state: after.state.clone(),
    });
    let all: Vec<Idle> = between.collect();
    all.try_into().map_err(|all| anyhow!("{all:?} instead of {N} processes"))
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
