//! Another database for a running engine: what did not change goes on without noticing.
//!
//! It takes two steps, because what changes or goes has to come down by its old definition. First the
//! shell retires those services ([`super::Event::Retire`]); nothing else is touched but what depends
//! on them. Once none of them is left ([`Engine::is_retired`]), [`Engine::adopt`] puts the new graph in
//! place, and what is wanted of it starts.

use super::{Engine, Graph, graph::id_of};
use crate::{
    db::Database,
    model::{Relation, ServiceId},
};

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

/// Where each service of `new` comes from, by its number there. Services are the same if their names are.
#[must_use]
pub fn origins(old: &Database, new: &Database) -> Vec<Origin> {
    let mut origins = Vec::with_capacity(new.len());
    for id in new.ids() {
        origins.push(match old.find(new.name(id)) {
            None => Origin::New,
            Some(from) if old.node(from).digest() == new.node(id).digest() => Origin::Kept(from),
            Some(from) => Origin::Changed(from),
        });
    }
    origins
}

/// What another database means for a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is the same, and goes on.
    Kept,
    /// It is the same, but may come down and up again, as something that it cannot be up without does.
    Restarts,
    /// It is defined otherwise: it comes down, and up as it is defined then.
    Changed,
    /// There is none of its name any more: it comes down.
    Gone,
}

/// What becomes of each service of `old`, by its number there. `origins` are those of the new one's.
#[must_use]
pub fn fates(old: &Database, origins: &[Origin]) -> Vec<Fate> {
    let mut fates = vec![Fate::Gone; old.len()];
    for origin in origins {
        let (from, fate) = match *origin {
            Origin::New => continue,
            Origin::Kept(from) => (from, Fate::Kept),
            Origin::Changed(from) => (from, Fate::Changed),
        };
        if let Some(of) = fates.get_mut(from.index()) {
            *of = fate;
        }
    }
    let mut open: Vec<ServiceId> = Vec::new();
    open.extend(old.ids().filter(|id| fates[id.index()] != Fate::Kept));
    while let Some(id) = open.pop() {
        for (other, position) in old.node(id).dependents() {
            let node = old.node(other);
            // A group that loses a member may still be ready; whoever needs it is told of what may be.
            let follows = node.edge(position.into()).is_some_and(|edge| {
                node.is_hard(edge)
                    || matches!(edge.relation, Relation::Member | Relation::Alternative)
            });
            if let (Some(fate @ Fate::Kept), true) = (fates.get_mut(other.index()), follows) {
                *fate = Fate::Restarts;
                open.push(other);
            }
        }
    }
    fates
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::encode,
        model::{Command, Edge, Kind, Longrun, OnChange, ReadyWhen, Service, System},
        text::Piece,
    };

    /// A name, a program or nothing, and what it relates to.
    type Def<'a> = (&'a str, &'a str, &'a [(&'a str, Relation)]);

    /// A database of longruns, and of bundles where there is no program.
    fn database(of: &[Def<'_>]) -> Database {
        let number = |name: &str| of.iter().position(|one| one.0 == name);
        let mut services = Vec::new();
        for (name, program, edges) in of {
            let kind = match *program {
                "" => Kind::Bundle(ReadyWhen::All),
                program => {
                    let argv = vec![vec![Piece::Literal(program.into())]];
                    Kind::Longrun(Longrun::new(Command { argv }))
                }
            };
            let mut service = Service::new(kind);
            for (to, relation) in *edges {
                let to = ServiceId(u16::try_from(number(to).unwrap()).unwrap());
                let on_change = OnChange::Restart;
                service.edges.push(Edge { to, relation: *relation, on_change });
            }
            services.push(((*name).to_owned(), service));
        }
        Database::new(encode([0; 16], &System::default(), &services).unwrap()).unwrap()
    }

    #[test]
    fn who_needs_what_changes_restarts() {
        use Relation::{Member, Needs, Wants};
        let old = database(&[
            ("all", "", &[("dns", Member), ("ntp", Member)]),
            ("dns", "dns", &[("wan", Needs)]),
            ("log", "log", &[("wan", Wants)]),
            ("needs-all", "x", &[("all", Needs)]),
            ("ntp", "ntp", &[]),
            ("wan", "dhcp", &[]),
        ]);
        let new = database(&[
            ("all", "", &[("dns", Member), ("ntp", Member)]),
            ("dns", "dns", &[("wan", Needs)]),
            ("needs-all", "x", &[("all", Needs)]),
            ("new", "new", &[]),
            ("ntp", "ntp", &[]),
            ("wan", "ppp", &[]),
        ]);
        let origins = origins(&old, &new);
        let kept = |number| Origin::Kept(ServiceId(number));
        let changed = Origin::Changed(ServiceId(5));
        assert_eq!(origins, [kept(0), kept(1), kept(3), Origin::New, kept(4), changed]);
        let want =
            [Fate::Restarts, Fate::Restarts, Fate::Gone, Fate::Restarts, Fate::Kept, Fate::Changed];
        assert_eq!(fates(&old, &origins), want);
        // Nothing follows from nothing.
        assert_eq!(fates(&old, &super::origins(&old, &old)), [Fate::Kept; 6]);
        assert_eq!(fates(&old, &[]), [Fate::Gone; 6]);
    }
}
