//! The modules of one kernel: where they are, and in which order they have to be loaded.
//!
//! Debian's packages come without `modules.dep` (it is made at installation), so the dependencies are
//! read from the modules themselves.

use crate::elf;
use anyhow::{Context as _, Result, bail};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Where depmod(8) and kmod look for what is built in.
const BUILTIN: &str = "modules.builtin";

/// One loadable module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Module {
    /// Its name, with underscores.
    pub name: String,
    /// Its file below `/lib/modules/VERSION`.
    pub path: String,
    /// Its file on the host.
    pub file: PathBuf,
    /// The names of those that it needs directly.
    pub depends: Vec<String>,
}

/// All modules of a kernel.
#[derive(Debug)]
pub struct Modules {
    directory: PathBuf,
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
}

impl Modules {
    /// Those of a directory `lib/modules/VERSION`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(directory: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut directories = vec![directory.join("kernel")];
        while let Some(next) = directories.pop() {
            let entries =
                fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))?;
            for entry in entries {
                let entry = entry?;
                let path = entry.path();
                if entry.file_type()?.is_dir() {
                    directories.push(path);
                } else if path.extension().is_some_and(|extension| extension == "ko") {
                    files.insert(name_of(&path), path);
                }
            }
        }
        let builtin = fs::read_to_string(directory.join(BUILTIN))
            .with_context(|| format!("in {}", directory.display()))?;
        let builtin = builtin.lines().map(|line| name_of(Path::new(line))).collect();
        Ok(Self { directory: directory.to_owned(), files, builtin })
    }

    /// `modules.builtin`, which names what the kernel has without a file.
    #[must_use]
    pub fn builtin_file(&self) -> PathBuf {
        self.directory.join(BUILTIN)
    }

    /// The wanted modules and those that they need, each after what it needs. What is built into the
    /// kernel is left out.
    ///
    /// # Errors
    /// The kernel has no such module.
    pub fn in_order(&self, wanted: &[String]) -> Result<Vec<Module>> {
        let mut order = Vec::new();
        let mut done = BTreeSet::new();
        for name in wanted {
            self.add(&normal(name), &mut done, &mut order)?;
        }
        Ok(order)
    }

    fn add(&self, name: &str, done: &mut BTreeSet<String>, order: &mut Vec<Module>) -> Result<()> {
        if self.builtin.contains(name) || !done.insert(name.to_owned()) {
            return Ok(());
        }
        let Some(file) = self.files.get(name) else {
            bail!("the kernel {} has no module {name}", self.directory.display());
        };
        let depends: Vec<String> =
            elf::module_depends(file)?.iter().map(|name| normal(name)).collect();
        for other in &depends {
            self.add(other, done, order)?;
        }
        let path = file.strip_prefix(&self.directory)?.to_string_lossy().into_owned();
        order.push(Module { name: name.to_owned(), path, file: file.clone(), depends });
        Ok(())
    }
}

/// `modules.dep` for modules that are in order: each file, a colon, and all files that it needs, the
/// nearest first; depmod(8).
#[must_use]
pub fn dep_file(order: &[Module]) -> String {
    let mut text = String::new();
    for module in order {
        let mut needed: Vec<&Module> = Vec::new();
        let mut names: Vec<&str> = module.depends.iter().map(String::as_str).collect();
        while let Some(name) = names.pop() {
            if let Some(other) = order.iter().find(|other| other.name == name)
                && !needed.contains(&other)
            {
                needed.push(other);
                names.extend(other.depends.iter().map(String::as_str));
            }
        }
        // Later ones in the order may need earlier ones, never the other way round.
        needed.sort_by_key(|one| order.iter().position(|other| other == *one));
        text.push_str(&format!("{}:", module.path));
        for one in needed.iter().rev() {
            text.push_str(&format!(" {}", one.path));
        }
        text.push('\n');
    }
    text
}

fn name_of(path: &Path) -> String {
    normal(&path.file_stem().unwrap_or_default().to_string_lossy())
}

/// A module's file may be spelt with dashes; its name never is.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, depends: &[&str]) -> Module {
        Module {
            name: name.into(),
            path: format!("kernel/{name}.ko"),
            file: PathBuf::new(),
            depends: depends.iter().map(|&name| name.into()).collect(),
        }
    }

    #[test]
    fn indirect_dependencies_are_listed_nearest_first() {
        let order =
            [module("a", &[]), module("b", &["a"]), module("c", &["a", "b"]), module("d", &[])];
        let want = "kernel/a.ko:\nkernel/b.ko: kernel/a.ko\n\
                    kernel/c.ko: kernel/b.ko kernel/a.ko\nkernel/d.ko:\n";
        assert_eq!(dep_file(&order), want);
    }
}
