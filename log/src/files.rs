//! Names and listings of log files: what the collector writes and the reader finds.
//! Input: directories. It opens and lists; it never changes anything.

use crate::names::valid_name;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use std::path::Path;
use supervisor::{decimal, file};

/// The file that is written to.
pub const CURRENT: &str = "current";
/// Ends the name of a rotated file, after its number.
const SUFFIX: &str = ".log";
/// Flags for everything that is opened here: not through a link, and not waiting for the other end
/// of a FIFO that somebody put there.
const OPEN: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK);

/// The name of a rotated file. Six digits, so that `ls` sorts them for the first million.
pub fn rotated_name(number: u32) -> String {
    format!("{number:06}{SUFFIX}")
}

/// The number in the name of a rotated file.
fn rotated_number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(SUFFIX)?;
    let plain = digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    decimal::number(digits).filter(|_| plain)
}

/// Calls `found` with each entry's name, leaving out names that are not text: none of them is ours.
///
/// # Errors
/// Those of open(2) and getdents(2).
pub fn each_entry(dir: &Path, found: &mut dyn FnMut(&str)) -> Result<(), Errno> {
    let fd = file::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OPEN, Mode::empty())?;
    file::each_name(fd, &mut |name| {
        if let Ok(name) = core::str::from_utf8(name) {
            found(name);
        }
    })
}

/// The numbers of the rotated files of a log, in no order. None if the directory does not exist.
///
/// # Errors
/// As [`each_entry`].
pub fn rotated_numbers(log: &Path) -> Result<Vec<u32>, Errno> {
    let mut numbers = Vec::new();
    match each_entry(log, &mut |name| numbers.extend(rotated_number(name))) {
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
    each_entry(dir, &mut |name| {
        if valid_name(name) && file::stat(&dir.join(name)).is_ok_and(|stat| is_dir(&stat)) {
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
    let fd = file::open(path, flags | OPEN, mode)?;
    let stat = fs::fstat(&fd)?;
    if fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        Ok((fd, stat))
    } else {
        Err(Errno::INVAL)
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
