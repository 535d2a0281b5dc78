//! The rules of the house that a machine can check: who may use whom, what the device binary links and how
//! large it is, and that every file says what it is for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use qemu_tests::{board::Arch, places::Places, run::run};
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
    ("jamb", "rc"),
    ("jamb", "jamb-log"),
    ("jamb", "ifwait"),
    ("jamb", "supervisor"),
    ("rc", "supervisor"),
    ("jamb-log", "supervisor"),
    ("ifwait", "supervisor"),
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
    ("signal-hook", "signals into the loop"),
    ("rustix", "system calls"),
    ("nix", "system calls that rustix has not"),
    ("libc", "what neither of them wraps"),
    ("serde", "the database, the control protocol"),
    ("postcard", "their encoding"),
    ("bitflags", "of rustix and nix: sets of flags"),
    ("linux-raw-sys", "of rustix: the kernel's types and numbers"),
    ("errno", "of rustix on MIPS, and of signal-hook"),
    ("signal-hook-registry", "of signal-hook: the handlers"),
    ("cfg-if", "of nix: a macro"),
    ("memoffset", "of nix: a macro"),
    ("serde_core", "of serde: its traits"),
    ("cobs", "of postcard: a framing that jamb does not use"),
    ("thiserror", "of cobs: a macro"),
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
const SIZES: &[(Arch, u64)] = &[(Arch::X86_64, 300 * 1024), (Arch::Mipsel, 360 * 1024)];

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
    sources(&root(), &mut files);
    assert!(files.len() > 50, "only {} files found", files.len());
    let silent: Vec<&PathBuf> = files.iter().filter(|file| !says_its_job(file)).collect();
    assert!(silent.is_empty(), "the first line is no //! line with words in {silent:?}");
}

fn says_its_job(file: &Path) -> bool {
    let mut line = String::new();
    BufReader::new(fs::File::open(file).unwrap()).read_line(&mut line).unwrap();
    line.strip_prefix("//! ").is_some_and(|words| !words.trim().is_empty())
}

/// All `.rs` files below a folder of the repository, without what is built or hidden.
fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, files);
        } else if path.is_file() && name.ends_with(".rs") {
            files.push(path);
        }
    }
}
