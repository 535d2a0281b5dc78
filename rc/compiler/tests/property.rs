//! Any set of definitions either has mistakes that are told, or becomes a database that a device's engine
//! loads, that is shown as definitions of the same bytes, and whose one form compiles to the same bytes. The
//! sets are made by chance and of all that the language has; `PROPTEST_CASES=N` tries N of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jambc::{
    compile_sources,
    diag::Severity,
    show::{self, Decoded},
    source::Sources,
    tool::fmt,
};
use proptest::{collection::vec, prelude::*, sample::select};
use rc::{db::Database, engine::Graph};
use std::{cell::Cell, fmt::Write as _};

/// Services and what they usually are; each usually relates only to those before it.
const SERVICES: &[(&str, &str)] = &[
    ("lan", "oneshot"),
    ("wan", "longrun"),
    ("conf", "file"),
    ("dns", "longrun"),
    ("group", "bundle"),
    ("uplink", "failover"),
    ("default", "bundle"),
];
const KEYS: &[(&str, &str)] = &[("ifname", "ifname"), ("address", "ip"), ("servers", "list<ip>")];
const KINDS: &[&str] = &["longrun", "oneshot", "bundle", "file", "failover"];
const TYPES: &[&str] = &["string", "int", "ifname", "ip", "ipv4", "list<ip>", "secret"];

/// Mostly `usual`, now and then anything.
fn mostly<T: Clone + std::fmt::Debug + 'static>(
    usual: &[T],
    all: &[T],
) -> impl Strategy<Value = T> + use<T> {
    let usual = if usual.is_empty() { all } else { usual };
    prop_oneof![30 => select(usual.to_vec()), 1 => select(all.to_vec())]
}

fn before(at: usize) -> Vec<&'static str> {
    SERVICES[..at].iter().map(|(name, _)| *name).collect()
}

fn other(at: usize) -> impl Strategy<Value = &'static str> {
    mostly(&before(at), &before(SERVICES.len()))
}

/// A text with references in it, most of them to something.
fn text(at: usize) -> BoxedStrategy<String> {
    let publishers = ["lan", "wan", "dns"].into_iter().filter(|name| before(at).contains(name));
    let publishers: Vec<&str> = publishers.collect();
    let form = mostly(
        &["ifname}", "address}", "servers.0}", "address:-x}"],
        &["servers}", "x}", "ifname.0}", "}"],
    );
    let reference = (mostly(&publishers, &before(SERVICES.len())), form)
        .prop_map(|(service, form)| format!("${{{service}.{form}"));
    let literals =
        ["x", "-v", "eth0", "192.0.2.1", "$${", "${HOME}", "a b", "äö", "\\", "\"", "{%", "\n"];
    let literal = select(literals.to_vec()).prop_map(ToOwned::to_owned);
    let part = if publishers.is_empty() {
        literal.boxed()
    } else {
        prop_oneof![2 => literal, 1 => reference].boxed()
    };
    vec(part, 1..3).prop_map(|parts| parts.concat()).boxed()
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn command(at: usize, key: &'static str) -> impl Strategy<Value = String> {
    vec(text(at), 0..3).prop_map(move |argv| {
        let argv: Vec<String> = argv.iter().map(|text| quoted(text)).collect();
        format!("{key} = [\"daemon\", {}]", argv.join(", "))
    })
}

/// Lines that most often fit every kind, or those that are given.
fn line(at: usize, kind: &str) -> BoxedStrategy<String> {
    let pair = |key: &'static str, values: &'static [&'static str]| {
        select(values).prop_map(move |value| format!("{key} = {value}")).boxed()
    };
    let relation = (select(&["needs", "wants", "after"][..]), vec(other(at), 0..3))
        .prop_map(|(key, names)| format!("{key} = {names:?}"))
        .boxed();
    let mut lines = vec![
        relation.clone(),
        relation,
        pair("description", &["'words'", "''"]),
        pair("when", &["{ link = 'eth0', is = 'up' }", "{ path = '/dev/x' }"]),
        pair("on-change", &["'restart'", "'ignore'"]),
        pair("part-of", &["['default']", "[]"]),
    ];
    let process = [
        text(at).prop_map(|text| format!("env.X = {}", quoted(&text))).boxed(),
        pair("restart", &["'always'", "'never'", "{ backoff = '1s..2s', max = 3 }"]),
        pair("timeout-start", &["'5s'", "'never'", "'2m'", "'1500ms'"]),
        pair("user", &["'nobody'", "0"]),
        pair("limits", &["{ nofile = 5, core = { soft = 1, hard = 'unlimited' } }"]),
        pair("cgroup", &["true", "false", "{}", "{ memory = '1M', cpu = 5 }", "{ pids = 1 }"]),
        pair("private-tmp", &["true", "false", "'4M'", "65536"]),
        pair("nice", &["-20", "0", "19"]),
        pair("capabilities", &["{ bounding = ['all'] }", "{ bounding = ['chown', 'bpf'] }"]),
    ];
    match kind {
        "longrun" => {
            lines.extend(process);
            lines.push(command(at, "finish").boxed());
            let ready =
                &["'started'", "'outputs'", "'notify'", "{ fd = 3 }", "{ pidfile = '/run/p' }"];
            lines.push(pair("ready", ready));
            lines.push(pair(
                "sockets.a",
                &["{ stream = 80 }", "{ datagram = '/run/a', mode = '0600' }"],
            ));
            lines.push(pair("health", &["{ run = ['x'], every = '1s' }"]));
        }
        "oneshot" => {
            lines.extend(process);
            lines.extend([command(at, "up").boxed(), command(at, "down").boxed()]);
        }
        "bundle" => lines.push(pair("ready-when", &["'all'", "'all'", "'any'", "1", "2"])),
        "file" => lines.push(pair("mode", &["'0600'", "'0644'", "'0755'"])),
        _ => lines.push(pair("return", &["'sticky'", "'prefer-first'"])),
    }
    let wrong = pair("timeout-down", &["5", "'0s'", "'5s'", "'5 s'"]);
    prop_oneof![40 => proptest::strategy::Union::new(lines), 1 => wrong].boxed()
}

/// What a service of a kind needs to be one.
fn body(at: usize, kind: &'static str) -> BoxedStrategy<String> {
    let names = |key: &'static str, names: Vec<&'static str>| {
        vec(mostly(&names, &before(SERVICES.len())), 0..3)
            .prop_map(move |names| format!("{key} = {names:?}\n"))
            .boxed()
    };
    let outputs = vec((select(KEYS), mostly(&[true], &[false]), select(TYPES)), 0..4);
    let outputs = outputs.prop_map(|some| {
        let mut out: String =
            KEYS.iter().map(|(key, kind)| format!("outputs.{key} = {kind:?}\n")).collect();
        for ((key, usual), fits, kind) in some {
            if !fits {
                out = out.replace(&format!("{key} = {usual:?}"), &format!("{key} = {kind:?}"));
            }
        }
        out
    });
    match kind {
        "longrun" => (command(at, "run"), outputs).prop_map(|(a, b)| format!("{a}\n{b}")).boxed(),
        "oneshot" => outputs.boxed(),
        "bundle" => names("contents", before(at)),
        "file" => text(at)
            .prop_map(move |text| {
                let each = "{% for i in wan.servers %}\n{{i}}\n{% endfor %}\n";
                let text = quoted(&format!("{text}{each}").replace("{%\"", "{%%\""));
                format!("path = \"/run/{at}\"\ntext = {text}\n")
            })
            .boxed(),
        _ => Just("alternatives = [\"wan\", \"dns\"]\noutputs = { address = \"ip\" }\n".to_owned())
            .boxed(),
    }
}

fn service(at: usize) -> BoxedStrategy<String> {
    let (name, usual) = SERVICES[at];
    mostly(&[usual], KINDS)
        .prop_flat_map(move |kind| (Just(kind), body(at, kind), vec(line(at, kind), 0..4)))
        .prop_map(move |(kind, body, lines)| {
            let mut out = format!("[service.{name}]\nkind = \"{kind}\"\n{body}");
            for line in lines {
                let key = line.split([' ', '.']).next().unwrap_or_default();
                // A key twice is a syntax error, which would hide everything else.
                if !out.lines().any(|line| line.split([' ', '.']).next() == Some(key)) {
                    writeln!(out, "{line}").unwrap();
                }
            }
            out
        })
        .boxed()
}

fn definitions() -> impl Strategy<Value = String> {
    let services: Vec<_> = (0..SERVICES.len())
        .map(|at| prop_oneof![30 => service(at), 1 => Just(String::new())])
        .collect();
    services.prop_map(|services| services.concat())
}

/// The database, if there is no mistake.
fn compiled(definitions: &str) -> Option<Vec<u8>> {
    let mut sources = Sources::default();
    let file = sources.add("x.toml".to_owned(), definitions.as_bytes());
    // An error here is a database that was written and that the engine would refuse.
    let outcome = compile_sources(sources, &[file], None, None).unwrap();
    let errors = outcome.found.iter().any(|one| one.severity == Severity::Error);
    assert_eq!(outcome.database.is_none(), errors);
    outcome.database
}

#[test]
fn definitions_are_refused_or_load() {
    let (tried, loaded) = (Cell::new(0_u32), Cell::new(0_u32));
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases.unwrap_or(300))
    };
    proptest!(config, |(definitions in definitions())| {
        tried.set(tried.get() + 1);
        let bytes = compiled(&definitions);
        let formed = fmt::format(&definitions).unwrap();
        prop_assert_eq!(&compiled(&formed), &bytes);
        if let Some(bytes) = bytes {
            loaded.set(loaded.get() + 1);
            let database = Database::new(bytes.clone()).unwrap();
            Graph::load(&database).unwrap();
            let shown = show::toml(&Decoded::new(&database).unwrap(), None).unwrap();
            prop_assert_eq!(compiled(&shown), Some(bytes));
        }
    });
    // Or else only one half of the property was tried.
    assert!(loaded.get() * 10 > tried.get(), "{} of {} load", loaded.get(), tried.get());
    assert!(loaded.get() < tried.get());
}
