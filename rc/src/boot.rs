//! What a machine needs before its services: the records of `[system]` that PID 1 carries out at boot,
//! and how the options of a mount are read, which the compiler and the device have to agree about.

use supervisor::coder::Coded;
use supervisor::cut;
use supervisor::time::Millis;

/// One thing that PID 1 does before it starts services, in the order of the list. None is fatal: what
/// fails is said, and boot goes on. Those that put a root together are in a list of their own, and the
/// first that fails ends it.
///
/// All steps have one form, since what decodes and drops each form of its own would be a kilobyte of the
/// device's program.
#[derive(Clone, PartialEq, Eq, Debug, Default, Coded)]
pub struct Step {
    /// What is done.
    pub op: Op,
    /// The absolute path that it is about; a module's name.
    pub path: String,
    /// What is written, where a link leads, a module's parameters, a file system's type (or `bind`).
    pub text: String,
    /// What is mounted; of file systems without a device, their type.
    pub device: String,
    /// Of a mount, as in mount(8), for [`split_options`].
    pub options: String,
    /// How long to wait for the device.
    pub wait: Millis,
    /// The owner of a file, by name or number; empty: root.
    pub user: String,
    /// The group of a file, by name or number; empty: the user's own.
    pub group: String,
    /// Permission bits of a file, as in chmod(2).
    pub mode: u16,
    /// The driver of a device node.
    pub major: u32,
    /// Which of the driver's devices it is.
    pub minor: u32,
}

/// What a [`Step`] does. What is made is left as it is if it is there already, but for mode and owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Coded)]
pub enum Op {
    /// Writes to a file that the kernel has.
    #[default]
    Write,
    /// Loads a kernel module with those that it needs.
    Module,
    /// Mounts a file system; what is mounted there already gets the new options.
    Mount,
    /// Makes a directory.
    Directory,
    /// Makes a symbolic link; one that leads elsewhere is replaced.
    Link,
    /// Makes a file.
    File,
    /// Makes a character device.
    Character,
    /// Makes a block device.
    Block,
    /// Makes a named pipe.
    Fifo,
    /// Of the root that an initramfs looks for: what to mount; `path` is the program that goes on there.
    Root,
    /// What can be written to beside the root.
    Store,
    /// The root is below, and what is written goes to the store (`text` is [`IN_STORE`]) or is in memory.
    Overlay,
    /// This path of the root shows a directory or file of the store.
    Persist,
    /// This program of the initramfs runs before the device is looked for.
    Prepare,
    /// This program of the new root runs there before it is used.
    Activate,
}

/// What is written to the root is in the store.
pub const IN_STORE: &str = "store";

impl Step {
    /// A step of this kind, with nothing but the path.
    #[must_use]
    pub fn new(op: Op, path: impl Into<String>) -> Self {
        Self { op, path: path.into(), ..Self::default() }
    }
}

/// Where the kernel is told of a further place of firmware; Documentation/driver-api/firmware.
pub const FIRMWARE: &str = "/sys/module/firmware_class/parameters/path";

/// Where the settings of the kernel are.
pub const SYSCTL: &str = "/proc/sys/";

/// `MS_RDONLY` of mount(2), which is the same number everywhere, as all of them are.
pub const READ_ONLY: u32 = 1;

/// The options of a mount that the kernel takes as flags (include/uapi/linux/mount.h): those that a word
/// sets and those that it clears.
const FLAGS: &[(&str, u32, u32)] = &[
    ("ro", READ_ONLY, 0),
    ("rw", 0, READ_ONLY),
    ("nosuid", 1 << 1, 0),
    ("nodev", 1 << 2, 0),
    ("noexec", 1 << 3, 0),
    ("sync", 1 << 4, 0),
    ("dirsync", 1 << 7, 0),
    ("noatime", 1 << 10, 0),
    ("nodiratime", 1 << 11, 0),
    ("relatime", 1 << 21, 0),
    ("strictatime", 1 << 24, 0),
    ("lazytime", 1 << 25, 0),
    ("defaults", 0, 0),
];

/// Splits options as in mount(8) into the flags of mount(2), which are added to `flags`, and what is for
/// the file system itself.
#[must_use]
pub fn split_options(options: &str, flags: &mut u32) -> String {
    let mut rest = String::new();
    for word in cut::parts(options, b',') {
        if let Some((_, set, clear)) = FLAGS.iter().find(|(name, ..)| *name == word) {
            *flags = (*flags | set) & !clear;
        } else if !word.is_empty() {
            if !rest.is_empty() {
                rest.push(',');
            }
            rest.push_str(word);
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_flags_or_the_file_systems() {
        let mut flags = 0;
        assert_eq!(split_options("ro,size=1M,noatime,mode=0755", &mut flags), "size=1M,mode=0755");
        assert_eq!(flags, READ_ONLY | 1 << 10);
        assert_eq!(split_options("defaults,rw,,data=a b", &mut flags), "data=a b");
        assert_eq!(flags, 1 << 10);
        assert_eq!(split_options("", &mut flags), "");
    }
}
