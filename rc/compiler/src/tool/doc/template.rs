//! What a reference says about templates: what they are for and which parameters they have.

use super::{Chapter, Entry, Part, Table};
use crate::{
    diag::Report,
    node::Node,
    parse,
    source::{Sources, SystemError},
    template::{Param, Template},
};
use std::path::Path;

/// The chapter of the templates in a folder of definitions; `None` if it has none.
///
/// # Errors
/// If a file cannot be read.
pub fn templates(dir: &Path) -> Result<Option<Chapter>, SystemError> {
    let mut sources = Sources::default();
    let tree = sources.read_tree(dir)?;
    // What is wrong was told when the folder was compiled.
    let definitions = parse::parse(&sources, &tree, None, &Report::default());
    let templates = definitions.templates.values();
    let entries: Vec<Entry> = templates.map(|template| entry(&sources, template)).collect();
    Ok((!entries.is_empty()).then(|| Chapter { title: "Templates".to_owned(), entries }))
}

fn entry(sources: &Sources, template: &Template) -> Entry {
    let name = &template.name.value;
    let mut facts = Vec::new();
    let suffixes: Vec<String> =
        template.services.iter().map(|(suffix, _)| format!("NAME-{}", suffix.value)).collect();
    if !suffixes.is_empty() {
        facts.push(("also makes", vec![Part::Code(suffixes.join(", "))]));
    }
    let rows: Vec<_> = template.params.iter().map(|param| row(sources, param)).collect();
    let head = vec!["parameter", "type", "default", "may be", "meaning"];
    Entry {
        name: format!("template.{name}"),
        label: "template".to_owned(),
        description: template.doc.split_whitespace().collect::<Vec<_>>().join(" "),
        facts,
        tables: if rows.is_empty() { Vec::new() } else { vec![Table { head, rows }] },
        definition: instance(sources, template),
    }
}

fn row(sources: &Sources, param: &Param) -> Vec<Vec<Part>> {
    let default = match &param.default {
        Some(node) => vec![Part::Code(written(sources, node))],
        None => vec![Part::Text("required".to_owned())],
    };
    let bounds = match (&param.min, &param.max) {
        (Some(min), Some(max)) => format!("{} to {}", min.text, max.text),
        (Some(min), None) => format!("at least {}", min.text),
        (None, Some(max)) => format!("at most {}", max.text),
        (None, None) => param.values.join(", "),
    };
    vec![
        vec![Part::Code(param.name.value.clone())],
        vec![Part::Code(param.kind.to_string())],
        default,
        vec![Part::Text(bounds)],
        vec![Part::Text(param.doc.clone())],
    ]
}

/// An instance as somebody might write it: what is required, and what there is an example of.
fn instance(sources: &Sources, template: &Template) -> String {
    let name = &template.name.value;
    let mut out = format!("[service.NAME]\ntemplate = \"{name}\"\n");
    for param in &template.params {
        let value = match (&param.example, &param.default) {
            (Some(example), _) => written(sources, example),
            (None, Some(_)) => continue,
            (None, None) => "\"…\"".to_owned(),
        };
        out.push_str(&format!("params.{} = {value}\n", param.name.value));
    }
    out
}

fn written(sources: &Sources, node: &Node) -> String {
    let text = &sources.file(node.place.file).text;
    let text = text.get(node.place.start..node.place.end).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
