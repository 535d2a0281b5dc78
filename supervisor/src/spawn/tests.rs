//! Real processes: what they find, what they are told, and how failures are named.

use super::*;
use crate::{exit::Exit, reap};
use rustix::fd::AsFd;
use std::{fs::File, io::Read};

/// Tests share one process and its children, so they take turns.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn strings(list: &[&str]) -> Words {
    Words::of(list).unwrap()
}

static NOTHING: Words = Words::new();

fn wait_for(pid: Pid) -> Exit {
    loop {
        if let Some(dead) = reap::peek()
            && reap::release(dead.pid)
            && dead.pid == pid
        {
            return dead.exit;
        }
        std::thread::yield_now();
    }
}

fn plain<'a>(programs: &'a Words, argv: &'a Words, stdio: [BorrowedFd<'a>; 3]) -> Spec<'a> {
    Spec {
        programs,
        argv,
        env: &NOTHING,
        cwd: c"/",
        umask: 0o027,
        limits: &[],
        identity: None,
        stdio,
        pass: None,
        listen: &[],
        keep: &[],
        terminal: Terminal::None,
        oom_score_adj: None,
        isolation: Isolation::NONE,
        tells_pid: false,
    }
}

fn run(
    programs: &[&str],
    argv: &[&str],
    change: fn(&mut Spec<'_>),
) -> (Result<Exit, SpawnFailure>, String) {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let null = File::open("/dev/null").unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let (programs, argv, env) = (strings(programs), strings(argv), strings(&["A=b"]));
    let stdio = [null.as_fd(), writer.as_fd(), writer.as_fd()];
    let mut spec = Spec { env: &env, ..plain(&programs, &argv, stdio) };
    change(&mut spec);
    let pid = Spawner::new().spawn(&spec);
    drop(writer);
    let exit = pid.map(wait_for);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    (exit, text)
}

fn sh(script: &str, change: fn(&mut Spec<'_>)) -> (Result<Exit, SpawnFailure>, String) {
    run(&["/bin/sh"], &["sh", "-c", script], change)
}

#[test]
fn a_child_is_clean() {
    let script = "umask; pwd; echo $A; ls /proc/self/fd | wc -l; \
        grep -E '^Sig(Blk|Ign)' /proc/self/status; exit 7";
    let (exit, text) = sh(script, |spec| spec.umask = 0o027);
    assert_eq!(exit, Ok(Exit::Code(7)));
    // 0, 1, 2 and the one that ls itself opens.
    let want = "0027\n/\nb\n4\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n";
    assert_eq!(text, want);
}

#[test]
fn where_the_table_cannot_be_unshared_it_is_copied() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let null = File::open("/dev/null").unwrap();
    let (programs, argv) = (strings(&["/bin/sh"]), strings(&["sh", "-c", "exit 7"]));
    let spec = plain(&programs, &argv, [null.as_fd(); 3]);
    let mut spawner = Spawner::new();
    let numbers = [null.as_raw_fd(); 3];
    // There is no such number: the child ends before it touches anything.
    assert!(spawner.clone(&spec, numbers, None, &[], Some(-1)).is_none());
    assert!(null.metadata().is_ok(), "our own descriptors are untouched");
    spawner.slots = None;
    assert_eq!(spawner.spawn(&spec).map(wait_for), Ok(Exit::Code(7)));
}

#[test]
fn it_leads_its_own_session() {
    let (_, text) = sh("cut -d' ' -f1,5,6 /proc/$$/stat", |_| {});
    let ids: Vec<&str> = text.split_whitespace().collect();
    assert!(ids.len() == 3 && ids[0] == ids[1] && ids[1] == ids[2], "{text}");
}

#[test]
fn it_is_told_its_pid() {
    let (_, text) = sh("echo $WATCHDOG_PID $$ $A", |spec| spec.tells_pid = true);
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(words.len() == 3 && words[0] == words[1] && words[2] == "b", "{text}");
    assert_eq!(sh("echo ${WATCHDOG_PID-unset}", |_| {}).1, "unset\n");
}

#[test]
fn limits_and_identity_are_set() {
    static NOBODY: Identity = Identity { uid: 65534, gid: 65533, groups: Vec::new() };
    let (exit, text) = sh("ulimit -n; grep -E '^(Uid|Gid|Groups)' /proc/self/status", |spec| {
        spec.limits = &[(Resource::Nofile, Some(33), Some(44))];
        if rustix::process::geteuid().is_root() {
            spec.identity = Some(&NOBODY);
        }
    });
    assert_eq!(exit, Ok(Exit::Code(0)));
    assert!(text.starts_with("33\n"), "{text}");
    if rustix::process::geteuid().is_root() {
        assert!(text.contains("Uid:\t65534\t65534\t65534\t65534\n"), "{text}");
        assert!(text.contains("Gid:\t65533\t65533\t65533\t65533\n"), "{text}");
        assert!(text.contains("Groups:\t\n") || text.contains("Groups:\t \n"), "{text}");
    }
}

/// The lines of `/proc/PID/status` that begin with one of these names.
fn status(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

#[test]
fn isolation_is_complete_and_outlives_the_change_of_the_user() {
    static NOBODY: Identity = Identity { uid: 65534, gid: 65533, groups: Vec::new() };
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // The ambient set: net_bind_service and net_raw, of which chown is no part.
    const AMBIENT: u64 = 1 << 10 | 1 << 13;
    const BOUNDING: u64 = AMBIENT | 1;
    let script = "cat /proc/self/status /proc/self/oom_score_adj; cut -d' ' -f19 /proc/self/stat; \
        ulimit -n; umask; pwd";
    let (exit, text) = sh(script, |spec| {
        spec.identity = Some(&NOBODY);
        spec.limits = &[(Resource::Nofile, Some(33), Some(44))];
        spec.cwd = c"/proc";
        spec.oom_score_adj = Some(c"0");
        spec.isolation = Isolation {
            oom_score: Some(c"500"),
            nice: Some(7),
            // Another root that has all that is needed here; see `it_has_another_root`.
            chroot: Some(c"/"),
            bounding: BOUNDING,
            ambient: AMBIENT,
            no_new_privileges: true,
            ..Isolation::NONE
        };
    });
    assert_eq!(exit, Ok(Exit::Code(0)));
    let set = |bits: u64| format!("{bits:016x}");
    assert_eq!(status(&text, "Uid"), "65534\t65534\t65534\t65534");
    for (name, bits) in [
        ("CapInh", AMBIENT),
        ("CapPrm", AMBIENT),
        ("CapEff", AMBIENT),
        ("CapBnd", BOUNDING),
        ("CapAmb", AMBIENT),
    ] {
        assert_eq!(status(&text, name), set(bits), "{name}");
    }
    assert_eq!(status(&text, "NoNewPrivs"), "1");
    let rest: Vec<&str> = text.lines().rev().take(5).collect();
    assert_eq!(rest, ["/proc", "0027", "33", "7", "500"], "{text}");
}

#[test]
fn without_isolation_nothing_is_taken_from_root_or_given_to_others() {
    static NOBODY: Identity = Identity { uid: 65534, gid: 65533, groups: Vec::new() };
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let (_, text) = sh("cat /proc/self/status", |_| {});
    assert_eq!(status(&text, "CapBnd"), status(&own, "CapBnd"));
    assert_eq!(status(&text, "NoNewPrivs"), status(&own, "NoNewPrivs"));
    if rustix::process::geteuid().is_root() {
        let (_, text) = sh("cat /proc/self/status", |spec| spec.identity = Some(&NOBODY));
        assert_eq!(status(&text, "CapEff"), "0000000000000000");
        assert_eq!(status(&text, "CapPrm"), "0000000000000000");
        // A bounding set limits root, too.
        let (_, text) = sh("cat /proc/self/status", |spec| spec.isolation.bounding = 1);
        assert_eq!(status(&text, "CapEff"), "0000000000000001");
    }
}

#[test]
fn it_has_another_root() {
    if !rustix::process::geteuid().is_root() || !std::path::Path::new("/usr/bin/sh").exists() {
        return;
    }
    // With /bin a link into /usr, that is the root of a working system.
    let (exit, text) =
        sh("cd ..; pwd; [ -e /bin/sh ] && [ ! -e /proc/self ] && echo inside", |spec| {
            spec.isolation.chroot = Some(c"/usr");
            spec.cwd = c"/bin";
        });
    assert_eq!((exit, text.as_str()), (Ok(Exit::Code(0)), "/\ninside\n"));
}

#[test]
fn what_isolates_fails_the_start_if_it_is_refused() {
    static NOBODY: Identity = Identity { uid: 65534, gid: 65533, groups: Vec::new() };
    let at = |step, errno| Err(SpawnFailure { step, errno });
    let nowhere = sh("", |spec| spec.isolation.chroot = Some(c"/nonexistent")).0;
    assert_eq!(nowhere, at(SpawnStep::Chroot, libc::ENOENT));
    let never = sh("", |spec| spec.isolation.oom_score = Some(c"2000")).0;
    assert_eq!(never, at(SpawnStep::OomScore, libc::EINVAL));
    if rustix::process::geteuid().is_root() {
        // No kernel knows the last one.
        let unknown = sh("", |spec| {
            spec.identity = Some(&NOBODY);
            spec.isolation.ambient = 1 << 63;
        });
        assert_eq!(unknown.0, at(SpawnStep::Capabilities, libc::EINVAL));
    }
}

#[test]
fn failures_name_the_step() {
    let at = |step, errno| Err(SpawnFailure { step, errno });
    let missing = &["/nonexistent/a", "/etc/hostname/b"];
    assert_eq!(run(missing, &["a"], |_| {}).0, at(SpawnStep::Exec, libc::ENOENT));
    // A file that may not be executed is remembered over one that does not exist.
    let forbidden = &["/etc/passwd", "/nonexistent/a"];
    assert_eq!(run(forbidden, &["a"], |_| {}).0, at(SpawnStep::Exec, libc::EACCES));
    let nowhere = sh("", |spec| spec.cwd = c"/nonexistent").0;
    assert_eq!(nowhere, at(SpawnStep::Chdir, libc::ENOENT));
}

#[test]
fn a_descriptor_arrives_at_its_number() {
    let (exit, text) = sh("echo ready >&9; ls /proc/self/fd | tr '\\n' ' '", |spec| {
        spec.pass = Some((spec.stdio[1], 9));
    });
    assert_eq!(exit, Ok(Exit::Code(0)));
    assert_eq!(text, "ready\n0 1 2 3 9 ");
}

#[test]
fn descriptors_may_have_high_numbers() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let high = |fd: BorrowedFd<'_>| fcntl_dupfd_cloexec(fd, 700).unwrap();
    let null = high(File::open("/dev/null").unwrap().as_fd());
    let theirs = high(writer.as_fd());
    drop(writer);
    let script =
        "echo ready >/proc/self/fd/200; readlink /proc/self/fd/0; ls /proc/self/fd | tr '\\n' ' '";
    let (programs, argv) = (strings(&["/bin/sh"]), strings(&["sh", "-c", script]));
    let stdio = [null.as_fd(), theirs.as_fd(), theirs.as_fd()];
    let spec = Spec { pass: Some((theirs.as_fd(), 200)), ..plain(&programs, &argv, stdio) };
    let mut spawner = Spawner::new();
    assert_eq!(spawner.spawn(&spec).map(wait_for), Ok(Exit::Code(0)));
    assert!(spawner.slots.is_some(), "this kernel can unshare");
    drop(theirs);
    // Nothing of the spawner's keeps the pipe open either.
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "ready\n/dev/null\n0 1 2 200 3 ");
}

#[test]
fn sockets_are_given_from_number_3_on_and_overwrite_nothing() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let null = File::open("/dev/null").unwrap();
    // Sources at the numbers that others are to have.
    let low = |_| fcntl_dupfd_cloexec(&writer, 3).unwrap();
    let copies: Vec<OwnedFd> = (0..8).map(low).collect();
    let listen: Vec<BorrowedFd<'_>> = copies[..3].iter().rev().map(AsFd::as_fd).collect();
    let script = "echo $LISTEN_PID $$ $A; for fd in 3 4 5; do printf $fd >&$fd; done; \
        printf ready >&9; ls /proc/self/fd | tr '\\n' ' '";
    let (programs, argv) = (strings(&["/bin/sh"]), strings(&["sh", "-c", script]));
    let (env, stdio) = (strings(&["A=b"]), [null.as_fd(), copies[0].as_fd(), copies[1].as_fd()]);
    let pass = Some((copies[0].as_fd(), 9));
    let spec = Spec { env: &env, listen: &listen, pass, ..plain(&programs, &argv, stdio) };
    assert_eq!(Spawner::new().spawn(&spec).map(wait_for), Ok(Exit::Code(0)));
    drop((copies, writer));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let (told, rest) = text.split_once('\n').unwrap();
    let words: Vec<&str> = told.split(' ').collect();
    assert!(words.len() == 3 && words[0] == words[1] && words[2] == "b", "{told}");
    // One more is the directory that ls reads.
    assert_eq!(rest, "345ready0 1 2 3 4 5 6 9 ");
}

#[test]
fn its_tmp_may_be_its_own_or_that_of_another() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let at = |step, errno| Err(SpawnFailure { step, errno });
    let look = "grep -c ' /tmp tmpfs rw,nosuid,nodev.*size=64k' /proc/self/mounts; ls -A /tmp";
    let own = |spec: &mut Spec<'_>| spec.isolation.tmp = Tmp::Own(c"size=65536,mode=1777");
    let before = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert_eq!(sh(look, own).1, "1\n");
    assert_eq!(
        std::fs::read_to_string("/proc/self/mounts").unwrap(),
        before,
        "nobody else sees it"
    );
    let wrong = sh("", |spec| spec.isolation.tmp = Tmp::Own(c"size=nonsense"));
    assert_eq!(wrong.0, at(SpawnStep::PrivateTmp, libc::EINVAL));
    let none = sh("", |spec| spec.isolation.tmp = Tmp::Of(spec.stdio[0]));
    assert_eq!(none.0, at(SpawnStep::PrivateTmp, libc::EINVAL));
    let same = sh("readlink /proc/self/ns/mnt", |spec| {
        let own = File::open("/proc/self/ns/mnt").unwrap();
        let own: &'static File = Box::leak(Box::new(own));
        spec.isolation.tmp = Tmp::Of(own.as_fd());
    });
    let own = std::fs::read_link("/proc/self/ns/mnt").unwrap();
    assert_eq!(same.1.trim_end(), own.to_string_lossy());
    // No terminal to be had is a failure only where there has to be one.
    assert_eq!(sh("", |spec| spec.terminal = Terminal::Stdin).0, Ok(Exit::Code(0)));
    let null = sh("", |spec| spec.terminal = Terminal::Own);
    assert_eq!(null.0, at(SpawnStep::Terminal, libc::ENOTTY));
}
