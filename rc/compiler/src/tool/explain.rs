//! What every code means, at length. The texts are the sections of `DIAGNOSTICS.md`, so that people who
//! read that page and people who ask `jambc explain` are told the same.

use crate::diag::Code;

const PAGE: &str = include_str!("../../DIAGNOSTICS.md");

/// The line that begins an example's block, behind which more arguments of `jambc check` may follow.
const WRONG: &str = "```toml wrong";
const RIGHT: &str = "```toml right";

/// One section of the page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// All of it, as Markdown.
    pub text: String,
    /// Definitions in which the code is found.
    pub wrong: Example,
    /// The same without the mistake.
    pub right: Example,
}

/// Definitions that show something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Example {
    /// The definitions. A line `# --- NAME` begins another file; `…` in a value stands for more of the same
    /// than a database can hold.
    pub definitions: String,
    /// Whether it needs an image root to be given.
    pub in_root: bool,
}

/// The explanation of a code; `None` only if the page has no section for it, which a test rules out.
#[must_use]
pub fn explanation(code: Code) -> Option<Explanation> {
    let heading = format!("\n## {}: ", code.name());
    let start = PAGE.find(&heading)? + 1;
    let rest = &PAGE[start..];
    let end = rest.find("\n## ").map_or(rest.len(), |at| at + 1);
    let section = rest[..end].trim_end();
    let text = section.replace(WRONG, "```toml").replace(RIGHT, "```toml");
    let text = text.replace("```toml --root", "```toml");
    Some(Explanation {
        text: format!("{text}\n"),
        wrong: example(section, WRONG)?,
        right: example(section, RIGHT)?,
    })
}

fn example(section: &str, opened: &str) -> Option<Example> {
    let rest = section.split(opened).nth(1)?;
    let (arguments, rest) = rest.split_once('\n')?;
    let definitions = rest.split("```").next()?.to_owned();
    Some(Example { definitions, in_root: arguments.contains("--root") })
}

/// All codes with their meaning, one a line.
#[must_use]
pub fn list() -> String {
    let lines = Code::ALL.iter().map(|code| format!("{}  {}\n", code.name(), code.meaning()));
    lines.collect()
}
