//! Services start, stop, fail and are told about, with the real binary and real processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use world::{World, longrun, lossy, oneshot, script};

#[test]
fn services_start_in_order_and_stop_in_reverse() {
    let world = World::start(vec![
        oneshot("net", "echo net up", Some("echo net down")),
        longrun("daemon", &["/bin/sleep", "1000"]).needs("net"),
    ]);
    world.ready("default");
    let status = world.status("daemon");
    assert_eq!(status["state"], "ready");
    assert_eq!(status["kind"], "longrun");
    assert_eq!(status["generation"], 1);
    let table = world.ok(&["status"]);
    assert!(table.starts_with("SERVICE  STATE"), "{table}");
    assert_eq!(world.ok(&["list"]), "daemon\ndefault\nnet\n");
    let pid = world.pid("daemon");
    world.ok(&["restart", "net", "-t", world::LIMIT]);
    world.ready("daemon");
    assert_ne!(world.pid("daemon"), pid, "what needs it is restarted with it");
    let run = world.run();
    let log = world.dir.join("copy");
    assert!(world.svc(&["stop", "net"]).status.success());
    assert_eq!(world.status("daemon")["state"], "waiting");
    assert_eq!(world.status("daemon")["waiting_on"][0], "net");
    std::fs::create_dir_all(&log).unwrap();
    assert!(run.join("control").exists());
    world.until_logged("net", "net down");
    assert_eq!(world.end().code(), Some(0));
}

#[test]
fn a_missing_program_is_told_with_path_and_reason() {
    let world = World::start(vec![
        longrun("broken", &["/no/such/program"]),
        longrun("fine", &["/bin/sleep", "1000"]),
    ]);
    world.ready("fine");
    let output = world.svc(&["start", "broken", "-t", world::LIMIT]);
    assert_eq!(output.status.code(), Some(1));
    let told = lossy(&output.stderr);
    assert!(told.contains("broken is backoff"), "{told}");
    assert!(told.contains("No such file or directory"), "{told}");
    let status = world.status("broken");
    assert_eq!(status["last_exit"]["errno"], 2);
    assert_eq!(world.svc(&["status", "broken"]).status.code(), Some(3));
    assert_eq!(world.svc(&["status", "fine"]).status.code(), Some(0));
    assert_eq!(world.svc(&["status", "nothing"]).status.code(), Some(4));
    assert_eq!(world.svc(&["start", "nothing"]).status.code(), Some(3));
    world.until_logged("jamb", "/no/such/program");
    let why = world.ok(&["why", "default"]);
    assert!(why.contains("broken"), "{why}");
    assert_eq!(world.end().code(), Some(0));
}

#[test]
fn who_ignores_term_is_killed_with_all_its_children() {
    let code = "trap '' TERM; sleep 1000 & echo $!; echo ready >&3; wait; sleep 1000";
    let world = World::start(vec![
        script("stubborn", code)
            .ready(rc::model::Ready::Fd(3))
            .policy(|policy| policy.stop.grace = rc::Millis(100)),
    ]);
    world.ready("stubborn");
    world.until_logged("stubborn", "");
    let log = world.log("stubborn");
    let child: i64 = log.trim().rsplit(' ').next().unwrap().parse().unwrap();
    let process = format!("/proc/{child}");
    assert!(std::path::Path::new(&process).exists());
    world.ok(&["stop", "stubborn", "-t", world::LIMIT]);
    assert_eq!(world.status("stubborn")["last_exit"]["text"], "SIGKILL");
    // It was sent SIGKILL, which takes effect when it is scheduled next.
    let lives =
        || std::fs::read_to_string(format!("{process}/stat")).is_ok_and(|s| !s.contains(") Z"));
    for _ in 0..1000 {
        if lives() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
    assert!(!lives(), "its child lives on");
    assert_eq!(world.end().code(), Some(0));
}
