//! Service names: which are possible, and which one a mistyped one was meant to be. Pure.

use crate::spool::NAME_MAX;

/// Whether `name` can be a service, and so a directory below the log directory:
/// `[A-Za-z0-9_@-][A-Za-z0-9_.@-]*`, at most 128 bytes. That excludes `.`, `..` and every `/`.
pub fn valid_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte))
}

/// Moves what `wanted` was most likely meant to be to the front of `known`.
pub fn nearest_first(wanted: &str, known: &mut [String]) {
    let distances = known.iter().map(|name| distance(wanted.as_bytes(), name.as_bytes()));
    if let Some((nearest, _)) = distances.enumerate().min_by_key(|(_, distance)| *distance) {
        known[..=nearest].rotate_right(1);
    }
}

/// The number of single-byte insertions, deletions and replacements that turn `a` into `b`.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(b) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["wan", "a.b", "getty@ttyS0", "_x-1", &"a".repeat(128)] {
            assert!(valid_name(good), "{good}");
        }
        for bad in ["", ".", "..", ".x", "a/b", "/", "a b", "a\n", "\u{e4}", &"a".repeat(129)] {
            assert!(!valid_name(bad), "{bad}");
        }
    }

    #[test]
    fn distances() {
        for (a, b, want) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("wna", "wan", 2),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), want, "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_name_comes_first() {
        let mut known = ["dnsmasq", "lan", "wan", "wan6"].map(str::to_owned).to_vec();
        nearest_first("wan66", &mut known);
        assert_eq!(known, ["wan6", "dnsmasq", "lan", "wan"]);
    }
}
