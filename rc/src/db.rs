//! The file that a database travels in, from the compiler to the device.
//!
//! ```text
//! 0   magic           8 bytes  "jambdb\r\n"
//! 8   format version  u32      FORMAT
//! 12  length          u32      of the whole file
//! 16  checksum        u32      CRC-32 (ISO-HDLC) of everything from byte 20 on
//! 20  content id      16 bytes chosen by the compiler; names this set of services
//! 36  service count   u32      N
//! 40  name ends       N × u32  into the names, which are sorted and without separators
//!     record ends     (N + 1) × u32  into the records; the first record is the system's
//!     names
//!     records         postcard, one after another
//! ```
//!
//! All integers are little-endian whatever the target. A record is decoded when it is asked for, and
//! a reader that meets another format version, a wrong length or checksum, or bytes left over after a
//! record refuses the file: postcard itself would not notice.

use crate::{
    decode::decode,
    model::{MAX_SERVICES, Service, ServiceId, System},
};
use core::fmt;
use serde::de::DeserializeOwned;

/// The version of this layout and of the records in it. It changes whenever either does.
pub const FORMAT: u32 = 3;

/// The longest database, in bytes. A router's flash is smaller.
pub const MAX_LENGTH: usize = 16 * 1024 * 1024;

const MAGIC: [u8; 8] = *b"jambdb\r\n";
const CHECKED_FROM: usize = 20;
const HEADER: usize = 40;

/// Why a database cannot be used. Each needs another remedy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// It does not begin like a database: another file was given.
    NotADatabase,
    /// It was written by another version of jambc.
    Version {
        /// The format version in the file.
        found: u32,
    },
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
            Self::Version { found } => {
                write!(f, "format version {found}, this jamb reads version {FORMAT}")
            }
            Self::Length { said, is } => write!(f, "{is} bytes long instead of {said}"),
            Self::Checksum => f.write_str("damaged: wrong checksum"),
            Self::Structure => f.write_str("damaged: impossible structure"),
            Self::Record { number } => write!(f, "damaged: record {number} cannot be decoded"),
            Self::TooLarge => f.write_str("too large"),
        }
    }
}

impl std::error::Error for Error {}

/// A database in memory whose header, checksum and table of contents have been verified.
pub struct Database {
    bytes: Vec<u8>,
    count: usize,
}

impl Database {
    /// Takes the bytes of a file.
    ///
    /// # Errors
    /// If they are not a whole, undamaged database of this format version.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Error> {
        if !bytes.starts_with(&MAGIC) {
            return Err(Error::NotADatabase);
        }
        let found = read_u32(&bytes, 8).ok_or(Error::NotADatabase)?;
        if found != FORMAT {
            return Err(Error::Version { found });
        }
        let said = read_u32(&bytes, 12).ok_or(Error::Structure)?;
        if said as usize != bytes.len() {
            return Err(Error::Length { said, is: bytes.len() });
        }
        if bytes.len() > MAX_LENGTH {
            return Err(Error::TooLarge);
        }
        let checked = bytes.get(CHECKED_FROM..).ok_or(Error::Structure)?;
        if read_u32(&bytes, 16) != Some(crc32(checked)) {
            return Err(Error::Checksum);
        }
        let count = read_u32(&bytes, 36).ok_or(Error::Structure)? as usize;
        if count > MAX_SERVICES {
            return Err(Error::TooLarge);
        }
        let database = Self { bytes, count };
        database.check_tables()?;
        Ok(database)
    }

    /// One without services and without a system record.
    #[must_use]
    pub fn empty() -> Self {
        Self { bytes: vec![0; HEADER], count: 0 }
    }

    /// The number of services.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether it holds no service.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Its size as a file, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// What names this set of services: equal input of the compiler gives an equal id.
    #[must_use]
    pub fn content_id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        id.copy_from_slice(&self.bytes[20..36]);
        id
    }

    /// Every service, in the order of their names.
    pub fn ids(&self) -> impl Iterator<Item = ServiceId> + use<> {
        (0..self.count).filter_map(|i| u16::try_from(i).ok()).map(ServiceId)
    }

    /// The name of a service; empty if there is none with this number.
    #[must_use]
    pub fn name(&self, id: ServiceId) -> &str {
        self.name_at(id.index()).unwrap_or("")
    }

    /// The service of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ServiceId> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.name_at(middle)?.cmp(name) {
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Greater => high = middle,
                core::cmp::Ordering::Equal => return u16::try_from(middle).ok().map(ServiceId),
            }
        }
        None
    }

    /// Decodes the system record.
    ///
    /// # Errors
    /// If it cannot be decoded.
    pub fn system(&self) -> Result<System, Error> {
        self.record(0)
    }

    /// Decodes one service.
    ///
    /// # Errors
    /// If there is no such service or it cannot be decoded.
    pub fn service(&self, id: ServiceId) -> Result<Service, Error> {
        self.record(id.index() + 1)
    }

    fn record<T: DeserializeOwned>(&self, number: usize) -> Result<T, Error> {
        let bytes = self.record_bytes(number).ok_or(Error::Record { number })?;
        decode(bytes).ok_or(Error::Record { number })
    }

    fn record_bytes(&self, number: usize) -> Option<&[u8]> {
        let table = HEADER + 4 * self.count;
        let base = self.names_base() + self.names_length()?;
        self.span(table, number, base)
    }

    fn name_at(&self, index: usize) -> Option<&str> {
        if index >= self.count {
            return None;
        }
        core::str::from_utf8(self.span(HEADER, index, self.names_base())?).ok()
    }

    fn names_base(&self) -> usize {
        HEADER + 4 * self.count + 4 * (self.count + 1)
    }

    fn names_length(&self) -> Option<usize> {
        match self.count {
            0 => Some(0),
            n => read_u32(&self.bytes, HEADER + 4 * (n - 1)).map(|end| end as usize),
        }
    }

    /// Element `index` of the table of ends at `table`, whose elements lie from `base` on.
    fn span(&self, table: usize, index: usize, base: usize) -> Option<&[u8]> {
        let start = match index {
            0 => 0,
            i => read_u32(&self.bytes, table + 4 * (i - 1))? as usize,
        };
        let end = read_u32(&self.bytes, table + 4 * index)? as usize;
        self.bytes.get(base.checked_add(start)?..base.checked_add(end)?)
    }

    /// Every span lies inside the file, names are sorted and distinct, nothing is left over.
    fn check_tables(&self) -> Result<(), Error> {
        let mut previous: Option<&str> = None;
        for index in 0..self.count {
            let name = self.name_at(index).ok_or(Error::Structure)?;
            if !crate::outputs::is_name(name) || previous.is_some_and(|p| p >= name) {
                return Err(Error::Structure);
            }
            previous = Some(name);
        }
        let mut end = self.names_base() + self.names_length().ok_or(Error::Structure)?;
        for number in 0..=self.count {
            end += self.record_bytes(number).ok_or(Error::Structure)?.len();
        }
        if end == self.bytes.len() { Ok(()) } else { Err(Error::Structure) }
    }
}

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
    let (mut names, mut records) = (Vec::new(), Vec::new());
    let (mut name_ends, mut record_ends) = (Vec::new(), Vec::new());
    let end = |part: &Vec<u8>| u32::try_from(part.len()).map_err(|_| Error::TooLarge);
    append(&mut records, 0, system)?;
    record_ends.push(end(&records)?);
    for (number, (name, service)) in services.iter().enumerate() {
        names.extend_from_slice(name.as_bytes());
        name_ends.push(end(&names)?);
        append(&mut records, number + 1, service)?;
        record_ends.push(end(&records)?);
    }
    let count = u32::try_from(services.len()).map_err(|_| Error::TooLarge)?;
    let mut checked = content_id.to_vec();
    for word in [count].iter().chain(&name_ends).chain(&record_ends) {
        checked.extend_from_slice(&word.to_le_bytes());
    }
    checked.extend(names);
    checked.extend(records);
    let length = u32::try_from(CHECKED_FROM + checked.len()).map_err(|_| Error::TooLarge)?;
    let mut bytes = MAGIC.to_vec();
    for word in [FORMAT, length, crc32(&checked)] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend(checked);
    // A writer that cannot read its own file back must not hand it to a device.
    Database::new(bytes.clone()).map(|_| bytes)
}

fn append<T: serde::Serialize>(
    records: &mut Vec<u8>,
    number: usize,
    value: &T,
) -> Result<(), Error> {
    let bytes = postcard::to_allocvec(value).map_err(|_| Error::Record { number })?;
    records.extend(bytes);
    Ok(())
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

/// CRC-32 as in ISO-HDLC (zlib, gzip), half a byte at a time: the table is 64 bytes.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = {
        let mut table = [0u32; 16];
        let mut i = 0u32;
        while i < 16 {
            let mut value = i;
            let mut bit = 0;
            while bit < 4 {
                value = if value & 1 == 1 { (value >> 1) ^ 0xEDB8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[i as usize] = value;
            i += 1;
        }
        table
    };
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc = TABLE[((crc ^ u32::from(byte)) & 15) as usize] ^ (crc >> 4);
        crc = TABLE[((crc ^ (u32::from(byte) >> 4)) & 15) as usize] ^ (crc >> 4);
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, ReadyWhen};

    fn bundle() -> Service {
        Service { description: "a bundle".into(), ..Service::new(Kind::Bundle(ReadyWhen::All)) }
    }

    fn sample() -> Vec<u8> {
        let services = [("lan".to_owned(), bundle()), ("wan".to_owned(), bundle())];
        encode([7; 16], &System::default(), &services).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let db = Database::new(sample()).unwrap();
        assert_eq!(db.len(), 2);
        assert_eq!(db.content_id(), [7; 16]);
        assert_eq!(db.find("wan"), Some(ServiceId(1)));
        assert_eq!(db.find("vlan"), None);
        assert_eq!(db.name(ServiceId(0)), "lan");
        assert_eq!(db.name(ServiceId(9)), "");
        assert_eq!(db.service(ServiceId(1)), Ok(bundle()));
        assert_eq!(db.system(), Ok(System::default()));
        assert_eq!(db.service(ServiceId(2)), Err(Error::Record { number: 3 }));
    }

    #[test]
    fn nothing_is_in_an_empty_one() {
        let db = Database::empty();
        assert_eq!((db.len(), db.find("lan"), db.content_id()), (0, None, [0; 16]));
        assert_eq!((db.name(ServiceId(0)), db.system()), ("", Err(Error::Record { number: 0 })));
    }

    #[test]
    fn the_checksum_is_the_common_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = sample();
        for byte in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[byte] ^= 1 << bit;
                assert!(Database::new(bad).is_err(), "byte {byte} bit {bit}");
            }
        }
    }

    #[test]
    fn every_truncation_and_extension_is_noticed() {
        let good = sample();
        for length in 0..good.len() {
            assert!(Database::new(good[..length].to_vec()).is_err(), "length {length}");
        }
        let mut long = good;
        long.push(0);
        assert!(matches!(Database::new(long), Err(Error::Length { .. })));
    }

    #[test]
    fn a_future_version_says_so() {
        let mut bytes = sample();
        bytes[8..12].copy_from_slice(&(FORMAT + 1).to_le_bytes());
        assert_eq!(Database::new(bytes).err(), Some(Error::Version { found: FORMAT + 1 }));
    }

    #[test]
    fn hostile_counts_are_refused_with_a_right_checksum() {
        for (at, word) in [(36, u32::MAX), (36, 20_000), (40, u32::MAX), (52, 1)] {
            let mut bytes = sample();
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
            let crc = crc32(&bytes[CHECKED_FROM..]);
            bytes[16..20].copy_from_slice(&crc.to_le_bytes());
            assert!(Database::new(bytes).is_err(), "word {word} at {at}");
        }
    }

    #[test]
    fn unsorted_names_are_refused() {
        let services = [("wan".to_owned(), bundle()), ("lan".to_owned(), bundle())];
        assert_eq!(encode([0; 16], &System::default(), &services), Err(Error::Structure));
    }
}
