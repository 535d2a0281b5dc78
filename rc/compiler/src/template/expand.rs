//! Instances into services.

use super::{Binding, Expansion, Template, Templates, bind::bind, fill::Filler};
use crate::{
    diag::{Code, Diagnostic, all_of, nearest},
    fields::SERVICE,
    layers::{Lists, Raw, Raws, merge},
    node::{Data, Entry},
    parse::Context,
    source::Located,
};
use rc::model::MAX_SERVICES;
use std::collections::btree_map;

/// So many templates may use each other in a row.
const DEPTH: usize = 16;

/// As many templates are listed where a name is unknown and none is similar.
const FEW: usize = 12;

/// What came of expanding.
#[derive(Debug, Default)]
pub struct Expanded {
    /// The services.
    pub services: Raws,
    /// The names of those whose template could not be used, which has been reported.
    pub broken: Vec<Located<String>>,
    /// Every use of a template.
    pub expansions: Vec<Expansion>,
    /// What is to be checked when all outputs are known.
    pub bindings: Vec<Binding>,
}

/// A service that may be an instance.
struct Open {
    raw: Raw,
    /// The templates that it came from, the outermost first.
    chain: Vec<String>,
}

/// Makes services of all instances, and of the instances in their templates; `before` are the uses of
/// templates that places count already.
pub(crate) fn expand(
    cx: Context<'_>,
    templates: &Templates,
    raws: Raws,
    before: Vec<Expansion>,
) -> Expanded {
    let mut found = Expanded { expansions: before, ..Expanded::default() };
    let mut open: Vec<Open> =
        raws.into_values().map(|raw| Open { raw, chain: Vec::new() }).collect();
    // From the front, so that the order of findings does not depend on templates.
    open.reverse();
    while let Some(next) = open.pop() {
        if found.services.len() > MAX_SERVICES {
            // The link pass reports that they are too many.
            break;
        }
        instance(cx, templates, next, &mut found, &mut open);
    }
    found
}

fn instance(
    cx: Context<'_>,
    templates: &Templates,
    Open { mut raw, chain }: Open,
    found: &mut Expanded,
    open: &mut Vec<Open>,
) {
    let named = raw.entries.remove("template");
    let params = raw.entries.remove("params");
    let Some(named) = named else {
        if let Some(Entry { place, .. }) = params {
            let message = "`params` without `template`";
            cx.report.push(
                Diagnostic::error(Code::Contradiction, place, message)
                    .help("parameters are those of a template: add `template = \"NAME\"`"),
            );
        }
        put(cx, raw, found);
        return;
    };
    let Some(template) = find(cx, templates, &named) else {
        found.broken.push(raw.name);
        return;
    };
    if chain.len() == DEPTH || chain.contains(&template.name.value) {
        endless(cx, template, &named, &chain);
        found.broken.push(raw.name);
        return;
    }
    let given = params.as_ref().map(|entry| &entry.value);
    let bounds = bind(cx, template, &raw.name, given, &mut found.bindings);
    let Some(bounds) = bounds else {
        found.broken.push(raw.name);
        return;
    };
    found.expansions.push(Expansion {
        instance: raw.name.value.clone(),
        template: template.name.value.clone(),
        place: named.value.place,
        is_trial: false,
    });
    let via = u32::try_from(found.expansions.len()).unwrap_or(u32::MAX);
    let filler = Filler { cx, template, instance: &raw.name, bounds: &bounds, via };
    let mut chain = chain;
    chain.push(template.name.value.clone());
    for (suffix, entries) in template.services.iter().rev() {
        let mut place = suffix.place;
        place.via = via;
        let name = Located { value: format!("{}-{}", raw.name.value, suffix.value), place };
        let raw = Raw { name, entries: filler.entries(entries) };
        open.push(Open { raw, chain: chain.clone() });
    }
    let mut entries = filler.entries(&template.body);
    merge(&SERVICE, &mut entries, raw.entries, Lists::Add);
    let raw = Raw { name: raw.name.clone(), entries };
    if raw.entries.find("template").is_some() {
        open.push(Open { raw, chain });
    } else {
        put(cx, raw, found);
    }
}

fn find<'t>(cx: Context<'_>, templates: &'t Templates, named: &Entry) -> Option<&'t Template> {
    let Data::String(written) = &named.value.data else {
        let message = format!("`template` must be a string, not {}", named.value.what());
        cx.report.push(Diagnostic::error(Code::WrongType, named.value.place, message));
        return None;
    };
    let name = cx.board.substitute(cx.report, written.clone()).value;
    let template = templates.get(&name);
    if template.is_none() {
        let message = format!("there is no template `{name}`");
        let mut error = Diagnostic::error(Code::UnknownTemplate, named.value.place, message);
        let names = || templates.keys().map(String::as_str);
        if let Some(near) = nearest(&name, names()) {
            error = error.help(format!("did you mean `{near}`?"));
        } else if templates.is_empty() {
            error = error.help(
                "no file defines a template; give the folder that does before this one, such as \
                 boards/templates",
            );
        } else if templates.len() <= FEW {
            error = error.help(format!("there are {}", all_of(names())));
        }
        cx.report.push(error);
    }
    template
}

fn endless(cx: Context<'_>, template: &Template, named: &Entry, chain: &[String]) {
    let path: Vec<&str> =
        chain.iter().map(String::as_str).chain([template.name.value.as_str()]).collect();
    let message = if chain.contains(&template.name.value) {
        format!("templates use each other in a circle: {}", path.join(" -> "))
    } else {
        format!("more than {DEPTH} templates use each other in a row: {}", path.join(" -> "))
    };
    cx.report.push(
        Diagnostic::error(Code::Expansion, named.value.place, message)
            .help("an instance would never be complete; let one of them stand by itself"),
    );
}

/// Adds a service; a name that is taken is reported.
fn put(cx: Context<'_>, raw: Raw, found: &mut Expanded) {
    match found.services.entry(raw.name.value.clone()) {
        btree_map::Entry::Vacant(free) => {
            free.insert(raw);
        }
        btree_map::Entry::Occupied(taken) => {
            let message = format!("service `{}` is defined twice", raw.name.value);
            cx.report.push(
                Diagnostic::error(Code::Twice, raw.name.place, message)
                    .label("defined again here")
                    .related(taken.get().name.place, "first defined here")
                    .help("the services of a template are called INSTANCE-SUFFIX"),
            );
        }
    }
}
