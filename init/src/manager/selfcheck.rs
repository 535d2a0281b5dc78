//! What `svc selfcheck` shows: figures about PID 1 itself, each with the bound that it must keep, if it has
//! one. They are counted as it goes along, and cost nothing until somebody asks.

use super::Manager;
use crate::file::text_of;
use core::sync::atomic::Ordering::Relaxed;
use rc::proto::Figure;
use rustix::fs::{Mode, OFlags};
use std::path::Path;
use supervisor::{
    cut, decimal,
    file::{each_name, open, stat},
};

/// Bytes read of `/proc/self/status` and `smaps_rollup`.
const STATUS: usize = 4096;

/// What is remembered for it.
#[derive(Default)]
pub struct Peaks {
    /// Descriptors that are open as long as the loop runs.
    fixed: usize,
    queue: usize,
    deadlines: usize,
    clients: usize,
    full_turns: u64,
}

impl Peaks {
    /// So many events waited for the engine.
    pub const fn queued(&mut self, events: usize) {
        if events > self.queue {
            self.queue = events;
        }
    }
}

impl Manager {
    /// Everything that stays open is open by now.
    pub(super) fn begin_selfcheck(&mut self) {
        self.peaks.fixed = open_descriptors().saturating_sub(self.passing_descriptors());
    }

    /// At the end of a turn; `full` if something was left for the next one.
    pub(super) fn note_turn(&mut self, full: bool) {
        self.peaks.deadlines = self.peaks.deadlines.max(self.engine.backlog().0);
        self.peaks.clients = self.peaks.clients.max(self.control.count());
        self.peaks.full_turns += u64::from(full);
    }

    /// Descriptors that come and go.
    fn passing_descriptors(&self) -> usize {
        let device = usize::from(self.guard.as_ref().is_some_and(super::Guard::is_open));
        let candidate = if self.candidate.is_some() { 2 } else { 0 };
        let ears = self.children.ears.count();
        let databases = self.switch.descriptors();
        self.control.count() + ears + self.conditions.descriptors() + device + candidate + databases
    }

    /// All figures, in the order in which they are shown.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let expected = self.peaks.fixed + self.passing_descriptors();
        let deadlines = 64 + 2 * self.database.len();
        let mut figures = Vec::new();
        let mut tell = |name: &str, value: u64, bound: Option<u64>| {
            figures.push(Figure { name: name.to_owned(), value, bound });
        };
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        tell("descriptors", count(open_descriptors()), Some(count(expected)));
        let memory = resident().unwrap_or(0);
        tell("memory-kib", memory, None);
        // The kernel's own figure lags behind by some pages.
        tell("memory-peak-kib", kib("status", "VmHWM:").unwrap_or(0).max(memory), None);
        tell("clients-peak", count(self.peaks.clients), Some(count(super::control::PLACES)));
        tell("queue-peak", count(self.peaks.queue), None);
        tell("deadlines-peak", count(self.peaks.deadlines), Some(count(deadlines)));
        tell("full-turns", self.peaks.full_turns, None);
        tell("stale-events", self.engine.stale_events(), None);
        tell("lines-dropped", self.report.dropped_ever(), None);
        tell("collector-starts", self.logs.collector().0.into(), None);
        tell("reexecs", self.vault.header.reexecs.load(Relaxed).into(), None);
        tell("crashes", self.vault.header.crashes.load(Relaxed).into(), None);
        tell("defects", self.engine.bugs(), Some(0));
        figures
    }
}

/// Resident memory, counted in the page tables; a kernel without PROC_PAGE_MONITOR knows it but for some pages
/// a processor, proc_pid_status(5).
fn resident() -> Option<u64> {
    kib("smaps_rollup", "Rss:").or_else(|| kib("status", "VmRSS:"))
}

/// A number of KiB that a file in `/proc/self` tells behind `key`.
fn kib(file: &str, key: &str) -> Option<u64> {
    let status = text_of(format_args!("/proc/self/{file}"), STATUS);
    let rest = cut::lines(&status).find_map(|line| line.strip_prefix(key))?;
    decimal::number(rest.split_ascii_whitespace().next()?)
}

/// Descriptors of this process. Since Linux 6.2 their directory's size is their number; before, they are
/// counted, without the one that it takes to do so.
fn open_descriptors() -> usize {
    let path = Path::new("/proc/self/fd");
    let size = stat(path).map_or(0, |about| usize::try_from(about.st_size).unwrap_or(0));
    if size > 0 {
        return size;
    }
    let mut count = 0usize;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    // Without /proc there is nothing to be seen.
    let seen = open(path, flags, Mode::empty()).and_then(|fd| each_name(fd, &mut |_| count += 1));
    seen.map_or(0, |()| count.saturating_sub(1))
}
