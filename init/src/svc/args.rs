//! The command line of one `svc` command: options anywhere, names in their order. Pure.

use std::time::Duration;
use supervisor::{
    decimal,
    options::{Known, Line},
    problem::{Problem, problem},
};

/// What a command understands.
#[derive(Clone, Copy)]
pub struct Allowed {
    /// Its options.
    pub options: &'static [Known],
    /// Names that it needs.
    pub least: usize,
    /// Names that it takes.
    pub most: usize,
}

/// All commands have it.
pub const FOR_HELP: Known = Known::both(b'h', "help", "");
/// `--json`
pub const JSON: Known = Known::name(b'J', "json", "");
/// `-f`
pub const FOLLOW: Known = Known::both(b'f', "follow", "");
/// `-n LINES`
pub const LINES: Known = Known::both(b'n', "lines", "a number of lines");
/// `--since WHEN`
pub const SINCE: Known = Known::name(b'S', "since", "an age or a time");
/// `-t TIME`
pub const TIMEOUT: Known = Known::both(b't', "timeout", "a time such as 5 or 2m");
/// `-n`
pub const NO_WAIT: Known = Known { mark: b'N', letter: Some(b'n'), name: "no-wait", value: "" };
/// `--all`
pub const ALL: Known = Known::name(b'A', "all", "");
/// The same.
pub const SINCE_BOOT: Known = Known::name(b'A', "since-boot", "");
/// `--confirm TIME`
pub const CONFIRM: Known = Known::name(b'C', "confirm", "a time such as 90s");
/// `--temporary`
pub const TEMPORARY: Known = Known::name(b'T', "temporary", "");
/// `-r`
pub const REVERSE: Known = Known::both(b'r', "reverse", "");

/// What was said.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct Args {
    /// Names, and what else is no option.
    pub names: Vec<String>,
    /// See the options above, also below.
    pub json: bool,
    /// Go on.
    pub follow: bool,
    /// The last lines.
    pub lines: Option<usize>,
    /// As it was written.
    pub since: Option<String>,
    /// How long to wait.
    pub timeout: Option<Duration>,
    /// Do not wait.
    pub no_wait: bool,
    /// From the beginning.
    pub all: bool,
    /// The other way round.
    pub reverse: bool,
    /// After what time it goes back.
    pub confirm: Option<Duration>,
    /// Not for the next boot.
    pub temporary: bool,
}

/// Reads the words after the command; `None` if they ask for help.
///
/// # Errors
/// What is wrong, for people.
pub fn parse(
    command: &str,
    allowed: &Allowed,
    words: Vec<String>,
) -> Result<Option<Args>, Problem> {
    let mut args = Args::default();
    let mut line = Line::new(words, allowed.options);
    while let Some(mark) = line.read().map_err(|what| problem!("{command}: {what}"))? {
        let value = &line.value;
        match mark {
            b'h' => return Ok(None),
            b'J' => args.json = true,
            b'f' => args.follow = true,
            b'n' => {
                let number = decimal::number(value);
                args.lines = Some(number.ok_or_else(|| problem!("{value} is no number of lines"))?);
            }
            b'S' => args.since = Some(line.take()),
            b't' | b'C' => {
                let span = decimal::span(value);
                let span =
                    span.ok_or_else(|| problem!("{value} is no time; 5, 0.5, 45s and 2m are"))?;
                let of = if mark == b't' { &mut args.timeout } else { &mut args.confirm };
                *of = Some(span);
            }
            b'T' => args.temporary = true,
            b'N' => args.no_wait = true,
            b'A' => args.all = true,
            b'r' => args.reverse = true,
            _ => args.names.push(line.take()),
        }
    }
    if args.names.len() < allowed.least {
        return Err(problem!("{command} needs more: {} of {}", args.names.len(), allowed.least));
    }
    if args.names.len() > allowed.most {
        return Err(problem!("{command} does not take {}", args.names[allowed.most]));
    }
    Ok(Some(args))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Allowed = Allowed {
        options: &[FOR_HELP, JSON, LINES, SINCE, TIMEOUT, ALL, REVERSE],
        least: 1,
        most: 2,
    };

    fn read(words: &[&str]) -> Result<Option<Args>, Problem> {
        parse("cmd", &ALLOWED, words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn options_and_names_mix() {
        let args =
            read(&["a", "--json", "-n", "5", "--timeout=0.25", "--", "-b"]).unwrap().unwrap();
        let want = Args {
            names: vec!["a".into(), "-b".into()],
            json: true,
            lines: Some(5),
            timeout: Some(Duration::from_millis(250)),
            ..Args::default()
        };
        assert_eq!(args, want);
        assert_eq!(read(&["--help"]), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, problem) in [
            (&["a", "--nope"][..], "cmd: unknown option --nope"),
            (&["a", "-t"], "cmd: -t needs a time such as 5 or 2m"),
            (&["a", "-t", "-1"], "-1 is no time; 5, 0.5, 45s and 2m are"),
            (&["a", "-t", "1e3"], "1e3 is no time; 5, 0.5, 45s and 2m are"),
            (&["a", "--json=1"], "cmd: --json takes no value"),
            (&["a", "-n", "x"], "x is no number of lines"),
            (&[], "cmd needs more: 0 of 1"),
            (&["a", "b", "c"], "cmd does not take c"),
        ] {
            assert_eq!(read(words), Err(problem.into()), "{words:?}");
        }
    }
}
