//! A definition tree in a temporary folder, and the built jambc run on it.

#![allow(clippy::unwrap_used, dead_code, reason = "a test fails by panicking; each uses a part")]

use rc::{
    db::Database,
    engine::Graph,
    model::{Service, ServiceId},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A temporary folder with definitions in `services/`.
pub struct Tree {
    folder: tempfile::TempDir,
}

impl Tree {
    /// A tree of one file.
    pub fn of(definitions: &str) -> Self {
        let tree = Self::empty();
        tree.write("services/a.toml", definitions);
        tree
    }

    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("services")).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs jambc in the folder.
    pub fn jambc(&self, arguments: &[&str]) -> Output {
        run_in(self.folder.path(), arguments)
    }

    /// Compiles `services/` with more arguments; fails if jambc does.
    pub fn compile(&self, more: &[&str]) -> Vec<u8> {
        let mut arguments = vec!["compile", "services", "-o", "out.db"];
        arguments.extend(more);
        let output = self.jambc(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        fs::read(self.path("out.db")).unwrap()
    }

    /// The compiled database, which a device accepts.
    pub fn database(&self, more: &[&str]) -> Database {
        let database = Database::new(self.compile(more)).unwrap();
        Graph::load(&database).unwrap();
        database
    }
}

pub fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jambc"));
    command.args(arguments).current_dir(folder).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A service by name.
pub fn service(database: &Database, name: &str) -> Service {
    database.service(id(database, name)).unwrap()
}

pub fn id(database: &Database, name: &str) -> ServiceId {
    database.find(name).unwrap()
}
