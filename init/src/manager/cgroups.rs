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
    fs::{Access, AtFlags, CWD, Mode, OFlags, access, mkdir, open, unlinkat},
    io::Errno,
    mount::{MountFlags, mount},
};

/// Where the hierarchy is mounted: alone, or beside version 1 by those who still use that.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// The file that only version 2 has.
const MARK: &str = "cgroup.subtree_control";
/// What `cpu.max` is told in, in microseconds: its own default.
const PERIOD: u32 = 100_000;

/// What a group may lack: the files of its limits, and of its end.
const FILES: [&str; 4] = ["memory.max", "cpu.max", "pids.max", "cgroup.kill"];
/// The last of them.
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

/// Writes a file of the kernel's.
fn put(file: &str, text: &str) -> Result<(), Errno> {
    let fd = open(file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&fd, text.as_bytes()).map(drop)
}

fn find() -> Option<Base> {
    let mut root = MOUNTS.iter().find(|root| is_there(&path(root, MARK)));
    if root.is_none() && std::process::id() == 1 && mount_here().is_ok() {
        root = MOUNTS.first();
    }
    // proc_pid_cgroup(5): the line of version 2 begins with `0::`. PID 1 is at the top, others are not.
    let own = file::text("/proc/self/cgroup", 4096);
    let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let above = [root?, own].concat().trim_end_matches('/').to_owned();
    let label = match std::process::id() {
        1 => "/jamb".to_owned(),
        other => format!("/jamb-{other}"),
    };
    let path = above.clone() + &label;
    match mkdir(path.as_str(), Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Some(Base { path, above }),
        Err(_) => None,
    }
}

/// On a machine where nobody else mounts it.
fn mount_here() -> Result<(), Errno> {
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    mount("cgroup2", MOUNTS[0], "cgroup2", flags, None)
}

impl Base {
    fn of(&self, name: &str) -> String {
        path(&self.path, name)
    }

    /// Writes a limit of a group; the controller that has it is handed down when it is first needed.
    fn limit(&self, group: &str, file: &str, value: &str) -> bool {
        let path_of = path(group, file);
        if put(&path_of, value).is_ok() {
            return true;
        }
        let controller = file.split('.').next().unwrap_or_default();
        for directory in [&self.above, &self.path] {
            // What cannot be handed down is missed when the limit is written.
            put(&path(directory, MARK), &format!("+{controller}")).ok();
        }
        put(&path_of, value).is_ok()
    }
}

impl Cgroups {
    fn base(&mut self) -> Option<&Base> {
        self.base.get_or_insert_with(find).as_ref()
    }

    /// Says once what there is not.
    fn tell(&mut self, number: usize, report: &mut Report) {
        let bit = 1 << number;
        if self.told & bit != 0 {
            return;
        }
        self.told |= bit;
        let (what, instead) = match FILES.get(number) {
            None => ("cgroup v2", "are killed by process group and have none of its limits"),
            Some(&what) if number == KILL => (what, "are killed by process group"),
            Some(&what) => (what, "have no such limit"),
        };
        report.say(
            "cgroups",
            &format!("there is no {what} here; services that ask for it {instead}"),
        );
    }

    /// Makes a service's group; answers what joins it when its process is started.
    pub fn enter(&mut self, name: &str, wanted: &Cgroup, report: &mut Report) -> Option<OwnedFd> {
        let Some(base) = self.base() else {
            self.tell(FILES.len(), report);
            return None;
        };
        let group = base.of(name);
        // There already: from the run before.
        mkdir(&group, Mode::from_raw_mode(0o755)).ok();
        let mut missing = 0u8;
        for (number, value) in values(wanted).into_iter().enumerate() {
            let has = match value {
                Some(value) => base.limit(&group, FILES[number], &value),
                // Of a definition before; without the controller there is no limit either.
                None => {
                    put(&path(&group, FILES[number]), "max").ok();
                    true
                }
            };
            missing |= u8::from(!has) << number;
        }
        missing |= u8::from(!is_there(&path(&group, FILES[KILL]))) << KILL;
        for number in 0..FILES.len() {
            if missing & (1 << number) != 0 {
                self.tell(number, report);
            }
        }
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        open(path(&group, "cgroup.procs"), flags, Mode::empty()).ok()
    }

    /// Kills all that is in a service's group; without cgroup.kill, Linux 5.14, nothing happens.
    fn kill(&mut self, name: &str) {
        if let Some(base) = self.base() {
            put(&path(&base.of(name), FILES[KILL]), "1").ok();
        }
    }

    /// Removes a service's group if nothing is in it; else that is tried again when orphans die, and the
    /// next run has it again.
    fn remove(&mut self, name: &str) {
        let Some(base) = self.base() else { return };
        let result = unlinkat(CWD, base.of(name), AtFlags::REMOVEDIR);
        self.left = (result == Err(Errno::BUSY)).then(|| name.to_owned());
    }

    /// An orphan died, which may have been the last one in a group.
    pub fn remove_left(&mut self) {
        if let Some(name) = self.left.take() {
            self.remove(&name);
        }
    }

    /// What there is of a service's group now, for people; `None` if nothing is to be told.
    fn note(&self, name: &str, wanted: &Cgroup) -> Option<String> {
        let Some(base) = self.base.as_ref()? else {
            return Some("no control group: it is killed by process group".to_owned());
        };
        let group = base.of(name);
        if !is_there(&group) {
            return None;
        }
        let mut text = "control group".to_owned();
        let wanted = values(wanted).map(|value| value.is_some());
        for (file, wanted) in FILES.iter().zip(wanted.into_iter().chain([true])) {
            if wanted && !is_there(&path(&group, file)) {
                text.push_str(" without ");
                text.push_str(file);
            }
        }
        text.push_str(": ");
        text.push_str(&group);
        Some(text)
    }
}

/// What the limits of [`FILES`] are set to.
fn values(wanted: &Cgroup) -> [Option<String>; KILL] {
    let Cgroup { memory, cpu, pids } = *wanted;
    [
        memory.map(|bytes| bytes.to_string()),
        cpu.map(|percent| format!("{} {PERIOD}", u64::from(percent) * u64::from(PERIOD) / 100)),
        pids.map(|most| most.to_string()),
    ]
}

fn path(directory: &str, file: &str) -> String {
    [directory, "/", file].concat()
}

fn is_there(path: &str) -> bool {
    access(path, Access::EXISTS).is_ok()
}

/// The control group that a record asks for.
pub fn wanted(record: &Record) -> Option<&Cgroup> {
    record.exec.isolation.as_deref()?.cgroup.as_ref()
}

impl Manager {
    /// Kills what is left in a service's control group, if it has one. Its processes may have left its
    /// session; the group they cannot leave.
    pub(super) fn kill_control_group(&mut self, id: ServiceId) {
        if self.cgroups.base.is_none() {
            return;
        }
        let asks = |record: &Record| wanted(record).is_some();
        if self.database.record(id).is_ok_and(|record| asks(&record)) {
            let name = self.database.name(id);
            self.cgroups.kill(name);
            self.cgroups.remove(name);
        }
    }

    /// What there is of a service's control group, for people.
    pub(super) fn control_group(&self, id: ServiceId, record: &Record) -> Option<String> {
        self.cgroups.note(self.database.name(id), wanted(record)?)
    }

    /// The end: what is empty by now is removed.
    pub(super) fn remove_control_groups(&mut self) {
        let Some(Some(base)) = &self.cgroups.base else { return };
        let path = base.path.clone();
        for name in file::names(path.as_ref()).unwrap_or_default() {
            self.cgroups.remove(&name);
        }
        unlinkat(CWD, path, AtFlags::REMOVEDIR).ok();
    }
}
