//! The last act: a program that runs when nothing is mounted any more but memory, to write another system
//! over this one. Its directory becomes the root, and it is executed as `/maintenance`.
//!
//! The program file of PID 1 itself lies on the root, which could not be unmounted and must not be written
//! over while it is executed. So PID 1 first becomes a copy of itself in memory. It does so for every end, with
//! or without a last act: a file that was replaced while it is executed keeps its root from being read-only.

use super::{cmdline::Cmdline, console, mounts::attach, power, program, watchdog::Device};
use crate::{
    file::{c_path, c_path_of, in_memory, read},
    handover::{crash::LAST_ACT_S, number},
    inherit,
    manager::messages,
    root,
};
use rc::{Millis, boot::Step, proto::Ending};
use rustix::{
    fs::{Mode, OFlags, mkdir, open},
    io::Errno,
    mount::{UnmountFlags, mount_bind, mount_move, unmount},
    process::{chdir, chroot, pivot_root},
};
use std::{path::Path, time::Duration};
use supervisor::decimal;

/// The first argument of the copy.
pub const ARGUMENT: &str = "last-act";
/// What is executed in the new root.
const PROGRAM: &str = "/maintenance";
/// How long it may take. Flash of 16 MB is written in minutes.
const BOUND: Millis = Millis::from_secs(LAST_ACT_S);
/// PID 1 is at most this long, in bytes.
const MAX_IMAGE: usize = 16 << 20;
/// The old root, below the new one, until it is unmounted.
const OLD: &str = "/.old";

/// Becomes a copy in memory that does the last act, or only the rest of the end if the directory is empty.
/// Returns only if that failed; for people.
pub fn become_copy(directory: &str, ending: &str, device: Option<&Device>) -> String {
    let copy = read(Path::new("/proc/self/exe"), MAX_IMAGE);
    let image = match copy.and_then(|bytes| in_memory(c"jamb", &bytes)) {
        Ok(image) => image,
        Err(error) => return format!("cannot copy jamb: {error}"),
    };
    let fd = device.map_or(-1, Device::number);
    if let Some(device) = device {
        // It goes on being fed.
        device.outlives_exec();
    }
    let fd = fd.to_string();
    let words = ["init", ARGUMENT, directory, ending, &fd].map(c_path);
    let path = c_path_of(format_args!("/proc/self/fd/{}", number(&image)));
    let error = inherit::execute(&path, &words);
    format!("cannot become a copy: {error}")
}

/// The copy: changes roots, unmounts everything, runs the program, and ends the machine.
pub fn act(words: &[String]) -> ! {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let directory = word(1);
    let cmdline = Cmdline::read();
    let fd = decimal::number(word(3)).and_then(inherit::adopt);
    let device = fd.map(Device::of);
    rustix::thread::set_name(c"init").ok();
    let others = [Ending::Poweroff, Ending::Halt, Ending::Kexec];
    let ending = others.into_iter().find(|one| messages::ending(*one) == word(2));
    let ending = ending.unwrap_or(Ending::Reboot);
    // A last act may be writing: not even a crash of this program ends the machine before it is done.
    power::ends(ending, device.as_ref());
    let feed = || device.as_ref().map(Device::feed);
    feed();
    // A root in memory stays where it is; what is mounted on it would be out of reach below the new one.
    let stays = root::is_in_memory(c"/");
    let mut stuck = if stays { power::unmount_all(&feed, Some(directory)) } else { Vec::new() };
    let done = change_root(directory, stays);
    match &done {
        Ok(()) if stays => {}
        Ok(()) => stuck.extend(power::unmount_all(&feed, Some("/"))),
        Err(_) => stuck.extend(power::unmount_all(&feed, None)),
    }
    let console = console::open(&cmdline);
    let said = |text: &str| power::say(console.as_ref(), text);
    for line in &stuck {
        said(line);
    }
    match done {
        Ok(()) => {
            said("the last act begins");
            let pause = &mut |span: Millis| {
                feed();
                std::thread::sleep(Duration::from_millis(span.0.into()));
            };
            let done = program::run(PROGRAM, &cmdline, BOUND, pause);
            said(done.err().as_deref().unwrap_or("the last act is over"));
        }
        // There is none.
        Err(_) if directory.is_empty() => {}
        Err(error) => said(&format!("cannot make {directory} the root: {error}; no last act")),
    }
    power::leave(ending, console.as_ref(), device)
}

/// Makes a directory the root, with the file systems of the kernel; the old root is below it, or under it.
fn change_root(directory: &str, old_stays: bool) -> Result<(), Errno> {
    let path = c_path(directory);
    mount_bind(&*path, &*path)?;
    chdir(&*path)?;
    for name in [c".old", c"proc", c"sys", c"dev"] {
        mkdir(name, Mode::from_raw_mode(0o755)).ok();
    }
    // An initramfs cannot be moved away.
    if old_stays { mount_move(c".", c"/") } else { pivot_root(c".", c".old") }?;
    chroot(c".")?;
    chdir(c"/")?;
    for (kind, on) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        let one = Step { text: kind.to_owned(), ..Step::default() };
        attach(&one, &c_path(kind), &c_path(on)).ok();
        // The console and the watchdog are still open there, and there is nothing to lose.
        unmount(&*c_path_of(format_args!("{OLD}{on}")), UnmountFlags::DETACH).ok();
    }
    // Nobody is to keep the old root: what was open is open anew.
    if let Ok(null) = open(c"/dev/null", OFlags::RDWR, Mode::empty()) {
        rustix::stdio::dup2_stdin(&null).ok();
        rustix::stdio::dup2_stdout(&null).ok();
        rustix::stdio::dup2_stderr(&null).ok();
    }
    Ok(())
}
