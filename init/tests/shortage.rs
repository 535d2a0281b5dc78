//! What happens when the system has no more of something: processes, descriptors, room for logs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use rustix::process::{Resource, Rlimit, setrlimit};
use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::{Command, Stdio},
};
use world::{JAMB, World, bundle, database, is_root, longrun, lossy, scratch, script};

/// A user that nobody else runs processes of.
const USER: u32 = 54_321;

/// Users of small machines: fork(2) fails with EAGAIN, which is a failure like others, and goes on by
/// itself once there is room.
#[test]
fn a_fork_that_fails_is_tried_again() {
    if !is_root() {
        eprintln!("limits of processes are per user: only root can be one that has no other");
        return;
    }
    // Others must be able to execute it, and to write where it runs.
    let copy = std::env::temp_dir().join(format!("jamb-shortage-{}", std::process::id()));
    world::copy_jamb(&copy);
    let dir = scratch();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    let services = vec![
        longrun("first", &["/bin/sleep", "1000"]),
        longrun("second", &["/bin/sleep", "1000"]),
        bundle("default", &["first", "second"]),
    ];
    fs::write(dir.join("services.db"), database(services)).unwrap();
    let mut command = Command::new(&copy);
    command.arg("supervise").arg("--db").arg(dir.join("services.db"));
    command.arg("--run-dir").arg(dir.join("run")).uid(USER).gid(USER).stdin(Stdio::null());
    // SAFETY: setrlimit is async-signal-safe. Room for jamb, the collector and one service.
    unsafe {
        command.pre_exec(|| {
            let three = Some(3);
            Ok(setrlimit(Resource::Nproc, Rlimit { current: three, maximum: three })?)
        });
    }
    let world = World::take(dir, command);
    world.ready("first");
    world.until_logged("jamb", "second: cannot create a process");
    let status = world.status("second");
    assert_eq!(status["last_exit"]["errno"], libc::EAGAIN);
    assert!(["backoff", "waiting", "starting"].contains(&status["state"].as_str().unwrap()));
    // With more room it comes up by itself.
    world.ok(&["stop", "first", "-t", world::LIMIT]);
    world.ready("second");
    fs::remove_file(copy).ok();
    assert!(world.end().success());
}

/// Without descriptors for the logs nothing is begun, and the message says what is missing.
#[test]
fn too_few_descriptors_are_told() {
    let dir = scratch();
    let names: Vec<&'static str> =
        (0..30).map(|n| -> &'static str { format!("s{n}").leak() }).collect();
    let services = names.iter().map(|name| longrun(name, &["/bin/sleep", "1000"])).collect();
    fs::write(dir.join("services.db"), database(services)).unwrap();
    let mut command = Command::new(JAMB);
    command.arg("supervise").arg("--db").arg(dir.join("services.db"));
    command.arg("--run-dir").arg(dir.join("run"));
    // SAFETY: setrlimit is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            let few = Some(40);
            Ok(setrlimit(Resource::Nofile, Rlimit { current: few, maximum: few })?)
        });
    }
    let output = command.output().unwrap();
    let told = lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(111), "{told}");
    assert!(told.contains("log pipes") && told.contains("nothing was started"), "{told}");
    fs::remove_dir_all(dir).ok();
}

/// Who cannot have its directories is started all the same, and whoever reads the log knows.
#[test]
fn a_service_without_its_directories_is_started() {
    let services = vec![
        script("loud", "test -d $JAMB_STATE_DIR && echo has one; exec sleep 1000"),
        script("wan", "exec sleep 1000").output("address", "ip"),
    ];
    let world = World::start(services);
    world.ready("loud");
    world.until_logged("loud", "has one");
    let run = world.run().join("services");
    for (name, place) in [("loud", "state"), ("wan", "staging")] {
        let place = run.join(place);
        fs::remove_dir_all(&place).unwrap();
        world.ok(&["restart", name, "--no-wait"]);
        let text = "No such file or directory (os error 2); it is started without";
        let text = format!("{name}: cannot make {}/{name}: {text}", place.display());
        world.until_logged("jamb", &text);
        assert!(world.pid(name) > 0);
    }
    assert!(world.end().success());
}

/// A full disk is the collector's trouble: services that write without end, and the manager, go on.
#[test]
fn a_full_disk_blocks_nobody() {
    if !is_root() {
        eprintln!("only root can make a disk that is small");
        return;
    }
    let logs: PathBuf = scratch();
    let mount_point = std::ffi::CString::new(logs.to_str().unwrap()).unwrap();
    let flood = "i=0; while [ $i -lt 2000 ]; do echo 0123456789012345678901234567890123456789\
                 0123456789012345678901234567890123456789; i=$((i+1)); done; echo >&3; exec sleep 1000";
    let services = vec![
        script("flood", flood).ready(rc::model::Ready::Fd(3)),
        longrun("other", &["/bin/sleep", "1000"]).needs("flood"),
    ];
    let world = World::start_with(services, |command| {
        command.arg("--log-dir").arg(&logs);
        // SAFETY: system calls on memory that was allocated before.
        unsafe {
            command.pre_exec(move || {
                let private = libc::MS_REC | libc::MS_PRIVATE;
                let null = core::ptr::null();
                let small = c"size=16k".as_ptr().cast();
                let failed = libc::unshare(libc::CLONE_NEWNS) != 0
                    || libc::mount(null, c"/".as_ptr(), null, private, null.cast()) != 0
                    || libc::mount(
                        c"none".as_ptr(),
                        mount_point.as_ptr(),
                        c"tmpfs".as_ptr(),
                        0,
                        small,
                    ) != 0;
                if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
            });
        }
    });
    // 160 KB went somewhere, although there is room for 16.
    world.ready("other");
    world.ok(&["restart", "other", "-t", world::LIMIT]);
    assert!(world.end().success());
    fs::remove_dir_all(logs).ok();
}
