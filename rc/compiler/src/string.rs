//! A string of a definition that knows where in the files each part of it came from.

use crate::source::{FileId, Place};
use std::ops::Range;

/// A string whose bytes know their places. Bytes that came from the board or from a parameter are
/// data: no reference or tag starts in them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Str {
    /// The text, after escapes and with what was put into it.
    pub value: String,
    /// The whole string in the file, with its quotes.
    pub place: Place,
    /// Whether all of it was put in as a number or truth value, and so may stand for one.
    pub is_word: bool,
    /// The parts of `value` without gaps, in order.
    segments: Vec<Segment>,
}

/// A part of a string that came from one place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Segment {
    /// Where it ends in the value.
    end: usize,
    /// Where it was written.
    place: Place,
    kind: Written,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Written {
    /// Byte for byte as in the file.
    Plainly,
    /// As an escape, or in another way that has no place for each byte.
    Otherwise,
    /// As data of the board or of a parameter.
    AsData,
}

impl Str {
    /// The string that was written at `span` of `source` and that TOML or JSON decoded to `value`.
    #[must_use]
    pub fn new(file: FileId, source: &str, span: Range<usize>, value: &str) -> Self {
        let place = Place::new(file, span.clone());
        let whole = Segment { end: value.len(), place, kind: Written::Otherwise };
        let segments = trace(file, source, span, value).unwrap_or_else(|| vec![whole]);
        Self { value: value.to_owned(), place, is_word: false, segments }
    }

    /// A string that was not written by anybody, but stands for what is at `place`.
    #[must_use]
    pub fn made(value: String, place: Place) -> Self {
        let segment = Segment { end: value.len(), place, kind: Written::Otherwise };
        Self { value, place, is_word: false, segments: vec![segment] }
    }

    fn empty(place: Place) -> Self {
        Self { value: String::new(), place, is_word: false, segments: Vec::new() }
    }

    /// The segment that holds the byte at `index`, and where it begins.
    fn segment(&self, index: usize) -> Option<(usize, Segment)> {
        let at = self.segments.partition_point(|segment| segment.end <= index);
        let start = at.checked_sub(1).and_then(|at| self.segments.get(at)).map_or(0, |s| s.end);
        Some((start, *self.segments.get(at)?))
    }

    /// Where the byte at `index` was written.
    fn origin(&self, index: usize) -> Option<Place> {
        let (start, Segment { place, kind, .. }) = self.segment(index)?;
        Some(match kind {
            Written::Plainly => {
                let at = place.start + index - start;
                Place { start: at, end: at + 1, ..place }
            }
            Written::Otherwise | Written::AsData => place,
        })
    }

    /// Where the bytes `range` of the value were written.
    #[must_use]
    pub fn at(&self, range: Range<usize>) -> Place {
        let first = self.origin(range.start);
        let last = range.end.checked_sub(1).and_then(|end| self.origin(end));
        match (first, last) {
            (Some(first), Some(last))
                if first.file == last.file && first.via == last.via && first.start <= last.end =>
            {
                Place { end: last.end, ..first }
            }
            (Some(first), _) if first.file != self.place.file => first,
            _ => self.place,
        }
    }

    /// Whether the byte at `index` is only data.
    #[must_use]
    pub fn is_supplied(&self, index: usize) -> bool {
        self.segment(index).is_some_and(|(_, segment)| segment.kind == Written::AsData)
    }

    /// The bytes `range` as a string of their own.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Self {
        let mut new = Self::empty(self.at(range.clone()));
        new.push(self, range);
        new
    }

    /// Appends the bytes `range` of `other` with their places.
    pub fn push(&mut self, other: &Self, range: Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            let Some((start, segment)) = other.segment(at) else { break };
            let end = segment.end.min(range.end);
            let place = match segment.kind {
                Written::Plainly => Place {
                    start: segment.place.start + at - start,
                    end: segment.place.start + end - start,
                    ..segment.place
                },
                Written::Otherwise | Written::AsData => segment.place,
            };
            self.value.push_str(&other.value[at..end]);
            self.segments.push(Segment { end: self.value.len(), place, ..segment });
            at = end;
        }
    }

    /// Appends data that stands for what is at `place`.
    pub fn push_data(&mut self, text: &str, place: Place) {
        if !text.is_empty() {
            self.value.push_str(text);
            let kind = Written::AsData;
            self.segments.push(Segment { end: self.value.len(), place, kind });
        }
    }

    /// Replaces each `range` of the value; later bytes move.
    #[must_use]
    pub fn replaced(&self, parts: &[(Range<usize>, Insert)]) -> Self {
        let mut new = Self::empty(self.place);
        let mut done = 0;
        for (range, insert) in parts {
            new.push(self, done..range.start);
            match insert {
                Insert::Data { text, .. } => new.push_data(text, self.at(range.clone())),
                Insert::String(other) => new.push(other, 0..other.value.len()),
            }
            done = range.end;
        }
        new.push(self, done..self.value.len());
        if let [(range, Insert::Data { is_word: true, .. })] = parts {
            new.is_word = *range == (0..self.value.len());
        }
        new
    }

    /// The same in an expansion of a template.
    #[must_use]
    pub fn via(mut self, via: u32) -> Self {
        self.place.via = via;
        for segment in &mut self.segments {
            segment.place.via = via;
        }
        self
    }
}

/// What is put into a string.
#[derive(Clone, Debug)]
pub enum Insert {
    /// Data.
    Data {
        /// It.
        text: String,
        /// Whether it is a number or truth value.
        is_word: bool,
    },
    /// A part of a definition, in which references may stand.
    String(Str),
}

/// Follows the string syntax of TOML or JSON along `value`; `None` if the two do not agree.
fn trace(file: FileId, source: &str, span: Range<usize>, value: &str) -> Option<Vec<Segment>> {
    let raw = source.get(span.clone())?;
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| raw.starts_with(quote))?;
    let basic = quote.starts_with('"');
    let mut rest = raw.strip_prefix(quote)?.strip_suffix(quote)?;
    if quote.len() == 3 {
        rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
    }
    let end = span.end - quote.len();
    let mut segments: Vec<Segment> = Vec::new();
    let mut done = 0;
    for wanted in value.chars() {
        while let Some(joined) = continuation(rest).filter(|_| basic) {
            rest = joined;
        }
        let (length, kind) = match rest.strip_prefix('\\').filter(|_| basic) {
            Some(escape) => (escaped(escape, wanted)?, Written::Otherwise),
            None if rest.starts_with("\r\n") && wanted == '\n' => (2, Written::Otherwise),
            None => {
                let found = rest.chars().next().filter(|found| *found == wanted)?;
                (found.len_utf8(), Written::Plainly)
            }
        };
        let start = end - rest.len();
        rest = rest.get(length..)?;
        let place = Place::new(file, start..end - rest.len());
        done += wanted.len_utf8();
        match segments.last_mut() {
            Some(last)
                if kind == Written::Plainly
                    && last.kind == Written::Plainly
                    && last.place.end == place.start =>
            {
                last.place.end = place.end;
                last.end = done;
            }
            _ => segments.push(Segment { end: done, place, kind }),
        }
    }
    Some(segments)
}

/// The length of an escape whose backslash is followed by `escape`.
fn escaped(escape: &str, wanted: char) -> Option<usize> {
    Some(match escape.chars().next()? {
        'x' => 4,
        // JSON writes characters beyond the basic plane as two escapes.
        'u' if u32::from(wanted) > 0xffff => 12,
        'u' => 6,
        'U' => 10,
        _ => 2,
    })
}

/// What follows a backslash at the end of a line, if `rest` starts with one.
fn continuation(rest: &str) -> Option<&str> {
    let after = rest.strip_prefix('\\')?;
    let line = after.trim_start_matches([' ', '\t']);
    let joined = line.strip_prefix('\n').or_else(|| line.strip_prefix("\r\n"))?;
    Some(joined.trim_start_matches([' ', '\t', '\r', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;
    use toml::de::DeTable;

    fn only_string(source: &str) -> Str {
        let mut sources = Sources::default();
        let file = sources.add("x.toml".into(), source.as_bytes());
        let table = DeTable::parse(source).unwrap();
        let value = table.get_ref().get("k").unwrap();
        Str::new(file, source, value.span(), value.get_ref().as_str().unwrap())
    }

    fn written(source: &str, part: &str) -> String {
        let string = only_string(source);
        let at = string.value.find(part).unwrap();
        let place = string.at(at..at + part.len());
        source[place.start..place.end].to_owned()
    }

    fn data(text: &str) -> Insert {
        Insert::Data { text: text.to_owned(), is_word: false }
    }

    #[test]
    fn every_string_syntax_is_traced() {
        assert_eq!(written("k = \"ab${c.d}\"", "${c.d}"), "${c.d}");
        assert_eq!(written(r#"k = "\u00e9\t\"x${c.d}y""#, "${c.d}"), "${c.d}");
        assert_eq!(written(r#"k = "\u00e9\t\"x""#, "é"), "\\u00e9");
        assert_eq!(written("k = '\\${c.d}'", "${c.d}"), "${c.d}");
        assert_eq!(written("k = \"\"\"\nline\n${c.d} \"q\"\"\"\"", "${c.d}"), "${c.d}");
        assert_eq!(written("k = '''\r\na\r\n${c.d}'''", "${c.d}"), "${c.d}");
        assert_eq!(written("k = \"\"\"a \\\n   \n  ${c.d}\"\"\"", "${c.d}"), "${c.d}");
    }

    #[test]
    fn what_the_board_supplied_is_marked_and_placed() {
        let string = only_string("k = \"a {{b}} c ${d.e}\"");
        let new = string.replaced(&[(2..7, data("${x.y}"))]);
        assert_eq!(new.value, "a ${x.y} c ${d.e}");
        assert!(new.is_supplied(2) && new.is_supplied(7));
        assert!(!new.is_supplied(1) && !new.is_supplied(8));
        assert_eq!((new.at(3..5).start, new.at(3..5).end), (7, 12));
        assert_eq!((new.at(11..17).start, new.at(11..17).end), (15, 21));
    }

    #[test]
    fn what_another_string_supplied_keeps_its_own_places() {
        let string = only_string("k = \"a {{b}} c\"");
        let other = only_string("k = '${d.e}'");
        let new = string.replaced(&[(2..7, Insert::String(other))]);
        assert_eq!(new.value, "a ${d.e} c");
        assert!(!new.is_supplied(2));
        assert_eq!((new.at(2..8).start, new.at(2..8).end), (5, 11));
        assert_eq!(new.part(2..8).value, "${d.e}");
    }

    #[test]
    fn a_number_in_place_of_the_whole_string_may_stand_for_itself() {
        let number = || Insert::Data { text: "5".into(), is_word: true };
        assert!(only_string("k = '{{b}}'").replaced(&[(0..5, number())]).is_word);
        assert!(!only_string("k = '{{b}}s'").replaced(&[(0..5, number())]).is_word);
    }
}
