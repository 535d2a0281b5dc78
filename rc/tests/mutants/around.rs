//! Defects in conditions, groups, and what runs beside a process.

use super::Defect;

pub const DEFECTS: &[Defect] = &[
    (
        "nobody is looked at when a condition changes",
        "rc/src/engine/condition.rs",
        "if core::mem::replace(known, holds) != holds {",
        "if core::mem::replace(known, holds) != holds && !holds {",
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
        "|| self.ties(id).any(bars)",
        "",
    ),
    (
        "a dormant member is missing",
        "rc/src/engine/tally.rs",
        "tally.enough |= IS_DORMANT;",
        "tally.enough |= 128;",
    ),
    (
        "members count before they were ready",
        "rc/src/engine/tally.rs",
        "(self.enough != IS_READY && !counted)",
        "(self.enough != IS_READY && false)",
    ),
    (
        "a failover stays with an alternative that is gone",
        "rc/src/engine/group.rs",
        "edge.is_some_and(|edge| self.is_ready(edge.to))\n                })",
        "edge.is_some()\n                })",
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
        "what was lost is waited for with patience",
        "rc/src/engine/group.rs",
        "self.alternative_after(id, lost).unwrap_or(lost)",
        "lost",
    ),
    (
        "what repeats an output grows old",
        "rc/src/engine/group.rs",
        "if self.bind(id) {",
        "if self.bind(id) && false {",
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
];
