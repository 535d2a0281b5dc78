//! The host compiler: TOML definitions in, diagnostics or a service database out.
//!
//! [`compile`] runs the passes in order: [`source`] finds and reads the files, [`parse`] checks each
//! service by itself, [`link`] turns names into numbers, [`check`] and [`cycle`] look at all of them
//! together, [`encode`] writes the database. Every pass adds what it finds to one [`diag::Report`]
//! and goes on, so that one run tells everything.
//!
//! It must never write a database that a device would refuse, or a different one for equal input.

#![forbid(unsafe_code)]

pub mod believe;
pub mod board;
pub mod check;
pub mod conflict;
pub mod cycle;
pub mod definition;
pub mod derive;
pub mod diag;
pub mod document;
pub mod encode;
pub mod fields;
pub mod install;
pub mod layers;
pub mod link;
pub mod node;
pub mod parse;
pub mod reference;
pub mod render;
pub mod root;
mod scan;
pub mod schema;
pub mod show;
pub mod smell;
pub mod source;
pub mod string;
pub mod template;
pub mod text;
pub mod tool;

use diag::{Code, Diagnostic, Report, Severity};
use encode::EncodeError;
use source::{FileId, Sources, SystemError};
use std::path::{Path, PathBuf};

/// What to compile.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The definition trees, or single files: each is a layer above those before it.
    pub dirs: Vec<PathBuf>,
    /// The board: a file, or a name that is looked up.
    pub board: Option<String>,
    /// The image root in which programs and accounts must exist.
    pub root: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The files that were read.
    pub sources: Sources,
    /// What was found, sorted by place.
    pub found: Vec<Diagnostic>,
    /// The database, if no error was found.
    pub database: Option<Vec<u8>>,
    /// How many services are defined.
    pub services: usize,
}

/// Compiles a tree in memory.
///
/// # Errors
/// If a file cannot be read, the board is not found, or the database cannot be encoded.
pub fn compile(request: &Request) -> Result<Outcome, Box<dyn std::error::Error>> {
    let mut sources = Sources::default();
    let mut tree = Vec::new();
    for dir in &request.dirs {
        tree.extend(sources.read_tree(dir)?);
        sources.next_layer();
    }
    let board = match &request.board {
        Some(name) => Some(sources.read(&board_path(&request.dirs, name)?)?),
        None => None,
    };
    compile_sources(sources, &tree, board, request.root.as_deref())
}

/// Compiles files that have been read: the tree's in the order of their paths, and the board's.
///
/// # Errors
/// If the image root cannot be read, or the database cannot be encoded.
pub fn compile_sources(
    sources: Sources,
    tree: &[FileId],
    board: Option<FileId>,
    root: Option<&Path>,
) -> Result<Outcome, Box<dyn std::error::Error>> {
    let report = Report::default();
    let mut definitions = parse::parse(&sources, tree, board, &report);
    derive::derive(&mut definitions);
    let linked = link::link(&definitions, &report);
    check::check(&definitions, &report);
    template::trial::check(&sources, &mut definitions, &report);
    cycle::check(&linked, &report);
    conflict::check(&definitions, &linked, &report);
    if let Some(root) = root {
        root::check(root, &definitions, &report)?;
    }
    if !report.has_errors() {
        smell::check(&definitions, &linked, &report);
    }
    let database = if report.has_errors() { None } else { encoded(&linked, &report)? };
    let services = definitions.services.len();
    let found = template::traced(&definitions.expansions, report.into_sorted());
    let found = believe::believable(&sources, found);
    Ok(Outcome { found, sources, database, services })
}

/// The database; `None` if it is too large, which is reported.
fn encoded(linked: &link::Linked, report: &Report) -> Result<Option<Vec<u8>>, EncodeError> {
    match encode::encode(linked) {
        Ok(database) => Ok(Some(database)),
        Err(EncodeError::Database(rc::db::Error::TooLarge)) => {
            let limit = rc::db::MAX_LENGTH;
            let message = format!("the database would be longer than {limit} bytes");
            report.push(Diagnostic::nowhere(Code::TooLarge, Severity::Error, message));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The file of a board: `name` as a path, or `NAME.toml` beside the folder of a tree's folder, in a
/// tree's `boards/`, or in `boards/` here.
fn board_path(dirs: &[PathBuf], name: &str) -> Result<PathBuf, SystemError> {
    let given = PathBuf::from(name);
    let file = format!("{name}.toml");
    let folders = dirs.iter().flat_map(|dir| [dir.join("../.."), dir.join("boards")]);
    let folders: Vec<PathBuf> = folders.chain([PathBuf::from("boards")]).collect();
    let places = std::iter::once(given.clone()).chain(folders.iter().map(|one| one.join(&file)));
    let mut places = places.filter(|path| path.is_file());
    places.next().ok_or_else(|| {
        let folders: Vec<String> = folders.iter().map(|one| one.display().to_string()).collect();
        let (last, rest) = folders.split_last().map_or(("", &[][..]), |(l, r)| (l.as_str(), r));
        let tried = format!("no such file, nor {file} in {} or {last}", rest.join(", "));
        source::system("find the board", &given, std::io::Error::other(tried))
    })
}
