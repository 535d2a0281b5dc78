//! What it costs to load a database: time, and the memory that is in use afterwards beside the file.
//!
//! `cargo bench -p rc --bench load`. The services are longruns with three needs, an output, a value that they
//! read and an environment, one hundred a layer.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot go on has failed")]

#[path = "../tests/counting/mod.rs"]
mod counting;

use counting::{Counting, IN_USE};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use rc::{
    db::{Database, checksum, encode},
    engine::Graph,
    model::{
        Command, Edge, Kind, Longrun, OnChange, OutputDecl, Read, Relation, Service, ServiceId,
        System,
    },
    outputs::{OutputType, Scalar},
    text::Piece,
};
use std::sync::atomic::Ordering::Relaxed;

#[global_allocator]
static HEAP: Counting = Counting;

fn file(count: u16) -> Vec<u8> {
    let text = |text: &str| vec![Piece::Literal(text.into())];
    let service = |number: u16| {
        let argv =
            vec![text("/usr/sbin/program"), text("--foreground"), text("--config=/etc/program")];
        let mut service = Service::new(Kind::Longrun(Longrun::new(Command { argv })));
        let edge = |to| Edge {
            to: ServiceId(to),
            relation: Relation::Needs,
            on_change: OnChange::Restart,
        };
        service.description = format!("service number {number}");
        service.exec.env = vec![("LANG".into(), text("C"))];
        let output = OutputDecl {
            key: "address".into(),
            kind: OutputType::One(Scalar::Ip),
            value: None,
            from: Vec::new(),
        };
        service.outputs = vec![output];
        if number >= 100 {
            let below = number / 100 * 100 - 100;
            let mut needs: Vec<u16> =
                (0..3).map(|step| below + (number + step * 7) % 100).collect();
            needs.sort_unstable();
            service.reads = vec![Read { service: ServiceId(needs[0]), output: 0 }];
            service.edges = needs.into_iter().map(edge).collect();
        }
        (format!("service-{number:05}"), service)
    };
    let services: Vec<_> = (0..count).map(service).collect();
    encode([0; 16], &System::default(), &services).expect("a database")
}

fn loaded(bytes: Vec<u8>) -> (Database, Graph) {
    let database = Database::new(bytes).expect("a database");
    let graph = Graph::load(&database).expect("a graph");
    (database, graph)
}

fn load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    for count in [200, 1000, 10_000] {
        let bytes = file(count);
        let copy = bytes.clone();
        let before = IN_USE.load(Relaxed);
        let kept = loaded(copy);
        let heap = IN_USE.load(Relaxed) - before;
        drop(kept);
        println!("{count} services: a file of {} bytes, {heap} bytes beside it", bytes.len());
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter_batched(|| bytes.clone(), loaded, BatchSize::LargeInput);
        });
        group.bench_function(BenchmarkId::new("of that the checksum", count), |b| {
            b.iter(|| checksum(&bytes));
        });
    }
    group.finish();
}

criterion_group!(benches, load);
criterion_main!(benches);
