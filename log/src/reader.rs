//! `svc log`: merges the logs of services by time, shows the last lines, and follows.
//! Input: a log directory and what the user asked for. Memory is bounded by the number of logs and the
//! lines asked for; it never reads a file as a whole and never changes one.

use crate::error::{Error, Unknown};
use crate::files::log_names;
use crate::names::nearest_first;
use crate::since::Since;
use crate::stream::{Partial, Stream};
use rustix::fs::inotify;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::path::Path;
use supervisor::file::c_path;

/// Output is collected up to this many bytes before it is written.
const BUFFER: usize = 8192;
/// Room for inotify events; they are only a wake-up, so a few at a time are enough.
const EVENT_BUFFER: usize = 2048;

/// What to show.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// The services; empty for all, including those that appear later when following.
    pub names: Vec<String>,
    /// Which of these may have nothing yet, so that asking for them is no mistake.
    pub silent: Vec<String>,
    /// Only so many last lines of what is there already; `None` for all of it.
    pub lines: Option<usize>,
    /// Go on with what comes, until the output is closed. Lines are then shown when they are complete.
    pub follow: bool,
    /// Only lines from this time on.
    pub since: Option<Since>,
}

/// Shows the logs below `dir` on `out`, merged by time; lines of one log stay in their order even if
/// the clock was set back. An output that is closed by its reader (EPIPE) ends it without an error.
///
/// # Errors
/// [`Error::Unknown`] for a name without a log, and whatever keeps it from reading or writing.
pub fn log_main(dir: &Path, options: &LogOptions, out: &mut dyn Write) -> Result<(), Error> {
    let mut reader = Reader {
        dir,
        options,
        streams: Vec::new(),
        watch: None,
        sink: Sink { out, buf: Vec::new(), last: options.lines.map(Last::new), open: false },
    };
    match reader.run() {
        Err(Error::Write(reason)) if Errno::from_io_error(&reason) == Some(Errno::PIPE) => Ok(()),
        other => other,
    }
}

struct Reader<'a> {
    dir: &'a Path,
    options: &'a LogOptions,
    streams: Vec<Stream>,
    watch: Option<rustix::fd::OwnedFd>,
    sink: Sink<'a>,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<(), Error> {
        // Watching comes before reading, so that no line falls between the two.
        if self.options.follow {
            let flags = inotify::CreateFlags::CLOEXEC;
            self.watch = Some(inotify::init(flags).map_err(|error| Error::Watch(error.into()))?);
            self.watch(self.dir)?;
        }
        self.find_logs()?;
        let partial = if self.options.follow { Partial::Keep } else { Partial::Show };
        self.merge(partial)?;
        self.sink.show_last()?;
        self.sink.flush()?;
        let Some(watch) = self.watch.take() else { return Ok(()) };
        let mut room = [MaybeUninit::uninit(); EVENT_BUFFER];
        let mut events = inotify::Reader::new(&watch, &mut room);
        self.watch = Some(watch.try_clone().map_err(Error::Watch)?);
        loop {
            // Which file changed does not matter, so an overflow of the queue does not either.
            match events.next().map(drop) {
                Ok(()) | Err(Errno::INTR) => {}
                Err(error) => return Err(Error::Watch(error.into())),
            }
            if !events.is_buffer_empty() {
                continue;
            }
            let names = &self.options.names;
            if names.is_empty() || self.streams.len() < names.len() {
                self.find_logs()?;
            }
            self.streams.iter_mut().for_each(Stream::wake);
            self.merge(Partial::Keep)?;
            self.sink.flush()?;
        }
    }

    /// Adds a stream for each log that was asked for and has none yet.
    fn find_logs(&mut self) -> Result<(), Error> {
        let mut known = log_names(self.dir)
            .map_err(|error| Error::Read(Box::new((self.dir.into(), error.into()))))?;
        let named = &self.options.names;
        let wanted = if named.is_empty() { known.clone() } else { named.clone() };
        for name in wanted {
            if !known.contains(&name) {
                if self.options.silent.contains(&name) {
                    continue;
                }
                nearest_first(&name, &mut known);
                return Err(Error::Unknown(Box::new(Unknown { name, known })));
            }
            if !self.streams.iter().any(|stream| stream.name == name) {
                let stream = Stream::new(self.dir, &name);
                self.watch(stream.dir())?;
                self.streams.push(stream);
            }
        }
        Ok(())
    }

    fn watch(&self, path: &Path) -> Result<(), Error> {
        use inotify::WatchFlags as F;
        let Some(watch) = &self.watch else { return Ok(()) };
        let flags = F::MODIFY | F::CREATE | F::MOVED_TO | F::ONLYDIR;
        let added = c_path(path).and_then(|path| inotify::add_watch(watch, &*path, flags));
        match added {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Watch(error.into())),
        }
    }

    /// Shows all there is now, always the oldest of the streams' next lines first.
    fn merge(&mut self, partial: Partial) -> Result<(), Error> {
        loop {
            let mut oldest: Option<usize> = None;
            for index in 0..self.streams.len() {
                let stream = &mut self.streams[index];
                let loaded = stream.load(partial).map_err(|error| {
                    Error::Read(Box::new((stream.dir().to_owned(), error.into())))
                })?;
                let older = |than: usize| self.streams[index].stamp() < self.streams[than].stamp();
                if loaded && oldest.is_none_or(older) {
                    oldest = Some(index);
                }
            }
            let Some(oldest) = oldest else { return Ok(()) };
            let stream = &mut self.streams[oldest];
            if self.options.since.is_none_or(|since| since.includes(stream.stamp())) {
                self.sink.line(stream.line())?;
            }
            stream.advance();
        }
    }
}

/// The last lines, while there may be later ones.
struct Last {
    limit: usize,
    lines: VecDeque<Vec<u8>>,
}

impl Last {
    fn new(limit: usize) -> Last {
        Last { limit, lines: VecDeque::new() }
    }

    fn push(&mut self, line: &[u8]) {
        let mut kept = match self.lines.len() {
            len if len < self.limit => Vec::new(),
            _ => match self.lines.pop_front() {
                Some(oldest) => oldest,
                None => return,
            },
        };
        kept.clear();
        kept.extend_from_slice(line);
        self.lines.push_back(kept);
    }
}

/// The output.
struct Sink<'a> {
    out: &'a mut dyn Write,
    buf: Vec<u8>,
    last: Option<Last>,
    /// Whether the line shown last has no newline.
    open: bool,
}

impl Sink<'_> {
    fn line(&mut self, line: &[u8]) -> Result<(), Error> {
        match &mut self.last {
            Some(last) => {
                last.push(line);
                Ok(())
            }
            None => self.show(line),
        }
    }

    fn show(&mut self, line: &[u8]) -> Result<(), Error> {
        if self.open {
            self.buf.push(b'\n');
        }
        self.open = line.last() != Some(&b'\n');
        self.buf.extend_from_slice(line);
        if self.buf.len() >= BUFFER { self.write() } else { Ok(()) }
    }

    /// Shows the last lines; from now on each line is shown at once.
    fn show_last(&mut self) -> Result<(), Error> {
        for line in self.last.take().map(|last| last.lines).unwrap_or_default() {
            self.show(&line)?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Error> {
        let written = self.out.write_all(&self.buf);
        self.buf.clear();
        written.map_err(Error::Write)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.write()?;
        self.out.flush().map_err(|reason: io::Error| Error::Write(reason))
    }
}
