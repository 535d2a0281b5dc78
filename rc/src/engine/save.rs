//! Hand-over: everything that changes, as bytes, for another engine over the same database.

use super::{Engine, Graph, Shutdown, state::Dynamic};
use crate::model::ServiceId;
use serde::{Deserialize, Serialize};

/// The version of what is saved. It changes whenever a type in it does.
pub const SAVED: u8 = 1;

/// Why nothing can be taken over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestoreError {
    /// It was saved by another version.
    Version(u8),
    /// It is damaged, or of another database.
    Malformed,
}

impl core::fmt::Display for RestoreError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Version(found) => {
                write!(f, "state of version {found}, this jamb reads version {SAVED}")
            }
            Self::Malformed => f.write_str("state that is damaged or of another database"),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    dynamic: Vec<Dynamic>,
    target: Option<ServiceId>,
    settled: bool,
    shutdown: Shutdown,
    stale: u64,
    bugs: u64,
}

impl Engine {
    /// Everything that is not in the database.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn save(&self) -> Result<Vec<u8>, RestoreError> {
        let saved = Saved {
            dynamic: self.dynamic.clone(),
            target: self.target,
            settled: self.settled,
            shutdown: self.shutdown,
            stale: self.stale,
            bugs: self.bugs,
        };
        postcard::to_extend(&saved, vec![SAVED]).map_err(|_| RestoreError::Malformed)
    }

    /// An engine that goes on where the one that was saved stood. The graph has to be of the same
    /// database, and time has to go on, too.
    ///
    /// # Errors
    /// If the bytes are of another version, damaged, or do not fit the graph.
    pub fn restore(graph: Graph, bytes: &[u8]) -> Result<Self, RestoreError> {
        let (version, body) = bytes.split_first().ok_or(RestoreError::Malformed)?;
        if *version != SAVED {
            return Err(RestoreError::Version(*version));
        }
        let Ok((saved, [])) = postcard::take_from_bytes::<Saved>(body) else {
            return Err(RestoreError::Malformed);
        };
        let mut engine = Self::new(graph);
        let fits = saved.dynamic.len() == engine.dynamic.len()
            && saved.dynamic.iter().zip(&engine.dynamic).all(|(a, b)| a.has_shape_of(b))
            && saved.target.is_none_or(|target| target.index() < engine.dynamic.len());
        if !fits {
            return Err(RestoreError::Malformed);
        }
        engine.dynamic = saved.dynamic;
        engine.target = saved.target;
        engine.settled = saved.settled;
        engine.shutdown = saved.shutdown;
        engine.stale = saved.stale;
        engine.bugs = saved.bugs;
        engine.active = engine.dynamic.iter().filter(|one| one.state.is_active()).count();
        for index in 0..engine.dynamic.len() {
            engine.dynamic[index].armed = None;
            engine.arm(super::graph::id_of(index));
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
