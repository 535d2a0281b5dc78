//! What the engine costs: time for each event, and how it grows from 10 to 10,000 services.
//!
//! `cargo bench -p rc --bench engine`. The graph is layered: each service needs up to three of the
//! layer below it, one hundred services a layer, so 10,000 services are a hundred layers deep, and the
//! target is a bundle of the top layer. Criterion shows *elements* a second: an element is one event, or
//! where it says so one service or edge touched.

#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot go on has failed")]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rc::{
    Exit, Instant,
    db::{Database, encode},
    engine::{Action, Engine, Event, Graph},
    model::{Command, Edge, Kind, Longrun, OnChange, Ready, Relation, Service, ServiceId, System},
    text::Piece,
};

const SIZES: [usize; 4] = [10, 100, 1000, 10_000];
const LAYER: usize = 100;
const NEEDS: usize = 3;

fn id(number: usize) -> ServiceId {
    ServiceId(u16::try_from(number).expect("a service number"))
}

fn edge(to: usize, relation: Relation) -> Edge {
    Edge { to: id(to), relation, on_change: OnChange::Restart }
}

/// The services with a bundle of the top layer, which is the last.
fn graph(count: usize) -> Graph {
    bundled(count, LAYER.min(count.div_ceil(3)))
}

/// The same with layers of another width.
fn bundled(count: usize, layer: usize) -> Graph {
    let program = || Command { argv: vec![vec![Piece::Literal("program".into())]] };
    let mut records = Vec::with_capacity(count);
    for number in 0..count - 1 {
        let mut run = Longrun::new(program());
        run.ready = Ready::Notify;
        let mut service = Service::new(Kind::Longrun(run));
        if number >= layer {
            let below = number / layer * layer - layer;
            let needs = (0..NEEDS.min(layer)).map(|step| below + (number + step * 7) % layer);
            let mut needs: Vec<_> = needs.collect();
            needs.sort_unstable();
            needs.dedup();
            service.edges = needs.into_iter().map(|to| edge(to, Relation::Needs)).collect();
        }
        records.push((format!("s{number:05}"), service));
    }
    let mut all = Service::new(Kind::Bundle(rc::model::ReadyWhen::All));
    all.edges = (count - 1 - layer..count - 1).map(|to| edge(to, Relation::Member)).collect();
    records.push((format!("s{:05}", count - 1), all));
    let bytes = encode([0; 16], &System::default(), &records).expect("a database");
    Graph::load(&Database::new(bytes).expect("a database")).expect("a graph")
}

/// An engine in a world that does at once what it is told.
struct Machine {
    engine: Engine,
    now: Instant,
    events: u64,
}

impl Machine {
    fn new(graph: Graph) -> Self {
        Self { engine: Engine::new(graph), now: Instant::from_ms(1000), events: 0 }
    }

    /// Hands in an event and everything that follows from it.
    fn tell(&mut self, event: Event) {
        let mut open = vec![event];
        let mut actions = Vec::new();
        while let Some(event) = open.pop() {
            self.engine.handle(self.now, event, &mut actions);
            self.events += 1;
            for action in actions.drain(..) {
                match action {
                    Action::Spawn(run) => open.extend([Event::Ready(run), Event::Spawned(run)]),
                    Action::Signal(run, _) => open.push(Event::Exited(run, Exit::Code(0))),
                    _ => {}
                }
            }
        }
    }

    fn booted(graph: Graph, count: usize) -> Self {
        let mut machine = Self::new(graph);
        machine.tell(Event::Boot(id(count - 1)));
        assert!(machine.engine.has_settled(), "everything is up");
        machine.now = Instant::from_ms(1_000_000);
        machine.events = 0;
        machine
    }

    /// A process dies; what depends on it stops and all starts again.
    fn die(&mut self, number: usize) {
        let run = self.engine.view(id(number)).and_then(|view| view.live).expect("it runs");
        self.tell(Event::Exited(run, Exit::Code(1)));
        // Each run has been stable, so that nothing is delayed.
        self.now = Instant::from_ms(self.now.ms + 20_000);
    }
}

/// From nothing to everything ready: an event for the boot and two for each service.
fn boot(criterion: &mut Criterion) {
    boots(criterion, "boot, per event", &graph);
}

/// The same with one bundle of all services, which need nothing.
fn wide(criterion: &mut Criterion) {
    boots(criterion, "boot of one bundle, per event", &|count| bundled(count, count - 1));
}

fn boots(criterion: &mut Criterion, name: &str, graph: &dyn Fn(usize) -> Graph) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10);
    for count in SIZES {
        let graph = graph(count);
        group.throughput(Throughput::Elements(2 * count as u64 - 1));
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter_batched(
                || Machine::new(graph.clone()),
                |mut machine| {
                    machine.tell(Event::Boot(id(count - 1)));
                    machine
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// One service in the top layer dies and comes back: what it costs does not depend on how many others there are.
fn leaf(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a leaf dies, per event");
    for count in SIZES {
        let mut machine = Machine::booted(graph(count), count);
        machine.die(count - 2);
        let events = core::mem::take(&mut machine.events);
        machine.die(count - 2);
        let events = if events == 0 { 1 } else { machine.events };
        group.throughput(Throughput::Elements(events));
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| machine.die(count - 2));
        });
    }
    group.finish();
}

/// Service 0 dies, and everything above it stops and starts again: per service and edge touched.
fn hub(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a hub dies, per service and edge touched");
    group.sample_size(10);
    for count in SIZES {
        let graph = graph(count);
        let mut machine = Machine::booted(graph.clone(), count);
        let before: Vec<_> = (0..count).map(|at| generation(&machine, at)).collect();
        machine.die(0);
        let touched = (0..count).filter(|&at| generation(&machine, at) != before[at]);
        let cost = |at: usize| {
            1 + graph.node(id(at)).edges().len() + graph.node(id(at)).dependents().len()
        };
        let touched: usize = touched.map(cost).sum();
        group.throughput(Throughput::Elements(touched as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |b| b.iter(|| machine.die(0)));
    }
    group.finish();
}

fn generation(machine: &Machine, number: usize) -> u32 {
    machine.engine.view(id(number)).map_or(0, |view| view.generation)
}

/// A timer that was not needed, a report of the dead: what costs nothing.
fn nothing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a stale report");
    for count in SIZES {
        let mut machine = Machine::booted(graph(count), count);
        let run = machine.engine.view(id(0)).and_then(|view| view.live).expect("it runs");
        let late = rc::engine::Incarnation { generation: 0, ..run };
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| machine.tell(Event::Ready(late)));
        });
    }
    group.finish();
}

criterion_group!(engine, boot, wide, leaf, hub, nothing);
criterion_main!(engine);
