//! A service as a definition file.

use super::script::Plain;
use crate::show::{block, escaped, quoted};

/// What is longer is written over several lines, in columns.
const WIDTH: usize = 100;

/// An array over several lines, each as full as it can be.
pub(crate) fn filled(words: &[String]) -> String {
    let mut out = String::from("[");
    let mut column = WIDTH;
    for word in words {
        let length = word.chars().count() + 2;
        if column + length > WIDTH {
            out.push_str("\n   ");
            column = 3;
        }
        out.push_str(&format!(" {word},"));
        column += length;
    }
    out + "\n]"
}

/// The lines of one definition.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    out: String,
}

impl Definition {
    /// Begins the definition of a service.
    pub(super) fn new(name: &str, kind: &str) -> Self {
        Self { out: format!("[service.{name}]\nkind = \"{kind}\"\n") }
    }

    /// The text of the file, with comments in front.
    pub(super) fn text(self, comments: &[String]) -> String {
        let mut text = String::new();
        for comment in comments.iter().flat_map(|comment| comment.lines()) {
            text.push_str(&format!("# {comment}\n"));
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text + &self.out
    }

    /// A value as it is written in TOML.
    pub(super) fn raw(&mut self, key: &str, value: &str) {
        self.out.push_str(&format!("{key} = {value}\n"));
    }

    /// A string.
    pub(super) fn string(&mut self, key: &str, value: &str) {
        self.raw(key, &quoted(value));
    }

    /// A list of names; nothing if there are none.
    pub(super) fn names(&mut self, key: &str, names: &[String]) {
        if !names.is_empty() {
            self.list(key, names.iter().map(|name| quoted(name)));
        }
    }

    /// A command whose words are taken as they are, whatever would be a reference in them.
    pub(super) fn command(&mut self, key: &str, argv: &[String]) {
        self.list(key, argv.iter().map(|word| quoted(&escaped(word, false))));
    }

    /// A script in the language of execline.
    pub(super) fn execline(&mut self, key: &str, script: &str) {
        let script = block(&escaped(script, false));
        self.raw(key, &format!("[\"execlineb\", \"-P\", \"-c\", {script}]"));
    }

    /// A command and what was taken out of the script in front of it.
    pub(super) fn plain(&mut self, key: &str, plain: &Plain) {
        self.command(key, &plain.argv);
        self.surroundings(plain);
    }

    /// What was taken out of a script.
    fn surroundings(&mut self, plain: &Plain) {
        let strings = [
            ("user", &plain.user),
            ("group", &plain.group),
            ("cwd", &plain.cwd),
            ("umask", &plain.umask),
        ];
        for (key, value) in strings {
            if let Some(value) = value {
                self.string(key, value);
            }
        }
        for (key, value) in &plain.env {
            self.string(&format!("env.{key}"), &escaped(value, false));
        }
    }

    fn list(&mut self, key: &str, words: impl Iterator<Item = String>) {
        let words: Vec<String> = words.collect();
        let line = format!("[{}]", words.join(", "));
        if key.len() + 3 + line.chars().count() <= WIDTH {
            return self.raw(key, &line);
        }
        self.raw(key, &filled(&words));
    }
}
