//! Texts with their references written back as `${service.key}`.

use super::Decoded;
use rc::{
    model::Service,
    text::{EachPiece, Piece},
};

/// The text as it would be written in a definition. `loops`: it is the text of a file, where tags
/// have a meaning.
pub(super) fn written(db: &Decoded<'_>, service: &Service, text: &[Piece], loops: bool) -> String {
    let mut out = String::new();
    for (at, piece) in text.iter().enumerate() {
        match piece {
            Piece::Literal(literal) => out.push_str(&escaped(literal, loops)),
            Piece::Value { read, index, default } => {
                out.push_str(&value(db, service, *read, *index, default.as_deref()));
            }
            Piece::Each { read, body } => {
                let tag = format!("{{% for item in {} %}}", db.output(service, *read));
                let first = match body.first() {
                    Some(EachPiece::Literal(literal)) => literal.as_str(),
                    _ => "-",
                };
                tagged(&mut out, &tag, first);
                for piece in body {
                    match piece {
                        EachPiece::Literal(literal) => out.push_str(&escaped(literal, loops)),
                        EachPiece::Item => out.push_str("{{item}}"),
                        EachPiece::Value { read, index, default } => {
                            out.push_str(&value(db, service, *read, *index, default.as_deref()));
                        }
                    }
                }
                let next = match text.get(at + 1) {
                    Some(Piece::Literal(literal)) => literal.as_str(),
                    _ => "-",
                };
                tagged(&mut out, "{% endfor %}", next);
            }
        }
    }
    out
}

/// Appends a tag. If it would stand alone on its line, the compiler would take the line's end with
/// it, so another one is added.
fn tagged(out: &mut String, tag: &str, next: &str) {
    let line = out.rsplit('\n').next().unwrap_or_default();
    let alone = line.trim_matches([' ', '\t']).is_empty();
    out.push_str(tag);
    if alone && next.trim_start_matches([' ', '\t']).starts_with('\n') {
        out.push('\n');
    }
}

fn value(
    db: &Decoded<'_>,
    service: &Service,
    read: u16,
    index: Option<u16>,
    default: Option<&str>,
) -> String {
    let index = index.map(|index| format!(".{index}")).unwrap_or_default();
    let default = default.map(|default| format!(":-{default}")).unwrap_or_default();
    format!("${{{}{index}{default}}}", db.output(service, read))
}

/// The literal with escapes where it would be read as something else.
pub(crate) fn escaped(literal: &str, loops: bool) -> String {
    let tags = |part: &str| if loops { part.replace("{%", "{%%") } else { part.to_owned() };
    let mut parts = literal.split("${");
    let mut out = tags(parts.next().unwrap_or_default());
    for part in parts {
        let inner = part.split('}').next().unwrap_or_default();
        let shell = inner.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        out.push_str(if shell && !out.ends_with('$') { "${" } else { "$${" });
        out.push_str(&tags(part));
    }
    out
}
