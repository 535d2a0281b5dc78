//! `jambc diff`.

use super::{Done, NO, check::request, out::say, show};
use crate::cli::Target;
use jambc::{
    compile, render,
    tool::diff::{self, Side},
};
use rc::db::Database;
use std::{path::Path, process::ExitCode};

/// Prints what a switch from `old` to `new` would do. Each is a database or a folder of definitions.
///
/// # Errors
/// If a side cannot be read, or does not compile.
pub fn diff(old: &Path, new: &Path, target: &Target, json: bool) -> Done {
    let difference = diff::compare(&side(old, target)?, &side(new, target)?);
    if json {
        say(&format!("{:#}\n", diff::json(&difference)))?;
    } else {
        say(&diff::human(&difference))?;
    }
    Ok(if difference.is_equal { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

fn side(path: &Path, target: &Target) -> Result<Side, Box<dyn std::error::Error>> {
    Ok(Side::new(&database(path, target)?)?)
}

/// The database at `path`, or that of the definitions in the folder `path`.
///
/// # Errors
/// If it cannot be read, or does not compile; the findings are then part of the error.
pub fn database(path: &Path, target: &Target) -> Result<Database, Box<dyn std::error::Error>> {
    if !path.is_dir() {
        return show::database(path);
    }
    let outcome = compile(&request(&[path.to_owned()], target))?;
    let Some(bytes) = outcome.database else {
        let found = render::short(&outcome.sources, &outcome.found);
        return Err(format!("{} has errors:\n{}", path.display(), found.trim_end()).into());
    };
    Ok(Database::new(bytes)?)
}
