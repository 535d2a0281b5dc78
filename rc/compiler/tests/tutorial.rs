//! The tutorial: its definitions compile without a finding, are in the one form, and what it says of them holds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use tree::{Tree, service, text};

const PAGE: &str = include_str!("../../../docs/tutorial.md");

/// The tree that the page builds: a block of TOML belongs to the file that is named before it.
fn tutorial() -> Tree {
    let tree = Tree::empty();
    let parts: Vec<&str> = PAGE.split("```toml\n").collect();
    assert!(parts.len() > 4);
    for pair in parts.windows(2) {
        let named = pair[0].trim_end().rsplit('\n').next().unwrap();
        let name = named.strip_prefix("`router/").and_then(|rest| rest.strip_suffix("`:"));
        let name = name.unwrap_or_else(|| panic!("{named} names no file"));
        tree.write(&format!("services/{name}"), pair[1].split("```").next().unwrap());
    }
    tree
}

#[test]
fn the_router_compiles_without_a_finding() {
    let tree = tutorial();
    let check = tree.jambc(&["check", "services"]);
    assert_eq!((check.status.code(), text(&check.stderr).as_str()), (Some(0), ""));
    let formed = tree.jambc(&["fmt", "--check", "services"]);
    assert_eq!(text(&formed.stdout), "", "not in the one form");
}

#[test]
fn the_script_publishes_what_the_line_declares() {
    let db = tutorial().database(&[]);
    for output in &service(&db, "wan").outputs {
        assert!(PAGE.contains(&format!("\"{}=$", output.key)), "{}", output.key);
    }
}

#[test]
fn the_password_cannot_be_written_where_everybody_may_read_it() {
    let tree = tutorial();
    let secrets = std::fs::read_to_string(tree.path("services/secrets.toml")).unwrap();
    tree.write("services/secrets.toml", &secrets.replace("\"0600\"", "\"0644\""));
    let check = tree.jambc(&["check", "services", "--format", "short"]);
    assert!(text(&check.stderr).contains("error[J0023]"), "{}", text(&check.stderr));
}

#[test]
fn every_command_of_the_page_exists() {
    let tree = Tree::empty();
    let help = text(&tree.jambc(&["--help"]).stdout);
    for line in PAGE.lines().filter_map(|line| line.strip_prefix("jambc ")) {
        let command = line.split_whitespace().next().unwrap();
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
    }
}
