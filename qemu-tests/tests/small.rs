//! The small router on each kind of processor that routers have and that the host need not have.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod wan;

use qemu_tests::{
    board::Board,
    idle,
    image::Recipe,
    lab::{Bench, Lab},
    memory, others,
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

/// Nobody notices.
fn one_service_more(places: &Places, recipe: &Recipe, lab: &Lab) {
    let more = "[service.more]\nkind = \"oneshot\"\nup = [\"true\"]\npart-of = [\"default\"]\n";
    let folder = places.images.join(&recipe.name).join("others");
    let folder = others::definitions(recipe, folder, |text| text, more).unwrap();
    others::bring(places, recipe, &folder, &lab.ssh, "/run/others.db").unwrap();
    let before = Status::of(&lab.ssh).unwrap();
    let said = lab.ssh.must("svc switch /run/others.db -t 60").unwrap();
    assert!(said.contains("in use, and from now on in /etc/jamb/services.db"), "{said}");
    lab.ssh.must("svc wait default ready -t 60").unwrap();
    let after = Status::of(&lab.ssh).unwrap();
    assert_eq!(after.restarted_since(&before), ["default", "more"]);
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
    one_service_more(&places, &recipe, &lab);

    let [idle] = idle::watch(&lab.ssh, [1], 10).unwrap();
    assert_eq!(idle, idle::Idle { wakeups: 0, ran_ns: 0, state: "S".to_owned() });
    memory::check(&lab.ssh).unwrap();

    lab.ssh.run("reboot").ok();
    lab.router.console.wait_for("shutdown: all services are down", LIMIT).unwrap();
    lab.router.console.wait_for("shutdown: rebooting", LIMIT).unwrap();
    assert_eq!(lab.router.wait_shutdown(LIMIT).unwrap(), "guest-reset");
}
