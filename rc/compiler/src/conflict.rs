//! Conflicts that make a service impossible: something that can only be up together with two
//! services that are never up together.

use crate::{
    definition::{Body, Definitions},
    diag::{Code, Diagnostic, Report},
    link::{Linked, Tie, Why},
    source::{Located, Place},
};
use rc::model::{Kind, ReadyWhen, Relation};
use std::collections::VecDeque;

/// Reports every pair of conflicting services that something needs both of, with both chains.
pub fn check(definitions: &Definitions, linked: &Linked, report: &Report) {
    let graph = Graph::new(linked);
    for (index, definition) in definitions.services.iter().enumerate() {
        for name in &definition.conflicts {
            let other = linked.services.binary_search_by(|(known, _)| known.cmp(&name.value));
            let Ok(other) = other else { continue };
            if other != index {
                graph.check_pair(index, other, name, report);
            }
        }
        if let Body::Failover { back, .. } = &definition.body
            && back.value == rc::model::Back::PreferFirst
        {
            check_return(linked, index, back.place, report);
        }
    }
}

/// Alternatives that conflict cannot be tried beside each other.
fn check_return(linked: &Linked, index: usize, place: Place, report: &Report) {
    let alternatives: Vec<&Tie> =
        linked.ties[index].iter().filter(|tie| tie.relation == Relation::Alternative).collect();
    for (at, one) in alternatives.iter().enumerate() {
        for other in &alternatives[..at] {
            if !linked.services[one.to.index()].1.conflicts.contains(&other.to) {
                continue;
            }
            let (a, b) = (graph_name(linked, other.to.index()), graph_name(linked, one.to.index()));
            let message = format!("`{a}` and `{b}` are never up together: nothing would come back");
            report.push(
                Diagnostic::error(Code::Conflict, place, message)
                    .related(other.place, "an alternative")
                    .related(one.place, "another one, which conflicts with it")
                    .help(
                        "\"prefer-first\" starts a better alternative beside the one that is \
                         used; write `return = \"sticky\"` or remove the conflict",
                    ),
            );
        }
    }
}

fn graph_name(linked: &Linked, index: usize) -> &str {
    linked.services[index].0.as_str()
}

/// Who cannot be up without whom.
struct Graph<'l> {
    linked: &'l Linked,
    /// For each service, the ties that it cannot be up without.
    hard: Vec<Vec<Tie>>,
    /// The other way round.
    from: Vec<Vec<usize>>,
}

impl<'l> Graph<'l> {
    fn new(linked: &'l Linked) -> Self {
        let count = linked.services.len();
        let dormant = may_be_dormant(linked);
        let mut from = vec![Vec::new(); count];
        let mut hard = Vec::with_capacity(count);
        for (index, ties) in linked.ties.iter().enumerate() {
            let all = matches!(linked.services[index].1.kind, Kind::Bundle(ReadyWhen::All));
            let needed = ties.iter().filter(|tie| match tie.relation {
                Relation::Needs => true,
                // A bundle does not wait for members whose conditions do not hold.
                Relation::Member => all && !dormant[tie.to.index()],
                Relation::Wants | Relation::After | Relation::Alternative => false,
            });
            let needed: Vec<Tie> = needed.copied().collect();
            for tie in &needed {
                from[tie.to.index()].push(index);
            }
            hard.push(needed);
        }
        Self { linked, hard, from }
    }

    fn check_pair(&self, a: usize, b: usize, name: &Located<String>, report: &Report) {
        let (one, two) = (graph_name(self.linked, a), graph_name(self.linked, b));
        for (from, to) in [(a, b), (b, a)] {
            for tie in &self.linked.ties[from] {
                let how = match tie.relation {
                    Relation::Wants => "wants",
                    Relation::Alternative => "has as an alternative",
                    Relation::Member => "contains",
                    Relation::Needs | Relation::After => continue,
                };
                if tie.to.index() == to {
                    let (from, to) = (graph_name(self.linked, from), graph_name(self.linked, to));
                    let message = format!("`{from}` {how} `{to}`, with which it is never up");
                    report.push(
                        Diagnostic::error(Code::Conflict, name.place, message)
                            .label("the conflict")
                            .related(tie.place, format!("`{from}` {how} `{to}`"))
                            .help("remove the conflict, or this relation"),
                    );
                    return;
                }
            }
        }
        let (needs_a, needs_b) = (self.reached_from(a), self.reached_from(b));
        let both = |index: usize| needs_a[index] && needs_b[index];
        let lowest = (0..self.hard.len())
            .find(|&index| both(index) && !self.hard[index].iter().any(|tie| both(tie.to.index())));
        let Some(top) = lowest else { return };
        let who = graph_name(self.linked, top);
        let message = if top == a || top == b {
            let other = if top == a { two } else { one };
            format!("`{who}` can never start: it needs `{other}`, with which it conflicts")
        } else {
            format!("`{who}` can never be up: `{one}` and `{two}` conflict, and it needs both")
        };
        let mut error =
            Diagnostic::error(Code::Conflict, name.place, message).label("the conflict");
        for target in [a, b] {
            for (from, tie) in self.chain(top, target) {
                error = error.related(tie.place, self.told(from, tie));
            }
        }
        report.push(error.help("remove the conflict, or one of these relations"));
    }

    /// Who cannot be up without `start`, itself included.
    fn reached_from(&self, start: usize) -> Vec<bool> {
        let mut seen = vec![false; self.hard.len()];
        seen[start] = true;
        let mut open = vec![start];
        while let Some(index) = open.pop() {
            for &dependent in &self.from[index] {
                if !std::mem::replace(&mut seen[dependent], true) {
                    open.push(dependent);
                }
            }
        }
        seen
    }

    /// A shortest way from one service to another.
    fn chain(&self, start: usize, target: usize) -> Vec<(usize, Tie)> {
        let mut from: Vec<Option<(usize, Tie)>> = vec![None; self.hard.len()];
        let mut open = VecDeque::from([start]);
        while let Some(index) = open.pop_front() {
            if index == target {
                break;
            }
            for tie in &self.hard[index] {
                let next = tie.to.index();
                if next != start && from[next].is_none() {
                    from[next] = Some((index, *tie));
                    open.push_back(next);
                }
            }
        }
        let mut chain = Vec::new();
        let mut at = target;
        while let Some((previous, tie)) = from[at] {
            chain.push((previous, tie));
            at = previous;
        }
        chain.reverse();
        chain
    }

    fn told(&self, from: usize, tie: Tie) -> String {
        let (this, other) =
            (graph_name(self.linked, from), graph_name(self.linked, tie.to.index()));
        match (tie.why, tie.relation) {
            (Why::Reference | Why::Condition, _) => {
                format!("`{this}` reads an output of `{other}`")
            }
            (_, Relation::Member) => format!("`{this}` contains `{other}`"),
            _ => format!("`{this}` needs `{other}`"),
        }
    }
}

/// Which services may be wanted and yet not be waited for: those with conditions, and what depends
/// on them.
fn may_be_dormant(linked: &Linked) -> Vec<bool> {
    let mut dormant: Vec<bool> =
        linked.services.iter().map(|(_, service)| !service.conditions.is_empty()).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); dormant.len()];
    for (index, ties) in linked.ties.iter().enumerate() {
        for tie in ties {
            let passes =
                matches!(tie.relation, Relation::Needs | Relation::Member | Relation::Alternative);
            if passes {
                dependents[tie.to.index()].push(index);
            }
        }
    }
    let mut open: Vec<usize> = (0..dormant.len()).filter(|&index| dormant[index]).collect();
    while let Some(index) = open.pop() {
        for &dependent in &dependents[index] {
            if !std::mem::replace(&mut dormant[dependent], true) {
                open.push(dependent);
            }
        }
    }
    dormant
}
