//! Texts taken apart at an ASCII character. The standard library makes another searcher for each kind of
//! pattern, and the one for strings is as large as an applet; here all go through one loop over bytes.

/// What is before the first `at` and what is after it; `None` without one.
#[must_use]
pub fn first(text: &str, at: u8) -> Option<(&str, &str)> {
    around(text, text.bytes().position(|byte| byte == at)?)
}

/// What is before the last `at` and what is after it; `None` without one.
#[must_use]
pub fn last(text: &str, at: u8) -> Option<(&str, &str)> {
    around(text, text.as_bytes().iter().rposition(|byte| *byte == at)?)
}

#[inline(never)]
fn around(text: &str, place: usize) -> Option<(&str, &str)> {
    // Nothing is there only if a caller asks for a part of a character.
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// What is before the first `at`: the whole text without one.
#[must_use]
pub fn head(text: &str, at: u8) -> &str {
    first(text, at).map_or(text, |(head, _)| head)
}

/// What is between one `at` and the next, like `str::split`: at least one part, which may be empty.
#[must_use]
pub const fn parts(text: &str, at: u8) -> Parts<'_> {
    Parts { rest: Some(text), at }
}

/// The lines, like `str::lines`: each without the newline at its end, and without a carriage return there.
#[must_use]
pub fn lines(text: &str) -> Lines<'_> {
    let whole = text.strip_suffix('\n').unwrap_or(text);
    Lines(Parts { rest: (!text.is_empty()).then_some(whole), at: b'\n' })
}

/// See [`lines`]. A type of its own, because what goes through a `Map` is a loop for each of its users.
#[derive(Clone, Debug)]
pub struct Lines<'a>(Parts<'a>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let line = self.0.next()?;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }
}

/// See [`parts`].
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    rest: Option<&'a str>,
    at: u8,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let (part, rest) = match first(rest, self.at) {
            Some((part, rest)) => (part, Some(rest)),
            None => (rest, None),
        };
        self.rest = rest;
        Some(part)
    }
}

/// What is after the first `mark`, wherever that is.
#[must_use]
pub fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    (0..text.len()).find_map(|at| text.get(at..)?.strip_prefix(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 9] = ["", "=", "a", "a=", "=b", "a=b", "a=b=c", "==", "ä=ü=…"];

    #[test]
    fn texts_are_cut_as_the_standard_library_does() {
        for text in TEXTS {
            assert_eq!(first(text, b'='), text.split_once('='), "{text}");
            assert_eq!(last(text, b'='), text.rsplit_once('='), "{text}");
            assert_eq!(Some(head(text, b'=')), text.split('=').next(), "{text}");
            assert!(parts(text, b'=').eq(text.split('=')), "{text}");
            for end in ["\n", "\r\n"] {
                let written = text.replace('=', end);
                assert!(lines(&written).eq(written.lines()), "{text}");
            }
            for mark in ["=", "a", "=b", "ü", "x"] {
                assert_eq!(after(text, mark), text.split_once(mark).map(|(_, end)| end), "{text}");
            }
        }
    }

    #[test]
    fn a_part_of_a_character_is_no_place() {
        assert_eq!(first("ä", 0xc3), None);
    }
}
