//! The copy of all lines on the console. Input: formatted text of one service after the other.
//! Best effort: what the console does not take at once is dropped. It never joins text of two
//! services into one line.

use crate::system::System;

/// What the console shows at its last line.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Last {
    /// A complete line.
    #[default]
    Complete,
    /// The beginning of a line of this log.
    Open(usize),
    /// A line that broke off because the console took no more.
    Broken,
}

/// The state of the copy.
#[derive(Default)]
pub struct Console {
    last: Last,
}

impl Console {
    /// Shows `text` of log `index`; `continued` if it goes on in the middle of a line.
    pub fn show(
        &mut self,
        sys: &mut impl System,
        index: usize,
        prefix: &[u8],
        text: &[u8],
        continued: bool,
    ) {
        let Some(last) = text.last() else { return };
        let seamless = self.last == Last::Open(index) && continued;
        if !seamless {
            if self.last != Last::Complete && sys.console(b"\n") == 0 {
                return;
            }
            self.last = Last::Complete;
            if continued && sys.console(prefix) < prefix.len() {
                self.last = Last::Broken;
                return;
            }
        }
        let shown = sys.console(text);
        self.last = match () {
            () if shown < text.len() => Last::Broken,
            () if *last == b'\n' => Last::Complete,
            () => Last::Open(index),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::World;

    #[test]
    fn lines_of_two_services_are_never_joined() {
        let (mut sys, mut console) = (World::new(&[]).boot(), Console::default());
        console.show(&mut sys, 0, b"P a: ", b"P a: one\nP a: tw", false);
        console.show(&mut sys, 1, b"P b: ", b"P b: x\n", false);
        console.show(&mut sys, 0, b"P a: ", b"o\n", true);
        console.show(&mut sys, 1, b"P b: ", b"P b: y", false);
        console.show(&mut sys, 1, b"P b: ", b"z\n", true);
        let want = "P a: one\nP a: tw\nP b: x\nP a: o\nP b: yz\n";
        assert_eq!(sys.world().console_text(), want);
    }

    #[test]
    fn a_console_that_takes_nothing_is_no_obstacle() {
        let (mut sys, mut console) = (World::new(&[]).boot(), Console::default());
        sys.world().console_room = 8;
        console.show(&mut sys, 0, b"P a: ", b"P a: one\n", false);
        console.show(&mut sys, 0, b"P a: ", b"P a: two\n", false);
        sys.world().console_room = usize::MAX;
        console.show(&mut sys, 0, b"P a: ", b"P a: three\n", false);
        assert_eq!(sys.world().console_text(), "P a: one\nP a: three\n");
    }
}
