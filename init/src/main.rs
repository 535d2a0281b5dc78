//! jamb: one binary, many applets. This file is the entry point: it makes the process safe to run in,
//! takes its arguments and hands over to the applet that was asked for.
//!
//! `main` is C's: Rust's own would abort when descriptors 0 to 2 are closed and `/dev/null` is missing,
//! and for PID 1 that is a kernel panic.

#![no_main]
#![deny(unsafe_code)]

use core::ffi::{c_char, c_int};
use jamb::{applet, inherit, memory::Memory};

#[global_allocator]
static MEMORY: Memory = Memory::new();

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

/// Answers that no function is found, in place of musl's `dlsym`, which is of no use in a static
/// program and on MIPS jumps into nowhere: it expects its own address in a register, as calls between
/// shared objects leave it there. rustix asks it for wrappers of newer system calls and then makes the
/// calls itself.
#[cfg(any(target_arch = "mips", target_arch = "mips64"))]
mod no_dlsym {
    #![allow(unsafe_code)]
    use core::{
        ffi::{c_char, c_void},
        ptr,
    };

    // SAFETY: it has the type of dlsym(3), which nothing else in a static program defines.
    #[unsafe(no_mangle)]
    extern "C" fn dlsym(_: *mut c_void, _: *const c_char) -> *mut c_void {
        ptr::null_mut()
    }

    /// The same for callers with 64-bit times.
    // SAFETY: as above.
    #[unsafe(no_mangle)]
    extern "C" fn __dlsym_time64(_: *mut c_void, _: *const c_char) -> *mut c_void {
        ptr::null_mut()
    }
}
