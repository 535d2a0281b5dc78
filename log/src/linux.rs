//! The real machine behind `System`: pipes, the spool memfd, files below the log directory, the
//! console, stderr. Input: descriptors that PID 1 made. It repeats interrupted calls and decides
//! nothing else, except to copy by hand where the kernel cannot splice.

use crate::files::{self, CURRENT, open_regular, rotated_name, rotated_numbers};
use crate::spool::{CHUNK, HEADER_LEN};
use crate::system::{Listing, Pull, Result, System, Which};
use crate::timestamp;
use rustix::fd::OwnedFd;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::{self, Errno};
use rustix::pipe::{SpliceFlags, splice};
use std::fmt::Arguments;
use std::path::{Path, PathBuf};
use supervisor::file::{self, lstat, make_directories};

/// The machine.
pub struct Linux {
    /// The log directory.
    pub dir: PathBuf,
    /// The read ends; closed ones are gone.
    pub pipes: Vec<Option<OwnedFd>>,
    /// The spool.
    pub spool: OwnedFd,
    /// Where to copy lines to, non-blocking.
    pub console: Option<OwnedFd>,
    /// Whether splice(2) from a pipe to a memfd works here.
    pub can_splice: bool,
}

impl Linux {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn file(&self, name: &str, which: Which) -> PathBuf {
        let mut path = self.path(name);
        match which {
            Which::Current => path.push(CURRENT),
            Which::Rotated(number) => path.push(rotated_name(number)),
        }
        path
    }

    /// `None`: this has to be copied by hand.
    fn splice(&mut self, pipe: &OwnedFd) -> Option<Pull> {
        let mut at = HEADER_LEN;
        let moved = io::retry_on_intr(|| {
            splice(pipe, None, &self.spool, Some(&mut at), CHUNK, SpliceFlags::NONBLOCK)
        });
        match moved {
            Ok(0) => Some(Pull::Closed),
            Ok(bytes) => Some(Pull::Data(bytes)),
            Err(Errno::AGAIN) => Some(Pull::Empty),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                self.can_splice = false;
                None
            }
            // No memory for the spool, most likely: the pipe must be drained all the same.
            Err(_) => None,
        }
    }

    /// Does by hand what splice does. Here, and only here, a death loses bytes: those of one chunk,
    /// if it comes between the read and the end of the write.
    fn copy(&mut self, pipe: &OwnedFd, scratch: &mut [u8]) -> Pull {
        let size = scratch.len().min(CHUNK);
        match io::retry_on_intr(|| io::read(pipe, &mut scratch[..size])) {
            Ok(0) => Pull::Closed,
            Ok(bytes) => match self.spool_write(HEADER_LEN, &scratch[..bytes]) {
                Ok(()) => Pull::Data(bytes),
                Err(_) => {
                    // Part of it may be there. Cutting a memfd does not fail; if it did, the next
                    // commit would do it.
                    self.spool_truncate(HEADER_LEN).ok();
                    Pull::Lost(bytes)
                }
            },
            Err(Errno::AGAIN) => Pull::Empty,
            // A pipe has no other errors; a descriptor that is none is of no use again.
            Err(_) => Pull::Closed,
        }
    }
}

/// Writes one line to the standard error. If nobody listens there is nobody to tell that either.
pub fn complain(text: Arguments<'_>) {
    io::write(rustix::stdio::stderr(), format!("{text}\n").as_bytes()).ok();
}

impl System for Linux {
    type File = OwnedFd;

    fn now(&mut self) -> (i64, u32) {
        timestamp::now()
    }

    fn warn(&mut self, text: Arguments<'_>) {
        complain(text);
    }

    fn console(&mut self, bytes: &[u8]) -> usize {
        let Some(fd) = &self.console else { return bytes.len() };
        io::retry_on_intr(|| io::write(fd, bytes)).unwrap_or(0)
    }

    fn pull(&mut self, source: usize, scratch: &mut [u8]) -> Pull {
        let Some(pipe) = self.pipes.get_mut(source).and_then(Option::take) else {
            return Pull::Closed;
        };
        let spliced = if self.can_splice { self.splice(&pipe) } else { None };
        let pulled = spliced.unwrap_or_else(|| self.copy(&pipe, scratch));
        self.pipes[source] = Some(pipe);
        pulled
    }

    fn spool_len(&mut self) -> Result<u64> {
        Ok(u64::try_from(fs::fstat(&self.spool)?.st_size).unwrap_or(0))
    }

    fn spool_read(&mut self, at: u64, buf: &mut [u8]) -> Result<usize> {
        read_all(&self.spool, at, buf)
    }

    fn spool_write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        write_all(&self.spool, at, bytes)
    }

    fn spool_truncate(&mut self, len: u64) -> Result<()> {
        io::retry_on_intr(|| fs::ftruncate(&self.spool, len))
    }

    fn logs(&mut self) -> Result<Vec<String>> {
        files::log_names(&self.dir)
    }

    fn list(&mut self, name: &str) -> Result<Listing> {
        let mut listing = Listing::default();
        let size = |path: &Path| -> u64 {
            lstat(path).map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0))
        };
        listing.current = size(&self.file(name, Which::Current));
        for number in rotated_numbers(&self.path(name))? {
            let bytes = size(&self.file(name, Which::Rotated(number)));
            listing.rotated = listing.rotated.saturating_add(bytes);
            listing.newest = listing.newest.max(number);
            if listing.oldest.is_none_or(|(oldest, _)| number < oldest) {
                listing.oldest = Some((number, bytes));
            }
        }
        Ok(listing)
    }

    fn open(&mut self, name: &str) -> Result<(OwnedFd, u64)> {
        let path = self.file(name, Which::Current);
        let open =
            || open_regular(&path, OFlags::RDWR | OFlags::CREATE, Mode::from_raw_mode(0o640));
        let (file, stat) = match open() {
            Err(Errno::NOENT) => {
                make_directories(&self.path(name))?;
                open()?
            }
            other => other?,
        };
        Ok((file, u64::try_from(stat.st_size).unwrap_or(0)))
    }

    fn read_at(&mut self, file: &OwnedFd, at: u64, buf: &mut [u8]) -> Result<usize> {
        read_all(file, at, buf)
    }

    fn write_at(&mut self, file: &OwnedFd, at: u64, bytes: &[u8]) -> Result<()> {
        write_all(file, at, bytes)
    }

    fn truncate(&mut self, file: &OwnedFd, len: u64) -> Result<()> {
        io::retry_on_intr(|| fs::ftruncate(file, len))
    }

    fn rotate(&mut self, name: &str, number: u32) -> Result<()> {
        let to = self.file(name, Which::Rotated(number));
        file::rename(&self.file(name, Which::Current), &to)
    }

    fn remove(&mut self, name: &str, which: Which) -> Result<()> {
        file::unlink(&self.file(name, which))
    }
}

fn read_all(fd: &OwnedFd, at: u64, buf: &mut [u8]) -> Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match io::retry_on_intr(|| io::pread(fd, &mut buf[done..], at + done as u64))? {
            0 => break,
            bytes => done += bytes,
        }
    }
    Ok(done)
}

fn write_all(fd: &OwnedFd, at: u64, bytes: &[u8]) -> Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match io::retry_on_intr(|| io::pwrite(fd, &bytes[done..], at + done as u64))? {
            // A file that takes nothing and does not say why has no space.
            0 => return Err(Errno::NOSPC),
            written => done += written,
        }
    }
    Ok(())
}
