//! The peers by themselves: that the provider's DHCP server and the client's side work is not to be
//! found out by the first router test that fails.

use qemu_tests::{lab::Bench, machine::Link, peers, peers::Peers, places::Places};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_client_that_is_cabled_to_the_provider_gets_a_lease_from_the_pool() {
    let places = Places::find().unwrap();
    let bench = Bench::for_test(&places, "test-peers").unwrap();
    // One cable between the machine's own two cards: no router.
    let (a, b) = (bench.sockets().join("a"), bench.sockets().join("b"));
    let wan = Link::Cable { near: a.clone(), far: b.clone() };
    let lan = Link::Cable { near: b, far: a };
    let plan = peers::plan(&places, "test-peers", wan, lan).unwrap();
    let log = bench.log("peers");
    let mut peers = Peers::start(&plan, &bench.sockets().join("p"), &log).unwrap();

    let lease = peers.lan.must("lan-lease", LIMIT).unwrap();
    let leased = "leased 198.51.100.10";
    assert!(lease.contains(leased), "{lease}");
    assert!(lease.contains("dns 198.51.100.1 203.0.113.1"), "{lease}");
    let far = format!("ping -c 1 -W 5 {}", peers::FAR_HOST);
    peers.lan.must(&far, LIMIT).unwrap();
    assert_ne!(peers.lan.run("ping -c 1 -W 1 192.0.2.1", LIMIT).unwrap().code, 0);

    peers.isp.must("isp-pool 198.51.100.50 198.51.100.50", LIMIT).unwrap();
    let lease = peers.lan.must("lan-lease", LIMIT).unwrap();
    assert!(lease.contains("leased 198.51.100.50 "), "{lease}");
}
