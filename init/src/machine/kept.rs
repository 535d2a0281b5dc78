//! How and why the machine ended, kept for the one who asks after the reboot: in the kernel's persistent
//! store, if the board has one, and in a file that the database names.
//!
//! `/dev/pmsg0` is kept in memory that outlives a reset (Documentation/admin-guide/ramoops.rst); so is the
//! kernel's log, which ramoops keeps at an orderly end too with `max_reason=4`. The next boot finds both in a
//! file system of type pstore, if `[system]` mounts it.

use crate::file::{c_path, c_path_of, names, put, text};
use rustix::fs::{OFlags, rename, unlink};
use std::path::Path;
use supervisor::{
    cut,
    problem::{Problem, problem},
};

/// What is kept at most, in bytes, with what others wrote beside it.
const MOST: usize = 1024 * 1024;
/// Lines of ours among those of others.
const MARK: &str = "jamb: the end: ";
/// Where a file system of type pstore is mounted.
const STORE: &str = "/sys/fs/pstore";

/// Keeps it, as the last thing that is written.
///
/// # Errors
/// The file could not be written; for people. Not every board has the rest.
pub fn keep(what: &str, record: Option<&str>) -> Result<(), Problem> {
    let line = format!("{MARK}{what}\n");
    let to = |path| put(path, OFlags::WRONLY | OFlags::NONBLOCK, 0, line.as_bytes());
    to(c"/dev/pmsg0").or_else(|_| to(c"/dev/kmsg")).ok();
    let Some(path) = record else { return Ok(()) };
    // Whole or not at all: power may fail now.
    let aside = c_path_of(format_args!("{path}.new"));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    let done = put(&aside, flags, 0o600, line.as_bytes());
    let done = done.and_then(|()| rename(&*aside, &*c_path(path)));
    done.map_err(|error| problem!("cannot keep in {path} how it ended: {error}"))
}

/// What was kept by the run before, which is forgotten then; `None` if it left no word.
pub fn take(record: Option<&str>) -> Option<String> {
    let mut found = None;
    // Both are read, so that neither stays for a later boot.
    for name in names(Path::new(STORE)).unwrap_or_default() {
        found = take_from(&format!("{STORE}/{name}")).or(found);
    }
    record.and_then(take_from).or(found)
}

fn take_from(path: &str) -> Option<String> {
    let all = text(path, MOST);
    let ours = cut::lines(&all).filter_map(|line| cut::after(line, MARK)).last().map(str::to_owned);
    // What others left is for people, such as the log of a panic.
    if ours.is_some() {
        // What cannot be removed was written by this run's predecessor all the same.
        unlink(&*c_path(path)).ok();
    }
    ours
}
