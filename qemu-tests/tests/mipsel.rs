//! The small router on a 32-bit MIPS machine, the kind of processor that most small routers have.

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

#[test]
fn a_small_router_boots_and_follows_its_line() {
    let places = Places::find().unwrap();
    let board = Board::load(&places.root, "qemu-mipsel").unwrap();
    let mut recipe = Recipe::new(&places, board.clone(), None);
    recipe.name = "test-mipsel".to_owned();
    let image = recipe.build(&places).unwrap();
    let bench = Bench::for_test(&places, &recipe.name).unwrap();
    let mut lab = Lab::start(&places, bench, &board, image, |_, _| {}).unwrap();
    lab.router.console.wait_for("everything is ready", BOOT).unwrap();
    lab.ssh.wait_up(&lab.router.console, LIMIT).unwrap();
    assert_eq!(lab.ssh.must("uname -m").unwrap().trim(), "mips");
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
