//! `when`: the conditions of a service, each a table with the fact that it is about.

use super::{
    exec::absolute,
    table::{Context, Table, Value},
    value::choice,
};
use crate::{
    definition::{Condition, Fact},
    diag::{Code, Diagnostic},
    fields::{CONDITION, DEVICE, FREE},
    source::Located,
    text::{self, Draft, Part, Syntax},
};
use rc::model::LinkIs;

/// What a condition is about, by the key that says so.
const FACTS: &[&str] = &["link", "device", "path", "output"];

/// Reads `when`: one condition, or a list of conditions that must all hold.
pub fn conditions(cx: Context<'_>, table: &mut Table<'_>) -> Vec<Condition> {
    let Some(value) = table.take("when") else { return Vec::new() };
    const EXPECTED: &str = "a condition such as { link = \"eth0\", is = \"running\" }, or a list";
    if value.is_array() {
        let items = value.items(cx, EXPECTED);
        return items.iter().filter_map(|item| condition(cx, item, EXPECTED)).collect();
    }
    condition(cx, &value, EXPECTED).into_iter().collect()
}

fn condition(cx: Context<'_>, value: &Value<'_>, expected: &str) -> Option<Condition> {
    let mut table = value.table(cx, expected, &CONDITION)?;
    let given: Vec<(&str, Value<'_>)> =
        FACTS.iter().filter_map(|key| Some((*key, table.take(key)?))).collect();
    let negated = table.take("not").and_then(|value| value.boolean(cx)).unwrap_or(false);
    let is = table.take("is");
    let equals = table.take("equals");
    if let [_, (second, value), ..] = given.as_slice() {
        let first = given.first().map_or("", |(key, _)| key);
        let message = format!("a condition about `{first}` and about `{second}`");
        cx.report.push(
            Diagnostic::error(Code::Contradiction, value.place, message)
                .help("write two conditions: `when = [{ … }, { … }]`; all of them must hold"),
        );
    }
    let about = given.first().map(|(key, _)| *key);
    only_beside(cx, is.as_ref(), about, "link");
    only_beside(cx, equals.as_ref(), about, "output");
    let fact = match given.into_iter().next() {
        Some(("link", value)) => link(cx, &value, is.as_ref()),
        Some(("device", value)) => device(cx, &value),
        Some(("path", value)) => absolute(cx, &value).map(Fact::Path),
        Some((_, value)) => output(cx, &value, equals.as_ref()),
        None => {
            let message = format!("{} is about nothing", table.what);
            cx.report.push(
                Diagnostic::error(Code::Missing, table.place, message)
                    .help("it needs one of `link`, `device`, `path` and `output`"),
            );
            None
        }
    };
    let place = table.place;
    table.finish(cx);
    Some(Condition { place, fact: fact.unwrap_or(Fact::Unknown), negated })
}

/// Reports a key that only has a meaning beside another one.
fn only_beside(cx: Context<'_>, value: Option<&Value<'_>>, about: Option<&str>, fact: &str) {
    let (Some(value), Some(about)) = (value, about) else { return };
    if about != fact {
        let message = format!("`{}` has no meaning in a condition about `{about}`", value.key);
        let help = format!("it belongs to `{fact}`");
        value.invalid(cx, Code::Contradiction, message, &help);
    }
}

fn link(cx: Context<'_>, value: &Value<'_>, is: Option<&Value<'_>>) -> Option<Fact> {
    let name = value.text(cx, "the name of an interface")?;
    let is = match is {
        None => LinkIs::Present,
        Some(is) => {
            let words: Vec<(&str, LinkIs)> = LinkIs::ALL.iter().map(|(is, w)| (*w, *is)).collect();
            let word = is.string(cx, "a state such as \"running\"")?;
            choice(cx, is, &word.value, &words, "")?
        }
    };
    Some(Fact::Link(text::parse(cx.report, &name, Syntax::References), is))
}

fn device(cx: Context<'_>, value: &Value<'_>) -> Option<Fact> {
    const EXPECTED: &str = "a table such as { subsystem = \"net\", name = \"eth*\" }";
    let mut table = value.table(cx, EXPECTED, &DEVICE)?;
    let subsystem = table.take("subsystem");
    if subsystem.is_none() {
        let message = format!("{} has no `subsystem`", table.what);
        cx.report.push(Diagnostic::error(Code::Missing, table.place, message).help(
            "it is the name of a folder in /sys/class or /sys/bus, such as \"net\", \"tty\" or \
             \"usb\"",
        ));
    }
    let subsystem = subsystem.and_then(|value| word(cx, &value));
    let name = table.take("name").and_then(|value| {
        let name = word(cx, &value)?;
        if name.matches('*').count() > 1 {
            let message = format!("`{}`: `{name}` has more than one `*`", value.key);
            value.invalid(cx, Code::BadValue, message, "one `*` stands for any characters");
            return None;
        }
        Some(name)
    });
    let mut properties = Vec::new();
    if let Some(value) = table.take("properties")
        && let Some(table) = value.table(cx, "a table such as { DEVTYPE = \"usb_device\" }", &FREE)
    {
        for (key, value) in table.entries() {
            if let Some(found) = value.string(cx, "a string") {
                properties.push((key.value.to_owned(), found.value));
            }
        }
    }
    table.finish(cx);
    Some(Fact::Device { subsystem: subsystem?, name: name.unwrap_or("*".to_owned()), properties })
}

/// One word that can be a name in sysfs.
fn word(cx: Context<'_>, value: &Value<'_>) -> Option<String> {
    let text = value.string(cx, "a name")?.value;
    if text.is_empty() || text.contains(['/', '\n']) {
        let message = format!("`{}`: `{text}` is not a name in /sys", value.key);
        value.invalid(cx, Code::BadValue, message, "a name has at least one character and no `/`");
        return None;
    }
    Some(text)
}

fn output(cx: Context<'_>, value: &Value<'_>, equals: Option<&Value<'_>>) -> Option<Fact> {
    let string = value.text(cx, "an output such as \"${wan.mode}\"")?;
    let draft = text::parse(cx.report, &string, Syntax::References);
    if !is_whole_output(&draft) {
        let message = format!("`{}` must be one output and nothing else", value.key);
        let help = "write `output = \"${service.output}\"`, without an index or default";
        value.invalid(cx, Code::BadValue, message, help);
        return None;
    }
    let equals = equals.and_then(|value| {
        let text = value.plain(cx, "the value to compare with")?;
        Some(Located { value: text, place: value.place })
    });
    Some(Fact::Output(draft, equals))
}

fn is_whole_output(draft: &Draft) -> bool {
    match draft.parts.as_slice() {
        [Part::Reference(reference)] => reference.index.is_none() && reference.default.is_none(),
        _ => false,
    }
}
