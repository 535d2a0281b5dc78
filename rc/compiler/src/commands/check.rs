//! `jambc check` and `jambc compile`.

use super::{
    Done, NO,
    out::{complain, complain_raw, replace, say},
};
use crate::cli::{Format, Target, Tree};
use jambc::{
    Outcome, Request,
    install::{self, Plan},
    render,
};
use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Checks a tree, or compiles it into a file, an image root or both.
///
/// # Errors
/// If a file cannot be read or written.
pub fn compile(tree: &Tree, output: Option<&Path>, install: bool, force: bool) -> Done {
    let root = tree.target.root.as_deref().filter(|_| install);
    let mut plan = root.map(install::plan).transpose()?;
    if let Some(plan) = plan.as_mut().filter(|_| force) {
        plan.take();
    }
    if let Some(plan) = plan.as_ref().filter(|plan| !plan.taken.is_empty()) {
        let taken: Vec<String> = plan.taken.iter().map(|path| path.display().to_string()).collect();
        let message = if force {
            "a folder is in the way, which --force does not remove; nothing was installed"
        } else {
            "something else is in the way; nothing was installed; --force replaces it"
        };
        return Err(format!("{}: {message}", taken.join(", ")).into());
    }
    let mut outputs: Vec<&Path> = output.into_iter().collect();
    outputs.extend(plan.as_ref().map(|plan| plan.database.as_path()));
    check(tree, &outputs, plan.as_ref())
}

/// Compiles a tree and reports what was found; writes the database to the outputs, if there are any.
///
/// # Errors
/// If a file cannot be read or written.
pub fn check(tree: &Tree, outputs: &[&Path], plan: Option<&Plan>) -> Done {
    let outcome = jambc::compile(&request(&tree.dirs, &tree.target))?;
    report(&outcome, tree.format)?;
    let Some(database) = outcome.database else {
        for output in outputs {
            let state = if output.exists() { "is left as it was" } else { "was not written" };
            complain(&format!("jambc: {} {state}", output.display()));
        }
        return Ok(ExitCode::from(NO));
    };
    if let Some(plan) = plan {
        plan.links()?;
    }
    for output in outputs {
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
