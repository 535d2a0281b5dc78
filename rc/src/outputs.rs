//! The types of output values: what a service may publish under a key.

use core::{fmt, net};
use supervisor::{cut, decimal};

/// The longest value, in bytes. All values of all services are held in PID 1's memory.
pub const MAX_VALUE: usize = 4096;

/// The type of one element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scalar {
    /// Any single line.
    String,
    /// A decimal integer of 64 bits.
    Int,
    /// `true` or `false`.
    Bool,
    /// An interface name: 1 to 15 bytes without slash or white space (IFNAMSIZ, netdevice(7)).
    Ifname,
    /// An address of either family.
    Ip,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// An address with a prefix length.
    Cidr,
    /// A hardware address: six hexadecimal bytes with colons.
    Mac,
    /// An absolute path.
    Path,
    /// A single line that only root and the service's readers may see.
    Secret,
}

/// The type of an output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutputType {
    /// One value.
    One(Scalar),
    /// Any number of values, one a line.
    List(Scalar),
}

impl Scalar {
    /// Every type with its name in definitions.
    pub const ALL: &'static [(Scalar, &'static str)] = &[
        (Scalar::String, "string"),
        (Scalar::Int, "int"),
        (Scalar::Bool, "bool"),
        (Scalar::Ifname, "ifname"),
        (Scalar::Ip, "ip"),
        (Scalar::Ipv4, "ipv4"),
        (Scalar::Ipv6, "ipv6"),
        (Scalar::Cidr, "cidr"),
        (Scalar::Mac, "mac"),
        (Scalar::Path, "path"),
        (Scalar::Secret, "secret"),
    ];

    /// Its name in definitions.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(scalar, _)| *scalar == self).map_or("", |(_, name)| name)
    }

    /// Whether `text` is a value of this type.
    #[must_use]
    pub fn accepts(self, text: &str) -> bool {
        if text.contains(['\n', '\0']) {
            return false;
        }
        match self {
            Self::String | Self::Secret => true,
            Self::Int => decimal::signed(text).is_some(),
            Self::Bool => matches!(text, "true" | "false"),
            Self::Ifname => is_ifname(text),
            Self::Ip => text.parse::<net::IpAddr>().is_ok(),
            Self::Ipv4 => text.parse::<net::Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<net::Ipv6Addr>().is_ok(),
            Self::Cidr => is_cidr(text),
            Self::Mac => is_mac(text),
            Self::Path => text.starts_with('/'),
        }
    }
}

impl OutputType {
    /// The type written as `text` in a definition: a scalar's name or `list<NAME>`.
    #[must_use]
    pub fn from_name(text: &str) -> Option<Self> {
        let scalar = |name: &str| Scalar::ALL.iter().find(|(_, n)| *n == name).map(|(s, _)| *s);
        match text.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>')) {
            Some(inner) => scalar(inner).map(Self::List),
            None => scalar(text).map(Self::One),
        }
    }

    /// The type of its elements.
    #[must_use]
    pub const fn scalar(self) -> Scalar {
        match self {
            Self::One(scalar) | Self::List(scalar) => scalar,
        }
    }

    /// Whether its values must be kept from everybody but root and the readers.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self.scalar(), Scalar::Secret)
    }

    /// Whether `text` (lists: one element a line) is a value of this type and not too long.
    #[must_use]
    pub fn accepts(self, text: &str) -> bool {
        text.len() <= MAX_VALUE
            && match self {
                Self::One(scalar) => scalar.accepts(text),
                Self::List(scalar) => crate::text::elements(text).all(|item| scalar.accepts(item)),
            }
    }
}

impl fmt::Display for OutputType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(scalar) => f.write_str(scalar.name()),
            Self::List(scalar) => write!(f, "list<{}>", scalar.name()),
        }
    }
}

/// Whether `name` may name a service or an output: it becomes a file name and a reference, so it
/// starts with a letter or digit and holds only letters, digits, `_`, `-` and `@`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    is_name_bytes(name.as_bytes())
}

/// The same of bytes that need not be UTF-8; a name always is.
pub(crate) fn is_name_bytes(name: &[u8]) -> bool {
    name.len() <= crate::model::MAX_NAME
        && name.first().is_some_and(u8::is_ascii_alphanumeric)
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'@'))
}

fn is_ifname(text: &str) -> bool {
    (1..16).contains(&text.len())
        && !matches!(text, "." | "..")
        && !text.bytes().any(|b| b == b'/' || b == b':' || b.is_ascii_whitespace())
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = cut::first(text, b'/') else { return false };
    let max = match address.parse::<net::IpAddr>() {
        Ok(net::IpAddr::V4(_)) => 32,
        Ok(net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    decimal::number::<u8>(length).is_some_and(|length| length <= max)
}

fn is_mac(text: &str) -> bool {
    let mut groups = 0;
    cut::parts(text, b':').all(|group| {
        groups += 1;
        group.len() == 2 && group.bytes().all(|b| b.is_ascii_hexdigit())
    }) && groups == 6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_names_that_round_trip() {
        for &(scalar, name) in Scalar::ALL {
            assert_eq!(OutputType::from_name(name), Some(OutputType::One(scalar)));
            let list = OutputType::List(scalar);
            assert_eq!(OutputType::from_name(&list.to_string()), Some(list));
        }
        assert_eq!(OutputType::from_name("list<list<ip>>"), None);
    }

    #[test]
    fn values_are_checked() {
        let yes = [
            ("ipv4", "192.0.2.1"),
            ("ip", "2001:db8::1"),
            ("cidr", "10.0.0.0/8"),
            ("mac", "52:54:00:12:34:56"),
            ("ifname", "eth0.100"),
            ("list<ip>", "192.0.2.1\n2001:db8::1\n"),
            ("list<ip>", ""),
            ("int", "-5"),
        ];
        for (kind, value) in yes {
            assert!(OutputType::from_name(kind).unwrap().accepts(value), "{kind} {value}");
        }
        let no = [
            ("ipv4", "192.0.2"),
            ("cidr", "10.0.0.0/33"),
            ("cidr", "10.0.0.0"),
            ("mac", "52:54:00:12:34"),
            ("ifname", "a-name-that-is-too-long"),
            ("ifname", "../x"),
            ("string", "two\nlines"),
            ("path", "relative"),
            ("list<ip>", "192.0.2.1\nx"),
        ];
        for (kind, value) in no {
            assert!(!OutputType::from_name(kind).unwrap().accepts(value), "{kind} {value}");
        }
        assert!(!OutputType::One(Scalar::String).accepts(&"x".repeat(MAX_VALUE + 1)));
    }

    #[test]
    fn names_become_file_names() {
        for good in ["wan", "link-wan", "getty@tty1", "0a"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".wan", "a/b", "-x", "a.b", "ä", &"x".repeat(129)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
