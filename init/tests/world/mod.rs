//! A `jamb supervise` of the real binary with real processes, for tests: makes the database, starts
//! it, asks it over `svc`, and ends it. Nothing sleeps; whoever waits does so with `svc wait` or by
//! reading a pipe to its end.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use rc::{
    Backoff, Millis, StopPolicy,
    model::{
        Back, Command as Argv, Condition, Edge, Exec, Fact, Failover, File, Kind, Longrun,
        OnChange, OnFailure, Oneshot, OutputDecl, Policy, Read, Ready, ReadyWhen, Relation,
        Restart, Service, ServiceId, System,
    },
    outputs::OutputType,
    text::{Piece, Text},
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// The binary under test.
pub const JAMB: &str = env!("CARGO_BIN_EXE_jamb");

/// Waits longer than this mean that it hangs.
pub const LIMIT: &str = "60";

/// A service as tests write it: names instead of numbers.
#[derive(Clone)]
pub struct Def {
    pub name: &'static str,
    pub service: Service,
    edges: Vec<(&'static str, Relation, OnChange)>,
    reads: Vec<(&'static str, &'static str)>,
    conflicts: Vec<&'static str>,
    on_failure: Option<&'static str>,
}

fn def(name: &'static str, kind: Kind) -> Def {
    let service = Service::new(kind);
    let (edges, reads, conflicts) = (Vec::new(), Vec::new(), Vec::new());
    Def { name, service, edges, reads, conflicts, on_failure: None }
}

/// `%N` in an argument is the Nth output that the service reads.
fn text(word: &str) -> Text {
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some(at) = rest.find('%') {
        let digit = rest.as_bytes().get(at + 1).filter(|b| b.is_ascii_digit());
        let Some(digit) = digit else { break };
        pieces.push(Piece::Literal(rest[..at].to_owned()));
        pieces.push(Piece::Value { read: u16::from(digit - b'0'), index: None, default: None });
        rest = &rest[at + 2..];
    }
    pieces.push(Piece::Literal(rest.to_owned()));
    pieces
}

pub fn argv(words: &[&str]) -> Argv {
    Argv { argv: words.iter().map(|word| text(word)).collect() }
}

pub fn policy() -> Policy {
    Policy {
        backoff: Backoff { min: Millis(20), max: Millis(200) },
        stop: StopPolicy { grace: Millis(3000), ..StopPolicy::default() },
        ..Policy::default()
    }
}

/// A longrun; ready at exec unless told otherwise.
pub fn longrun(name: &'static str, words: &[&str]) -> Def {
    def(name, Kind::Longrun(Longrun { policy: policy(), ..Longrun::new(argv(words)) }))
}

/// A longrun that is a shell script.
pub fn script(name: &'static str, code: &str) -> Def {
    longrun(name, &["/bin/sh", "-c", code])
}

/// A oneshot of two shell scripts.
pub fn oneshot(name: &'static str, up: &str, down: Option<&str>) -> Def {
    let shell = |code: &str| argv(&["/bin/sh", "-c", code]);
    let policy = Policy { restart: Restart::OnFailure, ..policy() };
    def(name, Kind::Oneshot(Oneshot { up: Some(shell(up)), down: down.map(shell), policy }))
}

/// A failover between these, the preferred first, that has their output `key`.
pub fn failover(
    name: &'static str,
    back: Back,
    alternatives: &[&'static str],
    key: &'static str,
    kind: &str,
) -> Def {
    let mut one = def(name, Kind::Failover(Failover { back, patience: Millis(600_000) }));
    one.edges =
        alternatives.iter().map(|to| (*to, Relation::Alternative, OnChange::Follow)).collect();
    one.reads = alternatives.iter().map(|to| (*to, key)).collect();
    one = one.output(key, kind);
    one.service.outputs[0].from =
        (0..alternatives.len()).map(|n| u16::try_from(n).unwrap()).collect();
    one
}

/// A file with these contents.
pub fn file(name: &'static str, path: &Path, content: &str) -> Def {
    let path = path.to_str().unwrap().to_owned();
    def(name, Kind::File(File { path, text: text(content), mode: 0o644 }))
}

/// A bundle that is ready with so many of its members.
pub fn some_of(name: &'static str, need: u16, members: &[&'static str]) -> Def {
    let mut one = bundle(name, members);
    one.service.kind = Kind::Bundle(ReadyWhen::AtLeast(need));
    one
}

/// A bundle.
pub fn bundle(name: &'static str, members: &[&'static str]) -> Def {
    let mut one = def(name, Kind::Bundle(ReadyWhen::All));
    one.edges = members.iter().map(|to| (*to, Relation::Member, OnChange::Restart)).collect();
    one
}

impl Def {
    pub fn needs(mut self, to: &'static str) -> Self {
        self.edges.push((to, Relation::Needs, OnChange::Restart));
        self
    }

    pub fn edge(mut self, to: &'static str, relation: Relation, on_change: OnChange) -> Self {
        self.edges.push((to, relation, on_change));
        self
    }

    /// Declares an output that it publishes itself.
    pub fn output(mut self, key: &str, kind: &str) -> Self {
        let kind = OutputType::from_name(kind).unwrap();
        self.service.outputs.push(OutputDecl {
            key: key.to_owned(),
            kind,
            value: None,
            from: Vec::new(),
        });
        self
    }

    /// Refers to an output; implies `needs`.
    pub fn reads(mut self, service: &'static str, key: &'static str) -> Self {
        self.reads.push((service, key));
        if self.edges.iter().any(|(to, ..)| *to == service) { self } else { self.needs(service) }
    }

    /// It refers to no outputs after all.
    pub fn without_reads(mut self) -> Self {
        self.reads.clear();
        self
    }

    pub fn ready(mut self, ready: Ready) -> Self {
        if let Kind::Longrun(longrun) = &mut self.service.kind {
            longrun.ready = ready;
        }
        self
    }

    pub fn finish(mut self, code: &str) -> Self {
        if let Kind::Longrun(longrun) = &mut self.service.kind {
            longrun.finish = Some(argv(&["/bin/sh", "-c", code, "finish"]));
        }
        self
    }

    pub fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        match &mut self.service.kind {
            Kind::Longrun(longrun) => change(&mut longrun.policy),
            Kind::Oneshot(oneshot) => change(&mut oneshot.policy),
            _ => {}
        }
        self
    }

    /// Changes what the other methods have no words for.
    pub fn with(mut self, change: impl FnOnce(&mut Service)) -> Self {
        change(&mut self.service);
        self
    }

    /// The same of a longrun.
    pub fn of_longrun(mut self, change: impl FnOnce(&mut Longrun)) -> Self {
        if let Kind::Longrun(longrun) = &mut self.service.kind {
            change(longrun);
        }
        self
    }

    /// It is never up beside that one, which has to say the same.
    pub fn conflicts(mut self, with: &'static str) -> Self {
        self.conflicts.push(with);
        self
    }

    /// That one is started once this one has failed for good.
    pub fn on_failure(mut self, start: &'static str) -> Self {
        self.on_failure = Some(start);
        self
    }

    /// It is up only while this holds.
    pub fn when(mut self, fact: Fact, negated: bool) -> Self {
        self.service.conditions.push(Condition { fact, negated });
        self
    }

    pub fn exec(mut self, change: impl FnOnce(&mut Exec)) -> Self {
        change(&mut self.service.exec);
        self
    }
}

/// A database of these services; `default` is the target if it is there.
pub fn database(defs: Vec<Def>) -> Vec<u8> {
    database_with(defs, System { shutdown_timeout: Millis(20_000), ..System::default() })
}

/// The same with a system record.
pub fn database_with(mut defs: Vec<Def>, system: System) -> Vec<u8> {
    defs.sort_by_key(|def| def.name);
    let id = |name: &str| {
        let at = defs.iter().position(|def| def.name == name);
        ServiceId(u16::try_from(at.unwrap_or_else(|| panic!("no service {name}"))).unwrap())
    };
    let output = |service: &str, key: &str| {
        let outputs = &defs[id(service).index()].service.outputs;
        u16::try_from(outputs.iter().position(|o| o.key == key).unwrap()).unwrap()
    };
    let services: Vec<(String, Service)> = defs
        .iter()
        .map(|def| {
            let mut service = def.service.clone();
            let edges = def.edges.iter();
            service.edges = edges
                .map(|&(to, relation, on_change)| Edge { to: id(to), relation, on_change })
                .collect();
            let reads = def.reads.iter();
            service.reads =
                reads.map(|(to, key)| Read { service: id(to), output: output(to, key) }).collect();
            service.conflicts = def.conflicts.iter().map(|to| id(to)).collect();
            if let (Some(start), Kind::Longrun(longrun)) = (def.on_failure, &mut service.kind) {
                longrun.policy.on_failure = OnFailure::Start(id(start));
            }
            (def.name.to_owned(), service)
        })
        .collect();
    let target = defs.iter().any(|def| def.name == "default").then(|| id("default"));
    let system = System { target, ..system };
    let encode = |id| rc::db::encode(id, &system, &services).unwrap();
    // Other services are another database.
    let sum = u128::from(rc::db::checksum(&encode([7; 16])));
    encode(sum.to_le_bytes())
}

/// A directory of this test alone, below the system's temporary directory.
pub fn scratch() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("jamb-test-{}-{number}", std::process::id()));
    fs::remove_dir_all(&dir).ok();
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Copies a program that is to be executed. Another process does it: while a test beside this one forks, its
/// child has what we have open, and what is open for writing cannot be executed (ETXTBSY).
pub fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

/// The binary under test.
pub fn copy_jamb(to: &Path) {
    copy_program(Path::new(JAMB), to);
}

/// A running `jamb supervise`.
pub struct World {
    pub dir: PathBuf,
    pub child: Child,
    ended: bool,
}

impl World {
    /// Starts it with all services of `defs` in the target.
    pub fn start(defs: Vec<Def>) -> Self {
        Self::start_with(defs, |_| {})
    }

    /// The same; `change` may alter how it is started.
    pub fn start_with(mut defs: Vec<Def>, change: impl FnOnce(&mut Command)) -> Self {
        if !defs.iter().any(|def| def.name == "default") {
            let all: Vec<&'static str> = defs.iter().map(|def| def.name).collect();
            defs.push(bundle("default", &all));
        }
        Self::start_database(&database(defs), change)
    }

    /// The same with a database as it is.
    pub fn start_database(bytes: &[u8], change: impl FnOnce(&mut Command)) -> Self {
        Self::start_in(scratch(), bytes, change)
    }

    /// The same in a directory that is there already.
    pub fn start_in(dir: PathBuf, bytes: &[u8], change: impl FnOnce(&mut Command)) -> Self {
        let db = dir.join("services.db");
        fs::write(&db, bytes).unwrap();
        let mut command = Command::new(JAMB);
        command.arg("supervise").arg("--db").arg(&db).arg("--run-dir").arg(dir.join("run"));
        command.stdin(Stdio::null());
        change(&mut command);
        Self::take(dir, command)
    }

    /// One that is started by this command, with its run directory in `dir`.
    pub fn take(dir: PathBuf, mut command: Command) -> Self {
        let child = command.spawn().unwrap();
        let world = Self { dir, child, ended: false };
        world.until_answered();
        world
    }

    /// Where it keeps its run-time files.
    pub fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// Waits for the control socket: connecting fails until it listens.
    fn until_answered(&self) {
        let control = self.run().join("control");
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while std::os::unix::net::UnixStream::connect(&control).is_err() {
            assert!(std::time::Instant::now() < end, "it does not listen");
            std::thread::yield_now();
        }
    }

    /// A `svc` command.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(JAMB);
        command.arg("svc").args(words).env("JAMB_RUN_DIR", self.run()).stdin(Stdio::null());
        command
    }

    /// Waits for a publisher's first values.
    pub fn until_published(&self, name: &str) {
        let mut command = self.command(&["outputs", name, "address", "--follow"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!line.is_empty(), "{name} publishes nothing");
    }

    /// Runs the `output` applet as if `service` did so in that generation.
    pub fn output(&self, service: &str, generation: &str, words: &[&str]) -> Output {
        let mut command = Command::new(JAMB);
        command.arg("output").args(words).env("JAMB_RUN_DIR", self.run());
        command.env("JAMB_SERVICE", service).env("JAMB_GENERATION", generation);
        command.output().unwrap()
    }

    /// The same in the present generation; it must succeed.
    pub fn publish(&self, service: &str, words: &[&str]) {
        let generation = self.status(service)["generation"].to_string();
        let output = self.output(service, &generation, words);
        assert!(output.status.success(), "{}", lossy(&output.stderr));
    }

    /// Runs a `svc` command to its end.
    pub fn svc(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// The same; it must succeed. Answers what it printed.
    pub fn ok(&self, words: &[&str]) -> String {
        let output = self.svc(words);
        let (out, err) = (lossy(&output.stdout), lossy(&output.stderr));
        assert!(output.status.success(), "svc {words:?}: {:?}\n{out}{err}", output.status);
        out
    }

    /// Waits for a service to be ready.
    pub fn ready(&self, name: &str) {
        self.ok(&["wait", name, "ready", "-t", LIMIT]);
    }

    /// One service as `svc status --json` shows it.
    pub fn status(&self, name: &str) -> Value {
        let output = self.svc(&["status", name, "--json"]);
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        value["services"][0].clone()
    }

    /// The pid of a service.
    pub fn pid(&self, name: &str) -> i64 {
        self.status(name)["pid"].as_i64().unwrap_or_else(|| panic!("{name} has no process"))
    }

    /// A log as text.
    pub fn log(&self, name: &str) -> String {
        let output = self.svc(&["log", name]);
        lossy(&output.stdout)
    }

    /// Waits for a line with `part` in a log.
    pub fn until_logged(&self, name: &str, part: &str) {
        // Following needs the log to be there; the collector makes it with the first line.
        let mut command = self.command(&["log", "-f"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mark = format!(" {name}: ");
        let found = lines.map_while(Result::ok).any(|l| l.contains(&mark) && l.contains(part));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found, "no line with {part} in the log of {name}");
    }

    /// Ends it in order; answers how it exited.
    pub fn end(self) -> std::process::ExitStatus {
        let dir = self.dir.clone();
        let status = self.end_keeping();
        fs::remove_dir_all(dir).ok();
        status
    }

    /// The same; what it wrote stays.
    pub fn end_keeping(mut self) -> std::process::ExitStatus {
        kill(i64::from(self.child.id()), "TERM");
        self.ended = true;
        self.child.wait().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.ended {
            // A failed test: whatever lives must not outlive it.
            kill(i64::from(self.child.id()), "TERM");
            self.child.wait().ok();
        }
    }
}

/// Sends a signal by kill(1).
pub fn kill(pid: i64, signal: &str) {
    let status = Command::new("/bin/kill").arg(format!("-{signal}")).arg(pid.to_string()).status();
    assert!(status.is_ok(), "kill(1) is missing");
}

/// Whether this user may do everything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Text for people.
pub fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file's content, trimmed.
pub fn content(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.trim().to_owned()
}
