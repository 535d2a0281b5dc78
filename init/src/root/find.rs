//! Finds the device that a definition or the kernel command line means: by path, by label or UUID of
//! the file system, by name or UUID of the partition, by name of an MTD device or UBI volume. Looks at what
//! the kernel has right now; whoever waits asks again.

use super::{partition, superblock};
use crate::file::{names, read, text, text_of};
use rc::{Millis, boot::Step};
use std::path::Path;
use supervisor::{cut, decimal};

const BLOCKS: &str = "/sys/class/block";
const VOLUMES: &str = "/sys/class/ubi";
/// Bytes read of a file in sysfs or procfs.
const MAX_TEXT: usize = 16 * 1024;
/// Drives that may be without a medium: looking at them can take the kernel seconds.
const SLOW: [&str; 2] = ["fd", "sr"];

/// How often a device is looked for.
const LOOK_AGAIN: Millis = Millis(100);

/// A device to mount.
pub struct Device {
    /// For mount(2).
    pub source: String,
    /// Its file system, if the first bytes tell.
    pub kind: Option<&'static str>,
}

/// The device of a step, as soon as there is one and for as long as the step may wait; `pause` waits.
pub fn wait_for(step: &Step, pause: &mut dyn FnMut(Millis)) -> Option<Device> {
    let mut left = step.wait.0;
    loop {
        let found = find(&step.device, &step.text);
        if found.is_some() || left == 0 {
            return found;
        }
        pause(LOOK_AGAIN);
        left = left.saturating_sub(LOOK_AGAIN.0);
    }
}

/// What is meant by `device`, if the kernel has it; `kind` is the type that it is said to be of.
fn find(device: &str, kind: &str) -> Option<Device> {
    if let Some(name) = device.strip_prefix("mtd:") {
        return mtd(name, kind);
    }
    if device.starts_with("ubi") && (device.bytes().any(|byte| matches!(byte, b':' | b'_'))) {
        return ubi(device, kind);
    }
    if device.starts_with('/') {
        return look_at(device.to_owned());
    }
    let Some((tag, value)) = cut::first(device, b'=') else {
        // Not a device at all: the name of a file system without one, or something for a network.
        return Some(Device { source: device.to_owned(), kind: None });
    };
    let blocks = names(Path::new(BLOCKS)).unwrap_or_default();
    let is_it = |name: &String| match tag {
        "LABEL" => superblock::has_label(&head_of(name), value),
        "UUID" => superblock::has_uuid(&head_of(name), value),
        "PARTUUID" => has_partition_uuid(name, value).unwrap_or(false),
        "PARTLABEL" => {
            let about = text_of(format_args!("{BLOCKS}/{name}/uevent"), MAX_TEXT);
            cut::lines(&about).any(|line| line.strip_prefix("PARTNAME=") == Some(value))
        }
        _ => false,
    };
    let name = blocks.into_iter().find(is_it)?;
    look_at(format!("/dev/{name}"))
}

/// The names of all block devices, for people who look for one that is not there.
pub fn seen() -> String {
    let mut all = names(Path::new(BLOCKS)).unwrap_or_default().join(" ");
    for line in cut::lines(&text("/proc/mtd", MAX_TEXT)).skip(1) {
        all.push(' ');
        all.push_str(cut::head(line, b':'));
    }
    all
}

/// `None` for what is no partition.
fn has_partition_uuid(name: &str, uuid: &str) -> Option<bool> {
    let directory = format!("{BLOCKS}/{name}");
    let number =
        decimal::number(text_of(format_args!("{directory}/partition"), MAX_TEXT).trim_ascii())?;
    // It leads to ../../devices/…/DISK/PARTITION.
    let place = supervisor::file::read_link(Path::new(&directory)).ok()?;
    let (directories, _) = cut::last(&place, b'/')?;
    let (_, disk) = cut::last(directories, b'/')?;
    let table = read(Path::new(&format!("/dev/{disk}")), partition::LENGTH).ok()?;
    Some(partition::has_uuid(&table, number, uuid))
}

fn head_of(name: &str) -> Vec<u8> {
    if SLOW.iter().any(|slow| name.starts_with(slow)) {
        return Vec::new();
    }
    read(Path::new(&format!("/dev/{name}")), superblock::LENGTH).unwrap_or_default()
}

/// A device that is there. One that cannot be read is there as well: mounting tells what is the matter.
fn look_at(source: String) -> Option<Device> {
    match read(Path::new(&source), superblock::LENGTH) {
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NXIO) => None,
        head => Some(Device { kind: superblock::kind(&head.unwrap_or_default()), source }),
    }
}

/// The MTD device of a name, as `/proc/mtd` has it: `mtd0: 00040000 00010000 "name"`.
fn mtd(wanted: &str, kind: &str) -> Option<Device> {
    let table = text("/proc/mtd", MAX_TEXT);
    let number = mtd_number(&table, wanted)?;
    let found = look_at(format!("/dev/mtd{number}"));
    let kind = found
        .and_then(|found| found.kind)
        .filter(|_| kind.is_empty())
        .or((kind == "jffs2").then_some("jffs2"));
    // jffs2 takes the device itself; others need it to look like a disk.
    let source = match kind {
        Some("jffs2") => format!("mtd{number}"),
        _ => format!("/dev/mtdblock{number}"),
    };
    Some(Device { source, kind })
}

fn mtd_number<'t>(table: &'t str, wanted: &str) -> Option<&'t str> {
    cut::lines(table).find_map(|line| {
        let (number, rest) = cut::first(line.strip_prefix("mtd")?, b':')?;
        let (_, name) = cut::first(rest, b'"')?;
        (name.strip_suffix('"') == Some(wanted)).then_some(number)
    })
}

/// A UBI volume, `ubi0:NAME` or `ubi0_1`. ubifs finds it by that name; others need a block device of it.
fn ubi(device: &str, kind: &str) -> Option<Device> {
    let volumes = names(Path::new(VOLUMES)).unwrap_or_default();
    let is_it = |volume: &String| match cut::first(device, b':') {
        None => volume == device,
        Some((on, name)) => {
            volume.strip_prefix(on).is_some_and(|rest| rest.starts_with('_'))
                && text_of(format_args!("{VOLUMES}/{volume}/name"), MAX_TEXT).trim_ascii_end()
                    == name
        }
    };
    let volume = volumes.into_iter().find(is_it)?;
    match volume.strip_prefix("ubi") {
        Some(number) if !kind.is_empty() && kind != "ubifs" => {
            look_at(format!("/dev/ubiblock{number}"))
        }
        _ => Some(Device { source: volume, kind: Some("ubifs") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mtd_devices_are_found_by_name() {
        let table = "dev:    size   erasesize  name\nmtd0: 00040000 00010000 \"u-boot\"\n\
                     mtd12: 01000000 00010000 \"root fs\"\nmtd3\nmtd4: x y \"open";
        assert_eq!(mtd_number(table, "u-boot"), Some("0"));
        assert_eq!(mtd_number(table, "root fs"), Some("12"));
        for other in ["", "root", "open", "name"] {
            assert_eq!(mtd_number(table, other), None, "{other}");
        }
    }
}
