//! One machine with services that do what they should not do, booted again and again: each way of ending
//! a machine ends it in its own way, whatever services do.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use qemu_tests::{
    board::Board,
    image::Recipe,
    lab::{Alone, Bench},
    places::Places,
    ssh::Ssh,
};
use std::time::Duration;

/// Many times what it takes on an idle host.
const LIMIT: Duration = Duration::from_secs(60);

fn machine(name: &str) -> Alone {
    let places = Places::find().unwrap();
    let board = Board::load(&places.root, "qemu-x86_64").unwrap();
    let services = places.root.join("qemu-tests/machines/odd");
    let mut recipe = Recipe::new(&places, board.clone(), Some(services));
    recipe.name = name.to_owned();
    recipe.is_checked = false;
    let image = recipe.build(&places).unwrap();
    let bench = Bench::for_test(&places, name).unwrap();
    Alone::start(&places, bench, &board, image, |plan| plan.ends_at_reboot = false).unwrap()
}

fn wait_booted(alone: &mut Alone) {
    let console = &mut alone.machine.console;
    console.wait_for("jamb: init: jamb .* starts", LIMIT).unwrap();
    // The boot goes as far as it can: what fails does not keep the rest from being told of.
    console.wait_for("some services are not ready", LIMIT).unwrap();
    alone.ssh.wait_up(console, LIMIT).unwrap();
}

#[test]
fn odd_services_and_every_end_of_a_machine() {
    let mut alone = machine("test-odd");
    wait_booted(&mut alone);
    missing_program(&alone.ssh);
    no_line_is_lost_or_doubled(&alone.ssh);
    deaf_to_term(&alone.ssh);
    a_herd_in_a_control_group(&alone.ssh);

    // `stone` is up: nothing but the bound of the shutdown ends it.
    alone.ssh.run("reboot").ok();
    let console = &mut alone.machine.console;
    console.wait_for("shutdown: reboot; stopping the services", LIMIT).unwrap();
    for name in ["third", "second", "first"] {
        console.wait_for(&format!("down: {name}\r?\n"), LIMIT).unwrap();
    }
    console.wait_for("shutdown: rebooting", LIMIT).unwrap();
    alone.machine.wait_reset(LIMIT).unwrap();

    wait_booted(&mut alone);
    alone.machine.press_ctrl_alt_del().unwrap();
    alone.machine.console.wait_for("shutdown: all services are down", LIMIT).unwrap();
    alone.machine.wait_reset(LIMIT).unwrap();

    wait_booted(&mut alone);
    alone.ssh.run("halt").ok();
    alone.machine.console.wait_for("shutdown: all services are down", LIMIT).unwrap();
    alone.machine.console.wait_for("shutdown: halted", LIMIT).unwrap();
    alone.machine.console.wait_for("System halted", LIMIT).unwrap();
    alone.machine.wait_stands_still(LIMIT).unwrap();
    alone.machine.press_reset().unwrap();

    wait_booted(&mut alone);
    alone.machine.press_power_button().unwrap();
    alone.machine.console.wait_for("shutdown: all services are down", LIMIT).unwrap();
    alone.machine.console.wait_for("shutdown: powering off", LIMIT).unwrap();
    assert_eq!(alone.machine.wait_shutdown(LIMIT).unwrap(), "guest-shutdown");
}

/// A command's exit code and all that it printed.
fn answer(ssh: &Ssh, command: &str) -> (Option<i32>, String) {
    let output = ssh.run(command).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// The boot goes on around it, and everybody who is asked says what is the matter.
fn missing_program(ssh: &Ssh) {
    const ERRNO: &str = "cannot execute: No such file or directory (errno 2)";
    for (command, code, says) in [
        ("svc status", 0, ERRNO.split_at(30).0),
        ("svc status absent", 3, ERRNO),
        ("svc status hopeless", 3, "for absent"),
        ("svc status default", 3, "for absent hopeless"),
        ("svc status modest", 0, "ready"),
        ("svc status nobody", 4, "no service nobody"),
        ("svc why absent", 0, ERRNO),
        ("svc why absent", 0, "cannot execute /usr/lib/absent/daemon: "),
        ("svc why hopeless", 0, "  absent is "),
        ("svc start absent", 1, ERRNO),
        ("svc start hopeless", 1, "hopeless is waiting: for absent"),
        ("svc start modest", 0, ""),
        ("svc start nobody", 3, "no service nobody"),
        ("svc wait absent -t 0.2", 2, "absent is not ready yet"),
        ("svc log jamb", 0, "absent: cannot execute /usr/lib/absent/daemon: "),
    ] {
        let (got, text) = answer(ssh, command);
        assert_eq!(got, Some(code), "{command}: {text}");
        assert!(text.contains(says), "{command}: {text}");
    }
}

fn no_line_is_lost_or_doubled(ssh: &Ssh) {
    const LINES: usize = 100_000;
    const KILLS: u64 = 10;
    ssh.must("svc start flood -t 60").unwrap();
    let last = format!("line {LINES}$");
    ssh.must(&format!("until svc log -n 1 flood | grep -q '{last}'; do :; done")).unwrap();
    let log = ssh.must("svc log flood").unwrap();
    let mut expected = 1;
    for line in log.lines() {
        let text = line.split_once(" flood: ").map(|(_, text)| text);
        assert_eq!(text, Some(format!("line {expected}").as_str()), "after {KILLS} kills");
        expected += 1;
    }
    assert_eq!(expected, LINES + 1);
    let version: serde_json::Value =
        serde_json::from_str(&ssh.must("svc version --json").unwrap()).unwrap();
    assert_eq!(version["collector_starts"], KILLS + 1);
}

/// One that takes no notice of TERM is killed at its own bound.
fn deaf_to_term(ssh: &Ssh) {
    ssh.must("svc start stubborn stone").unwrap();
    ssh.must("svc stop stubborn -t 60").unwrap();
    let (code, text) = answer(ssh, "svc status stubborn");
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("last exit   SIGKILL"), "{text}");
    assert_eq!(answer(ssh, "svc status stone").0, Some(0));
}

/// PID 1 mounts what nobody else did, sets the limits, and kills what left the session.
fn a_herd_in_a_control_group(ssh: &Ssh) {
    const GROUP: &str = "/sys/fs/cgroup/jamb/herd";
    ssh.must("svc start herd").unwrap();
    for (file, content) in
        [("memory.max", "16777216"), ("cpu.max", "50000 100000"), ("pids.max", "5")]
    {
        assert_eq!(ssh.must(&format!("cat {GROUP}/{file}")).unwrap().trim(), content, "{file}");
    }
    ssh.must(&format!("until [ $(cat {GROUP}/cgroup.procs | grep -c .) = 2 ]; do :; done"))
        .unwrap();
    let (_, text) = answer(ssh, "svc status herd");
    assert!(text.contains(&format!("note        control group: {GROUP}\n")), "{text}");
    ssh.must("svc stop herd").unwrap();
    ssh.must(&format!("while [ -e {GROUP} ]; do :; done")).unwrap();
    assert_eq!(answer(ssh, "ps | grep -q '[s]leep 1111'").0, Some(1), "it left somebody behind");
}
