//! The control socket against clients that are wrong, many, slow or not allowed, and the client's own
//! errors.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod world;

use std::{
    io::{Read, Write},
    os::unix::{net::UnixStream, process::CommandExt},
};
use world::{JAMB, World, is_root, longrun, lossy};

fn idle() -> World {
    let world = World::start(vec![longrun("idle", &["/bin/sleep", "1000"])]);
    world.ready("default");
    world
}

#[test]
fn rubbish_is_answered_with_a_refusal() {
    let world = idle();
    let control = world.run().join("control");
    for bytes in [&[0xff; 64][..], &[0; 4], &[2, 0, 0, 0, 9, 9], &[3, 0, 0, 0, 1, 200, 200]] {
        let mut stream = UnixStream::connect(&control).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(lossy(&answer).contains("the connection ends"), "{answer:?}");
    }
    // Half a frame and then the end.
    let mut stream = UnixStream::connect(&control).unwrap();
    stream.write_all(&[200, 0, 0, 0, 1]).unwrap();
    drop(stream);
    world.ok(&["status"]);
    assert!(world.end().success());
}

#[test]
fn a_crowd_does_not_lock_anybody_out() {
    let world = idle();
    let control = world.run().join("control");
    let crowd: Vec<UnixStream> = (0..100).map(|_| UnixStream::connect(&control).unwrap()).collect();
    let mut waiting: Vec<_> =
        (0..40).map(|_| world.command(&["wait", "idle", "down"]).spawn().unwrap()).collect();
    for _ in 0..10 {
        world.ok(&["status", "idle"]);
    }
    drop(crowd);
    world.ok(&["stop", "idle", "-t", world::LIMIT]);
    for child in &mut waiting {
        // Some gave way to later ones; all ended.
        child.wait().unwrap();
    }
    assert!(world.end().success());
}

#[test]
fn one_who_follows_without_reading_is_told_what_it_missed() {
    let world = idle();
    let mut stream = UnixStream::connect(world.run().join("control")).unwrap();
    let request = rc::proto::encode(&mut rc::proto::Request::Events { from: 0 }).unwrap();
    stream.write_all(&request).unwrap();
    for _ in 0..150 {
        world.ok(&["restart", "idle", "--no-wait"]);
        world.ok(&["wait", "idle", "-t", world::LIMIT]);
    }
    // Read everything that is left at the end of jamb.
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok();
        bytes
    });
    assert!(world.end().success());
    let bytes = reader.join().unwrap();
    let mut rest = &bytes[..];
    let (mut next, mut lost) = (None, 0);
    while let Ok(Some(length)) = rc::proto::frame_length(rest) {
        let reply: rc::proto::Reply = rc::proto::decode(&rest[4..4 + length]).unwrap();
        match reply {
            rc::proto::Reply::Event(event) => {
                assert!(next.is_none_or(|next| next == event.number), "a gap without a count");
                next = Some(event.number + 1);
            }
            rc::proto::Reply::Lost(count) => {
                lost += count;
                next = next.map(|next| next + count);
            }
            _ => {}
        }
        rest = &rest[4 + length..];
    }
    assert!(next.is_some_and(|next| next > 600), "{next:?} events, {lost} lost");
}

#[test]
fn others_may_not_command() {
    if !is_root() {
        eprintln!("only root can be somebody else");
        return;
    }
    let world = idle();
    let copy = std::path::Path::new("/tmp").join(format!("jamb-other-{}", std::process::id()));
    world::copy_jamb(&copy);
    for words in [&["stop", "idle"][..], &["status"], &["events"], &["signal", "KILL", "idle"]] {
        let mut command = std::process::Command::new(&copy);
        command.arg("svc").args(words).env("JAMB_RUN_DIR", world.run()).uid(65534).gid(65534);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(lossy(&output.stderr).contains("only root may"), "{}", lossy(&output.stderr));
    }
    std::fs::remove_file(copy).ok();
    assert_eq!(world.status("idle")["state"], "ready");
    assert!(world.end().success());
}

#[test]
fn exit_codes_and_help() {
    let code = |words: &[&str]| {
        let mut command = std::process::Command::new(JAMB);
        command.args(words).env("JAMB_RUN_DIR", "/nonexistent");
        let output = command.output().unwrap();
        (output.status.code().unwrap(), lossy(&output.stdout) + &lossy(&output.stderr))
    };
    for applet in ["init", "supervise", "svc", "output", "notify", "reboot", "poweroff", "halt"] {
        assert_eq!(code(&[applet, "--help"]).0, 0, "{applet}");
        let (status, text) = code(&[applet, "--version"]);
        assert_eq!((status, text.contains("jamb 0.")), (0, true), "{applet}: {text}");
    }
    assert_eq!(code(&["ifwait", "--help"]).0, 0);
    assert_eq!(code(&["ifwait", "--version"]).0, 0);
    assert_eq!(code(&["svc"]).0, 100);
    assert_eq!(code(&["svc", "dance"]).0, 100);
    assert_eq!(code(&["svc", "status", "--dance"]).0, 100);
    assert_eq!(code(&["svc", "status"]).0, 111);
    assert_eq!(code(&["output", "a=1"]).0, 111);
    assert_eq!(code(&["output"]).0, 100);
    assert_eq!(code(&["notify"]).0, 111);
    assert_eq!(code(&["reboot", "now"]).0, 100);
    assert_eq!(code(&["supervise"]).0, 100);
    assert_eq!(code(&["supervise", "--db", "/nonexistent", "--run-dir", "/nonexistent"]).0, 111);
    assert_eq!(code(&["init"]).0, 100, "not PID 1");
    assert_eq!(code(&["dance"]).0, 100);
}
