//! The binary as PID 1 of its own PID and mount namespace, with a terminal as its console: what it
//! does with orphans, with signals, and without a database. Needs root; says so if it is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod guest;
mod world;

use guest::{Guest, may};
use rc::{
    Millis,
    boot::{Op, Step},
    model::System,
};
use std::{fs, process::Command};
use world::{JAMB, database, kill, longrun, oneshot, script};

#[test]
fn orphans_are_reaped_and_the_end_is_in_order() {
    if !may() {
        return;
    }
    // A hundred children each leave a grandchild to PID 1.
    let code = "i=0; while [ $i -lt 100 ]; do (true & true) ; (sh -c 'true & true' &) ; i=$((i+1)); done; wait";
    let services = vec![
        oneshot("orphans", code, None),
        oneshot(
            "look",
            "echo zombies $(grep -c '^State:.*Z' /proc/[0-9]*/status | grep -c ':1$')",
            None,
        )
        .needs("orphans"),
        oneshot("last-word", "true", Some("echo farewell >/dev/console")),
        longrun("daemon", &["/bin/sleep", "1000"]).needs("last-word"),
        world::bundle("default", &["look", "daemon"]),
    ];
    for signal in ["TERM", "USR1", "USR2", "INT", "PWR"] {
        let mut guest = Guest::boot(Some(&database(services.clone())));
        guest.until("everything is ready");
        // Whatever ended later is gone by the time that an answer comes.
        guest.svc(&["status"]);
        let zombies = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let rest = stat.rsplit(") ").next().unwrap_or_default().to_owned();
            rest.starts_with(&format!("Z {} ", guest.pid()))
        });
        assert_eq!(zombies.count(), 0);
        kill(guest.pid(), signal);
        guest.until("stopping the services");
        guest.until("farewell");
        guest.until("all services are down");
        assert_eq!(guest.outer.wait().unwrap().code(), Some(0), "{signal}");
    }
}

/// What the machine is to be like before its services; some of it cannot be had.
fn before_services() -> Vec<Step> {
    let mount = |on: &str, kind: &str, device: &str, options: &str| Step {
        text: kind.into(),
        device: device.into(),
        options: options.into(),
        wait: Millis(300),
        ..Step::new(Op::Mount, on)
    };
    let file = |op, path: &str, text: &str, mode, user: &str| Step {
        text: text.into(),
        mode,
        user: user.into(),
        ..Step::new(op, path)
    };
    let write = |path: &str, text: &str| Step { text: text.into(), ..Step::new(Op::Write, path) };
    vec![
        Step { text: "x=1".into(), ..Step::new(Op::Module, "there_is_no_such_module") },
        mount("/etc/nowhere", "ext4", "/dev/nothing", ""),
        mount("/run", "tmpfs", "tmpfs", "nosuid,size=3M"),
        mount("/run/bound", "bind", "/etc/jamb", "ro"),
        mount("/run/deep/inside", "tmpfs", "tmpfs", "ro,size=1M"),
        file(Op::File, "/etc/hello", "hello\n", 0o640, ""),
        file(Op::File, "/etc/passwd", "not taken\n", 0o644, ""),
        file(Op::Link, "/run/a/b/link", "from", 0, ""),
        file(Op::Link, "/run/a/b/link", "to", 0, ""),
        file(Op::Directory, "/run/daemons", "", 0o2711, "daemon"),
        file(Op::Directory, "/run/nobodys", "", 0o700, "no-such-user"),
        Step { major: 1, minor: 3, ..file(Op::Character, "/run/null", "", 0o666, "") },
        file(Op::Fifo, "/run/pipe", "", 0o600, ""),
        write("/proc/sys/net/ipv4/ip_default_ttl", "42"),
        write("/proc/sys/net/ipv4/no_such_thing", "1"),
    ]
}

#[test]
fn what_the_machine_needs_is_there_before_services() {
    if !may() {
        return;
    }
    let look = "exec >/dev/console; stat -c '%n %A %U %s' /etc/hello /run/daemons /run/null /run/pipe; \
        readlink /run/a/b/link; grep -c :0: /etc/passwd; cat /proc/sys/net/ipv4/ip_default_ttl; \
        grep -E ' (/run|/run/bound|/run/deep/inside) ' /proc/mounts; grep -q 127.0.0.1 /proc/net/fib_trie && echo loopback up; echo done";
    let system = System { boot: before_services(), ..System::default() };
    let services = vec![oneshot("look", look, None), world::bundle("default", &["look"])];
    let mut guest = Guest::boot(Some(&world::database_with(services, system)));
    for text in [
        "cannot load the module there_is_no_such_module: No such file or directory",
        "cannot mount /etc/nowhere: No such file or directory",
        "/run/nobodys: user no-such-user is not in /etc/passwd; it is root's",
        "cannot write to /proc/sys/net/ipv4/no_such_thing: No such file or directory",
        "/etc/hello -rw-r----- root 6",
        "/run/daemons drwx--s--x daemon",
        "/run/null crw-rw-rw- root",
        "/run/pipe prw------- root",
        "to\r\n",
        "1\r\n",
        "42\r\n",
        "/run tmpfs rw,nosuid",
        "size=3072k",
        "/run/bound tmpfs ro,",
        "/run/deep/inside tmpfs ro,",
        "loopback up",
        "done",
    ] {
        guest.until(text);
    }
    assert_eq!(guest.end("TERM").code(), Some(0));
}

/// Who asks for the end is told from whom, and a container has no last act.
#[test]
fn who_asks_for_the_end_is_known() {
    if !may() {
        return;
    }
    let services = vec![longrun("default", &["/bin/sleep", "1000"])];
    let mut guest = Guest::boot(Some(&database(services)));
    guest.until("everything is ready");
    let ask = |words: &[&str]| guest.applet("reboot", words);
    assert!(
        ask(&["-m", "/run/there/is/none"])
            .contains("cannot execute /run/there/is/none/maintenance")
    );
    assert!(ask(&["-m", "/etc"]).contains("is not below /run"));
    assert!(ask(&["-fm", "/run"]).contains("-f is none"));
    assert!(ask(&["-x"]).contains("no kernel is loaded"));
    let last = format!("/run/jamb-test-last-{}", std::process::id());
    fs::create_dir_all(&last).unwrap();
    // Wherever the host's own /run is.
    let run = |program: &str, words: &[&str]| Command::new(program).args(words).status().unwrap();
    assert!(run("mount", &["-t", "tmpfs", "last", &last]).success());
    fs::copy("/bin/true", format!("{last}/maintenance")).unwrap();
    let refused = ask(&["-m", &last]);
    assert!(run("umount", &[&last]).success());
    fs::remove_dir(&last).unwrap();
    assert!(refused.contains("only the PID 1 of a machine has a last act"), "{refused}");
    assert_eq!(ask(&["-r", "a\u{1b}[2J test"]), "");
    guest.until("shutdown: reboot is asked for by user 0, process ");
    guest.until(": a[2J test");
    guest.until("all services are down");
    assert_eq!(guest.outer.wait().unwrap().code(), Some(0));
}

#[test]
fn without_a_usable_database_there_is_a_shell() {
    if !may() {
        return;
    }
    let good = database(vec![longrun("default", &["/bin/sleep", "1000"])]);
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let mut future = good.clone();
    future[8] = 99;
    let no_target = database(vec![longrun("other", &["/bin/sleep", "1000"])]);
    for (bytes, why) in [
        (None, "/etc/jamb/services.db: No such file"),
        (Some(flipped), "damaged: wrong checksum"),
        (Some(future), "format version 99, this jamb reads version"),
        (Some(good[..good.len() - 1].to_vec()), "bytes long instead of"),
        (Some(Vec::new()), "not a jamb database"),
        (Some(no_target), "there is no service default"),
    ] {
        let mut guest = Guest::boot(bytes.as_deref());
        guest.until(why);
        guest.until("here is a shell");
        guest.type_line("echo sum=$((40+2))");
        guest.until("sum=42");
        // It is kept, and the rest of PID 1 works around it.
        guest.type_line("exit");
        guest.until("another one follows");
        guest.type_line("echo again=$((40+3))");
        guest.until("again=43");
        assert!(guest.svc(&["version"]).contains("jamb"), "{}", guest.svc(&["version"]));
        assert_eq!(guest.end("TERM").code(), Some(0), "{why}");
    }
}

#[test]
fn closed_descriptors_and_no_dev_null_are_survived() {
    if !may() {
        return;
    }
    for close in ["", "0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"] {
        let code = format!("mount -t tmpfs none /dev && exec {JAMB} --version {close}");
        let mut command = Command::new("unshare");
        let status = command.args(["--mount", "/bin/sh", "-c", &code]).status().unwrap();
        assert_eq!(status.code(), Some(0), "{close}");
    }
    // The same as PID 1 with services: it makes the missing device, and services get it.
    let services =
        vec![script("default", "readlink /proc/self/fd/0 >/dev/console; exec sleep 1000")];
    let bytes = database(services);
    let mut guest = Guest::boot(Some(&bytes));
    guest.until("/dev/null");
    assert_eq!(guest.end("TERM").code(), Some(0));
}
