//! `jambc doc`: the expected pages of a small tree (`JAMBC_BLESS=1` writes them anew, to be read), and that
//! links lead somewhere.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use tree::{Tree, run_in, text};

/// The tree that `jambc graph` draws, too.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graph")
}

fn page(more: &[&str]) -> String {
    let mut arguments = vec!["doc", "services"];
    arguments.extend(more);
    let output = run_in(&folder(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// What stands between two marks, each time.
fn all<'p>(page: &'p str, open: &str, close: &str) -> BTreeSet<&'p str> {
    page.split(open).skip(1).map(|rest| rest.split(close).next().unwrap()).collect()
}

#[test]
fn the_page_is_as_expected() {
    let page = page(&[]);
    // The definitions that are shown are those of `jambc show`, which has its own tests.
    let mut kept = String::new();
    for (number, part) in page.split("```").enumerate() {
        if number % 2 == 0 {
            kept.push_str(part);
        } else {
            assert!(part.starts_with("toml\n[service."), "{part}");
        }
    }
    let expected = folder().join("doc.md");
    if std::env::var_os("JAMBC_BLESS").is_some() {
        fs::write(&expected, &kept).unwrap();
    }
    assert_eq!(kept, fs::read_to_string(expected).unwrap());
}

#[test]
fn every_link_leads_to_a_service() {
    let html = page(&["--format", "html"]);
    let (links, ids) = (all(&html, "href=\"#", "\""), all(&html, "<h3 id=\"", "\""));
    assert_eq!(links, ids);
    assert!(ids.len() > 5);
    let markdown = page(&["--format", "md"]);
    let headings = all(&markdown, "\n### ", "\n");
    assert_eq!(all(&markdown, "](#", ")"), headings);
}

#[test]
fn the_html_page_loads_nothing_and_is_well_formed() {
    let html = page(&["--format", "html"]);
    let mut open = Vec::new();
    for tag in html.split('<').skip(1).filter(|tag| !tag.starts_with('!')) {
        let (inside, _) = tag.split_once('>').unwrap();
        let name = inside.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap();
        if inside.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !inside.ends_with('/') && name != "meta" {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(!html.contains("<script") && !html.contains("src=") && !html.contains("@import"));
    assert!(html.contains("the &quot;whole&quot; &lt;router&gt;"), "names are escaped");
    assert!(html.contains("<svg "), "the services are drawn");
}

#[test]
fn templates_are_described_with_their_parameters() {
    let tree = Tree::of(
        "[service.default]\nkind = 'bundle'\n\
         [template.fixed]\ndoc = 'An address.'\nkind = 'oneshot'\nup = ['ip', '{{to}}', '{{mtu}}']\n\
         [template.fixed.params]\nto = { type = 'ifname', doc = 'where', example = 'eth0' }\n\
         mtu = { type = 'int', default = 1500, min = 68, max = 9000, doc = 'bytes' }\n",
    );
    let page = text(&tree.jambc(&["doc", "services"]).stdout);
    for line in [
        "## Templates",
        "A template: An address.",
        "* [template.fixed](#templatefixed) (template): An address.",
        "| `mtu` | `int` | `1500` | 68 to 9000 | bytes |",
        "| `to` | `ifname` | required |  | where |",
        "template = \"fixed\"",
        "params.to = 'eth0'",
    ] {
        assert!(page.lines().any(|one| one == line), "{line}:\n{page}");
    }
    assert!(!page.contains("params.mtu"), "it has a default and no example");
    tree.compile(&[]);
    assert!(!text(&tree.jambc(&["doc", "out.db"]).stdout).contains("## Templates"));
}

#[test]
fn the_format_follows_the_name_of_the_file() {
    let tree = Tree::of("[service.default]\nkind = 'bundle'\n");
    for (file, begins) in [("a.html", "<!DOCTYPE html>"), ("a.md", "# Services\n")] {
        assert_eq!(tree.jambc(&["doc", "services", "-o", file]).status.code(), Some(0));
        assert!(fs::read_to_string(tree.path(file)).unwrap().starts_with(begins), "{file}");
    }
    tree.compile(&[]);
    let from_database = text(&tree.jambc(&["doc", "out.db"]).stdout);
    assert_eq!(from_database, fs::read_to_string(tree.path("a.md")).unwrap());
    assert_eq!(tree.jambc(&["doc", "missing"]).status.code(), Some(111));
    assert_eq!(tree.jambc(&["doc", "services", "--format", "pdf"]).status.code(), Some(100));
}
