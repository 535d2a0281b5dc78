//! What the simulation is worth: plants one defect after the other into a copy of the engine, and
//! expects the simulation to find each. Takes some minutes:
//! `cargo test -p rc --test mutants -- --ignored --nocapture` prints the table.
//!
//! `MUTANT=TEXT` takes only those whose description contains TEXT.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Seeds for each defect.
const SEEDS: &str = "3000";

/// What is wrong, in which file, and the text that is replaced by what.
type Defect = (&'static str, &'static str, &'static str, &'static str);

const DEFECTS: &[Defect] = &[
    (
        "reports of dead incarnations are believed",
        "rc/src/engine/mod.rs",
        "if self.live(run.service) == Some(run) {",
        "if self.live(run.service).is_some() {",
    ),
    (
        "an exit is believed whoever it is of",
        "rc/src/engine/process.rs",
        "if self.live(id) != Some(run) {",
        "if self.live(id).is_none() {",
    ),
    (
        "values of earlier generations are taken",
        "rc/src/engine/values.rs",
        "if dynamic.generation != generation || !up {",
        "if !up {",
    ),
    (
        "a write of an earlier generation counts",
        "rc/src/engine/process.rs",
        "dynamic.generation == run.generation\n                && run.role",
        "run.role",
    ),
    (
        "a deadline is not armed when a stop begins",
        "rc/src/engine/mod.rs",
        "if let Some(at) = state.deadline() {",
        "if let Some(at) = state.deadline().filter(|_| before.phase() != Phase::Stopping) {",
    ),
    (
        "a stale deadline is not dropped",
        "rc/src/engine/mod.rs",
        "if current == Some(at) && at > now {",
        "if at > now {",
    ),
    (
        "a delay is over a millisecond late",
        "rc/src/engine/mod.rs",
        "if current == Some(at) && at > now {",
        "if current == Some(at) && at >= now {",
    ),
    (
        "what comes due by the work of a turn is left for later",
        "rc/src/engine/mod.rs",
        "if !self.expire(now, out) && !self.continue_shutdown(now, out) {",
        "self.expire(now, out);\n            if !self.continue_shutdown(now, out) {",
    ),
    (
        "the grace is doubled",
        "supervisor/src/process.rs",
        "Phase::Terminating { kill_at: now.after(policy.grace) }",
        "Phase::Terminating { kill_at: now.after(policy.grace).after(policy.grace) }",
    ),
    (
        "a timeout holds on after readiness",
        "rc/src/engine/run.rs",
        "if let Some(process) = &mut process {\n            process.clear_timeout();\n        }",
        "if let Some(process) = &mut process {\n            let _ = process.is_running();\n        }",
    ),
    (
        "a service does not wait for its dependents to be down",
        "rc/src/engine/step.rs",
        "if self.is_killing() || !self.is_draining(id) =>",
        "if true =>",
    ),
    (
        "only hard dependents are waited for",
        "rc/src/engine/step.rs",
        "hard || going || self.must_stop(dependent)",
        "hard",
    ),
    (
        "dependents that are going down anyway are not waited for",
        "rc/src/engine/step.rs",
        "hard || going || self.must_stop(dependent)",
        "hard || self.must_stop(dependent)",
    ),
    (
        "drained in the wrong order",
        "rc/src/engine/agenda.rs",
        "self.drains.insert(self.bound - 1 - rank);",
        "self.looks.insert(rank);",
    ),
    (
        "dependents are looked at before their dependencies",
        "rc/src/engine/graph.rs",
        "self.nodes[id.index()].rank = rank;",
        "self.nodes[id.index()].rank = u16::try_from(open.len()).unwrap_or(0) - 1 - rank;",
    ),
    (
        "who waits is not woken",
        "rc/src/engine/mod.rs",
        "if matches!(state, State::Waiting { .. } | State::Starting(_) | State::Ready(_)) {",
        "if matches!(state, State::Starting(_) | State::Ready(_)) {",
    ),
    (
        "who is ready is not told that a need is gone",
        "rc/src/engine/mod.rs",
        "if matches!(state, State::Waiting { .. } | State::Starting(_) | State::Ready(_)) {",
        "if matches!(state, State::Waiting { .. } | State::Starting(_)) {",
    ),
    (
        "a dependency that drains is not woken",
        "rc/src/engine/mod.rs",
        "if matches!(self.dynamic[to.index()].state, State::Stopping(Step::Draining(_), _)) {",
        "if matches!(self.dynamic[to.index()].state, State::Waiting { .. }) {",
    ),
    (
        "being stuck wakes nobody",
        "rc/src/engine/mod.rs",
        "|| before.is_active() != state.is_active()\n            || before.is_settled() != state.is_settled()",
        "",
    ),
    (
        "readers are not woken by the value that they wait for",
        "rc/src/engine/values.rs",
        "// Some may have waited for just this one.\n            self.wake_neighbours(id);",
        "",
    ),
    (
        "a need is not looked at",
        "rc/src/engine/step.rs",
        "Relation::Needs => self.is_ready(edge.to),",
        "Relation::Needs => true,",
    ),
    (
        "a soft need is not waited for",
        "rc/src/engine/step.rs",
        "Relation::Wants => other.state.is_settled(),",
        "Relation::Wants => true,",
    ),
    (
        "a soft need must be ready",
        "rc/src/engine/step.rs",
        "Relation::Wants => other.state.is_settled(),",
        "Relation::Wants => self.is_ready(edge.to),",
    ),
    (
        "an order holds even if the other is not wanted",
        "rc/src/engine/step.rs",
        "Relation::After => other.want == Want::Down || other.state.is_settled(),",
        "Relation::After => self.is_ready(edge.to),",
    ),
    (
        "an order pulls the other in",
        "rc/src/engine/mod.rs",
        "if edge.relation != Relation::After && !reached[to] {",
        "if !reached[to] {",
    ),
    (
        "every bundle wants one member less",
        "rc/src/engine/step.rs",
        "let need = usize::from(need);",
        "let need = usize::from(need).saturating_sub(1);",
    ),
    (
        "a waiting service always counts as settled",
        "rc/src/engine/state.rs",
        "Self::Waiting { blocked } => *blocked,",
        "Self::Waiting { .. } => true,",
    ),
    (
        "what is stuck holds up everybody",
        "rc/src/engine/state.rs",
        "!process.is_stuck()",
        "process.is_stuck() || process.is_running() || !process.timed_out() || true",
    ),
    (
        "failures are not counted",
        "rc/src/engine/run.rs",
        "dynamic.failures = failures;",
        "dynamic.failures = failures.min(1);",
    ),
    (
        "a stable run forgets nothing",
        "supervisor/src/backoff.rs",
        "if ready_ms >= u64::from(STABLE_RUN.0)",
        "if ready_ms >= u64::MAX",
    ),
    (
        "one failure too many is forgiven",
        "rc/src/engine/run.rs",
        "failures > policy.max_restarts",
        "failures > policy.max_restarts + 1",
    ),
    (
        "exit code 0 before being ready is success",
        "rc/src/engine/run.rs",
        "ready_ms.is_some() && exit.is_success()",
        "exit.is_success()",
    ),
    (
        "a stop by our will is judged like a failure",
        "rc/src/engine/step.rs",
        "State::Stopping(Step::Draining(process), Then::Free), out",
        "State::Stopping(Step::Draining(process), Then::NOT_READY), out",
    ),
    (
        "finish is forgotten after a stop",
        "rc/src/engine/run.rs",
        "NodeKind::Longrun(_) if node.finish => (",
        "NodeKind::Longrun(_) if node.finish && then != Then::Free => (",
    ),
    (
        "down runs after a failed up",
        "rc/src/engine/run.rs",
        "NodeKind::Oneshot { down: true, .. } if then == Then::Free => {",
        "NodeKind::Oneshot { down: true, .. } => {",
    ),
    (
        "cleaning up begins after all was killed",
        "rc/src/engine/run.rs",
        "_ if self.is_killing() => return self.rest(now, id, then, out),",
        "_ if false => return self.rest(now, id, then, out),",
    ),
    (
        "the bound of a shutdown is not kept",
        "rc/src/engine/command.rs",
        "Shutdown::Orderly { until } if now >= until => {",
        "Shutdown::Orderly { until } if now >= until.after(Millis(1)) => {",
    ),
    (
        "the end is told twice",
        "rc/src/engine/command.rs",
        "if self.active == 0 => {\n                self.shutdown = Shutdown::Done;",
        "if self.active == 0 => {",
    ),
    (
        "draining goes on while all is killed",
        "rc/src/engine/command.rs",
        "// Nobody waits for dependents any longer.\n            self.look_at(id);",
        "",
    ),
    (
        "a stop by command outlives a start of a dependent",
        "rc/src/engine/command.rs",
        "if dynamic.ask == Ask::Down {\n                dynamic.ask = Ask::Nothing;\n            }",
        "",
    ),
    (
        "a restart by command is forgotten",
        "rc/src/engine/command.rs",
        "dynamic.restart = true;\n            self.look_at(id);\n        }\n        self.forgive",
        "self.look_at(id);\n        }\n        self.forgive",
    ),
    (
        "a start does not end a delay",
        "rc/src/engine/command.rs",
        "State::Failed(_) | State::Backoff { .. } => {\n                self.set_state",
        "State::Failed(_) => {\n                self.set_state",
    ),
    (
        "boot settles again and again",
        "rc/src/engine/mod.rs",
        "            self.settled = true;\n            let ready",
        "            self.settled = self.active > 1;\n            let ready",
    ),
    (
        "boot settles only when it is ready",
        "rc/src/engine/mod.rs",
        "&& self.dynamic[target.index()].state.is_settled()",
        "&& self.is_ready(target)",
    ),
    (
        "values are not taken over at a start",
        "rc/src/engine/run.rs",
        "self.bind(id);\n        for position",
        "if self.dynamic[id.index()].generation == 0 {\n            self.bind(id);\n        }\n        for position",
    ),
    (
        "every publication restarts every reader",
        "rc/src/engine/change.rs",
        "if !waits && self.values_differ(reader, id) {",
        "if !waits {",
    ),
    (
        "a changed value restarts nobody",
        "rc/src/engine/change.rs",
        "if !waits && self.values_differ(reader, id) {",
        "if !waits && edge.on_change != OnChange::Restart && self.values_differ(reader, id) {",
    ),
    (
        "soft edges are hard",
        "rc/src/engine/graph.rs",
        "edge.relation == Relation::Needs && edge.on_change == OnChange::Restart",
        "edge.relation == Relation::Needs",
    ),
    (
        "a signal is forgotten when what is related comes back",
        "rc/src/engine/change.rs",
        "let changed = if reads { self.values_differ(dependent, id) } else { newer };",
        "let changed = reads && self.values_differ(dependent, id);",
    ),
    (
        "soft readers lose values with their publisher",
        "rc/src/engine/values.rs",
        "if self.is_ready(read.service) && (value.is_some() || !read.required) {",
        "if true {",
    ),
    (
        "half of a publication is seen",
        "rc/src/engine/values.rs",
        "if changed && self.is_ready(id) {",
        "if changed {",
    ),
    (
        "what follows from a value grows old",
        "rc/src/engine/change.rs",
        "self.dynamic[id.index()].rebound = true;",
        "",
    ),
    (
        "values outlive their service",
        "rc/src/engine/run.rs",
        "        self.withdraw(id, out);\n",
        "",
    ),
    (
        "a value taken back does not end readiness",
        "rc/src/engine/values.rs",
        "State::Ready(process) if !complete => {",
        "State::Ready(process) if !complete && process.is_none() => {",
    ),
    (
        "all members are named where one is missing",
        "rc/src/engine/view.rs",
        "members.filter(|&to| !self.is_ready(to))",
        "members.filter(|_| true)",
    ),
];

/// Copies the two crates that the engine is made of into an own workspace.
fn copy_workspace(to: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("Cargo.toml");
    let begin = manifest.find("members = [").expect("members");
    let end = begin + manifest[begin..].find(']').expect("the end of members") + 1;
    let manifest =
        format!("{}members = [\"supervisor\", \"rc\"]{}", &manifest[..begin], &manifest[end..]);
    fs::create_dir_all(to).expect("a directory");
    fs::write(to.join("Cargo.toml"), manifest).expect("Cargo.toml");
    fs::copy(root.join("Cargo.lock"), to.join("Cargo.lock")).expect("Cargo.lock");
    for folder in ["supervisor/src", "rc/src", "rc/tests"] {
        copy_folder(&root.join(folder), &to.join(folder));
    }
    for name in ["supervisor", "rc"] {
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
        .env("RUST_BACKTRACE", "0")
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(None);
    }
    let found = text.lines().find(|line| line.starts_with("SIM_SEED="));
    found.map(|line| Some(line.to_owned())).ok_or_else(|| text.into_owned())
}

#[test]
#[ignore = "takes minutes: compiles the engine once for every defect"]
fn every_planted_defect_is_found() {
    let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    let (workspace, target) = (base.join("workspace"), base.join("target"));
    copy_workspace(&workspace);
    assert_eq!(simulate(&workspace, &target), Ok(None), "the engine as it is");
    let only = env::var("MUTANT").unwrap_or_default();
    let mut survivors = Vec::new();
    for (what, file, old, new) in DEFECTS.iter().filter(|defect| defect.0.contains(&only)) {
        let path = workspace.join(file);
        let sound = fs::read_to_string(&path).expect("a source file");
        assert_eq!(sound.matches(old).count(), 1, "{what}: the text is not there once: {old}");
        fs::write(&path, sound.replacen(old, new, 1)).expect("the defect");
        let found = simulate(&workspace, &target);
        fs::write(&path, sound).expect("the sound file");
        match found.unwrap_or_else(|text| panic!("{what}: {text}")) {
            Some(line) => println!("| {what} | {line} |"),
            None => survivors.push(*what),
        }
    }
    assert!(survivors.is_empty(), "not found: {survivors:#?}");
}
