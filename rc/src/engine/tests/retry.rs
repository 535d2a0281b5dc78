//! Failures: delays between attempts, what ends them, and what is failed for good.

use super::*;
use crate::{engine::Why, model::Restart};

fn policy(restart: Restart) -> impl Fn(&mut Policy) {
    move |policy| policy.restart = restart
}

fn failures(m: &Machine) -> u32 {
    m.engine.view(m.id("a")).unwrap().failures
}

/// How long it waits until the next attempt, in milliseconds.
fn delay(m: &Machine) -> u64 {
    m.engine.view(m.id("a")).unwrap().retry_at.unwrap().since_ms(m.now)
}

#[test]
fn delays_grow_to_a_bound() {
    let bounds = |policy: &mut Policy| {
        policy.backoff.min = Millis(200);
        policy.backoff.max = Millis(1000);
    };
    let mut m = Machine::started(vec![daemon("a").policy(bounds)]);
    for expected in [200, 400, 800, 1000, 1000] {
        assert_eq!(m.exits("a", 1), "");
        assert_eq!(m.phase("a"), Phase::Backoff);
        assert_eq!(delay(&m), u64::from(expected));
        assert_eq!(m.pass(expected - 1), "");
        assert_eq!(m.pass(1), "spawn a");
    }
    assert_eq!(failures(&m), 5);
}

#[test]
fn a_stable_run_makes_up_for_failures() {
    let mut m = Machine::started(vec![longrun("a")]);
    m.exits("a", 1);
    m.pass(100);
    m.exits("a", 1);
    assert_eq!(failures(&m), 2);
    assert_eq!(m.pass(200), "spawn a");
    m.pass(9999);
    assert_eq!(m.exits("a", 1), "", "not quite");
    assert_eq!((failures(&m), delay(&m)), (3, 400));
    m.pass(400);
    m.pass(10_000);
    assert_eq!(m.exits("a", 1), "spawn a", "who ran for long is started at once");
    assert_eq!(failures(&m), 1);
}

#[test]
fn a_stable_run_that_we_end_makes_up_for_failures_too() {
    let mut m = Machine::started(vec![longrun("a")]);
    m.exits("a", 1);
    m.pass(100);
    m.pass(10_000);
    m.restart("a");
    m.exits("a", 0);
    assert_eq!(failures(&m), 0);
}

#[test]
fn what_was_worth_something_restarts_at_once_but_once() {
    let mut m = Machine::started(vec![longrun("a")]);
    m.pass(1000);
    assert_eq!(m.exits("a", 1), "spawn a");
    m.pass(1000);
    assert_eq!(m.exits("a", 1), "");
    assert_eq!(delay(&m), 200);
}

#[test]
fn time_before_readiness_is_worth_nothing() {
    let mut m = Machine::started(vec![daemon("a")]);
    m.pass(20_000);
    assert_eq!(m.exits("a", 1), "");
    assert_eq!(delay(&m), 100);
}

#[test]
fn too_many_failures_are_the_end() {
    let limit = |policy: &mut Policy| policy.max_restarts = 2;
    let mut m = Machine::started(vec![longrun("top").needs("a"), daemon("a").policy(limit)]);
    m.exits("a", 1);
    assert_eq!(m.pass(100), "spawn a");
    m.exits("a", 1);
    assert_eq!(m.pass(200), "spawn a");
    assert_eq!(m.exits("a", 7), "");
    assert_eq!(m.engine.view(m.id("a")).unwrap().why, Some(Why::TooMany(Exit::Code(7))));
    assert_eq!(m.pass(3_600_000), "");
    assert_eq!(m.states(), "a failed, top waiting");
    assert!(m.engine.view(m.id("top")).unwrap().blocked);
}

#[test]
fn always_means_after_success_too() {
    let mut m = Machine::started(vec![longrun("a").policy(policy(Restart::Always))]);
    m.exits("a", 0);
    assert_eq!(m.phase("a"), Phase::Backoff);
    assert_eq!(m.pass(100), "spawn a");
}

#[test]
fn on_failure_leaves_what_has_ended_well() {
    let mut m = Machine::started(vec![longrun("a").policy(policy(Restart::OnFailure))]);
    assert_eq!(m.exits("a", 1), "");
    assert_eq!(m.pass(100), "spawn a");
    assert_eq!(m.exits("a", 0), "");
    assert_eq!(m.engine.view(m.id("a")).unwrap().why, Some(Why::Ended(Exit::Code(0))));
    assert_eq!(m.pass(60_000), "");
}

#[test]
fn on_failure_what_ends_before_it_is_ready_has_failed_whatever_it_says() {
    let mut m = Machine::started(vec![daemon("a").policy(policy(Restart::OnFailure))]);
    m.exits("a", 0);
    assert_eq!(m.phase("a"), Phase::Backoff);
    assert_eq!(m.pass(100), "spawn a");
}

#[test]
fn never_means_after_failure_neither() {
    let mut m = Machine::started(vec![oneshot("a").policy(policy(Restart::Never))]);
    m.exits("a.up", 3);
    assert_eq!(m.engine.view(m.id("a")).unwrap().why, Some(Why::Ended(Exit::Code(3))));
    assert_eq!(m.pass(60_000), "");
}

/// fork(2) fails with EAGAIN while there are too many processes.
#[test]
fn a_spawn_that_fails_is_tried_again() {
    let mut m = Machine::new(vec![longrun("top").needs("a"), longrun("a").finish()]);
    m.broken = Some("a");
    assert_eq!(m.start("top"), "spawn a, spawn a.finish");
    assert!(matches!(m.engine.view(m.id("a")).unwrap().last_exit, Some(Exit::NotStarted(_))));
    m.exits("a.finish", 0);
    assert_eq!(m.phase("a"), Phase::Backoff);
    assert_eq!(m.pass(100), "spawn a, spawn top");
}

#[test]
fn a_finish_that_cannot_be_spawned_holds_nothing_up() {
    let mut m = Machine::started(vec![longrun("a").finish()]);
    m.broken = Some("a");
    assert_eq!(m.exits("a", 1), "spawn a.finish");
    assert_eq!(m.phase("a"), Phase::Backoff);
    assert_eq!(m.engine.view(m.id("a")).unwrap().last_exit, Some(Exit::Code(1)));
}

#[test]
fn what_is_needed_and_fails_takes_its_dependents_along_each_time() {
    let mut m = Machine::started(vec![longrun("top").needs("a"), longrun("a")]);
    assert_eq!(m.exits("a", 1), "TERM top");
    assert_eq!(m.pass(100), "spawn a");
    assert_eq!(m.waits("top"), "", "it is still stopping");
    assert_eq!(m.exits("top", 0), "spawn top");
    assert_eq!(m.exits("a", 1), "TERM top");
    m.exits("top", 0);
    assert_eq!(m.engine.view(m.id("top")).unwrap().failures, 0, "it has not failed itself");
}
