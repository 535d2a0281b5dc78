//! What is kept for a longrun over its restarts: sockets, and how much it may store; and what of that
//! does not fit together with how it tells that it is ready.

use super::{
    exec::{absolute, account},
    isolation::within,
    table::{Context, Table, Value},
    value::{check_name, octal},
};
use crate::{
    definition::{Body, Definition, Kept},
    diag::{Code, Diagnostic},
    fields::{FREE, SOCKET},
    source::{Located, Place},
};
use rc::{
    kept::{Address, Socket, SocketKind},
    model::Ready,
};
use std::net::{Ipv4Addr, SocketAddrV4, SocketAddrV6};

/// The most descriptors that one service may have stored.
pub const STORE: u16 = 32;
/// The most sockets of one service.
const SOCKETS: usize = 32;
/// The longest path of a unix socket, in bytes; unix(7).
const PATH: usize = 107;
/// What `backlog` is unless told otherwise; the kernel's `somaxconn` bounds it as well.
const BACKLOG: u16 = 128;
/// The mode of a unix socket unless told otherwise, as systemd has it: everybody may connect.
const MODE: u16 = 0o666;

/// Reads `sockets` and `fd-store`.
pub fn kept(cx: Context<'_>, table: &mut Table<'_>) -> Kept {
    let store = table.take("fd-store").and_then(|value| {
        let most = within(cx, &value, &(1..=i32::from(STORE)))?;
        Some(Located { value: u16::try_from(most).ok()?, place: value.place })
    });
    let mut sockets = Vec::new();
    let example = "a table of sockets such as { http = { stream = \"192.0.2.1:80\" } }";
    if let Some(value) = table.take("sockets")
        && let Some(all) = value.table(cx, example, &FREE)
    {
        for (key, value) in all.entries() {
            let name = Located { value: key.value.to_owned(), place: key.place };
            check_name(cx, &name, "a socket");
            sockets.extend(socket(cx, name, &value));
        }
        if sockets.len() > SOCKETS {
            let message =
                format!("`sockets` has {}, at most {SOCKETS} are possible", sockets.len());
            value.invalid(cx, Code::TooLarge, message, "");
        }
    }
    Kept { sockets, store }
}

fn socket(cx: Context<'_>, name: Located<String>, value: &Value<'_>) -> Option<Located<Socket>> {
    let expected = "a table such as { stream = \"/run/daemon.socket\", mode = \"0660\" }";
    let mut table = value.table(cx, expected, &SOCKET)?;
    let stream = table.take("stream").map(|value| (SocketKind::Stream, value));
    let datagram = table.take("datagram").map(|value| (SocketKind::Datagram, value));
    let backlog = table.take("backlog");
    let mode = table.take("mode");
    let user = table.take("user");
    let group = table.take("group");
    let place = table.place;
    let what = table.what.clone();
    table.finish(cx);
    let (kind, value) = match (stream, datagram) {
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => {
            let message = format!("{what} says neither `stream` nor `datagram`");
            let help = "an address is PORT, \"ADDRESS:PORT\" or an absolute path";
            cx.report.push(Diagnostic::error(Code::Missing, place, message).help(help));
            return None;
        }
        (Some(_), Some((_, second))) => {
            let message = format!("{what} is both `stream` and `datagram`");
            second.invalid(cx, Code::Contradiction, message, "make two sockets of it");
            return None;
        }
    };
    let address = address(cx, &value)?;
    let is_unix = matches!(address, Address::Unix(_));
    for value in [&mode, &user, &group].into_iter().flatten().filter(|_| !is_unix) {
        let message = format!("`{}` is of unix sockets only", value.key);
        value.invalid(cx, Code::Contradiction, message, "whoever reaches the port may connect");
    }
    if let (Some(value), SocketKind::Datagram) = (&backlog, kind) {
        let message = format!("`{}` of a datagram socket, which has no connections", value.key);
        value.invalid(cx, Code::Contradiction, message, "");
    }
    let backlog = backlog.and_then(|value| within(cx, &value, &(1..=i32::from(u16::MAX))));
    let account = |value: Option<Value<'_>>| Some(account(cx, &value?)?.value);
    let socket = Socket {
        name: name.value,
        kind,
        address,
        backlog: backlog.and_then(|most| u16::try_from(most).ok()).unwrap_or(BACKLOG),
        mode: mode.and_then(|value| octal(cx, &value)).map_or(MODE, |mode| mode.value),
        user: account(user),
        group: account(group),
    };
    Some(Located { value: socket, place: value.place })
}

/// A port, an address with a port, or a path.
fn address(cx: Context<'_>, value: &Value<'_>) -> Option<Address> {
    let port = value.as_integer(cx).map(|number| number.to_string());
    let text = match port {
        Some(port) => port,
        None => value.string(cx, "a port, \"ADDRESS:PORT\" or an absolute path")?.value,
    };
    if text.starts_with('/') {
        let path = absolute(cx, value)?.value;
        if path.len() > PATH {
            let message = format!("`{}` has {} bytes", value.key, path.len());
            let help = format!("the path of a unix socket has at most {PATH}");
            value.invalid(cx, Code::BadValue, message, &help);
            return None;
        }
        return Some(Address::Unix(path));
    }
    let found = if let Ok(port) = text.parse::<u16>() {
        Some((Address::Every(port), port))
    } else if let Ok(address) = text.parse::<SocketAddrV4>() {
        Some((Address::V4(address.ip().octets(), address.port()), address.port()))
    } else {
        let address = text.parse::<SocketAddrV6>().ok().filter(|address| address.scope_id() == 0);
        address.map(|address| (Address::V6(address.ip().octets(), address.port()), address.port()))
    };
    match found {
        Some((address, 1..)) => Some(address),
        _ => {
            let message = format!("`{}`: `{text}` is no address to listen on", value.key);
            let help = match text.parse::<Ipv4Addr>() {
                Ok(_) => format!("it has no port, such as \"{text}:80\""),
                Err(_) => "it is a port from 1 to 65535, \"192.0.2.1:80\", \"[2001:db8::1]:80\", \
                           or an absolute path"
                    .to_owned(),
            };
            value.invalid(cx, Code::BadValue, message, &help);
            None
        }
    }
}

/// An address as it is written.
#[must_use]
pub fn address_text(address: &Address) -> String {
    match address {
        Address::Unix(path) => path.clone(),
        Address::V4(ip, port) => SocketAddrV4::new((*ip).into(), *port).to_string(),
        Address::V6(ip, port) => SocketAddrV6::new((*ip).into(), *port, 0, 0).to_string(),
        Address::Every(port) => port.to_string(),
    }
}

/// Reports what does not fit together.
pub fn fits(cx: Context<'_>, definition: &Definition) {
    let Body::Longrun { ready, .. } = &definition.body else { return };
    let kept = &definition.kept;
    let report = |place: Place, message: String, help: String| {
        cx.report.push(Diagnostic::error(Code::Contradiction, place, message).help(help));
    };
    if let Some(store) = kept.store
        && ready.is_none_or(|ready| ready.value != Ready::Notify)
    {
        let message = "`fd-store` without the notification socket by which it is filled".to_owned();
        report(store.place, message, "say `ready = \"notify\"` as well".to_owned());
    }
    let count = kept.sockets.len() + kept.store.map_or(0, |store| usize::from(store.value));
    if let Some(Located { value: Ready::Fd(number), place }) = ready
        && usize::from(*number) < 3 + count
    {
        let message = format!("descriptor {number} is one of its {count} sockets");
        report(*place, message, format!("choose {} or more", 3 + count));
    }
}
