//! What the kernel says about network interfaces and devices, as facts that can be waited for: links,
//! their addresses, their default routes; and which devices there are. Input: rtnetlink messages, kernel
//! uevents, sysfs. The pure half ([`wire`], [`fact`], [`table`], [`predicate`], [`device`]) decides;
//! [`monitor`] and [`uevent`] hold the sockets and decide only when to read everything anew; [`applet`] is
//! the command `ifwait`. Nothing here changes an interface, trusts
//! a length it was told, or blocks, except the applet in its own poll loop.
#![forbid(unsafe_code)]

pub mod applet;
pub mod args;
pub mod device;
pub mod fact;
pub mod monitor;
pub mod predicate;
mod socket;
pub mod table;
pub mod uevent;
pub mod wire;

pub use device::{Devices, Pattern};
pub use fact::{Fact, IfIndex, OperState};
pub use monitor::{Monitor, Turn, Watch};
pub use predicate::{Family, Predicate};
pub use table::{State, Table};
pub use uevent::Uevents;
