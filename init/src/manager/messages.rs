//! The wording of what the log says. Pure.

use crate::exit::reason;
use rc::{
    engine::{Cause, Incarnation, Phase, Role, View},
    proto::Ending,
};
use supervisor::{
    exit::{Exit, SpawnFailure, SpawnStep},
    signal::Signal,
    time::{Instant, Millis},
};

/// A process that could not be started.
pub fn not_started(failure: SpawnFailure, program: &str) -> String {
    let what = failure.step.verb();
    match failure.step {
        SpawnStep::Exec if failure.errno == libc::ENOENT => {
            format!("cannot {what} {program}: it or its interpreter does not exist (errno 2)")
        }
        SpawnStep::Exec => format!("cannot {what} {program}: {}", reason(failure.errno)),
        _ => format!("cannot {what} for {program}: {}", reason(failure.errno)),
    }
}

/// How a process ended, as a predicate.
pub fn exit(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exited with code {code}"),
        Exit::Signal(number) => match Signal::from_number(i32::from(number)) {
            Some(signal) => format!("was killed by SIG{}", signal.name()),
            None => format!("was killed by signal {number}"),
        },
        Exit::NotStarted(failure) => format!("could not {}", failure.step.verb()),
    }
}

/// A line about an end, unless it is what was to be expected.
pub fn worth_telling(run: Incarnation, how: Exit, timed_out: bool) -> Option<String> {
    let who = match run.role {
        Role::Run | Role::Up => "",
        Role::Down => "its down program ",
        Role::Finish => "its finish program ",
        Role::Action { .. } => "its action ",
        // Failed checks are counted; what follows from too many of them is told.
        Role::Check(_) | Role::Write => return None,
    };
    match (run.role, how) {
        // That it could not be started was told, with more detail, when it was tried.
        (_, Exit::NotStarted(_)) => None,
        _ if timed_out => Some(format!("{who}took too long and {}", exit(how))),
        // What is stopped ends by the signal that it gets; only a surprise becomes a state change,
        // and that is told with the exit.
        (Role::Run | Role::Up, _) | (_, Exit::Code(0)) => None,
        _ => Some(format!("{who}{}", exit(how))),
    }
}

/// A change of state.
pub fn changed(from: Phase, to: Phase, view: Option<&View>, now: Instant) -> String {
    let last = view.and_then(|view| view.last_exit).map_or(String::new(), exit);
    match to {
        Phase::Backoff => {
            let delay = view.and_then(|view| view.retry_at).map_or(0, |at| at.since_ms(now));
            format!("{last}; started again in {}", seconds(delay))
        }
        Phase::Failed => format!("{last}; it stays down until svc start"),
        _ => format!("{} (was {})", to.name(), from.name()),
    }
}

/// Why jamb ends a process that nobody asked it to end.
pub const fn cause(cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::NotReady => Some("it was not ready in time, or cannot be; it is stopped"),
        Cause::Unhealthy => Some("its health checks failed; it is stopped"),
        Cause::Watchdog => Some("its watchdog did not hear of it in time; it is stopped"),
        Cause::Itself | Cause::Hopeless => None,
    }
}

/// Why the watchdog is not fed any longer.
pub fn starving(who: &str, what: &str, span: Millis, timeout: Millis) -> String {
    let (span, timeout) = (span.0 / 1000, timeout.0 / 1000);
    format!("{who} {what} {span} s: it is not fed any longer, and resets within {timeout} s")
}

/// The boot is over.
pub fn settled(ready: bool, now: Instant, used_ms: u64) -> String {
    let what = if ready {
        "everything is ready"
    } else {
        "some services are not ready (see svc status); the rest is,"
    };
    let own = format!("of which jamb itself used {used_ms} ms of processor time");
    format!("{what} {} after jamb was started, {own}", seconds(now.ms))
}

/// What kind of end begins.
pub const fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Reboot => "reboot",
        Ending::Poweroff => "poweroff",
        Ending::Halt => "halt",
        Ending::Kexec => "kexec",
    }
}

/// Milliseconds as seconds with one decimal below ten, for people.
pub fn seconds(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..10_000 => format!("{}.{:03} s", ms / 1000, ms % 1000),
        _ => format!("{} s", ms / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words() {
        let failure = |step, errno| SpawnFailure { step, errno };
        let missing = not_started(failure(SpawnStep::Exec, libc::ENOENT), "udhcpc");
        assert_eq!(
            missing,
            "cannot execute udhcpc: it or its interpreter does not exist (errno 2)"
        );
        let denied = not_started(failure(SpawnStep::Exec, libc::EACCES), "/x");
        assert!(denied.starts_with("cannot execute /x: Permission denied"), "{denied}");
        assert_eq!(exit(Exit::Signal(9)), "was killed by SIGKILL");
        assert_eq!(exit(Exit::Signal(40)), "was killed by signal 40");
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(seconds(12), "12 ms");
        assert_eq!(seconds(1002), "1.002 s");
        assert_eq!(seconds(75_000), "75 s");
    }
}
