//! What tests of roots share: disks, an initramfs without a first process, and a shell on the console.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use qemu_tests::{
    board::Board,
    image::{Image, Recipe},
    lab::Alone,
    places::Places,
};
use std::{path::Path, time::Duration};

/// Many times what it takes on an idle host.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Prints 1: the kernel says it when it has no first process from elsewhere.
pub const OWN_INIT: &str = "dmesg | grep -c 'Run /sbin/init as init process'";

/// With it the kernel mounts its root itself, and finds there what it misses for that.
pub fn helper(places: &Places, board: &Board, name: &str) -> Image {
    let folder = places.root.join("qemu-tests/machines/root/helper");
    let mut recipe = Recipe::new(places, board.clone(), Some(folder));
    recipe.name = format!("{name}-helper");
    let mut builder = recipe.start(places).unwrap();
    builder.tree.remove("/init").unwrap();
    builder.finish(&recipe.name).unwrap()
}

/// Options of QEMU: a file to be the disk of a device that names `id`.
pub fn drive(file: &Path, id: &str, how: &str) -> [String; 2] {
    ["-drive".to_owned(), format!("if=none,id={id},format=raw,file={}{how}", file.display())]
}

/// Types a command, and waits for what it prints.
pub fn shell(alone: &mut Alone, command: &str, prints: &str) {
    let console = &mut alone.machine.console;
    console.send(&format!("{command}\n")).unwrap();
    console.wait_for(prints, LIMIT).unwrap();
}
