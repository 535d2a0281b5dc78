//! The keys for ssh into test machines: made once in the cache, never in the repository.

use crate::{
    places::Places,
    run::{filter, run},
};
use anyhow::{Context as _, Result};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const KIND: &[u8] = b"ssh-ed25519";

/// The file of the private key that opens every test machine; makes the pair if there is none.
///
/// # Errors
/// ssh-keygen is missing or fails.
pub fn private(places: &Places) -> Result<PathBuf> {
    pair(places, "id_ed25519")
}

/// The lines for `authorized_keys`: the key above, and the user's own.
///
/// # Errors
/// As [`private`].
pub fn authorized(places: &Places) -> Result<Vec<u8>> {
    let path = private(places)?.with_extension("pub");
    let mut lines = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    for name in ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"] {
        // Who has no such key uses the one of the cache.
        lines.extend(fs::read(home.join(".ssh").join(name)).unwrap_or_default());
    }
    Ok(lines)
}

/// The machines' own key, in dropbear's form. It stays the same over images and boots, so that an ssh
/// client that remembers it is not alarmed.
///
/// # Errors
/// As [`private`].
pub fn host_key(places: &Places) -> Result<Vec<u8>> {
    let path = pair(places, "host_ed25519")?;
    let text = fs::read_to_string(&path)?;
    let inner: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let decoded = filter(Command::new("base64").arg("-d"), inner.as_bytes())?;
    dropbear_form(&decoded).with_context(|| format!("{} is no ed25519 key", path.display()))
}

/// OpenSSH's private part is the kind, the public key, and the 64 bytes of the private key, each with
/// its length in front (PROTOCOL.key of OpenSSH); dropbear leaves out the middle one.
fn dropbear_form(openssh: &[u8]) -> Option<Vec<u8>> {
    let mut kind = u32::try_from(KIND.len()).ok()?.to_be_bytes().to_vec();
    kind.extend_from_slice(KIND);
    // It stands in the public part first.
    let start = openssh.windows(kind.len()).rposition(|bytes| bytes == kind)? + kind.len();
    let private = openssh.get(start + 4 + 32..)?.get(..4 + 64)?;
    kind.extend_from_slice(private.starts_with(&[0, 0, 0, 64]).then_some(private)?);
    Some(kind)
}

fn pair(places: &Places, name: &str) -> Result<PathBuf> {
    let directory = places.cache.join("ssh");
    let key = directory.join(name);
    let _lock = places.lock("ssh")?;
    if !key.with_extension("pub").is_file() {
        fs::create_dir_all(&directory)?;
        generate(&key)?;
    }
    Ok(key)
}

fn generate(key: &Path) -> Result<()> {
    // Half a pair, from an interrupted run; usually there is none.
    fs::remove_file(key).ok();
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "jamb test machines", "-f"]);
    run(command.arg(key)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_private_part_is_taken() {
        let mut openssh = b"openssh-key-v1\0.....\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
        openssh.extend([1; 32]);
        openssh.extend(b"....\0\0\0\x0bssh-ed25519\0\0\0\x20");
        openssh.extend([1; 32]);
        openssh.extend([0, 0, 0, 64]);
        openssh.extend([2; 64]);
        openssh.extend(b"comment");
        let mut want = b"\0\0\0\x0bssh-ed25519\0\0\0\x40".to_vec();
        want.extend([2; 64]);
        assert_eq!(dropbear_form(&openssh), Some(want));
        assert_eq!(dropbear_form(&openssh[..120]), None);
    }
}
