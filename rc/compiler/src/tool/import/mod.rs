//! Source directories of s6-rc as definitions, and a report of everything that they could not say.
//!
//! What a service is and needs becomes a definition; scripts that are more than one command become files
//! beside them, to be installed on the device. jamb has one log of every service by itself, so loggers
//! are left out.

mod atomic;
mod lex;
mod pipeline;
mod script;
mod source;
mod write;

pub(crate) use write::filled;

use crate::source::SystemError;
use rc::outputs::is_name;
use serde_json::{Value, json};
use source::{Source, Type};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};
use write::Definition;

/// What to import.
#[derive(Clone, Debug)]
pub struct Request {
    /// The directories that `s6-rc-compile` would be given.
    pub dirs: Vec<PathBuf>,
    /// Where the scripts will lie on the device.
    pub install: String,
}

/// A file to write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Whether it is executed.
    pub is_script: bool,
}

/// How much a note matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Weight {
    /// It is not carried over.
    Lost,
    /// It is carried over, but not by itself or not quite as it was.
    Changed,
}

/// Something that a definition does not say as the source did.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Note {
    /// The service's name in the source.
    pub service: String,
    /// The file of it, or the whole service if empty.
    pub file: String,
    /// How much it matters.
    pub weight: Weight,
    /// What and why.
    pub text: String,
    /// What is particular to this place; may be empty.
    pub detail: String,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// The files to write, by their paths in the new folder.
    pub files: BTreeMap<String, File>,
    /// What was not, or not quite, carried over; sorted.
    pub notes: Vec<Note>,
    /// How many services the source has, and how many of them were imported.
    pub services: (usize, usize),
}

/// Reads source directories and writes definitions, in memory.
///
/// # Errors
/// If a file or directory cannot be read.
pub fn import(request: &Request) -> Result<Imported, SystemError> {
    let (sources, twice) = source::read(&request.dirs)?;
    let mut import = Import::new(request, &sources);
    for source in &twice {
        import.lost(source, "", "defined in an earlier directory already, which s6-rc refuses");
    }
    import.pipelines = pipeline::pipelines(&mut import, &sources)?;
    for source in &sources {
        import.service(source)?;
    }
    import.bundles_of_pipelines();
    import.target(&sources);
    let mut done = import.done;
    done.notes.sort();
    done.services.0 = sources.len();
    Ok(done)
}

/// The work as it goes on.
struct Import<'i> {
    request: &'i Request,
    /// The new name of every service that becomes a definition.
    names: BTreeMap<String, String>,
    pipelines: pipeline::Pipelines,
    done: Imported,
}

impl<'i> Import<'i> {
    fn new(request: &'i Request, sources: &[Source]) -> Self {
        let mut import = Self {
            request,
            names: BTreeMap::new(),
            pipelines: pipeline::Pipelines::default(),
            done: Imported::default(),
        };
        let mut taken: BTreeSet<String> =
            sources.iter().map(|source| source.name.clone()).collect();
        for source in sources {
            if let Err(kind) = &source.kind {
                let text = match kind.as_str() {
                    "" => "it has no type, so s6-rc refuses it".to_owned(),
                    kind => format!("its type is \"{kind}\", which s6-rc does not know"),
                };
                import.lost(source, "", &text);
                continue;
            }
            let mut name = source.name.clone();
            if !is_name(&name) || name == "self" {
                name = valid_name(&name);
                while !taken.insert(name.clone()) {
                    name.push('-');
                }
                import.changed(source, "", &format!("called {name} here: its name is not valid"));
            }
            import.names.insert(source.name.clone(), name);
        }
        import
    }

    fn note(&mut self, weight: Weight, source: &Source, file: &str, text: &str, detail: &str) {
        let (service, file) = (source.name.clone(), file.to_owned());
        let (text, detail) = (text.to_owned(), detail.to_owned());
        self.done.notes.push(Note { service, file, weight, text, detail });
    }

    fn lost(&mut self, source: &Source, file: &str, text: &str) {
        self.note(Weight::Lost, source, file, text, "");
    }

    fn changed(&mut self, source: &Source, file: &str, text: &str) {
        self.note(Weight::Changed, source, file, text, "");
    }

    /// Names of other services as they are called here. Loggers go without a word, as they are reported
    /// themselves; what does not exist is reported.
    fn names(&mut self, source: &Source, list: &str) -> Result<Vec<String>, SystemError> {
        let mut found = Vec::new();
        for name in source.names(list)? {
            if self.pipelines.loggers.contains(&name) {
                continue;
            }
            match self.names.get(&name) {
                Some(name) => found.push(name.clone()),
                None if self.pipelines.bundles.contains_key(&name) => found.push(name),
                None => {
                    let text = "not in the directories that were given";
                    self.note(Weight::Lost, source, list, text, &name);
                }
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    fn service(&mut self, source: &Source) -> Result<(), SystemError> {
        let (Some(name), Ok(kind)) = (self.names.get(&source.name).cloned(), &source.kind) else {
            return Ok(());
        };
        if self.pipelines.loggers.contains(&source.name) {
            return Ok(());
        }
        let before = self.done.notes.len();
        let (definition, known) = match kind {
            Type::Bundle => {
                let mut definition = Definition::new(&name, "bundle");
                let contents = self.names(source, "contents")?;
                definition.names("contents", &contents);
                (definition, &["contents", "contents.d"][..])
            }
            Type::Oneshot => (self.oneshot(source, &name)?, atomic::ONESHOT),
            Type::Longrun => (self.longrun(source, &name)?, atomic::LONGRUN),
        };
        self.rest(source, &name, known)?;
        let notes = self.done.notes[before..].iter();
        let comments: Vec<String> = notes
            .map(|note| {
                let file = if note.file.is_empty() { &note.service } else { &note.file };
                let detail = bracketed(&note.detail);
                format!("{file}: {}{detail}", note.text)
            })
            .collect();
        let text = definition.text(&comments);
        self.file(format!("{name}.toml"), text.into_bytes(), false);
        self.done.services.1 += 1;
        Ok(())
    }

    /// Reports the flags, and every file that s6-rc does not know; what a script of the service names is
    /// copied.
    fn rest(&mut self, source: &Source, name: &str, known: &[&str]) -> Result<(), SystemError> {
        let mut scripts = String::new();
        for script in ["up", "down", "run", "finish"] {
            scripts.push_str(&source.text(script)?.unwrap_or_default());
        }
        for entry in source.entries() {
            let is_named = scripts.contains(&format!("{}/{entry}", source.name));
            match entry {
                "type" => {}
                "flag-essential" => self.lost(source, entry, "jamb stops what it is told to stop"),
                "flag-recommended" => {
                    self.lost(source, entry, "it is for repositories of s6-rc only");
                }
                known_one if known.contains(&known_one) => {}
                "log" | "down" | "template" | "instance" | "instances" => {
                    self.lost(source, entry, "s6-rc itself makes no use of it here");
                }
                _ if is_named => {
                    for (path, bytes, is_script) in source.tree(entry)? {
                        let path = format!("{}{name}/{path}", atomic::FILES);
                        self.file(path, bytes, is_script);
                    }
                    let text =
                        "copied; to be installed where the service's own script looks for it";
                    self.changed(source, entry, text);
                }
                _ => self.lost(source, entry, "no file of s6-rc"),
            }
        }
        Ok(())
    }

    fn file(&mut self, path: String, bytes: Vec<u8>, is_script: bool) {
        self.done.files.insert(path, File { bytes, is_script });
    }

    /// The bundles that a pipeline makes by its name.
    fn bundles_of_pipelines(&mut self) {
        for (name, members) in std::mem::take(&mut self.pipelines.bundles) {
            let comments = ["the services of a pipeline, without its logger".to_owned()];
            let mut definition = Definition::new(&name, "bundle");
            definition.names("contents", &members);
            self.file(format!("{name}.toml"), definition.text(&comments).into_bytes(), false);
        }
    }

    /// Says what boot starts if there is no `default`.
    fn target(&mut self, sources: &[Source]) {
        let bundle = |name: &&str| {
            sources.iter().any(|one| one.name == **name && one.kind == Ok(Type::Bundle))
        };
        if self.names.contains_key("default") {
            return;
        }
        // What s6-overlay and others call it.
        if let Some(name) = ["ok-all", "top", "user", "user2"].iter().find(|name| bundle(name)) {
            let text = format!("[system]\ndefault = \"{name}\"\n");
            self.file("system.toml".to_owned(), text.into_bytes(), false);
        }
    }
}

/// The nearest valid name.
fn valid_name(name: &str) -> String {
    let valid = |c: char| if c.is_ascii_alphanumeric() || "_-@".contains(c) { c } else { '-' };
    let name: String = name.chars().map(valid).collect();
    let name = name.trim_start_matches(['-', '_', '@']);
    match name {
        "" => "unnamed".to_owned(),
        "self" => "self-".to_owned(),
        name => name.chars().take(rc::model::MAX_NAME - 8).collect(),
    }
}

/// ` (DETAIL)`, or nothing.
fn bracketed(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

/// The report for people.
#[must_use]
pub fn human(imported: &Imported) -> String {
    let mut out = String::new();
    for weight in [Weight::Lost, Weight::Changed] {
        let notes: Vec<&Note> =
            imported.notes.iter().filter(|note| note.weight == weight).collect();
        if !notes.is_empty() {
            out.push_str(match weight {
                Weight::Lost => "not carried over:\n",
                Weight::Changed => "carried over, but:\n",
            });
        }
        let mut by_text: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for note in notes {
            let file = if note.file.is_empty() { "" } else { &format!("/{}", note.file) };
            let place = format!("{}{file}{}", note.service, bracketed(&note.detail));
            by_text.entry(&note.text).or_default().push(place);
        }
        for (text, places) in by_text {
            out.push_str(&format!("  {text}:\n"));
            for place in places {
                out.push_str(&format!("    {place}\n"));
            }
        }
    }
    let (all, done) = imported.services;
    let scripts = imported.files.keys().filter(|path| path.starts_with(atomic::FILES)).count();
    out.push_str(&format!("{done} of {all} services imported, {scripts} files to install\n"));
    out
}

/// The report for programs.
#[must_use]
pub fn json(imported: &Imported) -> Value {
    let notes = imported.notes.iter().map(|note| {
        json!({
            "service": note.service,
            "file": note.file,
            "carried_over": note.weight == Weight::Changed,
            "message": note.text,
            "detail": note.detail,
        })
    });
    json!({
        "services": imported.services.0,
        "imported": imported.services.1,
        "files": imported.files.keys().collect::<Vec<_>>(),
        "notes": notes.collect::<Vec<_>>(),
    })
}
