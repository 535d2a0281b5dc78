//! The keys of what the machine needs before its services, in `[system]`.

use super::{Absent, Field, Form, Kinds, Merge, Shape, Type, words};

const fn field(key: &'static str, value: Type, default: Absent, doc: &'static str) -> Field {
    let (of, merge) = (Kinds::ALL, Merge::Replace);
    Field { key, of, value, default, doc, since: "0.1", merge }
}

/// A table whose entries are merged one by one.
const fn entries(key: &'static str, value: Type, default: Absent, doc: &'static str) -> Field {
    let (of, merge) = (Kinds::ALL, Merge::Entries);
    Field { key, of, value, default, doc, since: "0.1", merge }
}

const LINE: Type = Type::String(Form::Line);
const DURATION: Type = Type::String(Form::Duration);
const ACCOUNT: Type = Type::Any(&[Type::String(Form::Account), Type::Integer(0, u32::MAX as i64)]);

/// `firmware` of `[system]`.
pub const FIRMWARE: Field = field(
    "firmware",
    Type::String(Form::Path),
    Absent::Nothing,
    "a directory in which the kernel looks for firmware before its usual ones",
);

/// `modules` of `[system]`.
pub const MODULES: Field = field(
    "modules",
    Type::List(&LINE),
    Absent::Is("`[]`"),
    "kernel modules to load, each `\"NAME\"` or `\"NAME PARAMETER=VALUE …\"`",
);

/// `mounts` of `[system]`.
pub const MOUNTS: Field = entries(
    "mounts",
    Type::Map(&Type::Any(&[LINE, Type::Table(&MOUNT)])),
    Absent::Is("`{}`"),
    "file systems by the path where they are mounted: a table, or only its `type`",
);

/// `files` of `[system]`.
pub const FILES: Field = entries(
    "files",
    Type::Map(&Type::Table(&PSEUDOFILE)),
    Absent::Is("`{}`"),
    "by path: directories, links, files and device nodes that are made if they are missing",
);

/// `sysctl` of `[system]`.
pub const SYSCTL: Field = entries(
    "sysctl",
    Type::Map(&Type::Any(&[LINE, Type::Integer(i64::MIN, i64::MAX)])),
    Absent::Is("`{}`"),
    "settings of the kernel, as sysctl(8) names them",
);

/// `root` of `[system]`.
pub const ROOT_TABLE: Field = field(
    "root",
    Type::Table(&ROOT),
    Absent::Nothing,
    "this is an initramfs, and this is the root that it looks for, see [the root](#the-root)",
);

/// `rescue-reboot` of `[system]`.
pub const RESCUE_REBOOT: Field = field(
    "rescue-reboot",
    DURATION,
    Absent::Is("a shell"),
    "where there would be a rescue shell, the machine reboots after this time",
);

/// `end-record` of `[system]`.
pub const END_RECORD: Field = field(
    "end-record",
    Type::String(Form::Path),
    Absent::Nothing,
    "a file on what outlives a reboot: it keeps how the machine ended and who asked for it, and the next boot \
     says so",
);

/// Where what is written to a root goes.
pub const OVERLAYS: &[(&str, &str)] = &[("store", "store"), ("ram", "ram")];

/// `[system.root]`.
pub const ROOT: Shape = Shape {
    name: "root",
    fields: &[
        field(
            "device",
            LINE,
            Absent::Required,
            "a path, `LABEL=`, `UUID=`, `PARTLABEL=`, `PARTUUID=`, `mtd:NAME` or `ubi0:NAME`",
        ),
        field("type", LINE, Absent::Is("what its first bytes tell"), "the file system"),
        field("options", LINE, Absent::Is("`\"\"`"), "as in mount(8), with commas between them"),
        field("wait", DURATION, Absent::Is("`\"10s\"`"), "how long to wait for the device"),
        field(
            "store",
            Type::Table(&MOUNT),
            Absent::Nothing,
            "a file system that can be written to, for `overlay` and `persist`",
        ),
        field(
            "overlay",
            Type::Words(|| words(OVERLAYS)),
            Absent::Nothing,
            "the root can be written to: what is written is in the store, or in memory only",
        ),
        field(
            "persist",
            Type::List(&Type::String(Form::Path)),
            Absent::Is("`[]`"),
            "directories and files of the root that are in the store instead",
        ),
        field(
            "prepare",
            Type::String(Form::Path),
            Absent::Nothing,
            "a program of the initramfs that runs before the device is looked for",
        ),
        field(
            "activate",
            Type::String(Form::Path),
            Absent::Nothing,
            "a program of the new root that runs there before it is used",
        ),
        field(
            "init",
            Type::String(Form::Path),
            Absent::Is("`\"/sbin/init\"`"),
            "the program of the new root that goes on as PID 1",
        ),
    ],
};

/// An entry of `mounts`.
pub const MOUNT: Shape = Shape {
    name: "mount",
    fields: &[
        field("type", LINE, Absent::Required, "the file system, or `bind`"),
        field(
            "device",
            LINE,
            Absent::Is("the type"),
            "what is mounted; needed unless the file system lives in the kernel alone",
        ),
        field("options", LINE, Absent::Is("`\"\"`"), "as in mount(8), with commas between them"),
        field(
            "wait",
            DURATION,
            Absent::Is("`\"10s\"`"),
            "how long to wait for the device, while nothing else happens",
        ),
    ],
};

/// An entry of `files`.
pub const PSEUDOFILE: Shape = Shape {
    name: "pseudofile",
    fields: &[
        field("link", LINE, Absent::Nothing, "it is a symbolic link to this"),
        field("text", Type::String(Form::Plain), Absent::Nothing, "it is a file with this text"),
        field(
            "node",
            LINE,
            Absent::Nothing,
            "it is a device, `\"c MAJOR MINOR\"` or `\"b MAJOR MINOR\"`, or a named pipe, `\"p\"`",
        ),
        field(
            "mode",
            Type::String(Form::Mode),
            Absent::Is("`\"0755\"` of directories, `\"0644\"` of files, `\"0600\"` of nodes"),
            "its permissions",
        ),
        field("user", ACCOUNT, Absent::Is("`\"root\"`"), "its owner"),
        field("group", ACCOUNT, Absent::Is("that of `user`"), "its group"),
    ],
};
