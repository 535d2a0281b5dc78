//! Hand-over: an engine that was saved and restored goes on like the one that was not.

use super::*;
use crate::engine::{RestoreError, SAVED};

fn world() -> Vec<Def> {
    vec![
        bundle("default", ReadyWhen::All, &["user", "wan"]),
        longrun("user").reads("wan.v").health(),
        failover("wan", Back::Sticky, &["fibre", "lte"]).repeats(),
        daemon("fibre").ready(Ready::Outputs).publishes("v").finish(),
        daemon("lte").ready(Ready::Outputs).publishes("v").when(),
    ]
}

/// Saves and restores the engine.
fn hand_over(m: &mut Machine) {
    let bytes = m.engine.save().unwrap();
    let graph = m.engine.graph().clone();
    m.engine = Engine::restore(graph, &bytes).unwrap();
    assert_eq!(m.engine.save().unwrap(), bytes, "nothing is lost");
}

#[test]
fn it_goes_on_at_every_step() {
    type Step = fn(&mut Machine) -> String;
    let steps: &[Step] = &[
        |m| m.boot("default"),
        |m| m.exits("fibre", 1),
        |m| m.exits("fibre.finish", 0),
        |m| m.holds("lte", true),
        |m| m.pass(60),
        |m| m.publish("lte", &["v=2"]),
        |m| m.pass(1000),
        |m| m.beside("user", Role::Check(1), 1),
        |m| m.pass(1000),
        |m| m.beside("user", Role::Check(2), 1),
        |m| m.exits("user", 0),
        |m| m.pass(30_000),
        |m| m.tell(Event::Shutdown),
        |m| m.exits("user", 0),
        |m| m.exits("lte", 0),
    ];
    for moment in 0..=steps.len() {
        let (mut plain, mut handed) = (Machine::new(world()), Machine::new(world()));
        for (number, step) in steps.iter().enumerate() {
            if number == moment {
                hand_over(&mut handed);
            }
            assert_eq!(
                step(&mut handed),
                step(&mut plain),
                "step {number}, handed over at {moment}"
            );
        }
        assert_eq!(handed.engine.next_deadline(), plain.engine.next_deadline());
        assert_eq!(handed.states(), plain.states());
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let engine = Machine::started(world()).engine;
    let bytes = engine.save().unwrap();
    let restore = |bytes: &[u8]| Engine::restore(engine.graph().clone(), bytes).err();
    assert_eq!(restore(&[]), Some(RestoreError::Malformed));
    let mut other = bytes.clone();
    other[0] = SAVED + 1;
    assert_eq!(restore(&other), Some(RestoreError::Version(SAVED + 1)));
    for length in 1..bytes.len() {
        assert_eq!(restore(&bytes[..length]), Some(RestoreError::Malformed), "{length}");
    }
    let smaller = Machine::new(vec![longrun("a")]).engine.graph().clone();
    assert_eq!(Engine::restore(smaller, &bytes).err(), Some(RestoreError::Malformed));
    for position in 1..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << bit;
            // Whatever it becomes, it does not panic, now or when time goes on.
            if let Ok(mut engine) = Engine::restore(engine.graph().clone(), &damaged) {
                engine.handle(Instant::from_ms(100_000), Event::Tick, &mut Vec::new());
            }
        }
    }
}
