//! Values as bytes, and bytes as values: records of the database, frames of the control protocol, and what
//! survives a hand-over.
//!
//! The format is postcard's: numbers of more than a byte with seven bits in each, the lowest first, lists and
//! texts behind their length, enums by the number of the variant, fields one after another. (An enum has at
//! most 128 variants, whose number is a byte; postcard would also take the same number in more.) Every type says
//! once what it is made of ([`Coded`], which is derived), and one function both writes and reads it, where it
//! lies: that is a call for each field in the device binary, and the two ways cannot differ.
//!
//! Reading cannot fail on the way: bytes that make no sense leave zeros and empty values from there on, and
//! the whole is refused at the end, so there is no branch after each field.
//!
//! What it must never do: panic, or allocate more than a small multiple of the input's length.

mod shapes;
#[cfg(test)]
mod tests;

pub use shapes::Shapes;
pub use supervisor_derive::Coded;

/// Bytes that a list is given at once, before its elements were seen.
const AT_ONCE: usize = 4096;

/// What can be written and read.
pub trait Coded: Sized {
    /// What it is before it is read: zero, empty, the first variant.
    fn blank() -> Self;

    /// Writes it, or reads it if that is what the coder is for. What is read was blank, and what is written
    /// stays as it was.
    fn code(&mut self, coder: &mut Coder<'_>);

    /// What it is made of, for who compares. The device never asks.
    fn shape(shapes: &mut Shapes) -> String;
}

/// Appends a value to `bytes`. It is lent for change because one function writes and reads; it is not changed.
#[must_use]
pub fn encode<T: Coded>(value: &mut T, bytes: Vec<u8>) -> Vec<u8> {
    let mut coder = Coder { reads: false, is_sound: true, rest: &[], written: bytes };
    value.code(&mut coder);
    coder.written
}

/// The value that `bytes` are; `None` if they are not exactly one.
#[must_use]
pub fn decode<T: Coded>(bytes: &[u8]) -> Option<T> {
    let mut coder = Coder { reads: true, is_sound: true, rest: bytes, written: Vec::new() };
    let mut value = T::blank();
    value.code(&mut coder);
    (coder.is_sound && coder.rest.is_empty()).then_some(value)
}

/// Writes or reads one value.
pub struct Coder<'a> {
    reads: bool,
    /// Whether everything that was read so far made sense. Once it did not, nothing is left.
    is_sound: bool,
    /// What is left to be read.
    rest: &'a [u8],
    written: Vec<u8>,
}

/// Each of these takes what is to be written, and answers that, or what was read instead.
impl Coder<'_> {
    fn give_up(&mut self) {
        self.is_sound = false;
        self.rest = &[];
    }

    fn byte(&mut self, value: u8) -> u8 {
        if !self.reads {
            self.written.push(value);
            return value;
        }
        if let [first, rest @ ..] = self.rest {
            self.rest = rest;
            return *first;
        }
        self.give_up();
        0
    }

    /// Seven bits a byte, the lowest first; the top bit says that more follow. The type has so many
    /// bits, which also says how many bytes there can be.
    fn number(&mut self, value: u64, bits: u32) -> u64 {
        if self.reads {
            return self.read_number(bits);
        }
        let mut left = value;
        while left > 0x7f {
            self.written.push(left.to_le_bytes()[0] | 0x80);
            left >>= 7;
        }
        self.written.push(left.to_le_bytes()[0]);
        value
    }

    fn read_number(&mut self, bits: u32) -> u64 {
        let mut read = 0u64;
        for shift in (0..bits).step_by(7) {
            let byte = self.byte(0);
            let seven = u64::from(byte & 0x7f);
            let shifted = seven << shift;
            // Bits that do not fit would be lost.
            if shifted >> shift != seven {
                break;
            }
            read |= shifted;
            if byte & 0x80 == 0 {
                if read.checked_shr(bits).unwrap_or(0) == 0 {
                    return read;
                }
                break;
            }
        }
        self.give_up();
        0
    }

    fn unsigned(&mut self, value: u32) -> u32 {
        // Most numbers are small, and most of what is ever written is numbers.
        if !self.reads && value <= 0x7f {
            self.written.push(value.to_le_bytes()[0]);
            return value;
        }
        u32::try_from(self.number(u64::from(value), u32::BITS)).unwrap_or(0)
    }

    /// The number of bytes or elements that follow; more than there are bytes left cannot be.
    fn count(&mut self, length: usize) -> usize {
        let count = self.unsigned(u32::try_from(length).unwrap_or(u32::MAX)) as usize;
        if self.reads && count > self.rest.len() {
            self.give_up();
            return 0;
        }
        count
    }

    /// The number of a variant, of which there are so many, at most 128.
    pub fn choice(&mut self, number: u32, of: u32) -> u32 {
        let choice = u32::from(self.byte(number.to_le_bytes()[0]));
        if choice < of {
            return choice;
        }
        self.give_up();
        0
    }
}

/// A primitive: its value as bytes, by one function that fields call.
macro_rules! primitive {
    ($($type:ident, $blank:expr, |$value:ident, $coder:ident| $code:expr;)*) => {$(
        impl Coded for $type {
            fn blank() -> Self {
                $blank
            }

            // Not where it is used, which is once for each field: a call is shorter.
            #[inline(never)]
            fn code(&mut self, $coder: &mut Coder<'_>) {
                let $value = self;
                $code;
            }

            fn shape(_: &mut Shapes) -> String {
                concat!(stringify!($type), " ").to_owned()
            }
        }
    )*};
}

primitive! {
    bool, false, |value, coder| *value = coder.choice(u32::from(*value), 2) == 1;
    u8, 0, |value, coder| *value = coder.byte(*value);
    u16, 0, |value, coder| {
        let number = coder.number(u64::from(*value), u16::BITS);
        *value = u16::try_from(number).unwrap_or(0);
    };
    u32, 0, |value, coder| *value = coder.unsigned(*value);
    u64, 0, |value, coder| *value = coder.number(*value, u64::BITS);
    // Zigzag: the sign is the lowest bit.
    i32, 0, |value, coder| {
        let number = coder.unsigned((*value << 1 ^ *value >> 31).cast_unsigned());
        *value = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
    };
}

impl Coded for String {
    fn blank() -> Self {
        Self::new()
    }

    #[inline(never)]
    fn code(&mut self, coder: &mut Coder<'_>) {
        let count = coder.count(self.len());
        if !coder.reads {
            coder.written.extend_from_slice(self.as_bytes());
            return;
        }
        let (text, rest) = coder.rest.split_at_checked(count).unwrap_or_default();
        coder.rest = rest;
        match core::str::from_utf8(text) {
            Ok(text) => *self = text.to_owned(),
            Err(_) => coder.give_up(),
        }
    }

    fn shape(_: &mut Shapes) -> String {
        "string ".to_owned()
    }
}

impl<T: Coded> Coded for Option<T> {
    fn blank() -> Self {
        None
    }

    fn code(&mut self, coder: &mut Coder<'_>) {
        if coder.choice(u32::from(self.is_some()), 2) == 1 {
            self.get_or_insert_with(T::blank).code(coder);
        }
    }

    fn shape(shapes: &mut Shapes) -> String {
        format!("option({})", T::shape(shapes))
    }
}

impl<T: Coded> Coded for Box<T> {
    fn blank() -> Self {
        Self::new(T::blank())
    }

    fn code(&mut self, coder: &mut Coder<'_>) {
        (**self).code(coder);
    }

    fn shape(shapes: &mut Shapes) -> String {
        T::shape(shapes)
    }
}

impl<T: Coded> Coded for Vec<T> {
    fn blank() -> Self {
        Self::new()
    }

    fn code(&mut self, coder: &mut Coder<'_>) {
        let count = coder.count(self.len());
        if coder.reads {
            self.reserve_exact(count.min(AT_ONCE / size_of::<T>()));
        }
        for place in 0..count {
            if place == self.len() && coder.is_sound {
                self.push(T::blank());
            }
            let Some(element) = self.get_mut(place) else { break };
            element.code(coder);
        }
    }

    fn shape(shapes: &mut Shapes) -> String {
        format!("list({})", T::shape(shapes))
    }
}

impl<T: Coded, const N: usize> Coded for [T; N] {
    fn blank() -> Self {
        core::array::from_fn(|_| T::blank())
    }

    fn code(&mut self, coder: &mut Coder<'_>) {
        for element in self {
            element.code(coder);
        }
    }

    fn shape(shapes: &mut Shapes) -> String {
        format!("tuple({})", T::shape(shapes).repeat(N))
    }
}

impl<T: Coded, E: Coded> Coded for Result<T, E> {
    fn blank() -> Self {
        Ok(T::blank())
    }

    fn code(&mut self, coder: &mut Coder<'_>) {
        let number = u32::from(self.is_err());
        if coder.choice(number, 2) != number {
            *self = Err(E::blank());
        }
        match self {
            Ok(value) => value.code(coder),
            Err(error) => error.code(coder),
        }
    }

    fn shape(shapes: &mut Shapes) -> String {
        format!("result({}or {})", T::shape(shapes), E::shape(shapes))
    }
}

macro_rules! tuple {
    ($($type:ident $number:tt),*) => {
        impl<$($type: Coded),*> Coded for ($($type,)*) {
            fn blank() -> Self {
                ($($type::blank(),)*)
            }

            fn code(&mut self, coder: &mut Coder<'_>) {
                $(self.$number.code(coder);)*
            }

            fn shape(shapes: &mut Shapes) -> String {
                format!("tuple({})", [$($type::shape(shapes)),*].concat())
            }
        }
    };
}

tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
