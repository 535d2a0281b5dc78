//! The test's end of scripted children: who of them has come, and telling one what to do.

use crate::world::Def;
use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    time::{Duration, Instant},
};

/// The program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_scripted-child");

/// Waiting longer than this means that what is waited for does not come.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A longrun that does what it is told.
pub fn longrun(name: &'static str) -> Def {
    patient(crate::world::longrun(name, &[PROGRAM, "run"]))
}

/// A oneshot that does what it is told.
pub fn oneshot(name: &'static str) -> Def {
    patient(crate::world::oneshot(name, &format!("exec {PROGRAM} up"), None))
}

/// The same with a `down` that is told what to do, too.
pub fn oneshot_with_down(name: &'static str) -> Def {
    let (up, down) = (format!("exec {PROGRAM} up"), format!("exec {PROGRAM} down"));
    patient(crate::world::oneshot(name, &up, Some(&down)))
}

/// However slow the machine is, a test that tells a child what to do is in time.
fn patient(def: Def) -> Def {
    def.policy(|policy| policy.stop.grace = rc::Millis(60_000))
}

/// The `finish` of a longrun as a scripted child.
pub fn finish() -> String {
    format!("exec {PROGRAM} finish \"$@\"")
}

/// Where the children of one jamb come to.
pub struct Children {
    listener: UnixListener,
    waiting: RefCell<Vec<Child>>,
    /// The other ends, so that a child that a test has no more to say to lives on.
    held: RefCell<Vec<UnixStream>>,
}

impl Children {
    /// Listens in the directory that holds the run directory.
    pub fn listen(dir: &Path) -> Self {
        let listener = UnixListener::bind(dir.join("children")).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener, waiting: RefCell::default(), held: RefCell::default() }
    }

    /// The next child of a service in a role, as soon as it has come.
    pub fn next(&self, service: &str, role: &str) -> Child {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(child) = self.has_come(service, role) {
                return child;
            }
            assert!(Instant::now() < end, "no {role} of {service} has come: {:?}", self.names());
            // The listener is waited for by poll(2), so that there is a bound.
            let mut fds =
                [rustix::event::PollFd::new(&self.listener, rustix::event::PollFlags::IN)];
            let second = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
            rustix::event::poll(&mut fds, Some(&second)).unwrap();
        }
    }

    /// The same, if it has come already.
    pub fn has_come(&self, service: &str, role: &str) -> Option<Child> {
        let mut waiting = self.waiting.borrow_mut();
        while let Ok((stream, _)) = self.listener.accept() {
            self.held.borrow_mut().push(stream.try_clone().unwrap());
            waiting.extend(Child::greet(stream));
        }
        let at = waiting.iter().position(|one| one.service == service && one.role == role)?;
        Some(waiting.remove(at))
    }

    fn names(&self) -> Vec<String> {
        let waiting = self.waiting.borrow();
        waiting.iter().map(|one| format!("{} {}", one.role, one.service)).collect()
    }
}

/// A scripted child at the other end.
pub struct Child {
    /// The service whose environment it has.
    pub service: String,
    /// The generation that it was started in.
    pub generation: u32,
    /// What it was started as.
    pub role: String,
    /// Its pid, as it sees it itself.
    pub pid: i64,
    /// Further arguments.
    pub arguments: Vec<String>,
    stream: BufReader<UnixStream>,
    /// Signals that it has caught, by number, and nobody has asked about.
    signals: Vec<String>,
}

impl Child {
    /// `None` if it was killed before it could say who it is.
    fn greet(stream: UnixStream) -> Option<Self> {
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let service = words.next()?;
        let generation = words.next()?.parse().unwrap_or(0);
        let (role, pid) = (words.next()?, words.next()?.parse().ok()?);
        let arguments = words.collect();
        Some(Self { service, generation, role, pid, arguments, stream, signals: Vec::new() })
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{} of {} says nothing: {error}", self.role, self.service),
        }
    }

    /// Gives a command and does not wait for what comes of it.
    pub fn send(&mut self, command: &str) {
        let escaped = command.replace('\n', "\\n");
        let sent = writeln!(self.stream.get_ref(), "{escaped}");
        sent.unwrap_or_else(|error| panic!("cannot tell {} to {command}: {error}", self.service));
    }

    /// Gives a command and waits until it is done; answers the value.
    pub fn tell(&mut self, command: &str) -> String {
        self.send(command);
        let answer = loop {
            match self.line() {
                Some(line) if line.starts_with("signal ") => self.signals.push(line),
                Some(line) => break line,
                None => panic!("{} {} is gone; told to {command}", self.service, self.generation),
            }
        };
        let value = answer.strip_prefix("ok");
        value.unwrap_or_else(|| panic!("{command}: {answer}")).trim().to_owned()
    }

    /// Becomes ready over the descriptor 3.
    pub fn ready(&mut self) {
        self.tell("write 3 \n");
    }

    /// Ends with a code.
    pub fn exit(mut self, code: u8) {
        self.tell(&format!("exit {code}"));
        self.gone();
    }

    /// Dies of a signal.
    pub fn die(mut self, signal: i32) {
        self.tell(&format!("die {signal}"));
        self.gone();
    }

    /// Waits until it has caught a signal.
    pub fn caught(&mut self, signal: i32) {
        let wanted = format!("signal {signal:02}");
        if let Some(at) = self.signals.iter().position(|one| *one == wanted) {
            self.signals.remove(at);
            return;
        }
        let line = self.line();
        assert_eq!(line.as_deref(), Some(wanted.as_str()), "of {}", self.service);
    }

    /// Waits until the process is dead; answers the signals that it told of before.
    pub fn gone(mut self) -> Vec<String> {
        while let Some(line) = self.line() {
            self.signals.push(line);
        }
        self.signals
    }
}
