//! Names and listings of log files: what the collector writes and the reader finds.
//! Input: directories. It opens and lists; it never changes anything but for creating directories.

use crate::names::valid_name;
use rustix::fs::{self, CWD, Mode, OFlags, RawDir};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::path::Path;

/// The file that is written to.
pub const CURRENT: &str = "current";
/// Ends the name of a rotated file, after its number.
const SUFFIX: &str = ".log";
/// Room for directory entries: more than the longest one takes.
const DIR_BUFFER: usize = 2048;
/// Flags for everything that is opened here: not through a link, and not waiting for the other end
/// of a FIFO that somebody put there.
const OPEN: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);

/// The name of a rotated file. Six digits, so that `ls` sorts them for the first million.
pub fn rotated_name(number: u32) -> String {
    format!("{number:06}{SUFFIX}")
}

/// The number in the name of a rotated file.
fn rotated_number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(SUFFIX)?;
    let plain = digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

/// Calls `found` with each entry's name, leaving out names that are not text: none of them is ours.
///
/// # Errors
/// Those of open(2) and getdents(2).
pub fn each_entry(dir: &Path, mut found: impl FnMut(&str)) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OPEN;
    let fd = fs::openat(CWD, dir, flags, Mode::empty())?;
    let mut buffer = [MaybeUninit::uninit(); DIR_BUFFER];
    let mut entries = RawDir::new(fd, &mut buffer);
    while let Some(entry) = entries.next() {
        if let Ok(name) = entry?.file_name().to_str() {
            found(name);
        }
    }
    Ok(())
}

/// The numbers of the rotated files of a log, in no order. None if the directory does not exist.
///
/// # Errors
/// As [`each_entry`].
pub fn rotated_numbers(log: &Path) -> Result<Vec<u32>, Errno> {
    let mut numbers = Vec::new();
    match each_entry(log, |name| numbers.extend(rotated_number(name))) {
        Ok(()) | Err(Errno::NOENT) => Ok(numbers),
        Err(error) => Err(error),
    }
}

/// The names of the logs in a log directory, sorted.
///
/// # Errors
/// As [`each_entry`].
pub fn log_names(dir: &Path) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    each_entry(dir, |name| {
        if valid_name(name) && fs::stat(dir.join(name)).is_ok_and(|stat| is_dir(&stat)) {
            names.push(name.to_owned());
        }
    })?;
    names.sort_unstable();
    Ok(names)
}

fn is_dir(stat: &fs::Stat) -> bool {
    fs::FileType::from_raw_mode(stat.st_mode).is_dir()
}

/// Opens a regular file; anything else is [`Errno::INVAL`].
///
/// # Errors
/// Those of open(2) and fstat(2).
pub fn open_regular(
    path: &Path,
    flags: OFlags,
    mode: Mode,
) -> Result<(rustix::fd::OwnedFd, fs::Stat), Errno> {
    let fd = fs::openat(CWD, path, flags | OPEN, mode)?;
    let stat = fs::fstat(&fd)?;
    if fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        Ok((fd, stat))
    } else {
        Err(Errno::INVAL)
    }
}

/// Creates a directory and what is missing above it, all 0755 less the umask.
///
/// # Errors
/// Those of mkdir(2), but for EEXIST.
pub fn create_dirs(path: &Path) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(0o755);
    match fs::mkdirat(CWD, path, mode) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(Errno::NOENT) => {
            // As deep as the path has components, which its caller wrote.
            create_dirs(path.parent().ok_or(Errno::NOENT)?)?;
            match fs::mkdirat(CWD, path, mode) {
                Ok(()) | Err(Errno::EXIST) => Ok(()),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names() {
        for number in [1, 999_999, 1_000_000, u32::MAX] {
            assert_eq!(rotated_number(&rotated_name(number)), Some(number));
        }
        for name in ["current", "1.log", "00001.log", "+00001.log", "000001", "99999999999.log"] {
            assert_eq!(rotated_number(name), None, "{name}");
        }
    }
}
