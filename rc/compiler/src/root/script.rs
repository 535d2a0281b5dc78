//! Whether a shell can read the scripts of an image. `sh -n` of the host is asked, which reads a script
//! and executes nothing of it.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Shells whose language that of the host's `sh` is.
const SHELLS: &[&str] = &["sh", "ash", "dash"];

/// The largest script that is looked at, in bytes.
const MOST: u64 = 1024 * 1024;

/// Whether a program of this name or path reads what `sh -n` reads.
#[must_use]
pub(super) fn is_shell(program: &str) -> bool {
    program.rsplit('/').next().is_some_and(|name| SHELLS.contains(&name))
}

/// Where among the arguments the script of a `sh -c SCRIPT` is.
#[must_use]
pub(super) fn of_command(arguments: &[Option<&str>]) -> Option<usize> {
    let (program, options) = arguments.split_first()?;
    if !is_shell((*program)?) {
        return None;
    }
    for (at, option) in options.iter().enumerate() {
        let letters = (*option)?.strip_prefix('-')?;
        if letters.contains('c') {
            return Some(at + 2);
        }
        if letters.ends_with('o') {
            return None;
        }
    }
    None
}

/// What the shell says against the script in a file.
#[must_use]
pub(super) fn fault_of_file(path: &Path) -> Option<String> {
    if fs::metadata(path).ok()?.len() > MOST {
        return None;
    }
    fault(&fs::read(path).ok()?)
}

/// What the shell says against a script; `None` if nothing, or if there is no shell to ask.
#[must_use]
pub(super) fn fault(script: &[u8]) -> Option<String> {
    let mut child = Command::new("sh")
        .arg("-n")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    if let Some(mut input) = child.stdin.take() {
        // A shell that has found a fault reads no further, which is no error here.
        drop(input.write_all(script));
    }
    let output = child.wait_with_output().ok()?;
    if output.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or("it gives no reason").trim();
    let first = first.strip_prefix("sh: ").unwrap_or(first);
    Some(match first.split_once(": ") {
        Some((line, fault)) if line.bytes().all(|b| b.is_ascii_digit()) => {
            format!("line {line}: {fault}")
        }
        _ => first.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_found_among_arguments() {
        assert_eq!(of_command(&[Some("sh"), Some("-c"), Some("x")]), Some(2));
        assert_eq!(of_command(&[Some("/bin/sh"), Some("-e"), Some("-uc"), Some("x")]), Some(3));
        assert_eq!(of_command(&[Some("sh"), Some("-o"), Some("pipefail"), Some("-c")]), None);
        assert_eq!(of_command(&[Some("sh"), Some("script"), Some("-c")]), None);
        assert_eq!(of_command(&[Some("bash"), Some("-c"), Some("x")]), None);
        assert_eq!(of_command(&[None, Some("-c"), Some("x")]), None);
        assert_eq!(of_command(&[Some("sh")]), None);
    }

    #[test]
    fn the_shell_says_what_is_wrong_and_executes_nothing() {
        assert_eq!(fault(b"exit 5"), None);
        let said = fault(b"true\nif true; then\n").unwrap();
        assert!(said.starts_with("line "), "{said}");
    }
}
