//! Which process belongs to which incarnation: the pid table, and reaping. One owner of pids; the engine
//! knows none. A service has at most one main process, and beside it a check and an action.

use super::{Manager, ears::Ears, keep::number};
use crate::handover::point::point;
use rc::{
    engine::{Event, Incarnation, NodeKind, Role},
    model::ServiceId,
};
use rustix::process::Pid;
use supervisor::{exit::Exit, reap, signal::Signal};

/// Dead children released in one turn; ten thousand orphans must not keep a client waiting.
const REAP_TURN: usize = 128;

/// A live process of a service.
#[derive(Clone, Copy)]
struct Live {
    pid: Pid,
    /// The process group that it leads, or is in if it was taken over from a process of ours that forked.
    group: Pid,
    run: Incarnation,
}

/// The table.
pub struct Children {
    /// By service number: its main process.
    main: Vec<Option<Live>>,
    /// Checks and actions that run; a router has a few at a time.
    beside: Vec<Live>,
    /// How they speak up.
    pub ears: Ears,
    /// Services of which something changed here since it was last recorded.
    touched: Vec<ServiceId>,
    reap: bool,
}

impl Children {
    /// No children of this many services.
    pub fn new(services: usize) -> Self {
        Self {
            main: (0..services).map(|_| None).collect(),
            beside: Vec::new(),
            ears: Ears::new(services),
            touched: Vec::new(),
            reap: false,
        }
    }

    /// Children may have died.
    pub fn reap_later(&mut self) {
        self.reap = true;
    }

    /// Something of a service changed that its record has.
    pub fn touch(&mut self, id: ServiceId) {
        // What changes does so many times in a row.
        if self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
    }

    /// A service whose record may have changed since it was last answered here.
    pub fn next_touched(&mut self) -> Option<ServiceId> {
        self.touched.pop()
    }

    fn main(&self, id: ServiceId) -> Option<&Live> {
        self.main.get(id.index())?.as_ref()
    }

    fn all(&self) -> impl Iterator<Item = &Live> {
        self.main.iter().flatten().chain(&self.beside)
    }

    /// The pid of a service's main process.
    pub fn pid(&self, id: ServiceId) -> Option<Pid> {
        self.main(id).map(|live| live.pid)
    }

    fn get(&self, run: Incarnation) -> Option<&Live> {
        self.main(run.service).into_iter().chain(&self.beside).find(|live| live.run == run)
    }

    /// The pid of exactly this incarnation.
    pub fn pid_of(&self, run: Incarnation) -> Option<Pid> {
        self.get(run).map(|live| live.pid)
    }

    /// The process group of exactly this incarnation.
    pub fn group_of(&self, run: Incarnation) -> Option<Pid> {
        self.get(run).map(|live| live.group)
    }

    /// Whether the process is one that the table has.
    pub fn knows(&self, pid: Pid) -> bool {
        self.all().any(|live| live.pid == pid)
    }

    /// A process was started, or is the incarnation's from now on, in place of one that it had.
    pub fn born(&mut self, pid: Pid, group: Pid, run: Incarnation) {
        self.touch(run.service);
        let live = Live { pid, group, run };
        if !is_main(run.role) {
            self.beside.retain(|live| live.run != run);
            self.beside.push(live);
        } else if let Some(slot) = self.main.get_mut(run.service.index()) {
            *slot = Some(live);
        }
    }

    fn forget(&mut self, pid: Pid) -> Option<Live> {
        let is_it = |live: &Live| live.pid == pid;
        let live = match self.beside.iter().position(is_it) {
            Some(at) => self.beside.swap_remove(at),
            None => self.main.iter_mut().find_map(|slot| slot.take_if(|live| is_it(live)))?,
        };
        self.touch(live.run.service);
        Some(live)
    }

    /// The processes of a service, for the record: role and generation, pid and group.
    pub fn of(&self, id: ServiceId) -> Vec<(Role, u32, i32, i32)> {
        let mut all = Vec::new();
        for live in self.main(id).into_iter().chain(&self.beside) {
            let Incarnation { service, generation, role } = live.run;
            if service == id {
                all.push((role, generation, number(live.pid), number(live.group)));
            }
        }
        all
    }
}

/// Whether a process of this role is the one that a service is known by.
pub const fn is_main(role: Role) -> bool {
    !matches!(role, Role::Check(_) | Role::Action { .. })
}

impl Manager {
    /// Releases dead children and tells the engine of those that were services'.
    pub(super) fn reap(&mut self) {
        if !self.children.reap {
            return;
        }
        for _ in 0..REAP_TURN {
            let Some(dead) = reap::peek() else {
                self.children.reap = false;
                return;
            };
            let live = self.children.forget(dead.pid);
            if let Some(live) = live
                && is_main(live.run.role)
            {
                // What it said last counts: a daemon may tell and fork at once. Its pid is still taken,
                // so what it says can be told to be its own.
                self.hear(live.run.service, false);
            }
            let is_passed_on = live.is_some_and(|live| self.passes_on(live.run, dead.exit));
            if let Some(live) = live
                && !is_passed_on
                && self.leaves_nobody(live.run)
            {
                // Its pid is still taken, so this cannot hit another's group.
                reap::signal_group(live.group, Signal::Kill);
                if is_main(live.run.role) {
                    self.kill_control_group(live.run.service);
                }
            }
            point("peeked");
            match live {
                Some(_) if is_passed_on => {}
                Some(live) => {
                    if is_main(live.run.role) {
                        self.stop_listening(live.run.service);
                    }
                    self.tell(Event::Exited(live.run, dead.exit));
                }
                None => self.reaped_other(dead.pid, dead.exit),
            }
            // What it led to is recorded before it is gone for good.
            self.commit();
            point("told-death");
            reap::release(dead.pid);
            point("released");
        }
        self.more = true;
    }

    /// A child that is no service's: the collector, the machine's own, or an orphan.
    fn reaped_other(&mut self, pid: Pid, exit: Exit) {
        let now = self.clock.now();
        if let Some(delay) = self.logs.exited(now, pid) {
            if let Some(delay) = delay {
                let exit = super::messages::exit(exit);
                let text =
                    format_args!("the collector {exit}; another one is started in {} ms", delay.0);
                self.report.tell("log", text);
            }
        } else if let Some(attendant) = &mut self.attendant
            && attendant.exited(now, pid, &mut self.report)
        {
            self.attend_at = Some(now);
        } else if !self.candidate_exited(pid, exit) {
            self.cgroups.remove_left();
            // Its children are ours now; one of them may be awaited.
            self.look_for_heirs();
        }
    }

    /// A longrun that died leaves nobody behind, nor does a check or an action; what a oneshot started
    /// may go on.
    fn leaves_nobody(&self, run: Incarnation) -> bool {
        let view = self.engine.view(run.service);
        !is_main(run.role) || view.is_some_and(|view| matches!(view.kind, NodeKind::Longrun(_)))
    }
}
