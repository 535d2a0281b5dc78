//! Bytes as a database, with a head that fits them so that the fuzzer gets past the checksum: it is refused,
//! or loaded and shown without a panic.

#![no_main]

use jambc::{
    show::{self, Decoded},
    tool::{
        doc,
        graph::{Graph as Drawing, Lines, svg},
    },
};
use libfuzzer_sys::fuzz_target;
use rc::{db::Database, engine::Graph};

/// CRC-32 (ISO-HDLC), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// The head of `rc::db`: magic, version, length, checksum; then what the fuzzer wrote.
fn with_head(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"jambdb\r\n".to_vec();
    bytes.extend(rc::db::FORMAT.to_le_bytes());
    bytes.extend(u32::try_from(20 + body.len()).expect("short").to_le_bytes());
    bytes.extend(crc32(body).to_le_bytes());
    bytes.extend(body);
    bytes
}

fn read(bytes: Vec<u8>) {
    let Ok(database) = Database::new(bytes) else { return };
    let loads = Graph::load(&database).is_ok();
    let Ok(decoded) = Decoded::new(&database) else {
        assert!(!loads);
        return;
    };
    let shown = (show::toml(&decoded, None), show::json(&decoded, None));
    assert!(!loads || (shown.0.is_ok() && shown.1.is_ok()));
    if let Ok(drawing) = Drawing::new(&database, Lines::All)
        && database.len() < 50
    {
        svg(&drawing);
    }
    if let Ok(reference) = doc::services(&database) {
        doc::markdown(&reference);
        doc::html(&reference);
    }
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes.to_vec());
    read(with_head(bytes.get(20..).unwrap_or(bytes)));
});
