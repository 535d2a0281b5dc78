//! A root that the kernel mounts itself, with no program of an initramfs before: an ext4, read-only and not, and a
//! squashfs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use qemu_tests::{
    board::Board,
    disk,
    image::{DATABASE, Recipe},
    lab::Bench,
    places::Places,
    run::run,
    tree::Node,
    uml::{Kernel, Uml},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Many times what it takes on an idle host.
const LIMIT: Duration = Duration::from_secs(30);

const NAME: &str = "test-direct";
const UUID: &str = "01234567-89ab-cdef-0123-456789abcdef";

struct Starter {
    bench: Bench,
    kernel: Kernel,
    disk: PathBuf,
    /// The same as a squashfs, and what the kernel needs to mount that.
    squashfs: PathBuf,
    helper: PathBuf,
}

impl Starter {
    fn new() -> Self {
        let places = Places::find().unwrap();
        let mut board = Board::load(&places.root, "qemu-x86_64").unwrap();
        let folder = places.root.join("qemu-tests/machines/direct");
        board.file = folder.join("boards/uml.toml");
        let mut recipe = Recipe::new(&places, board, Some(folder));
        recipe.name = NAME.to_owned();
        // One module has no module of the kernel that the checks know.
        recipe.is_checked = false;
        let mut builder = recipe.start(&places).unwrap();
        let kernel = Kernel::find(&places).unwrap();
        let modules = format!("/lib/modules/{}", kernel.version);
        for (file, text) in [("modules.dep", "packed.ko.xz:\n"), ("packed.ko.xz", "\u{7}no matter")]
        {
            let node = Node::Bytes(text.as_bytes().to_vec());
            builder.tree.add(&format!("{modules}/{file}"), node, 0o644, "modules").unwrap();
        }
        let database = builder.compile(&recipe).unwrap();
        builder.tree.add(DATABASE, Node::Bytes(database), 0o644, "services.db").unwrap();
        let disk = places.images.join(NAME).join("ext4");
        disk::ext4(Some(&builder.tree), &disk, 32, "root", UUID).unwrap();
        let squashfs = disk.with_file_name("squashfs");
        disk::squashfs(&builder.tree, &squashfs).unwrap();
        let helper = disk.with_file_name("helper");
        fs::write(&helper, kernel.helper(&places, "squashfs").unwrap()).unwrap();
        let bench = Bench::for_test(&places, NAME).unwrap();
        Self { bench, kernel, disk, squashfs, helper }
    }

    fn start(&self, words: &str) -> Uml {
        self.start_on(&self.disk, "direct", &format!("rootfstype=ext4 {words}"))
    }

    fn start_on(&self, disk: &Path, name: &str, words: &str) -> Uml {
        let words = format!("root=/dev/ubda {words}");
        let (sockets, log) = (self.bench.sockets(), self.bench.log(name));
        Uml::start(&self.kernel, disk, &words, sockets, &log).unwrap()
    }
}

/// Types a command, and waits for what it prints.
fn shell(machine: &mut Uml, command: &str, prints: &str) {
    machine.console.send(&format!("{command}\n")).unwrap();
    machine.console.wait_for(prints, LIMIT).unwrap();
}

/// Waits for a boot, and for the shell that reads what is typed.
fn wait_ready(machine: &mut Uml) {
    machine.console.wait_for("jamb: init: jamb .* starts", LIMIT).unwrap();
    wait_shell(machine);
}

fn wait_shell(machine: &mut Uml) {
    machine.console.wait_for("/ # ", LIMIT).unwrap();
    shell(machine, "svc wait default && echo ready=$((40+2))", "ready=42");
}

/// Waits until the kernel was told to start anew. It would do so by executing itself, which on a busy host it now
/// and then does not come back from; so the test starts it.
fn wait_restart(mut machine: Uml) {
    machine.console.wait_for("shutdown: rebooting", LIMIT).unwrap();
    machine.console.wait_for("reboot: Restarting system", LIMIT).unwrap();
}

/// Ends the machine, which the kernel does as it was told.
fn power_off(mut machine: Uml) {
    shell(&mut machine, "poweroff", "shutdown: powering off");
    assert!(machine.wait_end(LIMIT).unwrap().success());
    assert!(!machine.console.text().contains("cannot unmount"));
}

/// Nothing has to be repaired, and it was unmounted or made read-only.
fn assert_clean(disk: &Path) {
    run(Command::new("e2fsck").args(["-f", "-n"]).arg(disk)).unwrap();
    let told = run(Command::new("dumpe2fs").arg("-h").arg(disk)).unwrap();
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(told.contains("Filesystem state:         clean"), "{told}");
    assert!(!told.contains("needs_recovery"), "{told}");
}

/// A root that is never written to serves all the same, and is as it was to the last bit.
fn read_only(starter: &Starter) {
    let before = fs::read(&starter.disk).unwrap();
    let mut machine = starter.start("ro");
    // This kernel cannot unpack modules.
    let packed = "boot: cannot load the module packed: Not supported .*; boot goes on";
    machine.console.wait_for(packed, LIMIT).unwrap();
    wait_shell(&mut machine);
    shell(&mut machine, "grep ' / ' /proc/mounts", "/dev/root / ext4 ro");
    shell(&mut machine, "touch /x", "Read-only file system");
    shell(&mut machine, "svc status", "daemon .*ready");
    shell(&mut machine, "svc status default && echo all=$((40+2))", "all=42");
    let pid = "$(svc status daemon --json | grep -o '\"pid\":[0-9]*')";
    shell(&mut machine, &format!("old={pid}; svc restart daemon; new={pid}; echo $old $new"), "");
    let pids = machine.console.wait_for("\n\"pid\":([0-9]+) \"pid\":([0-9]+)\r", LIMIT).unwrap();
    assert_ne!(pids[1], pids[2]);
    shell(&mut machine, "kill -SEGV 1; svc version", "1 crashes survived");
    shell(&mut machine, "reboot", "cannot keep in /var/end");
    wait_restart(machine);
    let mut machine = starter.start("ro");
    wait_ready(&mut machine);
    power_off(machine);
    assert!(before == fs::read(&starter.disk).unwrap(), "it was written to");
}

/// What was written is there after a reboot, which has made the root read-only.
fn written_to(starter: &Starter) {
    let mut machine = starter.start("rw");
    wait_ready(&mut machine);
    shell(&mut machine, "grep ' / ' /proc/mounts", "/dev/root / ext4 rw");
    shell(&mut machine, "echo kept >/var/kept; reboot -r 'a new key'", "asked for by user 0");
    wait_restart(machine);
    let mut machine = starter.start("rw");
    let before =
        "the run before ended in order: reboot, asked for by user 0, process [0-9]+: a new key";
    machine.console.wait_for(before, LIMIT).unwrap();
    wait_shell(&mut machine);
    shell(&mut machine, "cat /var/kept; grep -c line /var/written", "kept\r\n[1-9]");
    power_off(machine);
    assert_clean(&starter.disk);
}

/// Somebody who crashes PID 1 whenever it ends the machine, and in the end by a last act.
fn crashing(starter: &Starter) {
    let mut machine = starter.start("rw");
    wait_ready(&mut machine);
    // It is no service any more when it is told to end, which PID 1 does as often as it begins with the end.
    let straggler = "trap 'kill -SEGV 1' TERM; echo up >/var/up; while :; do sleep 1 & wait; done";
    let program = format!("echo \"{straggler}\" >/var/straggler; setsid sh /var/straggler &");
    shell(&mut machine, &program, "");
    shell(&mut machine, "until grep -q up /var/up; do :; done; echo up=$((40+2))", "up=42");
    shell(&mut machine, "poweroff", "handover: jamb crashed");
    machine.console.wait_for("jamb: crashed at the end", LIMIT).unwrap();
    assert!(machine.wait_end(LIMIT).unwrap().success());
    // It was not unmounted, but all was written: there is at most a journal to go through.
    let repaired = Command::new("e2fsck").arg("-p").arg(&starter.disk).status().unwrap().code();
    assert!(matches!(repaired, Some(0 | 1)), "{repaired:?}");

    let mut machine = starter.start("rw");
    wait_ready(&mut machine);
    shell(
        &mut machine,
        "mkdir -p /run/last; cp -a /usr /bin /lib /lib64 /run/last; ls /run/last",
        "usr",
    );
    let act = "kill -SEGV 1; echo survived by $$; sleep 2; echo as far as here";
    let write = format!("(echo '#!/bin/sh'; echo '{act}') >/run/last/maintenance");
    shell(&mut machine, &write, "");
    shell(
        &mut machine,
        "chmod 755 /run/last/maintenance; poweroff -m /run/last",
        "the last act begins",
    );
    machine.console.wait_for("\nsurvived by", LIMIT).unwrap();
    machine.console.wait_for("\nas far as here", LIMIT).unwrap();
    assert!(machine.wait_end(LIMIT).unwrap().success());
    assert_clean(&starter.disk);
}

/// The program of PID 1 was replaced while it ran: as long as it is executed, the old one keeps its root from
/// being made read-only.
fn replaced(starter: &Starter) {
    let mut machine = starter.start("rw");
    wait_ready(&mut machine);
    shell(
        &mut machine,
        "cp /sbin/jamb /sbin/new; mv /sbin/new /sbin/jamb; ls -l /proc/1/exe",
        "deleted",
    );
    power_off(machine);
    assert_clean(&starter.disk);
}

/// The file system of most routers with little flash, which cannot be written to at all.
fn squashed(starter: &Starter) {
    let words = format!("rootfstype=squashfs ro initrd={}", starter.helper.display());
    let mut machine = starter.start_on(&starter.squashfs, "squashfs", &words);
    machine.console.wait_for("Run /sbin/init as init process", LIMIT).unwrap();
    wait_ready(&mut machine);
    shell(&mut machine, "grep ' / ' /proc/mounts", "/dev/root / squashfs ro");
    shell(&mut machine, "svc restart daemon && echo again=$((40+2))", "again=42");
    shell(&mut machine, "kill -SEGV 1; svc version", "1 crashes survived");
    shell(&mut machine, "reboot", "asked for by user 0");
    wait_restart(machine);
    let mut machine = starter.start_on(&starter.squashfs, "squashfs", &words);
    wait_ready(&mut machine);
    power_off(machine);
}

#[test]
fn a_root_that_the_kernel_mounts() {
    let starter = Starter::new();
    read_only(&starter);
    written_to(&starter);
    replaced(&starter);
    crashing(&starter);
    squashed(&starter);
}
