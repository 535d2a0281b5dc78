//! The collector's command line and its map of pipes. Input: what PID 1 wrote. Pure; it never
//! trusts a number or a name, and says in one line what is wrong.

use crate::names::valid_name;
use crate::spool::CHUNK;
use crate::store::Limits;
use std::os::fd::RawFd;
use std::path::PathBuf;
use supervisor::options::{Known, Line};
use supervisor::{
    cut, decimal,
    problem::{Problem, problem},
};

/// Bytes written at once at most. Half a chunk: more would cost memory and gain little.
const PIECE: usize = CHUNK / 2;
/// Bytes of one log file, unless told otherwise.
const MAX_FILE: u64 = 128 << 10;
/// Bytes of all log files, unless told otherwise.
const MAX_TOTAL: u64 = 2 << 20;
/// Below this, `current` would be rotated with nearly every line.
const MIN_FILE: u64 = 4 << 10;

const OPTIONS: &[Known] = &[
    Known::name(b'P', "map-fd", "a number"),
    Known::name(b'S', "spool-fd", "a number"),
    Known::name(b'C', "console-fd", "a number"),
    Known::name(b'D', "dir", "a directory"),
    Known::name(b'F', "max-file", "a number"),
    Known::name(b'T', "max-total", "a number"),
];

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

/// Reads the command line, without the program's name.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn parse(args: Vec<String>) -> Result<Args, Problem> {
    let (mut map, mut spool, mut console, mut dir) = (None, None, None, None);
    let (mut max_file, mut max_total) = (MAX_FILE, MAX_TOTAL);
    let mut line = Line::new(args, OPTIONS);
    while let Some(mark) = line.read()? {
        let value = &line.value;
        if mark == b'D' {
            dir = Some(PathBuf::from(line.take()));
            continue;
        }
        let wrong = || problem!("{value} is not a number");
        let number: u64 = decimal::number(value).ok_or_else(wrong)?;
        let fd = || RawFd::try_from(number).map_err(|_| wrong());
        match mark {
            b'P' => map = Some(fd()?),
            b'S' => spool = Some(fd()?),
            b'C' => console = Some(fd()?),
            b'F' => max_file = number.max(MIN_FILE),
            b'T' => max_total = number,
            _ => return Err(problem!("{value} is no option")),
        }
    }
    // The budget must hold a piece and a file being written, with one to be deleted beside it.
    let limits = Limits {
        max_file,
        max_total: max_total.max(max_file.saturating_mul(2).saturating_add(PIECE as u64)),
        piece: PIECE,
    };
    let missing = |name: &str| problem!("{name} is missing");
    Ok(Args {
        map: map.ok_or_else(|| missing("--map-fd"))?,
        spool: spool.ok_or_else(|| missing("--spool-fd"))?,
        console,
        dir: dir.ok_or_else(|| missing("--dir"))?,
        limits,
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
        let args = parsed(
            "--map-fd 5 --spool-fd 6 --dir /run/log --max-file 8192 --max-total 500000 --console-fd 7",
        )
        .unwrap();
        assert_eq!((args.map, args.spool, args.console), (5, 6, Some(7)));
        assert_eq!(args.dir, PathBuf::from("/run/log"));
        assert_eq!((args.limits.max_file, args.limits.max_total), (8192, 500_000));
    }

    #[test]
    fn limits_are_kept_sensible() {
        let args = parsed("--map-fd 5 --spool-fd 6 --dir d --max-file 1 --max-total 0").unwrap();
        assert_eq!(args.limits.max_file, MIN_FILE);
        assert_eq!(args.limits.max_total, 2 * MIN_FILE + PIECE as u64);
        let huge = "--map-fd 5 --spool-fd 6 --dir d --max-file 18446744073709551615";
        assert_eq!(parsed(huge).unwrap().limits.max_total, u64::MAX);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, want) in [
            ("", "--map-fd is missing"),
            ("--map-fd 1 --dir d", "--spool-fd is missing"),
            ("--map-fd 1 --spool-fd 2", "--dir is missing"),
            ("--map-fd", "--map-fd needs a number"),
            ("--map-fd x", "x is not a number"),
            ("--map-fd -1", "-1 is not a number"),
            ("--map-fd 4294967296", "4294967296 is not a number"),
            ("--colour 1", "unknown option --colour"),
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
