//! Everything the collector does to the world, one method per system call that matters. A trait,
//! so that the tests can put a simulated machine here and stop it between any two calls.
//! It must never decide anything: the protocol is in `collector`, the budget in `store`.

use rustix::io::Errno;
use std::fmt::Arguments;

/// The outcome of a system call.
pub type Result<T> = std::result::Result<T, Errno>;

/// What came out of a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pull {
    /// This many bytes are in the spool now.
    Data(usize),
    /// Nothing is in the pipe.
    Empty,
    /// Nothing is in the pipe and nobody can write to it any more.
    Closed,
    /// This many bytes left the pipe but there is no memory to keep them.
    Lost(usize),
}

/// The files of one log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Listing {
    /// Bytes in `current`; 0 if there is none.
    pub current: u64,
    /// Bytes in all rotated files.
    pub rotated: u64,
    /// Number and bytes of the oldest rotated file.
    pub oldest: Option<(u32, u64)>,
    /// Number of the newest rotated file; 0 if there is none.
    pub newest: u32,
}

/// One file of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// The one that is written to.
    Current,
    /// A rotated one, by number.
    Rotated(u32),
}

/// The machine as the collector sees it. Errors are those of the system calls behind it.
pub trait System {
    /// An open `current` file.
    type File;

    /// The wall clock: seconds since the epoch and nanoseconds.
    fn now(&mut self) -> (i64, u32);
    /// Says something to whoever runs the collector, in one line.
    fn warn(&mut self, text: Arguments<'_>);
    /// Writes what fits to the console without ever blocking, and answers how much that was.
    fn console(&mut self, bytes: &[u8]) -> usize;

    /// Moves what is in a pipe, at most a chunk, to the spool, behind the header. `scratch` is used
    /// where the kernel cannot do that by itself.
    fn pull(&mut self, source: usize, scratch: &mut [u8]) -> Pull;
    /// The length of the spool.
    fn spool_len(&mut self) -> Result<u64>;
    /// Reads from the spool until `buf` is full or the spool ends.
    fn spool_read(&mut self, at: u64, buf: &mut [u8]) -> Result<usize>;
    /// Writes all of `bytes`.
    fn spool_write(&mut self, at: u64, bytes: &[u8]) -> Result<()>;
    /// Makes the spool exactly this long.
    fn spool_truncate(&mut self, len: u64) -> Result<()>;

    /// Names of all logs that exist, services or not, sorted.
    fn logs(&mut self) -> Result<Vec<String>>;
    /// What there is of a log. One that does not exist has nothing.
    fn list(&mut self, name: &str) -> Result<Listing>;
    /// Opens `current`, creating it and its directory; answers also its length.
    fn open(&mut self, name: &str) -> Result<(Self::File, u64)>;
    /// Reads from a log until `buf` is full or the file ends.
    fn read_at(&mut self, file: &Self::File, at: u64, buf: &mut [u8]) -> Result<usize>;
    /// Writes all of `bytes`; after an error, some of them.
    fn write_at(&mut self, file: &Self::File, at: u64, bytes: &[u8]) -> Result<()>;
    /// Cuts a log file to this length.
    fn truncate(&mut self, file: &Self::File, len: u64) -> Result<()>;
    /// Renames `current` to its number.
    fn rotate(&mut self, name: &str, number: u32) -> Result<()>;
    /// Deletes one file.
    fn remove(&mut self, name: &str, which: Which) -> Result<()>;
}
