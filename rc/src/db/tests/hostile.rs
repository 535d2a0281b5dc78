//! Files that somebody made up, with a checksum that fits: refused, or harmless.

use super::*;
use crate::db::layout::{self, ENDS_AT, TABLES, edge, policy, read, service};

/// The bytes of [`services`], with others at `at` in a row of a table.
fn with(table: Table, row: usize, at: usize, bytes: &[u8]) -> Vec<u8> {
    let good = encode([7; 16], &System::default(), &services()).unwrap();
    let at = Database::new(good.clone()).unwrap().bytes.row(table, row) + at;
    let mut bad = good;
    bad[at..at + bytes.len()].copy_from_slice(bytes);
    sealed(bad)
}

fn flaw(table: Table, row: usize, at: usize, bytes: &[u8]) -> Option<Flaw> {
    Database::open(with(table, row, at, bytes)).unwrap().check().err()
}

#[test]
fn hostile_ends_are_refused() {
    for table in 0..TABLES {
        for end in [0, 1, 39, 1 << 20, u32::MAX - 1, u32::MAX] {
            let mut bytes = sample();
            let at = ENDS_AT + 4 * table;
            bytes[at..at + 4].copy_from_slice(&end.to_le_bytes());
            assert!(Database::new(sealed(bytes)).is_err(), "end {end} of table {table}");
        }
    }
    for table in [Table::StringEnds, Table::RecordEnds] {
        for end in [1 << 20, u32::MAX] {
            let bytes = with(table, 1, 0, &end.to_le_bytes());
            assert_eq!(Database::new(bytes).err(), Some(Error::Structure));
        }
    }
}

#[test]
fn more_services_than_numbers_are_refused() {
    let service = (String::new(), bundle());
    let services: Vec<_> =
        (0..=MAX_SERVICES).map(|n| (format!("{n:05}"), service.1.clone())).collect();
    assert_eq!(encode([0; 16], &System::default(), &services), Err(Error::TooLarge));
}

#[test]
fn what_points_nowhere_is_refused() {
    let nowhere = 5u16.to_le_bytes();
    let far = u32::MAX.to_le_bytes();
    let daemon = ServiceId(1);
    let wan = ServiceId(4);
    let all = ServiceId(0);
    let cases = [
        (flaw(Table::Edges, 1, edge::TO, &nowhere), Flaw::Dangling(daemon)),
        (flaw(Table::Edges, 2, edge::CHANGE + 1, &nowhere), Flaw::Dangling(daemon)),
        (flaw(Table::Reads, 0, read::SERVICE, &nowhere), Flaw::Dangling(daemon)),
        (flaw(Table::Reads, 0, read::OUTPUT, &nowhere), Flaw::Dangling(daemon)),
        (flaw(Table::Conflicts, 1, 0, &nowhere), Flaw::Dangling(daemon)),
        (flaw(Table::Conditions, 1, layout::condition::READ, &nowhere), Flaw::Dangling(daemon)),
        (flaw(Table::Services, 1, service::RELOAD_CHANGE + 1, &nowhere), Flaw::Dangling(daemon)),
        (flaw(Table::Numbers, 2, 0, &nowhere), Flaw::Dangling(wan)),
        (flaw(Table::Outputs, 2, layout::output::FROM, &far), Flaw::Contradiction(wan)),
        (flaw(Table::Outputs, 2, layout::output::KEY, &far), Flaw::Contradiction(wan)),
        (flaw(Table::Services, 1, service::POLICY, &nowhere), Flaw::Contradiction(daemon)),
        (flaw(Table::Policies, 1, policy::STARTS, &nowhere), Flaw::Contradiction(all)),
        (flaw(Table::Policies, 1, policy::PERMANENT, &far), Flaw::Contradiction(all)),
        (flaw(Table::Services, 1, service::ACTIONS, &[0xff, 0xff]), Flaw::Contradiction(daemon)),
    ];
    for (number, (found, expected)) in cases.into_iter().enumerate() {
        assert_eq!(found, Some(expected), "case {number}");
    }
}

#[test]
fn numbers_without_a_meaning_are_refused() {
    for (table, row, at) in [
        (Table::Services, 1, service::KIND),
        (Table::Services, 1, service::READY),
        (Table::Services, 1, service::RELOAD_CHANGE),
        (Table::Edges, 1, edge::RELATION),
        (Table::Edges, 1, edge::CHANGE),
        (Table::Edges, 1, edge::CHANGE + 1),
        (Table::Outputs, 1, layout::output::KIND),
        (Table::Outputs, 1, layout::output::FIXED),
        (Table::Policies, 0, policy::RESTART),
        (Table::Policies, 0, policy::SIGNAL),
        (Table::Policies, 0, policy::ON_FAILURE),
    ] {
        let found = flaw(table, row, at, &[77]);
        assert!(matches!(found, Some(Flaw::Contradiction(_))), "{table:?} {at}: {found:?}");
    }
}

#[test]
fn a_wrong_order_is_refused() {
    let order = |row: usize, id: u16| flaw(Table::Order, row, 0, &id.to_le_bytes());
    let rank =
        |row: usize, rank: u16| flaw(Table::Services, row, service::RANK, &rank.to_le_bytes());
    for found in [order(0, 3), order(0, 5), order(4, u16::MAX), rank(1, 5), rank(1, 0), rank(4, 1)]
    {
        assert!(matches!(found, Some(Flaw::Contradiction(_))), "{found:?}");
    }
    // Two that are exchanged at both places.
    let good = encode([7; 16], &System::default(), &services()).unwrap();
    let whole = Database::new(good.clone()).unwrap();
    let mut bad = good;
    for (id, rank) in [(1u16, 0u16), (2, 2)] {
        let (row, place) = (
            whole.bytes.row(Table::Services, usize::from(id)) + service::RANK,
            whole.bytes.row(Table::Order, usize::from(rank)),
        );
        bad[row..row + 2].copy_from_slice(&rank.to_le_bytes());
        bad[place..place + 2].copy_from_slice(&id.to_le_bytes());
    }
    let found = Database::open(sealed(bad)).unwrap().check();
    assert_eq!(found, Err(Flaw::Cycle(ServiceId(1))));
}

#[test]
fn what_dependents_say_is_what_edges_say() {
    // The dependents of `once` are daemon 0 and wan 0; that of `resolv` is all 0, then daemon 1.
    let dependent = |row: usize, other: u16, position: u16| {
        let [a, b] = other.to_le_bytes();
        let [c, d] = position.to_le_bytes();
        flaw(Table::Dependents, row, 0, &[a, b, c, d])
    };
    for found in [
        dependent(0, 4, 0),
        dependent(0, 1, 1),
        dependent(0, 9, 0),
        dependent(0, 1, 9),
        dependent(1, 1, 0),
        dependent(2, 1, 1),
    ] {
        assert!(matches!(found, Some(Flaw::Contradiction(_))), "{found:?}");
    }
    // A row that belongs to nobody, and one that belongs to two.
    for end in [0u32, 1, 3, u32::MAX] {
        let found = flaw(Table::Services, 2, service::ENDS + 4, &end.to_le_bytes());
        assert!(found.is_some(), "{end}");
    }
}

/// A list cannot be made to be read again and again: a megabyte of rows that point to one of 65,535
/// numbers would take hours.
#[test]
fn a_list_is_of_one_output_only() {
    let mut services = services();
    let wan = &mut services[4].1;
    for number in 0..6 {
        wan.outputs.push(output(&format!("n{number}"), OutputType::One(Scalar::String)));
    }
    let mut bytes = encode([7; 16], &System::default(), &services).unwrap();
    let whole = Database::new(bytes.clone()).unwrap();
    let from = |row: usize| whole.bytes.row(Table::Outputs, row) + layout::output::FROM;
    for row in 3..9 {
        bytes.copy_within(from(2)..from(2) + 6, from(row));
        let found = Database::open(sealed(bytes.clone())).unwrap().check();
        // There are three numbers: two are exit codes.
        let expected = if row < 5 { Ok(()) } else { Err(Flaw::Contradiction(ServiceId(4))) };
        assert_eq!(found, expected, "row {row}");
    }
}

/// Any byte may have any value: an engine runs, or there is none, and tools read what they can.
#[test]
fn any_byte_may_be_anything() {
    use crate::engine::{Action, Engine, Event, Graph};
    use supervisor::{exit::Exit, time::Instant};
    let good = encode([7; 16], &System::default(), &services()).unwrap();
    let mut loaded = 0;
    for at in CHECKED_FROM..good.len() {
        for change in [1u8, 2, 4, 8, 16, 32, 64, 128, 255] {
            let mut bytes = good.clone();
            bytes[at] ^= change;
            let Ok(database) = Database::new(sealed(bytes)) else { continue };
            for id in database.ids() {
                database.service(id).ok();
            }
            let Ok(graph) = Graph::load(&database) else { continue };
            loaded += 1;
            let mut engine = Engine::new(graph);
            let mut now = 0;
            let mut open: Vec<Event> = database.ids().map(Event::Start).collect();
            let mut actions = Vec::new();
            for _ in 0..50 {
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
            assert_eq!(engine.bugs(), 0, "byte {at} changed by {change}");
        }
    }
    assert!(loaded > 100, "only {loaded} were loaded");
}
