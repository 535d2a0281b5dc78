//! Hand-over: everything that changes, as bytes, for another engine over the same database.
//!
//! It is saved in parts, so that keeping a copy up to date costs as much as what changed: a *head* of a
//! few bytes, and one record for each service. Whoever keeps the copy asks after each event which
//! records were touched.

use super::{Engine, Graph, Shutdown, graph::id_of, state::Dynamic};
use crate::model::ServiceId;
use supervisor::coder::{Coded, decode, encode};

/// The version of what is saved, with what the shell saves beside it. It grows with every change of a type.
pub const SAVED: u8 = 6;

/// What is saved is damaged, or of another database or version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestoreError;

impl core::fmt::Display for RestoreError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the saved state is damaged or of another database")
    }
}

/// What belongs to no service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub(super) struct Head {
    target: Option<ServiceId>,
    settled: bool,
    shutdown: Shutdown,
    stale: u64,
    bugs: u64,
}

impl Engine {
    /// A service whose record may have changed since it was last answered here, or since the engine was made.
    pub fn next_touched(&mut self) -> Option<ServiceId> {
        self.dynamic.next_touched().map(id_of)
    }

    /// Whether what belongs to no service has changed since this was last asked; at first it has.
    pub fn head_was_touched(&mut self) -> bool {
        let now = Some(self.head());
        core::mem::replace(&mut self.known, now) != now
    }

    /// Appends what belongs to no service to `bytes`.
    #[must_use]
    pub fn save_head(&self, bytes: Vec<u8>) -> Vec<u8> {
        encode(&mut self.head(), bytes)
    }

    const fn head(&self) -> Head {
        Head {
            target: self.target,
            settled: self.settled,
            shutdown: self.shutdown,
            stale: self.stale,
            bugs: self.bugs,
        }
    }

    /// Appends the record of a service to `bytes`.
    #[must_use]
    pub fn save_record(&mut self, id: ServiceId, bytes: Vec<u8>) -> Vec<u8> {
        self.dynamic.save(id.index(), bytes)
    }

    /// An engine that goes on where the one that was saved stood. The graph has to be of the same
    /// database, and time has to go on, too. `record` appends what [`Self::save_record`] wrote to an empty
    /// buffer, or nothing: a service that was never touched is as it is at first.
    ///
    /// # Errors
    /// If the bytes are damaged or do not fit the graph.
    pub fn restore(
        graph: Graph,
        head: &[u8],
        record: &mut dyn FnMut(ServiceId, &mut Vec<u8>),
    ) -> Result<Self, RestoreError> {
        let head: Head = decode(head).ok_or(RestoreError)?;
        let mut engine = Self::new(graph);
        let mut bytes = Vec::new();
        for index in 0..engine.dynamic.len() {
            bytes.clear();
            record(id_of(index), &mut bytes);
            if bytes.is_empty() {
                continue;
            }
            let saved: Option<Dynamic> = decode(&bytes);
            let fresh = &mut engine.dynamic[index];
            *fresh = saved.filter(|saved| saved.has_shape_of(fresh)).ok_or(RestoreError)?;
        }
        if head.target.is_some_and(|target| target.index() >= engine.dynamic.len()) {
            return Err(RestoreError);
        }
        engine.target = head.target;
        engine.settled = head.settled;
        engine.shutdown = head.shutdown;
        engine.stale = head.stale;
        engine.bugs = head.bugs;
        engine.active = engine.dynamic.iter().filter(|one| one.state.is_active()).count();
        engine.recount_all();
        // Who saved it may have been about to look at some of them.
        engine.wants_stale = true;
        for index in 0..engine.dynamic.len() {
            engine.dynamic[index].armed = None;
            engine.arm(id_of(index));
            engine.look_at(id_of(index));
        }
        Ok(engine)
    }
}

impl Dynamic {
    /// Whether the lists in it are as long as they have to be for the graph.
    fn has_shape_of(&self, fresh: &Self) -> bool {
        let edges = self.seen.len();
        let points = |position: u16| usize::from(position) < edges;
        self.values.len() == fresh.values.len()
            && self.bound.len() == fresh.bound.len()
            && edges == fresh.seen.len()
            && self.conditions.len() == fresh.conditions.len()
            && self.group.counted.len() == fresh.group.counted.len()
            && self.group.selected.is_none_or(points)
            && self.side.pending.len() == fresh.side.pending.len()
    }
}
