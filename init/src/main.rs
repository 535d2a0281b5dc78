//! jamb: one binary, many applets. This file is the entry point: it makes the process safe to run in,
//! takes its arguments and hands over to the applet that was asked for.
//!
//! `main` is C's: Rust's own would abort when descriptors 0 to 2 are closed and `/dev/null` is missing,
//! and for PID 1 that is a kernel panic.

#![no_main]
#![deny(unsafe_code)]

use core::ffi::{c_char, c_int};
use jamb::{applet, inherit};

/// C's entry point.
///
/// # Safety
/// `argv` must be what execve(2) passes: `argc` pointers to NUL-terminated strings.
#[allow(unsafe_code)]
// SAFETY: no other symbol is called main, as there is no Rust main.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    inherit::occupy_standard_descriptors();
    // SAFETY: passed on from the C runtime, which has them from execve(2).
    let arguments = unsafe { inherit::arguments(argc, argv) };
    applet::run(arguments)
}
