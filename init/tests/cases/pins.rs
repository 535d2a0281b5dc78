//! What is held by command: dinit's tests of pins, with jamb's words for them.

use crate::{
    child::longrun,
    rig::Rig,
    world::{self, Def, JAMB, bundle},
};
use rc::model::{Fact, OnChange, Ready, Relation};

/// Ready when it is told to be.
fn slow(name: &'static str) -> Def {
    longrun(name).ready(Ready::Fd(3))
}

/// `service` needs `root`; `top` needs `service`; nothing wants `idle`.
fn rig() -> Rig {
    let rig = Rig::start_with(
        vec![
            slow("root"),
            longrun("service").needs("root"),
            longrun("top").needs("service"),
            longrun("idle"),
            bundle("default", &["top"]),
        ],
        |_| {},
        |_| {},
    );
    rig.run("root").ready();
    rig.state("top", "ready");
    rig
}

/// 1: held down it stops, with what depends on it, and no command for anything brings it up.
#[test]
fn held_down_it_stops_and_no_start_brings_it_up() {
    let rig = held(rig(), "service", "down");
    rig.state("service", "down");
    for name in ["service", "top", "default"] {
        rig.order("start", name);
        assert_eq!(rig.now("service"), "down", "after start {name}");
    }
    assert_eq!(rig.now("top"), "waiting");
    let why = rig.world.ok(&["why", "top"]);
    assert!(why.contains("held down"), "{why}");
    let output = rig.world.svc(&["start", "top", "-t", world::LIMIT]);
    assert_eq!(output.status.code(), Some(1), "who waits for it is told");
    rig.end();
}

/// 2: released, it is what it was asked to be meanwhile.
#[test]
fn released_it_is_as_wanted() {
    let rig = held(rig(), "service", "down");
    rig.state("service", "down");
    rig.svc(&["release", "service"]);
    rig.state("top", "waiting");
    rig.state("top", "ready");
    // Stopped by command while it was held up, it goes down at once.
    let rig = held(rig, "service", "up");
    rig.order("stop", "service");
    assert_eq!(rig.now("service"), "ready");
    rig.svc(&["release", "service"]);
    rig.state("service", "down");
    rig.end();
}

/// 3: held up, what nothing wants is started, and a stop does nothing.
#[test]
fn held_up_it_starts_and_no_stop_takes_it_down() {
    let rig = held(rig(), "idle", "up");
    rig.state("idle", "ready");
    let pid = rig.world.pid("idle");
    rig.order("stop", "idle");
    rig.order("stop", "default");
    assert_eq!((rig.now("idle").as_str(), rig.world.pid("idle")), ("ready", pid));
    rig.svc(&["release", "idle"]);
    rig.state("idle", "down");
    rig.end();
}

/// 4: held up, it outlives what it needs, and what depends on it stays as well.
#[test]
fn held_up_it_outlives_what_it_needs() {
    let rig = held(rig(), "service", "up");
    let pids = (rig.world.pid("service"), rig.world.pid("top"));
    rig.svc(&["stop", "root", "-t", world::LIMIT]);
    assert_eq!(rig.now("root"), "down");
    assert_eq!((rig.world.pid("service"), rig.world.pid("top")), pids);
    // That it needs it is remembered for the release.
    rig.svc(&["release", "service"]);
    rig.state("service", "waiting");
    rig.end();
}

/// 5: held up, it still needs what it needs to start.
#[test]
fn held_up_it_does_not_start_without_what_it_needs() {
    let rig = held(rig(), "service", "up");
    rig.svc(&["stop", "root", "-t", world::LIMIT]);
    rig.run("service").exit(1);
    rig.state("service", "backoff");
    rig.state("service", "waiting");
    assert_eq!(rig.world.status("service")["waiting_on"][0], "root");
    rig.order("start", "root");
    rig.run("root").ready();
    rig.state("service", "ready");
    rig.end();
}

/// 6: held up, its own death is answered by a restart, and a restart by command is carried out.
#[test]
fn held_up_it_is_restarted() {
    let rig = held(rig(), "service", "up");
    rig.run("service").exit(1);
    rig.state("service", "backoff");
    rig.state("service", "ready");
    rig.svc(&["restart", "service", "-t", world::LIMIT]);
    assert_eq!(rig.world.status("service")["generation"], 3);
    assert_eq!(rig.world.status("service")["pinned"], "up");
    rig.end();
}

/// 7: held up, a changed value does not restart it.
#[test]
fn held_up_a_changed_value_does_not_restart_it() {
    let source = longrun("source").output("mark", "int").ready(Ready::Outputs);
    let rig = Rig::start(vec![source, longrun("reader").reads("source", "mark")]);
    let mut source = rig.run("source");
    source.tell(&format!("run {JAMB} output mark=1"));
    rig.state("reader", "ready");
    let pid = rig.world.pid("reader");
    let rig = held(rig, "reader", "up");
    source.tell(&format!("run {JAMB} output mark=2"));
    assert_eq!((rig.now("reader").as_str(), rig.world.pid("reader")), ("ready", pid));
    rig.end();
}

/// 8: held up, a condition that ceases to hold does not stop it; released, it does.
#[test]
fn held_up_it_outlives_its_conditions() {
    let path = world::scratch().join("switch");
    std::fs::write(&path, "").unwrap();
    let fact = Fact::Path(path.to_str().unwrap().to_owned());
    let rig = Rig::start(vec![
        longrun("service").when(fact.clone(), false),
        longrun("other").when(fact, false),
    ]);
    rig.state("service", "ready");
    rig.state("other", "ready");
    let rig = held(rig, "service", "up");
    std::fs::remove_file(&path).unwrap();
    // The other one shows that it was seen.
    rig.state("other", "waiting");
    assert_eq!(rig.now("service"), "ready");
    rig.svc(&["release", "service"]);
    rig.state("service", "waiting");
    rig.end();
}

/// 9: a boot with something held down settles, and says that not everything is ready.
#[test]
fn held_down_it_does_not_block_others() {
    let rig = Rig::start(vec![
        slow("root"),
        slow("service").needs("root"),
        longrun("soft").edge("service", Relation::Wants, OnChange::Ignore),
        longrun("after").edge("service", Relation::After, OnChange::Ignore),
    ]);
    let mut root = rig.run("root");
    let rig = held(rig, "service", "down");
    root.ready();
    rig.state("soft", "ready");
    rig.state("after", "ready");
    let settled = |what: &crate::events::What| matches!(what, crate::events::What::Settled { .. });
    let event = rig.events.next("", "settled", settled);
    assert_eq!(event.what, crate::events::What::Settled { ready: false });
    rig.end();
}

/// 10: a shutdown ends what is held up, and what is held is seen until then.
#[test]
fn a_shutdown_ends_what_is_held() {
    let rig = held(rig(), "service", "up");
    let shown = rig.world.ok(&["status", "service"]);
    assert!(shown.contains("held        up"), "{shown}");
    let rig = held(rig, "top", "up");
    let service = rig.run("service");
    rig.end();
    service.gone();
}

/// Holds a service and sees that it shows.
fn held(rig: Rig, service: &str, how: &str) -> Rig {
    rig.svc(&["hold", service, how]);
    assert_eq!(rig.world.status(service)["pinned"], how);
    rig
}
