//! Definition files in one form: the order of keys, spaces, quotes, and arrays within 100 columns. Comments
//! and meaning stay, or else nothing is changed.

mod comment;
mod value;

use comment::{Remarks, prefix, raw, suffix};
use core::fmt;
use std::ops::Range;
use toml_edit::{DocumentMut, Item, Key, Table};

/// No line is longer if it can be helped.
pub(crate) const WIDTH: usize = 100;

/// The keys of a service in their order: what it is, what it does, what it depends on, how it is watched, as
/// whom it runs, what happens when it fails. Others come after them as they were.
const ORDER: &[&str] = &[
    "doc",
    "kind",
    "template",
    "params",
    "override",
    "description",
    "run",
    "up",
    "down",
    "finish",
    "path",
    "mode",
    "text",
    "contents",
    "alternatives",
    "return",
    "patience",
    "ready-when",
    "when",
    "needs",
    "wants",
    "after",
    "conflicts",
    "on-change",
    "reload",
    "ready",
    "watchdog",
    "tty",
    "sockets",
    "fd-store",
    "health",
    "outputs",
    "user",
    "group",
    "groups",
    "env",
    "cwd",
    "umask",
    "limits",
    "chroot",
    "nice",
    "oom-score",
    "capabilities",
    "no-new-privileges",
    "private-tmp",
    "cgroup",
    "timeout-start",
    "timeout-down",
    "timeout-finish",
    "down-signal",
    "restart",
    "on-failure",
    "part-of",
];

/// Why a file is left as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FmtError {
    /// It is not valid TOML; where, in bytes, and why.
    Syntax(Range<usize>, String),
    /// Its form cannot be changed without changing its meaning or losing a comment.
    Unsafe,
}

impl fmt::Display for FmtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(_, message) => f.write_str(message),
            Self::Unsafe => f.write_str("its form cannot be changed without changing its meaning"),
        }
    }
}

/// The text of a definition file in the one form.
///
/// # Errors
/// If it is not valid TOML, or would not mean the same.
pub fn format(text: &str) -> Result<String, FmtError> {
    let document = parse(text)?;
    let formatted = render(&document);
    let meaning = |text: &str| toml::from_str::<toml::Table>(text).ok();
    let comments = |document: &DocumentMut| comment::all(document, &headers(document));
    let kept = parse(&formatted).is_ok_and(|after| comments(&after) == comments(&document));
    let same = meaning(text).is_some_and(|before| meaning(&formatted) == Some(before));
    if kept && same { Ok(formatted) } else { Err(FmtError::Unsafe) }
}

fn parse(text: &str) -> Result<DocumentMut, FmtError> {
    text.parse::<DocumentMut>()
        .map_err(|error| FmtError::Syntax(error.span().unwrap_or(0..0), error.message().to_owned()))
}

/// A table with its own head, `[A.B]`, or the top of the file.
struct Header<'h> {
    path: Vec<&'h Key>,
    table: &'h Table,
    is_array: bool,
}

/// The tables of a file in the order in which they are written.
fn headers(document: &DocumentMut) -> Vec<Header<'_>> {
    let mut found: Vec<(isize, Header<'_>)> = Vec::new();
    let mut open = vec![(Vec::new(), document.as_table(), false)];
    while let Some((path, table, is_array)) = open.pop() {
        let inside = |key| path.iter().copied().chain([key]).collect::<Vec<&Key>>();
        for (name, item) in table.iter() {
            let Some(key) = table.key(name) else { continue };
            match item {
                Item::Table(table) => open.push((inside(key), table, false)),
                Item::ArrayOfTables(list) => {
                    open.extend(list.iter().map(|table| (inside(key), table, true)));
                }
                Item::Value(_) | Item::None => {}
            }
        }
        if !table.is_dotted() {
            let position = if path.is_empty() { isize::MIN } else { table.position().unwrap_or(0) };
            found.push((position, Header { path, table, is_array }));
        }
    }
    found.sort_by_key(|(position, _)| *position);
    found.into_iter().map(|(_, header)| header).collect()
}

fn render(document: &DocumentMut) -> String {
    let mut out = String::new();
    for header in headers(document) {
        table(&mut out, &header);
    }
    let end = Remarks::of(raw(Some(document.trailing())));
    if !end.lines.is_empty() && !out.is_empty() && end.after_blank {
        out.push('\n');
    }
    end.write(&mut out, "");
    out
}

fn table(out: &mut String, header: &Header<'_>) {
    let Header { path, table, is_array } = header;
    let mut values = table.get_values();
    let is_written = !(path.is_empty() || table.is_implicit() && values.is_empty());
    if is_written {
        if !out.is_empty() {
            out.push('\n');
        }
        Remarks::of(prefix(table.decor())).write_with_blank(out);
        let name = dotted(path);
        out.push_str(&if *is_array { format!("[[{name}]]") } else { format!("[{name}]") });
        end_of_line(out, suffix(table.decor()));
    }
    if let [top, _] = path.as_slice()
        && matches!(top.get(), "service" | "template")
    {
        let rank = |key: &str| ORDER.iter().position(|known| *known == key);
        values.sort_by_key(|(path, _)| {
            path.first().and_then(|key| rank(key.get())).unwrap_or(ORDER.len())
        });
    }
    let mut is_first = is_written || out.is_empty();
    for (path, value) in values {
        let before = Remarks::of(path.last().map_or("", |key| prefix(key.leaf_decor())));
        if before.after_blank && !is_first {
            out.push('\n');
        }
        before.write_with_blank(out);
        is_first = false;
        let key = format!("{} = ", dotted(&path));
        let text = value::value(value, key.chars().count());
        out.push_str(&key);
        out.push_str(&text);
        end_of_line(out, suffix(value.decor()));
    }
}

/// A remark behind something on its line, and the line's end.
fn end_of_line(out: &mut String, behind: &str) {
    let remark = behind.trim();
    if !remark.is_empty() {
        out.push(' ');
        out.push_str(remark);
    }
    out.push('\n');
}

fn dotted(path: &[&Key]) -> String {
    let parts: Vec<String> = path.iter().map(|key| value::key(key)).collect();
    parts.join(".")
}
