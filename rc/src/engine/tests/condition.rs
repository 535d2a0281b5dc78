//! Conditions: who waits for what must be so, who does not wait for them, flaps, conflicts.

use super::*;

#[test]
fn a_condition_starts_and_stops_a_service_and_what_needs_it() {
    let mut m = Machine::started(vec![longrun("top").needs("base"), longrun("base").when()]);
    assert_eq!(m.states(), "base waiting, top waiting");
    assert_eq!(m.waits("base"), "condition 0 of base");
    assert_eq!(m.holds("base", true), "spawn base, spawn top");
    assert_eq!(m.holds("base", true), "", "nothing new");
    assert_eq!(m.holds("base", false), "TERM top", "dependents first");
    assert_eq!(m.exits("top", 0), "TERM base");
    m.exits("base", 0);
    assert_eq!(m.states(), "base waiting, top waiting");
}

#[test]
fn a_condition_that_never_comes_delays_nobody() {
    let mut m = Machine::new(vec![
        bundle("default", ReadyWhen::All, &["clock", "port", "user"]),
        longrun("clock").wants("port").after("user"),
        longrun("port").when(),
        longrun("user").needs("port"),
    ]);
    assert_eq!(m.boot("default"), "spawn clock, settled");
    assert_eq!(m.states(), "clock ready, default ready, port waiting, user waiting");
    assert_eq!(m.tell(Event::Shutdown), "TERM clock");
}

#[test]
fn a_bundle_keeps_up_while_a_member_comes_and_goes_with_its_condition() {
    let mut m = Machine::new(vec![
        bundle("default", ReadyWhen::All, &["clock", "port"]),
        longrun("clock"),
        daemon("port").when(),
        longrun("user").needs("default"),
    ]);
    m.boot("user");
    m.stop("clock");
    m.exits("user", 0);
    m.exits("clock", 0);
    assert_eq!(m.waits("default"), "clock", "who sleeps is not waited for");
    m.start("clock");
    assert_eq!(m.holds("port", true), "spawn port");
    assert_eq!(m.phase("default"), Phase::Ready, "it has not counted on it yet");
    assert_eq!(m.ready("port"), "");
    assert_eq!(m.waits("default"), "");
    assert_eq!(m.holds("port", false), "TERM port");
    assert_eq!(m.exits("port", 0), "");
    m.holds("port", true);
    m.ready("port");
    assert_eq!(m.exits("port", 1), "TERM user", "it fails now, and was counted on");
}

#[test]
fn a_bundle_of_nobody_but_sleepers_sleeps() {
    let mut m = Machine::started(vec![
        longrun("user").needs("ports"),
        bundle("ports", ReadyWhen::All, &["a", "b"]),
        longrun("a").when(),
        longrun("b").when(),
    ]);
    assert_eq!(m.waits("ports"), "a, b");
    assert_eq!(m.holds("a", true), "spawn a, spawn user");
    assert_eq!(m.holds("a", false), "TERM user");
    m.exits("user", 0);
    m.exits("a", 0);
    assert_eq!(m.states(), "a waiting, b waiting, ports waiting, user waiting");
}

#[test]
fn a_condition_that_flaps_is_damped_and_a_stable_run_forgives() {
    let mut m = Machine::started(vec![longrun("a").when()]);
    let flap = |m: &mut Machine| {
        let words = m.holds("a", true);
        m.holds("a", false);
        m.exits("a", 0);
        words
    };
    for _ in 0..4 {
        assert_eq!(flap(&mut m), "spawn a");
    }
    assert_eq!(m.holds("a", true), "", "the fourth in a row has a price");
    assert_eq!(m.phase("a"), Phase::Backoff);
    assert_eq!(m.pass(100), "spawn a");
    m.holds("a", false);
    m.exits("a", 0);
    m.holds("a", true);
    assert_eq!(m.pass(199), "");
    assert_eq!(m.pass(1), "spawn a");
    m.pass(10_000);
    assert_eq!(m.holds("a", false), "TERM a");
    m.exits("a", 0);
    assert_eq!(m.holds("a", true), "spawn a");
}

#[test]
fn many_flaps_are_few_starts() {
    let mut m = Machine::started(vec![longrun("a").when()]);
    let mut starts = 0;
    for _ in 0..600 {
        for holds in [true, false] {
            let words = m.holds("a", holds) + &m.pass(50);
            starts += words.matches("spawn").count();
            if words.contains("TERM") {
                m.exits("a", 0);
            }
        }
    }
    assert!((5..20).contains(&starts), "{starts} starts in a minute");
}

#[test]
fn a_condition_on_an_output_is_the_engines_own() {
    let mut bridge = longrun("bridge").tie("wan", Relation::Needs);
    bridge.reads.push(("wan.mode", false));
    let fact = Fact::Output { read: 0, equals: Some("bridge".into()) };
    bridge.service.conditions.push(Condition { fact, negated: false });
    let wan = longrun("wan").publishes("mode");
    let mut m = Machine::started(vec![bridge, wan]);
    assert_eq!(m.waits("bridge"), "condition 0 of bridge");
    m.publish("wan", &["mode=route"]);
    assert_eq!(m.phase("bridge"), Phase::Waiting);
    assert_eq!(m.publish("wan", &["mode=bridge"]), "publish wan, spawn bridge");
    assert_eq!(m.publish("wan", &["mode=route"]), "publish wan, TERM bridge");
}

#[test]
fn two_that_conflict_are_never_up_together() {
    let mut m = Machine::started(vec![
        bundle("default", ReadyWhen::AtLeast(1), &["a", "b"]),
        longrun("a").conflicts("b"),
        longrun("b"),
    ]);
    assert_eq!(m.states(), "a ready, b waiting, default ready");
    assert_eq!(m.waits("b"), "the end of a, a conflict");
    assert_eq!(m.exits("a", 1), "spawn b", "whoever is up stays");
    assert_eq!(m.pass(30_000), "");
    assert_eq!(m.states(), "a waiting, b ready, default ready");
    assert_eq!(m.start("a"), "TERM b", "a command decides");
    assert_eq!(m.exits("b", 0), "spawn a");
    assert_eq!(m.phase("b"), Phase::Down);
}
