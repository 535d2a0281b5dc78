//! What only a kernel of its own can do to a PID 1: a clock that jumps, a system without file structures, a
//! process that cannot be killed on a file system that cannot be unmounted.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use qemu_tests::{
    board::Board,
    image::Recipe,
    lab::{Alone, Bench},
    places::Places,
    ssh::Ssh,
};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Many times what it takes on an idle host.
const LIMIT: Duration = Duration::from_secs(60);

fn start() -> Alone {
    let places = Places::find().unwrap();
    let board = Board::load(&places.root, "qemu-x86_64").unwrap();
    let services = places.root.join("qemu-tests/machines/hostile");
    let mut recipe = Recipe::new(&places, board.clone(), Some(services));
    recipe.name = "test-hostile".to_owned();
    let image = recipe.build(&places).unwrap();
    let bench = Bench::for_test(&places, "test-hostile").unwrap();
    Alone::start(&places, bench, &board, image, |plan| plan.ends_at_reboot = false).unwrap()
}

fn status(ssh: &Ssh, name: &str) -> Value {
    let text = ssh.must(&format!("svc status {name} --json || true")).unwrap();
    let status: Value = serde_json::from_str(&text).unwrap();
    status["services"][0].clone()
}

/// Waits until a service has been started so many times more.
fn until_started(ssh: &Ssh, name: &str, times: u64) {
    let end = Instant::now() + LIMIT;
    let generation = || status(ssh, name)["generation"].as_u64().unwrap();
    let before = generation();
    while generation() < before + times {
        assert!(Instant::now() < end, "{name} is not started any more");
    }
}

#[test]
fn a_machine_that_is_against_it() {
    let mut alone = start();
    alone.machine.console.wait_for("jamb: init: jamb .* starts", LIMIT).unwrap();
    alone.ssh.wait_up(&alone.machine.console, LIMIT).unwrap();
    alone.ssh.must("svc wait modest daemon ready -t 60").unwrap();
    the_clock_jumps(&alone.ssh);
    no_file_is_left(&alone.ssh);
    nobody_can_be_killed(&mut alone);
}

/// Deadlines are of the monotonic clock: years in either direction delay nothing and hurry nothing.
fn the_clock_jumps(ssh: &Ssh) {
    let generation = status(ssh, "daemon")["generation"].clone();
    for (date, year) in
        [("209901010000", "2099"), ("197101010000", "1971"), ("202611250000", "2026")]
    {
        ssh.must(&format!("date -s {date}")).unwrap();
        until_started(ssh, "ticker", 3);
        ssh.must("svc restart modest -t 30").unwrap();
        let log = ssh.must("svc log -n 3 ticker").unwrap();
        assert!(log.lines().all(|line| line.starts_with(year)), "{log}");
    }
    // Its health was checked all the time, and it was never taken for dead.
    assert_eq!(status(ssh, "daemon")["generation"], generation);
    ssh.must("svc selfcheck").unwrap();
}

/// ENFILE. The kernel exempts root up to a point, so jamb goes on, and says why others do not. The point is
/// twice as many sockets of AF_UNIX, unix_create1 in net/unix/af_unix.c.
fn no_file_is_left(ssh: &Ssh) {
    let few = "set $(cat /proc/sys/fs/file-nr); cat /proc/sys/fs/file-max >/run/max; \
               echo $(($1 * 3 / 4)) >/proc/sys/fs/file-max";
    ssh.must(few).unwrap();
    ssh.must("svc restart modest -n; svc restart daemon -t 30").unwrap();
    let end = Instant::now() + LIMIT;
    while !ssh.must("svc log jamb").unwrap().contains("modest: cannot execute") {
        assert!(Instant::now() < end, "{}", ssh.must("svc log jamb").unwrap());
    }
    let why = ssh.must("svc log jamb").unwrap();
    assert!(why.contains("Too many open files in system (errno 23)"), "{why}");
    ssh.must("cat /run/max >/proc/sys/fs/file-max").unwrap();
    ssh.must("svc wait modest ready -t 60").unwrap();
}

/// A process that sits in the kernel on a file system that is frozen: neither can be ended. The three keys
/// are pressed seven times, and the machine ends once, in order and within its bounds.
fn nobody_can_be_killed(alone: &mut Alone) {
    let freeze = "dd if=/dev/zero of=/disk bs=1024 count=4096 2>/dev/null && losetup /dev/loop0 /disk && \
                  mke2fs /dev/loop0 >/dev/null && mount -t ext2 /dev/loop0 /mnt && \
                  fsfreeze --freeze /mnt";
    alone.ssh.must(freeze).unwrap();
    alone.ssh.must("svc start stuck -t 30").unwrap();
    let pid = status(&alone.ssh, "stuck")["pid"].clone();
    let in_kernel = format!("until grep -q '^State:.D' /proc/{pid}/status; do :; done");
    alone.ssh.must(&in_kernel).unwrap();
    // It cannot be stopped, but that takes no longer than it may, and hinders nobody.
    let stop = alone.ssh.run("svc stop stuck -t 10").unwrap();
    assert!(stop.status.code().is_some_and(|code| code <= 2), "{stop:?}");
    alone.ssh.must("svc restart daemon -t 30").unwrap();

    let start = Instant::now();
    for _ in 0..7 {
        alone.machine.press_ctrl_alt_del().unwrap();
    }
    let console = &mut alone.machine.console;
    console.wait_for("shutdown: reboot; stopping the services", LIMIT).unwrap();
    console.wait_for("shutdown: all services are down", LIMIT).unwrap();
    console.wait_for("cannot unmount /mnt: Resource busy", LIMIT).unwrap();
    console.wait_for("shutdown: rebooting", LIMIT).unwrap();
    alone.machine.wait_reset(LIMIT).unwrap();
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
    // Once: the keys that were left over mean nothing to the next boot.
    let console = &mut alone.machine.console;
    console.wait_for("jamb: init: jamb .* starts", LIMIT).unwrap();
    // The ticker may be between two runs at that moment.
    console.wait_for("jamb: boot: (everything is|some services are not) ready", LIMIT).unwrap();
}
