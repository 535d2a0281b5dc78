//! Parameters into the strings of a template's body.

use super::{
    Template,
    bind::{Bound, Bounds, Literal, inner},
};
use crate::{
    board::opening,
    diag::{Code, Diagnostic, all_of, nearest},
    node::{Data, Entries, Entry, Node},
    parse::Context,
    source::Located,
    string::{Insert, Str},
};
use rc::outputs::is_name;
use std::ops::Range;

/// One expansion.
pub(super) struct Filler<'f> {
    pub(super) cx: Context<'f>,
    pub(super) template: &'f Template,
    pub(super) instance: &'f Located<String>,
    pub(super) bounds: &'f Bounds<'f>,
    /// The number of the expansion, for places.
    pub(super) via: u32,
}

impl Filler<'_> {
    /// The entries of a table with everything filled in, keys too.
    pub(super) fn entries(&self, entries: &Entries) -> Entries {
        let filled = entries.iter().map(|entry| {
            let mut place = entry.place;
            place.via = self.via;
            let key = if entry.key.contains("{{") {
                self.string(&Str::made(entry.key.clone(), place)).value
            } else {
                entry.key.clone()
            };
            Entry { key, place, value: self.node(&entry.value) }
        });
        Entries::new(filled.collect())
    }

    fn node(&self, node: &Node) -> Node {
        let mut place = node.place;
        place.via = self.via;
        let data = match &node.data {
            Data::String(text) => match self.list(text) {
                Some(list) => Data::Array(list),
                None => Data::String(self.string(&text.clone().via(self.via))),
            },
            Data::Array(items) => Data::Array(self.items(items)),
            Data::Table(entries) => Data::Table(self.entries(entries)),
            other => other.clone(),
        };
        Node { place, data }
    }

    /// The elements of a list. One that is nothing but a list parameter stands for all of its elements.
    fn items(&self, items: &[Node]) -> Vec<Node> {
        let mut filled = Vec::with_capacity(items.len());
        for item in items {
            match &item.data {
                Data::String(text) => match self.list(text) {
                    Some(list) => filled.extend(list),
                    None => filled.push(self.node(item)),
                },
                _ => filled.push(self.node(item)),
            }
        }
        filled
    }

    /// The elements of the list parameter that a string consists of.
    fn list(&self, text: &Str) -> Option<Vec<Node>> {
        let name = text.value.strip_prefix("{{")?.strip_suffix("}}")?.trim();
        let Some(Bound::List(literals)) = self.bounds.get(name) else { return None };
        let node = |literal: &Literal| {
            let mut string = Str::made(String::new(), literal.place);
            string.push_data(&literal.text, literal.place);
            string.is_word = literal.is_word;
            Node { place: literal.place, data: Data::String(string) }
        };
        Some(literals.iter().map(node).collect())
    }

    fn string(&self, text: &Str) -> Str {
        if !text.value.contains("{{") && !text.value.contains("{%") {
            return text.clone();
        }
        let text = self.loops(text);
        let variables = loop_variables(&text.value);
        let mut parts: Vec<(Range<usize>, Insert)> = Vec::new();
        let mut from = 0;
        while let Some(open) = opening(&text.value, from) {
            let Some(length) = text.value[open..].find("}}") else { break };
            let range = open..open + length + 2;
            from = range.end;
            let name = text.value[open + 2..open + length].trim();
            if text.is_supplied(open) || !is_name(name) {
                continue;
            }
            match self.bounds.get(name) {
                Some(Bound::Literal(Literal { text, is_word, .. })) => {
                    parts.push((range, Insert::Data { text: text.clone(), is_word: *is_word }));
                }
                Some(Bound::Output(string)) => parts.push((range, Insert::String(string.clone()))),
                Some(Bound::List(_)) => self.misused_list(&text, range, name),
                None if name == "name" => {
                    let insert = Insert::Data { text: self.instance.value.clone(), is_word: false };
                    parts.push((range, insert));
                }
                None if variables.contains(&name) => {}
                None => self.unknown(&text, range, name),
            }
        }
        if parts.is_empty() { text } else { text.replaced(&parts) }
    }

    fn misused_list(&self, text: &Str, range: Range<usize>, name: &str) {
        let message = format!("`{name}` is a list and cannot be a part of a string");
        self.cx.report.push(Diagnostic::error(Code::Parameter, text.at(range), message).help(
            format!(
                "let it stand alone: `\"{{{{{name}}}}}\"` as an element of a list is all of its \
                 elements; or repeat a text: `{{% for x in {name} %}}…{{{{x}}}}…{{% endfor %}}`"
            ),
        ));
    }

    fn unknown(&self, text: &Str, range: Range<usize>, name: &str) {
        let template = &self.template.name;
        let message = format!("template `{}` has no parameter `{name}`", template.value);
        let known = || self.template.params.iter().map(|param| param.name.value.as_str());
        let mut error = Diagnostic::error(Code::Parameter, text.at(range), message);
        if let Some(near) = nearest(name, known()) {
            error = error.help(format!("did you mean `{near}`?"));
        }
        self.cx.report.push(error.help(format!(
            "it has {}; besides there are `name`, the name of the instance, and `board.…`",
            if self.template.params.is_empty() { "none".to_owned() } else { all_of(known()) }
        )));
    }

    /// The elements of a list; of something else, which is reported, none.
    fn elements<'b>(&self, bound: &'b Bound, text: &Str, at: Range<usize>) -> &'b [Literal] {
        if let Bound::List(literals) = bound {
            return literals;
        }
        let message = format!("`{}` is not a list", &text.value[at.clone()]);
        let help = "a loop needs a parameter of type `list<…>`";
        self.cx.report.push(Diagnostic::error(Code::Parameter, text.at(at), message).help(help));
        &[]
    }

    /// Repeats the bodies of loops over list parameters; loops over outputs stay.
    fn loops(&self, text: &Str) -> Str {
        let mut out = text.part(0..0);
        out.place = text.place;
        let mut from = 0;
        while let Some(tag) = tag(&text.value, from) {
            let Tag::For { variable, list, range, at } = tag else {
                let end = tag.end();
                out.push(text, from..end);
                from = end;
                continue;
            };
            match self.bounds.get(list) {
                Some(Bound::Output(string)) => {
                    out.push(text, from..at.start);
                    match inner(string) {
                        Some(inner) => out.push(&inner, 0..inner.value.len()),
                        None => out.push(text, at.clone()),
                    }
                    out.push(text, at.end..range.end);
                    from = range.end;
                }
                Some(bound) => {
                    let literals = self.elements(bound, text, at);
                    let opened = whole_line(&text.value, range.clone());
                    let Some(closed) = end_of(&text.value, range.end) else {
                        out.push(text, from..range.end);
                        from = range.end;
                        continue;
                    };
                    let closing = whole_line(&text.value, closed);
                    out.push(text, from..opened.start);
                    let body = text.part(opened.end..closing.start.max(opened.end));
                    for literal in literals {
                        let one = with_element(&body, variable, literal);
                        out.push(&one, 0..one.value.len());
                    }
                    from = closing.end;
                }
                None => {
                    out.push(text, from..range.end);
                    from = range.end;
                }
            }
        }
        out.push(text, from..text.value.len());
        out
    }
}

/// The body of a loop for one element.
fn with_element(body: &Str, variable: &str, element: &Literal) -> Str {
    let mut parts = Vec::new();
    let mut from = 0;
    while let Some(open) = opening(&body.value, from) {
        let Some(length) = body.value[open..].find("}}") else { break };
        let range = open..open + length + 2;
        from = range.end;
        if body.value[open + 2..open + length].trim() == variable {
            let insert = Insert::Data { text: element.text.clone(), is_word: false };
            parts.push((range, insert));
        }
    }
    body.replaced(&parts)
}

/// A tag of a loop.
enum Tag<'t> {
    /// The beginning; `at` is where the list is named.
    For { variable: &'t str, list: &'t str, range: Range<usize>, at: Range<usize> },
    /// Something else.
    Other(Range<usize>),
}

impl Tag<'_> {
    const fn end(&self) -> usize {
        match self {
            Self::For { range, .. } | Self::Other(range) => range.end,
        }
    }
}

/// The next tag of a text.
fn tag(text: &str, from: usize) -> Option<Tag<'_>> {
    let start = from + text.get(from..)?.find("{%")?;
    if text[start..].starts_with("{%%") {
        return Some(Tag::Other(start..start + 3));
    }
    let Some(length) = text[start + 2..].find("%}").map(|length| length + 2) else {
        return Some(Tag::Other(start..start + 2));
    };
    let range = start..start + length + 2;
    let words: Vec<&str> = text[start + 2..start + length].split_whitespace().collect();
    let [_, variable, _, list] = words.as_slice() else { return Some(Tag::Other(range)) };
    if words[0] != "for" || words[2] != "in" {
        return Some(Tag::Other(range));
    }
    let at = list.as_ptr() as usize - text.as_ptr() as usize;
    Some(Tag::For { variable, list, at: at..at + list.len(), range })
}

/// The next `{% endfor %}`.
fn end_of(text: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        match tag(text, at)? {
            Tag::Other(range)
                if text.get(range.start + 2..range.end.saturating_sub(2)).map(str::trim)
                    == Some("endfor") =>
            {
                return Some(range);
            }
            other => at = other.end(),
        }
    }
}

/// The tag with its line, if nothing else stands on it: as loops over outputs do it.
fn whole_line(text: &str, tag: Range<usize>) -> Range<usize> {
    let blank = [' ', '\t'];
    let line = text[..tag.start].rfind('\n').map_or(0, |at| at + 1);
    let after = text[tag.end..].trim_start_matches(blank);
    let alone = text[line..tag.start].trim_matches(blank).is_empty()
        && (after.is_empty() || after.starts_with('\n'));
    if !alone {
        return tag;
    }
    line..text.len() - after.strip_prefix('\n').unwrap_or(after).len()
}

/// The variables of all loops in a text.
fn loop_variables(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(tag) = tag(text, from) {
        from = tag.end();
        if let Tag::For { variable, .. } = tag {
            found.push(variable);
        }
    }
    found
}
