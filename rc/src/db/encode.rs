//! Writes a database: equal services give equal bytes, whatever host they are written on. Runs on the
//! host only; it allocates as it likes.
//!
//! It does not judge: relations that point nowhere or in a circle are written as they are, for a reader
//! to refuse ([`super::check`]).

use super::{
    Database, Error,
    checksum::checksum,
    derive::{dependents, order, requires},
    layout::{
        FORMAT, HEADER, MAGIC, MAX_LENGTH, SCHEMA, SPANS, TABLES, Table, WIDTHS, condition, output,
        policy, service, tag,
    },
    rows::{RELATIONS, RESTARTS},
};
use crate::{
    model::{
        Back, Body, Condition, Edge, Fact, Kind, MAX_SERVICES, OnChange, OnFailure, OutputDecl,
        Policy, Ready, ReadyWhen, Record, Relation, Service, ServiceId, System,
    },
    outputs::{OutputType, Scalar},
};
use std::collections::{BTreeMap, BTreeSet};
use supervisor::{
    coder::{self, Coded},
    signal::Signal,
};

/// Writes a database. `services` must be sorted by name, without duplicates.
///
/// # Errors
/// [`Error::Structure`] if they are not, [`Error::TooLarge`] beyond the bounds.
pub fn encode(
    content_id: [u8; 16],
    system: &System,
    services: &[(String, Service)],
) -> Result<Vec<u8>, Error> {
    if services.len() > MAX_SERVICES {
        return Err(Error::TooLarge);
    }
    let mut writer = Writer::new(services);
    for (name, service) in services {
        writer.digests.push(digest(name, service, services)?);
    }
    let bytes = writer.write(content_id, system)?;
    if bytes.len() > MAX_LENGTH {
        return Err(Error::TooLarge);
    }
    // A writer that cannot read its own file back must not hand it to a device.
    Database::open(bytes.clone()).map(|_| bytes)
}

/// What two services have in common only if they are defined alike, but for their descriptions, in whatever
/// databases: of a database of just the one, in which all others have one number, and of the names that these
/// numbers stand for.
fn digest(name: &str, service: &Service, all: &[(String, Service)]) -> Result<u64, Error> {
    let mut alone = service.clone();
    // No process is told it.
    alone.description.clear();
    let mut names = String::new();
    let mut call = |id: &mut ServiceId, what: &str| {
        let other = all.get(core::mem::take(id).index());
        names.push_str(other.map_or("", |(name, _)| name));
        names.push_str(what);
        names.push('\n');
    };
    for edge in &mut alone.edges {
        call(&mut edge.to, "");
    }
    for read in &mut alone.reads {
        let of = all.get(read.service.index());
        let output = of.and_then(|(_, of)| of.outputs.get(usize::from(read.output)));
        let key = output.map_or("", |output| &output.key);
        read.output = 0;
        call(&mut read.service, &format!(".{key}"));
    }
    for other in &mut alone.conflicts {
        call(other, "");
    }
    let policy = match &mut alone.kind {
        Kind::Longrun(run) => Some(&mut run.policy),
        Kind::Oneshot(shot) => Some(&mut shot.policy),
        _ => None,
    };
    if let Some(OnFailure::Start(other)) = policy.map(|policy| &mut policy.on_failure) {
        call(other, "");
    }
    let alone = [(name.to_owned(), alone)];
    let mut bytes = Writer::new(&alone).write([0; 16], &System::default())?;
    bytes.extend_from_slice(names.as_bytes());
    Ok(checksum(&bytes))
}

/// The tables, as they grow.
struct Writer<'s> {
    services: &'s [(String, Service)],
    /// The digest of each service; without them they are 0.
    digests: Vec<u64>,
    tables: [Vec<u8>; TABLES],
    /// The number of each string.
    strings: BTreeMap<&'s str, u32>,
    policies: BTreeMap<[u8; policy::WIDTH], u16>,
    /// The lists of exit codes.
    permanent: BTreeMap<Vec<u8>, [u8; 6]>,
}

impl<'s> Writer<'s> {
    fn new(services: &'s [(String, Service)]) -> Self {
        Self {
            services,
            digests: Vec::new(),
            tables: Default::default(),
            strings: BTreeMap::new(),
            policies: BTreeMap::new(),
            permanent: BTreeMap::new(),
        }
    }

    fn table(&mut self, table: Table) -> &mut Vec<u8> {
        &mut self.tables[table as usize]
    }

    fn push(&mut self, table: Table, bytes: &[u8]) {
        self.table(table).extend_from_slice(bytes);
    }

    fn push_all(&mut self, table: Table, numbers: impl IntoIterator<Item = u16>) {
        for number in numbers {
            self.push(table, &number.to_le_bytes());
        }
    }

    /// The number of whole rows so far.
    fn rows(&self, table: Table) -> Result<u32, Error> {
        let width = WIDTHS[table as usize];
        u32::try_from(self.tables[table as usize].len() / width).map_err(|_| Error::TooLarge)
    }

    fn write(mut self, content_id: [u8; 16], system: &System) -> Result<Vec<u8>, Error> {
        self.write_strings()?;
        self.write_record(system.clone())?;
        let dependents = dependents(self.services);
        let order = order(self.services, &dependents);
        let mut ranks = vec![0; self.services.len()];
        for (rank, id) in (0u16..).zip(&order) {
            ranks[usize::from(*id)] = rank;
        }
        self.push_all(Table::Order, order);
        for (index, (_, service)) in self.services.iter().enumerate() {
            let digest = self.digests.get(index).copied().unwrap_or_default();
            self.write_service(service, ranks[index], digest, &dependents[index])?;
            self.write_record(record(service))?;
        }
        self.finish(content_id)
    }

    fn finish(self, content_id: [u8; 16]) -> Result<Vec<u8>, Error> {
        let mut checked = content_id.to_vec();
        checked.extend_from_slice(&SCHEMA.to_le_bytes());
        let mut end = HEADER;
        for table in &self.tables {
            end += table.len();
            let end = u32::try_from(end).map_err(|_| Error::TooLarge)?;
            checked.extend_from_slice(&end.to_le_bytes());
        }
        checked.extend(self.tables.concat());
        let length = u32::try_from(end).map_err(|_| Error::TooLarge)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&checksum(&checked).to_le_bytes());
        bytes.extend(checked);
        Ok(bytes)
    }

    /// The names of the services in their order, then every other string that a row needs, sorted.
    fn write_strings(&mut self) -> Result<(), Error> {
        let services = self.services;
        let mut all: Vec<&str> = services.iter().map(|(name, _)| name.as_str()).collect();
        let names: BTreeSet<&str> = all.iter().copied().collect();
        let mut others = BTreeSet::new();
        for (_, service) in services {
            others.extend(service.outputs.iter().map(|output| output.key.as_str()));
            others.extend(service.conditions.iter().filter_map(|one| value(&one.fact)));
        }
        all.extend(others.difference(&names));
        for (number, string) in (0u32..).zip(all) {
            self.strings.insert(string, number);
            self.push(Table::Strings, string.as_bytes());
            let end = self.rows(Table::Strings)?;
            self.push(Table::StringEnds, &end.to_le_bytes());
        }
        Ok(())
    }

    fn write_record<T: Coded>(&mut self, mut value: T) -> Result<(), Error> {
        let records = core::mem::take(self.table(Table::Records));
        *self.table(Table::Records) = coder::encode(&mut value, records);
        let end = self.rows(Table::Records)?;
        self.push(Table::RecordEnds, &end.to_le_bytes());
        Ok(())
    }

    fn write_service(
        &mut self,
        service: &'s Service,
        rank: u16,
        digest: u64,
        dependents: &[(u16, u16)],
    ) -> Result<(), Error> {
        for edge in &service.edges {
            self.write_edge(edge);
        }
        for (other, position) in dependents {
            self.push_all(Table::Dependents, [*other, *position]);
        }
        for (position, read) in (0..).zip(&service.reads) {
            self.push_all(Table::Reads, [read.service.0, read.output]);
            self.push(Table::Reads, &[u8::from(requires(service, position))]);
        }
        for output in &service.outputs {
            self.write_output(output)?;
        }
        for one in &service.conditions {
            self.write_condition(one);
        }
        self.push_all(Table::Conflicts, service.conflicts.iter().map(|other| other.0));
        let policy = self.policy(service)?;
        let mut row = Vec::with_capacity(service::WIDTH);
        for table in SPANS {
            row.extend_from_slice(&self.rows(table)?.to_le_bytes());
        }
        let (kind, ready, argument, flags) = shape(service);
        let actions = u16::try_from(service.actions.len()).map_err(|_| Error::TooLarge)?;
        for number in [rank, policy, argument, actions] {
            row.extend_from_slice(&number.to_le_bytes());
        }
        let reload = service.reload.map_or(0, |_| service::RELOAD);
        row.extend_from_slice(&[kind, ready, flags | reload]);
        row.extend_from_slice(&change(service.reload.unwrap_or(OnChange::Ignore)));
        row.extend_from_slice(&digest.to_le_bytes());
        self.push(Table::Services, &row);
        Ok(())
    }

    fn write_edge(&mut self, edge: &Edge) {
        self.push_all(Table::Edges, [edge.to.0]);
        self.push(Table::Edges, &[number_of(&RELATIONS, &edge.relation)]);
        self.push(Table::Edges, &change(edge.on_change));
    }

    fn write_output(&mut self, declared: &'s OutputDecl) -> Result<(), Error> {
        let key = self.strings.get(declared.key.as_str()).copied().unwrap_or_default();
        self.push(Table::Outputs, &key.to_le_bytes());
        let from = self.list(&declared.from)?;
        self.push(Table::Outputs, &from);
        let (list, scalar) = match declared.kind {
            OutputType::One(scalar) => (0, scalar),
            OutputType::List(scalar) => (output::LIST, scalar),
        };
        let scalar = Scalar::ALL.iter().position(|(one, _)| *one == scalar).unwrap_or(0);
        let kind = u8::try_from(scalar).unwrap_or(0) | list;
        self.push(Table::Outputs, &[kind, u8::from(declared.value.is_some())]);
        Ok(())
    }

    fn write_condition(&mut self, one: &'s Condition) {
        let mut flags = if one.negated { condition::NEGATED } else { 0 };
        let (mut read, mut string) = (0, 0);
        if let Fact::Output { read: position, equals } = &one.fact {
            flags |= condition::OUTPUT;
            read = *position;
            if let Some(equals) = equals {
                flags |= condition::EQUALS;
                string = self.strings.get(equals.as_str()).copied().unwrap_or_default();
            }
        }
        self.push(Table::Conditions, &string.to_le_bytes());
        self.push_all(Table::Conditions, [read]);
        self.push(Table::Conditions, &[flags]);
    }

    /// A list of numbers: where it begins, and its length.
    fn list(&mut self, numbers: &[u16]) -> Result<[u8; 6], Error> {
        let start = self.rows(Table::Numbers)?.to_le_bytes();
        let length = u16::try_from(numbers.len()).map_err(|_| Error::TooLarge)?.to_le_bytes();
        self.push_all(Table::Numbers, numbers.iter().copied());
        Ok([start[0], start[1], start[2], start[3], length[0], length[1]])
    }

    /// The number of a service's policy: services with the same one share it.
    fn policy(&mut self, service: &Service) -> Result<u16, Error> {
        let plain = Policy::default();
        let (policy, watchdog, span) = match &service.kind {
            Kind::Longrun(run) => {
                let every = match run.ready {
                    Ready::Check { every } => every.0,
                    _ => 0,
                };
                (&run.policy, run.watchdog, every)
            }
            Kind::Oneshot(shot) => (&shot.policy, None, 0),
            Kind::Failover(failover) => (&plain, None, failover.patience.0),
            Kind::Bundle(_) | Kind::File(_) => (&plain, None, 0),
        };
        let mut row = [0; policy::WIDTH];
        let mut word =
            |at: usize, value: u32| row[at..at + 4].copy_from_slice(&value.to_le_bytes());
        word(policy::MAX_RESTARTS, policy.max_restarts);
        word(policy::BACKOFF_MIN, policy.backoff.min.0);
        word(policy::BACKOFF_MAX, policy.backoff.max.0);
        word(policy::START, policy.start_timeout.unwrap_or_default().0);
        word(policy::GRACE, policy.stop.grace.0);
        word(policy::FINISH, policy.finish_timeout.0);
        word(policy::ACTION, policy.action_timeout.0);
        word(policy::SPAN, span);
        word(policy::WATCHDOG, watchdog.unwrap_or_default().0);
        if let Some(health) = &service.health {
            word(policy::HEALTH_EVERY, health.every.0);
            word(policy::HEALTH_TIMEOUT, health.timeout.0);
            word(policy::HEALTH_RETRIES, health.retries);
        }
        let permanent = self.permanent(&policy.permanent)?;
        row[policy::PERMANENT..policy::PERMANENT + 6].copy_from_slice(&permanent);
        let (on_failure, starts) = match policy.on_failure {
            OnFailure::Ignore => (tag::FAILURE_IGNORE, 0),
            OnFailure::Reboot => (tag::FAILURE_REBOOT, 0),
            OnFailure::Rescue => (tag::FAILURE_RESCUE, 0),
            OnFailure::Start(other) => (tag::FAILURE_START, other.0),
        };
        row[policy::STARTS..policy::STARTS + 2].copy_from_slice(&starts.to_le_bytes());
        row[policy::ON_FAILURE] = on_failure;
        row[policy::RESTART] = number_of(&RESTARTS, &policy.restart);
        row[policy::SIGNAL] = number_of(Signal::ALL, &policy.stop.signal);
        for (has, flag) in [
            (policy.start_timeout.is_some(), policy::HAS_START),
            (watchdog.is_some(), policy::HAS_WATCHDOG),
            (service.health.is_some(), policy::HAS_HEALTH),
        ] {
            row[policy::FLAGS] |= if has { flag } else { 0 };
        }
        if let Some(known) = self.policies.get(&row) {
            return Ok(*known);
        }
        let number = u16::try_from(self.policies.len()).map_err(|_| Error::TooLarge)?;
        self.policies.insert(row, number);
        self.push(Table::Policies, &row);
        Ok(number)
    }

    /// A list of exit codes, written once however many policies have it.
    fn permanent(&mut self, codes: &[u8]) -> Result<[u8; 6], Error> {
        if let Some(known) = self.permanent.get(codes) {
            return Ok(*known);
        }
        let numbers: Vec<u16> = codes.iter().map(|code| u16::from(*code)).collect();
        let list = self.list(&numbers)?;
        self.permanent.insert(codes.to_vec(), list);
        Ok(list)
    }
}

/// The string that a condition compares with.
fn value(fact: &Fact) -> Option<&str> {
    match fact {
        Fact::Output { equals, .. } => equals.as_deref(),
        _ => None,
    }
}

/// What a service is, in a row: kind, readiness, argument, flags.
fn shape(service: &Service) -> (u8, u8, u16, u8) {
    let flag = |has: bool, flag: u8| if has { flag } else { 0 };
    match &service.kind {
        Kind::Longrun(run) => {
            let (ready, argument) = match run.ready {
                Ready::Started => (tag::READY_STARTED, 0),
                Ready::Fd(number) => (tag::READY_FD, number),
                Ready::Notify => (tag::READY_NOTIFY, 0),
                Ready::Outputs => (tag::READY_OUTPUTS, 0),
                Ready::Check { .. } => (tag::READY_CHECK, 0),
                Ready::Pidfile => (tag::READY_PIDFILE, 0),
            };
            (tag::LONGRUN, ready, argument, flag(run.finish.is_some(), service::FINISH))
        }
        Kind::Oneshot(shot) => {
            let up = flag(shot.up.is_some(), service::UP);
            (tag::ONESHOT, 0, 0, up | flag(shot.down.is_some(), service::DOWN))
        }
        Kind::Bundle(ReadyWhen::All) => (tag::BUNDLE_ALL, 0, 0, 0),
        Kind::Bundle(ReadyWhen::AtLeast(need)) => {
            let members = service.edges.iter().filter(|edge| edge.relation == Relation::Member);
            let members = u16::try_from(members.count()).unwrap_or(u16::MAX);
            (tag::BUNDLE_SOME, 0, *need.min(&members), 0)
        }
        Kind::Failover(failover) => {
            let back = match failover.back {
                Back::Sticky => tag::STICKY,
                Back::PreferFirst => tag::PREFER_FIRST,
            };
            (tag::FAILOVER, back, 0, 0)
        }
        Kind::File(_) => (tag::FILE, 0, 0, 0),
    }
}

fn change(change: OnChange) -> [u8; 3] {
    let (what, argument) = match change {
        OnChange::Restart => (tag::RESTART, 0),
        OnChange::Render => (tag::RENDER, 0),
        OnChange::Signal(signal) => (tag::SIGNAL, u16::from(number_of(Signal::ALL, &signal))),
        OnChange::Run(number) => (tag::RUN, number),
        OnChange::Follow => (tag::FOLLOW, 0),
        OnChange::Ignore => (tag::IGNORE, 0),
    };
    let argument = argument.to_le_bytes();
    [what, argument[0], argument[1]]
}

fn number_of<T: PartialEq>(all: &[T], one: &T) -> u8 {
    let number = all.iter().position(|other| other == one);
    number.and_then(|number| u8::try_from(number).ok()).unwrap_or(0)
}

/// The part of a service that is decoded on demand.
fn record(service: &Service) -> Record {
    let is_world = |fact: &&Fact| !matches!(fact, Fact::Output { .. });
    Record {
        description: service.description.clone(),
        body: match &service.kind {
            Kind::Longrun(run) => Body::Longrun {
                run: run.run.clone(),
                finish: run.finish.clone(),
                check: run.check.clone(),
                pidfile: run.pidfile.clone(),
                tty: run.tty.clone(),
                kept: run.kept.clone(),
            },
            Kind::Oneshot(shot) => Body::Oneshot { up: shot.up.clone(), down: shot.down.clone() },
            Kind::Bundle(_) | Kind::Failover(_) => Body::Group,
            Kind::File(file) => Body::File(file.clone()),
        },
        exec: service.exec.clone(),
        facts: service.conditions.iter().map(|one| &one.fact).filter(is_world).cloned().collect(),
        health: service.health.as_ref().map(|health| health.run.clone()),
        actions: service.actions.clone(),
        values: service.outputs.iter().filter_map(|output| output.value.clone()).collect(),
    }
}
