//! Exit codes of all applets, and the one way to write to people: best effort, never a panic.

use std::io::Write;

/// It worked.
pub const OK: i32 = 0;
/// It did not work.
pub const FAILED: i32 = 1;
/// It did not work in time.
pub const TIMED_OUT: i32 = 2;
/// There is no such service.
pub const UNKNOWN: i32 = 3;
/// The command line is wrong.
pub const USAGE: i32 = 100;
/// The system refused something, or jamb cannot be reached.
pub const SYSTEM: i32 = 111;

/// Writes to the standard output. If nobody reads it, nobody misses it.
pub fn say(text: &str) {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}

/// The same, answering whether somebody took it.
pub fn can_say(text: &str) -> bool {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// Writes one line to the standard error, prefixed with who speaks.
pub fn complain(who: &str, text: &str) {
    let line = format!("{who}: {text}\n");
    std::io::stderr().write_all(line.as_bytes()).ok();
}

/// What a number of errno(3) means, in words and as the number that manuals are searched for.
pub fn reason(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => format!("{words} (errno {errno})"),
        None => text,
    }
}
