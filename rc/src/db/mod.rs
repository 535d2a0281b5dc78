//! The file that a database travels in, from the compiler to the device.
//!
//! A header, tables of fixed rows that decisions read in place ([`Node`]), strings once each, and one
//! record a service that is decoded when one of its programs is to run ([`Database::record`]). What lies
//! where is in [`layout`]; [`encode`] writes it.
//!
//! A reader refuses another format version, a wrong length or checksum, records of another shape, tables
//! that point outside, and bytes left over after a record: the format of records itself would not notice.

mod check;
mod checksum;
mod derive;
mod encode;
mod layout;
mod rows;
mod service;
#[cfg(test)]
mod tests;

pub use check::Flaw;
pub use checksum::checksum;
pub use encode::encode;
pub use layout::{CONTENT, FORMAT, MAGIC, MAX_LENGTH, SCHEMA};
pub use rows::{Checkup, Node, NodeCondition, NodeKind, NodeOutput, NodeRead, Numbers};

use crate::{
    model::{MAX_SERVICES, Record, ServiceId, System},
    outputs::is_name,
};
use core::fmt;
use layout::{
    Bytes, CHECKED_FROM, CHECKSUM_AT, FORMAT_AT, ID_AT, LENGTH_AT, SCHEMA_AT, Table, long_of,
    word_of,
};
use supervisor::coder::{Coded, decode};

/// Why a database cannot be used. Each needs another remedy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// It does not begin like a database: another file was given.
    NotADatabase,
    /// It was written by a jambc of another format version.
    Version {
        /// The format version in the file.
        found: u32,
    },
    /// It was written by another jambc, whose records look different.
    Schema,
    /// It is shorter or longer than it says: it was not copied whole.
    Length {
        /// The length in the header, in bytes.
        said: u32,
        /// The length of the file, in bytes.
        is: usize,
    },
    /// Its content changed since it was written.
    Checksum,
    /// Its structure is impossible although its checksum is right: a defect of the writer.
    Structure,
    /// The graph arrays make no sense: no engine could go by them.
    Graph(Flaw),
    /// One record cannot be decoded.
    Record {
        /// The record's number: 0 is the system's, n + 1 that of service n.
        number: usize,
    },
    /// More services than [`MAX_SERVICES`] or more bytes than [`MAX_LENGTH`].
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADatabase => f.write_str("not a jamb database"),
            Self::Version { found } => write!(
                f,
                "format version {found}, this jamb reads version {FORMAT}: \
                 compile it with the jambc of this jamb"
            ),
            Self::Schema => {
                f.write_str("made by another jambc: compile it with the jambc of this jamb")
            }
            Self::Length { said, is } => write!(f, "{is} bytes long instead of {said}"),
            Self::Checksum => f.write_str("damaged: wrong checksum"),
            Self::Structure => f.write_str("damaged: impossible structure"),
            Self::Graph(flaw) => {
                let (id, what) = match flaw {
                    Flaw::Dangling(id) => (id, "refers to nothing"),
                    Flaw::Cycle(id) => (id, "depends on itself"),
                    Flaw::Contradiction(id) => (id, "contradicts itself"),
                };
                write!(f, "impossible: service {} {what}", id.0)
            }
            Self::Record { number } => write!(f, "damaged: record {number} cannot be decoded"),
            Self::TooLarge => f.write_str("too large"),
        }
    }
}

impl std::error::Error for Error {}

/// A database in memory, verified but for its records. A clone is another handle to the same bytes.
#[derive(Clone)]
pub struct Database {
    bytes: Bytes,
}

impl Database {
    /// Takes the bytes of a file. Looks at each of them, and keeps nothing else.
    ///
    /// # Errors
    /// If they are not a whole, undamaged database of this format version and schema, or its tables
    /// make no sense.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Error> {
        let database = Self::open(bytes)?;
        database.check().map_err(Error::Graph)?;
        Ok(database)
    }

    /// The same without a look at the graph arrays, by whose numbers nothing must go then.
    fn open(bytes: Vec<u8>) -> Result<Self, Error> {
        if !bytes.starts_with(&MAGIC) || bytes.len() < CHECKED_FROM {
            return Err(Error::NotADatabase);
        }
        let found = word_of(&bytes, FORMAT_AT);
        if found != FORMAT {
            return Err(Error::Version { found });
        }
        let said = word_of(&bytes, LENGTH_AT);
        if said as usize != bytes.len() {
            return Err(Error::Length { said, is: bytes.len() });
        }
        if bytes.len() > MAX_LENGTH {
            return Err(Error::TooLarge);
        }
        let checked = bytes.get(CHECKED_FROM..).unwrap_or_default();
        if long_of(&bytes, CHECKSUM_AT) != checksum(checked) {
            return Err(Error::Checksum);
        }
        if long_of(&bytes, SCHEMA_AT) != SCHEMA {
            return Err(Error::Schema);
        }
        let database = Self { bytes: Bytes::new(bytes).ok_or(Error::Structure)? };
        if database.len() > MAX_SERVICES {
            return Err(Error::TooLarge);
        }
        let sound = database.has_sound_strings() && database.has_sound_records();
        if sound { Ok(database) } else { Err(Error::Structure) }
    }

    /// One without services and without a system record.
    #[must_use]
    pub fn empty() -> Self {
        Self { bytes: Bytes::empty() }
    }

    /// The number of services.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.rows(Table::Services)
    }

    /// Whether it holds no service.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.all()
    }

    /// What names this set of services: equal input of the compiler gives an equal id.
    #[must_use]
    pub fn content_id(&self) -> [u8; 16] {
        let id = self.bytes.all().get(ID_AT..).and_then(<[u8]>::first_chunk);
        id.copied().unwrap_or_default()
    }

    /// Every service, in the order of their names.
    pub fn ids(&self) -> impl Iterator<Item = ServiceId> + use<> {
        (0..self.len()).filter_map(|i| u16::try_from(i).ok()).map(ServiceId)
    }

    /// The name of a service; empty if there is none with this number.
    #[must_use]
    pub fn name(&self, id: ServiceId) -> &str {
        if id.index() < self.len() { self.bytes.string(u32::from(id.0)) } else { "" }
    }

    /// The service of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ServiceId> {
        let (mut low, mut high) = (0, u16::try_from(self.len()).ok()?);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.name(ServiceId(middle)).cmp(name) {
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Greater => high = middle,
                core::cmp::Ordering::Equal => return Some(ServiceId(middle)),
            }
        }
        None
    }

    /// A service as decisions see it. One that does not exist has nothing and does nothing.
    #[must_use]
    pub fn node(&self, id: ServiceId) -> Node<'_> {
        Node::new(&self.bytes, id.index())
    }

    /// The service at a place of the order in which everything comes behind what it relates to.
    #[must_use]
    pub fn at_rank(&self, rank: usize) -> ServiceId {
        ServiceId(self.bytes.half_in(Table::Order, rank))
    }

    /// Decodes the system record.
    ///
    /// # Errors
    /// If it cannot be decoded.
    pub fn system(&self) -> Result<System, Error> {
        self.decoded(0)
    }

    /// Decodes the record of one service.
    ///
    /// # Errors
    /// If there is no such service or it cannot be decoded.
    pub fn record(&self, id: ServiceId) -> Result<Record, Error> {
        self.decoded(id.index() + 1)
    }

    fn decoded<T: Coded>(&self, number: usize) -> Result<T, Error> {
        self.record_bytes(number).and_then(decode).ok_or(Error::Record { number })
    }

    fn record_bytes(&self, number: usize) -> Option<&[u8]> {
        self.bytes.element(Table::RecordEnds, number, Table::Records)
    }

    /// Strings follow each other to the end and are UTF-8; the names are names, sorted and distinct.
    fn has_sound_strings(&self) -> bool {
        let bytes = &self.bytes;
        let Ok(all) = core::str::from_utf8(bytes.table(Table::Strings)) else { return false };
        let (ends, _) = bytes.table(Table::StringEnds).as_chunks::<4>();
        let (mut end, mut services) = (0, self.len());
        let mut before = "";
        for next in ends {
            let next = u32::from_le_bytes(*next) as usize;
            let Some(string) = all.get(end..next) else { return false };
            end = next;
            if services > 0 {
                if !is_name(string) || before >= string {
                    return false;
                }
                before = string;
                services -= 1;
            }
        }
        end == all.len() && services == 0
    }

    /// Records follow each other to the end, one for the system and for each service.
    fn has_sound_records(&self) -> bool {
        let bytes = &self.bytes;
        let (ends, _) = bytes.table(Table::RecordEnds).as_chunks::<4>();
        let mut end = 0;
        for next in ends {
            let next = u32::from_le_bytes(*next);
            if next < end {
                return false;
            }
            end = next;
        }
        end as usize == bytes.rows(Table::Records) && ends.len() == self.len() + 1
    }
}
