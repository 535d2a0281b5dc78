//! Against postcard itself: what one writes the other reads, and both judge damaged bytes alike.

use super::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt::Debug;

#[derive(Clone, PartialEq, Eq, Debug, Coded, Serialize, Deserialize)]
struct Number(u16);

#[derive(Clone, PartialEq, Eq, Debug, Coded, Serialize, Deserialize)]
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

#[derive(Clone, PartialEq, Eq, Debug, Coded, Serialize, Deserialize)]
enum Choice {
    Unit,
    One(Number),
    Two(u8, u32),
    Named { a: String, b: Vec<Choice> },
}

fn all() -> All {
    let named = Choice::Named { a: "ä".into(), b: vec![Choice::Unit, Choice::Two(9, 1 << 30)] };
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

/// Whether both take it, and then for the same. The number of a variant in more bytes than it needs is
/// refused here only.
fn agrees<T: Coded + DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let (value, other) = (decode::<T>(bytes), reference::<T>(bytes));
    let is_short = |other: &T| postcard::to_allocvec(other).unwrap() == bytes;
    if value.is_some() || other.as_ref().is_some_and(is_short) {
        assert_eq!(value, other, "{bytes:?}");
    }
    value.is_some()
}

#[test]
fn what_postcard_wrote_is_read() {
    let bytes = postcard::to_allocvec(&all()).unwrap();
    assert_eq!(decode(&bytes), Some(all()));
    assert_eq!(encode(&mut all(), b"before".to_vec()), [b"before".as_slice(), &bytes].concat());
    for mut number in [0, 127, 128, 16_383, 16_384, u64::from(u32::MAX) + 1] {
        let bytes = postcard::to_allocvec(&number).unwrap();
        assert_eq!(decode(&bytes), Some(number));
        assert_eq!(encode(&mut number, Vec::new()), bytes);
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

/// A list says how long it is before it is there: what it says is not believed.
#[test]
fn a_list_that_is_not_there_takes_no_memory() {
    let mut bytes = vec![0xff, 0xff, 0x03];
    bytes.resize(0xffff + 3, 0xff);
    let mut coder = Coder { reads: true, is_sound: true, rest: &bytes, written: Vec::new() };
    let mut list: Vec<Number> = Vec::new();
    list.code(&mut coder);
    assert!(!coder.is_sound);
    assert!(list.capacity() <= AT_ONCE / size_of::<Number>(), "{}", list.capacity());
}
