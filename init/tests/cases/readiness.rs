//! How services tell that they are ready, and what is no readiness.

use crate::{
    child::{Child, longrun},
    rig::Rig,
    world::{Def, content},
};
use rc::{
    Millis,
    model::{Ready, Restart},
};

/// A longrun, ready by descriptor 3, that is given up after one failure, and what depends on it.
fn once(name: &'static str) -> Def {
    longrun(name).ready(Ready::Fd(3)).policy(|policy| policy.max_restarts = 1)
}

/// s6's notification-fd: a newline makes ready, whatever came before it, and only once.
#[test]
fn a_newline_makes_ready() {
    let rig = Rig::start(vec![
        longrun("daemon").ready(Ready::Fd(3)),
        longrun("dependent").needs("daemon"),
    ]);
    let mut child = rig.run("daemon");
    for text in ["almost", "READY=1", "\0\r"] {
        child.tell(&format!("write 3 {text}"));
        assert_eq!(rig.now("daemon"), "starting", "after {text:?}");
    }
    child.tell("write 3 there\nand more");
    rig.state("daemon", "ready");
    rig.state("dependent", "ready");
    // The descriptor is of no use any longer; closing it means nothing.
    child.tell("close 3");
    assert_eq!(rig.now("daemon"), "ready");
    rig.end();
}

/// Any descriptor will do.
#[test]
fn the_descriptor_is_the_one_that_was_named() {
    let rig = Rig::start(vec![longrun("daemon").ready(Ready::Fd(42))]);
    rig.run("daemon").tell("write 42 \n");
    rig.state("daemon", "ready");
    rig.end();
}

/// s6-rc, dinit: a process that ends before it was ready has failed, with whatever code.
#[test]
fn an_exit_before_the_newline_is_a_failure() {
    let rig = Rig::start(vec![
        once("daemon").policy(|policy| policy.restart = Restart::OnFailure),
        longrun("dependent").needs("daemon"),
    ]);
    for _ in 0..2 {
        let mut child = rig.run("daemon");
        child.tell("write 3 almost");
        child.exit(0);
    }
    rig.state("daemon", "failed");
    assert_eq!(rig.world.status("dependent")["generation"], 0);
    rig.end();
}

/// What is said with the last breath counts: a newline and then an exit is ready and then dead.
#[test]
fn a_newline_before_the_exit_counts() {
    let rig = Rig::start(vec![
        longrun("daemon").ready(Ready::Fd(3)).policy(|policy| policy.restart = Restart::OnFailure),
    ]);
    let mut child = rig.run("daemon");
    // Stopped, jamb sees both at once when it goes on.
    crate::world::kill(i64::from(rig.world.child.id()), "STOP");
    child.ready();
    child.exit(0);
    crate::world::kill(i64::from(rig.world.child.id()), "CONT");
    rig.state("daemon", "ready");
    rig.state("daemon", "failed");
    rig.end();
}

/// s6: a descriptor that is closed without a newline is no readiness; it never will be, so it failed.
#[test]
fn a_close_without_a_newline_is_a_failure() {
    let rig = Rig::start(vec![once("daemon"), longrun("dependent").needs("daemon")]);
    for _ in 0..2 {
        let mut child = rig.run("daemon");
        child.tell("write 3 almost");
        // It may be dead before it can answer.
        child.send("close 3");
        assert_eq!(rig.events.exited("daemon", "run").0.signal, Some(15));
    }
    rig.state("daemon", "failed");
    assert_eq!(rig.world.status("dependent")["generation"], 0);
    rig.end();
}

/// A descendant that keeps the descriptor may still write the newline.
#[test]
fn a_descendant_may_write_the_newline() {
    let rig = Rig::start(vec![longrun("daemon").ready(Ready::Fd(3))]);
    let mut main = rig.run("daemon");
    main.tell("spawn descendant");
    let mut descendant = rig.children.next("daemon", "descendant");
    main.tell("close 3");
    assert_eq!(rig.now("daemon"), "starting");
    descendant.tell("write 3 \n");
    rig.state("daemon", "ready");
    rig.end();
}

/// systemd's `test-notify`: READY=1 is found among unknown keys, and in nothing that resembles it.
#[test]
fn ready_is_found_among_unknown_keys() {
    let rig = Rig::start(vec![longrun("daemon").ready(Ready::Notify)]);
    let mut child = rig.run("daemon");
    let long = format!("X_LONG={}", "x".repeat(1500));
    for text in ["STATUS=READY=1", "READY=10", "READY", "=", "X=1\nREADY=1 ", &long, "READY=1x"] {
        child.tell(&format!("notify {text}"));
        assert_eq!(rig.now("daemon"), "starting", "after {text:?}");
    }
    child.tell("notify NO_SUCH_KEY=1\n\nREADY=1\nX_OTHER=");
    rig.state("daemon", "ready");
    // To say it again, or anything else, changes nothing.
    child.tell("notify READY=1\nSTATUS=fine");
    assert_eq!(rig.now("daemon"), "ready");
    rig.end();
}

/// Each run has a socket of its own; one of an earlier run says nothing for a later one.
#[test]
fn the_socket_is_of_one_run() {
    let rig = Rig::start(vec![longrun("daemon").ready(Ready::Notify)]);
    let mut first = rig.run("daemon");
    let socket = first.tell("env NOTIFY_SOCKET");
    assert!(std::path::Path::new(&socket).exists());
    first.tell("notify READY=1");
    rig.state("daemon", "ready");
    first.exit(1);
    let mut second = rig.run("daemon");
    assert_eq!(rig.now("daemon"), "starting");
    second.tell("notify READY=1");
    rig.state("daemon", "ready");
    rig.svc(&["stop", "daemon"]);
    assert!(!std::path::Path::new(&socket).exists(), "nobody listens any longer");
    rig.end();
}

/// Readiness by outputs: all that are declared, and none before.
#[test]
fn outputs_make_ready() {
    let defs = vec![
        longrun("wan").output("address", "ip").output("mtu", "int").ready(Ready::Outputs),
        longrun("route").reads("wan", "address"),
    ];
    let rig = Rig::start(defs);
    let mut child = rig.run("wan");
    let output = |child: &mut Child, words: &str| {
        child.tell(&format!("run {} output {words}", crate::world::JAMB))
    };
    assert_eq!(output(&mut child, "address=192.0.2.1"), "0");
    assert_eq!(rig.now("wan"), "starting");
    assert_eq!(output(&mut child, "mtu=many"), "1", "no integer");
    assert_eq!(rig.now("wan"), "starting");
    assert_eq!(output(&mut child, "mtu=1492"), "0");
    rig.state("wan", "ready");
    rig.state("route", "ready");
    let file = rig.world.run().join("services/outputs/wan/mtu");
    assert_eq!(content(&file), "1492");
    rig.end();
}

/// A start timeout is over once it is ready.
#[test]
fn a_start_timeout_ends_with_readiness() {
    let policy = |policy: &mut rc::model::Policy| policy.start_timeout = Some(Millis(60_000));
    let rig = Rig::start(vec![longrun("daemon").ready(Ready::Fd(3)).policy(policy)]);
    let mut child = rig.run("daemon");
    child.ready();
    rig.state("daemon", "ready");
    rig.order("restart", "daemon");
    child.gone();
    let (_, timed_out) = rig.events.exited("daemon", "run");
    assert!(!timed_out);
    rig.end();
}

/// systemd: a service that dies while it reloads itself is restarted like any other.
#[test]
fn an_exit_while_reloading_restarts() {
    let rig = Rig::start(vec![longrun("daemon").ready(Ready::Notify)]);
    let mut child = rig.run("daemon");
    child.tell("notify READY=1");
    rig.state("daemon", "ready");
    child.tell("notify RELOADING=1");
    child.tell("barrier");
    assert_eq!(rig.world.status("daemon")["reloading"], true);
    let told = rig.world.ok(&["status", "daemon"]);
    assert!(told.contains("  now         reloading\n"), "{told}");
    child.exit(0);
    let mut child = rig.run("daemon");
    assert_eq!(rig.world.status("daemon")["reloading"], false);
    child.tell("notify READY=1");
    rig.state("daemon", "backoff");
    rig.state("daemon", "ready");
    rig.end();
}
