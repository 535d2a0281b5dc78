//! Linked services as the bytes of a database, with a content id that depends on nothing else.

use crate::link::Linked;
use rc::db;
use sha2::{Digest, Sha256};

/// Where the part begins that the content id names: behind the id itself.
const CONTENT: usize = 36;

/// The database. Its content id is the start of the SHA-256 of everything behind the id.
///
/// # Errors
/// If it would be larger than a device accepts.
pub fn encode(linked: &Linked) -> Result<Vec<u8>, db::Error> {
    let draft = db::encode([0; 16], &linked.system, &linked.services)?;
    let hash = Sha256::digest(draft.get(CONTENT..).unwrap_or_default());
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    db::encode(id, &linked.system, &linked.services)
}
