//! The tools around the compiler: they read definitions, databases or the services of others, and write
//! texts. None of them decides what a definition means; that is the compiler's.

pub mod diff;
pub mod doc;
pub mod explain;
pub mod fmt;
pub mod graph;
pub mod import;
pub mod starter;
