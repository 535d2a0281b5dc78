//! LANGUAGE.md against the compiler: its examples compile, and every key, type and code is in it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use jambc::diag::Code;
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

/// The keys that jambc itself names as valid, everywhere that keys are fixed.
fn valid_keys() -> Vec<String> {
    let places = [
        "[service.a]\nkind = 'longrun'\nx = 1",
        "[service.a]\nkind = 'oneshot'\nx = 1",
        "[service.a]\nkind = 'bundle'\nx = 1",
        "[service.a]\nkind = 'failover'\nx = 1",
        "[service.a]\nkind = 'file'\nx = 1",
        "[service.a]\nkind = 'oneshot'\nhealth.x = 1",
        "[service.a]\nkind = 'longrun'\nready.x = 1",
        "[service.a]\nkind = 'oneshot'\nwhen.x = 1",
        "[service.a]\nkind = 'oneshot'\nwhen.device.x = 1",
        "[service.a]\nkind = 'oneshot'\non-change.b = { x = 1 }",
        "[system]\nx = 1",
        "[service.a]\nkind = 'oneshot'\nrestart.x = 1",
        "[service.a]\nkind = 'oneshot'\nlimits.x = 1",
        "[service.a]\nkind = 'oneshot'\nlimits.core.x = 1",
        "[service.a]\nkind = 'oneshot'\noutputs.o.x = 1",
    ];
    let mut keys = Vec::new();
    for definitions in places {
        let output = Tree::of(definitions).jambc(&["check", "services", "--format", "json"]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let all = json["diagnostics"].as_array().unwrap().iter();
        let unknown = all.filter(|one| one["code"] == "J0002");
        let helps = unknown.flat_map(|one| one["help"].as_array().unwrap().clone());
        let valid = helps.filter_map(|help| {
            help.as_str().unwrap().strip_prefix("valid here: ").map(ToOwned::to_owned)
        });
        let valid: Vec<String> = valid.collect();
        assert_eq!(valid.len(), 1, "{definitions}");
        keys.extend(valid[0].split('`').skip(1).step_by(2).map(ToOwned::to_owned));
    }
    keys.sort();
    keys.dedup();
    keys
}

#[test]
fn every_key_is_described() {
    let keys = valid_keys();
    assert!(keys.len() > 50, "{keys:?}");
    for key in keys {
        assert!(has_cell(&format!("`{key}`")), "{key}");
    }
}
