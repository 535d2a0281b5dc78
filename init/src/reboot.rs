//! `reboot`, `poweroff` and `halt`: ask PID 1 for the end, or make it at once.

use crate::{
    applet::{Call, asked_for_help},
    exit,
    file::{c_path, text},
    machine,
    root::is_in_memory,
    svc::{Connection, Error},
};
use rc::proto::{Ending, Reply, Request};
use rustix::{
    fs::{Access, access, sync},
    process::{Pid, Signal, kill_process},
};
use supervisor::{
    cut, decimal,
    options::{Known, Line},
    problem::{Problem, problem},
};

const HELP: &str = "\
usage: reboot|poweroff|halt [-f] [-k] [-n] [-x] [-d SECONDS] [-m DIRECTORY] [-r REASON] [-w]

Ends the machine: services are stopped in order, then what is left is killed,
file systems are unmounted, and the kernel reboots, powers off or halts.

  -f           at once: no services are stopped; the kernel is told directly
  -k           kill services instead of stopping them; also while a shutdown
               is in progress and hangs
  -n           with -f: do not write the caches to the disks before
  -d SECONDS   wait before
  -m DIRECTORY the last act: when everything is unmounted, DIRECTORY (below /run,
               where it is in memory) becomes the root, and its file /maintenance
               is executed on the console, to write another system over this one;
               when it has ended, or after 30 minutes, the machine ends
  -r REASON    what for: it is logged, and kept over the reboot (see end-record)
  -x           reboot by starting the kernel that kexec -l has loaded
  -w           accepted for compatibility; does nothing (there is no wtmp)

exit codes: 0 it has begun, 1 refused, 100 usage, 111 PID 1 cannot be reached
";

/// BusyBox's, and jamb's own.
const OPTIONS: &[Known] = &[
    Known::letter(b'f', ""),
    Known::letter(b'k', ""),
    Known::letter(b'n', ""),
    Known::letter(b'w', ""),
    Known::letter(b'x', ""),
    Known::letter(b'd', "a number of seconds"),
    Known::letter(b'm', "a directory"),
    Known::letter(b'r', "a reason"),
];

#[derive(PartialEq, Eq, Debug, Default)]
struct Options {
    force: bool,
    kill: bool,
    no_sync: bool,
    delay: u64,
    wtmp_only: bool,
    kexec: bool,
    last_act: String,
    reason: String,
}

/// The applet; its name says which end.
pub fn main(call: Call) -> i32 {
    if let Some(code) = asked_for_help(&call, HELP) {
        return code;
    }
    let options = match parse(call.args) {
        Ok(options) => options,
        Err(problem) => {
            exit::complain(call.name, format_args!("{problem}; nothing was done; see --help"));
            return exit::USAGE;
        }
    };
    if options.wtmp_only {
        return exit::OK;
    }
    let how = match call.name {
        "poweroff" => Ending::Poweroff,
        "halt" => Ending::Halt,
        _ if options.kexec => Ending::Kexec,
        _ => Ending::Reboot,
    };
    if let Err(problem) = check(call.name, &options) {
        exit::complain(call.name, format_args!("{problem}; nothing was done"));
        return exit::FAILED;
    }
    std::thread::sleep(core::time::Duration::from_secs(options.delay));
    if options.force {
        if !options.no_sync {
            sync();
        }
        let error = machine::end_now(how);
        exit::complain(call.name, format_args!("the kernel refuses: {error}; nothing was done"));
        return exit::SYSTEM;
    }
    let (why, last_act) = (options.reason, options.last_act);
    let request = Request::Shutdown { how, now: options.kill, why, last_act: last_act.clone() };
    match Connection::open().and_then(|mut connection| connection.ask(request)) {
        Ok(Reply::Refused(problem)) => {
            exit::complain(call.name, format_args!("{problem}"));
            exit::FAILED
        }
        // Who ends does not always say goodbye.
        Ok(_) | Err(Error::Broken(_)) => exit::OK,
        Err(error) if how == Ending::Kexec || !last_act.is_empty() => {
            exit::complain(call.name, format_args!("{error}; a signal cannot ask for that"));
            exit::SYSTEM
        }
        Err(error) => by_signal(call.name, how, &error),
    }
}

/// What would fail only when there is no way back.
fn check(name: &str, options: &Options) -> Result<(), Problem> {
    if options.kexec {
        if name != "reboot" {
            return Err(problem!("-x is for reboot, not for {name}"));
        }
        if text("/sys/kernel/kexec_loaded", 16).trim_ascii() != "1" {
            return Err("no kernel is loaded; kexec -l loads one".into());
        }
    }
    let directory = &options.last_act;
    if directory.is_empty() {
        return Ok(());
    }
    if options.force {
        return Err("-m needs the orderly end, -f is none".into());
    }
    if !directory.starts_with("/run/") || cut::parts(directory, b'/').any(|part| part == "..") {
        return Err(problem!("{directory} is not below /run, so it might be unmounted itself"));
    }
    let program = format!("{directory}/maintenance");
    access(&*c_path(&program), Access::EXEC_OK)
        .map_err(|error| problem!("cannot execute {program}: {error}"))?;
    if is_in_memory(&c_path(directory)) {
        return Ok(());
    }
    Err(problem!("{directory} is not in memory; a last act has nothing else"))
}

/// PID 1 may hang, or be another init: a signal reaches both. They are BusyBox's.
fn by_signal(name: &str, how: Ending, error: &Error) -> i32 {
    if crate::inherit::variable(c"JAMB_RUN_DIR").is_some() {
        exit::complain(name, format_args!("{error}"));
        return exit::SYSTEM;
    }
    let signal = match how {
        Ending::Reboot | Ending::Kexec => Signal::TERM,
        Ending::Poweroff => Signal::USR2,
        Ending::Halt => Signal::USR1,
    };
    match kill_process(Pid::INIT, signal) {
        Ok(()) => {
            exit::complain(name, format_args!("{error}; PID 1 was told by a signal"));
            exit::OK
        }
        Err(refused) => {
            exit::complain(name, format_args!("{error}; nor by a signal: {refused}; try -f"));
            exit::SYSTEM
        }
    }
}

fn parse(words: Vec<String>) -> Result<Options, Problem> {
    let mut options = Options::default();
    let mut line = Line::new(words, OPTIONS);
    while let Some(mark) = line.read()? {
        let value = &line.value;
        match mark {
            b'f' => options.force = true,
            b'k' => options.kill = true,
            b'n' => options.no_sync = true,
            b'w' => options.wtmp_only = true,
            b'x' => options.kexec = true,
            b'm' => options.last_act = line.take(),
            b'r' => options.reason = line.take(),
            b'd' => {
                options.delay = decimal::number(value)
                    .ok_or_else(|| problem!("{value} is no number of seconds"))?;
            }
            _ => return Err(problem!("{value} is no option")),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_be_written_together() {
        let read = |words: &[&str]| parse(words.iter().map(|&word| word.to_owned()).collect());
        let want = Options { force: true, no_sync: true, delay: 3, ..Options::default() };
        assert_eq!(read(&["-fnd3"]).as_ref(), Ok(&want));
        assert_eq!(read(&["-f", "-n", "-d", "3"]).as_ref(), Ok(&want));
        assert!(read(&["-d"]).is_err());
        assert!(read(&["-d", "x"]).is_err());
        let want = Options { kexec: true, reason: "new kernel".to_owned(), ..Options::default() };
        assert_eq!(read(&["-xr", "new kernel"]).as_ref(), Ok(&want));
        let want = Options { last_act: "/run/flash".to_owned(), ..Options::default() };
        assert_eq!(read(&["-m/run/flash"]).as_ref(), Ok(&want));
        assert!(read(&["-m"]).is_err());
        assert!(read(&["-q"]).is_err());
        assert!(read(&["now"]).is_err());
    }
}
