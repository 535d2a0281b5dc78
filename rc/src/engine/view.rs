//! What can be told about services: states, what they wait for, counters. Nothing here changes any.

use super::{
    Engine, NodeKind,
    state::{State, Step, Then},
    words::{Cause, Incarnation, Phase, Want, Why},
};
use crate::{
    model::{ReadyWhen, ServiceId},
    watchdog::Seen,
};
use supervisor::{exit::Exit, time::Instant};

/// Something that keeps a service from going on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blocker {
    /// This service is not ready.
    Service(ServiceId),
    /// This service does not publish this output.
    Output(ServiceId, u16),
    /// This service depends on it and has to be down first.
    Dependent(ServiceId),
    /// This condition of its own, by position, does not hold.
    Condition(ServiceId, u16),
    /// This service conflicts with it and has to be down first.
    Conflict(ServiceId),
}

/// One service at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// What it does.
    pub kind: NodeKind,
    /// What is wanted of it.
    pub want: Want,
    /// Whether it is down because a command said so.
    pub stopped_by_command: bool,
    /// Its state.
    pub phase: Phase,
    /// When it entered that state.
    pub since: Instant,
    /// How many times it has been started.
    pub generation: u32,
    /// Failed attempts in a row.
    pub failures: u32,
    /// How its process ended last time.
    pub last_exit: Option<Exit>,
    /// When it is started again, if it is backing off.
    pub retry_at: Option<Instant>,
    /// Why it is failed, if it is.
    pub why: Option<Why>,
    /// Whether it is waiting for something that has failed.
    pub blocked: bool,
    /// What its live process runs for, if it has one.
    pub live: Option<Incarnation>,
    /// Whether it is wanted, but cannot be up because of a condition, its own or that of a need.
    pub dormant: bool,
    /// How it is held by command, if it is.
    pub pinned: Option<Want>,
    /// Whether it is taking over its configuration anew.
    pub reloading: bool,
    /// Health checks that failed in a row.
    pub health_failures: u32,
    /// Of a failover: the alternative that is used.
    pub selected: Option<ServiceId>,
    /// What made its last run end badly, while it is being stopped for that.
    pub cause: Option<Cause>,
}

impl Engine {
    /// The service that boot started, if it did.
    #[must_use]
    pub const fn target(&self) -> Option<ServiceId> {
        self.target
    }

    /// One service; `None` if there is none with this number.
    #[must_use]
    pub fn view(&self, id: ServiceId) -> Option<View> {
        let dynamic = self.dynamic.get(id.index())?;
        Some(View {
            kind: self.graph.node(id).kind(),
            want: dynamic.want,
            stopped_by_command: dynamic.ask == super::state::Ask::Down,
            phase: dynamic.state.phase(),
            since: dynamic.since,
            generation: dynamic.generation,
            failures: dynamic.failures,
            last_exit: dynamic.last_exit,
            retry_at: match dynamic.state {
                State::Backoff { until } => Some(until),
                _ => None,
            },
            why: match dynamic.state {
                State::Failed(why) => Some(why),
                _ => None,
            },
            blocked: matches!(dynamic.state, State::Waiting { blocked: true }),
            live: self.live(id),
            dormant: dynamic.dormant,
            pinned: dynamic.pin,
            reloading: dynamic.reloading,
            health_failures: dynamic.side.failures,
            selected: self.selected(id),
            cause: match dynamic.state {
                State::Stopping(_, Then::Judge { cause, .. }) => Some(cause),
                _ => None,
            },
        })
    }

    /// How a service is in the eyes of the machine's watchdog.
    #[must_use]
    pub fn seen(&self, id: ServiceId) -> Seen {
        let Some(dynamic) = self.dynamic.get(id.index()) else { return Seen::Excused };
        match dynamic.state {
            _ if dynamic.dormant || dynamic.pin == Some(Want::Down) => Seen::Excused,
            State::Ready(_) if dynamic.side.failures == 0 => Seen::Well,
            State::Ready(_) => Seen::Doubtful,
            _ => Seen::Unwell,
        }
    }

    /// How far a failover that uses none has searched: the last alternative that it wants, and until when
    /// it waits for that one alone.
    #[must_use]
    pub fn searching(&self, id: ServiceId) -> Option<(ServiceId, Option<Instant>)> {
        let group = &self.dynamic.get(id.index())?.group;
        let edge = self.graph.node(id).edge(usize::from(group.reach));
        edge.map(|edge| (edge.to, group.patience))
    }

    pub(super) fn selected(&self, id: ServiceId) -> Option<ServiceId> {
        let position = self.dynamic[id.index()].group.selected?;
        self.graph.node(id).edge(usize::from(position)).map(|edge| edge.to)
    }

    /// What the service waits for, in the order of its definition.
    #[must_use]
    pub fn waiting_on(&self, id: ServiceId) -> Vec<Blocker> {
        let mut found = Vec::new();
        let Some(dynamic) = self.dynamic.get(id.index()) else { return found };
        match dynamic.state {
            State::Waiting { .. } => {
                self.blockers(id, &mut |blocker| found.push(blocker));
                self.missing_members(id, &mut found);
            }
            State::Stopping(Step::Draining(_), _) => {
                for (dependent, edge) in self.graph.node(id).dependents() {
                    if self.holds_up(dependent, edge) {
                        found.push(Blocker::Dependent(dependent));
                    }
                }
            }
            _ => {}
        }
        found
    }

    fn missing_members(&self, id: ServiceId, found: &mut Vec<Blocker>) {
        let node = self.graph.node(id);
        let asleep = self.sleeps(id);
        if !self.tallies[id.index()].can_gather() || asleep {
            // A bundle of all its members does not wait for who is dormant, unless all are.
            let skips = !asleep && node.kind() == NodeKind::Bundle(ReadyWhen::All);
            for edge in node.members() {
                if !(self.is_ready(edge.to) || skips && self.dynamic[edge.to.index()].dormant) {
                    found.push(Blocker::Service(edge.to));
                }
            }
        }
        for (_, to) in node.alternatives() {
            found.push(Blocker::Service(to));
        }
    }

    /// The graph that the engine works on.
    #[must_use]
    pub const fn graph(&self) -> &super::Graph {
        &self.graph
    }

    /// Events of incarnations that were gone already, dropped so far.
    #[must_use]
    pub const fn stale_events(&self) -> u64 {
        self.stale
    }

    /// Broken invariants so far; anything but 0 is a defect.
    #[must_use]
    pub const fn bugs(&self) -> u64 {
        self.bugs
    }

    /// How much is remembered for later: entries of the deadline heap, services on the agenda.
    #[must_use]
    pub fn backlog(&self) -> (usize, usize) {
        (self.deadlines.len(), self.agenda.len())
    }

    /// Whether the boot target has been ready, or everything it lacked had failed, once.
    #[must_use]
    pub const fn has_settled(&self) -> bool {
        self.settled
    }
}
