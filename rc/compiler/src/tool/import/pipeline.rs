//! The pipelines of s6-rc. Most end at a logger, which jamb does not need; the others cannot be said.

use super::{
    Import, Weight,
    source::{Source, Type},
};
use crate::source::SystemError;
use std::collections::{BTreeMap, BTreeSet};

/// Programs that do nothing but log what they read.
const LOGGERS: &[&str] = &["s6-log", "logutil-service", "multilog", "svlogd", "tinylog", "vlogger"];

/// What the pipelines of the source come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Pipelines {
    /// Services that only log.
    pub(super) loggers: BTreeSet<String>,
    /// Bundles by their names, with their members as they are called here.
    pub(super) bundles: BTreeMap<String, Vec<String>>,
}

/// Finds loggers and bundles, and reports what else is connected.
///
/// # Errors
/// If a file cannot be read.
pub(super) fn pipelines(
    import: &mut Import<'_>,
    sources: &[Source],
) -> Result<Pipelines, SystemError> {
    let mut found = Pipelines::default();
    let longruns = || sources.iter().filter(|source| source.kind == Ok(Type::Longrun));
    for source in longruns().filter(|source| source.has("consumer-for")) {
        let run = source.text("run")?.unwrap_or_default();
        let program =
            |word: &str| word.rsplit('/').next().is_some_and(|one| LOGGERS.contains(&one));
        let logs = run.split_whitespace().any(program);
        if logs && !source.has("producer-for") {
            found.loggers.insert(source.name.clone());
            let text = "a logger, left out, since jamb logs each service by itself: see \
                        log-max-file and log-max-total in [system]";
            import.note(Weight::Lost, source, "", text, &logger(&run));
        }
    }
    for source in longruns() {
        for producer in source.lines("consumer-for")? {
            if !found.loggers.contains(&source.name) {
                let text = "its input is not connected to the output of its producer";
                import.note(Weight::Lost, source, "consumer-for", text, &producer);
            }
        }
        if let Some(name) = source.lines("pipeline-name")?.into_iter().next()
            && source.has("consumer-for")
            && !source.has("producer-for")
        {
            bundle(import, sources, source, name, &mut found)?;
        }
    }
    Ok(found)
}

/// What a logger did.
fn logger(run: &str) -> String {
    let lines = run.lines().map(str::trim);
    let line = lines.filter(|line| !line.starts_with('#')).find(|line| {
        line.split_whitespace()
            .any(|word| word.rsplit('/').next().is_some_and(|program| LOGGERS.contains(&program)))
    });
    line.unwrap_or_default().to_owned()
}

/// All services of the pipeline that ends at `last`, under the name that it gives to it.
fn bundle(
    import: &mut Import<'_>,
    sources: &[Source],
    last: &Source,
    name: String,
    found: &mut Pipelines,
) -> Result<(), SystemError> {
    if import.names.contains_key(&name) || !rc::outputs::is_name(&name) {
        let text = format!("no bundle {name}: the name is taken or not valid");
        import.lost(last, "pipeline-name", &text);
        return Ok(());
    }
    let mut members = BTreeSet::new();
    let mut open = vec![last.name.clone()];
    while let Some(one) = open.pop() {
        let Some(source) = sources.iter().find(|source| source.name == one) else { continue };
        if members.insert(one) {
            open.extend(source.lines("consumer-for")?);
        }
    }
    let members = members.iter().filter(|member| !found.loggers.contains(*member));
    let members = members.filter_map(|member| import.names.get(member).cloned());
    let members = members.collect();
    found.bundles.insert(name, members);
    Ok(())
}
