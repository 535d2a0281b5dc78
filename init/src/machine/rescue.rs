//! The rescue: a root shell on the console when there are no services to run, kept by the ordinary
//! loop, so that children are reaped, `reboot` works and ctrl-alt-del too. Where there is no shell, or
//! the kernel command line says so, the machine reboots after a while instead.

use super::{CHILD_OOM_SCORE, cmdline::Cmdline, console};
use crate::manager::{Attendant, PATH, Report};
use core::ffi::CStr;
use rc::proto::Ending;
use rustix::{
    fd::AsFd,
    fs::{Access, OFlags, access},
    process::Pid,
};
use std::{ffi::CString, time::Duration};
use supervisor::{
    spawn::{Isolation, Spawner, Spec, Terminal},
    time::{Instant, Millis},
};

/// Shells to try.
const SHELLS: [&CStr; 3] = [c"/bin/sh", c"/bin/busybox", c"/usr/bin/sh"];
/// A shell that ended is started again after this.
const PAUSE: Millis = Millis::from_secs(1);
/// Without a shell, the message can be read for this long before the machine reboots.
const BEFORE_REBOOT: Millis = Millis::from_secs(30);

/// The rescue, after saying why.
pub fn attendant(why: String, cmdline: &Cmdline, report: &mut Report) -> Box<dyn Attendant> {
    let has_shell = SHELLS.iter().any(|path| access(*path, Access::EXISTS).is_ok());
    if cmdline.rescue_reboots || !has_shell {
        let span = BEFORE_REBOOT.0 / 1000;
        report.say("rescue", &format!("{why}; the machine reboots in {span} s"));
        return Box::new(Reboot { at: None });
    }
    report.say("rescue", &format!("{why}; here is a shell, type reboot when done"));
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
        // The shell needs a console that blocks; opening one does not wait, as it is no modem line.
        let Some(fd) = console::open_with(&self.cmdline, OFlags::RDWR | OFlags::NONBLOCK) else {
            report.say("rescue", "cannot open the console; it is tried again");
            self.next = Some(now.after(PAUSE));
            return self.next;
        };
        rustix::fs::fcntl_setfl(&fd, OFlags::RDWR).ok();
        let env: Vec<CString> =
            [format!("PATH={PATH}"), "HOME=/".to_owned(), "TERM=linux".to_owned()]
                .into_iter()
                .filter_map(|text| CString::new(text).ok())
                .collect();
        let spec = Spec {
            programs: &SHELLS.map(CStr::to_owned),
            argv: &[c"sh".to_owned()],
            env: &env,
            cwd: c"/",
            umask: 0o022,
            limits: &[],
            identity: None,
            stdio: [fd.as_fd(), fd.as_fd(), fd.as_fd()],
            pass: None,
            listen: &[],
            keep: &[],
            terminal: Terminal::Stdin,
            oom_score_adj: Some(CHILD_OOM_SCORE),
            isolation: Isolation::NONE,
            tells_pid: false,
        };
        match spawner.spawn(&spec) {
            Ok(pid) => {
                self.running = Some(pid);
                None
            }
            Err(failure) => {
                let error = rustix::io::Errno::from_raw_os_error(failure.errno);
                let text =
                    format!("cannot {} a shell: {error}; it is tried again", failure.step.verb());
                report.say("rescue", &text);
                self.next = Some(now.after(PAUSE));
                self.next
            }
        }
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
    at: Option<Instant>,
}

impl Attendant for Reboot {
    fn tend(&mut self, now: Instant, _: &mut Spawner, report: &mut Report) -> Option<Instant> {
        let at = *self.at.get_or_insert(now.after(BEFORE_REBOOT));
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
    report.say("rescue", &format!("{problem}; the machine reboots in {span} s"));
    std::thread::sleep(Duration::from_millis(u64::from(BEFORE_REBOOT.0)));
    Ending::Reboot
}
