//! What a process of a service finds around itself: descriptors, signals, session, limits, user,
//! directories, and the ways to tell that it is ready.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use rc::{
    isolation::{Capabilities, Cgroup, Isolation},
    model::{Limit, Ready, Resource},
};
use std::{collections::HashMap, os::unix::process::CommandExt, process::Command};
use world::{JAMB, World, content, is_root, longrun, lossy, oneshot, script};

/// What a process wrote as `KEY VALUE` lines.
fn facts(text: &str) -> HashMap<String, String> {
    let after_name = |line: &str| line.split_once(": ").map(|(_, rest)| rest.to_owned());
    let pairs = text.lines().filter_map(after_name);
    pairs
        .filter_map(|line| line.split_once(' ').map(|(k, v)| (k.to_owned(), v.to_owned())))
        .collect()
}

#[test]
fn a_process_starts_with_nothing_left_over() {
    let code = "
        grep -E 'SigBlk|SigIgn' /proc/self/status | tr '\\t:' '  ' | tr -s ' '
        echo fds $(ls /proc/self/fd | tr '\\n' ' ')
        echo stdin $(readlink /proc/self/fd/0)
        echo stat $(cut -d' ' -f5,6 /proc/$$/stat) $$
        echo umask $(umask)
        echo cwd $(pwd)
        echo nofile $(ulimit -n)
        echo name $JAMB_SERVICE $JAMB_GENERATION
        echo extra $EXTRA
        echo leaked ${LEAKED:-no}
        echo state $JAMB_STATE_DIR";
    let service = oneshot("look", code, None).exec(|exec| {
        exec.cwd = Some("/tmp".into());
        exec.umask = Some(0o077);
        exec.env = vec![("EXTRA".into(), vec![rc::text::Piece::Literal("a b".into())])];
        let limit = Limit { resource: Resource::Nofile, soft: Some(77), hard: Some(88) };
        exec.limits = vec![limit];
    });
    let world = World::start_with(vec![service], |command| {
        // Whatever jamb was started with must not be passed on.
        command.env("LEAKED", "yes");
        // SAFETY: both calls are async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                let mut set = core::mem::zeroed();
                libc::sigemptyset(&raw mut set);
                libc::sigaddset(&raw mut set, libc::SIGUSR1);
                libc::sigprocmask(libc::SIG_BLOCK, &raw const set, core::ptr::null_mut());
                // A descriptor without CLOEXEC.
                libc::dup2(2, 60);
                Ok(())
            });
        }
    });
    world.ready("look");
    world.until_logged("look", "state");
    let log = world.log("look");
    let facts = facts(&log);
    assert_eq!(facts["SigBlk"].trim(), "0000000000000000", "{log}");
    assert_eq!(facts["SigIgn"].trim(), "0000000000000000", "{log}");
    assert_eq!(facts["fds"].trim(), "0 1 2 3", "3 is the directory that ls reads; {log}");
    assert_eq!(facts["stdin"], "/dev/null");
    let stat: Vec<&str> = facts["stat"].split(' ').collect();
    assert!(stat.iter().all(|id| *id == stat[0]), "pid, process group and session: {stat:?}");
    assert_eq!(facts["umask"], "0077");
    assert_eq!(facts["cwd"], "/tmp");
    assert_eq!(facts["nofile"], "77");
    assert_eq!(facts["name"], "look 1");
    assert_eq!(facts["extra"], "a b");
    assert_eq!(facts["leaked"], "no");
    assert_eq!(facts["state"], world.run().join("services/state/look").to_string_lossy());
    assert!(world.end().success());
}

#[test]
fn readiness_comes_over_a_descriptor_or_a_socket() {
    let notify = format!("{JAMB} notify STATUS=soon; {JAMB} notify && exec sleep 1000");
    let world = World::start(vec![
        script("by-fd", "echo >&5; exec 5>&-; exec sleep 1000").ready(Ready::Fd(5)),
        script("by-socket", &notify).ready(Ready::Notify),
        script("never", "exec sleep 1000").ready(Ready::Fd(3)),
        script("gives-up", "exec 3>&-; exec sleep 1000")
            .ready(Ready::Fd(3))
            .policy(|policy| policy.max_restarts = 2),
        script("late", "exec sleep 1000").ready(Ready::Fd(3)).policy(|policy| {
            policy.start_timeout = Some(rc::Millis(50));
            policy.max_restarts = 2;
        }),
    ]);
    world.ready("by-fd");
    world.ready("by-socket");
    for failing in ["gives-up", "late"] {
        let output = world.svc(&["wait", failing, "-t", world::LIMIT]);
        assert_eq!(output.status.code(), Some(1), "{failing}");
        assert_eq!(world.status(failing)["state"], "failed", "{failing}");
    }
    let output = world.svc(&["wait", "never", "-t", "0.1"]);
    assert_eq!(output.status.code(), Some(2), "{}", lossy(&output.stderr));
    assert_eq!(world.status("never")["state"], "starting");
    assert!(world.end().success());
}

#[test]
fn users_are_who_they_shall_be() {
    if !is_root() {
        eprintln!("only root can start processes of others");
        return;
    }
    let code = format!(
        "echo ids $(id -u) $(id -g) $(id -G); touch $JAMB_STATE_DIR/mine && echo state ok
         {JAMB} output mark=1 && echo own published
         JAMB_SERVICE=other {JAMB} output mark=1 || echo foreign $?
         JAMB_RUN_DIR=$JAMB_RUN_DIR {JAMB} svc status || echo status $?
         exec sleep 1000"
    );
    // The binary must be executable for others; the build directory of root need not be.
    let copy = std::path::Path::new("/tmp").join(format!("jamb-{}", std::process::id()));
    world::copy_jamb(&copy);
    let code = code.replace(JAMB, &copy.to_string_lossy());
    let world = World::start(vec![
        script("mine", &code).output("mark", "int").ready(Ready::Outputs).exec(|exec| {
            exec.user = Some("nobody".into());
            exec.groups = vec!["adm".into()];
        }),
        script("other", "exec sleep 1000").output("mark", "int"),
        longrun("wrong", &["/bin/true"]).exec(|exec| exec.user = Some("no-such-user".into())),
    ]);
    world.ready("mine");
    world.until_logged("mine", "status");
    let log = world.log("mine");
    let facts = facts(&log);
    let group = content("/etc/group".as_ref());
    let adm = group.lines().find(|line| line.starts_with("adm:")).unwrap();
    let adm = adm.split(':').nth(2).unwrap();
    assert_eq!(facts["ids"], format!("65534 65534 65534 {adm}"), "{log}");
    assert_eq!(facts["state"], "ok");
    assert_eq!(facts["own"], "published");
    assert_eq!(facts["foreign"], "1", "{log}");
    assert_eq!(facts["status"], "1", "{log}");
    world.until_logged("jamb", "no-such-user");
    std::fs::remove_file(copy).ok();
    assert!(world.end().success());
}

/// Runs `jamb supervise` in a mount namespace of its own, in which `DIR/root` is all that `/` is.
const WITH_ROOT: &str = "mkdir $DIR/root && mount --make-rprivate / && mount --rbind / $DIR/root \
    && exec $JAMB supervise --db $DIR/services.db --run-dir $DIR/run";

/// Every isolation at once, and what it looks like from inside.
#[test]
fn isolation_is_seen_from_inside() {
    if !is_root() {
        eprintln!("only root can give rights away");
        return;
    }
    let dir = world::scratch();
    let root = dir.join("root");
    let code =
        "echo up; grep -E '^(Uid|Groups|Cap|NoNew)' /proc/self/status | tr '\\t:' '  ' | tr -s ' '
        echo oom $(cat /proc/self/oom_score_adj)
        echo group $(grep ^0:: /proc/self/cgroup)
        echo nice $(cut -d' ' -f19 /proc/self/stat)
        echo files $(grep 'open files' /proc/self/limits | tr -s ' ')
        echo umask $(umask); echo cwd $(pwd); echo end; exec sleep 1000";
    let isolated = script("jailed", code).exec(|exec| {
        exec.user = Some("nobody".into());
        exec.groups = vec!["adm".into()];
        exec.cwd = Some("/proc".into());
        exec.umask = Some(0o027);
        exec.limits = vec![Limit { resource: Resource::Nofile, soft: Some(77), hard: Some(88) }];
        exec.isolation = Some(Box::new(Isolation {
            chroot: Some(root.to_string_lossy().into_owned()),
            nice: Some(5),
            oom_score: Some(321),
            bounding: Capabilities(1 << 10 | 1 << 13),
            ambient: Capabilities(1 << 10),
            no_new_privileges: true,
            private_tmp: None,
            cgroup: Some(Cgroup::default()),
        }));
    });
    let nowhere = script("nowhere", "true").exec(|exec| {
        let chroot = Some("/nonexistent".into());
        exec.isolation = Some(Box::new(Isolation { chroot, ..Isolation::default() }));
    });
    let bundle = world::bundle("default", &["jailed", "nowhere"]);
    std::fs::write(dir.join("services.db"), world::database(vec![isolated, nowhere, bundle]))
        .unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "/bin/sh", "-c", WITH_ROOT]).env("DIR", &dir).env("JAMB", JAMB);
    let world = World::take(dir, command);
    world.until_logged("jailed", "end");
    let log = world.log("jailed");
    let facts = facts(&log);
    let fact = |key: &str| facts[key].trim().to_owned();
    assert_eq!(fact("Uid"), "65534 65534 65534 65534");
    assert_eq!(fact("Groups"), "4");
    for (set, bits) in [("CapBnd", 0x2400), ("CapEff", 0x400), ("CapPrm", 0x400), ("CapAmb", 0x400)]
    {
        assert_eq!(fact(set), format!("{bits:016x}"), "{set}");
    }
    assert_eq!(fact("NoNewPrivs"), "1");
    let marks = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .map(|at| std::path::Path::new(at).join("cgroup.subtree_control"));
    let has_groups = marks.iter().any(|mark| mark.exists());
    assert_eq!(fact("group").ends_with("/jailed"), has_groups, "{log}");
    assert_eq!((fact("oom"), fact("nice")), ("321".into(), "5".into()));
    assert_eq!(fact("files"), "Max open files 77 88 files");
    assert_eq!((fact("umask"), fact("cwd")), ("0027".into(), "/proc".into()));
    let link = format!("/proc/{}/root", world.pid("jailed"));
    assert_eq!(std::fs::read_link(link).unwrap(), root);
    world.until_logged("jamb", "cannot change the root directory for");
    assert!(world.end().success());
}

/// A `/tmp` of its own, which its checks see as well, and nobody else.
#[test]
fn its_tmp_is_its_own() {
    if !is_root() {
        eprintln!("only root can mount");
        return;
    }
    let mark = format!("jamb-private-{}", std::process::id());
    let code = format!(
        "grep ' /tmp ' /proc/self/mounts; ls -A /tmp | wc -l; touch /tmp/{mark}; echo made
         (dd if=/dev/zero of=/tmp/big bs=1k count=65 2>&1; rm /tmp/big) | grep -o 'No space'
         echo end; exec sleep 1000"
    );
    let private = |exec: &mut rc::model::Exec| {
        let private_tmp = Some(64 << 10);
        exec.isolation = Some(Box::new(Isolation { private_tmp, ..Isolation::default() }));
    };
    let check = format!("test -e /tmp/{mark}");
    let services = vec![
        script("own", &code)
            .exec(private)
            .ready(Ready::Check { every: rc::Millis(50) })
            .of_longrun(|longrun| longrun.check = Some(world::argv(&["/bin/sh", "-c", &check]))),
        // Another one with the same wish shares nothing with it.
        oneshot("other", &format!("! test -e /tmp/{mark}"), None).exec(private).needs("own"),
    ];
    let world = World::start(services);
    world.ready("other");
    world.until_logged("own", "end");
    let log = world.log("own");
    let lines: Vec<&str> =
        log.lines().filter_map(|line| Some(line.split_once("own: ")?.1)).collect();
    // What the machine has at /tmp may be a mount as well.
    let mount = lines.iter().rev().find(|line| line.contains(" /tmp ")).unwrap();
    assert!(
        mount.starts_with("tmpfs /tmp tmpfs rw,nosuid,nodev") && mount.contains("size=64k"),
        "{log}"
    );
    assert!(lines.contains(&"0") && lines.contains(&"No space"), "{log}");
    assert!(!std::path::Path::new("/tmp").join(mark).exists());
    assert!(world.end().success());
}

/// A terminal: all three descriptors, the controlling one, and hung up at the stop.
#[test]
fn a_terminal_is_its_own_until_it_stops() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::io::Read;
    let open = || openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    let (console, gone) = (open(), open());
    grantpt(&console).unwrap();
    unlockpt(&console).unwrap();
    let name = |pty| ptsname(pty, Vec::new()).unwrap().into_string().unwrap();
    let (tty, locked) = (name(&console), name(&gone));
    // It takes no notice of TERM, like a shell that people use; `/dev/tty` is there only with a
    // controlling terminal.
    let code = "trap '' TERM; for fd in 0 1 2; do readlink /proc/self/fd/$fd; done
        [ -t 0 ] && : >/dev/tty && [ $(ps -o tpgid= -p $$) = $$ ] && echo mine; read line; echo got $line
        while :; do sleep 1000; done";
    let hang_up = |longrun: &mut rc::model::Longrun, path: &str| {
        longrun.tty = Some(path.to_owned());
        longrun.policy.stop.signal = rc::Signal::Hup;
    };
    let world = World::start(vec![
        script("getty", code).of_longrun(|longrun| hang_up(longrun, &tty)),
        // Nobody has unlocked it.
        script("locked", "true").of_longrun(|longrun| hang_up(longrun, &locked)),
    ]);
    let mut console = std::fs::File::from(console);
    let mut said = String::new();
    let mut chunk = [0; 256];
    let mut until = |text: &str, console: &mut std::fs::File| {
        while !said.contains(text) {
            let length = console.read(&mut chunk).unwrap();
            said.push_str(&lossy(&chunk[..length]));
        }
        said.clone()
    };
    let first = until("mine", &mut console);
    assert_eq!(first.matches(&tty).count(), 3, "{first}");
    std::io::Write::write_all(&mut console, b"hello\n").unwrap();
    until("got hello", &mut console);
    world.ok(&["stop", "getty"]);
    assert_eq!(world.status("getty")["last_exit"]["signal"], 1, "it ends by the hang-up");
    // Nobody has it open any more.
    while console.read(&mut chunk).is_ok() {}
    world.until_logged("jamb", "locked: cannot have the terminal for /dev/pts/");
    assert!(world.end().success());
}

#[test]
fn it_starts_with_closed_descriptors() {
    for close in ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"] {
        let code = format!("exec {JAMB} --version {close}");
        let status = Command::new("/bin/sh").args(["-c", &code]).status().unwrap();
        assert_eq!(status.code(), Some(0), "{close}");
    }
}
