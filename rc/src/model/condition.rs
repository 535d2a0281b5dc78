//! What may have to be so for a service to be up.

use supervisor::coder::Coded;

/// Something about the world that must be so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    /// What.
    pub fact: Fact,
    /// It must not be so.
    pub negated: bool,
}

/// A fact about the world.
#[derive(Clone, PartialEq, Eq, Debug, Coded)]
// In the niche of a vector its tag would be a constant of 64 bits wherever it is made or looked at.
#[repr(u8)]
pub enum Fact {
    /// A network interface is in this state.
    Link {
        /// Its name.
        name: String,
        /// The state.
        is: LinkIs,
    },
    /// The kernel has this device.
    Device {
        /// Its subsystem, such as `net` or `tty`.
        subsystem: String,
        /// Its kernel name; one `*` stands for any characters.
        name: String,
        /// Properties of its uevent that must have these values.
        properties: Vec<(String, String)>,
    },
    /// There is something at this path.
    Path(String),
    /// An output that this service reads has a value; this one, if one is given.
    Output {
        /// The position among [`Service::reads`].
        read: u16,
        /// The value.
        equals: Option<String>,
    },
}

/// States of a network interface, as `ifwait` knows them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Coded)]
pub enum LinkIs {
    /// It exists.
    Present,
    /// It is switched on.
    Up,
    /// It can carry traffic.
    Running,
    /// It has an address.
    Address,
    /// It has an IPv4 address.
    Address4,
    /// It has an IPv6 address.
    Address6,
    /// A default route leaves through it.
    Route,
    /// An IPv4 default route leaves through it.
    Route4,
    /// An IPv6 default route leaves through it.
    Route6,
}

impl LinkIs {
    /// All of them, with their names.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Present, "present"),
        (Self::Up, "up"),
        (Self::Running, "running"),
        (Self::Address, "address"),
        (Self::Address4, "address4"),
        (Self::Address6, "address6"),
        (Self::Route, "route"),
        (Self::Route4, "route4"),
        (Self::Route6, "route6"),
    ];
}
