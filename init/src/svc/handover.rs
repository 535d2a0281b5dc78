//! `svc reexec` and `svc upgrade`: jamb is followed by itself or by another version. That it happened is seen
//! by asking the one that answers afterwards.

use super::{
    Connection,
    args::Args,
    client::Error,
    misused,
    query::{info, info_of, unexpected},
};
use crate::exit::{self, Failure};
use rc::proto::Request;
use std::time::Duration;

/// Longer than the check of another version may take.
const WITHIN: Duration = Duration::from_secs(30);

/// `svc reexec`
pub fn reexec(_: &Args) -> Result<i32, Failure> {
    follow(Request::Reexec)
}

/// `svc upgrade`
pub fn upgrade(args: &Args) -> Result<i32, Failure> {
    let path = args.names.first().map(String::as_str).unwrap_or_default();
    if !path.starts_with('/') {
        return Err(misused(format_args!("{path} is no absolute path")));
    }
    follow(Request::Upgrade { path: path.to_owned() })
}

fn follow(request: Request) -> Result<i32, Failure> {
    let mut connection = Connection::open()?;
    let before = info(&mut connection)?.reexecs;
    match connection.ask_within(request, Some(WITHIN)) {
        Err(error) if error.is_end() => {}
        Err(error) => return Err(error.into()),
        Ok(reply) => return Err(unexpected(reply)),
    }
    let now = match Connection::open()?.ask(Request::Info) {
        // It speaks otherwise, so it is another version.
        Err(Error::Frame(_)) => {
            exit::say("another version of jamb goes on\n");
            return Ok(exit::OK);
        }
        now => info_of(now?)?,
    };
    if now.reexecs == before {
        let text = format_args!("jamb crashed instead ({} times so far); it goes on", now.crashes);
        return Err(Failure::new(exit::FAILED, text));
    }
    exit::tell(format_args!("jamb {} (pid {}) goes on\n", now.version, now.pid));
    Ok(exit::OK)
}
