//! The small router on each kind of processor that routers have and that the host need not have.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod wan;

use qemu_tests::{
    board::Board,
    idle,
    image::Recipe,
    lab::{Bench, Lab},
    memory,
    places::Places,
    status::Status,
};
use std::time::Duration;
use wan::LIMIT;

/// Slower than the PC, and started with the peers beside it.
const BOOT: Duration = Duration::from_secs(120);

const NEUTRAL: &str = "console";

/// 32-bit MIPS, little-endian: most small routers.
#[test]
fn mipsel_boots_and_follows_its_line() {
    boots_and_follows_its_line("qemu-mipsel", "mips");
}

/// 32-bit ARM: larger routers of yesterday.
#[test]
fn armv7_boots_and_follows_its_line() {
    boots_and_follows_its_line("qemu-armv7", "armv7l");
}

/// 64-bit ARM: routers of today.
#[test]
fn aarch64_boots_and_follows_its_line() {
    boots_and_follows_its_line("qemu-aarch64", "aarch64");
}

/// `machine` is what uname(1) calls it.
fn boots_and_follows_its_line(board: &str, machine: &str) {
    let places = Places::find().unwrap();
    let board = Board::load(&places.root, board).unwrap();
    let mut recipe = Recipe::new(&places, board.clone(), None);
    recipe.name = format!("test-{}", board.name);
    let image = recipe.build(&places).unwrap();
    let bench = Bench::for_test(&places, &recipe.name).unwrap();
    let mut lab = Lab::start(&places, bench, &board, image, |_, _| {}).unwrap();
    lab.router.console.wait_for("everything is ready", BOOT).unwrap();
    lab.ssh.wait_up(&lab.router.console, LIMIT).unwrap();
    assert_eq!(lab.ssh.must("uname -m").unwrap().trim(), machine);
    for service in Status::of(&lab.ssh).unwrap().services() {
        assert_eq!(service.state, "ready", "{}", service.name);
    }

    memory::check(&lab.ssh).unwrap();
    wan::another_pid_1(&mut lab);
    wan::restart_by_command(&mut lab, NEUTRAL);
    wan::kill_client(&mut lab, NEUTRAL);
    wan::another_address(&mut lab, NEUTRAL);
    lab.ssh.must(&format!("ping -c 1 -W 5 {}", qemu_tests::peers::FAR_HOST)).unwrap();

    let [idle] = idle::watch(&lab.ssh, [1], 10).unwrap();
    assert_eq!(idle, idle::Idle { wakeups: 0, ran_ns: 0, state: "S".to_owned() });
    memory::check(&lab.ssh).unwrap();

    lab.ssh.run("reboot").ok();
    lab.router.console.wait_for("shutdown: all services are down", LIMIT).unwrap();
    lab.router.console.wait_for("shutdown: rebooting", LIMIT).unwrap();
    assert_eq!(lab.router.wait_shutdown(LIMIT).unwrap(), "guest-reset");
}
