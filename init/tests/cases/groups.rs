//! Services of which not all run: alternatives, conflicts, bundles that need only some, and what is
//! started when another one failed for good.

use crate::{
    child::{Child, longrun},
    events::What,
    rig::Rig,
    world::{self, Def, JAMB, bundle, failover, some_of},
};
use rc::{
    Backoff, Millis,
    model::{Back, OnChange, Ready, Relation},
};

/// A line that has an address.
fn line(name: &'static str) -> Def {
    longrun(name).output("address", "string").ready(Ready::Outputs)
}

fn publish(child: &mut Child, address: &str) {
    assert_eq!(child.tell(&format!("run {JAMB} output address={address}")), "0");
}

/// Two lines, and who uses the one that there is, with its address as an argument.
fn two_lines(back: Back, on_change: OnChange, retry: Millis) -> Rig {
    let user = world::longrun("user", &[crate::child::PROGRAM, "run", "%0"]);
    let user = user.edge("wan", Relation::Needs, on_change).reads("wan", "address");
    Rig::start_with(
        vec![
            line("a").policy(|policy| policy.backoff = Backoff { min: retry, max: retry }),
            line("b"),
            failover("wan", back, &["a", "b"], "address", "string"),
            user,
            bundle("default", &["user"]),
        ],
        |_| {},
        |_| {},
    )
}

/// Users of two lines: the second is used when the first fails, and kept.
#[test]
fn a_failover_turns_to_the_next_and_stays() {
    let rig = two_lines(Back::Sticky, OnChange::Restart, Millis(20));
    let mut a = rig.run("a");
    let why = rig.world.ok(&["why", "wan"]);
    assert!(why.contains("- tries a; the next in "), "{why}");
    publish(&mut a, "192.0.2.1");
    let user = rig.run("user");
    assert_eq!(user.arguments, ["192.0.2.1"]);
    assert_eq!(rig.world.ok(&["outputs", "wan", "address"]).trim(), "192.0.2.1");
    assert_eq!(rig.world.status("b")["generation"], 0, "one at a time");
    a.exit(1);
    user.gone();
    // At once, and beside the first one, which tries again.
    let mut b = rig.run("b");
    rig.events.exited("user", "run");
    let why = rig.world.ok(&["why", "wan"]);
    assert!(why.contains("- tries a, b\n"), "{why}");
    let a = rig.run("a");
    publish(&mut b, "192.0.2.2");
    let user = rig.run("user");
    assert_eq!(user.arguments, ["192.0.2.2"]);
    a.gone();
    rig.state("a", "down");
    rig.svc(&["wait", "default", "-t", world::LIMIT]);
    assert_eq!(rig.world.pid("user"), user.pid);
    rig.end();
}

/// The preferred one is tried on, and used again once it is ready, without a moment without any.
#[test]
fn a_failover_returns_to_the_preferred_one() {
    let rig = two_lines(Back::PreferFirst, OnChange::Signal(rc::Signal::Hup), Millis(20));
    let mut a = rig.run("a");
    publish(&mut a, "192.0.2.1");
    let mut user = rig.run("user");
    user.tell("catch 1");
    rig.state("default", "ready");
    a.exit(1);
    let mut b = rig.run("b");
    publish(&mut b, "192.0.2.2");
    // It stayed up and is told of the other address.
    user.caught(1);
    let ready = rig.state("wan", "ready");
    let mut a = rig.run("a");
    publish(&mut a, "192.0.2.3");
    user.caught(1);
    b.gone();
    rig.state("b", "down");
    assert_eq!(rig.world.ok(&["outputs", "wan", "address"]).trim(), "192.0.2.3");
    assert_eq!(rig.world.pid("user"), user.pid);
    // The first readiness, the second after the loss, and no third.
    let all = rig.end();
    let states = |to: &str| {
        let is = |what: &What| matches!(what, What::State { to: state, .. } if state == to);
        all.iter().filter(|event| event.service == "wan" && is(&event.what)).count()
    };
    assert!(ready > 0 && states("ready") == 2, "{all:?}");
}

/// A line that never comes up is not waited for without end.
#[test]
fn a_failover_loses_patience() {
    let wan = failover("wan", Back::Sticky, &["a", "b"], "address", "string").with(|service| {
        if let rc::model::Kind::Failover(failover) = &mut service.kind {
            failover.patience = Millis(50);
        }
    });
    let rig = Rig::start_with(
        vec![line("a"), line("b"), wan, bundle("default", &["wan"])],
        |_| {},
        |_| {},
    );
    let mut b = rig.run("b");
    assert_eq!(rig.now("a"), "starting");
    publish(&mut b, "192.0.2.2");
    rig.state("wan", "ready");
    rig.state("a", "down");
    rig.end();
}

/// systemd's `Conflicts=`: never both, not even for a moment; a command decides which.
#[test]
fn conflicting_services_are_never_up_together() {
    let rig = Rig::start_with(
        vec![
            longrun("client").conflicts("point"),
            longrun("point").conflicts("client"),
            bundle("default", &["client"]),
        ],
        |_| {},
        |_| {},
    );
    let mut client = rig.run("client");
    client.tell("catch 15");
    rig.order("start", "point");
    client.caught(15);
    assert_eq!(rig.now("point"), "waiting");
    assert_eq!(rig.world.status("point")["generation"], 0);
    client.exit(0);
    let down = rig.state("client", "down");
    assert!(rig.state("point", "starting") > down);
    let point = rig.run("point");
    // And back, by a command as well.
    rig.svc(&["start", "client", "-t", world::LIMIT]);
    point.gone();
    assert_eq!((rig.now("client").as_str(), rig.now("point").as_str()), ("ready", "down"));
    rig.end();
}

/// A bundle of which some are enough stays ready as long as there are so many.
#[test]
fn some_members_are_enough() {
    let slow = |name| longrun(name).ready(Ready::Fd(3));
    let rig = Rig::start_with(
        vec![
            slow("one"),
            slow("two"),
            slow("three"),
            some_of("quorum", 2, &["one", "two", "three"]),
            longrun("user").needs("quorum"),
            bundle("default", &["user"]),
        ],
        |_| {},
        |_| {},
    );
    let (mut one, mut two, mut three) = (rig.run("one"), rig.run("two"), rig.run("three"));
    one.ready();
    rig.state("one", "ready");
    assert_eq!(rig.now("quorum"), "waiting");
    three.ready();
    let user = rig.run("user");
    two.ready();
    rig.state("two", "ready");
    one.exit(1);
    rig.state("one", "backoff");
    assert_eq!((rig.now("quorum").as_str(), rig.world.pid("user")), ("ready", user.pid));
    three.exit(1);
    user.gone();
    rig.run("three").ready();
    rig.run("user");
    rig.end();
}

/// systemd's `OnFailure=`: what failed for good starts its replacement, once.
#[test]
fn a_failure_starts_another() {
    let rig = Rig::start_with(
        vec![
            longrun("daemon").policy(|policy| policy.max_restarts = 1).on_failure("spare"),
            longrun("spare"),
            bundle("default", &["daemon"]),
        ],
        |_| {},
        |_| {},
    );
    rig.run("daemon").exit(1);
    rig.state("daemon", "backoff");
    assert_eq!(rig.now("spare"), "down");
    rig.run("daemon").exit(1);
    rig.state("daemon", "failed");
    rig.state("spare", "ready");
    rig.end();
}
