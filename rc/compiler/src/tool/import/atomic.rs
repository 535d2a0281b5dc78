//! Longruns and oneshots, file by file.

use super::{
    Import, Weight,
    script::{self, Plain, Script},
    source::Source,
    write::Definition,
};
use crate::{parse::MAX_READY_FD, source::SystemError};
use rc::Signal;

/// The folder of the scripts; the compiler reads no definitions in it.
pub(super) const FILES: &str = "files/";

/// The files of a oneshot that are looked at.
pub(super) const ONESHOT: &[&str] =
    &["dependencies", "dependencies.d", "timeout-up", "timeout-down", "up", "down", "reload"];

/// The files of a longrun that are looked at.
pub(super) const LONGRUN: &[&str] = &[
    "dependencies",
    "dependencies.d",
    "timeout-up",
    "timeout-down",
    "run",
    "finish",
    "notification-fd",
    "lock-fd",
    "timeout-kill",
    "timeout-finish",
    "max-death-tally",
    "down-signal",
    "data",
    "env",
    "producer-for",
    "consumer-for",
    "pipeline-name",
];

/// Programs that speak to a running s6 or s6-rc.
const OF_S6: &[&str] = &[
    "s6-rc",
    "s6-rc-update",
    "s6-svc",
    "s6-svstat",
    "s6-svwait",
    "s6-svlisten",
    "s6-svscanctl",
    "s6-instance-create",
    "s6-instance-delete",
    "s6-instance-control",
    "s6-fdholder-store",
    "s6-fdholder-retrieve",
];

/// The numbers of signals where they are the same on every architecture.
const NUMBERS: &[(u32, Signal)] = &[
    (1, Signal::Hup),
    (2, Signal::Int),
    (3, Signal::Quit),
    (6, Signal::Abrt),
    (9, Signal::Kill),
    (14, Signal::Alrm),
    (15, Signal::Term),
];

impl Import<'_> {
    /// A oneshot.
    pub(super) fn oneshot(
        &mut self,
        source: &Source,
        name: &str,
    ) -> Result<Definition, SystemError> {
        let mut definition = Definition::new(name, "oneshot");
        let needs = self.names(source, "dependencies")?;
        definition.names("needs", &needs);
        let mut first: Option<Plain> = None;
        for key in ["up", "down"] {
            let Some(bytes) = source.bytes(key)? else {
                if key == "up" {
                    self.lost(source, key, "there is none, which s6-rc refuses");
                }
                continue;
            };
            self.asks(source, key, &bytes);
            match script::oneshot(&bytes) {
                Ok(Script::Plain(plain)) => self.command(&mut definition, key, &plain, &mut first),
                Ok(Script::Blocks(script)) => {
                    definition.execline(key, &script);
                    let text = "the image needs execline for it";
                    self.changed(source, key, text);
                }
                Ok(Script::Nothing | Script::File) => {}
                Err(error) => {
                    let text = format!("{}, so execline refuses it", error.words());
                    self.lost(source, key, &text);
                }
            }
        }
        if source.has("reload") {
            self.lost(source, "reload", "a oneshot of jamb has no reload");
        }
        match self.millis(source, "timeout-up")? {
            Some(limit) => definition.string("timeout-start", &limit),
            None => definition.string("timeout-start", "never"),
        }
        if let Some(limit) = self.millis(source, "timeout-down")? {
            definition.string("timeout-down", &limit);
        }
        Ok(definition)
    }

    /// A command whose surroundings hold for the whole service: those of a second one must be the same.
    fn command(
        &mut self,
        definition: &mut Definition,
        key: &str,
        plain: &Plain,
        first: &mut Option<Plain>,
    ) {
        let surroundings = Plain { argv: Vec::new(), ..plain.clone() };
        let nothing = Plain::default();
        match first {
            // What was taken out is put back, as programs of execline and s6.
            _ if key == "down" && surroundings != *first.as_ref().unwrap_or(&nothing) => {
                definition.command(key, &chained(plain));
            }
            Some(_) => definition.command(key, &plain.argv),
            None => {
                definition.plain(key, plain);
                *first = Some(surroundings);
            }
        }
    }

    /// A longrun.
    pub(super) fn longrun(
        &mut self,
        source: &Source,
        name: &str,
    ) -> Result<Definition, SystemError> {
        let mut definition = Definition::new(name, "longrun");
        let needs = self.names(source, "dependencies")?;
        definition.names("needs", &needs);
        let has_data = self.data(source, name)?;
        let run = source.bytes("run")?;
        let mut cwd = has_data;
        match run.as_deref().map(|bytes| script::longrun(bytes, false)) {
            Some(Script::Plain(plain)) => {
                cwd &= plain.cwd.is_none();
                definition.plain("run", &plain);
            }
            Some(_) => {
                let path = self.script(source, name, "run", run.unwrap_or_default());
                definition.command("run", &[path]);
            }
            None => {
                self.lost(source, "run", "there is none, which s6-rc refuses");
                definition.command("run", &["false".to_owned()]);
            }
        }
        if cwd {
            // s6 executes run and finish in the service's directory.
            definition.string("cwd", &format!("{}/{name}", self.request.install));
        }
        if let Some(bytes) = source.bytes("finish")? {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if text.contains("$4") || text.contains("${4") {
                self.lost(source, "finish", "the fourth argument, the process group, is not given");
            }
            if text.contains("125") {
                self.lost(source, "finish", "exit code 125 does not end the restarts");
            }
            let path = self.script(source, name, "finish", bytes);
            definition.command("finish", &[path]);
        }
        self.settings(source, &mut definition)?;
        Ok(definition)
    }

    /// The small files of a longrun, each with one value.
    fn settings(
        &mut self,
        source: &Source,
        definition: &mut Definition,
    ) -> Result<(), SystemError> {
        if let Some(text) = source.text("notification-fd")? {
            match text.trim().parse::<u16>() {
                Ok(fd) if (3..=MAX_READY_FD).contains(&fd) => {
                    definition.raw("ready", &format!("{{ fd = {fd} }}"));
                }
                _ => self.lost(source, "notification-fd", "not a descriptor that jamb passes on"),
            }
        }
        if let Some(limit) = self.millis(source, "timeout-up")? {
            definition.string("timeout-start", &limit);
        }
        if self.millis(source, "timeout-down")?.is_some() {
            let text = "only s6-rc's waiting ends then; what is sent when is said by timeout-kill";
            self.lost(source, "timeout-down", text);
        }
        match self.millis(source, "timeout-kill")? {
            Some(limit) => definition.string("timeout-down", &limit),
            None if source.has("timeout-kill") => {
                let text = "s6 never kills it; jamb does so after timeout-down, 10 s by default";
                self.changed(source, "timeout-kill", text);
            }
            None => {}
        }
        let has_finish = source.has("finish");
        match self.millis(source, "timeout-finish")? {
            Some(limit) if has_finish => definition.string("timeout-finish", &limit),
            None if has_finish && source.has("timeout-finish") => {
                definition.string("timeout-finish", "1h");
                self.changed(source, "timeout-finish", "one hour instead of no limit");
            }
            _ => {}
        }
        if let Some(text) = source.text("down-signal")? {
            let text = text.trim();
            let number = text.parse::<u32>().ok();
            let known = NUMBERS.iter().find(|(known, _)| Some(*known) == number);
            match known.map(|(_, signal)| *signal).or_else(|| Signal::from_name(text)) {
                Some(signal) => definition.string("down-signal", signal.name()),
                None => self.lost(source, "down-signal", &format!("there is no signal {text}")),
            }
        }
        for (file, text) in [
            ("lock-fd", "jamb never runs two at once, but others do not see a lock"),
            ("max-death-tally", "deaths are counted by restart.max and restart.backoff instead"),
        ] {
            if source.has(file) {
                self.lost(source, file, text);
            }
        }
        Ok(())
    }

    /// A file of milliseconds as a duration; `None` if there is none or it says that there is no limit.
    fn millis(&mut self, source: &Source, file: &str) -> Result<Option<String>, SystemError> {
        let Some(text) = source.text(file)? else { return Ok(None) };
        match text.trim().parse::<u32>() {
            Ok(0) => Ok(None),
            Ok(millis) if millis % 1000 == 0 => Ok(Some(format!("{}s", millis / 1000))),
            Ok(millis) => Ok(Some(format!("{millis}ms"))),
            Err(_) => {
                self.lost(source, file, "not a number of milliseconds");
                Ok(None)
            }
        }
    }

    /// Copies `data` and `env`; whether there are any.
    fn data(&mut self, source: &Source, name: &str) -> Result<bool, SystemError> {
        let mut any = false;
        for folder in ["data", "env"].into_iter().filter(|folder| source.has(folder)) {
            for (path, bytes, is_script) in source.tree(folder)? {
                self.file(format!("{FILES}{name}/{path}"), bytes, is_script);
            }
            let path = format!("{}/{name}/{folder}", self.request.install);
            self.note(Weight::Changed, source, folder, "to be installed on the device", &path);
            any = true;
        }
        Ok(any)
    }

    /// Copies a script; the path that it is to be installed at.
    fn script(&mut self, source: &Source, name: &str, file: &str, bytes: Vec<u8>) -> String {
        self.asks(source, file, &bytes);
        self.file(format!("{FILES}{name}/{file}"), bytes, true);
        let path = format!("{}/{name}/{file}", self.request.install);
        self.note(Weight::Changed, source, file, "to be installed on the device", &path);
        path
    }

    /// Reports what a script asks for in vain: in its first line, and of s6 itself.
    fn asks(&mut self, source: &Source, file: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let s6 = lines.into_iter().find(|line| {
            let mut words = line.split(|c: char| c.is_whitespace() || "\"';(){}|&".contains(c));
            line.contains("/run/service")
                || words.any(|word| OF_S6.contains(&word.rsplit('/').next().unwrap_or_default()))
        });
        if let Some(line) = s6 {
            let text = "it speaks to s6 or s6-rc, which do not run under jamb";
            self.note(Weight::Lost, source, file, text, line.trim());
        }
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let first = String::from_utf8_lossy(first).into_owned();
        let Some(program) = first.strip_prefix("#!").map(str::trim) else { return };
        let oneshot = matches!(file, "up" | "down");
        if program.contains("with-contenv") {
            let text = "with-contenv belongs to s6-overlay: say the variables in env";
            self.changed(source, file, text);
        } else if oneshot && !program.contains("execlineb") {
            let text = "s6-rc reads it as execline, in spite of its first line";
            self.note(Weight::Changed, source, file, text, &first);
        }
    }
}

/// A command with what was taken out of it in front again.
fn chained(plain: &Plain) -> Vec<String> {
    let mut argv = Vec::new();
    let mut push = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
    if let Some(cwd) = &plain.cwd {
        push(&["execline-cd", cwd]);
    }
    if let Some(umask) = &plain.umask {
        push(&["execline-umask", umask]);
    }
    for (key, value) in &plain.env {
        push(&["export", key, value]);
    }
    match (&plain.user, &plain.group) {
        (Some(user), Some(group)) => push(&["s6-setuidgid", &format!("{user}:{group}")]),
        (Some(user), None) => push(&["s6-setuidgid", user]),
        (None, _) => {}
    }
    argv.extend(plain.argv.iter().cloned());
    argv
}
