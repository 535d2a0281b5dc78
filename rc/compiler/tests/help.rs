//! The command line in all its words: help, manual pages, completion and LANGUAGE.md know every command.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use std::{fs, process::Command};
use tree::{Tree, text};

/// The commands as `jambc --help` lists them.
fn commands(tree: &Tree) -> Vec<String> {
    let help = text(&tree.jambc(&["--help"]).stdout);
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.map(|line| line.split_whitespace().next().unwrap().to_owned());
    let names: Vec<String> = names.filter(|name| name != "help").collect();
    assert!(names.len() >= 12, "{names:?}");
    names
}

#[test]
fn every_command_has_help_with_its_exit_codes_or_an_example() {
    let tree = Tree::empty();
    for command in commands(&tree) {
        let output = tree.jambc(&[&command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        let help = text(&output.stdout);
        assert!(help.contains("Exit codes: ") || help.contains("For example: "), "{help}");
    }
}

#[test]
fn every_command_is_in_the_language_reference() {
    let page = include_str!("../LANGUAGE.md");
    for command in commands(&Tree::empty()) {
        let named = [format!("`jambc {command} "), format!("`jambc {command}`")];
        assert!(named.iter().any(|one| page.contains(one)), "{command}");
    }
}

#[test]
fn completion_scripts_are_scripts_and_know_every_command() {
    let tree = Tree::empty();
    for shell in ["bash", "zsh", "fish"] {
        let output = tree.jambc(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        let script = text(&output.stdout);
        for command in commands(&tree) {
            assert!(script.contains(&command), "{shell} {command}");
        }
        tree.write(shell, &script);
        // Only bash is on every machine that builds this.
        if shell == "bash" {
            let check = Command::new("bash").arg("-n").arg(tree.path(shell)).status().unwrap();
            assert!(check.success());
        }
    }
    assert_eq!(tree.jambc(&["completions", "csh"]).status.code(), Some(100));
}

#[test]
fn every_command_has_a_manual_page_and_the_pages_have_no_date() {
    let tree = Tree::empty();
    assert_eq!(tree.jambc(&["man", "-o", "man"]).status.code(), Some(0));
    for command in commands(&tree) {
        let page = fs::read_to_string(tree.path(&format!("man/jambc-{command}.1"))).unwrap();
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{page}");
        assert!(page.contains("jambc"), "{page}");
    }
    let one = text(&tree.jambc(&["man"]).stdout);
    assert_eq!(one, fs::read_to_string(tree.path("man/jambc.1")).unwrap());
    let head = one.lines().find(|line| line.starts_with(".TH")).unwrap();
    assert!(!head.contains("20"), "{head}");
    assert_eq!(tree.jambc(&["man", "-o", "man"]).status.code(), Some(111), "not empty");
}
