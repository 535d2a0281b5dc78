//! The file systems that everything else relies on: /proc, /sys, /dev, /dev/pts, /run.
//!
//! What is mounted already (by the kernel, an initramfs, a container) is left as it is. A failure is
//! reported and boot goes on: most services can do without, and the rescue shell has to come up.

use crate::file::c_path;
use core::ffi::CStr;
use rc::boot::{Step, split_options};
use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, makedev, mkdir, mknodat, open, statat},
    io::Errno,
    mount::{MountFlags, mount},
};

/// `MS_REMOUNT`, which rustix has only in calls of its own.
const REMOUNT: u32 = 32;

struct Mount {
    kind: &'static CStr,
    on: &'static CStr,
    flags: MountFlags,
    options: &'static CStr,
}

/// Device nodes that programs take for granted, for kernels without devtmpfs; devices.txt of
/// Documentation/admin-guide.
const NODES: &[(&CStr, u32, u32, u32)] = &[
    (c"/dev/null", 1, 3, 0o666),
    (c"/dev/zero", 1, 5, 0o666),
    (c"/dev/urandom", 1, 9, 0o666),
    (c"/dev/random", 1, 8, 0o666),
    (c"/dev/tty", 5, 0, 0o666),
    (c"/dev/console", 5, 1, 0o600),
    (c"/dev/ptmx", 5, 2, 0o666),
];

/// Mounts them; answers what went wrong, for people.
pub fn early() -> Vec<String> {
    let quiet = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    let half = MountFlags::NOSUID | MountFlags::NOEXEC;
    let loose = MountFlags::NOSUID | MountFlags::NODEV;
    let mounts = [
        Mount { kind: c"proc", on: c"/proc", flags: quiet, options: c"" },
        Mount { kind: c"sysfs", on: c"/sys", flags: quiet, options: c"" },
        Mount { kind: c"devtmpfs", on: c"/dev", flags: half, options: c"mode=0755" },
        Mount {
            kind: c"devpts",
            on: c"/dev/pts",
            flags: half,
            options: c"mode=0620,gid=5,ptmxmode=0666",
        },
        Mount { kind: c"tmpfs", on: c"/run", flags: loose, options: c"mode=0755,size=50%" },
    ];
    let mut trouble = Vec::new();
    for one in &mounts {
        // On a read-only root the directory is there or cannot be made; mounting tells.
        mkdir(one.on, Mode::from_raw_mode(0o755)).ok();
        if is_mounted(one.on) {
            continue;
        }
        match mount(one.kind, one.on, one.kind, one.flags, Some(one.options)) {
            // EBUSY: it is mounted already.
            Ok(()) | Err(Errno::BUSY) => {}
            Err(error) => trouble.push(format!(
                "cannot mount {} on {}: {error}; boot goes on without it",
                one.kind.to_string_lossy(),
                one.on.to_string_lossy()
            )),
        }
    }
    for &(path, major, minor, mode) in NODES {
        let device = makedev(major, minor);
        // There already, as with devtmpfs, or not to be had: whoever needs it says so.
        mknodat(CWD, path, FileType::CharacterDevice, Mode::from_raw_mode(mode), device).ok();
    }
    trouble
}

/// Mounts what a step says on `target`; what is mounted there already gets the options instead.
///
/// # Errors
/// As mount(2) has it.
pub fn attach(step: &Step, source: &CStr, target: &CStr) -> Result<(), Errno> {
    let mut flags = 0;
    let data = c_path(&split_options(&step.options, &mut flags));
    if step.text == "bind" {
        mount(source, target, c"", MountFlags::BIND, Some(c""))?;
        if flags == 0 {
            return Ok(());
        }
        // A bind mount gets options of its own only once it is there.
        flags |= REMOUNT | MountFlags::BIND.bits();
    } else if step.path == "/" || is_mounted(target) {
        flags |= REMOUNT;
    }
    let flags = MountFlags::from_bits_retain(flags);
    mount(source, target, &*c_path(&step.text), flags, Some(&*data))
}

/// Whether a directory is another file system than its parent.
fn is_mounted(path: &CStr) -> bool {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(own) = open(path, flags, Mode::empty()) else { return false };
    match (fstat(&own), statat(&own, c"..", AtFlags::empty())) {
        (Ok(own), Ok(above)) => own.st_dev != above.st_dev,
        _ => false,
    }
}
