//! The monitor against a real kernel: whatever happens, the table that followed the events must
//! become equal to one that is read anew. Input: a network namespace that ip(8) changes. The
//! tests wait for events of the kernel, never for time.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod netns;

use ifwait::{Family, Monitor, Predicate, Table, Turn, Watch};
use mio::{Events, Interest, Poll, Token};
use netns::ip;
use std::fmt::Write;
use std::time::Duration;

/// Longer than any change takes to be told, on any machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Turns until there is nothing to read; whether the table changed.
fn settle(monitor: &mut Monitor, table: &mut Table) -> bool {
    for _ in 0..10_000 {
        match monitor.drain(table).unwrap() {
            Turn::More => {}
            Turn::Settled { changed } => return changed,
            Turn::Waiting => panic!("the kernel answers dumps at once"),
        }
    }
    panic!("it never settles")
}

fn fresh() -> Table {
    let mut table = Table::default();
    settle(&mut Monitor::new(Watch::Routes).unwrap(), &mut table);
    table
}

/// A monitor in a poll loop.
struct Follower {
    poll: Poll,
    monitor: Monitor,
    table: Table,
}

impl Follower {
    fn new(mut monitor: Monitor) -> Self {
        let poll = Poll::new().unwrap();
        poll.registry().register(&mut monitor, Token(0), Interest::READABLE).unwrap();
        let mut table = Table::default();
        assert!(settle(&mut monitor, &mut table));
        Self { poll, monitor, table }
    }

    /// Waits for events until the table is what a new dump says: carriers are told with a delay.
    fn converge(&mut self) {
        let mut events = Events::with_capacity(2);
        loop {
            settle(&mut self.monitor, &mut self.table);
            let expected = fresh();
            // What changed between the two looks has its event queued.
            settle(&mut self.monitor, &mut self.table);
            if self.table == expected {
                return;
            }
            self.poll.poll(&mut events, Some(PATIENCE)).unwrap();
            assert!(!events.is_empty(), "no event leads from {:?} to {expected:?}", self.table);
        }
    }
}

#[test]
fn a_flood_beyond_the_queue_is_repaired() {
    netns::enter();
    ip("link add v0 type veth peer name v1");
    let mut follower = Follower::new(Monitor::with_queue(Watch::Routes, 1).unwrap());
    assert_eq!(follower.monitor.dumps(), 1);
    let mut flood = String::new();
    for round in 0..200 {
        writeln!(flood, "link set v0 mtu {}\naddr add 10.1.{round}.1/24 dev v0", 1000 + round)
            .unwrap();
    }
    ip(&flood);
    // What was lost is the last of it, the rename among it.
    ip("link set v0 name wan0\nlink set wan0 up\nlink set v1 up\nroute add default dev wan0");
    assert!(settle(&mut follower.monitor, &mut follower.table));
    assert!(follower.monitor.dumps() >= 2, "the queue did not overflow");
    follower.converge();
    assert!(follower.table.holds(Predicate::Route(Family::V4), "wan0"));
    assert!(!follower.table.holds(Predicate::Present, "v0"));
    // Late news of the links above may fill the tiny queue once more; they come to an end.
    let by_events = (0..20).any(|number| {
        let dumps = follower.monitor.dumps();
        ip(&format!("link add br{number} type bridge"));
        settle(&mut follower.monitor, &mut follower.table);
        assert!(follower.table.holds(Predicate::Present, &format!("br{number}")));
        follower.monitor.dumps() == dumps
    });
    assert!(by_events, "events suffice again");
}

#[test]
fn without_routes_there_is_one_dump() {
    netns::enter();
    ip("link add v0 type veth peer name v1\nlink set v0 up\nlink set v1 up");
    let mut follower = Follower::new(Monitor::new(Watch::LinksAndAddresses).unwrap());
    ip("addr add 192.0.2.1/24 dev v0\nroute add default via 192.0.2.2\nlink set v0 down");
    assert!(settle(&mut follower.monitor, &mut follower.table));
    assert!(!follower.table.holds(Predicate::Route(Family::Any), "v0"));
    assert!(follower.table.holds(Predicate::Address(Family::V4), "v0"));
    assert_eq!(follower.monitor.dumps(), 1);
}

#[test]
fn more_links_than_fit_one_datagram() {
    netns::enter();
    let mut batch = String::new();
    for number in 0..150 {
        writeln!(batch, "link add br{number} type bridge").unwrap();
    }
    ip(&batch);
    let mut follower = Follower::new(Monitor::new(Watch::Routes).unwrap());
    for number in 0..150 {
        assert!(follower.table.holds(Predicate::Present, &format!("br{number}")));
    }
    follower.converge();
}

/// Everything that ip(8) can do to two pairs of links here, in an order made from `seed`.
fn random_changes(seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 20).unwrap() % limit
    };
    let changes = [
        "link set a0 up",
        "link set a1 up",
        "link set b0 up",
        "link set b1 up",
        "link set a0 down",
        "link set a1 down",
        "link set b0 down",
        "addr replace 192.0.2.1/24 dev a0",
        "addr replace 192.0.2.9/24 dev a0",
        "addr replace 198.51.100.1/24 dev b0",
        "addr replace 2001:db8::1/64 dev a0 nodad",
        "addr flush dev a0",
        "addr flush dev b0",
        "route replace default dev a0",
        "route replace default dev b0 src 192.0.2.9",
        "route replace default dev b0 metric 9",
        "route replace default nexthop dev a0 nexthop dev b0",
        "-6 route replace default dev a0",
        "-6 route replace default dev b0",
        "-6 route flush default",
        "link set a0 master br0",
        "link set a0 nomaster",
        "link del b0",
        "link add b0 type veth peer name b1",
    ];
    let mut follower = Follower::new(Monitor::new(Watch::Routes).unwrap());
    for _ in 0..8 {
        let batch: Vec<&str> = (0..=below(6)).map(|_| changes[below(changes.len())]).collect();
        for line in &batch {
            // Some cannot succeed in the present state; that is a state too.
            let mut command = std::process::Command::new("ip");
            command.args(line.split(' ')).stderr(std::process::Stdio::null()).status().unwrap();
        }
        follower.converge();
    }
}

#[test]
fn events_lead_to_what_a_dump_says() {
    netns::enter();
    ip("link add a0 type veth peer name a1\nlink add b0 type veth peer name b1");
    ip("link add br0 type bridge");
    for seed in 0..4 {
        random_changes(seed);
    }
}
