//! The checksum of a database: finds what flash, RAM, a cable or an interrupted copy did to the file.
//!
//! Eight bytes at a time are folded into 64 bits: exclusive or, a multiplication by an odd number, and
//! the upper half folded onto the lower. Each of these steps can be undone, so two files of equal length
//! that differ only within one group of eight bytes never have the same checksum; others do by a chance
//! of 2^-64. It needs no table, and on a 32-bit processor three multiplications for eight bytes.
//!
//! It is no protection against somebody who wants to deceive: who can write a database can write its
//! checksum. Whoever needs that signs the image.

/// 2^64 divided by the golden ratio, made odd.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// The checksum of `bytes`.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u64 {
    let (groups, rest) = bytes.as_chunks();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let mut sum = FACTOR ^ bytes.len() as u64;
    for group in groups {
        sum = fold(sum, *group);
    }
    // Twice, so that the last bytes reach all of the sum as well.
    fold(fold(sum, last), [0; 8])
}

const fn fold(sum: u64, group: [u8; 8]) -> u64 {
    let product = (sum ^ u64::from_le_bytes(group)).wrapping_mul(FACTOR);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_everywhere_and_for_ever() {
        assert_eq!(checksum(b""), 0x352C_D683_3D62_7234);
        assert_eq!(checksum(b"jamb"), 0x36FE_D00E_3910_BFA6);
        assert_eq!(checksum(b"a database of services"), 0xD7A4_B4DD_4F72_8224);
    }

    #[test]
    fn what_differs_in_one_group_differs_in_its_sum() {
        let good: Vec<u8> = (0..100).collect();
        let sum = checksum(&good);
        for at in 0..good.len() {
            for change in 1..=255 {
                let mut bad = good.clone();
                bad[at] ^= change;
                assert_ne!(checksum(&bad), sum, "byte {at} by {change}");
            }
        }
    }

    #[test]
    fn zeros_at_the_end_count() {
        let sums: Vec<u64> = (0..40).map(|length| checksum(&vec![0; length])).collect();
        for (at, sum) in sums.iter().enumerate() {
            assert!(!sums[..at].contains(sum), "{at} zeros");
        }
    }

    /// What moved is noticed, too.
    #[test]
    fn order_counts() {
        let bytes: Vec<u8> = (0..16).collect();
        let mut turned = bytes.clone();
        turned.rotate_left(8);
        assert_ne!(checksum(&bytes), checksum(&turned));
    }
}
