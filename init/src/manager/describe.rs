//! What clients are told about services, as it is now. Decides nothing and changes nothing.

use super::Manager;
use core::sync::atomic::Ordering::Relaxed;
use rc::{
    engine::{Blocker, Met, NodeKind, Phase},
    model::{self, Fact, LinkIs, Record, Relation, ServiceId},
    proto::{
        CONFLICT, Condition, EDGE_PAGE, Info, Item, Kind, MAX_TEXT, MAX_WAITING, MILESTONE_PAGE,
        PAGE, Reply,
    },
};
use rustix::process::Pid;

impl Manager {
    /// The items of one page.
    pub(super) fn page(&self, from: u16) -> Reply {
        let mut items = Vec::new();
        for id in self.database.ids().skip(usize::from(from)) {
            if items.len() == PAGE {
                return Reply::Status { items, next: Some(id.0) };
            }
            if let Some(item) = self.item(id) {
                items.push(item);
            }
        }
        Reply::Status { items, next: None }
    }

    /// The relations of one page.
    pub(super) fn edges(&self, from: u32) -> Reply {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let mut edges = Vec::new();
        let mut seen = 0;
        for id in self.database.ids() {
            for edge in self.engine.graph().node(id).edges() {
                seen += 1;
                if seen <= from {
                    continue;
                }
                if edges.len() == EDGE_PAGE {
                    return Reply::Edges { edges, next: u32::try_from(seen - 1).ok() };
                }
                edges.push((id, edge.to, edge.relation));
            }
        }
        Reply::Edges { edges, next: None }
    }

    /// The milestones of one page.
    pub(super) fn milestones(&self, from: u16) -> Reply {
        let next = from.saturating_add(MILESTONE_PAGE);
        let list = self.milestones.iter().skip(usize::from(from));
        let list = list.take(usize::from(MILESTONE_PAGE)).copied().collect();
        let is_last = usize::from(next) >= self.milestones.len() || next == u16::MAX;
        Reply::Milestones { list, next: (!is_last).then_some(next) }
    }

    /// One service.
    pub(super) fn item(&self, id: ServiceId) -> Option<Item> {
        let view = self.engine.view(id)?;
        let now = self.clock.now();
        let mut record = self.database.record(id).ok();
        let facts = record.as_mut().map(|record| core::mem::take(&mut record.facts));
        let conditions = self.database.conditions(id, facts.unwrap_or_default());
        let mut waiting_on = Vec::new();
        for blocker in self.engine.waiting_on(id) {
            waiting_on.push(self.blocker(blocker, id, &conditions));
        }
        waiting_on.dedup();
        waiting_on.truncate(MAX_WAITING);
        let pid =
            self.children.pid(id).and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
        Some(Item {
            name: self.database.name(id).to_owned(),
            kind: match view.kind {
                NodeKind::Longrun(_) => Kind::Longrun,
                NodeKind::Oneshot { .. } => Kind::Oneshot,
                NodeKind::Bundle(_) => Kind::Bundle,
                NodeKind::Failover(_) => Kind::Failover,
                NodeKind::File => Kind::File,
            },
            want: view.want,
            stopped_by_command: view.stopped_by_command,
            phase: view.phase,
            pid,
            role: view.live.filter(|_| pid.is_some()).map(|run| run.role),
            generation: view.generation,
            since_ms: now.since_ms(view.since),
            failures: view.failures,
            waiting_on,
            last_exit: view.last_exit,
            retry_ms: view.retry_at.map(|at| at.since_ms(now)),
            why: view.why,
            dormant: view.dormant,
            pinned: view.pinned,
            reloading: view.reloading,
            status: self.children.ears.status(id).to_owned(),
            conditions: self.shown(id, &conditions),
            selected: view.selected.map(|one| self.database.name(one).to_owned()),
            health_failures: view.health_failures,
            notes: record.map_or_else(Vec::new, |record| self.notes(id, &record)),
        })
    }

    /// What is not as the definition alone would have it.
    fn notes(&self, id: ServiceId, record: &Record) -> Vec<String> {
        let mut notes: Vec<String> = self.control_group(id, record).into_iter().collect();
        notes.extend(self.held_note(id));
        notes.extend(self.search_note(id));
        notes.iter_mut().for_each(|note| cut(note, MAX_TEXT));
        notes
    }

    /// How far a failover that waits for an alternative has searched.
    fn search_note(&self, id: ServiceId) -> Option<String> {
        let view = self.engine.view(id)?;
        let searches = matches!(view.kind, NodeKind::Failover(_)) && view.phase == Phase::Waiting;
        let (last, until) = self.engine.searching(id).filter(|_| searches)?;
        let mut note = String::from("tries ");
        for edge in self.engine.graph().node(id).edges() {
            if edge.relation == Relation::Alternative {
                note += self.database.name(edge.to);
                if edge.to == last {
                    break;
                }
                note += ", ";
            }
        }
        if let Some(until) = until {
            let left = until.since_ms(self.clock.now()).div_ceil(1000);
            note += &format!("; the next in {left} s");
        }
        Some(note)
    }

    fn shown(&self, id: ServiceId, conditions: &[model::Condition]) -> Vec<Condition> {
        let mut shown = Vec::new();
        let list = conditions.iter().zip(self.engine.conditions(id));
        for (index, (condition, met)) in (0..).zip(list.take(MAX_WAITING)) {
            let mut now = match &condition.fact {
                Fact::Output { read, .. } => self.value_now(id, *read),
                _ => self.conditions.present(id, index).unwrap_or_default(),
            };
            cut(&mut now, MAX_TEXT / 2);
            let holds = met == Met::Yes;
            shown.push(Condition { text: self.condition_text(condition, id), holds, now });
        }
        shown
    }

    /// What a condition asks for, such as `link wlan0 is running`.
    fn condition_text(&self, condition: &model::Condition, of: ServiceId) -> String {
        let mut text = String::from(if condition.negated { "not: " } else { "" });
        match &condition.fact {
            Fact::Link { name, is } => {
                let is = LinkIs::ALL.iter().find(|(one, _)| one == is).map_or("", |(_, name)| name);
                for part in ["link ", name, " is ", is] {
                    text.push_str(part);
                }
            }
            Fact::Device { subsystem, name, properties } => {
                for part in ["device ", subsystem, " ", name] {
                    text.push_str(part);
                }
                for (key, value) in properties {
                    for part in [" ", key, "=", value] {
                        text.push_str(part);
                    }
                }
            }
            Fact::Path(path) => {
                text.push_str("path ");
                text.push_str(path);
            }
            Fact::Output { read, equals } => {
                let output = self.engine.graph().node(of).read(usize::from(*read));
                let output = output.map(|read| self.output_name(read.service, read.output));
                text.push_str("output ");
                text.push_str(&output.unwrap_or_default());
                if let Some(value) = equals {
                    text.push_str(" is ");
                    text.push_str(value);
                }
            }
        }
        cut(&mut text, MAX_TEXT);
        text
    }

    fn value_now(&self, of: ServiceId, read: u16) -> String {
        let read = self.engine.graph().node(of).read(usize::from(read));
        let Some(read) = read else { return String::new() };
        let found = self.engine.outputs(read.service).nth(usize::from(read.output));
        match found {
            Some((output, Some(_))) if output.kind.is_secret() => "a secret".to_owned(),
            Some((_, Some(value))) => value.to_owned(),
            _ => "no value".to_owned(),
        }
    }

    fn output_name(&self, id: ServiceId, output: u16) -> String {
        let output = self.engine.graph().node(id).output(usize::from(output));
        [self.database.name(id), ".", output.map_or("?", |output| output.key)].concat()
    }

    fn blocker(&self, blocker: Blocker, of: ServiceId, conditions: &[model::Condition]) -> String {
        match blocker {
            Blocker::Service(id) | Blocker::Dependent(id) => self.database.name(id).to_owned(),
            Blocker::Conflict(id) => [self.database.name(id), CONFLICT].concat(),
            Blocker::Output(id, output) => self.output_name(id, output),
            Blocker::Condition(_, index) => {
                let condition = conditions.get(usize::from(index));
                condition.map_or_else(String::new, |one| self.condition_text(one, of))
            }
        }
    }

    /// Who answers.
    pub(super) fn info(&self) -> Info {
        let now = self.clock.now();
        let (collector_starts, collector) = self.logs.collector();
        let number = |pid: Pid| u32::try_from(pid.as_raw_nonzero().get()).ok();
        Info {
            version: crate::applet::VERSION.to_owned(),
            pid: std::process::id(),
            database: self.database.content_id(),
            outputs_dir: self.paths.outputs.clone(),
            log_dir: self.paths.log.clone(),
            up_ms: now.ms,
            settled_ms: self.settled_at.map(|at| at.ms),
            stale_events: self.engine.stale_events(),
            bugs: self.engine.bugs(),
            collector_starts,
            collector_pid: collector.and_then(number),
            ending: self.ending.as_ref().map(|end| end.how),
            watchdog: self.guard_told(),
            reexecs: self.vault.header.reexecs.load(Relaxed),
            crashes: self.vault.header.crashes.load(Relaxed),
            database_path: self.paths.database.clone(),
            database_fd: self.vault.database,
            switching: self.switching(),
        }
    }
}

/// Keeps a text within `limit` bytes, of whole characters.
fn cut(text: &mut String, limit: usize) {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}
