//! Failover: one alternative after the other, back to the first or not, and outputs that follow.

use super::*;

/// A daemon that is ready once it has published `v`.
fn line(name: &'static str) -> Def {
    daemon(name).ready(Ready::Outputs).publishes("v")
}

fn lines(back: Back) -> Vec<Def> {
    vec![
        longrun("route").reads("wan.v"),
        failover("wan", back, &["fibre", "lte"]).repeats(),
        line("fibre"),
        line("lte"),
    ]
}

#[test]
fn the_first_alternative_is_used_and_the_others_are_down() {
    let mut m = Machine::started(lines(Back::Sticky));
    assert_eq!(m.states(), "fibre starting, lte down, route waiting, wan waiting");
    assert_eq!(m.publish("fibre", &["v=1"]), "publish fibre, publish wan, spawn route");
    assert_eq!(m.engine.bound(m.id("route"), 0), Some("1"));
    assert_eq!(m.pass(60_000), "");
    assert_eq!(m.phase("lte"), Phase::Down);
    let selected = m.engine.view(m.id("wan")).unwrap().selected;
    assert_eq!(selected, Some(m.id("fibre")));
}

#[test]
fn the_next_is_tried_beside_the_one_that_failed() {
    let mut m = Machine::started(lines(Back::Sticky));
    assert_eq!(m.exits("fibre", 1), "spawn lte");
    assert_eq!(m.pass(100), "spawn fibre", "it goes on being tried");
    assert_eq!(m.publish("lte", &["v=2"]), "publish lte, publish wan, spawn route, TERM fibre");
    m.exits("fibre", 0);
    assert_eq!(m.states(), "fibre down, lte ready, route ready, wan ready");
}

#[test]
fn patience_has_an_end() {
    let mut m = Machine::started(lines(Back::Sticky));
    assert_eq!(m.pass(4999), "");
    assert_eq!(m.pass(1), "spawn lte");
    assert_eq!(m.publish("fibre", &["v=1"]), "publish fibre, publish wan, spawn route, TERM lte");
}

#[test]
fn the_loss_of_the_one_that_is_used_stops_dependents_and_searches_on() {
    let mut m = Machine::started(lines(Back::Sticky));
    m.publish("fibre", &["v=1"]);
    assert_eq!(m.exits("fibre", 1), "withdraw fibre, spawn lte, TERM route");
    assert_eq!(m.exits("route", 0), "withdraw wan");
    assert_eq!(m.publish("lte", &["v=2"]), "publish lte, publish wan, spawn route");
    m.pass(60_000);
    assert_eq!(m.states(), "fibre down, lte ready, route ready, wan ready", "sticky");
    m.exits("lte", 1);
    m.exits("route", 0);
    assert_eq!(m.states(), "fibre starting, lte starting, route waiting, wan waiting");
}

#[test]
fn what_is_better_takes_over_live() {
    let mut m = Machine::started(lines(Back::PreferFirst));
    m.exits("fibre", 1);
    m.publish("lte", &["v=2"]);
    assert_eq!(m.states(), "fibre backoff, lte ready, route ready, wan ready");
    assert_eq!(m.pass(100), "spawn fibre", "what is better goes on being tried");
    let words = m.publish("fibre", &["v=1"]);
    assert_eq!(words, "publish fibre, publish wan, TERM route, TERM lte");
    assert_eq!(m.phase("wan"), Phase::Ready);
    m.exits("lte", 0);
    assert_eq!(m.exits("route", 0), "spawn route");
    assert_eq!(m.engine.bound(m.id("route"), 0), Some("1"));
}

#[test]
fn equal_values_disturb_nobody() {
    let mut m = Machine::started(lines(Back::PreferFirst));
    m.exits("fibre", 1);
    m.publish("lte", &["v=1"]);
    m.pass(100);
    assert_eq!(m.publish("fibre", &["v=1"]), "publish fibre, TERM lte");
    assert_eq!(m.phase("route"), Phase::Ready);
}

#[test]
fn new_values_of_the_one_that_is_used_pass_through() {
    let mut m = Machine::started(lines(Back::Sticky));
    m.publish("fibre", &["v=1"]);
    assert_eq!(m.publish("fibre", &["v=3"]), "publish fibre, publish wan, TERM route");
}

#[test]
fn a_failover_that_is_not_wanted_wants_nobody() {
    let mut m = Machine::started(lines(Back::Sticky));
    m.publish("fibre", &["v=1"]);
    assert_eq!(m.stop("wan"), "TERM route");
    assert_eq!(m.exits("route", 0), "withdraw wan, TERM fibre");
    m.exits("fibre", 0);
    assert_eq!(m.states(), "fibre down, lte down, route waiting, wan down");
    assert_eq!(m.start("wan"), "spawn fibre");
}

#[test]
fn when_all_have_failed_those_who_wait_softly_go_on() {
    let mut m = Machine::new(vec![
        bundle("default", ReadyWhen::All, &["wan"]),
        failover("wan", Back::Sticky, &["fibre", "lte"]).repeats(),
        line("fibre"),
        line("lte").when(),
    ]);
    m.boot("default");
    assert_eq!(m.exits("fibre", 1), "settled without", "lte cannot even be tried");
    assert_eq!(m.pass(100), "spawn fibre");
    m.publish("fibre", &["v=1"]);
    assert_eq!(m.phase("default"), Phase::Ready);
}

#[test]
fn a_bundle_repeats_what_its_members_publish() {
    let mut uplink = bundle("uplink", ReadyWhen::All, &["fibre"]);
    uplink.reads.push(("fibre.v", true));
    let mut m = Machine::started(vec![
        longrun("user").reads("uplink.w"),
        uplink.copies("w"),
        line("fibre"),
    ]);
    let words = m.publish("fibre", &["v=1"]);
    assert_eq!(words, "publish fibre, publish uplink, spawn user");
    assert_eq!(m.publish("fibre", &["v=2"]), "publish fibre, publish uplink, TERM user");
}

/// Two lines that say they are ready and die: whoever the failover turns to, neither is started more often
/// than its own delays let it.
#[test]
fn two_that_die_in_turn_keep_their_delays() {
    let lines = || vec![failover("wan", Back::Sticky, &["a", "b"]), longrun("a"), longrun("b")];
    let mut m = Machine::started(lines());
    for wait in [100, 200, 400, 800] {
        assert_eq!(m.exits("a", 1), "spawn b");
        assert_eq!(m.states(), "a down, b ready, wan ready", "it turned away");
        assert_eq!(m.exits("b", 1), "", "and back, but not at once");
        assert_eq!(m.states(), "a backoff, b backoff, wan waiting");
        assert_eq!(m.pass(wait - 1), "");
        assert_eq!(m.pass(1), "spawn a, spawn b, TERM b", "both were due");
        m.exits("b", 0);
    }
    let mut m = Machine::started(lines());
    m.exits("a", 1);
    m.stop("wan");
    m.exits("b", 0);
    assert_eq!(m.start("wan"), "spawn a", "a command forgives");
}

/// The lease of the first line is lost; its client goes on trying. Patience is for lines that start.
#[test]
fn the_next_is_tried_at_once_beside_one_that_lost_what_made_it_ready() {
    let mut m = Machine::started(lines(Back::Sticky));
    m.publish("fibre", &["v=1"]);
    assert_eq!(m.publish("fibre", &["v"]), "publish fibre, spawn lte, TERM route");
    m.exits("route", 0);
    let words = m.publish("fibre", &["v=2"]);
    assert_eq!(
        words, "publish fibre, publish wan, spawn route, TERM lte",
        "whoever is first is used"
    );
}

#[test]
fn a_line_that_restarts_at_once_is_not_waited_for() {
    let mut m = Machine::started(lines(Back::Sticky));
    m.publish("fibre", &["v=1"]);
    m.pass(10_000);
    assert_eq!(m.exits("fibre", 1), "withdraw fibre, spawn lte, TERM route, spawn fibre");
}

#[test]
fn a_line_that_we_restart_is_waited_for() {
    let mut m = Machine::started(lines(Back::Sticky));
    m.publish("fibre", &["v=1"]);
    assert_eq!(m.restart("fibre"), "TERM route");
    m.exits("route", 0);
    assert_eq!(m.exits("fibre", 0), "withdraw fibre, spawn fibre");
    assert_eq!(m.pass(4999), "");
    assert_eq!(m.pass(1), "spawn lte");
}
