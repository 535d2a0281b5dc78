//! Scripts of s6-rc as commands of jamb: what a definition can say itself is taken out of them (user,
//! directory, environment, where output goes), what is more than one command stays a script.

use super::lex::{LexError, Lexed, lex};
use std::collections::BTreeMap;

/// A command and what was taken out of the script in front of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Plain {
    pub(super) argv: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
    pub(super) cwd: Option<String>,
    pub(super) umask: Option<String>,
    pub(super) env: BTreeMap<String, String>,
}

/// What a script becomes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Script {
    /// Nothing is done.
    Nothing,
    /// One command.
    Plain(Plain),
    /// An execline script with blocks, without its first line.
    Blocks(String),
    /// A file that is executed as it is.
    File,
}

/// The up or down of a oneshot: always execline, whatever its first line says.
///
/// # Errors
/// Where `execlineb` would refuse it.
pub(super) fn oneshot(script: &[u8]) -> Result<Script, LexError> {
    let lexed = lex(script)?;
    if lexed.argv.is_empty() {
        return Ok(Script::Nothing);
    }
    if lexed.has_blocks {
        let text = String::from_utf8(script.to_vec()).map_err(|_| LexError::Encoding)?;
        return Ok(Script::Blocks(without_shebang(&text)));
    }
    Ok(Script::Plain(plain(lexed)))
}

fn without_shebang(text: &str) -> String {
    let body = match text.strip_prefix("#!") {
        Some(rest) => rest.split_once('\n').map_or("", |(_, body)| body),
        None => text,
    };
    body.trim_matches(['\n', '\r']).to_owned() + "\n"
}

/// The `run` or `finish` of a longrun: a program, most often a script with a first line that says which
/// language it is in. `arguments`: it is given some.
pub(super) fn longrun(script: &[u8], arguments: bool) -> Script {
    let Ok(text) = std::str::from_utf8(script) else { return Script::File };
    let Some((first, body)) = text.strip_prefix("#!").and_then(|rest| rest.split_once('\n')) else {
        return Script::File;
    };
    let mut words = first.split_whitespace();
    let program = words.next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let flags: Vec<&str> = words.collect();
    let found = match program {
        // Without arguments, the flags that say what is done with them mean nothing.
        "execlineb"
            if flags.iter().all(|flag| matches!(*flag, "-P" | "-S0" | "-s0" | "-W" | "-w")) =>
        {
            lex(body.as_bytes()).ok().filter(|lexed| !lexed.has_blocks)
        }
        "sh" | "ash" | "dash" | "bash"
            if flags.iter().all(|flag| matches!(*flag, "-e" | "-eu")) =>
        {
            one_command(body)
        }
        _ => None,
    };
    let uses = |lexed: &Lexed| lexed.argv.iter().any(|word| is_positional(word));
    match found {
        Some(lexed) if lexed.argv.is_empty() => Script::Nothing,
        Some(lexed) if !arguments && !uses(&lexed) => Script::Plain(plain(lexed)),
        _ => Script::File,
    }
}

/// Whether a word refers to an argument of the script.
fn is_positional(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.windows(2).any(|pair| {
        pair[0] == b'$' && (pair[1].is_ascii_digit() || matches!(pair[1], b'@' | b'*' | b'#'))
    }) || bytes.windows(3).any(|three| three.starts_with(b"${") && three[2].is_ascii_digit())
}

/// A shell script that only executes one command whose words need no shell.
fn one_command(body: &str) -> Option<Lexed> {
    let lines = body.lines().map(str::trim);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut line = lines.next()?;
    if line == "exec 2>&1" {
        line = lines.next()?;
    }
    let command = line.strip_prefix("exec ")?.trim();
    let command = command.strip_suffix("2>&1").unwrap_or(command);
    if lines.next().is_some() {
        return None;
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " \t_-./:,=@%+".contains(c);
    // A first word with `=` would be a variable.
    let argv: Vec<String> = command.split_whitespace().map(ToOwned::to_owned).collect();
    let program = argv.first()?;
    (command.chars().all(is_plain) && !program.contains('=') && !program.starts_with('-'))
        .then_some(Lexed { argv, has_blocks: false })
}

/// Takes out of the front what a definition says itself, as far as it is understood exactly.
fn plain(lexed: Lexed) -> Plain {
    let mut plain = Plain::default();
    let mut argv = lexed.argv.as_slice();
    // What follows these is substituted, so it is not known here.
    while let Some(rest) = step(argv, &mut plain).filter(|rest| !rest.is_empty()) {
        argv = rest;
    }
    plain.argv = argv.to_vec();
    plain
}

/// One program at the front; `None` if it is not one that can be taken out.
fn step<'a>(argv: &'a [String], plain: &mut Plain) -> Option<&'a [String]> {
    let literal = |word: &str| !word.contains('$');
    let words: Vec<&str> = argv.iter().take(4).map(String::as_str).collect();
    let program = words.first()?.rsplit('/').next()?;
    let taken = match (program, &words[1..]) {
        // jamb logs both anyway.
        ("fdmove", ["-c", "2", "1", ..] | ["-c", "1", "2", ..]) => 4,
        ("s6-setuidgid" | "setuidgid", [account, ..])
            if literal(account) && !account.starts_with('-') && plain.user.is_none() =>
        {
            let (user, group) = match account.split_once(':') {
                Some((user, group)) => (user, Some(group.to_owned())),
                None => (*account, None),
            };
            if user.is_empty() || group.as_deref() == Some("") {
                return None;
            }
            (plain.user, plain.group) = (Some(user.to_owned()), group);
            2
        }
        ("cd" | "execline-cd", [folder, ..]) if literal(folder) && is_clean(folder) => {
            plain.cwd = Some((*folder).to_owned());
            2
        }
        ("umask" | "execline-umask", [mask, ..])
            if (1..=4).contains(&mask.len())
                && mask.bytes().all(|byte| (b'0'..=b'7').contains(&byte))
                && u16::from_str_radix(mask, 8).is_ok_and(|mask| mask <= 0o777) =>
        {
            plain.umask = Some(format!("{:0>3}", mask.trim_start_matches('0')));
            2
        }
        ("export", [key, value, ..])
            if literal(value)
                && !value.contains(['\n', '\0'])
                && !key.starts_with("JAMB_")
                && !matches!(*key, "NOTIFY_SOCKET" | "PATH")
                && !key.is_empty()
                && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') =>
        {
            plain.env.insert((*key).to_owned(), (*value).to_owned());
            3
        }
        ("exec", [program, ..]) if !program.starts_with('-') => 1,
        _ => return None,
    };
    argv.get(taken..)
}

/// Whether a path may stand in a definition.
fn is_clean(path: &str) -> bool {
    path == "/"
        || path
            .strip_prefix('/')
            .is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str) -> Script {
        longrun(script.as_bytes(), false)
    }

    fn command(script: &str) -> Plain {
        match run(script) {
            Script::Plain(plain) => plain,
            other => panic!("{script}: {other:?}"),
        }
    }

    #[test]
    fn what_a_definition_says_itself_is_taken_out() {
        let plain = command(
            "#!/command/execlineb -P\nfdmove -c 2 1\ncd /home/dns umask 77 export A \"b c\"\n\
             s6-setuidgid dns:net exec tinydns -x\n",
        );
        assert_eq!(plain.argv, ["tinydns", "-x"]);
        assert_eq!((plain.user.as_deref(), plain.group.as_deref()), (Some("dns"), Some("net")));
        assert_eq!(
            (plain.cwd.as_deref(), plain.umask.as_deref()),
            (Some("/home/dns"), Some("077"))
        );
        assert_eq!(plain.env.get("A").map(String::as_str), Some("b c"));
    }

    #[test]
    fn what_is_not_understood_exactly_stays_in_the_command() {
        let plain =
            command("#!/bin/execlineb -P\nimportas U U\ns6-setuidgid $U\ncd data\nfdmove 1 3 x\n");
        assert_eq!(
            plain.argv,
            ["importas", "U", "U", "s6-setuidgid", "$U", "cd", "data", "fdmove", "1", "3", "x"]
        );
        assert_eq!(plain.user, None);
        assert_eq!(command("#!/bin/execlineb -P\nexec -c x").argv, ["exec", "-c", "x"]);
    }

    #[test]
    fn simple_shell_scripts_become_commands() {
        let plain = command("#!/bin/sh -e\n# a comment\nexec 2>&1\n\nexec sshd -D -e -p 22\n");
        assert_eq!(plain.argv, ["sshd", "-D", "-e", "-p", "22"]);
        for script in [
            "#!/bin/sh\nmkdir x\nexec y\n",
            "#!/bin/sh\nexec y $Z\n",
            "#!/bin/sh\nexec y 'a b'\n",
            "#!/bin/sh\nexec A=b c\n",
            "#!/bin/sh\nsshd -D\n",
            "#!/bin/sh -x\nexec y\n",
            "#!/usr/bin/env python3\nprint()\n",
            "#!/bin/execlineb -P\nif { a } b\n",
            "#!/bin/execlineb -S1\necho $1\n",
            "#!/bin/execlineb -P\necho ${1}\n",
            "\u{7f}ELF",
        ] {
            assert_eq!(run(script), Script::File, "{script}");
        }
        assert_eq!(longrun(b"#!/bin/execlineb -P\ntidy\n", true), Script::File);
    }

    #[test]
    fn oneshots_are_execline_whatever_they_begin_with() {
        assert_eq!(oneshot(b"# nothing\n"), Ok(Script::Nothing));
        let Ok(Script::Plain(plain)) = oneshot(b"#!/bin/sh\n/etc/init.d/x start\n") else {
            panic!()
        };
        assert_eq!(plain.argv, ["/etc/init.d/x", "start"]);
        let blocks = oneshot(b"#!/bin/execlineb -P\n\nif { a }\nb\n");
        assert_eq!(blocks, Ok(Script::Blocks("if { a }\nb\n".to_owned())));
        assert_eq!(oneshot(b"if { a"), Err(LexError::Braces));
    }
}
