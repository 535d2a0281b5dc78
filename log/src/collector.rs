//! The protocol by which every line a service writes is in its log exactly once, although the
//! collector may be killed between any two system calls. Input: pipes, through `System`. It never
//! keeps text in its own memory that is in neither a pipe, the spool nor a log.
//!
//! A chunk goes through four steps:
//! 1. the header goes to the spool: whose chunk it will be, its time, how long the log is now;
//! 2. one splice(2) takes the bytes from the pipe and appends them to the spool;
//! 3. they are formatted and written to the log, at the length the header has;
//! 4. the spool is cut to its header: done.
//!
//! A collector that finds a chunk in the spool does step 3 again: it cuts the log to the length in
//! the header, formats with the time in the header, and so writes the same bytes to the same
//! place. When the log file changes in the middle of a chunk (rotation, or deletion for want of
//! space), a *checkpoint* before and after makes the header say how much of the chunk is settled.
//! Before the rename: or else the first part would be written again, to the new file. After it:
//! or else the length would be that of the old file.

use crate::console::Console;
use crate::format::{Bounds, Line, set_prefix};
use crate::spool::{CHUNK, ENCODED, HEADER_LEN, Header};
use crate::store::{Evicted, Limits, Store};
use crate::system::{Pull, Result, System};
use crate::timestamp::rfc3339;
use rustix::io::Errno;

/// What a pipe has left after a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Perhaps more.
    More,
    /// Nothing for now.
    Idle,
    /// Nothing for ever.
    Closed,
}

/// The collector, over a machine `S`.
pub struct Collector<S: System> {
    pub(crate) sys: S,
    store: Store<S::File>,
    limits: Limits,
    /// For each pipe, the index of its log.
    sources: Vec<usize>,
    /// The raw chunk; also scratch space when there is none.
    chunk: Vec<u8>,
    /// Formatted text on its way to the log.
    out: Vec<u8>,
    prefix: Vec<u8>,
    console: Console,
}

impl<S: System> Collector<S> {
    /// A collector for the services `names`, in the order of the pipes. It finishes the chunk of a
    /// dead predecessor, if there is one, before it returns.
    pub fn new(mut sys: S, limits: Limits, names: &[String]) -> Self {
        let mut store = Store::new(limits);
        let mut sources = Vec::with_capacity(names.len());
        // Without a listing, each is looked at.
        let left = sys.logs();
        // By name; two pipes may have one log.
        let mut known: Vec<(&str, usize)> = Vec::with_capacity(names.len());
        for name in names {
            let index = match known.binary_search_by_key(&name.as_str(), |one| one.0) {
                Ok(at) => known[at].1,
                Err(at) => {
                    let is_new = left.as_ref().is_ok_and(|left| left.binary_search(name).is_err());
                    let index = store.push(&mut sys, name, is_new);
                    known.insert(at, (name, index));
                    index
                }
            };
            sources.push(index);
        }
        for name in left.iter().flatten() {
            if known.binary_search_by_key(&name.as_str(), |one| one.0).is_err() {
                store.push(&mut sys, name, false);
            }
        }
        let mut collector = Collector {
            sys,
            store,
            limits,
            sources,
            chunk: vec![0; CHUNK],
            out: Vec::with_capacity(limits.piece.max(Line::TAIL)),
            prefix: Vec::new(),
            console: Console::default(),
        };
        collector.recover();
        collector
    }

    /// Takes one chunk from a pipe to its log.
    pub fn turn(&mut self, source: usize) -> Turn {
        let index = self.sources[source];
        // A log that cannot be opened does not keep its pipe from being drained.
        let opened = self.store.open(&mut self.sys, index, u64::MAX, &mut self.chunk);
        let (secs, nanos) = self.sys.now();
        let log = self.store.log(index);
        let header = Header {
            name: log.name.clone(),
            at: if opened.is_ok() { log.len } else { u64::MAX },
            done: 0,
            dropped: log.dropped,
            no_space: log.no_space,
            secs,
            nanos,
        };
        if let Err(error) = self.sys.spool_write(0, &header.encode()) {
            // The page of the header exists since the start, so this is a spool that was taken
            // away. Without a header the bytes are safer in the pipe.
            let name = &header.name;
            warn(&mut self.sys, name, "prepare the spool", error, "its log waits in the pipe");
            return Turn::Idle;
        }
        match self.sys.pull(source, &mut self.chunk) {
            Pull::Data(bytes) => {
                self.finish(index, header, bytes as u64);
                self.commit();
                Turn::More
            }
            Pull::Lost(bytes) => {
                self.store.log(index).dropped += bytes as u64;
                Turn::More
            }
            Pull::Empty => Turn::Idle,
            Pull::Closed => Turn::Closed,
        }
    }

    /// Finishes the chunk that a dead collector left in the spool.
    fn recover(&mut self) {
        let len = self.sys.spool_len().unwrap_or(0);
        if len > HEADER_LEN {
            let mut record = [0; ENCODED];
            let read = self.sys.spool_read(0, &mut record);
            let header = Header::decode(&record).filter(|_| read == Ok(ENCODED));
            let bytes = len - HEADER_LEN;
            match header {
                Some(header) if header.done <= bytes && bytes <= CHUNK as u64 => {
                    let index = self.store.add(&mut self.sys, &header.name);
                    let log = self.store.log(index);
                    (log.dropped, log.no_space) = (header.dropped, header.no_space);
                    self.finish(index, header, bytes);
                }
                _ => self.sys.warn(format_args!(
                    "jamb: log: cannot read the spool: unknown format; its {bytes} bytes are lost"
                )),
            }
        }
        self.commit();
    }

    /// The end of a chunk: the spool holds none from here on.
    fn commit(&mut self) {
        if let Err(error) = self.sys.spool_truncate(HEADER_LEN) {
            warn(&mut self.sys, "log", "cut the spool", error, "lines may repeat");
        }
    }

    /// Brings the `total` bytes in the spool into the log, from where `header` says, or counts
    /// them as dropped.
    fn finish(&mut self, index: usize, mut header: Header, total: u64) {
        set_prefix(&mut self.prefix, &rfc3339(header.secs, header.nanos), &header.name);
        let mut chunk = std::mem::take(&mut self.chunk);
        let result = self.write_chunk(index, &mut header, total, &mut chunk);
        self.chunk = chunk;
        let Err((done, error)) = result else { return };
        let log = self.store.log(index);
        if log.dropped == 0 {
            // Once per outage: what follows is only counted, until the log says so itself.
            warn(&mut self.sys, &log.name, "write its log", error, "lines are dropped");
        }
        log.dropped = log.dropped.saturating_add(total.saturating_sub(done));
        log.no_space = is_full(error);
        // Half of a piece may have been written. If it cannot be cut off, the log is closed, and
        // the next open takes it for what it is.
        let cut = log.file.as_ref().map(|file| self.sys.truncate(file, log.len));
        if matches!(cut, Some(Err(_))) {
            log.file = None;
        }
    }

    /// On error, answers also how many bytes of the chunk were written.
    fn write_chunk(
        &mut self,
        index: usize,
        header: &mut Header,
        total: u64,
        chunk: &mut [u8],
    ) -> std::result::Result<(), (u64, Errno)> {
        let size = usize::try_from(total).unwrap_or(usize::MAX).min(chunk.len());
        let chunk = &mut chunk[..size];
        let mut done = header.done;
        if self.sys.spool_read(HEADER_LEN, chunk).map_err(|error| (done, error))? < size {
            return Err((done, Errno::IO));
        }
        let mut retried = false;
        while done < total {
            let rest = &chunk[usize::try_from(done).unwrap_or(size).min(size)..];
            match self.write_piece(index, header, done, rest) {
                Ok(used) => {
                    done += used;
                    retried = false;
                }
                // The file system is full before the budget is: make room once.
                Err(error) if is_full(error) && !retried => {
                    retried = true;
                    if self.store.evict(&mut self.sys) == Evicted::Nothing {
                        return Err((done, error));
                    }
                }
                Err(error) => return Err((done, error)),
            }
        }
        Ok(())
    }

    /// Writes as much of `input` as fits one piece; answers how many bytes of it that was.
    fn write_piece(
        &mut self,
        index: usize,
        header: &mut Header,
        done: u64,
        input: &[u8],
    ) -> Result<u64> {
        let stop_at = self.prepare(index, header, done)?;
        let log = self.store.log(index);
        let file = log.file.as_ref().ok_or(Errno::BADF)?;
        self.out.clear();
        let mut line = log.line;
        if log.dropped > 0 {
            let stamp = &self.prefix[..crate::timestamp::LEN];
            line = note_dropped(&mut self.out, line, stamp, &log.name, log.dropped, log.no_space);
        }
        let continued = !line.at_start();
        let noted = self.out.len();
        let bounds = Bounds { out_len: self.limits.piece, stop_at };
        let used = line.feed(&self.prefix, input, &mut self.out, bounds);
        self.sys.write_at(file, log.len, &self.out)?;
        log.len += self.out.len() as u64;
        log.line = line;
        log.dropped = 0;
        let text = &self.out[noted..];
        self.console.show(&mut self.sys, index, &self.prefix, text, continued);
        Ok(used as u64)
    }

    /// Makes `current` ready to be written: rotated if that is due, within the budget, open.
    /// Answers from which length of the output on the next rotation is due.
    fn prepare(&mut self, index: usize, header: &mut Header, done: u64) -> Result<usize> {
        let mut stuck = false;
        if self.store.rotation_due(index) {
            self.checkpoint(index, header, done)?;
            if let Err(error) = self.store.rotate(&mut self.sys, index) {
                // Said once; tried again with every piece, but not with every line.
                stuck = true;
                if !std::mem::replace(&mut self.store.log(index).stuck, true) {
                    warn(&mut self.sys, &header.name, "rotate its log", error, "it grows");
                }
            }
        }
        self.store.make_room(&mut self.sys);
        if self.store.log(index).file.is_none() {
            self.out.resize(Line::TAIL, 0);
            self.store.open(&mut self.sys, index, header.at, &mut self.out)?;
            self.checkpoint(index, header, done)?;
        }
        let left = self.limits.max_file.saturating_sub(self.store.log(index).len);
        Ok(if stuck { usize::MAX } else { usize::try_from(left).unwrap_or(usize::MAX) })
    }

    /// Makes the header say that `done` bytes of the chunk are in the log and where they end.
    fn checkpoint(&mut self, index: usize, header: &mut Header, done: u64) -> Result<()> {
        let log = self.store.log(index);
        (header.at, header.done) = (log.len, done);
        (header.dropped, header.no_space) = (log.dropped, log.no_space);
        self.sys.spool_write(0, &header.encode())
    }
}

/// Whether an error goes away when files are deleted.
fn is_full(error: Errno) -> bool {
    matches!(error, Errno::NOSPC | Errno::DQUOT)
}

/// Appends the line that says what is missing here, after ending an unfinished one.
fn note_dropped(
    out: &mut Vec<u8>,
    line: Line,
    stamp: &[u8],
    name: &str,
    bytes: u64,
    no_space: bool,
) -> Line {
    if !line.at_start() {
        out.push(b'\n');
    }
    let why = if no_space { "no space" } else { "write error" };
    out.extend_from_slice(stamp);
    let text = format!(" jamb-log: {bytes} bytes of {name} dropped: {why}\n");
    out.extend_from_slice(text.as_bytes());
    Line::START
}

fn warn(sys: &mut impl System, name: &str, what: &str, error: Errno, next: &str) {
    let reason = std::io::Error::from(error);
    sys.warn(format_args!("jamb: {name}: cannot {what}: {reason}; {next}"));
}

#[cfg(test)]
mod tests;
