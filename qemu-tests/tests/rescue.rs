//! Machines that have not what jamb needs. Their image holds no `/dev/console` and no `/dev/null`, so the
//! kernel starts PID 1 with descriptors 0 to 2 closed; and a database that cannot be used, or none.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use qemu_tests::{
    board::Board,
    image::{DATABASE, Image, Recipe},
    lab::{Alone, Bench},
    machine::Plan,
    places::Places,
    tree::Node,
};
use std::time::Duration;

/// Many times what it takes on an idle host.
const LIMIT: Duration = Duration::from_secs(60);

/// Where the version is in a database; the format of `rc`.
const VERSION_AT: usize = 8;

const CORRUPT: &str = "/etc/jamb/corrupt.db";
const FUTURE: &str = "/etc/jamb/future.db";
const GOOD: &str = "/etc/jamb/good.db";

/// One image for all of them, with no database where it is looked for.
fn image(places: &Places, board: &Board, name: &str) -> Image {
    let folder = places.root.join("qemu-tests/machines/bare");
    let mut recipe = Recipe::new(places, board.clone(), Some(folder));
    recipe.name = name.to_owned();
    let mut builder = recipe.start(places).unwrap();
    let good = builder.compile(&recipe).unwrap();
    let mut corrupt = good.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle] ^= 1;
    let mut future = good.clone();
    future[VERSION_AT] = 99;
    for (path, bytes) in [(GOOD, good), (CORRUPT, corrupt), (FUTURE, future)] {
        builder.tree.add(path, Node::Bytes(bytes), 0o644, "services.db").unwrap();
    }
    for device in ["/dev/console", "/dev/null"] {
        builder.tree.remove(device).unwrap();
    }
    // The kernel has a console of its own in its root until something else takes the name.
    let nowhere = Node::Symlink("nowhere".to_owned());
    builder.tree.add("/dev/console", nowhere, 0o777, "configuration").unwrap();
    assert!(!builder.tree.holds(DATABASE));
    builder.finish(&recipe.name).unwrap()
}

/// Starts such a machine with these words for the kernel.
struct Starter {
    places: Places,
    board: Board,
    image: Image,
    name: String,
}

impl Starter {
    fn new(name: &str) -> Self {
        let places = Places::find().unwrap();
        let board = Board::load(&places.root, "qemu-x86_64").unwrap();
        let image = image(&places, &board, name);
        Self { places, board, image, name: name.to_owned() }
    }

    fn start(&self, cmdline: &str) -> Alone {
        let bench = Bench::for_test(&self.places, &self.name).unwrap();
        let change = |plan: &mut Plan| plan.cmdline = cmdline.to_owned();
        Alone::start(&self.places, bench, &self.board, self.image.clone(), change).unwrap()
    }
}

#[test]
fn without_devices_or_a_usable_database_there_is_a_way_on() {
    let starter = Starter::new("test-rescue");

    let mut good = starter.start(&format!("jamb.db={GOOD}"));
    let console = &mut good.machine.console;
    console.wait_for("unable to open an initial console", LIMIT).unwrap();
    // What was closed is taken by something, or the first file that is opened would be the output.
    for taken in [
        r"pid \d+ fd 0 is /dev/null",
        r"fd 2 is pipe:\[\d+\]",
        "pid 1 fd 0 is /",
        "fd 1 is /",
        "fd 2 is /",
    ] {
        console.wait_for(taken, LIMIT).unwrap();
    }
    console.wait_for("everything is ready", LIMIT).unwrap();
    drop(good);

    for (cmdline, why) in [
        ("", format!("{DATABASE}: No such file or directory")),
        (&*format!("jamb.db={CORRUPT}"), format!("{CORRUPT}: .*damaged: wrong checksum")),
        (
            &*format!("jamb.db={FUTURE}"),
            format!("{FUTURE}: .*format version 99, this jamb reads version"),
        ),
    ] {
        let mut alone = starter.start(cmdline);
        let console = &mut alone.machine.console;
        console.wait_for(&format!("jamb: rescue: .*{why}.*; here is a shell"), LIMIT).unwrap();
        console.send("echo answer=$((40+2))\n").unwrap();
        console.wait_for("answer=42", LIMIT).unwrap();
        // What is not there cannot be asked for; who looks after it is.
        console.send("svc status; svc version\n").unwrap();
        console.wait_for("SERVICE .*STATE", LIMIT).unwrap();
        console.wait_for(r"jamb \S+ \(pid 1\)", LIMIT).unwrap();
        // It need not come to a reboot.
        console
            .send(&format!("svc switch {GOOD}; svc wait default ready && echo is=up\n"))
            .unwrap();
        console.wait_for("in use, and from now on in /etc/jamb/[a-z]+.db", LIMIT).unwrap();
        console.wait_for("is=up", LIMIT).unwrap();
        console.send("reboot\n").unwrap();
        console.wait_for("shutdown: rebooting", LIMIT).unwrap();
        assert_eq!(alone.machine.wait_shutdown(LIMIT).unwrap(), "guest-reset");
    }
}

/// What all tests of machines rest on: one whose PID 1 dies fails its test, even if it ends as expected.
#[test]
#[should_panic(expected = "Kernel panic")]
fn a_kernel_panic_does_not_go_unnoticed() {
    let mut alone = Starter::new("test-panic").start("rdinit=/bin/true");
    assert_eq!(alone.machine.wait_shutdown(LIMIT).unwrap(), "guest-reset");
}
