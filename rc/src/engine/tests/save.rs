//! Hand-over: an engine that was saved and restored goes on like the one that was not.

use super::*;
use crate::engine::RestoreError;

fn world() -> Vec<Def> {
    vec![
        bundle("default", ReadyWhen::All, &["user", "wan"]),
        longrun("user").reads("wan.v").health(),
        failover("wan", Back::Sticky, &["fibre", "lte"]).repeats(),
        daemon("fibre").ready(Ready::Outputs).publishes("v").finish(),
        daemon("lte").ready(Ready::Outputs).publishes("v").when(),
    ]
}

/// The head and the records.
type Saved = (Vec<u8>, Vec<Vec<u8>>);

fn save(engine: &mut Engine) -> Saved {
    let services = 0..engine.graph().len();
    let record = |at| engine.save_record(ServiceId(u16::try_from(at).unwrap()), Vec::new());
    let records = services.map(record).collect();
    (engine.save_head(Vec::new()), records)
}

fn restore(graph: &Graph, (head, records): &Saved) -> Result<Engine, RestoreError> {
    let record = &mut |id: ServiceId, bytes: &mut Vec<u8>| {
        bytes.extend(records.get(id.index()).into_iter().flatten());
    };
    Engine::restore(graph.clone(), head, record)
}

/// Saves and restores the engine.
fn hand_over(m: &mut Machine) {
    let saved = save(&mut m.engine);
    m.engine = restore(m.engine.graph(), &saved).unwrap();
    assert_eq!(save(&mut m.engine), saved, "nothing is lost");
}

/// The services that were touched.
fn touched(m: &mut Machine) -> Vec<String> {
    let all = core::iter::from_fn(|| m.engine.next_touched()).collect::<Vec<_>>();
    all.into_iter().map(|id| m.names[id.index()].to_string()).collect()
}

#[test]
fn only_what_is_concerned_is_touched() {
    let mut m = Machine::started(vec![
        bundle("default", ReadyWhen::All, &["a", "b", "c"]),
        longrun("a"),
        longrun("b").needs("a"),
        longrun("c"),
    ]);
    assert_eq!(touched(&mut m), ["a", "b", "c", "default"]);
    m.pass(1);
    m.tell(Event::Tick);
    assert_eq!(touched(&mut m), [""; 0]);
    m.exits("b", 1);
    assert_eq!(touched(&mut m), ["b", "default"]);
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
fn what_was_never_touched_needs_no_record() {
    let graph = Machine::started(world()).engine.graph().clone();
    let mut engine = Engine::new(graph.clone());
    assert_eq!(engine.next_touched(), None);
    let saved = save(&mut engine);
    let mut other = restore(&graph, &(saved.0.clone(), Vec::new())).unwrap();
    assert_eq!(save(&mut other), saved);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut engine = Machine::started(world()).engine;
    let graph = &engine.graph().clone();
    let saved = save(&mut engine);
    let refused = |saved: &Saved| restore(graph, saved).err();
    for part in 0..=saved.1.len() {
        let length = if part == 0 { saved.0.len() } else { saved.1[part - 1].len() };
        let change = |f: &dyn Fn(&mut Vec<u8>)| {
            let mut damaged = saved.clone();
            f(if part == 0 { &mut damaged.0 } else { &mut damaged.1[part - 1] });
            damaged
        };
        // A record without a byte is one that was never touched.
        for length in usize::from(part > 0)..length {
            let cut = change(&|bytes| bytes.truncate(length));
            assert_eq!(refused(&cut), Some(RestoreError), "{part} {length}");
        }
        assert_eq!(refused(&change(&|bytes| bytes.push(0))), Some(RestoreError));
        for (position, bit) in (0..length).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let damaged = change(&|bytes| bytes[position] ^= 1 << bit);
            // Whatever it becomes, it does not panic, now or when time goes on.
            if let Ok(mut engine) = restore(graph, &damaged) {
                engine.handle(Instant::from_ms(100_000), Event::Tick, &mut Vec::new());
            }
        }
    }
    let smaller = Machine::new(vec![longrun("a")]).engine.graph().clone();
    assert_eq!(restore(&smaller, &saved).err(), Some(RestoreError));
}

#[test]
fn a_bundle_that_goes_on_waiting_is_not_touched() {
    let mut m = Machine::started(vec![
        bundle("all", ReadyWhen::All, &["a", "b"]),
        daemon("a").ready(Ready::Notify),
        daemon("b").ready(Ready::Notify),
    ]);
    assert_eq!(touched(&mut m), ["a", "all", "b"]);
    m.ready("a");
    assert_eq!(touched(&mut m), ["a"]);
    m.ready("b");
    assert_eq!(touched(&mut m), ["all", "b"]);
}
