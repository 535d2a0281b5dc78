//! Changes: what dependents do about new values, new content and what comes back different.

use super::*;
use crate::Signal;

const HUP: OnChange = OnChange::Signal(Signal::Hup);

/// A publisher of an address and a peer that is ready when both are there.
fn wan() -> Def {
    longrun("wan").ready(Ready::Outputs).publishes("address").publishes("peer")
}

/// A machine with the publisher ready and these services started.
fn with_wan(defs: Vec<Def>) -> Machine {
    let names: Vec<_> = defs.iter().map(|def| def.name).collect();
    let mut m = Machine::new(defs.into_iter().chain([wan()]).collect());
    for name in names {
        m.start(name);
    }
    m.publish("wan", &["address=1", "peer=1"]);
    m
}

#[test]
fn a_changed_value_restarts_who_read_it() {
    let mut m = with_wan(vec![longrun("user").reads("wan.address"), longrun("other").needs("wan")]);
    assert_eq!(m.engine.bound(m.id("user"), 0), Some("1"));
    assert_eq!(m.publish("wan", &["address=2"]), "publish wan, TERM user");
    assert_eq!(m.exits("user", 0), "spawn user", "a stop by our will costs no delay");
    assert_eq!(m.engine.bound(m.id("user"), 0), Some("2"));
    assert_eq!(m.engine.view(m.id("user")).unwrap().failures, 0);
}

#[test]
fn values_that_nobody_reads_or_that_stay_the_same_change_nothing() {
    let mut m = with_wan(vec![longrun("user").reads("wan.address")]);
    assert_eq!(m.publish("wan", &["peer=2"]), "publish wan");
    assert_eq!(m.publish("wan", &["address=1", "peer=2"]), "", "not even a new generation");
}

#[test]
fn a_change_during_a_stop_costs_no_second_restart() {
    let mut m = with_wan(vec![longrun("user").reads("wan.address")]);
    assert_eq!(m.publish("wan", &["address=2"]), "publish wan, TERM user");
    assert_eq!(m.publish("wan", &["address=3"]), "publish wan");
    assert_eq!(m.exits("user", 0), "spawn user");
    assert_eq!(m.engine.bound(m.id("user"), 0), Some("3"));
    assert_eq!(m.pass(60_000), "");
}

#[test]
fn a_hub_that_changes_restarts_each_dependent_once() {
    let mut m = with_wan(vec![
        longrun("top").needs("left").tie("right", Relation::Needs).reads("wan.address"),
        longrun("left").reads("wan.address"),
        longrun("right").reads("wan.peer"),
    ]);
    assert_eq!(m.publish("wan", &["address=2", "peer=2"]), "publish wan, TERM top");
    assert_eq!(m.exits("top", 0), "TERM right, TERM left");
    assert_eq!(m.exits("left", 0), "spawn left");
    assert_eq!(m.exits("right", 0), "spawn right, spawn top");
    assert_eq!(m.pass(60_000), "");
    assert_eq!(m.generation("top"), 2);
}

#[test]
fn a_file_is_written_again() {
    let conf = file("conf").reads("wan.address").on_change(OnChange::Render);
    let mut m = with_wan(vec![conf, longrun("user").needs("conf").on_change(HUP)]);
    assert_eq!(m.wrote("conf", true), "spawn user");
    assert_eq!(m.publish("wan", &["address=2"]), "publish wan, write conf");
    assert_eq!(m.phase("conf"), Phase::Ready, "it stays up meanwhile");
    assert_eq!(m.wrote("conf", true), "HUP user");
    assert_eq!(m.generation("user"), 1);
}

#[test]
fn a_file_whose_content_is_not_new_concerns_nobody() {
    let conf = file("conf").reads("wan.address").on_change(OnChange::Render);
    let mut m = with_wan(vec![conf, longrun("user").needs("conf")]);
    m.wrote("conf", true);
    m.publish("wan", &["address=2"]);
    assert_eq!(m.wrote("conf", false), "");
    m.publish("wan", &["address=3"]);
    assert_eq!(m.wrote("conf", true), "TERM user", "new content is a restart by default");
    assert_eq!(m.exits("user", 0), "spawn user");
}

#[test]
fn a_file_that_cannot_be_written_again_has_failed() {
    let conf = file("conf").reads("wan.address").on_change(OnChange::Render);
    let mut m = with_wan(vec![conf, longrun("user").needs("conf")]);
    m.wrote("conf", true);
    m.publish("wan", &["address=2"]);
    assert_eq!(m.cannot_write("conf"), "remove conf, TERM user");
    assert_eq!(m.phase("conf"), Phase::Backoff);
    assert_eq!(m.exits("user", 0), "");
    assert_eq!(m.pass(100), "write conf");
    assert_eq!(m.wrote("conf", true), "spawn user");
}

#[test]
fn a_signal_instead_of_a_restart() {
    let mut m = with_wan(vec![longrun("user").reads("wan.address").on_change(HUP)]);
    assert_eq!(m.publish("wan", &["address=2"]), "publish wan, HUP user");
    assert_eq!((m.phase("user"), m.generation("user")), (Phase::Ready, 1));
    assert_eq!(m.engine.bound(m.id("user"), 0), Some("2"), "finish and status tell the new one");
    assert_eq!(m.publish("wan", &["peer=2"]), "publish wan", "not read");
}

#[test]
fn ignoring_a_change() {
    let user = longrun("user").reads("wan.address").on_change(OnChange::Ignore);
    let mut m = with_wan(vec![user]);
    assert_eq!(m.publish("wan", &["address=2"]), "publish wan");
    assert_eq!(m.engine.bound(m.id("user"), 0), Some("1"));
    assert_eq!(m.exits("wan", 1), "withdraw wan", "nor does its loss mean anything");
    assert_eq!(m.phase("user"), Phase::Ready);
}

#[test]
fn soft_readers_keep_their_values_while_the_publisher_is_away() {
    let mut m = with_wan(vec![longrun("user").reads("wan.address").on_change(HUP)]);
    assert_eq!(m.exits("wan", 1), "withdraw wan");
    assert_eq!(m.engine.bound(m.id("user"), 0), Some("1"));
    assert_eq!(m.pass(100), "spawn wan");
    assert_eq!(m.publish("wan", &["address=1", "peer=9"]), "publish wan", "it is as it was");
    m.exits("wan", 1);
    m.pass(1000);
    assert_eq!(m.publish("wan", &["address=2", "peer=9"]), "publish wan, HUP user");
    assert_eq!(m.engine.bound(m.id("user"), 0), Some("2"));
}

/// A DHCP client that lost its lease takes its address back; who reads it softly goes on with it.
#[test]
fn a_value_taken_back_does_not_reach_soft_readers_that_need_one() {
    let mut m = with_wan(vec![longrun("user").reads("wan.address").on_change(HUP)]);
    assert_eq!(m.publish("wan", &["address"]), "publish wan");
    assert_eq!(m.engine.bound(m.id("user"), 0), Some("1"));
    assert_eq!(m.publish("wan", &["address=2"]), "publish wan, HUP user");
}

#[test]
fn a_value_taken_back_reaches_those_who_have_a_default() {
    let lan = longrun("lan").publishes("name");
    let mut m = Machine::started(vec![
        longrun("soft").may_read("lan.name").on_change(HUP),
        longrun("hard").may_read("lan.name"),
        lan,
    ]);
    m.start("hard");
    m.publish("lan", &["name=a"]);
    m.exits("hard", 0);
    assert_eq!(m.publish("lan", &["name"]), "publish lan, HUP soft, TERM hard");
    assert_eq!(m.engine.bound(m.id("soft"), 0), None);
}

#[test]
fn a_first_publication_may_be_late() {
    let lan = longrun("lan").publishes("name");
    let mut m = Machine::started(vec![longrun("user").may_read("lan.name"), lan]);
    assert_eq!(m.phase("user"), Phase::Ready, "it has a default");
    assert_eq!(m.engine.bound(m.id("user"), 0), None);
    assert_eq!(m.publish("lan", &["name=a"]), "publish lan, TERM user");
    assert_eq!(m.exits("user", 0), "spawn user");
    assert_eq!(m.engine.bound(m.id("user"), 0), Some("a"));
}

#[test]
fn values_are_seen_as_a_whole_when_their_service_is_ready() {
    let user = longrun("user").may_read("lan.name").on_change(HUP);
    let mut m = Machine::started(vec![user, daemon("lan").publishes("name")]);
    assert_eq!(m.publish("lan", &["name=a"]), "publish lan");
    assert_eq!(m.ready("lan"), "spawn user");
    assert_eq!(m.engine.bound(m.id("user"), 0), Some("a"));
    m.exits("lan", 1);
    m.pass(100);
    assert_eq!(m.publish("lan", &["name=b"]), "publish lan", "not ready yet");
    assert_eq!(m.ready("lan"), "HUP user");
}

#[test]
fn what_is_related_softly_and_comes_back_is_new() {
    let mut m =
        Machine::started(vec![longrun("user").needs("base").on_change(HUP), daemon("base")]);
    m.ready("base");
    assert_eq!(m.restart("base"), "TERM base");
    assert_eq!(m.exits("base", 0), "spawn base", "user has stayed up");
    assert_eq!(m.ready("base"), "HUP user");
    assert_eq!(m.generation("user"), 1);
}

#[test]
fn what_follows_from_a_value_is_published_again() {
    let export = marker("export").reads("wan.address").on_change(HUP).copies("address");
    let mut m = with_wan(vec![export, longrun("user").reads("export.address")]);
    assert_eq!(m.engine.bound(m.id("user"), 0), Some("1"));
    assert_eq!(m.publish("wan", &["address=2"]), "publish wan, publish export, TERM user");
    assert_eq!(m.exits("user", 0), "spawn user");
    assert_eq!(m.engine.bound(m.id("user"), 0), Some("2"));
    assert_eq!(m.generation("export"), 1);
}

#[test]
fn what_follows_from_a_value_is_withdrawn_by_a_restart() {
    let export = marker("export").reads("wan.address").copies("address");
    let mut m = with_wan(vec![export, longrun("user").reads("export.address")]);
    assert_eq!(m.publish("wan", &["address=2"]), "publish wan, TERM user");
    assert_eq!(m.exits("user", 0), "withdraw export, publish export, spawn user");
    assert_eq!(m.engine.bound(m.id("user"), 0), Some("2"));
}

#[test]
fn publications_of_the_dead_are_dropped() {
    let mut m = with_wan(vec![longrun("user").reads("wan.address")]);
    let service = m.id("wan");
    let values = vec![(0, Some("3".to_owned()))];
    let late = Event::Published { service, generation: 1, values };
    m.exits("wan", 1);
    assert_eq!(m.tell(late.clone()), "", "it is down");
    m.exits("user", 0);
    m.pass(100);
    assert_eq!(m.tell(late), "", "another generation runs");
    assert_eq!(m.engine.stale_events(), 2);
}
