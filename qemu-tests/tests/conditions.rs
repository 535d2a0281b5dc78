//! A machine whose services wait for what its kernel says: cards and their cables, a radio, files. What is
//! not there holds up nothing; what comes starts services, and what goes stops them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use qemu_tests::{
    board::Board,
    image::Recipe,
    lab::{Alone, Bench},
    machine::Link,
    places::Places,
    ssh::Ssh,
};
use serde_json::json;
use std::time::Duration;

/// Many times what it takes on an idle host.
const LIMIT: Duration = Duration::from_secs(60);

/// Starts the machine with a cable to nowhere in its second card, and pulls it out before Linux is up.
fn machine() -> Alone {
    let places = Places::find().unwrap();
    let board = Board::load(&places.root, "qemu-x86_64").unwrap();
    let services = places.root.join("qemu-tests/machines/conditions");
    let mut recipe = Recipe::new(&places, board.clone(), Some(services));
    recipe.name = "test-conditions".to_owned();
    let image = recipe.build(&places).unwrap();
    let bench = Bench::for_test(&places, "test-conditions").unwrap();
    let end = |name: &str| bench.sockets().join(name);
    let cable = Link::Cable { near: end("card"), far: end("nowhere") };
    let mut alone =
        Alone::start(&places, bench, &board, image, |plan| plan.links.push(cable)).unwrap();
    plug(&mut alone, false);
    alone
}

fn plug(alone: &mut Alone, is_in: bool) {
    alone.machine.qmp.execute("set_link", &json!({ "name": "net1", "up": is_in })).unwrap();
}

/// The state of a service.
fn state(ssh: &Ssh, name: &str) -> String {
    let output = ssh.run(&format!("svc status {name} --json")).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    value["services"][0]["state"].as_str().unwrap().to_owned()
}

#[test]
fn services_follow_cables_radios_and_files() {
    let mut alone = machine();
    let console = &mut alone.machine.console;
    console.wait_for("jamb: init: jamb .* starts", LIMIT).unwrap();
    // Four services wait for what may never come; the boot is over all the same.
    console.wait_for("boot: everything is ready", LIMIT).unwrap();
    alone.ssh.wait_up(console, LIMIT).unwrap();
    let ssh = &alone.ssh;
    assert_eq!(state(ssh, "default"), "ready");
    for name in ["cable", "access-point", "wireless", "flag"] {
        assert_eq!(state(ssh, name), "waiting", "{name}");
    }
    let why = ssh.must("svc why cable").unwrap();
    assert!(why.contains("- link eth1 is running: now present up operstate=down"), "{why}");

    plug(&mut alone, true);
    let ssh = &alone.ssh;
    ssh.must("svc wait cable ready -t 30").unwrap();
    plug(&mut alone, false);
    let ssh = &alone.ssh;
    ssh.must("svc wait cable down -t 30").unwrap();
    assert_eq!(state(ssh, "cable"), "waiting");

    ssh.must("modprobe mac80211_hwsim radios=1").unwrap();
    ssh.must("svc wait access-point wireless ready -t 60").unwrap();
    let why = ssh.must("svc status wireless").unwrap();
    assert!(why.contains("link wlan0 is running: holds, now present up running"), "{why}");
    // Another passphrase is handed to the hostapd that runs.
    let pid = ssh.must("pidof hostapd").unwrap();
    ssh.must("echo 'battery staple' >/etc/passphrase; svc restart secrets -t 30").unwrap();
    ssh.must("svc wait access-point-conf access-point ready -t 30").unwrap();
    let configuration = ssh.must("cat /run/hostapd-access-point.conf").unwrap();
    assert!(configuration.contains("wpa_passphrase=battery staple"), "{configuration}");
    assert_eq!(ssh.must("pidof hostapd").unwrap(), pid);
    let told = ssh.must("svc log access-point").unwrap();
    assert!(told.contains("AP-ENABLED"), "{told}");
    ssh.must("svc wait access-point wireless ready -t 60").unwrap();
    // Without hostapd the link is up no longer.
    ssh.must("svc stop access-point -t 30").unwrap();
    ssh.must("svc wait wireless down -t 30").unwrap();
    ssh.must("svc start access-point -t 60 && svc wait wireless ready -t 60").unwrap();
    ssh.must("rmmod mac80211_hwsim").unwrap();
    ssh.must("svc wait access-point wireless down -t 30").unwrap();
    assert_eq!(state(ssh, "access-point"), "waiting");

    ssh.must("mkdir /run/late").unwrap();
    // A mount over the directory in which it is to be, with the file in it.
    ssh.must("mount -t tmpfs none /run/late && echo >/run/late/flag").unwrap();
    ssh.must("svc wait flag ready -t 30").unwrap();
    ssh.must("umount /run/late").unwrap();
    ssh.must("svc wait flag down -t 30").unwrap();
    assert_eq!(state(ssh, "default"), "ready");
    ssh.run("poweroff").ok();
    assert_eq!(alone.machine.wait_shutdown(LIMIT).unwrap(), "guest-shutdown");
}
