//! `notify`: tells the supervisor something about the service that it is called from, over
//! `NOTIFY_SOCKET`; sd_notify(3) describes the protocol.

use crate::{
    applet::{Call, asked_for_help},
    exit,
};
use std::os::{
    linux::net::SocketAddrExt,
    unix::{
        ffi::OsStrExt,
        net::{SocketAddr, UnixDatagram},
    },
};

const HELP: &str = "\
usage: notify [ASSIGNMENT]…

Tells that the service is ready (READY=1), or the assignments given, to the
socket that NOTIFY_SOCKET names. To be called by a service with
ready = \"notify\".

exit codes: 0 sent, 100 usage, 111 there is no such socket
";

/// The applet.
pub fn main(call: Call) -> i32 {
    if let Some(code) = asked_for_help(&call, HELP) {
        return code;
    }
    let mut message = Vec::new();
    for word in &call.args {
        if !word.contains('=') {
            exit::complain(
                "notify",
                &format!("{word} is no assignment like READY=1; nothing sent"),
            );
            return exit::USAGE;
        }
        message.extend_from_slice(word.as_bytes());
        message.push(b'\n');
    }
    if message.is_empty() {
        message.extend_from_slice(b"READY=1\n");
    }
    match send(&message) {
        Ok(()) => exit::OK,
        Err(problem) => {
            exit::complain("notify", &problem);
            exit::SYSTEM
        }
    }
}

fn send(message: &[u8]) -> Result<(), String> {
    let name = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
    let name = name.ok_or("NOTIFY_SOCKET is not set: the service is not ready = \"notify\"")?;
    let cannot = |error: std::io::Error| format!("cannot tell {}: {error}", name.to_string_lossy());
    let address = match name.as_bytes() {
        // An abstract name is written with an at sign.
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        _ => SocketAddr::from_pathname(&name),
    };
    let socket = UnixDatagram::unbound().map_err(cannot)?;
    socket.send_to_addr(message, &address.map_err(cannot)?).map_err(cannot)?;
    Ok(())
}
