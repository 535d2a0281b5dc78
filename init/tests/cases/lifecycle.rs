//! How services start, fail, are given up, and end.

use crate::{
    child::{finish, longrun, oneshot, oneshot_with_down},
    events::What,
    rig::Rig,
    world::{self, JAMB, bundle},
};
use rc::{
    Backoff, Millis,
    model::{Ready, Restart},
};

const HUP: i32 = 1;
const KILL: i32 = 9;
const USR1: i32 = 10;
const SEGV: i32 = 11;
const USR2: i32 = 12;
const TERM: i32 = 15;
const WINCH: i32 = 28;

/// dinit, s6-rc: the boot target starts its chain, each after the readiness of the one before.
#[test]
fn the_boot_target_starts_its_chain() {
    let rig = Rig::start_with(
        vec![
            oneshot("a"),
            longrun("b").ready(Ready::Fd(3)).needs("a"),
            longrun("c").needs("b"),
            bundle("default", &["c"]),
            longrun("unrelated"),
        ],
        |_| {},
        |_| {},
    );
    let up = rig.children.next("a", "up");
    assert_eq!((rig.now("b").as_str(), rig.now("c").as_str()), ("waiting", "waiting"));
    up.exit(0);
    let mut b = rig.run("b");
    assert_eq!((rig.now("a").as_str(), rig.now("c").as_str()), ("ready", "waiting"));
    b.ready();
    rig.state("default", "ready");
    assert_eq!(rig.now("unrelated"), "down");
    let all = rig.end();
    assert!(all.iter().any(|event| event.what == What::Settled { ready: true }));
    let down = |name: &str| {
        let is = |what: &What| matches!(what, What::State { to, .. } if to == "down");
        all.iter().find(|e| e.service == name && is(&e.what)).map(|event| event.number)
    };
    // Down in the reverse order.
    assert!(down("c").is_some() && down("c") < down("b") && down("b") < down("a"), "{all:?}");
}

/// runit's and nitro's `down` file: what nothing wants stays down until somebody starts it.
#[test]
fn down_by_default_stays_down() {
    let services = vec![longrun("idle"), longrun("main"), bundle("default", &["main"])];
    let rig = Rig::start_with(services, |_| {}, |_| {});
    rig.state("default", "ready");
    assert_eq!(rig.world.status("idle")["generation"], 0);
    // Its neighbour's death is no reason either.
    rig.run("main").exit(1);
    rig.run("main");
    assert_eq!(rig.now("idle"), "down");
    rig.svc(&["start", "idle"]);
    let idle = rig.run("idle");
    rig.svc(&["stop", "idle"]);
    idle.gone();
    rig.svc(&["start", "main"]);
    assert_eq!(rig.now("idle"), "down");
    rig.end();
}

/// runit's `once`, procd without `respawn`: what ended is left alone, and starts again by command only.
#[test]
fn once_is_not_respawned() {
    let rig = Rig::start(vec![
        longrun("once").policy(|policy| policy.restart = Restart::Never),
        longrun("other"),
    ]);
    for (generation, code) in [(1, 0), (2, 1)] {
        let child = rig.run("once");
        assert_eq!(child.generation, generation);
        child.exit(code);
        rig.state("once", "failed");
        // Others come and go meanwhile.
        rig.run("other").exit(1);
        rig.state("other", "backoff");
        rig.state("other", "ready");
        let status = rig.world.status("once");
        assert_eq!(status["state"], "failed");
        assert_eq!(status["generation"], generation);
        assert!(status["retry_ms"].is_null(), "{status}");
        rig.order("start", "once");
    }
    rig.end();
}

/// nitro `setup`: a set-up that fails is tried again, later each time, and then goes on.
#[test]
fn setup_failure_retries_with_delay() {
    let backoff = Backoff { min: Millis(30), max: Millis(1000) };
    let setup = oneshot("setup").policy(|policy| policy.backoff = backoff);
    let rig = Rig::start(vec![setup, longrun("main").needs("setup")]);
    let mut delays = Vec::new();
    for _ in 0..3 {
        rig.children.next("setup", "up").exit(1);
        let enters = |state: &'static str| move |what: &What| matches!(what, What::State { to, .. } if to == state);
        let failed = rig.events.next("setup", "backoff", enters("backoff")).at_ms;
        delays.push(rig.events.next("setup", "starting", enters("starting")).at_ms - failed);
    }
    // 30, 60 and 120 ms, less the moment between deciding and recording it.
    assert!(delays[0] >= 20 && delays[1] >= 50 && delays[2] >= 110, "{delays:?}");
    assert_eq!(rig.world.status("main")["generation"], 0);
    rig.children.next("setup", "up").exit(0);
    rig.state("main", "ready");
    rig.end();
}

/// s6's and nitro's `finish`: it is told the exit code or the signal, and the name.
#[test]
fn finish_sees_code_and_signal() {
    let rig = Rig::start(vec![longrun("daemon").finish(&finish())]);
    rig.run("daemon").exit(7);
    let finish = rig.children.next("daemon", "finish");
    assert_eq!(finish.arguments, ["7", "0", "daemon"]);
    assert_eq!(finish.generation, 1);
    // While it runs nothing of the next run does.
    assert_eq!(rig.now("daemon"), "stopping");
    assert!(rig.children.has_come("daemon", "run").is_none());
    finish.exit(0);
    rig.run("daemon").die(SEGV);
    let finish = rig.children.next("daemon", "finish");
    assert_eq!(finish.arguments, ["256", "11", "daemon"]);
    // How it ends itself changes nothing.
    finish.exit(9);
    let child = rig.run("daemon");
    rig.order("stop", "daemon");
    child.gone();
    let finish = rig.children.next("daemon", "finish");
    assert_eq!(finish.arguments, ["256", "15", "daemon"]);
    finish.exit(0);
    rig.state("daemon", "down");
    rig.end();
}

/// s6's `timeout-finish`: a finish that hangs is killed, and the service goes on.
#[test]
fn finish_over_its_timeout_is_killed() {
    let rig = Rig::start(vec![
        longrun("daemon").finish(&finish()).policy(|policy| policy.finish_timeout = Millis(50)),
    ]);
    rig.run("daemon").exit(0);
    // It is told nothing, so it hangs.
    let (exit, timed_out) = rig.events.exited("daemon", "finish");
    assert_eq!((exit.signal, timed_out), (Some(9), true));
    assert_eq!(rig.run("daemon").generation, 2);
    rig.world.until_logged("jamb", "its finish program took too long");
    rig.state("daemon", "ready");
    rig.end();
}

/// dinit `restart-limit`, s6's `max-death-tally`: the limit makes it failed, and dependents show why.
#[test]
fn at_the_rate_limit_it_is_failed_and_dependents_know() {
    let rig = Rig::start(vec![
        longrun("weak").ready(Ready::Fd(3)).policy(|policy| policy.max_restarts = 2),
        longrun("middle").needs("weak"),
        longrun("top").needs("middle"),
    ]);
    let mut weak = rig.run("weak");
    weak.ready();
    rig.state("top", "ready");
    weak.exit(3);
    for _ in 0..2 {
        rig.run("weak").exit(3);
    }
    rig.state("weak", "failed");
    for dependent in ["middle", "top"] {
        rig.world.ok(&["wait", dependent, "down"]);
        assert_eq!(rig.now(dependent), "waiting");
    }
    let why = rig.world.ok(&["why", "top"]);
    assert!(why.contains("weak is failed") && why.contains("exit 3, 3 times"), "{why}");
    // Who asks for one of them gets a new attempt, and is told that it was in vain.
    let mut start = rig.world.command(&["start", "top", "-t", world::LIMIT]).spawn().unwrap();
    rig.run("weak").exit(3);
    assert_eq!(start.wait().unwrap().code(), Some(1));
    rig.end();
}

/// Every supervisor: TERM first; what ignores it is killed after its time.
#[test]
fn term_then_kill() {
    let rig = Rig::start(vec![
        longrun("deaf").policy(|policy| policy.stop.grace = Millis(60)),
        longrun("polite").policy(|policy| policy.stop.grace = Millis(60_000)),
    ]);
    let (mut deaf, mut polite) = (rig.run("deaf"), rig.run("polite"));
    deaf.tell(&format!("catch {TERM}"));
    polite.tell(&format!("catch {TERM}"));
    rig.order("stop", "deaf");
    rig.order("stop", "polite");
    deaf.caught(TERM);
    polite.caught(TERM);
    let (exit, _) = rig.events.exited("deaf", "run");
    assert_eq!(exit.signal, Some(9), "{exit:?}");
    assert!(deaf.gone().is_empty(), "one TERM was enough");
    // The one that still has time is left to its work.
    assert_eq!(rig.now("polite"), "stopping");
    polite.exit(4);
    assert_eq!(rig.events.exited("polite", "run").0.code, Some(4));
    rig.state("polite", "down");
    rig.end();
}

/// dinit `stop-fail`: a stop program that fails is reported, and the service is down all the same.
#[test]
fn a_stop_error_is_reported() {
    let rig = Rig::start(vec![oneshot_with_down("net")]);
    rig.children.next("net", "up").exit(0);
    rig.state("net", "ready");
    rig.order("stop", "net");
    rig.children.next("net", "down").exit(3);
    assert_eq!(rig.events.exited("net", "down").0.code, Some(3));
    rig.state("net", "down");
    rig.world.until_logged("jamb", "its down program exited with code 3");
    rig.end();
}

/// dinit `start-timeout`: too late is told to stop, and has failed.
#[test]
fn a_start_timeout_stops_and_fails() {
    let rig = Rig::start(vec![
        longrun("late").ready(Ready::Fd(3)).policy(|policy| {
            policy.start_timeout = Some(Millis(50));
            policy.max_restarts = 1;
        }),
        longrun("dependent").needs("late"),
    ]);
    for _ in 0..2 {
        let (exit, timed_out) = rig.events.exited("late", "run");
        assert_eq!((exit.signal, timed_out), (Some(15), true));
    }
    rig.state("late", "failed");
    assert_eq!(rig.world.status("dependent")["generation"], 0);
    rig.world.until_logged("jamb", "took too long");
    rig.end();
}

/// dinit `start-interruptible`: a start that a stop overtakes is ended, and what it did is undone.
#[test]
fn a_start_is_interrupted() {
    let rig = Rig::start(vec![oneshot_with_down("net"), longrun("daemon").needs("net")]);
    let mut up = rig.children.next("net", "up");
    up.tell(&format!("catch {TERM}"));
    rig.order("stop", "net");
    up.caught(TERM);
    up.exit(0);
    rig.children.next("net", "down").exit(0);
    rig.state("net", "down");
    assert_eq!(rig.events.story_of("net"), "starting stopping up:exit 0 down:exit 0 down");
    assert_eq!(rig.world.status("daemon")["generation"], 0);
    rig.end();
}

/// Users of s6-rc and procd: a restart leaves exactly one instance, with a new pid.
#[test]
fn restart_leaves_one_instance_with_a_new_pid() {
    let rig = Rig::start(vec![longrun("daemon")]);
    let mut first = rig.run("daemon");
    first.tell(&format!("catch {TERM}"));
    for _ in 0..3 {
        rig.order("restart", "daemon");
    }
    first.caught(TERM);
    assert!(rig.children.has_come("daemon", "run").is_none(), "the first still lives");
    let pid = first.pid;
    first.exit(0);
    let second = rig.run("daemon");
    rig.svc(&["wait", "daemon"]);
    assert_ne!(second.pid, pid);
    // Three requests that nobody could tell apart are one restart.
    assert_eq!(rig.world.pid("daemon"), second.pid);
    assert_eq!(rig.world.status("daemon")["generation"], 2);
    rig.end();
}

/// s6-rc's lock: a service may restart itself.
#[test]
fn a_service_that_restarts_itself_does_not_deadlock() {
    let rig = Rig::start(vec![longrun("daemon").policy(|p| p.restart = Restart::OnFailure)]);
    for generation in 1..4 {
        let mut child = rig.run("daemon");
        rig.state("daemon", "ready");
        assert_eq!(child.generation, generation);
        // The client is in its process group and dies with it, in the middle of its wait.
        child.send(&format!("run {JAMB} svc restart daemon"));
        child.gone();
    }
    let mut child = rig.run("daemon");
    child.send(&format!("run {JAMB} svc stop daemon"));
    child.gone();
    rig.state("daemon", "down");
    rig.end();
}

/// nitro, runit: a stop while a restart is pending leaves nothing behind.
#[test]
fn a_stop_during_a_pending_respawn_leaves_nothing() {
    let backoff = Backoff { min: Millis(600_000), max: Millis(600_000) };
    let rig = Rig::start(vec![longrun("daemon").policy(|policy| policy.backoff = backoff)]);
    rig.run("daemon").exit(1);
    rig.state("daemon", "backoff");
    assert!(rig.world.status("daemon")["retry_ms"].as_u64() > Some(500_000));
    rig.svc(&["stop", "daemon"]);
    let status = rig.world.status("daemon");
    assert_eq!((&status["state"], &status["want"]), (&"down".into(), &"down".into()));
    assert!(status["retry_ms"].is_null() && status["pid"].is_null(), "{status}");
    // A start does not wait for the rest of the delay.
    rig.svc(&["start", "daemon", "-t", world::LIMIT]);
    assert_eq!(rig.run("daemon").generation, 2);
    rig.end();
}

/// finit's tasks with changed configuration: one change is one run, not a loop.
#[test]
fn a_dirty_oneshot_does_not_loop() {
    let source = longrun("source").output("mark", "int").ready(Ready::Outputs);
    let rig = Rig::start(vec![source, oneshot("task").reads("source", "mark")]);
    let mut source = rig.run("source");
    source.tell(&format!("run {JAMB} output mark=1"));
    for (generation, value) in [(1, 2), (2, 3)] {
        let task = rig.children.next("task", "up");
        assert_eq!(task.generation, generation);
        task.exit(0);
        rig.state("task", "ready");
        // The same value is no change.
        source.tell(&format!("run {JAMB} output mark={}", value - 1));
        assert_eq!(rig.world.status("task")["generation"], generation);
        assert_eq!(rig.now("task"), "ready");
        source.tell(&format!("run {JAMB} output mark={value}"));
    }
    rig.children.next("task", "up").exit(0);
    rig.state("task", "ready");
    let spawned = rig
        .end()
        .into_iter()
        .filter(|event| event.service == "task" && matches!(event.what, What::Spawned { .. }));
    assert_eq!(spawned.count(), 3);
}

/// procd: one task that fails or hangs early does not keep the rest from booting.
#[test]
fn a_failing_early_task_does_not_block_boot() {
    let rig = Rig::start(vec![
        oneshot("early").policy(|policy| policy.max_restarts = 1),
        oneshot("hung"),
        longrun("daemon"),
        longrun("wanting").edge("early", rc::model::Relation::Wants, rc::model::OnChange::Ignore),
        bundle("default", &["early", "daemon", "wanting", "hung"]),
    ]);
    rig.state("daemon", "ready");
    rig.children.next("early", "up").exit(1);
    rig.children.next("early", "up").exit(1);
    rig.state("wanting", "ready");
    rig.state("early", "failed");
    assert_eq!(rig.now("default"), "waiting");
    rig.children.next("hung", "up").exit(0);
    let settled = |what: &What| matches!(what, What::Settled { .. });
    let event = rig.events.next("", "settled", settled);
    assert_eq!(event.what, What::Settled { ready: false });
    rig.end();
}

/// finit's `pre:` scripts: when they fail the main process is not started, until they succeed.
#[test]
fn a_failed_pre_script_blocks_main() {
    let rig = Rig::start(vec![oneshot("pre"), longrun("main").needs("pre")]);
    rig.children.next("pre", "up").exit(1);
    rig.state("pre", "backoff");
    let status = rig.world.status("main");
    assert_eq!((&status["state"], &status["generation"]), (&"waiting".into(), &0.into()));
    assert_eq!(status["waiting_on"][0], "pre");
    rig.children.next("pre", "up").exit(0);
    rig.state("main", "ready");
    rig.end();
}

/// runit, s6-svc: any signal can be sent, and it reaches the process alone.
#[test]
fn an_arbitrary_signal_is_delivered() {
    let rig = Rig::start(vec![longrun("daemon")]);
    let mut child = rig.run("daemon");
    for (name, number) in [("HUP", HUP), ("USR1", USR1), ("USR2", USR2), ("WINCH", WINCH)] {
        child.tell(&format!("catch {number}"));
        rig.svc(&["signal", name, "daemon"]);
        child.caught(number);
    }
    assert_eq!(rig.now("daemon"), "ready");
    // Stopped and continued, it still obeys.
    rig.svc(&["signal", "STOP", "daemon"]);
    rig.svc(&["signal", "CONT", "daemon"]);
    child.tell("say here");
    let output = rig.world.svc(&["signal", "DANCE", "daemon"]);
    assert_eq!(output.status.code(), Some(100));
    rig.end();
}

/// systemd's `KillMode`, users of runit: what a crashed service leaves in its group is killed.
#[test]
fn descendants_of_a_crashed_service_do_not_survive() {
    let rig = Rig::start(vec![longrun("daemon")]);
    for generation in 1..3 {
        let mut main = rig.run("daemon");
        let mut descendants = Vec::new();
        for _ in 0..3 {
            main.tell("spawn descendant");
            let mut one = rig.children.next("daemon", "descendant");
            for signal in [HUP, TERM] {
                one.tell(&format!("ignore {signal}"));
            }
            descendants.push(one);
        }
        main.die(if generation == 1 { KILL } else { SEGV });
        for descendant in descendants {
            descendant.gone();
        }
        rig.state("daemon", "backoff");
    }
    rig.end();
}

/// s6's finish code 125 and an exit code that the service declares: no further attempt.
#[test]
fn a_permanent_failure_stops_for_good() {
    let rig = Rig::start(vec![
        longrun("by-code").policy(|policy| policy.permanent = vec![42, 43]),
        longrun("by-finish").finish(&finish()),
        longrun("dependent").needs("by-code"),
    ]);
    rig.state("dependent", "ready");
    rig.run("by-code").exit(43);
    rig.state("by-code", "failed");
    rig.run("by-finish").exit(0);
    rig.children.next("by-finish", "finish").exit(125);
    rig.state("by-finish", "failed");
    for name in ["by-code", "by-finish"] {
        let status = rig.world.status(name);
        assert_eq!(status["generation"], 1);
        assert!(status["retry_ms"].is_null(), "{status}");
    }
    rig.events.exited("dependent", "run");
    let why = rig.world.ok(&["why", "dependent"]);
    assert!(why.contains("for good: exit 43"), "{why}");
    // Another code is worth another attempt, and an end that was asked for is no failure.
    rig.order("start", "by-code");
    rig.run("by-code").exit(1);
    let mut child = rig.run("by-code");
    child.tell(&format!("catch {TERM}"));
    rig.order("stop", "by-code");
    child.caught(TERM);
    child.exit(42);
    rig.state("by-code", "down");
    rig.end();
}
