//! Services that are held up or down by command.

use super::*;

fn hold(m: &mut Machine, name: &str, want: Want) -> String {
    m.tell(Event::Hold(m.id(name), want))
}

#[test]
fn what_is_held_down_stays_down_whoever_asks() {
    let mut m = Machine::started(vec![longrun("top").needs("base"), longrun("base")]);
    assert_eq!(hold(&mut m, "base", Want::Down), "TERM top");
    m.exits("top", 0);
    m.exits("base", 0);
    assert_eq!(m.start("top"), "");
    assert_eq!(m.states(), "base down, top waiting");
    assert_eq!(m.tell(Event::Release(m.id("base"))), "spawn base, spawn top");
}

#[test]
fn what_is_held_up_does_not_follow_its_needs() {
    let mut m = Machine::started(vec![longrun("top").needs("base"), longrun("base").when()]);
    m.holds("base", true);
    assert_eq!(hold(&mut m, "top", Want::Up), "");
    assert_eq!(m.holds("base", false), "TERM base", "nobody waits for who is held");
    m.exits("base", 0);
    assert_eq!(m.stop("top"), "");
    assert_eq!(m.states(), "base waiting, top ready");
    assert_eq!(m.exits("top", 1), "", "a start still needs what it needs");
    m.pass(1000);
    assert_eq!(m.waits("top"), "base");
    assert_eq!(m.holds("base", true), "spawn base, spawn top");
}

#[test]
fn what_is_held_up_is_wanted_and_may_be_restarted_by_command() {
    let mut m = Machine::new(vec![longrun("a")]);
    assert_eq!(hold(&mut m, "a", Want::Up), "spawn a");
    assert_eq!(m.restart("a"), "TERM a");
    assert_eq!(m.exits("a", 0), "spawn a");
    assert_eq!(m.tell(Event::Release(m.id("a"))), "TERM a", "nobody else wants it");
}

#[test]
fn a_shutdown_stops_what_is_held_up() {
    let mut m = Machine::new(vec![longrun("a")]);
    hold(&mut m, "a", Want::Up);
    assert_eq!(m.tell(Event::Shutdown), "TERM a");
    assert_eq!(m.exits("a", 0), "all stopped");
}

#[test]
fn a_start_does_not_stop_a_rival_that_is_held_up() {
    let mut m = Machine::new(vec![longrun("a").conflicts("b"), longrun("b")]);
    hold(&mut m, "b", Want::Up);
    assert_eq!(m.start("a"), "");
    assert_eq!(m.waits("a"), "the end of b, a conflict");
}
