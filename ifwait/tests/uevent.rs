//! Uevents against a real kernel: whatever happens, the devices that followed the events must be those
//! that a new scan of sysfs finds. Input: a network namespace with a sysfs of its own, whose interfaces
//! ip(8) changes. The tests wait for events of the kernel, never for time.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod netns;

use ifwait::{Devices, Pattern, Turn, Uevents};
use mio::{Events, Interest, Poll, Token};
use netns::ip;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fmt::Write;
use std::time::Duration;

/// Longer than any event takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A queue that a flood overflows, and a change or two does not.
const QUEUE: usize = 16 << 10;

fn patterns() -> Vec<Pattern> {
    let pattern = |name: &str, properties: &[(&str, &str)]| Pattern {
        subsystem: "net".to_owned(),
        name: name.to_owned(),
        properties: properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    };
    vec![
        pattern("lo", &[]),
        pattern("v*", &[]),
        pattern("*", &[("DEVTYPE", "bridge")]),
        pattern("wan0", &[]),
        pattern("*", &[("INTERFACE", "nobody")]),
    ]
}

/// Moves the calling thread into namespaces in which `/sys` shows the new network.
fn enter() {
    netns::enter();
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("sys"), "/sys", Some("sysfs"), MsFlags::empty(), none).unwrap();
}

fn settle(uevents: &mut Uevents, devices: &mut Devices) -> bool {
    for _ in 0..10_000 {
        match uevents.drain(devices).unwrap() {
            Turn::More => {}
            Turn::Settled { changed } => return changed,
            Turn::Waiting => panic!("nobody is asked"),
        }
    }
    panic!("it never settles")
}

fn held(devices: &Devices) -> Vec<bool> {
    (0..devices.patterns().len()).map(|position| devices.holds(position)).collect()
}

struct Follower {
    poll: Poll,
    uevents: Uevents,
    devices: Devices,
}

impl Follower {
    fn new(mut uevents: Uevents) -> Self {
        let poll = Poll::new().unwrap();
        poll.registry().register(&mut uevents, Token(0), Interest::READABLE).unwrap();
        let mut devices = Devices::new(patterns());
        assert!(settle(&mut uevents, &mut devices));
        Self { poll, uevents, devices }
    }

    /// Waits until the patterns hold as `expected`, which is what a new scan must say as well.
    fn expect(&mut self, expected: &[bool]) {
        let mut events = Events::with_capacity(2);
        while held(&self.devices) != expected {
            self.poll.poll(&mut events, Some(PATIENCE)).unwrap();
            assert!(!events.is_empty(), "no event leads to {expected:?}: {:?}", self.devices);
            settle(&mut self.uevents, &mut self.devices);
        }
        let mut fresh = Devices::new(patterns());
        settle(&mut Uevents::new("/sys").unwrap(), &mut fresh);
        assert_eq!(held(&fresh), expected, "a scan differs");
    }
}

#[test]
fn events_and_scans_agree() {
    enter();
    let mut follower = Follower::new(Uevents::new("/sys").unwrap());
    follower.expect(&[true, false, false, false, false]);
    ip("link add v0 type veth peer name v1");
    follower.expect(&[true, true, false, false, false]);
    ip("link add br0 type bridge\nlink set v0 name wan0");
    follower.expect(&[true, true, true, true, false]);
    ip("link set wan0 name v0");
    follower.expect(&[true, true, true, false, false]);
    ip("link del v0\nlink del br0");
    follower.expect(&[true, false, false, false, false]);
    assert_eq!(follower.uevents.scans(), 1);
}

#[test]
fn a_flood_beyond_the_queue_is_repaired() {
    enter();
    let mut follower = Follower::new(Uevents::with_queue("/sys", QUEUE).unwrap());
    let mut flood = String::new();
    for round in 0..100 {
        writeln!(flood, "link add x{round} type bridge\nlink del x{round}").unwrap();
    }
    ip(&flood);
    ip("link add br0 type bridge\nlink add v0 type veth peer name wan0");
    follower.expect(&[true, true, true, true, false]);
    assert!(follower.uevents.scans() >= 2, "the queue did not overflow");
    let scans = follower.uevents.scans();
    ip("link del br0");
    follower.expect(&[true, true, false, true, false]);
    assert_eq!(follower.uevents.scans(), scans, "events suffice again");
}

#[test]
fn without_sysfs_events_are_followed() {
    enter();
    let mut devices = Devices::new(patterns());
    let mut uevents = Uevents::new("/nonexistent").unwrap();
    settle(&mut uevents, &mut devices);
    assert_eq!(held(&devices), [false; 5]);
    ip("link add br0 type bridge");
    settle(&mut uevents, &mut devices);
    assert_eq!(held(&devices), [false, false, true, false, false]);
}
