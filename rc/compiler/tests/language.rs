//! LANGUAGE.md against the compiler: its examples compile, and every key, type and code is in it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use jambc::{diag::Code, reference};
use tree::Tree;

const PAGE: &str = include_str!("../LANGUAGE.md");

/// The rows of the page's tables that begin with this cell, or have it as another one.
fn has_cell(cell: &str) -> bool {
    PAGE.lines()
        .filter(|line| line.starts_with('|'))
        .any(|line| line.split('|').any(|found| found.split(',').any(|one| one.trim() == cell)))
}

#[test]
fn the_examples_compile_without_a_warning() {
    let examples: Vec<&str> =
        PAGE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 3);
    for example in examples {
        let output = Tree::of(example).jambc(&["check", "services"]);
        assert_eq!(tree::text(&output.stderr), "", "{example}");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn every_code_has_its_meaning() {
    for code in Code::ALL {
        let row = format!("| {} | {}", code.name(), code.meaning());
        assert!(PAGE.contains(&row), "{row}");
    }
    assert_eq!(PAGE.matches("\n| J0").count(), Code::ALL.len());
}

#[test]
fn every_type_is_described() {
    for (_, name) in rc::outputs::Scalar::ALL {
        assert!(has_cell(&format!("`{name}`")), "{name}");
    }
}

/// The page with the compiler's tables in it.
fn generated() -> String {
    let mut page = String::new();
    let mut rest = PAGE;
    let tables = reference::tables();
    let mut seen = Vec::new();
    while let Some((before, after)) = rest.split_once("<!-- keys: ") {
        let (name, after) = after.split_once(" -->\n").unwrap();
        let (_, after) = after.split_once("<!-- end -->").unwrap();
        let found = tables.iter().find(|(known, _)| known == name);
        let (_, table) = found.unwrap_or_else(|| panic!("there is no table {name}"));
        page.push_str(&format!("{before}<!-- keys: {name} -->\n{table}<!-- end -->"));
        seen.push(name);
        rest = after;
    }
    page.push_str(rest);
    let missing: Vec<&String> =
        tables.iter().map(|(name, _)| name).filter(|name| !seen.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "LANGUAGE.md has no place for {missing:?}");
    page
}

#[test]
fn the_tables_of_keys_are_the_compilers() {
    let page = generated();
    if std::env::var_os("JAMBC_BLESS").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("LANGUAGE.md");
        std::fs::write(path, page).unwrap();
        return;
    }
    assert!(page == PAGE, "the tables differ: run this test with JAMBC_BLESS=1 and read the diff");
}

#[test]
fn the_reference_is_printed() {
    let output = Tree::empty().jambc(&["reference"]);
    assert_eq!(output.status.code(), Some(0));
    let printed = tree::text(&output.stdout);
    for (name, table) in reference::tables() {
        assert!(printed.contains(&format!("## {name}\n\n{table}")), "{name}");
    }
}
