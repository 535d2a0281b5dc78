//! A machine with a watchdog in its chipset: who resets it, and who does not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use qemu_tests::{
    board::Board,
    image::{DATABASE, Image, Recipe},
    lab::{Alone, Bench},
    machine::Machine,
    others,
    places::Places,
    tree::Node,
};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Many times what it takes on an idle host.
const LIMIT: Duration = Duration::from_secs(60);

const OTHERS: &str = "/etc/jamb/others.db";

/// Of the definitions of the machine; the health check that fails for good costs two rounds of 5 s.
const TIMEOUT: Duration = Duration::from_secs(6);
const GRACE: Duration = Duration::from_secs(16);
const STALL: Duration = Duration::from_secs(20);
/// The host may be busy, and its clock is not that of the machine.
const SLACK: Duration = Duration::from_secs(8);

struct Starter {
    places: Places,
    board: Board,
    image: Image,
}

impl Starter {
    fn new() -> Self {
        let places = Places::find().unwrap();
        let board = Board::load(&places.root, "qemu-x86_64").unwrap();
        let services = places.root.join("qemu-tests/machines/watchdog");
        let mut recipe = Recipe::new(&places, board.clone(), Some(services));
        recipe.name = "test-watchdog".to_owned();
        let mut builder = recipe.start(&places).unwrap();
        // The same services without a word about a watchdog.
        let change = |text: String| {
            let (system, rest) = text.split_once("[system.watchdog]").unwrap();
            let (_, services) = rest.split_once("[service.default]").unwrap();
            format!("{system}[service.default]{services}")
        };
        let folder = places.images.join("test-watchdog/others");
        let others = others::definitions(&recipe, folder, change, "").unwrap();
        for (path, services) in [(OTHERS, others), (DATABASE, recipe.services.clone())] {
            let database = builder.compile(&Recipe { services, ..recipe.clone() }).unwrap();
            builder.tree.add(path, Node::Bytes(database), 0o644, "services.db").unwrap();
        }
        let image = builder.finish(&recipe.name).unwrap();
        Self { places, board, image }
    }

    fn start(&self, cmdline: &str) -> Alone {
        let bench = Bench::for_test(&self.places, "test-watchdog").unwrap();
        Alone::start(&self.places, bench, &self.board, self.image.clone(), |plan| {
            plan.ends_at_reboot = false;
            plan.cmdline = cmdline.to_owned();
            let words = ["-device", "i6300esb", "-action", "watchdog=reset"];
            plan.options.extend(words.map(str::to_owned));
        })
        .unwrap()
    }
}

/// Waits for a boot, and until the watchdog looks at the services.
fn wait_armed(alone: &mut Alone, last: &str) {
    let console = &mut alone.machine.console;
    console.wait_for("jamb: init: jamb .* starts", LIMIT).unwrap();
    let opened = format!("/dev/watchdog: resets if not fed for 6 s{last}\r?\n");
    console.wait_for(&opened, LIMIT).unwrap();
    console.wait_for("watchdog: all that it needs is well", LIMIT).unwrap();
    alone.ssh.wait_up(console, LIMIT).unwrap();
}

/// Waits for the watchdog to bite; answers after what time.
fn wait_bite(machine: &mut Machine, limit: Duration) -> Duration {
    let start = Instant::now();
    machine.qmp.wait_event("WATCHDOG", limit).unwrap();
    machine.qmp.wait_event("RESET", LIMIT).unwrap();
    start.elapsed()
}

fn status(alone: &Alone) -> Value {
    let status: Value =
        serde_json::from_str(&alone.ssh.must("svc status --json").unwrap()).unwrap();
    status["watchdog"].clone()
}

#[test]
fn it_resets_what_hangs_and_nothing_else() {
    let starter = Starter::new();
    let mut alone = starter.start("");
    wait_armed(&mut alone, "");
    let told = status(&alone);
    assert_eq!((&told["state"], &told["last_reset"]), (&"armed".into(), &false.into()), "{told}");

    // Other programs that take the place of PID 1 go on feeding it, and looking after its services.
    alone.ssh.must("svc reexec").unwrap();
    alone.ssh.must("kill -SEGV 1").unwrap();
    alone.machine.console.wait_for("handover: jamb crashed", LIMIT).unwrap();

    // Who goes over to services that know nothing of it does not let go of it.
    let switch = |path: &str| {
        alone
            .ssh
            .must(&format!("svc switch --temporary {path} && svc wait default ready -t 60"))
            .unwrap();
    };
    switch(OTHERS);
    assert_eq!(status(&alone)["timeout_ms"], 30_000);
    assert!(alone.machine.qmp.wait_event("WATCHDOG", TIMEOUT + TIMEOUT).is_err(), "it bit");
    switch(DATABASE);
    let told = status(&alone);
    assert_eq!((&told["state"], &told["timeout_ms"]), (&"armed".into(), &6000.into()), "{told}");

    // A WAN that flaps for longer than any bound of the watchdog, and a service that sleeps, do not matter.
    let bites = alone.machine.qmp.wait_event("WATCHDOG", GRACE + TIMEOUT + TIMEOUT);
    assert!(bites.is_err(), "it bit");
    let told = status(&alone);
    assert_eq!(told["state"], "armed", "{told}");

    // A service whose process lives, but does not do its work, not even after restarts.
    alone.ssh.must("touch /run/wedged").unwrap();
    let checks = Duration::from_secs(2 * 5 + 5);
    let after = wait_bite(&mut alone.machine, GRACE + TIMEOUT + checks + SLACK);
    assert!(after >= GRACE, "without a grace: {after:?}");
    let text = alone.machine.console.text();
    assert!(
        text.contains("critical has not been well for 16 s: it is not fed any longer"),
        "{text}"
    );

    wait_armed(&mut alone, "; the last reset was the watchdog's");
    assert_eq!(status(&alone)["last_reset"], true);
    let told = alone.ssh.must("svc status").unwrap();
    assert!(told.contains("; the last reset was the watchdog's"), "{told}");

    // A PID 1 that does not turn any longer: the freezer of cgroups takes even that one.
    let freeze = "mkdir /run/ice && mount -t cgroup2 none /run/ice && mkdir /run/ice/pid1 && \
                  echo 1 >/run/ice/pid1/cgroup.procs && echo 1 >/run/ice/pid1/cgroup.freeze";
    alone.ssh.must(freeze).unwrap();
    let after = wait_bite(&mut alone.machine, TIMEOUT + SLACK);
    assert!(after <= TIMEOUT + SLACK, "{after:?}");

    // An orderly end leaves it closed: a halted machine stands still for good.
    wait_armed(&mut alone, "; the last reset was the watchdog's");
    // The connection may end before the answer.
    alone.ssh.run("halt").ok();
    alone.machine.console.wait_for("System halted", LIMIT).unwrap();
    alone.machine.wait_stands_still(LIMIT).unwrap();
    let bites = alone.machine.qmp.wait_event("WATCHDOG", TIMEOUT + TIMEOUT);
    assert!(bites.is_err(), "it bit a machine that was halted");
    alone.machine.press_reset().unwrap();

    // And so does a reboot.
    alone.machine.console.wait_for("watchdog: all that it needs is well", LIMIT).unwrap();
    alone.ssh.wait_up(&alone.machine.console, LIMIT).unwrap();
    alone.ssh.run("reboot").ok();
    alone.machine.wait_reset(LIMIT).unwrap();
    assert!(alone.machine.qmp.wait_event("WATCHDOG", Duration::ZERO).is_err());
    drop(alone);

    // A boot that gets stuck.
    let mut alone = starter.start("wedged-boot");
    alone.machine.console.wait_for("resets if not fed for 6 s", LIMIT).unwrap();
    wait_bite(&mut alone.machine, STALL + TIMEOUT + SLACK);
    let text = alone.machine.console.text();
    assert!(text.contains("boot has not got on for 20 s: it is not fed any longer"), "{text}");
    alone.machine.console.wait_for("; the last reset was the watchdog's", LIMIT).unwrap();
}
