//! What a definition needs from the image: programs, users, groups and kernel modules below an image
//! root, and scripts that a shell can read.
//!
//! Symbolic links are followed as the device would follow them, inside of the root.

mod modules;
mod script;

use crate::{
    definition::{Body, Definition, Definitions},
    diag::{Code, Diagnostic, Report, nearest},
    source::{Located, SystemError, system},
    text::Draft,
};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs, io,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Where a machine looks for programs without a slash in their names.
pub const SEARCH: &[&str] =
    &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// What an image does not hold: directories that only fill up on the device.
const RUNTIME: &[&str] = &["/run", "/tmp", "/proc", "/sys", "/dev"];

/// The most symbolic links on the way to one file, as in path_resolution(7).
const MAX_LINKS: usize = 40;

/// The longest first line of a script, in bytes: BINPRM_BUF_SIZE of Linux.
const MAX_SHEBANG: u64 = 256;

/// Reports programs, users, groups and kernel modules that the image root does not have.
///
/// # Errors
/// If the root is no directory that can be read.
pub fn check(root: &Path, definitions: &Definitions, report: &Report) -> Result<(), SystemError> {
    fs::read_dir(root).map_err(|error| system("read", root, error))?;
    let written = definitions.services.iter().filter_map(|definition| match &definition.body {
        Body::File { path, .. } => Some(path.value.as_str()),
        _ => None,
    });
    let checker = Checker {
        root: Root(root),
        report,
        written: written.collect(),
        scripts: RefCell::default(),
        users: Accounts::read(&Root(root), "/etc/passwd"),
        groups: Accounts::read(&Root(root), "/etc/group"),
    };
    for definition in &definitions.services {
        checker.programs(definition);
        checker.inline_scripts(definition);
        let exec = &definition.exec;
        if let Some(user) = &exec.user {
            checker.account(user, "user", &checker.users);
        }
        for group in exec.group.iter().chain(&exec.groups) {
            checker.account(group, "group", &checker.groups);
        }
        for socket in &definition.kept.sockets {
            let at = |name: &String| Located { value: name.clone(), place: socket.place };
            if let Some(user) = &socket.value.user {
                checker.account(&at(user), "user", &checker.users);
            }
            if let Some(group) = &socket.value.group {
                checker.account(&at(group), "group", &checker.groups);
            }
        }
    }
    for file in &definitions.system.boot.files {
        let located = |name: &String| Located { value: name.clone(), place: file.place };
        for (name, what, accounts) in [
            (&file.value.user, "user", &checker.users),
            (&file.value.group, "group", &checker.groups),
        ] {
            if !name.is_empty() {
                checker.account(&located(name), what, accounts);
            }
        }
    }
    modules::check(&checker.root, definitions, report);
    Ok(())
}

/// The names of `/etc/passwd` or `/etc/group`.
struct Accounts {
    path: &'static str,
    names: Option<BTreeSet<String>>,
}

impl Accounts {
    fn read(root: &Root<'_>, path: &'static str) -> Self {
        let text = root.resolve(path).ok().and_then(|found| fs::read(found).ok());
        let names = text.map(|bytes| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let names = text.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned()));
            names.collect()
        });
        Self { path, names }
    }
}

struct Checker<'c> {
    root: Root<'c>,
    report: &'c Report,
    /// Files that services write: they need not be in the image.
    written: BTreeSet<&'c str>,
    /// The scripts that were looked at already.
    scripts: RefCell<BTreeSet<PathBuf>>,
    users: Accounts,
    groups: Accounts,
}

impl Checker<'_> {
    fn account(&self, name: &Located<String>, what: &str, accounts: &Accounts) {
        if name.value.bytes().all(|b| b.is_ascii_digit()) {
            return;
        }
        let (path, root) = (accounts.path, self.root.0.display());
        let Some(names) = &accounts.names else {
            let message = format!("{what} `{}`: {root} has no {path} to find it in", name.value);
            self.report.push(Diagnostic::error(Code::NoUser, name.place, message));
            return;
        };
        if names.contains(&name.value) {
            return;
        }
        let message = format!("there is no {what} `{}` in {root}{path}", name.value);
        let error = Diagnostic::error(Code::NoUser, name.place, message);
        let near = nearest(&name.value, names.iter().map(String::as_str));
        self.report.push(match near {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("add it to {path} of the image, or use a number")),
        });
    }

    fn programs(&self, definition: &Definition) {
        // What is in another root, and when it gets there, is not known here.
        if definition.exec.isolation.chroot.is_some() {
            return;
        }
        let cwd = definition.exec.cwd.as_ref().map_or("/", |cwd| cwd.value.as_str());
        for (_, argv) in definition.commands() {
            let Some(draft) = argv.first() else { continue };
            // A name with references is known on the device only.
            let Some(program) = draft.constant().filter(|program| !program.is_empty()) else {
                continue;
            };
            if program.contains('/') {
                let path = Path::new(cwd).join(program).to_string_lossy().into_owned();
                self.file(draft, program, &path);
            } else {
                self.search(draft, program);
            }
        }
    }

    fn file(&self, draft: &Draft, program: &str, path: &str) {
        let below = |folder: &str| path.strip_prefix(folder).is_some_and(|p| p.starts_with('/'));
        if self.written.contains(path) || RUNTIME.iter().any(|folder| below(folder)) {
            return;
        }
        match self.root.executable(path) {
            Ok(found) => self.script(draft, path, &found),
            Err(Unusable::Missing) => self.refuse(draft, program, "it does not exist there", ""),
            Err(Unusable::Because(why)) => self.refuse(draft, program, &format!("it {why}"), ""),
        }
    }

    fn search(&self, draft: &Draft, program: &str) {
        let mut reason = format!("it is in none of {}", SEARCH.join(", "));
        for folder in SEARCH {
            let path = format!("{folder}/{program}");
            match self.root.executable(&path) {
                Ok(found) => return self.script(draft, &path, &found),
                Err(Unusable::Missing) => {}
                Err(Unusable::Because(why)) => reason = format!("{folder}/{program} {why}"),
            }
        }
        let all = self.root.programs();
        let help = nearest(program, all.iter().map(String::as_str));
        let help = help.map(|near| format!("did you mean `{near}`?")).unwrap_or_default();
        self.refuse(draft, program, &reason, &help);
    }

    /// Reports a script for a shell that the shell cannot read; each only once.
    fn script(&self, draft: &Draft, path: &str, found: &Path) {
        let Some(place) = draft.place else { return };
        if !shebang(found).is_some_and(|interpreter| script::is_shell(&interpreter))
            || !self.scripts.borrow_mut().insert(found.to_owned())
        {
            return;
        }
        let Some(fault) = script::fault_of_file(found) else { return };
        let image = self.root.0.display();
        let message = format!("`sh` cannot read {path} in {image}: {fault}");
        self.report.push(Diagnostic::error(Code::Script, place, message).help(format!(
            "`sh -n {}` says the same; nothing of the script was executed",
            found.display()
        )));
    }

    /// Reports what stands behind `sh -c`, if no shell can read it.
    fn inline_scripts(&self, definition: &Definition) {
        for (_, argv) in definition.commands() {
            let arguments: Vec<Option<&str>> = argv.iter().map(Draft::constant).collect();
            let Some(draft) = script::of_command(&arguments).and_then(|at| argv.get(at)) else {
                continue;
            };
            let (Some(text), Some(place)) = (draft.constant(), draft.place) else { continue };
            let Some(fault) = script::fault(text.as_bytes()) else { continue };
            let message = format!("`sh` cannot read this script: {fault}");
            self.report.push(Diagnostic::error(Code::Script, place, message));
        }
    }

    fn refuse(&self, draft: &Draft, program: &str, reason: &str, help: &str) {
        let Some(place) = draft.place else { return };
        let image = self.root.0.display();
        let message = format!("the image {image} cannot execute `{program}`: {reason}");
        let error = Diagnostic::error(Code::NoExecutable, place, message);
        self.report.push(if help.is_empty() { error } else { error.help(help) });
    }
}

/// Why a path cannot be executed.
enum Unusable {
    Missing,
    Because(String),
}

pub(crate) struct Root<'r>(pub(crate) &'r Path);

impl Root<'_> {
    /// Where `path` leads on the host, if every link on the way stays inside of the root.
    pub(crate) fn resolve(&self, path: &str) -> io::Result<PathBuf> {
        let mut todo: Vec<String> = parts(path);
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            let mut here = self.0.to_owned();
            here.extend(&done);
            here.push(&part);
            if !fs::symlink_metadata(&here)?.is_symlink() {
                done.push(part);
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(io::Error::other("too many symbolic links"));
            }
            let target = fs::read_link(&here)?;
            if target.is_absolute() {
                done.clear();
            }
            todo.extend(parts(&target.to_string_lossy()));
        }
        Ok(self.0.join(done.iter().collect::<PathBuf>()))
    }

    /// Whether the device could execute `path`, a script's interpreter included.
    /// Returns where it is on the host.
    fn executable(&self, path: &str) -> Result<PathBuf, Unusable> {
        let found = self.program(path)?;
        let Some(interpreter) = shebang(&found) else { return Ok(found) };
        self.program(&interpreter).map(|_| found).map_err(|reason| {
            let why = match reason {
                Unusable::Missing => "which does not exist".to_owned(),
                Unusable::Because(why) => format!("which {why}"),
            };
            Unusable::Because(format!("is a script for {interpreter}, {why}"))
        })
    }

    fn program(&self, path: &str) -> Result<PathBuf, Unusable> {
        let because = |why: &str| Err(Unusable::Because(why.to_owned()));
        let found = match self.resolve(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut link = self.0.to_owned();
                link.extend(Path::new(path).strip_prefix("/"));
                let dangles = fs::symlink_metadata(link).is_ok_and(|found| found.is_symlink());
                return if dangles {
                    because("is a link to nothing")
                } else {
                    Err(Unusable::Missing)
                };
            }
            Err(error) => return Err(Unusable::Because(format!("cannot be read: {error}"))),
        };
        match fs::metadata(&found) {
            Ok(data) if !data.is_file() => because("is not a file"),
            Ok(data) if data.permissions().mode() & 0o111 == 0 => because("is not executable"),
            Ok(_) => Ok(found),
            Err(error) => Err(Unusable::Because(format!("cannot be read: {error}"))),
        }
    }

    /// The names of all programs in the search path.
    fn programs(&self) -> BTreeSet<String> {
        let folders = SEARCH.iter().filter_map(|folder| self.resolve(folder).ok());
        let entries = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

/// The parts of a path, the last one first.
fn parts(path: &str) -> Vec<String> {
    let parts = path.split('/').rev().filter(|part| !matches!(*part, "" | "."));
    parts.map(ToOwned::to_owned).collect()
}

/// The interpreter that a script's first line names.
fn shebang(path: &Path) -> Option<String> {
    let mut head = Vec::new();
    fs::File::open(path).ok()?.take(MAX_SHEBANG).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    line.split_whitespace().next().map(ToOwned::to_owned)
}
