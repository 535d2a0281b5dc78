//! `jambc fmt`.

use super::{
    Done, NO,
    out::{complain, replace, say},
};
use jambc::{
    diag::{Code, Diagnostic},
    render,
    source::{Place, Sources},
    tool::fmt::{self, FmtError},
};
use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Brings definition files into the one form; with `check`, only names those that are not in it. The path
/// `-` is standard input, whose text goes to standard output.
///
/// # Errors
/// If a file cannot be read or written.
pub fn format(paths: &[PathBuf], check: bool) -> Done {
    let mut sources = Sources::default();
    let (mut files, mut named) = (Vec::new(), Vec::new());
    for path in paths {
        if path == Path::new("-") {
            let mut text = Vec::new();
            io::stdin().read_to_end(&mut text)?;
            files.push(sources.add("-".to_owned(), &text));
        } else if path.is_dir() {
            files.extend(sources.read_tree(path)?);
        } else {
            if is_json(path) {
                named.push(path.display().to_string());
                continue;
            }
            files.push(sources.read(path)?);
        }
    }
    if !named.is_empty() {
        let message = "fmt is for TOML; JSON is for programs, and stays as they write it";
        complain(&format!("jambc: {}: {message}; nothing was changed", named.join(", ")));
        return Ok(ExitCode::from(NO));
    }
    let mut code = ExitCode::SUCCESS;
    for id in files {
        let file = sources.file(id);
        if is_json(Path::new(&file.path)) {
            continue;
        }
        match fmt::format(&file.text) {
            Ok(text) if check => {
                if text != file.text {
                    say(&format!("{}\n", file.path))?;
                    code = ExitCode::from(NO);
                }
            }
            Ok(text) if file.path == "-" => say(&text)?,
            Ok(text) if text == file.text => {}
            Ok(text) => {
                // A link stays one; what it points to is replaced.
                let path = Path::new(&file.path);
                let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
                replace(&target, text.as_bytes())?;
            }
            Err(FmtError::Syntax(range, message)) => {
                let found = Diagnostic::error(Code::Syntax, Place::new(id, range), message);
                complain(render::short(&sources, &[found]).trim_end());
                code = ExitCode::from(NO);
            }
            Err(error @ FmtError::Unsafe) => {
                complain(&format!("jambc: {}: {error}; it is left as it is", file.path));
                code = ExitCode::from(NO);
            }
        }
    }
    Ok(code)
}

/// JSON is read in trees, but not formatted.
fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "json")
}
