//! Hand-over with the real binary and real processes: jamb is executed anew, is replaced by another version,
//! and crashes at every place where it can be made to, and the services do not notice.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod world;

use rc::{
    Signal,
    model::{Fact, OnChange, Ready, Relation},
};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use world::{Def, JAMB, World, bundle, file, longrun, oneshot, script};

#[test]
fn executed_anew_it_goes_on() {
    let world = World::start(vec![
        script("talks", "echo $$ up; trap 'echo hup' HUP; while :; do sleep 1000 & wait; done"),
        longrun("sleeps", &["sleep", "1000"]),
        bundle("default", &["talks", "sleeps"]),
    ]);
    world.ready("default");
    let pids = [world.pid("talks"), world.pid("sleeps")];
    for count in 1..=3 {
        let said = world.ok(&["reexec"]);
        assert!(said.contains("goes on"), "{said}");
        assert_eq!(pids, [world.pid("talks"), world.pid("sleeps")]);
        assert_eq!(world.status("talks")["generation"], 1);
        let comm = format!("/proc/{}/comm", world.child.id());
        assert_eq!(world::content(comm.as_ref()), "jamb");
        let version = world.ok(&["version"]);
        assert!(version.contains(&format!("executed anew {count} times, 0 crashes")), "{version}");
    }
    world.ok(&["restart", "sleeps", "-t", world::LIMIT]);
    assert_ne!(pids[1], world.pid("sleeps"));
    world.ok(&["signal", "HUP", "talks"]);
    world.until_logged("talks", "hup");
    assert_eq!(world.end().code(), Some(0));
}

/// Every start of a process is a line in `starts` of the state directory; the steady one counts in its log.
fn busy(dir: &Path) -> Vec<Def> {
    let note = |rest: &str| format!("echo $$ >> $JAMB_STATE_DIR/starts; {rest}");
    let wait = "while :; do sleep 1000 & wait; done";
    let count = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.02; done";
    let gate = dir.join("gate").to_str().unwrap().to_owned();
    let mut rendered = file("rendered", &dir.join("rendered"), "value %0\n").reads("source", "v");
    rendered = rendered.edge("source", Relation::Needs, OnChange::Render);
    vec![
        script("steady", &note(&format!("echo >&3; {count}"))).ready(Ready::Fd(3)),
        script("ready-fd", &note(&format!("echo READY=1 >&3; exec 3>&-; {wait}")))
            .ready(Ready::Fd(3)),
        script("says", &note(&format!("{JAMB} notify STATUS=well READY=1; {wait}")))
            .ready(Ready::Notify),
        script("source", &note(&format!("{JAMB} output v=$$; {wait}")))
            .output("v", "string")
            .ready(Ready::Outputs),
        script("reader", &note(&format!("trap 'echo changed' HUP; echo got %0; echo >&3; {wait}")))
            .ready(Ready::Fd(3))
            .edge("source", Relation::Needs, OnChange::Signal(Signal::Hup))
            .reads("source", "v"),
        rendered,
        script("gated", &note(&format!("echo >&3; {wait}")))
            .ready(Ready::Fd(3))
            .when(Fact::Path(gate), false),
        oneshot("once", &note("true"), Some(&note("true"))),
    ]
}

/// Numbers of the lines that the steady one wrote: each once, none missing.
fn contiguous(log: &str) -> usize {
    let mut last = 0;
    for line in log.lines() {
        let Some((_, number)) = line.rsplit_once("line ") else { continue };
        let number: usize = number.parse().unwrap();
        assert_eq!(number, last + 1, "a line is lost or doubled:\n{log}");
        last = number;
    }
    last
}

/// How often jamb crashed; asked as often as it takes to be answered.
fn crashes(world: &World) -> u64 {
    for _ in 0..100 {
        let output = world.svc(&["version", "--json"]);
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&output.stdout) {
            return value["crashes"].as_u64().unwrap();
        }
    }
    panic!("nobody answers");
}

/// What makes jamb come by every place. A command may meet a crash, and is given again then.
fn stir(world: &World, dir: &Path) {
    let retry = |words: &[&str]| {
        let first = world.svc(words);
        if !first.status.success() {
            world.ok(words);
        }
    };
    for name in ["ready-fd", "says", "once", "source"] {
        retry(&["restart", name, "-t", world::LIMIT]);
    }
    fs::write(dir.join("gate"), "").unwrap();
    retry(&["wait", "gated", "ready", "-t", world::LIMIT]);
    fs::remove_file(dir.join("gate")).unwrap();
    retry(&["wait", "gated", "down", "-t", world::LIMIT]);
    let version = world.svc(&["version", "--json"]).stdout;
    let version: serde_json::Value = serde_json::from_slice(&version).unwrap_or_default();
    if let Some(collector) = version["collector_pid"].as_i64() {
        world::kill(collector, "KILL");
    }
    let generation = world.status("source")["generation"].to_string();
    for value in ["v=one", "v=two"] {
        // Again, if the first was not answered.
        if !world.output("source", &generation, &[value]).status.success() {
            world.publish("source", &[value]);
        }
    }
    retry(&["stop", "source", "-t", world::LIMIT]);
    retry(&["start", "reader", "rendered", "-t", world::LIMIT]);
}

/// How often each was started.
fn generations(world: &World) -> Vec<(&'static str, u64)> {
    let names = ["steady", "ready-fd", "says", "source", "reader", "gated", "once"];
    names.map(|name| (name, world.status(name)["generation"].as_u64().unwrap())).to_vec()
}

/// No start made two processes.
fn assert_ran_once(state: &Path, starts: &[(&str, u64)], when: &str) {
    for (name, generation) in starts {
        let text = fs::read_to_string(state.join(name).join("starts")).unwrap_or_default();
        // A oneshot is stopped once in each generation.
        let want = generation * if *name == "once" { 2 } else { 1 };
        // One that was stopped at once may not have come to it.
        assert!(text.lines().count() as u64 <= want, "{when}: {name} ran too often:\n{text}");
    }
}

/// A crash at one place, in one way.
fn crash_at(point: &str, way: &str) {
    let dir = world::scratch();
    let bytes = {
        let mut defs = busy(&dir);
        let all: Vec<&'static str> = defs.iter().map(|def| def.name).collect();
        defs.push(bundle("default", &all));
        world::database(defs)
    };
    let world = World::start_in(dir.clone(), &bytes, |_| {});
    world.ready("default");
    let pid = world.pid("steady");
    world.until_logged("steady", "line 2");
    fs::write(world.run().join("crash"), format!("{point} {way}")).unwrap();
    if matches!(point, "recover" | "reexec") {
        world.svc(&["reexec"]);
    }
    let ends = matches!(point, "stop" | "over");
    if !ends {
        stir(&world, &dir);
        // Whether it says the last word and closes the pipe in one turn of jamb's is up to the scheduler.
        let again = (0..100).take_while(|_| point == "ear-last" && crashes(&world) == 0);
        again.for_each(|_| drop(world.svc(&["restart", "ready-fd", "-t", world::LIMIT])));
        // The collector is replaced a little later.
        let crashed = (0..500).any(|_| crashes(&world) == 1);
        assert!(crashed, "it does not come by {point}");
    }
    assert_eq!(world.pid("steady"), pid, "{point}");
    world.ok(&["wait", "default", "ready", "-t", world::LIMIT]);
    let starts = generations(&world);
    let rendered = world::content(&dir.join("rendered"));
    let value = world.ok(&["outputs", "source", "v"]);
    assert_eq!(rendered, format!("value {}", value.trim()), "{point}");
    let outputs = fs::read_dir(world.run().join("services/outputs")).unwrap();
    assert_eq!(outputs.count(), 2, "{point}: something was left behind");
    let state = world.run().join("services/state");
    let end = world.end_keeping();
    assert_eq!(end.code(), Some(0), "{point}");
    assert_ran_once(&state, &starts, point);
    let log = fs::read_to_string(dir.join("run/log/steady/current")).unwrap();
    let own = fs::read_to_string(dir.join("run/log/jamb/current")).unwrap();
    assert!(own.contains("jamb crashed (SIG"), "{point}: {own}");
    assert!(!own.contains("not ready in time"), "{point}: what it said was lost: {own}");
    assert!(contiguous(&log) > 1, "{point}: {log}");
    // The collector may still be ending.
    fs::remove_dir_all(dir).ok();
}

/// The socket of a process that was not started is made anew, at the same path.
#[test]
fn who_was_about_to_be_started_can_say_that_it_is_ready() {
    let dir = world::scratch();
    let mut defs = busy(&dir);
    defs.retain(|def| def.name == "says");
    defs.push(bundle("default", &["says"]));
    let world = World::start_in(dir, &world::database(defs), |_| {});
    world.ready("says");
    fs::write(world.run().join("crash"), "spawn segv").unwrap();
    world.ok(&["restart", "says", "-t", "45"]);
    assert_eq!(crashes(&world), 1);
    assert_eq!(world.status("says")["status"], "well");
    assert_eq!(world.end().code(), Some(0));
}

#[test]
fn it_goes_on_from_a_crash_anywhere() {
    for (number, point) in jamb::CRASH_POINTS.iter().enumerate() {
        println!("{point}");
        crash_at(point, ["abort", "segv", "ill", "overflow"][number % 4]);
    }
}

/// Crashes while services die and are restarted, at moments that only chance knows.
fn crash_at_any_moment(seed: u32) {
    let mut random = seed;
    let mut pick = |below: u32| {
        // Numerical Recipes' generator; its upper bits are the better ones.
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) % below
    };
    let dir = world::scratch();
    let mut defs = busy(&dir);
    let all: Vec<&'static str> = defs.iter().map(|def| def.name).collect();
    defs.push(bundle("default", &all));
    let world = World::start_in(dir, &world::database(defs), |_| {});
    world.ready("default");
    world.until_logged("steady", "line 2");
    // One more within a minute would be a loop.
    for count in 1..=4 {
        let mut commands = Vec::new();
        for _ in 0..4 {
            let name = ["ready-fd", "says", "source", "reader", "once"][pick(5) as usize];
            match world.status(name)["pid"].as_i64() {
                Some(pid) if pick(2) == 0 => world::kill(pid, "KILL"),
                _ => {
                    let words = ["restart", name, "-t", world::LIMIT];
                    commands.push(world.command(&words).spawn().unwrap());
                }
            }
        }
        // No event to wait for: this is the chance.
        std::thread::sleep(Duration::from_micros(u64::from(pick(10_000))));
        world::kill(i64::from(world.child.id()), ["SEGV", "ABRT", "ILL", "BUS"][pick(4) as usize]);
        // Their connections may have been cut.
        for mut command in commands {
            command.wait().unwrap();
        }
        let again = (0..1000).any(|_| crashes(&world) == count);
        assert!(again, "seed {seed}: crash {count} was not survived");
        // What said that it is ready, and was not heard, would have a minute.
        world.ok(&["wait", "default", "ready", "-t", "45"]);
    }
    let starts = generations(&world);
    assert_ran_once(&world.run().join("services/state"), &starts, &format!("seed {seed}"));
    assert!(contiguous(&world.log("steady")) > 1, "seed {seed}");
    assert_eq!(world.end().code(), Some(0), "seed {seed}");
}

/// `HANDOVER_SEEDS` says how many; the gate has time for a few.
#[test]
fn it_goes_on_from_a_crash_at_any_moment() {
    let seeds = std::env::var("HANDOVER_SEEDS").map_or(20, |text| text.parse().unwrap());
    (1..=seeds).for_each(crash_at_any_moment);
}

/// The binary under test under another name: `NAME.next` writes the format after this one.
fn version(dir: &Path, name: &str) -> String {
    let path = dir.join(name);
    world::copy_jamb(&path);
    path.to_str().unwrap().to_owned()
}

fn two() -> Vec<Def> {
    vec![
        script("talks", "echo >&3; while :; do echo on; sleep 0.05; done").ready(Ready::Fd(3)),
        longrun("sleeps", &["sleep", "1000"]).needs("talks"),
    ]
}

#[test]
fn another_version_takes_over_and_an_older_one_does_not() {
    let world = World::start(two());
    world.ready("default");
    let pids = || [world.pid("talks"), world.pid("sleeps")];
    let before = pids();
    let (next, own) = (version(&world.dir, "jamb.next"), version(&world.dir, "jamb"));
    for count in 1..=2 {
        world.ok(&["upgrade", &next]);
        world.until_logged("jamb", &format!("the next format's field is {count}"));
    }
    assert_eq!(before, pids());
    // The file is not needed: what runs is what was opened.
    fs::remove_file(&next).unwrap();
    world.ok(&["reexec"]);

    for (path, why) in [
        (own.as_str(), "this jamb reads up to"),
        ("/bin/true", "the new version"),
        ("/bin/sleep", "the new version"),
        ("/etc/passwd", "cannot use /etc/passwd"),
        ("/nowhere", "No such file"),
        ("relative", "absolute"),
    ] {
        let refused = world.svc(&["upgrade", path]);
        let told = world::lossy(&refused.stderr);
        assert!(!refused.status.success() && told.contains(why), "{path}: {told}");
    }
    assert_eq!(before, pids());
    world.ok(&["restart", "sleeps", "-t", world::LIMIT]);
    let version = world.ok(&["version"]);
    assert!(version.contains("executed anew 3 times, 0 crashes"), "{version}");
    assert_eq!(world.end().code(), Some(0));
}

/// This very program, but for the schema of the database that it knows: it cannot read the one in use.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_version_with_another_schema_of_the_database_does_not_take_over() {
    let world = World::start(two());
    world.ready("default");
    let pids = || [world.pid("talks"), world.pid("sleeps")];
    let before = pids();
    let (own, other) = (rc::db::SCHEMA.to_le_bytes(), (rc::db::SCHEMA ^ 1).to_le_bytes());
    let mut program = fs::read(JAMB).unwrap();
    let places: Vec<usize> =
        (0..program.len() - 8).filter(|at| program[*at..*at + 8] == own).collect();
    assert!(!places.is_empty());
    for at in places {
        program[at..at + 8].copy_from_slice(&other);
    }
    let (written, path) = (world.dir.join("written"), version(&world.dir, "other"));
    fs::write(&written, program).unwrap();
    world::copy_program(&written, Path::new(&path));
    let refused = world.svc(&["upgrade", &path]);
    let told = world::lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("made by another jambc"), "{told}");
    assert!(told.contains("install both and reboot"), "{told}");
    assert!(told.contains("this one goes on"), "{told}");
    assert_eq!(before, pids());
    let version = world.ok(&["version"]);
    assert!(!version.contains("executed anew"), "{version}");
    assert_eq!(world.end().code(), Some(0));
}

/// A program that does nothing but to wait for ever, whatever it is told: pause(2) in a loop.
#[cfg(target_arch = "x86_64")]
fn waits_for_ever() -> Vec<u8> {
    const CODE: &[u8] = b"\xb8\x22\0\0\0\x0f\x05\xeb\xf7";
    const HEADERS: u64 = 64 + 56;
    const BASE: u64 = 0x40_0000;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    let numbers = |file: &mut Vec<u8>, size: usize, all: &[u64]| {
        all.iter().for_each(|number| file.extend(&number.to_le_bytes()[..size]));
    };
    // elf(5): the header, one segment that is loaded with all of the file, and the code.
    numbers(&mut file, 2, &[2, 62]);
    numbers(&mut file, 4, &[1]);
    numbers(&mut file, 8, &[BASE + HEADERS, 64, 0]);
    numbers(&mut file, 4, &[0]);
    numbers(&mut file, 2, &[64, 56, 1, 0, 0, 0]);
    numbers(&mut file, 4, &[1, 5]);
    let length = HEADERS + CODE.len() as u64;
    numbers(&mut file, 8, &[0, BASE, BASE, length, length, 0x1000]);
    file.extend(CODE);
    file
}

#[cfg(target_arch = "x86_64")]
#[test]
fn another_version_that_does_not_answer_is_ended() {
    let world = World::start(two());
    world.ready("default");
    let pid = world.pid("talks");
    let path = version(&world.dir, "waits");
    let written = world.dir.join("written");
    fs::write(&written, waits_for_ever()).unwrap();
    world::copy_program(&written, Path::new(&path));
    let start = Instant::now();
    let refused = world.svc(&["upgrade", &path]);
    let (took, told) = (start.elapsed().as_secs(), world::lossy(&refused.stderr));
    assert!(told.contains("KILL") && told.contains("this one goes on"), "{told}");
    assert!((9..20).contains(&took), "{took} s");
    assert_eq!(world.pid("talks"), pid);
    assert_eq!(world.end().code(), Some(0));
}

/// A new version that crashes while it takes over is followed by the one before.
#[test]
fn a_version_that_crashes_at_once_is_followed_by_the_one_before() {
    let world = World::start(two());
    world.ready("default");
    let pid = world.pid("talks");
    let next = version(&world.dir, "jamb.next");
    fs::write(world.run().join("crash"), "take-over segv").unwrap();
    assert!(!world.svc(&["upgrade", &next]).status.success() || crashes(&world) == 1);
    assert_eq!(crashes(&world), 1);
    assert_eq!(world.pid("talks"), pid);
    // It is the one before: the next one would say so again.
    assert!(!world.log("jamb").contains("the next format"));
    assert_eq!(world.end().code(), Some(0));
}

/// What follows a crash may crash as well while it takes over: another one takes over from the same memory. Then
/// jamb only reaps, and ends in order.
#[test]
fn a_crash_while_taking_over_is_survived_once() {
    for place in ["take-over", "taken"] {
        let world = World::start(two());
        world.ready("default");
        let pid = world.pid("talks");
        fs::write(world.run().join("crash"), format!("{place} segv")).unwrap();
        world::kill(i64::from(world.child.id()), "SEGV");
        assert!((0..1000).any(|_| crashes(&world) == 2), "{place}");
        assert_eq!(world.pid("talks"), pid);
        world.ok(&["restart", "sleeps", "-t", world::LIMIT]);
        assert_eq!(world.pid("talks"), pid);

        fs::write(world.run().join("crash"), format!("{place} abort 2")).unwrap();
        world::kill(i64::from(world.child.id()), "SEGV");
        // That they go on meanwhile is seen where PID 1 tells of it, in handover_pid1.rs.
        assert_eq!(world.end().code(), Some(111));
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "services end with it");
    }
}

#[test]
fn five_crashes_in_a_minute_are_a_loop() {
    let world = World::start(two());
    world.ready("default");
    let pid = world.pid("talks");
    for count in 1..=4 {
        world::kill(i64::from(world.child.id()), "SEGV");
        assert!((0..1000).any(|_| crashes(&world) == count), "crash {count}");
    }
    world.ok(&["restart", "sleeps", "-t", world::LIMIT]);
    assert_eq!(world.pid("talks"), pid);
    world::kill(i64::from(world.child.id()), "SEGV");
    assert_eq!(world.end().code(), Some(111));
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}
