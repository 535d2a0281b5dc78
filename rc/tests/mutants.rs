//! What the simulation is worth: plants one defect after the other into a copy of the engine, and
//! expects the simulation to find each. Takes some minutes:
//! `cargo test -p rc --test mutants -- --ignored --nocapture` prints the table.
//!
//! `MUTANT=TEXT,TEXT` takes only those whose description contains one of them. rc/PROOF.md has the table.

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
        "let live = self.live(run.service) == Some(run);",
        "let live = self.live(run.service).is_some();",
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
        "        self.arm(id);\n    }\n\n    /// Dependents may",
        "        if to != Phase::Stopping {\n            self.arm(id);\n        }\n    }\n\n    /// Dependents may",
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
        "rc/src/engine/agenda.rs",
        "let bit = word.trailing_zeros() as usize;\n                *word &= *word - 1;",
        "let bit = 31 - word.leading_zeros() as usize;\n                *word ^= 1 << bit;",
    ),
    (
        "who waits is not woken",
        "rc/src/engine/mod.rs",
        "if matches!(state, State::Waiting { .. } | State::Starting(_) | State::Ready(_))\n",
        "if matches!(state, State::Starting(_) | State::Ready(_))\n",
    ),
    (
        "who is ready is not told that a need is gone",
        "rc/src/engine/mod.rs",
        "if matches!(state, State::Waiting { .. } | State::Starting(_) | State::Ready(_))\n",
        "if matches!(state, State::Waiting { .. } | State::Starting(_))\n",
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
        "rc/src/engine/want.rs",
        "Relation::After => false,",
        "Relation::After => true,",
    ),
    (
        "every bundle wants one member less",
        "rc/src/db/rows.rs",
        "ReadyWhen::AtLeast(self.argument())",
        "ReadyWhen::AtLeast(self.argument().saturating_sub(1))",
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
        "failures > node.max_restarts()",
        "failures > node.max_restarts() + 1",
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
        "NodeKind::Longrun(_) if node.has_finish() => (",
        "NodeKind::Longrun(_) if node.has_finish() && then != Then::Free => (",
    ),
    (
        "down runs after a failed up",
        "rc/src/engine/run.rs",
        "if matches!(then, Then::Free | Then::Judge { ready_ms: Some(_), .. }) =>",
        "if then != Then::NOT_READY || then == Then::NOT_READY =>",
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
        "dynamic.restart = true;\n            self.look_at(id);\n        }\n        self.dynamic",
        "self.look_at(id);\n        }\n        self.dynamic",
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
        "self.bind(id);\n        for (position, edge)",
        "if self.dynamic[id.index()].generation == 0 {\n            self.bind(id);\n        }\n        for (position, edge)",
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
        "rc/src/db/rows.rs",
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
    (
        "a condition that is not met is not waited for",
        "rc/src/engine/step.rs",
        "if met != Met::Yes {",
        "if met == Met::Unknown {",
    ),
    (
        "a condition that ceases to hold stops nobody",
        "rc/src/engine/step.rs",
        "|| self.is_barred(id)\n            || self.sleeps(id)",
        "|| self.sleeps(id)",
    ),
    (
        "nobody is looked at when a condition changes",
        "rc/src/engine/condition.rs",
        "if core::mem::replace(known, holds) != holds {",
        "if core::mem::replace(known, holds) != holds && !holds {",
    ),
    (
        "a condition on an output is not watched",
        "rc/src/engine/mod.rs",
        "let watches = self",
        "let watches = false && self",
    ),
    (
        "flaps are not damped",
        "rc/src/engine/condition.rs",
        "damp.then(||",
        "(damp && false).then(||",
    ),
    (
        "only the last flap counts",
        "rc/src/engine/condition.rs",
        "dynamic.flaps = dynamic.flaps.saturating_add(1);",
        "dynamic.flaps = 1;",
    ),
    (
        "a stable run forgives no flaps",
        "rc/src/engine/condition.rs",
        "if stable {",
        "if stable && false {",
    ),
    (
        "that a need is dormant is not passed on",
        "rc/src/engine/condition.rs",
        "|| needs.any(|edge|",
        "|| needs.any(|edge| false &&",
    ),
    (
        "a dormant member is missing",
        "rc/src/engine/group.rs",
        "members.all(|edge| self.is_ready(edge.to) || self.dynamic[edge.to.index()].dormant)",
        "members.all(|edge| self.is_ready(edge.to))",
    ),
    (
        "members count before they were ready",
        "rc/src/engine/group.rs",
        "edge.relation == Relation::Member && *counted && !is_soft(&edge)",
        "edge.relation == Relation::Member && (*counted || true) && !is_soft(&edge)",
    ),
    (
        "a failover stays with an alternative that is gone",
        "rc/src/engine/group.rs",
        "edge.is_some_and(|edge| self.is_ready(edge.to))\n            }),",
        "edge.is_some()\n            }),",
    ),
    (
        "a better alternative is never taken",
        "rc/src/engine/group.rs",
        "&& failover.back == Back::PreferFirst",
        "&& failover.back == Back::Sticky",
    ),
    (
        "patience has no end",
        "rc/src/engine/group.rs",
        "self.dynamic[id.index()].group.patience = Some(now.after(failover.patience));\n        }\n        false",
        "}\n        false",
    ),
    (
        "an alternative that is given up is waited for",
        "rc/src/engine/group.rs",
        "if self.is_given_up(id, reach) {",
        "if self.is_given_up(id, reach) && false {",
    ),
    (
        "what a search wants is not wanted",
        "rc/src/engine/group.rs",
        "group.reach = next;\n            self.wants_stale = true;",
        "group.reach = next;",
    ),
    (
        "an alternative lost while waiting is kept",
        "rc/src/engine/group.rs",
        "// Lost while the failover waited for something else.\n            self.let_go(id);",
        "",
    ),
    (
        "an alternative that a failover turned away from starts without delay",
        "rc/src/engine/step.rs",
        "damped.max(self.dynamic[id.index()].not_before)",
        "damped",
    ),
    (
        "who is not wanted when it is down has not failed",
        "rc/src/engine/run.rs",
        "Then::Judge { exit, ready_ms, cause } if !asked => {",
        "Then::Judge { exit, ready_ms, cause } if !asked && dynamic.want == Want::Up => {",
    ),
    (
        "to start a failover forgives its alternatives nothing",
        "rc/src/engine/command.rs",
        "let relations = [Relation::Needs, Relation::Member, Relation::Alternative];",
        "let relations = [Relation::Needs, Relation::Member];",
    ),
    (
        "what repeats an output grows old",
        "rc/src/engine/group.rs",
        "self.dynamic[index].rebound |= self.dynamic[index].bound != before;",
        "",
    ),
    (
        "starts beside what conflicts and is going down",
        "rc/src/engine/step.rs",
        "if self.dynamic[other.index()].state.is_present() {",
        "if self.dynamic[other.index()].state.is_up() {",
    ),
    ("who waits for a conflict is not woken", "rc/src/engine/mod.rs", "self.look_at(other);", ""),
    (
        "a start does not make way",
        "rc/src/engine/command.rs",
        "self.make_way(&seen);",
        "let _ = &seen;",
    ),
    (
        "held down is started all the same",
        "rc/src/engine/want.rs",
        "Some(want) => want == Want::Up,",
        "Some(want) => want == Want::Up || dynamic.ask == Ask::Up,",
    ),
    (
        "held up is stopped by a lost need",
        "rc/src/engine/step.rs",
        "if self.is_kept_up(id) {\n            return dynamic.restart;",
        "if self.is_kept_up(id) && dynamic.restart {\n            return dynamic.restart;",
    ),
    (
        "what is held up is waited for",
        "rc/src/engine/step.rs",
        "if self.is_kept_up(dependent) && !going {",
        "if self.is_kept_up(dependent) && !going && false {",
    ),
    (
        "a release changes nothing",
        "rc/src/engine/command.rs",
        "self.wake_neighbours(id);\n        self.recompute_wants();",
        "self.wake_neighbours(id);\n        if pin.is_some() {\n            self.recompute_wants();\n        }",
    ),
    (
        "what was missed while held up is forgotten",
        "rc/src/engine/command.rs",
        "if held && pin != Some(Want::Up) && self.has_missed(id) {",
        "if false {",
    ),
    (
        "one failed check too many is forgiven",
        "rc/src/engine/side.rs",
        "if side.failures < health.retries {",
        "if side.failures <= health.retries {",
    ),
    (
        "a good check forgives nothing",
        "rc/src/engine/side.rs",
        "side.failures = if exit.is_success() { 0 }",
        "side.failures = if exit.is_success() { side.failures }",
    ),
    (
        "a check that hangs is left alone",
        "rc/src/engine/side.rs",
        "side.check = Some(Process::started(Some(now.after(bound))));",
        "side.check = Some(Process::started(None));\n        let _ = bound;",
    ),
    (
        "a check outlives its service",
        "rc/src/engine/side.rs",
        "let check = side.check.take().map(|_| Role::Check(side.checks));",
        "let check = side.check.take().map(|_| Role::Check(side.checks)).filter(|_| goes_on);",
    ),
    (
        "two actions at a time",
        "rc/src/engine/side.rs",
        "if side.action.is_some() {",
        "if side.action.is_some() && side.actions > 9 {",
    ),
    (
        "an action asked for meanwhile is forgotten",
        "rc/src/engine/side.rs",
        "*pending = true;",
        "*pending = false;",
    ),
    (
        "an action that fails means nothing",
        "rc/src/engine/side.rs",
        "if !fine && !self.is_kept_up(id) {",
        "if !fine && !self.is_kept_up(id) && false {",
    ),
    (
        "a sign of life is not noticed",
        "rc/src/engine/side.rs",
        "side.watchdog = span.or(side.watchdog);",
        "side.watchdog = span.or(side.watchdog);\n        if span.is_none() {\n            return;\n        }",
    ),
    (
        "a silent service goes on",
        "rc/src/engine/side.rs",
        "if is_due(self.dynamic[id.index()].side.watchdog_at) {",
        "if is_due(self.dynamic[id.index()].side.watchdog_at) && false {",
    ),
    (
        "readiness cannot be withdrawn",
        "rc/src/engine/process.rs",
        "let may = matches!(self.readiness(id), Some(Ready::Fd(_) | Ready::Notify));",
        "let may = matches!(self.readiness(id), Some(Ready::Fd(_)));",
    ),
    (
        "a withdrawal arms no timeout",
        "rc/src/engine/process.rs",
        "process.set_timeout(timeout.map(|span| now.after(span)));",
        "let _ = timeout;",
    ),
    (
        "more time is not granted",
        "rc/src/engine/process.rs",
        "process.extend(until);",
        "let _ = (process, until);",
    ),
    (
        "a late report of the start begins another check",
        "rc/src/engine/process.rs",
        "if matches!(dynamic.state, State::Starting(_)) && dynamic.side.is_unused() {",
        "if dynamic.state.is_up() {",
    ),
    (
        "a permanent failure is tried again",
        "rc/src/engine/run.rs",
        "if cause == Cause::Hopeless || permanent(exit) {",
        "if cause == Cause::Hopeless && permanent(exit) {",
    ),
    (
        "a failure for good is told every time",
        "rc/src/engine/run.rs",
        "if core::mem::replace(&mut self.dynamic[id.index()].escalated, true) {",
        "if core::mem::replace(&mut self.dynamic[id.index()].escalated, true) && false {",
    ),
    ("a hand-over forgets deadlines", "rc/src/engine/save.rs", "engine.arm(id_of(index));", ""),
    (
        "a hand-over forgets who is active",
        "rc/src/engine/save.rs",
        "engine.active = engine.dynamic.iter().filter(|one| one.state.is_active()).count();",
        "",
    ),
    (
        "a switch forgets what was asked of who changed",
        "rc/src/engine/switch.rs",
        "dynamic.ask = was.ask;",
        "",
    ),
    (
        "a switch forgets how who changed is held",
        "rc/src/engine/switch.rs",
        "dynamic.pin = was.pin;",
        "",
    ),
    (
        "reports of an earlier definition are believed",
        "rc/src/engine/switch.rs",
        "dynamic.generation = was.generation;",
        "",
    ),
    (
        "nobody hears that a definition is new",
        "rc/src/engine/switch.rs",
        "dynamic.revision = was.revision.wrapping_add(1);",
        "dynamic.revision = was.revision.wrapping_sub(1);",
    ),
    (
        "a switch forgets who is active",
        "rc/src/engine/switch.rs",
        "new.active = new.dynamic.iter().filter(|one| one.state.is_active()).count();",
        "",
    ),
    (
        "a switch forgets deadlines",
        "rc/src/engine/switch.rs",
        "new.dynamic[index].armed = None;",
        "",
    ),
    (
        "nobody is looked at after a switch",
        "rc/src/engine/switch.rs",
        "new.look_at(id_of(index));",
        "",
    ),
    (
        "what is wanted of another database is not asked",
        "rc/src/engine/switch.rs",
        "new.wants_stale = true;",
        "",
    ),
    (
        "a switch forgets who is kept",
        "rc/src/engine/switch.rs",
        ".filter(|was| !was.retired)",
        ".filter(|was| was.retired)",
    ),
    ("a switch forgets the boot target", "rc/src/engine/switch.rs", "new.target = target;", ""),
    (
        "what is stopping counts as out",
        "rc/src/engine/switch.rs",
        "one.retired && one.state.is_active()",
        "one.retired && one.state.is_up()",
    ),
    (
        "who is retired stays up",
        "rc/src/engine/want.rs",
        "!self.dynamic[index].retired && self.is_allowed(index)",
        "self.is_allowed(index)",
    ),
    (
        "who is retired takes its alternatives along",
        "rc/src/engine/group.rs",
        "first.filter(|_| !self.dynamic[id.index()].retired)",
        "first",
    ),
    (
        "a failover forgets what it used in the earlier database",
        "rc/src/engine/switch.rs",
        "group.selected = Some(position);",
        "",
    ),
    (
        "a restart outlives the definition",
        "rc/src/engine/switch.rs",
        "dynamic.restart = false;\n",
        "",
    ),
    (
        "what is held up is kept from another database",
        "rc/src/engine/step.rs",
        "dynamic.pin == Some(Want::Up) && !dynamic.retired &&",
        "dynamic.pin == Some(Want::Up) &&",
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
    for folder in ["supervisor/src", "rc/src", "rc/tests", "rc/benches"] {
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
        .env("SIM_SHRINK", "0")
        .env("SIM_SECONDS", "100")
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
    for (what, file, old, new) in DEFECTS.iter().filter(is_meant) {
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
