//! Execline scripts taken apart as `execlineb` does it: words, quotes, escapes, comments and blocks
//! (skarnet.org/software/execline/execlineb.html). No program of the language is known here.

/// A script as the command line that `execlineb` would execute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Lexed {
    /// The words; those in blocks begin with one blank for each block around them, and a block ends with a
    /// word that holds only the blanks of the blocks around it.
    pub(super) argv: Vec<String>,
    /// Whether there are blocks.
    pub(super) has_blocks: bool,
}

/// Why a script cannot be taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LexError {
    /// A quote is never closed.
    Quote,
    /// A `{` without `}`, or the other way round.
    Braces,
    /// A number after a backslash that is no byte, or NUL.
    Escape,
    /// The words are not UTF-8.
    Encoding,
}

impl LexError {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Quote => "a quote is never closed",
            Self::Braces => "its braces do not match",
            Self::Escape => "an escape is no byte",
            Self::Encoding => "it is not UTF-8",
        }
    }
}

/// Takes a script apart.
///
/// # Errors
/// Where `execlineb` would refuse it.
pub(super) fn lex(script: &[u8]) -> Result<Lexed, LexError> {
    let mut lexer = Lexer { rest: script };
    let mut lexed = Lexed { argv: Vec::new(), has_blocks: false };
    let mut level: usize = 0;
    while let Some(word) = lexer.word()? {
        let mut text = match (word.bytes.as_slice(), word.is_quoted) {
            (b"{", false) => {
                level += 1;
                lexed.has_blocks = true;
                continue;
            }
            (b"}", false) => {
                level = level.checked_sub(1).ok_or(LexError::Braces)?;
                String::new()
            }
            _ => String::from_utf8(word.bytes).map_err(|_| LexError::Encoding)?,
        };
        text.insert_str(0, &" ".repeat(level));
        lexed.argv.push(text);
    }
    if level == 0 { Ok(lexed) } else { Err(LexError::Braces) }
}

struct Word {
    bytes: Vec<u8>,
    /// Whether a part of it was quoted or escaped, so that it is no brace.
    is_quoted: bool,
}

struct Lexer<'l> {
    rest: &'l [u8],
}

impl Lexer<'_> {
    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Skips blanks, comments and backslashes at the end of a line, up to a word.
    fn skip(&mut self) {
        loop {
            match self.rest {
                [1..=b' ', rest @ ..] | [b'\\', b'\n', rest @ ..] => self.rest = rest,
                [b'\\'] => self.rest = &[],
                [b'#', ..] => {
                    let end = self.rest.iter().position(|byte| *byte == b'\n');
                    self.rest = &self.rest[end.unwrap_or(self.rest.len())..];
                }
                _ => return,
            }
        }
    }

    fn word(&mut self) -> Result<Option<Word>, LexError> {
        self.skip();
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut word = Word { bytes: Vec::new(), is_quoted: false };
        while let Some(byte) = self.take() {
            match byte {
                1..=b' ' => break,
                b'"' => {
                    word.is_quoted = true;
                    self.quoted(&mut word.bytes)?;
                }
                b'\\' => {
                    word.is_quoted = true;
                    word.bytes.push(self.take().ok_or(LexError::Escape)?);
                }
                0 => return Err(LexError::Escape),
                other => word.bytes.push(other),
            }
        }
        Ok(Some(word))
    }

    fn quoted(&mut self, into: &mut Vec<u8>) -> Result<(), LexError> {
        loop {
            match self.take().ok_or(LexError::Quote)? {
                b'"' => return Ok(()),
                b'\\' => {
                    if let Some(byte) = self.escape()? {
                        into.push(byte);
                    }
                }
                0 => return Err(LexError::Escape),
                other => into.push(other),
            }
        }
    }

    /// What a backslash in quotes stands for; `None` for a line that goes on.
    fn escape(&mut self) -> Result<Option<u8>, LexError> {
        let byte = match self.take().ok_or(LexError::Quote)? {
            b'\n' => return Ok(None),
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            b'0' if self.rest.first() == Some(&b'x') => {
                self.rest = &self.rest[1..];
                let first = self.digit(16).ok_or(LexError::Escape)?;
                self.number(1, 16, first)?
            }
            b'0' => {
                let first = self.digit(8).ok_or(LexError::Escape)?;
                self.number(2, 8, first)?
            }
            digit @ b'1'..=b'9' => self.number(2, 10, u32::from(digit - b'0'))?,
            other => return Ok(Some(other)),
        };
        if byte == 0 { Err(LexError::Escape) } else { Ok(Some(byte)) }
    }

    /// A byte that begins with the digit `first` and has at most so many more.
    fn number(&mut self, more: usize, radix: u32, first: u32) -> Result<u8, LexError> {
        let mut value = first;
        for _ in 0..more {
            let Some(digit) = self.digit(radix) else { break };
            value = value * radix + digit;
        }
        u8::try_from(value).map_err(|_| LexError::Escape)
    }

    fn digit(&mut self, radix: u32) -> Option<u32> {
        let digit = char::from(*self.rest.first()?).to_digit(radix)?;
        self.rest = &self.rest[1..];
        Some(digit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(script: &str) -> Vec<String> {
        lex(script.as_bytes()).unwrap().argv
    }

    #[test]
    fn words_quotes_and_comments() {
        assert_eq!(
            argv("#!/bin/execlineb -P\n echo\ta # b\n 'c'\r\nd#e"),
            ["echo", "a", "'c'", "d#e"]
        );
        assert_eq!(argv(r#"echo "" "a b" a"b c"d a\ b"#), ["echo", "", "a b", "ab cd", "a b"]);
        assert_eq!(argv(r#""\a\t\n\0x41\0101\65\"\\\q""#), ["\u{7}\t\nAAA\"\\q"]);
        assert_eq!(argv("a \\\n b \\\nc \"d\\\ne\" \\"), ["a", "b", "c", "de"]);
        assert_eq!(argv("b\\\nc"), ["b\nc"]);
        assert_eq!(argv(r#""\033[1m\7x\0x4z""#), ["\u{1b}[1m\u{7}x\u{4}z"]);
        assert_eq!(argv(""), [""; 0]);
    }

    #[test]
    fn blocks_are_quoted_by_blanks() {
        let lexed = lex(b"if { a { b } } c \"{\" \\} x{").unwrap();
        assert_eq!(lexed.argv, ["if", " a", "  b", " ", "", "c", "{", "}", "x{"]);
        assert!(lexed.has_blocks);
        assert!(!lex(b"echo \"{\" }x").unwrap().has_blocks);
    }

    #[test]
    fn what_execlineb_refuses_is_refused() {
        for (script, error) in [
            (&b"\"a"[..], LexError::Quote),
            (b"if {", LexError::Braces),
            (b"} {", LexError::Braces),
            (b"\"\\400\"", LexError::Escape),
            (b"\"\\0777\"", LexError::Escape),
            (b"\"\\0000\"", LexError::Escape),
            (b"\"\\0x\"", LexError::Escape),
            (b"\"\\08\"", LexError::Escape),
            (b"a\\", LexError::Escape),
            (b"a\0b", LexError::Escape),
            (b"\xff", LexError::Encoding),
        ] {
            assert_eq!(lex(script), Err(error), "{}", String::from_utf8_lossy(script));
        }
    }
}
