//! The end of a machine: what is left of processes is killed, what can be is written and unmounted, and
//! the kernel is told to reboot, power off or halt. Bounded, whatever hangs.

use super::{kept, last, watchdog::Device};
use crate::{
    file::{names, text},
    handover::{crash, point::point},
    manager::{End, messages},
};
use rc::proto::Ending;
use rustix::{
    fd::OwnedFd,
    fs::sync,
    io::{Errno, write},
    mount::{MountFlags, UnmountFlags, mount_remount, unmount},
    system::{RebootCommand, reboot},
};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use supervisor::{
    cut, decimal,
    file::{c_path, read_link},
    reap,
};

/// Processes that are not services get this long after SIGTERM.
const TERM_GRACE: Duration = Duration::from_millis(1000);
/// And this long after SIGKILL.
const KILL_GRACE: Duration = Duration::from_millis(500);
/// Bytes read of a table of mounts or swaps.
const MAX_TABLE: usize = 1 << 20;
/// Rounds of unmounting: what is mounted on something must go before it.
const ROUNDS: usize = 4;

/// Ends the machine; does not return on one. A container's PID 1 just exits.
///
/// Each step has the watchdog's time; one that hangs is ended by it.
pub fn finish(
    end: &End,
    record: Option<&str>,
    is_machine: bool,
    console: Option<OwnedFd>,
    device: Option<Device>,
) -> i32 {
    let feed = || device.as_ref().map(Device::feed);
    let said = |text: &str| say(console.as_ref(), text);
    feed();
    ends(end.how, device.as_ref());
    end_stragglers();
    point("ending");
    if !is_machine {
        if let Some(device) = device {
            device.close();
        }
        return crate::exit::OK;
    }
    feed();
    swap_off();
    let how = messages::ending(end.how);
    if let Err(problem) = kept::keep(&format!("{how}, asked for by {}", end.why), record) {
        said(&problem);
    }
    feed();
    sync();
    // What follows is done by a copy in memory: whoever executes a file on the root that was replaced, as by an
    // upgrade, keeps that root from being made read-only.
    said(&last::become_copy(&end.last_act, how, device.as_ref()));
    for line in unmount_all(&feed, None) {
        said(&line);
    }
    feed();
    leave(end.how, console.as_ref(), device)
}

/// A line for the console.
pub fn say(console: Option<&OwnedFd>, text: &str) {
    if let Some(console) = console {
        // Nobody to tell if the console does not take it.
        write(console, format!("jamb: shutdown: {text}\n").as_bytes()).ok();
    }
}

/// The very end: everything is written and unmounted.
pub fn leave(ending: Ending, console: Option<&OwnedFd>, device: Option<Device>) -> ! {
    let say = |text: &str| say(console, text);
    sync();
    say(match ending {
        Ending::Reboot => "rebooting",
        Ending::Poweroff => "powering off",
        Ending::Halt => "halted; it is safe to switch off",
        Ending::Kexec => "starting the kernel that is loaded",
    });
    // A halted machine, or one whose firmware is slow, shall not be reset by it.
    if let Some(device) = device {
        device.close();
    }
    // The console's driver may still be sending.
    std::thread::sleep(Duration::from_millis(50));
    let mut error = end_now(ending);
    if ending == Ending::Kexec {
        say(&format!("the kernel refuses: {error}; rebooting"));
        error = end_now(Ending::Reboot);
    }
    say(&format!("the kernel refuses: {error}; nothing is left to do"));
    loop {
        // Returning would be a kernel panic.
        std::thread::sleep(Duration::from_secs(3600));
    }
}

const fn command(ending: Ending) -> RebootCommand {
    match ending {
        Ending::Reboot => RebootCommand::Restart,
        Ending::Poweroff => RebootCommand::PowerOff,
        Ending::Halt => RebootCommand::Halt,
        Ending::Kexec => RebootCommand::Kexec,
    }
}

/// From now on a crash leads to this end as well.
pub fn ends(ending: Ending, device: Option<&Device>) {
    crash::ends(command(ending) as i32, device.map_or(-1, Device::number));
}

/// reboot(2), without any ado. Returns only if it failed.
pub fn end_now(ending: Ending) -> Errno {
    match reboot(command(ending)) {
        Ok(()) => Errno::NOSYS,
        Err(error) => error,
    }
}

/// TERM, then KILL to everything but this process; kill(2) with -1 spares PID 1 itself.
fn end_stragglers() {
    for (signal, grace) in [
        (supervisor::signal::Signal::Term, TERM_GRACE),
        (supervisor::signal::Signal::Kill, KILL_GRACE),
    ] {
        reap::signal_all(signal);
        let until = Instant::now() + grace;
        loop {
            while let Some(dead) = reap::peek() {
                reap::release(dead.pid);
            }
            if !others_live() || Instant::now() >= until {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Whether any process but this one and the kernel's own threads is left. Those have no executable.
fn others_live() -> bool {
    let names = names(Path::new("/proc")).unwrap_or_default();
    let others =
        names.iter().filter(|name| decimal::number::<u32>(name).is_some_and(|pid| pid != 1));
    // All that counts is whether there is one.
    others.into_iter().any(|name| read_link(Path::new(&format!("/proc/{name}/exe"))).is_ok())
}

/// Swap must go before the file system it may lie on.
fn swap_off() {
    let swaps = text("/proc/swaps", MAX_TABLE);
    for line in cut::lines(&swaps).skip(1) {
        if let Some(path) = line.split_ascii_whitespace().next() {
            super::swap::off(path);
        }
    }
}

/// Unmounts in reverse order, what is busy is made read-only, and the root as well; answers what could not be.
/// With a last act, its directory and what is mounted below stay as they are, and so does the root.
pub fn unmount_all(
    feed: &dyn Fn() -> Option<rustix::io::Result<()>>,
    last_act: Option<&str>,
) -> Vec<String> {
    let is_of_last_act = |point: &str| last_act.is_some_and(|directory| is_below(point, directory));
    let mut stuck = Vec::new();
    for _ in 0..ROUNDS {
        stuck.clear();
        feed();
        let points = mount_points();
        let mut progress = false;
        for point in
            points.iter().rev().filter(|point| !is_kernel_only(point) && !is_of_last_act(point))
        {
            let path = c_path(Path::new(point));
            match path.and_then(|path| unmount(&*path, UnmountFlags::NOFOLLOW)) {
                Ok(()) => progress = true,
                Err(error) => stuck.push((point.clone(), error)),
            }
        }
        if !progress || stuck.is_empty() {
            break;
        }
    }
    // The root itself: read-only is all that can be had. An initramfs has nothing to lose. It goes before
    // what is below an overlay.
    if last_act.is_none() {
        mount_remount(c"/", MountFlags::RDONLY, c"").ok();
    }
    let mut lines = Vec::new();
    for (point, error) in stuck {
        let path = c_path(Path::new(&point));
        if path.and_then(|path| mount_remount(&*path, MountFlags::RDONLY, c"")).is_err() {
            lines.push(format!("cannot unmount {point}: {error}; nor make it read-only"));
        }
    }
    lines
}

/// Mounts that hold nothing that could be lost, and that are needed to the end. What is below `/run` may
/// be a store.
fn is_kernel_only(point: &str) -> bool {
    let roots = ["/proc", "/sys", "/dev"];
    matches!(point, "/" | "/run") || roots.iter().any(|root| is_below(point, root))
}

/// Whether it is this directory or below it.
fn is_below(point: &str, directory: &str) -> bool {
    let rest = point.strip_prefix(directory);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// In the order in which they were mounted, proc(5) on mountinfo.
fn mount_points() -> Vec<String> {
    let table = text("/proc/self/mountinfo", MAX_TABLE);
    let mut points = Vec::new();
    for line in cut::lines(&table) {
        if let Some(point) = cut::parts(line, b' ').nth(4) {
            points.push(unescape(point));
        }
    }
    points
}

/// Blanks and backslashes are octal in mountinfo.
fn unescape(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| first == b'\\');
        let octal = octal.and_then(|digits| core::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_mount_points_are_understood() {
        assert_eq!(unescape("/a\\040b\\134"), "/a b\\");
        assert_eq!(unescape("/x\\04"), "/x\\04");
        assert!(is_kernel_only("/dev/pts") && is_kernel_only("/"));
        assert!(!is_kernel_only("/device") && !is_kernel_only("/run/jamb/store"));
        assert!(is_below("/run/last/usr", "/run/last") && !is_below("/run/lasting", "/run/last"));
        // Everything is below the root, but the root alone is it.
        assert!(is_below("/", "/") && !is_below("/.old", "/"));
    }
}
