//! Small files, read whole and with a bound; directories, listed and removed. What is done by paths alone
//! is in [`supervisor::file`].

use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{AtFlags, CWD, MemfdFlags, Mode, OFlags, fstat, memfd_create, openat, unlinkat},
    io::{Errno, read as read_some},
};
use std::{
    ffi::{CStr, CString},
    fmt::{Arguments, format},
    path::Path,
};
use supervisor::file::{each_name, open};

pub use supervisor::file::{make_directories, split};

/// How deep a tree may be that is removed. What is deeper stays, and with it what is above.
const DEPTH: usize = 32;

/// Bytes read at once.
const CHUNK: usize = 4096;

/// The content of a file, at most `limit` bytes of it. A pipe is not waited for: what is not there is not read.
///
/// # Errors
/// As open(2) and read(2) have it.
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Errno> {
    let fd = open(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?;
    let mut bytes = Vec::new();
    loop {
        let start = bytes.len();
        let more = CHUNK.min(limit - start);
        bytes.resize(start + more, 0);
        match read_some(&fd, &mut bytes[start..]) {
            Ok(length) => {
                bytes.truncate(start + length);
                if length == 0 {
                    return Ok(bytes);
                }
            }
            Err(Errno::INTR) => bytes.truncate(start),
            Err(error) => return Err(error),
        }
    }
}

/// The same as text; what is not UTF-8 becomes U+FFFD, and without the file there is none.
pub fn text(path: &str, limit: usize) -> String {
    read(Path::new(path), limit)
        .map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The same by a path that is not a text yet.
pub fn text_of(path: Arguments<'_>, limit: usize) -> String {
    text(&format(path), limit)
}

/// A path for system calls. One with a NUL in it, which the compiler lets nobody write, is empty.
pub fn c_path(path: &str) -> CString {
    CString::new(path).unwrap_or_default()
}

/// The same of what is not a text yet.
pub fn c_path_of(path: Arguments<'_>) -> CString {
    c_path(&format(path))
}

/// Opens a file and writes to it at once; `mode` is that of a file that is made.
///
/// # Errors
/// As open(2) and write(2) have it; `EIO` if only a part was taken.
pub fn put(path: &CStr, flags: OFlags, mode: u16, bytes: &[u8]) -> Result<(), Errno> {
    let fd = openat(CWD, path, flags | OFlags::CLOEXEC, Mode::from_raw_mode(mode.into()))?;
    if rustix::io::write(&fd, bytes)? == bytes.len() { Ok(()) } else { Err(Errno::IO) }
}

/// Writes all bytes at a place of a file.
///
/// # Errors
/// As pwrite(2) has it.
pub fn write_at(fd: impl AsFd, bytes: &[u8], at: usize) -> Result<(), Errno> {
    let fd = fd.as_fd();
    let mut written = 0;
    while written < bytes.len() {
        written += rustix::io::pwrite(fd, &bytes[written..], (at + written) as u64)?;
    }
    Ok(())
}

/// A file in memory with these bytes; `name` is for people who look at the process.
///
/// # Errors
/// As memfd_create(2) and pwrite(2) have it.
pub fn in_memory(name: &CStr, bytes: &[u8]) -> Result<OwnedFd, Errno> {
    let fd = memfd_create(name, MemfdFlags::CLOEXEC)?;
    write_at(&fd, bytes, 0)?;
    Ok(fd)
}

/// The names in a directory, sorted; those that are not text are left out.
///
/// # Errors
/// As open(2) and getdents(2) have it.
pub fn names(path: &Path) -> Result<Vec<String>, Errno> {
    let fd = open(path, DIRECTORY, Mode::empty())?;
    let mut names = Vec::new();
    each_name(fd, &mut |name| {
        if let Ok(name) = core::str::from_utf8(name) {
            names.push(name.to_owned());
        }
    })?;
    names.sort_unstable();
    Ok(names)
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Removes a directory with all that is in it, as far as that is possible. Never leaves the tree or its
/// file system, even if somebody puts links into it meanwhile.
pub fn remove_tree(path: &Path) {
    if let Ok(path) = supervisor::file::c_path(path) {
        remove_below(CWD, &path, None, 0);
    }
}

/// Removes all that is in a directory in the same way.
pub fn empty(directory: BorrowedFd<'_>) {
    let device = fstat(directory).ok().map(|about| about.st_dev);
    empty_below(directory, device, 0);
}

fn empty_below(directory: BorrowedFd<'_>, device: Option<u64>, depth: usize) {
    let mut inside = Vec::new();
    // What cannot be read stays.
    let mut take = |name: &[u8]| {
        if let Ok(name) = CString::new(name) {
            inside.push(name);
        }
    };
    each_name(directory, &mut take).ok();
    for name in inside {
        if unlinkat(directory, &*name, AtFlags::empty()).is_err() {
            remove_below(directory, &name, device, depth + 1);
        }
    }
}

fn remove_below(directory: BorrowedFd<'_>, name: &CStr, device: Option<u64>, depth: usize) {
    // Not a directory, or not there: there is nothing below it.
    if let (Ok(fd), true) = (openat(directory, name, DIRECTORY, Mode::empty()), depth < DEPTH)
        && let Ok(about) = fstat(&fd)
    {
        if device.is_some_and(|device| device != about.st_dev) {
            // Something is mounted there.
            return;
        }
        empty_below(fd.as_fd(), Some(about.st_dev), depth);
    }
    // What stays is in nobody's way, or the next attempt tells.
    unlinkat(directory, name, AtFlags::REMOVEDIR).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_to_their_bound() {
        let dir = std::env::temp_dir().join(format!("jamb-file-{}", std::process::id()));
        make_directories(&dir.join("a/b")).unwrap();
        let path = dir.join("a/b/c");
        std::fs::write(&path, "x".repeat(10_000)).unwrap();
        assert_eq!(read(&path, 20_000).unwrap().len(), 10_000);
        assert_eq!(read(&path, 9_999).unwrap().len(), 9_999);
        assert_eq!(read(&path, 0).unwrap().len(), 0);
        assert_eq!(read(&dir.join("none"), 5), Err(Errno::NOENT));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_tree_is_removed_and_nothing_else() {
        let dir = std::env::temp_dir().join(format!("jamb-tree-{}", std::process::id()));
        make_directories(&dir.join("a/b/c")).unwrap();
        make_directories(&dir.join("outside")).unwrap();
        std::fs::write(dir.join("outside/file"), "x").unwrap();
        std::fs::write(dir.join("a/b/file"), "x").unwrap();
        std::os::unix::fs::symlink(dir.join("outside"), dir.join("a/b/link")).unwrap();
        assert_eq!(names(&dir.join("a/b")).unwrap(), ["c", "file", "link"]);
        remove_tree(&dir.join("a"));
        assert_eq!(names(&dir).unwrap(), ["outside"]);
        assert!(dir.join("outside/file").exists());
        remove_tree(&dir.join("a"));
        remove_tree(&dir);
        assert!(!dir.exists());
    }
}
