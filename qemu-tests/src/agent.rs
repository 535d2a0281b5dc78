//! Runs shell commands in a peer machine over a virtio-serial port. The other half is the shell loop in
//! `peers`; it says `ready` once, then answers every numbered line with the output and an end mark.

use crate::serial::Serial;
use anyhow::{Result, bail};
use std::time::Duration;

/// The host's half.
pub struct Agent {
    line: Serial,
    number: u32,
}

/// How a command ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Its exit code.
    pub code: i32,
    /// Its stdout and stderr.
    pub output: String,
}

impl Agent {
    /// Waits for the machine's half.
    ///
    /// # Errors
    /// It did not come up within `limit`.
    pub fn new(mut line: Serial, limit: Duration) -> Result<Self> {
        line.wait_for("(?m)^ready\n", limit)?;
        Ok(Self { line, number: 0 })
    }

    /// Runs a command (one line of shell) and waits for its end.
    ///
    /// # Errors
    /// It did not end within `limit`.
    pub fn run(&mut self, command: &str, limit: Duration) -> Result<Answer> {
        if command.contains('\n') {
            bail!("a command for an agent is one line: {command}");
        }
        self.number += 1;
        let number = self.number;
        self.line.send(&format!("{number} {command}\n"))?;
        let found = self.line.wait_for(&format!(r"(?s)(.*?)\nend {number} (\d+)\n"), limit)?;
        match (found.get(1), found.get(2).and_then(|code| code.parse().ok())) {
            (Some(output), Some(code)) => Ok(Answer { code, output: output.clone() }),
            _ => bail!("the agent answered {found:?}"),
        }
    }

    /// Runs a command that must end with 0; answers its output.
    ///
    /// # Errors
    /// As [`Agent::run`], or it failed.
    pub fn must(&mut self, command: &str, limit: Duration) -> Result<String> {
        let answer = self.run(command, limit)?;
        if answer.code != 0 {
            bail!("{command} failed with {}: {}", answer.code, answer.output);
        }
        Ok(answer.output)
    }
}
