//! The rescue: a root shell on the console when there are no services to run, kept by the ordinary
//! loop, so that children are reaped, `reboot` works and ctrl-alt-del too. Where there is no shell, or
//! the kernel command line says so, the machine reboots after a while instead.

use super::{cmdline::Cmdline, console, program};
use crate::manager::{Attendant, Report};
use rc::proto::Ending;
use rustix::{
    fs::{Access, access},
    process::Pid,
};
use std::time::Duration;
use supervisor::{
    spawn::Spawner,
    time::{Instant, Millis},
};

/// Shells to try.
const SHELLS: [&str; 3] = ["/bin/sh", "/bin/busybox", "/usr/bin/sh"];
/// A shell that ended is started again after this.
const PAUSE: Millis = Millis::from_secs(1);
/// Without a shell, the message can be read for this long before the machine reboots.
pub const BEFORE_REBOOT: Millis = Millis::from_secs(30);

/// The rescue, after saying why.
pub fn attendant(why: String, cmdline: &Cmdline, report: &mut Report) -> Box<dyn Attendant> {
    let has_shell = SHELLS.iter().any(|path| access(*path, Access::EXISTS).is_ok());
    let reboot = cmdline.rescue.unwrap_or_default();
    if reboot.is_some() || !has_shell {
        let wait = reboot.unwrap_or(BEFORE_REBOOT);
        report.tell("rescue", format_args!("{why}; the machine reboots in {} s", wait.0 / 1000));
        return Box::new(Reboot { wait, at: None });
    }
    report.tell("rescue", format_args!("{why}; here is a shell, type reboot when done"));
    let console = cmdline.console.clone();
    Box::new(Shell {
        cmdline: Cmdline { console, ..Cmdline::default() },
        running: None,
        next: None,
    })
}

/// Keeps a shell on the console.
struct Shell {
    cmdline: Cmdline,
    running: Option<Pid>,
    next: Option<Instant>,
}

impl Attendant for Shell {
    fn tend(
        &mut self,
        now: Instant,
        spawner: &mut Spawner,
        report: &mut Report,
    ) -> Option<Instant> {
        if self.running.is_some() {
            return None;
        }
        if let Some(at) = self.next.filter(|at| *at > now) {
            return Some(at);
        }
        match program::start(&SHELLS, "sh", &self.cmdline, spawner) {
            Ok(pid) => self.running = Some(pid),
            Err(problem) => {
                report.tell("rescue", format_args!("{problem}; it is tried again"));
                self.next = Some(now.after(PAUSE));
                return self.next;
            }
        }
        None
    }

    fn pid(&self) -> Option<Pid> {
        self.running
    }

    fn take_over(&mut self, pid: Pid) {
        self.running = Some(pid);
    }

    fn exited(&mut self, now: Instant, pid: Pid, report: &mut Report) -> bool {
        if self.running != Some(pid) {
            return false;
        }
        self.running = None;
        self.next = Some(now.after(PAUSE));
        report.say("rescue", "the shell ended; another one follows. Type reboot to start again");
        true
    }
}

/// Waits, then asks for a reboot.
struct Reboot {
    wait: Millis,
    at: Option<Instant>,
}

impl Attendant for Reboot {
    fn tend(&mut self, now: Instant, _: &mut Spawner, report: &mut Report) -> Option<Instant> {
        let at = *self.at.get_or_insert(now.after(self.wait));
        if now < at {
            return Some(at);
        }
        report.say("rescue", "the machine reboots");
        // The same way as any other request: the signal is ours to handle.
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)
            .ok();
        None
    }

    fn pid(&self) -> Option<Pid> {
        None
    }

    fn take_over(&mut self, _: Pid) {}

    fn exited(&mut self, _: Instant, _: Pid, _: &mut Report) -> bool {
        false
    }
}

/// Not even the loop could be made: no descriptors, no memory or a /run that cannot be written. Says so
/// and reboots after a while.
pub fn without_manager(problem: &str, cmdline: &Cmdline) -> Ending {
    let mut report = Report::new(console::open(cmdline), true);
    let span = BEFORE_REBOOT.0 / 1000;
    report.tell("rescue", format_args!("{problem}; the machine reboots in {span} s"));
    std::thread::sleep(Duration::from_millis(u64::from(BEFORE_REBOOT.0)));
    Ending::Reboot
}
