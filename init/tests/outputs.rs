//! Outputs: published by real programs, substituted into others, which react to what they read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use rc::{
    Signal,
    model::{OnChange, Ready, Relation},
};
use std::{fs, os::unix::fs::MetadataExt};
use world::{JAMB, World, content, longrun, lossy, script};

/// Publishes two values at its start; the tests publish the rest for it.
fn publisher(name: &'static str) -> world::Def {
    let code = format!("{JAMB} output address=10.0.0.1 dns=9.9.9.9 dns=1.1.1.1; exec sleep 1000");
    script(name, &code)
        .output("address", "ipv4")
        .output("dns", "list<ip>")
        .output("password", "secret")
        .ready(Ready::Outputs)
}

#[test]
fn only_readers_of_what_changed_react() {
    let world = World::start(vec![
        publisher("wan").output("mtu", "int"),
        script("reads-address", "echo at %0; exec sleep 1000").reads("wan", "address"),
        script("reads-dns", "echo ask '%0'; exec sleep 1000").reads("wan", "dns"),
        script("needs", "exec sleep 1000").needs("wan"),
        script("hup", "trap 'echo hup' HUP; echo go; while :; do sleep 1000 & wait; done")
            .edge("wan", Relation::Needs, OnChange::Signal(Signal::Hup))
            .reads("wan", "address"),
    ]);
    // All declared outputs must be there before it is ready.
    let wan = world.status("wan");
    assert_eq!(wan["state"], "starting", "{wan}");
    world.until_published("wan");
    world.publish("wan", &["mtu=1492", "password=x"]);
    world.ready("default");
    world.until_logged("reads-address", "at 10.0.0.1");
    world.until_logged("hup", "go");
    let names = ["reads-address", "reads-dns", "needs", "hup"];
    let before: Vec<i64> = names.iter().map(|name| world.pid(name)).collect();
    // The same again: nobody notices.
    world.publish("wan", &["address=10.0.0.1"]);
    world.publish("wan", &["address=10.0.0.2"]);
    world.until_logged("reads-address", "at 10.0.0.2");
    world.until_logged("hup", "hup");
    world.ready("default");
    let after: Vec<i64> = names.iter().map(|name| world.pid(name)).collect();
    assert_ne!(after[0], before[0], "a reader is restarted");
    assert_eq!(after[1..], before[1..], "nobody else is");
    assert_eq!(world.status("reads-address")["generation"], 2);
    assert_eq!(world.ok(&["outputs", "wan", "address"]), "10.0.0.2\n");
    let all = world.ok(&["outputs", "wan"]);
    assert_eq!(all, "address=10.0.0.2\ndns=9.9.9.9\ndns=1.1.1.1\nmtu=1492\npassword=(secret)\n");
    let files = world.run().join("services/outputs/wan");
    assert_eq!(content(&files.join("dns")), "9.9.9.9\n1.1.1.1");
    assert_eq!(fs::metadata(files.join("password")).unwrap().mode() & 0o777, 0o600);
    world.ok(&["stop", "wan", "-t", world::LIMIT]);
    assert!(!files.exists(), "outputs go when the service goes");
    assert!(world.end().success());
}

#[test]
fn bad_values_change_nothing() {
    let world = World::start(vec![publisher("wan"), longrun("idle", &["/bin/sleep", "1000"])]);
    world.until_published("wan");
    world.publish("wan", &["password=x"]);
    world.ready("wan");
    let output = |words: &[&str], generation: &str| {
        let output = world.output("wan", generation, words);
        (output.status.code().unwrap(), lossy(&output.stderr))
    };
    let (code, told) = output(&["address=10.0.0.9", "dns=nonsense"], "1");
    assert_eq!(code, 1);
    assert!(told.contains("dns: nonsense is no list<ip>"), "{told}");
    let (code, told) = output(&["speed=1"], "1");
    assert_eq!(code, 1);
    assert!(told.contains("declares no output speed") && told.contains("address, dns"), "{told}");
    let (code, told) = output(&["address=10.0.0.9"], "7");
    assert_eq!(code, 1);
    assert!(told.contains("too late"), "{told}");
    assert_eq!(world.ok(&["outputs", "wan", "address"]), "10.0.0.1\n");
    assert_eq!(output(&["password=y", "--unset", "dns"], "1").0, 0);
    assert_eq!(world.ok(&["outputs", "wan"]), "address=10.0.0.1\npassword=(secret)\n");
    assert!(world.end().success());
}

#[test]
fn dependents_follow_a_process_that_is_killed_behind_jambs_back() {
    let world = World::start(vec![
        publisher("wan"),
        script("route", "echo via %0; exec sleep 1000").reads("wan", "address"),
        longrun("dns", &["/bin/sleep", "1000"]).edge("wan", Relation::Wants, OnChange::Ignore),
    ]);
    world.until_published("wan");
    world.publish("wan", &["password=x"]);
    world.ready("default");
    let (wan, route, dns) = (world.pid("wan"), world.pid("route"), world.pid("dns"));
    world::kill(wan, "KILL");
    // Generation 2 has to be published anew; its process waits for that.
    world.ok(&["wait", "route", "down", "-t", world::LIMIT]);
    world.until_published("wan");
    world.publish("wan", &["password=x"]);
    world.ready("default");
    assert_ne!(world.pid("wan"), wan);
    assert_ne!(world.pid("route"), route, "what needs it is made again after it");
    assert_eq!(world.pid("dns"), dns, "what only wants it stays");
    assert_eq!(world.status("wan")["last_exit"]["text"], "SIGKILL");
    assert!(world.end().success());
}
