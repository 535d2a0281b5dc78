//! Kernel modules, with those that they need, as depmod(8) wrote them down. Input: `modules.dep` and
//! `modules.builtin` of the running kernel, of which nothing is believed but which file to open.

use crate::file::{c_path, c_path_of, read};
use rustix::{
    fs::{Access, Mode, OFlags, access, open},
    io::Errno,
    system::{finit_module, uname},
};
use std::path::Path;

/// The longest `modules.dep` that is read, in bytes. That of Debian's kernel has 700,000.
const MAX_TABLE: usize = 2 << 20;

/// `MODULE_INIT_COMPRESSED_FILE`: the kernel unpacks the file itself; include/uapi/linux/module.h.
const COMPRESSED: i32 = 4;

/// What depmod(8) wrote for the running kernel; read when it is needed first.
#[derive(Default)]
pub struct Modules {
    folder: String,
    dep: Vec<u8>,
    builtin: Vec<u8>,
}

impl Modules {
    /// Loads a module, with these parameters, unless it is there.
    ///
    /// # Errors
    /// `ENOENT` if the kernel has none of that name; else as finit_module(2) has it.
    pub fn load(&mut self, name: &str, parameters: &str) -> Result<(), Errno> {
        if self.folder.is_empty() {
            self.folder = format!("/lib/modules/{}", uname().release().to_string_lossy());
            self.dep = self.table("modules.dep");
            self.builtin = self.table("modules.builtin");
        }
        match line_of(&self.dep, name) {
            Some(line) => load_line(&self.folder, line, parameters),
            None if line_of(&self.builtin, name).is_some() || is_there(name) => Ok(()),
            None => Err(Errno::NOENT),
        }
    }

    fn table(&self, name: &str) -> Vec<u8> {
        // Without it there are no such modules.
        read(Path::new(&format!("{}/{name}", self.folder)), MAX_TABLE).unwrap_or_default()
    }
}

/// Whether the kernel has the module already.
fn is_there(name: &str) -> bool {
    access(&*c_path_of(format_args!("/sys/module/{name}")), Access::EXISTS).is_ok()
}

/// Loads what a line of `modules.dep` says, the needed ones first: they stand last.
fn load_line(folder: &str, line: &[u8], parameters: &str) -> Result<(), Errno> {
    let mut words = line.split(|byte| matches!(byte, b' ' | b':'));
    let first = words.next().unwrap_or_default();
    for word in words.rev().filter(|word| !word.is_empty()) {
        load_file(folder, word, "")?;
    }
    load_file(folder, first, parameters)
}

fn load_file(folder: &str, file: &[u8], parameters: &str) -> Result<(), Errno> {
    let name = name_of(file);
    if is_there(&name) {
        return Ok(());
    }
    let path = format!("{folder}/{}", String::from_utf8_lossy(file));
    let fd = open(&*c_path(&path), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = if file.ends_with(b".ko") { 0 } else { COMPRESSED };
    match finit_module(&fd, &c_path(parameters), flags) {
        // Somebody else was faster.
        Err(Errno::EXIST) => Ok(()),
        done => done,
    }
}

/// The line of the module: `FILE: NEEDED…`, or only the file.
fn line_of<'t>(table: &'t [u8], name: &str) -> Option<&'t [u8]> {
    table.split(|byte| *byte == b'\n').find(|line| {
        let file = line.split(|byte| *byte == b':').next().unwrap_or_default();
        !file.is_empty() && name_of(file) == name
    })
}

/// The name of the module in a file, whose name may have dashes.
fn name_of(file: &[u8]) -> String {
    let from = file.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let name = file[from..].split(|byte| *byte == b'.').next().unwrap_or_default();
    name.iter().map(|&byte| if byte == b'-' { '_' } else { char::from(byte) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_by_name() {
        let dep =
            b"kernel/a/snd-pcm.ko.xz: kernel/b/snd.ko kernel/b/c.ko\n\nkernel/pcm.ko:\nbroken";
        let find = |name| line_of(dep, name).map(|line| String::from_utf8_lossy(line).into_owned());
        assert_eq!(
            find("snd_pcm").as_deref(),
            Some("kernel/a/snd-pcm.ko.xz: kernel/b/snd.ko kernel/b/c.ko")
        );
        assert_eq!(find("pcm").as_deref(), Some("kernel/pcm.ko:"));
        assert_eq!(find("snd"), None, "it is only needed");
        assert_eq!(find(""), None);
        assert_eq!(find("broken").as_deref(), Some("broken"), "as in modules.builtin");
        assert_eq!(line_of(b"", "a"), None);
    }
}
