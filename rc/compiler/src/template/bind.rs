//! What an instance gives for the parameters of its template: literals, or outputs of other services.

use super::{Binding, Given, Kind, Param, Template, Word};
use crate::{
    diag::{Code, Diagnostic, all_of, nearest, one_of},
    node::{Data, Entries, Node},
    parse::{Context, duration_of, size_of},
    scan,
    source::{Located, Place},
    string::Str,
    text::{self, Part, Syntax},
};
use rc::outputs::{Scalar, is_name};
use std::collections::HashMap;

/// The value of a parameter in one instance.
#[derive(Clone, Debug)]
pub enum Bound {
    /// Known now.
    Literal(Literal),
    /// Several, known now.
    List(Vec<Literal>),
    /// An output: the string that refers to it.
    Output(Str),
}

/// A literal and where it was given.
#[derive(Clone, Debug)]
pub struct Literal {
    /// Its text.
    pub text: String,
    /// Whether it is a number or truth value.
    pub is_word: bool,
    /// Where.
    pub place: Place,
}

/// The values of all parameters of an instance.
pub type Bounds<'t> = HashMap<&'t str, Bound>;

/// Binds the parameters of `template` to what `given` holds. What is wrong is reported, and the
/// result is `None`.
pub(crate) fn bind<'t>(
    cx: Context<'_>,
    template: &'t Template,
    instance: &Located<String>,
    given: Option<&Node>,
    bindings: &mut Vec<Binding>,
) -> Option<Bounds<'t>> {
    let none = Entries::default();
    let entries = match given.map(|node| (node, node.as_table())) {
        None => &none,
        Some((_, Some(entries))) => entries,
        Some((node, None)) => {
            let message = format!("`params` must be a table, not {}", node.what());
            cx.report.push(Diagnostic::error(Code::WrongType, node.place, message));
            return None;
        }
    };
    let mut whole = unknown(cx, template, entries);
    let mut found = Bounds::new();
    for param in &template.params {
        let name = param.name.value.as_str();
        let node = entries.find(name).map(|entry| &entry.value).or(param.default.as_ref());
        let Some(node) = node else {
            missing(cx, template, param, instance, given);
            whole = false;
            continue;
        };
        match value(cx, param, node, &template.name.value, bindings) {
            Some(bound) => {
                found.insert(name, bound);
            }
            None => whole = false,
        }
    }
    whole.then_some(found)
}

/// Reports what is given for parameters that do not exist; `false` if something is.
fn unknown(cx: Context<'_>, template: &Template, entries: &Entries) -> bool {
    let mut whole = true;
    let known = || template.params.iter().map(|param| param.name.value.as_str());
    for entry in entries.iter().filter(|entry| !known().any(|name| name == entry.key)) {
        let name = &template.name.value;
        let message = format!("template `{name}` has no parameter `{}`", entry.key);
        let mut error = Diagnostic::error(Code::Parameter, entry.place, message)
            .related(template.name.place, format!("`{name}` is defined here"));
        if let Some(near) = nearest(&entry.key, known()) {
            error = error.help(format!("did you mean `{near}`?"));
        }
        cx.report.push(if template.params.is_empty() {
            error.help("it has no parameters")
        } else {
            error.help(format!("it has {}", all_of(known())))
        });
        whole = false;
    }
    whole
}

fn missing(
    cx: Context<'_>,
    template: &Template,
    param: &Param,
    instance: &Located<String>,
    given: Option<&Node>,
) {
    let (name, kind) = (&param.name.value, param.kind);
    let message = format!("`{}` does not give `{name}`", instance.value);
    let place = given.map_or(instance.place, |node| node.place);
    let mut error = Diagnostic::error(Code::Parameter, place, message).related(
        param.name.place,
        format!("a parameter of `{}` without a default", template.name.value),
    );
    if !param.doc.is_empty() {
        error = error.help(format!("{name}: {}", param.doc));
    }
    let example = param.example.as_ref().and_then(|node| match &node.data {
        Data::String(text) => Some(format!("\"{}\"", text.value)),
        Data::Integer(number) => number.map(|number| number.to_string()),
        Data::Boolean(value) => Some(value.to_string()),
        _ => None,
    });
    let example = example.map(|example| format!(", such as {example}")).unwrap_or_default();
    cx.report.push(error.help(format!("`params.{name}` is {}{example}", article(kind))));
}

fn article(kind: Kind) -> String {
    match kind {
        Kind::One(word) => what(word).to_owned(),
        Kind::List(word) => format!("a list, each {}", what(word)),
    }
}

/// Reports a default or example that could not be given.
pub(crate) fn check(cx: Context<'_>, param: &Param, node: &Node, template: &str) {
    let _bound = value(cx, param, node, template, &mut Vec::new());
}

fn value(
    cx: Context<'_>,
    param: &Param,
    node: &Node,
    template: &str,
    bindings: &mut Vec<Binding>,
) -> Option<Bound> {
    if let Data::String(written) = &node.data
        && scan::reference_in(written).is_some()
    {
        return output(cx, param, written, template, bindings);
    }
    match (param.kind, &node.data) {
        (Kind::List(word), Data::Array(items)) => {
            let all: Vec<Option<Literal>> = items
                .iter()
                .map(|item| literal(cx, param, word, item, template, bindings))
                .collect();
            all.into_iter().collect::<Option<Vec<Literal>>>().map(Bound::List)
        }
        (Kind::List(word), _) => {
            let message = format!(
                "`{}` must be a list, each {}, not {}",
                param.name.value,
                what(word),
                node.what()
            );
            cx.report.push(Diagnostic::error(Code::Parameter, node.place, message));
            None
        }
        (Kind::One(word), _) => {
            literal(cx, param, word, node, template, bindings).map(Bound::Literal)
        }
    }
}

fn output(
    cx: Context<'_>,
    param: &Param,
    written: &Str,
    template: &str,
    bindings: &mut Vec<Binding>,
) -> Option<Bound> {
    let string = cx.board.substitute(cx.report, written.clone());
    let draft = text::parse(cx.report, &string, Syntax::References);
    let fault = |message: String, help: &str| {
        cx.report.push(Diagnostic::error(Code::Parameter, string.place, message).help(help));
        None
    };
    let name = &param.name.value;
    let [Part::Reference(reference)] = draft.parts.as_slice() else {
        let message = format!("`{name}` mixes a reference with other text");
        return fault(message, "a parameter is a literal, or one reference and nothing else");
    };
    if !matches!(param.kind.word(), Word::Value(_)) {
        let message = format!("`{name}` is {}, which no output is", what(param.kind.word()));
        return fault(message, "give a value that is known when compiling");
    }
    if reference.service.value == "self" {
        let message = format!("`{name}` refers to the instance itself");
        return fault(message, "give a literal, or the output of another service");
    }
    bindings.push(Binding {
        kind: param.kind,
        param: param.name.clone(),
        template: template.to_owned(),
        given: Given::Output(reference.clone()),
    });
    Some(Bound::Output(string))
}

fn literal(
    cx: Context<'_>,
    param: &Param,
    word: Word,
    node: &Node,
    template: &str,
    bindings: &mut Vec<Binding>,
) -> Option<Literal> {
    let (text, place) = match &node.data {
        Data::String(written) => {
            let string = cx.board.substitute(cx.report, written.clone());
            (string.value, string.place)
        }
        Data::Integer(Some(number)) => (number.to_string(), node.place),
        Data::Boolean(value) => (value.to_string(), node.place),
        _ => (String::new(), node.place),
    };
    let plain = matches!(node.data, Data::String(_) | Data::Integer(Some(_)) | Data::Boolean(_));
    if !plain || !accepts(param, word, &text) {
        let name = &param.name.value;
        let shown = if plain { format!("`{text}`") } else { node.what().to_owned() };
        let message = match bounds(param) {
            Some(bounds) if number(word, &text).is_some() => {
                format!("`{name}` must be {bounds}, not {shown}")
            }
            _ => format!("`{name}` must be {}, not {shown}", what(word)),
        };
        let error = Diagnostic::error(Code::Parameter, node.place, message)
            .related(param.name.place, "the parameter");
        cx.report.push(wanted(param, word, &text).into_iter().fold(error, Diagnostic::help));
        return None;
    }
    if word == Word::Value(Scalar::Secret) {
        let message = format!("`{}` is a secret, which cannot be a literal", param.name.value);
        cx.report.push(
            Diagnostic::error(Code::Secret, node.place, message)
                .related(param.name.place, "declared as a secret here")
                .help(
                    "whatever is written here is in the database, which everybody may read: give \
                     the output of a service that publishes it, such as \"${secrets.isp}\"",
                ),
        );
        return None;
    }
    if word == Word::Service {
        bindings.push(Binding {
            kind: param.kind,
            param: param.name.clone(),
            template: template.to_owned(),
            given: Given::Service(Located { value: text.clone(), place }),
        });
    }
    let is_word = matches!(word, Word::Value(Scalar::Int | Scalar::Bool));
    Some(Literal { text, is_word, place })
}

/// What would be right instead.
fn wanted(param: &Param, word: Word, text: &str) -> Vec<String> {
    let mut help = Vec::new();
    if word == Word::Enum {
        let values = || param.values.iter().map(String::as_str);
        if let Some(near) = nearest(text, values()) {
            help.push(format!("did you mean `{near}`?"));
        }
        help.push(format!("valid are {}", one_of(values())));
    }
    help
}

/// The bounds of a parameter in words.
fn bounds(param: &Param) -> Option<String> {
    match (&param.min, &param.max) {
        (Some(min), Some(max)) => Some(format!("from {} to {}", min.text, max.text)),
        (Some(min), None) => Some(format!("at least {}", min.text)),
        (None, Some(max)) => Some(format!("at most {}", max.text)),
        (None, None) => None,
    }
}

fn accepts(param: &Param, word: Word, text: &str) -> bool {
    let value = number(word, text);
    let within = value.is_none_or(|value| {
        param.min.as_ref().is_none_or(|min| value >= min.value)
            && param.max.as_ref().is_none_or(|max| value <= max.value)
    });
    within
        && match word {
            Word::Value(scalar) => scalar.accepts(text),
            Word::Duration | Word::Size => value.is_some(),
            Word::Enum => param.values.iter().any(|known| known == text),
            Word::Service => is_name(text),
        }
}

/// A number, duration or size in its smallest unit.
pub(super) fn number(word: Word, text: &str) -> Option<i128> {
    match word {
        Word::Value(Scalar::Int) => text.parse().ok(),
        Word::Duration => duration_of(text).map(|millis| i128::from(millis.0)),
        Word::Size => size_of(text).map(i128::from),
        Word::Value(_) | Word::Enum | Word::Service => None,
    }
}

/// What it is, with its article.
pub(super) const fn what(word: Word) -> &'static str {
    match word {
        Word::Value(Scalar::String) => "a string of one line",
        Word::Value(Scalar::Int) => "an integer",
        Word::Value(Scalar::Bool) => "`true` or `false`",
        Word::Value(Scalar::Ifname) => "the name of an interface",
        Word::Value(Scalar::Ip) => "an IP address",
        Word::Value(Scalar::Ipv4) => "an IPv4 address",
        Word::Value(Scalar::Ipv6) => "an IPv6 address",
        Word::Value(Scalar::Cidr) => "an address with a prefix length, such as 192.0.2.0/24",
        Word::Value(Scalar::Mac) => "a hardware address, such as 52:54:00:12:34:56",
        Word::Value(Scalar::Path) => "an absolute path",
        Word::Value(Scalar::Secret) => "a secret",
        Word::Duration => "a duration such as \"5s\"",
        Word::Size => "a size such as \"128K\"",
        Word::Enum => "one of its words",
        Word::Service => "the name of a service",
    }
}

/// The part of a reference between `${` and `}`.
pub(super) fn inner(string: &Str) -> Option<Str> {
    let end = string.value.strip_prefix("${")?.strip_suffix('}')?.len() + 2;
    Some(string.part(2..end))
}
