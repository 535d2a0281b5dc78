//! What jamb says itself: one line to its own log and one to the console. Neither may ever block it,
//! so what is not taken at once is dropped and counted.

use core::fmt::Arguments;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::write,
};

/// The two places.
pub struct Report {
    log: Option<OwnedFd>,
    console: Option<OwnedFd>,
    dropped: u32,
    dropped_before: u64,
    /// Whether every change of state is told, not only what somebody may have to act upon.
    pub verbose: bool,
}

impl Report {
    /// Speaks to `console`, which must not block; the log comes later.
    pub fn new(console: Option<OwnedFd>, verbose: bool) -> Self {
        Self { log: None, console, dropped: 0, dropped_before: 0, verbose }
    }

    /// From now on to the log too. `log` must not block.
    pub fn set_log(&mut self, log: OwnedFd) {
        self.log = Some(log);
    }

    /// The console, for others that write to it.
    pub fn console(&self) -> Option<BorrowedFd<'_>> {
        self.console.as_ref().map(AsFd::as_fd)
    }

    /// How many lines were not taken by the console or the log.
    pub fn dropped_ever(&self) -> u64 {
        self.dropped_before + u64::from(self.dropped)
    }

    /// Says `text` about `subject`, a service or a part of jamb.
    pub fn say(&mut self, subject: &str, text: &str) {
        self.tell(subject, format_args!("{text}"));
    }

    /// The same of what is not a text yet.
    pub fn tell(&mut self, subject: &str, text: Arguments<'_>) {
        let line = format!("jamb: {subject}: {text}\n");
        if let Some(console) = &self.console
            && write(console, line.as_bytes()).is_err()
        {
            // A console that takes nothing is not worth a second thought.
            self.dropped = self.dropped.saturating_add(1);
        }
        let Some(log) = &self.log else { return };
        if self.dropped > 0 {
            let missing = format!("jamb: log: {} lines of jamb's own were dropped\n", self.dropped);
            if write(log, missing.as_bytes()).is_ok() {
                self.dropped_before += u64::from(self.dropped);
                self.dropped = 0;
            }
        }
        // Below PIPE_BUF a write to a pipe is whole or not at all, pipe(7).
        if write(log, line.as_bytes()).is_err() {
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}
