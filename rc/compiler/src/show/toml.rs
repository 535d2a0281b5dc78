//! A database as the definitions that it could have been compiled from.

mod more;

pub(super) use more::{action, condition};

use super::{Decoded, boot, duration, key, kind, ready_when, text::written};
use crate::parse::{RESOURCES, address_text};
use rc::{
    db::{Error, FORMAT},
    isolation::Isolation,
    kept::{Address, Kept, SocketKind},
    model::{
        Back, Command, Exec, Kind, OnFailure, Policy, Ready, Relation, Restart, Service, System,
    },
    text::Text,
};
use std::fmt::Write as _;

/// A head with version, content id and sizes, then all services or the one called `only`. The
/// result compiles to the same content id, except where a tag follows blanks at a line's start.
///
/// # Errors
/// If the system record cannot be decoded.
pub fn toml(db: &Decoded<'_>, only: Option<&str>) -> Result<String, Error> {
    let mut out = String::new();
    if only.is_none() {
        let (size, count) = (db.database.bytes().len(), db.services.len());
        line(&mut out, &format!("# jamb database, format {FORMAT}, {size} bytes"));
        line(&mut out, &format!("# content id {}", db.content_id()));
        line(&mut out, &format!("# {count} services: {}", db.census()));
        system(&mut out, db, &db.database.system()?);
    }
    for (name, service) in db.chosen(only) {
        one(&mut out, db, name, service);
    }
    Ok(out)
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn pair(out: &mut String, key: &str, value: &str) {
    line(out, &format!("{key} = {value}"));
}

fn system(out: &mut String, db: &Decoded<'_>, system: &System) {
    line(out, "\n[system]");
    if let Some(hostname) = &system.hostname {
        pair(out, "hostname", &quoted(hostname));
    }
    match system.target {
        Some(target) => pair(out, "default", &quoted(db.name(target))),
        None => line(out, "# default: none, so boot starts nothing"),
    }
    pair(out, "shutdown-timeout", &quoted(&duration(system.shutdown_timeout)));
    pair(out, "log-max-file", &system.log_max_file.to_string());
    pair(out, "log-max-total", &system.log_max_total.to_string());
    out.push_str(&boot::toml(&system.boot));
    out.push_str(&boot::root_toml(&system.root));
    if let Some(time) = system.rescue_reboot {
        pair(out, "rescue-reboot", &quoted(&duration(time)));
    }
    if let Some(path) = &system.end_record {
        pair(out, "end-record", &quoted(path));
    }
    if let Some(watchdog) = &system.watchdog {
        line(out, "\n[system.watchdog]");
        let needs: Vec<String> = watchdog.needs.iter().map(|id| quoted(db.name(*id))).collect();
        pair(out, "needs", &format!("[{}]", needs.join(", ")));
        pair(out, "device", &quoted(&watchdog.device));
        let times = [
            ("grace", watchdog.grace),
            ("boot", watchdog.boot),
            ("stall", watchdog.stall),
            ("timeout", watchdog.timeout),
        ];
        let pretimeout = watchdog.pretimeout.map(|time| ("pretimeout", time));
        for (key, time) in times.into_iter().chain(pretimeout) {
            pair(out, key, &quoted(&duration(time)));
        }
    }
}

fn one(out: &mut String, db: &Decoded<'_>, name: &str, service: &Service) {
    line(out, &format!("\n[service.{name}]"));
    pair(out, "kind", &quoted(kind(service)));
    if !service.description.is_empty() {
        pair(out, "description", &quoted(&service.description));
    }
    let relations = [
        Relation::Needs,
        Relation::Wants,
        Relation::After,
        Relation::Member,
        Relation::Alternative,
    ];
    for relation in relations {
        let edges = service.edges.iter().filter(|edge| edge.relation == relation);
        let names: Vec<String> = edges.map(|edge| quoted(db.name(edge.to))).collect();
        if !names.is_empty() {
            pair(out, key(relation), &format!("[{}]", names.join(", ")));
        }
    }
    if !service.conflicts.is_empty() {
        let names: Vec<String> = service.conflicts.iter().map(|id| quoted(db.name(*id))).collect();
        pair(out, "conflicts", &format!("[{}]", names.join(", ")));
    }
    let command = |out: &mut String, key: &str, command: &Command| {
        pair(out, key, &argv(db, service, command));
    };
    match &service.kind {
        Kind::Longrun(longrun) => {
            command(out, "run", &longrun.run);
            if let Some(finish) = &longrun.finish {
                command(out, "finish", finish);
            }
            let bound = longrun.policy.finish_timeout;
            if longrun.finish.is_some() || bound != Policy::default().finish_timeout {
                pair(out, "timeout-finish", &quoted(&duration(bound)));
            }
            match (longrun.ready, &longrun.check, &longrun.pidfile) {
                (Ready::Check { every }, Some(check), _) => {
                    command(out, "ready.check", check);
                    pair(out, "ready.every", &quoted(&duration(every)));
                }
                (Ready::Pidfile, _, Some(path)) => pair(out, "ready.pidfile", &quoted(path)),
                (plain, ..) => pair(out, "ready", &ready(plain)),
            }
            if let Some(limit) = longrun.watchdog {
                pair(out, "watchdog", &quoted(&duration(limit)));
            }
            if let Some(tty) = &longrun.tty {
                pair(out, "tty", &quoted(tty));
            }
            if let Some(record) = &longrun.kept {
                kept(out, record);
            }
            policy(out, db, &longrun.policy);
        }
        Kind::Oneshot(oneshot) => {
            if let Some(up) = &oneshot.up {
                command(out, "up", up);
            }
            if let Some(down) = &oneshot.down {
                command(out, "down", down);
            }
            policy(out, db, &oneshot.policy);
        }
        Kind::Bundle(when) => pair(out, "ready-when", &ready_when(*when)),
        Kind::Failover(failover) => {
            pair(out, "return", &quoted(returning(failover.back)));
            pair(out, "patience", &quoted(&duration(failover.patience)));
        }
        Kind::File(file) => {
            pair(out, "path", &quoted(&file.path));
            pair(out, "mode", &format!("\"{:04o}\"", file.mode));
            pair(out, "text", &block(&written(db, service, &file.text, true)));
        }
    }
    more::watched(out, db, service);
    exec(out, db, service, &service.exec);
    for output in &service.outputs {
        let key = format!("outputs.{}", bare(&output.key));
        match &output.value {
            None => pair(out, &key, &quoted(&output.kind.to_string())),
            Some(value) => {
                let (kind, value) = (quoted(&output.kind.to_string()), text(db, service, value));
                pair(out, &key, &format!("{{ type = {kind}, value = {value} }}"));
            }
        }
    }
    more::changes(out, db, service);
}

/// A command as it is written.
fn argv(db: &Decoded<'_>, service: &Service, command: &Command) -> String {
    let arguments = command.argv.iter().map(|text| quoted(&written(db, service, text, false)));
    format!("[{}]", arguments.collect::<Vec<_>>().join(", "))
}

fn text(db: &Decoded<'_>, service: &Service, text: &Text) -> String {
    quoted(&written(db, service, text, false))
}

fn ready(ready: Ready) -> String {
    match ready {
        Ready::Started => "\"started\"".to_owned(),
        Ready::Notify => "\"notify\"".to_owned(),
        Ready::Outputs | Ready::Check { .. } | Ready::Pidfile => "\"outputs\"".to_owned(),
        Ready::Fd(fd) => format!("{{ fd = {fd} }}"),
    }
}

/// When a failover goes back to a better alternative, as it is written.
pub(super) const fn returning(back: Back) -> &'static str {
    match back {
        Back::Sticky => "sticky",
        Back::PreferFirst => "prefer-first",
    }
}

/// What happens after a failure for good, as it is written.
pub(super) fn failure(db: &Decoded<'_>, failure: OnFailure) -> String {
    match failure {
        OnFailure::Ignore => "ignore".to_owned(),
        OnFailure::Reboot => "reboot".to_owned(),
        OnFailure::Rescue => "rescue".to_owned(),
        OnFailure::Start(id) => format!("start {}", db.name(id)),
    }
}

/// When a process is started again, as it is written.
pub(super) const fn restart(restart: Restart) -> &'static str {
    match restart {
        Restart::Always => "always",
        Restart::OnFailure => "on-failure",
        Restart::Never => "never",
    }
}

fn policy(out: &mut String, db: &Decoded<'_>, policy: &Policy) {
    let (min, max) = (duration(policy.backoff.min), duration(policy.backoff.max));
    let (word, count) = (restart(policy.restart), policy.max_restarts);
    let mut table = format!("policy = \"{word}\", backoff = \"{min}..{max}\", max = {count}");
    if !policy.permanent.is_empty() {
        let codes: Vec<String> = policy.permanent.iter().map(u8::to_string).collect();
        table.push_str(&format!(", permanent = [{}]", codes.join(", ")));
    }
    pair(out, "restart", &format!("{{ {table} }}"));
    if policy.on_failure != OnFailure::Ignore {
        pair(out, "on-failure", &quoted(&failure(db, policy.on_failure)));
    }
    if policy.action_timeout != Policy::default().action_timeout {
        pair(out, "timeout-action", &quoted(&duration(policy.action_timeout)));
    }
    let start = policy.start_timeout.map_or_else(|| "never".to_owned(), duration);
    pair(out, "timeout-start", &quoted(&start));
    pair(out, "timeout-down", &quoted(&duration(policy.stop.grace)));
    pair(out, "down-signal", &quoted(policy.stop.signal.name()));
}

fn exec(out: &mut String, db: &Decoded<'_>, service: &Service, exec: &Exec) {
    if let Some(user) = &exec.user {
        pair(out, "user", &quoted(user));
    }
    if let Some(group) = &exec.group {
        pair(out, "group", &quoted(group));
    }
    if !exec.groups.is_empty() {
        let groups: Vec<String> = exec.groups.iter().map(|group| quoted(group)).collect();
        pair(out, "groups", &format!("[{}]", groups.join(", ")));
    }
    for (name, value) in &exec.env {
        pair(out, &format!("env.{}", bare(name)), &text(db, service, value));
    }
    if let Some(cwd) = &exec.cwd {
        pair(out, "cwd", &quoted(cwd));
    }
    if let Some(umask) = exec.umask {
        pair(out, "umask", &format!("\"{umask:03o}\""));
    }
    for limit in &exec.limits {
        let name = RESOURCES.iter().find(|(_, resource, _)| *resource == limit.resource);
        let name = name.map_or("?", |(name, ..)| name);
        let bound = |bound: Option<u64>| bound.map_or("\"unlimited\"".into(), |n| n.to_string());
        let value = if limit.soft == limit.hard {
            bound(limit.soft)
        } else {
            format!("{{ soft = {}, hard = {} }}", bound(limit.soft), bound(limit.hard))
        };
        pair(out, &format!("limits.{name}"), &value);
    }
    if let Some(record) = &exec.isolation {
        isolation(out, record);
    }
}

fn kept(out: &mut String, kept: &Kept) {
    for socket in &kept.sockets {
        let is_stream = socket.kind == SocketKind::Stream;
        let kind = if is_stream { "stream" } else { "datagram" };
        let mut table = format!("{kind} = {}", quoted(&address_text(&socket.address)));
        if is_stream {
            table.push_str(&format!(", backlog = {}", socket.backlog));
        }
        if matches!(socket.address, Address::Unix(_)) {
            table.push_str(&format!(", mode = \"{:04o}\"", socket.mode));
        }
        for (key, account) in [("user", &socket.user), ("group", &socket.group)] {
            if let Some(account) = account {
                table.push_str(&format!(", {key} = {}", quoted(account)));
            }
        }
        pair(out, &format!("sockets.{}", socket.name), &format!("{{ {table} }}"));
    }
    if kept.store > 0 {
        pair(out, "fd-store", &kept.store.to_string());
    }
}

fn isolation(out: &mut String, isolation: &Isolation) {
    if let Some(chroot) = &isolation.chroot {
        pair(out, "chroot", &quoted(chroot));
    }
    for (key, number) in [("nice", isolation.nice), ("oom-score", isolation.oom_score)] {
        if let Some(number) = number {
            pair(out, key, &number.to_string());
        }
    }
    let none = Isolation::default();
    for (key, set, usual) in [
        ("bounding", isolation.bounding, none.bounding),
        ("ambient", isolation.ambient, none.ambient),
    ] {
        if set != usual {
            let names: Vec<String> = set.names().map(quoted).collect();
            pair(out, &format!("capabilities.{key}"), &format!("[{}]", names.join(", ")));
        }
    }
    if isolation.no_new_privileges {
        pair(out, "no-new-privileges", "true");
    }
    if let Some(bytes) = isolation.private_tmp {
        pair(out, "private-tmp", &bytes.to_string());
    }
    if let Some(group) = &isolation.cgroup {
        let (cpu, pids) = (group.cpu.map(u64::from), group.pids.map(u64::from));
        let limits = [("memory", group.memory), ("cpu", cpu), ("pids", pids)];
        let told =
            limits.into_iter().filter_map(|(key, limit)| Some(format!("{key} = {}", limit?)));
        let told: Vec<String> = told.collect();
        let all =
            if told.is_empty() { "true".to_owned() } else { format!("{{ {} }}", told.join(", ")) };
        pair(out, "cgroup", &all);
    }
}

/// A key, in quotes if it needs them.
fn bare(key: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !key.is_empty() && key.bytes().all(plain) { key.to_owned() } else { quoted(key) }
}

/// A basic string of TOML.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            other => push_escaped(&mut out, other),
        }
    }
    out.push('"');
    out
}

/// A string of several lines as people would write it.
pub(crate) fn block(text: &str) -> String {
    if !text.contains('\n') {
        return quoted(text);
    }
    let mut out = String::from("\"\"\"\n");
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            other => push_escaped(&mut out, other),
        }
    }
    out.push_str("\"\"\"");
    out
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        '\t' => out.push_str("\\t"),
        c if c.is_control() => {
            // Writing into a string cannot fail.
            write!(out, "\\u{:04X}", u32::from(c)).ok();
        }
        c => out.push(c),
    }
}
