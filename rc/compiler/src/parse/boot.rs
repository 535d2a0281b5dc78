//! What the machine needs before its services, in `[system]`, and the modules that services name.

use super::{
    exec::{absolute, absolute_path, account},
    service::missing,
    table::{Context, Table, Value},
    value::{choice, duration, octal},
};
use crate::{
    definition::Boot,
    diag::{Code, Diagnostic},
    fields::{FREE, MOUNT, OVERLAYS, PSEUDOFILE, ROOT},
    source::Located,
    string::Str,
};
use rc::{
    Millis,
    boot::{IN_STORE, Op, SYSCTL, Step},
};

/// How long devices are waited for unless the definition says otherwise.
const DEVICE_WAIT: Millis = Millis::from_secs(10);

/// File systems that need no device.
const DEVICELESS: &[&str] = &[
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "proc",
    "pstore",
    "ramfs",
    "securityfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// Reads what `[system]` says of it.
pub fn boot(cx: Context<'_>, table: &mut Table<'_>) -> Boot {
    let mut into = Boot {
        firmware: table.take("firmware").and_then(|value| absolute(cx, &value)),
        modules: modules(cx, table),
        ..Boot::default()
    };
    for (path, value) in paths(cx, table, "mounts") {
        into.mounts.extend(mount(cx, path, &value));
    }
    for (path, value) in paths(cx, table, "files") {
        let place = path.place;
        into.files.extend(file(cx, path, &value).map(|value| Located { value, place }));
    }
    let settings = table.take("sysctl");
    let settings = settings
        .and_then(|v| v.table(cx, "a table such as { \"net.ipv4.ip_forward\" = 1 }", &FREE));
    for (name, value) in settings.iter().flat_map(Table::entries) {
        let place = name.place;
        into.sysctl.extend(setting(cx, &name, &value).map(|value| Located { value, place }));
    }
    into.root = table.take("root").map(|value| root(cx, &value)).unwrap_or_default();
    let reboot = table.take("rescue-reboot").and_then(|value| duration(cx, &value));
    into.rescue_reboot = reboot.map(|time| time.value);
    let record = table.take("end-record").and_then(|value| absolute(cx, &value));
    into.end_record = record.map(|path| path.value);
    into
}

/// Reads `root`: steps in the order in which they are done.
fn root(cx: Context<'_>, value: &Value<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let expected = "a table such as { device = \"PARTLABEL=root\" }";
    let Some(mut table) = value.table(cx, expected, &ROOT) else { return steps };
    let mut root = Step { wait: DEVICE_WAIT, ..Step::new(Op::Root, "/sbin/init") };
    match table.take("device") {
        Some(device) => root.device = line(cx, &device).unwrap_or_default(),
        None => missing(cx, &table, "device", "name it, for example \"PARTLABEL=root\""),
    }
    if let Some(kind) = table.take("type").and_then(|value| word(cx, &value)) {
        root.text = kind;
    }
    if let Some(options) = table.take("options").and_then(|value| word(cx, &value)) {
        root.options = options;
    }
    if let Some(wait) = table.take("wait").and_then(|value| duration(cx, &value)) {
        root.wait = wait.value;
    }
    if let Some(init) = table.take("init").and_then(|value| absolute(cx, &value)) {
        root.path = init.value;
    }
    let mut program = |key, op| {
        let path = table.take(key).and_then(|value| absolute(cx, &value));
        path.map(|path| Step::new(op, path.value))
    };
    let (prepare, activate) = (program("prepare", Op::Prepare), program("activate", Op::Activate));
    steps.extend(prepare);
    steps.push(root);
    let store = table.take("store");
    if let Some(store) = &store {
        let nowhere = Located { value: String::new(), place: store.place };
        let found = mount(cx, nowhere, store).map(|step| Step { op: Op::Store, ..step });
        steps.extend(found);
    }
    let no_store = |value: &Value<'_>| {
        if store.is_none() {
            let message = format!("`{}` needs a `store`", value.key);
            value.invalid(cx, Code::Missing, message, "a table with `device` and `type`");
        }
    };
    if let Some(overlay) = table.take("overlay")
        && let Some(text) = overlay.string(cx, "\"store\" or \"ram\"")
        && let Some(text) = choice(cx, &overlay, &text.value, OVERLAYS, "")
    {
        if text == IN_STORE {
            no_store(&overlay);
        }
        steps.push(Step { text: text.to_owned(), ..Step::new(Op::Overlay, "/") });
    }
    if let Some(persist) = table.take("persist") {
        no_store(&persist);
        for item in persist.items(cx, "a list of paths") {
            let path = absolute(cx, &item);
            steps.extend(path.map(|path| Step::new(Op::Persist, path.value)));
        }
    }
    steps.extend(activate);
    table.finish(cx);
    steps
}

/// Reads a list of modules.
pub fn modules(cx: Context<'_>, table: &mut Table<'_>) -> Vec<Located<String>> {
    let list = table.take("modules");
    let list = list.map(|value| value.strings(cx, "a list of kernel modules")).unwrap_or_default();
    list.into_iter().filter_map(|string| module(cx, string)).collect()
}

/// A module's name, with its parameters after it.
pub fn module(cx: Context<'_>, string: Str) -> Option<Located<String>> {
    let mut words = string.value.split_whitespace();
    let name = words.next().unwrap_or_default().to_owned();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if name.is_empty() || !name.bytes().all(plain) {
        let message = format!("`{name}` is not the name of a kernel module");
        cx.report.push(
            Diagnostic::error(Code::BadName, string.place, message).help(
                "as lsmod(8) prints it, without a folder and `.ko`; parameters follow a blank",
            ),
        );
        return None;
    }
    // The kernel knows modules by underscores only.
    let mut value = name.replace('-', "_");
    for parameter in words {
        value.push(' ');
        value.push_str(parameter);
    }
    Some(Located { value, place: string.place })
}

/// The entries of a table whose keys are paths; sorted, so parents come before what is in them.
fn paths<'v>(
    cx: Context<'_>,
    table: &mut Table<'v>,
    key: &'static str,
) -> Vec<(Located<String>, Value<'v>)> {
    let Some(value) = table.take(key) else { return Vec::new() };
    let inner = value.table(cx, "a table whose keys are paths", &FREE);
    let entries = inner.iter().flat_map(Table::entries);
    let located = |name: Located<&str>| Located { value: name.value.to_owned(), place: name.place };
    let named = entries.map(|(name, value)| (located(name), value));
    named.filter(|(name, _)| absolute_path(cx, key, name)).collect()
}

fn mount(cx: Context<'_>, on: Located<String>, value: &Value<'_>) -> Option<Step> {
    let mut into = Step { wait: DEVICE_WAIT, ..Step::new(Op::Mount, on.value) };
    if value.is_string() {
        into.text = word(cx, value)?;
        into.device.clone_from(&into.text);
        needs_device(cx, value, &into.text, "write a table with `device`")?;
        return Some(into);
    }
    let mut table = value.table(cx, "the type of a file system, or a table", &MOUNT)?;
    let (kind, device) = (table.take("type"), table.take("device"));
    if kind.is_none() {
        missing(cx, &table, "type", "write for example `{ type = \"tmpfs\" }`");
    }
    if let Some(options) = table.take("options").and_then(|value| word(cx, &value)) {
        into.options = options;
    }
    if let Some(wait) = table.take("wait").and_then(|value| duration(cx, &value)) {
        into.wait = wait.value;
    }
    table.finish(cx);
    let kind_value = kind?;
    into.text = word(cx, &kind_value)?;
    match device {
        Some(device) => into.device = line(cx, &device)?,
        None => {
            needs_device(cx, &kind_value, &into.text, "name it with `device`")?;
            into.device.clone_from(&into.text);
        }
    }
    Some(into)
}

/// Reports a file system that cannot be mounted without a device.
fn needs_device(cx: Context<'_>, value: &Value<'_>, kind: &str, help: &str) -> Option<()> {
    if DEVICELESS.contains(&kind) {
        return Some(());
    }
    let message = format!("a file system of the type `{kind}` needs a device");
    value.invalid(cx, Code::Missing, message, help);
    None
}

/// A string without blanks in it.
fn word(cx: Context<'_>, value: &Value<'_>) -> Option<String> {
    let text = line(cx, value)?;
    if text.contains(char::is_whitespace) {
        let message = format!("`{}` has blanks in it", value.key);
        value.invalid(cx, Code::BadValue, message, "only commas separate options");
        return None;
    }
    Some(text)
}

/// A string of one line that is not empty.
fn line(cx: Context<'_>, value: &Value<'_>) -> Option<String> {
    let text = value.string(cx, "a string")?.value;
    if text.is_empty() || text.contains('\n') {
        let message = format!("`{}` must be one line that is not empty", value.key);
        value.invalid(cx, Code::BadValue, message, "");
        return None;
    }
    Some(text)
}

fn file(cx: Context<'_>, path: Located<String>, value: &Value<'_>) -> Option<Step> {
    let mut table = value.table(cx, "a table such as { mode = \"0755\" }", &PSEUDOFILE)?;
    let (link, text, node) = (table.take("link"), table.take("text"), table.take("node"));
    if [&link, &text, &node].into_iter().flatten().count() > 1 {
        let message = format!("{} is said to be several things", table.what);
        cx.report.push(
            Diagnostic::error(Code::Contradiction, table.place, message)
                .help("at most one of `link`, `text` and `node`; a directory has none of them"),
        );
    }
    let mut into = Step::new(Op::Directory, path.value);
    into.mode = 0o755;
    match (link, text, node) {
        (Some(link), ..) => {
            (into.op, into.mode, into.text) = (Op::Link, 0o777, line(cx, &link)?);
        }
        (_, Some(text), _) => {
            (into.op, into.mode, into.text) = (Op::File, 0o644, text.string(cx, "a string")?.value);
        }
        (.., Some(node)) => {
            into.mode = 0o600;
            (into.op, into.major, into.minor) = device(cx, &node)?;
        }
        _ => {}
    }
    let mode = table.take("mode").and_then(|value| octal(cx, &value));
    let user = table.take("user").and_then(|value| account(cx, &value));
    let group = table.take("group").and_then(|value| account(cx, &value));
    table.finish(cx);
    let owner = user.as_ref().or(group.as_ref()).map(|name| name.place);
    if into.op == Op::Link
        && let Some(place) = mode.as_ref().map(|mode| mode.place).or(owner)
    {
        let message = "a symbolic link has no mode and no owner that matter";
        cx.report.push(Diagnostic::error(Code::Contradiction, place, message));
    }
    into.mode = mode.map_or(into.mode, |mode| mode.value);
    into.user = user.map(|name| name.value).unwrap_or_default();
    into.group = group.map(|name| name.value).unwrap_or_default();
    Some(into)
}

fn device(cx: Context<'_>, value: &Value<'_>) -> Option<(Op, u32, u32)> {
    let text = value.string(cx, "a device such as \"c 10 200\"")?.value;
    let words: Vec<&str> = text.split_whitespace().collect();
    let found = match words[..] {
        ["p"] => Some((Op::Fifo, 0, 0)),
        [kind @ ("c" | "b"), major, minor] => match (major.parse(), minor.parse()) {
            (Ok(major), Ok(minor)) if kind == "c" => Some((Op::Character, major, minor)),
            (Ok(major), Ok(minor)) => Some((Op::Block, major, minor)),
            _ => None,
        },
        _ => None,
    };
    if found.is_none() {
        let message = format!("`{}`: `{text}` is not a device", value.key);
        let help = "write \"c MAJOR MINOR\", \"b MAJOR MINOR\", or \"p\" for a named pipe";
        value.invalid(cx, Code::BadValue, message, help);
    }
    found
}

/// A setting: as in sysctl(8), dots separate the parts of its name unless a slash comes first.
fn setting(cx: Context<'_>, name: &Located<&str>, value: &Value<'_>) -> Option<Step> {
    let first = name.value.find(['.', '/']).map(|at| &name.value[at..=at]);
    let path = match first {
        Some(".") => name.value.chars().map(|c| match c {
            '.' => '/',
            '/' => '.',
            other => other,
        }),
        _ => return slashed(cx, name, value, name.value.to_owned()),
    };
    slashed(cx, name, value, path.collect())
}

fn slashed(cx: Context<'_>, name: &Located<&str>, value: &Value<'_>, path: String) -> Option<Step> {
    let plain =
        |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_whitespace);
    if !path.split('/').all(plain) {
        let message = format!("`{}` is not the name of a setting", name.value);
        cx.report.push(
            Diagnostic::error(Code::BadName, name.place, message)
                .help("it is a path below /proc/sys, with dots or slashes between its parts"),
        );
        return None;
    }
    let text = value.plain(cx, "a string or a number")?;
    if text.contains('\n') {
        let message = format!("`{}` must be one line", value.key);
        value.invalid(cx, Code::BadValue, message, "");
        return None;
    }
    Some(Step { text, ..Step::new(Op::Write, format!("{SYSCTL}{path}")) })
}
