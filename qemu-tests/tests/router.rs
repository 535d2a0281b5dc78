//! The full router on x86_64, between a provider and a client.

use anyhow::Result;
use qemu_tests::{board::Board, image::Recipe, lab::Bench, lab::Lab, peers, places::Places};
use std::time::Duration;

const BOOT: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(30);

fn lab(name: &str) -> Result<Lab> {
    let places = Places::find()?;
    let board = Board::load(&places.root, "qemu-x86_64")?;
    let mut recipe = Recipe::new(&places, board.clone(), None);
    recipe.name = name.to_owned();
    let image = recipe.build(&places)?;
    let bench = Bench::for_test(&places, name)?;
    Lab::start(&places, bench, &board, image, |_| {})
}

#[test]
fn a_client_in_the_lan_reaches_a_host_behind_the_provider() {
    let mut lab = lab("test-router").unwrap();
    lab.router.console.wait_for("everything is ready", BOOT).unwrap();
    lab.ssh.wait_up(&lab.router.console, LIMIT).unwrap();
    let status = lab.ssh.must("svc status").unwrap();
    assert!(status.contains("default"), "{status}");

    let lease = lab.peers.lan.must("lan-lease", LIMIT).unwrap();
    assert!(lease.contains("leased 192.168.77.1"), "{lease}");
    assert!(lease.contains("router 192.168.77.1 "), "{lease}");
    lab.peers.lan.must(&format!("ping -c 1 -W 5 {}", peers::FAR_HOST), LIMIT).unwrap();
    let name = lab.peers.lan.must("nslookup -type=a host.example 192.168.77.1", LIMIT).unwrap();
    assert!(name.contains(peers::FAR_HOST), "{name}");
    // The provider knows no way back to the house's addresses: it was the router that asked.
    let back = lab.peers.isp.run("ping -c 1 -W 1 192.168.77.1", LIMIT).unwrap();
    assert_ne!(back.code, 0, "{}", back.output);

    lab.ssh.run("poweroff").unwrap();
    assert_eq!(lab.router.wait_shutdown(LIMIT).unwrap(), "guest-shutdown");
}
