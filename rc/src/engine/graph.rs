//! The fixed half of the engine: who relates to whom, read in the database where it lies. A database that
//! points outside itself or has a cycle was refused before, so nothing has to look for one. Commands and
//! texts stay encoded until one of them is needed.

use crate::{
    db::{Database, Error, Flaw, Node},
    model::{Record, ServiceId, System},
};

/// All services of a database. A clone is another handle to the same bytes.
#[derive(Clone)]
pub struct Graph {
    database: Database,
    /// The system record.
    pub system: System,
}

impl Graph {
    /// One without services.
    #[must_use]
    pub fn empty() -> Self {
        Self { database: Database::empty(), system: System::default() }
    }

    /// Keeps a handle to a database.
    ///
    /// # Errors
    /// If the system record cannot be decoded, or names a service that does not exist.
    pub fn load(database: &Database) -> Result<Self, Error> {
        let system = database.system()?;
        let critical = system.watchdog.iter().flat_map(|watchdog| &watchdog.needs);
        let mut named = system.target.iter().chain(critical);
        match named.find(|id| id.index() >= database.len()) {
            Some(id) => Err(Error::Graph(Flaw::Dangling(*id))),
            None => Ok(Self { database: database.clone(), system }),
        }
    }

    /// The number of services.
    #[must_use]
    pub fn len(&self) -> usize {
        self.database.len()
    }

    /// Whether there is no service.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.database.is_empty()
    }

    /// One service. One that does not exist has nothing and does nothing.
    #[must_use]
    pub fn node(&self, id: ServiceId) -> Node<'_> {
        self.database.node(id)
    }

    /// All services, in the order of their numbers.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        // By number, so that whoever collects them knows how many there are and allocates no more.
        (0..self.len()).map(|index| self.node(id_of(index)))
    }

    /// The service at a place of the order in which everything comes behind what it relates to.
    pub(super) fn at_rank(&self, rank: usize) -> ServiceId {
        self.database.at_rank(rank)
    }

    /// The record of a service; `None` if it cannot be decoded.
    pub(super) fn record(&self, id: ServiceId) -> Option<Record> {
        self.database.record(id).ok()
    }
}

/// The number of the service at an index; the bound of the database makes it fit.
pub(super) fn id_of(index: usize) -> ServiceId {
    ServiceId(u16::try_from(index).unwrap_or(u16::MAX))
}
