//! Whether the graph arrays of a database make sense together: every number points to something, the two
//! directions of each relation agree, and nothing depends on itself. Linear in the size of the arrays,
//! without allocation, whatever the bytes are; after it no decision has to look for any of this again.

use super::{
    Database,
    layout::{
        Bytes, CONDITIONS, CONFLICTS, DEPENDENTS, EDGES, OUTPUTS, READS, Table, condition, edge,
        half_in, output, policy, read, service, tag, word_in,
    },
    rows::{RELATIONS, RESTARTS},
};
use crate::{
    model::{Relation, ServiceId},
    outputs::{Scalar, is_name_bytes},
};
use core::ops::Range;
use supervisor::signal::Signal;

/// What is wrong with the graph arrays, and at which service it shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// It refers to a service, output, program or list that does not exist.
    Dangling(ServiceId),
    /// It depends on itself over others: it does not come behind what it relates to.
    Cycle(ServiceId),
    /// Its rows contradict each other, or have numbers without a meaning.
    Contradiction(ServiceId),
}

impl Database {
    /// Looks at all rows once, and answers with the first flaw.
    pub(super) fn check(&self) -> Result<(), Flaw> {
        let tables = Tables::of(&self.bytes);
        // What belongs to no service in particular is told of the first.
        let first = ServiceId::default();
        if !tables.are_whole() || !tables.policies.iter().all(|row| tables.is_sound_policy(row)) {
            return Err(Flaw::Contradiction(first));
        }
        // No number is in two lists of outputs, which keeps the whole linear.
        let mut numbers = tables.numbers.len();
        for id in self.ids() {
            let rows = tables.rows(id.index()).ok_or(Flaw::Contradiction(id))?;
            tables.check_edges(id, &rows)?;
            tables.check_dependents(id, rows.dependents)?;
            if !tables.is_sound(id, &rows) {
                return Err(Flaw::Contradiction(id));
            }
            for output in rows.outputs {
                tables.check_output(id, &rows, output, &mut numbers)?;
            }
            if !tables.points_somewhere(&rows) {
                return Err(Flaw::Dangling(id));
            }
        }
        Ok(())
    }
}

/// The tables as arrays of rows, so that a field of a row is one load, without a look at where the row is.
struct Tables<'d> {
    bytes: &'d Bytes,
    services: &'d [[u8; service::WIDTH]],
    order: &'d [[u8; 2]],
    edges: &'d [[u8; edge::WIDTH]],
    dependents: &'d [[u8; 4]],
    reads: &'d [[u8; read::WIDTH]],
    outputs: &'d [[u8; output::WIDTH]],
    conditions: &'d [[u8; condition::WIDTH]],
    conflicts: &'d [[u8; 2]],
    policies: &'d [[u8; policy::WIDTH]],
    numbers: &'d [[u8; 2]],
}

/// What one service has of each table.
struct Rows<'d> {
    service: &'d [u8; service::WIDTH],
    edges: &'d [[u8; edge::WIDTH]],
    dependents: &'d [[u8; 4]],
    reads: &'d [[u8; read::WIDTH]],
    outputs: &'d [[u8; output::WIDTH]],
    conditions: &'d [[u8; condition::WIDTH]],
    conflicts: &'d [[u8; 2]],
}

impl<'d> Tables<'d> {
    fn of(bytes: &'d Bytes) -> Self {
        Self {
            bytes,
            services: bytes.table(Table::Services).as_chunks().0,
            order: bytes.table(Table::Order).as_chunks().0,
            edges: bytes.table(Table::Edges).as_chunks().0,
            dependents: bytes.table(Table::Dependents).as_chunks().0,
            reads: bytes.table(Table::Reads).as_chunks().0,
            outputs: bytes.table(Table::Outputs).as_chunks().0,
            conditions: bytes.table(Table::Conditions).as_chunks().0,
            conflicts: bytes.table(Table::Conflicts).as_chunks().0,
            policies: bytes.table(Table::Policies).as_chunks().0,
            numbers: bytes.table(Table::Numbers).as_chunks().0,
        }
    }

    /// Whether every row belongs to a service, and each relation has two ends.
    fn are_whole(&self) -> bool {
        let last = self.services.len().wrapping_sub(1);
        self.order.len() == self.services.len()
            && self.dependents.len() == self.edges.len()
            && self.span(last, EDGES).end == self.edges.len()
            && self.span(last, DEPENDENTS).end == self.dependents.len()
            && self.span(last, READS).end == self.reads.len()
            && self.span(last, OUTPUTS).end == self.outputs.len()
            && self.span(last, CONDITIONS).end == self.conditions.len()
            && self.span(last, CONFLICTS).end == self.conflicts.len()
    }

    /// Where the rows of a service begin and end in one of the tables. The end of one that does not exist
    /// is 0, and so is that of the one before the first.
    #[inline]
    fn span(&self, index: usize, which: usize) -> Range<usize> {
        let end = |index| {
            let row = self.services.get(index);
            row.map_or(0, |row| word_in(row, service::ENDS + 4 * which)) as usize
        };
        end(index.wrapping_sub(1))..end(index)
    }

    /// `None` if they do not lie in their tables.
    fn rows(&self, index: usize) -> Option<Rows<'d>> {
        Some(Rows {
            service: self.services.get(index)?,
            edges: self.edges.get(self.span(index, EDGES))?,
            dependents: self.dependents.get(self.span(index, DEPENDENTS))?,
            reads: self.reads.get(self.span(index, READS))?,
            outputs: self.outputs.get(self.span(index, OUTPUTS))?,
            conditions: self.conditions.get(self.span(index, CONDITIONS))?,
            conflicts: self.conflicts.get(self.span(index, CONFLICTS))?,
        })
    }

    /// Ranks are an order of all services in which each comes behind what it relates to, which is why
    /// there can be no cycle.
    fn check_edges(&self, id: ServiceId, rows: &Rows<'_>) -> Result<(), Flaw> {
        let rank = half_in(rows.service, service::RANK);
        let placed = self.order.get(usize::from(rank));
        if placed.is_none_or(|placed| half_in(placed, 0) != id.0) {
            return Err(Flaw::Contradiction(id));
        }
        for row in rows.edges {
            let Some(other) = self.services.get(usize::from(half_in(row, edge::TO))) else {
                return Err(Flaw::Dangling(id));
            };
            if half_in(other, service::RANK) >= rank {
                return Err(Flaw::Cycle(id));
            }
            if usize::from(row[edge::RELATION]) >= RELATIONS.len() {
                return Err(Flaw::Contradiction(id));
            }
            rows.check_change(id, row[edge::CHANGE], half_in(row, edge::CHANGE + 1))?;
        }
        let reload = rows.service[service::RELOAD_CHANGE];
        rows.check_change(id, reload, half_in(rows.service, service::RELOAD_CHANGE + 1))
    }

    /// Each relation is known at its other end, exactly once: as many are known as there are, each of
    /// them is one, and none is known twice.
    fn check_dependents(&self, id: ServiceId, dependents: &[[u8; 4]]) -> Result<(), Flaw> {
        let mut before = None;
        for row in dependents {
            let dependent = (half_in(row, 0), half_in(row, 2));
            let edges = self.edges.get(self.span(usize::from(dependent.0), EDGES));
            let edge = edges.and_then(|edges| edges.get(usize::from(dependent.1)));
            let known = edge.is_some_and(|edge| half_in(edge, edge::TO) == id.0);
            if !known || before >= Some(dependent) {
                return Err(Flaw::Contradiction(id));
            }
            before = Some(dependent);
        }
        Ok(())
    }

    /// Whether the small numbers of a service mean something.
    fn is_sound(&self, id: ServiceId, rows: &Rows<'_>) -> bool {
        let last_ready = match rows.service[service::KIND] {
            tag::LONGRUN => tag::READY_PIDFILE,
            tag::FAILOVER => tag::PREFER_FIRST,
            tag::ONESHOT | tag::BUNDLE_ALL | tag::BUNDLE_SOME | tag::FILE => 0,
            _ => return false,
        };
        let actions = half_in(rows.service, service::ACTIONS);
        rows.service[service::READY] <= last_ready
            && usize::from(half_in(rows.service, service::POLICY)) < self.policies.len()
            // Each of them takes at least a byte of its record.
            && (actions == 0 || usize::from(actions) <= self.record_length(id))
    }

    fn record_length(&self, id: ServiceId) -> usize {
        let record = self.bytes.element(Table::RecordEnds, id.index() + 1, Table::Records);
        record.map_or(0, <[u8]>::len)
    }

    /// An output has a name, a type, and its values from as many reads as there are alternatives, or from
    /// none. `left` is how many numbers are in no list yet.
    fn check_output(
        &self,
        id: ServiceId,
        rows: &Rows<'_>,
        row: &[u8; output::WIDTH],
        left: &mut usize,
    ) -> Result<(), Flaw> {
        let key = self.bytes.string_bytes(word_in(row, output::KEY));
        let sound = usize::from(row[output::KIND] & !output::LIST) < Scalar::ALL.len()
            && row[output::FIXED] < 2
            && is_name_bytes(key);
        let from = self.list(word_in(row, output::FROM), half_in(row, output::FROM + 4));
        let from = from.filter(|from| sound && from.len() <= *left);
        let Some(from) = from else { return Err(Flaw::Contradiction(id)) };
        *left -= from.len();
        if !from.is_empty() && from.len() != rows.alternatives() {
            return Err(Flaw::Contradiction(id));
        }
        let mut reads = from.iter().map(|number| usize::from(half_in(number, 0)));
        if reads.all(|read| read < rows.reads.len()) { Ok(()) } else { Err(Flaw::Dangling(id)) }
    }

    /// A list of numbers, if all of it is in the table.
    fn list(&self, start: u32, length: u16) -> Option<&'d [[u8; 2]]> {
        let start = usize::try_from(start).ok()?;
        self.numbers.get(start..start.checked_add(usize::from(length))?)
    }

    /// Whether what it reads, when it is up, what it is never up beside, and what it runs exist.
    fn points_somewhere(&self, rows: &Rows<'_>) -> bool {
        let is_output = |row: &[u8; read::WIDTH]| {
            let service = usize::from(half_in(row, read::SERVICE));
            let output = usize::from(half_in(row, read::OUTPUT));
            self.outputs.get(self.span(service, OUTPUTS)).is_some_and(|all| output < all.len())
        };
        let is_read = |row: &[u8; condition::WIDTH]| {
            row[condition::FLAGS] & condition::OUTPUT == 0
                || usize::from(half_in(row, condition::READ)) < rows.reads.len()
        };
        rows.reads.iter().all(is_output)
            && rows.conditions.iter().all(is_read)
            && rows.conflicts.iter().all(|row| self.is_service(half_in(row, 0)))
    }

    fn is_sound_policy(&self, row: &[u8; policy::WIDTH]) -> bool {
        let permanent = half_in(row, policy::PERMANENT + 4);
        usize::from(row[policy::RESTART]) < RESTARTS.len()
            && usize::from(row[policy::SIGNAL]) < Signal::ALL.len()
            && self.list(word_in(row, policy::PERMANENT), permanent).is_some()
            && match row[policy::ON_FAILURE] {
                tag::FAILURE_START => self.is_service(half_in(row, policy::STARTS)),
                what => what < tag::FAILURE_START,
            }
    }

    fn is_service(&self, number: u16) -> bool {
        usize::from(number) < self.services.len()
    }
}

impl Rows<'_> {
    /// What is done about a change is known, and so is the signal or the program for it.
    fn check_change(&self, id: ServiceId, what: u8, argument: u16) -> Result<(), Flaw> {
        match what {
            tag::SIGNAL if usize::from(argument) >= Signal::ALL.len() => {
                Err(Flaw::Contradiction(id))
            }
            tag::RUN if argument >= half_in(self.service, service::ACTIONS) => {
                Err(Flaw::Dangling(id))
            }
            what if what > tag::IGNORE => Err(Flaw::Contradiction(id)),
            _ => Ok(()),
        }
    }

    fn alternatives(&self) -> usize {
        let relations = self.edges.iter().map(|row| usize::from(row[edge::RELATION]));
        let relations = relations.map(|number| RELATIONS.get(number));
        relations.filter(|relation| *relation == Some(&Relation::Alternative)).count()
    }
}
