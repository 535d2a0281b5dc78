//! Circles of services that wait for each other, told as a whole.

use crate::{
    diag::{Code, Diagnostic, Report},
    link::{Linked, Tie, Why},
};
use rc::model::Relation;
use std::collections::VecDeque;

/// Reports one shortest circle for every group of services that lie on a common one.
pub fn check(linked: &Linked, report: &Report) {
    for group in groups(&linked.ties) {
        if let Some(circle) = shortest(&linked.ties, &group)
            && let Some((first, rest)) = circle.split_first()
        {
            report.push(tell(linked, *first, rest));
        }
    }
}

/// The strongly connected components with a circle in them (Tarjan, without recursion).
fn groups(ties: &[Vec<Tie>]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let count = ties.len();
    let (mut number, mut low, mut on_stack) =
        (vec![NEW; count], vec![0; count], vec![false; count]);
    let (mut stack, mut next, mut found) = (Vec::new(), 0, Vec::new());
    for root in 0..count {
        if number[root] != NEW {
            continue;
        }
        let mut work = vec![(root, 0)];
        while let Some((node, edge)) = work.pop() {
            if edge == 0 {
                (number[node], low[node]) = (next, next);
                next += 1;
                stack.push(node);
                on_stack[node] = true;
            } else {
                let child = ties[node][edge - 1].to.index();
                low[node] = low[node].min(low[child]);
            }
            let mut at = edge;
            let mut descended = false;
            while let Some(tie) = ties[node].get(at) {
                at += 1;
                let child = tie.to.index();
                if number[child] == NEW {
                    work.push((node, at));
                    work.push((child, 0));
                    descended = true;
                    break;
                }
                if on_stack[child] {
                    low[node] = low[node].min(number[child]);
                }
            }
            if descended || low[node] != number[node] {
                continue;
            }
            let split = stack.iter().rposition(|other| *other == node).unwrap_or(0);
            let mut group = stack.split_off(split);
            for member in &group {
                on_stack[*member] = false;
            }
            group.sort_unstable();
            let to_itself = ties[node].iter().any(|tie| tie.to.index() == node);
            if group.len() > 1 || to_itself {
                found.push(group);
            }
        }
    }
    found
}

/// A shortest circle through the first service of a group: each service with the edge it leaves by.
fn shortest(ties: &[Vec<Tie>], group: &[usize]) -> Option<Vec<(usize, Tie)>> {
    let start = *group.first()?;
    let mut from: Vec<Option<(usize, Tie)>> = vec![None; ties.len()];
    let mut open = VecDeque::from([start]);
    while let Some(node) = open.pop_front() {
        for tie in &ties[node] {
            let child = tie.to.index();
            if group.binary_search(&child).is_err() || from[child].is_some() {
                continue;
            }
            from[child] = Some((node, *tie));
            open.push_back(child);
        }
        if from[start].is_some() {
            break;
        }
    }
    let mut circle = Vec::new();
    let mut node = start;
    loop {
        let (previous, tie) = from[node]?;
        circle.push((previous, tie));
        node = previous;
        if node == start {
            break;
        }
    }
    circle.reverse();
    Some(circle)
}

/// A circle begins with `first`; `rest` leads back to it.
fn tell(linked: &Linked, first: (usize, Tie), rest: &[(usize, Tie)]) -> Diagnostic {
    let name = |index: usize| linked.services[index].0.as_str();
    let told = |(node, tie): (usize, Tie)| {
        let (this, other) = (name(node), name(tie.to.index()));
        match (tie.why, tie.relation) {
            (Why::PartOf, _) => format!("`{other}` is a member of `{this}`"),
            (Why::Condition, _) => format!("`{this}` has a condition on an output of `{other}`"),
            (Why::Reference, _) => format!("`{this}` reads an output of `{other}`"),
            (Why::Key, Relation::Needs) => format!("`{this}` needs `{other}`"),
            (Why::Key, Relation::Wants) => format!("`{this}` wants `{other}`"),
            (Why::Key, Relation::After) => format!("`{this}` starts after `{other}`"),
            (Why::Key, Relation::Member) => format!("`{this}` contains `{other}`"),
            (Why::Key, Relation::Alternative) => format!("`{other}` is an alternative of `{this}`"),
        }
    };
    let start = name(first.0);
    let message = if rest.is_empty() {
        format!("service `{start}` depends on itself")
    } else {
        let between = rest.iter().map(|(node, _)| name(*node));
        let path: Vec<&str> = std::iter::once(start).chain(between).chain([start]).collect();
        format!("services wait for each other in a circle: {}", path.join(" -> "))
    };
    let mut error = Diagnostic::error(Code::Cycle, first.1.place, message).label(told(first));
    for step in rest {
        error = error.related(step.1.place, told(*step));
    }
    error.help("none of them could ever start; remove one of these relations")
}
