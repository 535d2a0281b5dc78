//! Disk images of a file tree, made by the tools of the host: what a router has in its flash.

use crate::{run::run, tree::Tree};
use anyhow::{Context as _, Result};
use std::{
    fs::File,
    io::{Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::Command,
};

/// Where the one partition begins, in bytes: as partitioning tools of today have it.
const START: u64 = 1 << 20;

/// A squashfs of the tree, at `image`. Device nodes are left out.
///
/// # Errors
/// A file cannot be read or written, or mksquashfs is missing.
pub fn squashfs(tree: &Tree, image: &Path) -> Result<()> {
    let root = materialised(tree, image)?;
    let mut command = Command::new("mksquashfs");
    command.arg(&root).arg(image).args(["-noappend", "-all-root", "-quiet", "-no-progress"]);
    run(&mut command).map(drop)
}

/// An ext4 of `mib` MiB with this label and UUID, at `image`, with the tree in it if there is one.
///
/// # Errors
/// As [`squashfs`], with mke2fs.
pub fn ext4(tree: Option<&Tree>, image: &Path, mib: u64, label: &str, uuid: &str) -> Result<()> {
    File::create(image)
        .with_context(|| format!("cannot make {}", image.display()))?
        .set_len(mib << 20)?;
    let mut command = Command::new("mke2fs");
    command.args(["-q", "-F", "-t", "ext4", "-L", label, "-U", uuid]);
    command.args(["-E", "root_owner=0:0"]);
    if let Some(tree) = tree {
        command.arg("-d").arg(materialised(tree, image)?);
    }
    run(command.arg(image)).map(drop)
}

/// Puts a GPT around the image of a file system: one partition of this name and UUID, at `disk`.
///
/// # Errors
/// A file cannot be read or written, or sfdisk is missing.
pub fn partitioned(image: &Path, name: &str, uuid: &str, disk: &Path) -> Result<()> {
    let mut content = File::open(image)?;
    let size = content.metadata()?.len().next_multiple_of(START);
    let mut file = File::create(disk).with_context(|| format!("cannot make {}", disk.display()))?;
    // The copy of the table lies behind.
    file.set_len(size + 2 * START)?;
    file.seek(SeekFrom::Start(START))?;
    std::io::copy(&mut content, &mut file)?;
    drop(file);
    let (start, size) = (START / 512, size / 512);
    let table = format!("label: gpt\nstart={start}, size={size}, name=\"{name}\", uuid={uuid}\n");
    crate::run::filter(Command::new("sfdisk").arg("--quiet").arg(disk), table.as_bytes()).map(drop)
}

fn materialised(tree: &Tree, image: &Path) -> Result<PathBuf> {
    let root = image.with_extension("root");
    tree.materialise(&root)?;
    Ok(root)
}
