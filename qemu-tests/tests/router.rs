//! The full router on x86_64, between a provider and a client in the LAN.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod wan;

use anyhow::Result;
use qemu_tests::{
    board::Board,
    idle,
    image::Recipe,
    lab::{Bench, Lab},
    machine::Plan,
    peers,
    places::Places,
    status::Status,
};
use std::time::Duration;
use wan::LIMIT;

const BOOT: Duration = Duration::from_secs(60);

/// A service that nothing depends on, and that nobody misses for a moment.
const NEUTRAL: &str = "power-button";

fn lab(name: &str, change: impl FnOnce(&mut Plan, &mut Plan)) -> Result<Lab> {
    let places = Places::find()?;
    let board = Board::load(&places.root, "qemu-x86_64")?;
    let mut recipe = Recipe::new(&places, board.clone(), None);
    recipe.name = name.to_owned();
    let image = recipe.build(&places)?;
    let bench = Bench::for_test(&places, name)?;
    Lab::start(&places, bench, &board, image, change)
}

/// The client gets an address, a name, and an answer from behind the provider.
fn use_the_lan(lab: &mut Lab) {
    let lease = lab.peers.lan.must("lan-lease", LIMIT).unwrap();
    assert!(lease.contains("leased 192.168.77.1"), "{lease}");
    assert!(lease.contains("router 192.168.77.1 "), "{lease}");
    reach_the_internet(lab);
}

fn reach_the_internet(lab: &mut Lab) {
    lab.peers.lan.must(&format!("ping -c 1 -W 5 {}", peers::FAR_HOST), LIMIT).unwrap();
    let name = lab.peers.lan.must("nslookup -type=a host.example 192.168.77.1", LIMIT).unwrap();
    assert!(name.contains(peers::FAR_HOST), "{name}");
}

#[test]
fn the_house_is_served_whatever_becomes_of_the_line() {
    let mut lab = lab("test-router", |_, _| {}).unwrap();
    lab.router.console.wait_for("everything is ready", BOOT).unwrap();
    lab.ssh.wait_up(&lab.router.console, LIMIT).unwrap();
    let table = lab.ssh.must("svc status").unwrap();
    assert!(table.starts_with("SERVICE"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let status = Status::of(&lab.ssh).unwrap();
    assert_eq!(status.service("default").unwrap().kind, "bundle");
    for service in status.services() {
        assert_eq!(service.state, "ready", "{}", service.name);
        assert!(table.lines().any(|line| line.starts_with(&service.name)), "{table}");
    }

    use_the_lan(&mut lab);
    // The provider knows no way back to the house's addresses: it was the router that asked.
    let back = lab.peers.isp.run("ping -c 1 -W 1 192.168.77.1", LIMIT).unwrap();
    assert_ne!(back.code, 0, "{}", back.output);

    wan::restart_by_command(&mut lab, NEUTRAL);
    wan::kill_client(&mut lab, NEUTRAL);
    wan::another_address(&mut lab, NEUTRAL);
    reach_the_internet(&mut lab);

    // Longer than what is left of any deadline of the boot, so that a forgotten timer shows.
    let idle = idle::watch(&lab.ssh, 1, 20).unwrap();
    assert_eq!(idle, idle::Idle { wakeups: 0, ran_ns: 0, state: "S".to_owned() });

    lab.ssh.run("poweroff").unwrap();
    lab.router.console.wait_for("shutdown: powering off", LIMIT).unwrap();
    assert_eq!(lab.router.wait_shutdown(LIMIT).unwrap(), "guest-shutdown");
}
