//! What jamb tells about itself, and that it adds up after everything that comes and goes has done so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use rc::{
    model::{Fact, Ready},
    proto::{self, Figure, Reply},
};
use serde_json::Value;
use std::{
    fs::File,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    process::Command,
};
use world::{JAMB, World, longrun, lossy, script};

fn figures(world: &World) -> Value {
    let output = world.command(&["selfcheck", "--json"]).output().unwrap();
    let told = lossy(&output.stdout) + &lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    serde_json::from_str(&lossy(&output.stdout)).unwrap()
}

#[test]
fn what_comes_and_goes_leaves_nothing_open() {
    let dir = world::scratch();
    let there = dir.join("there");
    let path = Fact::Path(there.to_str().unwrap().to_owned());
    let services = vec![
        script("listens", "echo >&3; exec sleep 1000").ready(Ready::Fd(3)),
        script("dies", "exit 1"),
        longrun("waits", &["/bin/sleep", "1000"]).when(path, false),
    ];
    let world = World::start(services);
    world.ready("listens");
    let before = figures(&world);
    assert_eq!(before["descriptors"]["value"], before["descriptors"]["bound"], "{before}");
    assert_eq!(before["defects"], serde_json::json!({ "value": 0, "bound": 0 }));
    assert!(before["memory-kib"]["value"].as_u64().unwrap() > 0, "{before}");

    File::create(&there).unwrap();
    world.ready("waits");
    let control = world.run().join("control");
    for _ in 0..20 {
        world.ok(&["restart", "listens", "-t", world::LIMIT]);
        drop(UnixStream::connect(&control).unwrap());
    }
    let crowd: Vec<UnixStream> = (0..20).map(|_| UnixStream::connect(&control).unwrap()).collect();
    // The answer comes after all of the crowd were accepted.
    for _ in 0..5 {
        world.ok(&["status"]);
    }
    let meanwhile = figures(&world);
    assert_eq!(meanwhile["descriptors"]["value"], meanwhile["descriptors"]["bound"], "{meanwhile}");
    assert!(meanwhile["clients-peak"]["value"].as_u64().unwrap() > 20, "{meanwhile}");
    drop(crowd);
    world.ok(&["status"]);
    let after = figures(&world);
    assert_eq!(after["descriptors"]["value"], before["descriptors"]["value"], "{after}");

    let table = world.ok(&["selfcheck"]);
    assert!(table.starts_with("FIGURE") && table.contains("\nstale-events "), "{table}");
    assert!(world.end().success());
}

#[test]
fn what_is_off_is_told_and_is_a_failure() {
    let dir = world::scratch();
    let listener = UnixListener::bind(dir.join("control")).unwrap();
    let mut svc = Command::new(JAMB);
    svc.args(["svc", "selfcheck"]).env("JAMB_RUN_DIR", &dir);
    let svc = svc.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let svc = svc.spawn().unwrap();
    let (mut client, _) = listener.accept().unwrap();
    let mut request = [0; 6];
    client.read_exact(&mut request).unwrap();
    let figure = |name: &str, value, bound| Figure { name: name.to_owned(), value, bound };
    let figures = vec![
        figure("descriptors", 45, Some(43)),
        figure("clients-peak", 32, Some(32)),
        figure("stale-events", 7, None),
    ];
    client.write_all(&proto::encode(&mut Reply::Figures(figures)).unwrap()).unwrap();
    let output = svc.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = lossy(&output.stderr);
    assert_eq!(said, "svc: descriptors is 45, more than the 43 there should be\n");
    assert!(lossy(&output.stdout).contains("stale-events              7         -\n"));
    std::fs::remove_dir_all(dir).ok();
}
