//! Which devices there are, as far as somebody asks: patterns, and the devices that match them. Input:
//! kernel uevents, and what a scan of sysfs found (Documentation/core-api/kobject.rst,
//! Documentation/admin-guide/sysfs-rules.rst). Nothing here reads either; whatever the bytes hold, it
//! neither panics nor grows beyond its bound.

use supervisor::cut;

/// Devices remembered, at most; what is beyond is looked for again when it may matter.
const MOST: usize = 1024;

/// What is asked of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    /// Its subsystem: the name of a directory in `/sys/class` or `/sys/bus`.
    pub subsystem: String,
    /// Its name in the kernel, the last part of its path; one `*` stands for any bytes.
    pub name: String,
    /// Properties of its uevent that must have these values.
    pub properties: Vec<(String, String)>,
}

impl Pattern {
    /// Whether a device of its subsystem may be called so.
    #[must_use]
    pub fn is_named(&self, name: &[u8]) -> bool {
        match cut::first(&self.name, b'*') {
            None => name == self.name.as_bytes(),
            Some((start, end)) => {
                name.len() >= start.len() + end.len()
                    && name.starts_with(start.as_bytes())
                    && name.ends_with(end.as_bytes())
            }
        }
    }

    /// Whether `properties`, lines or strings of `KEY=VALUE`, has all that it asks for.
    #[must_use]
    pub fn is_of(&self, properties: &[u8]) -> bool {
        self.properties.iter().all(|(key, value)| {
            property(properties, key.as_bytes()).is_some_and(|found| found == value.as_bytes())
        })
    }
}

/// The value of a property. A uevent has strings that end in a zero byte, sysfs has lines.
fn property<'a>(properties: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut all = properties.split(|byte| matches!(byte, 0 | b'\n'));
    all.find_map(|one| one.strip_prefix(key)?.strip_prefix(b"="))
}

/// A uevent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uevent<'a> {
    /// Whether the device is gone.
    pub removed: bool,
    /// Its path below `/sys`.
    pub path: &'a [u8],
    /// The path it had before it was renamed.
    pub old_path: Option<&'a [u8]>,
    /// Its subsystem.
    pub subsystem: &'a [u8],
    /// All its properties.
    pub properties: &'a [u8],
}

/// What a datagram of the kernel says: `ACTION@PATH`, then strings of `KEY=VALUE`, each with a zero byte
/// at its end (`lib/kobject_uevent.c`). `None` if it is nothing of that kind.
#[must_use]
pub fn decode(datagram: &[u8]) -> Option<Uevent<'_>> {
    let end = datagram.iter().position(|byte| *byte == 0)?;
    let (head, properties) = datagram.split_at(end);
    if !head.contains(&b'@') {
        return None;
    }
    let of = |key: &[u8]| property(properties, key);
    Some(Uevent {
        removed: of(b"ACTION")? == b"remove",
        path: of(b"DEVPATH")?,
        old_path: of(b"DEVPATH_OLD"),
        subsystem: of(b"SUBSYSTEM")?,
        properties,
    })
}

/// What an event did to the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Effect {
    /// It says something else now.
    pub changed: bool,
    /// It may not know all: a scan has to tell.
    pub stale: bool,
}

/// The devices that match each pattern.
#[derive(Clone, Debug)]
pub struct Devices {
    patterns: Vec<Pattern>,
    /// By position of the pattern; the path below `/sys`.
    found: Vec<(usize, Vec<u8>)>,
    /// There are more than are remembered.
    overflows: bool,
}

impl Devices {
    /// Nothing is known yet.
    #[must_use]
    pub const fn new(patterns: Vec<Pattern>) -> Self {
        Self { patterns, found: Vec::new(), overflows: false }
    }

    /// The patterns, in their order.
    #[must_use]
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Whether there is a device that matches the pattern at this position.
    #[must_use]
    pub fn holds(&self, pattern: usize) -> bool {
        self.found.iter().any(|(of, _)| *of == pattern)
    }

    /// Forgets all devices; a scan follows.
    pub fn clear(&mut self) {
        self.found.clear();
        self.overflows = false;
    }

    /// Notes that the device at `path` matches the pattern; answers whether that is new.
    pub fn insert(&mut self, pattern: usize, path: &[u8]) -> bool {
        if self.find(pattern, path).is_some() {
            return false;
        }
        if self.found.len() >= MOST {
            self.overflows = true;
            return false;
        }
        self.found.push((pattern, path.to_vec()));
        true
    }

    fn find(&self, pattern: usize, path: &[u8]) -> Option<usize> {
        self.found.iter().position(|(of, at)| *of == pattern && at == path)
    }

    fn remove(&mut self, pattern: usize, path: &[u8]) -> bool {
        let place = self.find(pattern, path);
        if let Some(place) = place {
            self.found.swap_remove(place);
        }
        place.is_some()
    }

    /// Takes what an event says. Any event but a removal tells all properties as they are now.
    pub fn apply(&mut self, event: &Uevent<'_>) -> Effect {
        let mut changed = false;
        if let Some(old) = event.old_path {
            self.rename(old, event.path);
        }
        let name = event.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        for position in 0..self.patterns.len() {
            let pattern = &self.patterns[position];
            let matches = !event.removed
                && event.subsystem == pattern.subsystem.as_bytes()
                && pattern.is_named(name)
                && pattern.is_of(event.properties);
            changed |= if matches {
                self.insert(position, event.path)
            } else {
                self.remove(position, event.path)
            };
        }
        // One that was forgotten for lack of room may be what is left.
        Effect { changed, stale: changed && self.overflows }
    }

    /// With a device, those below it move too, of which there are no events.
    fn rename(&mut self, old: &[u8], new: &[u8]) {
        for (_, path) in &mut self.found {
            if let Some(rest) = path.strip_prefix(old)
                && (rest.is_empty() || rest.starts_with(b"/"))
            {
                *path = [new, rest].concat();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(subsystem: &str, name: &str, properties: &[(&str, &str)]) -> Pattern {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Pattern {
            subsystem: subsystem.to_owned(),
            name: name.to_owned(),
            properties: properties.iter().map(owned).collect(),
        }
    }

    fn message(action: &str, path: &str, subsystem: &str, more: &[&str]) -> Vec<u8> {
        let mut parts = vec![
            format!("{action}@{path}"),
            format!("ACTION={action}"),
            format!("DEVPATH={path}"),
            format!("SUBSYSTEM={subsystem}"),
        ];
        parts.extend(more.iter().map(|&one| one.to_owned()));
        parts.push("SEQNUM=7".to_owned());
        parts.iter().flat_map(|part| [part.as_bytes(), b"\0"].concat()).collect()
    }

    fn apply(devices: &mut Devices, message: &[u8]) -> Effect {
        devices.apply(&decode(message).unwrap())
    }

    #[test]
    fn names_have_one_star() {
        for (text, name, matches) in [
            ("eth0", "eth0", true),
            ("eth0", "eth01", false),
            ("eth*", "eth", true),
            ("eth*", "eth12", true),
            ("eth*", "veth1", false),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("tty*0", "ttyS10", true),
            ("tty*0", "ttyS1", false),
        ] {
            assert_eq!(pattern("x", text, &[]).is_named(name.as_bytes()), matches, "{text} {name}");
        }
    }

    #[test]
    fn properties_are_of_the_whole_name_and_value() {
        let one = pattern("net", "*", &[("DEVTYPE", "wlan"), ("IFINDEX", "3")]);
        assert!(one.is_of(b"INTERFACE=wlan0\nIFINDEX=3\nDEVTYPE=wlan\n"));
        assert!(one.is_of(b"\0IFINDEX=3\0DEVTYPE=wlan\0"));
        for other in
            [&b""[..], b"DEVTYPE=wlan", b"DEVTYPE=wlan\nIFINDEX=33", b"XDEVTYPE=wlan\nIFINDEX=3"]
        {
            assert!(!one.is_of(other));
        }
    }

    #[test]
    fn devices_come_go_change_and_move() {
        let mut devices = Devices::new(vec![
            pattern("net", "eth*", &[]),
            pattern("net", "wan", &[]),
            pattern("power_supply", "*", &[("POWER_SUPPLY_ONLINE", "1")]),
        ]);
        let changed = Effect { changed: true, stale: false };
        let same = Effect::default();
        let eth = "/devices/pci/net/eth0";
        assert_eq!(apply(&mut devices, &message("add", "/devices/pci/net/lo", "net", &[])), same);
        assert_eq!(apply(&mut devices, &message("add", eth, "other", &[])), same);
        assert_eq!(apply(&mut devices, &message("add", eth, "net", &[])), changed);
        assert_eq!(apply(&mut devices, &message("add", eth, "net", &[])), same);
        assert_eq!((devices.holds(0), devices.holds(1)), (true, false));
        let moved =
            message("move", "/devices/pci/net/wan", "net", &["DEVPATH_OLD=/devices/pci/net/eth0"]);
        assert_eq!(apply(&mut devices, &moved), changed);
        assert_eq!((devices.holds(0), devices.holds(1)), (false, true));
        assert_eq!(apply(&mut devices, &message("remove", eth, "net", &[])), same);
        let gone = message("remove", "/devices/pci/net/wan", "net", &[]);
        assert_eq!(apply(&mut devices, &gone), changed);
        assert!(!devices.holds(1));
        let power = |online: &str| message("change", "/devices/ac", "power_supply", &[online]);
        assert_eq!(apply(&mut devices, &power("POWER_SUPPLY_ONLINE=0")), same);
        assert_eq!(apply(&mut devices, &power("POWER_SUPPLY_ONLINE=1")), changed);
        assert!(devices.holds(2));
        assert_eq!(apply(&mut devices, &power("POWER_SUPPLY_ONLINE=0")), changed);
        assert!(!devices.holds(2));
    }

    #[test]
    fn what_is_below_moves_along() {
        let mut devices = Devices::new(vec![pattern("leds", "*", &[])]);
        assert!(devices.insert(0, b"/devices/net/eth0/leds/a"));
        assert!(devices.insert(0, b"/devices/net/eth01/leds/b"));
        let moved = message("move", "/devices/net/wan", "net", &["DEVPATH_OLD=/devices/net/eth0"]);
        apply(&mut devices, &moved);
        assert!(!devices.insert(0, b"/devices/net/wan/leds/a"), "it is known there");
        assert!(!devices.insert(0, b"/devices/net/eth01/leds/b"), "it stayed");
    }

    #[test]
    fn there_is_a_bound_and_a_way_back() {
        let mut devices = Devices::new(vec![pattern("tty", "*", &[])]);
        for number in 0..2 * MOST {
            apply(&mut devices, &message("add", &format!("/devices/tty/{number}"), "tty", &[]));
        }
        assert_eq!(devices.found.len(), MOST);
        let effect = apply(&mut devices, &message("remove", "/devices/tty/5", "tty", &[]));
        assert_eq!(effect, Effect { changed: true, stale: true });
    }

    #[test]
    fn damaged_messages_are_survived() {
        let whole = message("move", "/devices/x/eth0", "net", &["DEVPATH_OLD=/devices/x/eth1"]);
        assert!(decode(&whole).is_some());
        let mut devices =
            Devices::new(vec![pattern("net", "e*", &[("A", "b")]), pattern("", "", &[])]);
        for end in 0..whole.len() {
            if let Some(event) = decode(&whole[..end]) {
                devices.apply(&event);
            }
            for byte in [0, b'=', b'@', b'\n', 0xff] {
                let mut damaged = whole.clone();
                damaged[end] = byte;
                if let Some(event) = decode(&damaged) {
                    devices.apply(&event);
                }
            }
        }
        for rubbish in
            [&b""[..], b"\0", b"@", b"libudev\0\xfe\xed", b"add@/x\0", b"add@/x\0ACTION=add\0"]
        {
            assert_eq!(decode(rubbish), None, "{rubbish:?}");
        }
    }
}
