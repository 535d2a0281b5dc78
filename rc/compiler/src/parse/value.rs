//! Values with a syntax of their own: durations, sizes, octal modes, signals, names and limits.

use super::table::{Context, Value};
use crate::{
    diag::{Code, Diagnostic, nearest, one_of},
    fields::{LIMIT, LIMITS},
    source::Located,
    string::Str,
};
use rc::{
    Millis, Signal,
    model::{Limit, Resource},
    outputs::is_name,
};

/// Every resource with its name in definitions, and whether its unit is bytes.
pub const RESOURCES: &[(&str, Resource, bool)] = &[
    ("as", Resource::As, true),
    ("core", Resource::Core, true),
    ("cpu", Resource::Cpu, false),
    ("data", Resource::Data, true),
    ("fsize", Resource::Fsize, true),
    ("memlock", Resource::Memlock, true),
    ("nofile", Resource::Nofile, false),
    ("nproc", Resource::Nproc, false),
    ("stack", Resource::Stack, true),
];

const DURATIONS: &str = "a duration is a whole number with a unit: `100ms`, `5s`, `2m` or `1h`";
const SIZES: &str = "a size is a number of bytes, or a string like `128K` or `2M`";

/// The milliseconds of a duration like `5s`; `None` if it is not one or too long.
#[must_use]
pub fn duration_of(text: &str) -> Option<Millis> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let factor = match &text[digits..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    text[..digits].parse::<u32>().ok()?.checked_mul(factor).map(Millis)
}

/// A duration.
pub fn duration(cx: Context<'_>, value: &Value<'_>) -> Option<Located<Millis>> {
    let text = match value.as_integer(cx) {
        Some(number) => number.to_string(),
        None => value.string(cx, "a duration such as \"5s\"")?.value,
    };
    let found = duration_of(&text);
    if found.is_none() {
        let bare = text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty();
        let known = text.find(|c: char| !c.is_ascii_digit()).map(|at| &text[at..]);
        let message = if bare {
            format!("`{}` has no unit", value.key)
        } else if matches!(known, Some("ms" | "s" | "m" | "h"))
            && !text.starts_with(['m', 's', 'h'])
        {
            format!("`{}` is too long: the longest duration is 49 days (1193h)", value.key)
        } else {
            format!("`{}`: `{text}` is not a duration", value.key)
        };
        let help = if bare {
            format!("write \"{text}s\" for seconds; {DURATIONS}")
        } else {
            DURATIONS.to_owned()
        };
        value.invalid(cx, Code::Duration, message, &help);
    }
    found.map(|millis| Located { value: millis, place: value.place })
}

/// A duration, or `never` as the inner `None`.
pub fn duration_or_never(cx: Context<'_>, value: &Value<'_>) -> Option<Option<Millis>> {
    if value.as_string(cx).is_some_and(|text| text.value == "never") {
        return Some(None);
    }
    let found = duration(cx, value)?;
    if found.value.0 == 0 {
        let message = format!("`{}` must be longer than nothing", value.key);
        value.invalid(cx, Code::BadValue, message, "write \"never\" for no limit");
        return None;
    }
    Some(Some(found.value))
}

/// A duration that is not 0.
pub fn lasting(cx: Context<'_>, value: &Value<'_>) -> Option<Located<Millis>> {
    let found = duration(cx, value)?;
    if found.value.0 == 0 {
        let message = format!("`{}` must be longer than nothing", value.key);
        value.invalid(cx, Code::BadValue, message, DURATIONS);
        return None;
    }
    Some(found)
}

/// A number of times, at least `least`.
pub fn count(cx: Context<'_>, value: &Value<'_>, least: u32) -> Option<u32> {
    match value.as_integer(cx).map(u32::try_from) {
        Some(Ok(count)) if count >= least => Some(count),
        Some(_) => {
            let message = format!("`{}` must be between {least} and {}", value.key, u32::MAX);
            let help = if least == 0 { "0 means without end" } else { "" };
            value.invalid(cx, Code::BadValue, message, help);
            None
        }
        None => {
            value.wrong_type(cx, "a number of attempts");
            None
        }
    }
}

/// A number of bytes.
pub fn size(cx: Context<'_>, value: &Value<'_>) -> Option<u64> {
    if let Some(number) = value.as_integer(cx) {
        let found = u64::try_from(number).ok();
        if found.is_none() {
            value.invalid(cx, Code::BadValue, format!("`{}` is negative", value.key), SIZES);
        }
        return found;
    }
    let text = value.string(cx, "a size such as 131072 or \"128K\"")?.value;
    let found = size_of(&text);
    if found.is_none() {
        value.invalid(
            cx,
            Code::BadValue,
            format!("`{}`: `{text}` is not a size", value.key),
            SIZES,
        );
    }
    found
}

/// The bytes of a size like `128K`; `None` if it is not one or too large.
#[must_use]
pub fn size_of(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor: u64 = match &text[digits..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(factor)
}

/// A size that fits 32 bits and is not 0.
pub fn size_u32(cx: Context<'_>, value: &Value<'_>) -> Option<Located<u32>> {
    let bytes = size(cx, value)?;
    match u32::try_from(bytes) {
        Ok(fit) if fit > 0 => Some(Located { value: fit, place: value.place }),
        _ => {
            let message = format!("`{}` must be between 1 and {} bytes", value.key, u32::MAX);
            value.invalid(cx, Code::BadValue, message, SIZES);
            None
        }
    }
}

/// Permission bits as an octal string.
pub fn octal(cx: Context<'_>, value: &Value<'_>) -> Option<Located<u16>> {
    let Some(string) = value.as_string(cx) else {
        value.wrong_type(cx, "an octal number in quotes, such as \"0644\"");
        return None;
    };
    let text = &string.value;
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    match u16::from_str_radix(text, 8) {
        Ok(bits) if digits && bits <= 0o7777 => Some(Located { value: bits, place: value.place }),
        _ => {
            let message = format!("`{}`: `{text}` is not an octal mode", value.key);
            value.invalid(cx, Code::BadValue, message, "write it like \"0644\", at most \"7777\"");
            None
        }
    }
}

/// A signal by name.
pub fn signal(cx: Context<'_>, value: &Value<'_>) -> Option<Signal> {
    let text = value.string(cx, "the name of a signal, such as \"TERM\"")?.value;
    signal_named(cx, value, &text)
}

/// The signal called `text`, which is (a part of) `value`.
pub fn signal_named(cx: Context<'_>, value: &Value<'_>, text: &str) -> Option<Signal> {
    let found = Signal::from_name(text);
    if found.is_none() {
        let names = Signal::ALL.iter().map(|signal| signal.name());
        let bare = text.to_ascii_uppercase();
        let help = nearest(bare.trim_start_matches("SIG"), names.clone())
            .map(|near| format!("did you mean `{near}`?"))
            .unwrap_or_else(|| format!("valid are {}", one_of(names)));
        let message = format!("`{}`: there is no signal `{text}`", value.key);
        value.invalid(cx, Code::BadValue, message, &help);
    }
    found
}

/// One word out of a few.
pub fn choice<T: Clone>(
    cx: Context<'_>,
    value: &Value<'_>,
    text: &str,
    choices: &[(&str, T)],
    also: &str,
) -> Option<T> {
    let found = choices.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let words = choices.iter().map(|(word, _)| *word);
        let mut help = String::new();
        if let Some(near) = nearest(text, words.clone()) {
            help = format!("did you mean `{near}`? ");
        }
        help.push_str(&format!("valid are {}{also}", one_of(words)));
        let message = format!("`{}` cannot be `{text}`", value.key);
        value.invalid(cx, Code::BadValue, message, &help);
    }
    found.map(|(_, choice)| choice.clone())
}

/// The name of a service, or of a user or group if `what` says so.
pub fn name(cx: Context<'_>, string: Str, what: &str) -> Option<Located<String>> {
    let found = Located { value: string.value, place: string.place };
    check_name(cx, &found, what).then_some(found)
}

/// Reports a name that cannot be one.
pub fn check_name(cx: Context<'_>, name: &Located<String>, what: &str) -> bool {
    let valid = is_name(&name.value);
    if !valid {
        let message = format!("`{}` is not a valid name of {what}", name.value);
        cx.report.push(Diagnostic::error(Code::BadName, name.place, message).help(format!(
            "a name starts with a letter or digit, holds only letters, digits, `_`, `-` and `@`, \
             and has at most {} bytes",
            rc::model::MAX_NAME
        )));
    }
    valid
}

/// A number, or `unlimited` as the inner `None`.
fn bound(cx: Context<'_>, value: &Value<'_>, bytes: bool) -> Option<Option<u64>> {
    if value.as_string(cx).is_some_and(|text| text.value == "unlimited") {
        return Some(None);
    }
    if bytes {
        return size(cx, value).map(Some);
    }
    match value.as_integer(cx) {
        Some(number) if number >= 0 => u64::try_from(number).ok().map(Some),
        Some(_) => {
            let message = format!("`{}` is negative", value.key);
            value.invalid(cx, Code::BadValue, message, "a limit is 0 or more, or \"unlimited\"");
            None
        }
        None => {
            value.wrong_type(cx, "a number, \"unlimited\" or { soft = …, hard = … }");
            None
        }
    }
}

/// The table `limits`.
pub fn limits(cx: Context<'_>, value: &Value<'_>) -> Vec<Limit> {
    let mut found = Vec::new();
    let Some(mut table) = value.table(cx, "a table of limits such as { nofile = 1024 }", &LIMITS)
    else {
        return found;
    };
    for (key, resource, bytes) in RESOURCES {
        let Some(value) = table.take(key) else { continue };
        let (soft, hard) = match value.as_table(&LIMIT) {
            None => {
                let both = bound(cx, &value, *bytes);
                (both, both)
            }
            Some(mut pair) => {
                let mut part = |key| {
                    let found = pair.take(key);
                    if found.is_none() {
                        cx.report.push(
                            Diagnostic::error(
                                Code::Missing,
                                pair.place,
                                format!("`{}` has no `{key}`", value.key),
                            )
                            .help("both `soft` and `hard` are needed; one number sets both"),
                        );
                    }
                    bound(cx, &found?, *bytes)
                };
                let bounds = (part("soft"), part("hard"));
                pair.finish(cx);
                bounds
            }
        };
        let (Some(soft), Some(hard)) = (soft, hard) else { continue };
        if hard.is_some_and(|hard| soft.is_none_or(|soft| soft > hard)) {
            let message = format!("`{}`: the soft limit is above the hard one", value.key);
            value.invalid(cx, Code::Contradiction, message, "raise `hard` or lower `soft`");
        }
        found.push(Limit { resource: *resource, soft, hard });
    }
    table.finish(cx);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_fit() {
        assert_eq!(duration_of("100ms"), Some(Millis(100)));
        assert_eq!(duration_of("2m"), Some(Millis(120_000)));
        assert_eq!(duration_of("1193h"), Some(Millis(4_294_800_000)));
        for bad in ["", "5", "s", "1194h", "-1s", "1.5s", "5 s", "5S", "99999999999s"] {
            assert_eq!(duration_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(size_of("128K"), Some(131_072));
        assert_eq!(size_of("7"), Some(7));
        for bad in ["", "K", "1KB", "1k", "-1", "99999999999999G"] {
            assert_eq!(size_of(bad), None, "{bad}");
        }
    }
}
