//! Finds references, tags and loop variables in a string, one token at a time.

use crate::{
    diag::{Code, Diagnostic, Report},
    source::{Located, Place},
    string::Str,
    text::{Reference, Syntax},
};
use rc::outputs::is_name;
use std::ops::Range;

/// Where a reference stands in a string, if one does.
pub(crate) fn reference_in(string: &Str) -> Option<Range<usize>> {
    let mut from = 0;
    loop {
        let at = from + string.value[from..].find("${")?;
        from = at + 2;
        let inner = &string.value[from..];
        let inner = &inner[..inner.find('}')?];
        let is_reference = inner.split_once('.').is_some_and(|(service, _)| is_name(service));
        if is_reference && !string.is_supplied(at) && !string.value[..at].ends_with('$') {
            return Some(at..from + inner.len() + 1);
        }
    }
}

/// What [`Scanner::next`] found.
pub(crate) enum Token {
    Literal(String),
    Reference(Reference),
    For { variable: String, list: Reference, place: Place },
    EndFor(Place),
    Item,
}

/// Reads a string from front to back.
pub(crate) struct Scanner<'s> {
    report: &'s Report,
    string: &'s Str,
    syntax: Syntax,
    at: usize,
    literal: String,
    pending: Option<Token>,
}

impl<'s> Scanner<'s> {
    pub(crate) fn new(report: &'s Report, string: &'s Str, syntax: Syntax) -> Self {
        Self { report, string, syntax, at: 0, literal: String::new(), pending: None }
    }

    /// The next token; `variable` is the name of the loop that is open.
    pub(crate) fn next(&mut self, variable: Option<&str>) -> Option<Token> {
        if let Some(token) = self.pending.take() {
            return Some(token);
        }
        while let Some(first) = self.rest().chars().next() {
            if let Some(token) = self.marked(variable) {
                if self.literal.is_empty() {
                    return Some(token);
                }
                self.pending = Some(token);
                break;
            }
            if let Some(escaped) = self.escaped() {
                self.literal.push_str(escaped);
                self.at += 3;
            } else {
                self.literal.push(first);
                self.at += first.len_utf8();
            }
        }
        let literal = std::mem::take(&mut self.literal);
        if literal.is_empty() { self.pending.take() } else { Some(Token::Literal(literal)) }
    }

    fn rest(&self) -> &'s str {
        &self.string.value[self.at..]
    }

    /// Whether `marker` stands here and was written here: the board's values are only data.
    fn starts(&self, marker: &str) -> bool {
        self.rest().starts_with(marker)
            && !(self.at..self.at + marker.len()).any(|at| self.string.is_supplied(at))
    }

    /// What an escape that starts here stands for.
    fn escaped(&self) -> Option<&'static str> {
        if self.starts("$${") {
            Some("${")
        } else if self.syntax == Syntax::Loops && self.starts("{%%") {
            Some("{%")
        } else {
            None
        }
    }

    /// The token that a marker here opens; moves behind it if there is one.
    fn marked(&mut self, variable: Option<&str>) -> Option<Token> {
        if self.escaped().is_some() {
            None
        } else if self.starts("${") {
            self.reference()
        } else if self.starts("{%") {
            self.tag()
        } else if let Some(variable) = variable
            && self.starts("{{")
        {
            self.item(variable)
        } else {
            None
        }
    }

    fn reference(&mut self) -> Option<Token> {
        let rest = self.rest();
        let inner = &rest[2..rest.find('}').unwrap_or(rest.len())];
        let head = inner.split_once(":-").map_or(inner, |(head, _)| head);
        let (service, _) = head.split_once('.')?;
        let all = self.at..self.at + 2 + inner.len() + 1;
        if !is_name(service) {
            // A shell's own ${file%.txt} stays; only what is a reference but for blanks does not.
            let bare = head.trim();
            if bare != head && bare.split('.').all(is_name) {
                let message = "white space in a reference";
                self.fault(all, message, &format!("write `${{{bare}}}`"));
            }
            return None;
        }
        if !rest.contains('}') {
            let end = self.string.value.len();
            let help = "`}` ends a reference; a literal `${` is written `$${`";
            self.fault(self.at..end, "a reference without an end", help);
            return None;
        }
        if let Some(third) = head.split('.').nth(2).filter(|third| third.parse::<u16>().is_err())
            && head.split('.').count() == 3
        {
            let message = format!("`{third}` is not an index");
            self.fault(all, &message, "elements count from 0, as in `${service.list.0}`");
            return None;
        }
        let at = self.at + 2;
        let Some(mut reference) = self.path(at..at + head.len(), all.clone()) else {
            let form = "`${service.output}`, `${service.list.0}` or `${service.output:-default}`";
            let help = format!("a reference is {form}; a literal `${{` is written `$${{`");
            self.fault(all, "this is not a reference", &help);
            return None;
        };
        reference.default = inner.split_once(":-").map(|(_, default)| default.to_owned());
        self.at = all.end;
        Some(Token::Reference(reference))
    }

    /// `service.key` or `service.key.index` at `range`, inside of `all`.
    fn path(&self, range: Range<usize>, all: Range<usize>) -> Option<Reference> {
        let text = &self.string.value[range.clone()];
        let mut segments = text.split('.');
        let (service, key) = (segments.next()?, segments.next()?);
        let index = match segments.next() {
            None => None,
            Some(digits) => Some(digits.parse::<u16>().ok()?),
        };
        if segments.next().is_some() || !is_name(service) || !is_name(key) {
            return None;
        }
        let dot = range.start + service.len();
        let named = |value: &str, at: usize| Located {
            value: value.to_owned(),
            place: self.string.at(at..at + value.len()),
        };
        Some(Reference {
            place: self.string.at(all),
            service: named(service, range.start),
            key: named(key, dot + 1),
            index,
            default: None,
        })
    }

    fn tag(&mut self) -> Option<Token> {
        let rest = self.rest();
        let is_loop =
            |inner: &str| matches!(inner.split_whitespace().next(), Some("for" | "endfor"));
        let Some(length) = rest[2..].find("%}").map(|length| length + 2) else {
            if self.syntax == Syntax::Loops {
                let end = self.string.value.len();
                let help = "`%}` ends a tag; a literal `{%` is written `{%%`";
                self.fault(self.at..end, "a tag without an end", help);
            }
            return None;
        };
        let all = self.at..self.at + length + 2;
        let inner = &rest[2..length];
        if self.syntax == Syntax::References {
            if is_loop(inner) {
                let help = "only the `text` of a file may have loops";
                self.fault(all, "a loop cannot stand here", help);
            }
            return None;
        }
        let words: Vec<&str> = inner.split_whitespace().collect();
        let token = match words.as_slice() {
            ["endfor"] => Token::EndFor(self.string.at(all.clone())),
            ["for", variable, "in", path] if is_name(variable) => {
                let offset = self.at + 2 + (path.as_ptr() as usize - inner.as_ptr() as usize);
                let range = offset..offset + path.len();
                let list = self.path(range.clone(), range).filter(|list| list.index.is_none());
                let Some(list) = list else {
                    let help = "a loop is `{% for NAME in SERVICE.OUTPUT %}`";
                    self.fault(all, "this does not name an output", help);
                    return None;
                };
                let place = self.string.at(all.clone());
                Token::For { variable: (*variable).to_owned(), list, place }
            }
            _ => {
                let help = "there are `{% for NAME in SERVICE.OUTPUT %}` and `{% endfor %}`; \
                            a literal `{%` is written `{%%`";
                self.fault(all, "no such tag", help);
                return None;
            }
        };
        self.at = self.skip_line(all);
        Some(token)
    }

    /// The end of a tag; of its whole line, if nothing else stands on it.
    fn skip_line(&mut self, tag: Range<usize>) -> usize {
        let blank = [' ', '\t'];
        let value = &self.string.value;
        let line = value[..tag.start].rfind('\n').map_or(0, |at| at + 1);
        let after = value[tag.end..].trim_start_matches(blank);
        let ends = after.is_empty() || after.starts_with('\n');
        if !ends || !value[line..tag.start].trim_matches(blank).is_empty() {
            return tag.end;
        }
        let kept = self.literal.trim_end_matches(blank).len();
        self.literal.truncate(kept);
        value.len() - after.strip_prefix('\n').unwrap_or(after).len()
    }

    fn item(&mut self, variable: &str) -> Option<Token> {
        let rest = self.rest();
        let inner = &rest[2..rest.find("}}")?];
        let all = self.at..self.at + 2 + inner.len() + 2;
        let name = inner.trim();
        if name == variable {
            self.at = all.end;
            return Some(Token::Item);
        }
        if is_name(name) {
            let help = format!("the variable of this loop is `{{{{{variable}}}}}`");
            self.fault(all, &format!("`{name}` is not a variable"), &help);
        }
        None
    }

    fn fault(&self, range: Range<usize>, message: &str, help: &str) {
        let place = self.string.at(range);
        self.report.push(Diagnostic::error(Code::Template, place, message).help(help));
    }

    /// Reports an end without a beginning.
    pub(crate) fn stray_end(&self, place: Place) {
        self.report.push(
            Diagnostic::error(Code::Template, place, "`{% endfor %}` without a loop")
                .help("a loop is opened by `{% for NAME in SERVICE.OUTPUT %}`"),
        );
    }

    /// Reports a beginning without an end.
    pub(crate) fn unclosed(&self, opened: Place) {
        self.report.push(
            Diagnostic::error(Code::Template, opened, "a loop without an end")
                .help("a loop is closed by `{% endfor %}`"),
        );
    }

    /// Reports a loop in a loop.
    pub(crate) fn nested(&self, place: Place, outer: Place) {
        self.report.push(
            Diagnostic::error(Code::Template, place, "a loop inside a loop")
                .related(outer, "the outer loop")
                .help("loops do not nest; use two files or an index"),
        );
    }
}
