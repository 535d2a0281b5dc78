//! Services as they are written: checked one by one, but still naming each other by name.

use crate::{
    source::{Located, Place},
    text::Draft,
};
use rc::{
    Millis,
    model::{Limit, OnChange, Policy, Ready, ReadyWhen, Relation},
    outputs::OutputType,
};

/// One `[service.NAME]` table.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name.
    pub name: Located<String>,
    /// One line for people.
    pub description: String,
    /// What it does.
    pub body: Body,
    /// `needs`, `wants`, `after` and `contents`.
    pub relations: Vec<(Relation, Located<String>)>,
    /// The bundles it joins.
    pub part_of: Vec<Located<String>>,
    /// For all edges.
    pub on_change: Option<Located<OnChange>>,
    /// For the edge to one service.
    pub on_change_of: Vec<(Located<String>, Located<OnChange>)>,
    /// What it publishes, by key.
    pub outputs: Vec<Output>,
    /// Who it runs as, and in what surroundings.
    pub exec: Exec,
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
    /// What jamb publishes itself.
    pub value: Option<Draft>,
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
}

/// Everything that a tree defines.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// Sorted by name, each name once.
    pub services: Vec<Definition>,
    /// The machine.
    pub system: System,
}

impl Definition {
    /// The word of its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.body {
            Body::Longrun { .. } => "longrun",
            Body::Oneshot { .. } => "oneshot",
            Body::Bundle(_) => "bundle",
            Body::File { .. } => "file",
            Body::Unknown => "service of unknown kind",
        }
    }

    /// Its commands with their keys.
    #[must_use]
    pub fn commands(&self) -> Vec<(&'static str, &[Draft])> {
        let (first, second) = match &self.body {
            Body::Longrun { run, finish, .. } => {
                (Some(("run", run.as_slice())), finish.as_ref().map(|c| ("finish", c.as_slice())))
            }
            Body::Oneshot { up, down, .. } => (
                up.as_ref().map(|c| ("up", c.as_slice())),
                down.as_ref().map(|c| ("down", c.as_slice())),
            ),
            Body::Bundle(_) | Body::File { .. } | Body::Unknown => (None, None),
        };
        first.into_iter().chain(second).collect()
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
