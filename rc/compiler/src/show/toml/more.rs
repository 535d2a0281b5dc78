//! What a service watches and does while it is up, as it is written: `when`, `health`, `reload` and
//! `on-change`.

use super::{argv, bare, pair, quoted};
use crate::show::{Decoded, duration, text::escaped};
use rc::model::{Condition, Fact, Kind, LinkIs, OnChange, Relation, Service};

/// `when`, `health` and `reload`.
pub(super) fn watched(out: &mut String, db: &Decoded<'_>, service: &Service) {
    let conditions: Vec<String> =
        service.conditions.iter().map(|one| condition(db, service, one)).collect();
    match conditions.as_slice() {
        [] => {}
        [one] => pair(out, "when", one),
        all => pair(out, "when", &format!("[{}]", all.join(", "))),
    }
    if let Some(health) = &service.health {
        pair(out, "health.run", &argv(db, service, &health.run));
        pair(out, "health.every", &quoted(&duration(health.every)));
        pair(out, "health.timeout", &quoted(&duration(health.timeout)));
        pair(out, "health.retries", &health.retries.to_string());
    }
    match service.reload {
        None => {}
        Some(OnChange::Run(number)) => pair(out, "reload", &program(db, service, number)),
        Some(other) => pair(out, "reload", &quoted(&action(other))),
    }
}

/// `on-change`, where it is not what it would be anyway.
pub(super) fn changes(out: &mut String, db: &Decoded<'_>, service: &Service) {
    for edge in &service.edges {
        let reads = service.reads.iter().any(|read| read.service == edge.to);
        let default = match (&service.kind, edge.relation) {
            (Kind::File(_), _) if reads => OnChange::Render,
            (Kind::Bundle(_), Relation::Member) if reads => OnChange::Follow,
            (Kind::Failover(_), Relation::Alternative) => OnChange::Follow,
            _ => OnChange::Restart,
        };
        if edge.on_change == default {
            continue;
        }
        let value = match edge.on_change {
            OnChange::Run(number) => format!("{{ run = {} }}", program(db, service, number)),
            other => quoted(&action(other)),
        };
        pair(out, &format!("on-change.{}", bare(db.name(edge.to))), &value);
    }
}

fn program(db: &Decoded<'_>, service: &Service, number: u16) -> String {
    let command = service.actions.get(usize::from(number));
    command.map_or_else(|| "[]".to_owned(), |command| argv(db, service, command))
}

/// What a dependent does about a change, as it is written.
pub(in crate::show) fn action(action: OnChange) -> String {
    match action {
        OnChange::Restart => "restart".to_owned(),
        OnChange::Render => "render".to_owned(),
        OnChange::Ignore => "ignore".to_owned(),
        OnChange::Run(number) => format!("run {number}"),
        OnChange::Follow => "follow".to_owned(),
        OnChange::Signal(signal) => format!("signal {}", signal.name()),
    }
}

/// A condition as it is written.
pub(in crate::show) fn condition(
    db: &Decoded<'_>,
    service: &Service,
    condition: &Condition,
) -> String {
    let mut parts = match &condition.fact {
        Fact::Link { name, is } => {
            let word = LinkIs::ALL.iter().find(|(state, _)| state == is);
            let word = word.map_or("present", |(_, word)| word);
            vec![
                format!("link = {}", quoted(&escaped(name, false))),
                format!("is = {}", quoted(word)),
            ]
        }
        Fact::Device { subsystem, name, properties } => {
            let mut device = format!("subsystem = {}, name = {}", quoted(subsystem), quoted(name));
            if !properties.is_empty() {
                let pairs: Vec<String> = properties
                    .iter()
                    .map(|(key, value)| format!("{} = {}", bare(key), quoted(value)))
                    .collect();
                device.push_str(&format!(", properties = {{ {} }}", pairs.join(", ")));
            }
            vec![format!("device = {{ {device} }}")]
        }
        Fact::Path(path) => vec![format!("path = {}", quoted(path))],
        Fact::Output { read, equals } => {
            let output = quoted(&format!("${{{}}}", db.output(service, *read)));
            let mut parts = vec![format!("output = {output}")];
            parts.extend(equals.iter().map(|text| format!("equals = {}", quoted(text))));
            parts
        }
    };
    if condition.negated {
        parts.push("not = true".to_owned());
    }
    format!("{{ {} }}", parts.join(", "))
}
