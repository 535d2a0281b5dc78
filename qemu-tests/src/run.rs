//! Runs a program of the host to its end and answers what it printed.

use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
};

/// Runs it; what it prints on stdout is the answer.
///
/// # Errors
/// It cannot be started, or ends with another code than 0; then its stderr is in the message.
pub fn run(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output().with_context(|| cannot_start(command))?;
    judge(command, output)
}

/// Runs it with `input` on its stdin.
///
/// # Errors
/// As [`run`].
pub fn filter(command: &mut Command, input: &[u8]) -> Result<Vec<u8>> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| cannot_start(command))?;
    let pipe = child.stdin.take();
    let output = thread::scope(|scope| {
        scope.spawn(move || {
            // A program that does not want all of its input closes the pipe; its exit code decides.
            pipe.and_then(|mut pipe| pipe.write_all(input).err())
        });
        child.wait_with_output()
    });
    judge(command, output.with_context(|| cannot_start(command))?)
}

fn cannot_start(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    format!("cannot run {program}: is it installed? scripts/setup qemu installs what is needed")
}

fn judge(command: &Command, output: Output) -> Result<Vec<u8>> {
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed ({}): {}", output.status, stderr.trim());
    }
    Ok(output.stdout)
}

/// A file that a program wrote its complaints into, as one line for a message.
#[must_use]
pub fn lines_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}
