//! Databases for a running machine to go over to: the definitions that its image was made of, with something changed.

use crate::{image::Recipe, places::Places, spec, ssh::Ssh};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Copies a recipe's definitions into a folder, each text as `change` has it, and these beside them; answers the
/// folder.
///
/// # Errors
/// A file cannot be read or written.
pub fn definitions(
    recipe: &Recipe,
    folder: PathBuf,
    change: impl Fn(String) -> String,
    more: &str,
) -> Result<PathBuf> {
    // Of an earlier run.
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(&recipe.services)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_file() && name != spec::FILE {
            fs::write(folder.join(name), change(fs::read_to_string(&path)?))?;
        }
    }
    fs::write(folder.join("others.toml"), more)?;
    Ok(folder)
}

/// Compiles such a folder, and brings the database to this path of the machine.
///
/// # Errors
/// The definitions are wrong, or there is no connection.
pub fn bring(places: &Places, recipe: &Recipe, folder: &Path, ssh: &Ssh, path: &str) -> Result<()> {
    let file = folder.with_extension("db");
    let mut jambc = Command::new(places.jambc()?);
    jambc.arg("compile").arg(places.templates()).arg(folder).arg("-o").arg(&file);
    let status =
        jambc.arg("--board").arg(&recipe.board.file).status().context("cannot run jambc")?;
    let mut copy = ssh.command();
    copy.arg(format!("cat >{path}")).stdin(fs::File::open(&file)?);
    if !status.success() || !copy.status()?.success() {
        bail!("the database of {} is not on the machine", folder.display());
    }
    Ok(())
}
