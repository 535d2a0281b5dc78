//! `jambc init`.

use super::{
    Done, NO,
    out::{NewFile, complain, write_folder},
};
use jambc::tool::starter::STARTER;
use std::{path::Path, process::ExitCode};

/// Writes a tree to start from into a new or empty folder.
///
/// # Errors
/// If it cannot be written.
pub fn init(folder: &Path) -> Done {
    let files = STARTER.iter().map(|file| NewFile {
        path: file.path,
        bytes: file.text.as_bytes(),
        is_script: file.is_script,
    });
    if !write_folder(folder, &files.collect::<Vec<_>>())? {
        complain(&format!("jambc: {} is not empty; nothing was written", folder.display()));
        return Ok(ExitCode::from(NO));
    }
    let folder = folder.display();
    complain(&format!("jambc: {folder} is written; go on with: jambc check {folder}"));
    Ok(ExitCode::SUCCESS)
}
