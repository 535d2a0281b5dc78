//! What is done to files by their paths, for everything on the device. rustix makes another function of
//! each system call for each type of path, and the standard library's files are as large as the rest of
//! this program: so there is one function here for each, on `Path`.
//!
//! It decides nothing and never waits, but for the file system.

use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{AtFlags, CWD, Gid, Mode, OFlags, RawDir, Stat, Uid},
    io::Errno,
};
use std::{
    ffi::CString,
    mem::MaybeUninit,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Room for directory entries; the longest takes 280 bytes.
const DIRECTORY_CHUNK: usize = 2048;

/// The path with a zero behind it, as system calls take it.
///
/// # Errors
/// EINVAL if there is one in it already.
pub fn c_path(path: &Path) -> Result<CString, Errno> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::INVAL)
}

/// open(2), close-on-exec.
///
/// # Errors
/// Those of open(2).
pub fn open(path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(CWD, &*c_path(path)?, flags | OFlags::CLOEXEC, mode)
}

/// stat(2).
///
/// # Errors
/// Those of stat(2).
pub fn stat(path: &Path) -> Result<Stat, Errno> {
    rustix::fs::statat(CWD, &*c_path(path)?, AtFlags::empty())
}

/// lstat(2): of a link itself.
///
/// # Errors
/// Those of stat(2).
pub fn lstat(path: &Path) -> Result<Stat, Errno> {
    rustix::fs::statat(CWD, &*c_path(path)?, AtFlags::SYMLINK_NOFOLLOW)
}

/// unlink(2).
///
/// # Errors
/// Those of unlink(2).
pub fn unlink(path: &Path) -> Result<(), Errno> {
    rustix::fs::unlinkat(CWD, &*c_path(path)?, AtFlags::empty())
}

/// unlink(2) of what need not be there.
///
/// # Errors
/// Those of unlink(2), but for ENOENT.
pub fn unlink_if_there(path: &Path) -> Result<(), Errno> {
    match unlink(path) {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

/// rename(2).
///
/// # Errors
/// Those of rename(2).
pub fn rename(from: &Path, to: &Path) -> Result<(), Errno> {
    rustix::fs::renameat(CWD, &*c_path(from)?, CWD, &*c_path(to)?)
}

/// symlink(2): a link at `path` that leads to `target`.
///
/// # Errors
/// Those of symlink(2).
pub fn symlink(target: &Path, path: &Path) -> Result<(), Errno> {
    rustix::fs::symlinkat(&*c_path(target)?, CWD, &*c_path(path)?)
}

/// Where a symbolic link leads to.
///
/// # Errors
/// Those of readlink(2); what is not text leads nowhere.
pub fn read_link(path: &Path) -> Result<String, Errno> {
    let target = rustix::fs::readlinkat(CWD, &*c_path(path)?, Vec::new())?;
    target.into_string().map_err(|_| Errno::NOENT)
}

/// The working directory, as proc_pid_cwd(5) has it: musl's getcwd(3) brings its malloc along.
///
/// # Errors
/// Those of readlink(2) and stat(2): ENOENT if it was removed, or without `/proc`.
pub fn working_directory() -> Result<PathBuf, Errno> {
    let path = PathBuf::from(read_link(Path::new("/proc/self/cwd"))?);
    // What was removed is called so, behind its name.
    stat(&path)?;
    Ok(path)
}

/// chown(2), to a user and a group. A path that does not begin with a slash is one in `at`, as in all that
/// take it.
///
/// # Errors
/// Those of chown(2).
pub fn change_owner(at: BorrowedFd<'_>, path: &Path, (uid, gid): (u32, u32)) -> Result<(), Errno> {
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    rustix::fs::chownat(at, &*c_path(path)?, uid, gid, AtFlags::empty())
}

/// Makes a directory unless there is something; answers whether it is new.
///
/// # Errors
/// Those of mkdir(2), but for EEXIST.
pub fn make_directory(at: BorrowedFd<'_>, path: &Path, mode: Mode) -> Result<bool, Errno> {
    match rustix::fs::mkdirat(at, &*c_path(path)?, mode) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a directory, and those above it that are missing, mode 0755.
///
/// # Errors
/// Those of mkdir(2), but for EEXIST.
pub fn make_directories(path: &Path) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(0o755);
    let mut made = make_directory(CWD, path, mode);
    if made == Err(Errno::NOENT) {
        // As deep as the path has components, which its caller wrote.
        make_directories(split(path).0)?;
        made = make_directory(CWD, path, mode);
    }
    made.map(drop)
}

/// The directory that a path is in, and its name there.
#[must_use]
pub fn split(path: &Path) -> (&Path, &str) {
    let bytes = path.as_os_str().as_bytes();
    let at = bytes.iter().rposition(|byte| *byte == b'/');
    let (directory, name) = match at {
        None => (&b"."[..], bytes),
        Some(0) => (&b"/"[..], &bytes[1..]),
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
    };
    let directory = Path::new(std::ffi::OsStr::from_bytes(directory));
    (directory, core::str::from_utf8(name).unwrap_or(""))
}

/// Tells each name in an open directory but `.` and `..`.
///
/// # Errors
/// Those of getdents(2).
pub fn each_name(directory: impl AsFd, found: &mut dyn FnMut(&[u8])) -> Result<(), Errno> {
    let mut buffer = [MaybeUninit::uninit(); DIRECTORY_CHUNK];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            found(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_made_with_those_above_them() {
        let dir = std::env::temp_dir().join(format!("jamb-path-{}", std::process::id()));
        make_directories(&dir.join("a/b")).unwrap();
        make_directories(&dir.join("a/b")).unwrap();
        assert_eq!(make_directory(CWD, &dir.join("a"), Mode::RWXU), Ok(false));
        std::fs::write(dir.join("a/file"), "").unwrap();
        assert_eq!(make_directories(&dir.join("a/file/d")), Err(Errno::NOTDIR));
        assert_eq!(unlink_if_there(&dir.join("a/file")), Ok(()));
        assert_eq!(unlink_if_there(&dir.join("a/file")), Ok(()));
        assert_eq!(c_path(Path::new("a\0b")), Err(Errno::INVAL));
        let mut names = Vec::new();
        let fd = open(&dir.join("a"), OFlags::DIRECTORY, Mode::empty()).unwrap();
        each_name(&fd, &mut |name| names.push(name.to_vec())).unwrap();
        assert_eq!(names, [b"b"]);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_working_directory_is_known() {
        assert_eq!(working_directory(), Ok(std::env::current_dir().unwrap()));
    }

    #[test]
    fn paths_are_split() {
        let parts = |path: &'static str| {
            let (directory, name) = split(Path::new(path));
            (directory.to_str().unwrap(), name)
        };
        assert_eq!(parts("/run/resolv.conf"), ("/run", "resolv.conf"));
        assert_eq!(parts("/file"), ("/", "file"));
        assert_eq!(parts("file"), (".", "file"));
    }
}
