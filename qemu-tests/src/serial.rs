//! A serial line of a machine, from the host's side: what it prints is kept, and a caller waits for a
//! pattern in it, for at most a given time.

use anyhow::{Context as _, Result, bail};
use regex_lite::Regex;
use std::{
    fs::File,
    io::{ErrorKind, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How much of what was printed an error shows, in bytes.
const SHOWN: usize = 3000;

#[derive(Default)]
struct Printed {
    text: String,
    ended: bool,
}

#[derive(Default)]
struct Shared {
    printed: Mutex<Printed>,
    changed: Condvar,
}

/// The line.
pub struct Serial {
    name: String,
    shared: Arc<Shared>,
    writer: UnixStream,
    /// Where the next wait begins to look, in bytes of what was printed.
    seen: usize,
}

/// A socket that QEMU will connect to. It exists before the machine does, so nothing is missed.
pub struct Socket {
    listener: UnixListener,
}

impl Socket {
    /// Makes it.
    ///
    /// # Errors
    /// The path is taken or too long (108 bytes, unix(7)).
    pub fn at(path: &Path) -> Result<Self> {
        let listener = UnixListener::bind(path)
            .with_context(|| format!("cannot make the socket {}", path.display()))?;
        Ok(Self { listener })
    }

    /// The connection. QEMU connects to all its sockets before it does anything else, or ends; `alive`
    /// tells whether it still runs.
    ///
    /// # Errors
    /// It has ended.
    pub fn accept(self, mut alive: impl FnMut() -> Result<()>) -> Result<UnixStream> {
        const STEP: Duration = Duration::from_millis(20);
        self.listener.set_nonblocking(true)?;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    return Ok(stream);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => alive()?,
                Err(error) => return Err(error).context("cannot accept QEMU's connection"),
            }
            // There is no call that waits for a connection and for a child's end at once.
            thread::park_timeout(STEP);
        }
    }
}

impl Serial {
    /// Reads a connection from now on, and copies it into `log` if one is given.
    ///
    /// # Errors
    /// The connection cannot be used twice.
    pub fn new(name: &str, stream: UnixStream, log: Option<File>) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = stream.try_clone().context("cannot use a connection twice")?;
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || collect(&of_thread, stream, log));
        Ok(Self { name: name.to_owned(), shared, writer, seen: 0 })
    }

    /// Sends text, as if typed.
    ///
    /// # Errors
    /// The machine has ended.
    pub fn send(&mut self, text: &str) -> Result<()> {
        let sent = self.writer.write_all(text.as_bytes());
        sent.with_context(|| format!("cannot write to {}", self.name))
    }

    /// Waits until something that was not yet waited for matches, and answers the match's groups.
    ///
    /// # Errors
    /// It did not within `limit`, or the line ended; the message shows what was printed.
    pub fn wait_for(&mut self, pattern: &str, limit: Duration) -> Result<Vec<String>> {
        let regex = Regex::new(pattern).with_context(|| format!("bad pattern {pattern}"))?;
        let deadline = Instant::now() + limit;
        let mut printed = lock(&self.shared);
        loop {
            if let Some(found) = regex.captures(&printed.text[self.seen..]) {
                let groups = found
                    .iter()
                    .map(|group| group.map(|group| group.as_str().to_owned()).unwrap_or_default());
                let groups = groups.collect();
                self.seen += found.get(0).map_or(0, |whole| whole.end());
                return Ok(groups);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let why = match (printed.ended, left.is_zero()) {
                (true, _) => "it ended before".to_owned(),
                (false, true) => format!("not within {} s", limit.as_secs()),
                (false, false) => {
                    printed = wait(&self.shared, printed, left);
                    continue;
                }
            };
            let shown = tail(&printed.text[self.seen..]);
            bail!("{}: waited for /{pattern}/: {why}. It printed:\n{shown}", self.name);
        }
    }

    /// Waits for anything to be printed, or for the end of `limit`.
    pub fn wait_for_more(&self, limit: Duration) {
        let printed = lock(&self.shared);
        drop(wait(&self.shared, printed, limit));
    }

    /// All that was printed up to now.
    #[must_use]
    pub fn text(&self) -> String {
        lock(&self.shared).text.clone()
    }

    /// Waits until nothing more can come, since the machine has ended, or for the end of `limit`;
    /// answers all that was printed.
    #[must_use]
    pub fn text_at_end(&self, limit: Duration) -> String {
        let deadline = Instant::now() + limit;
        let mut printed = lock(&self.shared);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if printed.ended || left.is_zero() {
                return printed.text.clone();
            }
            printed = wait(&self.shared, printed, left);
        }
    }

    /// Where the next wait begins to look: leaves out all that was printed up to now.
    pub fn skip(&mut self) {
        let end = lock(&self.shared).text.len();
        self.seen = end;
    }
}

/// The reader: one thread for each line.
fn collect(shared: &Shared, mut stream: UnixStream, mut log: Option<File>) {
    let mut buffer = [0; 4096];
    let mut unfinished = Vec::new();
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let bytes = &buffer[..count];
        if let Some(file) = &mut log
            && file.write_all(bytes).is_err()
        {
            // The log is for people; the text in memory is what decides.
            log = None;
        }
        unfinished.extend_from_slice(bytes);
        let text = take_text(&mut unfinished);
        lock(shared).text.push_str(&text);
        shared.changed.notify_all();
    }
    lock(shared).ended = true;
    shared.changed.notify_all();
}

/// Takes the whole characters; the beginning of one that is cut off stays.
fn take_text(bytes: &mut Vec<u8>) -> String {
    let whole = match str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    };
    let rest = bytes.split_off(whole);
    let text = String::from_utf8_lossy(bytes).into_owned();
    *bytes = rest;
    text
}

fn tail(text: &str) -> &str {
    let start = text.len().saturating_sub(SHOWN);
    let start = (start..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    &text[start..]
}

fn lock(shared: &Shared) -> MutexGuard<'_, Printed> {
    // A reader that panicked left whole strings behind.
    shared.printed.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'s>(
    shared: &'s Shared,
    printed: MutexGuard<'s, Printed>,
    limit: Duration,
) -> MutexGuard<'s, Printed> {
    let result = shared.changed.wait_timeout(printed, limit);
    result.unwrap_or_else(PoisonError::into_inner).0
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_match_is_found_once_and_in_order() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut serial = Serial::new("test", near, None).unwrap();
        far.write_all("pid 17 ä\npid 18\n".as_bytes()).unwrap();
        assert_eq!(serial.wait_for(r"pid (\d+)", LONG).unwrap(), ["pid 17", "17"]);
        assert_eq!(serial.wait_for(r"pid (\d+)", LONG).unwrap()[1], "18");
        let error = serial.wait_for("pid", Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("not within"), "{error}");
        drop(far);
        let error = serial.wait_for("pid", LONG).unwrap_err();
        assert!(error.to_string().contains("ended before"), "{error}");
    }

    #[test]
    fn a_character_in_two_pieces_is_whole() {
        let mut bytes = "xä".as_bytes()[..2].to_vec();
        assert_eq!(take_text(&mut bytes), "x");
        bytes.push(0xa4);
        assert_eq!(take_text(&mut bytes), "ä");
        bytes.extend([0xff, b'y']);
        assert_eq!(take_text(&mut bytes), "\u{fffd}y");
    }
}
