//! What went wrong, as a text for people. It is one pointer, and none is no pointer: a result with it comes back in
//! a register, and handing it up is a comparison and a jump. With the text itself in its place, each function
//! between who fails and who tells would copy it, and that was a hundredth of the binary.

use core::ops::Deref;
use std::fmt;

/// Why something could not be done. One line, or more for somebody at a terminal; it never has Debug's form.
// A box of a string is one pointer, which is the point.
#[allow(clippy::box_collection)]
#[derive(PartialEq, Eq)]
pub struct Problem(Box<String>);

/// A [`Problem`], written as `format!` is; no text is made for it that somebody has to drop.
#[macro_export]
macro_rules! problem {
    ($($text:tt)*) => { $crate::problem::Problem::from(format_args!($($text)*)) };
}

// So that both are found where the type is.
pub use crate::problem;

impl Deref for Problem {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Problem {
    #[cold]
    #[inline(never)]
    fn from(text: String) -> Self {
        Self(Box::new(text))
    }
}

impl From<&str> for Problem {
    #[cold]
    #[inline(never)]
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<fmt::Arguments<'_>> for Problem {
    #[cold]
    #[inline(never)]
    fn from(text: fmt::Arguments<'_>) -> Self {
        fmt::format(text).into()
    }
}

impl From<Problem> for String {
    fn from(problem: Problem) -> Self {
        *problem.0
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_pointer_and_so_is_a_result() {
        assert_eq!(size_of::<Result<(), Problem>>(), size_of::<usize>());
        assert_eq!(Problem::from("no such file").to_string(), "no such file");
    }
}
