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
    memory, others, peers,
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

    memory::check(&lab.ssh).unwrap();
    wan::another_pid_1(&mut lab);
    wan::restart_by_command(&mut lab, NEUTRAL);
    wan::kill_client(&mut lab, NEUTRAL);
    wan::another_address(&mut lab, NEUTRAL);
    reach_the_internet(&mut lab);
    other_services(&mut lab);
    locked_out(&mut lab);

    // Longer than what is left of any deadline of the boot, so that a forgotten timer shows.
    let [idle] = idle::watch(&lab.ssh, [1], 20).unwrap();
    assert_eq!(idle, idle::Idle { wakeups: 0, ran_ns: 0, state: "S".to_owned() });
    memory::check(&lab.ssh).unwrap();

    lab.ssh.run("poweroff").ok();
    lab.router.console.wait_for("shutdown: powering off", LIMIT).unwrap();
    assert_eq!(lab.router.wait_shutdown(LIMIT).unwrap(), "guest-shutdown");
}

/// Brings a database of the router's own definitions to `/run/NAME.db`, with one text in them replaced and these
/// beside them.
fn bring_others(lab: &Lab, name: &str, [old, new]: [&str; 2], more: &str) {
    let places = Places::find().unwrap();
    let board = Board::load(&places.root, "qemu-x86_64").unwrap();
    let folder = places.images.join("test-router").join(name);
    let recipe = Recipe::new(&places, board, None);
    let folder = others::definitions(&recipe, folder, |text| text.replace(old, new), more).unwrap();
    others::bring(&places, &recipe, &folder, &lab.ssh, &format!("/run/{name}.db")).unwrap();
}

/// Other services while the house is served: who is not concerned does not notice, and the way back is short.
fn other_services(lab: &mut Lab) {
    let more = "[service.more]\nkind = \"oneshot\"\nup = [\"true\"]\npart-of = [\"default\"]\n";
    let range = ["{{board.lan.last-lease}}", "192.168.77.150"];
    bring_others(lab, "others", range, more);
    let plan = lab.ssh.must("svc plan /run/others.db").unwrap();
    let want = "\
changed   default
restarts  dnsmasq
changed   dnsmasq-conf
new       more
";
    assert_eq!(plan, want);

    let before = Status::of(&lab.ssh).unwrap();
    let said = lab.ssh.must("svc switch /run/others.db --confirm 10m -t 60").unwrap();
    assert!(said.starts_with("the database in use is not confirmed: "), "{said}");
    lab.ssh.must("svc wait default ready -t 60").unwrap();
    let after = Status::of(&lab.ssh).unwrap();
    assert_eq!(after.restarted_since(&before), ["default", "dnsmasq", "dnsmasq-conf", "more"]);
    lab.ssh
        .must("grep -q '^dhcp-range=192.168.77.100,192.168.77.150,' /run/dnsmasq-dnsmasq.conf")
        .unwrap();
    use_the_lan(lab);

    lab.ssh.must("svc rollback -t 60").unwrap();
    lab.ssh.must("svc wait default ready -t 60").unwrap();
    let again = Status::of(&lab.ssh).unwrap();
    assert_eq!(again.restarted_since(&after), ["default", "dnsmasq", "dnsmasq-conf"]);
    assert!(again.service("more").is_err());
    use_the_lan(lab);
}

/// Who locks himself out is let in again, without another way in.
fn locked_out(lab: &mut Lab) {
    let port = ["options = [\"-B\"]", "options = [\"-B\"], port = 2200"];
    bring_others(lab, "locked", port, "");
    let refused = lab.ssh.run("svc switch /run/locked.db").unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    assert!(told.contains("this session comes through dropbear-mgmt, which stops"), "{told}");

    let before = Status::of(&lab.ssh).unwrap();
    // What is connected stays so.
    lab.ssh.must("svc switch /run/locked.db --confirm 3 -t 60").unwrap();
    lab.router.console.wait_for("switch: nobody has confirmed the database in use", LIMIT).unwrap();
    lab.ssh.wait_up(&lab.router.console, LIMIT).unwrap();
    lab.ssh.must("svc wait default ready -t 60").unwrap();
    let after = Status::of(&lab.ssh).unwrap();
    assert_eq!(after.restarted_since(&before), ["default", "dropbear-mgmt"]);
    let version = lab.ssh.must("svc version").unwrap();
    assert!(!version.contains("confirm"), "{version}");
}

/// What needs the line to the provider.
const NEEDS_LINE: [&str; 4] = ["default", "default-route", "resolv-conf", "wan"];

/// Who must be down before whom.
const BEFORE: [(&str, &str); 5] = [
    ("dnsmasq", "dnsmasq-conf"),
    ("dnsmasq", "lan"),
    ("lan", "link-lan"),
    ("dropbear-mgmt", "mgmt"),
    ("ip-forward", "nftables"),
];

/// Without the provider the LAN is served all the same, jamb says what is missing, and the end is in
/// order; when the provider appears, so does the rest.
#[test]
fn the_house_is_served_without_a_provider() {
    let mut lab = lab("test-no-provider", |router, peers| {
        // Every change of state on the console: how the end goes is seen nowhere else.
        router.cmdline = "jamb.debug".to_owned();
        router.ends_at_reboot = false;
        peers.cmdline += " isp=silent";
    })
    .unwrap();
    lab.ssh.wait_up(&lab.router.console, BOOT).unwrap();
    let names = lab.ssh.must("svc list").unwrap();
    let others: Vec<&str> = names.lines().filter(|name| !NEEDS_LINE.contains(name)).collect();
    lab.ssh.must(&format!("svc wait -t 60 {} ready", others.join(" "))).unwrap();
    let lease = lab.peers.lan.must("lan-lease", LIMIT).unwrap();
    assert!(lease.contains("leased 192.168.77.1"), "{lease}");
    what_is_missing_is_told(&lab);

    lab.ssh.run("reboot").ok();
    lab.router.console.wait_for("shutdown: all services are down", LIMIT).unwrap();
    lab.router.wait_reset(LIMIT).unwrap();
    the_end_was_in_order(&lab.router.console.text());

    lab.router.console.wait_for("jamb: init: jamb .* starts", BOOT).unwrap();
    lab.ssh.wait_up(&lab.router.console, BOOT).unwrap();
    assert_ne!(lab.ssh.run("svc status default").unwrap().status.code(), Some(0));
    lab.peers.isp.must("isp-pool 198.51.100.100 198.51.100.109", LIMIT).unwrap();
    lab.ssh.must("svc wait default ready -t 60").unwrap();
    use_the_lan(&mut lab);
}

fn what_is_missing_is_told(lab: &Lab) {
    let status = Status::of(&lab.ssh).unwrap();
    for service in status.services() {
        let is_expected = NEEDS_LINE.contains(&service.name.as_str());
        assert_eq!(service.state != "ready", is_expected, "{} is {}", service.name, service.state);
    }
    assert_eq!(status.service("default-route").unwrap().waiting_on, ["wan"]);
    for (name, code) in [("wan", 3), ("default", 3), ("dnsmasq", 0), ("nobody", 4)] {
        let answer = lab.ssh.run(&format!("svc status {name}")).unwrap();
        assert_eq!(answer.status.code(), Some(code), "svc status {name}");
    }
    let why = lab.ssh.must("svc why default-route").unwrap();
    let line = |number: usize| why.lines().nth(number).unwrap_or_default();
    assert!(line(0).starts_with("default-route is waiting for "), "{why}");
    assert!(line(0).ends_with(": for wan"), "{why}");
    assert!(line(1).starts_with("  wan is "), "{why}");
}

/// jamb's own log, as the collector copies it to the console, is in the order in which things happened.
/// A console drops what it cannot take, so not every line need be there.
fn the_end_was_in_order(console: &str) {
    let end = console.split_once("shutdown: reboot; stopping the services").unwrap().1;
    let down = |name: &str| end.find(&format!("Z jamb: jamb: {name}: down (was stopping)"));
    let mut compared = 0;
    for (first, then) in BEFORE {
        if let (Some(first_at), Some(then_at)) = (down(first), down(then)) {
            assert!(first_at < then_at, "{then} was down before {first}:\n{end}");
            compared += 1;
        }
    }
    assert!(compared > 0, "the console tells of nothing:\n{end}");
}
