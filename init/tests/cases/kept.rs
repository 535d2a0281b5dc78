//! Descriptors that outlive the processes of a service: sd_listen_fds(3) and the store of sd_notify(3).

use crate::{
    child::longrun,
    rig::Rig,
    world::{self, Def},
};
use rc::{
    kept::{Address, Kept, Socket, SocketKind},
    model::Ready,
};
use std::{
    io::Read,
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixStream},
};

fn keeping(def: Def, sockets: Vec<Socket>, store: u16) -> Def {
    def.of_longrun(|longrun| longrun.kept = Some(Box::new(Kept { sockets, store })))
}

fn socket(name: &str, address: Address) -> Socket {
    let (kind, name) = (SocketKind::Stream, name.to_owned());
    Socket { name, kind, address, backlog: 16, mode: 0o600, user: None, group: None }
}

fn said(mut stream: impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// A connection that is made while the process is away is taken by the next one; nobody waits for a
/// service that is not wanted.
#[test]
fn sockets_are_held_over_restarts() {
    let dir = world::scratch();
    let path = dir.join("sub/socket");
    let any = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = any.local_addr().unwrap().port();
    drop(any);
    let sockets = vec![
        socket("local", Address::Unix(path.to_string_lossy().into_owned())),
        socket("web", Address::V4([127, 0, 0, 1], port)),
    ];
    let rig = Rig::start(vec![keeping(longrun("daemon"), sockets, 0), longrun("other")]);
    let mut other = rig.run("other");
    assert_eq!(other.tell("env LISTEN_FDS"), "");
    let mut daemon = rig.run("daemon");
    assert_eq!(daemon.tell("env LISTEN_FDS"), "2");
    assert_eq!(daemon.tell("env LISTEN_FDNAMES"), "local:web");
    assert_eq!(daemon.tell("env LISTEN_PID"), daemon.pid.to_string());
    let note = rig.world.status("daemon")["notes"][0].clone();
    assert_eq!(note, "descriptors held: local:web");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let first = UnixStream::connect(&path).unwrap();
    daemon.tell("greet 3");
    assert_eq!(said(first), "daemon 1");

    // Another program takes over, and all of it.
    rig.world.ok(&["reexec"]);
    let first = UnixStream::connect(&path).unwrap();
    daemon.tell("greet 3");
    assert_eq!(said(first), "daemon 1");

    // It dies with two in the queue, and somebody comes while nobody is there.
    let waiting = [UnixStream::connect(&path).unwrap(), UnixStream::connect(&path).unwrap()];
    let over_tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    daemon.tell("exit 1");
    daemon.gone();
    let mut daemon = rig.run("daemon");
    daemon.tell("greet 3");
    daemon.tell("greet 4");
    let [one, two] = waiting;
    assert_eq!((said(one), said(over_tcp)), ("daemon 2".into(), "daemon 2".into()));
    rig.world.command(&["restart", "daemon"]).spawn().unwrap().wait().unwrap();
    let mut daemon = rig.run("daemon");
    daemon.tell("greet 3");
    assert_eq!(said(two), "daemon 3");

    rig.world.ok(&["stop", "daemon"]);
    assert!(!path.exists());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "somebody would wait for it");
    assert_eq!(rig.world.status("daemon")["notes"].as_array().unwrap().len(), 0);
    rig.world.ok(&["start", "daemon"]);
    let mut daemon = rig.run("daemon");
    let again = UnixStream::connect(&path).unwrap();
    daemon.tell("greet 3");
    assert_eq!(said(again), "daemon 4");
    rig.end();
    assert!(!path.exists());
}

/// A socket that cannot be had is a failure that says so, and is tried again.
#[test]
fn a_socket_that_is_taken_fails_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let sockets = vec![socket("web", Address::V4([127, 0, 0, 1], port))];
    let rig = Rig::start(vec![keeping(longrun("daemon"), sockets, 0)]);
    let problem = "daemon: cannot be started: its socket web cannot listen: Address";
    rig.world.until_logged("jamb", problem);
    drop(taken);
    rig.run("daemon");
    rig.end();
}

/// What a process gives away comes back to the next one under its name, as many as there is room for.
#[test]
fn the_store_is_given_back() {
    let daemon = longrun("daemon").ready(Ready::Notify);
    let rig = Rig::start(vec![keeping(daemon, Vec::new(), 2)]);
    let mut daemon = rig.run("daemon");
    assert_eq!(daemon.tell("env LISTEN_FDS"), "");
    for name in ["one", "two", "three"] {
        daemon.tell(&format!("store {name}"));
    }
    rig.world.until_logged("jamb", "daemon: 1 descriptors more than its fd-store (2) has room for");
    daemon.tell("notify READY=1");
    rig.state("daemon", "ready");
    daemon.tell("exit 0");
    let mut daemon = rig.run("daemon");
    assert_eq!(daemon.tell("env LISTEN_FDNAMES"), "one:two");
    assert_eq!((daemon.tell("content 3"), daemon.tell("content 4")), ("one".into(), "two".into()));

    rig.world.ok(&["reexec"]);
    daemon.tell("notify FDSTOREREMOVE=1\\nFDNAME=one");
    daemon.tell("store 4:4");
    daemon.tell("barrier");
    daemon.tell("exit 0");
    let mut daemon = rig.run("daemon");
    // A colon cannot be in a name.
    assert_eq!(daemon.tell("env LISTEN_FDNAMES"), "two:stored");
    assert_eq!(daemon.tell("content 4"), "4:4");

    rig.world.ok(&["stop", "daemon"]);
    let mut start = rig.world.command(&["start", "daemon"]).spawn().unwrap();
    let mut daemon = rig.run("daemon");
    assert_eq!(daemon.tell("env LISTEN_FDS"), "", "it was not wanted");
    daemon.tell("notify READY=1");
    assert!(start.wait().unwrap().success());
    rig.end();
}
