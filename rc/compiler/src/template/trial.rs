//! Templates that nothing uses, tried out: a mistake in a folder of templates shows before a router
//! needs one of them.
//!
//! Each is expanded once, with its defaults and examples. What it refers to outside of itself is taken for
//! granted, as a folder of templates stands by itself; and a finding is told only if it does not hang on a
//! value that nobody gave: that of the board, or of a parameter without default and example.

use super::{
    Expansion, Kind, Param, Template, Word,
    expand::{Expanded, expand},
};
use crate::{
    board::{Board, opening},
    check, cycle,
    definition::{Definition, Definitions},
    diag::{Diagnostic, Report, nearest},
    layers::{Raw, Raws},
    link,
    node::{Data, Entries, Entry, Node},
    parse::{self, Context},
    source::{Place, Sources},
    string::Str,
};
use rc::outputs::Scalar;
use std::collections::BTreeSet;

/// Tries every template without an instance, and reports what is wrong with it.
pub(crate) fn check(sources: &Sources, all: &mut Definitions, report: &Report) {
    let used: BTreeSet<String> = all.expansions.iter().map(|one| one.template.clone()).collect();
    for template in all.templates.values().filter(|one| !used.contains(&one.name.value)) {
        let before = all.expansions.len();
        let found = Report::default();
        let cx = Context { report: &found, board: &all.board };
        let raws = Raws::from([(template.name.value.clone(), instance(template))]);
        let expanded = expand(cx, &all.templates, raws, std::mem::take(&mut all.expansions));
        all.expansions = try_out(cx, expanded);
        for one in all.expansions.iter_mut().skip(before) {
            one.is_trial = true;
        }
        for finding in found.into_sorted() {
            if is_of_template(sources, &all.board, template, before, &finding) {
                report.push(finding);
            }
        }
    }
}

/// Takes the services through the passes that a service of a tree goes through.
fn try_out(cx: Context<'_>, expanded: Expanded) -> Vec<Expansion> {
    let Expanded { services, broken, expansions, .. } = expanded;
    let mut trial = Definitions { expansions, ..Definitions::default() };
    trial.services = services.into_values().map(|raw| parse::service(cx, raw)).collect();
    trial.services.extend(broken.into_iter().map(Definition::unknown));
    // Nobody knows what a service outside of the template is, so nothing is wrong with how it is used.
    let missing = link::link(&trial, &Report::default()).missing;
    let own = || trial.services.iter().map(|service| service.name.value.as_str());
    let outside = missing.into_iter().filter(|name| nearest(&name.value, own()).is_none());
    let outside: Vec<Definition> = outside.map(Definition::unknown).collect();
    trial.services.extend(outside);
    trial.services.sort_by(|a, b| a.name.value.cmp(&b.name.value));
    let linked = link::link(&trial, cx.report);
    check::check(&trial, cx.report);
    cycle::check(&linked, cx.report);
    trial.expansions
}

/// An instance that gives something for everything that has no default.
fn instance(template: &Template) -> Raw {
    let place = template.name.place;
    let string = |text: &str| Data::String(Str::made(text.to_owned(), place));
    let entry = |key: &str, data| Entry { key: key.to_owned(), place, value: Node { place, data } };
    let open = template.params.iter().filter(|param| param.default.is_none());
    let given = open.map(|param| match &param.example {
        Some(example) => Entry { value: example.clone(), ..entry(&param.name.value, Data::Null) },
        None => entry(&param.name.value, stand_in(param, string)),
    });
    let params = Data::Table(Entries::new(given.collect()));
    let entries = vec![entry("template", string(&template.name.value)), entry("params", params)];
    Raw { name: template.name.clone(), entries: Entries::new(entries) }
}

/// Something that a parameter takes.
fn stand_in(param: &Param, string: impl Fn(&str) -> Data) -> Data {
    let Kind::One(word) = param.kind else { return Data::Array(Vec::new()) };
    let bound = param.min.as_ref().or(param.max.as_ref()).map(|bound| bound.text.as_str());
    string(match word {
        Word::Value(Scalar::String) | Word::Service => "example",
        Word::Value(Scalar::Int) => bound.unwrap_or("1"),
        Word::Value(Scalar::Bool) => "true",
        Word::Value(Scalar::Ifname) => "eth0",
        Word::Value(Scalar::Ip | Scalar::Ipv4) => "192.0.2.1",
        Word::Value(Scalar::Ipv6) => "2001:db8::1",
        Word::Value(Scalar::Cidr) => "192.0.2.1/24",
        Word::Value(Scalar::Mac) => "02:00:00:00:00:01",
        Word::Value(Scalar::Path) => "/run/example",
        Word::Value(Scalar::Secret) => "${example.secret}",
        Word::Duration => bound.unwrap_or("1s"),
        Word::Size => bound.unwrap_or("1K"),
        Word::Enum => param.values.first().map_or("example", String::as_str),
    })
}

/// Whether a finding lies in an expansion after the first `before`, and holds whatever an instance gives.
fn is_of_template(
    sources: &Sources,
    board: &Board,
    template: &Template,
    before: usize,
    finding: &Diagnostic,
) -> bool {
    let Some(place) = finding.place.filter(|place| place.via as usize > before) else {
        return false;
    };
    let is_open = |name: &str| {
        let is_unknown = |path| !board.knows(path);
        let has_nothing = |param: &Param| param.default.is_none() && param.example.is_none();
        name.strip_prefix("board.").is_some_and(is_unknown)
            || template.params.iter().any(|param| param.name.value == name && has_nothing(param))
    };
    !placeholders(written(sources, place)).any(is_open)
}

/// What stands in a file at a place.
fn written(sources: &Sources, place: Place) -> &str {
    sources.file(place.file).text.get(place.start..place.end).unwrap_or_default()
}

/// The names in the `{{…}}` of a text.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let open = opening(text, from)? + 2;
        let length = text[open..].find("}}")?;
        from = open + length + 2;
        Some(text[open..open + length].trim())
    })
}
