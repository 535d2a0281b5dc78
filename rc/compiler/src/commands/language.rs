//! `jambc schema` and `jambc reference`.

use super::{Done, out::say};
use jambc::{reference, schema};
use std::process::ExitCode;

/// Prints the JSON Schema of definitions.
///
/// # Errors
/// If standard output cannot be written.
pub fn schema() -> Done {
    say(&format!("{:#}\n", schema::schema()))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints every key of the language.
///
/// # Errors
/// If standard output cannot be written.
pub fn reference() -> Done {
    say(&reference::reference())?;
    Ok(ExitCode::SUCCESS)
}
