//! Another database while services run, with the real binary: what is the same goes on, whatever happens
//! meanwhile, and what the next start finds is the old one or the new one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod world;

use rc::{
    Millis, Signal,
    kept::{Address, Kept, Socket, SocketKind},
    model::{Back, Fact, OnChange, Ready, Relation},
};
use std::{
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use world::{Def, JAMB, World, argv, bundle, database, failover, file, longrun, oneshot, script};

const WAIT: &str = "while :; do sleep 1000 & wait; done";

/// What is the same in both databases, if `source` is left out of account.
fn both(dir: &Path, value: &str) -> Vec<Def> {
    let count = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.02; done";
    let tell = format!("trap '{JAMB} notify STATUS=again' USR1; {JAMB} notify READY=1; {WAIT}");
    let heard = format!("trap 'echo heard' HUP; echo got %0; echo >&3; {WAIT}");
    let rendered = file("rendered", &dir.join("rendered"), "value %0\n")
        .edge("source", Relation::Needs, OnChange::Render)
        .reads("source", "v");
    vec![
        script("steady", &format!("echo >&3; {count}")).ready(Ready::Fd(3)),
        script("tells", &tell).ready(Ready::Notify),
        script("source", &format!("{JAMB} output v={value}; {WAIT}"))
            .output("v", "string")
            .ready(Ready::Outputs),
        script("reader", &format!("echo got %0; echo >&3; {WAIT}"))
            .ready(Ready::Fd(3))
            .needs("source")
            .reads("source", "v"),
        script("soft", &heard)
            .ready(Ready::Fd(3))
            .edge("source", Relation::Needs, OnChange::Signal(Signal::Hup))
            .reads("source", "v"),
        rendered,
    ]
}

fn whole(mut defs: Vec<Def>) -> Vec<u8> {
    let all: Vec<&'static str> = defs.iter().map(|def| def.name).collect();
    defs.push(bundle("default", &all));
    database(defs)
}

fn old(dir: &Path) -> Vec<u8> {
    let mut defs = both(dir, "one");
    let leave = format!("trap 'echo goodbye; exit' TERM; echo here; {WAIT}");
    defs.push(script("leaves", &leave));
    whole(defs)
}

fn new(dir: &Path) -> Vec<u8> {
    let mut defs = both(dir, "two");
    // In front of all others, so that each has another number.
    defs.push(longrun("arrives", &["sleep", "1000"]));
    whole(defs)
}

/// A world with the old one, and the path of the new one.
fn start() -> (World, PathBuf) {
    let dir = world::scratch();
    let path = dir.join("new.db");
    fs::write(&path, new(&dir)).unwrap();
    let world = World::start_in(dir.clone(), &old(&dir), |_| {});
    world.ready("default");
    world.until_logged("steady", "line 2");
    (world, path)
}

const KEPT: [&str; 3] = ["steady", "tells", "soft"];

fn pids(world: &World) -> [i64; 3] {
    KEPT.map(|name| world.pid(name))
}

fn names(world: &World) -> String {
    world.ok(&["list"]).replace('\n', " ")
}

fn stored(world: &World) -> Vec<u8> {
    fs::read(world.dir.join("services.db")).unwrap()
}

const OLD_NAMES: &str = "default leaves reader rendered soft source steady tells ";
const NEW_NAMES: &str = "arrives default reader rendered soft source steady tells ";

/// Numbers of the lines that the steady one wrote: each once, none missing.
fn assert_contiguous(log: &str, when: &str) {
    let numbers = log.lines().filter_map(|line| line.rsplit_once("line ")?.1.parse::<u32>().ok());
    for (want, number) in (1..).zip(numbers) {
        assert_eq!(number, want, "{when}: a line is lost or doubled:\n{log}");
    }
}

/// Everything is as the new one has it, and what is the same did not notice.
fn assert_is_new(world: &World, before: [i64; 3], when: &str) {
    world.ok(&["wait", "default", "ready", "-t", "45"]);
    assert_eq!(names(world), NEW_NAMES, "{when}");
    assert_eq!(pids(world), before, "{when}");
    for name in KEPT {
        assert_eq!(world.status(name)["generation"], 1, "{when}: {name}");
    }
    assert_eq!(world.ok(&["outputs", "source", "v"]), "two\n", "{when}");
    assert_eq!(world::content(&world.dir.join("rendered")), "value two", "{when}");
    world.until_logged("reader", "got two");
    world.until_logged("soft", "heard");
    assert!(world.log("leaves").contains("goodbye"), "{when}: its last word was lost");
    // Its socket is where it was told.
    world.ok(&["signal", "USR1", "tells"]);
    let told = (0..1000).any(|_| world.status("tells")["status"] == "again");
    assert!(told, "{when}: what it says is not heard");
    let own = world.svc(&["selfcheck"]);
    assert!(own.status.success(), "{when}: {}", world::lossy(&own.stdout));
}

#[test]
fn what_is_the_same_goes_on() {
    let (world, path) = start();
    let (path, before) = (path.to_str().unwrap(), pids(&world));
    let reader = world.pid("reader");
    let plan = "\
changed   default
gone      leaves
restarts  reader
changed   source
new       arrives
";
    assert_eq!(world.ok(&["plan", path]), plan);
    let json: serde_json::Value =
        serde_json::from_str(&world.ok(&["plan", path, "--json"])).unwrap();
    let first = serde_json::json!({"name": "default", "what": "changed", "up": true});
    assert_eq!(json["changes"][0], first);
    assert_eq!(json["changes"].as_array().unwrap().len(), 5);
    assert_eq!(names(&world), OLD_NAMES, "a plan changes nothing");

    let said = world.ok(&["switch", path, "-t", world::LIMIT]);
    assert!(said.contains("in use, and from now on in "), "{said}");
    assert_is_new(&world, before, "");
    assert_ne!(world.pid("reader"), reader);
    assert_eq!(stored(&world), new(&world.dir));
    assert!(!world.dir.join("services.db.next").exists());
    assert_eq!(world.ok(&["plan", path]), "no service changes\n");
    assert!(world.ok(&["switch", path]).starts_with("it is in use already\n"));
    let own = world.log("jamb");
    assert!(own.contains("goes on, with another database"), "{own}");
    // What it takes over it can hand over again.
    world.ok(&["reexec"]);
    assert_is_new(&world, before, "executed anew");
    world.ok(&["restart", "tells", "-t", world::LIMIT]);
    assert_contiguous(&world.log("steady"), "");
    assert_eq!(world.end().code(), Some(0));
}

/// Services in all the states that one can be in for long, and what commands have left.
fn states(dir: &Path) -> Vec<Def> {
    let gate = dir.join("gate").to_str().unwrap().to_owned();
    let address = Address::Unix(dir.join("socket").to_str().unwrap().to_owned());
    let socket = Socket {
        name: "local".to_owned(),
        kind: SocketKind::Stream,
        address,
        backlog: 16,
        mode: 0o600,
        user: None,
        group: None,
    };
    let kept = Kept { sockets: vec![socket], store: 1 };
    let sleeps = |name| longrun(name, &["sleep", "1000"]);
    let heir = dir.join("pidfile").to_str().unwrap().to_owned();
    let forks =
        format!("(setsid sh -c 'while :; do read x < {heir}.go; echo $$ > {heir}; done' &)");
    vec![
        sleeps("held"),
        sleeps("held-down"),
        sleeps("stopped"),
        sleeps("dormant").when(Fact::Path(gate.clone()), false),
        sleeps("not-dormant").when(Fact::Path(gate), true),
        script("flaps", "exit 1").policy(|policy| policy.backoff.min = Millis(600_000)),
        script("failed", "exit 1").policy(|policy| policy.max_restarts = 1),
        sleeps("waits").needs("flaps"),
        oneshot("done", "true", None),
        oneshot("goes-on", "sleep 1000", None),
        script("listens", WAIT).of_longrun(|run| run.kept = Some(Box::new(kept))),
        script("checked", WAIT)
            .ready(Ready::Check { every: Millis(50) })
            .of_longrun(|run| run.check = Some(argv(&["sleep", "1000"]))),
        script("forks", &forks)
            .ready(Ready::Pidfile)
            .of_longrun(|run| run.pidfile = Some(heir.clone())),
        sleeps("first"),
        sleeps("second"),
        failover_of("either", &["first", "second"]),
    ]
}

fn failover_of(name: &'static str, alternatives: &[&'static str]) -> Def {
    let mut one = failover(name, Back::Sticky, alternatives, "", "string");
    one.service.outputs.clear();
    one.without_reads()
}

/// Whatever state a service is in, it is in that afterwards; what goes on in the middle of something comes to its end.
#[test]
fn every_state_goes_on() {
    let dir = world::scratch();
    assert!(Command::new("mkfifo").arg(dir.join("pidfile.go")).status().unwrap().success());
    let path = dir.join("new.db");
    let mut more = states(&dir);
    more.push(longrun("arrives", &["sleep", "1000"]));
    fs::write(&path, whole(more)).unwrap();
    let world = World::start_in(dir.clone(), &whole(states(&dir)), |_| {});
    for (name, state) in [("flaps", "backoff"), ("failed", "failed"), ("either", "ready")] {
        let reached = (0..1000).any(|_| world.status(name)["state"] == state);
        assert!(reached, "{name}");
    }
    world.ok(&["hold", "held", "up"]);
    world.ok(&["hold", "held-down", "down"]);
    world.ok(&["stop", "stopped", "held", "-n"]);
    for name in ["held-down", "stopped"] {
        world.ok(&["wait", name, "down", "-t", world::LIMIT]);
    }
    let look = || -> Vec<String> {
        let json = world.ok(&["status", "--json"]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let mut services = json["services"].as_array().unwrap().clone();
        services.retain(|one| !["arrives", "default"].contains(&one["name"].as_str().unwrap()));
        services.iter_mut().for_each(|one| {
            // They go on as well.
            one["since_ms"] = 0.into();
            one["retry_ms"] = one["retry_ms"].is_null().into();
        });
        services.iter().map(ToString::to_string).collect()
    };
    let before = look();
    let said = world.ok(&["switch", path.to_str().unwrap(), "-t", world::LIMIT]);
    assert!(said.contains("in use"), "{said}");
    world.ready("arrives");
    assert_eq!(look(), before);
    assert!(UnixStream::connect(dir.join("socket")).is_ok());
    // Each is still what it was, under its new number.
    fs::write(dir.join("pidfile.go"), "x\n").unwrap();
    world.ready("forks");
    fs::write(dir.join("gate"), "").unwrap();
    world.ready("dormant");
    world.ok(&["wait", "not-dormant", "down", "-t", world::LIMIT]);
    world.ok(&["release", "held"]);
    world.ok(&["wait", "held", "down", "-t", world::LIMIT]);
    world.ok(&["stop", "first", "-t", world::LIMIT]);
    world.ready("either");
    assert_eq!(world.status("either")["selected"], "second");
    assert_eq!(world.end().code(), Some(0));
}

#[test]
fn what_is_not_confirmed_is_not_there_after_the_next_start() {
    let (world, path) = start();
    let (path, before) = (path.to_str().unwrap(), pids(&world));
    let said = world.ok(&["switch", path, "--confirm", "10m", "-t", world::LIMIT]);
    assert!(said.contains("not confirmed: svc confirm keeps it, or in "), "{said}");
    assert_is_new(&world, before, "");
    assert_eq!(stored(&world), old(&world.dir), "the next start has the old one");
    assert!(world.ok(&["status"]).contains("is not confirmed"));
    let json: serde_json::Value = serde_json::from_str(&world.ok(&["version", "--json"])).unwrap();
    assert_eq!(json["switching"], "unconfirmed");
    assert!(json["back_ms"].as_u64().unwrap() <= 600_000);
    // It is handed over, too.
    world.ok(&["reexec"]);
    let again = world.svc(&["switch", world.dir.join("services.db").to_str().unwrap()]);
    let told = world::lossy(&again.stderr);
    assert!(again.status.code() == Some(1) && told.contains("; nothing was done"), "{told}");

    assert!(world.ok(&["confirm"]).contains("in use, and from now on in "));
    assert_eq!(stored(&world), new(&world.dir));
    assert!(!world.ok(&["status"]).contains("confirm"));
    // Once more is the same.
    assert!(world.ok(&["confirm"]).contains("in use, and in "));
    let none = world.svc(&["rollback"]);
    assert_eq!(world::lossy(&none.stderr), "svc: there is no database to go back to\n");
    assert_eq!(none.status.code(), Some(1));
    assert_eq!(world.end().code(), Some(0));
}

#[test]
fn it_goes_back_by_command_and_by_itself() {
    let (world, path) = start();
    let (path, before) = (path.to_str().unwrap(), pids(&world));
    let is_old = |when: &str| {
        world.ok(&["wait", "default", "ready", "-t", world::LIMIT]);
        assert_eq!(names(&world), OLD_NAMES, "{when}");
        assert_eq!(pids(&world), before, "{when}");
        assert_eq!(world.ok(&["outputs", "source", "v"]), "one\n", "{when}");
        assert_eq!(stored(&world), old(&world.dir), "{when}");
        assert!(!world.ok(&["status"]).contains("confirm"), "{when}");
    };
    world.ok(&["switch", path, "--confirm", "10m", "-t", world::LIMIT]);
    let said = world.ok(&["rollback", "-t", world::LIMIT]);
    assert_eq!(said, "the database before is in use again\n");
    is_old("rollback");
    assert!(!world.dir.join("services.db.next").exists());

    // At once, so that nobody can confirm.
    world.svc(&["switch", path, "--confirm", "0.001", "-t", world::LIMIT]);
    world.until_logged("jamb", "nobody has confirmed the database in use: it goes back");
    world.ok(&["wait", "leaves", "ready", "-t", world::LIMIT]);
    is_old("by itself");
    // Too late.
    let late = world.svc(&["confirm"]);
    let told = world::lossy(&late.stderr);
    assert!(told.contains("services.db.next is not in use: it went back"), "{told}");
    assert_eq!(late.status.code(), Some(1));
    assert_contiguous(&world.log("steady"), "back");
    assert_eq!(world.end().code(), Some(0));
}

#[test]
fn for_a_while_it_is_used_without_being_written() {
    let (world, path) = start();
    let (path, before) = (path.to_str().unwrap(), pids(&world));
    let said = world.ok(&["switch", path, "--temporary", "-t", world::LIMIT]);
    assert_eq!(said, "in use until the next boot\n");
    assert_is_new(&world, before, "");
    assert_eq!(stored(&world), old(&world.dir));
    assert!(!world.dir.join("services.db.next").exists());
    let back = world.dir.join("services.db");
    world.ok(&["switch", back.to_str().unwrap(), "-t", world::LIMIT]);
    world.ok(&["wait", "default", "ready", "-t", world::LIMIT]);
    assert_eq!((names(&world).as_str(), pids(&world)), (OLD_NAMES, before));
    assert_eq!(world.end().code(), Some(0));
}

#[test]
fn what_cannot_be_used_changes_nothing() {
    let (world, path) = start();
    let before = pids(&world);
    let at = |name: &str| world.dir.join(name).to_str().unwrap().to_owned();
    let mut flipped = fs::read(&path).unwrap();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(at("flipped"), flipped).unwrap();
    fs::write(at("targetless"), database(vec![longrun("x", &["sleep", "1000"])])).unwrap();
    assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    for (name, code, why) in [
        ("flipped", 1, "damaged: wrong checksum"),
        ("nothing", 1, "No such file"),
        ("fifo", 1, "not a jamb database"),
        ("run", 1, "Is a directory"),
        ("targetless", 1, "has no service default to start; nothing was done"),
    ] {
        let refused = world.svc(&["switch", &at(name)]);
        let told = world::lossy(&refused.stderr);
        assert!(told.contains(why), "{name}: {told}");
        assert_eq!(refused.status.code(), Some(code), "{name}");
    }
    assert_eq!((names(&world).as_str(), pids(&world)), (OLD_NAMES, before));
    assert_eq!(stored(&world), old(&world.dir));
    for words in [&["switch"][..], &["plan"], &["confirm", "x"], &["switch", "a", "--confirm", "x"]]
    {
        assert_eq!(world.svc(words).status.code(), Some(100), "{words:?}");
    }
    // Whoever does not wait long enough is told so, and it goes on.
    assert_eq!(world.end().code(), Some(0));
}

/// Whoever comes in through what changes could be locked out.
#[test]
fn it_is_not_cut_off_without_a_way_back() {
    let dir = world::scratch();
    let path = dir.join("new.db");
    let shell = |word: &str| {
        let code = format!(
            "echo {word}; read command < $JAMB_STATE_DIR/../../../../in; eval \"$command\"; {WAIT}"
        );
        whole(vec![script("door", &code)])
    };
    assert!(Command::new("mkfifo").arg(dir.join("in")).status().unwrap().success());
    fs::write(&path, shell("new")).unwrap();
    let world = World::start_in(dir.clone(), &shell("old"), |_| {});
    world.ready("default");
    let svc = format!("JAMB_RUN_DIR={} {JAMB} svc", world.run().display());
    let new = path.to_str().unwrap();
    let command = format!("{svc} plan {new}; {svc} switch {new} 2>&1; echo code $?\n");
    fs::write(dir.join("in"), command).unwrap();
    world.until_logged("door", "changed   door  (this session comes through it)");
    world.until_logged(
        "door",
        "this session comes through door, which stops for it; nothing was done",
    );
    world.until_logged("door", "code 1");
    assert_eq!(world.end().code(), Some(0));
}

/// A crash at one place of the change, in one way.
fn crash_at(point: &str, way: &str) {
    let (world, path) = start();
    let (path, before) = (path.to_str().unwrap(), pids(&world));
    fs::write(world.run().join("crash"), format!("{point} {way}")).unwrap();
    let words = ["switch", path, "-t", world::LIMIT];
    // If the connection was cut by the crash, nobody knows whether it was begun.
    let first = world.svc(&words);
    if !first.status.success() {
        let second = world.svc(&words);
        let told = world::lossy(&second.stderr);
        assert!(
            second.status.success() || told.contains("on its way") || told.contains("comes first"),
            "{point}: {}{told}",
            world::lossy(&first.stderr)
        );
        // What is under way comes to its end, and can be confirmed then.
        let confirmed = (0..1000).any(|_| world.svc(&["confirm"]).status.success());
        assert!(confirmed, "{point}");
    }
    assert_is_new(&world, before, point);
    let has_crashed = world.ok(&["version"]).contains(" 1 crashes");
    assert!(has_crashed || !ON_THE_WAY.contains(&point), "{point}: it did not come by");
    assert_eq!(stored(&world), new(&world.dir), "{point}");
    assert_contiguous(&world.log("steady"), point);
    assert_eq!(world.end().code(), Some(0), "{point}");
}

/// A crash at a moment that only chance knows.
#[test]
fn a_crash_at_any_moment_meanwhile_does_not_change_what_comes_of_it_either() {
    let seeds = std::env::var("HANDOVER_SEEDS").map_or(20, |text| text.parse().unwrap());
    for (seed, signal) in (0..seeds).zip(["SEGV", "ABRT", "ILL", "BUS"].iter().cycle()) {
        let (world, path) = start();
        let (path, before) = (path.to_str().unwrap(), pids(&world));
        let mut switch = world.command(&["switch", path, "-t", world::LIMIT]).spawn().unwrap();
        // No event to wait for: this is the chance.
        std::thread::sleep(Duration::from_micros(500 * (seed % 40) + 37 * seed));
        world::kill(i64::from(world.child.id()), signal);
        if !switch.wait().unwrap().success() {
            // Nobody knows how far it came.
            world.svc(&["switch", path, "-t", world::LIMIT]);
            let confirmed = (0..1000).any(|_| world.svc(&["confirm"]).status.success());
            assert!(confirmed, "seed {seed}");
        }
        let when = format!("seed {seed}");
        assert_is_new(&world, before, &when);
        assert_eq!(stored(&world), new(&world.dir), "{when}");
        assert_contiguous(&world.log("steady"), &when);
        assert_eq!(world.end().code(), Some(0), "{when}");
    }
}

/// Where it surely comes by: before the other database is in use, and after.
const ON_THE_WAY: [&str; 29] = [
    "poll",
    "signal",
    "peeked",
    "told-death",
    "released",
    "handle",
    "handled",
    "commit",
    "committed",
    "action",
    "kill",
    "withdrawn",
    "done",
    "client",
    "answered",
    "reexec",
    "take-over",
    "taken",
    "recover",
    "next-poll",
    "next-handle",
    "next-commit",
    "next-spawn",
    "next-spawned",
    "next-rendered",
    "next-publish",
    "next-published",
    "next-collector",
    "next-done",
];

#[test]
fn a_crash_anywhere_meanwhile_does_not_change_what_comes_of_it() {
    let ways = ["abort", "segv", "ill", "overflow"];
    let crash = |number: usize, point: &str| {
        println!("{point}");
        crash_at(point, ways[number % ways.len()]);
    };
    for (number, point) in jamb::CRASH_POINTS.iter().chain(&["take-over", "taken"]).enumerate() {
        crash(number, point);
        if !matches!(*point, "take-over" | "taken" | "recover") {
            crash(number, &format!("next-{point}"));
        }
    }
}
