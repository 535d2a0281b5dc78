//! What dependents do about something that is new: restart, render, signal themselves, or nothing.

use super::{Action, Engine, state::State, words::Role};
use crate::model::{Edge, OnChange, Relation, ServiceId};
use supervisor::time::Instant;

impl Engine {
    /// What it stands for is new.
    pub(super) fn bump_revision(&mut self, id: ServiceId) {
        let dynamic = &mut self.dynamic[id.index()];
        dynamic.revision = dynamic.revision.wrapping_add(1);
    }

    /// The dependents that are starting or ready, with their edges to `id`.
    fn next_dependent_up(&self, id: ServiceId, from: &mut usize) -> Option<(ServiceId, u16, Edge)> {
        while let Some((dependent, position)) = self.graph.node(id).dependent(*from) {
            *from += 1;
            let node = self.graph.node(dependent);
            let state = self.dynamic[dependent.index()].state;
            if let (State::Starting(_) | State::Ready(_), Some(mut edge)) =
                (state, node.edge(usize::from(position)))
            {
                let repeats = matches!(edge.relation, Relation::Member | Relation::Alternative);
                // A group does not restart because a member has something new: it repeats it.
                if edge.on_change == OnChange::Restart && repeats && node.is_group() {
                    edge.on_change = OnChange::Follow;
                }
                return Some((dependent, position, edge));
            }
        }
        None
    }

    /// A file that was ready already has new content: those that stop with it take it as a restart.
    pub(super) fn tell_of_new_content(
        &mut self,
        now: Instant,
        id: ServiceId,
        out: &mut Vec<Action>,
    ) {
        let mut from = 0;
        while let Some((dependent, _, edge)) = self.next_dependent_up(id, &mut from) {
            if self.graph.node(dependent).is_hard(edge) {
                self.act_on(now, dependent, OnChange::Restart, out);
            }
        }
        self.tell_soft_dependents(now, id, out);
    }

    /// Services that stayed up while this one was away act now, if it is different.
    pub(super) fn tell_soft_dependents(
        &mut self,
        now: Instant,
        id: ServiceId,
        out: &mut Vec<Action>,
    ) {
        let mut from = 0;
        while let Some((dependent, position, edge)) = self.next_dependent_up(id, &mut from) {
            if edge.on_change == OnChange::Restart || self.lacks_value_of(dependent, id) {
                continue;
            }
            let revision = self.dynamic[id.index()].revision;
            let seen = &mut self.dynamic[dependent.index()].seen[usize::from(position)];
            let newer = core::mem::replace(seen, revision) != revision;
            let node = self.graph.node(dependent);
            let reads = node.reads().any(|read| read.service == id);
            let changed = if reads { self.values_differ(dependent, id) } else { newer };
            // A file is written again in any case: somebody may have touched it meanwhile.
            if changed || (newer && edge.on_change == OnChange::Render) {
                self.act_on(now, dependent, edge.on_change, out);
            }
        }
    }

    /// The readers of a ready service whose values changed react, each by its edge.
    pub(super) fn tell_readers(&mut self, now: Instant, id: ServiceId, out: &mut Vec<Action>) {
        let mut from = 0;
        while let Some((reader, _, edge)) = self.next_dependent_up(id, &mut from) {
            // What stays up with the old value until there is a new one does not act on its loss.
            let waits = edge.on_change != OnChange::Restart && self.lacks_value_of(reader, id);
            if !waits && self.values_differ(reader, id) {
                self.act_on(now, reader, edge.on_change, out);
            }
        }
    }

    /// Takes over the present values of what it reads; what it publishes may follow from them.
    fn rebind(&mut self, id: ServiceId) {
        self.bind(id);
        self.dynamic[id.index()].rebound = true;
        self.look_at(id);
    }

    /// A dependent acts on a change of what it needs or reads.
    pub(super) fn act_on(
        &mut self,
        now: Instant,
        id: ServiceId,
        action: OnChange,
        out: &mut Vec<Action>,
    ) {
        // What is about to stop learns of it when it starts again.
        if self.must_stop(id) {
            return;
        }
        match action {
            OnChange::Ignore => {}
            OnChange::Restart if self.is_kept_up(id) => {}
            OnChange::Restart => {
                self.dynamic[id.index()].restart = true;
                self.look_at(id);
            }
            // A group takes over what its members have when it is looked at.
            OnChange::Follow => self.look_at(id),
            OnChange::Run(number) => {
                self.rebind(id);
                self.request_action(now, id, number, out);
            }
            OnChange::Signal(signal) => {
                self.rebind(id);
                if let Some(run) = self.live(id) {
                    out.push(Action::Signal(run, signal));
                }
            }
            OnChange::Render => {
                self.bind(id);
                out.push(Action::Write(self.incarnation(id, Role::Write)));
            }
        }
    }
}
