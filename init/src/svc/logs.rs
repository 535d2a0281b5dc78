//! `svc log`, and the last lines of one log for others.

use super::{Connection, args::Args, misused, query, run_dir};
use crate::{
    exit::{self, Failure},
    manager::OWN_NAME,
};
use jamb_log::{Error, LogOptions, Since, Unknown, log_main, timestamp};
use rc::proto::Kind;
use std::path::{Path, PathBuf};
use supervisor::cut;

/// `svc log`
pub fn log(args: &Args) -> Result<i32, Failure> {
    let since = args.since.as_ref().map(|text| {
        Since::parse(text, timestamp::now()).ok_or_else(|| {
            misused(format_args!("{text} is neither an age like 10m nor a time in RFC 3339"))
        })
    });
    let (directory, silent) = places(&args.names);
    let options = LogOptions {
        names: args.names.clone(),
        silent,
        lines: args.lines,
        follow: args.follow,
        since: since.transpose()?,
    };
    match log_main(&directory, &options, &mut exit::Stream::out()) {
        Ok(()) => Ok(exit::OK),
        Err(Error::Unknown(unknown)) => {
            let Unknown { name, known } = *unknown;
            let known = if known.is_empty() { "no logs".to_owned() } else { known.join(" ") };
            exit::complain("svc", format_args!("{name} has no log; there are: {known}"));
            Ok(exit::UNKNOWN)
        }
        Err(error) => Err(Failure::new(exit::SYSTEM, format_args!("{error}"))),
    }
}

/// Where the logs are, also when nobody answers: they are wanted most then. And who of `names` has one as soon
/// as there is a line.
fn places(names: &[String]) -> (PathBuf, Vec<String>) {
    let (mut directory, mut silent) = (usual_directory(), Vec::new());
    if let Ok(mut connection) = Connection::open() {
        for name in names {
            if let Ok(item) = query::one(&mut connection, name)
                && matches!(item.kind, Kind::Longrun | Kind::Oneshot)
            {
                silent.push(item.name);
            }
        }
        if let Ok(info) = query::info(&mut connection) {
            directory = info.log_dir.into();
        }
    }
    (directory, silent)
}

fn usual_directory() -> PathBuf {
    let run = run_dir();
    if run.as_os_str() == "/run/jamb" { "/run/log".into() } else { run.join("log") }
}

/// The last lines of one service and of what jamb itself said about it; none if they cannot be had, as
/// they only illustrate.
pub fn tail(directory: &Path, name: &str, lines: usize) -> Vec<String> {
    let names = vec![name.to_owned(), OWN_NAME.to_owned()];
    let options = LogOptions { silent: names.clone(), names, ..LogOptions::default() };
    let mut text = Vec::new();
    if log_main(directory, &options, &mut text).is_err() {
        return Vec::new();
    }
    let marks = [format!("{name}: "), format!("{OWN_NAME}: jamb: {name}: ")];
    let text = String::from_utf8_lossy(&text);
    let mut about = Vec::new();
    for line in cut::lines(&text) {
        let rest = cut::first(line, b' ').map_or("", |(_, rest)| rest);
        if marks.iter().any(|mark| rest.starts_with(mark.as_str())) {
            about.push(line.to_owned());
        }
    }
    about.split_off(about.len().saturating_sub(lines))
}
