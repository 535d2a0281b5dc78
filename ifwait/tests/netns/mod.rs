//! A network namespace for one test, and the commands that change it. Input: the test's thread,
//! which moves into the namespace; the programs it starts are born there. It must never touch the
//! machine's own interfaces: without a namespace of its own a test stops.

use nix::sched::{CloneFlags, unshare};
use std::io::Write;
use std::process::{Command, Stdio};

/// Moves the calling thread into a new, empty network namespace; it ends with the thread.
pub fn enter() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap_or_else(|error| {
        panic!("no network namespace ({error}): run as root, or by `unshare -r cargo test`")
    });
    // Neighbours are not asked about addresses, and links give themselves none: what a test sees
    // is what it did.
    let settings =
        [("all/accept_dad", "0"), ("default/accept_dad", "0"), ("default/addr_gen_mode", "1")];
    for (name, value) in settings {
        let path = format!("/proc/sys/net/ipv6/conf/{name}");
        std::fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

/// Runs commands of ip(8), one a line, all of which must succeed.
pub fn ip(lines: &str) {
    let mut child =
        Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap_or_else(
            |error| panic!("cannot run ip(8): {error}; install the package iproute2"),
        );
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "ip failed at one of:\n{lines}");
}
