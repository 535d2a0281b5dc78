//! Control groups of services that ask for one, Documentation/admin-guide/cgroup-v2.rst: made before the
//! start with the limits of the definition, killed as a whole, removed when empty.
//!
//! Limits are about resources: where the kernel has no such thing, the service starts without, and that
//! is said once in the log and again with each service in `svc status`. Nothing here is done, and no file
//! looked at, before a service asks for a group.

use super::{Manager, report::Report};
use crate::file;
use rc::{
    isolation::Cgroup,
    model::{Record, ServiceId},
};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, CWD, Mode, OFlags, unlinkat},
    io::Errno,
    mount::{MountFlags, mount},
};
use std::path::Path;
use supervisor::{
    cut,
    file::{make_directory, open, stat},
};

/// Where the hierarchy is mounted: alone, or beside version 1 by those who still use that.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// The file that only version 2 has.
const MARK: &str = "cgroup.subtree_control";
/// What a group may lack: the files of its limits, and of its end.
const FILES: [&str; 4] = ["memory.max", "cpu.max", "pids.max", "cgroup.kill"];
/// How the controllers of these limits are handed down.
const CONTROLLERS: [&str; KILL] = ["+memory", "+cpu", "+pids"];
/// The one that is told as a part of a period.
const CPU: usize = 1;
/// Its own default, 100 ms in microseconds, of which a percent is 1000.
const PERIOD: &str = " 100000";
/// The last of the files.
const KILL: usize = 3;

/// The groups of services.
#[derive(Default)]
pub struct Cgroups {
    /// Where they are, once one has been asked for; `Some(None)`: there are none here.
    base: Option<Option<Base>>,
    /// Bit by bit of which of [`FILES`], or after them that there is nothing, the log has been told.
    told: u8,
    /// The last group that was not empty when its service ended: what was killed was not dead yet.
    left: Option<String>,
}

struct Base {
    path: String,
    /// The directory above, which hands its controllers down.
    above: String,
}

/// Writes a file of the kernel's in a directory; answers whether it could be.
fn put(directory: &str, file: &str, text: &str) -> bool {
    let path = file::c_path(&path(directory, file));
    file::put(&path, OFlags::WRONLY, 0, text.as_bytes()).is_ok()
}

fn make(path: &str) -> bool {
    make_directory(CWD, Path::new(path), Mode::from_raw_mode(0o755)).is_ok()
}

fn remove(path: &str) -> Result<(), Errno> {
    unlinkat(CWD, &*file::c_path(path), AtFlags::REMOVEDIR)
}

fn is_there(directory: &str, file: &str) -> bool {
    stat(Path::new(&path(directory, file))).is_ok()
}

fn path(directory: &str, file: &str) -> String {
    [directory, "/", file].concat()
}

fn find() -> Option<Base> {
    let pid = std::process::id();
    let mut root = MOUNTS.iter().find(|root| is_there(root, MARK));
    if root.is_none() && pid == 1 {
        // A machine where nobody else mounts it.
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
        mount(c"cgroup2", c"/sys/fs/cgroup", c"cgroup2", flags, Some(c"")).ok()?;
        root = MOUNTS.first();
    }
    // proc_pid_cgroup(5): the line of version 2 begins with `0::`. PID 1 is at the top, others are not.
    let own = file::text("/proc/self/cgroup", 4096);
    let own = cut::lines(&own).find_map(|line| line.strip_prefix("0::"))?;
    let above = [*root?, own.trim_end_matches('/')].concat();
    let label = if pid == 1 { "jamb".to_owned() } else { format!("jamb-{pid}") };
    let path = path(&above, &label);
    make(&path).then_some(Base { path, above })
}

impl Base {
    fn of(&self, name: &str) -> String {
        path(&self.path, name)
    }

    /// Writes a limit of a group; the controller that has it is handed down when it is first needed.
    fn limit(&self, group: &str, number: usize, value: &str) -> bool {
        let file = FILES[number];
        if put(group, file, value) {
            return true;
        }
        // What cannot be handed down is missed when the limit is written.
        put(&self.above, MARK, CONTROLLERS[number]);
        put(&self.path, MARK, CONTROLLERS[number]);
        put(group, file, value)
    }
}

impl Cgroups {
    fn base(&mut self) -> Option<&Base> {
        self.base.get_or_insert_with(find).as_ref()
    }

    /// Whether there may be groups: the next program has to look for them, too.
    pub const fn are_used(&self) -> bool {
        self.base.is_some()
    }

    /// Goes on with the groups of the program before, if it had any.
    pub fn take_over(&mut self, were_used: bool) {
        if were_used {
            self.base();
        }
    }

    /// Says once what there is not.
    fn tell(&mut self, number: usize, report: &mut Report) {
        let bit = 1 << number;
        if self.told & bit != 0 {
            return;
        }
        self.told |= bit;
        let what = FILES.get(number).copied().unwrap_or("cgroup v2");
        let instead = match number {
            0..KILL => "have no such limit",
            KILL => "are killed by process group",
            _ => "are killed by process group and have no limits",
        };
        let text = format_args!("there is no {what} here; services that ask for it {instead}");
        report.tell("cgroups", text);
    }

    /// Makes a service's group; answers what joins it when its process is started.
    pub fn enter(&mut self, name: &str, wanted: &Cgroup, report: &mut Report) -> Option<OwnedFd> {
        let Some(base) = self.base() else {
            self.tell(FILES.len(), report);
            return None;
        };
        let group = base.of(name);
        // There already: from the run before. If it cannot be made, joining it tells.
        make(&group);
        let mut missing = [false; FILES.len()];
        for (number, most) in limits(wanted).into_iter().enumerate() {
            match most {
                Some(most) => {
                    let mut text = most.to_string();
                    if number == CPU {
                        text.push_str(PERIOD);
                    }
                    missing[number] = !base.limit(&group, number, &text);
                }
                // Of a definition before; without the controller there is no limit either.
                None => drop(put(&group, FILES[number], "max")),
            }
        }
        missing[KILL] = !is_there(&group, FILES[KILL]);
        for (number, is_missing) in missing.into_iter().enumerate() {
            if is_missing {
                self.tell(number, report);
            }
        }
        open(Path::new(&path(&group, "cgroup.procs")), OFlags::WRONLY, Mode::empty()).ok()
    }

    /// Kills all that is in a service's group; without cgroup.kill, Linux 5.14, nothing happens. Removes
    /// the group if nothing is in it; else that is tried again when orphans die, and the next run has it
    /// again.
    fn end(&mut self, name: &str) {
        let Some(base) = self.base() else { return };
        let group = base.of(name);
        put(&group, FILES[KILL], "1");
        self.left = (remove(&group) == Err(Errno::BUSY)).then_some(group);
    }

    /// An orphan died, which may have been the last one in a group.
    pub fn remove_left(&mut self) {
        if self.left.as_ref().is_some_and(|group| remove(group) != Err(Errno::BUSY)) {
            self.left = None;
        }
    }

    /// What there is of a service's group now, for people; `None` if nothing is to be told.
    fn note(&self, name: &str, wanted: &Cgroup) -> Option<String> {
        let Some(base) = self.base.as_ref()? else {
            return Some("no control group: it is killed by process group".to_owned());
        };
        let group = base.of(name);
        if !is_there(&group, "") {
            return None;
        }
        let mut text = "control group".to_owned();
        let limits = limits(wanted);
        for (number, file) in FILES.iter().enumerate() {
            let is_wanted = limits.get(number).is_none_or(Option::is_some);
            if is_wanted && !is_there(&group, file) {
                text.push_str(" without ");
                text.push_str(file);
            }
        }
        text.push_str(": ");
        text.push_str(&group);
        Some(text)
    }
}

/// What the limits of [`FILES`] are.
fn limits(wanted: &Cgroup) -> [Option<u64>; KILL] {
    let per_period = |percent: u32| u64::from(percent) * 1000;
    [wanted.memory, wanted.cpu.map(per_period), wanted.pids.map(u64::from)]
}

/// The control group that a record asks for.
pub fn wanted(record: &Record) -> Option<&Cgroup> {
    record.exec.isolation.as_deref()?.cgroup.as_ref()
}

impl Manager {
    /// Kills what is left in a service's control group, if it has one. Its processes may have left its
    /// session; the group they cannot leave.
    pub(super) fn kill_control_group(&mut self, id: ServiceId) {
        if self.cgroups.are_used()
            && self.database.record(id).is_ok_and(|record| wanted(&record).is_some())
        {
            self.cgroups.end(self.database.name(id));
        }
    }

    /// What there is of a service's control group, for people.
    pub(super) fn control_group(&self, id: ServiceId, record: &Record) -> Option<String> {
        self.cgroups.note(self.database.name(id), wanted(record)?)
    }

    /// The end: what is empty by now is removed.
    pub(super) fn remove_control_groups(&mut self) {
        let Some(Some(base)) = &self.cgroups.base else { return };
        for name in file::names(Path::new(&base.path)).unwrap_or_default() {
            // What is not empty, or a file of the kernel's, stays.
            remove(&base.of(&name)).ok();
        }
        remove(&base.path).ok();
    }
}
