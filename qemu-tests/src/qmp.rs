//! QEMU's machine protocol: commands to the machine, and the events by which a test learns how it ended.
//! QEMU's docs/interop/qmp-spec.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// QEMU answers at once; this is for a host that is very busy.
const ANSWER: Duration = Duration::from_secs(30);

/// The connection.
pub struct Qmp {
    writer: UnixStream,
    messages: Receiver<Value>,
    /// Events that came while something else was waited for.
    events: VecDeque<Value>,
}

impl Qmp {
    /// Greets.
    ///
    /// # Errors
    /// There is no QEMU at the other end.
    pub fn new(stream: UnixStream) -> Result<Self> {
        let writer = stream.try_clone().context("cannot use a connection twice")?;
        let (sender, messages) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { return };
                let Ok(message) = serde_json::from_str(&line) else { continue };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut qmp = Self { writer, messages, events: VecDeque::new() };
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Executes a command and answers what it returns.
    ///
    /// # Errors
    /// QEMU refuses it or has ended.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.writer, "{request}").with_context(|| format!("cannot send {command}"))?;
        let deadline = Instant::now() + ANSWER;
        loop {
            let mut message =
                self.next(deadline).with_context(|| format!("no answer to {command}"))?;
            if let Some(value) = message.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = message.get("error") {
                bail!("QEMU refuses {command}: {error}");
            }
            if message.get("event").is_some() {
                self.events.push_back(message);
            }
        }
    }

    /// Waits for the next event of that name; answers its data. Other events stay for later.
    ///
    /// # Errors
    /// It did not come within `limit`, or QEMU has ended.
    pub fn wait_event(&mut self, name: &str, limit: Duration) -> Result<Value> {
        let is_it = |message: &Value| message.get("event").and_then(Value::as_str) == Some(name);
        if let Some(at) = self.events.iter().position(is_it) {
            return Ok(self.events.remove(at).map(data_of).unwrap_or_default());
        }
        let deadline = Instant::now() + limit;
        loop {
            let message = self.next(deadline).with_context(|| {
                format!("the event {name} did not come; others: {:?}", self.names())
            })?;
            if is_it(&message) {
                return Ok(data_of(message));
            }
            self.events.push_back(message);
        }
    }

    /// Waits for the end of QEMU.
    ///
    /// # Errors
    /// It did not end within `limit`.
    pub fn wait_end(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(message) => self.events.push_back(message),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    bail!(
                        "QEMU did not end within {} s; events: {:?}",
                        limit.as_secs(),
                        self.names()
                    )
                }
            }
        }
    }

    fn next(&mut self, deadline: Instant) -> Result<Value> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.messages.recv_timeout(left) {
            Ok(message) => Ok(message),
            Err(RecvTimeoutError::Timeout) => bail!("in time"),
            Err(RecvTimeoutError::Disconnected) => bail!("QEMU has ended"),
        }
    }

    fn names(&self) -> Vec<&str> {
        self.events.iter().filter_map(|event| event.get("event")?.as_str()).collect()
    }
}

fn data_of(mut event: Value) -> Value {
    event.get_mut("data").map(Value::take).unwrap_or_default()
}
