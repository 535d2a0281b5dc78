//! What the kernel says about network interfaces, as facts that can be waited for: links, their
//! addresses, their default routes. Input: rtnetlink messages. The pure half ([`wire`], [`fact`],
//! [`table`], [`predicate`]) decides; [`monitor`] holds the sockets and decides only when to read
//! everything anew; [`applet`] is the command `ifwait`. Nothing here changes an interface, trusts
//! a length it was told, or blocks, except the applet in its own poll loop.
#![forbid(unsafe_code)]

pub mod applet;
pub mod args;
pub mod fact;
pub mod monitor;
pub mod predicate;
mod socket;
pub mod table;
pub mod wire;

pub use fact::{Fact, IfIndex, OperState};
pub use monitor::{Monitor, Turn, Watch};
pub use predicate::{Family, Predicate};
pub use table::{State, Table};
