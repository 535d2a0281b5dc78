//! `jambc fmt`: the one form, that it is reached at once, and that meaning and comments survive it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use jambc::{
    compile_sources,
    source::Sources,
    tool::fmt::{FmtError, format},
};
use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tree::{Tree, text};

const UGLY: &str = r#"

# About this file.


# About the board.
[ board ]   # values
wan='eth0'
"x y"   =   "it's"

[service.wan] # the line
  part-of=[ "default" ]
# the type
# of it
kind   = 'longrun'


outputs.ifname="ifname"   
run = ['udhcpc', "-f",
  "-i", '{{board.wan}}',]
user = "nobody"
outputs . address = 'cidr' # what we get
restart={policy="always",backoff='1s..30s'}
needs = [
   "lan", # first
  # and then
     "mods"
  , "x" #last
]
[service.lan]
kind = "oneshot"
up = ["a-rather-long-program", "with", "many", "arguments", "each of which is of some length", "and more"]
down = []
    #end of the table

[service.default]
kind = "bundle"
[service.mods]
kind = "oneshot"
up = ["sh", "-c", """
  a
  b
"""]
[service.x]
kind = "oneshot"
unknown-b = 1
unknown-a = { }


# the end"#;

const FORMED: &str = r#"# About this file.

# About the board.
[board] # values
wan = "eth0"
"x y" = "it's"

[service.wan] # the line
# the type
# of it
kind = "longrun"
run = ["udhcpc", "-f", "-i", "{{board.wan}}"]
needs = [
    "lan", # first
    # and then
    "mods",
    "x", #last
]

outputs.ifname = "ifname"
outputs.address = "cidr" # what we get
user = "nobody"
restart = { policy = "always", backoff = "1s..30s" }
part-of = ["default"]

[service.lan]
kind = "oneshot"
up = [
    "a-rather-long-program", "with", "many", "arguments", "each of which is of some length",
    "and more",
]
down = []

#end of the table

[service.default]
kind = "bundle"

[service.mods]
kind = "oneshot"
up = ["sh", "-c", """
  a
  b
"""]

[service.x]
kind = "oneshot"
unknown-b = 1
unknown-a = {}

# the end
"#;

#[test]
fn the_one_form() {
    assert_eq!(format(UGLY).unwrap(), FORMED);
    assert_eq!(format(FORMED).unwrap(), FORMED);
    assert_eq!(format("").unwrap(), "");
    assert_eq!(format("\n\n").unwrap(), "");
    assert_eq!(format("# only this").unwrap(), "# only this\n");
    assert_eq!(format("a = 1\r\nb = 2\r\n").unwrap(), "a = 1\nb = 2\n");
}

/// What definitions compile to, if they do.
fn compiled(definitions: &str) -> Option<Vec<u8>> {
    let mut sources = Sources::default();
    let file = sources.add("x.toml".to_owned(), definitions.as_bytes());
    compile_sources(sources, &[file], None, None).unwrap().database
}

fn check(definitions: &str) -> bool {
    match format(definitions) {
        Ok(formed) => {
            assert_eq!(format(&formed).as_ref(), Ok(&formed), "{definitions}");
            assert_eq!(compiled(&formed), compiled(definitions), "{definitions}");
            assert!(
                formed.lines().all(|line| line == line.trim_end() || formed.contains("\"\"\""))
            );
            true
        }
        Err(FmtError::Syntax(range, message)) => {
            assert!(range.start <= definitions.len() && !message.is_empty(), "{definitions}");
            false
        }
        Err(FmtError::Unsafe) => panic!("not safe:\n{definitions}"),
    }
}

/// Every file of definitions below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn every_file_of_this_project_keeps_its_meaning() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut done = 0;
    for file in [files(&root.join("../../boards")), files(&root.join("tests"))].concat() {
        if let Ok(definitions) = fs::read_to_string(&file) {
            done += u32::from(check(&definitions));
        }
    }
    for page in [include_str!("../LANGUAGE.md"), include_str!("../DIAGNOSTICS.md")] {
        for example in page.split("```toml").skip(1) {
            let example = example.split("```").next().unwrap().split_once('\n').unwrap().1;
            done += u32::from(check(example));
        }
    }
    assert!(done > 60, "{done}");
}

#[test]
fn what_is_spoilt_keeps_what_meaning_it_has() {
    let model = include_str!("model.rs");
    let full = model.split("r#\"").nth(1).unwrap().split("\"#").next().unwrap();
    assert!(check(full));
    let spoilers = [
        "\n",
        " ",
        "#",
        "# a comment\n",
        "'",
        "\"",
        ",",
        "[",
        "]",
        "{",
        "}",
        ".",
        "=",
        "\r\n",
        "x",
        "",
    ];
    let (mut random, mut good) = (1_u32, 0);
    for (at, c) in full.char_indices().step_by(3) {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let spoiler = spoilers[(random >> 16) as usize % spoilers.len()];
        let width = if random & 1 == 0 { 0 } else { c.len_utf8() };
        good += u32::from(check(&format!("{}{spoiler}{}", &full[..at], &full[at + width..])));
    }
    assert!(good > 200, "{good}");
}

#[test]
fn files_are_changed_in_place_and_links_stay() {
    let tree = Tree::of(UGLY);
    tree.write("services/good.toml", FORMED);
    tree.write("services/files/x.toml", "not looked at");
    tree.write("elsewhere.toml", "a=1\n");
    symlink("../elsewhere.toml", tree.path("services/link.toml")).unwrap();
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(tree.path("services/a.toml"), mode).unwrap();
    let check = tree.jambc(&["fmt", "--check", "services"]);
    assert_eq!(check.status.code(), Some(1));
    assert_eq!(text(&check.stdout), "services/a.toml\nservices/link.toml\n");
    assert_eq!(fs::read_to_string(tree.path("services/a.toml")).unwrap(), UGLY);
    assert_eq!(tree.jambc(&["fmt", "services"]).status.code(), Some(0));
    assert_eq!(fs::read_to_string(tree.path("services/a.toml")).unwrap(), FORMED);
    assert_eq!(fs::read_to_string(tree.path("elsewhere.toml")).unwrap(), "a = 1\n");
    assert!(fs::symlink_metadata(tree.path("services/link.toml")).unwrap().is_symlink());
    let mode = fs::metadata(tree.path("services/a.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(tree.jambc(&["fmt", "--check", "services"]).status.code(), Some(0));
}

#[test]
fn what_ships_is_in_the_one_form() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec!["boards/common".to_owned(), "boards/templates".to_owned()];
    for entry in fs::read_dir(root.join("boards/routers")).unwrap() {
        folders.push(format!("boards/routers/{}", entry.unwrap().file_name().display()));
    }
    for entry in fs::read_dir(root.join("qemu-tests/machines")).unwrap() {
        let name = entry.unwrap().file_name();
        let file = format!("qemu-tests/machines/{}/services.toml", name.display());
        if root.join(&file).is_file() {
            folders.push(file);
        }
    }
    assert!(folders.len() > 8);
    let folders = folders.iter().map(|folder| root.join(folder));
    let words: Vec<String> = folders.map(|folder| folder.display().to_string()).collect();
    let mut arguments = vec!["fmt", "--check"];
    arguments.extend(words.iter().map(String::as_str));
    let check = Tree::empty().jambc(&arguments);
    assert_eq!((check.status.code(), text(&check.stdout).as_str()), (Some(0), ""));
}

#[test]
fn what_cannot_be_formatted_is_named_and_left() {
    let tree = Tree::of("[service.a]\nkind = \n");
    tree.write("services/b.toml", "b=1\n");
    let output = tree.jambc(&["fmt", "services"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("services/a.toml:2:"), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(": error[J0001]: "));
    assert_eq!(fs::read_to_string(tree.path("services/b.toml")).unwrap(), "b = 1\n");
    assert_eq!(tree.jambc(&["fmt", "missing.toml"]).status.code(), Some(111));
    assert_eq!(tree.jambc(&["fmt"]).status.code(), Some(100));
}

/// A tree may have JSON in it; a file of it that is named is not what somebody wanted.
#[test]
fn json_is_left_as_it_is() {
    let tree = Tree::of("");
    tree.write("services/b.json", "{\"service\":{}}");
    assert_eq!(tree.jambc(&["fmt", "services"]).status.code(), Some(0));
    let output = tree.jambc(&["fmt", "services/a.toml", "services/b.json"]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.starts_with("jambc: services/b.json: fmt is for TOML"), "{told}");
    assert_eq!(fs::read_to_string(tree.path("services/b.json")).unwrap(), "{\"service\":{}}");
}

#[test]
fn standard_input_goes_to_standard_output() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_jambc"))
        .args(["fmt", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(UGLY.as_bytes()).unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), FORMED);
}
