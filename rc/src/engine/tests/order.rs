//! Starting: who waits for whom, ways to become ready, and what is told meanwhile.

use super::*;
use crate::db::{Error, Flaw};

#[test]
fn needs_are_ready_before_their_dependents_start() {
    let mut m = Machine::new(vec![
        daemon("ppp").needs("link"),
        oneshot("link"),
        oneshot("route").needs("ppp"),
        longrun("clock"),
        bundle("default", ReadyWhen::All, &["route", "clock"]),
    ]);
    assert_eq!(m.boot("default"), "spawn clock, spawn link.up", "what is independent is parallel");
    assert_eq!(m.waits("route"), "ppp");
    assert_eq!(m.waits("default"), "route");
    assert_eq!(m.exits("link.up", 0), "spawn ppp");
    assert_eq!(m.ready("ppp"), "spawn route.up");
    assert_eq!(m.exits("route.up", 0), "settled");
    assert_eq!(m.states(), "clock ready, default ready, link ready, ppp ready, route ready");
}

#[test]
fn nothing_is_started_that_is_not_wanted() {
    let mut m = Machine::new(vec![longrun("a"), longrun("b").after("a"), longrun("c").needs("b")]);
    assert_eq!(m.start("b"), "spawn b", "an order pulls nothing in");
    assert_eq!(m.states(), "a down, b ready, c down");
}

#[test]
fn a_soft_need_is_waited_for_until_it_is_ready() {
    let mut m = Machine::new(vec![longrun("a").wants("b"), daemon("b")]);
    assert_eq!(m.start("a"), "spawn b");
    assert_eq!(m.waits("a"), "b");
    assert_eq!(m.ready("b"), "spawn a");
    assert_eq!(m.exits("b", 1), "", "then it does not matter");
    assert_eq!(m.phase("a"), Phase::Ready);
}

#[test]
fn a_soft_need_is_waited_for_until_it_has_failed() {
    let mut m = Machine::started(vec![longrun("a").wants("b"), daemon("b")]);
    assert_eq!(m.exits("b", 1), "spawn a");
    assert_eq!(m.phase("b"), Phase::Backoff);
}

/// What a soft need waits for must be known before it counts as failed.
#[test]
fn a_soft_need_that_waits_for_its_own_need_is_waited_for() {
    let mut m = Machine::new(vec![
        longrun("top").wants("middle"),
        longrun("middle").needs("bottom"),
        daemon("bottom"),
    ]);
    assert_eq!(m.start("top"), "spawn bottom");
    assert_eq!(m.waits("top"), "middle");
    assert_eq!(m.ready("bottom"), "spawn middle, spawn top");
}

#[test]
fn an_order_holds_for_what_is_wanted_anyway() {
    let mut m = Machine::new(vec![longrun("a").after("b"), daemon("b")]);
    m.start("b");
    assert_eq!(m.start("a"), "");
    assert_eq!(m.waits("a"), "b");
    assert_eq!(m.stop("b"), "spawn a, TERM b");
    assert_eq!(m.phase("a"), Phase::Ready, "nobody wants b any longer");
}

#[test]
fn a_bundle_is_ready_with_all_its_members() {
    let mut m = Machine::started(vec![
        bundle("all", ReadyWhen::All, &["a", "b"]),
        daemon("a"),
        daemon("b"),
    ]);
    m.ready("a");
    assert_eq!(m.waits("all"), "b");
    m.ready("b");
    assert_eq!(m.states(), "a ready, all ready, b ready");
    m.exits("a", 1);
    assert_eq!(m.phase("all"), Phase::Waiting);
}

#[test]
fn a_bundle_is_ready_with_as_many_members_as_it_says() {
    let mut m = Machine::started(vec![
        bundle("two", ReadyWhen::AtLeast(2), &["a", "b", "c"]),
        daemon("a"),
        daemon("b"),
        daemon("c"),
        longrun("user").needs("two"),
    ]);
    m.start("user");
    m.ready("a");
    assert_eq!(m.ready("c"), "spawn user");
    assert_eq!(m.waits("two"), "", "the member that is not needed is not named");
    m.ready("b");
    assert_eq!(m.exits("c", 1), "", "two are left");
    assert_eq!(m.exits("a", 1), "TERM user");
    assert_eq!(m.waits("two"), "the end of user");
    m.exits("user", 0);
    assert_eq!(m.waits("two"), "a, c");
}

#[test]
fn a_bundle_that_is_up_is_indifferent_to_its_soft_relations() {
    let mut m = Machine::started(vec![
        bundle("group", ReadyWhen::All, &["a", "b"]).on_change(OnChange::Ignore).wants("c"),
        longrun("a"),
        longrun("b"),
        longrun("c"),
        longrun("user").needs("group"),
    ]);
    m.start("user");
    let run = m.generation("user");
    m.restart("c");
    m.restart("b");
    assert_eq!(m.phase("group"), Phase::Ready, "a soft member's loss means nothing");
    assert_eq!((m.phase("user"), m.generation("user")), (Phase::Ready, run));
    m.restart("a");
    assert_eq!(m.phase("group"), Phase::Stopping);
}

#[test]
fn readiness_by_notification_may_be_late() {
    let mut m = Machine::started(vec![daemon("a").ready(Ready::Fd(3))]);
    m.pass(3_600_000);
    assert_eq!(m.phase("a"), Phase::Starting);
    m.ready("a");
    assert_eq!(m.phase("a"), Phase::Ready);
    assert_eq!(m.tell(Event::ReadyClosed(m.run("a"))), "", "afterwards it may close the channel");
}

#[test]
fn who_closes_the_channel_can_never_be_ready_and_has_failed() {
    let mut m = Machine::started(vec![daemon("a").ready(Ready::Fd(3))]);
    assert_eq!(m.tell(Event::ReadyClosed(m.run("a"))), "TERM a");
    m.exits("a", 0);
    assert_eq!(m.phase("a"), Phase::Backoff);
}

#[test]
fn readiness_by_outputs_needs_all_of_them() {
    let wan = longrun("wan").ready(Ready::Outputs).publishes("address").publishes("peer");
    let mut m = Machine::started(vec![longrun("user").reads("wan.address"), wan]);
    assert_eq!(m.publish("wan", &["address=1"]), "publish wan");
    assert_eq!(m.waits("user"), "wan");
    assert_eq!(m.publish("wan", &["peer=2"]), "publish wan, spawn user");
    assert_eq!(m.publish("wan", &["peer"]), "publish wan, TERM user", "a lease was lost");
    assert_eq!(m.phase("wan"), Phase::Starting);
    m.exits("user", 0);
    assert_eq!(m.publish("wan", &["peer=2"]), "publish wan, spawn user");
}

#[test]
fn readiness_by_outputs_without_any_is_readiness_at_once() {
    let m = Machine::started(vec![longrun("a").ready(Ready::Outputs)]);
    assert_eq!(m.phase("a"), Phase::Ready);
}

#[test]
fn an_output_that_is_missing_is_waited_for_and_named() {
    let wan = longrun("wan").publishes("address");
    let mut m = Machine::new(vec![
        longrun("user").reads("wan.address"),
        wan,
        bundle("default", ReadyWhen::All, &["user", "wan"]),
    ]);
    assert_eq!(m.boot("default"), "spawn wan, settled without", "it may never come");
    assert_eq!(m.waits("user"), "wan.address");
    assert_eq!(m.publish("wan", &["address=1"]), "publish wan, spawn user");
}

#[test]
fn a_start_that_takes_too_long_has_failed_whatever_its_exit_code() {
    let policy = |policy: &mut Policy| {
        policy.start_timeout = Some(Millis(3000));
        policy.restart = Restart::OnFailure;
    };
    let mut m = Machine::started(vec![daemon("a").policy(policy)]);
    assert_eq!(m.pass(3000), "TERM a");
    assert_eq!(m.exits("a", 0), "timed out a");
    assert_eq!(m.phase("a"), Phase::Backoff);
    assert_eq!(m.pass(100), "spawn a");
    m.ready("a");
    assert_eq!(m.pass(3_600_000), "", "the timeout is for the start only");
}

#[test]
fn a_oneshot_is_ready_when_up_has_succeeded_and_is_tried_again_otherwise() {
    let mut m = Machine::started(vec![oneshot("a").down()]);
    assert_eq!(m.exits("a.up", 1), "", "what failed has brought nothing up to take down");
    assert_eq!(m.phase("a"), Phase::Backoff);
    assert_eq!(m.pass(100), "spawn a.up");
    m.exits("a.up", 0);
    assert_eq!(m.phase("a"), Phase::Ready);
}

#[test]
fn a_file_is_ready_when_it_is_written_and_tried_again_otherwise() {
    let mut m = Machine::new(vec![file("f")]);
    assert_eq!(m.start("f"), "write f");
    assert_eq!(m.cannot_write("f"), "remove f");
    assert_eq!(m.phase("f"), Phase::Backoff);
    assert_eq!(m.pass(100), "write f");
    m.wrote("f", true);
    assert_eq!(m.phase("f"), Phase::Ready);
    assert_eq!(m.stop("f"), "remove f");
}

#[test]
fn boot_settles_once_when_all_that_is_missing_has_failed() {
    let mut m = Machine::new(vec![
        bundle("default", ReadyWhen::All, &["a", "b"]),
        daemon("a"),
        daemon("b"),
    ]);
    m.boot("default");
    assert_eq!(m.exits("a", 1), "", "b may still become ready");
    assert_eq!(m.ready("b"), "settled without");
    m.pass(100);
    assert_eq!(m.ready("a"), "", "once");
    assert_eq!(m.phase("default"), Phase::Ready);
}

#[test]
fn blocked_is_who_waits_for_what_has_failed() {
    let mut m =
        Machine::started(vec![longrun("a").needs("b"), longrun("b").needs("c"), daemon("c")]);
    let blocked = |m: &Machine| m.engine.view(m.id("a")).unwrap().blocked;
    assert!(!blocked(&m));
    m.exits("c", 1);
    assert!(blocked(&m));
    m.pass(100);
    assert!(!blocked(&m));
}

#[test]
fn a_cycle_is_refused() {
    let services = |defs: Vec<Def>| {
        let records: Vec<_> = defs
            .into_iter()
            .zip([1, 0])
            .map(|(mut def, to)| {
                let (relation, on_change) = (Relation::After, OnChange::Restart);
                def.service.edges.push(Edge { to: ServiceId(to), relation, on_change });
                (def.name.to_owned(), def.service)
            })
            .collect();
        Database::new(encode([0; 16], &System::default(), &records).unwrap()).err()
    };
    let refused = services(vec![longrun("a"), longrun("b")]);
    assert_eq!(refused, Some(Error::Graph(Flaw::Cycle(ServiceId(0)))));
}
