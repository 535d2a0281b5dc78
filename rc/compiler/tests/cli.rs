//! The commands as they are called: exit codes, what is written where, and that equal definitions
//! give equal bytes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use rc::db::Database;
use std::fmt::Write as _;
use std::{fs, os::unix::fs::symlink};
use tree::{Tree, id, run_in, service, text};

const GOOD: &str = "[service.default]\nkind = 'bundle'\n";
const BAD: &str = "[service.default]\nkind = 'bundel'\n";

fn code(tree: &Tree, arguments: &[&str]) -> Option<i32> {
    tree.jambc(arguments).status.code()
}

#[test]
fn exit_codes() {
    let tree = Tree::of(GOOD);
    tree.write("bad/a.toml", BAD);
    tree.write("warned/a.toml", "[service.a]\nkind = 'bundle'\n");
    tree.write("text", "no database");
    for (expected, arguments) in [
        (0, vec!["check", "services"]),
        (0, vec!["check", "warned"]),
        (0, vec!["compile", "services", "-o", "a.db"]),
        (0, vec!["show", "a.db"]),
        (0, vec!["show", "a.db", "default", "--json"]),
        (0, vec!["--help"]),
        (0, vec!["--version"]),
        (0, vec!["compile", "--help"]),
        (1, vec!["check", "bad"]),
        (1, vec!["compile", "bad", "-o", "b.db"]),
        (1, vec!["show", "a.db", "nobody"]),
        (100, vec![]),
        (100, vec!["chek"]),
        (100, vec!["check"]),
        (0, vec!["check", "services", "services/a.toml", "--help"]),
        (111, vec!["check", "services", "more"]),
        (100, vec!["compile", "services"]),
        (100, vec!["check", "services", "--format", "xml"]),
        (111, vec!["check", "missing"]),
        (111, vec!["check", "services", "--board", "missing"]),
        (111, vec!["check", "services", "--root", "missing"]),
        (111, vec!["compile", "services", "-o", "missing/a.db"]),
        (111, vec!["show", "missing"]),
        (111, vec!["show", "text"]),
    ] {
        let output = tree.jambc(&arguments);
        let said = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}: {said}");
        assert!(expected == 0 || !said.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_names_every_option_and_code() {
    let tree = Tree::of(GOOD);
    let help = text(&tree.jambc(&["compile", "--help"]).stdout);
    for word in ["--output", "--board", "--root", "--format", "100 usage", "111 system"] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

#[test]
fn a_tree_with_errors_leaves_the_old_database_alone() {
    let tree = Tree::of(GOOD);
    let good = tree.compile(&[]);
    tree.write("services/b.toml", BAD);
    let output = tree.jambc(&["compile", "services", "-o", "out.db"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("out.db is left as it was"));
    assert_eq!(fs::read(tree.path("out.db")).unwrap(), good);
    let output = tree.jambc(&["compile", "services", "-o", "new.db"]);
    assert!(text(&output.stderr).contains("new.db was not written"));
    assert!(!tree.path("new.db").exists());
}

#[test]
fn the_database_is_replaced_as_a_whole() {
    let tree = Tree::of(GOOD);
    tree.compile(&[]);
    // Who has the old file open keeps the old content: it is another file.
    fs::hard_link(tree.path("out.db"), tree.path("old.db")).unwrap();
    let old = fs::read(tree.path("old.db")).unwrap();
    tree.write("services/b.toml", "[service.b]\nkind = 'oneshot'\n");
    let new = tree.compile(&[]);
    assert_ne!(old, new);
    assert_eq!(fs::read(tree.path("old.db")).unwrap(), old);
    let left: Vec<_> =
        fs::read_dir(tree.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "no temporary file is left: {left:?}");
}

#[test]
fn a_failed_write_leaves_no_temporary_file() {
    let tree = Tree::of(GOOD);
    fs::create_dir(tree.path("folder.db")).unwrap();
    tree.write("folder.db/x", "");
    let output = tree.jambc(&["compile", "services", "-o", "folder.db"]);
    assert_eq!(output.status.code(), Some(111));
    assert!(text(&output.stderr).contains("cannot write folder.db"));
    assert_eq!(fs::read_dir(tree.path("")).unwrap().count(), 2);
}

const PARTS: [&str; 4] = [
    "[system]\nhostname = 'r'\n[service.wan]\nkind = 'longrun'\nrun = ['pppd', '${lan.ifname}']\n\
     env = { B = '1', A = '2' }\noutputs = { mtu = 'int', address = 'ip' }\npart-of = ['default']\n",
    "[service.lan]\nkind = 'oneshot'\noutputs.ifname = { type = 'ifname', value = 'eth0' }\n",
    "[service.default]\nkind = 'bundle'\n",
    "[service.route]\nkind = 'oneshot'\nup = ['ip', '${wan.address}', '${wan.mtu}']\n\
     part-of = ['default']\n",
];

#[test]
fn order_and_places_of_files_do_not_matter() {
    let one = Tree::of(&PARTS.concat());
    let first = one.compile(&[]);
    let reversed = Tree::empty();
    for (number, part) in PARTS.iter().rev().enumerate() {
        reversed.write(&format!("services/sub{number}/x.toml"), part);
    }
    assert_eq!(reversed.compile(&[]), first);
    let elsewhere = Tree::empty();
    for (number, part) in PARTS.iter().enumerate() {
        elsewhere.write(&format!("services/{number}.toml"), &format!("# a comment\n{part}"));
    }
    assert_eq!(elsewhere.compile(&[]), first);
    let full = elsewhere.path("services");
    let output = run_in(
        std::path::Path::new("/"),
        &["compile", full.to_str().unwrap(), "-o", elsewhere.path("o.db").to_str().unwrap()],
    );
    assert!(output.status.success());
    assert_eq!(fs::read(elsewhere.path("o.db")).unwrap(), first);
}

#[test]
fn the_content_id_names_the_content() {
    let id = |definitions: &str| Tree::of(definitions).database(&[]).content_id();
    let all = PARTS.concat();
    assert_eq!(id(&all), id(&all));
    assert_ne!(id(&all), [0; 16]);
    for (from, to) in [("'r'", "'s'"), ("pppd", "pppoe"), ("address", "addr"), ("lan", "lam")] {
        assert_ne!(id(&all), id(&all.replace(from, to)), "{from}");
    }
}

#[test]
fn image_settings_other_boards_and_hidden_files_are_not_read() {
    let tree = Tree::of("[service.default]\nkind = 'oneshot'\nup = ['{{board.x}}']\n");
    for name in [
        "image.toml",
        "sub/image.toml",
        "boards/b.toml",
        "files/c.toml",
        ".git/x.toml",
        ".x.toml",
        "x.txt",
    ] {
        tree.write(&format!("services/{name}"), "not TOML");
    }
    tree.write("services/boards/a.toml", "[board]\nx = 'one'\n[image]\nsize = 5\n");
    let db = tree.database(&["--board", "a"]);
    assert!(format!("{:?}", service(&db, "default")).contains("\"one\""));
}

#[test]
fn boards_are_found_by_path_and_by_name() {
    let tree = Tree::of("[service.default]\nkind = 'oneshot'\nup = ['{{board.x}}']\n");
    let board = |x: &str| format!("[board]\nx = '{x}'\n");
    let found = |name: &str| {
        let db = tree.database(&["--board", name]);
        let service = format!("{:?}", service(&db, "default"));
        ["path", "above", "tree", "here"].into_iter().find(|x| service.contains(x)).unwrap()
    };
    tree.write("boards/b.toml", &board("here"));
    assert_eq!(found("b"), "here");
    tree.write("services/boards/b.toml", &board("tree"));
    assert_eq!(found("b"), "tree");
    tree.write("b", &board("path"));
    assert_eq!(found("b"), "path");
    assert_eq!(found("boards/b.toml"), "here");
    // Beside the folder of the tree's folder.
    let deep = Tree::empty();
    deep.write("boards/examples/pppoe/a.toml", "[service.default]\nkind = 'bundle'\n");
    deep.write("boards/qemu.toml", &board("above"));
    let arguments = ["check", "boards/examples/pppoe", "--board", "qemu"];
    assert_eq!(code(&deep, &arguments), Some(0));
    assert_eq!(code(&deep, &["check", "boards/examples/pppoe", "--board", "x"]), Some(111));
}

#[test]
fn files_may_be_symbolic_links_and_loops_of_folders_end() {
    let tree = Tree::empty();
    tree.write("elsewhere.toml", GOOD);
    symlink("../elsewhere.toml", tree.path("services/a.toml")).unwrap();
    symlink(".", tree.path("services/loop")).unwrap();
    assert_eq!(tree.database(&[]).len(), 1);
    symlink("nowhere", tree.path("services/b.toml")).unwrap();
    assert_eq!(code(&tree, &["check", "services"]), Some(111), "a lost file is not passed over");
}

#[test]
fn five_thousand_services_compile() {
    let mut definitions = String::from("[service.default]\nkind = 'bundle'\n");
    for number in 0..5000_u32 {
        let name = format!("s{number:04}");
        let relation = match number {
            0 => String::new(),
            n => format!(
                "needs = ['s{:04}']\nwants = ['s{:04}']\nenv.X = '${{s{:04}.x}}'\n",
                n - 1,
                n / 2,
                n / 3
            ),
        };
        write!(
            definitions,
            "[service.{name}]\nkind = 'oneshot'\nup = ['run', '{number}']\noutputs.x = 'int'\n\
             part-of = ['default']\n{relation}"
        )
        .unwrap();
    }
    let db = Tree::of(&definitions).database(&[]);
    assert_eq!(db.len(), 5001);
    assert_eq!(service(&db, "default").edges.len(), 5000);
    assert_eq!(service(&db, "s4999").reads[0].service, id(&db, "s1666"));
}

#[test]
fn a_long_circle_is_found_without_recursion() {
    let count = 15_000;
    let mut definitions = String::from("[service.default]\nkind = 'bundle'\n");
    for number in 0..count {
        let next = (number + 1) % count;
        write!(definitions, "[service.s{number}]\nkind = 'oneshot'\nneeds = ['s{next}']\n")
            .unwrap();
    }
    let output = Tree::of(&definitions).jambc(&["check", "services", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["errors"], 1);
    assert_eq!(json["diagnostics"][0]["code"], "J0016");
    assert_eq!(json["diagnostics"][0]["related"].as_array().unwrap().len(), count - 1);
}

#[test]
fn more_services_than_a_database_holds_are_refused() {
    let mut definitions = String::from("[service.default]\nkind = 'bundle'\n");
    for number in 0..20_000 {
        write!(definitions, "[service.s{number}]\nkind = 'bundle'\n").unwrap();
    }
    let output = Tree::of(&definitions).jambc(&["check", "services"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("error[J0024]: 20001 services, 20000 are possible"));
}

#[test]
fn json_goes_to_standard_output_and_nothing_else_does() {
    let tree = Tree::of(BAD);
    let output = tree.jambc(&["compile", "services", "-o", "x.db", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["errors"], 1);
    let one = &json["diagnostics"][0];
    assert_eq!(one["path"], "services/a.toml");
    assert_eq!((&one["line"], &one["column"]), (&2.into(), &8.into()));
    assert_eq!((&one["end_line"], &one["end_column"]), (&2.into(), &16.into()));
    let human = tree.jambc(&["compile", "services", "-o", "x.db"]);
    assert!(human.stdout.is_empty());
    assert!(text(&human.stderr).contains("--> services/a.toml:2:8\n"));
}

#[test]
fn programs_and_accounts_are_looked_up_in_the_image_root_only_if_one_is_given() {
    let definitions = "[service.default]\nkind = 'longrun'\nrun = ['sh']\nuser = 'root'\n";
    let tree = Tree::of(definitions);
    fs::create_dir(tree.path("image")).unwrap();
    assert_eq!(code(&tree, &["check", "services"]), Some(0));
    let output = tree.jambc(&["check", "services", "--root", "image"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("J0019") && said.contains("J0020"), "{said}");
    assert!(said.contains("image has no /etc/passwd"), "{said}");
}

#[test]
fn what_is_shown_compiles_to_the_same_database() {
    let full = include_str!("model.rs");
    let full = full.split("r#\"").nth(1).unwrap().split("\"#").next().unwrap();
    for definitions in [full, &PARTS.concat(), include_str!("good/watch.toml")] {
        let tree = Tree::of(definitions);
        let bytes = tree.compile(&[]);
        let shown = tree.jambc(&["show", "out.db"]);
        assert!(shown.status.success());
        let again = Tree::of(&text(&shown.stdout));
        assert_eq!(again.compile(&[]), bytes, "{}", text(&shown.stdout));
    }
}

#[test]
fn show_tells_version_id_and_sizes_and_finds_one_service() {
    let tree = Tree::of(&PARTS.concat());
    let bytes = tree.compile(&[]);
    let id = Database::new(bytes.clone()).unwrap().content_id();
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let all = text(&tree.jambc(&["show", "out.db"]).stdout);
    assert!(all.contains(&format!("format {}, {} bytes", rc::db::FORMAT, bytes.len())), "{all}");
    assert!(all.contains(&format!("content id {id}")), "{all}");
    assert!(all.contains("4 services: 1 longrun, 2 oneshots, 1 bundle"), "{all}");
    let one = text(&tree.jambc(&["show", "out.db", "route"]).stdout);
    assert!(one.contains("up = [\"ip\", \"${wan.address}\", \"${wan.mtu}\"]"), "{one}");
    assert!(!one.contains("[service.lan]"), "{one}");
    let json = tree.jambc(&["show", "out.db", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["content_id"], id);
    assert_eq!(json["bytes"], bytes.len());
    assert_eq!(json["services"].as_array().unwrap().len(), 4);
    let wan = &json["services"][3];
    assert_eq!(wan["run"], serde_json::json!(["pppd", "${lan.ifname}"]));
    assert_eq!(wan["env"], serde_json::Value::Null);
    assert_eq!(wan["exec"]["env"], serde_json::json!({ "A": "2", "B": "1" }));
    let edge = serde_json::json!(
        { "service": "lan", "relation": "needs", "on_change": "restart" }
    );
    assert_eq!(wan["edges"], serde_json::json!([edge]));
    let unknown = tree.jambc(&["show", "out.db", "rout"]);
    assert!(text(&unknown.stderr).contains("did you mean route?"));
}

#[test]
fn install_writes_the_database_and_the_links_into_the_image() {
    let tree = Tree::of(GOOD);
    let install = ["compile", "services", "--root", "image", "--install"];
    assert_eq!(code(&tree, &["compile", "services", "--install"]), Some(100), "into which image?");
    fs::create_dir(tree.path("image")).unwrap();
    let output = tree.jambc(&install);
    assert_eq!(output.status.code(), Some(111));
    assert!(text(&output.stderr).contains("image/sbin/jamb"), "{}", text(&output.stderr));
    tree.write("image/usr/sbin/jamb", "\u{7f}ELF");
    symlink("/usr/sbin", tree.path("image/sbin")).unwrap();
    tree.write("image/bin/svc", "somebody else's");
    let output = tree.jambc(&install);
    assert_eq!(output.status.code(), Some(111));
    assert!(text(&output.stderr).contains("image/bin/svc: something else is in the way"));
    assert!(!tree.path("image/etc").exists() && !tree.path("image/init").exists());
    // A folder is never removed.
    fs::create_dir(tree.path("image/init")).unwrap();
    let force = [&install[..], &["--force"]].concat();
    let told = text(&tree.jambc(&force).stderr);
    assert!(told.contains("image/init: a folder is in the way"), "{told}");
    fs::remove_dir(tree.path("image/init")).unwrap();
    tree.write("image/etc/jamb/services.db", "somebody else's");
    let told = text(&tree.jambc(&install).stderr);
    assert!(told.contains("image/etc/jamb/services.db, "), "{told}");
    let output = tree.jambc(&force);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for _again in 0..2 {
        let output = tree.jambc(&install);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    let bytes = fs::read(tree.path("image/etc/jamb/services.db")).unwrap();
    assert_eq!(bytes, tree.compile(&[]));
    for link in ["init", "usr/sbin/init", "usr/sbin/halt", "bin/svc", "bin/output", "bin/ifwait"] {
        let target = fs::read_link(tree.path("image").join(link)).unwrap();
        assert_eq!(target.to_str(), Some("/sbin/jamb"), "{link}");
    }
    tree.write("services/a.toml", BAD);
    assert_eq!(code(&tree, &install), Some(1));
    assert_eq!(fs::read(tree.path("image/etc/jamb/services.db")).unwrap(), bytes);
}
