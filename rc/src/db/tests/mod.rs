//! The container: what is written is read, damage is noticed, and nothing that a file could say is
//! believed without a look.

mod digest;
mod hostile;
mod schema;

use super::{
    layout::{CHECKED_FROM, CHECKSUM_AT},
    *,
};
use crate::{
    model::{
        Back, Command, Condition, Edge, Exec, Fact, Failover, File, Health, Kind, LinkIs, Longrun,
        OnChange, OnFailure, Oneshot, OutputDecl, Policy, Read, Ready, ReadyWhen, Relation,
        Restart, Service,
    },
    outputs::{OutputType, Scalar},
    text::Piece,
};
use supervisor::{backoff::Backoff, process::StopPolicy, signal::Signal, time::Millis};

fn bundle() -> Service {
    Service { description: "a bundle".into(), ..Service::new(Kind::Bundle(ReadyWhen::All)) }
}

fn program(name: &str) -> Command {
    Command { argv: vec![vec![Piece::Literal(name.into())]] }
}

fn output(key: &str, kind: OutputType) -> OutputDecl {
    OutputDecl { key: key.into(), kind, value: None, from: Vec::new() }
}

fn edge(to: u16, relation: Relation, on_change: OnChange) -> Edge {
    Edge { to: ServiceId(to), relation, on_change }
}

/// A service of each kind, with every property somewhere.
fn services() -> Vec<(String, Service)> {
    let policy = Policy {
        restart: Restart::OnFailure,
        backoff: Backoff { min: Millis(20), max: Millis(70_000) },
        max_restarts: 5,
        start_timeout: Some(Millis(3)),
        stop: StopPolicy { signal: Signal::Quit, grace: Millis(4) },
        finish_timeout: Millis(5),
        action_timeout: Millis(6),
        permanent: vec![100, 111],
        on_failure: OnFailure::Start(ServiceId(0)),
    };
    let mut daemon = Longrun::new(program("daemon"));
    daemon.finish = Some(program("finish"));
    daemon.ready = Ready::Check { every: Millis(700) };
    daemon.check = Some(program("check"));
    daemon.watchdog = Some(Millis(9000));
    daemon.policy = policy.clone();
    let mut daemon = Service::new(Kind::Longrun(daemon));
    daemon.edges = vec![
        edge(2, Relation::Needs, OnChange::Signal(Signal::Hup)),
        edge(3, Relation::Wants, OnChange::Run(1)),
    ];
    daemon.reads = vec![Read { service: ServiceId(2), output: 1 }];
    daemon.exec = Exec { user: Some("nobody".into()), ..Exec::default() };
    daemon.conditions = vec![
        Condition { fact: Fact::Path("/dev/x".into()), negated: true },
        Condition {
            fact: Fact::Output { read: 0, equals: Some("10.0.0.1".into()) },
            negated: false,
        },
        Condition { fact: Fact::Output { read: 0, equals: None }, negated: true },
        Condition { fact: Fact::Link { name: "eth0".into(), is: LinkIs::Running }, negated: false },
    ];
    daemon.conflicts = vec![ServiceId(0)];
    daemon.health =
        Some(Health { run: program("health"), every: Millis(8), timeout: Millis(7), retries: 3 });
    daemon.reload = Some(OnChange::Run(0));
    daemon.actions = vec![program("reload"), program("tell")];
    let mut once = Service::new(Kind::Oneshot(Oneshot {
        up: Some(program("up")),
        down: None,
        policy: Policy { permanent: vec![100, 111], ..Policy::default() },
    }));
    once.outputs = vec![
        output("name", OutputType::One(Scalar::Ifname)),
        OutputDecl {
            value: Some(vec![Piece::Literal("10.0.0.1".into())]),
            ..output("address", OutputType::List(Scalar::Ip))
        },
    ];
    let back = Failover { back: Back::PreferFirst, patience: Millis(30) };
    let mut choice = Service::new(Kind::Failover(back));
    choice.edges = vec![edge(2, Relation::Alternative, OnChange::Restart)];
    choice.reads = vec![Read { service: ServiceId(2), output: 0 }];
    choice.outputs =
        vec![OutputDecl { from: vec![0], ..output("name", OutputType::One(Scalar::Ifname)) }];
    let file = File { path: "/run/x".into(), mode: 0o600, text: vec![Piece::Literal("x".into())] };
    let mut group = bundle();
    group.kind = Kind::Bundle(ReadyWhen::AtLeast(1));
    group.edges = vec![edge(3, Relation::Member, OnChange::Ignore)];
    group.conflicts = vec![ServiceId(1)];
    let named = |name: &str, service| (name.to_owned(), service);
    vec![
        named("all", group),
        named("daemon", daemon),
        named("once", once),
        named("resolv", Service::new(Kind::File(file))),
        named("wan", choice),
    ]
}

fn sample() -> Vec<u8> {
    let services = [("lan".to_owned(), bundle()), ("wan".to_owned(), bundle())];
    encode([7; 16], &System::default(), &services).unwrap()
}

/// The same with a checksum that fits.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&bytes[CHECKED_FROM..]);
    bytes[CHECKSUM_AT..CHECKED_FROM].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn what_is_written_is_read() {
    let db = Database::new(sample()).unwrap();
    assert_eq!(db.len(), 2);
    assert_eq!(db.content_id(), [7; 16]);
    assert_eq!(db.find("wan"), Some(ServiceId(1)));
    assert_eq!(db.find("vlan"), None);
    assert_eq!(db.name(ServiceId(0)), "lan");
    assert_eq!(db.name(ServiceId(9)), "");
    assert_eq!(db.service(ServiceId(1)), Ok(bundle()));
    assert_eq!(db.system(), Ok(System::default()));
    assert_eq!(db.service(ServiceId(2)), Err(Error::Record { number: 3 }));
}

#[test]
fn nothing_is_in_an_empty_one() {
    let db = Database::empty();
    assert_eq!((db.len(), db.find("lan"), db.content_id()), (0, None, [0; 16]));
    assert_eq!((db.name(ServiceId(0)), db.system()), ("", Err(Error::Record { number: 0 })));
}

#[test]
fn every_property_is_read_as_it_was_written() {
    let services = services();
    let db = Database::new(encode([7; 16], &System::default(), &services).unwrap()).unwrap();
    for (id, (name, service)) in db.ids().zip(&services) {
        assert_eq!(db.name(id), name);
        assert_eq!(db.service(id).as_ref(), Ok(service));
    }
}

/// What the compiler computes for the device.
#[test]
fn what_follows_from_the_definitions_is_in_the_rows() {
    let db = Database::new(encode([7; 16], &System::default(), &services()).unwrap()).unwrap();
    let rank = |name: &str| db.node(db.find(name).unwrap()).rank();
    let order: Vec<&str> = (0..db.len()).map(|rank| db.name(db.at_rank(rank))).collect();
    assert_eq!(order, ["once", "resolv", "wan", "all", "daemon"]);
    assert!(rank("once") < rank("daemon"));
    let dependents: Vec<_> = db.node(ServiceId(2)).dependents().collect();
    assert_eq!(dependents, [(ServiceId(1), 0), (ServiceId(4), 0)]);
    let reads: Vec<_> = db.node(ServiceId(1)).reads().collect();
    assert_eq!(reads, [NodeRead { service: ServiceId(2), output: 1, required: false }]);
}

/// Equal strings and policies are there once.
#[test]
fn what_is_equal_is_shared() {
    let many = |count: usize| {
        let mut service = bundle();
        service.outputs = vec![output("a-rather-long-name", OutputType::One(Scalar::String))];
        let services: Vec<_> = (0..count).map(|n| (format!("s{n:03}"), service.clone())).collect();
        Database::new(encode([0; 16], &System::default(), &services).unwrap()).unwrap()
    };
    let (few, more) = (many(10), many(110));
    for (table, each) in [(Table::Policies, 0), (Table::StringEnds, 100), (Table::Strings, 400)] {
        assert_eq!(more.bytes.rows(table) - few.bytes.rows(table), each, "{table:?}");
    }
}

/// The same bytes on every host and for every target. If this fails because a table or a row has another
/// layout now, raise `FORMAT` first; the schema looks after the records.
#[test]
fn equal_services_are_equal_bytes_for_ever() {
    let bytes = encode([7; 16], &System::default(), &services()).unwrap();
    let end = Database::new(bytes.clone()).unwrap().bytes.row(Table::RecordEnds, 0);
    let rows = &bytes[layout::HEADER..end];
    assert_eq!((FORMAT, rows.len(), checksum(rows)), (5, 677, 9_486_289_552_699_631_416));
    assert_eq!(encode([7; 16], &System::default(), &services()), Ok(bytes));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let good = sample();
    for byte in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[byte] ^= 1 << bit;
            assert!(Database::new(bad).is_err(), "byte {byte} bit {bit}");
        }
    }
}

#[test]
fn every_truncation_and_extension_is_noticed() {
    let good = sample();
    for length in 0..good.len() {
        assert!(Database::new(good[..length].to_vec()).is_err(), "length {length}");
    }
    let mut long = good;
    long.push(0);
    assert!(matches!(Database::new(long), Err(Error::Length { .. })));
}

#[test]
fn other_versions_say_so() {
    for version in [2, 4, FORMAT + 1] {
        let mut bytes = sample();
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        let error = Database::new(bytes).err().unwrap();
        assert_eq!(error, Error::Version { found: version });
        let told = error.to_string();
        assert_eq!(
            told,
            format!(
                "format version {version}, this jamb reads version 5: \
                 compile it with the jambc of this jamb"
            )
        );
    }
    // An empty one of format 2 as its jambc wrote it.
    let mut old = b"jambdb\r\n\x02\0\0\0\x2d\0\0\0\x11\x22\x33\x44".to_vec();
    old.resize(45, 0);
    assert_eq!(Database::new(old).err(), Some(Error::Version { found: 2 }));
}

#[test]
fn records_of_another_shape_say_so() {
    let mut bytes = sample();
    bytes[SCHEMA_AT] ^= 1;
    let error = Database::new(sealed(bytes)).err().unwrap();
    assert_eq!(error, Error::Schema);
    assert!(error.to_string().starts_with("made by another jambc"));
}

#[test]
fn unsorted_names_are_refused() {
    let services = [("wan".to_owned(), bundle()), ("lan".to_owned(), bundle())];
    assert_eq!(encode([0; 16], &System::default(), &services), Err(Error::Structure));
}
