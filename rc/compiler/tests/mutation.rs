//! Definitions with one place spoilt: whatever is wrong, jambc says so or compiles, and never falls
//! over; and what it compiled can be shown and compiled again. The places are every third one of files that
//! use the whole language, what is written there comes from a seed; `JAMBC_SEEDS=N` tries the first N.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jambc::{
    Outcome, compile_sources,
    diag::Severity,
    render,
    show::{self, Decoded},
    source::Sources,
};
use rc::db::Database;

/// Characters and words that mean something somewhere.
const SPOILERS: &[&str] = &[
    "",
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "{",
    "}",
    "${",
    "$${",
    "}}",
    "{{",
    "{{board.",
    "{%",
    "%}",
    "{% for x in a.b %}",
    "{% endfor %}",
    ".",
    ":-",
    ",",
    "=",
    "\n",
    "\\",
    "\u{0}",
    "ä",
    "#",
    "-1",
    "99999999999999999999",
    "self",
    "0",
    "s",
    " ",
    "\r\n",
    "1.5",
    "true",
    "kind = 'file'\n",
];

/// Files that use the whole language.
fn full() -> [&'static str; 3] {
    let model = include_str!("model.rs");
    let model = model.split("r#\"").nth(1).unwrap().split("\"#").next().unwrap();
    [model, include_str!("good/watch.toml"), include_str!("good/templates.toml")]
}

fn compile(definitions: &[u8]) -> Outcome {
    let mut sources = Sources::default();
    let file = sources.add("x.toml".to_owned(), definitions);
    compile_sources(sources, &[file], None, None).unwrap()
}

fn check(definitions: &[u8]) {
    let outcome = compile(definitions);
    let errors = outcome.found.iter().any(|one| one.severity == Severity::Error);
    let shown = || String::from_utf8_lossy(definitions).into_owned();
    assert_eq!(outcome.database.is_none(), errors, "{}", shown());
    if let Some(bytes) = &outcome.database {
        let database = Database::new(bytes.clone()).unwrap();
        let toml = show::toml(&Decoded::new(&database).unwrap(), None).unwrap();
        let again = compile(toml.as_bytes());
        assert!(again.database.as_ref() == Some(bytes), "{toml}\nof\n{}", shown());
    }
    let human = render::human(&outcome.sources, &outcome.found, false);
    let json = render::json(&outcome.sources, &outcome.found);
    for one in json["diagnostics"].as_array().unwrap() {
        let Some(path) = one["path"].as_str() else { continue };
        let place = format!("--> {path}:{}:{}\n", one["line"], one["column"]);
        assert!(human.contains(&place), "{place} is not in\n{human}\nof\n{}", shown());
    }
}

#[test]
fn one_spoilt_place() {
    let seeds = std::env::var("JAMBC_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 0..seeds.unwrap_or(1) {
        for file in full() {
            spoil(file, seed);
        }
    }
}

fn spoil(full: &str, seed: u32) {
    let mut random = seed;
    // Every third place, the others with the next seeds.
    for (at, c) in full.char_indices().skip(seed as usize % 3).step_by(3) {
        for width in [0, c.len_utf8()] {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let spoiler = SPOILERS[(random >> 16) as usize % SPOILERS.len()];
            let mut spoilt = full[..at].to_owned();
            spoilt.push_str(spoiler);
            spoilt.push_str(&full[at + width..]);
            check(spoilt.as_bytes());
        }
    }
}

#[test]
fn every_beginning_of_a_file() {
    for file in full() {
        for (at, _) in file.char_indices().step_by(2) {
            check(&file.as_bytes()[..at]);
        }
    }
}

#[test]
fn bytes_that_are_no_text() {
    let file = full().concat();
    for at in (0..file.len()).step_by(97) {
        let mut bytes = file.as_bytes().to_vec();
        bytes[at] = 0xff;
        check(&bytes);
    }
}
