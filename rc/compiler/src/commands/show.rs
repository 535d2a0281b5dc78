//! `jambc show`.

use super::{
    Done, NO,
    out::{complain, say},
};
use jambc::{
    diag::nearest,
    show::{self, Decoded},
};
use rc::db::Database;
use std::{fs, path::Path, process::ExitCode};

/// Prints a database, or the service called `name` in it.
///
/// # Errors
/// If the file cannot be read or is no database.
pub fn show(file: &Path, name: Option<&str>, json: bool) -> Done {
    let database = database(file)?;
    let decoded = Decoded::new(&database)?;
    if let Some(name) = name
        && !decoded.names().any(|known| known == name)
    {
        let near = nearest(name, decoded.names());
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        complain(&format!("jambc: {} has no service {name}{near}", file.display()));
        return Ok(ExitCode::from(NO));
    }
    if json {
        say(&format!("{:#}\n", show::json(&decoded, name)?))?;
    } else {
        say(&show::toml(&decoded, name)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a database.
///
/// # Errors
/// If the file cannot be read or is no database.
pub fn database(file: &Path) -> Result<Database, Box<dyn std::error::Error>> {
    let bytes = fs::read(file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
    let database = Database::new(bytes);
    Ok(database.map_err(|e| format!("cannot use {}: {e}", file.display()))?)
}
