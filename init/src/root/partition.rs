//! The UUID of a partition, by the table at the beginning of its disk: sysfs has it since Linux 6.10 only.
//! Input: what anybody may have written there; nothing of it is believed but for comparing.

use super::superblock::is_uuid;

/// How much of a disk is looked at, in bytes: the table of 128 partitions, in sectors of up to 4,096 bytes.
pub const LENGTH: usize = 32 * 1024;

/// Sizes of sectors, by which a GPT counts.
const SECTORS: [usize; 2] = [512, 4096];

/// In which order the bytes of a GUID are written; UEFI specification, appendix A.
const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// Whether partition `number` (from 1) has this UUID: the GUID of a GPT (UEFI specification, 5.3), or
/// `SIGNATURE-NUMBER` of a PC's table, as the kernel's `root=` has it.
pub fn has_uuid(table: &[u8], number: u8, uuid: &str) -> bool {
    let is_gpt = |sector: &&usize| at(table, **sector, 8) == Some(b"EFI PART");
    if let Some(sector) = SECTORS.iter().find(is_gpt) {
        return guid(table, *sector, number)
            .is_some_and(|guid| is_uuid(&ORDER.map(|place| guid[place]), uuid));
    }
    match (at(table, 440, 4), at(table, 510, 2)) {
        (Some(&[a, b, c, d]), Some(b"\x55\xaa")) => is_uuid(&[d, c, b, a, number], uuid),
        _ => false,
    }
}

/// The GUID of a partition, as it lies there.
fn guid(table: &[u8], sector: usize, number: u8) -> Option<&[u8; 16]> {
    let field = |place: usize| {
        let bytes = at(table, sector + place, 4)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    let (entries, count, size) = (field(72)?, field(80)?, field(84)?);
    let before = usize::from(number).checked_sub(1).filter(|before| *before < count)?;
    let place = entries.checked_mul(sector)?.checked_add(before.checked_mul(size)?)?;
    at(table, place.checked_add(16)?, 16)?.first_chunk()
}

fn at(table: &[u8], place: usize, length: usize) -> Option<&[u8]> {
    table.get(place..)?.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "89abcdef-0123-4567-89ab-cdef01234567";

    /// Partition 2 of a table has the UUID.
    fn gpt(sector: usize) -> Vec<u8> {
        let mut table = vec![0; LENGTH];
        table[510..512].copy_from_slice(b"\x55\xaa");
        table[sector..sector + 8].copy_from_slice(b"EFI PART");
        for (place, value) in [(72, 2_u32), (80, 128), (84, 128)] {
            table[sector + place..sector + place + 4].copy_from_slice(&value.to_le_bytes());
        }
        let place = 2 * sector + 128 + 16;
        let guid = b"\xef\xcd\xab\x89\x23\x01\x67\x45\x89\xab\xcd\xef\x01\x23\x45\x67";
        table[place..place + 16].copy_from_slice(guid);
        table
    }

    #[test]
    fn a_partition_is_known_by_its_guid() {
        for sector in SECTORS {
            let table = gpt(sector);
            assert!(has_uuid(&table, 2, UUID));
            assert!(has_uuid(&table, 2, &UUID.to_uppercase()));
            for (number, uuid) in [(0, UUID), (1, UUID), (3, UUID), (129, UUID), (2, ""), (2, "89")]
            {
                assert!(!has_uuid(&table, number, uuid), "{number} {uuid}");
            }
        }
    }

    #[test]
    fn a_partition_of_a_pc_is_known_by_signature_and_number() {
        let mut table = vec![0; 512];
        table[440..444].copy_from_slice(b"\x78\x56\x34\x12");
        assert!(!has_uuid(&table, 1, "12345678-01"), "no table");
        table[510..512].copy_from_slice(b"\x55\xaa");
        assert!(has_uuid(&table, 1, "12345678-01"));
        assert!(has_uuid(&table, 26, "12345678-1A"));
        assert!(!has_uuid(&table, 2, "12345678-01"));
    }

    /// Every length, and numbers without a meaning, are answered.
    #[test]
    fn hostile_tables_are_answered() {
        let good = gpt(512);
        for length in 0..2048 {
            assert_eq!(has_uuid(&good[..length], 2, UUID), length >= 1024 + 160);
        }
        for place in [72, 80, 84] {
            for value in [0, 1, u32::MAX] {
                let mut table = good.clone();
                table[512 + place..512 + place + 4].copy_from_slice(&value.to_le_bytes());
                for number in 0..=255 {
                    let _ = has_uuid(&table, number, UUID);
                }
            }
        }
    }
}
