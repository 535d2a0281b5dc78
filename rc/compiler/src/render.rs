//! Findings as people and programs read them: rustc's style with the source line, or JSON.

use crate::{
    diag::{Diagnostic, Severity},
    source::{Place, Sources},
};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, renderer::DecorStyle};
use serde_json::{Value, json};

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
    let mut others: Vec<&(Place, String)> = diagnostic.related.iter().collect();
    if let Some(place) = diagnostic.place {
        let file = sources.file(place.file);
        let mut primary = AnnotationKind::Primary.span(visible(sources, place));
        if !diagnostic.label.is_empty() {
            primary = primary.label(&*diagnostic.label);
        }
        let mut snippet = Snippet::source(&*file.text).path(&*file.path).annotation(primary);
        others.retain(|(other, text)| {
            if other.file != place.file {
                return true;
            }
            let span = visible(sources, *other);
            let previous = std::mem::replace(&mut snippet, Snippet::source(""));
            snippet = previous.annotation(AnnotationKind::Context.span(span).label(&**text));
            false
        });
        group = group.element(snippet);
    }
    for (place, text) in others {
        let file = sources.file(place.file);
        let note = AnnotationKind::Context.span(visible(sources, *place)).label(&**text);
        group = group.element(Snippet::source(&*file.text).path(&*file.path).annotation(note));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(&**help));
    }
    renderer.render(&[group])
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
    value["severity"] = json!(match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    });
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
