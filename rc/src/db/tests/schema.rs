//! The shape of the records as they are written: every type that a record can have in it, with the names and
//! types of its fields and variants. Its hash is [`super::SCHEMA`]; so a record cannot change its shape
//! without a reader noticing, and nobody has to remember to say so.

use super::{Scalar, Signal, System, checksum};
use crate::model::Record;
use supervisor::coder::{Coded, Shapes};

#[test]
fn the_schema_is_that_of_the_records() {
    let mut shapes = Shapes::default();
    let mut text = System::shape(&mut shapes) + &Record::shape(&mut shapes);
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
