//! `output`: publishes values of the service that it is called from, as one new generation.

use crate::{
    applet::{Call, asked_for_help},
    exit::{self, Failure},
    file, inherit,
    svc::{Connection, Error},
};
use core::ffi::CStr;
use rc::{
    outputs::MAX_VALUE,
    proto::{Reply, Request},
};
use std::fmt::Arguments;
use std::path::{Path, PathBuf};
use supervisor::{
    cut, decimal,
    options::{Known, Line},
    problem::{Problem, problem},
};

const HELP: &str = "\
usage: output [--replace] [--unset KEY]… [--commit] [KEY=VALUE]…

Publishes outputs of the service that it is called from, all at once.

  KEY=VALUE     a value; a KEY that is given several times is a list
  KEY=          the empty value; of a list: no elements
  --unset KEY   take a value back
  --replace     take back all values that are not given
  --commit      also publish the files in the directory $JAMB_OUTPUTS,
                one value each, and remove them

exit codes: 0 published, 1 refused (nothing changed), 100 usage,
111 not called from a service, or jamb cannot be reached
";

const OPTIONS: &[Known] = &[
    Known::name(b'R', "replace", ""),
    Known::name(b'C', "commit", ""),
    Known::name(b'U', "unset", "a key"),
];

/// Keys in the order in which they were given, each once; `None` takes it back.
type Values = Vec<(String, Option<String>)>;

#[derive(PartialEq, Eq, Debug, Default)]
struct Change {
    values: Values,
    replace: bool,
    commit: bool,
}

/// The applet.
pub fn main(call: Call) -> i32 {
    if let Some(code) = asked_for_help(&call, HELP) {
        return code;
    }
    let change = match parse(call.args) {
        Ok(change) => change,
        Err(problem) => {
            exit::complain("output", format_args!("{problem}; nothing changed; see output --help"));
            return exit::USAGE;
        }
    };
    match publish(change) {
        Ok(()) => exit::OK,
        Err(failure) => failure.report("output"),
    }
}

fn parse(args: Vec<String>) -> Result<Change, Problem> {
    let mut change = Change::default();
    let mut line = Line::new(args, OPTIONS);
    while let Some(mark) = line.read()? {
        let word = &line.value;
        match mark {
            b'R' => change.replace = true,
            b'C' => change.commit = true,
            b'U' => *slot(&mut change.values, word) = None,
            _ => {
                let (key, value) =
                    cut::first(word, b'=').ok_or_else(|| problem!("{word} is no KEY=VALUE"))?;
                add(&mut change.values, key, value);
            }
        }
    }
    if change.values.is_empty() && !change.replace && !change.commit {
        return Err("nothing to publish".into());
    }
    Ok(change)
}

/// Repeated keys become the lines of a list.
fn add(values: &mut Values, key: &str, value: &str) {
    match slot(values, key) {
        Some(lines) => {
            lines.push('\n');
            lines.push_str(value);
        }
        none => *none = Some(value.to_owned()),
    }
}

/// Where the value of a key is, or is going to be.
fn slot<'a>(values: &'a mut Values, key: &str) -> &'a mut Option<String> {
    let at = values.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
        values.push((key.to_owned(), None));
        values.len() - 1
    });
    &mut values[at].1
}

fn system(text: Arguments<'_>) -> Failure {
    Failure::new(exit::SYSTEM, text)
}

fn publish(mut change: Change) -> Result<(), Failure> {
    let variable = |name: &CStr| {
        inherit::variable(name).and_then(|value| value.into_string().ok()).ok_or_else(|| {
            let name = name.to_string_lossy();
            system(format_args!("{name} is not set: output is for the programs of a service"))
        })
    };
    let service = variable(c"JAMB_SERVICE")?;
    let generation = variable(c"JAMB_GENERATION")?;
    let generation = decimal::number(&generation)
        .ok_or_else(|| system(format_args!("JAMB_GENERATION={generation} is no number")))?;
    let mut staged = Vec::new();
    if change.commit {
        staged = take_staged(Path::new(&variable(c"JAMB_OUTPUTS")?), &mut change.values)
            .map_err(|problem| system(format_args!("{problem}")))?;
    }
    let request =
        Request::Publish { service, generation, values: change.values, replace: change.replace };
    let asked = Connection::open().and_then(|mut connection| connection.ask(request));
    match asked {
        Ok(Reply::Done) => {}
        Ok(Reply::Refused(problem)) => {
            return Err(Failure::new(exit::FAILED, format_args!("{problem}")));
        }
        Ok(Reply::Unknown(name)) => {
            return Err(Failure::new(exit::FAILED, format_args!("there is no service {name}")));
        }
        Ok(_) => return Err(system(format_args!("jamb answered something else"))),
        Err(error @ Error::Frame(_)) => {
            return Err(Failure::new(exit::FAILED, format_args!("{error}")));
        }
        Err(error) => return Err(system(format_args!("{error}"))),
    }
    for path in staged {
        // What is published and stays behind is published once more next time; that harms nobody.
        supervisor::file::unlink(&path).ok();
    }
    Ok(())
}

/// The files in the staging directory. Names that begin with a dot are files being written.
fn take_staged(directory: &Path, values: &mut Values) -> Result<Vec<PathBuf>, Problem> {
    let mut staged = Vec::new();
    let keys = file::names(directory)
        .map_err(|error| problem!("cannot read {}: {error}", directory.display()))?;
    for key in keys {
        if key.starts_with('.') {
            continue;
        }
        let path = directory.join(&key);
        // A byte too long is enough to be refused.
        let text = file::read(&path, MAX_VALUE + 2)
            .map_err(|error| problem!("cannot read {}: {error}", path.display()))?;
        let text =
            String::from_utf8(text).map_err(|_| problem!("{} is not UTF-8", path.display()))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        if !values.iter().any(|(name, _)| *name == key) {
            values.push((key, Some(text.to_owned())));
        }
        staged.push(path);
    }
    Ok(staged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(words: &[&str]) -> Result<Change, Problem> {
        parse(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn repeated_keys_are_lists() {
        let change = read(&["ip=10.0.0.1", "dns=9.9.9.9", "dns=1.1.1.1", "--unset", "x"]).unwrap();
        let want = [
            ("ip".to_owned(), Some("10.0.0.1".to_owned())),
            ("dns".to_owned(), Some("9.9.9.9\n1.1.1.1".to_owned())),
            ("x".to_owned(), None),
        ];
        assert_eq!(change.values, want);
        let first = |word| read(&[word]).unwrap().values[0].1.clone();
        assert_eq!(first("a=b=c").as_deref(), Some("b=c"));
        assert_eq!(first("a=").as_deref(), Some(""));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(read(&[]), Err("nothing to publish".into()));
        assert_eq!(read(&["a"]), Err("a is no KEY=VALUE".into()));
        assert_eq!(read(&["--unset"]), Err("--unset needs a key".into()));
        assert_eq!(read(&["--nope"]), Err("unknown option --nope".into()));
    }

    #[test]
    fn staged_files_are_published_and_arguments_win() {
        let dir = std::env::temp_dir().join(format!("jamb-output-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("a"), "1\n").unwrap();
        fs::write(dir.join("b"), "x\ny\n").unwrap();
        fs::write(dir.join(".c"), "unfinished").unwrap();
        let mut values = read(&["a=2"]).unwrap().values;
        let staged = take_staged(&dir, &mut values).unwrap();
        assert_eq!(staged.len(), 2);
        let want = [("a".into(), Some("2".into())), ("b".into(), Some("x\ny".into()))];
        assert_eq!(values, want);
        fs::remove_dir_all(&dir).unwrap();
    }
}
