//! Values as bytes, in postcard's format, appended to what is there. postcard's own sinks either take one byte
//! after the other from an iterator or have a fixed size; this one copies.

use postcard::{Result, ser_flavors::Flavor};
use serde::Serialize;

struct Sink(Vec<u8>);

impl Flavor for Sink {
    type Output = Vec<u8>;

    fn try_extend(&mut self, data: &[u8]) -> Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn try_push(&mut self, data: u8) -> Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn finalize(self) -> Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// Appends a value to `bytes`. Vectors take what they are given, so that it cannot fail; if it did, nothing would
/// be answered, and whoever reads it would miss it.
#[must_use]
pub fn encode<T: Serialize>(value: &T, bytes: Vec<u8>) -> Vec<u8> {
    postcard::serialize_with_flavor(value, Sink(bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_appends_what_postcard_writes() {
        let value = (1u8, 300u16, u64::MAX, -5i32, "text", [1u8, 2], Some(true), None::<u8>);
        let mut expected = b"before".to_vec();
        expected.extend(postcard::to_allocvec(&value).unwrap());
        assert_eq!(encode(&value, b"before".to_vec()), expected);
    }
}
