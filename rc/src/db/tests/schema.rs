//! The shape of the records as serde sees it: every type that a record can have in it, with the names and
//! types of its fields and variants. Its hash is [`super::SCHEMA`]; so a record cannot change its shape
//! without a reader noticing, and nobody has to remember to say so.

use super::{Scalar, Signal, System, checksum};
use crate::model::Record;
use serde::{
    Deserialize,
    de::{self, DeserializeSeed, IntoDeserializer, Visitor},
    forward_to_deserialize_any,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What is known of the shapes so far.
#[derive(Default)]
struct Shapes {
    /// Structs and variants by name: their fields' names and types.
    known: BTreeMap<String, String>,
    /// Variants that have been taken.
    taken: BTreeSet<(&'static str, usize)>,
    /// Whether some enum had a variant that had not been taken before.
    more: bool,
}

/// Answers every question of a type with something that it takes, and writes down the questions.
struct Tracer<'s> {
    shapes: &'s mut Shapes,
    /// The types that were asked for, in order.
    told: String,
}

#[derive(Debug)]
struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unknown {}

impl de::Error for Unknown {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

macro_rules! plain {
    ($($ask:ident $name:literal $answer:ident $value:expr,)*) => {
        $(fn $ask<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unknown> {
            self.told.push_str(concat!($name, " "));
            visitor.$answer($value)
        })*
    };
}

impl Tracer<'_> {
    /// The types that `f` asks for.
    fn inner<T>(
        &mut self,
        f: impl FnOnce(&mut Tracer<'_>) -> Result<T, Unknown>,
    ) -> Result<(T, String), Unknown> {
        let mut inner = Tracer { shapes: self.shapes, told: String::new() };
        let value = f(&mut inner)?;
        let told = inner.told;
        Ok((value, told))
    }

    fn fields<'de, V: Visitor<'de>>(
        &mut self,
        name: &str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unknown> {
        let (value, told) = self.inner(|inner| visitor.visit_seq(Elements(inner, fields.len())))?;
        self.shapes.known.insert(name.to_owned(), format!("{fields:?} {told}"));
        Ok(value)
    }
}

impl<'de> de::Deserializer<'de> for &mut Tracer<'_> {
    type Error = Unknown;

    plain! {
        deserialize_bool "bool" visit_bool false,
        deserialize_u8 "u8" visit_u8 0,
        deserialize_u16 "u16" visit_u16 0,
        deserialize_u32 "u32" visit_u32 0,
        deserialize_u64 "u64" visit_u64 0,
        deserialize_i32 "i32" visit_i32 0,
        deserialize_string "string" visit_str "",
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unknown> {
        Err(Unknown("a type that records must not have".to_owned()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unknown> {
        let (value, told) = self.inner(|inner| visitor.visit_some(inner))?;
        self.told.push_str(&format!("option({told})"));
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unknown> {
        let (value, told) = self.inner(|inner| visitor.visit_seq(Elements(inner, 1)))?;
        self.told.push_str(&format!("list({told})"));
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Unknown> {
        let (value, told) = self.inner(|inner| visitor.visit_seq(Elements(inner, length)))?;
        self.told.push_str(&format!("tuple({told})"));
        Ok(value)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unknown> {
        let (value, told) = self.inner(|inner| visitor.visit_newtype_struct(inner))?;
        self.told.push_str(&format!("{name}({told})"));
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unknown> {
        self.told.push_str(name);
        self.told.push(' ');
        self.fields(name, fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unknown> {
        self.told.push_str(name);
        self.told.push(' ');
        self.shapes.known.insert(name.to_owned(), format!("{variants:?}"));
        let fresh = (0..variants.len()).find(|one| !self.shapes.taken.contains(&(name, *one)));
        let number = fresh.unwrap_or(0);
        self.shapes.more |= fresh.is_some();
        self.shapes.taken.insert((name, number));
        visitor.visit_enum(Variant {
            tracer: self,
            name: format!("{name}::{}", variants[number]),
            number,
        })
    }

    forward_to_deserialize_any! {
        i8 i16 i64 i128 u128 f32 f64 char str bytes byte_buf unit unit_struct tuple_struct map
        identifier ignored_any
    }
}

/// So many elements.
struct Elements<'t, 's>(&'t mut Tracer<'s>, usize);

impl<'de> de::SeqAccess<'de> for Elements<'_, '_> {
    type Error = Unknown;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unknown> {
        if self.1 == 0 {
            return Ok(None);
        }
        self.1 -= 1;
        seed.deserialize(&mut *self.0).map(Some)
    }
}

struct Variant<'t, 's> {
    tracer: &'t mut Tracer<'s>,
    name: String,
    number: usize,
}

impl<'de> de::EnumAccess<'de> for Variant<'_, '_> {
    type Error = Unknown;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Unknown> {
        let number = u32::try_from(self.number).unwrap();
        let value = seed.deserialize(IntoDeserializer::<Unknown>::into_deserializer(number))?;
        Ok((value, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, '_> {
    type Error = Unknown;

    fn unit_variant(self) -> Result<(), Unknown> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unknown> {
        let (value, told) = self.tracer.inner(|inner| seed.deserialize(inner))?;
        self.tracer.shapes.known.insert(self.name, told);
        Ok(value)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Unknown> {
        let (value, told) =
            self.tracer.inner(|inner| visitor.visit_seq(Elements(inner, length)))?;
        self.tracer.shapes.known.insert(self.name, told);
        Ok(value)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unknown> {
        self.tracer.fields(&self.name, fields, visitor)
    }
}

/// Every type in `T`, by name; as often as it takes to have seen every variant.
fn trace<T: for<'de> Deserialize<'de>>(shapes: &mut Shapes) -> String {
    loop {
        shapes.more = false;
        let mut tracer = Tracer { shapes, told: String::new() };
        T::deserialize(&mut tracer).unwrap();
        let told = tracer.told;
        if !shapes.more {
            return told;
        }
    }
}

#[test]
fn the_schema_is_that_of_the_records() {
    let mut shapes = Shapes::default();
    let mut text = trace::<System>(&mut shapes) + &trace::<Record>(&mut shapes);
    for (name, shape) in &shapes.known {
        text.push_str(&format!("\n{name}: {shape}"));
    }
    // Rows have these as numbers.
    let scalars: Vec<&str> = Scalar::ALL.iter().map(|(_, name)| *name).collect();
    let signals: Vec<&str> = Signal::ALL.iter().map(|signal| signal.name()).collect();
    text.push_str(&format!("\n{scalars:?}\n{signals:?}"));
    assert!(text.contains("Route6") && text.contains("Piece::Each"), "{text}");
    let schema = checksum(text.as_bytes());
    assert_eq!(
        super::SCHEMA,
        schema,
        "the records look different now: set SCHEMA in rc/src/db/layout.rs to {schema:#018X}\n{text}"
    );
}
