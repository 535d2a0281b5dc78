//! PID 1 of a namespace crashes, again and again: first nobody notices, then it ends in order; and when it is
//! ending already, it ends as it was asked to. Needs root; says so if it is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod guest;
mod world;

use guest::{Guest, may};
use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
};
use world::{bundle, database, kill, longrun, script};

fn pid(guest: &Guest, name: &str) -> i64 {
    let text = guest.svc(&["status", name, "--json"]);
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    status["services"][0]["pid"].as_i64().unwrap()
}

/// Where it is told where to crash.
fn plan(guest: &Guest) -> PathBuf {
    format!("/proc/{}/root/run/jamb/crash", guest.pid()).into()
}

#[test]
fn pid_1_goes_on_and_in_the_end_gives_up_in_order() {
    if !may() {
        return;
    }
    let mut guest = Guest::boot(Some(&database(vec![
        longrun("daemon", &["/bin/sleep", "1000"]),
        // Each run leaves somebody to PID 1.
        script("other", "(sleep 0.1 &); exec sleep 1000"),
        bundle("default", &["daemon", "other"]),
    ])));
    guest.until("everything is ready");
    let before = pid(&guest, "daemon");
    for (number, (point, way)) in
        [("spawn", "segv"), ("spawned", "overflow"), ("committed", "abort")].iter().enumerate()
    {
        fs::write(plan(&guest), format!("{point} {way}")).unwrap();
        guest.svc(&["restart", "other"]);
        guest.until(&format!("{} times so far", number + 1));
    }
    kill(guest.pid(), "SEGV");
    guest.until("jamb crashed (SIGSEGV");
    guest.svc(&["restart", "other"]);
    assert_eq!(pid(&guest, "daemon"), before);
    let version = guest.svc(&["version"]);
    assert!(version.contains("4 crashes survived"), "{version}");

    kill(guest.pid(), "ABRT");
    guest.until("it only reaps, and the machine reboots in 60 s");
    let process = format!("/proc/{}/root/proc/{before}", guest.pid());
    assert!(Path::new(&process).exists(), "services go on");
    // Or else the time has to pass.
    kill(guest.pid(), "TERM");
    assert_eq!(guest.outer.wait().unwrap().code(), Some(0));
    fs::remove_dir_all(&guest.dir).ok();
}

#[test]
fn a_crash_while_taking_over_from_one_in_the_end_ends_as_it_was_asked_to() {
    if !may() {
        return;
    }
    let services = [longrun("daemon", &["/bin/sleep", "1000"]), bundle("default", &["daemon"])];
    let mut guest = Guest::boot(Some(&database(services.into())));
    guest.until("everything is ready");
    let plan = plan(&guest);
    fs::write(&plan, "ending segv").unwrap();
    // It is read in the next turn, and the second one by who takes over.
    guest.svc(&["version"]);
    assert!(!plan.exists());
    fs::write(&plan, "take-over segv").unwrap();
    guest.applet("poweroff", &[]);
    // Without those crashes it would just exit. In a PID namespace reboot(2) is a death by SIGINT for an end
    // without another start, and by SIGHUP for a reboot.
    assert_eq!(guest.outer.wait().unwrap().signal(), Some(libc::SIGINT));
    fs::remove_dir_all(&guest.dir).ok();
}
