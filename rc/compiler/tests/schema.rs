//! `jambc schema` against definitions: what compiles is valid, and what has wrong keys or forms is not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use jsonschema::Validator;
use serde_json::Value;
use std::{fs, path::Path};
use tree::{Tree, text};

fn schema() -> Value {
    let output = Tree::empty().jambc(&["schema"]);
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_str(&text(&output.stdout)).unwrap()
}

fn validator() -> Validator {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::draft202012::new(&schema).unwrap()
}

/// A file of TOML as JSON.
fn json(definitions: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(definitions).unwrap()).unwrap()
}

fn errors(validator: &Validator, definitions: &str) -> Vec<String> {
    let found = json(definitions);
    validator
        .iter_errors(&found)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// The definitions of a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "toml")
            && !path.ends_with("image.toml")
        {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
    found
}

#[test]
fn what_compiles_is_valid() {
    let validator = validator();
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../boards");
    let mut all = files(&boards.join("routers"));
    assert!(all.len() > 5, "the routers were not found");
    all.extend(files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good")));
    let model = include_str!("model.rs");
    all.push(model.split("r#\"").nth(1).unwrap().split("\"#").next().unwrap().to_owned());
    let page = include_str!("../LANGUAGE.md").split("```toml\n").skip(1);
    all.extend(page.map(|rest| rest.split("```").next().unwrap().to_owned()));
    for definitions in all {
        assert_eq!(errors(&validator, &definitions), Vec::<String>::new(), "{definitions}");
    }
}

#[test]
fn what_is_shown_is_valid() {
    let tree = Tree::of(include_str!("good/watch.toml"));
    tree.compile(&[]);
    let shown = text(&tree.jambc(&["show", "out.db"]).stdout);
    assert_eq!(errors(&validator(), &shown), Vec::<String>::new(), "{shown}");
}

#[test]
fn wrong_keys_and_forms_are_not() {
    let validator = validator();
    let bad = |more: &str| format!("[service.a]\nkind = 'longrun'\nrun = ['x']\n{more}");
    for more in [
        "runs = 1",
        "contents = []",
        "needs = 'b'",
        "needs = ['b c']",
        "timeout-down = 5",
        "timeout-down = '5 s'",
        "restart = 'sometimes'",
        "restart = { maxx = 5 }",
        "restart = { backoff = '1s' }",
        "ready = { fd = 2 }",
        "ready = 'check'",
        "health = { every = '5s' }",
        "when = { link = 'eth0', is = 'running!' }",
        "when = [{ device = { name = 'eth0' } }]",
        "when = { device = { subsystem = 'net', name = '*h*' } }",
        "on-failure = 'start'",
        "reload = 'HUP'",
        "cwd = 'relative'",
        "limits = { nofiles = 5 }",
        "outputs.x = { value = 5 }",
        "env.X = ['a']",
    ] {
        assert_ne!(errors(&validator, &bad(more)), Vec::<String>::new(), "{more}");
    }
    for definitions in [
        "[services.a]",
        "[system]\nhost = 'x'",
        "[service.a]\nkind = 'longrun'",
        "[service.a]\nkind = 'daemon'\nrun = ['x']",
        "[service.a]\nrun = ['x']",
        "[service.a]\nkind = 'file'\npath = '/x'",
    ] {
        assert_ne!(errors(&validator, definitions), Vec::<String>::new(), "{definitions}");
    }
    assert_eq!(errors(&validator, &bad("timeout-down = '{{board.x}}'")), Vec::<String>::new());
}

#[test]
fn every_key_has_its_meaning_for_completion() {
    let schema = schema();
    let services = schema["$defs"]["service"]["properties"].as_object().unwrap();
    assert!(services.len() > 30);
    for (key, property) in services {
        assert!(property["description"].as_str().unwrap().len() > 5, "{key}");
    }
}
