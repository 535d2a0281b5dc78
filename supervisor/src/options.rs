//! Command lines as all applets read them: options by a letter or a name (`-v`, `--verbose`), letters
//! together (`-vn5`), a value attached (`-n5`, `--lines=5`) or as the next word, and what is no option, in
//! the order in which they were written. Nothing after `--` is an option, nor is a lone `-`.

use crate::{
    cut,
    problem::{Problem, problem},
};
use core::fmt::Arguments;
use std::vec::IntoIter;

/// An option that an applet knows.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What the applet calls it.
    pub mark: u8,
    /// Its letter, if it has one.
    pub letter: Option<u8>,
    /// Its name, if it has one, else empty.
    pub name: &'static str,
    /// What its value is, for the message that it is missing; empty if it takes none.
    pub value: &'static str,
}

impl Known {
    /// One that has a letter only, which is its mark.
    #[must_use]
    pub const fn letter(letter: u8, value: &'static str) -> Self {
        Self { mark: letter, letter: Some(letter), name: "", value }
    }

    /// One that has a name only.
    #[must_use]
    pub const fn name(mark: u8, name: &'static str, value: &'static str) -> Self {
        Self { mark, letter: None, name, value }
    }

    /// One that has both; the letter is its mark.
    #[must_use]
    pub const fn both(letter: u8, name: &'static str, value: &'static str) -> Self {
        Self { mark: letter, letter: Some(letter), name, value }
    }
}

/// The mark of a word that is no option.
pub const WORD: u8 = 0;

/// A command line that is being read.
#[derive(Clone, Debug)]
pub struct Line {
    known: &'static [Known],
    words: IntoIter<String>,
    /// Letters that were written together with the last one.
    letters: String,
    only_words: bool,
    /// The value of the option that was read last, or the word itself; empty of an option that has none.
    pub value: String,
}

impl Line {
    /// The words after the applet's name.
    #[must_use]
    pub fn new(words: Vec<String>, known: &'static [Known]) -> Self {
        let words = words.into_iter();
        Self { known, words, letters: String::new(), only_words: false, value: String::new() }
    }

    /// The value of the option that was read last, to be kept.
    pub fn take(&mut self) -> String {
        core::mem::take(&mut self.value)
    }

    /// Reads the next option, and answers its mark, or the next word, and answers [`WORD`]; [`Self::value`] has the
    /// rest. `None` at the end.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn read(&mut self) -> Result<Option<u8>, Problem> {
        while self.letters.is_empty() {
            let Some(word) = self.words.next() else { return Ok(None) };
            match word.strip_prefix('-') {
                Some("-") if !self.only_words => self.only_words = true,
                Some(option) if !self.only_words && !option.is_empty() => {
                    if let Some(named) = option.strip_prefix('-') {
                        let (name, value) = cut::first(named, b'=').unzip();
                        let name = name.unwrap_or(named);
                        let is_it = |known: &&Known| known.name == name && !name.is_empty();
                        let known = self.known.iter().find(is_it);
                        let written = format_args!("--{name}");
                        return self.option(known, written, value.map(str::to_owned));
                    }
                    option.clone_into(&mut self.letters);
                }
                _ => {
                    self.value = word;
                    return Ok(Some(WORD));
                }
            }
        }
        let letter = self.letters.remove(0);
        let is_it = |known: &&Known| known.letter.map(char::from) == Some(letter);
        let known = self.known.iter().find(is_it);
        let takes_rest = !self.letters.is_empty() && known.is_some_and(|one| !one.value.is_empty());
        let rest = takes_rest.then(|| core::mem::take(&mut self.letters));
        self.option(known, format_args!("-{letter}"), rest)
    }

    fn option(
        &mut self,
        known: Option<&Known>,
        written: Arguments<'_>,
        attached: Option<String>,
    ) -> Result<Option<u8>, Problem> {
        let Some(known) = known else { return Err(problem!("unknown option {written}")) };
        self.value = if !known.value.is_empty() {
            let value = attached.or_else(|| self.words.next());
            value.ok_or_else(|| problem!("{written} needs {}", known.value))?
        } else if attached.is_none() {
            String::new()
        } else {
            return Err(problem!("{written} takes no value"));
        };
        Ok(Some(known.mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Known] = &[
        Known::letter(b'v', ""),
        Known::both(b'n', "lines", "a number"),
        Known::name(b'J', "json", ""),
        Known { mark: b'N', letter: Some(b'w'), name: "no-wait", value: "" },
    ];

    fn read(line: &str) -> Result<Vec<(char, String)>, Problem> {
        let mut line = Line::new(line.split(' ').map(str::to_owned).collect(), KNOWN);
        let mut all = Vec::new();
        while let Some(mark) = line.read()? {
            all.push((if mark == WORD { '.' } else { mark.into() }, line.take()));
        }
        Ok(all)
    }

    #[test]
    fn what_is_written_is_read_in_its_order() {
        for (line, want) in [
            ("", ". "),
            ("a -v b", ". a,v ,. b"),
            ("-vwn5 a", "v ,N ,n 5,. a"),
            ("-n 5 --lines 6 --lines=7 -n=8 --lines=", "n 5,n 6,n 7,n =8,n "),
            ("--json --no-wait - -- -v --", "J ,N ,. -,. -v,. --"),
            ("-n -v", "n -v"),
            ("a=b --lines=c=d", ". a=b,n c=d"),
        ] {
            let read = read(line).unwrap();
            let read: Vec<String> = read.iter().map(|(mark, v)| format!("{mark} {v}")).collect();
            assert_eq!(read.join(","), want, "{line}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (line, want) in [
            ("-x", "unknown option -x"),
            ("-vx", "unknown option -x"),
            ("-ä", "unknown option -ä"),
            ("-J", "unknown option -J"),
            ("--v", "unknown option --v"),
            ("--nope=5", "unknown option --nope"),
            ("--=5", "unknown option --"),
            ("-n", "-n needs a number"),
            ("--lines", "--lines needs a number"),
            ("--json=1", "--json takes no value"),
        ] {
            assert_eq!(read(line), Err(want.into()), "{line}");
        }
    }
}
