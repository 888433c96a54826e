//! Sealing at rest: XChaCha20-Poly1305 under a key that lives outside the store.
//!
//! A sealed value opens only in the cell it was sealed for (table, row, column): who can write the
//! store cannot move one patient's text to another's row.

use std::fmt;
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::files::{self, Access, FileError};

/// Bytes of the key.
pub const KEY_BYTES: usize = 32;
/// Bytes that sealing adds to a value: version, nonce, tag.
pub const OVERHEAD_BYTES: usize = 1 + NONCE_BYTES + 16;

const NONCE_BYTES: usize = 24;
/// First byte of a sealed value, so that a later scheme can be told apart.
const VERSION: u8 = 1;

/// Why a value cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The key file cannot be read or made.
    #[error("no sealing key")]
    Key {
        /// Why not.
        source: FileError,
    },
    /// The key file holds something else.
    #[error("the sealing key has {got_bytes} bytes where {KEY_BYTES} are needed")]
    KeyLength {
        /// Bytes found.
        got_bytes: usize,
    },
    /// The operating system gives no random bytes.
    #[error("no random bytes from the operating system")]
    Random {
        /// Why not.
        source: getrandom::Error,
    },
    /// Not sealed by this key for this cell, or damaged.
    #[error(
        "a value of {got_bytes} bytes in {table}.{column} does not open: wrong key, wrong cell or damaged"
    )]
    Damaged {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Bytes found.
        got_bytes: usize,
    },
    /// More than the cipher takes.
    #[error("a value of {got_bytes} bytes is too long to seal")]
    TooLong {
        /// Bytes found.
        got_bytes: usize,
    },
}

/// Seals and opens values. The key is wiped from memory when this is dropped.
pub struct Sealer {
    key: Zeroizing<[u8; KEY_BYTES]>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

impl Sealer {
    /// Reads the key file, or makes it with a fresh key, readable by its owner alone.
    ///
    /// # Errors
    /// [`SealError::Key`], [`SealError::KeyLength`], [`SealError::Random`].
    pub fn open_or_create(key_file: &Path) -> Result<Self, SealError> {
        if !key_file.exists() {
            let mut key = Zeroizing::new([0; KEY_BYTES]);
            getrandom::fill(key.as_mut()).map_err(|source| SealError::Random { source })?;
            match files::create(key_file, key.as_ref(), Access::Secret) {
                // Another process was faster: its key is the key.
                Ok(()) | Err(FileError::Exists { .. }) => {}
                Err(source) => return Err(SealError::Key { source }),
            }
        }
        Self::open_key(key_file)
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// [`SealError::Key`], [`SealError::KeyLength`].
    pub fn open_key(key_file: &Path) -> Result<Self, SealError> {
        let bytes = files::read_secret(key_file).map_err(|source| SealError::Key { source })?;
        let key = <[u8; KEY_BYTES]>::try_from(bytes.as_slice())
            .map_err(|_| SealError::KeyLength { got_bytes: bytes.len() })?;
        Ok(Self { key: Zeroizing::new(key) })
    }

    /// Seals `plain` for one cell; the result is [`OVERHEAD_BYTES`] longer, and never the same twice.
    ///
    /// `row` is the row's key in any fixed form: text, or an integer's bytes.
    ///
    /// # Errors
    /// [`SealError::Random`], [`SealError::TooLong`].
    pub fn seal(
        &self,
        table: &'static str,
        row: impl AsRef<[u8]>,
        column: &'static str,
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|source| SealError::Random { source })?;
        let payload = Payload { msg: plain, aad: &cell(table, row.as_ref(), column) };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| SealError::TooLong { got_bytes: plain.len() })?;
        let mut bytes = Vec::with_capacity(OVERHEAD_BYTES + plain.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(bytes)
    }

    /// Opens what [`Sealer::seal`] made for the same cell.
    ///
    /// # Errors
    /// [`SealError::Damaged`] for anything else.
    pub fn open(
        &self,
        table: &'static str,
        row: impl AsRef<[u8]>,
        column: &'static str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let damaged = || SealError::Damaged { table, column, got_bytes: sealed.len() };
        let Some((&VERSION, rest)) = sealed.split_first() else {
            return Err(damaged());
        };
        let Some((nonce, msg)) = rest.split_first_chunk::<NONCE_BYTES>() else {
            return Err(damaged());
        };
        let payload = Payload { msg, aad: &cell(table, row.as_ref(), column) };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| damaged())
    }

    /// A key for another purpose, which tells nothing about the sealing key (BLAKE3 key derivation).
    ///
    /// `context` names the purpose: a constant of the program, unique in it.
    pub fn derive_key(&self, context: &'static str) -> Zeroizing<[u8; KEY_BYTES]> {
        Zeroizing::new(blake3::derive_key(context, self.key.as_ref()))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key).into())
    }
}

/// The cell as associated data. Lengths come first, so that no two cells look the same.
fn cell(table: &str, row: &[u8], column: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24 + table.len() + row.len() + column.len());
    for part in [table.as_bytes(), row, column.as_bytes()] {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer() -> (tempfile::TempDir, Sealer) {
        let folder = tempfile::tempdir().unwrap();
        let sealer = Sealer::open_or_create(&folder.path().join("seal.key")).unwrap();
        (folder, sealer)
    }

    #[test]
    fn a_value_opens_in_its_cell_with_the_same_key_file() {
        let (folder, sealer) = sealer();
        let sealed = sealer.seal("item", "7", "content", b"chest pain").unwrap();
        assert_eq!(sealed.len(), OVERHEAD_BYTES + 10);
        assert!(!sealed.windows(10).any(|window| window == b"chest pain"));
        let again = Sealer::open_or_create(&folder.path().join("seal.key")).unwrap();
        assert_eq!(again.open("item", "7", "content", &sealed).unwrap(), b"chest pain");
    }

    #[test]
    fn a_value_opens_nowhere_else() {
        let (_folder, sealer) = sealer();
        let sealed = sealer.seal("item", "71", "content", b"x").unwrap();
        assert!(sealer.open("item", "7", "1content", &sealed).is_err());
        assert!(sealer.open("item", "72", "content", &sealed).is_err());
        assert!(sealer.open("vault", "71", "content", &sealed).is_err());
        assert!(sealer.open("item", "71", "name", &sealed).is_err());
        let (_other_folder, other) = self::sealer();
        assert!(other.open("item", "71", "content", &sealed).is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let (_folder, sealer) = sealer();
        let sealed = sealer.seal("item", "7", "content", b"pain").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(sealer.open("item", "7", "content", &bad).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(sealer.open("item", "7", "content", &sealed[..length]).is_err());
        }
    }

    #[test]
    fn the_same_value_never_looks_the_same() {
        let (_folder, sealer) = sealer();
        let seal = || sealer.seal("item", "7", "content", b"pain").unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_short_key_is_refused_and_nothing_shows_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        files::create(&path, &[7; 31], Access::Secret).unwrap();
        let error = Sealer::open_or_create(&path).unwrap_err();
        assert!(matches!(error, SealError::KeyLength { got_bytes: 31 }));
        let (_folder, sealer) = sealer();
        assert_eq!(format!("{sealer:?}"), "Sealer(..)");
        assert_ne!(sealer.derive_key("a").as_ref(), sealer.derive_key("b").as_ref());
        assert_ne!(sealer.derive_key("a").as_ref(), sealer.key.as_ref());
    }
}
