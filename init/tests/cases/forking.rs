//! Daemons that fork, and say by a pid file which process goes on.

use crate::{
    child::{Child, longrun},
    rig::Rig,
    world::Def,
};
use rc::model::Ready;
use std::path::PathBuf;

/// A path of this test alone, that is known before its jamb is.
fn path(name: &str) -> String {
    let file = format!("jamb-pidfile-{}-{name}", std::process::id());
    std::env::temp_dir().join(file).to_string_lossy().into_owned()
}

fn daemon(path: &str) -> Def {
    longrun("daemon")
        .ready(Ready::Pidfile)
        .policy(|policy| policy.max_restarts = 1)
        .of_longrun(|longrun| longrun.pidfile = Some(path.to_owned()))
}

/// Starts what goes on, in a session of its own.
fn fork(rig: &Rig, parent: &mut Child) -> Child {
    parent.tell("spawn forked");
    let mut forked = rig.children.next("daemon", "forked");
    forked.tell("setsid");
    forked
}

#[test]
fn the_process_in_the_pid_file_is_supervised() {
    let path = path("supervised");
    std::fs::write(&path, "1\n").unwrap();
    let rig = Rig::start(vec![daemon(&path), longrun("dependent").needs("daemon")]);
    let mut parent = rig.run("daemon");
    assert!(!PathBuf::from(&path).exists(), "a stale file is removed first");
    let mut forked = fork(&rig, &mut parent);
    forked.tell(&format!("pidfile {path}"));
    assert_eq!(rig.now("daemon"), "starting", "the first process still runs");
    parent.exit(0);
    rig.state("daemon", "ready");
    rig.state("dependent", "ready");
    assert_eq!(rig.world.pid("daemon"), forked.pid);
    assert!(!rig.events.story_of("daemon").contains("run:"), "the fork is no end");
    // Its end is the service's.
    forked.die(9);
    assert_eq!(rig.events.exited("daemon", "run").0.signal, Some(9));
    // The file comes after the first process has ended, and in two writes.
    let mut parent = rig.run("daemon");
    let forked = fork(&rig, &mut parent);
    parent.exit(0);
    std::fs::write(&path, "").unwrap();
    assert_eq!(rig.now("daemon"), "starting");
    std::fs::write(&path, format!("{}\n", forked.pid)).unwrap();
    rig.state("daemon", "ready");
    rig.order("stop", "daemon");
    forked.gone();
    rig.state("daemon", "down");
    rig.end();
    std::fs::remove_file(&path).ok();
}

/// Neither a process of somebody else nor one that is dead is believed, whatever the file says.
#[test]
fn a_pid_file_that_lies_is_not_believed() {
    let path = path("lies");
    let rig = Rig::start(vec![daemon(&path), longrun("other")]);
    let mut other = rig.run("other");
    // A child of jamb's by now, but not this service's.
    other.tell("spawn between");
    let mut between = rig.children.next("other", "between");
    between.tell("spawn orphan");
    let orphan = rig.children.next("other", "orphan");
    between.exit(0);
    let parent = rig.run("daemon");
    parent.exit(0);
    for foreign in [i64::from(std::process::id()), other.pid, orphan.pid, 1, 0, -5, i64::MAX] {
        std::fs::write(&path, format!("{foreign}\n")).unwrap();
        assert_eq!(rig.now("daemon"), "starting", "{foreign}");
    }
    std::fs::write(&path, "no number").unwrap();
    // What is stopped while it is waited for is down at once.
    rig.svc(&["stop", "daemon", "-t", crate::world::LIMIT]);
    assert_eq!(rig.now("other"), "ready");
    rig.end();
    std::fs::remove_file(&path).ok();
}

/// A daemon that is stopped before its file is there is found by what it was started with, and is not left behind.
#[test]
fn a_daemon_without_its_file_is_stopped_too() {
    let path = path("unnamed");
    let rig = Rig::start(vec![daemon(&path), longrun("other")]);
    let _other = rig.run("other");
    let mut parent = rig.run("daemon");
    let forked = fork(&rig, &mut parent);
    parent.exit(0);
    assert_eq!(rig.now("daemon"), "starting");
    rig.svc(&["stop", "daemon", "-t", crate::world::LIMIT]);
    forked.gone();
    assert_eq!(rig.now("other"), "ready");
    rig.end();
}

/// A first process that fails is a failure, with or without a file.
#[test]
fn a_first_process_that_fails_is_a_failure() {
    let path = path("fails");
    let rig = Rig::start(vec![daemon(&path)]);
    for _ in 0..2 {
        let mut parent = rig.run("daemon");
        let mut forked = fork(&rig, &mut parent);
        forked.tell(&format!("pidfile {path}"));
        parent.exit(1);
        assert_eq!(rig.events.exited("daemon", "run").0.code, Some(1));
    }
    rig.state("daemon", "failed");
    rig.end();
    std::fs::remove_file(&path).ok();
}
