//! Who relates to whom: all mentions of a service by another become at most one edge.

use super::{Names, Tie, Why, action::Actions, failover};
use crate::{
    definition::{Body, Definition},
    diag::{Code, Diagnostic, all_of, nearest},
    source::Located,
};
use rc::model::{Edge, OnChange, Read, ReadyWhen, Relation, ServiceId};
use std::collections::BTreeMap;

/// The mentions of services by services, before they are merged.
pub(super) struct Ties<'n, 'd> {
    names: &'n Names<'d>,
    of: Vec<Vec<Tie>>,
}

impl<'n, 'd> Ties<'n, 'd> {
    /// The mentions by `needs`, `wants`, `after`, `contents` and `part-of`.
    pub(super) fn new(names: &'n Names<'d>) -> Self {
        let mut of = vec![Vec::new(); names.definitions.len()];
        for (index, definition) in names.definitions.iter().enumerate() {
            for (relation, name) in &definition.relations {
                if let Some(to) = names.find(name) {
                    let place = name.place;
                    of[index].push(Tie { to, relation: *relation, place, why: Why::Key });
                }
            }
            for name in &definition.part_of {
                let Some(bundle) = names.find(name) else { continue };
                if !is_bundle(names, name, bundle) {
                    continue;
                }
                if let Ok(number) = u16::try_from(index) {
                    of[bundle.index()].push(Tie {
                        to: ServiceId(number),
                        relation: Relation::Member,
                        place: name.place,
                        why: Why::PartOf,
                    });
                }
            }
        }
        Self { names, of }
    }

    /// Adds the needs that references of service `index` are.
    pub(super) fn add_reads(&mut self, index: usize, ties: Vec<Tie>) {
        self.of[index].extend(ties);
    }

    /// At most one edge between two services, the strongest, sorted by the other's number.
    pub(super) fn merged(self) -> Vec<Vec<Tie>> {
        let mut all = Vec::with_capacity(self.of.len());
        let Self { names, of } = self;
        for (definition, mentions) in names.definitions.iter().zip(of) {
            let mut best: BTreeMap<ServiceId, Tie> = BTreeMap::new();
            for tie in mentions {
                let known = best.entry(tie.to).or_insert(tie);
                if known.relation != tie.relation {
                    check_member(names, definition, *known, tie);
                    check_alternative(names, definition, *known, tie);
                }
                if known.why == Why::Condition && tie.why != Why::Condition {
                    // What a condition reads is a need only if nothing else is said.
                    *known = tie;
                } else if tie.why != Why::Condition
                    && strength(tie.relation) > strength(known.relation)
                {
                    *known = tie;
                }
            }
            let members = best.values().filter(|tie| tie.relation == Relation::Member).count();
            check_count(names, definition, members);
            all.push(best.into_values().collect());
        }
        all
    }
}

/// A member that is also needed no longer counts as a member.
fn check_member(names: &Names<'_>, definition: &Definition, one: Tie, other: Tie) {
    let Body::Bundle(ready) = &definition.body else { return };
    let (member, needed) = match (one.relation, other.relation) {
        (Relation::Member, Relation::Needs) => (one, other),
        (Relation::Needs, Relation::Member) => (other, one),
        _ => return,
    };
    if ready.value == ReadyWhen::All {
        return;
    }
    let name = &names.definition(member.to).name.value;
    let bundle = &definition.name.value;
    let message = format!("bundle `{bundle}` needs `{name}`, which is one of its members");
    names.report.push(
        Diagnostic::error(Code::Contradiction, needed.place, message)
            .related(member.place, "a member by this")
            .help("with `ready-when` other than \"all\", a member cannot also be needed"),
    );
}

/// An alternative that is also needed would always have to be up.
fn check_alternative(names: &Names<'_>, definition: &Definition, one: Tie, other: Tie) {
    let (alternative, needed) = match (one.relation, other.relation) {
        (Relation::Alternative, Relation::Needs) => (one, other),
        (Relation::Needs, Relation::Alternative) => (other, one),
        _ => return,
    };
    if needed.why == Why::Condition {
        return;
    }
    let name = &names.definition(alternative.to).name.value;
    let message = format!("failover `{}` needs its alternative `{name}`", definition.name.value);
    names.report.push(
        Diagnostic::error(Code::Failover, needed.place, message)
            .related(alternative.place, "an alternative by this")
            .help("an alternative may be down while another one is used; do not need it as well"),
    );
}

fn check_count(names: &Names<'_>, definition: &Definition, members: usize) {
    let Body::Bundle(Located { value: ReadyWhen::AtLeast(count), place }) = definition.body else {
        return;
    };
    if usize::from(count) > members {
        let message = format!(
            "`ready-when` asks for {count} ready members, but bundle `{}` has {members} members",
            definition.name.value
        );
        names.report.push(
            Diagnostic::error(Code::Contradiction, place, message)
                .help("members come from `contents` here and `part-of` elsewhere"),
        );
    }
}

const fn strength(relation: Relation) -> u8 {
    match relation {
        Relation::Needs => 4,
        Relation::Alternative => 3,
        Relation::Member => 2,
        Relation::Wants => 1,
        Relation::After => 0,
    }
}

fn is_bundle(names: &Names<'_>, name: &Located<String>, id: ServiceId) -> bool {
    let target = names.definition(id);
    let fits = matches!(target.body, Body::Bundle(_) | Body::Unknown);
    if !fits {
        let message = format!("`{}` is a {}, not a bundle", name.value, target.kind());
        names.report.push(
            Diagnostic::error(Code::NotABundle, name.place, message)
                .related(target.name.place, "defined here")
                .help("only a bundle can be joined; did you mean `needs` or `wants`?"),
        );
    }
    fits
}

/// The edges of one service, with what happens there on a change: members and alternatives last, as the
/// engine looks for the others more often. Alternatives are in the order of their preference, the rest by
/// the number of the service.
pub(super) fn edges(
    names: &Names<'_>,
    definition: &Definition,
    reads: &[Read],
    actions: &Actions,
    ties: &[Tie],
) -> Vec<Edge> {
    check_targets(names, definition, ties);
    let edge = |tie: &Tie| {
        let name = &names.definition(tie.to).name.value;
        let special = definition.on_change_of.iter().position(|(of, _)| of.value == *name);
        let special = special.and_then(|at| actions.of.get(at)).copied();
        let reads = reads.iter().any(|read| read.service == tie.to);
        let default = default_of(definition, tie.relation, reads);
        let on_change = special.or(actions.general).unwrap_or(default);
        Edge { to: tie.to, relation: tie.relation, on_change }
    };
    let alternative = |tie: &&Tie| tie.relation == Relation::Alternative;
    let mut edges: Vec<Edge> = ties.iter().filter(|tie| !alternative(tie)).map(edge).collect();
    edges.sort_by_key(|edge| edge.relation == Relation::Member);
    for id in failover::order(names, definition) {
        edges.extend(ties.iter().filter(alternative).filter(|tie| tie.to == id).map(edge));
    }
    edges
}

/// What is done about a change when the definition does not say.
fn default_of(definition: &Definition, relation: Relation, reads: bool) -> OnChange {
    match (&definition.body, relation) {
        (Body::File { .. }, _) if reads => OnChange::Render,
        (Body::Bundle(_), Relation::Member) if reads => OnChange::Follow,
        (Body::Failover { .. }, Relation::Alternative) => OnChange::Follow,
        _ => OnChange::Restart,
    }
}

/// Reports an action for a service to which there is no relation.
fn check_targets(names: &Names<'_>, definition: &Definition, ties: &[Tie]) {
    for (of, _) in &definition.on_change_of {
        let Some(id) = names.find(of) else { continue };
        if ties.iter().any(|tie| tie.to == id) {
            continue;
        }
        let message =
            format!("service `{}` has nothing to do with `{}`", definition.name.value, of.value);
        let known: Vec<&str> =
            ties.iter().map(|tie| names.definition(tie.to).name.value.as_str()).collect();
        let mut error = Diagnostic::error(Code::OnChange, of.place, message);
        if let Some(near) = nearest(&of.value, known.iter().copied()) {
            error = error.help(format!("did you mean `{near}`?"));
        }
        names.report.push(error.help(if known.is_empty() {
            "it has no relation to any service; add `needs` or a reference".to_owned()
        } else {
            format!("it is related to {}", all_of(known))
        }));
    }
    if let Some(action) = &definition.on_change
        && ties.is_empty()
    {
        let message = format!("service `{}` is related to nothing", definition.name.value);
        names.report.push(
            Diagnostic::warning(Code::OnChange, action.place, message)
                .help("`on-change` says what happens when a related service changes"),
        );
    }
}
