//! `jambc import`: source directories of s6-rc as its documentation describes them, with every file that
//! there is, against the expected definitions and report (`JAMBC_BLESS=1` writes them anew, to be read).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use rc::{
    Millis, Signal,
    db::Database,
    model::{Kind, Ready},
};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tree::{Tree, service, text};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

/// The fixture imported into `services` of a new tree, and what was said.
fn imported() -> (Tree, String) {
    let tree = Tree::empty();
    let source = fixture().join("source");
    let output = tree.jambc(&["import", source.to_str().unwrap(), "-o", "services"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    (tree, said)
}

/// Every file below a folder, by its path from there.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn definitions_and_report_are_as_expected() {
    let (tree, said) = imported();
    let mut written = files(&tree.path("services"));
    written.insert("report".to_owned(), said);
    let all: String = written.iter().map(|(name, text)| format!("=== {name}\n{text}")).collect();
    let expected = fixture().join("expected");
    if std::env::var_os("JAMBC_BLESS").is_some() {
        fs::write(&expected, &all).unwrap();
    }
    assert_eq!(all, fs::read_to_string(expected).unwrap());
}

#[test]
fn what_was_written_is_accepted_and_means_the_same() {
    let (tree, _) = imported();
    let check = tree.jambc(&["check", "services"]);
    let said = text(&check.stderr);
    assert_eq!(check.status.code(), Some(0), "{said}");
    // s6-rc knows services that nothing starts, and longruns that are never ready.
    let known = said.matches("[J0036]").count() + said.matches("[J0037]").count();
    assert_eq!(said.matches("[J0").count(), known, "{said}");
    let db = Database::new(tree.compile(&[])).unwrap();
    let Kind::Longrun(wan) = service(&db, "wan").kind else { panic!() };
    assert_eq!(wan.ready, Ready::Fd(3));
    assert_eq!(wan.policy.start_timeout, Some(Millis::from_secs(30)));
    assert_eq!(wan.policy.stop.signal, Signal::Int);
    assert_eq!(wan.policy.stop.grace, Millis::from_secs(3));
    let web = service(&db, "web");
    assert_eq!(web.exec.user.as_deref(), Some("www"));
    assert_eq!(web.exec.umask, Some(0o027));
    let Kind::Oneshot(lan) = service(&db, "lan").kind else { panic!() };
    assert_eq!(lan.policy.start_timeout, Some(Millis::from_secs(5)));
    assert_eq!(lan.policy.stop.grace, Millis(2500));
    // What is no reference in execline is none here.
    assert!(service(&db, "mount-tmp").reads.is_empty());
    assert!(format!("{:?}", service(&db, "mount-tmp")).contains("${X.y}"));
    let helped = service(&db, "helped");
    assert!(helped.reads.is_empty());
    let shown = format!("{helped:?}");
    assert!(shown.contains("\"${H.x}\"") && shown.contains("\"$${H.y}\""), "{shown}");
}

#[test]
fn scripts_are_copied_and_can_be_executed() {
    let (tree, _) = imported();
    let mode = |path: &str| fs::metadata(tree.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("services/files/wan/run"), 0o755);
    assert_eq!(mode("services/files/wan/data/options"), 0o644);
    let source = fs::read(fixture().join("source/wan/run")).unwrap();
    assert_eq!(fs::read(tree.path("services/files/wan/run")).unwrap(), source);
}

#[test]
fn the_report_for_programs_names_every_note() {
    let tree = Tree::empty();
    let source = fixture().join("source");
    let arguments = ["import", source.to_str().unwrap(), "-o", "new", "--json", "--install", "/x"];
    let output = tree.jambc(&arguments);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let said = imported().1;
    for note in json["notes"].as_array().unwrap() {
        let word = |key: &str| note[key].as_str().unwrap().to_owned();
        assert!(said.contains(&word("message")) && said.contains(&word("service")), "{note}");
        assert!(!word("detail").contains("/etc/jamb"), "{note}");
    }
    assert_eq!(json["files"].as_array().unwrap().len(), files(&tree.path("new")).len());
    assert!(json["imported"].as_u64() < json["services"].as_u64());
}

#[test]
fn nothing_is_written_over_and_a_circle_is_reported() {
    let tree = Tree::empty();
    tree.write("source/a/type", "bundle\n");
    tree.write("source/a/contents.d/b", "");
    tree.write("source/b/type", "bundle\n");
    tree.write("source/b/contents.d/a", "");
    tree.write("full/mine", "kept");
    let full = tree.jambc(&["import", "source", "-o", "full"]);
    assert_eq!(full.status.code(), Some(1));
    assert!(text(&full.stderr).contains("full is not empty; nothing was written"));
    assert_eq!(files(&tree.path("full")).len(), 1);
    let circle = tree.jambc(&["import", "source", "-o", "new"]);
    assert_eq!(circle.status.code(), Some(1));
    assert!(text(&circle.stderr).contains("error[J0016]"));
    assert!(tree.path("new/a.toml").exists(), "it can be mended there");
    for (code, arguments) in [
        (100, vec!["import", "-o", "x"]),
        (100, vec!["import", "source"]),
        (111, vec!["import", "missing", "-o", "x"]),
        (111, vec!["import", "source", "-o", "missing/x"]),
        (111, vec!["import", "source", "-o", "x", "--install", "x"]),
    ] {
        assert_eq!(tree.jambc(&arguments).status.code(), Some(code), "{arguments:?}");
    }
    let left = fs::read_dir(tree.path("")).unwrap();
    let left = left.filter(|one| one.as_ref().unwrap().path().to_string_lossy().contains("tmp."));
    assert_eq!(left.count(), 0);
}
