//! `jambc init`: the tree to start from is without fault, in the one form, and writes over nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use std::{fs, os::unix::fs::PermissionsExt};
use tree::{Tree, text};

#[test]
fn the_tree_has_no_mistake_and_no_smell() {
    let tree = Tree::empty();
    for folder in ["services", "new"] {
        let output = tree.jambc(&["init", folder]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(&format!("jambc check {folder}")));
    }
    let check = tree.jambc(&["check", "services"]);
    assert_eq!((check.status.code(), text(&check.stderr).as_str()), (Some(0), ""));
    assert_eq!(text(&tree.jambc(&["fmt", "--check", "services"]).stdout), "");
    let db = tree.database(&[]);
    for name in ["default", "lan", "dnsmasq", "wan", "resolv-conf", "default-route"] {
        assert!(db.find(name).is_some(), "{name}");
    }
    let script = tree.path("new/files/udhcpc.script");
    assert_eq!(fs::metadata(&script).unwrap().permissions().mode() & 0o777, 0o755);
    // What the script publishes is what `wan` declares.
    let script = fs::read_to_string(script).unwrap();
    for output in &tree::service(&db, "wan").outputs {
        assert!(script.contains(&format!("{}=", output.key)), "{}", output.key);
    }
}

#[test]
fn nothing_is_written_over() {
    let tree = Tree::of("# mine\n");
    let output = tree.jambc(&["init", "services"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("services is not empty; nothing was written"));
    assert_eq!(fs::read_dir(tree.path("services")).unwrap().count(), 1);
    assert_eq!(tree.jambc(&["init", "services/a.toml"]).status.code(), Some(111));
    assert_eq!(tree.jambc(&["init", "no/where"]).status.code(), Some(111));
    assert_eq!(tree.jambc(&["init"]).status.code(), Some(100));
}
