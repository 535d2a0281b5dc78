//! Exit codes of all applets, and the one way to write to people: best effort, never a panic.

use rustix::fd::BorrowedFd;
use std::{
    fmt::{Arguments, format},
    io::{self, Write},
};
use supervisor::cut;

/// It worked.
pub const OK: i32 = 0;
/// It did not work.
pub const FAILED: i32 = 1;
/// It did not work in time.
pub const TIMED_OUT: i32 = 2;
/// There is no such service.
pub const UNKNOWN: i32 = 3;
/// The command line is wrong.
pub const USAGE: i32 = 100;
/// The system refused something, or jamb cannot be reached.
pub const SYSTEM: i32 = 111;

/// Why an applet does not do what it was asked to: an exit code, and a text for people. It is one pointer, for the
/// same reason as a [`supervisor::problem::Problem`].
pub struct Failure(Box<(i32, String)>);

impl Failure {
    /// With one of the codes above.
    #[cold]
    #[inline(never)]
    pub fn new(code: i32, text: Arguments<'_>) -> Self {
        Self(Box::new((code, format(text))))
    }

    /// What the process that failed for it ends with.
    pub const fn code(&self) -> i32 {
        self.0.0
    }

    /// Says it, and answers the exit code.
    pub fn report(&self, who: &str) -> i32 {
        complain(who, format_args!("{}", self.0.1));
        self.code()
    }
}

/// Writes to the standard output. If nobody reads it, nobody misses it.
pub fn say(text: &str) {
    can_say(text);
}

/// The same of what is not a text yet.
pub fn tell(text: Arguments<'_>) {
    say(&format(text));
}

/// The same, answering whether somebody took it.
pub fn can_say(text: &str) -> bool {
    Stream::out().write_all(text.as_bytes()).is_ok()
}

/// A standard stream without a buffer of its own; std's have locks and line buffers that nobody needs
/// here.
pub struct Stream(BorrowedFd<'static>);

impl Stream {
    /// The standard output.
    pub fn out() -> Self {
        Self(rustix::stdio::stdout())
    }

    /// The standard error.
    pub fn err() -> Self {
        Self(rustix::stdio::stderr())
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self.0, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes one line to the standard error, prefixed with who speaks.
pub fn complain(who: &str, text: Arguments<'_>) {
    let line = format!("{who}: {text}\n");
    Stream::err().write_all(line.as_bytes()).ok();
}

/// What a number of errno(3) means, in words and as the number that manuals are searched for.
pub fn reason(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    // std says "WORDS (os error N)".
    match cut::last(&text, b'(') {
        Some((words, _)) => format!("{words}(errno {errno})"),
        None => text,
    }
}
