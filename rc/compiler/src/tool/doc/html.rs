//! A reference as one HTML page that loads nothing.

use super::{Entry, Part, Reference, Table};

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:64em;padding:1em 1.5em;color:#1c2530}\
h1,h2,h3{line-height:1.2}h3{margin-top:2.2em;border-top:1px solid #d5dbe1;padding-top:.8em}\
h3 small{font-weight:normal;color:#5a6673}code,pre{font:13px ui-monospace,monospace;background:#f2f4f6;\
border-radius:3px}code{padding:.1em .3em}pre{padding:.8em;overflow-x:auto}a{color:#0b5394}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1em;margin:.6em 0}dt{color:#5a6673}\
dd{margin:0}table{border-collapse:collapse;margin:.8em 0}th,td{border-bottom:1px solid #d5dbe1;\
padding:.3em .8em .3em 0;text-align:left;vertical-align:top}th{font-weight:normal;color:#5a6673}\
.drawing{overflow:auto;border:1px solid #d5dbe1;max-height:80vh}summary{color:#5a6673;cursor:pointer}";

/// The page.
#[must_use]
pub fn html(reference: &Reference) -> String {
    let title = escaped(&reference.title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    if let Some(drawing) = &reference.drawing {
        out.push_str(&format!("<div class=\"drawing\">{drawing}</div>\n"));
    }
    for chapter in &reference.chapters {
        out.push_str(&format!("<h2>{}</h2>\n<table>\n", escaped(&chapter.title)));
        for entry in &chapter.entries {
            out.push_str(&format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                link(&entry.name),
                escaped(&entry.label),
                escaped(&entry.description)
            ));
        }
        out.push_str("</table>\n");
        for one in &chapter.entries {
            entry(&mut out, one);
        }
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn entry(out: &mut String, entry: &Entry) {
    let (name, label) = (escaped(&entry.name), escaped(&entry.label));
    out.push_str(&format!("<h3 id=\"{name}\">{name} <small>{label}</small></h3>\n"));
    if !entry.description.is_empty() {
        out.push_str(&format!("<p>{}</p>\n", escaped(&entry.description)));
    }
    if !entry.facts.is_empty() {
        out.push_str("<dl>\n");
        for (about, parts) in &entry.facts {
            out.push_str(&format!("<dt>{about}</dt><dd>{}</dd>\n", written(parts)));
        }
        out.push_str("</dl>\n");
    }
    for one in &entry.tables {
        table(out, one);
    }
    let definition = escaped(entry.definition.trim_end());
    out.push_str(&format!(
        "<details><summary>as TOML</summary><pre>{definition}</pre></details>\n"
    ));
}

fn table(out: &mut String, table: &Table) {
    let head: String = table.head.iter().map(|head| format!("<th>{head}</th>")).collect();
    out.push_str(&format!("<table>\n<tr>{head}</tr>\n"));
    for row in &table.rows {
        let cells: String = row.iter().map(|cell| format!("<td>{}</td>", written(cell))).collect();
        out.push_str(&format!("<tr>{cells}</tr>\n"));
    }
    out.push_str("</table>\n");
}

fn written(parts: &[Part]) -> String {
    let written: String = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => escaped(text),
            Part::Code(code) => format!("<code>{}</code>", escaped(code)),
            Part::Link(name) => link(name),
        })
        .collect();
    written.trim_end_matches([' ', ';']).to_owned()
}

fn link(name: &str) -> String {
    let name = escaped(name);
    format!("<a href=\"#{name}\">{name}</a>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
