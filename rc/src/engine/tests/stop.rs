//! Stopping: dependents first, signals and their times, cleaning up, and what is stuck.

use super::*;
use crate::Signal;

fn quick(policy: &mut Policy) {
    policy.stop.grace = Millis(500);
}

/// The reason for all this: ppp dies, and the default route and the DHCPv6 client follow.
#[test]
fn ppp_and_what_depends_on_it() {
    let mut m = Machine::started(vec![
        oneshot("route").down().reads("ppp.peer"),
        longrun("dhcp6").needs("ppp"),
        longrun("ppp").ready(Ready::Outputs).publishes("peer"),
        longrun("dns").needs("ppp").on_change(OnChange::Ignore),
    ]);
    m.start("dhcp6");
    m.start("dns");
    assert_eq!(
        m.publish("ppp", &["peer=1"]),
        "publish ppp, spawn dhcp6, spawn dns, spawn route.up"
    );
    m.exits("route.up", 0);
    assert_eq!(m.exits("ppp", 1), "withdraw ppp, spawn route.down, TERM dhcp6");
    assert_eq!(m.states(), "dhcp6 stopping, dns ready, ppp backoff, route stopping");
    assert_eq!(m.exits("route.down", 0), "");
    assert_eq!(m.pass(100), "spawn ppp");
    assert_eq!(m.exits("dhcp6", 0), "");
    assert_eq!(m.waits("dhcp6"), "ppp");
    assert_eq!(m.publish("ppp", &["peer=2"]), "publish ppp, spawn dhcp6, spawn route.up");
    assert_eq!(m.engine.bound(m.id("route"), 0), Some("2"));
}

#[test]
fn dependents_are_down_before_what_they_need_is_told() {
    let mut m = Machine::started(vec![
        longrun("top").needs("middle"),
        oneshot("middle").down().needs("bottom"),
        longrun("bottom"),
    ]);
    m.exits("middle.up", 0);
    assert_eq!(m.stop("bottom"), "TERM top");
    assert_eq!(m.waits("bottom"), "the end of middle");
    assert_eq!(m.exits("top", 0), "spawn middle.down");
    assert_eq!(m.exits("middle.down", 0), "TERM bottom");
    m.exits("bottom", 0);
    assert_eq!(m.states(), "bottom down, middle waiting, top waiting");
}

#[test]
fn all_that_goes_down_does_so_in_reverse_even_over_soft_relations() {
    let mut m = Machine::started(vec![
        longrun("a").wants("b"),
        longrun("b"),
        longrun("c").after("b").needs("d").on_change(OnChange::Ignore),
        longrun("d"),
    ]);
    m.start("c");
    assert_eq!(m.tell(Event::Shutdown), "TERM c, TERM a");
    assert_eq!(m.exits("a", 0), "");
    assert_eq!(m.exits("c", 0), "TERM d, TERM b");
}

#[test]
fn a_stop_through_a_bundle_waits_for_who_needs_the_bundle() {
    let mut m = Machine::started(vec![
        longrun("user").needs("any"),
        bundle("any", ReadyWhen::AtLeast(1), &["a", "b"]),
        longrun("a"),
        longrun("b"),
    ]);
    assert_eq!(m.stop("a"), "TERM a", "b is enough");
    assert_eq!(m.stop("b"), "TERM user");
    assert_eq!(m.waits("b"), "the end of any");
    assert_eq!(m.exits("user", 0), "TERM b");
}

/// Whether `b` may end is decided when it is known that `a` goes as well.
#[test]
fn two_members_that_restart_at_once_wait_for_who_needs_their_bundle() {
    let reader = |name| longrun(name).reads("src.v");
    let mut m = Machine::started(vec![
        longrun("user").needs("any"),
        bundle("any", ReadyWhen::AtLeast(1), &["a", "b"]),
        reader("a"),
        reader("b"),
        longrun("src").ready(Ready::Outputs).publishes("v"),
    ]);
    m.publish("src", &["v=1"]);
    assert_eq!(m.phase("user"), Phase::Ready);
    assert_eq!(m.publish("src", &["v=2"]), "publish src, TERM user");
    assert_eq!(m.exits("user", 0), "TERM b, TERM a");
}

#[test]
fn a_stop_escalates_and_then_others_do_not_wait_for_it() {
    let mut m = Machine::started(vec![longrun("top").needs("base").policy(quick), longrun("base")]);
    assert_eq!(m.stop("base"), "TERM top");
    assert_eq!(m.pass(499), "");
    assert_eq!(m.pass(1), "KILL top");
    assert_eq!(m.pass(2999), "");
    assert_eq!(m.pass(1), "KILL top, TERM base", "top is stuck in the kernel");
    m.exits("base", 0);
    assert_eq!(m.start("top"), "spawn base");
    assert_eq!(m.phase("top"), Phase::Stopping, "never beside its own process");
    assert_eq!(m.exits("top", 0), "spawn top");
}

/// A bundle that holds it must settle, and others must start.
#[test]
fn nobody_waits_softly_for_what_is_stuck() {
    let mut m = Machine::started(vec![longrun("a").policy(quick)]);
    m.stop("a");
    m.pass(3500);
    let mut m = Machine::started(vec![longrun("late").wants("a"), longrun("a").policy(quick)]);
    m.stop("late");
    m.exits("late", 0);
    m.exits("a", 0);
    m.start("late");
    m.stop("late");
    m.exits("late", 0);
    m.restart("a");
    m.restart("a");
    m.pass(3500);
    assert_eq!(m.phase("a"), Phase::Stopping);
    assert_eq!(m.start("late"), "spawn late");
}

#[test]
fn the_first_signal_is_the_services_own() {
    let hard = |policy: &mut Policy| policy.stop.signal = Signal::Kill;
    let mut m = Machine::started(vec![longrun("a").policy(hard)]);
    assert_eq!(m.stop("a"), "KILL a");
    assert_eq!(m.pass(3000), "KILL a");
    let soft = |policy: &mut Policy| policy.stop.signal = Signal::Int;
    let mut m = Machine::started(vec![longrun("a").policy(soft)]);
    assert_eq!(m.stop("a"), "INT a");
}

#[test]
fn finish_runs_after_each_death_and_has_its_time() {
    let mut m = Machine::started(vec![longrun("a").finish()]);
    assert_eq!(m.exits("a", 7), "spawn a.finish");
    assert_eq!(m.phase("a"), Phase::Stopping);
    assert_eq!(m.engine.view(m.id("a")).unwrap().last_exit, Some(Exit::Code(7)));
    assert_eq!(m.exits("a.finish", 0), "");
    assert_eq!(m.phase("a"), Phase::Backoff);
    assert_eq!(m.pass(100), "spawn a");
    assert_eq!(m.stop("a"), "TERM a");
    assert_eq!(m.exits("a", 0), "spawn a.finish");
    assert_eq!(m.pass(5000), "KILL a");
    assert_eq!(m.exits("a.finish", 0), "timed out a");
    assert_eq!(m.phase("a"), Phase::Down);
}

#[test]
fn down_has_the_time_of_a_stop() {
    let mut m = Machine::started(vec![oneshot("a").down().policy(quick)]);
    m.exits("a.up", 0);
    assert_eq!(m.stop("a"), "spawn a.down");
    assert_eq!(m.pass(500), "TERM a");
    assert_eq!(m.pass(500), "KILL a");
    m.exits("a.down", 1);
    assert_eq!(m.phase("a"), Phase::Down);
}

#[test]
fn an_up_that_is_stopped_in_the_middle_is_taken_down() {
    let mut m = Machine::started(vec![oneshot("a").down()]);
    assert_eq!(m.stop("a"), "TERM a");
    assert_eq!(m.exits("a.up", 0), "spawn a.down");
}

#[test]
fn who_dies_while_its_dependents_stop_is_not_forgotten() {
    let mut m = Machine::started(vec![longrun("top").needs("base"), longrun("base").finish()]);
    m.restart("base");
    assert_eq!(m.exits("base", 1), "", "its finish waits for top as well");
    assert_eq!(m.exits("top", 0), "spawn base.finish");
    assert_eq!(m.exits("base.finish", 0), "spawn base, spawn top", "we wanted it to end");
}

/// A start timeout must not end a process that waits for its dependents to be down.
#[test]
fn a_timeout_of_the_start_ends_with_the_start() {
    let policy = |policy: &mut Policy| policy.start_timeout = Some(Millis(50));
    let mut m = Machine::started(vec![longrun("top").needs("base"), daemon("base").policy(policy)]);
    m.ready("base");
    m.exits("base", 1);
    m.pass(100);
    assert_eq!(m.states(), "base starting, top stopping");
    assert_eq!(m.stop("base"), "");
    assert_eq!(m.pass(1000), "");
    assert_eq!(m.exits("top", 0), "TERM base");
}

#[test]
fn a_stop_keeps_dependents_waiting_and_dependencies_up() {
    let mut m =
        Machine::started(vec![longrun("a").needs("b"), longrun("b").needs("c"), longrun("c")]);
    m.stop("b");
    m.exits("a", 0);
    m.exits("b", 0);
    assert_eq!(m.states(), "a waiting, b down, c ready");
    assert_eq!(m.waits("a"), "b");
    assert_eq!(m.pass(3_600_000), "");
}

#[test]
fn reports_of_the_dead_change_nothing_and_are_counted() {
    let mut m = Machine::started(vec![daemon("a")]);
    let first = m.run("a");
    m.exits("a", 1);
    m.pass(100);
    assert_eq!(m.tell(Event::Ready(first)), "");
    assert_eq!(m.tell(Event::Exited(first, Exit::Code(0))), "");
    assert_eq!(m.tell(Event::ReadyClosed(first)), "");
    assert_eq!(m.phase("a"), Phase::Starting);
    assert_eq!(m.engine.stale_events(), 3);
}
