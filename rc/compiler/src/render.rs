//! Findings as people and programs read them: rustc's style with the source line, or JSON.

use crate::{
    diag::{Diagnostic, Severity},
    source::{Place, Sources},
};
use annotate_snippets::{
    Annotation, AnnotationKind, Level, Renderer, Snippet, renderer::DecorStyle,
};
use serde_json::{Value, json};

/// A related place this many lines away is shown by itself.
const FAR: usize = 500;

/// Findings for people, each with `path:line:column` and the source line.
#[must_use]
pub fn human(sources: &Sources, found: &[Diagnostic], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(160);
    let mut out = String::new();
    for diagnostic in found {
        out.push_str(&one(sources, diagnostic, &renderer));
        out.push_str("\n\n");
    }
    out
}

fn one(sources: &Sources, diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&*diagnostic.message).id(diagnostic.code.name());
    let mut group = annotate_snippets::Group::with_title(title);
    if let Some(place) = diagnostic.place {
        let mut near = vec![Note { kind: AnnotationKind::Primary, place, text: &diagnostic.label }];
        let mut far = Vec::new();
        let line = sources.line_column(place).0;
        for (place, text) in &diagnostic.related {
            let note = Note { kind: AnnotationKind::Context, place: *place, text };
            let distance = sources.line_column(*place).0.abs_diff(line);
            if place.file == near[0].place.file && distance < FAR {
                near.push(note);
            } else {
                far.push(note);
            }
        }
        group = group.element(snippet(sources, &near));
        for note in far {
            group = group.element(snippet(sources, &[note]));
        }
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(&**help));
    }
    renderer.render(&[group])
}

/// An underlined place.
struct Note<'n> {
    kind: AnnotationKind,
    place: Place,
    text: &'n str,
}

/// The lines of one file from the first note to the last: the renderer looks at all that it is given.
fn snippet<'s>(sources: &'s Sources, notes: &[Note<'s>]) -> Snippet<'s, Annotation<'s>> {
    let Some(first) = notes.iter().min_by_key(|note| note.place.start) else {
        return Snippet::source("");
    };
    let file = sources.file(first.place.file);
    let start =
        file.text[..first.place.start.min(file.text.len())].rfind('\n').map_or(0, |at| at + 1);
    let last = notes.iter().map(|note| visible(sources, note.place).end).max().unwrap_or(start);
    let end = file.text[last..].find('\n').map_or(file.text.len(), |at| last + at);
    let annotations = notes.iter().map(|note| {
        let span = visible(sources, note.place);
        let annotation = note.kind.span(span.start - start..span.end - start);
        if note.text.is_empty() { annotation } else { annotation.label(note.text) }
    });
    Snippet::source(&file.text[start..end])
        .line_start(sources.line_column(first.place).0)
        .path(&*file.path)
        .annotations(annotations)
}

/// A span that can be underlined: at least one character where the file has one.
fn visible(sources: &Sources, place: Place) -> std::ops::Range<usize> {
    let text = &sources.file(place.file).text;
    let start = place.start.min(text.len());
    let end = place.end.clamp(start, text.len());
    if start == end {
        let width = text[start..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
        return start..start + width;
    }
    start..end
}

/// Findings one a line, `path:line:column: error[CODE]: message`, as editors read them.
#[must_use]
pub fn short(sources: &Sources, found: &[Diagnostic]) -> String {
    let lines = found.iter().map(|one| {
        let place = one.place.map_or_else(|| "jambc".to_owned(), |place| sources.show(place));
        let severity = severity(one.severity);
        // A message is one line, but a name in it may be anything.
        let message = one.message.replace('\n', "\\n");
        format!("{place}: {severity}[{}]: {message}\n", one.code.name())
    });
    lines.collect()
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Findings for programs.
#[must_use]
pub fn json(sources: &Sources, found: &[Diagnostic]) -> Value {
    let count = |severity| found.iter().filter(|d| d.severity == severity).count();
    let list: Vec<Value> = found.iter().map(|d| one_json(sources, d)).collect();
    json!({
        "errors": count(Severity::Error),
        "warnings": count(Severity::Warning),
        "diagnostics": list,
    })
}

fn one_json(sources: &Sources, diagnostic: &Diagnostic) -> Value {
    let related = diagnostic.related.iter().map(|(place, text)| {
        let mut value = place_json(sources, *place);
        value["message"] = json!(text);
        value
    });
    let mut value = diagnostic.place.map_or_else(|| json!({}), |p| place_json(sources, p));
    value["code"] = json!(diagnostic.code.name());
    value["severity"] = json!(severity(diagnostic.severity));
    value["message"] = json!(diagnostic.message);
    value["label"] = json!(diagnostic.label);
    value["related"] = Value::Array(related.collect());
    value["help"] = json!(diagnostic.help);
    value
}

fn place_json(sources: &Sources, place: Place) -> Value {
    let (line, column) = sources.line_column(place);
    let (end_line, end_column) = sources.end_line_column(place);
    json!({
        "path": sources.file(place.file).path,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    })
}
