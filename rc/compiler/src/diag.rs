//! What is wrong with definitions: the codes, and the collection of everything that was found.

use crate::source::Place;
use std::cell::RefCell;

macro_rules! codes {
    ($($variant:ident $code:literal $meaning:literal,)*) => {
        /// What kind of mistake it is. The number never changes its meaning.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// As it is printed, for example `J0001`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $code,)* }
            }

            /// What it means, in one line.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    Syntax "J0001" "the file is not valid TOML or JSON",
    UnknownKey "J0002" "a key or table that does not exist here",
    WrongType "J0003" "a value of the wrong TOML type",
    BadValue "J0004" "a value that is not among the valid ones",
    Duration "J0005" "not a duration with a unit",
    Missing "J0006" "a required key is missing",
    BadName "J0007" "not a valid name",
    Twice "J0008" "defined twice",
    NoBoardValue "J0009" "the board has no such value",
    Template "J0010" "a reference or tag that cannot be read",
    UnknownService "J0011" "no service has this name",
    UnknownOutput "J0012" "the service has no such output",
    ListUse "J0013" "a list where one value is needed, or one value where a list is needed",
    SelfReference "J0014" "a service refers to its own output that has no constant value",
    NotABundle "J0015" "part-of names something that is not a bundle",
    Cycle "J0016" "services depend on each other in a circle",
    PathTwice "J0017" "two services write the same file",
    OutputValue "J0018" "an output's value does not fit its type",
    NoExecutable "J0019" "the program does not exist in the image root",
    NoUser "J0020" "the user or group does not exist in the image root",
    ReadyOutputs "J0021" "readiness waits for outputs, but none is published at run time",
    OnChange "J0022" "on-change does not fit the service or the relation",
    Secret "J0023" "a secret would become readable by others",
    TooLarge "J0024" "more than a database can hold",
    Contradiction "J0025" "two settings contradict each other",
    NoDefault "J0026" "boot would start nothing",
    Failover "J0027" "the alternatives of a failover do not fit together",
    Conflict "J0028" "services that are never up together depend on each other",
    Unfollowed "J0029" "an output that is passed on from a service that is no member",
    Timeouts "J0030" "times that do not fit together",
    Override "J0031" "a layer overrides what is not below it",
    UnknownTemplate "J0032" "no template has this name",
    Parameter "J0033" "a template's parameter does not exist, is not given or does not fit",
    Expansion "J0034" "templates use each other without end",
    Implied "J0035" "a need that another need implies",
    Unwanted "J0036" "a service that nothing starts",
    NoReadiness "J0037" "a service that others need does not tell when it is ready",
    Certain "J0038" "a condition that a need decides already",
    Script "J0039" "a script that the shell cannot read",
    NoModule "J0040" "the kernel module does not exist in the image root",
}

impl Code {
    /// Codes that come as warnings, which the key `allow` of a service silences.
    pub const ALLOWABLE: &'static [Self] = &[
        Self::OnChange,
        Self::Timeouts,
        Self::Implied,
        Self::Unwanted,
        Self::NoReadiness,
        Self::Certain,
    ];

    /// The code that is printed as `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|code| code.name() == name).copied()
    }
}

/// Whether it prevents a database from being written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, but is probably not meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// What kind of mistake.
    pub code: Code,
    /// Whether it counts as an error.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where; `None` only if no file holds the mistake.
    pub place: Option<Place>,
    /// What stands at the underlined place.
    pub label: String,
    /// Other places that matter, with what is there.
    pub related: Vec<(Place, String)>,
    /// What would be right.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error at a place.
    #[must_use]
    pub fn error(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self { place: Some(place), ..Self::nowhere(code, Severity::Error, message) }
    }

    /// Something that is not written in any file.
    #[must_use]
    pub fn nowhere(code: Code, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            place: None,
            label: String::new(),
            related: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A warning at a place.
    #[must_use]
    pub fn warning(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, place, message) }
    }

    /// Says something about the underlined place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Points at another place.
    #[must_use]
    pub fn related(mut self, place: Place, text: impl Into<String>) -> Self {
        self.related.push((place, text.into()));
        self
    }

    /// Says what would be right.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }
}

/// Everything that was found so far. Passes share it, so it is filled through a shared reference.
#[derive(Debug, Default)]
pub struct Report {
    found: RefCell<Vec<Diagnostic>>,
    /// Warnings with these codes are not wanted at present.
    allowed: RefCell<Vec<Code>>,
}

impl Report {
    /// From here on, warnings with these codes are dropped: the service that is looked at allows them.
    pub fn allow(&self, codes: &[Code]) {
        let mut allowed = self.allowed.borrow_mut();
        allowed.clear();
        allowed.extend_from_slice(codes);
    }

    /// Adds a finding.
    pub fn push(&self, diagnostic: Diagnostic) {
        let unwanted = diagnostic.severity == Severity::Warning
            && self.allowed.borrow().contains(&diagnostic.code);
        if unwanted {
            return;
        }
        self.found.borrow_mut().push(diagnostic);
    }

    /// Whether something was found that prevents a database.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.found.borrow().iter().any(|d| d.severity == Severity::Error)
    }

    /// All findings by place, those without a place last, the same finding once.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let mut found = self.found.into_inner();
        found.sort_by(|a, b| {
            let key = |d: &Diagnostic| (d.place.is_none(), d.place, d.code);
            key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message))
        });
        found.dedup();
        found
    }
}

/// "did you mean …?" for the candidate that is nearest to `word`, if one is near.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let length = word.chars().count();
    let budget = if length < 2 { 0 } else { (length / 3).clamp(1, 4) };
    // The length alone rules most out, and counting bytes is cheap: 4 bytes a character at most.
    let near = |c: &&str| *c != word && c.len().abs_diff(word.len()) <= 4 * budget;
    let scored = candidates.into_iter().filter(near);
    let scored = scored.map(|c| (strsim::osa_distance(word, c), c));
    scored.filter(|(distance, _)| *distance <= budget).min().map(|(_, candidate)| candidate)
}

/// Words as "`a`, `b` or `c`".
#[must_use]
pub fn one_of<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    listed(words, "or")
}

/// Words as "`a`, `b` and `c`".
#[must_use]
pub fn all_of<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    listed(words, "and")
}

fn listed<'w>(words: impl IntoIterator<Item = &'w str>, conjunction: &str) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        None => "none".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} {conjunction} {last}", rest.join(", ")),
    }
}
