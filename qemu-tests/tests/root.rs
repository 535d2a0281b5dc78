//! A machine whose initramfs looks for its root: on a disk that appears late, with what can be written in
//! memory, on a disk, or in flash; a read-only root; one that is not there. And flash that the kernel mounts itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod disks;

use disks::{LIMIT, OWN_INIT, drive, helper, shell};
use qemu_tests::{
    board::Board,
    disk,
    image::{Builder, DATABASE, Image, Recipe},
    kernel::Kernel,
    lab::{Alone, Bench},
    machine::Plan,
    others,
    places::Places,
    tree::{Node, Tree},
};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const PART_UUID: &str = "89abcdef-0123-4567-89ab-cdef01234567";
const ROOT_UUID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const NEXT_UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";
const DATA_UUID: &str = "fedcba98-7654-3210-fedc-ba9876543210";

/// The images of one test.
struct Flash {
    places: Places,
    board: Board,
    name: String,
    directory: PathBuf,
}

impl Flash {
    /// A disk of a squashfs in a partition called `rootfs`, an ext4 of the same, and one for data.
    fn new(name: &str) -> Self {
        let places = Places::find().unwrap();
        let board = Board::load(&places.root, "qemu-x86_64").unwrap();
        let directory = places.images.join(name);
        fs::create_dir_all(&directory).unwrap();
        let folder = places.root.join("qemu-tests/machines/root/system");
        let mut recipe = Recipe::new(&places, board.clone(), Some(folder));
        recipe.name = format!("{name}-system");
        let mut builder = recipe.start(&places).unwrap();
        let others = Node::Bytes(others(&builder, &recipe, &directory));
        builder.tree.add("/etc/others.db", others, 0o644, "others.db").unwrap();
        let database = builder.compile(&recipe).unwrap();
        builder.tree.add(DATABASE, Node::Bytes(database), 0o644, "services.db").unwrap();
        let squashfs = directory.join("squashfs");
        disk::squashfs(&builder.tree, &squashfs).unwrap();
        disk::partitioned(&squashfs, "rootfs", PART_UUID, &directory.join("disk")).unwrap();
        let tree = Some(&builder.tree);
        disk::ext4(tree, &directory.join("ext4"), 32, "root", ROOT_UUID).unwrap();
        disk::ext4(None, &directory.join("data"), 16, "data", DATA_UUID).unwrap();
        let news = Node::Bytes(b"the next system\n".to_vec());
        builder.tree.add("/etc/next", news, 0o644, "next").unwrap();
        let tree = Some(&builder.tree);
        disk::ext4(tree, &directory.join("next"), 32, "next", NEXT_UUID).unwrap();
        Self { places, board, name: name.to_owned(), directory }
    }

    /// An initramfs that looks for the root as these lines of `[system.root]` say.
    fn initramfs(&self, variant: &str, root: &str) -> Image {
        self.initramfs_with(variant, "\"mtdram total_size=4096 erase_size=64\", \"jffs2\"", root)
    }

    /// The same with other drivers of flash.
    fn initramfs_with(&self, variant: &str, flash: &str, root: &str) -> Image {
        let services = self.directory.join(format!("{variant}.services"));
        fs::create_dir_all(&services).unwrap();
        let modules = "\"crc32c_generic\", \"squashfs\", \"overlay\", \"ext4\", \"virtio-blk\", \"virtio_pci\"";
        let text = format!(
            "[service.default]\nkind = \"bundle\"\n[system]\nmodules = [{modules}, {flash}]\n\
             [system.root]\n{root}\n"
        );
        fs::write(services.join("services.toml"), text).unwrap();
        let content = self.places.root.join("qemu-tests/machines/root/initramfs");
        let mut recipe = Recipe::new(&self.places, self.board.clone(), Some(services));
        recipe.content = content;
        recipe.name = format!("{}-{variant}", self.name);
        recipe.build(&self.places).unwrap()
    }

    fn drive(&self, file: &str, id: &str, how: &str) -> [String; 2] {
        drive(&self.directory.join(file), id, how)
    }

    fn start(&self, image: Image, cmdline: &str, options: Vec<String>) -> Alone {
        let bench = Bench::for_test(&self.places, &self.name).unwrap();
        let change = |plan: &mut Plan| {
            plan.cmdline = cmdline.to_owned();
            plan.ends_at_reboot = false;
            plan.options = options;
        };
        Alone::start(&self.places, bench, &self.board, image, change).unwrap()
    }
}

/// The database of the system with one service more.
fn others(builder: &Builder<'_>, recipe: &Recipe, directory: &Path) -> Vec<u8> {
    let more = "[service.more]\nkind = \"oneshot\"\nup = [\"true\"]\npart-of = [\"default\"]\n";
    let services =
        others::definitions(recipe, directory.join("others"), |text| text, more).unwrap();
    builder.compile(&Recipe { services, ..recipe.clone() }).unwrap()
}

fn wait_system(alone: &mut Alone) {
    let console = &mut alone.machine.console;
    console.wait_for("everything is ready", LIMIT).unwrap();
}

#[test]
fn a_squashfs_that_appears_late_with_memory_over_it_and_a_store_beside_it() {
    let flash = Flash::new("test-root");
    let image = flash.initramfs(
        "late",
        "device = \"PARTLABEL=rootfs\"\nwait = \"50s\"\noverlay = \"ram\"\nprepare = \"/bin/prepare\"\n\
         activate = \"/sbin/activate\"\npersist = [\"/etc/config\", \"/etc/motd\"]\n\
         store = { type = \"ext4\", device = \"LABEL=data\", options = \"noatime\" }",
    );
    let mut options = vec!["-device".to_owned(), "pcie-root-port,id=late,chassis=1".to_owned()];
    options.extend(flash.drive("disk", "disk", ",readonly=on"));
    options.extend(flash.drive("data", "data", ""));
    options.extend(["-device".to_owned(), "virtio-blk-pci,drive=data".to_owned()]);
    let mut alone = flash.start(image, "quiet rootflags=nodev -- one \"two words\"", options);
    alone.machine.console.wait_for("prepared with ", LIMIT).unwrap();
    let add = json!({ "driver": "virtio-blk-pci", "drive": "disk", "bus": "late", "id": "disk0" });
    alone.machine.qmp.execute("device_add", &add).unwrap();
    alone.machine.console.wait_for("activated in /sbin/init as ", LIMIT).unwrap();
    wait_system(&mut alone);
    shell(&mut alone, "cat /proc/1/cmdline | tr '\\0' '|'; echo", r"/sbin/init\|.*one\|");
    shell(&mut alone, "grep -c ' / overlay rw' /proc/mounts", r"\n1\r");
    shell(&mut alone, "grep ' /run/jamb/lower ' /proc/mounts", "squashfs ro,nodev");
    shell(&mut alone, "grep ' /run/jamb/store ' /proc/mounts", "ext4 rw,noatime");
    shell(&mut alone, "ls -d -l /etc/config", "drwx--x--x");
    // Nothing is left of the initramfs: what it had is not in memory.
    shell(&mut alone, "ls -d /bin/prepare || echo freed", "\nfreed\r");
    shell(&mut alone, "echo kept >/etc/config/file; echo changed >/etc/motd; echo x >/gone", "");
    shell(&mut alone, "cat /etc/config/file /etc/motd /gone", "kept\r\nchanged\r\nx\r");
    shell(&mut alone, "reboot", "shutdown: rebooting");
    alone.machine.wait_reset(LIMIT).unwrap();

    wait_system(&mut alone);
    let all = r"kept\r\nchanged\r\n.*gone.*No such file";
    shell(&mut alone, "cat /etc/config/file /etc/motd /gone", all);
    // It was unmounted, or else it would have to be recovered.
    shell(&mut alone, "dmesg | grep -c 'recovery complete'", r"\n0\r");
    assert!(!alone.machine.console.text().contains("cannot unmount"));
}

#[test]
fn an_ext4_by_its_uuid_or_a_squashfs_with_flash_over_it() {
    let flash = Flash::new("test-root-flash");
    let image = flash.initramfs(
        "flash",
        "device = \"/dev/vda1\"\noptions = \"ro\"\noverlay = \"store\"\n\
         store = { type = \"jffs2\", device = \"mtd:mtdram test device\" }",
    );
    let disks = |files: &[&str]| {
        let mut options = Vec::new();
        for (number, file) in files.iter().enumerate() {
            options.extend(flash.drive(file, &format!("d{number}"), ",readonly=on"));
            options.extend(["-device".to_owned(), format!("virtio-blk-pci,drive=d{number}")]);
        }
        options
    };
    let mut alone = flash.start(image.clone(), "", disks(&["disk"]));
    wait_system(&mut alone);
    shell(&mut alone, "grep ' /run/jamb/store ' /proc/mounts", "mtd0 /run/jamb/store jffs2 rw");
    shell(&mut alone, "echo written >/file; ls /run/jamb/store/upper", "file");
    shell(&mut alone, "poweroff", "shutdown: powering off");
    assert_eq!(alone.machine.wait_shutdown(LIMIT).unwrap(), "guest-shutdown");
    drop(alone);

    // A root that cannot be written to at all, and one that the command line names instead.
    let kept =
        "\"ramoops mem_address=0x8000000 mem_size=0x40000 record_size=0x10000 max_reason=4\"";
    let image =
        flash.initramfs_with("plain", kept, "device = \"/dev/nothing\"\ntype = \"squashfs\"");
    let reserved = "memmap=256K$0x8000000";
    let cmdline = format!("root=UUID={ROOT_UUID} rw {reserved}");
    let mut alone = flash.start(image.clone(), &cmdline, disks(&["disk", "ext4"]));
    wait_system(&mut alone);
    // The disk is write-protected.
    shell(&mut alone, "grep ' / ' /proc/mounts", "/dev/vdb / ext4 ro");
    drop(alone);
    let cmdline = format!("root=PARTUUID={PART_UUID} {reserved}");
    let mut alone = flash.start(image, &cmdline, disks(&["disk"]));
    wait_system(&mut alone);
    shell(&mut alone, "grep ' / ' /proc/mounts", "/dev/vda1 / squashfs ro");
    shell(&mut alone, "touch /x || svc status", "Read-only file system");
    shell(&mut alone, "svc status", "shell .*ready");
    let crash = "kill -SEGV 1; svc version; dmesg | grep -c 'jamb: crashed: SIGSEGV'";
    shell(&mut alone, crash, r"\n1\r");
    // No file can be written; the kernel's log is kept in memory.
    shell(&mut alone, "reboot -r 'in memory'", "cannot keep in /var/end");
    alone.machine.wait_reset(LIMIT).unwrap();
    let before =
        "the run before ended in order: reboot, asked for by user 0, process [0-9]+: in memory";
    alone.machine.console.wait_for(before, LIMIT).unwrap();
    wait_system(&mut alone);
    shell(&mut alone, "reboot -f", "");
    alone.machine.wait_reset(LIMIT).unwrap();
    alone.machine.console.wait_for("no run before has left word", LIMIT).unwrap();
}

/// Other services are there after a loss of power if they were to stay, and only then; and a root that cannot be
/// written to says so before anything is done.
#[test]
fn other_services_outlive_a_loss_of_power_if_they_are_confirmed() {
    let flash = Flash::new("test-switch");
    let image = flash.initramfs("switch", &format!("device = \"UUID={ROOT_UUID}\""));
    let mut options = flash.drive("ext4", "root", "").to_vec();
    options.extend(["-device".to_owned(), "virtio-blk-pci,drive=root".to_owned()]);
    let mut alone = flash.start(image, "rw", options);
    let lose_power = |alone: &mut Alone| {
        alone.machine.press_reset().unwrap();
        alone.machine.wait_reset(LIMIT).unwrap();
        wait_system(alone);
    };
    wait_system(&mut alone);
    shell(&mut alone, "cp /etc/jamb/services.db /etc/first.db; sync", "");
    shell(&mut alone, "svc plan /etc/others.db", r"changed   default\r\nnew       more\r");
    let command = "svc switch /etc/others.db --confirm 10m";
    shell(&mut alone, command, "not confirmed: svc confirm keeps it, or in ");
    shell(&mut alone, "svc wait more ready && echo it is $?", "it is 0");
    lose_power(&mut alone);
    shell(&mut alone, "svc status more", "there is no service more");
    // What was prepared is in nobody's way.
    shell(
        &mut alone,
        "svc switch /etc/others.db",
        "in use, and from now on in /etc/jamb/services.db",
    );
    lose_power(&mut alone);
    shell(&mut alone, "svc status more", "more: ready");
    shell(&mut alone, "ls /etc/jamb; echo all", r"\nservices.db\r\nall");
    shell(
        &mut alone,
        "mount -o remount,ro / && svc switch /etc/first.db",
        "cannot write .*Read-only",
    );
    shell(&mut alone, "svc switch --temporary /etc/first.db", "in use until the next boot");
    shell(&mut alone, "svc status more", "there is no service more");
    shell(&mut alone, "poweroff", "shutdown: powering off");
    assert_eq!(alone.machine.wait_shutdown(LIMIT).unwrap(), "guest-shutdown");
}

/// On raw NAND a root is a volume of UBI: a ubifs, or a squashfs on a block device of the volume.
#[test]
fn a_squashfs_or_a_ubifs_in_a_volume_of_nand() {
    let flash = Flash::new("test-root-ubi");
    // 64 MiB with pages of 2 KiB.
    let nand = "\"nandsim id_bytes=0x20,0xa2,0x00,0x15\", \"zstd\", \"ubi mtd=0\", \"ubifs\"";
    let image = flash.initramfs_with(
        "ubi",
        nand,
        "device = \"ubi0:fixed\"\ntype = \"squashfs\"\nprepare = \"/bin/prepare-ubi\"\noverlay = \"store\"\n\
         store = { type = \"ubifs\", device = \"ubi0:data\" }",
    );
    let mut options = flash.drive("disk", "disk", ",readonly=on").to_vec();
    options.extend(["-device".to_owned(), "virtio-blk-pci,drive=disk".to_owned()]);
    let mut alone = flash.start(image.clone(), "", options.clone());
    wait_system(&mut alone);
    shell(&mut alone, "grep ' /run/jamb/lower ' /proc/mounts", "/dev/ubiblock0_1 .* squashfs ro");
    shell(&mut alone, "grep ' /run/jamb/store ' /proc/mounts", "ubi0_2 .* ubifs rw");
    shell(&mut alone, "echo written >/file; ls /run/jamb/store/upper", "file");
    shell(&mut alone, "poweroff", "shutdown: powering off");
    assert_eq!(alone.machine.wait_shutdown(LIMIT).unwrap(), "guest-shutdown");
    assert!(!alone.machine.console.text().contains("cannot unmount"));
    drop(alone);

    let cmdline = "root=ubi0_0 rw init=/sbin/other -- three";
    let mut alone = flash.start(image, cmdline, options);
    alone.machine.console.wait_for("another init is 1: .*three", LIMIT).unwrap();
    wait_system(&mut alone);
    shell(&mut alone, "grep ' /run/jamb/lower ' /proc/mounts", "ubi0_0 .* ubifs ro");
    shell(&mut alone, "reboot", "shutdown: rebooting");
    alone.machine.wait_reset(LIMIT).unwrap();
}

/// Neither needs a first process in an initramfs: the kernel knows flash by the numbers of its devices and volumes.
#[test]
fn a_jffs2_or_a_ubifs_that_the_kernel_mounts_itself() {
    let flash = Flash::new("test-root-kernel");
    let image = helper(&flash.places, &flash.board, &flash.name);
    // As flash is when it is erased.
    fs::write(flash.directory.join("flash"), vec![0xff; 32 << 20]).unwrap();
    let mut options = Vec::new();
    for (file, how) in [("disk", ",readonly=on"), ("flash", "")] {
        options.extend(flash.drive(file, file, how));
        options.extend(["-device".to_owned(), format!("virtio-blk-pci,drive={file}")]);
    }
    let cmdline = "root=mtd0 rootfstype=jffs2 rw";
    let mut alone = flash.start(image.clone(), cmdline, options.clone());
    wait_system(&mut alone);
    shell(&mut alone, OWN_INIT, r"\n1\r");
    shell(&mut alone, "grep ' / ' /proc/mounts", " / jffs2 rw");
    shell(&mut alone, "kill -SEGV 1; svc version", "1 crashes survived");
    shell(&mut alone, "echo kept >/kept; reboot -r 'into flash'", "shutdown: rebooting");
    alone.machine.wait_reset(LIMIT).unwrap();
    let before = "the run before ended in order: reboot, .*: into flash";
    alone.machine.console.wait_for(before, LIMIT).unwrap();
    wait_system(&mut alone);
    shell(&mut alone, "cat /kept", r"\nkept\r");
    shell(&mut alone, "poweroff", "shutdown: powering off");
    assert_eq!(alone.machine.wait_shutdown(LIMIT).unwrap(), "guest-shutdown");
    assert!(!alone.machine.console.text().contains("cannot unmount"));
    drop(alone);

    let mut alone = flash.start(image, "root=ubi0:rootfs rootfstype=ubifs rw", options);
    wait_system(&mut alone);
    shell(&mut alone, OWN_INIT, r"\n1\r");
    shell(&mut alone, "grep ' / ' /proc/mounts", " / ubifs rw");
    shell(&mut alone, "kill -SEGV 1; svc version", "1 crashes survived");
    shell(&mut alone, "echo written >/file; cat /file", r"\nwritten\r");
    shell(&mut alone, "poweroff", "shutdown: powering off");
    assert_eq!(alone.machine.wait_shutdown(LIMIT).unwrap(), "guest-shutdown");
    assert!(!alone.machine.console.text().contains("cannot unmount"));
}

/// A kernel that is loaded already is started after an orderly end, without the firmware; the reason is told by
/// its boot.
#[test]
fn another_kernel_without_the_firmware() {
    let flash = Flash::new("test-root-kexec");
    let image = flash.initramfs("kexec", "device = \"/dev/vda\"\ntype = \"ext4\"");
    let mut boot = Tree::default();
    let kernel = Kernel::of(&flash.places, &flash.board).unwrap();
    boot.add_host("/kernel", &kernel.packed, "kernel").unwrap();
    boot.add_host("/initrd", &image.initrd, "initrd").unwrap();
    disk::ext4(Some(&boot), &flash.directory.join("boot"), 64, "boot", DATA_UUID).unwrap();
    let mut options = Vec::new();
    for (file, how) in [("ext4", ""), ("boot", ",readonly=on")] {
        options.extend(flash.drive(file, file, how));
        options.extend(["-device".to_owned(), format!("virtio-blk-pci,drive={file}")]);
    }
    let mut alone = flash.start(image, "", options);
    wait_system(&mut alone);
    shell(&mut alone, "reboot -x", "no kernel is loaded; kexec -l loads one");
    shell(&mut alone, "mkdir /tmp/boot; mount -o ro /dev/vdb /tmp/boot; ls /tmp/boot", "kernel");
    let load =
        "kexec -s -l /tmp/boot/kernel --initrd=/tmp/boot/initrd --reuse-cmdline --append=again=1";
    shell(&mut alone, &format!("{load}; cat /sys/kernel/kexec_loaded"), r"\n1\r");
    shell(&mut alone, "touch /kept; reboot -x -r 'a new kernel'", "shutdown: starting the kernel");
    let before =
        "the run before ended in order: kexec, asked for by user 0, process [0-9]+: a new kernel";
    alone.machine.console.wait_for(before, LIMIT).unwrap();
    wait_system(&mut alone);
    shell(&mut alone, "ls /kept; cat /proc/cmdline", "/kept\r\n.*again=1");
    // Nothing was left to recover, and the machine itself was not started anew.
    shell(&mut alone, "dmesg | grep -c 'recovery complete'", r"\n0\r");
    assert!(alone.machine.wait_reset(Duration::ZERO).is_err());
}

/// The reason for a reboot is told by the next boot, and a last act puts another system in place of the one
/// that runs.
#[test]
fn a_system_that_is_written_over_by_its_last_act() {
    let flash = Flash::new("test-root-last");
    let image = flash.initramfs("last", "device = \"/dev/vda\"\ntype = \"ext4\"");
    let mut options = Vec::new();
    for file in ["ext4", "next"] {
        options.extend(flash.drive(file, file, ""));
        options.extend(["-device".to_owned(), format!("virtio-blk-pci,drive={file}")]);
    }
    let mut alone = flash.start(image, "", options);
    alone.machine.console.wait_for("no run before has left word", LIMIT).unwrap();
    wait_system(&mut alone);
    shell(&mut alone, "reboot -r 'a new key'", "shutdown: rebooting");
    alone.machine.wait_reset(LIMIT).unwrap();
    let before =
        "the run before ended in order: reboot, asked for by user 0, process [0-9]+: a new key";
    alone.machine.console.wait_for(before, LIMIT).unwrap();
    wait_system(&mut alone);
    // It was told once.
    shell(&mut alone, "ls /var/end", "No such file");

    shell(&mut alone, "reboot -m /etc", "/etc is not below /run");
    shell(
        &mut alone,
        "mkdir /run/flash; reboot -m /run/flash",
        "cannot execute /run/flash/maintenance",
    );
    shell(
        &mut alone,
        "cp -a /usr /bin /lib /lib64 /etc/maintenance /run/flash; ls /run/flash",
        "usr",
    );
    shell(&mut alone, "reboot -m /run/flash", "shutdown: the last act begins");
    let console = &mut alone.machine.console;
    console.wait_for(r"roots left: 0\r\n1\r\nwritten over\r\n", LIMIT).unwrap();
    console.wait_for("shutdown: the last act is over", LIMIT).unwrap();
    console.wait_for("shutdown: rebooting", LIMIT).unwrap();
    alone.machine.wait_reset(LIMIT).unwrap();
    wait_system(&mut alone);
    shell(&mut alone, "cat /etc/next", "the next system");
    assert!(!alone.machine.console.text().contains("cannot unmount"));
}

#[test]
fn a_root_that_is_not_there_leads_to_a_shell_or_a_reboot() {
    let flash = Flash::new("test-root-none");
    let image = flash.initramfs("none", "device = \"LABEL=none\"\nwait = \"1s\"");
    let mut options = flash.drive("data", "data", "").to_vec();
    options.extend(["-device".to_owned(), "virtio-blk-pci,drive=data".to_owned()]);
    let mut alone = flash.start(image.clone(), "jamb.rescue=1", options.clone());
    let console = &mut alone.machine.console;
    let what = "cannot find LABEL=none within 1 s; there are: vda";
    console
        .wait_for(&format!("jamb: rescue: {what}.*; the machine reboots in 1 s"), LIMIT)
        .unwrap();
    console.wait_for("shutdown: rebooting", LIMIT).unwrap();
    alone.machine.wait_reset(LIMIT).unwrap();
    drop(alone);

    let mut alone = flash.start(image, "root=LABEL=data", options);
    let console = &mut alone.machine.console;
    // Found and mounted, but there is no init, nor where anything could be moved to.
    console.wait_for("cannot move to the new root /proc: .*; here is a shell", LIMIT).unwrap();
    shell(&mut alone, "echo answer=$((40+2)); ls /proc/1/comm", "answer=42");
    shell(&mut alone, "ls /newroot", r"lost\+found");
    // A last act from an initramfs, which stays; what was mounted on it does not, but for the act's own.
    shell(&mut alone, "reboot -m /run/../newroot", "is not below /run");
    let disk = "mkdir /run/disk; mount --bind /newroot /run/disk; cp /bin/prepare \
                /run/disk/maintenance; reboot -m /run/disk";
    shell(&mut alone, disk, "/run/disk is not in memory");
    shell(&mut alone, "mkdir /run/last; mount -t tmpfs none /run/last", "");
    let program =
        "echo roots left: $(grep -c ext4 /proc/mounts); dmesg | grep -c \"vda): unmounting\"";
    shell(&mut alone, "cp -a /usr /bin /lib /lib64 /run/last; ls /run/last", "usr");
    shell(
        &mut alone,
        "echo '#!/bin/sh' >/run/last/maintenance; chmod 755 /run/last/maintenance",
        "",
    );
    shell(&mut alone, &format!("echo '{program}' >>/run/last/maintenance"), "");
    shell(&mut alone, "reboot -m /run/last", "shutdown: the last act begins");
    alone.machine.console.wait_for(r"roots left: 0\r\n1\r\n", LIMIT).unwrap();
    alone.machine.console.wait_for("shutdown: rebooting", LIMIT).unwrap();
    alone.machine.wait_reset(LIMIT).unwrap();
}
