//! Services: what they are, how they depend on each other, and what to do next.
//!
//! [`model`], [`isolation`] and [`kept`] are what the host compiler writes and the device reads, [`boot`] the part of
//! it that is done before services, [`db`] the file they travel in,
//! [`text`] the substitution of output values, [`outputs`] their types, [`engine`] the reconciling
//! dependency engine, [`proto`] the words that clients and PID 1 exchange, and [`watchdog`] whether the hardware's
//! is fed.
//!
//! Everything here is pure: no clock, file, environment variable, random number or global is read.
//! Time and facts come in as arguments, decisions go out as actions.

#![forbid(unsafe_code)]

pub mod boot;
pub mod db;
pub mod engine;
pub mod isolation;
pub mod kept;
pub mod model;
pub mod outputs;
pub mod proto;
pub mod text;
pub mod watchdog;

pub use supervisor::{
    backoff::Backoff,
    exit::Exit,
    process::StopPolicy,
    signal::Signal,
    time::{Instant, Millis},
};
