//! JSON (RFC 8259) as values with places. The first mistake ends the file.

use crate::{
    diag::{Code, Diagnostic, Report},
    node::{Data, Entries, Entry, Node},
    source::{FileId, Place},
    string::Str,
};

/// How deep lists and objects may be inside of each other.
const DEPTH: usize = 64;

/// Reads the text of a file, whose top must be an object. A mistake is reported.
pub(super) fn read(file: FileId, text: &str, report: &Report) -> Option<Entries> {
    let mut parser = Parser { file, text, at: 0, depth: 0 };
    let found = parser.whole();
    match found.map(|node| (node.place, node.data)) {
        Ok((_, Data::Table(entries))) => Some(entries),
        Ok((place, _)) => {
            let message = "a file of definitions is an object";
            report.push(
                Diagnostic::error(Code::Syntax, place, message)
                    .help("write `{ \"service\": { … } }`"),
            );
            None
        }
        Err(fault) => {
            report.push(*fault);
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
            return Err(self.fault(&format!("`,` or `{close}` is expected here"), ""));
        }
        self.at += 1;
        self.blanks();
        if self.rest().starts_with(close) {
            return Err(self.fault("JSON has no comma behind the last element", "remove the comma"));
        }
        Ok(false)
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
            return Err(Box::new(error.related(pair[0].place, "first here")));
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
        let value: String = serde_json::from_str(raw).map_err(|_| {
            let help = "a line break is `\\n`, a backslash `\\\\`, others `\\uXXXX`";
            let message = "this string holds a character or an escape that JSON does not know";
            self.fault_at(span.clone(), message, help)
        })?;
        self.at = span.end;
        Ok(Str::new(self.file, self.text, span, &value))
    }

    fn number(&mut self) -> Found<Data> {
        let rest = self.rest();
        let part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let text = &rest[..rest.find(|c| !part(c)).unwrap_or(rest.len())];
        if serde_json::from_str::<serde_json::Number>(text).is_err() {
            return Err(self.fault_at(self.at..self.at + text.len(), "this is no number", ""));
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
        Err(self.fault("a value is expected here", "strings stand in double quotes"))
    }
}
