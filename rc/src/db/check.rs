//! Whether the graph arrays of a database make sense together: every number points to something, the two
//! directions of each relation agree, and nothing depends on itself. Linear in the size of the arrays,
//! without allocation, whatever the bytes are; after it no decision has to look for any of this again.

use super::{
    Database,
    layout::{EDGES, OUTPUTS, SPANS, Table, edge, output, policy, service, tag},
    rows::{Node, NodeCondition, RELATIONS, RESTARTS, numbers, on_failure},
};
use crate::{
    model::{OnChange, OnFailure, ServiceId},
    outputs::{Scalar, is_name},
};
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
        let bytes = &self.bytes;
        let whole = bytes.rows(Table::Order) == self.len()
            && bytes.rows(Table::Dependents) == bytes.rows(Table::Edges);
        // What belongs to no service in particular is told of the first.
        let fine = whole && (0..bytes.rows(Table::Policies)).all(|row| self.is_sound_policy(row));
        let first = ServiceId::default();
        if !fine {
            return Err(Flaw::Contradiction(first));
        }
        let mut ends = [0; SPANS.len()];
        // No number is in two lists of outputs, which keeps the whole linear.
        let mut numbers = bytes.rows(Table::Numbers);
        for id in self.ids() {
            let node = self.node(id);
            for (which, end) in ends.iter_mut().enumerate() {
                let span = node.span(which);
                if span.0 > span.1 || span.1 > bytes.rows(SPANS[which]) {
                    return Err(Flaw::Contradiction(id));
                }
                *end = span.1;
            }
            self.check_relations(id, node)?;
            if !self.is_sound(id, node) || !self.has_sound_outputs(node, &mut numbers) {
                return Err(Flaw::Contradiction(id));
            }
            if !self.points_somewhere(node) {
                return Err(Flaw::Dangling(id));
            }
        }
        let complete = (0..SPANS.len()).all(|which| ends[which] == bytes.rows(SPANS[which]));
        if complete { Ok(()) } else { Err(Flaw::Contradiction(first)) }
    }

    /// Ranks are an order of all services in which each comes behind what it relates to, which is why
    /// there can be no cycle; and each relation is known at its other end, exactly once: as many are
    /// known as there are, each of them is one, and none is known twice.
    fn check_relations(&self, id: ServiceId, node: Node<'_>) -> Result<(), Flaw> {
        let rank = usize::from(node.rank());
        if rank >= self.len() || self.at_rank(rank) != id {
            return Err(Flaw::Contradiction(id));
        }
        for edge in node.edges() {
            if edge.to.index() >= self.len() {
                return Err(Flaw::Dangling(id));
            }
            if self.node(edge.to).rank() >= node.rank() {
                return Err(Flaw::Cycle(id));
            }
        }
        let mut before = None;
        for dependent in node.dependents() {
            let (other, position) = dependent;
            let edge = self.node(other).edge(usize::from(position));
            let known = other.index() < self.len() && edge.is_some_and(|edge| edge.to == id);
            if !known || before >= Some(dependent) {
                return Err(Flaw::Contradiction(id));
            }
            before = Some(dependent);
        }
        Ok(())
    }

    /// Whether every small number of a service and its edges means something.
    fn is_sound(&self, id: ServiceId, node: Node<'_>) -> bool {
        let bytes = &self.bytes;
        let last_ready = match bytes.byte(node.at + service::KIND) {
            tag::LONGRUN => tag::READY_PIDFILE,
            tag::FAILOVER => tag::PREFER_FIRST,
            tag::ONESHOT | tag::BUNDLE_ALL | tag::BUNDLE_SOME | tag::FILE => 0,
            _ => return false,
        };
        let (start, end) = node.span(EDGES);
        let is_change = |at| is_change(bytes.byte(at), bytes.half(at + 1));
        bytes.byte(node.at + service::READY) <= last_ready
            && is_change(node.at + service::RELOAD_CHANGE)
            // Each of them takes at least a byte of its record.
            && node.actions() <= self.record_bytes(id.index() + 1).map_or(0, <[u8]>::len)
            && usize::from(bytes.half(node.at + service::POLICY)) < bytes.rows(Table::Policies)
            && (start..end).map(|row| bytes.row(Table::Edges, row)).all(|at| {
                usize::from(bytes.byte(at + edge::RELATION)) < RELATIONS.len()
                    && is_change(at + edge::CHANGE)
            })
    }

    /// Whether each output has a name, a type, and its values from as many reads as there are
    /// alternatives, or from none.
    /// `left` is how many numbers are in no list yet.
    fn has_sound_outputs(&self, node: Node<'_>, left: &mut usize) -> bool {
        let bytes = &self.bytes;
        let (start, end) = node.span(OUTPUTS);
        let alternatives = node.alternatives().count();
        (start..end).map(|row| bytes.row(Table::Outputs, row)).all(|at| {
            let kind = bytes.byte(at + output::KIND) & !output::LIST;
            let from = numbers(bytes, at + output::FROM);
            let enough = from.len() <= *left;
            *left = left.saturating_sub(from.len());
            usize::from(kind) < Scalar::ALL.len()
                && bytes.byte(at + output::FIXED) < 2
                && is_name(bytes.string(bytes.word(at + output::KEY)))
                && enough
                && from.is_inside()
                && (from.is_empty() || from.len() == alternatives)
        })
    }

    /// Whether what it reads, when it is up, what it is never up beside, and what it runs exist.
    fn points_somewhere(&self, node: Node<'_>) -> bool {
        let (services, reads) = (self.len(), node.reads().len());
        let mut fine = true;
        for read in node.reads() {
            let declared = self.node(read.service).outputs().len();
            fine &= read.service.index() < services && usize::from(read.output) < declared;
        }
        for output in node.outputs() {
            for read in output.from.iter() {
                fine &= usize::from(read) < reads;
            }
        }
        for (what, _) in node.conditions() {
            if let NodeCondition::Output(read, _) = what {
                fine &= usize::from(read) < reads;
            }
        }
        for other in node.conflicts() {
            fine &= other.index() < services;
        }
        let changes = node.edges().map(|edge| edge.on_change);
        for change in changes.chain(node.reload()) {
            if let OnChange::Run(number) = change {
                fine &= usize::from(number) < node.actions();
            }
        }
        fine
    }

    fn is_sound_policy(&self, row: usize) -> bool {
        let bytes = &self.bytes;
        let at = bytes.row(Table::Policies, row);
        usize::from(bytes.byte(at + policy::RESTART)) < RESTARTS.len()
            && usize::from(bytes.byte(at + policy::SIGNAL)) < Signal::ALL.len()
            && bytes.byte(at + policy::ON_FAILURE) <= tag::FAILURE_START
            && numbers(bytes, at + policy::PERMANENT).is_inside()
            && match on_failure(bytes, at) {
                OnFailure::Start(other) => other.index() < self.len(),
                _ => true,
            }
    }
}

fn is_change(what: u8, argument: u16) -> bool {
    match what {
        tag::SIGNAL => usize::from(argument) < Signal::ALL.len(),
        what => what <= tag::IGNORE,
    }
}
