//! The table of applets and the choice among them: by the exact name of the program, or by the first
//! argument (`jamb svc status`).

use crate::exit::{self, Stream};
use std::fmt::Write as _;
use supervisor::cut;

/// jamb's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One applet.
struct Applet {
    name: &'static str,
    what: &'static str,
    run: fn(Call) -> i32,
}

/// How an applet was called.
pub struct Call {
    /// The name it was called by.
    pub name: &'static str,
    /// The arguments after that name.
    pub args: Vec<String>,
}

const APPLETS: &[Applet] = &[
    Applet { name: "init", what: "PID 1 of a machine or container", run: crate::machine::main },
    Applet { name: "supervise", what: "the same without a machine", run: crate::supervise::main },
    Applet { name: "svc", what: "asks and commands a running jamb", run: crate::svc::main },
    Applet { name: "output", what: "publishes a service's outputs", run: crate::output::main },
    Applet { name: "notify", what: "tells that a service is ready", run: crate::notify::main },
    Applet { name: "ifwait", what: "waits for a network interface", run: ifwait },
    Applet {
        name: "reboot",
        what: "ends the machine and starts it again",
        run: crate::reboot::main,
    },
    Applet { name: "poweroff", what: "ends the machine, power off", run: crate::reboot::main },
    Applet { name: "halt", what: "ends the machine, power on", run: crate::reboot::main },
    Applet {
        name: "handover-check",
        what: "tells whether it can take over (jamb starts it itself)",
        run: crate::handover::check_main,
    },
    Applet { name: "log-collector", what: "collects logs (jamb starts it itself)", run: collector },
];

/// Runs what was asked for; answers the exit code.
pub fn run(mut args: Vec<String>) -> i32 {
    if args.is_empty() {
        args.push("jamb".to_owned());
    }
    let program = args.remove(0);
    // The kernel's and the applets' links decide by their own name alone.
    let name = cut::last(&program, b'/').map_or(program.as_str(), |(_, name)| name);
    if std::process::id() != 1 && args.iter().any(|arg| cut::after(arg, "\u{fffd}").is_some()) {
        exit::complain(name, format_args!("an argument is not UTF-8; nothing was done"));
        return exit::USAGE;
    }
    // A login shell's leading minus is not part of the name; nothing else is forgiven.
    if let Some(applet) = find(name) {
        return (applet.run)(Call { name: applet.name, args });
    }
    // PID 1 under another name (init=/jamb) is PID 1 all the same.
    if args.first().and_then(|first| find(first)).is_none() && std::process::id() == 1 {
        return crate::machine::main(Call { name: "init", args });
    }
    let Some(first) = args.first().cloned() else {
        exit::say(&help());
        return exit::USAGE;
    };
    match (first.as_str(), find(&first)) {
        (_, Some(applet)) => {
            args.remove(0);
            (applet.run)(Call { name: applet.name, args })
        }
        ("--help" | "-h" | "help", None) => {
            exit::say(&help());
            exit::OK
        }
        ("--version" | "-V" | "version", None) => {
            exit::tell(format_args!("jamb {VERSION}\n"));
            exit::OK
        }
        (other, None) => {
            exit::complain("jamb", format_args!("no applet is called {other}; see jamb --help"));
            exit::USAGE
        }
    }
}

fn find(name: &str) -> Option<&'static Applet> {
    APPLETS.iter().find(|applet| applet.name == name)
}

fn help() -> String {
    let mut text = format!(
        "jamb {VERSION}: init, supervisor and service manager for small routers\n\n\
         usage: jamb APPLET [ARGUMENT]…, or a link to jamb with an applet's name\n\n"
    );
    for applet in APPLETS {
        writeln!(text, "  {:<14} {}", applet.name, applet.what).ok();
    }
    text.push_str("\nEach applet has --help and --version.\n");
    text
}

/// Answers `--help` and `--version`, which every applet has; `None` if neither was asked for.
pub fn asked_for_help(call: &Call, help: &str) -> Option<i32> {
    match call.args.first()?.as_str() {
        "--help" | "-h" => exit::say(help),
        "--version" | "-V" => exit::tell(format_args!("{} (jamb {VERSION})\n", call.name)),
        _ => return None,
    }
    Some(exit::OK)
}

fn ifwait(call: Call) -> i32 {
    ifwait::applet::applet_main(call.args, &mut Stream::out(), &mut Stream::err())
}

fn collector(call: Call) -> i32 {
    let help = "usage: log-collector MAP SPOOL DIR MAX-FILE MAX-TOTAL [CONSOLE]\n\njamb starts it with the pipes of all \
                services. See svc log for reading logs.\n";
    if let Some(code) = asked_for_help(&call, help) {
        return code;
    }
    let mut taken = Vec::new();
    let mut inherited = |fd| {
        if taken.contains(&fd) {
            return None;
        }
        taken.push(fd);
        crate::inherit::adopt(fd)
    };
    jamb_log::collector_main(&mut inherited, call.args)
}
