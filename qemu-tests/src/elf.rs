//! What an ELF file needs: the loader and libraries of a program, the other modules of a kernel module.

use anyhow::{Context as _, Result};
use object::{
    Endianness, FileKind, Object as _, ObjectSection as _,
    read::elf::{Dyn as _, FileHeader, ProgramHeader as _},
};
use std::{fs, path::Path};

/// What a program or library asks for at its start.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Needs {
    /// The dynamic loader's path (`PT_INTERP`).
    pub loader: Option<String>,
    /// Names of libraries (`DT_NEEDED`).
    pub libraries: Vec<String>,
}

/// Reads them; a file that is no ELF, such as a script, needs nothing.
///
/// # Errors
/// It cannot be read, or is a damaged ELF.
pub fn needs(path: &Path) -> Result<Needs> {
    let data = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let needs = match FileKind::parse(&*data) {
        Ok(FileKind::Elf32) => dynamic::<object::elf::FileHeader32<Endianness>>(&data),
        Ok(FileKind::Elf64) => dynamic::<object::elf::FileHeader64<Endianness>>(&data),
        _ => return Ok(Needs::default()),
    };
    needs.with_context(|| format!("{} is damaged", path.display()))
}

fn dynamic<E: FileHeader<Endian = Endianness>>(data: &[u8]) -> Result<Needs> {
    let header = E::parse(data)?;
    let endian = header.endian()?;
    let mut needs = Needs::default();
    for segment in header.program_headers(endian, data)? {
        if let Some(loader) = segment.interpreter(endian, data)? {
            needs.loader = Some(String::from_utf8_lossy(loader).into_owned());
        }
    }
    let sections = header.sections(endian, data)?;
    if let Some((entries, link)) = sections.dynamic(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        for entry in entries {
            if entry.tag32(endian) == Some(object::elf::DT_NEEDED) {
                let name = entry.string(endian, strings)?;
                needs.libraries.push(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
    Ok(needs)
}

/// The names of the modules that a kernel module needs, as its `depends=` says.
///
/// # Errors
/// It cannot be read, or is no ELF with a `.modinfo` section.
pub fn module_depends(path: &Path) -> Result<Vec<String>> {
    let data = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = object::File::parse(&*data).with_context(|| format!("in {}", path.display()))?;
    let section = file
        .section_by_name(".modinfo")
        .with_context(|| format!("{} is no kernel module", path.display()))?;
    let depends = section.data()?.split(|byte| *byte == 0).find_map(|entry| {
        let entry = str::from_utf8(entry).ok()?;
        entry.strip_prefix("depends=")
    });
    let names = depends.unwrap_or_default().split(',').filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

/// A program of one segment, which starts at `load` and begins at `entry`: 32-bit little-endian MIPS,
/// for a kernel that was stored as bare memory. System V ABI, MIPS supplement.
#[must_use]
pub fn wrap_mipsel(memory: &[u8], load: u32, entry: u32) -> Option<Vec<u8>> {
    const HEADERS: u32 = 0x1000;
    let size = u32::try_from(memory.len()).ok()?;
    // What follows the loaded part must be free for the kernel's own zeroed data.
    let in_memory = size.checked_add(0x0100_0000)?;
    let mut out = Vec::with_capacity(memory.len() + 0x1000);
    out.extend(b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0");
    for half in [2_u16, 8] {
        out.extend(half.to_le_bytes());
    }
    // version, entry, program headers at 52, no sections, flags: MIPS32 O32.
    for word in [1, entry, 52, 0, 0x5000_1001_u32] {
        out.extend(word.to_le_bytes());
    }
    for half in [52_u16, 32, 1, 40, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    for word in [1, HEADERS, load, load, size, in_memory, 7, HEADERS] {
        out.extend(word.to_le_bytes());
    }
    out.resize(usize::try_from(HEADERS).ok()?, 0);
    out.extend_from_slice(memory);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::read::elf::ElfFile;

    #[test]
    fn the_wrapped_kernel_is_read_back() {
        let elf = wrap_mipsel(b"kernel", 0x8010_0000, 0x8010_0400).unwrap();
        let file: ElfFile<'_, object::elf::FileHeader32<Endianness>> =
            ElfFile::parse(&*elf).unwrap();
        assert_eq!(file.entry(), 0x8010_0400);
        let header = file.elf_program_headers()[0];
        assert_eq!(header.p_vaddr(file.endian()), 0x8010_0000);
        assert_eq!(header.data(file.endian(), &*elf).unwrap(), b"kernel");
    }

    #[test]
    fn a_script_needs_nothing_and_a_program_its_loader() {
        let own = needs(&std::env::current_exe().unwrap()).unwrap();
        assert!(own.loader.unwrap().contains("ld-linux"));
        assert!(own.libraries.iter().any(|name| name.starts_with("libc.so")));
        let script = tempfile::NamedTempFile::new().unwrap();
        fs::write(script.path(), "#!/bin/sh\n").unwrap();
        assert_eq!(needs(script.path()).unwrap(), Needs::default());
    }
}
