//! A reference as Markdown (CommonMark with tables).

use super::{Entry, Part, Reference, Table};

/// The page.
#[must_use]
pub fn markdown(reference: &Reference) -> String {
    let mut out = format!("# {}\n", escaped(&reference.title));
    for chapter in &reference.chapters {
        out.push_str(&format!("\n## {}\n\n", escaped(&chapter.title)));
        for entry in &chapter.entries {
            let description = if entry.description.is_empty() {
                String::new()
            } else {
                format!(": {}", escaped(&entry.description))
            };
            let (name, label) = (&entry.name, &entry.label);
            out.push_str(&format!(
                "* [{}](#{}) ({label}){description}\n",
                escaped(name),
                anchor(name)
            ));
        }
        for one in &chapter.entries {
            entry(&mut out, one);
        }
    }
    out
}

fn entry(out: &mut String, entry: &Entry) {
    out.push_str(&format!("\n### {}\n\n", escaped(&entry.name)));
    let label = escaped(&entry.label);
    match entry.description.as_str() {
        "" => out.push_str(&format!("A {label}.\n")),
        description => {
            let end = if description.ends_with('.') { "" } else { "." };
            out.push_str(&format!("A {label}: {}{end}\n", escaped(description)));
        }
    }
    if !entry.facts.is_empty() {
        out.push('\n');
    }
    for (about, parts) in &entry.facts {
        out.push_str(&format!("* {about} {}\n", written(parts)));
    }
    for one in &entry.tables {
        table(out, one);
    }
    out.push_str(&format!("\n```toml\n{}\n```\n", entry.definition.trim_end()));
}

fn table(out: &mut String, table: &Table) {
    out.push_str(&format!(
        "\n| {} |\n|{}\n",
        table.head.join(" | "),
        "---|".repeat(table.head.len())
    ));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| written(cell).replace('|', "\\|")).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

fn written(parts: &[Part]) -> String {
    let written: String = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => escaped(text),
            Part::Code(code) => code_span(code),
            Part::Link(name) => format!("[{}](#{})", escaped(name), anchor(name)),
        })
        .collect();
    written.trim_end_matches([' ', ';']).to_owned()
}

/// A code span: as many backquotes around it as the text has not in a row.
fn code_span(code: &str) -> String {
    let code = code.replace('\n', " ");
    let mut fence = "`".to_owned();
    while code.contains(&fence) {
        fence.push('`');
    }
    let space = if code.starts_with('`') || code.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{code}{space}{fence}")
}

/// The anchor of a heading, as the usual renderers make it.
fn anchor(name: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_');
    name.to_lowercase().chars().filter(kept).collect()
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#') {
            out.push('\\');
        }
        out.push(if c == '\n' { ' ' } else { c });
    }
    out
}
