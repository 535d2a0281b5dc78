//! The key pair for ssh into test machines: made once in the cache, never in the repository.

use crate::{places::Places, run::run};
use anyhow::{Context as _, Result};
use std::{fs, path::PathBuf, process::Command};

/// The file of the private key; makes the pair if there is none.
///
/// # Errors
/// ssh-keygen is missing or fails.
pub fn private(places: &Places) -> Result<PathBuf> {
    let directory = places.cache.join("ssh");
    let key = directory.join("id_ed25519");
    let _lock = places.lock("ssh")?;
    if !key.with_extension("pub").is_file() {
        fs::create_dir_all(&directory)?;
        fs::remove_file(&key).ok();
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", "jamb test machines", "-f"]);
        run(command.arg(&key))?;
    }
    Ok(key)
}

/// The line for `authorized_keys`.
///
/// # Errors
/// As [`private`].
pub fn public(places: &Places) -> Result<Vec<u8>> {
    let path = private(places)?.with_extension("pub");
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}
