//! What a compiled service is: the records of the database, as the compiler writes them and the
//! device reads them. No behaviour lives here, and no reference is by name: services are numbers.

mod condition;
mod system;

pub use condition::{Condition, Fact, LinkIs};
pub use system::{MAX_CRITICAL, System, Watchdog};

use crate::{isolation::Isolation, kept::Kept, outputs::OutputType, text::Text};
use supervisor::coder::Coded;
use supervisor::{backoff::Backoff, process::StopPolicy, signal::Signal, time::Millis};

/// The most services that one database may hold.
pub const MAX_SERVICES: usize = 20_000;

/// The longest service name or output key, in bytes. Both become file names.
pub const MAX_NAME: usize = 128;

/// The service that boot starts when the kernel command line names no other.
pub const DEFAULT_TARGET: &str = "default";

/// A service's number: its position among the names of the database, which are sorted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Default, Coded)]
pub struct ServiceId(pub u16);

impl ServiceId {
    /// As an index into per-service arrays.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// One line for people.
    pub description: String,
    /// What it does.
    pub kind: Kind,
    /// What it has to do with other services; at most one edge per other service.
    pub edges: Vec<Edge>,
    /// The outputs that its texts refer to. [`crate::text::Piece`] points into this list.
    pub reads: Vec<Read>,
    /// The outputs that it publishes.
    pub outputs: Vec<OutputDecl>,
    /// Who it runs as, and in what surroundings.
    pub exec: Exec,
    /// What must be so for it to be up: all of them.
    pub conditions: Vec<Condition>,
    /// Services that are never up beside it. Each of the two names the other.
    pub conflicts: Vec<ServiceId>,
    /// How it is found out whether it still does its work, while it is ready.
    pub health: Option<Health>,
    /// How it takes over a changed configuration without a restart.
    pub reload: Option<OnChange>,
    /// Programs that [`OnChange::Run`] points to.
    pub actions: Vec<Command>,
}

impl Service {
    /// A service of this kind, with nothing but that.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            description: String::new(),
            kind,
            edges: Vec::new(),
            reads: Vec::new(),
            outputs: Vec::new(),
            exec: Exec::default(),
            conditions: Vec::new(),
            conflicts: Vec::new(),
            health: None,
            reload: None,
            actions: Vec::new(),
        }
    }
}

/// What is written of a service as its record: what only its processes and people need. Everything
/// else is in the graph arrays of [`crate::db`], which decisions read where they lie.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub struct Record {
    /// One line for people.
    pub description: String,
    /// The programs or the file.
    pub body: Body,
    /// See [`Service::exec`].
    pub exec: Exec,
    /// The facts of its conditions that are not about outputs, in their order.
    pub facts: Vec<Fact>,
    /// What is run to check its health.
    pub health: Option<Command>,
    /// See [`Service::actions`].
    pub actions: Vec<Command>,
    /// The values of its outputs that jamb publishes itself, in the order of [`Service::outputs`].
    pub values: Vec<Text>,
}

/// What a record has of a [`Kind`].
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
// In the niche of a vector its tag would be a constant of 64 bits wherever it is made or looked at.
#[repr(u8)]
pub enum Body {
    /// Of a longrun; see [`Longrun`].
    Longrun {
        /// What is executed.
        run: Command,
        /// What runs after each death.
        finish: Option<Command>,
        /// The check of its readiness.
        check: Option<Command>,
        /// Its pid file.
        pidfile: Option<String>,
        /// Its terminal.
        tty: Option<String>,
        /// What is kept for it; boxed, as most have nothing.
        kept: Option<Box<Kept>>,
    },
    /// Of a oneshot; see [`Oneshot`].
    Oneshot {
        /// What runs at start.
        up: Option<Command>,
        /// What runs at stop.
        down: Option<Command>,
    },
    /// Of a bundle or a failover: nothing.
    Group,
    /// Of a file.
    File(File),
}

/// What a service does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A process that runs for as long as the service is up.
    Longrun(Longrun),
    /// A program that runs to its end when the service starts, and another when it stops.
    Oneshot(Oneshot),
    /// A group: its members are edges of the relation [`Relation::Member`].
    Bundle(ReadyWhen),
    /// Alternatives, of which one at a time is used: edges of the relation
    /// [`Relation::Alternative`], the preferred first. It is ready when one of them is.
    Failover(Failover),
    /// A file written from outputs.
    File(File),
}

/// How long steps may take and what happens after a failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// When a process that ended is started again.
    pub restart: Restart,
    /// The delays between attempts.
    pub backoff: Backoff,
    /// After this many failed attempts in a row the service is failed for good; 0: never.
    pub max_restarts: u32,
    /// From the spawn to readiness; `None`: as long as it takes.
    pub start_timeout: Option<Millis>,
    /// How a process is asked to end.
    pub stop: StopPolicy,
    /// The bound of `finish`.
    pub finish_timeout: Millis,
    /// The bound of a program that [`OnChange::Run`] starts.
    pub action_timeout: Millis,
    /// Exit codes that mean that another attempt is of no use.
    pub permanent: Vec<u8>,
    /// What happens besides when the service is failed for good.
    pub on_failure: OnFailure,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            restart: Restart::Always,
            backoff: Backoff::default(),
            max_restarts: 0,
            start_timeout: None,
            stop: StopPolicy::default(),
            finish_timeout: Millis::from_secs(5),
            action_timeout: Millis::from_secs(30),
            permanent: Vec::new(),
            on_failure: OnFailure::Ignore,
        }
    }
}

/// What happens besides when a service is failed for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum OnFailure {
    /// Nothing: who depends on it waits and says so.
    Ignore,
    /// The machine starts again, in order.
    Reboot,
    /// A rescue shell is offered, where the machine has one.
    Rescue,
    /// This service is started, as by command.
    Start(ServiceId),
}

/// When a process that ended by itself is started again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restart {
    /// Whatever its exit.
    Always,
    /// Unless it exited with code 0.
    OnFailure,
    /// Not at all.
    Never,
}

/// See [`Kind::Longrun`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Longrun {
    /// What is executed.
    pub run: Command,
    /// Runs after each death, with exit code (256 for a signal), signal number (or 0) and service
    /// name as arguments after its own.
    pub finish: Option<Command>,
    /// How it tells that it is ready.
    pub ready: Ready,
    /// What is run again and again for [`Ready::Check`]: exit code 0 means ready.
    pub check: Option<Command>,
    /// The file of [`Ready::Pidfile`].
    pub pidfile: Option<String>,
    /// It must say `WATCHDOG=1` at least this often while it is ready; see sd_notify(3).
    pub watchdog: Option<Millis>,
    /// The terminal that is its standard input and output, and controls its session.
    pub tty: Option<String>,
    /// What is kept for it while its process comes and goes; boxed, as most have nothing.
    pub kept: Option<Box<Kept>>,
    /// Times and retries.
    pub policy: Policy,
}

impl Longrun {
    /// One that runs `run`, is ready once that is executed, and has no other properties.
    #[must_use]
    pub fn new(run: Command) -> Self {
        Self {
            run,
            finish: None,
            ready: Ready::Started,
            check: None,
            pidfile: None,
            watchdog: None,
            tty: None,
            kept: None,
            policy: Policy::default(),
        }
    }
}

/// See [`Kind::Oneshot`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Oneshot {
    /// Runs at start; the service is ready when it has exited with code 0.
    pub up: Option<Command>,
    /// Runs at stop, with the values that `up` was given.
    pub down: Option<Command>,
    /// Times and retries.
    pub policy: Policy,
}

/// See [`Kind::File`].
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub struct File {
    /// The absolute path, owned by this service alone.
    pub path: String,
    /// Permission bits, as in chmod(2).
    pub mode: u16,
    /// The content.
    pub text: Text,
}

/// How a longrun tells that it is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ready {
    /// It is ready once execve(2) succeeded.
    Started,
    /// It writes a newline to this descriptor (s6's notification-fd).
    Fd(u16),
    /// It sends `READY=1` to `NOTIFY_SOCKET`; see `sd_notify(3)`.
    Notify,
    /// All outputs that it declares without a value have been published.
    Outputs,
    /// A program that is run now and then exits with code 0.
    Check {
        /// From one run to the next; also the bound of one run.
        every: Millis,
    },
    /// It forks, its first process exits with code 0, and this file names the one that goes on.
    Pidfile,
}

/// See [`Kind::Failover`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failover {
    /// What happens when a better alternative is ready again.
    pub back: Back,
    /// An alternative that is not ready after this time is not waited for any longer: the next one
    /// is tried beside it.
    pub patience: Millis,
}

/// Which alternative is used when several could be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Back {
    /// The one that is used, until it fails. The others are down meanwhile.
    Sticky,
    /// The first in order. Those before the one that is used go on being tried.
    PreferFirst,
}

/// Runs while a service is ready, again and again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    /// What is run: exit code 0 means that all is well.
    pub run: Command,
    /// From the end of one run, or from readiness, to the next.
    pub every: Millis,
    /// The bound of one run; one that takes longer has failed.
    pub timeout: Millis,
    /// After this many failures in a row, at least 1, the service has failed.
    pub retries: u32,
}

/// When a bundle is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadyWhen {
    /// All members are ready.
    All,
    /// At least this many members are ready.
    AtLeast(u16),
}

/// An argument vector; the first element is looked up in `PATH` unless it contains a slash.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub struct Command {
    /// The arguments, the program first. Never empty.
    pub argv: Vec<Text>,
}

/// The surroundings of a service's processes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Coded)]
pub struct Exec {
    /// A user name or number; `None`: the supervisor's own.
    pub user: Option<String>,
    /// A group name or number; `None`: the user's own.
    pub group: Option<String>,
    /// Supplementary groups, by name or number.
    pub groups: Vec<String>,
    /// Variables beside those that jamb sets.
    pub env: Vec<(String, Text)>,
    /// The working directory; `None`: `/`.
    pub cwd: Option<String>,
    /// The file mode creation mask; `None`: 022.
    pub umask: Option<u16>,
    /// Resource limits; see setrlimit(2).
    pub limits: Vec<Limit>,
    /// What most services do not have; boxed, as there is one record for each service that is looked at.
    pub isolation: Option<Box<Isolation>>,
}

/// A resource limit.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub struct Limit {
    /// Which one.
    pub resource: Resource,
    /// The soft limit in the resource's own unit; `None`: unlimited.
    pub soft: Option<u64>,
    /// The hard limit in the resource's own unit; `None`: unlimited.
    pub hard: Option<u64>,
}

/// The resources of setrlimit(2). Their numbers differ between architectures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Resource {
    /// Address space, in bytes.
    As,
    /// Core file, in bytes.
    Core,
    /// Processor time, in seconds.
    Cpu,
    /// Data segment, in bytes.
    Data,
    /// File size, in bytes.
    Fsize,
    /// Locked memory, in bytes.
    Memlock,
    /// Open descriptors.
    Nofile,
    /// Processes of the user.
    Nproc,
    /// Stack, in bytes.
    Stack,
}

/// A relation to another service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// The other service.
    pub to: ServiceId,
    /// What it is to this one.
    pub relation: Relation,
    /// What happens here when it leaves ready, comes back, or changes an output that is read here.
    pub on_change: OnChange,
}

/// What another service is to this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum Relation {
    /// It must be ready before this one starts, and this one stops when it leaves ready.
    Needs,
    /// It is started too, and waited for until it is ready or has failed; then it does not matter.
    Wants,
    /// If it is wanted anyway, it is waited for like [`Relation::Wants`].
    After,
    /// It is a member of this bundle: started with it, and counted for its readiness.
    Member,
    /// It is an alternative of this failover; their order is that of the edges.
    Alternative,
}

/// What a dependent does about a dependency that changes. All but `Restart` make the edge soft: the
/// dependent then stays up while the dependency is away, and acts once it is back and different.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnChange {
    /// Stops with it; restarts when a value that was read changes.
    Restart,
    /// Writes the file again (files only).
    Render,
    /// Sends itself this signal.
    Signal(Signal),
    /// Runs the program at this position of [`Service::actions`]. If that fails, it restarts.
    Run(u16),
    /// Takes over the new values for its own outputs (bundles and failovers only).
    Follow,
    /// Nothing.
    Ignore,
}

/// An output of another service that this one reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Read {
    /// The service that publishes it.
    pub service: ServiceId,
    /// Its position in that service's [`Service::outputs`].
    pub output: u16,
}

/// An output that a service declares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputDecl {
    /// Its name, also the name of its file.
    pub key: String,
    /// What may be published under it.
    pub kind: OutputType,
    /// The value that jamb publishes itself when the service becomes ready; `None`: the service
    /// publishes it, or `from` says where it is from.
    pub value: Option<Text>,
    /// Of failovers: the reads whose values it has, one for each alternative, in their order.
    pub from: Vec<u16>,
}
