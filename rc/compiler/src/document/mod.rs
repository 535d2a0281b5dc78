//! A file of definitions as values with places: its syntax, and nothing about what it means.

mod json;

use crate::{
    diag::{Code, Diagnostic, Report},
    node::{Entries, entries_of_toml},
    source::{FileId, Place, Sources},
};
use toml::de::DeTable;

/// A file as values.
#[derive(Debug)]
pub struct Document {
    /// The file.
    pub file: FileId,
    /// What stands at its top.
    pub root: Entries,
}

/// Reads a file that is among the sources; what is not valid in it is reported and left out.
#[must_use]
pub fn read(sources: &Sources, id: FileId, report: &Report) -> Option<Document> {
    let file = sources.file(id);
    if !file.is_utf8 {
        let at = file.text.find('\u{fffd}').unwrap_or(0);
        let place = Place::new(id, at..at + 3);
        let message = "the file is not UTF-8";
        report.push(
            Diagnostic::error(Code::Syntax, place, message)
                .help("definitions are written in UTF-8"),
        );
        return None;
    }
    if file.path.ends_with(".json") {
        let root = json::read(id, &file.text, report)?;
        return Some(Document { file: id, root });
    }
    let (root, errors) = DeTable::parse_recoverable(&file.text);
    for error in errors {
        report.push(syntax_error(id, &file.text, &error));
    }
    Some(Document { file: id, root: entries_of_toml(id, &file.text, root.get_ref()) })
}

fn syntax_error(file: FileId, text: &str, error: &toml::de::Error) -> Diagnostic {
    let span = error.span().unwrap_or(0..0);
    let end = text.trim_end().len();
    if span.start < end {
        return Diagnostic::error(Code::Syntax, Place::new(file, span), error.message());
    }
    // The parser met the end of the file. Of a string that is never closed, show the beginning.
    let quotes = ["\"\"\"", "'''"].into_iter().filter(|_| error.message().contains("multi-line"));
    match quotes.filter_map(|quote| text.rfind(quote)).max() {
        Some(at) => {
            let place = Place::new(file, at..at + 3);
            Diagnostic::error(Code::Syntax, place, "this string is never closed")
        }
        None => Diagnostic::error(Code::Syntax, Place::new(file, end..end), error.message()),
    }
}
