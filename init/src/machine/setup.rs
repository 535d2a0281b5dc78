//! Carries out what the database says a machine needs before its services: firmware, modules, mounts,
//! files, settings of the kernel; and loopback. It runs once, before the loop; what fails is said, and
//! boot goes on.

use super::{modules::Modules, mounts};
use crate::{
    file::{c_path, make_directories, put, split},
    manager::{Report, account},
    root::wait_for,
};
use core::ffi::CStr;
use rc::boot::{Op, Step};
use rustix::{
    fs::{
        AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, chmod, chown, makedev, mkdir, mknodat,
        symlink, unlinkat,
    },
    io::Errno,
    net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socket_with},
};
use std::path::Path;
use supervisor::time::Millis;

/// Does all of it; `pause` waits.
pub fn carry_out(steps: &[Step], report: &mut Report, pause: &mut dyn FnMut(Millis)) {
    let mut modules = Modules::default();
    for step in steps {
        let path = c_path(&step.path);
        // What cannot be made above is missed by what comes next.
        make_directories(split(Path::new(&step.path)).0).ok();
        let (verb, done) = match step.op {
            Op::Write => ("write to", put(&path, OFlags::WRONLY, 0, step.text.as_bytes())),
            Op::Module => ("load the module", modules.load(&step.path, &step.text)),
            Op::Mount => ("mount", mount(step, &path, pause)),
            Op::Link => ("make", link(&path, &c_path(&step.text))),
            _ => ("make", make(step, &path, report)),
        };
        if let Err(error) = done {
            let path = &step.path;
            report.tell("boot", format_args!("cannot {verb} {path}: {error}; boot goes on"));
        }
    }
    // In a container it is there already, or not ours to bring up.
    loopback_up().ok();
}

fn mount(step: &Step, on: &CStr, pause: &mut dyn FnMut(Millis)) -> Result<(), Errno> {
    let found = wait_for(step, pause);
    // Without it, mounting tells what is the matter.
    let device = c_path(found.as_ref().map_or(&step.device, |found| &found.source));
    // It is there already, or mounting tells.
    mkdir(on, Mode::from_raw_mode(0o755)).ok();
    mounts::attach(step, &device, on)
}

fn link(path: &CStr, target: &CStr) -> Result<(), Errno> {
    match symlink(target, path) {
        // Only another link may be in the way.
        Err(Errno::EXIST) if rustix::fs::readlink(path, Vec::new()).is_ok() => {
            unlinkat(CWD, path, AtFlags::empty())?;
            symlink(target, path)
        }
        done => done,
    }
}

fn make(step: &Step, path: &CStr, report: &mut Report) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(step.mode.into());
    let kind = match step.op {
        Op::Directory => FileType::Directory,
        Op::Character => FileType::CharacterDevice,
        Op::Block => FileType::BlockDevice,
        Op::Fifo => FileType::Fifo,
        _ => FileType::RegularFile,
    };
    let made = match kind {
        FileType::Directory => mkdir(path, mode),
        FileType::RegularFile => {
            let flags = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL);
            put(path, flags, step.mode, step.text.as_bytes())
        }
        _ => mknodat(CWD, path, kind, mode, makedev(step.major, step.minor)),
    };
    if !matches!(made, Err(Errno::EXIST)) {
        made?;
    }
    let named = |name| Some(name).filter(|name: &&str| !name.is_empty());
    let (mut uid, mut gid) = (0, 0);
    match account(named(&step.user), named(&step.group), &[]) {
        Ok(Some(owner)) => (uid, gid) = (owner.identity.uid, owner.identity.gid),
        Ok(None) => {}
        Err(problem) => {
            report.tell("boot", format_args!("{}: {problem}; it is root's", step.path));
        }
    }
    chown(path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    // After the owner, whose change may clear bits.
    chmod(path, mode)
}

/// Sets `IFF_UP` of the loopback interface, which is the first of every network namespace; rtnetlink(7).
fn loopback_up() -> Result<(), Errno> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    /// The index, IFF_UP, and the mask that says what changes.
    const ONE: u8 = 1;
    const LENGTH: u8 = 32;
    // All numbers but the second are small: of each word only the lowest byte is not zero.
    let lowest = if cfg!(target_endian = "little") { 0 } else { 3 };
    let mut message = [0; LENGTH as usize];
    message[4..6].copy_from_slice(&RTM_NEWLINK.to_ne_bytes());
    message[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    for (word, value) in [(0, LENGTH), (20, ONE), (24, ONE), (28, ONE)] {
        message[word + lowest] = value;
    }
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    send(&socket, &message, SendFlags::empty()).map(drop)
}
