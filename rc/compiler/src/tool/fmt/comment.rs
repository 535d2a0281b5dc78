//! Comments: what stands between two things, and all of a file, to see that none is lost.

use super::Header;
use toml_edit::{Decor, DocumentMut, RawString, Value};

/// The text of what the parser kept.
pub(super) fn raw(text: Option<&RawString>) -> &str {
    text.and_then(RawString::as_str).unwrap_or_default()
}

/// What stands before something.
pub(super) fn prefix(decor: &Decor) -> &str {
    raw(decor.prefix())
}

/// What stands behind something.
pub(super) fn suffix(decor: &Decor) -> &str {
    raw(decor.suffix())
}

/// Lines of comments; an empty one is a blank line, of which there is never more than one in a row.
pub(super) struct Remarks {
    pub(super) lines: Vec<String>,
    /// Whether a blank line comes first.
    pub(super) after_blank: bool,
    /// Whether a blank line comes last.
    before_blank: bool,
}

impl Remarks {
    /// The comments in a text of comments, blanks and ends of lines, from the beginning of a line on.
    pub(super) fn of(between: &str) -> Self {
        let mut lines: Vec<String> = Vec::new();
        // What comes after the last end of line is the indentation of what follows.
        let complete = between.rfind('\n').map_or("", |end| &between[..end]);
        for line in complete.split('\n').filter(|_| between.contains('\n')).map(str::trim) {
            if !(line.is_empty() && lines.last().is_some_and(String::is_empty)) {
                lines.push(line.to_owned());
            }
        }
        // The last line of a file need not have an end.
        let rest = between[complete.len()..].trim();
        if !rest.is_empty() {
            lines.push(rest.to_owned());
        }
        let is_blank = |line: Option<&String>| line.is_some_and(String::is_empty);
        let (after_blank, before_blank) = (is_blank(lines.first()), is_blank(lines.last()));
        if before_blank {
            lines.pop();
        }
        if after_blank && !lines.is_empty() {
            lines.remove(0);
        }
        Self { lines, after_blank, before_blank }
    }

    pub(super) fn write(&self, out: &mut String, indent: &str) {
        for line in &self.lines {
            if !line.is_empty() {
                out.push_str(indent);
                out.push_str(line);
            }
            out.push('\n');
        }
    }

    /// Writes them, and the blank line that separates them from what follows.
    pub(super) fn write_with_blank(&self, out: &mut String) {
        self.write(out, "");
        if self.before_blank && !self.lines.is_empty() {
            out.push('\n');
        }
    }
}

/// All comments of a file, sorted.
pub(super) fn all(document: &DocumentMut, headers: &[Header<'_>]) -> Vec<String> {
    let mut found = Vec::new();
    for header in headers {
        decor(header.table.decor(), &mut found);
        for (path, inner) in header.table.get_values() {
            path.iter().for_each(|key| decor(key.leaf_decor(), &mut found));
            value(inner, &mut found);
        }
    }
    remarks(raw(Some(document.trailing())), &mut found);
    found.sort();
    found
}

/// All comments in and around a value.
pub(super) fn value(value: &Value, found: &mut Vec<String>) {
    decor(value.decor(), found);
    inside(value, found);
}

/// All comments in a value.
pub(super) fn inside(outer: &Value, found: &mut Vec<String>) {
    match outer {
        Value::Array(array) => {
            array.iter().for_each(|inner| value(inner, found));
            remarks(raw(Some(array.trailing())), found);
        }
        Value::InlineTable(table) => {
            for (path, inner) in table.get_values() {
                path.iter().for_each(|key| decor(key.leaf_decor(), found));
                value(inner, found);
            }
            remarks(raw(Some(table.trailing())), found);
        }
        _ => {}
    }
}

fn decor(decor: &Decor, found: &mut Vec<String>) {
    remarks(prefix(decor), found);
    remarks(suffix(decor), found);
}

fn remarks(between: &str, found: &mut Vec<String>) {
    let lines = between.lines().map(str::trim);
    found.extend(lines.filter(|line| line.starts_with('#')).map(ToOwned::to_owned));
}
