//! Bytes as a database, with a head that fits them so that the fuzzer gets past the checksum: it is refused,
//! or an engine runs by it, and it is shown, without a panic.

#![no_main]

use jambc::{
    show::{self, Decoded},
    tool::{
        doc,
        graph::{Graph as Drawing, Lines, svg},
    },
};
use libfuzzer_sys::fuzz_target;
use rc::{
    Exit, Instant,
    db::Database,
    engine::{Action, Engine, Event, Graph},
};

/// The head of `rc::db`: magic, version, length, checksum, content id and schema; then what the fuzzer
/// wrote.
fn with_head(body: &[u8]) -> Vec<u8> {
    let mut checked = vec![0; 16];
    checked.extend(rc::db::SCHEMA.to_le_bytes());
    checked.extend(body);
    let mut bytes = b"jambdb\r\n".to_vec();
    bytes.extend(rc::db::FORMAT.to_le_bytes());
    bytes.extend(u32::try_from(24 + checked.len()).expect("short").to_le_bytes());
    bytes.extend(rc::db::checksum(&checked).to_le_bytes());
    bytes.extend(checked);
    bytes
}

/// An engine over it, in a world that does at once what it is told, and forgets the rest.
fn run(database: &Database, graph: Graph) {
    let mut engine = Engine::new(graph);
    let mut open: Vec<Event> = database.ids().take(20).map(Event::Start).collect();
    let mut actions = Vec::new();
    let mut now = 0;
    for _ in 0..100 {
        let Some(event) = open.pop() else { break };
        now += 10;
        engine.handle(Instant::from_ms(now), event, &mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Spawn(run) => open.extend([Event::Spawned(run), Event::Ready(run)]),
                Action::Signal(run, _) => open.push(Event::Exited(run, Exit::Code(1))),
                Action::Write(run) => open.push(Event::Written(run, Ok(true))),
                _ => {}
            }
        }
    }
    assert_eq!(engine.bugs(), 0);
}

fn read(bytes: Vec<u8>) {
    let Ok(database) = Database::new(bytes) else { return };
    if let Ok(graph) = Graph::load(&database) {
        run(&database, graph);
    }
    // Records are read when they are needed.
    let Ok(decoded) = Decoded::new(&database) else { return };
    let _ = (show::toml(&decoded, None), show::json(&decoded, None));
    if let Ok(drawing) = Drawing::new(&database, Lines::All)
        && database.len() < 50
    {
        svg(&drawing);
    }
    if let Ok(reference) = doc::services(&database) {
        doc::markdown(&reference);
        doc::html(&reference);
    }
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes.to_vec());
    read(with_head(bytes.get(48..).unwrap_or(bytes)));
});
