//! Control groups with the real binary: who is in them, what dies with them, and what is said where the
//! kernel lacks something. Limits that are in force need a kernel with version 2 alone: see
//! `qemu-tests/tests/odd.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use rc::isolation::{Cgroup, Isolation};
use std::{fs::File, io::Read, path::Path, process::Command};
use world::{Def, JAMB, World, content, is_root, script};

fn in_group(def: Def, memory: Option<u64>) -> Def {
    def.exec(|exec| {
        let cgroup = Some(Cgroup { memory, ..Cgroup::default() });
        exec.isolation = Some(Box::new(Isolation { cgroup, ..Isolation::default() }));
    })
}

/// Where version 2 is mounted, if it is.
fn hierarchy() -> Option<&'static Path> {
    let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
    roots.into_iter().find(|root| root.join("cgroup.subtree_control").exists())
}

#[test]
fn all_that_is_in_a_control_group_dies_with_its_service() {
    let (Some(root), true) = (hierarchy(), is_root()) else {
        eprintln!("only root can make control groups, where there is version 2");
        return;
    };
    let dir = world::scratch();
    let fifo = dir.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Out of the session and the process group, and no descendant of the main process any more.
    let escape = format!(
        "(setsid sh -c 'exec sleep 1000' >{} &); grep ^0:: /proc/self/cgroup; echo escaped; exec sleep 1000",
        fifo.display()
    );
    let services = vec![
        in_group(script("group", &escape), Some(64 << 20)),
        script("plain", "grep ^0:: /proc/self/cgroup; echo told; exec sleep 1000"),
        world::bundle("default", &["group", "plain"]),
    ];
    let world = World::start_in(dir, &world::database(services), |_| {});
    let mut held = File::open(&fifo).unwrap();
    world.until_logged("group", "escaped");
    world.until_logged("plain", "told");

    let own = content("/proc/self/cgroup".as_ref());
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap().trim_end_matches('/');
    let base = format!("{own}/jamb-{}", world.child.id());
    assert!(world.log("group").contains(&format!("0::{base}/group\n")), "{}", world.log("group"));
    assert!(!world.log("plain").contains("jamb-"), "{}", world.log("plain"));
    let group = root.join(base.trim_start_matches('/')).join("group");
    assert_eq!(content(&group.join("cgroup.procs")).lines().count(), 2);

    let note = world.status("group")["notes"][0].as_str().unwrap().to_owned();
    let has_memory = group.join("memory.max").exists();
    assert_eq!(note.contains("without memory.max"), !has_memory, "{note}");
    if has_memory {
        assert_eq!(content(&group.join("memory.max")).trim(), (64 << 20).to_string());
    } else {
        world.until_logged("jamb", "there is no memory.max here");
    }
    assert_eq!(world.status("plain")["notes"].as_array().unwrap().len(), 0);

    // The next program knows of it.
    world.ok(&["reexec"]);
    world.ok(&["stop", "group"]);
    // It ends when nobody has the other end any more.
    held.read_to_end(&mut Vec::new()).unwrap();
    // The orphan's end is seen a moment later.
    while group.exists() {
        std::thread::yield_now();
    }
    let base = group.parent().unwrap().to_owned();
    assert!(world.end().success());
    assert!(!base.exists(), "it leaves groups behind");
}

#[test]
fn without_control_groups_it_is_said_once_and_services_start() {
    if !is_root() {
        eprintln!("only root can hide the control groups of the kernel");
        return;
    }
    let dir = world::scratch();
    let one = in_group(script("one", "exec sleep 1000"), None);
    let two = in_group(script("two", "exec sleep 1000"), Some(1 << 20));
    let services = world::database(vec![one, two, world::bundle("default", &["one", "two"])]);
    std::fs::write(dir.join("services.db"), services).unwrap();
    let code = "mount --make-rprivate / && mount -t tmpfs none /sys/fs/cgroup \
        && exec $JAMB supervise --db $DIR/services.db --run-dir $DIR/run";
    let mut command = Command::new("unshare");
    command.args(["--mount", "/bin/sh", "-c", code]).env("DIR", &dir).env("JAMB", JAMB);
    let world = World::take(dir, command);
    world.ready("default");
    for name in ["one", "two"] {
        let note = world.status(name)["notes"][0].as_str().unwrap().to_owned();
        assert_eq!(note, "no control group: it is killed by process group");
    }
    let said = "there is no cgroup v2 here";
    world.until_logged("jamb", said);
    assert_eq!(world.log("jamb").matches(said).count(), 1, "{}", world.log("jamb"));
    assert!(world.end().success());
}
