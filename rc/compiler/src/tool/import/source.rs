//! The source directories of s6-rc as they lie on disk: which there are, and the files in them
//! (skarnet.org/software/s6-rc/s6-rc-compile.html).

use crate::source::{SystemError, system};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// What a service is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    Longrun,
    Oneshot,
    Bundle,
}

/// One service's directory.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// The name of the directory.
    pub(super) name: String,
    /// `None` if `type` is missing or says something else, which is what it says.
    pub(super) kind: Result<Type, String>,
    /// Its entries, by name.
    entries: BTreeMap<String, PathBuf>,
}

/// The directories in `dirs`, by name; the second of two of one name comes back by itself.
///
/// # Errors
/// If a directory or file cannot be read.
pub(super) fn read(dirs: &[PathBuf]) -> Result<(Vec<Source>, Vec<Source>), SystemError> {
    let (mut sources, mut twice) = (BTreeMap::new(), Vec::new());
    for dir in dirs {
        for (name, path) in list(dir)? {
            if !path.is_dir() {
                continue;
            }
            let mut source =
                Source { name: name.clone(), kind: Err(String::new()), entries: list(&path)? };
            let kind = source.text("type")?;
            source.kind = match kind.as_deref().map(str::trim) {
                Some("longrun") => Ok(Type::Longrun),
                Some("oneshot") => Ok(Type::Oneshot),
                Some("bundle") => Ok(Type::Bundle),
                other => Err(other.unwrap_or_default().to_owned()),
            };
            if let Some(first) = sources.insert(name.clone(), source) {
                twice.extend(sources.insert(name, first));
            }
        }
    }
    Ok((sources.into_values().collect(), twice))
}

/// What is not hidden in a directory. Names that are no text are passed over: s6-rc allows them, but
/// nothing could refer to them in a definition.
fn list(dir: &Path) -> Result<BTreeMap<String, PathBuf>, SystemError> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(|error| system("read", dir, error))? {
        let entry = entry.map_err(|error| system("read", dir, error))?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            found.insert(name, entry.path());
        }
    }
    Ok(found)
}

impl Source {
    /// The names of all entries.
    pub(super) fn entries(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether there is an entry of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The bytes of a file; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, SystemError> {
        let Some(path) = self.entries.get(name) else { return Ok(None) };
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            // A link into the image, which only the device has.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(system("read", path, error)),
        }
    }

    /// The text of a file; `None` if there is none. Bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, SystemError> {
        Ok(self.bytes(name)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The names in the directory `NAME.d`, or else those in the file `NAME`, one a line.
    ///
    /// # Errors
    /// If one cannot be read.
    pub(super) fn names(&self, name: &str) -> Result<Vec<String>, SystemError> {
        match self.entries.get(&format!("{name}.d")) {
            Some(path) if path.is_dir() => Ok(list(path)?.into_keys().collect()),
            _ => self.lines(name),
        }
    }

    /// The lines of a file without comments and empty ones.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn lines(&self, name: &str) -> Result<Vec<String>, SystemError> {
        let text = self.text(name)?.unwrap_or_default();
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Ok(lines.map(ToOwned::to_owned).collect())
    }

    /// Every file below a directory of the service, with its path from there and whether it may be executed.
    ///
    /// # Errors
    /// If something cannot be read.
    pub(super) fn tree(&self, name: &str) -> Result<Vec<(String, Vec<u8>, bool)>, SystemError> {
        use std::os::unix::fs::PermissionsExt;
        let mut files = Vec::new();
        let mut open: Vec<(String, PathBuf)> = self
            .entries
            .get(name)
            .map(|path| (name.to_owned(), path.clone()))
            .into_iter()
            .collect();
        while let Some((at, path)) = open.pop() {
            let meta = fs::symlink_metadata(&path).map_err(|e| system("read", &path, e))?;
            if meta.is_dir() {
                let inside = list(&path)?.into_iter();
                open.extend(inside.map(|(name, path)| (format!("{at}/{name}"), path)));
            } else if meta.is_file() {
                let bytes = fs::read(&path).map_err(|error| system("read", &path, error))?;
                files.push((at, bytes, meta.permissions().mode() & 0o111 != 0));
            }
        }
        files.sort();
        Ok(files)
    }
}
