//! Collects what services write into per-service, rotated, timestamped log files, and reads them
//! back merged. Input: inherited pipes (collector), the log directory (reader). Never blocks a
//! service, never loses or doubles a line because the collector died, never panics.
//!
//! Two entry points, both applets of the one binary:
//! * [`collector_main`]: a process of its own which PID 1 starts, and starts again after any death;
//! * [`log_main`]: what `svc log` calls.
//!
//! Inside, [`collector`] is the protocol that makes every line count exactly once. It does all its
//! I/O through [`system::System`], so that the tests can stop it after every single step;
//! [`linux`] is the real thing. [`store`] owns the files, their rotation and the space budget;
//! [`format`] turns raw bytes into lines; [`spool`] is the record that survives a death.
#![forbid(unsafe_code)]

mod args;
mod collector;
mod console;
mod error;
mod files;
mod format;
mod linux;
mod names;
mod reader;
mod run;
#[cfg(test)]
mod sim;
mod since;
mod spool;
mod store;
mod stream;
mod system;
pub mod timestamp;

pub use error::{Error, Unknown};
pub use names::valid_name;
pub use reader::{LogOptions, log_main};
pub use run::collector_main;
pub use since::Since;
pub use spool::HEADER_LEN as SPOOL_IDLE_LEN;
