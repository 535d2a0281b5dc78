//! `jambc doc`.

use super::{Done, diff::database, out::deliver};
use crate::cli::{DocFormat, Target};
use jambc::tool::doc;
use std::{path::Path, process::ExitCode};

/// Writes the reference of a database or of a folder of definitions.
///
/// # Errors
/// If they cannot be read, do not compile, or the page cannot be written.
pub fn doc(from: &Path, target: &Target, format: Option<DocFormat>, output: Option<&Path>) -> Done {
    let mut reference = doc::services(&database(from, target)?)?;
    if from.is_dir() {
        reference.chapters.extend(doc::templates(from)?);
    }
    let is_html = output.and_then(Path::extension).is_some_and(|kind| kind == "html");
    let by_name = if is_html { DocFormat::Html } else { DocFormat::Md };
    let page = match format.unwrap_or(by_name) {
        DocFormat::Md => doc::markdown(&reference),
        DocFormat::Html => doc::html(&reference),
    };
    deliver(output, &page)?;
    Ok(ExitCode::SUCCESS)
}
