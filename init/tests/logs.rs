//! Logs with a collector that is killed, and a console of nobody's interest.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use rc::model::System;
use serde_json::Value;
use world::{JAMB, World, bundle, oneshot, script};

#[test]
fn no_line_is_lost_or_doubled_when_the_collector_is_killed() {
    const LINES: usize = 100_000;
    const KILLS: usize = 10;
    // Ten times 10,000 numbered lines, written in the background as fast as the pipe takes them, while
    // the collector of the moment is killed and the next one comes.
    let code = format!(
        r#"collector() {{ {JAMB} svc version --json | sed 's/.*"collector_pid":\([0-9]*\).*/\1/'; }}
         before=0 from=1
         while [ $from -le {LINES} ]; do
             pid=$before
             while [ "$pid" = $before ] || [ "$(echo $pid | tr -d 0-9)" ]; do pid=$(collector); done
             awk -v i=$from 'BEGIN {{ for (n = 0; n < {batch}; n++) print "line", i++ }}' &
             kill -9 $pid
             wait $!
             before=$pid from=$((from + {batch}))
         done"#,
        batch = LINES / KILLS
    );
    let defs = vec![
        oneshot("flood", &code, None),
        script("quiet", "echo one; exec sleep 1000"),
        bundle("default", &["quiet"]),
    ];
    // Room for all of it: what is rotated away would be missing.
    let system = System { log_max_file: 16 << 20, log_max_total: 64 << 20, ..System::default() };
    let world = World::start_database(&world::database_with(defs, system), |_| {});
    world.ready("quiet");
    world.ok(&["start", "flood", "-t", world::LIMIT]);
    world.until_logged("flood", &format!("line {LINES}"));
    let log = world.log("flood");
    let mut expected = 1;
    for line in log.lines() {
        let text = line.split_once(" flood: ").map(|(_, text)| text);
        assert_eq!(text, Some(format!("line {expected}").as_str()), "after {KILLS} kills");
        expected += 1;
    }
    assert_eq!(expected, LINES + 1);
    let version: Value = serde_json::from_str(&world.ok(&["version", "--json"])).unwrap();
    assert_eq!(version["collector_starts"], KILLS + 1);
    assert!(world.end().success());
}

#[test]
fn logs_are_merged_cut_and_named() {
    let world = World::start(vec![
        oneshot("first", "echo a; echo b >&2", None),
        oneshot("second", "printf 'no newline'", None).needs("first"),
        oneshot("silent", "true", None),
        bundle("group", &["first"]),
        bundle("default", &["second", "silent", "group"]),
    ]);
    world.ready("default");
    while !world.log("second").contains("no newline") {
        std::thread::yield_now();
    }
    let all = world.ok(&["log"]);
    let texts: Vec<&str> =
        all.lines().filter_map(|line| line.split_once("Z ")).map(|l| l.1).collect();
    let position = |text: &str| texts.iter().position(|line| *line == text);
    assert!(position("first: a") < position("first: b"), "{all}");
    assert!(position("first: b") < position("second: no newline"), "{all}");
    let last = world.ok(&["log", "-n", "1", "first"]);
    assert!(last.ends_with(" first: b\n") && last.lines().count() == 1, "{last}");
    assert_eq!(world.ok(&["log", "--since", "1h", "first"]).lines().count(), 2);
    assert_eq!(world.ok(&["log", "silent"]), "", "it said nothing, and that is no mistake");
    assert!(!world.run().join("log/silent").exists(), "what is not needed takes no memory");
    for name in ["nobody", "group"] {
        let unknown = world.svc(&["log", name]);
        assert_eq!(unknown.status.code(), Some(3), "{name}");
        assert!(world::lossy(&unknown.stderr).contains("first"), "it says which logs there are");
    }
    assert!(world.end().success());
}
