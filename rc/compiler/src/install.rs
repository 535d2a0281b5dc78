//! A database and the links to jamb into an image root, as README.md ("Into an image") says.
//!
//! Everything is looked at before anything is written: what belongs to somebody else is not touched.

use crate::{
    root::Root,
    source::{SystemError, system},
};
use std::{
    fs,
    io::{self, Read},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// Where the device looks for its database.
pub const DATABASE: &str = "/etc/jamb/services.db";

/// Where the device binary is.
pub const BINARY: &str = "/sbin/jamb";

/// The names under which it is called.
pub const LINKS: &[&str] = &[
    "/init",
    "/sbin/init",
    "/sbin/reboot",
    "/sbin/poweroff",
    "/sbin/halt",
    "/bin/svc",
    "/bin/output",
    "/bin/notify",
    "/bin/ifwait",
];

/// What is to be done to an image.
#[derive(Debug, Default)]
pub struct Plan {
    /// Where the database goes, on the host.
    pub database: PathBuf,
    /// Links to make, on the host.
    links: Vec<PathBuf>,
    /// What stands where a link or the database should be, and is something else.
    pub taken: Vec<PathBuf>,
}

/// Looks at an image root.
///
/// # Errors
/// If it has no device binary, or cannot be read.
pub fn plan(root: &Path) -> Result<Plan, SystemError> {
    let image = Root(root);
    let binary = image.resolve(BINARY).and_then(fs::metadata);
    binary.map_err(|error| {
        let help = format!("{error}; put target/dist/ARCH/jamb there first");
        system("find the device binary", &inside(root, BINARY), io::Error::other(help))
    })?;
    let mut plan = Plan { database: place(root, DATABASE)?, ..Plan::default() };
    if !is_free(&plan.database)? {
        plan.taken.push(plan.database.clone());
    }
    for link in LINKS {
        let path = place(root, link)?;
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => plan.links.push(path),
            Err(error) => return Err(system("look at", &path, error)),
            Ok(_) if fs::read_link(&path).is_ok_and(|target| leads_to_jamb(&target)) => {}
            Ok(_) => plan.taken.push(path),
        }
    }
    Ok(plan)
}

/// Whether nothing, or a database, is where the database goes.
fn is_free(database: &Path) -> Result<bool, SystemError> {
    if fs::symlink_metadata(database).is_ok_and(|it| it.is_symlink()) {
        return Ok(false);
    }
    let mut start = [0; 8];
    let file = fs::File::open(database).and_then(|mut file| file.read(&mut start));
    match file {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(system("look at", database, error)),
        Ok(_) => Ok(start == rc::db::MAGIC),
    }
}

/// Whether a link that is there already is one of ours, absolute or relative.
fn leads_to_jamb(target: &Path) -> bool {
    target == Path::new(BINARY) || target.ends_with("sbin/jamb") || target == Path::new("jamb")
}

fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// Where a path of the image is on the host, the links on the way followed inside of the image.
fn place(root: &Path, path: &str) -> Result<PathBuf, SystemError> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match Root(root).resolve(folder) {
        Ok(found) => Ok(found.join(name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(inside(root, path)),
        Err(error) => Err(system("follow", &inside(root, folder), error)),
    }
}

impl Plan {
    /// Plans to replace what is in the way, but for folders: they stay in the way.
    pub fn take(&mut self) {
        let is_folder = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|it| it.is_dir());
        let (folders, others) = self.taken.drain(..).partition(is_folder);
        self.taken = folders;
        self.links.extend::<Vec<PathBuf>>(others);
        self.links.retain(|path| *path != self.database);
    }

    /// Makes the folder of the database and the links.
    ///
    /// # Errors
    /// If one cannot be made.
    pub fn links(&self) -> Result<(), SystemError> {
        let folder = |path: &Path| {
            let folder = path.parent().unwrap_or(path);
            fs::create_dir_all(folder).map_err(|error| system("create", folder, error))
        };
        folder(&self.database)?;
        for link in &self.links {
            folder(link)?;
            let mut name = link.as_os_str().to_owned();
            name.push(".new");
            // What is replaced is there until the link is.
            let linked = symlink(BINARY, &name).and_then(|()| fs::rename(&name, link));
            linked.map_err(|error| system("create", link, error))?;
        }
        Ok(())
    }
}
