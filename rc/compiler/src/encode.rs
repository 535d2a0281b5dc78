//! Linked services as the bytes of a database, with a content id that depends on nothing else.

use crate::link::Linked;
use core::fmt;
use rc::{
    db::{self, CONTENT, Database},
    engine::Graph,
};
use sha2::{Digest, Sha256};

/// Why linked services do not become a database.
#[derive(Debug)]
pub enum EncodeError {
    /// It would be larger than a device accepts, or cannot be encoded.
    Database(db::Error),
    /// A device would refuse it, or understand something else: a check of this compiler is missing.
    Refused(db::Error),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => write!(f, "cannot encode the database: {error}"),
            Self::Refused(error) => write!(
                f,
                "a device would refuse this database ({error}); this is a defect of jambc, \
                 please report it with the definitions"
            ),
        }
    }
}

impl std::error::Error for EncodeError {}

/// The database. Its content id is the start of the SHA-256 of everything behind the id.
///
/// # Errors
/// If a device would not accept it.
pub fn encode(linked: &Linked) -> Result<Vec<u8>, EncodeError> {
    let encoded =
        |id| db::encode(id, &linked.system, &linked.services).map_err(EncodeError::Database);
    let hash = Sha256::digest(encoded([0; 16])?.get(CONTENT..).unwrap_or_default());
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    let bytes = encoded(id)?;
    read_back(linked, bytes.clone()).map_err(EncodeError::Refused)?;
    Ok(bytes)
}

/// Reads it as a device does, and finds in it what was written.
fn read_back(linked: &Linked, bytes: Vec<u8>) -> Result<(), db::Error> {
    let database = Database::new(bytes)?;
    Graph::load(&database)?;
    for (id, (_, service)) in database.ids().zip(&linked.services) {
        if database.service(id)? != *service {
            return Err(db::Error::Record { number: id.index() + 1 });
        }
    }
    Ok(())
}
