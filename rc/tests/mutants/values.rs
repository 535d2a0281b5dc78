//! Defects in outputs, in what readers do about changes, and in what is told of services.

use super::Defect;

pub const DEFECTS: &[Defect] = &[
    (
        "values of earlier generations are taken",
        "rc/src/engine/values.rs",
        "if dynamic.generation != generation || !up {",
        "if !up {",
    ),
    (
        "readers are not woken by the value that they wait for",
        "rc/src/engine/values.rs",
        "// Some may have waited for just this one.\n            self.wake_neighbours(id);",
        "",
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
        "a signal is forgotten when what is related comes back",
        "rc/src/engine/change.rs",
        "let changed = if reads { self.values_differ(dependent, id) } else { newer };",
        "let changed = reads && self.values_differ(dependent, id);",
    ),
    (
        "soft readers lose values with their publisher",
        "rc/src/engine/values.rs",
        "let good = ready && (value.is_some() || !read.required);",
        "let good = true;",
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
        "a value taken back does not end readiness",
        "rc/src/engine/values.rs",
        "State::Ready(process) if !complete => {",
        "State::Ready(process) if !complete && process.is_none() => {",
    ),
    (
        "all members are named where one is missing",
        "rc/src/engine/view.rs",
        "if !(self.is_ready(edge.to) || skips",
        "if true || !(self.is_ready(edge.to) || skips",
    ),
];
