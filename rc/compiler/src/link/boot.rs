//! What the machine needs before its services, with the modules that services name.

use crate::{
    definition::Definitions,
    diag::{Code, Diagnostic, Report},
    source::Located,
};
use rc::boot::{FIRMWARE, Op, Step};

pub(super) fn link(definitions: &Definitions, report: &Report) -> Vec<Step> {
    let boot = &definitions.system.boot;
    let mut steps = Vec::new();
    if let Some(path) = &boot.firmware {
        steps.push(Step { text: path.value.clone(), ..Step::new(Op::Write, FIRMWARE) });
    }
    for module in modules(definitions, report) {
        let (name, parameters) = parts(&module);
        steps.push(Step { text: parameters.to_owned(), ..Step::new(Op::Module, name) });
    }
    steps.extend(boot.mounts.iter().cloned());
    steps.extend(boot.files.iter().map(|file| file.value.clone()));
    steps.extend(settings(&boot.sysctl, report));
    steps
}

/// In the order of their paths, whatever way their names are written.
fn settings(all: &[Located<Step>], report: &Report) -> Vec<Step> {
    let mut sorted: Vec<&Located<Step>> = all.iter().collect();
    sorted.sort_by(|a, b| a.value.path.cmp(&b.value.path));
    for pair in sorted.windows(2) {
        let [first, second] = pair else { continue };
        if first.value.path == second.value.path {
            let message = format!("`{}` is set twice", second.value.path);
            report.push(
                Diagnostic::error(Code::Contradiction, second.place, message)
                    .related(first.place, "the same setting, written in another way"),
            );
        }
    }
    sorted.into_iter().map(|setting| setting.value.clone()).collect()
}

/// Each module once: those of the board and the system in their order, then those of services.
fn modules(definitions: &Definitions, report: &Report) -> Vec<String> {
    let services = definitions.services.iter().flat_map(|service| &service.modules);
    let mut all: Vec<&Located<String>> = Vec::new();
    for new in definitions.system.boot.modules.iter().chain(services) {
        let (name, parameters) = parts(&new.value);
        let Some(known) = all.iter_mut().find(|known| parts(&known.value).0 == name) else {
            all.push(new);
            continue;
        };
        let before = parts(&known.value).1;
        if before.is_empty() {
            *known = new;
        } else if !parameters.is_empty() && parameters != before {
            let message = format!("the module `{name}` is given other parameters elsewhere");
            report.push(
                Diagnostic::error(Code::Contradiction, new.place, message)
                    .related(known.place, "it is loaded once, with these"),
            );
        }
    }
    all.into_iter().map(|module| module.value.clone()).collect()
}

/// The name of a module, and its parameters.
pub(crate) fn parts(module: &str) -> (&str, &str) {
    module.split_once(' ').unwrap_or((module, ""))
}
