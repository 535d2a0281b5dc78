//! Who is wanted: what somebody asked for, and everything that it reaches.

use super::{Engine, NodeKind, Shutdown, graph::id_of, state::Ask, words::Want};
use crate::model::{Back, Relation};
use supervisor::time::Instant;

impl Engine {
    /// Somebody changed what is asked: who is not wanted any longer because of that has its failures
    /// forgotten. When a failover turns away from somebody, nothing is: it may turn back at once, and
    /// would start two alternatives that die in turn without end.
    pub(super) fn obey(&mut self) {
        for index in self.recompute_wants() {
            self.dynamic[index].failures = 0;
            self.dynamic[index].not_before = Instant::default();
        }
    }

    /// Recomputes who is wanted; answers who is not so any longer. Linear in services and relations;
    /// runs for commands, and when a failover turns to another alternative.
    pub(super) fn recompute_wants(&mut self) -> Vec<usize> {
        self.wants_stale = false;
        let mut dismissed = Vec::new();
        let mut reached = vec![false; self.dynamic.len()];
        let mut open = Vec::new();
        if matches!(self.shutdown, Shutdown::No) {
            for (index, dynamic) in self.dynamic.iter().enumerate() {
                if dynamic.ask == Ask::Up || dynamic.pin == Some(Want::Up) {
                    reached[index] = true;
                    open.push(index);
                }
            }
        }
        while let Some(index) = open.pop() {
            for (position, edge) in (0u16..).zip(self.graph.node(id_of(index)).edges()) {
                let pulls = match edge.relation {
                    Relation::Needs | Relation::Wants | Relation::Member => true,
                    Relation::After => false,
                    Relation::Alternative => self.uses(index, position),
                };
                let to = edge.to.index();
                if pulls && !reached[to] {
                    reached[to] = true;
                    open.push(to);
                }
            }
        }
        for (index, reached) in reached.into_iter().enumerate() {
            let want = if reached && self.may_be_up(index) { Want::Up } else { Want::Down };
            if self.dynamic[index].want != want {
                self.dynamic[index].want = want;
                if want == Want::Down {
                    dismissed.push(index);
                }
                self.wake_neighbours(id_of(index));
            }
        }
        dismissed
    }

    /// Whether it is not on its way out, and allowed.
    fn may_be_up(&self, index: usize) -> bool {
        !self.dynamic[index].retired && self.is_allowed(index)
    }

    /// Whether nobody asked for it to be down, or it is held up all the same.
    fn is_allowed(&self, index: usize) -> bool {
        let dynamic = &self.dynamic[index];
        match dynamic.pin {
            Some(want) => want == Want::Up,
            None => dynamic.ask != Ask::Down,
        }
    }

    /// Whether a failover that is reached wants the alternative at this position.
    fn uses(&self, index: usize, position: u16) -> bool {
        let group = &self.dynamic[index].group;
        let NodeKind::Failover(failover) = self.graph.node(id_of(index)).kind() else {
            return false;
        };
        // One that is retired may go on in another database with what it uses.
        self.is_allowed(index)
            && match (group.selected, failover.back) {
                (Some(selected), Back::Sticky) => position == selected,
                (Some(selected), Back::PreferFirst) => position <= selected,
                (None, _) => position <= group.reach,
            }
    }
}
