//! From rtnetlink messages to typed facts. Input: messages as the kernel sends them, headers in
//! the machine's byte order. A message that is too short, of another protocol family or of no
//! interest is no fact; nothing here panics or keeps state.

use crate::predicate::Family;
use crate::wire::{self, Message, attributes, u8_at, u16_at, u32_at};
use std::fmt;

// Address families, the same on every architecture (include/linux/socket.h).
const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

// struct ifinfomsg, struct ifaddrmsg, struct rtmsg, struct rtnexthop: their sizes.
const IFINFOMSG: usize = 16;
const IFADDRMSG: usize = 8;
const RTMSG: usize = 12;
const RTNEXTHOP: usize = 8;

const IFLA_IFNAME: u16 = 3;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
const RT_SCOPE_LINK: u8 = 253;

const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;
const RTN_UNICAST: u8 = 1;
const RTM_F_CLONED: u32 = 0x200;
const RTNH_F_DEAD: u8 = 1;

/// The kernel's number of an interface; it stays when the name changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct IfIndex(pub u32);

/// The name of an interface: bytes, as the kernel has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name(pub Vec<u8>);

impl Name {
    /// Without the terminating zero.
    fn from_attribute(value: &[u8]) -> Self {
        let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
        Self(value.get(..end).unwrap_or_default().to_vec())
    }
}

/// `ifi_flags`: IFF_UP and its like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkFlags(pub u32);

impl LinkFlags {
    /// IFF_UP: switched on.
    pub const UP: Self = Self(1);
    /// IFF_RUNNING: operationally up, or unknown.
    pub const RUNNING: Self = Self(1 << 6);
    /// IFF_LOWER_UP: there is a carrier.
    pub const LOWER_UP: Self = Self(1 << 16);

    /// Whether all of `others` are set.
    #[must_use]
    pub fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

/// The operational state of RFC 2863 (Documentation/networking/operstates.rst).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OperState(pub u8);

impl OperState {
    /// The driver does not say: to be taken for up.
    pub const UNKNOWN: Self = Self(0);
    /// Can carry traffic.
    pub const UP: Self = Self(6);
}

impl fmt::Display for OperState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The words of /sys/class/net/*/operstate (sysfs-class-net).
        out.write_str(match self.0 {
            0 => "unknown",
            1 => "notpresent",
            2 => "down",
            3 => "lowerlayerdown",
            4 => "testing",
            5 => "dormant",
            6 => "up",
            _ => "new",
        })
    }
}

/// An interface, as one message tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its number.
    pub index: IfIndex,
    /// Its name.
    pub name: Name,
    /// IFF_….
    pub flags: LinkFlags,
    /// What messages of the wireless extensions leave out.
    pub details: Option<Details>,
}

/// The part of a link that only a full message has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Details {
    /// The operational state.
    pub operstate: OperState,
    /// Alternative names.
    pub altnames: Vec<Name>,
}

/// An address of an interface: what tells it from its others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Address {
    /// Whose.
    pub index: IfIndex,
    /// Never [`Family::Any`].
    pub family: Family,
    /// In network byte order; IPv4 fills the first four bytes.
    pub bytes: [u8; 16],
    /// The same address may be there with two prefixes.
    pub prefix: u8,
}

/// What one message says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// An interface is there, or changed.
    Link(Link),
    /// It is gone.
    LinkGone(IfIndex),
    /// It has this address, and can use it.
    Address(Address),
    /// It does not have this address, or cannot use it now.
    AddressGone(Address),
    /// A default route exists; through these interfaces, as far as they are alive.
    DefaultRoute(Family, Vec<IfIndex>),
    /// A default route is gone.
    DefaultRouteGone(Family),
}

/// What `message` says, if it is of interest.
#[must_use]
pub fn decode(message: &Message<'_>) -> Option<Fact> {
    match message.kind {
        wire::NEW_LINK | wire::DEL_LINK => link(message),
        wire::NEW_ADDRESS | wire::DEL_ADDRESS => address(message),
        wire::NEW_ROUTE | wire::DEL_ROUTE => route(message),
        _ => None,
    }
}

fn link(message: &Message<'_>) -> Option<Fact> {
    let body = message.body;
    // A bridge sends RTM_DELLINK of AF_BRIDGE when a port leaves it; the port itself remains.
    // IPv6 sends its own view of a link too. Only AF_UNSPEC is about the link.
    if u8_at(body, 0)? != AF_UNSPEC {
        return None;
    }
    let index = IfIndex(u32_at(body, 4)?);
    let flags = LinkFlags(u32_at(body, 8)?);
    let rest = body.get(IFINFOMSG..)?;
    if message.kind == wire::DEL_LINK {
        return Some(Fact::LinkGone(index));
    }
    let (mut name, mut operstate, mut altnames) = (None, None, Vec::new());
    for (kind, value) in attributes(rest) {
        match kind {
            IFLA_IFNAME => name = Some(Name::from_attribute(value)),
            IFLA_OPERSTATE => operstate = u8_at(value, 0).map(OperState),
            IFLA_PROP_LIST => {
                for (kind, value) in attributes(value) {
                    if kind == IFLA_ALT_IFNAME {
                        altnames.push(Name::from_attribute(value));
                    }
                }
            }
            _ => {}
        }
    }
    let details = operstate.map(|operstate| Details { operstate, altnames });
    Some(Fact::Link(Link { index, name: name?, flags, details }))
}

/// Bytes of an address.
fn internet(family: u8) -> Option<(Family, usize)> {
    match family {
        AF_INET => Some((Family::V4, 4)),
        AF_INET6 => Some((Family::V6, 16)),
        _ => None,
    }
}

fn address(message: &Message<'_>) -> Option<Fact> {
    let body = message.body;
    let (family, length) = internet(u8_at(body, 0)?)?;
    let mut flags = u32::from(u8_at(body, 2)?);
    let (mut local, mut peer) = (None, None);
    for (kind, value) in attributes(body.get(IFADDRMSG..)?) {
        match kind {
            IFA_LOCAL => local = Some(value),
            IFA_ADDRESS => peer = Some(value),
            IFA_FLAGS => flags = u32_at(value, 0)?,
            _ => {}
        }
    }
    // On a point-to-point link IFA_ADDRESS is the other end's (include/uapi/linux/if_addr.h).
    let value = local.or(peer)?.get(..length)?;
    let mut bytes = [0; 16];
    bytes.get_mut(..length)?.copy_from_slice(value);
    let index = IfIndex(u32_at(body, 4)?);
    let address = Address { index, family, bytes, prefix: u8_at(body, 1)? };
    let usable = flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) == 0
        // A link-local address comes with the link: it says nothing about a network being there.
        && u8_at(body, 3)? != RT_SCOPE_LINK;
    Some(if message.kind == wire::NEW_ADDRESS && usable {
        Fact::Address(address)
    } else {
        Fact::AddressGone(address)
    })
}

fn route(message: &Message<'_>) -> Option<Fact> {
    let body = message.body;
    let family = internet(u8_at(body, 0)?)?.0;
    let default = u8_at(body, 1)? == 0 && u8_at(body, 7)? == RTN_UNICAST;
    let flags = u32_at(body, 8)?;
    if !default || flags & RTM_F_CLONED != 0 {
        return None;
    }
    if message.kind == wire::DEL_ROUTE {
        return Some(Fact::DefaultRouteGone(family));
    }
    let dead = flags & u32::from(RTNH_F_DEAD) != 0;
    let mut through = Vec::new();
    for (kind, value) in attributes(body.get(RTMSG..)?) {
        match kind {
            RTA_OIF if !dead => through.push(IfIndex(u32_at(value, 0)?)),
            RTA_MULTIPATH => next_hops(value, &mut through),
            _ => {}
        }
    }
    Some(Fact::DefaultRoute(family, through))
}

/// The interfaces of the hops that are alive; a hop is a `struct rtnexthop` and attributes.
fn next_hops(mut bytes: &[u8], through: &mut Vec<IfIndex>) {
    while let (Some(length), Some(flags), Some(index)) =
        (u16_at(bytes, 0), u8_at(bytes, 2), u32_at(bytes, 4))
    {
        let length = usize::from(length);
        if length < RTNEXTHOP || length > bytes.len() {
            return;
        }
        if flags & RTNH_F_DEAD == 0 {
            through.push(IfIndex(index));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}
