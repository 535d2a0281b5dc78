//! Services that are made of others: when a bundle is ready and stays so, which alternative a failover
//! uses, and the outputs that both repeat.
//!
//! A failover that uses no alternative *searches*: it wants the first ones, and one more whenever the
//! last of them is given up or its patience is over. The first that is ready is used. What goes on
//! with the others follows from what is wanted ([`super::want`]); they retry by their own policies.

use super::{
    Engine, NodeKind,
    state::{State, Then},
    words::Want,
};
use crate::{
    db::Numbers,
    model::{Back, ServiceId},
};
use supervisor::time::Instant;

impl Engine {
    /// Whether a group that is up keeps what it stands on.
    pub(super) fn holds_together(&self, id: ServiceId) -> bool {
        let node = self.graph.node(id);
        match node.kind() {
            NodeKind::Failover(_) => {
                let selected = self.dynamic[id.index()].group.selected;
                selected.is_some_and(|position| {
                    let edge = node.edge(usize::from(position));
                    edge.is_some_and(|edge| self.is_ready(edge.to))
                })
            }
            _ => self.tallies[id.index()].holds_together(),
        }
    }

    /// Whether a group has members, and all of them are dormant.
    pub(super) fn sleeps(&self, id: ServiceId) -> bool {
        let node = self.graph.node(id);
        match node.kind() {
            NodeKind::Failover(_) => {
                let mut any = false;
                let all = node.alternatives().all(|(_, to)| {
                    any = true;
                    self.dynamic[to.index()].dormant
                });
                any && all
            }
            _ => self.tallies[id.index()].sleeps(),
        }
    }

    /// A group became ready, or is so and something about its members changed: turns to a better
    /// alternative, and takes over their outputs.
    pub(super) fn follow(&mut self, id: ServiceId) {
        if let NodeKind::Failover(failover) = self.graph.node(id).kind()
            && failover.back == Back::PreferFirst
            && let Some(best) = self.best_alternative(id)
        {
            self.select(id, best);
        }
        if self.bind(id) {
            self.dynamic[id.index()].rebound = true;
        }
    }

    /// The first alternative that is ready among those that the failover wants.
    fn best_alternative(&self, id: ServiceId) -> Option<u16> {
        let group = &self.dynamic[id.index()].group;
        let last = group.selected.unwrap_or(group.reach);
        let mut alternatives = self.graph.node(id).alternatives();
        alternatives
            .find(|&(position, to)| position <= last && self.is_ready(to))
            .map(|(position, _)| position)
    }

    fn select(&mut self, id: ServiceId, position: u16) {
        let group = &mut self.dynamic[id.index()].group;
        if group.selected == Some(position) {
            return;
        }
        // Another one than before is news to those who are up and read nothing.
        let turns = group.selected.is_some();
        group.selected = Some(position);
        group.patience = None;
        self.wants_stale = true;
        self.dynamic[id.index()].rebound |= turns;
        if turns {
            self.bump_revision(id);
        }
    }

    /// A failover that is wanted and uses none: uses the first that is ready, or goes on searching.
    /// Answers whether one is used.
    pub(super) fn search(&mut self, now: Instant, id: ServiceId) -> bool {
        let NodeKind::Failover(failover) = self.graph.node(id).kind() else { return true };
        if self.dynamic[id.index()].group.selected.is_some() && !self.holds_together(id) {
            // Lost while the failover waited for something else.
            self.let_go(id);
        }
        if let Some(best) = self.best_alternative(id) {
            self.select(id, best);
            return true;
        }
        let group = &self.dynamic[id.index()].group;
        let (reach, patience) = (group.reach, group.patience);
        if self.is_given_up(id, reach) {
            self.reach_on(now, id);
        } else if patience.is_none() && self.alternative_after(id, reach).is_some() {
            self.dynamic[id.index()].group.patience = Some(now.after(failover.patience));
        }
        false
    }

    /// The alternatives so far are given up, or the patience with them is over: tries one more.
    pub(super) fn reach_on(&mut self, now: Instant, id: ServiceId) {
        let NodeKind::Failover(failover) = self.graph.node(id).kind() else { return };
        let next = self.alternative_after(id, self.dynamic[id.index()].group.reach);
        let more = next.is_some_and(|next| self.alternative_after(id, next).is_some());
        let group = &mut self.dynamic[id.index()].group;
        group.patience = more.then(|| now.after(failover.patience));
        if let Some(next) = next {
            group.reach = next;
            self.wants_stale = true;
            // The next one may be given up already.
            self.look_at(id);
        }
    }

    fn alternative_after(&self, id: ServiceId, position: u16) -> Option<u16> {
        let mut alternatives = self.graph.node(id).alternatives();
        alternatives.find(|(other, _)| *other > position).map(|(other, _)| other)
    }

    /// Whether nothing is to be expected soon from the alternative at this position.
    fn is_given_up(&self, id: ServiceId, position: u16) -> bool {
        let edge = self.graph.node(id).edge(usize::from(position));
        edge.is_none_or(|edge| {
            let other = &self.dynamic[edge.to.index()];
            let begins = matches!(other.state, State::Down) && other.want == Want::Up;
            !self.is_ready(edge.to) && !begins && other.state.is_settled()
        })
    }

    /// Whether the alternative at this position is stopped by our own will, to be started again.
    fn comes_back(&self, id: ServiceId, position: u16) -> bool {
        let edge = self.graph.node(id).edge(usize::from(position));
        edge.is_some_and(|edge| {
            let other = &self.dynamic[edge.to.index()];
            matches!(other.state, State::Stopping(_, Then::Free)) && other.want == Want::Up
        })
    }

    /// Whether a failover that uses none has tried all of them in vain.
    pub(super) fn has_searched(&self, id: ServiceId) -> bool {
        let reach = self.dynamic[id.index()].group.reach;
        let mut alternatives = self.graph.node(id).alternatives();
        alternatives.all(|(position, _)| position <= reach && self.is_given_up(id, position))
    }

    /// A group is not up any longer. A failover that is still wanted searches on from where it was.
    pub(super) fn let_go(&mut self, id: ServiceId) {
        let first = self.graph.node(id).alternatives().next();
        let wanted = self.dynamic[id.index()].want == Want::Up;
        let group = &mut self.dynamic[id.index()].group;
        group.patience = None;
        // What a retired one uses is kept for another database.
        if let Some((first, _)) = first.filter(|_| !self.dynamic[id.index()].retired) {
            let group = &mut self.dynamic[id.index()].group;
            let (lost, reach) = (group.selected.take(), group.reach);
            let from = match lost {
                // It had its chance: the next is tried at once, beside it if it tries again.
                Some(lost) if !self.comes_back(id, lost) => {
                    self.alternative_after(id, lost).unwrap_or(lost)
                }
                lost => lost.unwrap_or(reach),
            };
            self.dynamic[id.index()].group.reach = if wanted { from } else { first };
            self.wants_stale = true;
            // What is ready already spares the others a start.
            if wanted && let Some(best) = self.best_alternative(id) {
                self.select(id, best);
            }
        }
    }

    /// The read that an output of a failover has its value from.
    pub(super) fn source(&self, id: ServiceId, from: Numbers<'_>) -> Option<u16> {
        let selected = self.dynamic[id.index()].group.selected?;
        let mut alternatives = self.graph.node(id).alternatives();
        let number = alternatives.position(|(position, _)| position == selected)?;
        from.get(number)
    }
}
