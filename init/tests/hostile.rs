//! A system that is against it: PID 1 goes on, and so do the services that can.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod guest;
mod world;

use guest::{Guest, may};
use rc::{
    Millis,
    model::{Limit, Resource, System},
};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use world::{
    Def, World, bundle, database, database_with, is_root, kill, longrun, oneshot, scratch, script,
};

/// A user that nobody else runs processes of.
const USER: u32 = 54_322;

/// What PID 1 may take for anything, whatever is going on: many times what it needs.
const AT_ONCE: Duration = Duration::from_secs(5);

fn figure(told: &str, name: &str) -> u64 {
    let all: Value = serde_json::from_str(told).unwrap_or_else(|_| panic!("{told}"));
    all[name]["value"].as_u64().unwrap()
}

/// Waits until a log has this text, without asking PID 1.
fn until_written(log: &Path, text: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    while !fs::read_to_string(log).unwrap_or_default().contains(text) {
        assert!(Instant::now() < end, "{} does not say {text:?}", log.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn boot(services: Vec<Def>, more: &str) -> Guest {
    Guest::boot_in(scratch(), Some(&database(services)), more)
}

#[test]
fn a_console_that_takes_nothing() {
    if !may() {
        return;
    }
    let mut services: Vec<Def> =
        ["a", "b", "c", "d", "e"].map(|name| script(name, "exit 1")).into_iter().collect();
    for service in &mut services {
        *service = service.clone().policy(|policy| policy.backoff.max = Millis(20));
    }
    services.push(longrun("daemon", &["/bin/sleep", "1000"]));
    services.push(bundle("default", &["a", "b", "c", "d", "e", "daemon"]));
    let mut guest = Guest::boot_deaf(scratch(), Some(&database(services)), "");
    guest.until_svc(&["status", "daemon"], "ready");
    // A terminal holds a few kilobytes for a reader that does not come; the rest is counted.
    let end = Instant::now() + Duration::from_secs(60);
    while figure(&guest.svc(&["selfcheck", "--json"]), "lines-dropped") == 0 {
        assert!(Instant::now() < end, "the console takes everything");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(guest.svc(&["restart", "daemon", "-t", world::LIMIT]), "");
    kill(guest.pid(), "TERM");
    assert_eq!(guest.outer.wait().unwrap().code(), Some(0));
}

#[test]
fn no_console_at_all() {
    if !may() {
        return;
    }
    for more in [
        "umount /dev/console; rm /dev/console",
        "umount /dev/console; rm /dev/console; mkfifo /dev/console",
        "umount /dev/console; rm /dev/console; mkdir /dev/console",
    ] {
        let services = vec![longrun("default", &["/bin/sleep", "1000"])];
        let mut guest = boot(services, more);
        guest.until_svc(&["status", "default"], "ready");
        let log = format!("/proc/{}/root/run/log/jamb/current", guest.pid());
        until_written(log.as_ref(), "boot: everything is ready");
        kill(guest.pid(), "TERM");
        assert_eq!(guest.outer.wait().unwrap().code(), Some(0), "{more}");
    }
}

#[test]
fn a_root_that_is_read_only() {
    if !may() {
        return;
    }
    let services = vec![
        script("wan", "output address=192.0.2.7; exec sleep 1000").output("address", "ip"),
        longrun("user", &["/bin/sh", "-c", "echo got %0 >/dev/console; exec sleep 1000"])
            .reads("wan", "address"),
        bundle("default", &["wan", "user"]),
    ];
    let more = "mount -o remount,bind,ro /; ! touch /x 2>/dev/null; mkdir -p /run/bin; \
                ln -s $JAMB /run/bin/output; export PATH";
    let services = services.into_iter().map(|def| def.exec(|exec| exec.env.push(path()))).collect();
    let mut guest = boot(services, more);
    guest.until("got 192.0.2.7");
    guest.end("TERM");
}

/// `PATH` with a place for applets.
fn path() -> (String, rc::text::Text) {
    let value = "/run/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
    ("PATH".to_owned(), vec![rc::text::Piece::Literal(value)])
}

#[test]
fn a_run_that_is_full() {
    if !may() {
        return;
    }
    let fill = "head -c 1000000 /dev/zero >/run/fill 2>/dev/null; ";
    let mut services = vec![
        script("wan", &format!("{fill} output address=192.0.2.7; exec sleep 1000"))
            .output("address", "ip"),
        longrun("user", &["/bin/sh", "-c", "echo got %0 >/dev/console; exec sleep 1000"])
            .reads("wan", "address"),
        bundle("default", &["wan", "user"]),
    ];
    for service in &mut services {
        *service = service.clone().exec(|exec| exec.env.push(path()));
    }
    let more = "mount -o remount,size=256k /run; mkdir -p /run/bin; ln -s $JAMB /run/bin/output";
    let mut guest = boot(services, more);
    // References have the value; the file has not, and it is said.
    guest.until("/run/services/outputs");
    guest.until("No space left on device (os error 28); references see the new values");
    guest.until("got 192.0.2.7");
    assert_eq!(guest.svc(&["restart", "user", "-t", world::LIMIT]), "");
    guest.until("got 192.0.2.7");
    // With room again the next values are there.
    let root = format!("/proc/{}/root/run", guest.pid());
    fs::remove_file(format!("{root}/fill")).unwrap();
    assert_eq!(guest.svc(&["restart", "wan", "-t", world::LIMIT]), "");
    guest.until("got 192.0.2.7");
    guest.end("TERM");
}

#[test]
fn no_descriptor_is_left_for_a_while() {
    let world = World::start(vec![
        longrun("daemon", &["/bin/sleep", "1000"]),
        script("listens", "echo >&3; exec sleep 1000").ready(rc::model::Ready::Fd(3)),
    ]);
    world.ready("default");
    let before = world.ok(&["selfcheck", "--json"]);
    let limit = |number: u64| {
        let pid = world.child.id().to_string();
        let limit = format!("--nofile={number}:");
        assert!(Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap().success());
    };
    let control = world.run().join("control");
    let mut first = UnixStream::connect(&control).unwrap();
    world.ok(&["status"]);
    let listens = world.pid("listens");
    // None for another client, nor for the channel of a service that starts again.
    limit(3);
    let second = UnixStream::connect(&control).unwrap();
    kill(listens, "KILL");
    let ask = |stream: &mut UnixStream| {
        let frame = rc::proto::encode(&mut rc::proto::Request::Info).unwrap();
        stream.write_all(&frame).unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).unwrap();
        let length = rc::proto::frame_length(&word).unwrap().unwrap();
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).unwrap();
    };
    // Who is connected is answered.
    first.set_read_timeout(Some(AT_ONCE)).unwrap();
    ask(&mut first);
    // `svc` would have to wait, too.
    until_written(&world.run().join("log/jamb/current"), "listens: cannot");
    limit(1024);
    let mut second = second;
    second.set_read_timeout(Some(AT_ONCE)).unwrap();
    ask(&mut second);
    world.ok(&["wait", "listens", "ready", "-t", world::LIMIT]);
    drop((first, second));
    world.ok(&["status"]);
    let after = world.ok(&["selfcheck", "--json"]);
    assert!(
        figure(&after, "full-turns") < figure(&before, "full-turns") + 1000,
        "it spins: {after}"
    );
    assert!(world.end().success());
}

#[test]
fn a_fork_bomb_among_the_services() {
    if !is_root() {
        eprintln!("only root can start processes of another user");
        return;
    }
    let bomb = script("bomb", "bomb() { bomb | bomb & }; bomb; exec sleep 1000").exec(|exec| {
        exec.user = Some(USER.to_string());
        exec.group = Some(USER.to_string());
        exec.limits.push(Limit { resource: Resource::Nproc, soft: Some(200), hard: Some(200) });
    });
    let world = World::start(vec![bomb, longrun("daemon", &["/bin/sleep", "1000"])]);
    world.ready("default");
    for _ in 0..5 {
        let start = Instant::now();
        world.ok(&["restart", "daemon", "-t", world::LIMIT]);
        assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    }
    world.ok(&["stop", "bomb", "-t", world::LIMIT]);
    assert!(world.end().success());
    // Nothing of it outlives jamb. Who was killed still has to be scheduled to die; who was not would go
    // on forking.
    let end = Instant::now() + Duration::from_secs(30);
    while live_processes_of(USER) != 0 {
        assert!(Instant::now() < end, "some of it lives on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How many processes of a user there are that are not zombies.
fn live_processes_of(user: u32) -> usize {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let of_user = all.filter(|entry| {
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        status.contains(&format!("\nUid:\t{user}\t")) && !status.contains("\nState:\tZ")
    });
    of_user.count()
}

#[test]
fn ten_thousand_orphans_that_die_at_once() {
    if !may() {
        return;
    }
    let child = env!("CARGO_BIN_EXE_scripted-child");
    let services = vec![
        longrun("daemon", &["/bin/sleep", "1000"]),
        oneshot("orphans", &format!("exec {child} orphans 10000"), None),
        bundle("default", &["daemon", "orphans"]),
    ];
    let mut guest = boot(services, "");
    guest.until("everything is ready");
    // They are dying now; commands have their turn in between.
    let start = Instant::now();
    assert_eq!(guest.svc(&["restart", "daemon", "-t", world::LIMIT]), "");
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    let pid = guest.pid();
    let left = || world::content(format!("/proc/{pid}/task/{pid}/children").as_ref());
    let end = Instant::now() + Duration::from_secs(60);
    // The daemon and the collector stay.
    while left().split_whitespace().count() > 2 {
        assert!(Instant::now() < end, "zombies stay");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(figure(&guest.svc(&["selfcheck", "--json"]), "defects"), 0);
    guest.end("TERM");
}

#[test]
fn a_collector_that_reads_nothing() {
    let many = "i=0; while [ $i -lt 5000 ]; do echo line $i of a log that nobody reads; \
                i=$((i+1)); done; echo end of it; exec sleep 1000";
    let system = System {
        shutdown_timeout: Millis(20_000),
        log_max_file: 4 << 20,
        log_max_total: 16 << 20,
        ..System::default()
    };
    let services = vec![
        script("talks", many),
        longrun("daemon", &["/bin/sleep", "1000"]),
        bundle("default", &["daemon"]),
    ];
    let world = World::start_database(&database_with(services, system), |_| {});
    world.ready("default");
    let version: Value = serde_json::from_str(&world.ok(&["version", "--json"])).unwrap();
    let collector = version["collector_pid"].as_i64().unwrap();
    kill(collector, "STOP");
    // Its pipe is full soon; it waits, and nobody else does. Nor does jamb for its own pipe.
    world.ok(&["start", "talks", "-t", world::LIMIT]);
    for _ in 0..200 {
        let start = Instant::now();
        world.ok(&["restart", "daemon", "-t", world::LIMIT]);
        assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    }
    kill(collector, "CONT");
    world.until_logged("talks", "end of it");
    let log = world.log("talks");
    assert_eq!(log.lines().filter(|line| line.contains(" talks: line ")).count(), 5000);
    // At the end it is woken, writes the last lines, and is not left behind.
    kill(collector, "STOP");
    let start = Instant::now();
    let status = world.end();
    let took = start.elapsed();
    let lives = || {
        let stat = fs::read_to_string(format!("/proc/{collector}/stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    while lives() && start.elapsed() < AT_ONCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    let was_left = lives();
    // It would hold the output of the tests, and whoever waits for the end of that.
    kill(collector, "KILL");
    assert!(status.success() && took < AT_ONCE, "{status} {took:?}");
    assert!(!was_left, "the collector is still there");
}

#[test]
fn a_thousand_connections() {
    let world = World::start(vec![longrun("daemon", &["/bin/sleep", "1000"])]);
    world.ready("default");
    let control = world.run().join("control");
    let info = rc::proto::encode(&mut rc::proto::Request::Info).unwrap();
    for number in 0..1000 {
        let mut stream = UnixStream::connect(&control).unwrap();
        // Some say nothing, some ask and do not listen, some talk rubbish, some say half a sentence.
        let words: &[u8] = match number % 4 {
            0 => &[],
            1 => &info,
            2 => b"GET / HTTP/1.1\r\n\r\n",
            _ => &info[..3],
        };
        // It may have been thrown out already.
        stream.write_all(words).ok();
    }
    let start = Instant::now();
    world.ok(&["restart", "daemon", "-t", world::LIMIT]);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    world.ok(&["selfcheck"]);
    assert!(world.end().success());
}

#[test]
fn a_stopped_child_at_the_end() {
    let stopped = longrun("stopped", &["/bin/sleep", "1000"]).policy(|policy| {
        policy.stop.grace = Millis(60_000);
    });
    let world = World::start(vec![stopped]);
    world.ready("default");
    kill(world.pid("stopped"), "STOP");
    // TERM is followed by CONT, so it takes notice long before its time is over.
    let start = Instant::now();
    assert!(world.end().success());
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

#[test]
fn the_three_keys_seven_times() {
    if !may() {
        return;
    }
    let slow = "trap 'echo begins >/dev/console; sleep 1; echo ends >/dev/console; exit' TERM; \
                echo >&3; while :; do sleep 1000 & wait $!; done";
    let services = vec![script("default", slow).ready(rc::model::Ready::Fd(3))];
    let mut guest = boot(services, "");
    guest.until("everything is ready");
    let pid = guest.pid();
    for _ in 0..7 {
        kill(pid, "INT");
    }
    guest.until("shutdown: reboot; stopping the services");
    guest.until("begins");
    for _ in 0..7 {
        kill(pid, "INT");
    }
    // Who is in the middle of ending has the time that it needs; nothing begins twice.
    guest.until("ends");
    guest.until("all services are down");
    assert_eq!(guest.outer.wait().unwrap().code(), Some(0));
    assert!(!guest.seen.contains("stopping the services"), "{}", guest.seen);
}
