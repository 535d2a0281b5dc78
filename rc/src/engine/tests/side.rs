//! What runs beside a process: checks, actions, the watchdog; and other things that a process may say.

use super::*;

#[test]
fn a_check_makes_a_service_ready() {
    let every = Millis(200);
    let mut m = Machine::started(vec![longrun("a").ready(Ready::Check { every })]);
    assert_eq!(m.phase("a"), Phase::Starting);
    assert_eq!(m.beside("a", Role::Check(1), 1), "");
    assert_eq!(m.pass(200), "spawn a.check(2)");
    assert_eq!(m.pass(999), "");
    assert_eq!(m.pass(1), "KILL a", "one that takes too long has failed");
    let killed = Incarnation { role: Role::Check(2), ..m.run("a") };
    assert_eq!(m.tell(Event::Exited(killed, Exit::Code(0))), "timed out a");
    assert_eq!(m.pass(200), "spawn a.check(3)");
    m.beside("a", Role::Check(3), 0);
    assert_eq!(m.phase("a"), Phase::Ready);
    assert_eq!(m.pass(60_000), "", "ready is ready");
}

#[test]
fn a_check_ends_with_the_start_that_it_is_for() {
    let every = Millis(200);
    let policy = |policy: &mut Policy| policy.start_timeout = Some(Millis(100));
    let def = longrun("a").ready(Ready::Check { every }).policy(policy);
    let mut m = Machine::started(vec![def]);
    assert_eq!(m.pass(100), "TERM a, KILL a");
    let late = Incarnation { role: Role::Check(1), ..m.run("a") };
    assert_eq!(m.tell(Event::Exited(late, Exit::Code(0))), "", "it means nothing any more");
    assert_eq!(m.phase("a"), Phase::Stopping);
    assert_eq!(m.engine.stale_events(), 0);
}

#[test]
fn failed_health_in_a_row_is_failure_and_dependents_know() {
    let on_failure = |policy: &mut Policy| policy.restart = Restart::OnFailure;
    let mut m =
        Machine::started(vec![longrun("top").needs("a"), longrun("a").health().policy(on_failure)]);
    assert_eq!(m.pass(1000), "spawn a.check(1)");
    assert_eq!(m.beside("a", Role::Check(1), 1), "");
    assert_eq!(m.pass(1000), "spawn a.check(2)");
    assert_eq!(m.beside("a", Role::Check(2), 0), "", "one good check forgives");
    assert_eq!(m.pass(1000), "spawn a.check(3)");
    m.beside("a", Role::Check(3), 1);
    assert_eq!(m.pass(1500), "spawn a.check(4), KILL a", "too slow is bad, too");
    let killed = Incarnation { role: Role::Check(4), ..m.run("a") };
    assert_eq!(m.tell(Event::Exited(killed, Exit::Signal(9))), "timed out a, TERM top");
    assert_eq!(m.exits("top", 0), "TERM a");
    assert_eq!(m.exits("a", 0), "spawn a, spawn top", "whatever its exit code");
}

#[test]
fn an_unhealthy_oneshot_is_taken_down_and_tried_again() {
    let mut m = Machine::started(vec![oneshot("a").down().health()]);
    m.exits("a.up", 0);
    m.pass(1000);
    m.beside("a", Role::Check(1), 1);
    m.pass(1000);
    assert_eq!(m.beside("a", Role::Check(2), 1), "spawn a.down");
    assert_eq!(m.exits("a.down", 0), "spawn a.up");
}

#[test]
fn an_action_takes_over_what_changed() {
    let run = OnChange::Run(1);
    let mut m = Machine::started(vec![
        longrun("a").reads("b.v").on_change(run).actions(2),
        longrun("b").ready(Ready::Outputs).publishes("v"),
    ]);
    m.publish("b", &["v=1"]);
    assert_eq!(m.publish("b", &["v=2"]), "publish b, spawn a.action { number: 1, round: 1 }");
    assert_eq!(m.engine.bound(m.id("a"), 0), Some("2"));
    assert_eq!(m.publish("b", &["v=3"]), "publish b", "one at a time");
    m.publish("b", &["v=4"]);
    let action = |round| Role::Action { number: 1, round };
    assert_eq!(m.beside("a", action(1), 0), "spawn a.action { number: 1, round: 2 }");
    assert_eq!(m.beside("a", action(2), 0), "", "twice asked is once done");
    assert_eq!(m.tell(Event::Reload(m.id("a"))), "spawn a.action { number: 0, round: 3 }");
    let reload = Role::Action { number: 0, round: 3 };
    assert_eq!(m.beside("a", reload, 1), "TERM a", "it must not go on with what is not so");
    assert_eq!(m.exits("a", 0), "spawn a");
}

#[test]
fn readiness_can_be_taken_back() {
    let policy = |policy: &mut Policy| policy.start_timeout = Some(Millis(3000));
    let base = daemon("a").policy(policy);
    let mut m = Machine::started(vec![longrun("top").needs("a"), base]);
    m.ready("a");
    m.pass(60_000);
    assert_eq!(m.tell(Event::Unready(m.run("a"))), "TERM top");
    assert_eq!(m.phase("a"), Phase::Starting);
    m.exits("top", 0);
    assert_eq!(m.ready("a"), "spawn top");
    m.tell(Event::Unready(m.run("a")));
    assert_eq!(m.pass(3000), "TERM a", "it has its time anew");
    let mut m = Machine::started(vec![longrun("a")]);
    assert_eq!(m.tell(Event::Unready(m.run("a"))), "");
    assert_eq!(m.phase("a"), Phase::Ready, "not for what is ready at once");
}

#[test]
fn reloading_is_seen_until_it_is_ready() {
    let mut m = Machine::started(vec![daemon("a")]);
    let reloading = |m: &Machine| m.engine.view(m.id("a")).unwrap().reloading;
    m.ready("a");
    m.tell(Event::Reloading(m.run("a")));
    assert!(reloading(&m));
    m.ready("a");
    assert!(!reloading(&m));
    m.tell(Event::Reloading(m.run("a")));
    m.exits("a", 0);
    assert!(!reloading(&m));
    assert_eq!(m.phase("a"), Phase::Backoff, "it is started again");
}

#[test]
fn more_time_is_granted_to_who_asks() {
    let policy = |policy: &mut Policy| policy.start_timeout = Some(Millis(1000));
    let mut m = Machine::started(vec![daemon("a").policy(policy)]);
    m.pass(900);
    m.tell(Event::Extend(m.run("a"), Millis(5000)));
    assert_eq!(m.pass(4999), "");
    assert_eq!(m.pass(1), "TERM a");
    m.tell(Event::Extend(m.run("a"), Millis(20_000)));
    assert_eq!(m.pass(19_999), "", "longer than its grace");
    assert_eq!(m.pass(1), "KILL a");
}

#[test]
fn a_watchdog_that_hears_nothing_ends_it() {
    let mut m = Machine::started(vec![longrun("top").needs("a"), daemon("a").watchdog(1000)]);
    m.pass(5000);
    m.ready("a");
    for _ in 0..5 {
        assert_eq!(m.pass(999), "");
        m.tell(Event::Keepalive(m.run("a")));
    }
    assert_eq!(m.pass(1000), "TERM top");
    assert_eq!(m.exits("top", 0), "ABRT a");
    assert_eq!(m.tell(Event::Exited(m.run("a"), Exit::Signal(6))), "timed out a, spawn a");
}

#[test]
fn a_watchdog_can_be_set_and_triggered_by_the_process() {
    let mut m = Machine::started(vec![daemon("a")]);
    m.ready("a");
    m.tell(Event::Watchdog(m.run("a"), Millis(500)));
    assert_eq!(m.pass(499), "");
    m.tell(Event::Watchdog(m.run("a"), Millis(0)));
    assert_eq!(m.pass(60_000), "");
    assert_eq!(m.tell(Event::Trigger(m.run("a"))), "ABRT a");
}

#[test]
fn an_exit_code_or_finish_can_say_that_it_is_for_good() {
    let policy = |policy: &mut Policy| policy.permanent = vec![100];
    let mut m = Machine::started(vec![longrun("a").policy(policy), longrun("b").finish()]);
    m.exits("a", 100);
    assert_eq!(m.phase("a"), Phase::Failed);
    assert_eq!(m.tell(Event::Reset(m.id("a"))), "spawn a", "somebody knows better");
    assert_eq!(m.stop("a"), "TERM a");
    m.exits("a", 100);
    assert_eq!(m.phase("a"), Phase::Down, "we wanted it to end");
    m.start("b");
    m.exits("b", 0);
    m.exits("b.finish", 125);
    assert_eq!(m.phase("b"), Phase::Failed);
}

#[test]
fn what_follows_a_failure_for_good_follows_once() {
    let fails = |action| {
        move |policy: &mut Policy| {
            policy.permanent = vec![9];
            policy.on_failure = action;
        }
    };
    let mut m = Machine::started(vec![longrun("a").policy(fails(OnFailure::Reboot))]);
    assert_eq!(m.exits("a", 9), "Reboot because of a");
    let other = OnFailure::Start(ServiceId(1));
    let back = OnFailure::Start(ServiceId(0));
    let (a, b) = (longrun("a").policy(fails(other)), longrun("b").policy(fails(back)));
    let mut m = Machine::started(vec![a, b]);
    assert_eq!(m.exits("a", 9), "spawn b");
    assert_eq!(m.exits("b", 9), "spawn a");
    assert_eq!(m.exits("a", 9), "", "two that start each other come to rest");
}
