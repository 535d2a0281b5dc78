//! What runs beside the process of a service: checks of readiness and health, and actions.

use crate::{
    child::{PROGRAM, longrun, oneshot},
    rig::Rig,
    world::argv,
};
use rc::{
    Millis,
    model::{Health, OnChange, OnFailure, Ready},
};

fn program(role: &str) -> rc::model::Command {
    argv(&[PROGRAM, role])
}

fn health() -> Health {
    Health { run: program("health"), every: Millis(50), timeout: Millis(60_000), retries: 2 }
}

/// It is ready once a program that is run again and again says so.
#[test]
fn a_check_makes_ready() {
    let ready = Ready::Check { every: Millis(50) };
    let rig = Rig::start(vec![
        longrun("daemon").ready(ready).of_longrun(|one| one.check = Some(program("check"))),
    ]);
    for _ in 0..3 {
        rig.children.next("daemon", "check").exit(1);
        assert_eq!(rig.now("daemon"), "starting");
    }
    let main = rig.run("daemon");
    let mut check = rig.children.next("daemon", "check");
    assert_eq!(rig.world.pid("daemon"), main.pid, "the service is its main process");
    check.tell("say hello from the check");
    check.exit(0);
    rig.state("daemon", "ready");
    rig.world.until_logged("daemon", "hello from the check");
    rig.end();
}

/// So many failed checks in a row, and the service has failed; a good one forgives.
#[test]
fn health_is_checked() {
    let rig = Rig::start(vec![
        longrun("daemon").with(|one| one.health = Some(health())),
        longrun("dependent").needs("daemon"),
    ]);
    rig.state("dependent", "ready");
    let check = |code| rig.children.next("daemon", "health").exit(code);
    check(1);
    let mut second = rig.children.next("daemon", "health");
    assert_eq!(rig.world.status("daemon")["health_failures"], 1);
    assert!(rig.world.ok(&["status", "daemon"]).contains("health      1 failures in a row"));
    second.tell("say fine");
    second.exit(0);
    check(1);
    assert_eq!(rig.now("daemon"), "ready");
    let first = rig.run("daemon");
    let dependent = rig.run("dependent");
    check(1);
    dependent.gone();
    first.gone();
    rig.run("daemon");
    rig.state("dependent", "ready");
    rig.end();
}

/// A check that is still running when the service stops is killed with all that it started.
#[test]
fn a_check_does_not_outlive_its_service() {
    let rig = Rig::start(vec![longrun("daemon").with(|one| one.health = Some(health()))]);
    let mut check = rig.children.next("daemon", "health");
    check.tell("spawn descendant");
    let descendant = rig.children.next("daemon", "descendant");
    // Nor does anybody outlive the check.
    check.exit(0);
    descendant.gone();
    let mut check = rig.children.next("daemon", "health");
    check.tell("spawn descendant");
    let descendant = rig.children.next("daemon", "descendant");
    rig.order("stop", "daemon");
    check.gone();
    descendant.gone();
    rig.state("daemon", "down");
    rig.end();
}

/// `svc reload` runs what the definition says, with the values of now.
#[test]
fn a_reload_is_a_signal_or_a_program() {
    let run = |service: &mut rc::model::Service| {
        service.reload = Some(OnChange::Run(0));
        service.actions = vec![argv(&[PROGRAM, "reload", "%0"])];
    };
    let hup = |service: &mut rc::model::Service| {
        service.reload = Some(OnChange::Signal(rc::Signal::Hup));
    };
    let rig = Rig::start(vec![
        oneshot("wan").output("address", "string"),
        longrun("program").reads("wan", "address").with(run),
        longrun("signal").with(hup),
    ]);
    rig.world.publish("wan", &["address=192.0.2.1"]);
    rig.children.next("wan", "up").exit(0);
    rig.state("program", "ready");
    let (main, mut signalled) = (rig.run("program"), rig.run("signal"));
    signalled.tell("catch 1");
    rig.svc(&["reload", "program", "signal"]);
    signalled.caught(1);
    let action = rig.children.next("program", "reload");
    assert_eq!(action.arguments, ["192.0.2.1"]);
    assert_eq!(action.generation, 1);
    action.exit(0);
    assert_eq!(rig.world.pid("program"), main.pid);
    // An action that fails leaves stale values behind: the service is restarted.
    rig.svc(&["reload", "program"]);
    rig.children.next("program", "reload").exit(1);
    main.gone();
    rig.run("program");
    rig.end();
}

/// A service that fails for good may take the machine, here its supervisor, down in order.
#[test]
fn on_failure_reboot_ends_in_order() {
    let rig = Rig::start(vec![
        longrun("daemon").policy(|policy| {
            policy.max_restarts = 1;
            policy.on_failure = OnFailure::Reboot;
        }),
        longrun("other"),
    ]);
    let other = rig.run("other");
    rig.run("daemon").exit(1);
    rig.run("daemon").exit(1);
    other.gone();
    rig.end();
}

/// Where there is no rescue shell, that is said.
#[test]
fn on_failure_rescue_needs_a_machine() {
    let rig = Rig::start(vec![longrun("daemon").policy(|policy| {
        policy.max_restarts = 1;
        policy.on_failure = OnFailure::Rescue;
    })]);
    rig.run("daemon").exit(1);
    rig.run("daemon").exit(1);
    rig.state("daemon", "failed");
    rig.world.until_logged("jamb", "daemon: failed for good; there is no rescue shell");
    rig.end();
}
