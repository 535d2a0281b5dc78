//! A reference of a tree: what each service is, what it has to do with others, and what it publishes, as
//! Markdown or as one HTML page.
//!
//! What is said ([`Reference`], made by [`services`] and [`templates`]) is apart from how it looks ([`markdown`], [`html`]), so
//! that other things of a tree become further [`Chapter`]s.

mod html;
mod markdown;
mod service;
mod template;

pub use html::html;
pub use markdown::markdown;
pub use service::services;
pub use template::templates;

/// All that is said about a tree.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// The heading of the page.
    pub title: String,
    /// In the order of the page.
    pub chapters: Vec<Chapter>,
    /// A drawing of the services, for the page that can show one.
    pub drawing: Option<String>,
}

/// Things of one sort.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// What they are, for example "Services".
    pub title: String,
    /// By name.
    pub entries: Vec<Entry>,
}

/// One thing.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name, which no other thing of the page has.
    pub name: String,
    /// What sort of thing it is, in a word or two.
    pub label: String,
    /// What it is for.
    pub description: String,
    /// What else there is to know, each with what it is about.
    pub facts: Vec<(&'static str, Vec<Part>)>,
    /// Its values with their types.
    pub tables: Vec<Table>,
    /// Its definition, or how it is used.
    pub definition: String,
}

/// Rows of cells.
#[derive(Clone, Debug)]
pub struct Table {
    /// What the columns hold.
    pub head: Vec<&'static str>,
    /// Each as long as the head.
    pub rows: Vec<Vec<Vec<Part>>>,
}

/// A piece of a sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// Words.
    Text(String),
    /// Something as it is written in a definition.
    Code(String),
    /// The name of another entry.
    Link(String),
}

/// Parts with commas between them.
fn listed(parts: impl IntoIterator<Item = Part>) -> Vec<Part> {
    let mut out = Vec::new();
    for part in parts {
        if !out.is_empty() {
            out.push(Part::Text(", ".to_owned()));
        }
        out.push(part);
    }
    out
}
