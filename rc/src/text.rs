//! Texts with references to outputs, and their expansion with the values that a service is bound to.

use supervisor::coder::Coded;
use supervisor::cut;

/// The longest expanded text, in bytes: arguments beyond the kernel's limit of 128 KiB
/// (MAX_ARG_STRLEN, execve(2)) could not be passed on anyway.
pub const MAX_EXPANDED: usize = 128 * 1024;

/// A text: its pieces in order.
pub type Text = Vec<Piece>;

/// A part of a text. `read` is a position in [`crate::model::Service::reads`].
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub enum Piece {
    /// Itself.
    Literal(String),
    /// The value of an output, or one line of it if it is a list.
    Value {
        /// Which output.
        read: u16,
        /// The element of a list, from 0; `None`: the whole value.
        index: Option<u16>,
        /// Used when the output or the element does not exist.
        default: Option<String>,
    },
    /// The body once for every element of a list output.
    Each {
        /// Which output.
        read: u16,
        /// What is repeated; [`EachPiece::Item`] in it is the element.
        body: Vec<EachPiece>,
    },
}

/// A part of the body of [`Piece::Each`]. Loops do not nest, so expansion does not recurse.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
pub enum EachPiece {
    /// Itself.
    Literal(String),
    /// The element.
    Item,
    /// The value of another output, or one line of it.
    Value {
        /// Which output.
        read: u16,
        /// The element of a list, from 0; `None`: the whole value.
        index: Option<u16>,
        /// Used when the output or the element does not exist.
        default: Option<String>,
    },
}

/// Why a text could not be expanded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExpandError {
    /// The output at this position of `reads` has no value, or no such element, and no default.
    Missing {
        /// The position in `reads`.
        read: u16,
    },
    /// The result would be longer than [`MAX_EXPANDED`].
    TooLong,
}

/// Expands `text`; `value` gives the current value of a read, lists as one element a line.
///
/// # Errors
/// If a value is missing without a default, or the result is too long.
pub fn expand<'v>(
    text: &[Piece],
    value: &dyn Fn(u16) -> Option<&'v str>,
) -> Result<String, ExpandError> {
    let mut out = String::new();
    for piece in text {
        match piece {
            Piece::Literal(literal) => push(&mut out, literal)?,
            Piece::Value { read, index, default } => {
                push(&mut out, pick(*read, *index, default.as_deref(), value)?)?;
            }
            Piece::Each { read, body } => {
                let list = value(*read).ok_or(ExpandError::Missing { read: *read })?;
                for item in elements(list) {
                    expand_body(&mut out, body, item, value)?;
                }
            }
        }
    }
    Ok(out)
}

/// The elements of a list value: its lines.
pub fn elements(list: &str) -> impl Iterator<Item = &str> {
    cut::lines(list).filter(|line| !line.is_empty())
}

fn expand_body<'v>(
    out: &mut String,
    body: &[EachPiece],
    item: &str,
    value: &dyn Fn(u16) -> Option<&'v str>,
) -> Result<(), ExpandError> {
    for piece in body {
        match piece {
            EachPiece::Literal(literal) => push(out, literal)?,
            EachPiece::Item => push(out, item)?,
            EachPiece::Value { read, index, default } => {
                push(out, pick(*read, *index, default.as_deref(), value)?)?;
            }
        }
    }
    Ok(())
}

fn pick<'a, 'v: 'a>(
    read: u16,
    index: Option<u16>,
    default: Option<&'a str>,
    value: &dyn Fn(u16) -> Option<&'v str>,
) -> Result<&'a str, ExpandError> {
    let whole = value(read);
    let found = match index {
        None => whole,
        Some(index) => whole.and_then(|list| elements(list).nth(usize::from(index))),
    };
    found.or(default).ok_or(ExpandError::Missing { read })
}

fn push(out: &mut String, part: &str) -> Result<(), ExpandError> {
    if out.len() + part.len() > MAX_EXPANDED {
        return Err(ExpandError::TooLong);
    }
    out.push_str(part);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(read: u16) -> Option<&'static str> {
        match read {
            0 => Some("10.0.0.1"),
            1 => Some("9.9.9.9\n1.1.1.1"),
            _ => None,
        }
    }

    fn whole(read: u16) -> Piece {
        Piece::Value { read, index: None, default: None }
    }

    #[test]
    fn values_lists_and_defaults() {
        let text = vec![
            Piece::Literal("via ".into()),
            whole(0),
            Piece::Literal(" ".into()),
            Piece::Value { read: 1, index: Some(1), default: None },
            Piece::Value { read: 2, index: None, default: Some(" mtu".into()) },
        ];
        assert_eq!(expand(&text, &values).as_deref(), Ok("via 10.0.0.1 1.1.1.1 mtu"));
    }

    #[test]
    fn loops_repeat_for_every_element() {
        let text = vec![Piece::Each {
            read: 1,
            body: vec![
                EachPiece::Literal("nameserver ".into()),
                EachPiece::Item,
                EachPiece::Literal("\n".into()),
            ],
        }];
        assert_eq!(
            expand(&text, &values).as_deref(),
            Ok("nameserver 9.9.9.9\nnameserver 1.1.1.1\n")
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(expand(&[whole(7)], &values), Err(ExpandError::Missing { read: 7 }));
        let third = Piece::Value { read: 1, index: Some(2), default: None };
        assert_eq!(expand(&[third], &values), Err(ExpandError::Missing { read: 1 }));
    }

    #[test]
    fn growth_is_bounded() {
        let big = "x".repeat(MAX_EXPANDED);
        let text = [Piece::Literal(big), Piece::Literal("y".into())];
        assert_eq!(expand(&text, &values), Err(ExpandError::TooLong));
    }
}
