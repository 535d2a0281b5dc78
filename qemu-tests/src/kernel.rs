//! A bootable kernel out of Debian's package. Compressed kernels are unpacked on the host where QEMU boots
//! them then, which saves the emulated processor a second or more.

use crate::{
    board::{Arch, Board},
    debian::{Archive, Package},
    elf,
    modules::Modules,
    places::Places,
    run::filter,
};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where the malta kernel is linked to, and where it begins (its `vmlinuz` says the same).
const MALTA_LOAD: u32 = 0x8010_0000;
const MALTA_ENTRY: u32 = 0x8010_0400;

/// Compressed data is looked for by its first bytes; the tool that unpacks it ignores what follows.
const PAYLOADS: &[(&[u8], &[&str])] = &[
    (b"\xfd7zXZ\0", &["xz", "-dcq", "--single-stream"]),
    (b"\x28\xb5\x2f\xfd", &["zstd", "-dcq"]),
    (b"\x1f\x8b\x08", &["gzip", "-dcq"]),
];

/// A kernel and its modules.
#[derive(Debug)]
pub struct Kernel {
    /// As `uname -r` prints it.
    pub version: String,
    /// For QEMU's `-kernel`.
    pub image: PathBuf,
    /// The same as the package has it, for kexec(8).
    pub packed: PathBuf,
    /// Its modules.
    pub modules: Modules,
}

impl Kernel {
    /// Gets the newest kernel of the board's kind.
    ///
    /// # Errors
    /// It cannot be downloaded, or is not built as expected.
    pub fn of(places: &Places, board: &Board) -> Result<Self> {
        let machine = &board.machine;
        let package = Archive::new(places, machine.arch).kernel(&machine.kernel)?;
        let version = version(&package)?;
        let directory = places.cache.join("kernels");
        fs::create_dir_all(&directory)?;
        let image = directory.join(format!("vmlinux-{version}"));
        let _lock = places.lock("kernels")?;
        let packed = package.directory.join(format!("boot/vmlinuz-{version}"));
        if !image.is_file() {
            let bytes = bootable(machine.arch, &packed)?;
            let partial = directory.join("partial");
            fs::write(&partial, bytes).context("cannot write the kernel into the cache")?;
            fs::rename(&partial, &image)?;
        }
        let modules = Modules::of(&package.directory.join("lib/modules").join(&version))?;
        Ok(Self { version, image, packed, modules })
    }
}

fn version(package: &Package) -> Result<String> {
    let name = package.name.strip_prefix("linux-image-");
    name.map(str::to_owned).with_context(|| format!("{} is no kernel", package.name))
}

fn bootable(arch: Arch, source: &Path) -> Result<Vec<u8>> {
    let packed = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
    let unpacked = || {
        unpack(&packed)
            .with_context(|| format!("no compressed kernel found in {}", source.display()))
    };
    match arch {
        // An ELF file, which QEMU boots by its PVH note.
        Arch::X86_64 => unpacked(),
        // Bare memory.
        Arch::Mipsel => elf::wrap_mipsel(&unpacked()?, MALTA_LOAD, MALTA_ENTRY)
            .with_context(|| format!("{} is too large", source.display())),
        // One is not compressed; the other finds its place in memory only when it unpacks itself.
        Arch::Aarch64 | Arch::Armv7 => Ok(packed),
    }
}

/// The first compressed part that unpacks to something of a kernel's size.
fn unpack(packed: &[u8]) -> Result<Vec<u8>> {
    const SMALLEST: usize = 1 << 20;
    for (magic, tool) in PAYLOADS {
        let starts = packed.windows(magic.len()).enumerate().filter(|(_, bytes)| bytes == magic);
        for (start, _) in starts {
            let Some((program, options)) = tool.split_first() else { continue };
            let mut command = Command::new(program);
            match filter(command.args(options), &packed[start..]) {
                Ok(unpacked) if unpacked.len() >= SMALLEST => return Ok(unpacked),
                // Bytes that looked like a beginning; the next place may be it.
                _ => {}
            }
        }
    }
    bail!("tried xz, zstd and gzip")
}
