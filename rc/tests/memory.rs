//! What a loaded database and the engine keep in memory: bounded, and measured with an allocator that counts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod counting;

use counting::{Counting, IN_USE};
use rc::{
    Instant,
    db::{Database, encode},
    engine::{Engine, Event, Graph},
    model::{Command, Edge, Kind, Longrun, OnChange, Relation, Service, ServiceId, System},
    text::Piece,
};
use std::sync::{Mutex, atomic::Ordering::Relaxed};

/// What SPECIFICATION.md promises, in bytes for each service beyond its record.
const BOUND: usize = 1024;

#[global_allocator]
static HEAP: Counting = Counting;

/// One measures at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Longruns that need their three neighbours below.
fn file(count: u16) -> Vec<u8> {
    let service = |number: u16| {
        let program = Command { argv: vec![vec![Piece::Literal("program".into())]] };
        let mut service = Service::new(Kind::Longrun(Longrun::new(program)));
        let edge = |to| {
            let (relation, on_change) = (Relation::Needs, OnChange::Restart);
            Edge { to: ServiceId(to), relation, on_change }
        };
        service.edges = (number.saturating_sub(3)..number).map(edge).collect();
        (format!("s{number:05}"), service)
    };
    let records: Vec<_> = (0..count).map(service).collect();
    encode([0; 16], &System::default(), &records).unwrap()
}

/// The bytes that an engine with so many services keeps, all of them up and idle.
fn kept(count: u16) -> usize {
    let database = Database::new(file(count)).unwrap();
    let before = IN_USE.load(Relaxed);
    let mut engine = Engine::new(Graph::load(&database).unwrap());
    let mut actions = Vec::new();
    engine.handle(Instant::from_ms(0), Event::Boot(ServiceId(count - 1)), &mut actions);
    while let Some(run) = actions.iter().rev().find_map(|action| match action {
        rc::engine::Action::Spawn(run) => Some(*run),
        _ => None,
    }) {
        actions.clear();
        engine.handle(Instant::from_ms(0), Event::Spawned(run), &mut actions);
    }
    assert!(engine.has_settled());
    drop(actions);
    IN_USE.load(Relaxed) - before
}

/// Beside the file there is a handle to it, of a few words.
#[test]
fn a_loaded_database_is_its_file() {
    let _turn = TURN.lock();
    for count in [1, 200, 10_000] {
        let bytes = file(count);
        let before = IN_USE.load(Relaxed);
        let graph = Graph::load(&Database::new(bytes).unwrap()).unwrap();
        let more = IN_USE.load(Relaxed) - before;
        assert!(more <= 64, "{more} bytes for {count} services");
        drop(graph);
    }
}

#[test]
fn an_idle_service_costs_less_than_a_kilobyte() {
    let _turn = TURN.lock();
    let (small, large) = (kept(100), kept(2100));
    let each = (large - small) / 2000;
    println!("{each} bytes for each idle service, {small} for a hundred with the engine");
    assert!(each <= BOUND, "{each} bytes for each idle service");
}
