//! Outputs and rendered files as the file system shows them. A reader sees a whole generation or the
//! one before, never a mixture: everything is written aside and renamed, rename(2).

use crate::{
    file::{names, read, remove_tree},
    handover::point::point,
};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use rustix::{
    fd::OwnedFd,
    fs::{CWD, FileType, Mode, OFlags, fchmod},
    io::Errno,
};
use std::path::{Path, PathBuf};
use supervisor::file::{
    lstat, make_directories, make_directory, open, read_link, rename, split, symlink,
    unlink_if_there,
};

/// One output, ready to be written.
pub struct Value<'a> {
    /// The file's name.
    pub key: &'a str,
    /// Its content, without the final newline.
    pub value: &'a str,
    /// Whether only root may read it.
    pub secret: bool,
}

/// Makes these values the outputs of `name`, in place of all it had.
///
/// `NAME` is a symbolic link to `.NAME.NUMBER`; replacing it is the moment at which they change.
pub fn publish(
    outputs: &Path,
    name: &str,
    number: u64,
    values: &[Value<'_>],
) -> Result<(), (PathBuf, Errno)> {
    let label = format!(".{name}.{number}");
    let fresh = outputs.join(&label);
    remove_tree(&fresh);
    let made = make_directory(CWD, &fresh, Mode::from_raw_mode(0o755));
    made.map_err(|error| (fresh.clone(), error))?;
    for Value { key, value, secret } in values {
        let path = fresh.join(key);
        let mode = if *secret { 0o600 } else { 0o644 };
        let mut text = (*value).to_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        write_new(&path, text.as_bytes(), mode).map_err(|error| {
            remove_tree(&fresh);
            (path, error)
        })?;
    }
    let visible = outputs.join(name);
    let before = read_link(&visible).ok();
    let aside = outputs.join(format!(".{name}.new"));
    let replaced =
        unlink_if_there(&aside).and_then(|()| symlink(Path::new(&label), &aside)).and_then(|()| {
            point("publish-link");
            rename(&aside, &visible)
        });
    replaced.map_err(|error| (visible, error))?;
    if let Some(before) = before.filter(|before| *before != label) {
        remove_tree(&outputs.join(before));
    }
    Ok(())
}

/// Takes back what `name` published.
pub fn withdraw(outputs: &Path, name: &str) {
    let visible = outputs.join(name);
    let before = read_link(&visible).ok();
    // What is not there need not be removed.
    unlink_if_there(&visible).ok();
    if let Some(before) = before {
        remove_tree(&outputs.join(before));
    }
}

/// Removes what a program that ended in the middle of publishing left: whatever no name leads to.
pub fn sweep(outputs: &Path) {
    let names = names(outputs).unwrap_or_default();
    let mut used = Vec::new();
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        if let Ok(leads_to) = read_link(&outputs.join(name)) {
            used.push(leads_to);
        }
    }
    for name in names.iter().filter(|name| name.starts_with('.')) {
        let path = outputs.join(name);
        if !used.iter().any(|one| one == name) && unlink_if_there(&path).is_err() {
            remove_tree(&path);
        }
    }
}

/// Writes `content` to `path` unless it is there already; answers whether it is new. `renamed` is other than 0
/// from before it gets there, and if it is so at first it counts as new: the program before got so far.
pub fn render(path: &Path, content: &[u8], mode: u32, renamed: &AtomicU32) -> Result<bool, Errno> {
    if let Ok(stat) = lstat(path)
        && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_mode & 0o7777 == mode
        && u64::try_from(stat.st_size) == Ok(content.len() as u64)
        && read(path, content.len() + 1)? == content
    {
        return Ok(renamed.load(Relaxed) != 0);
    }
    let (directory, name) = split(path);
    make_directories(directory)?;
    let aside = directory.join(format!(".{name}.jamb"));
    unlink_if_there(&aside)?;
    let written = write_new(&aside, content, mode).and_then(|()| {
        point("render");
        renamed.store(1, Relaxed);
        rename(&aside, path)
    });
    point("rendered");
    if written.is_err() {
        renamed.store(0, Relaxed);
        // The reason is already known; this only tidies up.
        unlink_if_there(&aside).ok();
    }
    written.map(|()| true)
}

/// Removes a rendered file.
pub fn remove(path: &Path) -> Result<(), Errno> {
    unlink_if_there(path)
}

/// What a service's standard input is: nothing. Without `/dev/null`, a pipe that has ended.
pub fn nothing() -> std::io::Result<OwnedFd> {
    match open(Path::new("/dev/null"), OFlags::RDWR, Mode::empty()) {
        Ok(fd) => Ok(fd),
        Err(_) => Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?.0),
    }
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(mode);
    let fd = open(path, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, mode)?;
    let mut rest = content;
    while !rest.is_empty() {
        match rustix::io::write(&fd, rest) {
            Ok(length) => rest = &rest[length..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    // The umask has no say in it.
    fchmod(&fd, mode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::MetadataExt};

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("jamb-disk-{}-{name}", std::process::id()));
        remove_tree(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn value<'a>(key: &'a str, value: &'a str) -> Value<'a> {
        Value { key, value, secret: key == "password" }
    }

    #[test]
    fn a_generation_replaces_the_one_before_as_a_whole() {
        let dir = scratch("generation");
        publish(&dir, "wan", 1, &[value("a", "1"), value("password", "x")]).unwrap();
        assert_eq!(fs::read_to_string(dir.join("wan/a")).unwrap(), "1\n");
        let secret = fs::metadata(dir.join("wan/password")).unwrap();
        assert_eq!(secret.mode() & 0o777, 0o600);
        publish(&dir, "wan", 2, &[value("a", "2"), value("empty", "")]).unwrap();
        assert_eq!(fs::read_to_string(dir.join("wan/a")).unwrap(), "2\n");
        assert_eq!(fs::read_to_string(dir.join("wan/empty")).unwrap(), "");
        assert!(!dir.join("wan/password").exists());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "the old one is gone");
        withdraw(&dir, "wan");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        withdraw(&dir, "wan");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_nobody_names_is_swept() {
        let dir = scratch("sweep");
        publish(&dir, "wan", 7, &[value("a", "1")]).unwrap();
        fs::create_dir(dir.join(".wan.6")).unwrap();
        fs::write(dir.join(".wan.6/a"), "0").unwrap();
        symlink(Path::new(".wan.8"), &dir.join(".wan.new")).unwrap();
        sweep(&dir);
        assert_eq!(names(&dir).unwrap(), [".wan.7", "wan"]);
        assert_eq!(fs::read_to_string(dir.join("wan/a")).unwrap(), "1\n");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_file_is_written_only_if_it_differs() {
        let dir = scratch("render");
        let path = dir.join("sub/file");
        let new = AtomicU32::new(0);
        let put = |content: &[u8], mode| {
            let written = render(&path, content, mode, &new);
            assert!(!matches!(written, Ok(is_new) if is_new != (new.load(Relaxed) == 1)));
            // As when the action is done.
            new.store(0, Relaxed);
            written
        };
        assert!(put(b"one", 0o640).unwrap());
        assert!(!put(b"one", 0o640).unwrap());
        assert!(put(b"one", 0o600).unwrap(), "the mode differs");
        assert!(put(b"two", 0o600).unwrap());
        fs::write(&path, "touched by somebody").unwrap();
        assert!(put(b"two", 0o600).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        // The program before put it there, and could not tell.
        new.store(1, Relaxed);
        assert!(render(&path, b"two", 0o600, &new).unwrap());
        remove(&path).unwrap();
        remove(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(put(b"x", 0o600).is_err(), "a directory is in the way");
        assert_eq!(fs::read_dir(dir.join("sub")).unwrap().count(), 1, "nothing is left behind");
        fs::remove_dir_all(&dir).unwrap();
    }
}
