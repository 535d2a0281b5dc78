//! The watchdog with a file in the place of its device: each byte in it is one time that it was fed, and
//! the last one says how it was left. What a real one does is tested with an emulated machine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod guest;
mod world;

use guest::{Guest, may};
use rc::{
    Millis,
    model::{ServiceId, System, Watchdog},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use world::{Def, bundle, database_with, kill, longrun, scratch, script};

/// Boots a machine whose watchdog needs the first service by name.
fn boot(services: Vec<Def>, more: &str, change: impl FnOnce(&mut Watchdog)) -> (Guest, PathBuf) {
    let dir = scratch();
    let device = dir.join("watchdog");
    fs::write(&device, "").unwrap();
    let mut watchdog = Watchdog {
        device: device.to_str().unwrap().to_owned(),
        timeout: Millis::from_secs(2),
        needs: vec![ServiceId(0)],
        ..Watchdog::default()
    };
    change(&mut watchdog);
    let system = System { watchdog: Some(watchdog), ..System::default() };
    (Guest::boot_in(dir, Some(&database_with(services, system)), more), device)
}

fn fed(device: &Path) -> usize {
    fs::read(device).unwrap().len()
}

/// Waits until it has been fed so often.
fn until_fed(device: &Path, times: usize) {
    let end = Instant::now() + Duration::from_secs(60);
    while fed(device) < times {
        assert!(Instant::now() < end, "it is not fed");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn it_is_fed_at_half_of_its_time_and_left_in_order() {
    if !may() {
        return;
    }
    let services =
        vec![longrun("a-daemon", &["/bin/sleep", "1000"]), bundle("default", &["a-daemon"])];
    let (mut guest, device) = boot(services, "", |_| {});
    // A file knows no ioctl(2).
    guest.until("resets if not fed for 2 s, it is believed: its driver does not tell");
    guest.until("all that it needs is well");
    let told = guest.svc(&["status"]);
    assert!(told.contains("watchdog: armed, fed "), "{told}");
    let told: serde_json::Value = serde_json::from_str(&guest.svc(&["status", "--json"])).unwrap();
    assert_eq!(told["watchdog"]["state"], "armed");
    assert_eq!(told["watchdog"]["last_reset"], false);
    assert_eq!(told["watchdog"]["timeout_ms"], 2000);

    // Feeding is all that PID 1 wakes up for.
    let switches = || {
        let status = world::content(format!("/proc/{}/status", guest.pid()).as_ref());
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
    };
    until_fed(&device, fed(&device) + 1);
    let (meals, before) = (fed(&device), switches());
    until_fed(&device, meals + 4);
    let woken = switches() - before;
    assert!(woken <= fed(&device) - meals + 1, "{woken} times awake for 4 meals");
    assert_eq!(guest.end("TERM").code(), Some(0));
}

#[test]
fn it_is_closed_with_the_magic_letter_only_at_the_end() {
    if !may() {
        return;
    }
    let services = vec![longrun("default", &["/bin/sleep", "1000"])];
    let (mut guest, device) = boot(services, "", |_| {});
    guest.until("all that it needs is well");
    until_fed(&device, 2);
    assert!(!fs::read(&device).unwrap().contains(&b'V'));
    kill(guest.pid(), "TERM");
    assert_eq!(guest.outer.wait().unwrap().code(), Some(0));
    let bytes = fs::read(&device).unwrap();
    assert_eq!(bytes.iter().position(|byte| *byte == b'V'), Some(bytes.len() - 1), "{bytes:?}");
    fs::remove_dir_all(&guest.dir).ok();

    // Who kills PID 1 leaves it running.
    let services = vec![longrun("default", &["/bin/sleep", "1000"])];
    let (mut guest, device) = boot(services, "", |_| {});
    guest.until("all that it needs is well");
    kill(guest.pid(), "KILL");
    guest.outer.wait().unwrap();
    assert!(!fs::read(&device).unwrap().contains(&b'V'));
    fs::remove_dir_all(&guest.dir).ok();
}

#[test]
fn a_service_that_does_not_come_back_ends_the_feeding() {
    if !may() {
        return;
    }
    let services = vec![
        longrun("a-daemon", &["/bin/sleep", "1000"]),
        // It dies again and again, and is none of the watchdog's business.
        script("b-wan", "exit 1"),
        bundle("default", &["a-daemon", "b-wan"]),
    ];
    let (mut guest, device) = boot(services, "", |rule| rule.grace = Millis::from_secs(3));
    guest.until("all that it needs is well");
    until_fed(&device, 6);
    guest.svc(&["hold", "a-daemon", "--down"]);
    until_fed(&device, fed(&device) + 4);
    guest.svc(&["release", "a-daemon"]);
    guest.svc(&["stop", "a-daemon"]);
    guest.until("a-daemon has not been well for 3 s: it is not fed any longer");
    let meals = fed(&device);
    let told = guest.svc(&["status"]);
    assert!(told.contains("watchdog: not fed; it will reset the machine"), "{told}");
    // A device of 2 s would have had its way by now. This waits for something that must not happen.
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(fed(&device), meals);
    guest.end("TERM");
}

#[test]
fn a_boot_that_gets_nowhere_ends_the_feeding() {
    if !may() {
        return;
    }
    let stuck = |rule: &mut Watchdog| {
        rule.boot = Millis::from_secs(6);
        rule.stall = Millis::from_secs(3);
    };
    let services = || {
        let waits = script("b", "sleep 1000").ready(rc::model::Ready::Fd(3));
        vec![longrun("a", &["/bin/true"]).needs("b"), waits, bundle("default", &["a", "b"])]
    };
    let (mut guest, _) = boot(services(), "", stuck);
    guest.until("boot has not got on for 3 s: it is not fed any longer");
    guest.end("TERM");
    let (mut guest, _) = boot(services(), "", |rule| {
        stuck(rule);
        rule.stall = rule.boot;
    });
    guest.until("boot is not over after 6 s: it is not fed any longer");
    guest.end("TERM");
}

#[test]
fn a_device_that_comes_late_is_found() {
    if !may() {
        return;
    }
    let services = vec![
        world::oneshot("a-driver", "mv $(cat /run/where).late $(cat /run/where)", None),
        longrun("b-daemon", &["/bin/sleep", "1000"]).needs("a-driver"),
        bundle("default", &["a-driver", "b-daemon"]),
    ];
    let more = "mv $DIR/watchdog $DIR/watchdog.late; echo $DIR/watchdog >/run/where";
    let (mut guest, device) = boot(services, more, |rule| rule.grace = Millis::from_secs(3));
    guest.until("No such file or directory (os error 2); again when a service is ready");
    guest.until("resets if not fed for 2 s");
    guest.until("all that it needs is well");

    // It is handed over open, and so is the ratchet: who is not well has no new boot to hide in.
    let meals = fed(&device);
    guest.svc(&["reexec"]);
    until_fed(&device, meals + 3);
    assert!(guest.svc(&["status"]).contains("watchdog: armed"));
    guest.svc(&["stop", "a-driver"]);
    guest.svc(&["reexec"]);
    guest.until("a-driver has not been well for 3 s: it is not fed any longer");
    guest.end("TERM");
}
