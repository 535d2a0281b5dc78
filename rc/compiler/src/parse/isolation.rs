//! How far a service is kept from the rest of the machine, and what of that cannot be combined.

use super::{
    exec::absolute,
    table::{Context, Table, Value},
    value::size,
};
use crate::{
    definition::{Body, Definition, Exec, Isolation},
    diag::{Code, Diagnostic, all_of, nearest, one_of},
    fields::{CAPABILITIES, CGROUP},
    node::Data,
    source::{Located, Place},
};
use rc::{
    isolation::{Capabilities, Cgroup},
    model::Ready,
};
use std::ops::RangeInclusive;

/// What `nice` may be.
pub const NICE: RangeInclusive<i32> = -20..=19;
/// What `oom-score` may be.
pub const OOM_SCORE: RangeInclusive<i32> = -1000..=1000;

/// The most percent of a processor that `cgroup.cpu` may be: 1,024 processors.
pub const CPU: u32 = 102_400;
/// The most processes of a machine; proc(5), pid_max.
pub const PIDS: u32 = 4_194_304;

/// What fits into a `/tmp` of its own, unless told otherwise: routers have little memory.
const TMP: u64 = 8 << 20;

/// The word for the whole bounding set, also of a kernel that has more than are known here.
const EVERY: &str = "all";

/// What `capabilities.bounding` may hold.
#[must_use]
pub fn bounding_words() -> Vec<&'static str> {
    Capabilities::NAMES.iter().copied().chain([EVERY]).collect()
}

/// Reads the keys of a service's table that are about isolation.
pub fn isolation(cx: Context<'_>, table: &mut Table<'_>) -> Isolation {
    let (bounding, ambient) =
        table.take("capabilities").map(|value| sets(cx, &value)).unwrap_or_default();
    Isolation {
        chroot: table.take("chroot").and_then(|value| absolute(cx, &value)),
        nice: table.take("nice").and_then(|value| within(cx, &value, &NICE)),
        oom_score: table.take("oom-score").and_then(|value| within(cx, &value, &OOM_SCORE)),
        bounding,
        ambient,
        no_new_privileges: table
            .take("no-new-privileges")
            .and_then(|value| value.boolean(cx))
            .unwrap_or(false),
        private_tmp: table.take("private-tmp").and_then(|value| private_tmp(cx, &value)),
        cgroup: table.take("cgroup").and_then(|value| cgroup(cx, &value)),
    }
}

/// A `/tmp` of its own: `true`, or its size.
fn private_tmp(cx: Context<'_>, value: &Value<'_>) -> Option<Located<u64>> {
    let place = value.place;
    if let Data::Boolean(wanted) = value.node.data {
        return wanted.then_some(Located { value: TMP, place });
    }
    let bytes = size(cx, value)?;
    if bytes == 0 {
        let message = format!("`{}` must be more than nothing", value.key);
        // To the kernel, no size is no limit.
        value.invalid(cx, Code::BadValue, message, "write `true`, or a size such as \"8M\"");
        return None;
    }
    Some(Located { value: bytes, place })
}

/// A control group: `true`, or its limits.
fn cgroup(cx: Context<'_>, value: &Value<'_>) -> Option<Cgroup> {
    if !value.is_table() && value.as_integer(cx).is_none() && !value.is_array() {
        return value.boolean(cx)?.then(Cgroup::default);
    }
    let expected = "`true`, or a table of limits such as { memory = \"32M\", pids = 20 }";
    let mut table = value.table(cx, expected, &CGROUP)?;
    let mut some = |key, most: u32| {
        let value = table.take(key)?;
        let number = within(cx, &value, &(1..=i32::try_from(most).unwrap_or(i32::MAX)))?;
        u32::try_from(number).ok()
    };
    let (cpu, pids) = (some("cpu", CPU), some("pids", PIDS));
    let memory = table.take("memory").and_then(|value| {
        let bytes = size(cx, &value)?;
        if bytes == 0 {
            let message = format!("`{}` must be more than nothing", value.key);
            value.invalid(cx, Code::BadValue, message, "at this size its processes are killed");
            return None;
        }
        Some(bytes)
    });
    table.finish(cx);
    Some(Cgroup { memory, cpu, pids })
}

/// A whole number within bounds.
pub fn within(cx: Context<'_>, value: &Value<'_>, bounds: &RangeInclusive<i32>) -> Option<i32> {
    let Some(number) = value.as_integer(cx) else {
        value.wrong_type(cx, "a whole number");
        return None;
    };
    let found = i32::try_from(number).ok().filter(|number| bounds.contains(number));
    if found.is_none() {
        let message =
            format!("`{}` must be between {} and {}", value.key, bounds.start(), bounds.end());
        value.invalid(cx, Code::BadValue, message, "");
    }
    found
}

type Sets = (Option<Located<Capabilities>>, Option<Located<Capabilities>>);

/// The bounding and the ambient set.
fn sets(cx: Context<'_>, value: &Value<'_>) -> Sets {
    let expected = "a table of lists such as { bounding = [\"net_admin\"] }";
    let Some(mut table) = value.table(cx, expected, &CAPABILITIES) else { return (None, None) };
    let bounding = table.take("bounding").map(|value| set(cx, &value, &bounding_words()));
    let ambient = table.take("ambient").map(|value| set(cx, &value, Capabilities::NAMES));
    table.finish(cx);
    (bounding, ambient)
}

fn set(cx: Context<'_>, value: &Value<'_>, words: &[&str]) -> Located<Capabilities> {
    let mut found = Capabilities::NONE;
    for item in &value.items(cx, "a list of capabilities such as [\"net_admin\"]") {
        let Some(name) = item.string(cx, "the name of a capability") else { continue };
        let known = (0..).zip(words).find(|(_, word)| **word == name.value);
        match known {
            Some((_, word)) if *word == EVERY => found = Capabilities::ALL,
            Some((number, _)) => found = found.or(Capabilities::one(number)),
            None => {
                // Manuals write CAP_NET_RAW.
                let bare = name.value.to_ascii_lowercase();
                let bare = bare.strip_prefix("cap_").unwrap_or(&bare);
                let near = words.iter().copied().find(|word| *word == bare);
                let help = near
                    .or_else(|| nearest(bare, words.iter().copied()))
                    .map(|near| format!("did you mean `{near}`?"))
                    .unwrap_or_else(|| format!("valid are {}", one_of(words.iter().copied())));
                let message = format!("`{}`: there is no capability `{}`", item.key, name.value);
                item.invalid(cx, Code::BadValue, message, &help);
            }
        }
    }
    Located { value: found, place: value.place }
}

/// Reports what cannot work together.
pub fn together(cx: Context<'_>, definition: &Definition) {
    let Exec { user, isolation, .. } = &definition.exec;
    let against = |place: Place, message: String, help: &str| {
        cx.report.push(Diagnostic::error(Code::Contradiction, place, message).help(help));
    };
    if let Some(ambient) = isolation.ambient
        && ambient.value != Capabilities::NONE
    {
        let root = user.as_ref().is_none_or(|user| matches!(user.value.as_str(), "root" | "0"));
        if root {
            against(
                ambient.place,
                "ambient capabilities without a `user`: root has all that are in `bounding`".into(),
                "name the user that it runs as, or limit `bounding`",
            );
        }
        let bounding = isolation.bounding.map_or(Capabilities::ALL, |bounding| bounding.value);
        if !bounding.has(ambient.value) {
            let missing = Capabilities(ambient.value.0 & !bounding.0);
            let missing: Vec<&str> = missing.names().collect();
            against(
                ambient.place,
                format!("`ambient` has {}, but `bounding` has not", all_of(missing)),
                "what is ambient has to be in `bounding` as well",
            );
        }
    }
    if let (Some(tmp), Some(chroot)) = (isolation.private_tmp, &isolation.chroot) {
        let message = format!(
            "`private-tmp` is mounted on /tmp, which is not in its root `{}`",
            chroot.value
        );
        against(tmp.place, message, "in a root of its own, /tmp is its own already");
    }
    if let Some(chroot) = &isolation.chroot {
        in_chroot(definition, chroot, &against);
    }
}

/// What is outside of its root is out of its reach.
fn in_chroot(
    definition: &Definition,
    chroot: &Located<String>,
    against: &dyn Fn(Place, String, &str),
) {
    let help = "have it tell by a descriptor, `ready = { fd = 3 }`, which it is given from outside";
    if let Body::Longrun { ready: Some(ready), .. } = &definition.body
        && ready.value == Ready::Notify
    {
        let message = format!("the notification socket is not in its root `{}`", chroot.value);
        against(ready.place, message, help);
    }
    if let Some(output) = definition.outputs.iter().find(|output| output.value.is_none()) {
        let message = format!(
            "`{}` cannot be published from its root `{}`: jamb's socket is not in there",
            output.key.value, chroot.value
        );
        against(output.key.place, message, "give the output a `value`, or do without `chroot`");
    }
}
