//! swapoff(2), which neither rustix nor nix has.

#![allow(unsafe_code)]

use std::ffi::CString;

/// Stops swapping to `path`. If that fails the machine ends all the same: swap holds nothing to keep.
pub fn off(path: &str) {
    if let Ok(path) = CString::new(path) {
        // SAFETY: a NUL-terminated path that lives through the call.
        unsafe { libc::swapoff(path.as_ptr()) };
    }
}
