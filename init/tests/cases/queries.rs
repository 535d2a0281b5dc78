//! What `svc` tells and the commands that are not waited for: tree, deps, bootchart, events from the
//! boot on, hold, release, reset.

use crate::{child::longrun, rig::Rig, world::lossy};
use rc::model::{OnChange, Ready, Relation};
use serde_json::Value;

fn json(rig: &Rig, words: &[&str]) -> Value {
    serde_json::from_str(&rig.world.ok(words)).unwrap()
}

fn small() -> Rig {
    let rig = Rig::start(vec![
        longrun("app").needs("db").edge("cache", Relation::Wants, OnChange::Ignore),
        longrun("cache").needs("db"),
        longrun("db"),
    ]);
    rig.state("default", "ready");
    rig
}

#[test]
fn relations_are_shown() {
    let rig = small();
    let tree = "\
default    ready
  app      ready     contains
    db     ready     needs
    cache  ready     wants
      db   ready     needs
  cache    ready     contains, see above
  db       ready     contains
";
    assert_eq!(rig.world.ok(&["tree"]), tree);
    assert_eq!(rig.world.ok(&["tree", "cache"]), "cache  ready\n  db   ready     needs\n");
    assert_eq!(rig.world.ok(&["deps", "app"]), "db     ready     needs\ncache  ready     wants\n");
    let of_db = rig.world.ok(&["deps", "-r", "db"]);
    assert_eq!(
        of_db,
        "app      ready     needs\ncache    ready     needs\ndefault  ready     contains\n"
    );
    let deps = json(&rig, &["deps", "app", "--json"]);
    assert_eq!(deps["deps"][1]["name"], "cache");
    assert_eq!(deps["deps"][1]["relation"], "wants");
    let tree = json(&rig, &["tree", "--json"]);
    assert_eq!((&tree["tree"][4]["name"], &tree["tree"][4]["depth"]), (&"db".into(), &3.into()));
    assert_eq!(rig.world.svc(&["tree", "nobody"]).status.code(), Some(3));
    assert_eq!(rig.world.svc(&["deps"]).status.code(), Some(100));
    rig.end();
}

#[test]
fn the_boot_is_recorded_from_the_first_event_on() {
    let rig = small();
    let chart = json(&rig, &["bootchart", "--json"]);
    let list = chart["services"].as_array().unwrap();
    assert_eq!(list.len(), 4);
    let of = |name: &str| list.iter().find(|one| one["name"] == name).unwrap();
    let ms = |name: &str, key: &str| of(name)[key].as_u64().unwrap();
    assert!(ms("db", "ready_ms") <= ms("app", "start_ms"));
    assert!(ms("app", "ready_ms") <= ms("default", "ready_ms"));
    assert!(ms("db", "wanted_ms") <= ms("db", "start_ms"));
    let text = rig.world.ok(&["bootchart"]);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let bars: Vec<&str> = text.lines().skip(1).take_while(|line| !line.is_empty()).collect();
    assert_eq!(bars.len(), 4, "{text}");
    assert!(bars.iter().all(|line| line.contains('#')), "{text}");
    // Only the first time counts.
    rig.svc(&["restart", "db"]);
    assert_eq!(json(&rig, &["bootchart", "--json"])["services"], chart["services"]);

    let mut events = rig.world.command(&["events", "--since-boot", "--json"]);
    let mut child = events.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["number"], 1);
    rig.end();
}

/// A pin is stronger than whatever else is asked, and seen.
#[test]
fn what_is_held_stays() {
    let rig = small();
    rig.svc(&["hold", "cache", "down"]);
    rig.state("cache", "down");
    let status = rig.world.status("cache");
    assert_eq!((&status["pinned"], &status["state"]), (&"down".into(), &"down".into()));
    rig.order("start", "cache");
    assert_eq!(rig.now("cache"), "down");
    let why = rig.world.ok(&["why", "cache"]);
    assert!(why.contains("it is held down; svc release cache"), "{why}");
    rig.svc(&["release", "cache"]);
    rig.state("cache", "ready");
    assert_eq!(rig.world.status("cache")["pinned"], Value::Null);
    // As it is now.
    rig.svc(&["hold", "app"]);
    assert_eq!(rig.world.status("app")["pinned"], "up");
    let pid = rig.world.pid("app");
    rig.order("stop", "db");
    rig.state("db", "down");
    assert_eq!(rig.world.pid("app"), pid);
    assert!(rig.world.ok(&["status", "app"]).contains("held        up"));
    assert_eq!(rig.world.svc(&["hold", "nobody", "up"]).status.code(), Some(3));
    assert_eq!(rig.world.svc(&["hold"]).status.code(), Some(100));
    rig.svc(&["release", "app"]);
    rig.state("app", "waiting");
    rig.end();
}

/// What failed for good is tried again, without anybody having to know what wants it.
#[test]
fn failures_are_forgotten_by_command() {
    let rig = Rig::start(vec![
        longrun("daemon").ready(Ready::Fd(3)).policy(|policy| policy.max_restarts = 1),
        longrun("dependent").needs("daemon"),
    ]);
    for _ in 0..2 {
        let mut child = rig.run("daemon");
        child.tell("complain it does not work");
        child.exit(7);
    }
    rig.state("daemon", "failed");
    rig.world.until_logged("daemon", "it does not work");
    let why = json(&rig, &["why", "dependent", "--json"]);
    let causes = why["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 2);
    assert_eq!((&causes[1]["service"]["name"], &causes[1]["depth"]), (&"daemon".into(), &1.into()));
    assert!(causes[1]["text"].as_str().unwrap().contains("exit 7"), "{why}");
    let log = causes[1]["log"].as_array().unwrap();
    assert!(log.len() <= 3 && !log.is_empty(), "{why}");
    rig.svc(&["reset", "daemon"]);
    let mut child = rig.run("daemon");
    child.ready();
    rig.state("dependent", "ready");
    assert_eq!(rig.world.status("daemon")["failures"], 0);
    let refused = rig.world.svc(&["reset", "nobody"]);
    assert_eq!(refused.status.code(), Some(3), "{}", lossy(&refused.stderr));
    rig.end();
}
