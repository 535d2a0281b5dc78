//! A root that the kernel mounts itself, with no first process of an initramfs before: an ext4, read-only and not,
//! and a squashfs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod disks;

use disks::{LIMIT, OWN_INIT, drive, helper, shell};
use qemu_tests::{
    board::Board,
    disk,
    image::{DATABASE, Image, Recipe},
    kernel::Kernel,
    lab::{Alone, Bench},
    places::Places,
    run::run,
    tree::Node,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const UUID: &str = "01234567-89ab-cdef-0123-456789abcdef";

/// The first disk by its number, as the kernel knows it before it has a driver for it: block devices without a
/// number of their own are given theirs from 254 down.
const ROOT: &str = "root=254:0";

struct Starter {
    name: &'static str,
    places: Places,
    board: Board,
    /// Loads what the kernel misses to mount its root.
    helper: Image,
    disk: PathBuf,
    /// The same as a squashfs.
    squashfs: PathBuf,
}

impl Starter {
    fn new(name: &'static str) -> Self {
        let places = Places::find().unwrap();
        let board = Board::load(&places.root, "qemu-x86_64").unwrap();
        let helper = helper(&places, &board, name);

        let folder = places.root.join("qemu-tests/machines/direct");
        let mut bare = board.clone();
        bare.file = folder.join("boards/direct.toml");
        bare.modules.clear();
        let mut recipe = Recipe::new(&places, bare, Some(folder));
        recipe.name = name.to_owned();
        // One module has no module of the kernel that the checks know.
        recipe.is_checked = false;
        let mut builder = recipe.start(&places).unwrap();
        let modules = format!("/lib/modules/{}", Kernel::of(&places, &board).unwrap().version);
        builder.tree.remove(&format!("{modules}/modules.dep")).unwrap();
        for (file, text) in [("modules.dep", "packed.ko.xz:\n"), ("packed.ko.xz", "\u{7}no matter")]
        {
            let node = Node::Bytes(text.as_bytes().to_vec());
            builder.tree.add(&format!("{modules}/{file}"), node, 0o644, "modules").unwrap();
        }
        let database = builder.compile(&recipe).unwrap();
        builder.tree.add(DATABASE, Node::Bytes(database), 0o644, "services.db").unwrap();
        let disk = places.images.join(name).join("ext4");
        disk::ext4(Some(&builder.tree), &disk, 32, "root", UUID).unwrap();
        let squashfs = disk.with_file_name("squashfs");
        disk::squashfs(&builder.tree, &squashfs).unwrap();
        Self { name, places, board, helper, disk, squashfs }
    }

    fn start(&self, words: &str) -> Alone {
        self.start_on(&self.disk, &format!("rootfstype=ext4 {words}"))
    }

    fn start_on(&self, disk: &Path, words: &str) -> Alone {
        let bench = Bench::for_test(&self.places, self.name).unwrap();
        let drive = drive(disk, "disk", "");
        Alone::start(&self.places, bench, &self.board, self.helper.clone(), |plan| {
            // Shows what jamb leaves in the kernel's log when it can do nothing else.
            plan.cmdline = format!("loglevel=5 {ROOT} {words}");
            plan.ends_at_reboot = false;
            plan.options = drive.to_vec();
            plan.options.extend(["-device", "virtio-blk-pci,drive=disk"].map(str::to_owned));
        })
        .unwrap()
    }
}

/// Waits for a boot, and for the shell that reads what is typed.
fn wait_ready(alone: &mut Alone) {
    alone.machine.console.wait_for("jamb: init: jamb .* starts", LIMIT).unwrap();
    wait_shell(alone);
}

fn wait_shell(alone: &mut Alone) {
    alone.machine.console.wait_for("/ # ", LIMIT).unwrap();
    shell(alone, "svc wait default && echo ready=$((40+2))", "ready=42");
    shell(alone, OWN_INIT, r"\n1\r");
}

/// Waits until the machine starts anew.
fn wait_restart(alone: &mut Alone) {
    alone.machine.console.wait_for("shutdown: rebooting", LIMIT).unwrap();
    alone.machine.wait_reset(LIMIT).unwrap();
}

/// Waits for the machine's end by itself; answers what its console said.
fn wait_off(mut alone: Alone) -> String {
    assert_eq!(alone.machine.wait_shutdown(LIMIT).unwrap(), "guest-shutdown");
    alone.machine.console.text()
}

/// Ends the machine, and nothing stays mounted.
fn power_off(mut alone: Alone) {
    shell(&mut alone, "poweroff", "shutdown: powering off");
    assert!(!wait_off(alone).contains("cannot unmount"));
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
    let mut alone = starter.start("ro");
    // This kernel cannot unpack modules.
    let packed = "boot: cannot load the module packed: Not supported .*; boot goes on";
    alone.machine.console.wait_for(packed, LIMIT).unwrap();
    wait_shell(&mut alone);
    shell(&mut alone, "grep ' / ' /proc/mounts", "/dev/root / ext4 ro");
    shell(&mut alone, "touch /x", "Read-only file system");
    shell(&mut alone, "svc status", "daemon .*ready");
    shell(&mut alone, "svc status default && echo all=$((40+2))", "all=42");
    let pid = "$(svc status daemon --json | grep -o '\"pid\":[0-9]*')";
    shell(&mut alone, &format!("old={pid}; svc restart daemon; new={pid}; echo $old $new"), "");
    let pids =
        alone.machine.console.wait_for("\n\"pid\":([0-9]+) \"pid\":([0-9]+)\r", LIMIT).unwrap();
    assert_ne!(pids[1], pids[2]);
    shell(&mut alone, "kill -SEGV 1; svc version", "1 crashes survived");
    shell(&mut alone, "reboot", "cannot keep in /var/end");
    wait_restart(&mut alone);
    wait_ready(&mut alone);
    power_off(alone);
    assert!(before == fs::read(&starter.disk).unwrap(), "it was written to");
}

/// What was written is there after a reboot, which has made the root read-only.
fn written_to(starter: &Starter) {
    let mut alone = starter.start("rw");
    wait_ready(&mut alone);
    shell(&mut alone, "grep ' / ' /proc/mounts", "/dev/root / ext4 rw");
    shell(&mut alone, "echo kept >/var/kept; reboot -r 'a new key'", "asked for by user 0");
    wait_restart(&mut alone);
    let before =
        "the run before ended in order: reboot, asked for by user 0, process [0-9]+: a new key";
    alone.machine.console.wait_for(before, LIMIT).unwrap();
    wait_shell(&mut alone);
    shell(&mut alone, "cat /var/kept; grep -c line /var/written", "kept\r\n[1-9]");
    power_off(alone);
    assert_clean(&starter.disk);
}

/// Somebody who crashes PID 1 whenever it ends the machine, and in the end by a last act.
fn crashing(starter: &Starter) {
    let mut alone = starter.start("rw");
    wait_ready(&mut alone);
    // It is no service any more when it is told to end, which PID 1 does as often as it begins with the end.
    let straggler = "trap 'kill -SEGV 1' TERM; echo up >/var/up; while :; do sleep 1 & wait; done";
    let program = format!("echo \"{straggler}\" >/var/straggler; setsid sh /var/straggler &");
    shell(&mut alone, &program, "");
    shell(&mut alone, "until grep -q up /var/up; do :; done; echo up=$((40+2))", "up=42");
    shell(&mut alone, "poweroff", "handover: jamb crashed");
    alone.machine.console.wait_for("jamb: crashed at the end", LIMIT).unwrap();
    wait_off(alone);
    // It was not unmounted, but all was written: there is at most a journal to go through.
    let repaired = Command::new("e2fsck").arg("-p").arg(&starter.disk).status().unwrap().code();
    assert!(matches!(repaired, Some(0 | 1)), "{repaired:?}");

    let mut alone = starter.start("rw");
    wait_ready(&mut alone);
    shell(
        &mut alone,
        "mkdir -p /run/last; cp -a /usr /bin /lib /lib64 /run/last; ls /run/last",
        "usr",
    );
    let act = "kill -SEGV 1; echo survived by $$; sleep 2; echo as far as here";
    let write = format!("(echo '#!/bin/sh'; echo '{act}') >/run/last/maintenance");
    shell(&mut alone, &write, "");
    shell(
        &mut alone,
        "chmod 755 /run/last/maintenance; poweroff -m /run/last",
        "the last act begins",
    );
    alone.machine.console.wait_for("\nsurvived by", LIMIT).unwrap();
    alone.machine.console.wait_for("\nas far as here", LIMIT).unwrap();
    wait_off(alone);
    assert_clean(&starter.disk);
}

/// The program of PID 1 was replaced while it ran: as long as it is executed, the old one keeps its root from
/// being made read-only.
fn replaced(starter: &Starter) {
    let mut alone = starter.start("rw");
    wait_ready(&mut alone);
    shell(
        &mut alone,
        "cp /sbin/jamb /sbin/new; mv /sbin/new /sbin/jamb; ls -l /proc/1/exe",
        "deleted",
    );
    power_off(alone);
    assert_clean(&starter.disk);
}

/// The file system of most routers with little flash, which cannot be written to at all.
fn squashed(starter: &Starter) {
    let mut alone = starter.start_on(&starter.squashfs, "rootfstype=squashfs ro");
    wait_ready(&mut alone);
    shell(&mut alone, "grep ' / ' /proc/mounts", "/dev/root / squashfs ro");
    shell(&mut alone, "svc restart daemon && echo again=$((40+2))", "again=42");
    shell(&mut alone, "kill -SEGV 1; svc version", "1 crashes survived");
    shell(&mut alone, "reboot", "asked for by user 0");
    wait_restart(&mut alone);
    wait_ready(&mut alone);
    power_off(alone);
}

#[test]
fn a_root_that_cannot_be_written_to() {
    let starter = Starter::new("test-direct-fixed");
    read_only(&starter);
    squashed(&starter);
}

#[test]
fn a_root_that_is_written_to() {
    let starter = Starter::new("test-direct");
    written_to(&starter);
    replaced(&starter);
    crashing(&starter);
}
