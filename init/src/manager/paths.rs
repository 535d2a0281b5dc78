//! Where things are at run time: everything that jamb writes or listens on has its path here.

use rustix::{
    fd::OwnedFd,
    fs::{Mode, OFlags},
};
use std::path::{Path, PathBuf};
use supervisor::file::{make_directories, open};

/// The programs that services may name without a slash are looked up here.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The run-time directories.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The control socket.
    pub control: PathBuf,
    /// The directory of the control and notification sockets.
    pub run: PathBuf,
    /// Outputs, one directory a service.
    pub outputs: PathBuf,
    /// Where services prepare outputs before they commit them.
    pub staging: PathBuf,
    /// What services keep over restarts.
    pub state: PathBuf,
    /// Logs.
    pub log: PathBuf,
    /// The search path of services.
    pub search: String,
}

impl Paths {
    /// Those of a machine: everything below `/run`.
    pub fn of_machine() -> Self {
        Self::below(Path::new("/run/jamb"), Path::new("/run/services"), PathBuf::from("/run/log"))
    }

    /// Those of `jamb supervise`: everything below `dir`, except logs if told so.
    pub fn of_directory(dir: &Path, log: Option<PathBuf>) -> Self {
        let search = crate::inherit::variable(c"PATH").and_then(|path| path.into_string().ok());
        let log = log.unwrap_or_else(|| dir.join("log"));
        let mut paths = Self::below(dir, &dir.join("services"), log);
        paths.search = search.unwrap_or_else(|| PATH.to_owned());
        paths
    }

    fn below(run: &Path, services: &Path, log: PathBuf) -> Self {
        Self {
            control: run.join("control"),
            run: run.to_owned(),
            outputs: services.join("outputs"),
            staging: services.join("staging"),
            state: services.join("state"),
            log,
            search: PATH.to_owned(),
        }
    }

    /// The notification socket of a service. A number keeps it within the 107 bytes of unix(7).
    pub fn notify(&self, service: u16) -> PathBuf {
        self.run.join("notify").join(service.to_string())
    }

    /// Makes all directories; answers that of the state directories. Those that are there already keep their
    /// modes.
    ///
    /// # Errors
    /// The path that could not be made, and why.
    pub fn make(&self) -> Result<OwnedFd, (PathBuf, std::io::Error)> {
        let notify = self.run.join("notify");
        for dir in [&self.run, &notify, &self.outputs, &self.staging, &self.state, &self.log] {
            make_directories(dir).map_err(|error| (dir.clone(), error.into()))?;
        }
        open(&self.state, OFlags::PATH, Mode::empty())
            .map_err(|error| (self.state.clone(), error.into()))
    }
}
