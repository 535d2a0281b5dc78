//! The applet against a real kernel: it runs in a network namespace while ip(8) changes things.
//! Input: its `-v` lines, which are also what the tests wait for. A line that never comes ends the
//! applet by its own time limit, and with it the test.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod netns;

use netns::ip;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ifwait");

/// A running applet.
struct Applet {
    child: Child,
    lines: BufReader<ChildStdout>,
    seen: Vec<String>,
}

impl Applet {
    /// Starts it with `-v` and a limit that a busy machine does not reach.
    fn start(words: &str) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["-v", "-t", "30"]).args(words.split(' ')).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, seen: Vec::new() }
    }

    /// Reads until this line; what comes before it are states on the way.
    fn expect(&mut self, expected: &str) {
        loop {
            let mut line = String::new();
            let length = self.lines.read_line(&mut line).unwrap();
            assert_ne!(length, 0, "{expected:?} never came, but {:?}", self.seen);
            self.seen.push(line.trim_end().to_string());
            if self.seen.last().is_some_and(|last| last == expected) {
                return;
            }
        }
    }

    fn code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Applet {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn run(words: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(PROGRAM).args(words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn running_toggles_with_the_other_end() {
    netns::enter();
    let mut applet = Applet::start("v0 running route6");
    applet.expect("v0: absent");
    ip("link add v0 type veth peer name v1");
    applet.expect("v0: present");
    ip("link set v0 up");
    applet.expect("v0: present up operstate=lowerlayerdown");
    for _ in 0..3 {
        ip("link set v1 up");
        applet.expect("v0: present up running");
        ip("link set v1 down");
        applet.expect("v0: present up operstate=lowerlayerdown");
    }
    ip("link set v1 up");
    applet.expect("v0: present up running");
    ip("link set v0 down");
    applet.expect("v0: present");
    ip("link del v0");
    applet.expect("v0: absent");
}

#[test]
fn a_link_that_comes_late_is_met() {
    netns::enter();
    let mut applet = Applet::start("br0 present");
    applet.expect("br0: absent");
    ip("link add br0 type bridge");
    applet.expect("br0: present");
    assert_eq!(applet.code(), Some(0));
}

#[test]
fn all_predicates_must_hold() {
    netns::enter();
    ip("link add v0 type veth peer name v1\nlink set v0 up\nlink set v1 up");
    let mut applet = Applet::start("v0 running address4 address6");
    applet.expect("v0: present up running");
    ip("addr add 192.0.2.1/24 dev v0");
    applet.expect("v0: present up running address4");
    ip("addr add 2001:db8::1/64 dev v0 nodad");
    applet.expect("v0: present up running address4 address6");
    assert_eq!(applet.code(), Some(0));
}

#[test]
fn names_move_between_links() {
    netns::enter();
    let mut applet = Applet::start("wan0 running");
    applet.expect("wan0: absent");
    ip("link add v0 type veth peer name v1\nlink set v0 name wan0");
    applet.expect("wan0: present");
    ip("link set wan0 name v0");
    applet.expect("wan0: absent");
    // Of a link that is down the kernel tells no alternative names, until it goes up.
    ip("link property add dev v1 altname wan0\nlink set v1 up");
    applet.expect("wan0: present up operstate=lowerlayerdown");
    ip("link set v0 up");
    applet.expect("wan0: present up running");
    assert_eq!(applet.code(), Some(0));
}

#[test]
fn a_bridge_port_stays_when_it_leaves() {
    netns::enter();
    ip("link add br0 type bridge\nlink add v0 type veth peer name v1");
    ip("link set v1 up\nlink set v0 up");
    let mut applet = Applet::start("v0 route6");
    applet.expect("v0: present up running");
    ip("addr add 192.0.2.1/24 dev v0");
    applet.expect("v0: present up running address4");
    // A link that was taken for gone would have lost its address.
    ip("link set v0 master br0\nlink set v0 nomaster\naddr add 2001:db8::1/64 dev v0 nodad");
    applet.expect("v0: present up running address4 address6");
    assert!(!applet.seen.iter().any(|line| line.ends_with("absent")), "{:?}", applet.seen);
}

#[test]
fn default_routes_that_go_without_a_word() {
    netns::enter();
    ip("link add v0 type veth peer name v1\nlink set v0 up\nlink set v1 up");
    let mut applet = Applet::start("v0 up route6");
    applet.expect("v0: present up running");
    let routed = "addr add 192.0.2.1/24 dev v0\nroute add default via 192.0.2.2";
    ip(routed);
    applet.expect("v0: present up running address4 route4");
    // The kernel flushes the route with the last address, and sends no RTM_DELROUTE for it.
    ip("addr del 192.0.2.1/24 dev v0");
    applet.expect("v0: present up running");
    ip(routed);
    applet.expect("v0: present up running address4 route4");
    // Nor does it for one that is replaced ...
    ip("addr add 198.51.100.1/24 dev v1\nroute replace default via 198.51.100.2");
    applet.expect("v0: present up running address4");
    ip("route replace default via 192.0.2.2");
    applet.expect("v0: present up running address4 route4");
    // ... or that goes with its link.
    ip("link set v0 down");
    applet.expect("v0: present address4");
    ip("link set v0 up\naddr add 2001:db8::1/64 dev v0 nodad");
    applet.expect("v0: present up running address4 address6");
    ip("route add default via 2001:db8::2");
    applet.expect("v0: present up running address4 address6 route6");
    assert_eq!(applet.code(), Some(0));
}

#[test]
fn exit_codes() {
    netns::enter();
    let nothing = String::new;
    assert_eq!(run(&["-t", "0", "nope"]), (Some(1), nothing(), nothing()));
    assert_eq!(run(&["-t", "0", "lo", "present"]), (Some(0), nothing(), nothing()));
    assert_eq!(run(&["-v", "-t", "0", "lo"]), (Some(1), "lo: present\n".into(), nothing()));
    ip("link set lo up");
    assert_eq!(run(&["lo", "running", "address4", "address6"]), (Some(0), nothing(), nothing()));
    let started = Instant::now();
    assert_eq!(run(&["-t", "0.25", "lo", "route"]).0, Some(1));
    assert!(started.elapsed() >= Duration::from_millis(250));

    let (code, out, err) = run(&["lo", "flying"]);
    assert_eq!((code, &*out), (Some(2), ""));
    assert!(err.starts_with("jamb: ifwait: unknown predicate flying;"), "{err}");
    assert_eq!(run(&[]).0, Some(2));
    assert!(run(&["--help"]).1.starts_with("usage: ifwait "));
    let output = Command::new("sh").args(["-c", &format!("{PROGRAM} --help >/dev/full")]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(111));
    assert!(output.stderr.starts_with(b"jamb: ifwait: cannot write its output: "));
    assert_eq!(run(&["--version"]).1, format!("ifwait (jamb) {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn without_descriptors_it_is_a_system_error() {
    let script = format!("ulimit -n 4; exec {PROGRAM} lo");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(111), "{err}");
    assert!(err.starts_with("jamb: ifwait: cannot watch lo: "), "{err}");
}
