//! Turns the raw bytes of a service into log lines: prefix, escapes, cutting. Pure; its input is
//! a chunk of any bytes cut anywhere. Never lets a control character through to a terminal, never
//! keeps text back, and its whole state can be read off the end of the file it wrote.

/// No line of a log file is longer than this many bytes, its prefix and newline included.
pub const MAX_LINE: usize = 8192;
/// Ends the first part of a line that was too long, and starts the text of the next part.
const CUT: &[u8] = b"[...]";
/// A line is cut when it has this many bytes: what may still follow fits below [`MAX_LINE`] (three
/// bytes of an unfinished character or a four byte escape, the mark, the newline).
const CUT_AT: usize = MAX_LINE - 16;
/// Output one turn of the formatter may add besides the prefix and a run of plain text: both marks
/// of a cut, a newline and one escape.
const SLACK: usize = 2 * CUT.len() + 8;

/// Where in a line the text of a log ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Bytes since the last newline, prefix included. 0: the next byte starts a line.
    column: usize,
    /// Continuation bytes that the last UTF-8 lead byte still wants.
    owed: u8,
    /// The last byte; it matters only while `owed` is not 0.
    last: u8,
}

/// How far one call of [`Line::feed`] may go.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// The output buffer never grows beyond this.
    pub out_len: usize,
    /// Stop at the first end of a line once the output buffer is at least this long.
    pub stop_at: usize,
}

impl Line {
    /// The start of a line, as in an empty file.
    pub const START: Line = Line { column: 0, owed: 0, last: b'\n' };
    /// Bytes at the end of a file that [`Line::after`] wants to see.
    pub const TAIL: usize = MAX_LINE;

    /// The state after a file that ends in `tail` (its last [`Line::TAIL`] bytes, or all of it).
    pub fn after(tail: &[u8]) -> Line {
        let column = tail.iter().rev().take_while(|byte| **byte != b'\n').count();
        let mut owed = 0;
        for (seen, byte) in (0_u8..3).zip(tail.iter().rev().take(column)) {
            if !(0x80..=0xbf).contains(byte) {
                owed = wants(*byte).saturating_sub(seen);
                break;
            }
        }
        Line { column, owed, last: tail.last().copied().unwrap_or(b'\n') }
    }

    /// Whether the next byte starts a line.
    pub fn at_start(self) -> bool {
        self.column == 0
    }

    /// Formats from `input` onto `out` and answers how many bytes of it were used.
    ///
    /// Every line begins with `prefix` (shorter than 200 bytes). A tab and valid UTF-8 pass. The
    /// other C0 control characters, DEL, the C1 control characters (which terminals obey also in
    /// their UTF-8 form) and bytes that cannot be UTF-8 become `\xNN`. A character may be cut
    /// anywhere between two calls.
    pub fn feed(
        &mut self,
        prefix: &[u8],
        input: &[u8],
        out: &mut Vec<u8>,
        bounds: Bounds,
    ) -> usize {
        let mut used = 0;
        while let Some(&byte) = input.get(used) {
            let room = bounds.out_len.saturating_sub(out.len() + prefix.len() + SLACK);
            if room == 0 {
                break;
            }
            if self.column >= CUT_AT && self.owed == 0 && byte != b'\n' {
                out.extend_from_slice(CUT);
                out.push(b'\n');
                self.begin(prefix, out);
                out.extend_from_slice(CUT);
                self.column += CUT.len();
            } else if self.column == 0 {
                self.begin(prefix, out);
            }
            let rest = &input[used..];
            let most = rest.len().min(room).min(CUT_AT.saturating_sub(self.column));
            let run = plain(&rest[..most]);
            if run > 0 {
                out.extend_from_slice(&rest[..run]);
                self.column += run;
                self.owed = 0;
                used += run;
                continue;
            }
            used += 1;
            if byte == b'\n' {
                out.push(byte);
                *self = Line::START;
                if out.len() >= bounds.stop_at {
                    break;
                }
            } else {
                self.single(byte, out);
            }
        }
        used
    }

    fn begin(&mut self, prefix: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(prefix);
        self.column = prefix.len();
    }

    /// One byte that is not a newline: passes it, or escapes it.
    fn single(&mut self, byte: u8, out: &mut Vec<u8>) {
        let owed = match byte {
            b'\t' | 0x20..=0x7e => Some(0),
            0x80..=0xbf if self.owed > 0 && may_follow(self.last, byte) => Some(self.owed - 1),
            0xc2..=0xf4 => Some(wants(byte)),
            _ => None,
        };
        let before = out.len();
        if owed.is_some() {
            out.push(byte);
        } else {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let digit = |nibble: u8| HEX[usize::from(nibble & 15)];
            out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte)]);
        }
        self.column += out.len() - before;
        self.owed = owed.unwrap_or(0);
        self.last = byte;
    }
}

/// Continuation bytes that follow a UTF-8 lead byte (Unicode, table 3-6).
fn wants(lead: u8) -> u8 {
    match lead {
        0xc2..=0xdf => 1,
        0xe0..=0xef => 2,
        0xf0..=0xf4 => 3,
        _ => 0,
    }
}

/// Whether a continuation byte may come after `last` (Unicode, table 3-7). This refuses overlong
/// forms and surrogates, and after 0xC2 also 0x80 to 0x9F: the C1 control characters.
fn may_follow(last: u8, byte: u8) -> bool {
    match last {
        0xc2 | 0xe0 => byte >= 0xa0,
        0xf0 => byte >= 0x90,
        0xed => byte <= 0x9f,
        0xf4 => byte <= 0x8f,
        _ => true,
    }
}

/// How many bytes at the start of `text` are printable ASCII. This is where a flood spends its
/// time, so it looks at one machine word at a time.
fn plain(text: &[u8]) -> usize {
    const WORD: usize = size_of::<usize>();
    const ONES: usize = usize::MAX / 0xff;
    const HIGH: usize = ONES * 0x80;
    let mut at = 0;
    while let Some(bytes) = text.get(at..).and_then(|rest| rest.first_chunk::<WORD>()) {
        let word = usize::from_ne_bytes(*bytes);
        // A byte's top bit ends up set if it was set (not ASCII), or if the byte is 0x7f (the
        // addition carries into it), or below 0x20 (the subtraction borrows from it).
        let below = word.wrapping_sub(ONES * 0x20) & !word;
        if (word | word.wrapping_add(ONES) | below) & HIGH != 0 {
            break;
        }
        at += WORD;
    }
    at + text[at..].iter().take_while(|byte| (0x20..0x7f).contains(*byte)).count()
}

/// Puts `STAMP NAME: ` into `prefix`.
pub fn set_prefix(prefix: &mut Vec<u8>, stamp: &[u8], name: &str) {
    prefix.clear();
    prefix.extend_from_slice(stamp);
    prefix.push(b' ');
    prefix.extend_from_slice(name.as_bytes());
    prefix.extend_from_slice(b": ");
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Bounds = Bounds { out_len: usize::MAX, stop_at: usize::MAX };

    fn formatted(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut line, mut out) = (Line::START, Vec::new());
        for piece in pieces {
            assert_eq!(line.feed(b"T n: ", piece, &mut out, FREE), piece.len());
            let tail = &out[out.len().saturating_sub(Line::TAIL)..];
            let derived = Line::after(tail);
            assert_eq!((derived.column, derived.owed), (line.column, line.owed), "{pieces:?}");
        }
        out
    }

    fn text(pieces: &[&[u8]]) -> String {
        String::from_utf8_lossy(&formatted(pieces)).into_owned()
    }

    #[test]
    fn lines_get_one_prefix_wherever_chunks_are_cut() {
        assert_eq!(text(&[b"one\ntwo\n\nth", b"ree\n"]), "T n: one\nT n: two\nT n: \nT n: three\n");
        assert_eq!(text(&[b"", b"a", b"", b"b", b"\n", b""]), "T n: ab\n");
    }

    #[test]
    fn control_characters_cannot_reach_a_terminal() {
        assert_eq!(text(&[b"a\tb\x1b[2J\r\0\x7f\n"]), "T n: a\tb\\x1b[2J\\x0d\\x00\\x7f\n");
        // C1, raw and as UTF-8; the lead byte alone is harmless.
        assert_eq!(formatted(&[b"\x9b1m"]), b"T n: \\x9b1m");
        assert_eq!(formatted(&[b"\xc2\x9b1m"]), b"T n: \xc2\\x9b1m");
        assert_eq!(formatted(&[b"\xe0\x82\x9b"]), b"T n: \xe0\\x82\\x9b");
    }

    #[test]
    fn utf8_passes_also_when_cut_and_the_rest_is_escaped() {
        for sample in ["\u{e4}\u{20ac}\u{1f600}\u{a0}", "\u{7ff}\u{800}\u{ffff}\u{10ffff}"] {
            for cut in 0..=sample.len() {
                let (head, tail) = sample.as_bytes().split_at(cut);
                assert_eq!(text(&[head, tail]), format!("T n: {sample}"));
            }
        }
        assert_eq!(formatted(&[b"\xff\xc0\x80\xf5x\xa0"]), b"T n: \\xff\\xc0\\x80\\xf5x\\xa0");
        assert_eq!(formatted(&[b"\xe2\x82", b"x\xac"]), b"T n: \xe2\x82x\\xac");
        assert_eq!(formatted(&[b"\xed\xa0\x80"]), b"T n: \xed\\xa0\\x80");
    }

    #[test]
    fn every_byte_value_comes_out_printable_at_every_alignment() {
        for byte in 0..=u8::MAX {
            for at in 0..24 {
                let mut input = vec![b'x'; 24];
                input[at] = byte;
                for out in formatted(&[&input]) {
                    let ok = matches!(out, b'\t' | b'\n' | 0x20..=0x7e | 0xc2..=0xf4);
                    assert!(ok, "{byte:#x} at {at} gave {out:#x}");
                }
            }
        }
    }

    #[test]
    fn long_lines_are_cut_visibly_and_no_line_exceeds_the_limit() {
        for unit in ["x", "\u{20ac}", "\x01"] {
            let long = unit.repeat(30_000);
            let out = formatted(&[long.as_bytes(), b"\n"]);
            let lines: Vec<&[u8]> = out.split_inclusive(|byte| *byte == b'\n').collect();
            assert!(lines.len() > 3);
            let mut joined = String::new();
            for (index, line) in lines.iter().enumerate() {
                assert!(line.len() <= MAX_LINE, "{}", line.len());
                let line = std::str::from_utf8(line).unwrap();
                let rest = line.strip_prefix("T n: ").unwrap().strip_suffix('\n').unwrap();
                let rest = if index > 0 { rest.strip_prefix("[...]").unwrap() } else { rest };
                let last = index + 1 == lines.len();
                joined += if last { rest } else { rest.strip_suffix("[...]").unwrap() };
            }
            assert_eq!(joined, long.replace('\x01', "\\x01"));
        }
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_not_cut() {
        let out = formatted(&[&vec![b'x'; CUT_AT - 5], b"\n"]);
        assert_eq!(out.len(), CUT_AT + 1);
        let out = formatted(&[&vec![b'x'; CUT_AT - 4], b"\n"]);
        assert!(out.ends_with(b"x[...]\nT n: [...]x\n"));
    }

    #[test]
    fn stops_at_its_bounds_and_goes_on() {
        let input = b"aaaa\nbbbb\ncccc\n".repeat(50);
        let whole = formatted(&[&input]);
        for out_len in [40, 64, 100, 1000] {
            let (mut line, mut all, mut used) = (Line::START, Vec::new(), 0);
            while used < input.len() {
                let mut out = Vec::new();
                let bounds = Bounds { out_len, stop_at: 70 };
                let step = line.feed(b"T n: ", &input[used..], &mut out, bounds);
                assert!(step > 0 && out.len() <= out_len);
                assert!(out.len() < 70 + 10 || line.at_start());
                used += step;
                all.extend(out);
            }
            assert_eq!(all, whole);
        }
    }
}
