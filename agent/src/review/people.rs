//! People and their tokens. The store holds a hash; the token itself is in a file of its person's.

use std::path::Path;

use insitu_daemon::files::{self, Access, FileError};

use crate::store::labels::Role;
use crate::store::{Store, StoreError};

/// Longest name of a person, bytes.
const NAME_BYTES_MAX: usize = 128;

/// Why a person cannot be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PersonError {
    /// Somebody has the name.
    #[error("there is a person named {name:?} already")]
    Taken {
        /// The name.
        name: String,
    },
    /// Empty, too long, or with control characters.
    #[error("a name has 1 to {NAME_BYTES_MAX} bytes and no control characters")]
    Name,
    /// No random bytes from the operating system.
    #[error("no randomness from the operating system")]
    Randomness,
    /// The token cannot be written.
    #[error("the token cannot be written")]
    File(#[from] FileError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Adds a person and writes a fresh bearer token to a new file that only its owner can read.
///
/// # Errors
/// [`PersonError`]; no person is added then.
pub fn add_person(
    store: &Store,
    name: &str,
    role: Role,
    token_file: &Path,
    now: i64,
) -> Result<(), PersonError> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(PersonError::Name);
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|_| PersonError::Randomness)?;
    let token = hex::encode(secret);
    store.tx("add person", |tx| {
        let added = tx.add_person(name, role, &token_hash(&token), now)?;
        added.ok_or_else(|| PersonError::Taken { name: name.to_owned() })?;
        // Written before the commit: a person without a token could never be one.
        files::create(token_file, format!("{token}\n").as_bytes(), Access::Secret)?;
        Ok(())
    })
}

/// What the store holds of a token. Tokens are 256 random bits: a plain hash is enough.
pub fn token_hash(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}
