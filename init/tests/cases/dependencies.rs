//! What services are to each other: order, loss and recovery, soft relations, and commands meanwhile.

use crate::{
    child::{finish, longrun, oneshot},
    events::What,
    rig::Rig,
    world::{self, Def, JAMB, bundle, database, scratch},
};
use rc::{
    Backoff, Millis,
    model::{OnChange, Ready, Relation, Restart},
};

/// Ready when it is told to be.
fn slow(name: &'static str) -> Def {
    longrun(name).ready(Ready::Fd(3))
}

/// finit, dinit `before`/`after`: order alone; it pulls nothing in and demands nothing.
#[test]
fn after_orders_and_nothing_else() {
    let after = |def: Def, to| def.edge(to, Relation::After, OnChange::Ignore);
    let rig = Rig::start_with(
        vec![
            slow("first"),
            after(longrun("second"), "first"),
            longrun("absent"),
            after(longrun("third"), "absent"),
            bundle("default", &["first", "second", "third"]),
        ],
        |_| {},
        |_| {},
    );
    // What is not wanted is not waited for.
    rig.state("third", "ready");
    let mut first = rig.run("first");
    assert_eq!(rig.world.status("second")["waiting_on"][0], "first");
    first.ready();
    let ready = rig.state("first", "ready");
    assert!(ready < rig.state("second", "starting"));
    assert_eq!(rig.now("absent"), "down");
    // Its failure is no reason to stop, nor is a stop.
    let pid = rig.world.pid("second");
    first.exit(1);
    rig.state("first", "backoff");
    rig.svc(&["stop", "first"]);
    assert_eq!((rig.now("second").as_str(), rig.world.pid("second")), ("ready", pid));
    rig.end();
}

/// dinit's pseudo-cycle, a diamond: reached twice, started once.
#[test]
fn a_diamond_is_no_cycle() {
    let rig = Rig::start(vec![
        longrun("root"),
        longrun("left").needs("root"),
        longrun("right").needs("root").edge("left", Relation::After, OnChange::Ignore),
        longrun("top").needs("left").needs("right").needs("root"),
    ]);
    rig.state("top", "ready");
    // A hub's restart restarts each of them once, not once per way.
    rig.svc(&["restart", "root", "-t", world::LIMIT]);
    rig.svc(&["wait", "default", "-t", world::LIMIT]);
    for name in ["root", "left", "right", "top"] {
        assert_eq!(rig.world.status(name)["generation"], 2, "{name}");
    }
    rig.end();
}

/// dinit `soft-failure`, systemd `Wants=`: eight ways to fail, none of which keeps others down.
#[test]
fn a_soft_dependency_may_fail_in_eight_ways() {
    let give_up = |def: Def| def.policy(|policy| policy.restart = Restart::Never);
    let soft = [
        give_up(world::longrun("1-missing", &["/no/such/program"])),
        give_up(world::script("2-exits", "exit 1").ready(Ready::Fd(3))),
        give_up(slow("3-late").policy(|policy| policy.start_timeout = Some(Millis(50)))),
        give_up(world::script("4-closes", "exec 3>&-; exec sleep 1000").ready(Ready::Fd(3))),
        give_up(world::oneshot("5-oneshot", "exit 1", None)),
        give_up(world::script("6-crashes", "kill -SEGV $$").ready(Ready::Fd(3))),
        longrun("7-blocked").needs("1-missing"),
        world::oneshot("8-tries-again", "exit 1", None).policy(|policy| {
            policy.backoff = Backoff { min: Millis(600_000), max: Millis(600_000) };
        }),
    ];
    let name = |def: &Def| -> &'static str { format!("for-{}", def.name).leak() };
    let wanting =
        soft.iter().map(|def| longrun(name(def)).edge(def.name, Relation::Wants, OnChange::Ignore));
    let wanting: Vec<Def> = wanting.collect();
    let names: Vec<&'static str> = wanting.iter().map(|def| def.name).collect();
    let mut defs = vec![bundle("default", &names)];
    defs.extend(wanting);
    defs.extend(soft.iter().cloned());
    let rig = Rig::start_with(defs, |_| {}, |_| {});
    for (def, wanting) in soft.iter().zip(&names) {
        let ready = rig.state(wanting, "ready");
        let settled = |what: &What| match what {
            What::State { to, .. } => matches!(to.as_str(), "failed" | "backoff" | "waiting"),
            _ => false,
        };
        // It was waited for until that was known.
        let failed = rig.events.next(def.name, "given up", settled).number;
        assert!(failed < ready, "{wanting} did not wait for {}", def.name);
        let state = rig.now(def.name);
        assert!(["failed", "backoff", "waiting"].contains(&state.as_str()), "{state}");
    }
    rig.state("default", "ready");
    rig.end();
}

/// A soft dependency that is slow is waited for, and pulled in.
#[test]
fn a_soft_dependency_is_waited_for() {
    let rig = Rig::start_with(
        vec![
            slow("soft"),
            longrun("wanting").edge("soft", Relation::Wants, OnChange::Ignore),
            bundle("default", &["wanting"]),
        ],
        |_| {},
        |_| {},
    );
    let mut soft = rig.run("soft");
    assert_eq!(rig.world.status("wanting")["waiting_on"][0], "soft");
    soft.ready();
    rig.state("wanting", "ready");
    let pid = rig.world.pid("wanting");
    // From then on what becomes of it is its own affair.
    soft.exit(1);
    rig.run("soft").ready();
    rig.state("soft", "backoff");
    rig.state("soft", "ready");
    assert_eq!(rig.world.pid("wanting"), pid);
    rig.end();
}

/// dinit `depends-ms`, a milestone: it must have been ready; a later failure is ignored.
#[test]
fn a_milestone_must_have_been_reached_once() {
    let rig = Rig::start(vec![
        slow("milestone").policy(|policy| policy.restart = Restart::Never),
        longrun("daemon").edge("milestone", Relation::Needs, OnChange::Ignore),
    ]);
    let mut milestone = rig.run("milestone");
    assert_eq!(rig.world.status("daemon")["generation"], 0);
    milestone.ready();
    rig.state("daemon", "ready");
    milestone.exit(1);
    rig.state("milestone", "failed");
    assert_eq!(rig.now("daemon"), "ready");
    // But without it there is no start.
    rig.run("daemon").exit(1);
    rig.state("daemon", "backoff");
    rig.state("daemon", "waiting");
    assert_eq!(rig.world.status("daemon")["waiting_on"][0], "milestone");
    rig.order("start", "milestone");
    rig.run("milestone").ready();
    rig.state("daemon", "ready");
    rig.end();
}

/// The pain of s6-rc that began it all: who depends on what died stops, and comes back with it.
#[test]
fn dependents_stop_and_restart_with_their_dependency() {
    let rig = Rig::start(vec![
        slow("a"),
        longrun("b").needs("a"),
        longrun("c").needs("b"),
        longrun("d").needs("c"),
        longrun("beside"),
    ]);
    let mut a = rig.run("a");
    a.ready();
    rig.state("d", "ready");
    rig.state("beside", "ready");
    let (_b, mut c, d) = (rig.run("b"), rig.run("c"), rig.run("d"));
    // What stands between does not answer at once, so the order can be seen.
    c.tell("catch 15");
    a.exit(1);
    d.gone();
    c.caught(15);
    assert_eq!((rig.now("b").as_str(), rig.now("d").as_str()), ("stopping", "waiting"));
    // It is ready again before its dependents are down, and they come back all the same.
    let mut again = rig.run("a");
    again.ready();
    rig.state("a", "ready");
    assert_eq!(rig.now("b"), "stopping");
    c.exit(0);
    rig.svc(&["wait", "default", "-t", world::LIMIT]);
    for name in ["a", "b", "c", "d"] {
        assert_eq!(rig.world.status(name)["generation"], 2, "{name}");
    }
    assert_eq!(rig.world.status("beside")["generation"], 1);
    rig.state("a", "ready");
    assert_eq!(
        rig.events.story_of("a"),
        "starting ready run:exit 1 backoff waiting starting ready"
    );
    rig.end();
}

/// s6-rc's `-d` and `-u`: what was stopped by command takes its dependents down; the start brings them up.
#[test]
fn a_stop_by_command_is_undone_by_a_start() {
    let rig = Rig::start(vec![longrun("a"), longrun("b").needs("a"), longrun("c").needs("b")]);
    rig.state("c", "ready");
    rig.svc(&["stop", "a", "-t", world::LIMIT]);
    assert_eq!(rig.now("a"), "down");
    for dependent in ["b", "c"] {
        let status = rig.world.status(dependent);
        assert_eq!((&status["state"], &status["want"]), (&"waiting".into(), &"up".into()));
    }
    let why = rig.world.ok(&["why", "c"]);
    assert!(why.contains("stopped by command"), "{why}");
    rig.svc(&["start", "a", "-t", world::LIMIT]);
    rig.state("c", "waiting");
    rig.state("c", "ready");
    // A start of what depends on it lifts the stop, too.
    rig.svc(&["stop", "a", "-t", world::LIMIT]);
    rig.svc(&["start", "c", "-t", world::LIMIT]);
    assert_eq!(rig.world.status("a")["generation"], 3);
    rig.end();
}

/// finit's `reload` without changes: commands that ask for what is so disturb nothing.
#[test]
fn a_command_for_what_is_so_disturbs_nothing() {
    let source = longrun("source").output("mark", "int").ready(Ready::Outputs);
    let rig = Rig::start(vec![source, longrun("reader").reads("source", "mark")]);
    let mut child = rig.run("source");
    child.tell(&format!("run {JAMB} output mark=5"));
    rig.state("default", "ready");
    let before = (rig.world.pid("source"), rig.world.pid("reader"));
    for name in ["source", "reader", "default"] {
        rig.svc(&["start", name]);
    }
    assert_eq!(child.tell(&format!("run {JAMB} output mark=5")), "0");
    assert_eq!((rig.world.pid("source"), rig.world.pid("reader")), before);
    let all = rig.end();
    let spawned = all.iter().filter(|event| matches!(event.what, What::Spawned { .. }));
    assert_eq!(spawned.count(), 2);
}

/// systemd: dependents stay down after the dependency recovered. Not here.
#[test]
fn a_blocked_dependent_starts_after_recovery() {
    let give_up = |policy: &mut rc::model::Policy| policy.max_restarts = 1;
    let rig = Rig::start(vec![
        slow("root").policy(give_up),
        longrun("middle").needs("root"),
        longrun("top").needs("middle"),
    ]);
    rig.run("root").exit(1);
    rig.run("root").exit(1);
    rig.state("root", "failed");
    assert_eq!(rig.now("top"), "waiting");
    // Nobody has to know that `top` exists.
    rig.order("start", "root");
    rig.run("root").ready();
    rig.state("top", "ready");
    rig.end();
}

/// systemd's transaction with a cycle of twenty jobs: such a database is refused, and nothing crashes.
#[test]
fn a_cycle_of_twenty_is_refused() {
    let name = |n: usize| -> &'static str { format!("s{n:02}").leak() };
    let defs = (0..20).map(|n| longrun(name(n)).needs(name((n + 1) % 20))).collect();
    let dir = scratch();
    let db = dir.join("services.db");
    std::fs::write(&db, database(defs)).unwrap();
    let mut command = std::process::Command::new(JAMB);
    command.arg("supervise").arg("--db").arg(&db).arg("--run-dir").arg(dir.join("run"));
    let output = command.output().unwrap();
    let told = world::lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(111), "{told}");
    assert!(told.contains("depends on itself") && told.contains("nothing was started"), "{told}");
    std::fs::remove_dir_all(dir).ok();
}

/// OpenRC, systemd: a root that fails is tried once, not once for each of those that need it.
#[test]
fn a_failing_root_is_attempted_once() {
    let names: Vec<&'static str> =
        (0..10).map(|n| -> &'static str { format!("d{n}").leak() }).collect();
    let mut defs = vec![oneshot("root").policy(|policy| policy.restart = Restart::Never)];
    defs.extend(names.iter().map(|name| longrun(name).needs("root")));
    let rig = Rig::start(defs);
    rig.children.next("root", "up").exit(1);
    rig.state("root", "failed");
    assert_eq!(rig.world.status("root")["generation"], 1);
    // One command for all of them is one more attempt.
    let mut words = vec!["start", "-t", world::LIMIT];
    words.extend(&names);
    let mut start = rig.world.command(&words).spawn().unwrap();
    rig.children.next("root", "up").exit(1);
    assert_eq!(start.wait().unwrap().code(), Some(1));
    assert_eq!(rig.world.status("root")["generation"], 2);
    let all = rig.end();
    let starts = all.iter().filter(|event| matches!(event.what, What::Spawned { .. }));
    assert_eq!(starts.count(), 2, "none of the ten was started");
}

/// s6-rc's lock: a DHCP client that waits for a bridge must not keep away who adds the bridge's member.
#[test]
fn a_wait_for_readiness_does_not_hold_up_commands() {
    let rig = Rig::start_with(
        vec![
            slow("bridge"),
            longrun("dhcp").needs("bridge"),
            longrun("member"),
            bundle("default", &["dhcp"]),
        ],
        |_| {},
        |_| {},
    );
    let mut bridge = rig.run("bridge");
    let mut waits: Vec<_> = (0..3)
        .map(|_| rig.world.command(&["start", "dhcp", "-t", world::LIMIT]).spawn().unwrap())
        .collect();
    rig.svc(&["start", "member", "-t", world::LIMIT]);
    rig.svc(&["restart", "member", "-t", world::LIMIT]);
    rig.svc(&["stop", "member", "-t", world::LIMIT]);
    rig.svc(&["start", "member", "-t", world::LIMIT]);
    assert_eq!(rig.now("dhcp"), "waiting");
    // Now that there is a member, the bridge carries.
    bridge.ready();
    for wait in &mut waits {
        assert_eq!(wait.wait().unwrap().code(), Some(0));
    }
    rig.end();
}

/// A bundle is ready with its members, those added from outside as well, and leaves with them.
#[test]
fn a_bundle_follows_its_members() {
    let rig = Rig::start_with(
        vec![
            slow("one"),
            slow("two"),
            bundle("group", &["one", "two"]),
            longrun("user").needs("group"),
            bundle("default", &["user"]),
        ],
        |_| {},
        |_| {},
    );
    let (mut one, mut two) = (rig.run("one"), rig.run("two"));
    one.ready();
    rig.state("one", "ready");
    assert_eq!(rig.now("group"), "waiting");
    two.ready();
    rig.state("user", "ready");
    one.exit(1);
    rig.state("group", "stopping");
    rig.state("user", "waiting");
    rig.run("one").ready();
    rig.state("user", "ready");
    assert_eq!(rig.world.status("two")["generation"], 1);
    rig.end();
}

/// Where a command meets a service; see [`a_command_during_each_transition`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum During {
    Waiting,
    Starting,
    Ready,
    Draining,
    Ending,
    Finishing,
    Backoff,
    Failed,
}

/// dinit's `restart`, `cancel` and `start-stop` tests, in general: in each state of a service each
/// command ends where it should, with one process or none.
#[test]
fn a_command_during_each_transition() {
    use During::{Backoff, Draining, Ending, Failed, Finishing, Ready, Starting, Waiting};
    for during in [Waiting, Starting, Ready, Draining, Ending, Finishing, Backoff, Failed] {
        for verb in ["start", "stop", "restart"] {
            command_during(during, verb);
        }
    }
}

fn command_during(during: During, verb: &str) {
    let rig = Rig::start(vec![
        slow("root"),
        slow("service").needs("root").finish(&finish()).policy(|policy| {
            policy.backoff = Backoff { min: Millis(600_000), max: Millis(600_000) };
            policy.finish_timeout = Millis(60_000);
            if during == During::Failed {
                policy.restart = Restart::Never;
            }
        }),
        longrun("top").needs("service"),
    ]);
    let mut root = rig.run("root");
    if during == During::Waiting {
        rig.order(verb, "service");
        root.ready();
        rig.state("root", "ready");
        return check(rig, verb, 1);
    }
    root.ready();
    let mut service = rig.run("service");
    let finished = || rig.children.next("service", "finish").exit(0);
    match during {
        During::Waiting => {}
        During::Starting => {
            rig.order(verb, "service");
            if verb == "start" {
                service.ready();
                rig.state("service", "ready");
                rig.end();
                return;
            }
            service.gone();
            finished();
        }
        During::Ready => {
            service.ready();
            rig.state("top", "ready");
            rig.order(verb, "service");
            if verb == "start" {
                assert_eq!(rig.world.status("service")["generation"], 1);
                rig.end();
                return;
            }
            service.gone();
            finished();
        }
        During::Draining => {
            service.ready();
            let mut top = rig.run("top");
            top.tell("catch 15");
            rig.order("restart", "service");
            top.caught(15);
            rig.order(verb, "service");
            assert_eq!(rig.now("service"), "stopping");
            top.exit(0);
            service.gone();
            finished();
        }
        During::Ending => {
            service.tell("catch 15");
            rig.order("restart", "service");
            service.caught(15);
            rig.order(verb, "service");
            service.exit(0);
            finished();
        }
        During::Finishing => {
            service.exit(0);
            let finish = rig.children.next("service", "finish");
            rig.order(verb, "service");
            finish.exit(0);
        }
        During::Backoff | During::Failed => {
            service.exit(1);
            finished();
            let state = if during == During::Backoff { "backoff" } else { "failed" };
            rig.state("service", state);
            rig.order(verb, "service");
        }
    }
    check(rig, verb, 2);
}

/// After the command: up in this generation with what depends on it, or down with nothing left.
fn check(rig: Rig, verb: &str, generation: u32) {
    if verb == "stop" {
        rig.state("service", "down");
        let status = rig.world.status("service");
        assert!(status["pid"].is_null() && status["retry_ms"].is_null(), "{status}");
        assert_eq!(
            (status["generation"].as_u64(), rig.now("top")),
            (Some(u64::from(generation - 1)), "waiting".to_owned())
        );
        assert!(rig.children.has_come("service", "run").is_none());
    } else {
        let mut service = rig.run("service");
        assert_eq!(service.generation, generation);
        service.ready();
        rig.svc(&["wait", "top", "-t", world::LIMIT]);
        assert_eq!(rig.world.pid("service"), service.pid);
    }
    rig.end();
}
