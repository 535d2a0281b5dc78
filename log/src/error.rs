//! What can go wrong when logs are read. Its text is one line for a person; it never shows Debug.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why `svc log` could not do what it was asked to; one variant per remedy. It fits into two registers.
#[derive(Debug)]
pub enum Error {
    /// There is no log of this name.
    Unknown(Box<Unknown>),
    /// A directory or file of the logs cannot be read.
    Read(Box<(PathBuf, io::Error)>),
    /// inotify(7) refuses to watch for new lines.
    Watch(io::Error),
    /// The output cannot be written. A reader that went away is not an error.
    Write(io::Error),
}

/// A log that there is not.
#[derive(Debug)]
pub struct Unknown {
    /// What was asked for.
    pub name: String,
    /// What there is, sorted, but the most similar first.
    pub known: Vec<String>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unknown(unknown) => {
                let Unknown { name, known } = &**unknown;
                write!(f, "jamb: {name}: cannot read its log: there is none; there are: ")?;
                for (index, name) in known.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    f.write_str(name)?;
                }
                f.write_str(if known.is_empty() { "no logs" } else { "" })
            }
            Error::Read(read) => {
                let (path, reason) = &**read;
                write!(
                    f,
                    "jamb: log: cannot read {}: {reason}; nothing more is shown",
                    path.display()
                )
            }
            Error::Watch(reason) => {
                write!(f, "jamb: log: cannot watch for new lines: {reason}; nothing more is shown")
            }
            Error::Write(reason) => {
                write!(f, "jamb: log: cannot write the output: {reason}; nothing more is shown")
            }
        }
    }
}

impl std::error::Error for Error {}
