//! Another database for a running engine: what did not change goes on without noticing.
//!
//! It takes two steps, because what changes or goes has to come down by its old definition. First the
//! shell retires those services ([`super::Event::Retire`]); nothing else is touched but what depends
//! on them. Once none of them is left ([`Engine::is_retired`]), [`Engine::adopt`] puts the new graph in
//! place, and what is wanted of it starts.

use super::{Engine, Graph, graph::id_of};
use crate::model::ServiceId;

/// Where a service of the new database comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// It is new.
    New,
    /// It was this one, and is defined otherwise now. What was asked of it holds on.
    Changed(ServiceId),
    /// It was this one, and its record is the same but for the numbers of services in it.
    Kept(ServiceId),
}

impl Engine {
    /// It is going to be removed or replaced: it comes down, whatever is asked of it.
    pub(super) fn retire(&mut self, id: ServiceId) {
        let Some(dynamic) = self.dynamic.get_mut(id.index()) else { return };
        dynamic.retired = true;
        dynamic.restart = false;
        self.wants_stale = true;
        self.look_at(id);
    }

    /// Whether nothing runs any more of those that are retired; what is stuck in the kernel does not
    /// count, as nobody could wait for it.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        !self.dynamic.iter().any(|one| one.retired && one.state.is_active())
    }

    /// A failover that is defined otherwise goes on with the alternative that it used, if that is kept.
    fn take_over_selection(&mut self, id: ServiceId, used: Option<ServiceId>, origins: &[Origin]) {
        let Some(used) = used else { return };
        let is_used = |to: ServiceId| origins.get(to.index()) == Some(&Origin::Kept(used));
        let mut alternatives = self.graph.node(id).alternatives();
        if let Some((position, _)) = alternatives.find(|(_, to)| is_used(*to)) {
            drop(alternatives);
            let group = &mut self.dynamic[id.index()].group;
            group.selected = Some(position);
            group.reach = position;
        }
    }

    /// The same engine over another graph. `origins` says for each service of it where it comes from;
    /// what is kept must not be retired, and everything else of the old graph must be.
    #[must_use]
    pub fn adopt(self, graph: Graph, origins: &[Origin], target: Option<ServiceId>) -> Self {
        let mut old = self;
        let mut new = Self::new(graph);
        for (index, origin) in origins.iter().enumerate() {
            let Some(dynamic) = new.dynamic.get_mut(index) else { break };
            match *origin {
                Origin::New => {}
                Origin::Kept(from) => {
                    if let Some(was) = old.dynamic.get_mut(from.index()).filter(|was| !was.retired)
                    {
                        core::mem::swap(dynamic, was);
                    }
                }
                Origin::Changed(from) => {
                    if let Some(was) = old.dynamic.get(from.index()) {
                        dynamic.ask = was.ask;
                        dynamic.pin = was.pin;
                        // Reports of what is gone must stay stale, and what others have seen old.
                        dynamic.generation = was.generation;
                        dynamic.revision = was.revision.wrapping_add(1);
                    }
                    new.take_over_selection(id_of(index), old.selected(from), origins);
                }
            }
        }
        new.target = target;
        new.settled = old.settled;
        new.shutdown = old.shutdown;
        new.stale = old.stale;
        new.bugs = old.bugs;
        new.active = new.dynamic.iter().filter(|one| one.state.is_active()).count();
        new.recount_all();
        if let Some(dynamic) = target.and_then(|id| new.dynamic.get_mut(id.index())) {
            // A stop by command survives.
            if dynamic.ask == super::state::Ask::Nothing {
                dynamic.ask = super::state::Ask::Up;
            }
        }
        new.wants_stale = true;
        for index in 0..new.dynamic.len() {
            // Its deadline is armed when it is looked at.
            new.dynamic[index].armed = None;
            new.look_at(id_of(index));
        }
        new
    }
}
