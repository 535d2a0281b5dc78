//! Several folders at once: who wins, what is merged, and JSON beside TOML.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use rc::model::{Kind, Service};
use tree::{Tree, service, text};

/// A tree whose layers are `services` and these, in their order.
fn layers(base: &str, above: &[&str]) -> (Tree, Vec<String>) {
    let tree = Tree::of(base);
    let mut more = Vec::new();
    for (number, definitions) in above.iter().enumerate() {
        tree.write(&format!("layer{number}/a.toml"), definitions);
        more.push(format!("layer{number}"));
    }
    (tree, more)
}

fn compiled(base: &str, above: &[&str], name: &str) -> Service {
    let (tree, more) = layers(base, above);
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    service(&tree.database(&more), name)
}

const BASE: &str = r#"
[system]
hostname = "base"
shutdown-timeout = "1m"

[board]
wan = "eth0"
lan = "eth1"

[service.default]
kind = "longrun"
run = ["daemon", "{{board.wan}}", "{{board.lan}}"]
finish = ["tidy"]
needs = ["a"]
env = { A = "1", B = "2" }
limits = { nofile = 5 }
restart = { policy = "never", max = 7 }
user = "root"

[service.a]
kind = "oneshot"

[service.b]
kind = "oneshot"
"#;

#[test]
fn a_layer_changes_only_the_keys_that_it_gives() {
    let same = "[service.default]\nkind = 'longrun'\nrun = ['daemon', 'eth0', 'eth1']\n\
        needs = ['b']\nenv = { A = '3', B = '2', C = '4' }\nlimits = { nofile = 5, core = 0 }\n\
        restart = { max = 1 }\n[service.a]\nkind = 'oneshot'\n[service.b]\nkind = 'oneshot'";
    let above = "[service.default]\noverride = true\nneeds = ['b']\nenv = { A = '3', C = '4' }\n\
        limits.core = 0\nrestart = { max = 1 }\nunset = ['finish', 'user']";
    assert_eq!(compiled(BASE, &[above], "default"), compiled(same, &[], "default"));
    let less = "[service.default]\noverride = true\nunset = ['env.A', 'limits.nofile']";
    let exec = compiled(BASE, &[above, less], "default").exec;
    assert_eq!(exec.env.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["B", "C"]);
    assert_eq!(exec.limits.len(), 1);
}

#[test]
fn a_layer_replaces_or_removes_a_whole_service() {
    let replaced = "[service.default]\noverride = 'replace'\nkind = 'bundle'";
    let found = compiled(BASE, &[replaced], "default");
    assert!(matches!(found.kind, Kind::Bundle(_)) && found.edges.is_empty());
    let removed = "[service.b]\nremove = true";
    let (tree, _) = layers(BASE, &[removed]);
    assert_eq!(tree.database(&["layer0"]).len(), 2);
    // What was removed may be defined anew, by a file too.
    let (tree, _) = layers(BASE, &[removed, "[service.b]\nkind = 'bundle'"]);
    let db = tree.database(&["layer0", "layer1/a.toml"]);
    assert!(matches!(service(&db, "b").kind, Kind::Bundle(_)));
}

#[test]
fn machine_and_board_are_overridden_by_the_key() {
    let above = "[system]\noverride = true\nhostname = 'above'\n\
        [board]\noverride = true\nwan = 'ppp0'";
    let (tree, _) = layers(BASE, &[above]);
    let db = tree.database(&["layer0"]);
    let system = db.system().unwrap();
    assert_eq!((system.hostname.as_deref(), system.shutdown_timeout.0), (Some("above"), 60_000));
    let argv = format!("{:?}", service(&db, "default").kind);
    assert!(argv.contains("\"ppp0\"") && argv.contains("\"eth1\""), "{argv}");
}

#[test]
fn the_order_of_layers_counts_and_that_of_files_does_not() {
    let one = "[service.default]\noverride = true\nuser = 'one'";
    let two = "[service.default]\noverride = true\nuser = 'two'";
    let (tree, _) = layers(BASE, &[one, two]);
    let user = |more: &[&str]| service(&tree.database(more), "default").exec.user.unwrap();
    assert_eq!(user(&["layer0", "layer1"]), "two");
    assert_eq!(user(&["layer1", "layer0"]), "one");
    let output = tree.jambc(&["check", "layer0", "services"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("J0031"), "{}", text(&output.stderr));
}

#[test]
fn json_says_the_same_as_toml() {
    let toml = include_str!("good/watch.toml");
    let json = serde_json::to_string_pretty(&toml::from_str::<toml::Table>(toml).unwrap()).unwrap();
    let tree = Tree::empty();
    tree.write("services/a.json", &json);
    tree.write("services/jamb.schema.json", "not even JSON");
    assert_eq!(tree.compile(&[]), Tree::of(toml).compile(&[]));
}

#[test]
fn a_file_of_json_can_override_one_of_toml() {
    let tree = Tree::of(BASE);
    tree.write(
        "above/x.json",
        r#"{ "service": { "default": { "override": true, "run": ["caf\u00e9", "\ud83d\ude00"] } } }"#,
    );
    let found = format!("{:?}", service(&tree.database(&["above"]), "default").kind);
    assert!(found.contains("\"café\"") && found.contains("\"😀\""), "{found}");
}
