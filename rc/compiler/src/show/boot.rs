//! What a machine does before its services, as the definitions that it could have been compiled from, and
//! as JSON.

use super::{duration, toml::quoted};
use rc::boot::{FIRMWARE, Op, SYSCTL, Step};
use serde_json::{Value, json};

/// The keys of `[system]`, each a line or more.
pub(super) fn toml(steps: &[Step]) -> String {
    let mut out = String::new();
    let modules: Vec<String> =
        steps.iter().filter(|step| step.op == Op::Module).map(module).collect();
    if !modules.is_empty() {
        out.push_str(&format!("modules = [{}]\n", modules.join(", ")));
    }
    for step in steps {
        let (path, text) = (quoted(&step.path), quoted(&step.text));
        out.push_str(&match (step.op, step.path.strip_prefix(SYSCTL)) {
            (Op::Module, _) => continue,
            (Op::Write, _) if step.path == FIRMWARE => format!("firmware = {text}\n"),
            // A path without a slash has no dots either: it is its own name.
            (Op::Write, Some(name)) => format!("sysctl.{} = {text}\n", quoted(name)),
            (Op::Write, None) => format!("# writes {text} to {path}\n"),
            (Op::Mount, _) => format!("mounts.{path} = {}\n", mount(step)),
            _ => format!("files.{path} = {}\n", file(step)),
        });
    }
    out
}

/// The tables and keys of a root.
pub(super) fn root_toml(steps: &[Step]) -> String {
    let mut out = String::new();
    let mut persist = Vec::new();
    for step in steps {
        let (path, text) = (quoted(&step.path), quoted(&step.text));
        match step.op {
            Op::Prepare => out.push_str(&format!("root.prepare = {path}\n")),
            Op::Activate => out.push_str(&format!("root.activate = {path}\n")),
            Op::Overlay => out.push_str(&format!("root.overlay = {text}\n")),
            Op::Store => out.push_str(&format!("root.store = {}\n", mount(step))),
            Op::Persist => persist.push(path),
            _ => {
                out.push_str(&format!("root.device = {}\n", quoted(&step.device)));
                for (key, value) in [("type", &step.text), ("options", &step.options)] {
                    if !value.is_empty() {
                        out.push_str(&format!("root.{key} = {}\n", quoted(value)));
                    }
                }
                out.push_str(&format!("root.wait = \"{}\"\n", duration(step.wait)));
                out.push_str(&format!("root.init = {path}\n"));
            }
        }
    }
    if !persist.is_empty() {
        out.push_str(&format!("root.persist = [{}]\n", persist.join(", ")));
    }
    out
}

fn module(step: &Step) -> String {
    quoted(format!("{} {}", step.path, step.text).trim_end())
}

fn mount(step: &Step) -> String {
    let mut table = format!("{{ type = {}", quoted(&step.text));
    if step.device != step.text {
        table.push_str(&format!(", device = {}", quoted(&step.device)));
    }
    if !step.options.is_empty() {
        table.push_str(&format!(", options = {}", quoted(&step.options)));
    }
    table.push_str(&format!(", wait = \"{}\" }}", duration(step.wait)));
    table
}

fn file(step: &Step) -> String {
    let text = quoted(&step.text);
    let mut parts = match step.op {
        Op::Link => return format!("{{ link = {text} }}"),
        Op::File => vec![format!("text = {text}")],
        Op::Character => vec![format!("node = \"c {} {}\"", step.major, step.minor)],
        Op::Block => vec![format!("node = \"b {} {}\"", step.major, step.minor)],
        Op::Fifo => vec!["node = \"p\"".to_owned()],
        _ => Vec::new(),
    };
    parts.push(format!("mode = \"{:04o}\"", step.mode));
    for (key, name) in [("user", &step.user), ("group", &step.group)] {
        if !name.is_empty() {
            parts.push(format!("{key} = {}", quoted(name)));
        }
    }
    format!("{{ {} }}", parts.join(", "))
}

/// One object a step, with what it has.
pub(super) fn json(steps: &[Step]) -> Value {
    let one = |step: &Step| match step.op {
        Op::Write => json!({ "write": step.path, "text": step.text }),
        Op::Module => json!({ "module": step.path, "parameters": step.text }),
        Op::Mount => json!({
            "mount": step.path,
            "type": step.text,
            "device": step.device,
            "options": step.options,
            "wait_ms": step.wait.0,
        }),
        Op::Link => json!({ "link": step.path, "to": step.text }),
        Op::Root | Op::Store => json!({
            (if step.op == Op::Root { "root" } else { "store" }): step.device,
            "type": step.text,
            "options": step.options,
            "wait_ms": step.wait.0,
            "init": step.path,
        }),
        Op::Overlay => json!({ "overlay": step.text }),
        Op::Persist => json!({ "persist": step.path }),
        Op::Prepare => json!({ "prepare": step.path }),
        Op::Activate => json!({ "activate": step.path }),
        Op::Directory | Op::File | Op::Character | Op::Block | Op::Fifo => json!({
            "make": step.path,
            "what": match step.op {
                Op::Directory => "directory",
                Op::File => "file",
                Op::Character => "character",
                Op::Block => "block",
                _ => "fifo",
            },
            "text": step.text,
            "major": step.major,
            "minor": step.minor,
            "mode": format!("{:04o}", step.mode),
            "user": step.user,
            "group": step.group,
        }),
    };
    steps.iter().map(one).collect()
}
