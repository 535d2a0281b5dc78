//! A whole service again, from its rows and its record. For the host's tools; the device reads either.

use super::{Database, Error, Node, NodeCondition, NodeKind};
use crate::model::{
    Body, Condition, Fact, Health, Kind, Longrun, Oneshot, OutputDecl, Policy, Read, Record,
    Service, ServiceId,
};

impl Database {
    /// Everything about one service, as it was given to [`super::encode`].
    ///
    /// # Errors
    /// If there is no such service, its record cannot be decoded, or the two halves do not fit.
    pub fn service(&self, id: ServiceId) -> Result<Service, Error> {
        let mut record = self.record(id)?;
        let facts = core::mem::take(&mut record.facts);
        let worldly = self.node(id).conditions().filter(|one| one.0 == NodeCondition::World);
        if worldly.count() != facts.len() {
            return Err(Error::Structure);
        }
        let conditions = self.conditions(id, facts);
        whole(self.node(id), record, conditions).ok_or(Error::Structure)
    }

    /// The conditions of a service, in the order of its definition; `facts` are those of its record. One
    /// whose fact the record lacks, by a defect of the writer, is on a path that does not exist.
    #[must_use]
    pub fn conditions(&self, id: ServiceId, facts: Vec<Fact>) -> Vec<Condition> {
        let mut facts = facts.into_iter();
        let mut conditions = Vec::new();
        for (what, negated) in self.node(id).conditions() {
            let fact = match what {
                NodeCondition::World => facts.next(),
                NodeCondition::Output(read, equals) => {
                    Some(Fact::Output { read, equals: equals.map(str::to_owned) })
                }
            };
            let fact = fact.unwrap_or_else(|| Fact::Path(String::new()));
            conditions.push(Condition { fact, negated });
        }
        conditions
    }
}

fn whole(node: Node<'_>, record: Record, conditions: Vec<Condition>) -> Option<Service> {
    let mut values = record.values.into_iter();
    let mut outputs = Vec::new();
    for output in node.outputs() {
        outputs.push(OutputDecl {
            key: output.key.to_owned(),
            kind: output.kind,
            value: if output.fixed { Some(values.next()?) } else { None },
            from: output.from.iter().collect(),
        });
    }
    let health = match (node.health(), record.health) {
        (Some(check), Some(run)) => {
            let (every, timeout, retries) = (check.every, check.timeout, check.retries);
            Some(Health { run, every, timeout, retries })
        }
        (None, None) => None,
        _ => return None,
    };
    let complete = values.next().is_none();
    let service = Service {
        description: record.description,
        kind: kind(node, record.body)?,
        edges: node.edges().collect(),
        reads: node
            .reads()
            .map(|read| Read { service: read.service, output: read.output })
            .collect(),
        outputs,
        exec: record.exec,
        conditions,
        conflicts: node.conflicts().collect(),
        health,
        reload: node.reload(),
        actions: record.actions,
    };
    (complete && service.actions.len() == node.actions()).then_some(service)
}

fn kind(node: Node<'_>, body: Body) -> Option<Kind> {
    Some(match (node.kind(), body) {
        (NodeKind::Longrun(ready), Body::Longrun { run, finish, check, pidfile, tty, kept }) => {
            if finish.is_some() != node.has_finish() {
                return None;
            }
            let (watchdog, policy) = (node.watchdog(), policy(node));
            Kind::Longrun(Longrun {
                run,
                finish,
                ready,
                check,
                pidfile,
                watchdog,
                tty,
                kept,
                policy,
            })
        }
        (NodeKind::Oneshot { up: has_up, down: has_down }, Body::Oneshot { up, down })
            if has_up == up.is_some() && has_down == down.is_some() =>
        {
            Kind::Oneshot(Oneshot { up, down, policy: policy(node) })
        }
        (NodeKind::Bundle(when), Body::Group) => Kind::Bundle(when),
        (NodeKind::Failover(failover), Body::Group) => Kind::Failover(failover),
        (NodeKind::File, Body::File(file)) => Kind::File(file),
        _ => return None,
    })
}

fn policy(node: Node<'_>) -> Policy {
    Policy {
        restart: node.restart(),
        backoff: node.backoff(),
        max_restarts: node.max_restarts(),
        start_timeout: node.start_timeout(),
        stop: node.stop(),
        finish_timeout: node.finish_timeout(),
        action_timeout: node.action_timeout(),
        permanent: node.permanent().iter().filter_map(|code| u8::try_from(code).ok()).collect(),
        on_failure: node.on_failure(),
    }
}
