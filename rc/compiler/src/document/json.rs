//! JSON (RFC 8259) as values with places. A mistake behind which the structure is still clear is one finding
//! among others; one that leaves it unclear, such as a string that is never closed, ends the file, and its
//! finding says so.

use crate::{
    diag::{Code, Diagnostic, Report},
    node::{Data, Entries, Entry, Node},
    source::{FileId, Place},
    string::Str,
};

/// After so many mistakes it is no JSON.
const ENOUGH: usize = 20;

/// How deep lists and objects may be inside of each other.
const DEPTH: usize = 64;

/// Reads the text of a file, whose top must be an object. A mistake is reported.
pub(super) fn read(file: FileId, text: &str, report: &Report) -> Option<Entries> {
    let mut parser = Parser { file, text, at: 0, depth: 0, faults: Vec::new() };
    let found = parser.whole();
    let is_sound = parser.faults.is_empty();
    let unread = text.get(parser.at..).is_some_and(|rest| rest.contains('\n'));
    parser.faults.into_iter().for_each(|fault| report.push(fault));
    match found.map(|node| (node.place, node.data)) {
        Ok((_, Data::Table(entries))) => is_sound.then_some(entries),
        Ok((place, _)) => {
            let message = "a file of definitions is an object";
            report.push(
                Diagnostic::error(Code::Syntax, place, message)
                    .help("write `{ \"service\": { … } }`"),
            );
            None
        }
        Err(fault) => {
            let help = "what follows in this file is read once this is mended";
            report.push(if unread { fault.help(help) } else { *fault });
            None
        }
    }
}

type Found<T> = Result<T, Box<Diagnostic>>;

struct Parser<'t> {
    file: FileId,
    text: &'t str,
    at: usize,
    depth: usize,
    /// Mistakes behind which it went on.
    faults: Vec<Diagnostic>,
}

impl<'t> Parser<'t> {
    fn whole(&mut self) -> Found<Node> {
        let node = self.value()?;
        self.blanks();
        if self.at < self.text.len() {
            return Err(self.fault("something follows after the end", ""));
        }
        Ok(node)
    }

    /// Takes note of a mistake that leaves the structure clear.
    fn note(&mut self, fault: Box<Diagnostic>) -> Found<()> {
        if self.faults.len() == ENOUGH {
            return Err(fault);
        }
        self.faults.push(*fault);
        Ok(())
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn fault(&self, message: &str, help: &str) -> Box<Diagnostic> {
        let width = self.rest().chars().next().map_or(0, char::len_utf8);
        self.fault_at(self.at..self.at + width, message, help)
    }

    fn fault_at(
        &self,
        range: std::ops::Range<usize>,
        message: &str,
        help: &str,
    ) -> Box<Diagnostic> {
        let error = Diagnostic::error(Code::Syntax, Place::new(self.file, range), message);
        Box::new(if help.is_empty() { error } else { error.help(help) })
    }

    fn value(&mut self) -> Found<Node> {
        self.blanks();
        let start = self.at;
        let data = match self.rest().chars().next() {
            Some('{') => self.nested(Self::object)?,
            Some('[') => self.nested(Self::array)?,
            Some('"') => Data::String(self.string()?),
            Some('-' | '0'..='9') => self.number()?,
            Some(_) => self.word()?,
            None => return Err(self.fault("the file ends where a value is expected", "")),
        };
        Ok(Node { place: Place::new(self.file, start..self.at), data })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Found<Data>) -> Found<Data> {
        if self.depth == DEPTH {
            return Err(self.fault("too deep", "no definition needs that many levels"));
        }
        self.depth += 1;
        self.at += 1;
        let data = read(self)?;
        self.depth -= 1;
        Ok(data)
    }

    /// Whether the list or object ends here; else moves behind the comma that must be here.
    fn ends(&mut self, close: char, first: bool) -> Found<bool> {
        self.blanks();
        if self.rest().starts_with(close) {
            self.at += 1;
            return Ok(true);
        }
        if first {
            return Ok(false);
        }
        if !self.rest().starts_with(',') {
            let fault = self.fault(&format!("`,` or `{close}` is expected here"), "");
            // The next element can begin here; a key or value in quotes surely does.
            if !self.rest().starts_with(['"', '{', '[']) {
                return Err(fault);
            }
            self.note(fault)?;
            return Ok(false);
        }
        self.at += 1;
        self.blanks();
        let ends = self.rest().starts_with(close);
        if ends {
            let message = "JSON has no comma behind the last element";
            self.note(self.fault(message, "remove the comma"))?;
            self.at += 1;
        }
        Ok(ends)
    }

    fn array(&mut self) -> Found<Data> {
        let mut items = Vec::new();
        while !self.ends(']', items.is_empty())? {
            items.push(self.value()?);
        }
        Ok(Data::Array(items))
    }

    fn object(&mut self) -> Found<Data> {
        let mut entries: Vec<Entry> = Vec::new();
        while !self.ends('}', entries.is_empty())? {
            self.blanks();
            if !self.rest().starts_with('"') {
                return Err(self.fault("a key in quotes is expected here", ""));
            }
            let key = self.string()?;
            self.blanks();
            if !self.rest().starts_with(':') {
                return Err(self.fault("`:` is expected here", ""));
            }
            self.at += 1;
            let value = self.value()?;
            entries.push(Entry { key: key.value, place: key.place, value });
        }
        let mut keys: Vec<&Entry> = entries.iter().collect();
        keys.sort_by(|a, b| a.key.cmp(&b.key));
        if let Some(pair) = keys.windows(2).find(|pair| pair[0].key == pair[1].key) {
            let message = format!("the key `{}` is written twice", pair[1].key);
            let error = Diagnostic::error(Code::Syntax, pair[1].place, message);
            let error = Box::new(error.related(pair[0].place, "first here"));
            self.note(error)?;
        }
        Ok(Data::Table(Entries::new(entries)))
    }

    fn string(&mut self) -> Found<Str> {
        let start = self.at;
        let mut escaped = false;
        let length = self.rest()[1..].bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let Some(length) = length else {
            return Err(self.fault("this string is never closed", ""));
        };
        let span = start..start + length + 2;
        let raw = &self.text[span.clone()];
        let value = serde_json::from_str(raw);
        if value.is_err() {
            let help = "a line break is `\\n`, a backslash `\\\\`, others `\\uXXXX`";
            let message = "this string holds a character or an escape that JSON does not know";
            self.note(self.fault_at(span.clone(), message, help))?;
        }
        let value: String = value.unwrap_or_default();
        self.at = span.end;
        Ok(Str::new(self.file, self.text, span, &value))
    }

    fn number(&mut self) -> Found<Data> {
        let rest = self.rest();
        let part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let text = &rest[..rest.find(|c| !part(c)).unwrap_or(rest.len())];
        if serde_json::from_str::<serde_json::Number>(text).is_err() {
            self.note(self.fault_at(self.at..self.at + text.len(), "this is no number", ""))?;
        }
        self.at += text.len();
        let whole = !text.contains(['.', 'e', 'E']);
        Ok(if whole { Data::Integer(text.parse().ok()) } else { Data::Float })
    }

    fn word(&mut self) -> Found<Data> {
        let words =
            [("true", Data::Boolean(true)), ("false", Data::Boolean(false)), ("null", Data::Null)];
        for (word, data) in words {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(data);
            }
        }
        let rest = self.rest();
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let place = self.at..self.at + length.max(rest.chars().next().map_or(0, char::len_utf8));
        let help = "strings stand in double quotes";
        let fault = self.fault_at(place, "a value is expected here", help);
        if length == 0 {
            return Err(fault);
        }
        self.note(fault)?;
        self.at += length;
        Ok(Data::Null)
    }
}
