//! `jambc import`.

use super::{
    Done, NO,
    out::{NewFile, complain, complain_raw, say, write_folder},
};
use jambc::{
    compile_sources,
    diag::Severity,
    render,
    source::Sources,
    tool::import::{self, Imported, Request},
};
use std::{
    io::{self, IsTerminal},
    path::Path,
    process::ExitCode,
};

/// Writes the services of s6-rc source directories as definitions into the new folder `output`.
///
/// # Errors
/// If something cannot be read or written.
pub fn import(request: &Request, output: &Path, json: bool) -> Done {
    if !request.install.starts_with('/') {
        return Err(format!("{} is no absolute path", request.install).into());
    }
    let imported = import::import(request)?;
    let files = imported.files.iter().map(|(path, file)| NewFile {
        path,
        bytes: &file.bytes,
        is_script: file.is_script,
    });
    let files: Vec<NewFile<'_>> = files.collect();
    if !write_folder(output, &files)? {
        complain(&format!("jambc: {} is not empty; nothing was written", output.display()));
        return Ok(ExitCode::from(NO));
    }
    if json {
        say(&format!("{:#}\n", import::json(&imported)))?;
    } else {
        complain_raw(&import::human(&imported));
    }
    check(&imported, output)
}

/// Compiles what was written: a circle in the source, for example, is one here, too.
fn check(imported: &Imported, output: &Path) -> Done {
    let mut sources = Sources::default();
    let definitions = imported.files.iter().filter(|(path, _)| !path.contains('/'));
    let files = definitions.map(|(path, file)| {
        sources.add(output.join(path).to_string_lossy().into_owned(), &file.bytes)
    });
    let tree: Vec<_> = files.collect();
    let outcome = compile_sources(sources, &tree, None, None)?;
    // What `jambc check` warns of was so in the source already.
    let errors = outcome.found.iter().filter(|one| one.severity == Severity::Error);
    let errors: Vec<_> = errors.cloned().collect();
    let human = render::human(&outcome.sources, &errors, io::stderr().is_terminal());
    complain_raw(&human);
    if outcome.database.is_none() {
        complain(&format!("jambc: {} was written, but has to be mended", output.display()));
        return Ok(ExitCode::from(NO));
    }
    Ok(ExitCode::SUCCESS)
}
