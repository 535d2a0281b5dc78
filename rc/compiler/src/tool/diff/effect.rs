//! What a switch does to each service: the rules of the engine, applied to a device that runs what boot
//! started.

use super::{Difference, Edge, Entry, Side, Status, edges};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a switch does to a service. The stronger comes later.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Action {
    /// Nothing: it goes on as it is, or stays down.
    Keep,
    /// It goes on as it is; the numbers of services that it relates to are others.
    Relink,
    /// It stays up and does what its `on-change` says, for example `signal HUP`.
    React(String),
    /// It stops and starts again; a file is written again.
    Restart,
    /// It is started.
    Start,
    /// It is stopped.
    Stop,
}

impl Action {
    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Relink => "re-link",
            Self::React(_) => "react",
            Self::Restart => "restart",
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

/// Finds the action of every entry, first from its own differences, then from those of what it needs.
pub(super) fn effects(old: &Side, new: &Side, entries: &mut [Entry]) {
    let (was_wanted, is_wanted) = (old.wanted(), new.wanted());
    for entry in entries.iter_mut() {
        let (was, is) =
            (was_wanted.contains(entry.name.as_str()), is_wanted.contains(entry.name.as_str()));
        let is_same = old.digests.get(&entry.name) == new.digests.get(&entry.name);
        let (action, because) = match (entry.status, was, is) {
            (Status::Added, _, true) => (Action::Start, "new"),
            (Status::Added, _, false) => (Action::Keep, "new, but boot does not start it"),
            (Status::Removed, true, _) => (Action::Stop, "no longer defined"),
            (Status::Removed, false, _) => {
                (Action::Keep, "no longer defined, but boot did not start it")
            }
            (_, false, true) => (Action::Start, "boot starts it now"),
            (_, true, false) => (Action::Stop, "boot no longer starts it"),
            (Status::Changed, ..) if is_same => {
                (Action::Keep, "nothing of it concerns its processes")
            }
            (Status::Kept, true, true) if !is_same => (Action::Restart, "compiled otherwise"),
            (Status::Changed, true, true) => (Action::Restart, ""),
            (Status::Changed, ..) => (Action::Keep, ""),
            (Status::Kept, ..) if old.records.get(&entry.name) != new.records.get(&entry.name) => {
                (Action::Relink, "")
            }
            (Status::Kept, ..) => (Action::Keep, ""),
        };
        entry.action = action;
        entry.because.extend((!because.is_empty()).then(|| because.to_owned()));
    }
    spread(new, &is_wanted, entries);
}

/// Lets restarts reach what depends on them, until nothing is new. Actions only ever grow stronger, so it
/// ends.
fn spread(new: &Side, wanted: &BTreeSet<&str>, entries: &mut [Entry]) {
    let index: BTreeMap<String, usize> =
        entries.iter().enumerate().map(|(at, entry)| (entry.name.clone(), at)).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); entries.len()];
    for (name, service) in &new.services {
        for to in edges(service).filter_map(|edge| index.get(edge.to)) {
            dependents[*to].push(index[name]);
        }
    }
    let mut open: Vec<usize> = (0..entries.len()).rev().collect();
    let mut reached = BTreeSet::new();
    while let Some(at) = open.pop() {
        let Some(service) = new.services.get(&entries[at].name) else { continue };
        if !wanted.contains(entries[at].name.as_str()) || entries[at].action >= Action::Restart {
            continue;
        }
        let reasons = reasons(service, &index, entries);
        let strongest = reasons.into_iter().map(|(action, _)| action).max();
        if let Some(action) = strongest.filter(|action| *action > entries[at].action) {
            entries[at].action = action;
            reached.insert(at);
            open.extend(&dependents[at]);
        }
    }
    // Only now are all reasons known.
    for at in reached {
        let Some(service) = new.services.get(&entries[at].name) else { continue };
        let mut reasons = reasons(service, &index, entries);
        reasons.retain(|(action, _)| *action == entries[at].action);
        entries[at].because = reasons.into_iter().map(|(_, because)| because).collect();
    }
}

/// Everything that the services that it relates to make a service do, and why.
fn reasons(
    service: &Value,
    index: &BTreeMap<String, usize>,
    entries: &[Entry],
) -> Vec<(Action, String)> {
    let followed = edges(service).filter_map(|edge| {
        let other = &entries[*index.get(edge.to)?];
        follows(edge, other)
    });
    let preferred = lost_preferred(service, index, entries);
    followed.chain(lost_members(service, index, entries)).chain(preferred).collect()
}

/// What a service does because of `other`, to which it has `edge`.
fn follows(edge: Edge<'_>, other: &Entry) -> Option<(Action, String)> {
    let name = &other.name;
    let away = match &other.action {
        Action::Restart => "restarts",
        Action::Start => "is not ready before it has started",
        Action::React(action) if action == "render" => "has new content",
        _ => return None,
    };
    if edge.is_hard() {
        return Some((Action::Restart, format!("needs {name}, which {away}")));
    }
    let reacts = !matches!(edge.on_change, "restart" | "ignore");
    (reacts && other.action != Action::Start).then(|| {
        let because = format!("{}, if {name} is different then", edge.on_change);
        (Action::React(edge.on_change.to_owned()), because)
    })
}

/// A failover whose preferred alternative goes away takes another one, whose outputs are others.
fn lost_preferred(
    service: &Value,
    index: &BTreeMap<String, usize>,
    entries: &[Entry],
) -> Option<(Action, String)> {
    let first = edges(service).find(|edge| edge.relation == "alternatives")?.to;
    let entry = &entries[*index.get(first)?];
    matches!(entry.action, Action::Restart | Action::Start)
        .then(|| (Action::Restart, format!("its preferred alternative {first} is away meanwhile")))
}

/// A bundle that loses more members than it can do without leaves ready, and what needs it stops.
fn lost_members(
    service: &Value,
    index: &BTreeMap<String, usize>,
    entries: &[Entry],
) -> Option<(Action, String)> {
    let members: Vec<Edge<'_>> =
        edges(service).filter(|edge| edge.relation == "contents").collect();
    let lost: Vec<&str> = members
        .iter()
        .filter(|edge| edge.on_change == "restart")
        .filter(|edge| {
            let entry = index.get(edge.to).map(|at| &entries[*at]);
            entry.is_some_and(|entry| matches!(entry.action, Action::Restart | Action::Start))
        })
        .map(|edge| edge.to)
        .collect();
    let needed = match service["ready_when"].as_u64() {
        Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
        None => members.len(),
    };
    (members.len() - lost.len() < needed).then(|| {
        let because = format!("not ready before {} is", lost.join(", "));
        (Action::Restart, because)
    })
}

impl Difference {
    /// The entries that differ or that a switch does something to, the strongest action first.
    pub(super) fn acting(&self) -> Vec<&Entry> {
        let mut acting: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| entry.action > Action::Relink || entry.status != Status::Kept)
            .collect();
        acting.sort_by(|a, b| b.action.cmp(&a.action).then_with(|| a.name.cmp(&b.name)));
        acting
    }
}
