//! The record at the start of the spool: all that a new collector must know to finish the chunk
//! of a dead one. Pure. Its input may be from another version or hostile: every field is checked,
//! and none is trusted further than reading the bytes again.
//!
//! The spool is a memfd. Its first [`HEADER_LEN`] bytes hold this record, the raw chunk follows; its
//! *length* says whether there is a chunk. That makes one system call (the splice into it) the
//! moment at which bytes leave a pipe, and another (the truncation) the moment they are safe.

use crate::names::valid_name;

/// Where the chunk begins; a spool of at most this length holds no chunk.
pub const HEADER_LEN: u64 = 4096;
/// The most bytes of one chunk: what an ordinary pipe holds.
pub const CHUNK: usize = 65536;
/// Changes whenever the meaning of a byte does, so that no version misreads another's record.
const MAGIC: &[u8; 8] = b"jambspl1";
/// Longest service name.
pub const NAME_MAX: usize = 128;
/// Bytes of an encoded record. It must stay inside one page: a write within a page is all or
/// nothing for a process that is killed.
pub const ENCODED: usize = 46 + NAME_MAX;

/// The progress of one chunk, as it would be resumed from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// The service whose chunk it is.
    pub name: String,
    /// Length of the log file that is certain. What is beyond it belongs to this chunk and will
    /// be written again. `u64::MAX`: nothing was written yet, keep all there is.
    pub at: u64,
    /// Bytes of the chunk that are in the log for certain.
    pub done: u64,
    /// Bytes of this service lost before this chunk and not reported yet.
    pub dropped: u64,
    /// Whether these were lost for want of space.
    pub no_space: bool,
    /// The time of the chunk: seconds since the epoch.
    pub secs: i64,
    /// Nanoseconds within that second.
    pub nanos: u32,
}

impl Header {
    /// The record as bytes. Little-endian, so that the format has one description.
    pub fn encode(&self) -> [u8; ENCODED] {
        let mut bytes = [0; ENCODED];
        let name = &self.name.as_bytes()[..self.name.len().min(NAME_MAX)];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.at.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.done.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.dropped.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.secs.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.nanos.to_le_bytes());
        bytes[44] = u8::from(self.no_space);
        bytes[45] = name.len().to_le_bytes()[0];
        bytes[46..46 + name.len()].copy_from_slice(name);
        bytes
    }

    /// Reads a record; `None` if it is not one of this version or names no possible service.
    pub fn decode(bytes: &[u8; ENCODED]) -> Option<Header> {
        let number = |at: usize| -> Option<u64> {
            Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
        };
        let name = bytes.get(46..46 + usize::from(bytes[45]))?;
        let name = std::str::from_utf8(name).ok()?;
        if !bytes.starts_with(MAGIC) || !valid_name(name) || bytes[44] > 1 {
            return None;
        }
        Some(Header {
            name: name.to_owned(),
            at: number(8)?,
            done: number(16)?,
            dropped: number(24)?,
            no_space: bytes[44] == 1,
            secs: number(32)?.cast_signed(),
            nanos: u32::from_le_bytes(*bytes.get(40..)?.first_chunk()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Header {
        Header {
            name: "a".repeat(NAME_MAX),
            at: u64::MAX,
            done: 1 << 40,
            dropped: 7,
            no_space: true,
            secs: -5,
            nanos: 999_999_999,
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        assert_eq!(Header::decode(&sample().encode()), Some(sample()));
    }

    #[test]
    fn garbage_is_refused() {
        assert_eq!(Header::decode(&[0; ENCODED]), None);
        assert_eq!(Header::decode(&[0xff; ENCODED]), None);
        let damaged = |at: usize, value: u8| {
            let mut bytes = sample().encode();
            bytes[at] = value;
            Header::decode(&bytes)
        };
        assert_eq!(damaged(7, b'2'), None, "another version");
        assert_eq!(damaged(44, 2), None, "not a flag");
        assert_eq!(damaged(45, 0), None, "no name");
        assert_eq!(damaged(45, 255), None, "a name beyond the record");
        assert_eq!(damaged(60, b'/'), None, "a name with a slash");
        assert_eq!(damaged(46, b'.'), None, "a hidden name");
        assert_eq!(damaged(60, 0xff), None, "not text");
    }
}
