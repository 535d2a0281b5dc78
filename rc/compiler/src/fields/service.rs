//! The keys of a service.

use super::{
    ACTION, Absent, CAPABILITIES, CGROUP, CONDITION, Field, Form, HEALTH, Kinds, LIMITS, Merge,
    OUTPUT, READY, RESTART, SOCKET, Shape, Type,
    tables::{ACCOUNT, SIZE, TEXT},
    words,
};
use crate::parse;

const ALL: Kinds = Kinds::ALL;
const LONGRUN: Kinds = Kinds::LONGRUN;
const ONESHOT: Kinds = Kinds::ONESHOT;
const PROCESSES: Kinds = Kinds::PROCESSES;
const BUNDLE: Kinds = Kinds::BUNDLE;
const FAILOVER: Kinds = Kinds::FAILOVER;
const FILE: Kinds = Kinds::FILE;

/// The first version with the keys of the very beginning.
const FIRST: &str = "0.1";

const DURATION: Type = Type::String(Form::Duration);
const SERVICES: Type = Type::List(&Type::String(Form::Service));
const NO_SERVICES: Absent = Absent::Is("`[]`");

const fn field(
    key: &'static str,
    of: Kinds,
    value: Type,
    default: Absent,
    doc: &'static str,
) -> Field {
    Field { key, of, value, default, doc, since: FIRST, merge: Merge::Replace }
}

/// A list to which an instance of a template adds.
const fn added(
    key: &'static str,
    of: Kinds,
    value: Type,
    default: Absent,
    doc: &'static str,
) -> Field {
    Field { key, of, value, default, doc, since: FIRST, merge: Merge::Add }
}

/// A table whose entries are merged one by one.
const fn entries(
    key: &'static str,
    of: Kinds,
    value: Type,
    default: Absent,
    doc: &'static str,
) -> Field {
    Field { key, of, value, default, doc, since: FIRST, merge: Merge::Entries }
}

/// `[service.NAME]`.
pub const SERVICE: Shape = Shape {
    name: "service",
    fields: &[
        field("kind", ALL, Type::Words(|| words(Kinds::WORDS)), Absent::Required, "what it does"),
        field("description", ALL, Type::String(Form::Line), Absent::Is("`\"\"`"), "for people"),
        added(
            "allow",
            ALL,
            Type::List(&Type::String(Form::Code)),
            NO_SERVICES,
            "codes of warnings that are not wanted for this service, such as `\"J0036\"`",
        ),
        added(
            "needs",
            ALL,
            SERVICES,
            NO_SERVICES,
            "must be ready before this one starts; this one stops when they leave ready",
        ),
        added(
            "wants",
            ALL,
            SERVICES,
            NO_SERVICES,
            "are started too and waited for until they are ready or have failed",
        ),
        added(
            "after",
            ALL,
            SERVICES,
            NO_SERVICES,
            "if they are wanted anyway, they are waited for in the same way",
        ),
        added(
            "part-of",
            ALL,
            Type::List(&Type::String(Form::Bundle)),
            NO_SERVICES,
            "bundles that it is a member of",
        ),
        added(
            "conflicts",
            ALL,
            SERVICES,
            NO_SERVICES,
            "services that are never up beside it, see [conflicts](#conflicts)",
        ),
        added(
            "modules",
            ALL,
            Type::List(&Type::String(Form::Line)),
            Absent::Is("`[]`"),
            "kernel modules that it relies on; they are loaded at boot, whether it starts or not",
        ),
        added(
            "when",
            ALL,
            Type::Any(&[Type::Table(&CONDITION), Type::List(&Type::Table(&CONDITION))]),
            Absent::Nothing,
            "what must be so for it to be up, see [conditions](#conditions)",
        ),
        entries(
            "on-change",
            ALL,
            Type::Any(&[
                Type::Words(|| words(parse::ACTIONS)),
                Type::String(Form::SendSignal),
                Type::Map(&Type::Any(&[
                    Type::Words(|| words(parse::ACTIONS)),
                    Type::String(Form::SendSignal),
                    Type::Table(&ACTION),
                ])),
            ]),
            Absent::Is("see [relations](#relations)"),
            "what it does when a related service changes",
        ),
        entries(
            "outputs",
            PROCESSES.or(BUNDLE).or(FAILOVER),
            Type::Map(&Type::Any(&[
                Type::String(Form::OutputType),
                Type::String(Form::Reference),
                Type::Table(&OUTPUT),
            ])),
            Absent::Nothing,
            "what it publishes, see [outputs](#outputs); files publish nothing",
        ),
        field(
            "template",
            ALL,
            Type::String(Form::Template),
            Absent::Nothing,
            "instead of `kind`: it is an instance of this template, see [templates](#templates)",
        ),
        entries(
            "params",
            ALL,
            Type::Map(&Type::Free),
            Absent::Is("`{}`"),
            "what is given for the parameters of the template",
        ),
        field(
            "override",
            ALL,
            Type::Any(&[Type::Boolean, Type::Words(|| vec!["replace"])]),
            Absent::Is("`false`"),
            "`true`: changes single keys of what a layer below defines; `\"replace\"`: all of it; \
             see [layers](#layers)",
        ),
        field(
            "unset",
            ALL,
            Type::List(&Type::String(Form::Line)),
            NO_SERVICES,
            "with `override = true`: keys that are taken away, such as `\"finish\"` or `\"env.TZ\"`",
        ),
        field(
            "remove",
            ALL,
            Type::Boolean,
            Absent::Is("`false`"),
            "takes away what a layer below defines",
        ),
        field("run", LONGRUN, Type::Command, Absent::Required, "the process"),
        field(
            "finish",
            LONGRUN,
            Type::Command,
            Absent::Nothing,
            "runs after each death; its last three arguments are the exit code (256 after a \
             signal), the signal's number (or 0) and the service's name",
        ),
        field(
            "ready",
            LONGRUN,
            Type::Any(&[Type::Words(|| words(parse::READIES)), Type::Table(&READY)]),
            Absent::Is(
                "`\"outputs\"` if it declares an output without a value, else `\"started\"`",
            ),
            "how it tells that it is ready",
        ),
        field(
            "timeout-finish",
            LONGRUN,
            DURATION,
            Absent::Is("`\"5s\"`"),
            "after this `finish` is killed",
        ),
        field(
            "watchdog",
            LONGRUN,
            DURATION,
            Absent::Nothing,
            "it must say `WATCHDOG=1` at least this often while it is ready, or it is ended and has \
             failed; only with `ready = \"notify\"`",
        ),
        field(
            "tty",
            LONGRUN,
            Type::String(Form::Path),
            Absent::Nothing,
            "a terminal such as `\"/dev/ttyS0\"` for a getty: standard input, output and error, and \
             the controlling terminal; nothing of it is logged, and `down-signal` is `\"HUP\"`",
        ),
        entries(
            "sockets",
            LONGRUN,
            Type::Map(&Type::Table(&SOCKET)),
            Absent::Is("`{}`"),
            "sockets that are kept open over its restarts and given to it, see \
             [kept descriptors](#kept-descriptors)",
        ),
        field(
            "fd-store",
            LONGRUN,
            Type::Integer(1, parse::STORE as i64),
            Absent::Is("none"),
            "how many descriptors it may give away with `FDSTORE=1`, to have them back after a \
             restart; only with `ready = \"notify\"`",
        ),
        field("up", ONESHOT, Type::Command, Absent::Nothing, "runs at start"),
        field(
            "down",
            ONESHOT,
            Type::Command,
            Absent::Nothing,
            "runs at stop, with the values that `up` was given",
        ),
        field("user", PROCESSES, ACCOUNT, Absent::Is("that of jamb"), "whom the processes run as"),
        field("group", PROCESSES, ACCOUNT, Absent::Is("the user's"), "their group"),
        field(
            "groups",
            PROCESSES,
            Type::List(&ACCOUNT),
            Absent::Is("those that list the user"),
            "their supplementary groups",
        ),
        entries(
            "env",
            PROCESSES,
            Type::Map(&TEXT),
            Absent::Is("`{}`"),
            "variables besides `PATH`, `NOTIFY_SOCKET` and those that begin with `JAMB_`; the last \
             two cannot be set",
        ),
        field(
            "cwd",
            PROCESSES,
            Type::String(Form::Path),
            Absent::Is("`\"/\"`"),
            "working directory",
        ),
        field(
            "umask",
            PROCESSES,
            Type::String(Form::Mode),
            Absent::Is("`\"022\"`"),
            "file mode creation mask, at most `\"777\"`",
        ),
        entries(
            "limits",
            PROCESSES,
            Type::Table(&LIMITS),
            Absent::Nothing,
            "resource limits, see below",
        ),
        field(
            "chroot",
            PROCESSES,
            Type::String(Form::Path),
            Absent::Nothing,
            "the directory that is `/` to the processes; programs and `cwd` are looked for in it",
        ),
        field(
            "nice",
            PROCESSES,
            Type::Integer(*parse::NICE.start() as i64, *parse::NICE.end() as i64),
            Absent::Is("that of jamb"),
            "their niceness",
        ),
        field(
            "oom-score",
            PROCESSES,
            Type::Integer(*parse::OOM_SCORE.start() as i64, *parse::OOM_SCORE.end() as i64),
            Absent::Is("`0`"),
            "how soon they are killed when memory runs out (`oom_score_adj`); -1000: never",
        ),
        entries(
            "capabilities",
            PROCESSES,
            Type::Table(&CAPABILITIES),
            Absent::Nothing,
            "what they may do of what root may, see below",
        ),
        field(
            "no-new-privileges",
            PROCESSES,
            Type::Boolean,
            Absent::Is("`false`"),
            "no program that they execute gives them more rights, such as one that is setuid root",
        ),
        field(
            "private-tmp",
            PROCESSES,
            Type::Any(&[Type::Boolean, SIZE]),
            Absent::Is("`false`"),
            "a `/tmp` of its own, empty at each start and in memory, of at most this size; `true`: \
             `\"8M\"`; not together with `chroot`",
        ),
        entries(
            "cgroup",
            PROCESSES,
            Type::Any(&[Type::Boolean, Type::Table(&CGROUP)]),
            Absent::Is("`false`"),
            "the processes are in a control group of their own, with these limits; see below",
        ),
        field(
            "restart",
            PROCESSES,
            Type::Any(&[Type::Words(|| words(parse::RESTARTS)), Type::Table(&RESTART)]),
            Absent::Is("longrun `\"always\"`, oneshot `\"on-failure\"`"),
            "when it is started again after it ended by itself; `\"on-failure\"`: unless it ended \
             with exit code 0",
        ),
        field(
            "reload",
            PROCESSES,
            Type::Any(&[Type::String(Form::SendSignal), Type::Command]),
            Absent::Nothing,
            "how it takes over a changed configuration without a restart: `svc reload`, \
             `on-change = \"reload\"`; signals are for longruns",
        ),
        field(
            "health",
            PROCESSES,
            Type::Table(&HEALTH),
            Absent::Nothing,
            "how it is found out whether it still does its work, see below",
        ),
        field(
            "on-failure",
            PROCESSES,
            Type::Any(&[Type::Words(|| words(parse::FAILURES)), Type::String(Form::Start)]),
            Absent::Is("`\"ignore\"`"),
            "what happens besides when it has failed for good: the machine starts again, a rescue \
             shell is offered, another service is started",
        ),
        field(
            "timeout-start",
            PROCESSES,
            Type::Any(&[DURATION, Type::Words(|| vec!["never"])]),
            Absent::Is("longrun `\"never\"`, oneshot `\"5m\"`"),
            "from the start to readiness; after this the start has failed",
        ),
        field(
            "timeout-down",
            PROCESSES,
            DURATION,
            Absent::Is("`\"10s\"`"),
            "from the `down-signal` to SIGKILL; also the bound of a oneshot's `down`",
        ),
        field(
            "timeout-action",
            PROCESSES,
            DURATION,
            Absent::Is("`\"30s\"`"),
            "the bound of a program of `reload` or `on-change`; if it takes longer or fails, the \
             service restarts",
        ),
        field(
            "down-signal",
            PROCESSES,
            Type::String(Form::Signal),
            Absent::Is("`\"TERM\"`"),
            "asks a process to end",
        ),
        added("contents", BUNDLE, SERVICES, NO_SERVICES, "members; others join by `part-of`"),
        field(
            "ready-when",
            BUNDLE,
            Type::Any(&[Type::Words(|| words(parse::COUNTS)), Type::Integer(1, 65535)]),
            Absent::Is("`\"all\"`"),
            "how many members must be ready",
        ),
        field(
            "alternatives",
            FAILOVER,
            SERVICES,
            Absent::Required,
            "at least two, the preferred first; each declares every output of the failover",
        ),
        field(
            "return",
            FAILOVER,
            Type::Words(|| words(parse::RETURNS)),
            Absent::Is("`\"sticky\"`"),
            "whether the one that is used stays until it fails, or gives way to a better one that \
             is ready again",
        ),
        field(
            "patience",
            FAILOVER,
            DURATION,
            Absent::Is("`\"30s\"`"),
            "an alternative that starts and is not ready after this time gets the next one beside it",
        ),
        field(
            "path",
            FILE,
            Type::String(Form::Path),
            Absent::Required,
            "where; no other service may write it",
        ),
        field(
            "text",
            FILE,
            Type::String(Form::Loops),
            Absent::Required,
            "the content, see [the text of a file](#the-text-of-a-file)",
        ),
        field(
            "mode",
            FILE,
            Type::String(Form::Mode),
            Absent::Is("`\"0644\"`; `\"0600\"` if a secret is in it"),
            "permission bits",
        ),
    ],
};
