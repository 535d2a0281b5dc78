//! A string of a definition that knows, byte by byte, where in the file it came from.

use crate::source::{FileId, Place};
use std::ops::Range;

/// A string whose bytes know their places. Bytes that came from the board are data: no reference
/// or tag starts in them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Str {
    /// The text, after TOML's escapes and the board's values.
    pub value: String,
    /// The whole string in the file, with its quotes.
    pub place: Place,
    /// For each byte of `value`, the span it was written as.
    origin: Vec<(usize, usize)>,
    /// Which parts of `value` the board supplied.
    supplied: Vec<Range<usize>>,
}

impl Str {
    /// The string that was written at `span` of `source` and that TOML decoded to `value`.
    #[must_use]
    pub fn new(file: FileId, source: &str, span: Range<usize>, value: &str) -> Self {
        let origin = trace(source, span.clone(), value)
            .unwrap_or_else(|| vec![(span.start, span.end); value.len()]);
        let place = Place::new(file, span);
        Self { value: value.to_owned(), place, origin, supplied: Vec::new() }
    }

    /// Where the bytes `range` of the value were written.
    #[must_use]
    pub fn at(&self, range: Range<usize>) -> Place {
        let first = self.origin.get(range.start);
        let last = range.end.checked_sub(1).and_then(|end| self.origin.get(end));
        match (first, last) {
            (Some((start, _)), Some((_, end))) if start <= end => {
                Place::new(self.place.file, *start..*end)
            }
            _ => self.place,
        }
    }

    /// Whether the byte at `index` was supplied by the board.
    #[must_use]
    pub fn is_supplied(&self, index: usize) -> bool {
        let next = self.supplied.partition_point(|range| range.end <= index);
        self.supplied.get(next).is_some_and(|range| range.contains(&index))
    }

    /// Replaces `range` of the value by the board's `text`; later bytes move.
    #[must_use]
    pub fn replaced(&self, parts: &[(Range<usize>, String)]) -> Self {
        let mut new = Self {
            value: String::new(),
            place: self.place,
            origin: Vec::new(),
            supplied: Vec::new(),
        };
        let mut done = 0;
        for (range, text) in parts {
            new.value.push_str(&self.value[done..range.start]);
            new.origin.extend_from_slice(&self.origin[done..range.start]);
            let from = self.at(range.clone());
            new.supplied.push(new.value.len()..new.value.len() + text.len());
            new.value.push_str(text);
            new.origin.extend(std::iter::repeat_n((from.start, from.end), text.len()));
            done = range.end;
        }
        new.value.push_str(&self.value[done..]);
        new.origin.extend_from_slice(&self.origin[done..]);
        new
    }
}

/// Follows TOML's string syntax along `value`; `None` if the two do not agree.
fn trace(source: &str, span: Range<usize>, value: &str) -> Option<Vec<(usize, usize)>> {
    let raw = source.get(span.clone())?;
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| raw.starts_with(quote))?;
    let basic = quote.starts_with('"');
    let mut rest = raw.strip_prefix(quote)?.strip_suffix(quote)?;
    if quote.len() == 3 {
        rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
    }
    let end = span.end - quote.len();
    let mut origin = Vec::with_capacity(value.len());
    for wanted in value.chars() {
        while let Some(joined) = continuation(rest).filter(|_| basic) {
            rest = joined;
        }
        let length = match rest.strip_prefix('\\').filter(|_| basic) {
            Some(escape) => match escape.chars().next()? {
                'x' => 4,
                'u' => 6,
                'U' => 10,
                _ => 2,
            },
            None if rest.starts_with("\r\n") && wanted == '\n' => 2,
            None => rest.chars().next().filter(|found| *found == wanted)?.len_utf8(),
        };
        let start = end - rest.len();
        rest = rest.get(length..)?;
        origin.extend(std::iter::repeat_n((start, end - rest.len()), wanted.len_utf8()));
    }
    Some(origin)
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
        let new = string.replaced(&[(2..7, "${x.y}".into())]);
        assert_eq!(new.value, "a ${x.y} c ${d.e}");
        assert!(new.is_supplied(2) && new.is_supplied(7));
        assert!(!new.is_supplied(1) && !new.is_supplied(8));
        assert_eq!((new.at(3..5).start, new.at(3..5).end), (7, 12));
        assert_eq!((new.at(11..17).start, new.at(11..17).end), (15, 21));
    }
}
