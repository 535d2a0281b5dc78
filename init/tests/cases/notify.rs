//! What services say about themselves beyond being ready: sd_notify(3) and the notification descriptor.

use crate::{
    child::{Child, longrun},
    rig::Rig,
    world::{Def, JAMB, kill},
};
use rc::{Millis, model::Ready};
use std::os::unix::net::UnixDatagram;

fn daemon() -> Def {
    longrun("daemon").ready(Ready::Notify)
}

fn applet(child: &mut Child, words: &str) -> String {
    child.tell(&format!("run {JAMB} notify {words}"))
}

/// Readiness is taken back on both channels: dependents stop, and come back with it.
#[test]
fn readiness_is_withdrawn_and_comes_back() {
    let rig = Rig::start(vec![
        daemon(),
        longrun("pipe").ready(Ready::Fd(3)),
        longrun("a").needs("daemon"),
        longrun("b").needs("pipe"),
    ]);
    let (mut daemon, mut pipe) = (rig.run("daemon"), rig.run("pipe"));
    assert_eq!(applet(&mut daemon, "READY"), "0");
    pipe.ready();
    for (child, name, dependent) in [(&mut daemon, "daemon", "a"), (&mut pipe, "pipe", "b")] {
        rig.state(dependent, "ready");
        let first = rig.run(dependent);
        match name {
            "daemon" => assert_eq!(applet(child, "UNREADY"), "0"),
            _ => drop(child.tell("write 3 READY=0\n")),
        }
        rig.state(name, "starting");
        first.gone();
        rig.state(dependent, "waiting");
        match name {
            "daemon" => assert_eq!(applet(child, "READY"), "0"),
            _ => child.ready(),
        }
        rig.state(name, "ready");
        rig.state(dependent, "ready");
        let status = rig.world.status(name);
        assert_eq!((&status["generation"], &status["pid"]), (&1.into(), &child.pid.into()));
    }
    rig.end();
}

/// STATUS, ERRNO, STOPPING and RELOADING are shown; RELOADING ends with READY.
#[test]
fn what_it_says_is_shown() {
    let rig = Rig::start(vec![daemon()]);
    let mut child = rig.run("daemon");
    assert_eq!(applet(&mut child, "READY STATUS=serving"), "0");
    rig.state("daemon", "ready");
    child.tell("barrier");
    assert_eq!(rig.world.status("daemon")["status"], "serving");
    assert!(rig.world.ok(&["status", "daemon"]).contains("says        serving"));
    assert_eq!(applet(&mut child, "RELOADING"), "0");
    child.tell("barrier");
    let status = rig.world.status("daemon");
    assert_eq!((&status["reloading"], &status["state"]), (&true.into(), &"ready".into()));
    assert_eq!(applet(&mut child, "READY"), "0");
    child.tell("notify ERRNO=2");
    child.tell("barrier");
    let status = rig.world.status("daemon");
    assert_eq!(status["reloading"], false);
    assert_eq!(status["status"], "No such file or directory (errno 2)");
    assert_eq!(applet(&mut child, "STOPPING"), "0");
    child.tell("barrier");
    assert_eq!(rig.world.status("daemon")["status"], "stopping");
    // Control characters do not reach a terminal, and there is a bound.
    child.tell(&format!("notify STATUS=\u{1b}[2J{}", "x".repeat(500)));
    child.tell("barrier");
    let status = rig.world.status("daemon")["status"].as_str().unwrap().to_owned();
    assert!(status.len() == 120 && status.starts_with(" [2Jx"), "{status:?}");
    child.exit(0);
    rig.run("daemon");
    assert_eq!(rig.world.status("daemon")["status"], "", "another run has said nothing");
    rig.end();
}

/// A process that is no part of the service is not believed, whoever it is.
#[test]
fn a_stranger_is_not_believed() {
    let rig = Rig::start(vec![daemon(), longrun("other")]);
    let mut child = rig.run("daemon");
    let socket = child.tell("env NOTIFY_SOCKET");
    UnixDatagram::unbound().unwrap().send_to(b"READY=1", &socket).unwrap();
    child.tell("barrier");
    assert_eq!(rig.now("daemon"), "starting");
    let pid = std::process::id();
    rig.world.until_logged("jamb", &format!("daemon: process {pid} of user"));
    // Nor is one that it names as its own.
    let other = rig.run("other");
    for foreign in [i64::from(pid), other.pid, 1, 0, -1] {
        child.tell(&format!("notify MAINPID={foreign}"));
    }
    child.tell("barrier");
    assert_eq!(rig.world.pid("daemon"), child.pid);
    // Its descendants are, in a session of their own too.
    child.tell("spawn descendant");
    let mut descendant = rig.children.next("daemon", "descendant");
    descendant.tell("setsid");
    descendant.tell("notify READY=1");
    rig.state("daemon", "ready");
    rig.end();
}

/// MAINPID names a child of the process: when that ends, the service goes on with the child.
#[test]
fn the_main_process_is_handed_over() {
    let rig = Rig::start(vec![daemon()]);
    let mut first = rig.run("daemon");
    first.tell("notify READY=1");
    first.tell("spawn heir");
    let mut heir = rig.children.next("daemon", "heir");
    heir.tell("setsid");
    first.tell(&format!("notify MAINPID={}", heir.pid));
    first.tell("barrier");
    assert_eq!(rig.world.pid("daemon"), first.pid, "its end would not be seen yet");
    first.exit(3);
    heir.tell("notify STATUS=mine");
    heir.tell("barrier");
    let status = rig.world.status("daemon");
    assert_eq!((&status["pid"], &status["generation"]), (&heir.pid.into(), &1.into()));
    assert_eq!((&status["state"], &status["status"]), (&"ready".into(), &"mine".into()));
    // It is supervised like any other: its end is the service's.
    heir.die(9);
    let (exit, _) = rig.events.exited("daemon", "run");
    assert_eq!(exit.signal, Some(9));
    let mut second = rig.run("daemon");
    second.tell("notify READY=1");
    // An orphan is a child of jamb's already, and taken over at once.
    second.tell("spawn between");
    let mut between = rig.children.next("daemon", "between");
    between.tell("spawn orphan");
    let mut orphan = rig.children.next("daemon", "orphan");
    between.exit(0);
    orphan.tell("setsid");
    second.tell(&format!("notify MAINPID={}", orphan.pid));
    second.tell("barrier");
    assert_eq!(rig.world.pid("daemon"), orphan.pid);
    rig.order("stop", "daemon");
    orphan.gone();
    rig.state("daemon", "down");
    second.exit(0);
    // One that gets the place of a process that is being stopped hears of that.
    rig.order("start", "daemon");
    let mut third = rig.run("daemon");
    third.tell("spawn heir");
    let mut heir = rig.children.next("daemon", "heir");
    heir.tell("setsid");
    third.tell(&format!("notify MAINPID={}", heir.pid));
    third.tell("barrier");
    rig.order("stop", "daemon");
    third.gone();
    heir.gone();
    rig.state("daemon", "down");
    assert_eq!(rig.world.status("daemon")["last_exit"]["signal"], 15);
    rig.end();
}

/// The watchdog: it is told how often, and who does not say that it is alive is ended by SIGABRT.
#[test]
fn a_missed_sign_of_life_is_a_failure() {
    let hour = Millis(3_600_000);
    let rig = Rig::start(vec![daemon().of_longrun(|longrun| longrun.watchdog = Some(hour))]);
    let mut child = rig.run("daemon");
    assert_eq!(child.tell("env WATCHDOG_USEC"), "3600000000");
    assert_eq!(child.tell("env WATCHDOG_PID"), child.pid.to_string());
    assert_eq!(applet(&mut child, "READY KEEPALIVE"), "0");
    rig.state("daemon", "ready");
    child.send("notify WATCHDOG=trigger");
    assert_eq!(rig.events.exited("daemon", "run").0.signal, Some(6));
    let mut second = rig.run("daemon");
    second.tell("notify READY=1");
    rig.state("daemon", "ready");
    // It may ask for another span, which is missed at once.
    second.send("notify WATCHDOG_USEC=1000");
    let (exit, timed_out) = rig.events.exited("daemon", "run");
    assert_eq!((exit.signal, timed_out), (Some(6), true));
    rig.end();
}

/// EXTEND_TIMEOUT_USEC counts from when it is said, and then expires.
#[test]
fn a_start_takes_as_long_as_it_says() {
    let rig = Rig::start(vec![
        daemon().policy(|policy| policy.start_timeout = Some(Millis(60_000))),
        longrun("short").ready(Ready::Notify).policy(|p| p.start_timeout = Some(Millis(200))),
    ]);
    let (mut daemon, mut short) = (rig.run("daemon"), rig.run("short"));
    assert_eq!(applet(&mut daemon, "EXTEND=3000"), "0");
    daemon.tell("notify READY=1");
    rig.state("daemon", "ready");
    // 300 ms from now on, not after the 200 ms; and no more than that.
    short.send("notify EXTEND_TIMEOUT_USEC=300000");
    let (_, timed_out) = rig.events.exited("short", "run");
    assert!(timed_out);
    rig.end();
}

/// Descriptors that are passed are closed, known to be asked for or not.
#[test]
fn passed_descriptors_are_closed() {
    let rig = Rig::start(vec![daemon()]);
    let mut child = rig.run("daemon");
    for _ in 0..50 {
        child.tell("barrier");
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", rig.world.child.id())).unwrap().count();
    assert!(open < 50, "{open} descriptors are open");
    // Its definition has no store.
    child.tell("store file");
    child.tell("notify READY=1");
    rig.state("daemon", "ready");
    rig.world.until_logged("jamb", "daemon: 1 descriptors more than its fd-store (0) has room for");
    kill(child.pid, "KILL");
    rig.end();
}
