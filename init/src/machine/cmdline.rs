//! The kernel command line: what is meant for jamb, and which consoles there are. Input:
//! `/proc/cmdline`, which anybody may have written; everything unknown is left alone.

use super::rescue::BEFORE_REBOOT;
use rc::boot::Step;
use supervisor::{cut, decimal, time::Millis};

/// The longest command line that is read, in bytes; COMMAND_LINE_SIZE is at most this on every
/// architecture that jamb runs on.
const MAX: usize = 4096;

/// How long `rootwait` waits, which for the kernel itself is for ever.
const ROOTWAIT: Millis = Millis::from_secs(300);

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
    /// `jamb.rescue=`: a shell, or a reboot after this time.
    pub rescue: Option<Option<Millis>>,
    /// `root=`, for an initramfs.
    pub root: Option<String>,
    /// `rootfstype=`
    pub root_type: Option<String>,
    /// `rootflags=`, `ro` and `rw`, in their order.
    pub root_options: String,
    /// `rootwait` or `rootdelay=`: how long to wait for the root.
    pub root_wait: Option<Millis>,
    /// `init=`
    pub init: Option<String>,
    /// Not said but found out: why an initramfs has no root to go to.
    pub no_root: Option<String>,
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
            match cut::first(&word, b'=') {
                Some(("jamb.db", path)) => found.database = Some(path.to_owned()),
                Some(("jamb.target", name)) => found.target = Some(name.to_owned()),
                Some(("jamb.rescue", what)) => {
                    found.rescue = Some(match what {
                        "reboot" => Some(BEFORE_REBOOT),
                        seconds => decimal::number(seconds).map(seconds_of),
                    });
                }
                Some(("root", device)) => found.root = Some(device.to_owned()),
                Some(("rootfstype", kind)) => found.root_type = Some(kind.to_owned()),
                Some(("rootflags", options)) => found.add_option(options),
                Some(("rootwait" | "rootdelay", seconds)) => {
                    found.root_wait = decimal::number(seconds).map(seconds_of);
                }
                Some(("init", path)) => found.init = Some(path.to_owned()),
                None if word == "rootwait" => found.root_wait = Some(ROOTWAIT),
                None if word == "ro" || word == "rw" => found.add_option(&word),
                Some(("jamb.watchdog", device)) => found.watchdog = Some(device.to_owned()),
                Some(("console", device)) => {
                    let name = cut::head(device, b',');
                    found.console = (!name.is_empty()).then(|| name.to_owned());
                }
                None if word == "jamb.debug" => found.debug = true,
                None if word == "single" => found.single = true,
                _ => {}
            }
        }
        found
    }

    /// Puts what was said about the root over what the database says. Another device may be of another
    /// type.
    pub fn change(&self, root: &mut Step) {
        if let Some(device) = &self.root {
            root.device.clone_from(device);
            root.text.clear();
        }
        if let Some(kind) = &self.root_type {
            root.text.clone_from(kind);
        }
        root.options.push_str(&self.root_options);
        root.wait = self.root_wait.unwrap_or(root.wait);
        if let Some(init) = &self.init {
            root.path.clone_from(init);
        }
    }

    fn add_option(&mut self, options: &str) {
        self.root_options.push(',');
        self.root_options.push_str(options);
    }
}

const fn seconds_of(seconds: u32) -> Millis {
    Millis(seconds.saturating_mul(1000))
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
            rescue: Some(Some(BEFORE_REBOOT)),
            root: Some("/dev/sda1".into()),
            watchdog: Some("off".into()),
            console: Some("ttyS0".into()),
            ..Cmdline::default()
        };
        assert_eq!(Cmdline::parse(text), want);
        let text = "root=LABEL=x root=\"PARTLABEL=a b\" rootfstype=squashfs ro rootflags=noatime,x=y rw \
            rootwait init=/bin/x jamb.rescue=7";
        let want = Cmdline {
            rescue: Some(Some(Millis(7000))),
            root: Some("PARTLABEL=a b".into()),
            root_type: Some("squashfs".into()),
            root_options: ",ro,noatime,x=y,rw".into(),
            root_wait: Some(ROOTWAIT),
            init: Some("/bin/x".into()),
            ..Cmdline::default()
        };
        assert_eq!(Cmdline::parse(text), want);
        assert_eq!(Cmdline::parse("rootdelay=5").root_wait, Some(Millis(5000)));
        assert_eq!(Cmdline::parse("rootdelay=soon").root_wait, None);
        assert_eq!(Cmdline::parse("rootwait=99999999").root_wait, Some(Millis(u32::MAX)));
        assert_eq!(Cmdline::parse("jamb.rescue=shell").rescue, Some(None));
        assert!(Cmdline::parse("single").single);
        assert_eq!(Cmdline::parse("\"\"\"  = jamb.db"), Cmdline::default());
    }
}
