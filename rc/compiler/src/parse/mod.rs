//! From files to [`Definitions`]: TOML with places, board values, and the tables of every file.

mod action;
mod boot;
mod condition;
mod exec;
mod isolation;
mod kept;
mod policy;
mod ready;
mod service;
mod system;
mod table;
mod value;

pub use action::{ACTIONS, FAILURES};
pub use isolation::{CPU, NICE, OOM_SCORE, PIDS, bounding_words};
pub use kept::{STORE, address_text};
pub use policy::RESTARTS;
pub use ready::{MAX_READY_FD, READIES};
pub use service::{COUNTS, RETURNS};
pub use value::{RESOURCES, duration_of, size_of};
pub(crate) use {
    boot::module,
    table::{Context, Table, Value},
    value::check_name,
};

use crate::{
    board::Board,
    definition::{Definition, Definitions},
    diag::{Code, Diagnostic, Report, nearest},
    document::{self, Document},
    fields::{FILE, Kinds, SERVICE, SYSTEM},
    layers::{self, Raw, Raws},
    node::{Entries, Entry},
    source::{FileId, Place, Sources},
    template::{
        declare::declare,
        expand::{Expanded, expand},
    },
};

/// Reads the files of a tree and the board file, and checks each service by itself.
#[must_use]
pub fn parse(
    sources: &Sources,
    tree: &[FileId],
    board_file: Option<FileId>,
    report: &Report,
) -> Definitions {
    let documents: Vec<Document> =
        tree.iter().filter_map(|file| document::read(sources, *file, report)).collect();
    let chosen = board_file.and_then(|file| document::read(sources, file, report));
    let mut board = Board::default();
    for document in &documents {
        if let Some(table) = subtable(document, "board", report) {
            board.add(sources, report, table);
        }
    }
    if let Some(document) = &chosen {
        match subtable(document, "board", report) {
            Some(table) => board.overlay(table),
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
    let cx = Context { report, board: &board };
    let (mut services, mut templates) = (Raws::new(), Raws::new());
    let mut machine = Entries::default();
    for document in &documents {
        unknown_tables(document, report);
        if let Some(table) = subtable(document, "system", report) {
            layers::add_system(sources, report, table, &mut machine);
        }
        if let Some(table) = subtable(document, "service", report) {
            layers::add(sources, report, "service", &SERVICE, table, &mut services);
        }
        if let Some(table) = subtable(document, "template", report) {
            layers::add(sources, report, "template", &SERVICE, table, &mut templates);
        }
    }
    let system = machine.iter().map(|entry| entry.place).min();
    let system = system.map(|place| {
        let table = Table::new("`[system]`".into(), place, &machine, &SYSTEM);
        system::system(cx, table)
    });
    let templates = declare(cx, templates);
    let Expanded { services, broken, expansions, bindings } =
        expand(cx, &templates, services, Vec::new());
    let mut services: Vec<Definition> =
        services.into_values().map(|raw| service(cx, raw)).collect();
    report.allow(&[]);
    services.extend(broken.into_iter().map(Definition::unknown));
    services.sort_by(|a, b| a.name.value.cmp(&b.name.value));
    services.dedup_by(|second, first| second.name.value == first.name.value);
    let mut system = system.unwrap_or_default();
    system.boot.modules.splice(0..0, board.modules(cx));
    Definitions { services, system, board, templates, expansions, bindings }
}

/// Reads one service, with nothing of a template left in it.
pub(crate) fn service(cx: Context<'_>, raw: Raw) -> Definition {
    let Raw { name, entries } = raw;
    check_name(cx, &name, "a service");
    if name.value == "self" {
        let message = "a service cannot be called `self`";
        cx.report.push(
            Diagnostic::error(Code::BadName, name.place, message)
                .help("`${self.…}` refers to the service it stands in"),
        );
    }
    let what = format!("service `{}`", name.value);
    let table = Table::new(what, name.place, &entries, &SERVICE);
    service::service(cx, name, table)
}

/// The table called `name` at the top of a document; another value there is reported.
fn subtable<'d>(document: &'d Document, name: &str, report: &Report) -> Option<&'d Entries> {
    let Entry { place, value, .. } = document.root.find(name)?;
    let table = value.as_table();
    if table.is_none() {
        let message = format!("`{name}` must be a table");
        report.push(Diagnostic::error(Code::WrongType, *place, message));
    }
    table
}

fn unknown_tables(document: &Document, report: &Report) {
    for Entry { key: name, place, .. } in document.root.iter() {
        let (name, place) = (name.as_str(), *place);
        if FILE.find(name, Kinds::ALL).is_some() {
            continue;
        }
        let message = format!("there is no table or key `{name}` at the top of a file");
        let mut error = Diagnostic::error(Code::UnknownKey, place, message);
        if let Some(near) = nearest(name, FILE.keys(Kinds::ALL)) {
            error = error.help(format!("did you mean `{near}`?"));
        }
        report
            .push(error.help(
                "a file holds `[service.NAME]`, `[template.NAME]`, `[system]` and `[board]`",
            ));
    }
}
