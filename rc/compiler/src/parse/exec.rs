//! The surroundings of a service's processes, and the outputs it declares.

use super::{
    isolation::isolation,
    table::{Context, Table, Value},
    value::{check_name, limits, octal},
};
use crate::{
    definition::{Exec, Output},
    diag::{Code, Diagnostic, nearest, one_of},
    fields::{FREE, OUTPUT},
    scan,
    source::Located,
    text::{self, Draft, Syntax},
};
use rc::outputs::{OutputType, Scalar};

/// Variables that jamb sets itself.
const RESERVED: [&str; 4] = ["NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"];

/// Reads `user`, `group`, `groups`, `env`, `cwd`, `umask`, `limits` and what isolates.
pub fn exec(cx: Context<'_>, table: &mut Table<'_>) -> Exec {
    let groups = table.take("groups").map(|value| value.items(cx, "a list of groups"));
    Exec {
        user: table.take("user").and_then(|value| account(cx, &value)),
        group: table.take("group").and_then(|value| account(cx, &value)),
        groups: groups.unwrap_or_default().iter().filter_map(|v| account(cx, v)).collect(),
        env: table.take("env").map(|value| env(cx, &value)).unwrap_or_default(),
        cwd: table.take("cwd").and_then(|value| absolute(cx, &value)),
        umask: table.take("umask").and_then(|value| umask(cx, &value)),
        limits: table.take("limits").map(|value| limits(cx, &value)).unwrap_or_default(),
        isolation: isolation(cx, table),
    }
}

fn umask(cx: Context<'_>, value: &Value<'_>) -> Option<u16> {
    let bits = octal(cx, value)?.value;
    if bits > 0o777 {
        let message = format!("`{}` is above 777", value.key);
        value.invalid(
            cx,
            Code::BadValue,
            message,
            "a mask has three octal digits, such as \"022\"",
        );
    }
    Some(bits)
}

/// A user or group: a name or a number.
pub fn account(cx: Context<'_>, value: &Value<'_>) -> Option<Located<String>> {
    if let Some(number) = value.as_integer(cx) {
        if u32::try_from(number).is_err() {
            let message = format!("`{}`: {number} is not an id", value.key);
            value.invalid(cx, Code::BadValue, message, "an id is between 0 and 4294967295");
            return None;
        }
        return Some(Located { value: number.to_string(), place: value.place });
    }
    let string = value.string(cx, "a name or a number")?;
    let plain = |c: char| !c.is_whitespace() && !matches!(c, ':' | '\0' | '/');
    if string.value.is_empty() || !string.value.chars().all(plain) {
        let message = format!("`{}`: `{}` is not an account name", value.key, string.value);
        value.invalid(cx, Code::BadName, message, "as in /etc/passwd or /etc/group, or a number");
        return None;
    }
    Some(Located { value: string.value, place: string.place })
}

fn env(cx: Context<'_>, value: &Value<'_>) -> Vec<(Located<String>, Draft)> {
    let mut found = Vec::new();
    let Some(table) = value.table(cx, "a table of variables such as { TZ = \"UTC\" }", &FREE)
    else {
        return found;
    };
    for (key, value) in table.entries() {
        let name = Located { value: key.value.to_owned(), place: key.place };
        if key.value.is_empty() || key.value.contains(['=', '\0']) {
            cx.report.push(Diagnostic::error(
                Code::BadName,
                key.place,
                format!("`{}` cannot name a variable: it is empty or has a `=`", key.value),
            ));
        } else if RESERVED.contains(&key.value) || key.value.starts_with("JAMB_") {
            cx.report.push(
                Diagnostic::error(
                    Code::BadName,
                    key.place,
                    format!("`{}` is set by jamb itself", key.value),
                )
                .help("choose another name"),
            );
        }
        if let Some(draft) = text(cx, &value) {
            found.push((name, draft));
        }
    }
    found
}

/// A string with references; integers and booleans are taken as they are written.
fn text(cx: Context<'_>, value: &Value<'_>) -> Option<Draft> {
    if value.is_string() {
        let string = value.text(cx, "a string")?;
        return Some(text::parse(cx.report, &string, Syntax::References));
    }
    let literal = value.plain(cx, "a string")?;
    Some(Draft { parts: vec![text::Part::Literal(literal)], place: Some(value.place) })
}

/// A path from the root, without detours, so that two spellings of one path cannot differ.
pub fn absolute(cx: Context<'_>, value: &Value<'_>) -> Option<Located<String>> {
    let string = value.string(cx, "an absolute path")?;
    let found = Located { value: string.value, place: value.place };
    absolute_path(cx, &value.key, &found).then_some(Located { place: string.place, ..found })
}

/// Whether that is a path from the root without detours; anything else is reported as a value of `key`.
pub fn absolute_path(cx: Context<'_>, key: &str, found: &Located<String>) -> bool {
    let path = &found.value;
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    let rest = path.strip_prefix('/');
    let is_plain = rest.is_some_and(|rest| rest.is_empty() || rest.split('/').all(plain));
    if !is_plain {
        let message = format!("`{key}`: `{path}` is not a plain absolute path");
        let help = "it starts with `/`, has no `.`, `..` or empty parts and does not end in `/`";
        cx.report.push(Diagnostic::error(Code::BadValue, found.place, message).help(help));
    }
    is_plain
}

/// Whether an output's value may stand by itself, its type being that of what it refers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Short {
    /// A string that is not a type may be a reference.
    Reference,
    /// A string is a type.
    Type,
}

/// Reads `outputs`.
pub fn outputs(cx: Context<'_>, table: &mut Table<'_>, short: Short) -> Vec<Output> {
    let mut found = Vec::new();
    let Some(value) = table.take("outputs") else { return found };
    let Some(table) = value.table(cx, "a table such as { ifname = \"ifname\" }", &FREE) else {
        return found;
    };
    for (key, value) in table.entries() {
        let key = Located { value: key.value.to_owned(), place: key.place };
        check_name(cx, &key, "an output");
        found.push(output(cx, key, &value, short));
    }
    found
}

fn output(cx: Context<'_>, key: Located<String>, value: &Value<'_>, short: Short) -> Output {
    let Some(mut table) = value.as_table(&OUTPUT) else {
        if short == Short::Reference
            && let Some(string) = value.text(cx, "a reference such as \"${wan.ifname}\"")
            && scan::reference_in(&string).is_some()
        {
            let value = Some(text::parse(cx.report, &string, Syntax::References));
            return Output { key, kind: OutputType::One(Scalar::String), derived: true, value };
        }
        return Output { kind: kind(output_type(cx, value)), key, derived: false, value: None };
    };
    let declared = table.take("type");
    let constant = table.take("value").and_then(|value| text(cx, &value));
    if declared.is_none() {
        let message = format!("{} has no `type`", table.what);
        cx.report.push(
            Diagnostic::error(Code::Missing, table.place, message)
                .help("write for example `{ type = \"ip\", value = \"192.0.2.1\" }`"),
        );
    }
    table.finish(cx);
    let kind = kind(declared.and_then(|value| output_type(cx, &value)));
    Output { key, kind, derived: false, value: constant }
}

/// An output of unknown type still exists, so that references to it are not reported too.
fn kind(found: Option<OutputType>) -> OutputType {
    found.unwrap_or(OutputType::One(Scalar::String))
}

fn output_type(cx: Context<'_>, value: &Value<'_>) -> Option<OutputType> {
    let text = value.string(cx, "a type such as \"ip\" or \"list<ip>\"")?.value;
    let found = OutputType::from_name(&text);
    if found.is_none() {
        let names = Scalar::ALL.iter().map(|(_, name)| *name);
        let bare = text.trim_start_matches("list<").trim_end_matches('>');
        let near = nearest(bare, names.clone()).map(|near| {
            let whole =
                if text.starts_with("list") { format!("list<{near}>") } else { near.into() };
            format!("did you mean `{whole}`? ")
        });
        let help =
            format!("{}valid are {}, and list<…> of them", near.unwrap_or_default(), one_of(names));
        value.invalid(
            cx,
            Code::BadValue,
            format!("`{}`: there is no type `{text}`", value.key),
            &help,
        );
    }
    found
}
