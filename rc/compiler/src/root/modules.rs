//! Kernel modules in the image: those that definitions name, and those that they need.

use super::Root;
use crate::{
    definition::Definitions,
    diag::{Code, Diagnostic, Report, nearest},
    link::module_parts,
    source::Located,
};
use std::{collections::BTreeMap, fs};

/// The kernels of an image: one, usually.
const FOLDER: &str = "/lib/modules";

/// What depmod(8) wrote for one kernel.
struct Kernel {
    /// `/lib/modules/VERSION`
    folder: String,
    /// The line of each module in `modules.dep`: its file, and those that it needs.
    files: BTreeMap<String, Vec<String>>,
    /// What is part of the kernel itself.
    builtin: Vec<String>,
}

/// Reports modules that a kernel of the image does not have.
pub(super) fn check(root: &Root<'_>, definitions: &Definitions, report: &Report) {
    let services = definitions.services.iter().flat_map(|service| &service.modules);
    let modules: Vec<&Located<String>> =
        definitions.system.boot.modules.iter().chain(services).collect();
    let Some(first) = modules.first() else { return };
    let kernels = kernels(root);
    if kernels.is_empty() {
        let message = format!("{}{FOLDER} has no kernel with a modules.dep", root.0.display());
        let help =
            "depmod(8) writes it; a kernel that has everything built in needs modules.builtin";
        report.push(Diagnostic::error(Code::NoModule, first.place, message).help(help));
    }
    for kernel in &kernels {
        for module in &modules {
            kernel.check(root, module, report);
        }
    }
}

fn kernels(root: &Root<'_>) -> Vec<Kernel> {
    let Some(entries) = root.resolve(FOLDER).ok().and_then(|path| fs::read_dir(path).ok()) else {
        return Vec::new();
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names.iter().filter_map(|name| Kernel::read(root, format!("{FOLDER}/{name}"))).collect()
}

impl Kernel {
    fn read(root: &Root<'_>, folder: String) -> Option<Self> {
        let lines = |name: &str| {
            let path = root.resolve(&format!("{folder}/{name}")).ok()?;
            let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
            Some(text.lines().map(ToOwned::to_owned).collect::<Vec<String>>())
        };
        let (dep, builtin) = (lines("modules.dep"), lines("modules.builtin"));
        if dep.is_none() && builtin.is_none() {
            return None;
        }
        let mut files = BTreeMap::new();
        for line in dep.unwrap_or_default() {
            if let Some((file, needs)) = line.split_once(':') {
                let all = std::iter::once(file).chain(needs.split_whitespace());
                files.insert(name_of(file), all.map(ToOwned::to_owned).collect());
            }
        }
        let builtin = builtin.unwrap_or_default().iter().map(|file| name_of(file)).collect();
        Some(Self { folder, files, builtin })
    }

    fn check(&self, root: &Root<'_>, module: &Located<String>, report: &Report) {
        let (name, image) = (module_parts(&module.value).0, root.0.display());
        if self.builtin.iter().any(|builtin| builtin == name) {
            return;
        }
        let Some(files) = self.files.get(name) else {
            let message = format!("there is no kernel module `{name}` in {image}{}", self.folder);
            let error = Diagnostic::error(Code::NoModule, module.place, message);
            let near = nearest(name, self.files.keys().map(String::as_str));
            report.push(match near {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("put its file there and run depmod(8), or build it in"),
            });
            return;
        };
        for file in files {
            let path = format!("{}/{file}", self.folder);
            if root.resolve(&path).is_ok_and(|found| found.is_file()) {
                continue;
            }
            let message = format!("the kernel module `{name}` needs {path}, which {image} lacks");
            report.push(Diagnostic::error(Code::NoModule, module.place, message));
        }
    }
}

/// The name of the module in a file.
fn name_of(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or_default();
    name.split('.').next().unwrap_or_default().replace('-', "_")
}
