//! The tree that `jambc init` writes: a small router whose definitions explain themselves.

/// A file of the tree.
pub struct StarterFile {
    /// Its path in the tree.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
    /// Whether it is executed on the device.
    pub is_script: bool,
}

/// All files of the tree.
pub const STARTER: &[StarterFile] = &[
    StarterFile {
        path: "system.toml",
        text: include_str!("starter/system.toml"),
        is_script: false,
    },
    StarterFile { path: "lan.toml", text: include_str!("starter/lan.toml"), is_script: false },
    StarterFile { path: "wan.toml", text: include_str!("starter/wan.toml"), is_script: false },
    StarterFile {
        path: "files/udhcpc.script",
        text: include_str!("starter/files/udhcpc.script"),
        is_script: true,
    },
];
