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
        Op::Directory | Op::Write | Op::Module | Op::Mount => Vec::new(),
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
