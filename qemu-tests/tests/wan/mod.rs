//! What every router with a DHCP client must do when the line to the provider changes: what follows from
//! the line is made anew, in order, and nothing else is touched.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use qemu_tests::{
    events::{Event, Events},
    lab::Lab,
    status::Status,
};
use std::time::Duration;

/// For everything that takes a DHCP exchange or a restart; many times what it takes on an idle host.
pub const LIMIT: Duration = Duration::from_secs(60);

const RESOLV: &str = "nameserver 198.51.100.1\nnameserver 203.0.113.1\n";

/// What follows from the line and is therefore started again with it.
const FOLLOWS: [&str; 2] = ["default-route", "wan"];

/// A change of the line, watched: `change` makes it; answers what happened until all is well again.
/// Nothing but what follows from the line may be started again.
fn watch(lab: &mut Lab, neutral: &str, change: impl FnOnce(&mut Lab)) -> (Status, Vec<Event>) {
    // Who makes it anew must not find it as it was.
    lab.ssh.must("echo spoiled >/run/resolv.conf").unwrap();
    let mut events = Events::follow(&lab.ssh, neutral, LIMIT).unwrap();
    let before = Status::of(&lab.ssh).unwrap();
    change(lab);
    let route_is_up = |event: &Event| event.is_state("default-route", "ready");
    let happened = events.until("default-route is ready again", LIMIT, route_is_up).unwrap();
    lab.ssh.must("svc wait default ready -t 60").unwrap();

    let after = Status::of(&lab.ssh).unwrap();
    for name in after.restarted_since(&before) {
        let is_bundle = after.service(name).unwrap().kind == "bundle";
        assert!(is_bundle || FOLLOWS.contains(&name), "{name} was started again");
    }
    assert_eq!(lab.ssh.must("cat /run/resolv.conf").unwrap(), RESOLV);
    let route = lab.ssh.must("ip route show default").unwrap();
    assert!(route.contains("default via 198.51.100.1 dev eth0"), "{route}");
    (before, happened)
}

/// What has to happen, in words, and how it is known.
type Step<'a> = (&'a str, &'a dyn Fn(&Event) -> bool);

/// Asserts that these things happened, in this order.
fn assert_order(happened: &[Event], order: &[Step<'_>]) {
    let mut rest = happened.iter();
    for (what, is_it) in order {
        let all = || happened.iter().map(|event| event.0.to_string() + "\n").collect::<String>();
        assert!(rest.any(is_it), "{what}: missing or too early in\n{}", all());
    }
}

/// The process of the line is another one; the kernel says so too.
fn assert_new_client(lab: &Lab, before: &Status) {
    let old = before.service("wan").unwrap().pid.unwrap();
    let new = Status::of(&lab.ssh).unwrap().service("wan").unwrap().pid.unwrap();
    assert_ne!(old, new);
    let running = lab.ssh.must("pidof udhcpc").unwrap();
    assert_eq!(running.trim(), new.to_string());
}

/// `svc restart wan`: dependents stop before it and start after it. `neutral` is a service that nothing
/// depends on.
pub fn restart_by_command(lab: &mut Lab, neutral: &str) {
    let (before, happened) = watch(lab, neutral, |lab| {
        lab.ssh.must("svc restart wan -t 60").unwrap();
    });
    assert_new_client(lab, &before);
    assert_order(
        &happened,
        &[
            ("the route is down", &|e| e.is_state("default-route", "down")),
            ("udhcpc ends", &|e| e.is("wan", "exited") && e.text("role") == "run"),
            ("wan's outputs are withdrawn", &|e| e.is("wan", "outputs")),
            ("udhcpc starts", &|e| e.is("wan", "spawned") && e.text("role") == "run"),
            ("there is a lease", &|e| e.is("wan", "outputs")),
            ("wan is ready", &|e| e.is_state("wan", "ready")),
            ("the route is made", &|e| e.is("default-route", "spawned")),
            ("the route is up", &|e| e.is_state("default-route", "ready")),
        ],
    );
}

/// udhcpc is killed behind jamb's back: the same, without a command.
pub fn kill_client(lab: &mut Lab, neutral: &str) {
    let (before, happened) = watch(lab, neutral, |lab| {
        lab.ssh.must("kill -9 $(pidof udhcpc)").unwrap();
    });
    assert_new_client(lab, &before);
    let killed = |event: &Event| {
        event.is("wan", "exited") && event.0.pointer("/exit/signal") == Some(&9.into())
    };
    // The stop was not ours, so the client need not wait for the route; the route does for the client.
    let starts = |event: &Event| event.is("wan", "spawned") && event.text("role") == "run";
    assert_order(
        &happened,
        &[
            ("udhcpc is killed", &killed),
            ("udhcpc starts", &starts),
            ("wan is ready", &|e| e.is_state("wan", "ready")),
            ("the route is made", &|e| e.is("default-route", "spawned")),
            ("the route is up", &|e| e.is_state("default-route", "ready")),
        ],
    );
    assert_order(
        &happened,
        &[
            ("udhcpc is killed", &killed),
            ("the route is down", &|e| e.is_state("default-route", "down")),
            ("the route is up", &|e| e.is_state("default-route", "ready")),
        ],
    );
}

/// The provider hands out another address: the outputs say so, their readers act, and udhcpc itself is
/// the same.
pub fn another_address(lab: &mut Lab, neutral: &str) {
    let old = lab.ssh.must("svc outputs wan address").unwrap();
    let (before, happened) = watch(lab, neutral, |lab| {
        lab.peers.isp.must("isp-pool 198.51.100.50 198.51.100.50", LIMIT).unwrap();
        lab.ssh.must("svc signal USR1 wan").unwrap();
    });
    let new = lab.ssh.must("svc outputs wan address").unwrap();
    assert_ne!(old, new);
    assert_eq!(new.trim(), "198.51.100.50/24");
    assert_eq!(lab.ssh.must("cat /run/services/outputs/wan/address").unwrap(), new);
    let addresses = lab.ssh.must("ip -o -4 address show dev eth0").unwrap();
    assert!(addresses.contains(new.trim()) && addresses.lines().count() == 1, "{addresses}");
    let after = Status::of(&lab.ssh).unwrap();
    assert_eq!(before.service("wan").unwrap().pid, after.service("wan").unwrap().pid);
    assert!(!happened.iter().any(|event| event.is("wan", "exited")));
    let keys = |event: &Event| event.0.pointer("/keys/0").is_some();
    let withdrawn = |event: &Event| event.is("wan", "outputs") && !keys(event);
    assert_order(
        &happened,
        &[
            ("the old values are taken back", &withdrawn),
            ("the route is down", &|e| e.is_state("default-route", "down")),
            ("the route is made", &|e| e.is("default-route", "spawned")),
            ("the route is up", &|e| e.is_state("default-route", "ready")),
        ],
    );
    assert_order(
        &happened,
        &[
            ("the old values are taken back", &withdrawn),
            ("the new values are there", &|e| e.is("wan", "outputs") && keys(e)),
            ("the route is up", &|e| e.is_state("default-route", "ready")),
        ],
    );
}

/// PID 1 is executed anew, and then sent a signal that means a crash: nobody notices, and the line still does
/// what it does.
pub fn another_pid_1(lab: &mut Lab) {
    let before = Status::of(&lab.ssh).unwrap();
    let same = |what: &str| {
        let after = Status::of(&lab.ssh).unwrap();
        for service in after.services() {
            let known = before.service(&service.name).unwrap();
            assert_eq!(service.pid, known.pid, "{}: {what}", service.name);
            assert_eq!(service.state, known.state, "{}: {what}", service.name);
        }
        assert!(after.restarted_since(&before).is_empty(), "{what}");
    };
    let said = lab.ssh.must("svc reexec").unwrap();
    assert!(said.contains("(pid 1) goes on"), "{said}");
    same("executed anew");
    lab.ssh.must("svc upgrade /init").unwrap();
    same("another version");
    assert_ne!(lab.ssh.run("svc upgrade /bin/busybox").unwrap().status.code(), Some(0));
    // The kernel drops signals that PID 1 has no handler for, kill(2).
    lab.ssh.must("kill -SEGV 1").unwrap();
    let place = "handover: jamb crashed .SIGSEGV at 0x([0-9a-f]+)[,)]";
    let found = lab.router.console.wait_for(place, LIMIT).unwrap();
    let place = u64::from_str_radix(&found[1], 16).unwrap();
    let code = lab.ssh.must("grep -m 1 r-x /proc/1/maps").unwrap();
    let (first, rest) = code.split_once('-').unwrap();
    let last = rest.split(' ').next().unwrap();
    let [first, last] = [first, last].map(|number| u64::from_str_radix(number, 16).unwrap());
    assert!((first..last).contains(&place), "{place:x} is not in {code}");
    same("a crash");
    let version = lab.ssh.must("svc version").unwrap();
    assert!(version.contains("executed anew 2 times, 1 crashes survived"), "{version}");
}
