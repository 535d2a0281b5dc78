//! `jambc check` and `jambc compile`.

use super::{
    Done, NO,
    out::{complain, complain_raw, replace, say},
};
use crate::cli::{Format, Target, Tree};
use jambc::{Outcome, Request, compile, render};
use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Compiles a tree and reports what was found; writes the database to `output` if there is one.
///
/// # Errors
/// If a file cannot be read or written.
pub fn check(tree: &Tree, output: Option<&Path>) -> Done {
    let outcome = compile(&request(&tree.dirs, &tree.target))?;
    report(&outcome, tree.format)?;
    let Some(database) = outcome.database else {
        if let Some(output) = output {
            let state = if output.exists() { "is left as it was" } else { "was not written" };
            complain(&format!("jambc: {} {state}", output.display()));
        }
        return Ok(ExitCode::from(NO));
    };
    if let Some(output) = output {
        replace(output, &database)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What to compile.
pub fn request(dirs: &[PathBuf], target: &Target) -> Request {
    Request { dirs: dirs.to_owned(), board: target.board.clone(), root: target.root.clone() }
}

/// Prints what was found.
///
/// # Errors
/// If standard output cannot be written.
pub fn report(outcome: &Outcome, format: Format) -> io::Result<()> {
    let (sources, found) = (&outcome.sources, &outcome.found);
    match format {
        Format::Human => {
            complain_raw(&render::human(sources, found, io::stderr().is_terminal()));
            Ok(())
        }
        Format::Short => {
            complain_raw(&render::short(sources, found));
            Ok(())
        }
        Format::Json => say(&format!("{:#}\n", render::json(sources, found))),
    }
}
