//! Where everything lies in a database: the header, the tables, and the rows of each table.
//!
//! All integers are little-endian and none is aligned, so every target reads the same bytes where they
//! lie. Reading is total: what would lie outside is zero. That keeps whoever reads from a check of his
//! own; that the numbers make sense together is looked at once, when a database is opened
//! ([`super::Database::new`]) and when an engine is made of it ([`super::check`]).

use std::rc::Rc;

/// The version of this layout. It changes whenever a table, a row or the header does.
pub const FORMAT: u32 = 5;

/// What the records look like: a hash of the names and types of all their fields, in order. The test
/// `the_schema_is_that_of_the_records` computes it from the types and says the new one when they change.
pub const SCHEMA: u64 = 0x48C6_B2A7_F224_9F33;

/// The longest database, in bytes. A router's flash is smaller.
pub const MAX_LENGTH: usize = 16 * 1024 * 1024;

/// What every database begins with, whatever its version.
pub const MAGIC: [u8; 8] = *b"jambdb\r\n";

/// Header: format version, length of the file, checksum of all that follows it.
pub(super) const FORMAT_AT: usize = 8;
pub(super) const LENGTH_AT: usize = 12;
pub(super) const CHECKSUM_AT: usize = 16;
pub(super) const CHECKED_FROM: usize = 24;
/// Header: the content id, 16 bytes.
pub(super) const ID_AT: usize = 24;
/// Where the part begins that the content id names: everything behind the id itself.
pub const CONTENT: usize = 40;
/// Header: the schema, then where each table ends.
pub(super) const SCHEMA_AT: usize = 40;
pub(super) const ENDS_AT: usize = 48;

/// A table: rows of one length, one after another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Table {
    /// A row of [`service`] for each service, in the order of names.
    Services,
    /// The services by rank, u16 each.
    Order,
    /// Rows of [`edge`], those of one service after another.
    Edges,
    /// Who has an edge to a service: the number of the other service and the position of its edge,
    /// u16 each, ascending.
    Dependents,
    /// Rows of [`read`].
    Reads,
    /// Rows of [`output`].
    Outputs,
    /// Rows of [`condition`].
    Conditions,
    /// Numbers of services, u16 each.
    Conflicts,
    /// Rows of [`policy`], each used by any number of services.
    Policies,
    /// Lists of u16 that other rows point into.
    Numbers,
    /// Where each string ends, u32: first the names of the services, sorted; then all others, sorted.
    StringEnds,
    /// The strings, UTF-8, without separators.
    Strings,
    /// Where each record ends, u32: the system's, then one for each service.
    RecordEnds,
    /// The records; see [`supervisor::coder`].
    Records,
}

/// The tables of which each service has rows of its own, in the order of [`service::ENDS`].
pub(super) const SPANS: [Table; 6] = [
    Table::Edges,
    Table::Dependents,
    Table::Reads,
    Table::Outputs,
    Table::Conditions,
    Table::Conflicts,
];
/// Positions in [`SPANS`].
pub(super) const EDGES: usize = 0;
pub(super) const DEPENDENTS: usize = 1;
pub(super) const READS: usize = 2;
pub(super) const OUTPUTS: usize = 3;
pub(super) const CONDITIONS: usize = 4;
pub(super) const CONFLICTS: usize = 5;

/// The length of a row of each table, in bytes.
pub(super) const WIDTHS: [usize; TABLES] = [
    service::WIDTH,
    2,
    edge::WIDTH,
    4,
    read::WIDTH,
    output::WIDTH,
    condition::WIDTH,
    2,
    policy::WIDTH,
    2,
    4,
    1,
    4,
    1,
];

pub(super) const TABLES: usize = 14;
/// Behind the end of every file, and far from where adding to it would overflow.
const OUTSIDE: usize = 1 << 30;

pub(super) const HEADER: usize = ENDS_AT + 4 * TABLES;

/// A service. Its rows in other tables begin where those of the service before it end.
pub(super) mod service {
    /// u32 each: where its edges, dependents, reads, outputs, conditions and conflicts end.
    pub const ENDS: usize = 0;
    /// u16: its place in an order in which everything that it relates to comes before it.
    pub const RANK: usize = 24;
    /// u16: its policy.
    pub const POLICY: usize = 26;
    /// u16: descriptor of its readiness, or least number of members.
    pub const ARGUMENT: usize = 28;
    /// u16: how many programs it has for changes.
    pub const ACTIONS: usize = 30;
    /// u8: what it is; see [`super::tag`].
    pub const KIND: usize = 32;
    /// u8: how it becomes ready, or which alternative is used.
    pub const READY: usize = 33;
    /// u8: [`FINISH`], [`UP`], [`DOWN`], [`RELOAD`].
    pub const FLAGS: usize = 34;
    /// A change as in an edge: u8 and u16.
    pub const RELOAD_CHANGE: usize = 35;
    /// u64: a hash of its whole definition, in which other services are named, not numbered.
    pub const DIGEST: usize = 38;
    pub const WIDTH: usize = 46;

    pub const FINISH: u8 = 1;
    pub const UP: u8 = 2;
    pub const DOWN: u8 = 4;
    pub const RELOAD: u8 = 8;
}

/// A relation.
pub(super) mod edge {
    /// u16: the other service.
    pub const TO: usize = 0;
    /// u8: the relation.
    pub const RELATION: usize = 2;
    /// u8 and u16: what is done about a change, and the signal or program for it.
    pub const CHANGE: usize = 3;
    pub const WIDTH: usize = 6;
}

/// An output that is read.
pub(super) mod read {
    /// u16: who publishes it.
    pub const SERVICE: usize = 0;
    /// u16: its position there.
    pub const OUTPUT: usize = 2;
    /// u8: 1 if some text cannot do without it.
    pub const REQUIRED: usize = 4;
    pub const WIDTH: usize = 5;
}

/// An output that is declared.
pub(super) mod output {
    /// u32: the string that is its name.
    pub const KEY: usize = 0;
    /// u32 and u16: where the list of reads begins that it has its values from, and its length.
    pub const FROM: usize = 4;
    /// u8: its type; [`LIST`] and the number of the scalar.
    pub const KIND: usize = 10;
    /// u8: 1 if the record has its value.
    pub const FIXED: usize = 11;
    pub const WIDTH: usize = 12;

    pub const LIST: u8 = 0x80;
}

/// A condition. One that is not about an output has its fact in the record.
pub(super) mod condition {
    /// u32: the string that the output has to be, if [`EQUALS`].
    pub const VALUE: usize = 0;
    /// u16: the position among the reads, if [`OUTPUT`].
    pub const READ: usize = 4;
    /// u8: [`NEGATED`], [`OUTPUT`], [`EQUALS`].
    pub const FLAGS: usize = 6;
    pub const WIDTH: usize = 7;

    pub const NEGATED: u8 = 1;
    pub const OUTPUT: u8 = 2;
    pub const EQUALS: u8 = 4;
}

/// Times, retries and checks. Times are in milliseconds.
pub(super) mod policy {
    /// u32 each.
    pub const MAX_RESTARTS: usize = 0;
    pub const BACKOFF_MIN: usize = 4;
    pub const BACKOFF_MAX: usize = 8;
    /// Only if [`HAS_START`].
    pub const START: usize = 12;
    pub const GRACE: usize = 16;
    pub const FINISH: usize = 20;
    pub const ACTION: usize = 24;
    /// From one check of readiness to the next, or the patience of a failover.
    pub const SPAN: usize = 28;
    /// Only if [`HAS_WATCHDOG`].
    pub const WATCHDOG: usize = 32;
    /// Only if [`HAS_HEALTH`].
    pub const HEALTH_EVERY: usize = 36;
    pub const HEALTH_TIMEOUT: usize = 40;
    pub const HEALTH_RETRIES: usize = 44;
    /// u32 and u16: the list of exit codes that make another attempt useless.
    pub const PERMANENT: usize = 48;
    /// u16: the service that is started on failure.
    pub const STARTS: usize = 54;
    /// u8: what happens on failure.
    pub const ON_FAILURE: usize = 56;
    /// u8: when it is restarted.
    pub const RESTART: usize = 57;
    /// u8: the first signal of a stop.
    pub const SIGNAL: usize = 58;
    /// u8: [`HAS_START`], [`HAS_WATCHDOG`], [`HAS_HEALTH`].
    pub const FLAGS: usize = 59;
    pub const WIDTH: usize = 60;

    pub const HAS_START: u8 = 1;
    pub const HAS_WATCHDOG: u8 = 2;
    pub const HAS_HEALTH: u8 = 4;
}

/// Small numbers for what enums are.
pub(super) mod tag {
    pub const LONGRUN: u8 = 0;
    pub const ONESHOT: u8 = 1;
    pub const BUNDLE_ALL: u8 = 2;
    pub const BUNDLE_SOME: u8 = 3;
    pub const FAILOVER: u8 = 4;
    pub const FILE: u8 = 5;

    pub const READY_STARTED: u8 = 0;
    pub const READY_FD: u8 = 1;
    pub const READY_NOTIFY: u8 = 2;
    pub const READY_OUTPUTS: u8 = 3;
    pub const READY_CHECK: u8 = 4;
    pub const READY_PIDFILE: u8 = 5;

    pub const STICKY: u8 = 0;
    pub const PREFER_FIRST: u8 = 1;

    pub const RESTART: u8 = 0;
    pub const RENDER: u8 = 1;
    pub const SIGNAL: u8 = 2;
    pub const RUN: u8 = 3;
    pub const FOLLOW: u8 = 4;
    pub const IGNORE: u8 = 5;

    pub const FAILURE_IGNORE: u8 = 0;
    pub const FAILURE_REBOOT: u8 = 1;
    pub const FAILURE_RESCUE: u8 = 2;
    pub const FAILURE_START: u8 = 3;
}

/// The bytes of a database and where its tables begin.
#[derive(Clone)]
pub(super) struct Bytes {
    bytes: Rc<Vec<u8>>,
    /// Where each table begins; the last is where the last one ends.
    starts: [usize; TABLES + 1],
}

impl Bytes {
    /// `None` if the tables do not follow each other to the end, in whole rows.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        let mut starts = [HEADER; TABLES + 1];
        for (table, width) in WIDTHS.iter().enumerate() {
            let end = usize::try_from(word_of(&bytes, ENDS_AT + 4 * table)).ok()?;
            if end.checked_sub(starts[table])? % width != 0 {
                return None;
            }
            starts[table + 1] = end;
        }
        (starts[TABLES] == bytes.len()).then(|| Self { bytes: Rc::new(bytes), starts })
    }

    /// No tables.
    pub fn empty() -> Self {
        Self { bytes: Rc::new(vec![0; HEADER]), starts: [HEADER; TABLES + 1] }
    }

    pub fn all(&self) -> &[u8] {
        &self.bytes
    }

    pub const fn rows(&self, table: Table) -> usize {
        let index = table as usize;
        (self.starts[index + 1] - self.starts[index]) / WIDTHS[index]
    }

    /// Where a row lies. One that is not in the table lies behind the end of the file.
    #[inline(never)]
    pub fn row(&self, table: Table, row: usize) -> usize {
        let index = table as usize;
        // No division: on small processors that is the most expensive thing there is.
        let at = self.starts[index].saturating_add(row.saturating_mul(WIDTHS[index]));
        if at < self.starts[index + 1] { at } else { OUTSIDE }
    }

    pub fn table(&self, table: Table) -> &[u8] {
        let index = table as usize;
        self.bytes.get(self.starts[index]..self.starts[index + 1]).unwrap_or_default()
    }

    #[inline(never)]
    pub fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    #[inline(never)]
    pub fn half(&self, at: usize) -> u16 {
        half_of(&self.bytes, at)
    }

    #[inline(never)]
    pub fn word(&self, at: usize) -> u32 {
        word_of(&self.bytes, at)
    }

    /// A row of a table whose rows are u16.
    #[inline(never)]
    pub fn half_in(&self, table: Table, row: usize) -> u16 {
        self.half(self.row(table, row))
    }

    /// The bytes of element `index` of a table of bytes whose ends are in another.
    #[inline(never)]
    pub fn element(&self, ends: Table, index: usize, of: Table) -> Option<&[u8]> {
        let start = index.checked_sub(1).map_or(0, |before| self.word(self.row(ends, before)));
        let end = self.word(self.row(ends, index));
        self.table(of).get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    /// The bytes of a string.
    pub fn string_bytes(&self, number: u32) -> &[u8] {
        let number = usize::try_from(number).ok();
        let bytes = number.and_then(|n| self.element(Table::StringEnds, n, Table::Strings));
        bytes.unwrap_or_default()
    }

    #[inline(never)]
    pub fn string(&self, number: u32) -> &str {
        core::str::from_utf8(self.string_bytes(number)).unwrap_or_default()
    }
}

/// A number in a row. Where it lies in there is a constant, and so is the length of the row, so what is
/// left of it is one load.
#[inline]
pub(super) fn half_in<const WIDTH: usize>(row: &[u8; WIDTH], at: usize) -> u16 {
    u16::from_le_bytes([row[at], row[at + 1]])
}

/// The same of four bytes.
#[inline]
pub(super) fn word_in<const WIDTH: usize>(row: &[u8; WIDTH], at: usize) -> u32 {
    u32::from_le_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]])
}

fn half_of(bytes: &[u8], at: usize) -> u16 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u16::from_le_bytes(*word))
}

pub(super) fn word_of(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u32::from_le_bytes(*word))
}

pub(super) fn long_of(bytes: &[u8], at: usize) -> u64 {
    u64::from(word_of(bytes, at)) | u64::from(word_of(bytes, at + 4)) << 32
}
