//! Conditions: services that are up only while something is so.

use crate::{child::longrun, rig::Rig};
use rc::model::{Fact, LinkIs};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
};

fn dir(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("jamb-condition-{}-{name}", std::process::id()));
    fs::remove_dir_all(&dir).ok();
    dir
}

fn path(path: &std::path::Path) -> Fact {
    Fact::Path(path.to_string_lossy().into_owned())
}

/// A condition that does not hold delays nothing; when it holds the service starts, then it stops.
#[test]
fn a_path_starts_and_stops_a_service() {
    let dir = dir("path");
    let file = dir.join("sub/file");
    let rig = Rig::start(vec![
        longrun("plain"),
        longrun("when").when(path(&file), false),
        longrun("unless").when(path(&file), true),
        longrun("dependent").needs("when"),
    ]);
    rig.state("default", "ready");
    rig.state("unless", "ready");
    assert_eq!(rig.now("when"), "waiting");
    let status = rig.world.status("dependent");
    assert_eq!((&status["state"], &status["dormant"]), (&"waiting".into(), &true.into()));
    let why = rig.world.ok(&["why", "dependent"]);
    let text = format!("path {}", file.display());
    assert!(why.contains("dependent is waiting"), "{why}");
    assert!(why.contains(&format!("  - {text}: now not there")), "{why}");
    for round in 0..2 {
        fs::create_dir_all(dir.join("sub")).unwrap();
        fs::write(&file, "").unwrap();
        let children = [rig.run("when"), rig.run("dependent")];
        rig.state("dependent", "ready");
        rig.state("unless", "waiting");
        let condition = &rig.world.status("when")["conditions"][0];
        assert_eq!((&condition["text"], &condition["holds"]), (&text.clone().into(), &true.into()));
        // Whichever way it goes.
        match round {
            0 => fs::remove_file(&file).unwrap(),
            _ => fs::remove_dir_all(&dir).unwrap(),
        }
        children.into_iter().for_each(|child| drop(child.gone()));
        rig.state("when", "waiting");
        rig.state("unless", "ready");
    }
    assert_eq!(rig.now("plain"), "ready");
    assert_eq!(rig.now("default"), "ready");
    rig.end();
}

/// What holds at first is known before anything starts: nothing flaps, and nothing starts in vain.
#[test]
fn what_holds_at_first_is_known_at_first() {
    let dir = dir("first");
    fs::create_dir_all(&dir).unwrap();
    let link = |name: &str, is| Fact::Link { name: name.to_owned(), is };
    let device = |name: &str| Fact::Device {
        subsystem: "net".to_owned(),
        name: name.to_owned(),
        properties: vec![("INTERFACE".to_owned(), "lo".to_owned())],
    };
    let rig = Rig::start(vec![
        longrun("dir").when(path(&dir), false),
        longrun("no-dir").when(path(&dir), true),
        longrun("lo").when(link("lo", LinkIs::Present), false),
        longrun("no-lo").when(link("lo", LinkIs::Present), true),
        longrun("none").when(link("jamb-none0", LinkIs::Running), false),
        longrun("both").when(link("lo", LinkIs::Present), false).when(device("l*"), false),
        longrun("no-device").when(device("x*"), false),
    ]);
    rig.state("default", "ready");
    for name in ["dir", "lo", "both"] {
        assert_eq!(rig.now(name), "ready", "{name}");
    }
    for name in ["no-dir", "no-lo", "none", "no-device"] {
        assert_eq!(rig.world.status(name)["generation"], 0, "{name} was started");
    }
    // Before anything else happens.
    let mut events = rig.world.command(&["events", "--all", "--json"]);
    let mut child = events.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let is_change = |line: &String| line.contains(r#""event":"state""#);
    let first = lines.take_while(|line| !is_change(line)).filter(|l| l.contains(r#""holds":true"#));
    assert_eq!(first.count(), 4, "dir, lo, and the two of both");
    child.kill().unwrap();
    child.wait().unwrap();
    let status = rig.world.status("none");
    assert_eq!(status["waiting_on"][0], "link jamb-none0 is running");
    assert_eq!(status["conditions"][0]["now"], "absent");
    let status = rig.world.status("no-device");
    assert_eq!(status["conditions"][0]["text"], "device net x* INTERFACE=lo");
    assert_eq!(rig.world.status("no-lo")["conditions"][0]["text"], "not: link lo is present");
    rig.end();
    fs::remove_dir_all(&dir).unwrap();
}

/// Without conditions nothing is opened, and an idle jamb has the same descriptors as ever.
#[test]
fn what_no_condition_asks_for_is_not_watched() {
    let sockets = |rig: &Rig| {
        let fds = fs::read_dir(format!("/proc/{}/fd", rig.world.child.id())).unwrap();
        let links = fds.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        let text: Vec<String> = links.map(|link| link.to_string_lossy().into_owned()).collect();
        let watched = |part: &str| text.iter().filter(|one| one.contains(part)).count();
        (watched("inotify"), watched("mountinfo"), text.len())
    };
    let plain = Rig::start(vec![longrun("daemon")]);
    plain.state("default", "ready");
    let watching = Rig::start(vec![longrun("daemon").when(path(&dir("none")), true)]);
    watching.state("default", "ready");
    let (a, b) = (sockets(&plain), sockets(&watching));
    assert_eq!((a.0, a.1, b.0, b.1), (0, 0, 1, 1));
    plain.end();
    watching.end();
}

/// A output of another service as a condition.
#[test]
fn a_value_starts_and_stops_a_service() {
    let equals = |value: &str| Fact::Output { read: 0, equals: Some(value.to_owned()) };
    let rig = Rig::start(vec![
        longrun("wan").output("mode", "string"),
        longrun("bridge").reads("wan", "mode").when(equals("bridge"), false),
    ]);
    rig.state("wan", "ready");
    rig.state("default", "ready");
    assert_eq!(rig.world.status("bridge")["generation"], 0);
    rig.world.publish("wan", &["mode=bridge"]);
    rig.state("bridge", "ready");
    rig.world.publish("wan", &["mode=route"]);
    rig.state("bridge", "waiting");
    let why = rig.world.ok(&["why", "bridge"]);
    assert!(why.contains("- output wan.mode is bridge: now route"), "{why}");
    rig.end();
}
