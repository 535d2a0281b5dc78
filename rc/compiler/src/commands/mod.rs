//! The commands as they are run: what they read, what they print where, and their exit codes. What they
//! compute is in the library.

pub mod check;
pub mod diff;
pub mod doc;
pub mod explain;
pub mod fmt;
pub mod graph;
pub mod help;
pub mod import;
pub mod init;
pub mod language;
pub mod out;
pub mod show;

use std::process::ExitCode;

/// Errors in the definitions, or another "no".
pub const NO: u8 = 1;
/// A wrong command line.
pub const USAGE: u8 = 100;
/// A file that cannot be read or written.
pub const SYSTEM: u8 = 111;

/// What came of a command; an error is one of the system's.
pub type Done = Result<ExitCode, Box<dyn std::error::Error>>;
