//! The tables besides those of services: of a file, of the machine, and inside of keys.

use super::{
    Absent, Field, Form, Kinds, Merge, SERVICE, Shape, Type,
    boot::{
        END_RECORD, FILES, FIRMWARE, MODULES, MOUNT, MOUNTS, PSEUDOFILE, RESCUE_REBOOT, ROOT,
        ROOT_TABLE, SYSCTL,
    },
    words,
};
use crate::parse;
use rc::{isolation::Capabilities, model::LinkIs};

/// Every shape, for those who print them all.
pub const SHAPES: &[&Shape] = &[
    &FILE,
    &SERVICE,
    &RESTART,
    &READY,
    &HEALTH,
    &LIMITS,
    &LIMIT,
    &CAPABILITIES,
    &CGROUP,
    &SOCKET,
    &OUTPUT,
    &CONDITION,
    &DEVICE,
    &ACTION,
    &TEMPLATE,
    &PARAM,
    &SYSTEM,
    &WATCHDOG,
    &MOUNT,
    &ROOT,
    &PSEUDOFILE,
    &BOARD,
];

/// The first version with the keys of the very beginning.
const FIRST: &str = "0.1";

const fn field(key: &'static str, value: Type, default: Absent, doc: &'static str) -> Field {
    let (of, merge) = (Kinds::ALL, Merge::Replace);
    Field { key, of, value, default, doc, since: FIRST, merge }
}

const DURATION: Type = Type::String(Form::Duration);

/// A table without fixed keys.
pub const FREE: Shape = Shape { name: "free", fields: &[] };

/// The top of a file.
pub const FILE: Shape = Shape {
    name: "top",
    fields: &[
        field(
            "service",
            Type::Map(&Type::Table(&SERVICE)),
            Absent::Nothing,
            "`[service.NAME]`: one service",
        ),
        field(
            "template",
            Type::Map(&Type::Table(&TEMPLATE)),
            Absent::Nothing,
            "`[template.NAME]`: services with parameters",
        ),
        field("system", Type::Table(&SYSTEM), Absent::Nothing, "settings of the machine"),
        field(
            "board",
            Type::Map(&Type::Free),
            Absent::Nothing,
            "values that differ between devices",
        ),
    ],
};

/// `[board]`, whose other keys are free.
pub const BOARD: Shape = Shape { name: "board", fields: &[] };

/// `[system]`.
pub const SYSTEM: Shape = Shape {
    name: "system",
    fields: &[
        field(
            "hostname",
            Type::String(Form::Hostname),
            Absent::Nothing,
            "the host name to set at boot",
        ),
        field(
            "default",
            Type::String(Form::Service),
            Absent::Is("`\"default\"` if there is one"),
            "what boot starts",
        ),
        field(
            "shutdown-timeout",
            DURATION,
            Absent::Is("`\"30s\"`"),
            "after this an orderly shutdown is cut short",
        ),
        field(
            "log-max-file",
            SIZE,
            Absent::Is("`\"128K\"`"),
            "the log of one service is rotated at this size",
        ),
        field(
            "override",
            Type::Boolean,
            Absent::Is("`false`"),
            "changes keys that a layer below has set, see [layers](#layers)",
        ),
        field(
            "log-max-total",
            SIZE,
            Absent::Is("`\"2M\"`"),
            "all logs together stay below this size",
        ),
        field(
            "watchdog",
            Type::Table(&WATCHDOG),
            Absent::Nothing,
            "the watchdog of the hardware is used, see [the watchdog](#the-watchdog)",
        ),
        FIRMWARE,
        MODULES,
        MOUNTS,
        FILES,
        SYSCTL,
        ROOT_TABLE,
        RESCUE_REBOOT,
        END_RECORD,
    ],
};

/// `[system.watchdog]`.
pub const WATCHDOG: Shape = Shape {
    name: "watchdog",
    fields: &[
        field(
            "needs",
            Type::List(&Type::String(Form::Service)),
            Absent::Is("`[]`"),
            "the services that have to be well, at most 32; without any, only jamb itself has to",
        ),
        field(
            "grace",
            DURATION,
            Absent::Is("`\"2m\"`"),
            "for how long one of them may not be well",
        ),
        field(
            "boot",
            DURATION,
            Absent::Is("`\"5m\"`"),
            "how long it may take until all of them have been well together for the first time",
        ),
        field(
            "stall",
            DURATION,
            Absent::Is("as `boot`"),
            "how long until then no further service may become ready",
        ),
        field(
            "device",
            Type::String(Form::Path),
            Absent::Is("`\"/dev/watchdog\"`"),
            "the device; what creates it may come later than jamb",
        ),
        field(
            "timeout",
            DURATION,
            Absent::Is("`\"30s\"`"),
            "the hardware resets the machine when it has not been fed for so long; whole seconds, at \
             least 2",
        ),
        field(
            "pretimeout",
            DURATION,
            Absent::Nothing,
            "so long before that the kernel does what its pretimeout governor says; whole seconds",
        ),
    ],
};

/// A number of bytes.
pub(super) const SIZE: Type = Type::Any(&[Type::String(Form::Size), Type::Integer(0, i64::MAX)]);

/// `restart` as a table.
pub const RESTART: Shape = Shape {
    name: "restart",
    fields: &[
        field(
            "policy",
            Type::Words(|| words(parse::RESTARTS)),
            Absent::Is("longrun `\"always\"`, oneshot `\"on-failure\"`"),
            "when it is started again after it ended by itself",
        ),
        field(
            "backoff",
            Type::String(Form::Backoff),
            Absent::Is("longrun `\"100ms..30s\"`, oneshot `\"1s..1m\"`"),
            "the first and the longest delay between attempts; it doubles in between",
        ),
        field(
            "max",
            Type::Integer(0, u32::MAX as i64),
            Absent::Is("`0`"),
            "after this many failures in a row the service is failed for good; 0: never",
        ),
        field(
            "permanent",
            Type::List(&Type::Integer(1, 255)),
            Absent::Is("`[]`"),
            "exit codes with which it has failed for good",
        ),
    ],
};

/// `ready` as a table.
pub const READY: Shape = Shape {
    name: "ready",
    fields: &[
        field(
            "fd",
            Type::Integer(3, parse::MAX_READY_FD as i64),
            Absent::Nothing,
            "ready when it writes a newline to this descriptor (s6's notification-fd)",
        ),
        field(
            "check",
            Type::Command,
            Absent::Nothing,
            "ready when this program exits with code 0; it is run after the start and then again \
             and again",
        ),
        field(
            "every",
            DURATION,
            Absent::Is("`\"1s\"`"),
            "the pause between two runs of the check, and the bound of one",
        ),
        field(
            "pidfile",
            Type::String(Form::Path),
            Absent::Nothing,
            "it forks; ready when its first process has exited with code 0 and this file, which no \
             other service may write, names the process that goes on",
        ),
    ],
};

/// `health`.
pub const HEALTH: Shape = Shape {
    name: "health",
    fields: &[
        field("run", Type::Command, Absent::Required, "exits with code 0 if all is well"),
        field("every", DURATION, Absent::Is("`\"30s\"`"), "from the end of one run to the next"),
        field(
            "timeout",
            DURATION,
            Absent::Is("`\"10s\"`, at most `every`"),
            "a run that takes longer has failed",
        ),
        field(
            "retries",
            Type::Integer(1, u32::MAX as i64),
            Absent::Is("`3`"),
            "so many failures in a row",
        ),
    ],
};

const BOUND: Type = Type::Any(&[
    Type::Integer(0, i64::MAX),
    Type::String(Form::Size),
    Type::Words(|| vec!["unlimited"]),
]);

const EITHER: Type = Type::Any(&[
    Type::Integer(0, i64::MAX),
    Type::String(Form::Size),
    Type::Words(|| vec!["unlimited"]),
    Type::Table(&LIMIT),
]);

/// `limits`.
pub const LIMITS: Shape = Shape {
    name: "limits",
    fields: &[
        field("as", EITHER, Absent::Nothing, "address space, in bytes"),
        field("core", EITHER, Absent::Nothing, "core file, in bytes"),
        field("cpu", EITHER, Absent::Nothing, "processor time, in seconds"),
        field("data", EITHER, Absent::Nothing, "data segment, in bytes"),
        field("fsize", EITHER, Absent::Nothing, "file that is written, in bytes"),
        field("memlock", EITHER, Absent::Nothing, "locked memory, in bytes"),
        field("nofile", EITHER, Absent::Nothing, "open descriptors"),
        field("nproc", EITHER, Absent::Nothing, "processes of the user"),
        field("stack", EITHER, Absent::Nothing, "stack, in bytes"),
    ],
};

/// A limit as a table.
pub const LIMIT: Shape = Shape {
    name: "limit",
    fields: &[
        field("soft", BOUND, Absent::Required, "what holds"),
        field("hard", BOUND, Absent::Required, "what the process itself may raise it to"),
    ],
};

/// `capabilities`.
pub const CAPABILITIES: Shape = Shape {
    name: "capabilities",
    fields: &[
        field(
            "bounding",
            Type::List(&Type::Words(parse::bounding_words)),
            Absent::Is("`[\"all\"]`"),
            "all that its processes can ever have, root or not; `[]`: none",
        ),
        field(
            "ambient",
            Type::List(&Type::Words(|| Capabilities::NAMES.to_vec())),
            Absent::Is("`[]`"),
            "what they have from the start although their `user` is not root",
        ),
    ],
};

/// `cgroup`.
pub const CGROUP: Shape = Shape {
    name: "cgroup",
    fields: &[
        field(
            "memory",
            SIZE,
            Absent::Is("no limit"),
            "memory; what exceeds it and cannot be got back is ended by the out-of-memory killer",
        ),
        field(
            "cpu",
            Type::Integer(1, parse::CPU as i64),
            Absent::Is("no limit"),
            "processor time, in percent of one processor",
        ),
        field(
            "pids",
            Type::Integer(1, parse::PIDS as i64),
            Absent::Is("no limit"),
            "processes and threads",
        ),
    ],
};

const LISTEN: Type = Type::Any(&[Type::Integer(1, 65535), Type::String(Form::Listen)]);

/// A socket.
pub const SOCKET: Shape = Shape {
    name: "socket",
    fields: &[
        field(
            "stream",
            LISTEN,
            Absent::Nothing,
            "where it takes connections: a port of all addresses, one address with a port, or the \
             path of a unix socket, which no other service may listen on",
        ),
        field("datagram", LISTEN, Absent::Nothing, "the same of a socket for datagrams"),
        field(
            "backlog",
            Type::Integer(1, 65535),
            Absent::Is("`128`"),
            "connections that wait to be taken",
        ),
        field("mode", Type::String(Form::Mode), Absent::Is("`\"0666\"`"), "of a unix socket"),
        field("user", ACCOUNT, Absent::Is("that of jamb"), "who owns a unix socket"),
        field("group", ACCOUNT, Absent::Is("the user's"), "its group"),
    ],
};

/// An output as a table.
pub const OUTPUT: Shape = Shape {
    name: "output",
    fields: &[
        field("type", Type::String(Form::OutputType), Absent::Required, "what may be published"),
        field(
            "value",
            TEXT,
            Absent::Nothing,
            "what jamb publishes; checked against the type when it is constant",
        ),
    ],
};

/// A user or group.
pub(super) const ACCOUNT: Type =
    Type::Any(&[Type::String(Form::Account), Type::Integer(0, u32::MAX as i64)]);

/// A text, or a number or truth value that stands for itself.
pub(super) const TEXT: Type =
    Type::Any(&[Type::String(Form::Text), Type::Integer(i64::MIN, i64::MAX), Type::Boolean]);

/// A condition.
pub const CONDITION: Shape = Shape {
    name: "condition",
    fields: &[
        field(
            "link",
            Type::String(Form::Interface),
            Absent::Nothing,
            "this network interface is in a state; its name may be a reference to an output with a \
             constant `value`",
        ),
        field(
            "is",
            Type::Words(|| LinkIs::ALL.iter().map(|(_, word)| *word).collect()),
            Absent::Is("`\"present\"`"),
            "the state of the link; a route is a default route through it",
        ),
        field("device", Type::Table(&DEVICE), Absent::Nothing, "the kernel has this device"),
        field("path", Type::String(Form::Path), Absent::Nothing, "there is something at this path"),
        field("output", Type::String(Form::Reference), Absent::Nothing, "this output has a value"),
        field("equals", PLAIN, Absent::Is("any"), "the value that the output has"),
        field("not", Type::Boolean, Absent::Is("`false`"), "it must not be so"),
    ],
};

const PLAIN: Type =
    Type::Any(&[Type::String(Form::Plain), Type::Integer(i64::MIN, i64::MAX), Type::Boolean]);

/// A device in a condition.
pub const DEVICE: Shape = Shape {
    name: "device",
    fields: &[
        field(
            "subsystem",
            Type::String(Form::Plain),
            Absent::Required,
            "its subsystem: a folder of /sys/class or /sys/bus, such as `net`, `tty`, `usb`",
        ),
        field(
            "name",
            Type::String(Form::Sysfs),
            Absent::Is("`\"*\"`"),
            "its kernel name; one `*` stands for any characters",
        ),
        field(
            "properties",
            Type::Map(&Type::String(Form::Plain)),
            Absent::Is("`{}`"),
            "properties of its uevent that must have these values",
        ),
    ],
};

/// An action as a table.
pub const ACTION: Shape = Shape {
    name: "action",
    fields: &[field("run", Type::Command, Absent::Required, "the program")],
};

/// `[template.NAME]`, which besides has the keys of a service.
pub const TEMPLATE: Shape = Shape {
    name: "template",
    fields: &[
        field("doc", Type::String(Form::Plain), Absent::Is("`\"\"`"), "what it is for"),
        field(
            "params",
            Type::Map(&Type::Table(&PARAM)),
            Absent::Is("`{}`"),
            "its parameters, each a table",
        ),
        field(
            "services",
            Type::Map(&Type::Free),
            Absent::Is("`{}`"),
            "more services: `services.SUFFIX = { … }` becomes the service INSTANCE-SUFFIX",
        ),
        field(
            "main",
            Type::Free,
            Absent::Nothing,
            "the service INSTANCE itself as a table, if that is an instance of another template",
        ),
    ],
};

/// A parameter of a template.
pub const PARAM: Shape = Shape {
    name: "param",
    fields: &[
        field("type", Type::String(Form::OutputType), Absent::Required, "what may be given"),
        field(
            "default",
            Type::Free,
            Absent::Nothing,
            "what holds if nothing is given; without it something must be given",
        ),
        field("min", PLAIN, Absent::Nothing, "the least int, duration or size"),
        field("max", PLAIN, Absent::Nothing, "the greatest int, duration or size"),
        field(
            "values",
            Type::List(&Type::String(Form::Plain)),
            Absent::Nothing,
            "the words of an enum",
        ),
        field("doc", Type::String(Form::Plain), Absent::Is("`\"\"`"), "what it is"),
        field("example", Type::Free, Absent::Nothing, "what somebody might give"),
    ],
};
