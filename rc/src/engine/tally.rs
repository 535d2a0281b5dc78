//! What bundles count of their members, so that an event costs a bundle of a thousand as much as one of
//! two. A member that changes tells it to the bundles that it is in; nobody goes through all members but
//! when a bundle itself begins or ends, or when the engine comes from saved records or another graph.

use super::{
    Engine, NodeKind,
    graph::id_of,
    state::{Dynamic, State},
};
use crate::model::{Edge, OnChange, ReadyWhen, Relation, ServiceId};

/// A bundle and its members. What is no bundle needs none and has none.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Tally {
    /// Behind so many edges there are only members.
    pub ties: u16,
    pub members: u16,
    /// So many have to be ready.
    pub need: u16,
    /// What is enough of a member: to be ready, or where all have to be, to be dormant.
    enough: u8,
    /// For how many each of these is so, 16 bits each, as they change together.
    counts: u64,
}

/// It counts when the bundle is to start.
const GATHERED: u32 = 0;
/// It does not speak against a bundle that is up.
const HELD: u32 = 16;
const DORMANT: u32 = 32;
const SETTLED: u32 = 48;

impl Tally {
    /// Of what has only edges to others than members.
    pub(super) const NONE: Self =
        Self { ties: u16::MAX, members: 0, need: 0, enough: IS_READY, counts: 0 };

    const fn has(&self, of: u32, many: u16) -> bool {
        (self.counts >> of & 0xffff) as u16 >= many
    }

    pub(super) const fn can_gather(&self) -> bool {
        self.has(GATHERED, self.need)
    }

    pub(super) const fn holds_together(&self) -> bool {
        self.has(HELD, self.need)
    }

    /// Whether there are members, and all of them are dormant.
    pub(super) const fn sleeps(&self) -> bool {
        self.members > 0 && self.has(DORMANT, self.members)
    }

    /// Whether all have come as far as they can.
    pub(super) const fn is_settled(&self) -> bool {
        self.has(SETTLED, self.members)
    }

    /// What one member adds, if the bundle counts on it, or does not (yet).
    #[inline(never)]
    fn share(&self, edge: Edge, counted: bool, member: u8) -> u64 {
        let fine = member & self.enough != 0;
        // A member whose loss means nothing to a bundle that is ready.
        let soft = edge.on_change == OnChange::Ignore;
        let held = fine || soft || (self.enough != IS_READY && !counted);
        u64::from(fine) << GATHERED
            | u64::from(held) << HELD
            | u64::from(member & IS_DORMANT != 0) << DORMANT
            | u64::from(member & IS_SETTLED != 0) << SETTLED
    }
}

/// What bundles have to know of a member.
const IS_READY: u8 = 1;
const IS_DORMANT: u8 = 2;
const IS_SETTLED: u8 = 4;

impl Dynamic {
    /// How it stands in the eyes of the bundles that it is in.
    #[inline(never)]
    pub(super) fn standing(&self) -> u8 {
        let ready = if matches!(self.state, State::Ready(_)) { IS_READY } else { 0 };
        let dormant = if self.dormant { IS_DORMANT } else { 0 };
        let settled = if self.state.is_settled() { IS_SETTLED } else { 0 };
        ready | dormant | settled
    }
}

impl Engine {
    /// A service stood otherwise before: the bundles that it is in take note of it.
    pub(super) fn tell_bundles(&mut self, id: ServiceId, before: u8) {
        let now = self.dynamic[id.index()].standing();
        if now == before {
            return;
        }
        if (now ^ before) & IS_READY != 0 && self.tallies[id.index()].members > 0 {
            self.count_on(id, now & IS_READY != 0);
        }
        let mut position = 0;
        while let Some((bundle, at)) = self.graph.node(id).dependent(position) {
            position += 1;
            let (index, at) = (bundle.index(), usize::from(at));
            let tally = &mut self.tallies[index];
            // Most dependents are none.
            if tally.members == 0 {
                continue;
            }
            let Some(edge) = self.graph.node(bundle).edge(at) else { continue };
            if edge.relation != Relation::Member {
                continue;
            }
            let dynamic = &self.dynamic[index];
            let counted = dynamic.group.counted[at];
            let counts = match dynamic.state {
                State::Ready(_) => now & IS_READY != 0 || (counted && now & IS_DORMANT == 0),
                _ => counted,
            };
            let gone = tally.share(edge, counted, before);
            let come = tally.share(edge, counts, now);
            tally.counts = tally.counts.wrapping_sub(gone).wrapping_add(come);
            if counts != counted {
                self.dynamic[index].group.counted[at] = counts;
            }
        }
    }

    /// A bundle became ready and counts on those who are so, or is ready no longer and counts on nobody.
    fn count_on(&mut self, id: ServiceId, up: bool) {
        let mut position = 0;
        while let Some(edge) = self.graph.node(id).edge(position) {
            let counts = up && self.is_ready(edge.to);
            self.dynamic[id.index()].group.counted[position] = counts;
            position += 1;
        }
        self.tallies[id.index()] = self.tally_of(id);
    }

    /// Counts the members of one service anew.
    #[inline(never)]
    fn tally_of(&self, id: ServiceId) -> Tally {
        let node = self.graph.node(id);
        let NodeKind::Bundle(when) = node.kind() else { return Tally::NONE };
        let mut tally = Tally { ties: 0, ..Tally::NONE };
        if when == ReadyWhen::All {
            tally.enough |= IS_DORMANT;
        }
        let mut position = 0;
        while let Some(edge) = node.edge(usize::from(position)) {
            let counted = self.dynamic[id.index()].group.counted[usize::from(position)];
            position += 1;
            if edge.relation == Relation::Member {
                tally.members += 1;
                let member = self.dynamic[edge.to.index()].standing();
                tally.counts = tally.counts.wrapping_add(tally.share(edge, counted, member));
            } else {
                tally.ties = position;
            }
        }
        tally.need = match when {
            ReadyWhen::All => tally.members,
            ReadyWhen::AtLeast(need) => need,
        };
        tally
    }

    /// All records are others than before.
    pub(super) fn recount_all(&mut self) {
        for index in 0..self.tallies.len() {
            self.tallies[index] = self.tally_of(id_of(index));
        }
    }

    /// Whether all tallies are what counting anew would give.
    pub(super) fn has_counted_right(&self) -> bool {
        let mut tallies = self.tallies.iter().enumerate();
        tallies.all(|(index, tally)| *tally == self.tally_of(id_of(index)))
    }

    /// What a service relates to, without the members behind: the compiler puts members last, so that they
    /// need not be gone through.
    pub(super) fn ties(&self, id: ServiceId) -> impl Iterator<Item = Edge> {
        self.graph.node(id).first_edges(usize::from(self.tallies[id.index()].ties))
    }
}
