//! One connection of a client: bytes in, frames out, and what it waits for. Never blocks, and holds at
//! most one frame each way.

use core::mem;
use mio::net::UnixStream;
use rc::{
    model::ServiceId,
    proto::{self, FrameError, Goal, MAX_FRAME, Reply, Request},
};
use rustix::io::Errno;
use std::io::Write;

/// Bytes read at once.
const CHUNK: usize = 4096;

/// What the connection is in the middle of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The next request.
    Idle,
    /// An answer that comes when a service is where it was to be.
    Waiting {
        /// The service.
        service: ServiceId,
        /// Where.
        goal: Goal,
        /// Only a later incarnation counts.
        after: u32,
    },
    /// Events, from this number on.
    Following(u64),
    /// An answer if there is no other version after all. If there is one, the connection ends.
    Upgrading,
}

/// What came of a turn.
#[derive(PartialEq, Eq, Debug)]
pub enum Turn {
    /// Nothing to do until the socket is ready again.
    Blocked,
    /// A request to be answered.
    Request(Request),
    /// The client is gone, or must go.
    Gone,
}

/// The connection.
pub struct Client {
    stream: UnixStream,
    /// Who connected, as the kernel says (SO_PEERCRED, unix(7)).
    pub uid: u32,
    /// Its process, as its kernel knew it when it connected.
    pub pid: i32,
    /// See there.
    pub mode: Mode,
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    /// The socket may have more than was read. The poll is edge-triggered: it will not say so again.
    pub readable: bool,
    /// The connection ends when the output is written.
    closing: bool,
}

impl Client {
    /// A client that has said nothing yet.
    pub fn new(stream: UnixStream, uid: u32, pid: i32) -> Self {
        Self {
            stream,
            uid,
            pid,
            mode: Mode::Idle,
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            readable: true,
            closing: false,
        }
    }

    /// For the poll.
    pub fn stream(&mut self) -> &mut UnixStream {
        &mut self.stream
    }

    /// Whether an answer can be put into its output.
    pub fn is_free(&self) -> bool {
        self.output.is_empty()
    }

    /// Queues an answer; it is written in the next turn.
    pub fn answer(&mut self, mut reply: Reply) {
        match proto::encode(&mut reply) {
            Ok(frame) => self.output.extend_from_slice(&frame),
            // An answer that is too long is a defect of the paging; the client sees the end.
            Err(_) => self.closing = true,
        }
    }

    /// Queues a last answer.
    pub fn dismiss(&mut self, reply: Reply) {
        self.answer(reply);
        self.closing = true;
    }

    /// Writes what is to be written, and reads a request if one may come.
    pub fn turn(&mut self) -> Turn {
        if !self.flush() {
            return Turn::Gone;
        }
        if !self.output.is_empty() {
            return Turn::Blocked;
        }
        if self.closing {
            return Turn::Gone;
        }
        loop {
            if self.mode == Mode::Idle {
                match self.take_request() {
                    Ok(Some(request)) => return Turn::Request(request),
                    Ok(None) => {}
                    Err(error) => {
                        self.dismiss(Reply::Refused(format!("{error}; the connection ends")));
                        self.flush();
                        return Turn::Gone;
                    }
                }
            }
            if !self.readable || self.input.len() > MAX_FRAME + CHUNK {
                return Turn::Blocked;
            }
            let mut chunk = [0; CHUNK];
            match rustix::io::read(&self.stream, &mut chunk) {
                Ok(0) => return Turn::Gone,
                Ok(length) => self.input.extend_from_slice(&chunk[..length]),
                Err(Errno::AGAIN) => self.readable = false,
                Err(Errno::INTR) => {}
                Err(_) => return Turn::Gone,
            }
        }
    }

    fn take_request(&mut self) -> Result<Option<Request>, FrameError> {
        let Some(length) = proto::frame_length(&self.input)? else { return Ok(None) };
        let Some(frame) = self.input.get(4..4 + length) else { return Ok(None) };
        let request: Request = proto::decode(frame)?;
        self.input.drain(..4 + length);
        if self.input.is_empty() {
            // A client that sent one long request must not hold the memory for as long as it stays.
            self.input = Vec::new();
        }
        if proto::is_sensible(&request) { Ok(Some(request)) } else { Err(FrameError::Malformed) }
    }

    /// False if the client is gone.
    fn flush(&mut self) -> bool {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(0) => return false,
                Ok(length) => self.written += length,
                Err(error) if Errno::from_io_error(&error) == Some(Errno::AGAIN) => return true,
                Err(error) if Errno::from_io_error(&error) == Some(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        self.written = 0;
        drop(mem::take(&mut self.output));
        true
    }
}
