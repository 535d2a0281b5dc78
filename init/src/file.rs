//! Small files, read whole and with a bound, and directories with their parents. Without std's, whose
//! generality would be a tenth of this program.

use rustix::{
    fs::{Mode, OFlags, mkdir, open},
    io::{Errno, read as read_some},
};
use std::path::Path;

/// Bytes read at once.
const CHUNK: usize = 4096;

/// The content of a file, at most `limit` bytes of it.
///
/// # Errors
/// As open(2) and read(2) have it.
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Errno> {
    let fd = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
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

/// Makes a directory, and those above it that are missing, mode 0755.
///
/// # Errors
/// As mkdir(2) has it.
pub fn make_directories(path: &Path) -> Result<(), Errno> {
    let made = mkdir(path, Mode::from_raw_mode(0o755));
    match (made, path.parent()) {
        (Err(Errno::NOENT), Some(parent)) if !parent.as_os_str().is_empty() => {
            make_directories(parent)?;
            mkdir(path, Mode::from_raw_mode(0o755))
        }
        (Err(Errno::EXIST), _) if path.is_dir() => Ok(()),
        (made, _) => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_to_their_bound() {
        let dir = std::env::temp_dir().join(format!("jamb-file-{}", std::process::id()));
        make_directories(&dir.join("a/b")).unwrap();
        make_directories(&dir.join("a/b")).unwrap();
        let path = dir.join("a/b/c");
        std::fs::write(&path, "x".repeat(10_000)).unwrap();
        assert_eq!(read(&path, 20_000).unwrap().len(), 10_000);
        assert_eq!(read(&path, 9_999).unwrap().len(), 9_999);
        assert_eq!(read(&path, 0).unwrap().len(), 0);
        assert_eq!(read(&dir.join("none"), 5), Err(Errno::NOENT));
        assert_eq!(make_directories(&path.join("d")), Err(Errno::NOTDIR));
        assert_eq!(make_directories(&path), Err(Errno::EXIST));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
