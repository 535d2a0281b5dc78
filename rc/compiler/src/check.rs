//! Checks over all services together that linking itself does not make.

use crate::{
    definition::{Body, Definition, Definitions},
    diag::{Code, Diagnostic, Report, Severity},
    parse::address_text,
    source::Located,
};
use rc::{
    kept::SocketKind,
    model::{DEFAULT_TARGET, Policy, System},
};
use std::collections::HashMap;

/// Reports two services that write one file, times that a shutdown does not leave, and a machine that
/// would start nothing.
pub fn check(definitions: &Definitions, report: &Report) {
    owners(definitions, report);
    listeners(definitions, report);
    shutdown(definitions, report);
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

/// Files and pidfiles: a path belongs to one service.
fn owners(definitions: &Definitions, report: &Report) {
    let mut owners: HashMap<&str, (&Definition, &Located<String>)> = HashMap::new();
    for definition in &definitions.services {
        let path = match &definition.body {
            Body::File { path, .. } => path,
            Body::Longrun { pidfile: Some(path), .. } => path,
            _ => continue,
        };
        let Some((first, other)) = owners.insert(&path.value, (definition, path)) else { continue };
        let (one, two) = (&first.name.value, &definition.name.value);
        let message = format!("`{}` is written by both `{one}` and `{two}`", path.value);
        report.push(
            Diagnostic::error(Code::PathTwice, path.place, message)
                .related(other.place, format!("`{one}` writes it too"))
                .help("a file belongs to one service"),
        );
    }
}

/// Where a socket listens, no other does: the second one could not be opened, or would take the path away.
fn listeners(definitions: &Definitions, report: &Report) {
    let mut listeners = HashMap::new();
    for definition in &definitions.services {
        for socket in &definition.kept.sockets {
            let (kind, address) = (socket.value.kind, address_text(&socket.value.address));
            let is_path = address.starts_with('/');
            // A path is one file, whatever travels over it.
            let key = (address.clone(), (!is_path).then_some(kind == SocketKind::Stream));
            let Some((first, place)) = listeners.insert(key, (definition, socket.place)) else {
                continue;
            };
            let one = &first.name.value;
            let message = format!("`{address}` is listened on twice");
            report.push(
                Diagnostic::error(Code::PathTwice, socket.place, message)
                    .related(place, format!("`{one}` has a socket there"))
                    .help("an address belongs to one socket"),
            );
        }
    }
}

/// What stops longer than a shutdown may take is killed in the middle.
fn shutdown(definitions: &Definitions, report: &Report) {
    let told = definitions.system.shutdown_timeout;
    let whole = told.map_or(System::default().shutdown_timeout, |told| told.value);
    for definition in &definitions.services {
        let Some(down) = definition.timeout_down else { continue };
        report.allow(&definition.allow);
        if down.value <= whole {
            continue;
        }
        let message = format!(
            "`{}` may take longer to stop than the whole machine ({} s)",
            definition.name.value,
            whole.0 / 1000
        );
        let mut warning = Diagnostic::warning(Code::Timeouts, down.place, message);
        if let Some(told) = told {
            warning = warning.related(told.place, "the bound of an orderly shutdown");
        }
        let help = "at shutdown it is killed earlier; raise `shutdown-timeout` in `[system]`, or \
                    lower `timeout-down`";
        report.push(warning.help(help));
    }
    report.allow(&[]);
    let usual = Policy::default().stop.grace;
    if let Some(told) = told
        && told.value < usual
    {
        let message = format!(
            "a shutdown may take less time than one service has to stop ({} s)",
            usual.0 / 1000
        );
        report.push(
            Diagnostic::warning(Code::Timeouts, told.place, message)
                .help("raise `shutdown-timeout` above the `timeout-down` of the services"),
        );
    }
}
