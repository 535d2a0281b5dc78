//! Bad definitions and what is said about them: `tests/bad/NAME.toml`, or a tree `tests/bad/NAME/`
//! with more arguments in its `args`, against `tests/bad/NAME.expected`. With `JAMBC_BLESS=1` the
//! expected files are written anew, to be read before they are committed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const JAMBC: &str = env!("CARGO_BIN_EXE_jambc");

struct Case {
    name: String,
    /// Keeps a single file's tree while the case runs.
    folder: Option<tempfile::TempDir>,
    args: Vec<String>,
}

fn bad() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad")
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(bad()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let more = fs::read_to_string(path.join("args")).unwrap_or_default();
            let more = more.split_whitespace().map(ToOwned::to_owned);
            let args = std::iter::once(name.clone()).chain(more).collect();
            cases.push(Case { name, folder: None, args });
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("bad")).unwrap();
            fs::copy(&path, folder.path().join("bad").join(path.file_name().unwrap())).unwrap();
            cases.push(Case { name, folder: Some(folder), args: vec!["bad".into()] });
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(cases.len() > 20, "the cases were not found");
    cases
}

impl Case {
    fn run(&self, format: &str) -> Output {
        let folder = self.folder.as_ref().map_or_else(bad, |folder| folder.path().to_owned());
        let mut command = Command::new(JAMBC);
        command.arg("check").args(&self.args).args(["--format", format]).current_dir(folder);
        command.output().unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.run("json").stdout).unwrap()
    }
}

#[test]
fn what_is_said_is_what_is_expected() {
    let bless = std::env::var_os("JAMBC_BLESS").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let output = case.run("human");
        let said = String::from_utf8(output.stderr).unwrap();
        let said = format!("{said}exit {}\n", output.status.code().unwrap());
        let expected = bad().join(format!("{}.expected", case.name));
        if bless {
            fs::write(&expected, &said).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{}: jambc says\n{said}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn both_formats_say_the_same_and_people_get_path_line_and_column() {
    for case in cases() {
        let json = case.json();
        let human = String::from_utf8(case.run("human").stderr).unwrap();
        let found = json["diagnostics"].as_array().unwrap();
        assert_eq!(human.matches("[J0").count(), found.len(), "{}", case.name);
        for one in found {
            let head = format!(
                "{}[{}]: {}",
                one["severity"].as_str().unwrap(),
                one["code"].as_str().unwrap(),
                one["message"].as_str().unwrap()
            );
            assert!(human.contains(&head), "{}: {head}", case.name);
            if let Some(path) = one["path"].as_str() {
                let place = format!("--> {path}:{}:{}\n", one["line"], one["column"]);
                assert!(human.contains(&place), "{}: {place}", case.name);
            }
        }
    }
}

#[test]
fn findings_are_sorted_by_place() {
    for case in cases() {
        let json = case.json();
        let place = |one: &serde_json::Value| {
            let path = one["path"].as_str()?.to_owned();
            Some((path, one["line"].as_u64().unwrap(), one["column"].as_u64().unwrap()))
        };
        let places: Vec<_> = json["diagnostics"].as_array().unwrap().iter().map(place).collect();
        let placed = places.iter().filter(|place| place.is_some());
        assert!(placed.is_sorted(), "{}: {places:?}", case.name);
    }
}

#[test]
fn every_code_is_covered_and_counted() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        let json = case.json();
        let found = json["diagnostics"].as_array().unwrap();
        let errors = found.iter().filter(|one| one["severity"] == "error").count();
        assert_eq!(json["errors"], errors, "{}", case.name);
        assert_eq!(json["warnings"], found.len() - errors, "{}", case.name);
        seen.extend(found.iter().map(|one| one["code"].as_str().unwrap().to_owned()));
    }
    let all: BTreeSet<String> =
        jambc::diag::Code::ALL.iter().map(|code| code.name().to_owned()).collect();
    assert_eq!(seen, all);
}
