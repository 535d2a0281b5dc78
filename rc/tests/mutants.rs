//! What the simulation is worth: plants one defect after the other into a copy of the engine, and
//! expects the simulation to find each. Takes some minutes:
//! `cargo test -p rc --test mutants -- --ignored --nocapture` prints the table.
//!
//! `MUTANT=TEXT,TEXT` takes only those whose description contains one of them. rc/PROOF.md has the table.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "mutants/around.rs"]
mod around;
#[path = "mutants/kept.rs"]
mod kept;
#[path = "mutants/life.rs"]
mod life;
#[path = "mutants/order.rs"]
mod order;
#[path = "mutants/values.rs"]
mod values;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Seeds for each defect.
const SEEDS: &str = "12000";

/// What is wrong, in which file, and the text that is replaced by what.
type Defect = (&'static str, &'static str, &'static str, &'static str);

/// All of them, by what is wrong.
fn defects() -> impl Iterator<Item = &'static Defect> {
    let all = [life::DEFECTS, order::DEFECTS, values::DEFECTS, around::DEFECTS, kept::DEFECTS];
    all.into_iter().flatten()
}

/// What the simulation is compiled of.
const CRATES: [&str; 3] = ["supervisor", "supervisor/derive", "rc"];

/// Copies these crates into a workspace of their own.
fn copy_workspace(to: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("Cargo.toml");
    let begin = manifest.find("members = [").expect("members");
    let end = begin + manifest[begin..].find(']').expect("the end of members") + 1;
    let members = format!("members = {CRATES:?}");
    let manifest = manifest[..begin].to_owned() + &members + &manifest[end..];
    fs::create_dir_all(to).expect("a directory");
    fs::write(to.join("Cargo.toml"), manifest).expect("Cargo.toml");
    fs::copy(root.join("Cargo.lock"), to.join("Cargo.lock")).expect("Cargo.lock");
    for folder in ["rc/tests", "rc/benches"] {
        copy_folder(&root.join(folder), &to.join(folder));
    }
    for name in CRATES {
        let source = Path::new(name).join("src");
        copy_folder(&root.join(&source), &to.join(&source));
        let file = Path::new(name).join("Cargo.toml");
        fs::copy(root.join(&file), to.join(&file)).expect("a manifest");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a file");
        }
    }
}

/// Which law the simulation finds broken: `Ok(None)` if none, an error if it could not run.
fn simulate(workspace: &Path, target: &Path) -> Result<Option<String>, String> {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--offline", "-p", "rc", "--test", "sim", "every_law", "--", "--nocapture"])
        .current_dir(workspace)
        .env("CARGO_TARGET_DIR", target)
        .env("SIM_SEEDS", SEEDS)
        .env("SIM_SHRINK", "0")
        .env("SIM_SECONDS", "600")
        .env("RUST_BACKTRACE", "0")
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(None);
    }
    let tells = |line: &&str| line.starts_with("SIM_SEED=") || line.starts_with("never made");
    let found = text.lines().find(tells);
    found.map(|line| Some(line.to_owned())).ok_or_else(|| text.into_owned())
}

/// The table does not fall behind the engine.
#[test]
fn every_defect_can_be_planted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let is_lost = |defect: &&Defect| {
        let source = fs::read_to_string(root.join(defect.1)).expect("a source file");
        source.matches(defect.2).count() != 1
    };
    let lost: Vec<&Defect> = defects().filter(is_lost).collect();
    assert!(lost.is_empty(), "the text to be replaced is not there once: {lost:#?}");
}

#[test]
#[ignore = "takes minutes: compiles the engine once for every defect"]
fn every_planted_defect_is_found() {
    let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    let (workspace, target) = (base.join("workspace"), base.join("target"));
    copy_workspace(&workspace);
    assert_eq!(simulate(&workspace, &target), Ok(None), "the engine as it is");
    let only = env::var("MUTANT").unwrap_or_default();
    let (mut survivors, mut broken) = (Vec::new(), Vec::new());
    let is_meant = |defect: &&Defect| only.split(',').any(|text| defect.0.contains(text));
    for (what, file, old, new) in defects().filter(is_meant) {
        let path = workspace.join(file);
        let sound = fs::read_to_string(&path).expect("a source file");
        assert_eq!(sound.matches(old).count(), 1, "{what}: the text is not there once: {old}");
        fs::write(&path, sound.replacen(old, new, 1)).expect("the defect");
        let found = simulate(&workspace, &target);
        fs::write(&path, sound).expect("the sound file");
        match found {
            Ok(Some(line)) => {
                // The seed, then the law.
                let law = line.split_once(": ").map_or(line.as_str(), |(_, law)| law);
                println!("| {what} | {law} |");
            }
            Ok(None) => survivors.push(*what),
            Err(text) => {
                println!("{what}: {text}");
                broken.push(*what);
            }
        }
    }
    assert!(broken.is_empty(), "could not be tried: {broken:#?}");
    assert!(survivors.is_empty(), "not found: {survivors:#?}");
}
