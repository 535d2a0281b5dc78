//! Defects in hand-over and in the switch to another database.

use super::Defect;

pub const DEFECTS: &[Defect] = &[
    ("a hand-over forgets deadlines", "rc/src/engine/save.rs", "engine.arm(id_of(index));", ""),
    (
        "what changed of no service is told once",
        "rc/src/engine/save.rs",
        "core::mem::replace(&mut self.known, now) != now",
        "core::mem::replace(&mut self.known, now).is_none()",
    ),
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
