//! Conditions: whether what must be so is so, who cannot be up because of that, and how starts are
//! spaced out when a condition flaps.

use super::{Engine, words::Want};
use crate::{
    db::NodeCondition,
    model::{Edge, Relation, ServiceId},
};
use supervisor::time::{Instant, Millis};

/// What is known of a condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Met {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// It is about an output of a service that is not ready.
    Unknown,
}

/// Ends in a row that a condition may cause before the next start is delayed.
const FREE_FLAPS: u32 = 3;

impl Engine {
    /// The shell told what it sees; negation is already in it.
    pub(super) fn condition_told(&mut self, id: ServiceId, number: u16, holds: bool) {
        let Some(dynamic) = self.dynamic.get_mut(id.index()) else { return };
        let Some(known) = dynamic.conditions.get_mut(usize::from(number)) else { return };
        if core::mem::replace(known, holds) != holds {
            self.look_at(id);
        }
    }

    /// The conditions of a service, in the order of its definition.
    pub fn conditions(&self, id: ServiceId) -> impl Iterator<Item = Met> {
        let count = self.graph.node(id).conditions().len();
        (0..count).map(move |number| self.met(id, number))
    }

    fn met(&self, id: ServiceId, number: usize) -> Met {
        let node = self.graph.node(id);
        let holds = match node.condition(number) {
            Some((NodeCondition::Output(read, equals), negated)) => {
                let Some(read) = node.read(usize::from(read)) else { return Met::Unknown };
                if !self.is_ready(read.service) {
                    return Met::Unknown;
                }
                let value = &self.dynamic[read.service.index()].values[usize::from(read.output)];
                let fits = value.is_some() && (equals.is_none() || equals == value.as_deref());
                fits != negated
            }
            _ => self.dynamic[id.index()].conditions[number],
        };
        if holds { Met::Yes } else { Met::No }
    }

    /// Whether a condition of the service itself is known not to hold.
    pub(super) fn is_barred(&self, id: ServiceId) -> bool {
        self.conditions(id).any(|met| met == Met::No)
    }

    /// Whether a condition that does not hold stays so until something of the world changes: one that
    /// is not known yet may hold once the service that would know is ready.
    pub(super) fn is_hopeless_condition(&self, id: ServiceId, number: u16) -> bool {
        let node = self.graph.node(id);
        match node.condition(usize::from(number)) {
            Some((NodeCondition::Output(read, _), _)) => {
                let publisher = node.read(usize::from(read)).map(|read| read.service);
                publisher.is_none_or(|id| self.dynamic[id.index()].state.is_settled())
            }
            _ => true,
        }
    }

    /// Takes note of whether the service can be up for all that conditions say, and lets those know
    /// who depend on it.
    pub(super) fn refresh_dormancy(&mut self, id: ServiceId) {
        let dynamic = &self.dynamic[id.index()];
        let up = dynamic.state.is_up();
        let kept = dynamic.pin == Some(Want::Up) && up;
        let node = self.graph.node(id);
        // Who is up already stays so without what it needs softly.
        let bars = |edge: Edge| {
            edge.relation == Relation::Needs
                && (!up || node.is_hard(edge))
                && self.dynamic[edge.to.index()].dormant
        };
        let dormant = dynamic.want == Want::Up
            && !kept
            && (self.is_barred(id) || self.ties(id).any(bars) || self.sleeps(id));
        if dormant == dynamic.dormant {
            return;
        }
        let before = dynamic.standing();
        self.dynamic[id.index()].dormant = dormant;
        self.tell_bundles(id, before);
        let mut position = 0;
        while let Some((dependent, _)) = self.graph.node(id).dependent(position) {
            self.look_at(dependent);
            position += 1;
        }
    }

    /// A service leaves by our will: if a condition made us, and its run was short, it flaps.
    pub(super) fn count_flap(&mut self, now: Instant, id: ServiceId) {
        let stable = self.was_stable(now, id);
        let barred = self.is_barred(id);
        let dynamic = &mut self.dynamic[id.index()];
        if stable {
            dynamic.flaps = 0;
        } else if barred {
            dynamic.flaps = dynamic.flaps.saturating_add(1);
        }
        dynamic.damp = dynamic.flaps > FREE_FLAPS;
    }

    /// How long the next start has to wait because of flapping; asked once for each start.
    pub(super) fn take_damping(&mut self, id: ServiceId) -> Option<Millis> {
        let backoff = self.graph.node(id).backoff();
        let dynamic = &mut self.dynamic[id.index()];
        let damp = core::mem::replace(&mut dynamic.damp, false);
        damp.then(|| backoff.next(dynamic.flaps.saturating_sub(FREE_FLAPS + 1), 0).0)
    }
}
