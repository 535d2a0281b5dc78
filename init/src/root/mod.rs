//! From an initramfs to the real root: finds the device, mounts it, puts what can be written over or
//! into it, frees the initramfs and executes the real init. Runs once, before the loop. Every wait has a
//! bound, but mount(2) itself, which nothing can interrupt; the hardware's watchdog is there for that.

mod find;
mod partition;
mod superblock;

pub use find::wait_for;

use crate::{
    file::{c_path, c_path_of, empty, make_directories, put, read, split},
    inherit,
    machine::mounts::attach,
};
use core::ffi::CStr;
use rc::{
    Millis,
    boot::{IN_STORE, Op, READ_ONLY, Step, split_options},
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{Access, Gid, Mode, OFlags, Uid, access, chmod, chown, mkdir, open, stat, statfs},
    io::Errno,
    mount::{mount_bind, mount_move},
    process::{chdir, chroot, fchdir},
};
use std::path::Path;
use supervisor::problem::{Problem, problem};

/// Where the new root is put together.
const NEW: &str = "/newroot";
/// The read-only root below an overlay, before and after the change of roots.
const LOWER: &str = "/run/jamb/lower";
/// What can be written to.
const STORE: &str = "/run/jamb/store";
/// What can be written to until the machine ends.
const RAM: &str = "/run/jamb/ram";

/// File systems of the kernel that go along. `/run` takes those below it along.
const MOVED: [&CStr; 4] = [c"/proc", c"/sys", c"/dev", c"/run"];

/// A file that is copied into the store at first is at most this long, in bytes.
const MAX_COPY: usize = 1 << 20;

/// Whether what is there is on a file system in memory: so is the root that the kernel unpacked at first.
pub fn is_in_memory(path: &CStr) -> bool {
    const RAMFS: u64 = 0x8584_58f6;
    const TMPFS: u64 = 0x0102_1994;
    let Ok(about) = statfs(path) else { return false };
    // Its type differs between architectures, in width and sign.
    #[allow(clippy::cast_lossless, clippy::cast_sign_loss, clippy::unnecessary_cast)]
    let kind = (about.f_type as i64 as u64) & 0xffff_ffff;
    matches!(kind, RAMFS | TMPFS)
}

/// What a failed step says.
fn cannot(verb: &str, what: &str, error: Errno) -> Problem {
    problem!("cannot {verb} {what}: {error}")
}

/// What the one who assembles a root has others do.
pub trait Hands {
    /// Runs a program to its end.
    ///
    /// # Errors
    /// It fails or takes too long; for people.
    fn run(&mut self, program: &str) -> Result<(), Problem>;
    /// Waits for so long.
    fn pause(&mut self, span: Millis);
}

/// Does the steps and executes the real init with these arguments; returns only if something failed, and
/// says what.
pub fn assemble(steps: &[Step], arguments: &[String], hands: &mut dyn Hands) -> Problem {
    let over = |step: &&Step| step.op == Op::Overlay;
    let below = if steps.iter().any(|step| over(&step)) { LOWER } else { NEW };
    let mut init = "";
    let mut activate = "";
    for step in steps {
        let done = match step.op {
            Op::Prepare => hands.run(&step.path),
            Op::Root => {
                init = &step.path;
                mount(step, below, below == LOWER, hands)
            }
            Op::Store => mount(step, STORE, false, hands),
            Op::Overlay => overlay(step),
            Op::Persist => persist(&step.path),
            Op::Activate => {
                activate = &step.path;
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(problem) = done {
            return problem;
        }
    }
    let Err(problem) = enter(init, activate, arguments, hands);
    problem
}

/// Waits for the device and mounts it.
fn mount(step: &Step, on: &str, read_only: bool, hands: &mut dyn Hands) -> Result<(), Problem> {
    let Some(device) = wait_for(step, &mut |span| hands.pause(span)) else {
        let (wanted, span, seen) = (&step.device, step.wait.0 / 1000, find::seen());
        return Err(problem!("cannot find {wanted} within {span} s; there are: {seen}"));
    };
    let kind = if step.text.is_empty() { device.kind.unwrap_or_default() } else { &step.text };
    let source = &device.source;
    if kind.is_empty() {
        let wanted = &step.device;
        return Err(problem!(
            "cannot tell the file system of {wanted} ({source}): give rootfstype="
        ));
    }
    make_directories(Path::new(on)).map_err(|error| cannot("make", on, error))?;
    let mut one = Step { text: kind.to_owned(), options: step.options.clone(), ..Step::default() };
    if read_only {
        one.options.push_str(",ro");
    }
    let (source_path, on) = (c_path(source), c_path(on));
    let mut done = attach(&one, &source_path, &on);
    let mut flags = 0;
    if matches!(done, Err(Errno::ACCESS | Errno::ROFS)) {
        // As the kernel itself does with a device that is write-protected.
        one.options.push_str(",ro");
        done = attach(&one, &source_path, &on);
    }
    let _rest = split_options(&one.options, &mut flags);
    let how = if flags & READ_ONLY == 0 { "" } else { " read-only" };
    let wanted = &step.device;
    done.map_err(|error| cannot("mount", &format!("{wanted} ({source}) as {kind}{how}"), error))
}

/// Puts what can be written to over the root.
fn overlay(step: &Step) -> Result<(), Problem> {
    let upper = if step.text == IN_STORE { STORE } else { RAM };
    if upper == RAM {
        let ram = Step { text: "tmpfs".to_owned(), ..Step::default() };
        make_directories(Path::new(RAM)).ok();
        attach(&ram, c"tmpfs", &c_path(RAM)).map_err(|error| cannot("mount", RAM, error))?;
    }
    for name in ["upper", "work"] {
        let path = format!("{upper}/{name}");
        make_directories(Path::new(&path)).map_err(|error| cannot("make", &path, error))?;
    }
    make_directories(Path::new(NEW)).map_err(|error| cannot("make", NEW, error))?;
    let options = format!("lowerdir={LOWER},upperdir={upper}/upper,workdir={upper}/work");
    let one = Step { text: "overlay".to_owned(), options, ..Step::default() };
    let done = attach(&one, c"overlay", &c_path(NEW));
    done.map_err(|error| cannot("mount", "an overlay over the root", error))
}

/// Shows a directory or file of the store at its place of the root. One that is not in the store yet is
/// made there: a directory is empty, a file is as that of the root.
fn persist(path: &str) -> Result<(), Problem> {
    let (below, kept) = (format!("{NEW}{path}"), format!("{STORE}/persist{path}"));
    let fail = |error| cannot("keep", path, error);
    let (below, kept_path) = (c_path(&below), c_path(&kept));
    let about = stat(&*below).map_err(fail)?;
    let is_directory = about.st_mode & 0o170_000 == 0o040_000;
    if access(&*kept_path, Access::EXISTS).is_err() {
        make_directories(split(Path::new(&kept)).0).map_err(fail)?;
        if is_directory {
            mkdir(&*kept_path, Mode::empty()).map_err(fail)?;
        } else {
            let bytes = read(Path::new(&format!("{NEW}{path}")), MAX_COPY).map_err(fail)?;
            // Under another name until it is whole: power may fail.
            let aside = c_path_of(format_args!("{kept}.new"));
            let flags = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::TRUNC);
            put(&aside, flags, 0, &bytes).map_err(fail)?;
            rustix::fs::rename(&*aside, &*kept_path).map_err(fail)?;
        }
        let (uid, gid) = (Uid::from_raw(about.st_uid), Gid::from_raw(about.st_gid));
        chown(&*kept_path, Some(uid), Some(gid)).map_err(fail)?;
        chmod(&*kept_path, Mode::from_raw_mode(about.st_mode)).map_err(fail)?;
    }
    mount_bind(&*kept_path, &*below).map_err(fail)
}

/// Makes what was put together the root, and executes its init.
fn enter(
    init: &str,
    activate: &str,
    arguments: &[String],
    hands: &mut dyn Hands,
) -> Result<core::convert::Infallible, Problem> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let old = open(c"/", flags, Mode::empty()).map_err(|error| cannot("open", "/", error))?;
    for (at, from) in MOVED.iter().enumerate() {
        if let Err(error) = move_into_new(from) {
            give_back(&old, at);
            let from = from.to_string_lossy();
            return Err(cannot("move to the new root", &from, error));
        }
    }
    if let Err(problem) = try_out(init, activate, hands) {
        give_back(&old, MOVED.len());
        return Err(problem);
    }
    // From here on there is no way back, and nothing that fails on any kernel.
    switch(&old).map_err(|error| cannot("make the root", NEW, error))?;
    let init = c_path(init);
    let mut words = vec![init.clone()];
    for argument in arguments {
        words.push(c_path(argument));
    }
    let error = inherit::execute(&init, &words);
    Err(cannot("execute", &init.to_string_lossy(), error))
}

fn move_into_new(from: &CStr) -> Result<(), Errno> {
    mount_move(from, &*c_path_of(format_args!("{NEW}{}", from.to_string_lossy())))
}

/// Undoes the first `moved` moves, from within the old root.
fn give_back(old: &OwnedFd, moved: usize) {
    // What fails here has failed before; there is a rescue either way.
    fchdir(old).ok();
    chroot(c".").ok();
    for from in MOVED.iter().take(moved) {
        mount_move(&*c_path_of(format_args!("{NEW}{}", from.to_string_lossy())), *from).ok();
    }
}

/// Whether the new root has an init, after its own program has prepared it. The caller goes back to the
/// old root if not.
fn try_out(init: &str, activate: &str, hands: &mut dyn Hands) -> Result<(), Problem> {
    chdir(NEW).and_then(|()| chroot(c".")).map_err(|error| cannot("enter", NEW, error))?;
    if !activate.is_empty() {
        hands.run(activate)?;
    }
    let executable = access(&*c_path(init), Access::EXEC_OK);
    executable.map_err(|error| cannot("execute in the new root", init, error))
}

/// Leaves the initramfs for good, which is freed.
fn switch(old: &OwnedFd) -> Result<(), Errno> {
    fchdir(old)?;
    chroot(c".")?;
    chdir(NEW)?;
    mount_move(c".", c"/")?;
    chroot(c".")?;
    chdir(c"/")?;
    empty(old.as_fd());
    // Whoever says something before the real init has a console of its own says it here.
    if let Ok(console) = open(c"/dev/console", OFlags::RDWR | OFlags::NOCTTY, Mode::empty()) {
        rustix::stdio::dup2_stdin(&console).ok();
        rustix::stdio::dup2_stdout(&console).ok();
        rustix::stdio::dup2_stderr(&console).ok();
    }
    Ok(())
}
