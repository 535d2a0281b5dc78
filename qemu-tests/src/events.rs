//! `svc events --json` of a running machine, followed over ssh: what happened there, in its order.

use crate::ssh::{NO_CONNECTION, Ssh};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// One event, as JSON.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event(pub Value);

/// The stream. Ends with this value.
pub struct Events {
    child: Child,
    lines: Receiver<String>,
    /// All events so far.
    seen: Vec<Event>,
}

impl Event {
    /// The text of a field; empty if it has none.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether a service came to this state.
    #[must_use]
    pub fn is_state(&self, service: &str, to: &str) -> bool {
        self.is(service, "state") && self.text("to") == to
    }

    /// Whether this happened to a service: `spawned`, `exited`, `outputs`, `state`.
    #[must_use]
    pub fn is(&self, service: &str, event: &str) -> bool {
        self.text("service") == service && self.text("event") == event
    }
}

impl Events {
    /// Follows from now on. That it does shows in events, so `neutral`, a service that nothing depends
    /// on, is restarted until they come.
    ///
    /// # Errors
    /// There is no connection, or no event comes within `limit`.
    pub fn follow(ssh: &Ssh, neutral: &str, limit: Duration) -> Result<Self> {
        let mut events = Self::start(ssh)?;
        let deadline = Instant::now() + limit;
        loop {
            ssh.must(&format!("svc restart {neutral}"))?;
            let is_up = |event: &Event| event.is_state(neutral, "ready");
            match events.until(&format!("{neutral} is ready"), Duration::from_secs(1), is_up) {
                Ok(_) => return Ok(events),
                Err(error) if Instant::now() >= deadline => return Err(error),
                // Of sessions that begin beside others in one connection, a hundredth ends at once and says
                // nothing, whatever was to run in it.
                Err(_) if events.has_no_session() => events = Self::start(ssh)?,
                Err(_) => {}
            }
        }
    }

    fn has_no_session(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(status)) if status.code() == Some(NO_CONNECTION))
    }

    fn start(ssh: &Ssh) -> Result<Self> {
        let mut command = ssh.command();
        command.arg("svc events --json").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child =
            command.spawn().context("cannot run ssh: scripts/setup qemu installs it")?;
        let output = child.stdout.take().context("no pipe from ssh")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut read = BufReader::<ChildStdout>::new(output).lines();
            while let Some(Ok(line)) = read.next() {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines, seen: Vec::new() })
    }

    /// Waits for an event; answers all that came since the last wait, this one included.
    ///
    /// # Errors
    /// It did not come within `limit`, or the stream ended; what came instead is in the message.
    pub fn until(
        &mut self,
        what: &str,
        limit: Duration,
        is_it: impl Fn(&Event) -> bool,
    ) -> Result<Vec<Event>> {
        let deadline = Instant::now() + limit;
        let start = self.seen.len();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let why = match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let value = serde_json::from_str(&line)
                        .with_context(|| format!("svc events printed {line}"))?;
                    let event = Event(value);
                    let found = is_it(&event);
                    self.seen.push(event);
                    if found {
                        return Ok(self.seen[start..].to_vec());
                    }
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => format!("not within {} s", limit.as_secs()),
                Err(RecvTimeoutError::Disconnected) => "the stream ended".to_owned(),
            };
            let came: Vec<String> =
                self.seen[start..].iter().map(|event| event.0.to_string()).collect();
            bail!("waited for {what}: {why}; events: {}", came.join("\n"));
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // Both fail only if it has ended, which is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
