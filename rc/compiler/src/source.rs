//! The files of a definition tree: finding and reading them, and turning byte spans into
//! `path:line:column`.

use std::{
    fmt, fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

/// Where the image builder keeps its own settings; not a file of definitions.
const SKIPPED_FILE: &str = "image.toml";

/// Ends the names of schemas, which are JSON but no definitions.
const SCHEMA: &str = ".schema.json";

/// Folders at the top of a tree that hold no definitions: board files, of which only the one that is asked
/// for is read, and files for the image.
const SKIPPED_FOLDERS: &[&str] = &["boards", "files"];

/// A file among [`Sources`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FileId(usize);

/// A span of bytes in a file. Places sort by file, then by position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
    /// The expansion of a template that it was met in, as [`crate::template`] numbers them; 0: none.
    pub via: u32,
}

impl Place {
    /// The span `range` of `file`.
    #[must_use]
    pub const fn new(file: FileId, range: Range<usize>) -> Self {
        Self { file, start: range.start, end: range.end, via: 0 }
    }
}

/// A value and where it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub place: Place,
}

/// A file that was read.
#[derive(Debug)]
pub struct File {
    /// The path to show.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Which of the folders and files that were asked for it belongs to, from 0.
    pub layer: usize,
    /// Whether the bytes were UTF-8; otherwise `text` holds replacement characters.
    pub is_utf8: bool,
    line_starts: Vec<usize>,
}

/// A file or directory that could not be read or written: not a fault of the definitions.
#[derive(Debug)]
pub struct SystemError {
    /// What was tried, for example "read".
    pub verb: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why it failed.
    pub error: io::Error,
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.verb, self.path.display(), self.error)
    }
}

impl std::error::Error for SystemError {}

/// Every file that was read, in the order of their paths.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<File>,
    /// The layer of the files that are read next.
    layer: usize,
}

impl Sources {
    /// Adds a file with known content.
    pub fn add(&mut self, path: String, bytes: &[u8]) -> FileId {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
        let is_utf8 = std::str::from_utf8(bytes).is_ok();
        let layer = self.layer;
        self.files.push(File { path, text, layer, is_utf8, line_starts });
        FileId(self.files.len() - 1)
    }

    /// Reads one file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&mut self, path: &Path) -> Result<FileId, SystemError> {
        let bytes = fs::read(path).map_err(|error| system("read", path, error))?;
        Ok(self.add(path.to_string_lossy().into_owned(), &bytes))
    }

    /// What is read from here on lies above what was read before.
    pub const fn next_layer(&mut self) {
        self.layer += 1;
    }

    /// Reads every `*.toml` and `*.json` under `dir` but `image.toml`, `*.schema.json`, `boards/`,
    /// `files/` and what is hidden, sorted by path; or `dir` itself if it is a file. Symbolic links to
    /// files are followed, those to directories are not.
    ///
    /// # Errors
    /// If a directory or file cannot be read.
    pub fn read_tree(&mut self, dir: &Path) -> Result<Vec<FileId>, SystemError> {
        if dir.is_file() {
            return Ok(vec![self.read(dir)?]);
        }
        let mut paths = Vec::new();
        let mut open = vec![dir.to_owned()];
        while let Some(folder) = open.pop() {
            let entries = fs::read_dir(&folder).map_err(|error| system("read", &folder, error))?;
            for entry in entries {
                let entry = entry.map_err(|error| system("read", &folder, error))?;
                let path = entry.path();
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let kind = entry.file_type().map_err(|error| system("read", &path, error))?;
                if name.starts_with('.') {
                    continue;
                }
                if kind.is_dir() {
                    if !(folder == dir && SKIPPED_FOLDERS.contains(&&*name)) {
                        open.push(path);
                    }
                } else if is_definitions(&name) && !path.is_dir() {
                    paths.push(path);
                }
            }
        }
        paths.sort();
        paths.iter().map(|path| self.read(path)).collect()
    }

    /// A file.
    #[must_use]
    pub fn file(&self, id: FileId) -> &File {
        &self.files[id.0]
    }

    /// Line and column of a place's first byte, both from 1; columns count characters.
    #[must_use]
    pub fn line_column(&self, place: Place) -> (usize, usize) {
        self.position(place.file, place.start)
    }

    /// Line and column of a place's end.
    #[must_use]
    pub fn end_line_column(&self, place: Place) -> (usize, usize) {
        self.position(place.file, place.end)
    }

    /// `path:line:column` of a place.
    #[must_use]
    pub fn show(&self, place: Place) -> String {
        let (line, column) = self.line_column(place);
        format!("{}:{line}:{column}", self.file(place.file).path)
    }

    fn position(&self, file: FileId, offset: usize) -> (usize, usize) {
        let file = self.file(file);
        let line = file.line_starts.partition_point(|start| *start <= offset);
        let start = file.line_starts[line.saturating_sub(1)];
        let column = file.text.get(start..offset).map_or(0, |before| before.chars().count());
        (line, column + 1)
    }
}

/// Whether a file of this name holds definitions.
fn is_definitions(name: &str) -> bool {
    (name.ends_with(".toml") && name != SKIPPED_FILE)
        || (name.ends_with(".json") && !name.ends_with(SCHEMA))
}

/// Makes a [`SystemError`].
#[must_use]
pub fn system(verb: &'static str, path: &Path, error: io::Error) -> SystemError {
    SystemError { verb, path: path.to_owned(), error }
}
