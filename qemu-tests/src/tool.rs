//! What programs without options have in common: they tell what they are for, and refuse what they do not know.

use anyhow::Result;
use std::{env, process::ExitCode};

/// Runs `work` unless there are arguments. Exit codes: 0 done, 1 it failed, 100 usage.
#[must_use]
pub fn main(name: &str, about: &str, work: impl FnOnce() -> Result<()>) -> ExitCode {
    let help = format!("usage: {name}\n\n{about}\n");
    match env::args().nth(1).as_deref() {
        Some("--help" | "-h") => {
            print!("{help}");
            ExitCode::SUCCESS
        }
        Some(word) => {
            eprintln!("{name}: {word} is not understood; nothing was done\n{help}");
            ExitCode::from(100)
        }
        None => match work() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{name}: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}
