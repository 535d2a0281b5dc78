//! Services as they are written: checked one by one, but still naming each other by name.

use crate::{
    board::Board,
    diag::Code,
    source::{Located, Place},
    template::{Binding, Expansion, Templates},
    text::Draft,
};
use rc::{
    Millis, Signal,
    boot::Step,
    isolation::{Capabilities, Cgroup},
    kept::Socket,
    model::{Back, Limit, LinkIs, Policy, Ready, ReadyWhen, Relation},
    outputs::OutputType,
};

/// One `[service.NAME]` table.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name.
    pub name: Located<String>,
    /// One line for people.
    pub description: String,
    /// Warnings that are not wanted.
    pub allow: Vec<Code>,
    /// What it does.
    pub body: Body,
    /// `needs`, `wants`, `after`, `contents` and `alternatives`.
    pub relations: Vec<(Relation, Located<String>)>,
    /// The bundles it joins.
    pub part_of: Vec<Located<String>>,
    /// Services that are never up beside it.
    pub conflicts: Vec<Located<String>>,
    /// What must be so for it to be up.
    pub conditions: Vec<Condition>,
    /// Kernel modules that it relies on, with their parameters.
    pub modules: Vec<Located<String>>,
    /// For all edges; never [`Action::Run`].
    pub on_change: Option<Located<Action>>,
    /// For the edge to one service.
    pub on_change_of: Vec<(Located<String>, Located<Action>)>,
    /// How it takes over a changed configuration: a signal or a program.
    pub reload: Option<Located<Action>>,
    /// How it is found out whether it still does its work.
    pub health: Option<Health>,
    /// What happens besides when it has failed for good.
    pub on_failure: Option<Located<OnFailure>>,
    /// `timeout-down`, if the definition says so.
    pub timeout_down: Option<Located<Millis>>,
    /// What it publishes, by key.
    pub outputs: Vec<Output>,
    /// Who it runs as, and in what surroundings.
    pub exec: Exec,
    /// What is kept for it over its restarts.
    pub kept: Kept,
}

/// What is kept for a longrun over its restarts.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Its sockets, each at its address.
    pub sockets: Vec<Located<Socket>>,
    /// How many descriptors it may store.
    pub store: Option<Located<u16>>,
}

/// What a service does.
#[derive(Clone, Debug)]
pub enum Body {
    /// A process that runs for as long as the service is up.
    Longrun {
        /// What is executed.
        run: Vec<Draft>,
        /// Runs after each death.
        finish: Option<Vec<Draft>>,
        /// How it tells that it is ready; `None` if the definition does not say.
        ready: Option<Located<Ready>>,
        /// The program of [`Ready::Check`].
        check: Option<Vec<Draft>>,
        /// The file of [`Ready::Pidfile`].
        pidfile: Option<Located<String>>,
        /// How often it must say that it is alive.
        watchdog: Option<Located<Millis>>,
        /// Its terminal.
        tty: Option<Located<String>>,
        /// Times and retries.
        policy: Policy,
    },
    /// Programs that run to their end.
    Oneshot {
        /// Runs at start.
        up: Option<Vec<Draft>>,
        /// Runs at stop.
        down: Option<Vec<Draft>>,
        /// Times and retries.
        policy: Policy,
    },
    /// A group.
    Bundle(Located<ReadyWhen>),
    /// Alternatives, of which one is used.
    Failover {
        /// When a better one takes over again.
        back: Located<Back>,
        /// How long one is waited for.
        patience: Millis,
    },
    /// A file written from outputs.
    File {
        /// The absolute path.
        path: Located<String>,
        /// The content.
        text: Draft,
        /// Permission bits; `None` if the definition does not say.
        mode: Option<Located<u16>>,
    },
    /// Its kind is missing or misspelt, which has been reported.
    Unknown,
}

/// A declared output.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its name.
    pub key: Located<String>,
    /// Its type.
    pub kind: OutputType,
    /// Whether the type is that of the output which the value refers to; see [`crate::derive`].
    pub derived: bool,
    /// What jamb publishes itself.
    pub value: Option<Draft>,
}

/// What is done about a change of another service, or to reload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Restarts.
    Restart,
    /// Writes the file again.
    Render,
    /// Nothing.
    Ignore,
    /// What `reload` says.
    Reload,
    /// Sends the process a signal.
    Signal(Signal),
    /// Runs a program.
    Run(Vec<Draft>),
}

/// What happens besides when a service has failed for good.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OnFailure {
    /// Nothing.
    Ignore,
    /// The machine starts again.
    Reboot,
    /// A rescue shell is offered.
    Rescue,
    /// Another service is started.
    Start(Located<String>),
}

/// The check of a service that is ready.
#[derive(Clone, Debug)]
pub struct Health {
    /// What is run.
    pub run: Vec<Draft>,
    /// From one run to the next.
    pub every: Located<Millis>,
    /// The bound of one run.
    pub timeout: Located<Millis>,
    /// After this many failures in a row the service has failed.
    pub retries: u32,
}

/// A fact that must be so, or must not.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The table that it is written as.
    pub place: Place,
    /// What.
    pub fact: Fact,
    /// It must not be so.
    pub negated: bool,
}

/// What a condition is about.
#[derive(Clone, Debug)]
pub enum Fact {
    /// An interface, whose name is known when compiling, and its state.
    Link(Draft, LinkIs),
    /// A device of the kernel.
    Device {
        /// Its subsystem.
        subsystem: String,
        /// Its name, in which one `*` may stand.
        name: String,
        /// Properties that it must have, sorted.
        properties: Vec<(String, String)>,
    },
    /// Something at a path.
    Path(Located<String>),
    /// An output that has a value; this one, if one is given.
    Output(Draft, Option<Located<String>>),
    /// What was meant is not known, which has been reported.
    Unknown,
}

/// The surroundings of a service's processes.
#[derive(Clone, Debug, Default)]
pub struct Exec {
    /// A user name or number.
    pub user: Option<Located<String>>,
    /// A group name or number.
    pub group: Option<Located<String>>,
    /// Supplementary groups.
    pub groups: Vec<Located<String>>,
    /// Variables.
    pub env: Vec<(Located<String>, Draft)>,
    /// The working directory.
    pub cwd: Option<Located<String>>,
    /// The file mode creation mask.
    pub umask: Option<u16>,
    /// Resource limits.
    pub limits: Vec<Limit>,
    /// How far they are kept from the rest of the machine.
    pub isolation: Isolation,
}

/// How far a service's processes are kept from the rest of the machine.
#[derive(Clone, Debug, Default)]
pub struct Isolation {
    /// The directory that is `/` to them.
    pub chroot: Option<Located<String>>,
    /// Their niceness.
    pub nice: Option<i32>,
    /// Their out-of-memory score.
    pub oom_score: Option<i32>,
    /// The capabilities that they can ever have.
    pub bounding: Option<Located<Capabilities>>,
    /// The capabilities that they have without being root.
    pub ambient: Option<Located<Capabilities>>,
    /// Whether no program gives them more rights.
    pub no_new_privileges: bool,
    /// The most bytes in a `/tmp` of their own.
    pub private_tmp: Option<Located<u64>>,
    /// Their control group.
    pub cgroup: Option<Cgroup>,
}

/// The `[system]` tables together.
#[derive(Clone, Debug, Default)]
pub struct System {
    /// The service that boot starts.
    pub default: Option<Located<String>>,
    /// The host name.
    pub hostname: Option<Located<String>>,
    /// How long an orderly shutdown may take.
    pub shutdown_timeout: Option<Located<Millis>>,
    /// The size at which one log is rotated, in bytes.
    pub log_max_file: Option<Located<u32>>,
    /// The size of all logs together, in bytes.
    pub log_max_total: Option<Located<u32>>,
    /// The watchdog of the hardware.
    pub watchdog: Option<Watchdog>,
    /// What is done before services.
    pub boot: Boot,
}

/// `[system.watchdog]`.
#[derive(Clone, Debug)]
pub struct Watchdog {
    /// The table.
    pub place: Place,
    /// The services that have to be well.
    pub needs: Vec<Located<String>>,
    /// For how long one of them may be unwell.
    pub grace: Option<Located<Millis>>,
    /// How long it may take until all are well.
    pub boot: Option<Located<Millis>>,
    /// How long nothing may become ready until then.
    pub stall: Option<Located<Millis>>,
    /// The device.
    pub device: Option<Located<String>>,
    /// When it bites.
    pub timeout: Option<Located<Millis>>,
    /// How long before that it barks.
    pub pretimeout: Option<Located<Millis>>,
}

/// What the machine needs before its services.
#[derive(Clone, Debug, Default)]
pub struct Boot {
    /// Where firmware is.
    pub firmware: Option<Located<String>>,
    /// Kernel modules with their parameters: those of the board, then those of `[system]`.
    pub modules: Vec<Located<String>>,
    /// File systems.
    pub mounts: Vec<Step>,
    /// Directories, links, files and device nodes.
    pub files: Vec<Located<Step>>,
    /// Settings of the kernel.
    pub sysctl: Vec<Located<Step>>,
    /// The root that an initramfs looks for.
    pub root: Vec<Step>,
    /// When the machine reboots instead of a rescue shell.
    pub rescue_reboot: Option<Millis>,
    /// Where the next boot finds how the machine ended.
    pub end_record: Option<String>,
}

/// Everything that a tree defines.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// Sorted by name, each name once.
    pub services: Vec<Definition>,
    /// The machine.
    pub system: System,
    /// The values of the board.
    pub board: Board,
    /// The templates, used or not.
    pub templates: Templates,
    /// Every use of one; [`Place::via`] counts them from 1.
    pub expansions: Vec<Expansion>,
    /// What was given for parameters and is to be checked.
    pub bindings: Vec<Binding>,
}

impl Definition {
    /// A service of which only the name is known.
    #[must_use]
    pub fn unknown(name: Located<String>) -> Self {
        Self {
            name,
            description: String::new(),
            allow: Vec::new(),
            body: Body::Unknown,
            relations: Vec::new(),
            part_of: Vec::new(),
            conflicts: Vec::new(),
            conditions: Vec::new(),
            modules: Vec::new(),
            on_change: None,
            on_change_of: Vec::new(),
            reload: None,
            health: None,
            on_failure: None,
            timeout_down: None,
            outputs: Vec::new(),
            exec: Exec::default(),
            kept: Kept::default(),
        }
    }

    /// The word of its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.body {
            Body::Longrun { .. } => "longrun",
            Body::Oneshot { .. } => "oneshot",
            Body::Bundle(_) => "bundle",
            Body::Failover { .. } => "failover",
            Body::File { .. } => "file",
            Body::Unknown => "service of unknown kind",
        }
    }

    /// Its commands with their keys.
    #[must_use]
    pub fn commands<'s>(&'s self) -> Vec<(&'static str, &'s [Draft])> {
        let mut all: Vec<(&'static str, &[Draft])> = Vec::new();
        let mut add = |key: &'static str, command: Option<&'s Vec<Draft>>| {
            if let Some(command) = command {
                all.push((key, command.as_slice()));
            }
        };
        match &self.body {
            Body::Longrun { run, finish, check, .. } => {
                add("run", Some(run));
                add("finish", finish.as_ref());
                add("ready.check", check.as_ref());
            }
            Body::Oneshot { up, down, .. } => {
                add("up", up.as_ref());
                add("down", down.as_ref());
            }
            Body::Bundle(_) | Body::Failover { .. } | Body::File { .. } | Body::Unknown => {}
        }
        add("health.run", self.health.as_ref().map(|health| &health.run));
        let actions = self.on_change_of.iter().map(|(_, action)| ("on-change", action));
        for (key, action) in self.reload.iter().map(|action| ("reload", action)).chain(actions) {
            if let Action::Run(command) = &action.value {
                add(key, Some(command));
            }
        }
        all
    }

    /// Where an output of this name is declared.
    #[must_use]
    pub fn output(&self, key: &str) -> Option<(usize, &Output)> {
        self.outputs.iter().enumerate().find(|(_, output)| output.key.value == key)
    }

    /// Where the service is named.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.name.place
    }
}
