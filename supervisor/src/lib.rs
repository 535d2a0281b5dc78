//! Processes: what one supervised process may do, and how it is started, signalled and reaped.
//!
//! The pure half ([`time`], [`signal`], [`exit`], [`backoff`], [`process`], [`decimal`],
//! [`cut`], [`options`], [`problem`], [`words`]) decides and
//! never makes a system call; `rc` builds the dependency engine on it. The other half (feature `sys`) makes the
//! system calls and decides nothing; the PID 1 shell in `init` drives it.
//!
//! This crate must never know what a service is: names, dependencies and outputs belong to `rc`.
//! All `unsafe` of process creation is in [`spawn`].

#![deny(unsafe_code)]

// What is derived here names this crate as it does everywhere else.
extern crate self as supervisor;

pub mod backoff;
pub mod coder;
pub mod cut;
pub mod decimal;
pub mod exit;
pub mod options;
pub mod problem;
pub mod process;
pub mod signal;
pub mod time;
pub mod words;

#[cfg(feature = "sys")]
pub mod datagram;
#[cfg(feature = "sys")]
pub mod file;
#[cfg(feature = "sys")]
pub mod notify;
#[cfg(feature = "sys")]
pub mod reap;
#[cfg(feature = "sys")]
pub mod spawn;
