//! What can be waited for on an interface, and its names. Input: words of a command line or of a
//! database. It must never know a socket or a message.

use std::fmt;
use std::str::FromStr;

/// Which internet protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Family {
    /// Either will do.
    Any,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// A fact about one interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Predicate {
    /// It exists under this name.
    Present,
    /// The administrator switched it on: IFF_UP.
    Up,
    /// It can carry traffic: it is up, has a carrier, and is operationally up or of a driver that
    /// does not say (Documentation/networking/operstates.rst).
    Running,
    /// It has an address that can be used: not link-local, duplicate address detection is over and
    /// found none.
    Address(Family),
    /// A default route leaves through it, in any routing table.
    Route(Family),
}

impl Predicate {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Present,
        Self::Up,
        Self::Running,
        Self::Address(Family::Any),
        Self::Address(Family::V4),
        Self::Address(Family::V6),
        Self::Route(Family::Any),
        Self::Route(Family::V4),
        Self::Route(Family::V6),
    ];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Up => "up",
            Self::Running => "running",
            Self::Address(Family::Any) => "address",
            Self::Address(Family::V4) => "address4",
            Self::Address(Family::V6) => "address6",
            Self::Route(Family::Any) => "route",
            Self::Route(Family::V4) => "route4",
            Self::Route(Family::V6) => "route6",
        }
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// The word is no predicate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownPredicate;

impl FromStr for Predicate {
    type Err = UnknownPredicate;

    fn from_str(word: &str) -> Result<Self, UnknownPredicate> {
        Self::ALL.into_iter().find(|known| known.name() == word).ok_or(UnknownPredicate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_predicates_are_one_to_one() {
        for predicate in Predicate::ALL {
            assert_eq!(predicate.to_string().parse(), Ok(predicate));
        }
        for word in ["", "Up", "address5", "up ", "routes"] {
            assert_eq!(word.parse::<Predicate>(), Err(UnknownPredicate), "{word:?}");
        }
    }
}
