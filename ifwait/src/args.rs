//! The command line of the applet. Input: words from a person or a script. Pure; says in one line
//! what is wrong, and never guesses.

use crate::predicate::Predicate;
use std::time::Duration;
use supervisor::{
    options::{Known, Line},
    problem::Problem,
};

/// What `--help` prints.
pub const HELP: &str = "\
usage: ifwait [-v] [-t TIME] IFACE [PREDICATE]...
Wait until all predicates hold for the network interface IFACE.

  present    it exists
  up         it is switched on
  running    it can carry traffic (the default)
  address    it has a usable address, not a link-local one; address4, address6
  route      a default route leaves through it; route4, route6

  -t TIME        give up after so many seconds; also 45s, 2m; 0: check once
  -v             print the interface's state, and again each time it changes
  -h, --help     print this
  -V, --version  print the version
exit status: 0 they hold, 1 timed out, 2 usage, 111 system error
";

/// Bytes of the longest name, an alternative one: ALTIFNAMSIZ without its zero.
const NAME_LONGEST: usize = 127;

const OPTIONS: &[Known] = &[
    Known::both(b'h', "help", ""),
    Known::both(b'V', "version", ""),
    Known::letter(b'v', ""),
    Known::letter(b't', "a time such as 5 or 2m"),
];

/// A command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// `--help`.
    Help,
    /// `--version`.
    Version,
    /// Wait.
    Wait(Wait),
}

/// What to wait for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wait {
    /// The interface's name, or an alternative one.
    pub ifname: String,
    /// All must hold; at least one.
    pub predicates: Vec<Predicate>,
    /// How long; `None`: for ever.
    pub timeout: Option<Duration>,
    /// Whether to print what changes.
    pub verbose: Option<Verbose>,
}

/// `-v` was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verbose;

/// Reads the command line, without the program's name.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn parse(args: Vec<String>) -> Result<Command, Problem> {
    let (mut verbose, mut timeout) = (None, None);
    let mut ifname: Option<String> = None;
    let mut predicates = Vec::new();
    let mut line = Line::new(args, OPTIONS);
    while let Some(mark) = line.read()? {
        let word = &line.value;
        match mark {
            b'h' => return Ok(Command::Help),
            b'V' => return Ok(Command::Version),
            b'v' => verbose = Some(Verbose),
            b't' => timeout = Some(span(word)?),
            _ if ifname.is_none() => ifname = Some(valid_name(line.take())?),
            _ => match word.parse() {
                Ok(predicate) => predicates.push(predicate),
                Err(_) => return Err(unknown_predicate(word)),
            },
        }
    }
    let ifname = ifname.ok_or("no interface named")?;
    if predicates.is_empty() {
        predicates.push(Predicate::Running);
    }
    Ok(Command::Wait(Wait { ifname, predicates, timeout, verbose }))
}

fn unknown_predicate(word: &str) -> Problem {
    let names = Predicate::ALL.map(|one| one.name().to_owned()).join(", ");
    ["unknown predicate ", word, "; there are ", &names].concat().into()
}

/// What no interface can be called would be waited for in vain (`dev_valid_name()` in
/// net/core/dev.c; alternative names may be longer).
fn valid_name(word: String) -> Result<String, Problem> {
    let refused = |byte: u8| byte == b'/' || byte == 0 || byte.is_ascii_whitespace();
    let valid = !matches!(word.as_str(), "" | "." | "..")
        && word.len() <= NAME_LONGEST
        && !word.bytes().any(refused);
    if valid { Ok(word) } else { Err(["no interface can be called ", &word].concat().into()) }
}

fn span(word: &str) -> Result<Duration, Problem> {
    let wrong = || ["-t: ", word, " is not a time; 5, 0.5, 45s and 2m are"].concat().into();
    supervisor::decimal::span(word).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predicate::Family;

    fn parse(line: &str) -> Result<Command, Problem> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        super::parse(words)
    }

    fn wait(line: &str) -> Wait {
        match parse(line) {
            Ok(Command::Wait(wait)) => wait,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn running_is_the_default() {
        let expected = Wait {
            ifname: "wan0".into(),
            predicates: vec![Predicate::Running],
            timeout: None,
            verbose: None,
        };
        assert_eq!(wait("wan0"), expected);
    }

    #[test]
    fn options_may_stand_anywhere() {
        let expected = wait("-v -t 2.5 wan0 up route6");
        assert_eq!(expected.predicates, [Predicate::Up, Predicate::Route(Family::V6)]);
        assert_eq!(expected.timeout, Some(Duration::from_millis(2500)));
        assert_eq!(expected.verbose, Some(Verbose));
        assert_eq!(wait("wan0 -vt2.5 up route6"), expected);
        assert_eq!(wait("wan0 up -t 2.5 -v -- route6"), expected);
        assert_eq!(wait("-- -x").ifname, "-x");
    }

    #[test]
    fn mistakes_are_named() {
        for (line, part) in [
            ("-v", "no interface"),
            ("-t", "-t needs"),
            ("wan0 -t", "-t needs"),
            ("-t x wan0", "-t: x is not"),
            ("-q wan0", "unknown option -q"),
            ("--timeout wan0", "unknown option --timeout"),
            ("wan0 flying", "unknown predicate flying; there are present, up"),
            ("a/b", "can be called a/b"),
            ("..", "can be called .."),
        ] {
            let message = parse(line).unwrap_err();
            assert!(message.contains(part), "{line}: {message}");
        }
        assert!(super::parse(vec![]).is_err());
        assert!(super::parse(vec![String::new()]).is_err());
        assert_eq!(parse("wan0 --help"), Ok(Command::Help));
        assert_eq!(parse("-V"), Ok(Command::Version));
    }
}
