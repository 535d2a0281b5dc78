//! How much memory a process of a running machine has, told by its kernel.

use crate::ssh::Ssh;
use anyhow::{Context as _, Result};

/// The most that PID 1 may have resident, in KiB; SPECIFICATION.md says the same.
pub const INIT: u64 = 600;
/// The most that the log collector may have resident, in KiB; SPECIFICATION.md says the same.
pub const COLLECTOR: u64 = 400;

/// Of `/proc/PID/smaps_rollup`, proc(5), in KiB. It is counted in the page tables; `VmRSS` of
/// `/proc/PID/status` is a sum of counters of the CPUs, wrong by up to 32 pages each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    /// All that is resident, pages of the binary included.
    pub resident: u64,
    /// What is the process's own.
    pub anonymous: u64,
}

impl Memory {
    /// Of one process.
    ///
    /// # Errors
    /// There is no connection, or no such process.
    pub fn of(ssh: &Ssh, pid: u32) -> Result<Self> {
        Self::read(&ssh.must(&format!("cat /proc/{pid}/smaps_rollup"))?)
    }

    fn read(text: &str) -> Result<Self> {
        let field = |name: &str| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.split_whitespace().next());
            Ok(number.with_context(|| format!("no {name} in {text}"))?.parse()?)
        };
        Ok(Self { resident: field("Rss:")?, anonymous: field("Anonymous:")? })
    }
}

/// The pid of the log collector.
///
/// # Errors
/// There is no connection, or none runs.
pub fn collector(ssh: &Ssh) -> Result<u32> {
    let version: serde_json::Value = serde_json::from_str(&ssh.must("svc version --json")?)?;
    let pid = version.get("collector_pid").and_then(serde_json::Value::as_u64);
    Ok(u32::try_from(pid.context("no collector runs")?)?)
}

/// Asserts that PID 1 and the log collector fit.
///
/// # Errors
/// As the other functions; and that they do not fit.
pub fn check(ssh: &Ssh) -> Result<()> {
    for (process, pid, most) in
        [("PID 1", 1, INIT), ("the log collector", collector(ssh)?, COLLECTOR)]
    {
        let Memory { resident, anonymous } = Memory::of(ssh, pid)?;
        println!("{process} has {resident} KiB, {anonymous} of them anonymous");
        anyhow::ensure!(resident <= most, "{process} has {resident} KiB, more than {most}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found() {
        let text = "0-1 ---p 0 00:00 0 [rollup]\nRss:     404 kB\nAnonymous:     104 kB\n";
        assert_eq!(Memory::read(text).unwrap(), Memory { resident: 404, anonymous: 104 });
        assert!(Memory::read("Rss: 4 kB\n").is_err());
    }
}
