//! `jambc graph`.

use super::{
    Done, NO,
    diff::database,
    out::{complain, deliver},
};
use crate::cli::{GraphFormat, Target};
use jambc::tool::graph::{self, Graph, Lines};
use std::{path::Path, process::ExitCode};

/// Draws the services of a database or of a folder of definitions.
///
/// # Errors
/// If they cannot be read, do not compile, or the picture cannot be written.
pub fn graph(
    from: &Path,
    target: &Target,
    format: GraphFormat,
    lines: Lines,
    output: Option<&Path>,
) -> Done {
    let graph = Graph::new(&database(from, target)?, lines)?;
    let drawn = match format {
        GraphFormat::Dot => Some(graph::dot(&graph)),
        GraphFormat::Svg => graph::svg(&graph),
    };
    let Some(drawn) = drawn else {
        complain("jambc: too many services for a picture; --format dot has no limit");
        return Ok(ExitCode::from(NO));
    };
    deliver(output, &drawn)?;
    Ok(ExitCode::SUCCESS)
}
