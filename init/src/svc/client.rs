//! The client's end of the control socket: one request, one reply, and a bound on waiting.

use rc::proto::{self, Reply, Request};
use rustix::io::Errno;
use std::{
    fmt,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::{Duration, Instant},
};

/// How long PID 1 may take for an answer that does not wait for services. It answers within a turn;
/// longer means that it hangs, and whoever asks wants to know that.
const ANSWER: Duration = Duration::from_secs(10);

/// How often a question is asked. jamb hangs up on who asks when another program takes its place, or when a
/// crowd does, whose members take turns.
const TRIES: usize = 5;

/// Why there is no reply.
#[derive(Debug)]
pub enum Error {
    /// Nobody listens.
    Connect(io::Error),
    /// The connection broke.
    Broken(io::Error),
    /// The answer did not come in time.
    TimedOut,
    /// Not understood.
    Frame(proto::FrameError),
}

impl Error {
    /// Whether jamb hung up, as it does when another program takes its place.
    pub fn is_end(&self) -> bool {
        let Self::Broken(error) = self else { return false };
        matches!(Errno::from_io_error(error), Some(Errno::CONNRESET | Errno::PIPE))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => {
                let path = socket();
                write!(f, "cannot reach jamb at {}: {error}; is it running?", path.display())
            }
            Self::Broken(_) if self.is_end() => f.write_str(
                "jamb hung up before it answered: it ended or was executed anew; ask again, as it may \
                 not have done it",
            ),
            Self::Broken(error) => write!(f, "the connection to jamb broke: {error}"),
            Self::TimedOut => f.write_str("jamb did not answer in time"),
            Self::Frame(error) => write!(f, "cannot understand jamb: {error}"),
        }
    }
}

/// A connection.
pub struct Connection {
    stream: UnixStream,
}

/// The run directory of the jamb that is spoken to.
pub fn run_dir() -> PathBuf {
    crate::inherit::variable(c"JAMB_RUN_DIR")
        .map_or_else(|| PathBuf::from("/run/jamb"), PathBuf::from)
}

fn socket() -> PathBuf {
    run_dir().join("control")
}

impl Connection {
    /// Connects to the control socket.
    pub fn open() -> Result<Self, Error> {
        let stream = UnixStream::connect(socket()).map_err(Error::Connect)?;
        Ok(Self { stream })
    }

    /// Sends a request and reads its reply.
    pub fn ask(&mut self, request: Request) -> Result<Reply, Error> {
        self.ask_within(request, Some(ANSWER))
    }

    /// The same with another bound; `None` is as long as it takes.
    pub fn ask_within(
        &mut self,
        mut request: Request,
        within: Option<Duration>,
    ) -> Result<Reply, Error> {
        let until = within.map(|within| Instant::now() + within);
        for _ in 1..TRIES {
            match self.ask_once(&mut request, until) {
                Err(error) if error.is_end() && request.may_be_repeated() => *self = Self::open()?,
                reply => return reply,
            }
        }
        self.ask_once(&mut request, until)
    }

    fn ask_once(&mut self, request: &mut Request, until: Option<Instant>) -> Result<Reply, Error> {
        let frame = proto::encode(request).map_err(Error::Frame)?;
        // A request that cannot be written has been refused; the reply says why.
        let sent = self.stream.write_all(&frame);
        match (self.next(until), sent) {
            (Err(Error::Broken(_)), Err(error)) => Err(Error::Broken(error)),
            (reply, _) => reply,
        }
    }

    /// The next reply.
    pub fn next(&mut self, until: Option<Instant>) -> Result<Reply, Error> {
        let mut word = [0; 4];
        self.fill(&mut word, until)?;
        let length = proto::frame_length(&word).map_err(Error::Frame)?.unwrap_or(0);
        let mut frame = vec![0; length];
        self.fill(&mut frame, until)?;
        proto::decode(&frame).map_err(Error::Frame)
    }

    fn fill(&mut self, mut buffer: &mut [u8], until: Option<Instant>) -> Result<(), Error> {
        while !buffer.is_empty() {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Error::TimedOut);
            }
            self.stream.set_read_timeout(left).map_err(Error::Broken)?;
            match self.stream.read(buffer) {
                Ok(0) => return Err(Error::Broken(Errno::CONNRESET.into())),
                Ok(length) => buffer = &mut buffer[length..],
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::INTR) => {}
                    Some(Errno::AGAIN) => return Err(Error::TimedOut),
                    _ => return Err(Error::Broken(error)),
                },
            }
        }
        Ok(())
    }
}
