//! The forms that strings have: how people are told of them, and the patterns that editors check.

/// What a string has to look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Anything in one line.
    Line,
    /// Anything.
    Plain,
    /// With references.
    Text,
    /// With references and loops.
    Loops,
    /// The name of a service.
    Service,
    /// The name of a bundle.
    Bundle,
    /// A time with a unit.
    Duration,
    /// Two times.
    Backoff,
    /// A number of bytes with a unit.
    Size,
    /// Octal permission bits.
    Mode,
    /// The name of a signal.
    Signal,
    /// `signal NAME`.
    SendSignal,
    /// `start NAME`.
    Start,
    /// An absolute path.
    Path,
    /// The name of an interface, or a reference to a constant one.
    Interface,
    /// The type of an output.
    OutputType,
    /// One reference.
    Reference,
    /// A user or group.
    Account,
    /// A host name.
    Hostname,
    /// A name in sysfs; one `*` may stand in it.
    Sysfs,
    /// A code of a finding.
    Code,
    /// The name of a template.
    Template,
    /// Where a socket listens.
    Listen,
}

impl Form {
    /// As LANGUAGE.md calls it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Line => "string of one line",
            Self::Plain => "string",
            Self::Text => "text",
            Self::Loops => "text with loops",
            Self::Service => "service",
            Self::Bundle => "bundle",
            Self::Duration => "duration",
            Self::Backoff => "two durations",
            Self::Size => "size",
            Self::Mode => "mode",
            Self::Signal => "signal",
            Self::SendSignal => "`\"signal NAME\"`",
            Self::Start => "`\"start NAME\"`",
            Self::Path => "path",
            Self::Interface => "interface",
            Self::OutputType => "type",
            Self::Reference => "one reference",
            Self::Account => "account",
            Self::Hostname => "host name",
            Self::Sysfs => "pattern",
            Self::Code => "code",
            Self::Template => "template",
            Self::Listen => "address",
        }
    }

    /// Several of them.
    #[must_use]
    pub fn plural(self) -> String {
        match self {
            Self::Line => "strings of one line".to_owned(),
            Self::Listen => "addresses".to_owned(),
            other => format!("{}s", other.word()),
        }
    }

    /// A regular expression (ECMA 262) that every string of this form matches; those with a
    /// `{{…}}`, whose value nobody knows yet, match it too.
    #[must_use]
    pub fn pattern(self) -> Option<String> {
        const NAME: &str = "[A-Za-z0-9][A-Za-z0-9_@-]{0,127}";
        let body = match self {
            Self::Plain | Self::Text | Self::Loops | Self::Interface => return None,
            Self::Line => "[^\\n]*".to_owned(),
            Self::Service | Self::Bundle | Self::Template => NAME.to_owned(),
            Self::Duration => "[0-9]+(ms|s|m|h)".to_owned(),
            Self::Backoff => "[0-9]+(ms|s|m|h)\\.\\.[0-9]+(ms|s|m|h)".to_owned(),
            Self::Size => "[0-9]+[KMG]?".to_owned(),
            Self::Mode => "[0-7]{1,5}".to_owned(),
            Self::Signal => "[A-Za-z0-9]+".to_owned(),
            Self::SendSignal => "signal +[A-Za-z0-9]+ *".to_owned(),
            Self::Start => format!("start +{NAME} *"),
            Self::Path => "/|(/[^/]+)+".to_owned(),
            Self::OutputType => "[a-z0-9]+|list<[a-z0-9]+>".to_owned(),
            Self::Reference => "\\$\\{[^}]+\\}".to_owned(),
            Self::Account => "[^\\s:/]+".to_owned(),
            Self::Hostname => "[A-Za-z0-9][A-Za-z0-9.-]{0,63}".to_owned(),
            Self::Sysfs => "[^/*]*\\*?[^/*]*".to_owned(),
            Self::Code => "J[0-9]{4}".to_owned(),
            Self::Listen => {
                "[0-9.]+:[0-9]+|\\[[0-9A-Fa-f:.]+\\]:[0-9]+|[0-9]+|(/[^/]+)+".to_owned()
            }
        };
        Some(format!("^({body})$|\\{{\\{{"))
    }
}
