//! The kernel command line: what is meant for jamb, and which consoles there are. Input:
//! `/proc/cmdline`, which anybody may have written; everything unknown is left alone.

/// The longest command line that is read, in bytes; COMMAND_LINE_SIZE is at most this on every
/// architecture that jamb runs on.
const MAX: usize = 4096;

/// What was found.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Cmdline {
    /// `jamb.db=`
    pub database: Option<String>,
    /// `jamb.target=`
    pub target: Option<String>,
    /// `jamb.debug`
    pub debug: bool,
    /// `single`
    pub single: bool,
    /// `jamb.rescue=reboot`
    pub rescue_reboots: bool,
    /// `jamb.watchdog=`: a device, or `off`.
    pub watchdog: Option<String>,
    /// The last `console=`, without its options: the one that `/dev/console` means
    /// (Documentation/admin-guide/serial-console.rst).
    pub console: Option<String>,
}

impl Cmdline {
    /// Reads it; without `/proc` nothing was said.
    pub fn read() -> Self {
        Self::parse(&crate::file::text("/proc/cmdline", MAX))
    }

    fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for word in words(text) {
            // What follows is for whoever is started as init, which is us; it is read like the rest.
            match word.split_once('=') {
                Some(("jamb.db", path)) => found.database = Some(path.to_owned()),
                Some(("jamb.target", name)) => found.target = Some(name.to_owned()),
                Some(("jamb.rescue", what)) => found.rescue_reboots = what == "reboot",
                Some(("jamb.watchdog", device)) => found.watchdog = Some(device.to_owned()),
                Some(("console", device)) => {
                    let name = device.split(',').next().unwrap_or_default();
                    found.console = (!name.is_empty()).then(|| name.to_owned());
                }
                None if word == "jamb.debug" => found.debug = true,
                None if word == "single" => found.single = true,
                _ => {}
            }
        }
        found
    }
}

/// Words between blanks; double quotes hold blanks together and are dropped, as the kernel does
/// (lib/cmdline.c).
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_ascii_whitespace() && !quoted => words.push(String::new()),
            c => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_found_among_the_rest() {
        let text = "root=/dev/sda1 console=tty0 console=ttyS0,115200n8 jamb.db=\"/a b\" \
            jamb.debug quiet jamb.target=rescue jamb.rescue=reboot singles jamb.watchdog=off\n";
        let want = Cmdline {
            database: Some("/a b".into()),
            target: Some("rescue".into()),
            debug: true,
            single: false,
            rescue_reboots: true,
            watchdog: Some("off".into()),
            console: Some("ttyS0".into()),
        };
        assert_eq!(Cmdline::parse(text), want);
        assert!(Cmdline::parse("single").single);
        assert_eq!(Cmdline::parse("\"\"\"  = jamb.db"), Cmdline::default());
    }
}
