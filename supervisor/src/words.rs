//! Lists of texts as execve(2) takes them: programs, arguments, an environment. One block of memory with a zero
//! byte behind each text, so a list is made, cloned and dropped as one, however many texts it has.

use core::ffi::{CStr, c_char};

/// A text has a zero byte, which would end it before its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HasZero;

/// A list of texts.
#[derive(Clone, Default, Debug)]
pub struct Words {
    bytes: Vec<u8>,
    /// How many there are.
    count: usize,
    has_zero: bool,
}

impl Words {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), count: 0, has_zero: false }
    }

    /// An empty list with room for so many bytes.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        let mut words = Self::new();
        words.bytes.reserve(bytes);
        words
    }

    /// The list of these texts.
    ///
    /// # Errors
    /// One of them has a zero byte.
    pub fn of(texts: &[&str]) -> Result<Self, HasZero> {
        let mut words = Self::new();
        for text in texts {
            words.push(&[text]);
        }
        if words.has_zero { Err(HasZero) } else { Ok(words) }
    }

    /// Whether a text with a zero byte was to be appended, and left out.
    #[must_use]
    pub const fn has_zero(&self) -> bool {
        self.has_zero
    }

    /// Appends one text, which is made of these parts.
    pub fn push(&mut self, parts: &[&str]) {
        let start = self.bytes.len();
        for part in parts {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self.end(start);
    }

    /// Appends `KEY=VALUE`; the value is made of these parts.
    pub fn set(&mut self, key: &str, parts: &[&str]) {
        let start = self.bytes.len();
        for part in [key, "="].iter().chain(parts) {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self.end(start);
    }

    fn end(&mut self, start: usize) {
        if self.bytes.get(start..).is_some_and(|text| text.contains(&0)) {
            self.bytes.truncate(start);
            self.has_zero = true;
            return;
        }
        self.bytes.push(0);
        self.count += 1;
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The first of them; an empty one if there is none.
    #[must_use]
    pub fn first(&self) -> &CStr {
        self.iter().next().unwrap_or_default()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &CStr> {
        let mut rest = self.bytes.as_slice();
        core::iter::from_fn(move || {
            let text = CStr::from_bytes_until_nul(rest).ok()?;
            rest = rest.get(text.count_bytes() + 1..)?;
            Some(text)
        })
    }

    /// Where each of them begins, and null at the end; good for as long as the list is not changed.
    #[must_use]
    pub fn pointers(&self) -> Vec<*const c_char> {
        let mut pointers = Vec::with_capacity(self.count + 1);
        for text in self.iter() {
            pointers.push(text.as_ptr());
        }
        pointers.push(core::ptr::null());
        pointers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_one_behind_the_other() {
        let mut words = Words::of(&["sh", "", "-c"]).unwrap();
        words.set("A", &["b", "", "c"]);
        assert!(!words.has_zero());
        words.set("A", &["\0"]);
        assert!(words.has_zero());
        assert!(Words::of(&["a", "y\0z"]).is_err());
        let list: Vec<&CStr> = words.iter().collect();
        assert_eq!(list, [c"sh", c"", c"-c", c"A=bc"]);
        assert_eq!(words.first(), c"sh");
        let pointers = words.pointers();
        let expected: Vec<*const c_char> = list.iter().map(|text| text.as_ptr()).collect();
        assert_eq!(pointers[..4], expected);
        assert!(pointers.len() == 5 && pointers[4].is_null());
    }

    #[test]
    fn nothing_is_an_empty_list() {
        let words = Words::new();
        assert!(words.is_empty() && words.iter().next().is_none());
        assert_eq!(words.first(), c"");
        assert!(words.pointers()[0].is_null());
    }
}
