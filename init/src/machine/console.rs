//! The console: opened so that it can neither block nor become the controlling terminal.

use super::cmdline::Cmdline;
use rustix::{
    fd::OwnedFd,
    fs::{Mode, OFlags, open as open_file},
};

/// `/dev/console`, or the device that it stands for.
pub fn open_with(cmdline: &Cmdline, flags: OFlags) -> Option<OwnedFd> {
    let flags = flags | OFlags::NOCTTY | OFlags::CLOEXEC;
    let device = cmdline.console.as_ref().map(|name| format!("/dev/{name}"));
    let paths = [Some("/dev/console"), device.as_deref()];
    paths.into_iter().flatten().find_map(|path| open_file(path, flags, Mode::empty()).ok())
}

/// For messages: what the device does not take at once is dropped.
pub fn open(cmdline: &Cmdline) -> Option<OwnedFd> {
    open_with(cmdline, OFlags::WRONLY | OFlags::NONBLOCK)
}
