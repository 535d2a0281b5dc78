//! A board file: its `[machine]` table says which machine to emulate. (Its `[board]` table is for the
//! service definitions and is read by jambc; only the modules in it are for the image as well.)

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Names of architectures as in `make dist ARCH=…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM with hardware floating point, from version 7 on.
    Armv7,
    /// Little-endian 32-bit MIPS.
    Mipsel,
}

impl Arch {
    /// Debian's name for it.
    #[must_use]
    pub const fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
            Self::Armv7 => "armhf",
            Self::Mipsel => "mipsel",
        }
    }

    /// The directory that Debian keeps its libraries in.
    #[must_use]
    pub const fn multiarch(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-linux-gnu",
            Self::Aarch64 => "aarch64-linux-gnu",
            Self::Armv7 => "arm-linux-gnueabihf",
            Self::Mipsel => "mipsel-linux-gnu",
        }
    }

    /// QEMU's system emulator.
    #[must_use]
    pub const fn qemu(self) -> &'static str {
        match self {
            Self::X86_64 => "qemu-system-x86_64",
            Self::Aarch64 => "qemu-system-aarch64",
            Self::Armv7 => "qemu-system-arm",
            Self::Mipsel => "qemu-system-mipsel",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Armv7 => "armv7",
            Self::Mipsel => "mipsel",
        })
    }
}

impl FromStr for Arch {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "x86_64" => Self::X86_64,
            "aarch64" => Self::Aarch64,
            "armv7" => Self::Armv7,
            "mipsel" => Self::Mipsel,
            _ => bail!(
                "{name} is no architecture that images are made for; valid: x86_64, aarch64, armv7, mipsel"
            ),
        })
    }
}

impl TryFrom<String> for Arch {
    type Error = anyhow::Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

/// The `[machine]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Machine {
    /// Which jamb, which packages.
    pub arch: Arch,
    /// Debian's package that depends on the newest kernel of its kind.
    pub kernel: String,
    /// QEMU options: machine, processor.
    pub qemu: Vec<String>,
    /// QEMU's name of the network card.
    pub nic: String,
    /// RAM.
    pub memory_mib: u32,
    /// For the kernel.
    pub cmdline: String,
    /// The folder in `boards/routers/` that is booted unless another is given.
    pub services: String,
}

/// A board file.
#[derive(Clone, Debug)]
pub struct Board {
    /// The file's name without `.toml`.
    pub name: String,
    /// The file, for `jambc --board`.
    pub file: PathBuf,
    /// What to emulate.
    pub machine: Machine,
    /// Modules that the machine's hardware needs: they are in every image, and jambc has them loaded.
    pub modules: Vec<String>,
}

#[derive(Deserialize)]
struct Document {
    board: Values,
    machine: Machine,
}

#[derive(Deserialize)]
struct Values {
    modules: Vec<String>,
}

impl Board {
    /// Reads `boards/NAME.toml`, or the file if `name` is a path.
    ///
    /// # Errors
    /// There is no such board, or its `[machine]` table is not as described.
    pub fn load(root: &Path, name: &str) -> Result<Self> {
        let file = if name.contains('/') || name.ends_with(".toml") {
            PathBuf::from(name)
        } else {
            root.join("boards").join(format!("{name}.toml"))
        };
        let text = fs::read_to_string(&file).with_context(|| {
            format!("cannot read {}; boards: {}", file.display(), names(root).join(", "))
        })?;
        let document: Document =
            toml::from_str(&text).with_context(|| format!("in {}", file.display()))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, file, machine: document.machine, modules: document.board.modules })
    }
}

/// The boards that there are.
fn names(root: &Path) -> Vec<String> {
    let files = fs::read_dir(root.join("boards")).into_iter().flatten().flatten();
    let names = files.filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        name.strip_suffix(".toml").map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
