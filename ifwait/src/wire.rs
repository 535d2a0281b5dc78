//! The framing of netlink: messages in a datagram, attributes in a message, and the requests that
//! we send. Input: bytes from a socket. Whatever they hold, nothing here panics, reads beyond them
//! or loops for ever: what does not fit its announced length ends the iteration.
//! Kernel: Documentation/userspace-api/netlink/intro.rst, netlink(7), rtnetlink(7).

/// Messages and attributes begin at multiples of this (NLMSG_ALIGNTO, NLA_ALIGNTO).
const ALIGN: usize = 4;
/// Bytes of `struct nlmsghdr`.
pub const HEADER: usize = 16;
/// Bytes of `struct nlattr`.
const ATTRIBUTE_HEADER: usize = 4;
/// The low bits of an attribute's type; the rest is NLA_F_NESTED and NLA_F_NET_BYTEORDER.
const TYPE_MASK: u16 = 0x3fff;

/// NLMSG_ERROR: an errno, negative, or 0.
pub const ERROR: u16 = 2;
/// NLMSG_DONE: a dump is complete.
pub const DONE: u16 = 3;
/// RTM_NEWLINK.
pub const NEW_LINK: u16 = 16;
/// RTM_DELLINK.
pub const DEL_LINK: u16 = 17;
/// RTM_GETLINK.
pub const GET_LINK: u16 = 18;
/// RTM_NEWADDR.
pub const NEW_ADDRESS: u16 = 20;
/// RTM_DELADDR.
pub const DEL_ADDRESS: u16 = 21;
/// RTM_GETADDR.
pub const GET_ADDRESS: u16 = 22;
/// RTM_NEWROUTE.
pub const NEW_ROUTE: u16 = 24;
/// RTM_DELROUTE.
pub const DEL_ROUTE: u16 = 25;
/// RTM_GETROUTE.
pub const GET_ROUTE: u16 = 26;

/// NLM_F_REQUEST.
const REQUEST: u16 = 0x1;
/// NLM_F_DUMP, which is NLM_F_ROOT and NLM_F_MATCH.
const DUMP: u16 = 0x300;
/// NLM_F_DUMP_INTR: something changed during the dump, so it may be inconsistent.
pub const DUMP_INTERRUPTED: u16 = 0x10;

/// IFLA_EXT_MASK in a request for links.
const EXTENSION_MASK: u16 = 29;
/// RTEXT_FILTER_SKIP_STATS: statistics would be a third of every answer.
const SKIP_STATISTICS: u32 = 1 << 3;

/// One netlink message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// What it says, RTM_… or NLMSG_….
    pub kind: u16,
    /// NLM_F_….
    pub flags: u16,
    /// The number of the request that it answers; 0 in events.
    pub sequence: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

/// The messages of one datagram.
#[derive(Clone, Debug)]
pub struct Messages<'a>(&'a [u8]);

/// Splits a datagram.
#[must_use]
pub fn messages(datagram: &[u8]) -> Messages<'_> {
    Messages(datagram)
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = usize::try_from(u32_at(self.0, 0)?).ok()?;
        let message = self.0.get(..length)?;
        let found = Message {
            kind: u16_at(message, 4)?,
            flags: u16_at(message, 6)?,
            sequence: u32_at(message, 8)?,
            body: message.get(HEADER..)?,
        };
        self.0 = self.0.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
        Some(found)
    }
}

/// The attributes of a message, or those nested in one.
#[derive(Clone, Debug)]
pub struct Attributes<'a>(&'a [u8]);

/// Splits attributes.
#[must_use]
pub fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes(bytes)
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & TYPE_MASK;
        let value = self.0.get(ATTRIBUTE_HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// The byte at `at`.
#[must_use]
pub fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// Two bytes in the machine's order.
#[must_use]
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Four bytes in the machine's order.
#[must_use]
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Bytes of the longest request: the header, `struct ifinfomsg`, one attribute.
const REQUEST_LONGEST: usize = HEADER + 16 + 8;

/// A request for everything of a kind, of all address families. What is not said is zero, so that
/// strict checking of requests by the kernel would find nothing to refuse.
#[derive(Clone, Copy, Debug)]
pub struct DumpRequest {
    bytes: [u8; REQUEST_LONGEST],
    length: usize,
}

impl DumpRequest {
    /// `kind` is [`GET_LINK`], [`GET_ADDRESS`] or [`GET_ROUTE`].
    #[must_use]
    pub fn new(kind: u16, sequence: u32) -> Self {
        let mut request = Self { bytes: [0; REQUEST_LONGEST], length: 0 };
        // The bodies: struct ifinfomsg, struct ifaddrmsg, struct rtmsg.
        let body = match kind {
            GET_LINK => 16 + 8,
            GET_ADDRESS => 8,
            _ => 12,
        };
        let length: u8 = 16 + body;
        request.put(&u32::from(length).to_ne_bytes());
        request.put(&kind.to_ne_bytes());
        request.put(&(REQUEST | DUMP).to_ne_bytes());
        request.put(&sequence.to_ne_bytes());
        if kind == GET_LINK {
            request.length = HEADER + 16;
            request.put(&8_u16.to_ne_bytes());
            request.put(&EXTENSION_MASK.to_ne_bytes());
            request.put(&SKIP_STATISTICS.to_ne_bytes());
        }
        request.length = usize::from(length);
        request
    }

    fn put(&mut self, bytes: &[u8]) {
        for (to, from) in self.bytes.iter_mut().skip(self.length).zip(bytes) {
            *to = *from;
        }
        self.length += bytes.len();
    }

    /// What to send.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(NEW_LINK.to_ne_bytes());
        bytes.extend(DUMP_INTERRUPTED.to_ne_bytes());
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn messages_are_split_and_aligned() {
        let mut bytes = message(18, &[1, 2, 0xee, 0xee]);
        bytes.extend(message(17, &[3]));
        let found: Vec<_> = messages(&bytes).map(|m| (m.kind, m.sequence, m.body)).collect();
        assert_eq!(found, [(NEW_LINK, 7, &[1, 2][..]), (NEW_LINK, 7, &[3][..])]);
    }

    #[test]
    fn wrong_lengths_end_the_iteration() {
        for length in [0, 1, 15, 21, u32::MAX] {
            assert_eq!(messages(&message(length, &[0; 4])).count(), 0, "{length}");
        }
        assert_eq!(messages(&message(16, &[])).count(), 1);
        assert_eq!(messages(&[]).count(), 0);
        for length in [0_u16, 3, 9, u16::MAX] {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend([1, 0, 9, 9, 9, 9]);
            assert_eq!(attributes(&bytes).count(), 0, "{length}");
        }
    }

    #[test]
    fn the_flags_of_a_type_are_no_part_of_it() {
        let mut bytes = 5_u16.to_ne_bytes().to_vec();
        bytes.extend((0x8000_u16 | 52).to_ne_bytes());
        bytes.extend([9, 0, 0, 0]);
        assert_eq!(attributes(&bytes).collect::<Vec<_>>(), [(52, &[9][..])]);
    }

    #[test]
    fn requests_are_messages() {
        for (kind, length) in [(GET_LINK, 40), (GET_ADDRESS, 24), (GET_ROUTE, 28)] {
            let request = DumpRequest::new(kind, 9);
            assert_eq!(request.bytes().len(), length);
            let found: Vec<_> = messages(request.bytes()).collect();
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].kind, found[0].flags, found[0].sequence), (kind, 0x301, 9));
        }
        let links = DumpRequest::new(GET_LINK, 1);
        let mask = attributes(&links.bytes()[HEADER + 16..]).collect::<Vec<_>>();
        assert_eq!(mask, [(29, &8_u32.to_ne_bytes()[..])]);
    }
}
