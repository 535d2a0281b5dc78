//! The command line of one `svc` command: options anywhere, names in their order. Pure.

use std::time::Duration;
use supervisor::{cut, decimal};

/// What a command understands.
#[derive(Clone, Copy)]
pub struct Allowed {
    /// `--json`
    pub json: bool,
    /// `-f`
    pub follow: bool,
    /// `-n LINES`
    pub lines: bool,
    /// `--since WHEN`
    pub since: bool,
    /// `-t SECONDS`
    pub timeout: bool,
    /// `-n`
    pub no_wait: bool,
    /// `--all`
    pub all: bool,
    /// `-r`
    pub reverse: bool,
    /// Names that it needs.
    pub least: usize,
    /// Names that it takes.
    pub most: usize,
}

/// What was said.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct Args {
    /// Names, and what else is no option.
    pub names: Vec<String>,
    /// See [`Allowed`], also below.
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
}

/// Reads the words after the command; `None` if they ask for help.
///
/// # Errors
/// What is wrong, for people.
pub fn parse(
    command: &str,
    allowed: &Allowed,
    mut words: std::vec::IntoIter<String>,
) -> Result<Option<Args>, String> {
    let mut args = Args::default();
    let mut only_names = false;
    while let Some(word) = words.next() {
        if only_names || !word.starts_with('-') || word == "-" {
            args.names.push(word);
            continue;
        }
        let (option, mut attached) = match cut::first(&word, b'=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let mut value = |what: &str| {
            let value = attached.take().or_else(|| words.next());
            value.ok_or_else(|| format!("{option} needs {what}"))
        };
        match option {
            "--" => only_names = true,
            "--help" | "-h" => return Ok(None),
            "--json" if allowed.json => args.json = true,
            "--follow" | "-f" if allowed.follow => args.follow = true,
            "--lines" | "-n" if allowed.lines => {
                let text = value("a number of lines")?;
                let number = decimal::number(&text);
                args.lines = Some(number.ok_or_else(|| format!("{text} is no number of lines"))?);
            }
            "--since" if allowed.since => args.since = Some(value("an age or a time")?),
            "--timeout" | "-t" if allowed.timeout => {
                let text = value("a number of seconds")?;
                let span = decimal::seconds(&text);
                args.timeout = Some(
                    span.ok_or_else(|| format!("{text} is no number of seconds; 5 and 0.5 are"))?,
                );
            }
            "--no-wait" | "-n" if allowed.no_wait => args.no_wait = true,
            "--all" | "--since-boot" if allowed.all => args.all = true,
            "--reverse" | "-r" if allowed.reverse => args.reverse = true,
            _ => return Err(format!("{command} has no option {option}")),
        }
        if attached.is_some() {
            return Err(format!("{option} takes no value"));
        }
    }
    if args.names.len() < allowed.least {
        return Err(format!("{command} needs more: {} of {}", args.names.len(), allowed.least));
    }
    if args.names.len() > allowed.most {
        return Err(format!("{command} does not take {}", args.names[allowed.most]));
    }
    Ok(Some(args))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Allowed = Allowed {
        json: true,
        follow: true,
        lines: true,
        since: true,
        timeout: true,
        no_wait: true,
        all: true,
        reverse: true,
        least: 1,
        most: 2,
    };

    fn read(words: &[&str]) -> Result<Option<Args>, String> {
        parse(
            "cmd",
            &ALL,
            words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>().into_iter(),
        )
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
            (&["a", "--nope"][..], "cmd has no option --nope"),
            (&["a", "-t"], "-t needs a number of seconds"),
            (&["a", "-t", "-1"], "-1 is no number of seconds; 5 and 0.5 are"),
            (&["a", "-t", "1e3"], "1e3 is no number of seconds; 5 and 0.5 are"),
            (&["a", "--json=1"], "--json takes no value"),
            (&["a", "-n", "x"], "x is no number of lines"),
            (&[], "cmd needs more: 0 of 1"),
            (&["a", "b", "c"], "cmd does not take c"),
        ] {
            assert_eq!(read(words), Err(problem.to_owned()), "{words:?}");
        }
    }
}
