//! `svc events --json` from the first event on, with a type. Each service is read on its own: what
//! happens to one service has an order that a test knows, what happens to two often has none.

use crate::{child::LIMIT, world::World};
use serde::Deserialize;
use std::{
    cell::RefCell,
    collections::HashMap,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Instant,
};

/// Something that happened.
#[derive(Deserialize, Clone, Debug)]
pub struct Event {
    /// Counts from 1.
    #[serde(default)]
    pub number: u64,
    /// Milliseconds since jamb was started.
    #[serde(default)]
    pub at_ms: u64,
    /// Empty if it happened to none.
    #[serde(default)]
    pub service: String,
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum What {
    State {
        from: String,
        to: String,
    },
    Exited {
        role: String,
        generation: u32,
        exit: Exit,
        timed_out: bool,
    },
    Spawned {
        role: String,
        pid: i64,
    },
    Settled {
        ready: bool,
    },
    Outputs {
        keys: Vec<String>,
    },
    Shutdown {
        how: String,
    },
    /// A defect of jamb, or of the test's reading: either way the test is lost.
    Bug,
    Lost {
        count: u64,
    },
    #[serde(other)]
    Other,
}

/// How a process ended.
#[derive(Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(default)]
pub struct Exit {
    pub code: Option<u8>,
    pub signal: Option<u8>,
    pub step: Option<String>,
    pub errno: Option<u32>,
    pub text: String,
}

/// The follower.
pub struct Events {
    svc: Child,
    lines: Receiver<String>,
    read: RefCell<Read>,
}

#[derive(Default)]
struct Read {
    seen: Vec<Event>,
    /// By service: how many of `seen` a test has gone past.
    past: HashMap<String, usize>,
}

impl Events {
    /// Follows from the first event on.
    pub fn follow(world: &World) -> Self {
        let mut command = world.command(&["events", "--json", "--all"]);
        command.stderr(Stdio::null());
        let mut svc = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(svc.stdout.take().unwrap()).lines();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            while let Some(Ok(line)) = output.next() {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { svc, lines, read: RefCell::default() }
    }

    /// Waits for the next line; false at the end.
    fn more(&self, end: Instant) -> bool {
        let left = end.saturating_duration_since(Instant::now());
        let line = match self.lines.recv_timeout(left) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => panic!("nothing more happens:\n{}", self.story()),
        };
        let event: Event = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert!(!matches!(event.what, What::Bug | What::Lost { .. }), "{}{line}", self.story());
        self.read.borrow_mut().seen.push(event);
        true
    }

    /// The next event of a service that `is_it`, after the last one that was asked for.
    pub fn next(&self, service: &str, wanted: &str, is_it: impl Fn(&What) -> bool) -> Event {
        let end = Instant::now() + LIMIT;
        loop {
            let past = self.read.borrow().past.get(service).copied().unwrap_or(0);
            let found = {
                let seen = &self.read.borrow().seen;
                let mut later = seen.iter().enumerate().skip(past);
                later
                    .find(|(_, event)| event.service == service && is_it(&event.what))
                    .map(|(at, event)| (at, event.clone()))
            };
            if let Some((at, event)) = found {
                self.read.borrow_mut().past.insert(service.to_owned(), at + 1);
                return event;
            }
            let goes_on = self.more(end);
            assert!(goes_on, "it ended before {service} was {wanted}:\n{}", self.story());
        }
    }

    /// Waits until a service enters a state; answers the event's number.
    pub fn state(&self, service: &str, state: &str) -> u64 {
        let enters = |what: &What| matches!(what, What::State { to, .. } if to == state);
        self.next(service, state, enters).number
    }

    /// Waits until a process of a service has ended; answers how, and whether it took too long.
    pub fn exited(&self, service: &str, role: &str) -> (Exit, bool) {
        let event = self.next(
            service,
            "exited",
            |what| matches!(what, What::Exited { role: r, .. } if r == role),
        );
        match event.what {
            What::Exited { exit, timed_out, .. } => (exit, timed_out),
            _ => unreachable!("it was looked for"),
        }
    }

    /// Reads what is left to the end of jamb; answers everything that ever happened.
    pub fn to_the_end(&self) -> Vec<Event> {
        let end = Instant::now() + LIMIT;
        while self.more(end) {}
        self.read.borrow().seen.clone()
    }

    /// What was read so far of a service, as `STATE` and `role:exit` words: what a test compares.
    pub fn story_of(&self, service: &str) -> String {
        let read = self.read.borrow();
        let own = read.seen.iter().filter(|event| event.service == service);
        let words: Vec<String> = own
            .filter_map(|event| match &event.what {
                What::State { to, .. } => Some(to.clone()),
                What::Exited { role, exit, .. } => Some(format!("{role}:{}", exit.text)),
                _ => None,
            })
            .collect();
        words.join(" ")
    }

    /// Everything so far, for a test that failed.
    fn story(&self) -> String {
        let read = self.read.borrow();
        let lines = read.seen.iter().map(|event| {
            format!("{:4} {:6} {:12} {:?}\n", event.number, event.at_ms, event.service, event.what)
        });
        lines.collect()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // Both fail only if it has ended, which is what is wanted.
        self.svc.kill().ok();
        self.svc.wait().ok();
    }
}
