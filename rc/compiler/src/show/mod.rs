//! A database in words: as definitions that would compile to it again, or as JSON.

mod boot;
mod json;
mod text;
mod toml;

pub use json::json;
pub(crate) use text::escaped;
pub use toml::toml;
pub(crate) use toml::{block, quoted};

use rc::{
    Millis,
    db::{Database, Error},
    model::{Kind, ReadyWhen, Relation, Service, ServiceId},
};
use std::collections::HashMap;

/// A database whose records are all decoded.
pub struct Decoded<'d> {
    database: &'d Database,
    services: Vec<Service>,
}

impl<'d> Decoded<'d> {
    /// Decodes every record.
    ///
    /// # Errors
    /// If one cannot be decoded.
    pub fn new(database: &'d Database) -> Result<Self, Error> {
        let services = database.ids().map(|id| database.service(id)).collect::<Result<_, _>>()?;
        Ok(Self { database, services })
    }

    /// The names of all services.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.database.ids().map(|id| self.database.name(id))
    }

    /// The services to show with their names: all, or the one called `only`.
    fn chosen(&self, only: Option<&str>) -> Vec<(&str, &Service)> {
        let all = self.names().zip(&self.services);
        all.filter(|(name, _)| only.is_none_or(|only| only == *name)).collect()
    }

    fn name(&self, id: ServiceId) -> &str {
        self.database.name(id)
    }

    /// `service.key` of a read.
    fn output(&self, service: &Service, read: u16) -> String {
        let Some(read) = service.reads.get(usize::from(read)) else { return "?.?".to_owned() };
        let publisher = self.services.get(read.service.index());
        let output = publisher.and_then(|other| other.outputs.get(usize::from(read.output)));
        format!("{}.{}", self.name(read.service), output.map_or("?", |o| o.key.as_str()))
    }

    /// The hexadecimal content id.
    fn content_id(&self) -> String {
        self.database.content_id().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// How many services of each kind there are, as words.
    fn census(&self) -> String {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for service in &self.services {
            *counts.entry(kind(service)).or_default() += 1;
        }
        let kinds = ["longrun", "oneshot", "bundle", "failover", "file"].into_iter();
        let counted = kinds.filter_map(|kind| {
            let count = counts.get(kind)?;
            Some(format!("{count} {kind}{}", if *count == 1 { "" } else { "s" }))
        });
        counted.collect::<Vec<_>>().join(", ")
    }
}

fn kind(service: &Service) -> &'static str {
    match service.kind {
        Kind::Longrun(_) => "longrun",
        Kind::Oneshot(_) => "oneshot",
        Kind::Bundle(_) => "bundle",
        Kind::Failover(_) => "failover",
        Kind::File(_) => "file",
    }
}

/// The key that a relation is written under.
const fn key(relation: Relation) -> &'static str {
    match relation {
        Relation::Needs => "needs",
        Relation::Wants => "wants",
        Relation::After => "after",
        Relation::Member => "contents",
        Relation::Alternative => "alternatives",
    }
}

/// A duration in its largest whole unit.
fn duration(millis: Millis) -> String {
    match millis.0 {
        0 => "0s".to_owned(),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

fn ready_when(when: ReadyWhen) -> String {
    match when {
        ReadyWhen::All => "\"all\"".to_owned(),
        ReadyWhen::AtLeast(count) => count.to_string(),
    }
}
