//! A process of a service that does what a test tells it, so that what happens in a test happens in the
//! order that the test wants. It is no part of jamb.
//!
//! Usage: `scripted-child ROLE`. It connects to the socket `children` beside jamb's run directory, says
//! `SERVICE GENERATION ROLE PID`, and then obeys one command a line, each answered by `ok [VALUE]` or
//! `failed PROBLEM`. When the test hangs up it ends, so nothing of it outlives a test. A caught signal
//! is told at any time as `signal NUMBER`.
//!
//! As `scripted-child orphans N` it talks to nobody: it leaves N children behind that die all at once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a child that cannot go on dies of it")]

use std::{
    env, fs,
    io::{BufRead, BufReader, IoSlice, Write},
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::net::{UnixDatagram, UnixStream},
    },
    path::Path,
    process::{Command, Stdio, exit},
    sync::atomic::{AtomicI32, Ordering},
};

/// Where the handler of signals writes.
static TEST: AtomicI32 = AtomicI32::new(-1);

fn main() {
    let role = env::args().nth(1).unwrap_or_else(|| "run".to_owned());
    // The arguments that jamb adds for `finish`: what the test wants to see.
    let rest: Vec<String> = env::args().skip(2).collect();
    if role == "orphans" {
        return leave_orphans(rest[0].parse().expect("a number"));
    }
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| "-".to_owned());
    let run = variable("JAMB_RUN_DIR");
    let path = Path::new(&run).parent().expect("the run directory has a parent").join("children");
    // A test that is over has nobody who listens.
    let Ok(mut test) = UnixStream::connect(&path) else { exit(99) };
    TEST.store(test.as_raw_fd(), Ordering::Relaxed);
    let (service, generation) = (variable("JAMB_SERVICE"), variable("JAMB_GENERATION"));
    let pid = std::process::id();
    writeln!(test, "{service} {generation} {role} {pid} {}", rest.join(" ")).unwrap();
    let lines = BufReader::new(test.try_clone().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        if let "exit" | "die" | "stop" = command {
            // These may have no time to answer afterwards.
            writeln!(test, "ok").unwrap();
        }
        let answer = match obey(command, &unescaped(rest)) {
            Ok(value) => format!("ok {value}"),
            Err(problem) => format!("failed {problem}"),
        };
        if command != "stop" {
            writeln!(test, "{answer}").unwrap();
        }
    }
    exit(0);
}

/// What a command does; see [`Child`](../cases/child.rs) for what each is for.
fn obey(command: &str, rest: &str) -> Result<String, String> {
    let words: Vec<&str> = rest.split(' ').collect();
    let system = |error: &dyn std::fmt::Display| error.to_string();
    match command {
        "say" => println!("{rest}"),
        "complain" => eprintln!("{rest}"),
        "write" => {
            let (fd, text) = rest.split_once(' ').unwrap_or((rest, ""));
            write_fd(number(fd)?, text.as_bytes())?;
        }
        "close" => drop(owned(number(rest)?)),
        "notify" => notify(rest.as_bytes(), None)?,
        "barrier" => barrier()?,
        "store" => store(rest)?,
        "content" => return content(number(rest)?),
        "greet" => greet(number(rest)?)?,
        "spawn" => spawn(&words)?,
        "run" => {
            let status = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).status();
            return Ok(status.map_err(|e| system(&e))?.code().unwrap_or(256).to_string());
        }
        "setsid" => drop(rustix::process::setsid().map_err(|e| system(&e))?),
        "pidfile" => {
            let text = format!("{}\n", std::process::id());
            fs::write(rest, text).map_err(|e| system(&e))?;
        }
        "env" => return Ok(env::var(rest).unwrap_or_default()),
        "ignore" => dispose(number(rest)?, libc::SIG_IGN),
        "catch" => {
            let handler: extern "C" fn(libc::c_int) = caught;
            dispose(number(rest)?, handler as *const () as libc::sighandler_t);
        }
        "exit" => exit(number(rest)?),
        "die" => die(number(rest)?),
        "stop" => kill_self(libc::SIGSTOP),
        _ => return Err(format!("no command {command}")),
    }
    Ok(String::new())
}

/// `\n` is a newline: commands are lines.
fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n")
}

fn number(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

/// A descriptor that the supervisor or the test left for it.
fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: the test names descriptors that jamb passed (1, 2, the notification-fd); nothing else in
    // this process owns one of them.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn write_fd(fd: RawFd, text: &[u8]) -> Result<(), String> {
    let mut file = fs::File::from(owned(fd));
    let written = file.write_all(text).map_err(|error| error.to_string());
    // It stays open.
    core::mem::forget(file);
    written
}

/// One datagram to the supervisor, with a descriptor if there is one to pass.
fn notify(text: &[u8], pass: Option<&OwnedFd>) -> Result<(), String> {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix};
    let path = env::var("NOTIFY_SOCKET").map_err(|_| "there is no NOTIFY_SOCKET")?;
    let socket = UnixDatagram::unbound().map_err(|error| error.to_string())?;
    let address = SocketAddrUnix::new(path.as_str()).map_err(|error| error.to_string())?;
    let mut space = [core::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds: Vec<_> = pass.iter().map(|fd| fd.as_fd()).collect();
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&fds));
    }
    let data = [IoSlice::new(text)];
    let flags = SendFlags::empty();
    let sent = rustix::net::sendmsg_addr(&socket, &address, &data, &mut control, flags);
    sent.map(drop).map_err(|error| error.to_string())
}

/// BARRIER=1, sd_notify_barrier(3): answers once the supervisor has closed the descriptor it was sent.
fn barrier() -> Result<(), String> {
    let (ours, theirs) = rustix::pipe::pipe().map_err(|error| error.to_string())?;
    notify(b"BARRIER=1", Some(&theirs))?;
    drop(theirs);
    let mut byte = [0];
    match rustix::io::read(&ours, &mut byte) {
        Ok(0) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Gives a file away that holds its own name, sd_pid_notify_with_fds(3).
fn store(name: &str) -> Result<(), String> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let file = rustix::fs::memfd_create(name, flags).map_err(|error| error.to_string())?;
    rustix::io::write(&file, name.as_bytes()).map_err(|error| error.to_string())?;
    notify(format!("FDSTORE=1\nFDNAME={name}").as_bytes(), Some(&file))
}

/// What is in a file that it was given.
fn content(fd: RawFd) -> Result<String, String> {
    let file = owned(fd);
    let mut bytes = [0; 100];
    let length = rustix::io::pread(&file, &mut bytes, 0).map_err(|error| error.to_string());
    // It stays open.
    core::mem::forget(file);
    Ok(String::from_utf8_lossy(&bytes[..length?]).into_owned())
}

/// Takes one connection off a socket that it was given, and says which run of what it is.
fn greet(fd: RawFd) -> Result<(), String> {
    let socket = owned(fd);
    let taken = rustix::net::accept(&socket).map_err(|error| error.to_string());
    core::mem::forget(socket);
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let text = format!("{} {}", variable("JAMB_SERVICE"), variable("JAMB_GENERATION"));
    rustix::io::write(&taken?, text.as_bytes()).map(drop).map_err(|error| error.to_string())
}

/// Starts itself once more, in another role; nobody waits for it.
fn spawn(words: &[&str]) -> Result<(), String> {
    let own = env::current_exe().map_err(|error| error.to_string())?;
    let child = Command::new(own).args(words).stdin(Stdio::null()).spawn();
    child.map(drop).map_err(|error| error.to_string())
}

fn dispose(signal: i32, handler: libc::sighandler_t) {
    // SAFETY: `handler` is SIG_IGN or `caught`, which is async-signal-safe.
    unsafe { libc::signal(signal, handler) };
}

extern "C" fn caught(signal: libc::c_int) {
    let mut text = *b"signal 00\n";
    text[7] = b'0' + u8::try_from(signal / 10).unwrap_or(0);
    text[8] = b'0' + u8::try_from(signal % 10).unwrap_or(0);
    // SAFETY: write(2) is async-signal-safe, and the buffer is as long as said.
    unsafe { libc::write(TEST.load(Ordering::Relaxed), text.as_ptr().cast(), text.len()) };
}

/// Forks so often. Who was forked waits for the end of this process.
fn leave_orphans(count: u32) {
    let (wait, hold) = rustix::pipe::pipe().expect("a pipe");
    for _ in 0..count {
        // SAFETY: there is one thread.
        match unsafe { libc::fork() } {
            0 => {
                drop(hold);
                rustix::io::read(&wait, &mut [0]).ok();
                exit(0);
            }
            -1 => panic!("cannot fork: {}", std::io::Error::last_os_error()),
            _ => {}
        }
    }
}

fn kill_self(signal: i32) {
    // SAFETY: has no preconditions.
    unsafe { libc::raise(signal) };
}

fn die(signal: i32) {
    dispose(signal, libc::SIG_DFL);
    kill_self(signal);
}
