//! A database as JSON, for programs. Durations are in milliseconds, modes are octal strings.

use super::{
    Decoded, boot, key, kind,
    text::written,
    toml::{action, condition, failure, restart, returning},
};
use crate::parse::{self, RESOURCES};
use rc::{
    db::{Error, FORMAT},
    isolation::{Capabilities, Isolation},
    kept::{Socket, SocketKind},
    model::{Command, Exec, Kind, Policy, Ready, ReadyWhen, Service},
};
use serde_json::{Value, json};

/// The whole database, or the service called `only`.
///
/// # Errors
/// If the system record cannot be decoded.
pub fn json(db: &Decoded<'_>, only: Option<&str>) -> Result<Value, Error> {
    let services = db.chosen(only).into_iter().map(|(name, service)| one(db, name, service));
    let system = db.database.system()?;
    Ok(json!({
        "format": FORMAT,
        "content_id": db.content_id(),
        "bytes": db.database.bytes().len(),
        "system": {
            "default": system.target.map(|id| db.name(id)),
            "hostname": system.hostname,
            "shutdown_timeout_ms": system.shutdown_timeout.0,
            "log_max_file": system.log_max_file,
            "log_max_total": system.log_max_total,
            "watchdog": system.watchdog.map(|watchdog| json!({
                "device": watchdog.device,
                "timeout_ms": watchdog.timeout.0,
                "pretimeout_ms": watchdog.pretimeout.map(|time| time.0),
                "needs": watchdog.needs.iter().map(|id| db.name(*id)).collect::<Vec<_>>(),
                "grace_ms": watchdog.grace.0,
                "boot_ms": watchdog.boot.0,
                "stall_ms": watchdog.stall.0,
            })),
            "boot": boot::json(&system.boot),
            "root": boot::json(&system.root),
            "rescue_reboot_ms": system.rescue_reboot.map(|time| time.0),
            "end_record": system.end_record,
        },
        "services": services.collect::<Vec<_>>(),
    }))
}

fn one(db: &Decoded<'_>, name: &str, service: &Service) -> Value {
    let edges = service.edges.iter().map(|edge| {
        json!({
            "service": db.name(edge.to),
            "relation": key(edge.relation),
            "on_change": action(edge.on_change),
        })
    });
    let reads = (0..service.reads.len()).filter_map(|read| u16::try_from(read).ok());
    let reads = reads.map(|read| db.output(service, read));
    let outputs = service.outputs.iter().map(|output| {
        json!({
            "key": output.key,
            "type": output.kind.to_string(),
            "value": output.value.as_ref().map(|text| written(db, service, text, false)),
            "from": output.from.iter().map(|read| db.output(service, *read)).collect::<Vec<_>>(),
        })
    });
    let mut value = json!({
        "name": name,
        "kind": kind(service),
        "description": service.description,
        "edges": edges.collect::<Vec<_>>(),
        "reads": reads.collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
    });
    let argv = |command: &Command| -> Vec<String> {
        command.argv.iter().map(|text| written(db, service, text, false)).collect()
    };
    let conditions = service.conditions.iter().map(|one| condition(db, service, one));
    value["conditions"] = json!(conditions.collect::<Vec<_>>());
    value["conflicts"] = json!(service.conflicts.iter().map(|id| db.name(*id)).collect::<Vec<_>>());
    value["health"] = json!(service.health.as_ref().map(|health| json!({
        "run": argv(&health.run),
        "every_ms": health.every.0,
        "timeout_ms": health.timeout.0,
        "retries": health.retries,
    })));
    value["reload"] = json!(service.reload.map(action));
    value["actions"] = json!(service.actions.iter().map(argv).collect::<Vec<_>>());
    match &service.kind {
        Kind::Longrun(longrun) => {
            value["run"] = json!(argv(&longrun.run));
            value["finish"] = json!(longrun.finish.as_ref().map(argv));
            value["ready"] = match longrun.ready {
                Ready::Started => json!("started"),
                Ready::Notify => json!("notify"),
                Ready::Outputs => json!("outputs"),
                Ready::Fd(fd) => json!({ "fd": fd }),
                Ready::Check { every } => json!({
                    "check": longrun.check.as_ref().map(argv),
                    "every_ms": every.0,
                }),
                Ready::Pidfile => json!({ "pidfile": longrun.pidfile }),
            };
            value["watchdog_ms"] = json!(longrun.watchdog.map(|limit| limit.0));
            value["tty"] = json!(longrun.tty);
            let kept = longrun.kept.as_deref();
            let sockets = kept.map_or(&[][..], |kept| &kept.sockets);
            value["sockets"] = sockets.iter().map(socket).collect();
            value["fd_store"] = json!(kept.map_or(0, |kept| kept.store));
            value["policy"] = policy(db, &longrun.policy);
            value["policy"]["timeout_finish_ms"] = json!(longrun.policy.finish_timeout.0);
        }
        Kind::Oneshot(oneshot) => {
            value["up"] = json!(oneshot.up.as_ref().map(argv));
            value["down"] = json!(oneshot.down.as_ref().map(argv));
            value["policy"] = policy(db, &oneshot.policy);
        }
        Kind::Bundle(when) => {
            value["ready_when"] = match when {
                ReadyWhen::All => json!("all"),
                ReadyWhen::AtLeast(count) => json!(count),
            };
        }
        Kind::Failover(failover) => {
            value["return"] = json!(returning(failover.back));
            value["patience_ms"] = json!(failover.patience.0);
        }
        Kind::File(file) => {
            value["path"] = json!(file.path);
            value["mode"] = json!(format!("{:04o}", file.mode));
            value["text"] = json!(written(db, service, &file.text, true));
        }
    }
    if matches!(service.kind, Kind::Longrun(_) | Kind::Oneshot(_)) {
        value["exec"] = exec(db, service, &service.exec);
    }
    value
}

fn socket(socket: &Socket) -> Value {
    let kind = match socket.kind {
        SocketKind::Stream => "stream",
        SocketKind::Datagram => "datagram",
    };
    json!({
        "name": socket.name,
        kind: parse::address_text(&socket.address),
        "backlog": socket.backlog,
        "mode": format!("{:04o}", socket.mode),
        "user": socket.user,
        "group": socket.group,
    })
}

fn policy(db: &Decoded<'_>, policy: &Policy) -> Value {
    json!({
        "restart": restart(policy.restart),
        "backoff_min_ms": policy.backoff.min.0,
        "backoff_max_ms": policy.backoff.max.0,
        "max_restarts": policy.max_restarts,
        "permanent": policy.permanent,
        "on_failure": failure(db, policy.on_failure),
        "timeout_action_ms": policy.action_timeout.0,
        "timeout_start_ms": policy.start_timeout.map(|limit| limit.0),
        "timeout_down_ms": policy.stop.grace.0,
        "down_signal": policy.stop.signal.name(),
    })
}

fn exec(db: &Decoded<'_>, service: &Service, exec: &Exec) -> Value {
    let env = exec
        .env
        .iter()
        .map(|(name, text)| (name.clone(), Value::String(written(db, service, text, false))));
    let limits = exec.limits.iter().map(|limit| {
        let known = RESOURCES.iter().find(|(_, resource, _)| *resource == limit.resource);
        let name = known.map_or("?", |(name, ..)| name).to_owned();
        (name, json!({ "soft": limit.soft, "hard": limit.hard }))
    });
    json!({
        "user": exec.user,
        "group": exec.group,
        "groups": exec.groups,
        "env": env.collect::<serde_json::Map<_, _>>(),
        "cwd": exec.cwd,
        "umask": exec.umask.map(|mask| format!("{mask:03o}")),
        "limits": limits.collect::<serde_json::Map<_, _>>(),
        "isolation": exec.isolation.as_deref().map(isolation),
    })
}

fn isolation(isolation: &Isolation) -> Value {
    let names = |set: Capabilities| {
        if set == Capabilities::ALL { vec!["all"] } else { set.names().collect() }
    };
    json!({
        "chroot": isolation.chroot,
        "nice": isolation.nice,
        "oom_score": isolation.oom_score,
        "bounding": names(isolation.bounding),
        "ambient": names(isolation.ambient),
        "no_new_privileges": isolation.no_new_privileges,
        "private_tmp": isolation.private_tmp,
        "cgroup": isolation.cgroup.map(|group| {
            json!({ "memory": group.memory, "cpu": group.cpu, "pids": group.pids })
        }),
    })
}
