//! Where results go: standard output, standard error, and files that are replaced as a whole.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Prints on standard output. A reader that has seen enough, such as head(1), is not an error.
///
/// # Errors
/// If it cannot be written.
pub fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Writes a result to a file that is replaced as a whole, or to standard output.
///
/// # Errors
/// If it cannot be written.
pub fn deliver(output: Option<&Path>, text: &str) -> Result<(), Box<dyn std::error::Error>> {
    match output {
        Some(path) => Ok(replace(path, text.as_bytes())?),
        None => Ok(say(text)?),
    }
}

/// Prints a line on standard error.
pub fn complain(line: &str) {
    complain_raw(&format!("{line}\n"));
}

/// Prints a text on standard error.
pub fn complain_raw(text: &str) {
    // If standard error is closed, nobody is there to be told so.
    drop(io::stderr().write_all(text.as_bytes()));
}

/// A file of a new folder.
pub struct NewFile<'n> {
    /// Its path in the folder.
    pub path: &'n str,
    /// Its content.
    pub bytes: &'n [u8],
    /// Whether it may be executed.
    pub is_script: bool,
}

/// Writes a folder as a whole: beside its place first, and then there. False if there is one already that
/// is not empty; nothing is written then.
///
/// # Errors
/// If it cannot be written; nothing of it is left.
pub fn write_folder(folder: &Path, files: &[NewFile<'_>]) -> Result<bool, String> {
    let fault = |path: &Path, error: io::Error| {
        format!("cannot write {}: {error}; nothing was written", path.display())
    };
    match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => return Ok(false),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(folder, error)),
        _ => {}
    }
    let name = folder.file_name().unwrap_or("new".as_ref()).to_string_lossy();
    let temporary = folder.with_file_name(format!("{name}.{}.tmp", std::process::id()));
    let written = (|| {
        fs::create_dir(&temporary)?;
        for file in files {
            let path = temporary.join(file.path);
            fs::create_dir_all(path.parent().unwrap_or(&temporary))?;
            let mut open = fs::File::create(&path)?;
            open.write_all(file.bytes)?;
            let mode = if file.is_script { 0o755 } else { 0o644 };
            open.set_permissions(fs::Permissions::from_mode(mode))?;
            open.sync_all()?;
        }
        // An empty folder gives way, rename(2).
        fs::rename(&temporary, folder)
    })();
    written.map_err(|error| {
        drop(fs::remove_dir_all(&temporary));
        fault(folder, error)
    })?;
    Ok(true)
}

/// Writes `bytes` to a new file beside `path` and renames it, so that nobody sees half of it.
///
/// # Errors
/// If it cannot be written; `path` is then as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = (|| {
        let mut file = fs::File::create(&temporary)?;
        // A script stays executable, a secret file secret.
        if let Ok(old) = fs::metadata(path)
            && old.is_file()
        {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    written.map_err(|error| {
        // The first error is the one to report; a leftover is all that a second one means.
        drop(fs::remove_file(&temporary));
        format!("cannot write {}: {error}; it is left as it was", path.display())
    })
}
