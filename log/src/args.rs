//! The collector's command line and its map of pipes. Input: what PID 1 wrote. Pure; it never
//! trusts a number or a name, and says in one line what is wrong.

use crate::names::valid_name;
use crate::spool::CHUNK;
use crate::store::Limits;
use std::os::fd::RawFd;
use std::path::PathBuf;
use supervisor::{
    cut, decimal,
    problem::{Problem, problem},
};

/// Bytes written at once at most. Half a chunk: more would cost memory and gain little.
const PIECE: usize = CHUNK / 2;
/// Below this, `current` would be rotated with nearly every line.
const MIN_FILE: u64 = 4 << 10;

/// The parsed command line.
#[derive(Debug)]
pub struct Args {
    /// Descriptor of the map of pipes.
    pub map: RawFd,
    /// Descriptor of the spool.
    pub spool: RawFd,
    /// Descriptor to copy lines to.
    pub console: Option<RawFd>,
    /// The log directory.
    pub dir: PathBuf,
    /// The budget.
    pub limits: Limits,
}

/// Reads the command line, without the program's name: `MAP SPOOL DIR MAX-FILE MAX-TOTAL [CONSOLE]`. Only jamb
/// itself writes it, so it needs no options.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn parse(mut args: Vec<String>) -> Result<Args, Problem> {
    if !(5..=6).contains(&args.len()) {
        return Err("MAP SPOOL DIR MAX-FILE MAX-TOTAL [CONSOLE] are needed".into());
    }
    let dir = PathBuf::from(args.remove(2));
    let mut numbers = [0; 5];
    for (number, text) in numbers.iter_mut().zip(&args) {
        *number = decimal::number(text).ok_or_else(|| problem!("{text} is not a number"))?;
    }
    let has_console = args.len() == numbers.len();
    let [map, spool, max_file, max_total, console] = numbers;
    let max_file = u64::from(max_file).max(MIN_FILE);
    // The budget must hold a piece and a file being written, with one to be deleted beside it.
    let max_total = u64::from(max_total).max(2 * max_file + PIECE as u64);
    let fd = |number: u32| RawFd::try_from(number).unwrap_or(-1);
    Ok(Args {
        map: fd(map),
        spool: fd(spool),
        console: has_console.then(|| fd(console)),
        dir,
        limits: Limits { max_file, max_total, piece: PIECE },
    })
}

/// Reads one line of the map, `FD NAME`.
pub fn map_line(line: &[u8]) -> Option<(RawFd, &str)> {
    let (fd, name) = cut::first(std::str::from_utf8(line).ok()?, b' ')?;
    let fd = decimal::number(fd)?;
    valid_name(name).then_some((fd, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Args, Problem> {
        parse(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn a_full_command_line() {
        let args = parsed("5 6 /run/log 8192 500000 7").unwrap();
        assert_eq!((args.map, args.spool, args.console), (5, 6, Some(7)));
        assert_eq!(args.dir, PathBuf::from("/run/log"));
        assert_eq!((args.limits.max_file, args.limits.max_total), (8192, 500_000));
        assert_eq!(parsed("5 6 /run/log 8192 500000").unwrap().console, None);
    }

    #[test]
    fn limits_are_kept_sensible() {
        let limits = |line: &str| {
            let limits = parsed(line).unwrap().limits;
            (limits.max_file, limits.max_total)
        };
        assert_eq!(limits("5 6 d 1 0"), (MIN_FILE, 2 * MIN_FILE + PIECE as u64));
        let most = u64::from(u32::MAX);
        assert_eq!(limits("5 6 d 4294967295 0"), (most, 2 * most + PIECE as u64));
    }

    #[test]
    fn mistakes_are_named() {
        let short = "MAP SPOOL DIR MAX-FILE MAX-TOTAL [CONSOLE] are needed";
        for (line, want) in [
            ("", short),
            ("1 2 d 3", short),
            ("1 2 d 3 4 5 6", short),
            ("x 2 d 3 4", "x is not a number"),
            ("1 -2 d 3 4", "-2 is not a number"),
            ("1 2 d 4294967296 4", "4294967296 is not a number"),
        ] {
            assert_eq!(&*parsed(line).unwrap_err(), want);
        }
    }

    #[test]
    fn map_lines() {
        assert_eq!(map_line(b"7 wan"), Some((7, "wan")));
        let bad: [&[u8]; 8] =
            [b"", b"7", b"7 ", b"x wan", b"-1 wan", b"7 a/b", b"7 .hidden", b"7 \xff"];
        for line in bad {
            assert_eq!(map_line(line), None);
        }
    }
}
