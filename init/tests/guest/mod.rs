//! The binary as PID 1 of its own PID and mount namespace, with a terminal as its console, for tests.
//! Needs root; [`may`] says so if it is not.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::world::{self, JAMB, is_root, kill, lossy, scratch};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::{
    fs::{self, File},
    io::{Read, Write},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// Prepares the file systems that PID 1 finds, then becomes it.
const SETUP: &str = r#"
set -e
mount --make-rprivate /
cp /etc/passwd /etc/group $DIR/
mount -t tmpfs none /etc
cp $DIR/passwd $DIR/group /etc/
mkdir /etc/jamb
if [ -e $DIR/services.db ]; then cp $DIR/services.db /etc/jamb/; fi
mount -t tmpfs none /run
touch $DIR/console
mount --bind $TTY $DIR/console
mount -t tmpfs none /dev
touch /dev/console
mount --move $DIR/console /dev/console
mount -t proc none /proc
eval "$MORE"
exec $JAMB
"#;

/// A PID 1 and its console.
pub struct Guest {
    pub dir: PathBuf,
    pub outer: Child,
    pub console: File,
    said: Receiver<String>,
    pub seen: String,
}

/// Waits longer than this mean that it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads the console in the background, so that waiting for it can end. When nobody has the terminal
/// open any more the reading fails, and the channel is closed.
fn listen(mut console: File) -> Receiver<String> {
    let (says, said) = channel();
    thread::spawn(move || {
        let mut chunk = [0; 1024];
        while let Ok(length) = console.read(&mut chunk) {
            if says.send(lossy(&chunk[..length])).is_err() {
                break;
            }
        }
    });
    said
}

impl Guest {
    /// Boots it with a database, or without one.
    pub fn boot(database: Option<&[u8]>) -> Self {
        Self::boot_in(scratch(), database, "")
    }

    /// The same in a directory that is there already, after these commands of a shell.
    pub fn boot_in(dir: PathBuf, database: Option<&[u8]>, more: &str) -> Self {
        let mut guest = Self::boot_deaf(dir, database, more);
        guest.said = listen(guest.console.try_clone().unwrap());
        guest
    }

    /// The same, but nobody reads what the console says.
    pub fn boot_deaf(dir: PathBuf, database: Option<&[u8]>, more: &str) -> Self {
        if let Some(bytes) = database {
            fs::write(dir.join("services.db"), bytes).unwrap();
        }
        let console = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&console).unwrap();
        unlockpt(&console).unwrap();
        let tty = ptsname(&console, Vec::new()).unwrap().into_string().unwrap();
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--pid",
            "--net",
            "--fork",
            "--kill-child",
            "/bin/sh",
            "-c",
            SETUP,
        ]);
        command
            .env("DIR", &dir)
            .env("TTY", &tty)
            .env("JAMB", JAMB)
            .env("MORE", more)
            .stdin(Stdio::null());
        let outer = command.spawn().unwrap();
        let console = File::from(console);
        Self { dir, outer, console, said: channel().1, seen: String::new() }
    }

    /// Reads the console until it has said `text`.
    pub fn until(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let more = self.said.recv_timeout(PATIENCE).unwrap_or_else(|error| {
                panic!("the console did not say {text:?} ({error}):\n{}", self.seen)
            });
            self.seen.push_str(&more);
        }
        let after = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..after);
    }

    /// Waits until `svc` with these words prints `text`; for what no event tells.
    pub fn until_svc(&self, words: &[&str], text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let told = self.svc(words);
            if told.contains(text) {
                return told;
            }
            assert!(Instant::now() < end, "svc {words:?} did not say {text:?}:\n{told}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        self.console.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Its pid as seen from here.
    pub fn pid(&self) -> i64 {
        let id = self.outer.id();
        let children = format!("/proc/{id}/task/{id}/children");
        // unshare(1) may be about to fork.
        let end = Instant::now() + PATIENCE;
        loop {
            if let Ok(pid) = world::content(children.as_ref()).parse() {
                return pid;
            }
            assert!(Instant::now() < end, "there is no PID 1");
            thread::yield_now();
        }
    }

    pub fn svc(&self, words: &[&str]) -> String {
        self.applet("svc", words)
    }

    /// What an applet says that is told where this jamb is.
    pub fn applet(&self, name: &str, words: &[&str]) -> String {
        let mut command = Command::new(JAMB);
        let run = format!("/proc/{}/root/run/jamb", self.pid());
        command.arg(name).args(words).env("JAMB_RUN_DIR", run);
        let output = command.output().unwrap();
        lossy(&output.stdout) + &lossy(&output.stderr)
    }

    pub fn end(mut self, signal: &str) -> ExitStatus {
        kill(self.pid(), signal);
        let status = self.outer.wait().unwrap();
        fs::remove_dir_all(&self.dir).ok();
        status
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.outer.kill().ok();
        self.outer.wait().ok();
    }
}

/// Whether such namespaces can be made.
pub fn may() -> bool {
    if !is_root() {
        eprintln!("only root may make PID namespaces here");
    }
    is_root()
}
