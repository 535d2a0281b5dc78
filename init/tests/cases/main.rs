//! The black-box cases of other supervisors' tests, and of their users' complaints, against the real
//! binary with real processes. `tests/CASES.md` says which case is where.
//!
//! Nothing sleeps: children do what a test tells them, and tests go on when `svc events` says so.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "../world/mod.rs"]
mod world;

mod child;
mod ending;
mod events;
mod rig;

mod beside;
mod conditions;
mod dependencies;
mod forking;
mod groups;
mod kept;
mod lifecycle;
mod notify;
mod pins;
mod queries;
mod readiness;
mod storm;
