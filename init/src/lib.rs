//! The machine: the applet table, PID 1, the event loop, and the `svc` client. One binary with many
//! applets; this library is that binary without its entry point, so that it can be tested.
//!
//! It is the shell around the pure engines of `rc` and `supervisor`: it makes system calls and decides
//! nothing about services.

#![deny(unsafe_code)]

pub mod applet;
mod clock;
mod exit;
mod file;
mod handover;
pub mod inherit;
mod machine;
mod manager;
pub mod memory;
mod notify;
mod output;
mod reboot;
mod root;
mod supervise;
mod svc;

#[cfg(feature = "crash-points")]
pub use handover::point::POINTS as CRASH_POINTS;
