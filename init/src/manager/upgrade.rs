//! Becoming another program while the services run: this one again, or another version, which is first asked
//! whether it can take over. The one who asks is a child with a copy of the state, awaited in the loop and
//! for a bounded time.

use super::{Manager, client::Mode};
use crate::{
    file::c_path,
    handover::{self, area::Area, crash, number, point::point},
};
use core::sync::atomic::Ordering::Relaxed;
use rc::proto::Reply;
use rustix::{
    fd::{AsFd, OwnedFd},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
    process::Pid,
};
use std::os::fd::IntoRawFd;
use supervisor::{
    exit::Exit,
    problem::{Problem, problem},
    reap,
    signal::Signal,
    spawn::{Isolation, Spec, Terminal},
    time::{Instant, Millis},
    words::Words,
};

/// How long another version may take to tell whether it can take over.
const CHECK: Millis = Millis::from_secs(10);
/// Bytes of what it says that are read.
const SAYS: usize = 512;

/// Another version that is being asked.
pub struct Candidate {
    pid: Pid,
    image: OwnedFd,
    says: OwnedFd,
    /// It is killed then.
    pub until: Instant,
}

impl Manager {
    /// Asks the program at `path` whether it can take over; an error is for people.
    pub(super) fn consider(&mut self, path: &str) -> Result<(), Problem> {
        self.may_be_followed()?;
        if self.candidate.is_some() {
            return Err("another upgrade is being checked; nothing was done".into());
        }
        let candidate = self.ask(path);
        let candidate =
            candidate.map_err(|errno| problem!("cannot use {path}: {errno}; nothing was done"))?;
        self.candidate = Some(candidate);
        Ok(())
    }

    fn ask(&mut self, path: &str) -> Result<Candidate, Errno> {
        let image = handover::open_image(&c_path(path))?;
        let (says, output) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let copy = Area::copy(self.vault.header, &self.vault.ledger)?;
        let (copy, database) = (number(&copy.fd()), self.vault.database);
        let program = format!("/proc/self/fd/{}", number(&image));
        let numbers = [copy.to_string(), database.to_string()];
        let words = |texts: &[&str]| Words::of(texts).unwrap_or_default();
        let argv = words(&["jamb", "handover-check", &numbers[0], &numbers[1]]);
        let nothing = self.resources.nothing.as_fd();
        let spec = Spec {
            // What was opened, not what may be there by then.
            programs: &words(&[&program]),
            argv: &argv,
            env: &Words::new(),
            cwd: c"/",
            umask: 0o022,
            limits: &[],
            identity: None,
            stdio: [nothing, output.as_fd(), nothing],
            pass: None,
            listen: &[],
            keep: &[copy, database],
            terminal: Terminal::None,
            oom_score_adj: None,
            isolation: Isolation::NONE,
            tells_pid: false,
        };
        let pid = self.spawner.spawn(&spec).map_err(|failure| {
            self.children.reap_later();
            Errno::from_raw_os_error(failure.errno)
        })?;
        Ok(Candidate { pid, image, says, until: self.clock.now().after(CHECK) })
    }

    /// Becomes this very program again at the end of the turn; an error is for people.
    pub(super) fn follow_itself(&mut self) -> Result<(), Problem> {
        self.may_be_followed()?;
        let image = handover::own_image();
        let image = image.map_err(|errno| problem!("cannot open jamb itself: {errno}"))?;
        self.next_image = Some(image);
        Ok(())
    }

    pub(super) fn may_be_followed(&self) -> Result<(), Problem> {
        match self.vault.is_full() {
            true => Err("the state is not complete; nothing was done".into()),
            false => Ok(()),
        }
    }

    /// A child ended; answers whether it was the other version.
    pub(super) fn candidate_exited(&mut self, pid: Pid, exit: Exit) -> bool {
        let Some(candidate) = self.candidate.take_if(|candidate| candidate.pid == pid) else {
            return false;
        };
        let mut bytes = [0; SAYS];
        let length = rustix::io::read(&candidate.says, &mut bytes).unwrap_or(0);
        let says = String::from_utf8_lossy(&bytes[..length]);
        if exit.is_success() && says.starts_with(handover::CAN) {
            self.report.say("handover", says.trim_ascii_end());
            self.next_image = Some(candidate.image);
            return true;
        }
        let text = match says.trim_ascii() {
            "" => super::messages::exit(exit),
            says => format!("says: {says}"),
        };
        self.refuse(&format!("the new version {text}; this one goes on"));
        true
    }

    /// One that takes too long is killed, which is how the loop hears of it.
    pub(super) fn end_slow_candidate(&mut self) {
        let now = self.clock.now();
        if let Some(candidate) = &mut self.candidate
            && candidate.until <= now
        {
            reap::signal_group(candidate.pid, Signal::Kill);
            candidate.until = now.after(CHECK);
        }
    }

    /// Tells whoever asked for another version, or another database, that there is none.
    fn refuse(&mut self, text: &str) {
        self.report.say("handover", text);
        for place in self.control.places() {
            if let Some(client) = self.control.client(place)
                && client.mode == Mode::Upgrading
            {
                client.mode = Mode::Idle;
                client.answer(Reply::Refused(text.to_owned()));
                self.control.again(place);
            }
        }
    }

    /// Becomes the next program, if there is to be one. Clients see the end of their connections.
    pub(super) fn become_next(&mut self) {
        let Some(image) = self.next_image.take() else { return };
        self.commit();
        point("reexec");
        let header = self.vault.header;
        let own = header.image.load(Relaxed);
        header.former.store(own, Relaxed);
        header.image.store(image.into_raw_fd(), Relaxed);
        header.reexecs.store(header.reexecs.load(Relaxed) + 1, Relaxed);
        let errno = crash::exec(header);
        handover::area::close(header.image.load(Relaxed));
        header.image.store(own, Relaxed);
        header.former.store(-1, Relaxed);
        header.reexecs.store(header.reexecs.load(Relaxed) - 1, Relaxed);
        self.stay_with_database();
        self.refuse(&format!("cannot execute the next program: {errno}; this one goes on"));
    }
}
