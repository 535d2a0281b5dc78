//! Does what the engine says, one action after the other. Every failure becomes an event or a line in
//! the log; nothing here decides what follows from it.

use super::{
    End, Manager,
    children::is_main,
    disk, isolate,
    keep::number,
    messages,
    paths::below,
    prepare,
    prepare::{Channel, Prepared},
};
use crate::{
    file::remove_tree,
    handover::{area::spawning, point::point},
};
use core::ffi::CStr;
use rc::{
    engine::{Action, Event, Incarnation, Notice, Phase, Role},
    model::{Body, OnFailure, ServiceId},
    proto::{Ending, What},
};
use rustix::{
    fd::{AsFd, BorrowedFd},
    fs::{CWD, Mode},
    io::Errno,
    process::Pid,
};
use std::path::Path;
use supervisor::{
    exit::{Exit, SpawnFailure, SpawnStep},
    file::{change_owner, make_directory},
    problem::problem,
    reap,
    signal::Signal,
    spawn::{Isolation, Spec, Terminal},
};

impl Manager {
    pub(super) fn act(&mut self, action: Action) {
        point("action");
        match action {
            Action::Spawn(run) => {
                let event = match self.spawn(run) {
                    Ok(()) => Event::Spawned(run),
                    Err(failure) => Event::Exited(run, Exit::NotStarted(failure)),
                };
                self.queue.push_back(event);
            }
            Action::Signal(run, signal) => self.signal(run, signal),
            Action::Write(run) => {
                let result = self.write(run);
                self.queue.push_back(Event::Written(run, result));
            }
            Action::Remove(id) => self.remove(id),
            Action::Publish(id) => self.publish(id),
            Action::Withdraw(id) => {
                disk::withdraw(Path::new(&self.paths.outputs), self.database.name(id));
                point("withdrawn");
                self.feed.push(self.clock.now(), self.database.name(id), What::Outputs(Vec::new()));
            }
            Action::Notice(notice) => self.notice(notice),
            Action::AllStopped => {
                self.stopped_at = Some(self.clock.now());
                // Somebody may have stopped it, and it would be left behind with the last lines.
                if let (_, Some(collector)) = self.logs.collector() {
                    reap::signal_one(collector, Signal::Cont);
                }
                self.report.say("shutdown", "all services are down");
            }
            Action::Escalate(id, what) => self.escalate(id, what),
        }
    }

    fn spawn(&mut self, run: Incarnation) -> Result<(), SpawnFailure> {
        let name = self.database.name(run.service).to_owned();
        let unprepared = SpawnFailure { step: SpawnStep::Prepare, errno: 0 };
        let prepared = self.database.record(run.service).map_err(|error| problem!("{error}"));
        let prepared = prepared.and_then(|record| {
            let nofile = self.resources.nofile;
            let held = self.hold_for(run, &record)?;
            prepare::prepare(&record, &name, run, &self.engine, &self.paths, nofile, held)
        });
        let prepared = prepared.map_err(|problem| {
            self.report.tell(&name, format_args!("cannot be started: {problem}"));
            unprepared
        })?;
        let pid = self.start(run, &name, &prepared).inspect_err(|failure| {
            let program = prepared.argv.first().to_string_lossy();
            let subject = match &prepared.tty {
                Some(path) if failure.step == SpawnStep::Terminal => path,
                _ => &*program,
            };
            self.report.say(&name, &messages::not_started(*failure, subject));
            // A child that failed before execve is dead by now and has to be released.
            self.children.reap_later();
        })?;
        self.children.born(pid, pid, run);
        let number = number(pid).unsigned_abs();
        self.feed.push(self.clock.now(), &name, What::Spawned { pid: number, role: run.role });
        Ok(())
    }

    /// Starts what is prepared.
    fn start(
        &mut self,
        run: Incarnation,
        name: &str,
        prepared: &Prepared,
    ) -> Result<Pid, SpawnFailure> {
        let owner = prepared.identity.as_ref().map(|identity| (identity.uid, identity.gid));
        // What a service prepares to publish must outlive its checks.
        let fresh = matches!(run.role, Role::Run | Role::Up);
        self.own_directories(name, owner, prepared.publishes && fresh);
        self.remove_pidfile(run);
        let at = |step| move |error: Errno| SpawnFailure { step, errno: error.raw_os_error() };
        if prepared.channel != Channel::None {
            // There is one if the program before made it and crashed. Its path is the next one's.
            self.stop_listening(run.service);
        }
        let channel = self.make_channel(run, prepared.channel, owner);
        let (ear, pass) = channel.map_err(at(SpawnStep::Descriptors))?;
        if let Some(ear) = ear {
            self.listen(run, ear, String::new());
        }
        // Before there is a process that could speak: should this program end now, the next one hears it. And
        // before its pid is noted in place of the last one's, which may not be recorded yet.
        self.commit();
        let output = self.logs.writer(run.service.index());
        let protected = self.resources.oom_protected;
        let score: Option<&CStr> = protected.then_some(prepare::NO_OOM_PROTECTION);
        let listen = if run.role == Role::Run { self.held.fds(run.service) } else { Vec::new() };
        let isolation = prepared.isolation.as_ref();
        let shares = isolation.is_some_and(|one| one.tmp.is_some()) && !is_main(run.role);
        let main = self.children.pid(run.service).filter(|_| shares);
        let mounts = main.and_then(isolate::mounts);
        let tty = prepared.tty.as_deref().map(isolate::terminal).transpose();
        let tty = tty.map_err(at(SpawnStep::Terminal))?;
        let wanted = prepared.cgroup.as_ref();
        let cgroup = wanted.and_then(|wanted| self.cgroups.enter(name, wanted, &mut self.report));
        let spec = Spec {
            programs: &prepared.programs,
            argv: &prepared.argv,
            env: &prepared.env,
            cwd: prepared.cwd.as_deref().unwrap_or(c"/"),
            umask: prepared.umask,
            limits: &prepared.limits,
            identity: prepared.identity.as_ref(),
            stdio: match &tty {
                Some(tty) => [tty.as_fd(); 3],
                None => [self.resources.nothing.as_fd(), output, output],
            },
            pass: pass.as_ref().map(|(fd, number)| (fd.as_fd(), *number)),
            listen: &listen,
            keep: &[],
            terminal: if tty.is_some() { Terminal::Own } else { Terminal::None },
            oom_score_adj: score,
            isolation: isolation
                .map_or(Isolation::NONE, |one| one.view(cgroup.as_ref(), mounts.as_ref())),
            tells_pid: prepared.tells_pid,
        };
        point("spawn");
        self.vault.will_spawn(spawning::SERVICE);
        let spawned = self.spawner.spawn(&spec);
        point("spawned");
        spawned
    }

    /// Makes the state directories of all that are about to be started, one after the other: each takes half
    /// of the time that it would between two starts. A service that cannot have its directories may still do
    /// its work, so it is started all the same.
    pub(super) fn make_state_directories(&mut self) {
        for action in &self.todo {
            let Action::Spawn(run) = action else { continue };
            let name = self.database.name(run.service);
            if let Err(error) =
                make_directory(self.resources.states.as_fd(), Path::new(name), Mode::RWXU)
            {
                self.report.say(name, &without(&self.paths.state, name, error));
            }
        }
    }

    /// The state directory becomes its user's, and what it stages is emptied.
    fn own_directories(&mut self, name: &str, owner: Option<(u32, u32)>, publishes: bool) {
        let own = |at: BorrowedFd<'_>, path: &str| {
            owner.map_or(Ok(()), |owner| change_owner(at, Path::new(path), owner))
        };
        let mut within = &self.paths.state;
        let mut done = own(self.resources.states.as_fd(), name);
        if publishes && done.is_ok() {
            within = &self.paths.staging;
            let staging = below(within, name);
            remove_tree(Path::new(&staging));
            done = make_directory(CWD, Path::new(&staging), Mode::RWXU)
                .and_then(|_| own(CWD, &staging));
        }
        if let Err(error) = done {
            self.report.say(name, &without(within, name, error));
        }
    }

    pub(super) fn signal(&mut self, run: Incarnation, signal: Signal) {
        let group = self.children.group_of(run).or_else(|| self.last_heir(run));
        let Some(group) = group else { return };
        reap::signal_group(group, signal);
        if signal == Signal::Kill && is_main(run.role) {
            self.kill_control_group(run.service);
        }
        point("kill");
        // A stopped process would take no notice before its time is over.
        if !matches!(signal, Signal::Kill | Signal::Stop | Signal::Tstp | Signal::Cont) {
            reap::signal_group(group, Signal::Cont);
        }
    }

    /// A service failed for good, and its definition says what that means to the machine.
    fn escalate(&mut self, id: ServiceId, what: OnFailure) {
        let name = self.database.name(id).to_owned();
        let why = format!("{name} failed for good");
        match what {
            OnFailure::Reboot => {
                self.report.say(&name, "failed for good; its on-failure is reboot");
                let end = End::new(Ending::Reboot, &format!("the on-failure of {name}"));
                self.end(end, false);
            }
            OnFailure::Rescue => match (&self.rescue, &self.attendant) {
                (Some(rescue), None) => {
                    self.attendant = Some(rescue(why, &mut self.report));
                    self.attend_at = Some(self.clock.now());
                }
                _ => self.report.say(&name, "failed for good; there is no rescue shell to offer"),
            },
            // The engine does these.
            OnFailure::Ignore | OnFailure::Start(_) => {}
        }
    }

    fn write(&mut self, run: Incarnation) -> Result<bool, i32> {
        let name = self.database.name(run.service).to_owned();
        let record = self.database.record(run.service).map_err(|_| 0)?;
        let Body::File(file) = &record.body else { return Err(0) };
        let text = prepare::expand_for(&file.text, run, &self.engine);
        let text = text.map_err(|problem| {
            self.report.tell(&name, format_args!("cannot write {}: {problem}", file.path));
            0
        })?;
        let path = Path::new(&file.path);
        let renamed = &self.vault.header.renamed;
        disk::render(path, text.as_bytes(), u32::from(file.mode), renamed).map_err(|error| {
            self.report.tell(
                &name,
                format_args!("cannot write {}: {error}; it is tried again", file.path),
            );
            error.raw_os_error()
        })
    }

    fn remove(&mut self, id: ServiceId) {
        let Ok(record) = self.database.record(id) else { return };
        let Body::File(file) = &record.body else { return };
        if let Err(error) = disk::remove(Path::new(&file.path)) {
            let text = format_args!("cannot remove {}: {error}; it stays", file.path);
            self.report.tell(self.database.name(id), text);
        }
    }

    fn publish(&mut self, id: ServiceId) {
        let name = self.database.name(id);
        let (mut values, mut keys) = (Vec::new(), Vec::new());
        for (output, value) in self.engine.outputs(id) {
            if let Some(value) = value {
                let secret = output.kind.is_secret();
                values.push(disk::Value { key: output.key, value, secret });
                keys.push(output.key.to_owned());
            }
        }
        self.publications += 1;
        point("publish");
        if let Err((path, error)) =
            disk::publish(Path::new(&self.paths.outputs), name, self.publications, &values)
        {
            let text = format_args!(
                "cannot write {}: {error}; references see the new values, files the old",
                path.display()
            );
            self.report.tell(name, text);
        }
        point("published");
        self.feed.push(self.clock.now(), name, What::Outputs(keys));
    }

    /// Notes when a service first got somewhere.
    pub(super) fn milestone(&mut self, id: ServiceId, to: Phase) {
        let now = u32::try_from(self.clock.now().ms).unwrap_or(u32::MAX);
        let Some(found) = self.milestones.get_mut(id.index()) else { return };
        let is_first = note(&mut found.wanted, now);
        let is_news = match to {
            Phase::Starting => note(&mut found.started, now),
            Phase::Ready => note(&mut found.ready, now),
            _ => false,
        };
        if is_first || is_news {
            self.children.touch(id);
        }
        if is_news && to == Phase::Ready {
            self.ever_ready = self.ever_ready.saturating_add(1);
        }
    }

    fn notice(&mut self, notice: Notice) {
        let now = self.clock.now();
        let subject = match notice {
            Notice::Changed { service, .. } | Notice::Bug { service } => Some(service),
            Notice::Exited { incarnation, .. } => Some(incarnation.service),
            Notice::Settled { .. } => None,
        };
        let name = subject.map_or("", |id| self.database.name(id));
        self.feed.push(now, name, What::Engine(notice));
        let name = name.to_owned();
        match notice {
            Notice::Changed { service, from, to } => {
                self.milestone(service, to);
                // A restart only passes through: what counts is where it is by now.
                let is_over = |phase| matches!(phase, Phase::Down | Phase::Failed);
                let view = match to {
                    // Of these there is nothing to say, and there are the most of them.
                    Phase::Starting | Phase::Ready if !self.report.verbose => return,
                    _ => self.engine.view(service),
                };
                if is_over(to) && view.is_some_and(|view| is_over(view.phase)) {
                    self.let_go(service);
                }
                let cause = view.filter(|_| to == Phase::Stopping).and_then(|view| view.cause);
                if let Some(text) = cause.and_then(messages::cause) {
                    self.report.say(&name, text);
                } else if self.report.verbose || matches!(to, Phase::Backoff | Phase::Failed) {
                    self.report.say(&name, &messages::changed(from, to, view.as_ref(), now));
                }
            }
            Notice::Exited { incarnation, exit, timed_out } => {
                if let Some(text) = messages::worth_telling(incarnation, exit, timed_out) {
                    self.report.say(&name, &text);
                }
            }
            Notice::Settled { ready } => {
                self.settled_at = Some(now);
                self.report.say("boot", &messages::settled(ready, now, self.clock.used_ms()));
            }
            Notice::Bug { .. } => {
                self.report
                    .say(&name, "a defect of jamb: the engine went in circles; please report it");
            }
        }
    }
}

#[cold]
fn without(within: &str, name: &str, error: Errno) -> String {
    format!("cannot make {within}/{name}: {error}; it is started without")
}

/// Notes when something was for the first time; whether it is now.
#[inline(never)]
fn note(first: &mut Option<u32>, now: u32) -> bool {
    let is_news = first.is_none();
    first.get_or_insert(now);
    is_news
}
