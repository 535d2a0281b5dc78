//! Checks over all services together that linking itself does not make.

use crate::{
    definition::{Body, Definition, Definitions},
    diag::{Code, Diagnostic, Report, Severity},
};
use rc::model::DEFAULT_TARGET;
use std::collections::HashMap;

/// Reports two services that write one file, and a machine that would start nothing.
pub fn check(definitions: &Definitions, report: &Report) {
    let mut owners: HashMap<&str, &Definition> = HashMap::new();
    for definition in &definitions.services {
        let Body::File { path, .. } = &definition.body else { continue };
        let Some(first) = owners.insert(&path.value, definition) else { continue };
        let Body::File { path: other, .. } = &first.body else { continue };
        let (one, two) = (&first.name.value, &definition.name.value);
        let message = format!("`{}` is written by both `{one}` and `{two}`", path.value);
        report.push(
            Diagnostic::error(Code::PathTwice, path.place, message)
                .related(other.place, format!("`{one}` writes it too"))
                .help("a file belongs to one service"),
        );
    }
    let has_default = definitions.services.iter().any(|d| d.name.value == DEFAULT_TARGET);
    if definitions.system.default.is_none() && !has_default {
        let message = format!("there is no service `{DEFAULT_TARGET}`: boot would start nothing");
        report
            .push(Diagnostic::nowhere(Code::NoDefault, Severity::Warning, message).help(format!(
            "add `[service.{DEFAULT_TARGET}]` with `kind = \"bundle\"`, or choose another service \
             with `default` in `[system]`"
        )));
    }
}
