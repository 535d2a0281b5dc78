//! A database in words: what `jambc show` prints.

use rc::{
    db::Database,
    model::{Kind, OnChange, Ready, ReadyWhen, Relation, Service},
    text::{EachPiece, Piece, Text},
};

/// A text as it would be written in a definition.
#[must_use]
pub fn text(database: &Database, service: &Service, text: &Text) -> String {
    let mut out = String::new();
    for piece in text {
        match piece {
            Piece::Literal(literal) => out.push_str(&literal.replace("${", "$${")),
            Piece::Value { read, index, default } => {
                out.push_str(&reference(database, service, *read, *index, default.as_deref()));
            }
            Piece::Each { read, body } => {
                out.push_str(&format!("{{% for item in {} %}}", output(database, service, *read)));
                for piece in body {
                    match piece {
                        EachPiece::Literal(literal) => out.push_str(&literal.replace("${", "$${")),
                        EachPiece::Item => out.push_str("{{item}}"),
                        EachPiece::Value { read, index, default } => out.push_str(&reference(
                            database,
                            service,
                            *read,
                            *index,
                            default.as_deref(),
                        )),
                    }
                }
                out.push_str("{% endfor %}");
            }
        }
    }
    out
}

fn reference(
    database: &Database,
    service: &Service,
    read: u16,
    index: Option<u16>,
    default: Option<&str>,
) -> String {
    let index = index.map(|index| format!(".{index}")).unwrap_or_default();
    let default = default.map(|default| format!(":-{default}")).unwrap_or_default();
    format!("${{{}{index}{default}}}", output(database, service, read))
}

/// `service.key` of a read.
fn output(database: &Database, service: &Service, read: u16) -> String {
    let Some(read) = service.reads.get(usize::from(read)) else { return "?".to_owned() };
    let key = database
        .service(read.service)
        .ok()
        .and_then(|other| other.outputs.get(usize::from(read.output)).map(|o| o.key.clone()));
    format!("{}.{}", database.name(read.service), key.unwrap_or_else(|| "?".to_owned()))
}

/// The whole database, or one service of it.
///
/// # Errors
/// If a record cannot be decoded.
pub fn human(database: &Database, only: Option<&str>) -> Result<String, rc::db::Error> {
    let mut out = String::new();
    for id in database.ids() {
        let name = database.name(id);
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let service = database.service(id)?;
        out.push_str(&format!("{name}: {:?}\n", service));
    }
    Ok(out)
}

#[allow(unused)]
fn unused(_: Kind, _: OnChange, _: Ready, _: ReadyWhen, _: Relation) {}
