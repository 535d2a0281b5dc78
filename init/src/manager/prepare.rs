//! From a record of the database and the values that a service is bound to, everything that a process
//! of it needs, as the supervisor wants it. Makes no process; reads the user database.

use super::{cgroups, isolate::Isolated, paths::Paths, users};
use core::ffi::CStr;
use rc::{
    engine::{Engine, Incarnation, NodeKind, Phase, Role},
    isolation::Cgroup,
    model::{Body, Command, Ready, Record, Resource},
    text::{ExpandError, Text, expand},
};
use rustix::process::Resource as SystemResource;
use std::ffi::CString;
use supervisor::{
    cut,
    exit::Exit,
    problem::{Problem, problem},
    spawn::Identity,
    time::Millis,
    words::Words,
};

/// Where `NOTIFY_SOCKET` or a notification descriptor is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    /// Neither.
    None,
    /// A pipe at this descriptor.
    Pipe(i32),
    /// A socket.
    Socket,
}

/// A process, prepared.
#[derive(Debug)]
pub struct Prepared {
    /// The programs to try.
    pub programs: Words,
    /// The arguments.
    pub argv: Words,
    /// The environment.
    pub env: Words,
    /// The working directory, if it is another than the root.
    pub cwd: Option<CString>,
    /// The file mode creation mask.
    pub umask: u32,
    /// Resource limits.
    pub limits: Vec<(SystemResource, Option<u64>, Option<u64>)>,
    /// Who it runs as.
    pub identity: Option<Identity>,
    /// The terminal that it has.
    pub tty: Option<String>,
    /// How far it is kept from the rest of the machine, if its definition says so.
    pub isolation: Option<Isolated>,
    /// The control group that it is in.
    pub cgroup: Option<Cgroup>,
    /// How it tells that it is ready.
    pub channel: Channel,
    /// Whether it publishes outputs itself.
    pub publishes: bool,
    /// Whether it is told its pid: it is watched, and only it may say that it is alive.
    pub tells_pid: bool,
}

/// Prepares the process of `run`.
///
/// # Errors
/// What is missing or malformed, for people.
pub fn prepare(
    record: &Record,
    name: &str,
    run: Incarnation,
    engine: &Engine,
    paths: &Paths,
    nofile: (Option<u64>, Option<u64>),
    held: (usize, String),
) -> Result<Prepared, Problem> {
    let starts = matches!(run.role, Role::Check(_))
        && engine.view(run.service).is_some_and(|view| view.phase == Phase::Starting);
    let command = command(record, run.role, starts).ok_or("it has no such program")?;
    let exec = &record.exec;
    let node = engine.graph().node(run.service);
    let channel = match node.kind() {
        NodeKind::Longrun(Ready::Fd(number)) if run.role == Role::Run => {
            Channel::Pipe(i32::from(number))
        }
        NodeKind::Longrun(Ready::Notify) if run.role == Role::Run => Channel::Socket,
        _ => Channel::None,
    };
    let watchdog = node.watchdog().filter(|_| channel == Channel::Socket);
    // What fails below has this one thing to drop.
    let mut all = Prepared {
        programs: Words::new(),
        argv: Words::new(),
        env: Words::with_room(ENVIRONMENT),
        cwd: None,
        umask: exec.umask.map_or(0o022, u32::from),
        limits: Vec::new(),
        identity: None,
        tty: None,
        isolation: None,
        cgroup: cgroups::wanted(record).copied(),
        channel,
        publishes: node.outputs().any(|output| !output.fixed),
        tells_pid: watchdog.is_some(),
    };
    for text in &command.argv {
        all.argv.push(&[&expand_for(text, run, engine)?]);
    }
    if all.argv.has_zero() {
        return Err(zero());
    }
    let program = all.argv.first().to_str().unwrap_or_default();
    if program.is_empty() {
        return Err("its program's name is empty".into());
    }
    candidates(&mut all.programs, program, &paths.search);
    if run.role == Role::Finish {
        for argument in finish_arguments(engine, run, name) {
            all.argv.push(&[&argument]);
        }
    }
    let account = users::account(exec.user.as_deref(), exec.group.as_deref(), &exec.groups)?;
    let mut env = Environment { words: &mut all.env, own: &exec.env };
    env.tell(name, run, paths, channel);
    if let Some(Millis(ms)) = watchdog {
        env.set("WATCHDOG_USEC", &[&(u64::from(ms) * 1000).to_string()]);
    }
    if let (count @ 1.., names) = held {
        env.set("LISTEN_FDS", &[&count.to_string()]);
        env.set("LISTEN_FDNAMES", &[&names]);
    }
    if let Some(account) = account {
        if let Some(home) = &account.home {
            env.set("HOME", &[home]);
        }
        all.identity = Some(account.identity);
    }
    for (key, text) in &exec.env {
        all.env.set(key, &[&expand_for(text, run, engine)?]);
    }
    if [&all.programs, &all.argv, &all.env].iter().any(|words| words.has_zero()) {
        return Err(zero());
    }
    // jamb has raised its own soft limit to the hard one; a service gets what there was.
    if nofile.0 != nofile.1 {
        all.limits.push((SystemResource::Nofile, nofile.0, nofile.1));
    }
    for limit in &exec.limits {
        all.limits.push((resource(limit.resource), limit.soft, limit.hard));
    }
    if let Some(cwd) = &exec.cwd {
        all.cwd = Some(c_string(cwd.clone())?);
    }
    if let (Body::Longrun { tty, .. }, Role::Run) = (&record.body, run.role) {
        all.tty.clone_from(tty);
    }
    if let Some(isolation) = &exec.isolation {
        all.isolation = Some(Isolated::new(isolation)?);
    }
    Ok(all)
}

fn command(record: &Record, role: Role, starts: bool) -> Option<&Command> {
    match (&record.body, role) {
        (_, Role::Action { number, .. }) => record.actions.get(usize::from(number)),
        (Body::Longrun { check, .. }, Role::Check(_)) if starts => check.as_ref(),
        (_, Role::Check(_)) => record.health.as_ref(),
        (Body::Longrun { run, .. }, Role::Run) => Some(run),
        (Body::Longrun { finish, .. }, Role::Finish) => finish.as_ref(),
        (Body::Oneshot { up, .. }, Role::Up) => up.as_ref(),
        (Body::Oneshot { down, .. }, Role::Down) => down.as_ref(),
        _ => None,
    }
}

/// A text with the values that the service was started with.
///
/// # Errors
/// Which value is missing, for people.
pub fn expand_for(text: &Text, run: Incarnation, engine: &Engine) -> Result<String, Problem> {
    expand(text, &|read| engine.bound(run.service, read)).map_err(|error| match error {
        ExpandError::Missing { read } => {
            let read = engine.graph().node(run.service).read(usize::from(read));
            let of = read.and_then(|read| {
                engine.graph().node(read.service).output(usize::from(read.output))
            });
            let key = of.map_or("?", |output| output.key);
            problem!("output {key} that it refers to has no value")
        }
        ExpandError::TooLong => "an argument or file would be longer than 128 KiB".into(),
    })
}

/// `finish` is told how the process ended, like s6's: the code or 256, the signal or 0, the name.
fn finish_arguments(engine: &Engine, run: Incarnation, name: &str) -> [String; 3] {
    let last = engine.view(run.service).and_then(|view| view.last_exit);
    let (code, signal) = match last {
        Some(Exit::Code(code)) => (u16::from(code), 0),
        Some(Exit::Signal(signal)) => (256, signal),
        Some(Exit::NotStarted(_)) | None => (127, 0),
    };
    [code.to_string(), signal.to_string(), name.to_owned()]
}

/// Bytes of a usual environment.
const ENVIRONMENT: usize = 512;

/// An environment to be, and what the definition says of it itself, which comes last and alone.
struct Environment<'a> {
    words: &'a mut Words,
    own: &'a [(String, Text)],
}

impl Environment<'_> {
    /// Sets a key to a value of these parts, unless the definition does.
    fn set(&mut self, key: &str, value: &[&str]) {
        if !self.own.iter().any(|(own, _)| own == key) {
            self.words.set(key, value);
        }
    }

    /// What every process is told.
    fn tell(&mut self, name: &str, run: Incarnation, paths: &Paths, channel: Channel) {
        self.set("PATH", &[&paths.search]);
        self.set("JAMB_SERVICE", &[name]);
        self.set("JAMB_GENERATION", &[&run.generation.to_string()]);
        self.set("JAMB_OUTPUTS", &[&paths.staging, "/", name]);
        self.set("JAMB_STATE_DIR", &[&paths.state, "/", name]);
        self.set("JAMB_RUN_DIR", &[&paths.run]);
        if channel == Channel::Socket {
            self.set("NOTIFY_SOCKET", &[&paths.notify(paths.socket(run.service.0))]);
        }
    }
}

/// Where a program may be: itself if it has a slash, else in each directory of the search path.
fn candidates(programs: &mut Words, program: &str, search: &str) {
    if program.as_bytes().contains(&b'/') {
        return programs.push(&[program]);
    }
    for directory in cut::parts(search, b':').filter(|directory| directory.starts_with('/')) {
        programs.push(&[directory, "/", program]);
    }
}

/// A text for the kernel; an error is for people.
pub fn c_string(text: String) -> Result<CString, Problem> {
    CString::new(text).map_err(|_| zero())
}

#[cold]
fn zero() -> Problem {
    "an argument contains a NUL byte".into()
}

/// The value that undoes PID 1's own protection.
pub const NO_OOM_PROTECTION: &CStr = c"0";

const fn resource(resource: Resource) -> SystemResource {
    match resource {
        Resource::As => SystemResource::As,
        Resource::Core => SystemResource::Core,
        Resource::Cpu => SystemResource::Cpu,
        Resource::Data => SystemResource::Data,
        Resource::Fsize => SystemResource::Fsize,
        Resource::Memlock => SystemResource::Memlock,
        Resource::Nofile => SystemResource::Nofile,
        Resource::Nproc => SystemResource::Nproc,
        Resource::Stack => SystemResource::Stack,
    }
}
