//! `[template.NAME]`: its parameters and its body.

use super::{
    Bound, Kind, Param, Template, Templates, Word,
    bind::{number, what},
};
use crate::{
    diag::{Code, Diagnostic, nearest, one_of},
    fields::{FREE, PARAM, TEMPLATE},
    layers::{Raw, Raws},
    node::{Data, Entries, Node},
    parse::{Context, Table, Value, check_name},
    source::Located,
};

/// Reads all templates.
pub(crate) fn declare(cx: Context<'_>, raws: Raws) -> Templates {
    raws.into_iter().map(|(name, raw)| (name, template(cx, raw))).collect()
}

fn template(cx: Context<'_>, raw: Raw) -> Template {
    check_name(cx, &raw.name, "a template");
    let what = format!("template `{}`", raw.name.value);
    let mut table = Table::new(what.clone(), raw.name.place, &raw.entries, &TEMPLATE);
    let doc = table.take("doc").and_then(|value| value.text(cx, "a string"));
    let params = table.take("params").map(|value| params(cx, &value)).unwrap_or_default();
    let services = table.take("services").map(|value| services(cx, &value)).unwrap_or_default();
    let main = table.take("main");
    let mut body = raw.entries.clone();
    for key in TEMPLATE.fields.iter().map(|field| field.key) {
        body.remove(key);
    }
    if let Some(value) = main {
        let rest = body.iter().next().map(|entry| (entry.key.clone(), entry.place));
        if let Some((key, place)) = rest {
            let message = format!("{what} has `main` and, beside it, `{key}`");
            cx.report.push(
                Diagnostic::error(Code::Contradiction, place, message)
                    .related(value.place, "the service itself")
                    .help("move the key into `main`"),
            );
        }
        match value.node.as_table() {
            Some(entries) => body = entries.clone(),
            None => value.wrong_type(cx, "a table, the service itself"),
        }
    } else if body.find("kind").is_none() {
        let message = format!("{what} has no `kind`");
        cx.report.push(Diagnostic::error(Code::Missing, raw.name.place, message).help(
            "a template has the keys of the service that an instance becomes; if that is an \
             instance of another template, write `main = { template = \"…\", params = { … } }`",
        ));
    }
    Template {
        name: raw.name.clone(),
        doc: doc.map(|doc| doc.value).unwrap_or_default(),
        params,
        body,
        services,
    }
}

fn services(cx: Context<'_>, value: &Value<'_>) -> Vec<(Located<String>, Entries)> {
    let mut found = Vec::new();
    let Some(table) = value.table(cx, "a table of services by their suffixes", &FREE) else {
        return found;
    };
    for (key, value) in table.entries() {
        let suffix = Located { value: key.value.to_owned(), place: key.place };
        check_name(cx, &suffix, "a service");
        match value.node.as_table() {
            Some(entries) => found.push((suffix, entries.clone())),
            None => value.wrong_type(cx, "a table with the keys of a service"),
        }
    }
    found
}

fn params(cx: Context<'_>, value: &Value<'_>) -> Vec<Param> {
    let mut found = Vec::new();
    let Some(table) = value.table(cx, "a table such as { mtu = { type = \"int\" } }", &FREE) else {
        return found;
    };
    for (key, value) in table.entries() {
        let name = Located { value: key.value.to_owned(), place: key.place };
        check_name(cx, &name, "a parameter");
        if matches!(key.value, "name" | "board") {
            let message = format!("a parameter cannot be called `{}`", key.value);
            let help = "`{{name}}` is the name of the instance, `{{board.…}}` a value of the board";
            cx.report.push(Diagnostic::error(Code::BadName, key.place, message).help(help));
        }
        found.extend(param(cx, name, &value));
    }
    found
}

fn param(cx: Context<'_>, name: Located<String>, value: &Value<'_>) -> Option<Param> {
    let expected = "a table such as { type = \"int\", default = 1492, doc = \"…\" }";
    let mut table = value.table(cx, expected, &PARAM)?;
    let declared = table.take("type");
    if declared.is_none() {
        let message = format!("{} has no `type`", table.what);
        cx.report.push(
            Diagnostic::error(Code::Missing, table.place, message)
                .help(format!("valid are {}, and list<…> of them", one_of(Word::names()))),
        );
    }
    let text = |value: Option<Value<'_>>| {
        value.and_then(|value| value.text(cx, "a string")).map(|text| text.value)
    };
    let doc = text(table.take("doc")).unwrap_or_default();
    let default = table.take("default");
    let example = table.take("example");
    let (min, max, words) = (table.take("min"), table.take("max"), table.take("values"));
    table.finish(cx);
    let kind = kind(cx, &declared?)?;
    let values = words.as_ref().map(|value| value.items(cx, "a list of words"));
    let values: Vec<String> = values
        .unwrap_or_default()
        .iter()
        .filter_map(|value| value.string(cx, "a word"))
        .map(|word| word.value)
        .collect();
    only(cx, words.as_ref(), kind.word() == Word::Enum, "an enum");
    if kind.word() == Word::Enum && values.is_empty() {
        let message = format!("`{}` has no `values`", value.key);
        cx.report.push(
            Diagnostic::error(Code::Missing, value.place, message)
                .help("an enum lists its words: `values = [\"pap\", \"chap\"]`"),
        );
    }
    let counts = number(kind.word(), "0").is_some() || kind.word() == Word::Duration;
    only(cx, min.as_ref(), counts, "an int, a duration or a size");
    only(cx, max.as_ref(), counts, "an int, a duration or a size");
    let bound = |value: Option<Value<'_>>| bound(cx, kind.word(), &value.filter(|_| counts)?);
    let found = Param {
        min: bound(min),
        max: bound(max),
        name,
        kind,
        default: default.as_ref().map(|value| value.node.clone()),
        values,
        doc,
        example: example.as_ref().map(|value| value.node.clone()),
    };
    for value in default.iter().chain(&example) {
        check_own(cx, &found, value.node);
    }
    Some(found)
}

/// Reports a key that this type has no use for.
fn only(cx: Context<'_>, value: Option<&Value<'_>>, fits: bool, owner: &str) {
    if let Some(value) = value
        && !fits
    {
        let message = format!("`{}` has no meaning here", value.key);
        value.invalid(cx, Code::Contradiction, message, &format!("it is for {owner}"));
    }
}

fn bound(cx: Context<'_>, word: Word, value: &Value<'_>) -> Option<Bound> {
    let text = value.plain(cx, "a value of the parameter's type")?;
    let Some(found) = number(word, &text) else {
        let message = format!("`{}`: `{text}` is not {}", value.key, what(word));
        value.invalid(cx, Code::Parameter, message, "");
        return None;
    };
    Some(Bound { text, value: found })
}

fn kind(cx: Context<'_>, value: &Value<'_>) -> Option<Kind> {
    let text = value.string(cx, "a type such as \"ifname\" or \"list<ip>\"")?.value;
    let found = Kind::from_name(&text);
    if found.is_none() {
        let bare = text.trim_start_matches("list<").trim_end_matches('>');
        let near = nearest(bare, Word::names()).map(|near| format!("did you mean `{near}`? "));
        let help = format!(
            "{}valid are {}, and list<…> of them",
            near.unwrap_or_default(),
            one_of(Word::names())
        );
        let message = format!("`{}`: there is no type `{text}`", value.key);
        value.invalid(cx, Code::BadValue, message, &help);
    }
    found
}

/// A default or example must be one that could be given. What only an instance knows is not looked at.
fn check_own(cx: Context<'_>, param: &Param, node: &Node) {
    let has_parameter = |node: &Node| match &node.data {
        Data::String(text) => text.value.contains("{{") || text.value.contains("${"),
        _ => false,
    };
    let open = match &node.data {
        Data::Array(items) => items.iter().any(has_parameter),
        _ => has_parameter(node),
    };
    if !open {
        super::bind::check(cx, param, node, "");
    }
}
