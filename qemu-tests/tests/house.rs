//! The rules of the house that a machine can check: who may use whom, what the device binary links and how
//! large it is, that every file says what it is for, and that the documents say the same and lead somewhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use qemu_tests::{board::Arch, memory, places::Places, run::run};
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::Command,
};

/// Every arrow between two crates of the workspace that there may be: `init → {rc, log, ifwait} →
/// supervisor` and `jambc → rc`. Tests count like the rest.
const ARROWS: &[(&str, &str)] = &[
    // Its tests use it with a feature.
    ("jamb", "jamb"),
    ("jamb", "rc"),
    ("jamb", "jamb-log"),
    ("jamb", "ifwait"),
    ("jamb", "supervisor"),
    ("rc", "supervisor"),
    ("jamb-log", "supervisor"),
    ("ifwait", "supervisor"),
    // In the compiler only.
    ("supervisor", "supervisor-derive"),
    ("jambc", "rc"),
];

/// Everything that the device binary may link, and why. Whoever adds a line writes down the reason here
/// and in ARCHITECTURE.md.
const LINKED: &[(&str, &str)] = &[
    ("jamb", "the binary"),
    ("supervisor", "processes"),
    ("rc", "services"),
    ("jamb-log", "logs"),
    ("ifwait", "network interfaces"),
    ("mio", "the poll loop"),
    ("rustix", "system calls"),
    ("nix", "system calls that rustix has not"),
    ("libc", "what neither of them wraps"),
    ("bitflags", "of rustix and nix: sets of flags"),
    ("linux-raw-sys", "of rustix: the kernel's types and numbers"),
    ("errno", "of rustix on MIPS"),
    ("cfg-if", "of nix: a macro"),
    ("memoffset", "of nix: a macro"),
];

/// The targets of `make dist`.
const TARGETS: &[&str] = &[
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "armv7-unknown-linux-musleabihf",
    "mips-unknown-linux-musl",
    "mipsel-unknown-linux-musl",
];

/// The largest that `target/dist/ARCH/jamb` may be, in bytes; SPECIFICATION.md says the same.
const SIZES: &[(Arch, u64)] = &[
    (Arch::X86_64, 380 * 1024),
    (Arch::Aarch64, 356 * 1024),
    (Arch::Armv7, 276 * 1024),
    (Arch::Mipsel, 465 * 1024),
];

/// Numbers that both the code and SPECIFICATION.md have: in which file, as what, and as which words of the
/// page. Whoever changes one changes the other and this.
const NUMBERS: &[(&str, &str, &str)] = &[
    ("rc/src/db/layout.rs", "FORMAT: u32 = 5;", "Format 5. All"),
    ("rc/src/db/layout.rs", "MAX_LENGTH: usize = 16 * 1024 * 1024;", "| database file | 16 MiB |"),
    ("rc/src/model.rs", "MAX_SERVICES: usize = 20_000;", "| services in a database | 20,000 |"),
    ("rc/src/model.rs", "MAX_NAME: usize = 128;", "| name of a service or output | 128 bytes |"),
    (
        "rc/src/model/system.rs",
        "shutdown_timeout: Millis::from_secs(30)",
        "| default shutdown | 30 s |",
    ),
    ("rc/src/model/system.rs", "log_max_file: 128 * 1024", "| log of a service | 128 KiB a file"),
    ("rc/src/model/system.rs", "log_max_total: 2 * 1024 * 1024", "| all logs together | 2 MiB"),
    (
        "rc/src/model.rs",
        "finish_timeout: Millis::from_secs(5)",
        "| default `timeout-finish` | 5 s |",
    ),
    ("rc/src/outputs.rs", "MAX_VALUE: usize = 4096;", "| a value of an output | 4,096 bytes |"),
    ("rc/src/text.rs", "MAX_EXPANDED: usize = 128 * 1024;", "after expansion | 128 KiB |"),
    ("rc/src/proto.rs", "VERSION: u8 = 6;", "Version 6. A stream"),
    ("rc/src/proto.rs", "MAX_FRAME: usize = 64 * 1024;", "| a frame | 64 KiB |"),
    ("rc/src/proto.rs", "MAX_NAMES: usize = 256;", "| services named in a request | 256 |"),
    ("rc/src/model/system.rs", "MAX_CRITICAL: usize = 32;", "in the watchdog's `needs` | 32 |"),
    (
        "init/src/manager/guard.rs",
        "AFTERWARDS: Millis = Millis::from_secs(15);",
        "at the end | 15 s with a watchdog |",
    ),
    ("init/src/handover/mod.rs", "TOO_CLOSE_S: u32 = 60;", "loop | 5 within 60 s"),
    ("init/src/handover/area.rs", "TIMES: usize = 4;", "loop | 5 within 60 s"),
    (
        "init/src/handover/degraded.rs",
        "TIME: Duration = Duration::from_secs(60);",
        "only reaps | 60 s",
    ),
    ("init/src/manager/upgrade.rs", "CHECK: Millis = Millis::from_secs(10);", "take over | 10 s |"),
    ("init/src/handover/crash.rs", "STACK: usize = 16 * 1024;", "of the handlers | 16 KiB |"),
    ("rc/src/proto.rs", "PAGE: usize = 14;", "| services in a page | 14 |"),
    ("rc/src/proto.rs", "EDGE_PAGE: usize = 4096;", "milestones in a page | 4,096, 2,048 |"),
    ("rc/src/proto.rs", "MILESTONE_PAGE: u16 = 2048;", "milestones in a page | 4,096, 2,048 |"),
    ("rc/src/proto.rs", "MAX_TEXT: usize = 120;", "condition, of a status | 120 bytes |"),
    ("supervisor/src/notify.rs", "MAX_STATUS: usize = 120;", "at most 120 bytes"),
    ("init/src/svc/relations.rs", "MOST_LINES: usize = 20_000;", "`svc tree` | 20,000 |"),
    ("init/src/svc/why.rs", "LINES: usize = 3;", "most 3 lines)"),
    ("init/src/manager/watch.rs", "EVENT_TURN: usize = 256;", "inotify in a turn | 256 |"),
    (
        "init/src/manager/conditions.rs",
        "AGAIN: Millis = Millis::from_secs(1);",
        "| a watcher that broke | 1 s |",
    ),
    ("init/src/manager/adopt.rs", "ANCESTORS: usize = 16;", "and the main process | 16 |"),
    ("ifwait/src/device.rs", "MOST: usize = 1024;", "| devices remembered | 1,024 |"),
    ("ifwait/src/uevent.rs", "QUEUE: usize = 256 << 10;", "| uevents: queue, turn | 256 KiB, 64"),
    (
        "rc/src/proto.rs",
        "MAX_WAITING: usize = 8;",
        "| blockers, conditions named of a service | 8 |",
    ),
    (
        "rc/src/engine/command.rs",
        "Millis(KILL_GRACE.0 + 500)",
        "| after killing everything | 3.5 s |",
    ),
    ("rc/src/engine/mod.rs", "1000 + 200 * self", "in a turn | 1,000 + 200 a service |"),
    ("rc/src/engine/mod.rs", "> 64 + 2 * self", "deadline heap | 64 + 2 a service |"),
    ("supervisor/src/backoff.rs", "LEAST: Millis = Millis(10);", "between attempts | 10 ms |"),
    (
        "supervisor/src/backoff.rs",
        "SHORT_RUN: Millis = Millis::from_secs(1);",
        "at once | 1 s ready |",
    ),
    (
        "supervisor/src/backoff.rs",
        "STABLE_RUN: Millis = Millis::from_secs(10);",
        "failures | 10 s ready |",
    ),
    (
        "supervisor/src/process.rs",
        "KILL_GRACE: Millis = Millis::from_secs(3);",
        "| after KILL | 3 s |",
    ),
    (
        "supervisor/src/process.rs",
        "grace: Millis::from_secs(10)",
        "| default `timeout-down` | 10 s |",
    ),
    ("supervisor/src/notify.rs", "MAX_DATAGRAM: usize = 2048;", "`NOTIFY_SOCKET` | 2,048 bytes |"),
    ("supervisor/src/spawn/mod.rs", "STACK: usize = 32 * 1024;", "before execve | 32 KiB |"),
    (
        "init/src/manager/mod.rs",
        "DRAIN: Millis = Millis(1500);",
        "| logs are emptied within | 1.5 s |",
    ),
    ("init/src/manager/control.rs", "PLACES: usize = 32;", "| clients at a time | 32 |"),
    ("init/src/manager/feed.rs", "KEPT: usize = 256;", "| events kept | 256 |"),
    ("init/src/manager/users.rs", "MAX_FILE: usize = 256 * 1024;", "`/etc/group` | 256 KiB each |"),
    ("init/src/machine/cmdline.rs", "MAX: usize = 4096;", "| kernel command line | 4,096 bytes |"),
    ("init/src/machine/power.rs", "from_millis(1000)", "1 s after TERM,"),
    ("init/src/machine/power.rs", "from_millis(500)", "0.5 s after KILL |"),
    ("init/src/machine/power.rs", "ROUNDS: usize = 4;", "| rounds of unmounting | 4 |"),
    (
        "init/src/machine/rescue.rs",
        "BEFORE_REBOOT: Millis = Millis::from_secs(30);",
        "rescue shell | 30 s |",
    ),
    ("init/src/svc/client.rs", "ANSWER: Duration = Duration::from_secs(10);", "to `svc` | 10 s |"),
    ("init/src/file.rs", "DEPTH: usize = 32;", "| depth of a tree that is removed | 32 |"),
    ("init/src/manager/mod.rs", "EVENTS: usize = 64;", "| 64, 4 and 64, 8, 128, 16 |"),
    ("init/src/manager/answer.rs", "REQUEST_TURN: usize = 4;", "| 64, 4 and 64, 8, 128, 16 |"),
    ("init/src/manager/answer.rs", "EVENT_TURN: usize = 64;", "| 64, 4 and 64, 8, 128, 16 |"),
    ("init/src/manager/control.rs", "ACCEPT_TURN: usize = 8;", "| 64, 4 and 64, 8, 128, 16 |"),
    ("init/src/manager/children.rs", "REAP_TURN: usize = 128;", "| 64, 4 and 64, 8, 128, 16 |"),
    ("init/src/manager/ears.rs", "TURN: usize = 16;", "| 64, 4 and 64, 8, 128, 16 |"),
    (
        "init/src/manager/conditions.rs",
        "FIRST_TURNS: usize = 1000;",
        "at the start | 1,000 readings |",
    ),
    (
        "init/src/manager/adopt.rs",
        "PROCESSES: usize = 4096;",
        "before its pid file is there | 4,096 |",
    ),
    ("init/src/manager/adopt.rs", "ENVIRONMENT: usize = 4096;", "of a pid file | 4,096, 64 |"),
    ("init/src/manager/adopt.rs", "PIDFILE: usize = 64;", "of a pid file | 4,096, 64 |"),
    ("supervisor/src/datagram.rs", "CONTROL: usize = 256;", "messages of a datagram | 256 bytes |"),
    (
        "init/src/machine/power.rs",
        "MAX_TABLE: usize = 1 << 20;",
        "of modules | 1 MiB, 1 MiB, 2 MiB |",
    ),
    (
        "init/src/machine/modules.rs",
        "MAX_TABLE: usize = 2 << 20;",
        "of modules | 1 MiB, 1 MiB, 2 MiB |",
    ),
    (
        "rc/src/engine/process.rs",
        "MOST_MORE: Millis = Millis::from_secs(3600);",
        "_USEC` | 1 h a time |",
    ),
    ("rc/src/engine/condition.rs", "FREE_FLAPS: u32 = 3;", "without delay | 3 in a row |"),
    (
        "rc/src/engine/side.rs",
        "LEAST_CHECK: Millis = Millis::from_secs(1);",
        "readiness check | at least 1 s |",
    ),
    (
        "init/src/machine/rescue.rs",
        "PAUSE: Millis = Millis::from_secs(1);",
        "two rescue shells | 1 s |",
    ),
    (
        "init/src/manager/control.rs",
        "AGAIN: Millis = Millis::from_secs(1);",
        "| tried again every second |",
    ),
    (
        "rc/src/watchdog.rs",
        "TRUST: Millis = Millis::from_secs(10);",
        "| 10 s, or its health check and 5 s |",
    ),
    ("rc/src/watchdog.rs", "SLACK: u32 = 5000;", "| 10 s, or its health check and 5 s |"),
    ("log/src/format.rs", "MAX_LINE: usize = 8192;", "| a log line | 8,192 bytes |"),
    ("supervisor/src/coder.rs", "AT_ONCE: usize = 4096;", "| a list before its elements | 4 KiB |"),
    ("log/src/spool.rs", "CHUNK: usize = 65536;", "| a chunk of a pipe | 64 KiB |"),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// Only dependencies in the workspace have one.
    path: Option<PathBuf>,
}

fn root() -> PathBuf {
    Places::find().unwrap().root
}

fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).args(arguments).arg("--locked");
    String::from_utf8(run(&mut command).unwrap()).unwrap()
}

#[test]
fn only_the_arrows_of_the_design_exist() {
    let text = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Metadata = serde_json::from_str(&text).unwrap();
    let mut found = BTreeSet::new();
    for package in &metadata.packages {
        for dependency in package.dependencies.iter().filter(|one| one.path.is_some()) {
            let arrow = (package.name.as_str(), dependency.name.as_str());
            assert!(ARROWS.contains(&arrow), "{} must not use {}", arrow.0, arrow.1);
            found.insert(arrow);
        }
    }
    // Or else nothing was looked at.
    assert!(found.contains(&("jamb", "rc")) && found.contains(&("jambc", "rc")), "{found:?}");
}

#[test]
fn the_device_binary_links_what_is_named() {
    let mut linked = BTreeSet::new();
    for target in TARGETS {
        let edges = "normal,no-proc-macro";
        let format = ["--prefix", "none", "--format", "{p}"];
        let mut arguments = vec!["tree", "-p", "jamb", "-e", edges, "--target", target];
        arguments.extend(format);
        for line in cargo(&arguments).lines() {
            let name = line.split(' ').next().unwrap_or_default().to_owned();
            assert!(
                LINKED.iter().any(|(known, _)| *known == name),
                "{name} is linked for {target}, and there is no reason for it in {}",
                file!()
            );
            linked.insert(name);
        }
    }
    for (name, reason) in LINKED {
        assert!(
            linked.contains(*name),
            "{name} ({reason}) is no longer linked: take it off the list"
        );
    }
}

#[test]
fn the_device_binary_fits() {
    let places = Places::find().unwrap();
    let mut too_large = Vec::new();
    for (arch, most) in SIZES {
        let size = fs::metadata(places.jamb(*arch).unwrap()).unwrap().len();
        if size > *most {
            too_large.push(format!("{arch}: {size} bytes, {} more than {most}", size - most));
        }
    }
    assert!(too_large.is_empty(), "target/dist/ARCH/jamb is too large: {}", too_large.join("; "));
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut files = Vec::new();
    sources(&root(), ".rs", &mut files);
    assert!(files.len() > 50, "only {} files found", files.len());
    let silent: Vec<&PathBuf> = files.iter().filter(|file| !says_its_job(file)).collect();
    assert!(silent.is_empty(), "the first line is no //! line with words in {silent:?}");
}

/// The rows of the table of sizes in SPECIFICATION.md are the limits above, all of them and no others.
#[test]
fn the_specification_has_the_same_sizes() {
    let text = fs::read_to_string(root().join("SPECIFICATION.md")).unwrap();
    let (_, section) = text.split_once("\n### Sizes\n").unwrap();
    let section = section.split("\n#").next().unwrap();
    let limit = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let number = cells.get(2)?.strip_suffix(" KiB")?.parse::<u64>().ok()?;
        Some((cells[1].to_owned(), number * 1024))
    };
    let mut said: Vec<(String, u64)> = section.lines().filter_map(limit).collect();
    let mut meant: Vec<(String, u64)> =
        SIZES.iter().map(|(arch, most)| (arch.to_string(), *most)).collect();
    said.sort();
    meant.sort();
    assert_eq!(said, meant);
}

/// The same for what processes may have in memory.
#[test]
fn the_specification_has_the_same_memory() {
    let text = fs::read_to_string(root().join("SPECIFICATION.md")).unwrap();
    for (row, most) in
        [("PID 1, also after a hand-over", memory::INIT), ("the collector", memory::COLLECTOR)]
    {
        let row = format!("| resident memory of {row} | {most} KiB");
        assert!(text.contains(&row), "{row}");
    }
}

#[test]
fn the_specification_has_the_numbers_of_the_code() {
    // Lines may be broken anywhere.
    let flow = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = flow(&fs::read_to_string(root().join("SPECIFICATION.md")).unwrap());
    for (file, code, words) in NUMBERS {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains(code), "{file} has no {code} any more; the page says {words}");
        assert!(page.contains(&flow(words)), "SPECIFICATION.md has no {words}; {file} has {code}");
    }
}

/// One call of these in the binary brings a searcher of the standard library along, which is larger than
/// all of `supervisor::cut`, which has the same; `trim_ascii` is small, too.
#[test]
fn the_device_cuts_texts_in_one_way() {
    const SEARCHERS: &[&str] = &[
        ".contains('",
        ".find('",
        ".lines()",
        ".replacen(",
        ".rfind('",
        ".rsplit('",
        ".rsplit_once(",
        ".split('",
        ".split_once(",
        ".split_whitespace()",
        ".splitn(",
        ".trim()",
        ".trim_end()",
        ".trim_start()",
    ];
    let mut files = Vec::new();
    for folder in ["supervisor/src", "rc/src", "ifwait/src", "log/src", "init/src"] {
        sources(&root().join(folder), ".rs", &mut files);
    }
    files.retain(|file| !file.to_string_lossy().contains("tests"));
    assert!(files.len() > 100, "only {} files found", files.len());
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let device = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for searcher in SEARCHERS.iter().filter(|searcher| device.contains(**searcher)) {
            found.push(format!("{} has {searcher}", file.display()));
        }
    }
    assert!(found.is_empty(), "supervisor::cut does it in less: {}", found.join(", "));
}

/// Relative links in documents lead to files of the repository, and to headings that exist.
#[test]
fn links_in_documents_lead_somewhere() {
    let mut documents = Vec::new();
    sources(&root(), ".md", &mut documents);
    let (mut followed, mut broken) = (0, Vec::new());
    for document in &documents {
        let text = fs::read_to_string(document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            followed += 1;
            if !target.exists() || !(heading.is_empty() || has_heading(&target, heading)) {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    // README, ARCHITECTURE and the language reference alone have as many.
    assert!(followed > 50, "only {followed} links found");
    assert!(broken.is_empty(), "links that lead nowhere: {}", broken.join(", "));
}

/// Whether a document has a heading that is linked to as `anchor`: in small letters, without
/// punctuation, blanks as minus.
fn has_heading(document: &Path, anchor: &str) -> bool {
    let text = fs::read_to_string(document).unwrap();
    let mut is_code = false;
    text.lines().any(|line| {
        is_code ^= line.starts_with("```");
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        !is_code && line.starts_with('#') && kept.collect::<String>().replace(' ', "-") == anchor
    })
}

fn says_its_job(file: &Path) -> bool {
    let mut line = String::new();
    BufReader::new(fs::File::open(file).unwrap()).read_line(&mut line).unwrap();
    line.strip_prefix("//! ").is_some_and(|words| !words.trim().is_empty())
}

/// All files below a folder of the repository whose names end like this, without what is built or
/// hidden.
fn sources(folder: &Path, ending: &str, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, ending, files);
        } else if path.is_file() && name.ends_with(ending) {
            files.push(path);
        }
    }
}
