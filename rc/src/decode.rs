//! Reads what postcard wrote: one value from untrusted bytes, for records of the database and frames of
//! the control protocol.
//!
//! It reads the same format as postcard's own deserializer and answers the same, but cannot fail on the
//! way: bytes that make no sense give zeros and empty values from there on, and the whole is refused at
//! the end. Its error type has no value, so that none of the code that serde derives has a branch after
//! each field; in the device binary that halves the code.
//!
//! What it must never do: panic, allocate more than a small multiple of the input's length, or read
//! types that refuse values by themselves (`NonZero`, `try_from`), maps or floats: serde would want an
//! error for them. The types of `model` and `proto` are plain, and tests read them.

use core::fmt;
use serde::{
    de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer as _, Visitor},
    forward_to_deserialize_any,
};

/// The value that `bytes` are; `None` if they are not exactly one.
#[must_use]
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let mut reader = Reader { rest: bytes, sound: true };
    let Ok(value) = T::deserialize(&mut reader);
    (reader.sound && reader.rest.is_empty()).then_some(value)
}

/// What is left to be read.
struct Reader<'a> {
    rest: &'a [u8],
    /// Whether everything so far made sense. Once it did not, nothing is left.
    sound: bool,
}

impl Reader<'_> {
    fn give_up(&mut self) {
        self.sound = false;
        self.rest = &[];
    }

    fn byte(&mut self) -> u8 {
        if let [first, rest @ ..] = self.rest {
            self.rest = rest;
            return *first;
        }
        self.give_up();
        0
    }

    /// Seven bits a byte, the lowest first; the top bit says that more follow. `most` is the largest
    /// value of the type, which also says how many bytes there can be.
    fn varint(&mut self, most: u64) -> u64 {
        let mut value = 0u64;
        for shift in (0..64 - most.leading_zeros()).step_by(7) {
            let byte = self.byte();
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << shift;
            // Bits that do not fit would be lost.
            if shifted >> shift != bits {
                break;
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                if value <= most {
                    return value;
                }
                break;
            }
        }
        self.give_up();
        0
    }

    fn unsigned(&mut self) -> u32 {
        u32::try_from(self.varint(u64::from(u32::MAX))).unwrap_or(0)
    }

    /// The number of bytes or elements that follow; more than there are bytes left cannot be.
    fn count(&mut self) -> usize {
        let count = usize::try_from(self.varint(u64::from(u32::MAX))).unwrap_or(usize::MAX);
        if count > self.rest.len() {
            self.give_up();
            return 0;
        }
        count
    }

    fn text(&mut self) -> &str {
        let count = self.count();
        let (text, rest) = self.rest.split_at_checked(count).unwrap_or_default();
        self.rest = rest;
        core::str::from_utf8(text).unwrap_or_else(|_| {
            self.give_up();
            ""
        })
    }

    fn choice(&mut self, of: u32) -> u32 {
        let choice = self.unsigned();
        if choice < of {
            return choice;
        }
        self.give_up();
        0
    }
}

/// An error that never is.
#[derive(Debug)]
enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl core::error::Error for Never {}

impl de::Error for Never {
    /// Only reached for a type that this reader must not read, whatever the bytes are.
    #[cold]
    fn custom<T: fmt::Display>(_: T) -> Self {
        unreachable!()
    }
}

/// Enums by the number of the variant, structs and tuples as their fields one after another.
impl<'de> de::Deserializer<'de> for &mut Reader<'_> {
    type Error = Never;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Never> {
        self.give_up();
        visitor.visit_unit()
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Never> {
        let choice = self.choice(2);
        visitor.visit_bool(choice == 1)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Never> {
        visitor.visit_u8(self.byte())
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Never> {
        let value = self.varint(u64::from(u16::MAX));
        visitor.visit_u16(u16::try_from(value).unwrap_or(0))
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Never> {
        visitor.visit_u32(self.unsigned())
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Never> {
        visitor.visit_u64(self.varint(u64::MAX))
    }

    /// Zigzag: the sign is the lowest bit.
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Never> {
        let value = self.unsigned();
        visitor.visit_i32((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Never> {
        visitor.visit_str(self.text())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Never> {
        visitor.visit_string(self.text().to_owned())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Never> {
        if self.choice(2) == 1 { visitor.visit_some(self) } else { visitor.visit_none() }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Never> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Never> {
        let left = self.count();
        visitor.visit_seq(Elements { reader: self, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Never> {
        visitor.visit_seq(Fields(self))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Never> {
        visitor.visit_seq(Fields(self))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Never> {
        visitor.visit_seq(Fields(self))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Never> {
        let number = self.choice(u32::try_from(variants.len()).unwrap_or(0));
        visitor.visit_enum(Variant { reader: self, number })
    }

    forward_to_deserialize_any! {
        i8 i16 i64 f32 f64 char bytes byte_buf unit unit_struct map identifier ignored_any
    }
}

/// The elements of a sequence that says how many they are.
struct Elements<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for Elements<'_, '_> {
    type Error = Never;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Never> {
        if self.left == 0 || !self.reader.sound {
            return Ok(None);
        }
        self.left -= 1;
        let Ok(element) = seed.deserialize(&mut *self.reader);
        Ok(Some(element))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// Fields, whose number the type knows.
struct Fields<'r, 'a>(&'r mut Reader<'a>);

impl<'de> de::SeqAccess<'de> for Fields<'_, '_> {
    type Error = Never;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Never> {
        let Ok(field) = seed.deserialize(&mut *self.0);
        Ok(Some(field))
    }
}

/// A variant, which is one of those that the type has.
struct Variant<'r, 'a> {
    reader: &'r mut Reader<'a>,
    number: u32,
}

impl<'de, 'r, 'a> de::EnumAccess<'de> for Variant<'r, 'a> {
    type Error = Never;
    type Variant = Fields<'r, 'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), Never> {
        let number: de::value::U32Deserializer<Never> = self.number.into_deserializer();
        let Ok(variant) = seed.deserialize(number);
        Ok((variant, Fields(self.reader)))
    }
}

impl<'de> de::VariantAccess<'de> for Fields<'_, '_> {
    type Error = Never;

    fn unit_variant(self) -> Result<(), Never> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Never> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Never> {
        visitor.visit_seq(self)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Never> {
        visitor.visit_seq(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};
    use std::fmt::Debug;

    #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
    struct Number(u16);

    #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
    struct All {
        truth: [bool; 2],
        byte: u8,
        short: Number,
        word: u32,
        long: u64,
        signed: Vec<i32>,
        text: String,
        nothing: Option<String>,
        something: Option<Number>,
        pairs: Vec<(String, Option<u32>)>,
        choices: Vec<Choice>,
    }

    #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
    enum Choice {
        Unit,
        One(Number),
        Two(u8, u32),
        Named { a: String, b: Vec<Choice> },
    }

    fn all() -> All {
        let named =
            Choice::Named { a: "ä".into(), b: vec![Choice::Unit, Choice::Two(9, 1 << 30)] };
        All {
            truth: [true, false],
            byte: 200,
            short: Number(u16::MAX),
            word: u32::MAX,
            long: u64::MAX,
            signed: vec![0, -1, 1, i32::MIN, i32::MAX],
            text: "text".into(),
            nothing: None,
            something: Some(Number(300)),
            pairs: vec![("k".into(), None), (String::new(), Some(128))],
            choices: vec![Choice::One(Number(0)), named],
        }
    }

    /// What postcard itself makes of the same bytes.
    fn reference<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
        match postcard::take_from_bytes(bytes) {
            Ok((value, [])) => Some(value),
            _ => None,
        }
    }

    fn agrees<T: DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> bool {
        let value = decode::<T>(bytes);
        assert_eq!(value, reference(bytes), "{bytes:?}");
        value.is_some()
    }

    #[test]
    fn what_postcard_wrote_is_read() {
        let bytes = postcard::to_allocvec(&all()).unwrap();
        assert_eq!(decode(&bytes), Some(all()));
        for number in [0, 127, 128, 16_383, 16_384, u64::from(u32::MAX) + 1] {
            assert_eq!(decode(&postcard::to_allocvec(&number).unwrap()), Some(number));
        }
    }

    #[test]
    fn damaged_bytes_are_judged_as_postcard_does() {
        let good = postcard::to_allocvec(&all()).unwrap();
        let (mut accepted, mut refused) = (0, 0);
        for position in 0..good.len() {
            assert!(!agrees::<All>(&good[..position]));
            for value in 0..=u8::MAX {
                let mut bad = good.clone();
                bad[position] = value;
                if agrees::<All>(&bad) { accepted += 1 } else { refused += 1 }
            }
        }
        // Or else one of the two was not tried.
        assert!(accepted > 1000 && refused > 1000, "{accepted} {refused}");
        let mut long = good;
        long.push(0);
        assert!(!agrees::<All>(&long));
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        for bytes in [
            &[0x80][..],
            &[0xff, 0xff, 0x03],
            &[0xff, 0xff, 0x04],
            &[0x80, 0x80, 0x80, 0x00],
            &[0xff, 0xff, 0xff, 0xff, 0x0f],
            &[0xff, 0xff, 0xff, 0xff, 0x10],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
        ] {
            agrees::<u16>(bytes);
            agrees::<u32>(bytes);
            agrees::<u64>(bytes);
            agrees::<String>(bytes);
            agrees::<Vec<u64>>(bytes);
        }
        assert_eq!(decode::<u16>(&[0xff, 0xff, 0x03]), Some(u16::MAX));
        assert_eq!(decode::<u16>(&[0xff, 0xff, 0x04]), None);
    }
}
