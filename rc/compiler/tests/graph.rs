//! `jambc graph`: the expected drawings of a small tree (`JAMBC_BLESS=1` draws them anew, to be looked at),
//! and what holds for every picture.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tree;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};
use tree::{Tree, run_in, text};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graph")
}

#[test]
fn the_drawings_are_as_expected() {
    for (file, arguments) in [
        ("small.svg", vec!["graph", "services"]),
        ("small.dot", vec!["graph", "services", "--format", "dot", "--all"]),
    ] {
        let output = run_in(&folder(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let drawn = text(&output.stdout);
        if std::env::var_os("JAMBC_BLESS").is_some() {
            fs::write(folder().join(file), &drawn).unwrap();
        }
        assert_eq!(drawn, fs::read_to_string(folder().join(file)).unwrap(), "{file}");
        assert_eq!(text(&run_in(&folder(), &arguments).stdout), drawn, "it is the same every time");
    }
}

/// Sixty services, each of which needs some of those before it.
fn sixty() -> String {
    let mut definitions = String::from("[service.default]\nkind = 'bundle'\n");
    let mut random = 1_u32;
    for number in 0..60_u32 {
        let mut needs = Vec::new();
        for _ in 0..number.min(3) {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            needs.push(format!("'s{}'", (random >> 16) % number));
        }
        needs.sort();
        needs.dedup();
        let needs = needs.join(", ");
        write!(
            definitions,
            "[service.s{number}]\nkind = 'oneshot'\nneeds = [{needs}]\npart-of = ['default']\n"
        )
        .unwrap();
    }
    definitions
}

/// Left, top, width and height of every oneshot in the picture.
fn boxes(svg: &str) -> Vec<[f64; 4]> {
    let rectangles = svg.split("<rect class=\"b oneshot\"").skip(1).map(|rest| {
        ["x", "y", "width", "height"].map(|key| {
            let value = rest.split(&format!(" {key}=\"")).nth(1).unwrap();
            value.split('"').next().unwrap().parse().unwrap()
        })
    });
    // The legend has one, too.
    rectangles.skip(1).collect()
}

#[test]
fn services_do_not_overlap_and_arrows_point_left() {
    let tree = Tree::of(&sixty());
    let svg = text(&tree.jambc(&["graph", "services", "--all"]).stdout);
    let boxes = boxes(&svg);
    assert_eq!(boxes.len(), 60);
    for (number, a) in boxes.iter().enumerate() {
        for b in &boxes[number + 1..] {
            let apart = |at: usize| a[at] + a[at + 2] <= b[at] || b[at] + b[at + 2] <= a[at];
            assert!(apart(0) || apart(1), "{a:?} and {b:?}");
        }
    }
    let lines: Vec<&str> = svg.split(" d=\"M").skip(1).filter(|line| line.contains('C')).collect();
    assert!(lines.len() > 200, "{}", lines.len());
    for line in lines {
        let path = line.split('"').next().unwrap();
        let numbers: Vec<f64> =
            path.split([' ', 'C', 'L']).map(|number| number.parse().unwrap()).collect();
        assert!(numbers[0] > numbers[numbers.len() - 2], "{path}");
    }
}

#[test]
fn the_picture_is_well_formed_and_needs_nothing_else() {
    let tree = Tree::of(&sixty());
    let svg = text(&tree.jambc(&["graph", "services"]).stdout);
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (inside, _) = tag.split_once('>').unwrap();
        let name = inside.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if inside.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !inside.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(svg.matches("http").count(), svg.matches("http://www.w3.org/2000/svg").count());
    assert!(!svg.contains("<script") && !svg.contains("href"), "nothing is loaded");
}

#[test]
fn a_database_is_drawn_like_its_definitions_and_the_file_is_replaced() {
    let tree = Tree::of(&sixty());
    tree.compile(&[]);
    tree.write("a.svg", "old");
    assert_eq!(tree.jambc(&["graph", "out.db", "-o", "a.svg"]).status.code(), Some(0));
    let drawn = tree.jambc(&["graph", "services"]).stdout;
    assert_eq!(fs::read(tree.path("a.svg")).unwrap(), drawn);
    assert_eq!(tree.jambc(&["graph", "missing"]).status.code(), Some(111));
    assert_eq!(tree.jambc(&["graph", "services", "-o", "no/a.svg"]).status.code(), Some(111));
    assert_eq!(tree.jambc(&["graph", "services", "--format", "png"]).status.code(), Some(100));
    tree.write("services/b.toml", "[service.b]\n");
    assert_eq!(tree.jambc(&["graph", "services", "-o", "a.svg"]).status.code(), Some(111));
    assert_eq!(fs::read(tree.path("a.svg")).unwrap(), drawn, "left as it was");
}

#[test]
fn what_is_too_large_for_a_picture_is_not_tried() {
    let mut definitions = String::from("[service.default]\nkind = 'bundle'\n");
    for number in 0..100 {
        let needs: Vec<String> = (0..number).map(|other| format!("'s{other}'")).collect();
        let needs = needs.join(", ");
        write!(definitions, "[service.s{number}]\nkind = 'oneshot'\nneeds = [{needs}]\n").unwrap();
    }
    let tree = Tree::of(&definitions);
    let output = tree.jambc(&["graph", "services"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--format dot has no limit"));
    let dot = tree.jambc(&["graph", "services", "--format", "dot"]);
    assert_eq!(text(&dot.stdout).matches(" -> ").count(), 99 * 100 / 2);
}
