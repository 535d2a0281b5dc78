//! Where results go: standard output, standard error, and files that are replaced as a whole.

use std::{
    fs,
    io::{self, Write},
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
