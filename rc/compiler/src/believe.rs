//! Which findings to tell: those that only follow from others would hide what is to be mended.

use crate::{
    diag::{Code, Diagnostic},
    source::{FileId, Place, Sources},
};
use std::ops::Range;

/// A file that is not valid TOML.
struct Broken {
    file: FileId,
    /// Where the parser had lost its way.
    doubtful: Vec<Range<usize>>,
}

/// Drops what only follows from a syntax error or a missing value of the board. `found` is sorted by
/// place; at least one error stays if there was one.
#[must_use]
pub fn believable(sources: &Sources, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let (syntax, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|one| one.code == Code::Syntax);
    let mut told = Vec::new();
    let mut broken = Vec::new();
    for errors in syntax.chunk_by(|a, b| file(a) == file(b)) {
        broken.extend(one_file(sources, errors, &mut told));
    }
    let unsupplied: Vec<Place> = others
        .iter()
        .filter(|one| one.code == Code::NoBoardValue)
        .filter_map(|one| one.place)
        .collect();
    let others = others.into_iter().filter(|one| {
        !follows_from_syntax(sources, &broken, one) && !follows_from_board(&unsupplied, one)
    });
    told.extend(others);
    told.sort_by_key(|one| (one.place.is_none(), one.place, one.code));
    told
}

fn file(diagnostic: &Diagnostic) -> Option<FileId> {
    diagnostic.place.map(|place| place.file)
}

/// Keeps the first error of each line; only the first and the last if something is never closed, as
/// the parser then takes the rest of the file for a part of it.
fn one_file(
    sources: &Sources,
    errors: &[Diagnostic],
    told: &mut Vec<Diagnostic>,
) -> Option<Broken> {
    let (first, last) = (errors.first()?, errors.last()?);
    let (start, end) = (first.place?, last.place?);
    let text = &sources.file(start.file).text;
    if errors.len() > 1 && end.start >= text.trim_end().len() {
        told.push(first.clone().help("something that is opened before this is never closed"));
        told.push(last.clone());
        let doubtful = std::iter::once(start.start..usize::MAX).collect();
        return Some(Broken { file: start.file, doubtful });
    }
    let mut doubtful: Vec<Range<usize>> = Vec::new();
    for error in errors {
        let Some(place) = error.place else { continue };
        if doubtful.last().is_some_and(|line| line.contains(&place.start)) {
            continue;
        }
        let before = text.get(..place.start).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        let after = text.get(place.end..).unwrap_or_default();
        let length = after.find('\n').map_or(after.len(), |at| at + 1);
        doubtful.push(line..place.end + length);
        told.push(error.clone());
    }
    Some(Broken { file: start.file, doubtful })
}

fn follows_from_syntax(sources: &Sources, broken: &[Broken], one: &Diagnostic) -> bool {
    if broken.is_empty() {
        return false;
    }
    let Some(place) = one.place else { return one.code == Code::NoDefault };
    if let Some(broken) = broken.iter().find(|broken| broken.file == place.file)
        && (one.code == Code::Missing
            || broken.doubtful.iter().any(|range| range.contains(&place.start)))
    {
        return true;
    }
    if !matches!(one.code, Code::UnknownService | Code::UnknownOutput) {
        return false;
    }
    // It may well be defined where the parser could not see it.
    let name = sources.file(place.file).text.get(place.start..place.end).unwrap_or_default();
    let name = name.trim_matches(['"', '\'']);
    broken.iter().any(|broken| sources.file(broken.file).text.contains(name))
}

/// Whether a string was found wrong only because a `{{board.…}}` in it could not be replaced.
fn follows_from_board(unsupplied: &[Place], one: &Diagnostic) -> bool {
    let Some(place) = one.place.filter(|_| one.code != Code::NoBoardValue) else { return false };
    unsupplied.iter().any(|inner| {
        inner.file == place.file && place.start <= inner.start && inner.end <= place.end
    })
}
