//! The lines of one service, oldest first, across its rotated files and on into the future.
//! Input: a log directory that the collector is changing at the same time. It never skips a line
//! because of a rotation, never shows half of one as if it were whole, and holds one file open.

use crate::files::{CURRENT, open_regular, rotated_name, rotated_numbers};
use crate::timestamp::{self, Stamp, is_stamp};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::{self, Errno};
use std::path::{Path, PathBuf};
use supervisor::file::stat;

/// Bytes read at once.
const READ: usize = 4096;
/// A "line" longer than this is not the collector's; it is shown in parts.
const LONGEST: usize = 64 << 10;
/// How often a listing may be overtaken by rotations before this is an error.
const ATTEMPTS: usize = 100;

/// What to do with a last line that has no end yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Partial {
    /// Show it as it is.
    Show,
    /// Keep it until its end is there.
    Keep,
}

/// Device and inode: which file this is, whatever its name is by now.
type Id = (u64, u64);

/// One open file of the log.
struct File {
    fd: OwnedFd,
    id: Id,
    /// Every rotated file with a number up to this one is older than this file, or is this file.
    floor: u32,
}

/// A reader of one log.
pub struct Stream {
    /// The service.
    pub name: String,
    dir: PathBuf,
    file: Option<File>,
    /// The file after `file`, once there is one: `file` is then read to its end for the last time.
    next: Option<File>,
    buf: Vec<u8>,
    /// The present line is `buf[start..end]`; what follows was not looked at yet.
    start: usize,
    end: usize,
    stamp: Stamp,
    /// Whether the end was reached; [`Stream::wake`] clears it.
    asleep: bool,
}

impl Stream {
    /// A reader of the log `name` below `dir`, before its first line.
    pub fn new(dir: &Path, name: &str) -> Stream {
        Stream {
            name: name.to_owned(),
            dir: dir.join(name),
            file: None,
            next: None,
            buf: Vec::new(),
            start: 0,
            end: 0,
            stamp: timestamp::rfc3339(i64::MIN, 0),
            asleep: false,
        }
    }

    /// The directory of this log.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// There may be something new.
    pub fn wake(&mut self) {
        self.asleep = false;
    }

    /// The time of the present line. One without a time has that of the line before it.
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// The present line, with its newline unless it has none yet. Empty: see [`Stream::load`].
    pub fn line(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    /// Goes past the present line.
    pub fn advance(&mut self) {
        self.start = self.end;
    }

    /// Makes sure that there is a present line; answers whether there is one.
    ///
    /// # Errors
    /// Those of opening, listing and reading.
    pub fn load(&mut self, partial: Partial) -> Result<bool, Errno> {
        let mut seen = self.start;
        while self.start == self.end {
            if self.asleep {
                return Ok(false);
            }
            let fresh = &self.buf[seen..];
            if let Some(length) = fresh.iter().position(|byte| *byte == b'\n') {
                self.found(seen + length + 1);
            } else if self.buf.len() - self.start >= LONGEST {
                self.found(self.buf.len());
            } else {
                self.buf.drain(..self.start);
                (self.start, self.end) = (0, 0);
                seen = self.buf.len();
                if self.read()? == 0 && !self.go_on()? {
                    self.asleep = partial == Partial::Keep || seen == 0;
                    if !self.asleep {
                        self.found(seen);
                    }
                }
            }
        }
        Ok(true)
    }

    fn found(&mut self, end: usize) {
        self.end = end;
        if is_stamp(self.line())
            && let Some(stamp) = self.line().first_chunk()
        {
            self.stamp = *stamp;
        }
    }

    fn read(&mut self) -> Result<usize, Errno> {
        let Some(file) = &self.file else { return Ok(0) };
        let before = self.buf.len();
        self.buf.resize(before + READ, 0);
        let read = io::retry_on_intr(|| io::read(&file.fd, &mut self.buf[before..]));
        self.buf.truncate(before + read.unwrap_or(0));
        read
    }

    /// At the end of the file: whether there is more to come, in it or in the next one.
    fn go_on(&mut self) -> Result<bool, Errno> {
        if let Some(next) = self.next.take() {
            self.file = Some(next);
            if !self.buf.is_empty() {
                // The collector rotates at the end of a line only. This one lost its end.
                self.found(self.buf.len());
            }
            return Ok(true);
        }
        // What the collector wrote between our reading the end and its rotating is still unread:
        // so the next file is only remembered, and this one read again.
        self.next = self.successor()?;
        Ok(self.next.is_some())
    }

    /// Opens the file that comes after the present one, if there is any.
    fn successor(&mut self) -> Result<Option<File>, Errno> {
        let path = self.dir.join(CURRENT);
        let here = self.file.as_ref().map(|file| file.id);
        if here.is_some() && stat(&path).is_ok_and(|stat| Some(id(&stat)) == here) {
            return Ok(None);
        }
        for _ in 0..ATTEMPTS {
            // In this order: if `current` is rotated between the two, it is in the listing.
            let current = optional(&path)?;
            let numbers = self.listing()?;
            let newest = numbers.iter().copied().max().unwrap_or(0);
            let floor = self.settle_floor(&numbers, newest);
            if numbers.iter().all(|number| *number <= floor) {
                return Ok(current
                    .filter(|(_, found)| Some(*found) != here)
                    .map(|(fd, id)| File { fd, id, floor: floor.max(newest) }));
            }
            // A listing may lack a file that was rotated while it was made, and have one that was rotated
            // after that, readdir(3). What is before any that it has was there before the next listing.
            let numbers = self.listing()?;
            let newest = numbers.iter().copied().max().unwrap_or(0);
            let floor = self.settle_floor(&numbers, newest);
            let Some(number) = numbers.into_iter().filter(|number| *number > floor).min() else {
                continue;
            };
            if let Some((fd, id)) = optional(&self.dir.join(rotated_name(number)))? {
                return Ok(Some(File { fd, id, floor: number }));
            }
            // It was deleted meanwhile; so look again.
        }
        Err(Errno::AGAIN)
    }

    /// The numbers of the rotated files.
    fn listing(&self) -> Result<Vec<u32>, Errno> {
        let numbers = rotated_numbers(&self.dir)?;
        #[cfg(test)]
        let numbers = tests::incomplete(numbers);
        Ok(numbers)
    }

    /// Up to which number the rotated files are older than what comes next.
    fn settle_floor(&mut self, numbers: &[u32], newest: u32) -> u32 {
        let Some(file) = &mut self.file else { return 0 };
        // If the present file was `current`, it may have got a number since.
        let mine = numbers.iter().copied().find(|number| {
            let path = self.dir.join(rotated_name(*number));
            stat(&path).is_ok_and(|stat| id(&stat) == file.id)
        });
        if let Some(mine) = mine {
            file.floor = mine;
        } else if newest < file.floor {
            // A collector that starts when no rotated file is left counts from 1 again. Then all
            // that there is came after the present file.
            file.floor = 0;
        }
        file.floor
    }
}

fn id(stat: &Stat) -> Id {
    // The types differ between architectures; equality is all that matters.
    #[allow(clippy::unnecessary_cast, reason = "narrower on 32-bit targets")]
    (stat.st_dev as u64, stat.st_ino as u64)
}

/// Opens a file that may not exist.
fn optional(path: &Path) -> Result<Option<(OwnedFd, Id)>, Errno> {
    match open_regular(path, OFlags::RDONLY, Mode::empty()) {
        Ok((fd, stat)) => Ok(Some((fd, id(&stat)))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Log(PathBuf);

    impl Log {
        fn new(name: &str) -> Log {
            let path = std::env::temp_dir().join(format!("jamb-log-{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("s")).unwrap();
            Log(path)
        }
        fn append(&self, text: &str) {
            use std::io::Write;
            let path = self.0.join("s/current");
            let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
        fn rotate(&self, number: u32) {
            let from = self.0.join("s/current");
            fs::rename(from, self.0.join("s").join(rotated_name(number))).unwrap();
        }
        fn delete(&self, number: u32) {
            fs::remove_file(self.0.join("s").join(rotated_name(number))).unwrap();
        }
        fn stream(&self) -> Stream {
            Stream::new(&self.0, "s")
        }
    }

    impl Drop for Log {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn rest(stream: &mut Stream, partial: Partial) -> String {
        stream.wake();
        let mut all = Vec::new();
        while stream.load(partial).unwrap() {
            all.extend_from_slice(stream.line());
            all.push(b'|');
            stream.advance();
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn files_are_read_in_order_of_their_numbers() {
        let log = Log::new("order");
        for (number, text) in [(999_999, "1\n2\n"), (1_000_000, "3\n")] {
            log.append(text);
            log.rotate(number);
        }
        log.append("4\n5");
        assert_eq!(rest(&mut log.stream(), Partial::Show), "1\n|2\n|3\n|4\n|5|");
        assert_eq!(rest(&mut log.stream(), Partial::Keep), "1\n|2\n|3\n|4\n|");
    }

    #[test]
    fn a_follower_loses_nothing_however_far_the_log_went_on() {
        let log = Log::new("follow");
        let mut stream = log.stream();
        assert_eq!(rest(&mut stream, Partial::Keep), "");
        log.append("a\nb");
        assert_eq!(rest(&mut stream, Partial::Keep), "a\n|");
        log.append("c\nd\n");
        log.rotate(1);
        log.append("e\n");
        log.rotate(2);
        assert_eq!(rest(&mut stream, Partial::Keep), "bc\n|d\n|e\n|");
        log.append("f\n");
        assert_eq!(rest(&mut stream, Partial::Keep), "f\n|");
        // Its own file and the one before are deleted: what is in it stays readable.
        log.append("g\n");
        log.rotate(3);
        log.delete(2);
        log.delete(3);
        log.append("h\n");
        log.rotate(4);
        log.append("i\n");
        assert_eq!(rest(&mut stream, Partial::Keep), "g\n|h\n|i\n|");
        assert_eq!(rest(&mut stream, Partial::Keep), "");
    }

    thread_local! {
        /// The next listing that would have this one does not.
        static LACKS: core::cell::Cell<Option<u32>> = const { core::cell::Cell::new(None) };
    }

    pub fn incomplete(mut numbers: Vec<u32>) -> Vec<u32> {
        numbers.retain(|number| LACKS.get() != Some(*number) || LACKS.take().is_none());
        numbers
    }

    #[test]
    fn a_listing_that_lacks_a_file_skips_none() {
        let log = Log::new("lacks");
        log.append("a\n");
        let mut stream = log.stream();
        assert_eq!(rest(&mut stream, Partial::Keep), "a\n|");
        for (number, text) in [(1, "b\n"), (2, "c\n"), (3, "d\n")] {
            log.rotate(number);
            log.append(text);
        }
        LACKS.set(Some(2));
        assert_eq!(rest(&mut stream, Partial::Keep), "b\n|c\n|d\n|");
        assert_eq!(LACKS.get(), None);
    }

    #[test]
    fn numbers_that_start_again_are_no_reason_to_stop() {
        let log = Log::new("restart");
        log.append("a\n");
        log.rotate(7);
        log.append("b\n");
        let mut stream = log.stream();
        assert_eq!(rest(&mut stream, Partial::Keep), "a\n|b\n|");
        log.delete(7);
        log.append("c\n");
        log.rotate(1);
        log.append("d\n");
        log.rotate(2);
        log.append("e\n");
        assert_eq!(rest(&mut stream, Partial::Keep), "c\n|d\n|e\n|");
    }

    #[test]
    fn a_foreign_endless_line_is_shown_in_bounded_parts() {
        let log = Log::new("endless");
        log.append(&"x".repeat(3 * LONGEST));
        let mut stream = log.stream();
        let mut total = 0;
        while stream.load(Partial::Show).unwrap() {
            assert!(stream.line().len() < LONGEST + READ);
            total += stream.line().len();
            stream.advance();
        }
        assert_eq!(total, 3 * LONGEST);
    }

    #[test]
    fn a_line_without_a_time_has_the_one_before() {
        let log = Log::new("stamp");
        log.append("2026-11-23T16:25:49.123456Z s: x\nforeign\n");
        let mut stream = log.stream();
        assert!(stream.load(Partial::Show).unwrap());
        let stamp = *stream.stamp();
        assert_eq!(&stamp, b"2026-11-23T16:25:49.123456Z");
        stream.advance();
        assert!(stream.load(Partial::Show).unwrap());
        assert_eq!((stream.line(), *stream.stamp()), (&b"foreign\n"[..], stamp));
    }
}
