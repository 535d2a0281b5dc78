//! What file system is on a device, its label and its UUID, by the first bytes of it. Input: what
//! anybody may have written there; nothing of it is believed but for comparing.

/// How much of a device is looked at, in bytes.
pub const LENGTH: usize = 2048;

/// Where the superblock of ext2, ext3 and ext4 begins; Documentation/filesystems/ext4/super.rst.
const EXT: usize = 1024;
const EXT_UUID: usize = EXT + 0x68;
const EXT_LABEL: usize = EXT + 0x78;
const EXT_LABEL_LENGTH: usize = 16;

/// File systems by bytes at a place.
const MAGICS: &[(usize, &[u8], &str)] = &[
    (EXT + 0x38, b"\x53\xef", "ext4"),
    (0, b"hsqs", "squashfs"),
    (EXT, b"\xe2\xe1\xf5\xe0", "erofs"),
    (EXT, b"\x10\x20\xf5\xf2", "f2fs"),
    // Nodes of jffs2 begin the same in the order of the machine that made them.
    (0, b"\x85\x19", "jffs2"),
    (0, b"\x19\x85", "jffs2"),
    (82, b"FAT32", "vfat"),
    (54, b"FAT", "vfat"),
];

/// The type for mount(2) of what begins with `head`; the driver of ext4 takes ext2 and ext3 as well.
pub fn kind(head: &[u8]) -> Option<&'static str> {
    let here = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    MAGICS.iter().find(|(at, magic, _)| here(*at, magic)).map(|(.., kind)| *kind)
}

/// Whether it is a file system of this label.
pub fn has_label(head: &[u8], label: &str) -> bool {
    let Some(field) = field(head, EXT_LABEL, EXT_LABEL_LENGTH) else { return false };
    let name = field.split(|byte| *byte == 0).next().unwrap_or_default();
    !name.is_empty() && name == label.as_bytes()
}

/// Whether it is a file system of this UUID, written in hexadecimal digits.
pub fn has_uuid(head: &[u8], uuid: &str) -> bool {
    field(head, EXT_UUID, 16).is_some_and(|field| is_uuid(field, uuid))
}

/// Whether these bytes are written so in hexadecimal digits, with `-` anywhere.
pub fn is_uuid(bytes: &[u8], uuid: &str) -> bool {
    let mut digits =
        uuid.bytes().filter(|byte| *byte != b'-').map(|byte| char::from(byte).to_digit(16));
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            if digits.next() != Some(Some(half.into())) {
                return false;
            }
        }
    }
    digits.next().is_none()
}

/// A field of an ext superblock, if it is one.
fn field(head: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    (kind(head) == Some("ext4")).then(|| head.get(at..at + length))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ext() -> Vec<u8> {
        let mut head = vec![0; LENGTH];
        head[EXT + 0x38..EXT + 0x3a].copy_from_slice(b"\x53\xef");
        head[EXT_UUID..EXT_UUID + 16]
            .copy_from_slice(b"\x01\x23\x45\x67\x89\xab\xcd\xef0123456\xff");
        head[EXT_LABEL..EXT_LABEL + 4].copy_from_slice(b"root");
        head
    }

    #[test]
    fn an_ext_superblock_has_label_and_uuid() {
        let head = ext();
        assert_eq!(kind(&head), Some("ext4"));
        assert!(has_label(&head, "root"));
        for other in ["", "roo", "root\0", "roott", "ROOT"] {
            assert!(!has_label(&head, other), "{other:?}");
        }
        assert!(has_uuid(&head, "01234567-89ab-cdef-3031-3233343536ff"));
        assert!(has_uuid(&head, "0123456789ABCDEF30313233343536FF"));
        for other in
            ["", "0", "01234567-89ab-cdef-3031-3233343536f", "zz234567-89ab-cdef-3031-3233343536ff"]
        {
            assert!(!has_uuid(&head, other), "{other:?}");
        }
        assert!(!has_uuid(&head, "01234567-89ab-cdef-3031-3233343536ff0"));
    }

    #[test]
    fn a_label_may_fill_its_field() {
        let mut head = ext();
        head[EXT_LABEL..EXT_LABEL + 16].copy_from_slice(b"sixteen-letters!");
        assert!(has_label(&head, "sixteen-letters!"));
        assert!(!has_label(&head, "sixteen-letters"));
    }

    #[test]
    fn file_systems_are_known_by_their_magic() {
        assert_eq!(kind(b"hsqs...."), Some("squashfs"));
        assert_eq!(kind(b"\x85\x19\x03\x20"), Some("jffs2"));
        assert_eq!(kind(b"\x19\x85"), Some("jffs2"));
        assert_eq!(kind(b""), None);
        assert_eq!(kind(&[0xff; LENGTH]), None);
    }

    /// Every length, and every byte changed, is answered.
    #[test]
    fn hostile_superblocks_are_answered() {
        let good = ext();
        for length in 0..good.len() {
            let head = &good[..length];
            let known = kind(head).is_some();
            assert_eq!(known, length >= EXT + 0x3a);
            assert_eq!(has_label(head, "root"), length >= EXT_LABEL + 16);
            assert_eq!(
                has_uuid(head, "01234567-89ab-cdef-3031-3233343536ff"),
                length >= EXT_UUID + 16
            );
        }
        let mut state = 1_u64;
        for _ in 0..2000 {
            let mut head = good.clone();
            for _ in 0..64 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let at = usize::try_from(state >> 33).unwrap() % head.len();
                head[at] = state.to_le_bytes()[7];
            }
            let _ = (kind(&head), has_label(&head, "root"), has_uuid(&head, "0"));
        }
    }
}
