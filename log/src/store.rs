//! The log files of all services: which are open, how long they are, when they rotate, and what
//! is deleted when there is too much. Input: listings and results from `System`. It never writes
//! text of a service (that is `collector`) and never deletes more than the budget asks for.

use crate::format::Line;
use crate::system::{Listing, Result, System, Which};
use rustix::io::Errno;

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `current` is rotated at the first end of a line from this many bytes on.
    pub max_file: u64,
    /// All files together stay below this, in bytes.
    pub max_total: u64,
    /// The most bytes written at once; the budget is made to have room for them before.
    pub piece: usize,
}

/// One log: a directory with `current` and the rotated files.
pub struct Log<F> {
    /// The service.
    pub name: String,
    /// `current`, while it is open. Whatever moves or deletes it also closes it here.
    pub file: Option<F>,
    /// Length of `current`.
    pub len: u64,
    /// Where in a line `current` ends; valid while it is open.
    pub line: Line,
    /// Bytes in the rotated files.
    rotated: u64,
    /// The number `current` gets when it is rotated.
    next: u32,
    /// Bytes that could not be written and were not reported in the log yet.
    pub dropped: u64,
    /// Whether the last of them were lost for want of space.
    pub no_space: bool,
    /// Whether the last rotation failed.
    pub stuck: bool,
}

/// What [`Store::evict`] deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evicted {
    /// A rotated file, or a `current`, which is then closed.
    File,
    /// There is nothing left, or it cannot be deleted.
    Nothing,
}

/// All logs, those of services and those that services of the past left.
pub struct Store<F> {
    logs: Vec<Log<F>>,
    limits: Limits,
}

impl<F> Store<F> {
    /// An empty store.
    pub fn new(limits: Limits) -> Self {
        Store { logs: Vec::new(), limits }
    }

    /// The index of the log of this name, which is added if it is new.
    pub fn add(&mut self, sys: &mut impl System<File = F>, name: &str) -> usize {
        if let Some(known) = self.logs.iter().position(|log| log.name == name) {
            return known;
        }
        self.push(sys, name, false)
    }

    /// Adds a log that is not known yet; answers its index. One whose directory `is_new` has no files.
    pub fn push(&mut self, sys: &mut impl System<File = F>, name: &str, is_new: bool) -> usize {
        // A directory that cannot be listed most likely cannot be written either; that is
        // reported when it is tried.
        let found = if is_new { Listing::default() } else { sys.list(name).unwrap_or_default() };
        self.logs.push(Log {
            name: name.to_owned(),
            file: None,
            len: found.current,
            line: Line::START,
            rotated: found.rotated,
            next: found.newest.saturating_add(1),
            dropped: 0,
            no_space: false,
            stuck: false,
        });
        self.logs.len() - 1
    }

    /// The log of this index, which must come from [`Store::add`] or [`Store::push`].
    pub fn log(&mut self, index: usize) -> &mut Log<F> {
        &mut self.logs[index]
    }

    /// Opens `current` if it is not open, cuts it to `keep` bytes if it is longer, and finds out
    /// where in a line it ends. `scratch` must hold [`Line::TAIL`] bytes.
    ///
    /// # Errors
    /// Those of the system calls; the log is then closed.
    pub fn open<S: System<File = F>>(
        &mut self,
        sys: &mut S,
        index: usize,
        keep: u64,
        scratch: &mut [u8],
    ) -> Result<()> {
        let log = &mut self.logs[index];
        if log.file.is_some() {
            return Ok(());
        }
        let (file, mut len) = sys.open(&log.name)?;
        if len > keep {
            sys.truncate(&file, keep)?;
            len = keep;
        }
        let from = len.saturating_sub(Line::TAIL as u64);
        let want = usize::try_from(len - from).unwrap_or(0).min(scratch.len());
        let tail = &mut scratch[..want];
        let got = sys.read_at(&file, from, tail)?;
        log.line = Line::after(&tail[..got]);
        log.len = len;
        log.file = Some(file);
        Ok(())
    }

    /// Whether `current` has reached its size and ends at the end of a line.
    pub fn rotation_due(&self, index: usize) -> bool {
        let log = &self.logs[index];
        log.file.is_some() && log.line.at_start() && log.len >= self.limits.max_file
    }

    /// Gives `current` its number. The next one is created when it is opened.
    ///
    /// # Errors
    /// Those of rename(2), except that a `current` which somebody removed is as good as rotated.
    pub fn rotate(&mut self, sys: &mut impl System<File = F>, index: usize) -> Result<()> {
        let log = &mut self.logs[index];
        match sys.rotate(&log.name, log.next) {
            Ok(()) => log.rotated += log.len,
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        log.next = log.next.saturating_add(1);
        log.stuck = false;
        log.forget_current();
        Ok(())
    }

    /// Deletes until one more piece fits the budget, or nothing is left to delete.
    pub fn make_room(&mut self, sys: &mut impl System<File = F>) {
        while self.total() + self.limits.piece as u64 > self.limits.max_total {
            if self.evict(sys) == Evicted::Nothing {
                break;
            }
        }
    }

    /// Deletes one file: the oldest rotated one of the log which has the most bytes, so that a
    /// noisy service pays for its noise; without any rotated file, the largest `current`.
    pub fn evict(&mut self, sys: &mut impl System<File = F>) -> Evicted {
        while let Some(log) =
            self.logs.iter_mut().filter(|log| log.rotated > 0).max_by_key(|log| log.total())
        {
            let Ok(found) = sys.list(&log.name) else { return Evicted::Nothing };
            // The listing is the truth; somebody else may have deleted files.
            log.rotated = found.rotated;
            let Some((number, bytes)) = found.oldest else { continue };
            match sys.remove(&log.name, Which::Rotated(number)) {
                Ok(()) | Err(Errno::NOENT) => log.rotated = found.rotated.saturating_sub(bytes),
                Err(_) => return Evicted::Nothing,
            }
            return Evicted::File;
        }
        let Some(log) =
            self.logs.iter_mut().filter(|log| log.len > 0).max_by_key(|log| log.total())
        else {
            return Evicted::Nothing;
        };
        match sys.remove(&log.name, Which::Current) {
            Ok(()) | Err(Errno::NOENT) => log.forget_current(),
            Err(_) => return Evicted::Nothing,
        }
        Evicted::File
    }

    fn total(&self) -> u64 {
        self.logs.iter().map(Log::total).sum()
    }
}

impl<F> Log<F> {
    fn total(&self) -> u64 {
        self.rotated.saturating_add(self.len)
    }

    fn forget_current(&mut self) {
        self.file = None;
        self.len = 0;
        self.line = Line::START;
    }
}
