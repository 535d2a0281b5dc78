//! Makes images and boots them: Debian's kernels and daemons unpacked without touching the host, an
//! initramfs around jamb, QEMU machines with a console, QMP and ssh, and the peers of a router.
//!
//! Host-only. It must never link a crate of the device: it sees jamb only as a file and from outside.

pub mod agent;
pub mod board;
pub mod cpio;
pub mod debian;
pub mod disk;
pub mod elf;
pub mod events;
pub mod idle;
pub mod image;
pub mod kernel;
pub mod keys;
pub mod lab;
pub mod machine;
pub mod memory;
pub mod modules;
pub mod others;
pub mod peers;
pub mod places;
pub mod qmp;
pub mod report;
pub mod run;
pub mod scale;
pub mod serial;
pub mod spec;
pub mod ssh;
pub mod status;
pub mod tool;
pub mod tree;
