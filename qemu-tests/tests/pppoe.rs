//! A router that dials in over PPPoE, in a VLAN, with a bridge to the house: the line is cut, pppd is killed, and
//! the password changes. Made of the shipped templates alone, with the daemons that they are for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use anyhow::Result;
use qemu_tests::{
    board::Board,
    events::{Event, Events},
    image::Recipe,
    lab::{Bench, Lab},
    peers,
    places::Places,
    status::Status,
};
use std::time::Duration;

const BOOT: Duration = Duration::from_secs(60);

/// For everything that takes a call or a restart; many times what it takes on an idle host.
const LIMIT: Duration = Duration::from_secs(60);

/// A service that nothing depends on.
const NEUTRAL: &str = "console";

/// What follows from the line and is therefore started again with it.
const FOLLOWS: [&str; 3] = ["default", "default-route", "wan"];

const PASSWORD: &str = "correct horse";

fn lab() -> Result<Lab> {
    let places = Places::find()?;
    let board = Board::load(&places.root, "qemu-x86_64")?;
    let services = places.root.join("boards/routers/pppoe");
    let mut recipe = Recipe::new(&places, board.clone(), Some(services));
    recipe.name = "test-pppoe".to_owned();
    let image = recipe.build(&places)?;
    let bench = Bench::for_test(&places, "test-pppoe")?;
    Lab::start(&places, bench, &board, image, |_, _| {})
}

#[test]
fn the_line_comes_back_whatever_cuts_it() {
    let mut lab = lab().unwrap();
    lab.router.console.wait_for("everything is ready", BOOT).unwrap();
    lab.ssh.wait_up(&lab.router.console, LIMIT).unwrap();
    the_line_is(&mut lab, "198.51.100.120");
    let lease = lab.peers.lan.must("lan-lease", LIMIT).unwrap();
    assert!(lease.contains("leased 192.168.77.1"), "{lease}");
    reach_the_internet(&mut lab);
    the_password_is_nowhere(&lab);

    let happened = watch(&mut lab, "the provider hangs up", |lab| {
        lab.peers.isp.must("isp-pppoe 198.51.100.130", LIMIT).unwrap();
    });
    the_line_is(&mut lab, "198.51.100.130");
    in_order(&happened);
    reach_the_internet(&mut lab);

    let happened = watch(&mut lab, "pppd is killed", |lab| {
        lab.ssh.must("kill -9 $(pidof pppd)").unwrap();
    });
    in_order(&happened);
    reach_the_internet(&mut lab);

    no_provider(&mut lab);
    another_password(&mut lab);
    lab.ssh.run("poweroff").ok();
    assert_eq!(lab.router.wait_shutdown(LIMIT).unwrap(), "guest-shutdown");
}

/// What the provider said is what services read, and what the kernel does.
fn the_line_is(lab: &mut Lab, address: &str) {
    let said = |key: &str| lab.ssh.must(&format!("svc outputs wan {key}")).unwrap();
    assert_eq!(said("ifname").trim(), "ppp0");
    assert_eq!(said("address").trim(), address);
    assert_eq!(said("peer").trim(), "198.51.100.1");
    let route = lab.ssh.must("ip route show default").unwrap();
    assert!(route.contains("default via 198.51.100.1 dev ppp0"), "{route}");
    let servers = lab.ssh.must("cat /etc/resolv.conf").unwrap();
    assert_eq!(servers, "nameserver 198.51.100.1\nnameserver 203.0.113.1\n");
    let told = lab.ssh.must("svc log wan").unwrap();
    assert!(told.contains(&format!("local  IP address {address}")), "{told}");
}

fn reach_the_internet(lab: &mut Lab) {
    lab.peers.lan.must(&format!("ping -c 1 -W 5 {}", peers::FAR_HOST), LIMIT).unwrap();
    let name = lab.peers.lan.must("nslookup -type=a host.example 192.168.77.1", LIMIT).unwrap();
    assert!(name.contains(peers::FAR_HOST), "{name}");
}

/// Only pppd's own file has it.
fn the_password_is_nowhere(lab: &Lab) {
    let mode = lab.ssh.must("stat -c %a /run/ppp-wan.options").unwrap();
    assert_eq!(mode.trim(), "600");
    let options = lab.ssh.must("cat /run/ppp-wan.options").unwrap();
    assert!(options.contains(PASSWORD), "{options}");
    assert_eq!(lab.ssh.must("svc outputs secrets").unwrap(), "isp=(secret)\n");
    assert_eq!(lab.ssh.must("svc outputs secrets isp").unwrap().trim(), PASSWORD);
    let told = lab.ssh.must("svc log -n 1000; svc why wan; svc status --json; ps").unwrap();
    assert!(!told.contains(PASSWORD), "{told}");
    let database = lab.ssh.must("cat /etc/jamb/services.db | grep -c horse || true").unwrap();
    assert_eq!(database.trim(), "0");
}

/// A change of the line, watched until all is well again. Nothing but what follows from the line may be
/// started again.
fn watch(lab: &mut Lab, what: &str, change: impl FnOnce(&mut Lab)) -> Vec<Event> {
    let mut events = Events::follow(&lab.ssh, NEUTRAL, LIMIT).unwrap();
    let before = Status::of(&lab.ssh).unwrap();
    change(lab);
    let is_back = |event: &Event| event.is_state("default-route", "ready");
    let happened = events.until(what, LIMIT, is_back).unwrap();
    lab.ssh.must("svc wait default ready -t 60").unwrap();
    let after = Status::of(&lab.ssh).unwrap();
    for name in after.restarted_since(&before) {
        assert!(FOLLOWS.contains(&name), "{what}: {name} was started again");
    }
    happened
}

/// What has to happen, in words, and how it is known.
type Step<'a> = (&'a str, &'a dyn Fn(&Event) -> bool);

/// pppd dies, the route goes, pppd calls again, the route is made.
fn in_order(happened: &[Event]) {
    let mut rest = happened.iter();
    let steps: [Step<'_>; 5] = [
        ("pppd dies", &|e| e.is("wan", "exited") && e.text("role") == "run"),
        ("the route is taken away", &|e| e.is_state("default-route", "down")),
        ("the provider answers", &|e| e.is_state("wan", "ready")),
        ("the route is made", &|e| e.is("default-route", "spawned")),
        ("the route is there", &|e| e.is_state("default-route", "ready")),
    ];
    for (what, is_it) in steps {
        let all = || happened.iter().map(|event| event.0.to_string() + "\n").collect::<String>();
        assert!(rest.any(is_it), "{what}: missing or too early in\n{}", all());
    }
}

/// The provider is away for a while: the house goes on, and when the provider is back so is the line.
fn no_provider(lab: &mut Lab) {
    let mut events = Events::follow(&lab.ssh, NEUTRAL, LIMIT).unwrap();
    lab.peers.isp.must("isp-pppoe off", LIMIT).unwrap();
    let calls_again = |event: &Event| event.is("wan", "spawned") && event.text("role") == "run";
    events.until("pppd calls again", LIMIT, calls_again).unwrap();
    let lease = lab.peers.lan.must("lan-lease", LIMIT).unwrap();
    assert!(lease.contains("leased 192.168.77.1"), "{lease}");
    let status = Status::of(&lab.ssh).unwrap();
    assert_eq!(status.service("default-route").unwrap().waiting_on, ["wan"]);
    assert_eq!(status.service("dnsmasq").unwrap().state, "ready");
    lab.peers.isp.must("isp-pppoe 198.51.100.140", LIMIT).unwrap();
    let is_back = |event: &Event| event.is_state("default-route", "ready");
    events.until("the line is back", LIMIT, is_back).unwrap();
    lab.ssh.must("svc wait default ready -t 60").unwrap();
    the_line_is(lab, "198.51.100.140");
    reach_the_internet(lab);
}

/// With another password the provider refuses, and jamb has what pppd says of it; the right one is taken over
/// without a word to `wan`.
fn another_password(lab: &mut Lab) {
    let mut events = Events::follow(&lab.ssh, NEUTRAL, LIMIT).unwrap();
    lab.ssh.must("echo wrong >/etc/secrets/isp; svc restart secrets").unwrap();
    let gives_up = |event: &Event| event.is_state("wan", "backoff");
    events.until("the provider refuses", LIMIT, gives_up).unwrap();
    let why = lab.ssh.must("svc why default-route").unwrap();
    assert!(why.contains("  wan is "), "{why}");
    assert!(why.contains("PAP authentication failed"), "{why}");
    lab.ssh.must(&format!("echo '{PASSWORD}' >/etc/secrets/isp; svc restart secrets")).unwrap();
    lab.ssh.must("svc wait default ready -t 60").unwrap();
    reach_the_internet(lab);
}
