//! `jambc explain` and the page `DIAGNOSTICS.md`: every code has a section, whose first example has just this
//! code and whose second has none.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use jambc::{
    diag::Code,
    tool::explain::{Example, explanation},
};
use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt};
use tree::{Tree, text};

const PAGE: &str = include_str!("../DIAGNOSTICS.md");

/// The codes found in an example.
fn codes(example: &Example) -> BTreeSet<String> {
    let tree = Tree::empty();
    let definitions = example.definitions.replace('…', &"x".repeat(5000));
    let (first, more) = definitions.split_once("# --- ").unwrap_or((&definitions, ""));
    tree.write("services/first.toml", first);
    for file in more.split("# --- ").filter(|file| !file.is_empty()) {
        let (name, definitions) = file.split_once('\n').unwrap();
        tree.write(&format!("services/{name}"), definitions);
    }
    let mut arguments = vec!["check", "services", "--format", "json"];
    if example.in_root {
        tree.write("image/etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n");
        tree.write("image/etc/group", "root:x:0:\nnobody:x:65534:\n");
        tree.write("image/lib/modules/6.1/modules.dep", "kernel/ath9k.ko:\n");
        tree.write("image/lib/modules/6.1/modules.builtin", "kernel/nf_tables.ko\n");
        tree.write("image/lib/modules/6.1/kernel/ath9k.ko", "");
        tree.write("image/bin/sh", "\u{7f}ELF");
        fs::set_permissions(tree.path("image/bin/sh"), fs::Permissions::from_mode(0o755)).unwrap();
        arguments.extend(["--root", "image"]);
    }
    let output = tree.jambc(&arguments);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = json["diagnostics"].as_array().unwrap();
    found.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_code_is_explained_and_its_examples_are_true() {
    for code in Code::ALL {
        let explained = explanation(*code);
        let explained = explained.unwrap_or_else(|| panic!("DIAGNOSTICS.md lacks {}", code.name()));
        let wrong = codes(&explained.wrong);
        assert_eq!(wrong.into_iter().collect::<Vec<_>>(), [code.name()], "the wrong example");
        let right = codes(&explained.right);
        assert!(right.is_empty(), "the right example of {} has {right:?}", code.name());
    }
}

#[test]
fn the_page_has_the_codes_in_order_with_their_meanings() {
    let headings: Vec<&str> = PAGE.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let expected = Code::ALL.iter().map(|code| format!("{}: {}", code.name(), code.meaning()));
    assert_eq!(headings, expected.collect::<Vec<_>>());
}

#[test]
fn explain_prints_one_section_or_the_list() {
    let tree = Tree::empty();
    let one = tree.jambc(&["explain", "j0011"]);
    assert_eq!(one.status.code(), Some(0));
    let said = text(&one.stdout);
    assert!(said.starts_with("## J0011: no service has this name\n\nA relation"), "{said}");
    assert!(said.contains("```toml\n[service.default]"), "{said}");
    assert_eq!(said.matches("\n## ").count(), 0, "{said}");
    let with_root = text(&tree.jambc(&["explain", "J0019"]).stdout);
    assert!(!with_root.contains("```toml -"), "{with_root}");
    let list = text(&tree.jambc(&["explain"]).stdout);
    assert_eq!(list.lines().count(), Code::ALL.len());
    assert!(list.starts_with("J0001  the file is not valid TOML or JSON\n"), "{list}");
    let unknown = tree.jambc(&["explain", "J0111"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("no code J0111; did you mean J0"), "a near one");
}

#[test]
fn short_findings_are_one_line_each_as_editors_read_them() {
    let tree = Tree::of("[service.a]\nkind = 'bundel'\nneeds = ['b\\nc', 'd']\n");
    tree.write("services/b.toml", "[service.d]\nkind = 'oneshot'\nup = 1\n");
    let output = tree.jambc(&["check", "services", "--format", "short"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    let said = text(&output.stderr);
    let expected = "services/a.toml:2:8: error[J0004]: `kind` cannot be `bundel`\n\
                    services/a.toml:3:10: error[J0007]: `b\\nc` is not a valid name of a service\n\
                    services/b.toml:3:6: error[J0003]: `up` must be a list of arguments such as \
                    [\"program\", \"-x\"], not an integer\n\
                    jambc: warning[J0026]: there is no service `default`: boot would start nothing\n";
    assert_eq!(said, expected);
}
