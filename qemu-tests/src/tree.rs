//! A file tree that exists only in memory: what an image holds, and which part each file belongs to.

use anyhow::{Context as _, Result, bail};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

/// Names that mean a directory below `/usr`, as on any Debian system of today.
const MERGED: &[&str] = &["/bin", "/sbin", "/lib", "/lib32", "/lib64"];

/// What is at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Node {
    /// A directory.
    Directory,
    /// A file with these bytes.
    Bytes(Vec<u8>),
    /// A file with the bytes of one on the host.
    Host(PathBuf),
    /// A link to this target.
    Symlink(String),
    /// A character device.
    Character {
        /// Its driver.
        major: u32,
        /// Which of them.
        minor: u32,
    },
}

/// One entry; all belong to root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What it is.
    pub node: Node,
    /// Permission bits.
    pub mode: u32,
    /// Which line of the size report counts it.
    pub part: String,
}

/// A tree, without the root directory itself.
#[derive(Clone, Default, Debug)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
}

impl Tree {
    /// Adds an entry and the directories above it.
    ///
    /// # Errors
    /// The path is not absolute, or something else is there already.
    pub fn add(&mut self, path: &str, node: Node, mode: u32, part: &str) -> Result<()> {
        let path = merged(path)?;
        let entry = Entry { node, mode, part: part.to_owned() };
        if let Some(old) = self.entries.get(&path) {
            match (&old.node, &entry.node) {
                // A directory that was made for something inside it gets its own mode now.
                (Node::Directory, Node::Directory) => {}
                (old, new) if old == new => return Ok(()),
                (old, new) => bail!("{path} is wanted twice in the image: {old:?} and {new:?}"),
            }
        }
        for (at, _) in path.match_indices('/').skip(1) {
            let parent = &path[..at];
            let directory =
                Entry { node: Node::Directory, mode: 0o755, part: "directories".to_owned() };
            let there = self.entries.entry(parent.to_owned()).or_insert(directory);
            if there.node != Node::Directory {
                bail!("{path} cannot be in the image: {parent} is no directory");
            }
        }
        self.entries.insert(path, entry);
        Ok(())
    }

    /// Adds a file of the host, with its permission bits.
    ///
    /// # Errors
    /// As [`Tree::add`], or there is no such file.
    pub fn add_host(&mut self, path: &str, file: &Path, part: &str) -> Result<()> {
        let about =
            fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?;
        self.add(path, Node::Host(file.to_owned()), about.permissions().mode() & 0o7777, part)
    }

    /// Takes an entry out again, for images that lack what others have.
    ///
    /// # Errors
    /// There is none, or it is a directory with something in it.
    pub fn remove(&mut self, path: &str) -> Result<()> {
        let path = merged(path)?;
        let inside = format!("{path}/");
        if self.entries.keys().any(|other| other.starts_with(&inside)) {
            bail!("{path} cannot be taken out of the image: there is something in it");
        }
        self.entries.remove(&path).map(drop).with_context(|| format!("no {path} in the image"))
    }

    /// Links the old top-level directories to those below `/usr`.
    ///
    /// # Errors
    /// As [`Tree::add`].
    pub fn add_merged_links(&mut self) -> Result<()> {
        for &name in MERGED {
            let inner = format!("usr{name}");
            self.add(&format!("/{inner}"), Node::Directory, 0o755, "directories")?;
            let link =
                Entry { node: Node::Symlink(inner), mode: 0o777, part: "directories".to_owned() };
            self.entries.insert(name.to_owned(), link);
        }
        Ok(())
    }

    /// Whether something is at that path.
    #[must_use]
    pub fn holds(&self, path: &str) -> bool {
        merged(path).is_ok_and(|path| self.entries.contains_key(&path))
    }

    /// All entries, parents before what is in them.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// Writes it out as real files, for tools that check an image root. Devices are left out.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn materialise(&self, root: &Path) -> Result<()> {
        if root.exists() {
            fs::remove_dir_all(root).with_context(|| format!("cannot empty {}", root.display()))?;
        }
        fs::create_dir_all(root)?;
        for (path, entry) in &self.entries {
            let at = root.join(path.trim_start_matches('/'));
            let made = match &entry.node {
                Node::Directory => fs::create_dir(&at),
                Node::Bytes(bytes) => fs::write(&at, bytes),
                Node::Host(file) => fs::copy(file, &at).map(drop),
                Node::Symlink(target) => symlink(target, &at),
                Node::Character { .. } => Ok(()),
            };
            made.with_context(|| format!("cannot make {}", at.display()))?;
            if matches!(entry.node, Node::Bytes(_) | Node::Host(_) | Node::Directory) {
                fs::set_permissions(&at, fs::Permissions::from_mode(entry.mode))?;
            }
        }
        Ok(())
    }
}

/// The path as it is in the image.
fn merged(path: &str) -> Result<String> {
    if !path.starts_with('/') || path.ends_with('/') || path.contains("/../") {
        bail!("{path} is no path for a file of the image: write it absolute and plain");
    }
    let is_merged =
        MERGED.iter().any(|name| path.strip_prefix(name).is_some_and(|rest| rest.starts_with('/')));
    Ok(if is_merged { format!("/usr{path}") } else { path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_names_are_one_file() {
        let mut tree = Tree::default();
        tree.add("/bin/x", Node::Bytes(vec![1]), 0o755, "a").unwrap();
        assert!(tree.holds("/usr/bin/x"));
        tree.add("/usr/bin/x", Node::Bytes(vec![1]), 0o755, "a").unwrap();
        assert!(tree.add("/usr/bin/x", Node::Bytes(vec![2]), 0o755, "a").is_err());
        tree.add_merged_links().unwrap();
        assert!(tree.holds("/bin"));
        assert!(tree.add("/usr/bin/x/y", Node::Directory, 0o755, "a").is_err());
        assert!(tree.add("etc/motd", Node::Directory, 0o755, "a").is_err());
        assert!(tree.remove("/usr/bin").is_err());
        tree.remove("/bin/x").unwrap();
        assert!(!tree.holds("/usr/bin/x") && tree.remove("/bin/x").is_err());
    }
}
