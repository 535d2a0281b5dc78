//! From files to [`Definitions`]: TOML with places, board values, and the tables of every file.

mod exec;
mod policy;
mod service;
mod system;
mod table;
mod value;

pub use value::RESOURCES;

use crate::{
    board::Board,
    definition::{Definition, Definitions},
    diag::{Code, Diagnostic, Report, nearest},
    source::{FileId, Located, Place, Sources},
};
use std::collections::BTreeMap;
use table::{Context, Table};
use toml::de::{DeTable, DeValue};

/// The tables that a file may have.
const TABLES: &[&str] = &["service", "system", "board"];

/// A file as TOML.
struct Document<'d> {
    file: FileId,
    root: DeTable<'d>,
}

/// Reads the files of a tree and the board file, and checks each service by itself.
#[must_use]
pub fn parse(
    sources: &Sources,
    tree: &[FileId],
    board_file: Option<FileId>,
    report: &Report,
) -> Definitions {
    let documents: Vec<Document<'_>> =
        tree.iter().filter_map(|file| document(sources, *file, report)).collect();
    let chosen = board_file.and_then(|file| document(sources, file, report));
    let mut board = Board::default();
    for document in &documents {
        if let Some(table) = subtable(document, "board", report) {
            board.add(report, document.file, table);
        }
    }
    if let Some(document) = &chosen {
        match subtable(document, "board", report) {
            Some(table) => board.overlay(document.file, table),
            None => report.push(
                Diagnostic::error(
                    Code::Missing,
                    Place::new(document.file, 0..0),
                    "the board file has no `[board]` table",
                )
                .help("write its values under `[board]`"),
            ),
        }
    }
    let cx = Context { sources, report, board: &board };
    let mut definitions = Definitions::default();
    let mut services: BTreeMap<String, Definition> = BTreeMap::new();
    for document in &documents {
        unknown_tables(document, report);
        if let Some(table) = subtable(document, "system", report) {
            let place = table_place(document, "system");
            let table = Table::new("`[system]`".into(), place, table);
            system::system(cx, table, &mut definitions.system);
        }
        if let Some(table) = subtable(document, "service", report) {
            tables_of_services(cx, document.file, table, &mut services);
        }
    }
    definitions.services = services.into_values().collect();
    definitions
}

fn document<'d>(sources: &'d Sources, id: FileId, report: &Report) -> Option<Document<'d>> {
    let file = sources.file(id);
    if !file.is_utf8 {
        let at = file.text.find('\u{fffd}').unwrap_or(0);
        let place = Place::new(id, at..at + 3);
        let message = "the file is not UTF-8";
        report.push(Diagnostic::error(Code::Syntax, place, message).help("TOML files are UTF-8"));
        return None;
    }
    let (root, errors) = DeTable::parse_recoverable(&file.text);
    for error in errors {
        report.push(syntax_error(id, &file.text, &error));
    }
    Some(Document { file: id, root: root.into_inner() })
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

/// The table called `name` at the top of a document; another value there is reported.
fn subtable<'d>(
    document: &'d Document<'d>,
    name: &str,
    report: &Report,
) -> Option<&'d DeTable<'d>> {
    let (key, value) = document.root.get_key_value(name)?;
    let DeValue::Table(table) = value.get_ref() else {
        let place = Place::new(document.file, key.span());
        let message = format!("`{name}` must be a table");
        report.push(Diagnostic::error(Code::WrongType, place, message));
        return None;
    };
    Some(table)
}

fn table_place(document: &Document<'_>, name: &str) -> Place {
    let key = document.root.get_key_value(name).map(|(key, _)| key.span());
    Place::new(document.file, key.unwrap_or(0..0))
}

fn unknown_tables(document: &Document<'_>, report: &Report) {
    for key in document.root.keys() {
        let name: &str = key.get_ref();
        if TABLES.contains(&name) {
            continue;
        }
        let place = Place::new(document.file, key.span());
        let message = format!("there is no table or key `{name}` at the top of a file");
        let mut error = Diagnostic::error(Code::UnknownKey, place, message);
        if let Some(near) = nearest(name, TABLES.iter().copied()) {
            error = error.help(format!("did you mean `{near}`?"));
        }
        report.push(error.help("a file holds `[service.NAME]`, `[system]` and `[board]`"));
    }
}

fn tables_of_services(
    cx: Context<'_>,
    file: FileId,
    table: &DeTable<'_>,
    services: &mut BTreeMap<String, Definition>,
) {
    for (key, value) in table {
        let name =
            Located { value: key.get_ref().to_string(), place: Place::new(file, key.span()) };
        let DeValue::Table(entries) = value.get_ref() else {
            let message = format!("`service.{}` must be a table", name.value);
            cx.report.push(
                Diagnostic::error(Code::WrongType, name.place, message)
                    .help("services are written as `[service.NAME]`"),
            );
            continue;
        };
        value::check_name(cx, &name, "a service");
        if name.value == "self" {
            let message = "a service cannot be called `self`";
            cx.report.push(
                Diagnostic::error(Code::BadName, name.place, message)
                    .help("`${self.…}` refers to the service it stands in"),
            );
        }
        if let Some(first) = services.get(&name.value) {
            let message = format!("service `{}` is defined twice", name.value);
            cx.report.push(
                Diagnostic::error(Code::Twice, name.place, message)
                    .label("defined again here")
                    .related(first.name.place, "first defined here"),
            );
            continue;
        }
        let what = format!("service `{}`", name.value);
        let table = Table::new(what, name.place, entries);
        let definition = service::service(cx, name, table);
        services.insert(definition.name.value.clone(), definition);
    }
}
