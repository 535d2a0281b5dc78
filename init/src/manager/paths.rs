//! Where things are at run time: everything that jamb writes or listens on has its path here.

use rustix::{
    fd::OwnedFd,
    fs::{Mode, OFlags},
};
use std::path::Path;
use supervisor::file::{make_directories, open};

/// The programs that services may name without a slash are looked up here.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The run-time directories. Texts, as services and clients are told them.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The control socket.
    pub control: String,
    /// The directory of the control and notification sockets.
    pub run: String,
    /// Outputs, one directory a service.
    pub outputs: String,
    /// Where services prepare outputs before they commit them.
    pub staging: String,
    /// What services keep over restarts.
    pub state: String,
    /// Logs.
    pub log: String,
    /// The search path of services.
    pub search: String,
    /// The database that is used at the next start.
    pub database: String,
    /// How many databases there were before this one: each has notification sockets of its own, as services
    /// keep theirs.
    pub switches: u16,
}

impl Paths {
    /// Those of a machine: everything below `/run`.
    pub fn of_machine(database: &str) -> Self {
        Self::below("/run/jamb", "/run/services", "/run/log".to_owned(), database)
    }

    /// Those of `jamb supervise`: everything below `dir`, except logs if told so.
    pub fn of_directory(dir: &str, log: Option<String>, database: &str) -> Self {
        let search = crate::inherit::variable(c"PATH").and_then(|path| path.into_string().ok());
        let log = log.unwrap_or_else(|| below(dir, "log"));
        let mut paths = Self::below(dir, &below(dir, "services"), log, database);
        paths.search = search.unwrap_or_else(|| PATH.to_owned());
        paths
    }

    fn below(run: &str, services: &str, log: String, database: &str) -> Self {
        Self {
            control: below(run, "control"),
            run: run.to_owned(),
            outputs: below(services, "outputs"),
            staging: below(services, "staging"),
            state: below(services, "state"),
            log,
            search: PATH.to_owned(),
            database: database.to_owned(),
            switches: 0,
        }
    }

    /// The number of the notification socket that a service gets now.
    pub fn socket(&self, service: u16) -> u32 {
        u32::from(self.switches) << 16 | u32::from(service)
    }

    /// A notification socket. A number keeps it within the 107 bytes of unix(7).
    pub fn notify(&self, number: u32) -> String {
        below(&self.run, &format!("notify/{number}"))
    }

    /// Makes all directories; answers that of the state directories. Those that are there already keep their
    /// modes.
    ///
    /// # Errors
    /// The path that could not be made, and why.
    pub fn make(&self) -> Result<OwnedFd, (String, std::io::Error)> {
        let notify = below(&self.run, "notify");
        for dir in [&self.run, &notify, &self.outputs, &self.staging, &self.state, &self.log] {
            make_directories(Path::new(dir)).map_err(|error| (dir.clone(), error.into()))?;
        }
        open(Path::new(&self.state), OFlags::PATH, Mode::empty())
            .map_err(|error| (self.state.clone(), error.into()))
    }
}

/// What is so named in a directory.
pub fn below(directory: &str, name: &str) -> String {
    [directory, "/", name].concat()
}
