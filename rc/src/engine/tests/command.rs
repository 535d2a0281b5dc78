//! Commands: what each asks for, what it does in each state, and shutdowns.

use super::*;
use crate::model::Restart;

fn never(policy: &mut Policy) {
    policy.restart = Restart::Never;
}

/// `top` needs `middle` needs `base`.
fn chain() -> Vec<Def> {
    vec![longrun("top").needs("middle"), longrun("middle").needs("base"), longrun("base")]
}

#[test]
fn boot_starts_what_its_target_reaches() {
    let mut m = Machine::new(vec![
        bundle("default", ReadyWhen::All, &["a"]),
        longrun("a").wants("b"),
        longrun("b"),
        longrun("c"),
    ]);
    assert_eq!(m.boot("default"), "spawn b, spawn a, settled");
    assert_eq!(m.states(), "a ready, b ready, c down, default ready");
}

#[test]
fn what_is_stopped_stays_down_with_its_dependents_waiting() {
    let mut m = Machine::started(chain());
    assert_eq!(m.stop("base"), "TERM top");
    assert_eq!(m.exits("top", 0), "TERM middle");
    assert_eq!(m.exits("middle", 0), "TERM base");
    assert_eq!(m.exits("base", 0), "");
    assert_eq!(m.states(), "base down, middle waiting, top waiting");
    assert_eq!(m.waits("top"), "middle");
    assert!(m.engine.view(m.id("base")).unwrap().stopped_by_command);
    assert_eq!(m.start("base"), "spawn base, spawn middle, spawn top", "wanted is remembered");
}

#[test]
fn the_start_of_a_dependent_overrides_a_stop() {
    let mut m = Machine::started(chain());
    m.stop("base");
    m.exits("top", 0);
    m.exits("middle", 0);
    m.exits("base", 0);
    assert_eq!(m.start("top"), "spawn base, spawn middle, spawn top");
    assert!(!m.engine.view(m.id("base")).unwrap().stopped_by_command);
    assert_eq!(m.stop("top"), "TERM top");
    assert_eq!(m.exits("top", 0), "TERM middle", "nobody wants the others any longer");
}

#[test]
fn the_start_of_a_dependent_overrides_no_stop_of_what_it_only_wants() {
    let mut m = Machine::started(vec![longrun("a").wants("b"), longrun("b")]);
    m.stop("b");
    m.exits("b", 0);
    assert_eq!(m.start("a"), "");
    assert_eq!(m.phase("b"), Phase::Down);
}

#[test]
fn a_stop_lets_go_of_what_nobody_else_wants() {
    let mut m = Machine::started(vec![
        longrun("a").needs("shared").needs("own"),
        longrun("b").needs("shared"),
        longrun("own"),
        longrun("shared"),
    ]);
    m.start("b");
    assert_eq!(m.stop("a"), "TERM a");
    assert_eq!(m.exits("a", 0), "TERM own");
    m.exits("own", 0);
    assert_eq!(m.states(), "a down, b ready, own down, shared ready");
}

#[test]
fn a_second_start_or_stop_changes_nothing() {
    let mut m = Machine::started(chain());
    assert_eq!(m.start("top"), "");
    m.stop("top");
    assert_eq!(m.stop("top"), "");
    assert_eq!(m.generation("top"), 1);
}

#[test]
fn a_start_during_a_stop_comes_after_it() {
    let mut m = Machine::started(vec![longrun("a")]);
    assert_eq!(m.stop("a"), "TERM a");
    assert_eq!(m.start("a"), "");
    assert_eq!(m.exits("a", 0), "spawn a");
}

#[test]
fn a_stop_during_a_start_ends_it() {
    let mut m = Machine::started(vec![daemon("a")]);
    assert_eq!(m.stop("a"), "TERM a");
    assert_eq!(m.exits("a", 0), "");
    assert_eq!(m.phase("a"), Phase::Down);
}

#[test]
fn a_restart_takes_the_dependents_along_once() {
    let mut m = Machine::started(vec![
        longrun("top").needs("left").needs("right"),
        longrun("left").needs("base"),
        longrun("right").needs("base"),
        longrun("base"),
    ]);
    assert_eq!(m.restart("base"), "TERM top");
    assert_eq!(m.exits("top", 0), "TERM right, TERM left");
    assert_eq!(m.exits("left", 0), "");
    assert_eq!(m.exits("right", 0), "TERM base");
    assert_eq!(m.exits("base", 0), "spawn base, spawn left, spawn right, spawn top");
    assert_eq!(m.generation("top"), 2);
}

#[test]
fn a_restart_in_each_state() {
    let mut m = Machine::new(vec![daemon("a")]);
    assert_eq!(m.restart("a"), "spawn a", "down: it is started");
    assert_eq!(m.restart("a"), "TERM a", "starting");
    assert_eq!(m.restart("a"), "", "stopping to start again");
    assert_eq!(m.exits("a", 0), "spawn a");
    m.ready("a");
    assert_eq!(m.restart("a"), "TERM a", "ready");
    assert_eq!(m.exits("a", 0), "spawn a");
    m.exits("a", 1);
    assert_eq!(m.phase("a"), Phase::Backoff);
    assert_eq!(m.restart("a"), "spawn a", "backing off: the delay is over");

    let mut m = Machine::started(vec![longrun("a").policy(never)]);
    m.exits("a", 0);
    assert_eq!(m.phase("a"), Phase::Failed);
    assert_eq!(m.restart("a"), "spawn a", "failed");

    let mut m = Machine::started(vec![longrun("a").needs("b"), daemon("b")]);
    assert_eq!(m.restart("a"), "", "waiting: it goes on waiting");
    assert_eq!(m.ready("b"), "spawn a");
}

#[test]
fn a_restart_of_what_was_stopped_starts_it() {
    let mut m = Machine::started(vec![longrun("a")]);
    m.stop("a");
    m.exits("a", 0);
    assert_eq!(m.restart("a"), "spawn a");
    m.restart("a");
    assert_eq!(m.stop("a"), "", "the stop wins over the restart before it");
    assert_eq!(m.exits("a", 0), "");
    assert_eq!(m.phase("a"), Phase::Down);
}

#[test]
fn a_start_forgets_failures() {
    let policy = |policy: &mut Policy| policy.max_restarts = 2;
    let mut m = Machine::started(vec![longrun("top").needs("a"), daemon("a").policy(policy)]);
    m.exits("a", 1);
    m.pass(100);
    m.exits("a", 1);
    assert_eq!(m.engine.view(m.id("a")).unwrap().failures, 2);
    assert_eq!(m.start("top"), "spawn a", "what it needs is tried at once");
    assert_eq!(m.engine.view(m.id("a")).unwrap().failures, 0);
    m.exits("a", 1);
    assert_eq!(m.phase("a"), Phase::Backoff);
}

#[test]
fn a_start_while_a_failed_service_cleans_up_forgets_that_failure() {
    let policy = |policy: &mut Policy| policy.restart = Restart::Never;
    let mut m = Machine::started(vec![longrun("a").finish().policy(policy)]);
    assert_eq!(m.exits("a", 1), "spawn a.finish");
    assert_eq!(m.start("a"), "");
    assert_eq!(m.exits("a.finish", 0), "spawn a");
}

#[test]
fn a_stop_ends_a_delay_and_a_failure() {
    let mut m = Machine::started(vec![longrun("a"), longrun("b").policy(never)]);
    m.exits("a", 1);
    assert_eq!(m.stop("a"), "");
    assert_eq!(m.phase("a"), Phase::Down);
    assert_eq!(m.pass(60_000), "");
    m.start("b");
    m.exits("b", 1);
    m.stop("b");
    assert_eq!(m.phase("b"), Phase::Down);
}

#[test]
fn commands_about_services_that_do_not_exist_change_nothing() {
    let mut m = Machine::started(vec![longrun("a")]);
    let none = ServiceId(7);
    for event in [Event::Boot(none), Event::Start(none), Event::Stop(none), Event::Restart(none)] {
        assert_eq!(m.tell(event), "");
    }
    assert!(m.engine.view(none).is_none());
}

#[test]
fn a_shutdown_is_orderly() {
    let mut m = Machine::new(vec![
        bundle("default", ReadyWhen::All, &["top", "shot"]),
        longrun("top").needs("base"),
        longrun("base").finish(),
        oneshot("shot").down(),
    ]);
    m.boot("default");
    m.exits("shot.up", 0);
    assert_eq!(m.tell(Event::Shutdown), "TERM top, spawn shot.down");
    assert_eq!(m.start("top"), "", "nothing is wanted any longer");
    assert_eq!(m.exits("top", 0), "TERM base");
    assert_eq!(m.exits("base", 0), "spawn base.finish");
    assert_eq!(m.exits("base.finish", 0), "");
    assert_eq!(m.exits("shot.down", 0), "all stopped");
    assert_eq!(m.pass(60_000), "", "once");
}

#[test]
fn a_shutdown_of_nothing_is_over_at_once() {
    let mut m = Machine::new(vec![longrun("a")]);
    assert_eq!(m.tell(Event::Shutdown), "all stopped");
    assert!(m.engine.is_shutting_down());
}

#[test]
fn a_shutdown_is_bounded() {
    let slow = |policy: &mut Policy| policy.stop.grace = Millis::from_secs(60);
    let mut m = Machine::started(vec![longrun("top").needs("base").policy(slow), longrun("base")]);
    assert_eq!(m.tell(Event::Shutdown), "TERM top");
    assert_eq!(m.pass(29_999), "");
    assert_eq!(m.pass(1), "KILL base, KILL top", "the bound of the system record");
    assert_eq!(m.exits("base", 0), "");
    assert_eq!(m.pass(2999), "");
    assert_eq!(m.pass(1), "KILL top, all stopped", "what is stuck is not waited for");
    assert_eq!(m.states(), "base down, top stopping");
}

#[test]
fn a_forced_shutdown_kills_and_cleans_nothing_up() {
    let mut m = Machine::started(vec![
        longrun("top").needs("base").finish(),
        oneshot("base").down(),
        longrun("third"),
    ]);
    m.exits("base.up", 0);
    m.start("third");
    m.tell(Event::Shutdown);
    assert_eq!(m.tell(Event::ShutdownNow), "KILL third, KILL top");
    assert_eq!(m.exits("top", 0), "");
    assert_eq!(m.exits("third", 0), "all stopped");
}

#[test]
fn the_first_shutdown_wins() {
    let mut m = Machine::started(vec![longrun("a")]);
    m.tell(Event::Shutdown);
    m.pass(5000);
    assert_eq!(m.tell(Event::Shutdown), "", "its bound is not moved");
    assert_eq!(m.pass(5000), "KILL a");
    m.tell(Event::ShutdownNow);
    assert_eq!(m.tell(Event::ShutdownNow), "");
    assert_eq!(m.exits("a", 0), "all stopped");
    assert_eq!(m.tell(Event::Shutdown), "");
    assert_eq!(m.tell(Event::ShutdownNow), "");
}
