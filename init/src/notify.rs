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
use supervisor::{
    cut, decimal,
    problem::{Problem, problem},
};

const HELP: &str = "\
usage: notify [WORD]…

Tells jamb something about the service that it is called from, which must be
ready = \"notify\". Without a word it is READY.

  READY            the service is ready
  UNREADY          it is not ready any longer
  RELOADING        it takes over a changed configuration; READY ends that
  STOPPING         it is about to end
  STATUS=TEXT      a line for svc status
  EXTEND=SECONDS   starting or stopping may take so much longer from now on
  KEEPALIVE        it is alive, for its watchdog
  NAME=VALUE       any assignment of sd_notify(3), as it is

What is told goes to the socket that NOTIFY_SOCKET names, so it works for any
supervisor that understands sd_notify(3); UNREADY (READY=0) is jamb's own. A
service with ready = { fd = N } writes to its descriptor instead: a newline
when it is ready, and the line READY=0 when it no longer is.

exit codes: 0 sent, 100 usage, 111 there is no such socket
";

/// Words, and the assignments that they stand for.
const WORDS: [(&str, &str); 5] = [
    ("READY", "READY=1"),
    ("UNREADY", "READY=0"),
    ("RELOADING", "RELOADING=1"),
    ("STOPPING", "STOPPING=1"),
    ("KEEPALIVE", "WATCHDOG=1"),
];

/// The applet.
pub fn main(call: Call) -> i32 {
    if let Some(code) = asked_for_help(&call, HELP) {
        return code;
    }
    let mut message = String::new();
    for word in &call.args {
        match assignment(word) {
            Ok(line) => message.push_str(&line),
            Err(problem) => {
                exit::complain("notify", format_args!("{problem}; nothing sent"));
                return exit::USAGE;
            }
        }
        message.push('\n');
    }
    if message.is_empty() {
        message.push_str("READY=1\n");
    }
    match send(message.as_bytes()) {
        Ok(()) => exit::OK,
        Err(problem) => {
            exit::complain("notify", format_args!("{problem}"));
            exit::SYSTEM
        }
    }
}

/// The line of sd_notify(3) that a word stands for.
fn assignment(word: &str) -> Result<String, Problem> {
    if let Some((_, line)) = WORDS.iter().find(|(known, _)| *known == word) {
        // MONOTONIC_USEC, which systemd wants beside it, is the time at which it is sent.
        return Ok(if word == "RELOADING" {
            format!("{line}\nMONOTONIC_USEC={}", monotonic_usec())
        } else {
            (*line).to_owned()
        });
    }
    match cut::first(word, b'=') {
        Some(("EXTEND", span)) => match decimal::number::<u64>(span) {
            Some(seconds) => {
                Ok(format!("EXTEND_TIMEOUT_USEC={}", seconds.saturating_mul(1_000_000)))
            }
            None => Err(problem!("{span} is no number of seconds")),
        },
        Some(_) => Ok(word.to_owned()),
        None => Err(problem!("{word} is no word and no assignment; see notify --help")),
    }
}

fn monotonic_usec() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    now.map_or(0, |now| {
        let now = std::time::Duration::from(now);
        now.as_secs() * 1_000_000 + u64::from(now.subsec_micros())
    })
}

fn send(message: &[u8]) -> Result<(), Problem> {
    let name = crate::inherit::variable(c"NOTIFY_SOCKET");
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

#[cfg(test)]
mod tests {
    use super::assignment;

    #[test]
    fn words_stand_for_assignments() {
        for (word, line) in [
            ("READY", "READY=1"),
            ("UNREADY", "READY=0"),
            ("KEEPALIVE", "WATCHDOG=1"),
            ("EXTEND=90", "EXTEND_TIMEOUT_USEC=90000000"),
            ("STATUS=a b=c", "STATUS=a b=c"),
            ("MAINPID=7", "MAINPID=7"),
        ] {
            assert_eq!(assignment(word).as_deref(), Ok(line));
        }
        assert!(assignment("RELOADING").is_ok_and(|text| text.starts_with("RELOADING=1\nMONO")));
        for wrong in ["ready", "EXTEND=", "EXTEND=-1", "EXTEND"] {
            assert!(assignment(wrong).is_err(), "{wrong}");
        }
    }
}
