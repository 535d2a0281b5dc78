//! For tests: a program whose name ends in `.next` writes the format after this one, with one more field in
//! the record of the shell. Without the feature `crash-points` there is no such program.

#[cfg(not(feature = "crash-points"))]
mod imp {
    /// It is not.
    pub const fn is_next() -> bool {
        false
    }
}

#[cfg(feature = "crash-points")]
mod imp {
    /// Whether this is that program.
    pub fn is_next() -> bool {
        let own = std::fs::read_link("/proc/self/exe").unwrap_or_default();
        let own = own.to_string_lossy();
        own.strip_suffix(" (deleted)").unwrap_or(&own).ends_with(".next")
    }
}

pub use imp::is_next;

/// The field: how many such programs there have been in a row.
pub fn append(record: &mut Vec<u8>, count: u8) {
    if is_next() {
        record.push(count);
    }
}

/// Takes the field off a record.
pub fn split(record: &mut Vec<u8>) -> u8 {
    if is_next() { record.pop().unwrap_or(0) } else { 0 }
}
