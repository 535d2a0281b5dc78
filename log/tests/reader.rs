//! `svc log` on log directories made by hand: merging, last lines, since, unknown names, an output
//! that closes. Everything here ends by itself; following is tested with processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use jamb_log::{Error, LogOptions, Since, log_main};
use rustix::io::Errno;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

struct Dir(PathBuf);

impl Dir {
    fn new(test: &str) -> Dir {
        let dir = std::env::temp_dir().join(format!("jamb-read-{test}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }

    /// Writes a file of lines `SECOND TEXT`.
    fn file(&self, name: &str, lines: &[(u32, &str)]) {
        let service = name.split('/').next().unwrap();
        fs::create_dir_all(self.0.join(service)).unwrap();
        let text: String = lines
            .iter()
            .map(|(second, text)| format!("2026-11-23T16:25:{second:02}.000000Z {service}: {text}"))
            .collect();
        fs::write(self.0.join(name), text).unwrap();
    }

    fn read(&self, options: &LogOptions) -> String {
        let mut out = Vec::new();
        log_main(&self.0, options, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The texts of the lines alone.
    fn texts(&self, options: &LogOptions) -> Vec<String> {
        let text = |line: &str| line.split_once(": ").unwrap().1.to_owned();
        self.read(options).lines().map(text).collect()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn two_services(test: &str) -> Dir {
    let dir = Dir::new(test);
    dir.file("a/000001.log", &[(1, "a1\n"), (4, "a4\n")]);
    dir.file("a/000002.log", &[(5, "a5\n")]);
    dir.file("a/current", &[(8, "a8\n"), (9, "a9\n")]);
    dir.file("b/current", &[(2, "b2\n"), (5, "b5\n"), (7, "b7\n")]);
    fs::write(dir.0.join("not-a-log"), "").unwrap();
    dir
}

#[test]
fn logs_are_merged_by_time() {
    let dir = two_services("merge");
    let all = dir.texts(&LogOptions::default());
    assert_eq!(all, ["a1", "b2", "a4", "a5", "b5", "b7", "a8", "a9"]);
    let only = LogOptions { names: vec!["b".into()], ..Default::default() };
    assert_eq!(dir.texts(&only), ["b2", "b5", "b7"]);
    let twice = LogOptions { names: vec!["b".into(), "b".into()], ..Default::default() };
    assert_eq!(dir.texts(&twice), ["b2", "b5", "b7"]);
}

#[test]
fn the_last_lines() {
    let dir = two_services("last");
    let last = |lines| dir.texts(&LogOptions { lines: Some(lines), ..Default::default() });
    assert_eq!(last(0), [""; 0]);
    assert_eq!(last(3), ["b7", "a8", "a9"]);
    assert_eq!(last(usize::MAX).len(), 8);
}

#[test]
fn since() {
    let dir = two_services("since");
    let since = Since::parse("2026-11-23T17:25:07+01:00", (0, 0));
    assert!(since.is_some());
    let options = LogOptions { since, ..Default::default() };
    assert_eq!(dir.texts(&options), ["b7", "a8", "a9"]);
    let options = LogOptions { since, lines: Some(1), ..Default::default() };
    assert_eq!(dir.texts(&options), ["a9"]);
}

#[test]
fn an_unfinished_line_is_shown_as_it_is_but_never_joined() {
    let dir = Dir::new("partial");
    dir.file("a/current", &[(1, "a1\n"), (2, "unfinished")]);
    dir.file("b/current", &[(3, "b3")]);
    let text = dir.read(&LogOptions::default());
    assert!(text.ends_with("a: unfinished\n2026-11-23T16:25:03.000000Z b: b3"), "{text}");
}

#[test]
fn a_clock_that_went_back_does_not_reorder_a_log() {
    let dir = Dir::new("clock");
    dir.file("a/current", &[(9, "first\n"), (1, "second\n"), (5, "third\n")]);
    dir.file("b/current", &[(6, "other\n")]);
    let texts = dir.texts(&LogOptions::default());
    assert_eq!(texts, ["other", "first", "second", "third"]);
}

#[test]
fn an_unknown_name_lists_what_there_is() {
    let dir = Dir::new("unknown");
    for name in ["dnsmasq", "lan", "wan"] {
        dir.file(&format!("{name}/current"), &[]);
    }
    let message = |name: &str| {
        let options = LogOptions { names: vec![name.into()], ..Default::default() };
        let error = log_main(&dir.0, &options, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, Error::Unknown(_)));
        error.to_string()
    };
    let want = "jamb: wam: cannot read its log: there is none; there are: wan, dnsmasq, lan";
    assert_eq!(message("wam"), want);
    assert!(message("../wan").starts_with("jamb: ../wan: cannot read its log: there is none"));
}

#[test]
fn a_service_without_a_line_yet_has_an_empty_log() {
    let dir = Dir::new("silent");
    dir.file("lan/current", &[(1, "up\n")]);
    let mut options = LogOptions { names: vec!["wan".into(), "lan".into()], ..Default::default() };
    assert!(log_main(&dir.0, &options, &mut Vec::new()).is_err());
    options.silent = vec!["wan".into()];
    assert_eq!(dir.texts(&options), ["up"]);
}

#[test]
fn a_missing_directory_is_an_error() {
    let options = LogOptions::default();
    let path = PathBuf::from("/nonexistent/jamb");
    let error = log_main(&path, &options, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().starts_with("jamb: log: cannot read /nonexistent/jamb: No such"));
}

struct Broken(Errno);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_output_ends_quietly_and_another_error_does_not() {
    let dir = two_services("broken");
    let options = LogOptions::default();
    log_main(&dir.0, &options, &mut Broken(Errno::PIPE)).unwrap();
    let error = log_main(&dir.0, &options, &mut Broken(Errno::NOSPC)).unwrap_err();
    assert!(matches!(error, Error::Write(_)));
}
