//! The witness: how far the ledger had come, signed, in a file apart from the store.
//!
//! A store that was restored from a backup, or deleted, looks in order by itself. The witness
//! tells: it is never behind what was sent, since the outbox writes it first. It helps most where
//! backups of the store do not reach: `ledger.witness` of the configuration says where.

use std::path::{Path, PathBuf};

use insitu_daemon::files::{self, Access, FileError};
use insitu_models::sign::{Domain, KeyError, PublicKey, SigningKey};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{Digest, Signature};
use insitu_protocol::release::CHAIN_START;
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::store::{StoreError, Tx, signed, unsigned};

/// The file of the key that signs, in the data folder.
pub const KEY_FILE: &str = "ledger.key";
/// Longest witness file that is read.
const BYTES_MAX: usize = 4096;
const TABLE: &str = "checkpoints";

/// How far a ledger has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Its last release.
    pub sequence: u64,
    /// The chain's hash after it.
    pub chain: Digest,
    /// Everything that was ever charged. As the witness is told, with what was taken for spent of
    /// ledgers that were lost.
    pub nano_rho: u64,
    /// When the last charge was made, Unix seconds.
    pub charged_at: i64,
}

impl Mark {
    /// Before the first release.
    const START: Self = Self { sequence: 0, chain: CHAIN_START, nano_rho: 0, charged_at: 0 };
}

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    mark: Mark,
    signature: Signature,
}

/// Why the witness cannot be heard.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The file cannot be read or written.
    #[error("the ledger's witness {} cannot be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
    /// The key that signs cannot be used.
    #[error("the ledger's key {} cannot be used", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// Not a witness, or not signed by this agent's key.
    #[error("{} is not a witness signed with this agent's {KEY_FILE}", path.display())]
    Signature {
        /// The file.
        path: PathBuf,
    },
}

/// The witness and the key it is signed with.
#[derive(Debug)]
pub struct Witness {
    path: PathBuf,
    key: SigningKey,
}

impl Witness {
    /// The witness at `path` for the store in `data`, whose key is made when there is none.
    ///
    /// # Errors
    /// [`WitnessError::Key`].
    pub fn open(data: &Path, path: PathBuf) -> Result<Self, WitnessError> {
        let file = data.join(KEY_FILE);
        let key = SigningKey::open_or_create(&file)
            .map_err(|source| WitnessError::Key { path: file, source })?;
        Ok(Self { path, key })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key that checks its signatures.
    pub fn public_key(&self) -> PublicKey {
        self.key.public()
    }

    /// Signs a dataset snapshot's list of files: whoever trusts this agent's ledger knows the key.
    pub fn sign_snapshot(&self, list: &[u8]) -> Signature {
        self.key.sign_in(Domain::Snapshot, list)
    }

    /// Signs how far the audit log has come.
    pub(super) fn sign_trail(&self, message: &[u8]) -> Signature {
        self.key.sign_in(Domain::Trail, message)
    }

    /// What it says; `None` when there is none yet.
    ///
    /// # Errors
    /// [`WitnessError::File`], [`WitnessError::Signature`].
    pub fn read(&self) -> Result<Option<Mark>, WitnessError> {
        if !self.path.exists() {
            return Ok(None);
        }
        let bytes = files::read(&self.path, BYTES_MAX)
            .map_err(|source| WitnessError::File { path: self.path.clone(), source })?;
        let read: Option<Signed> = serde_json::from_slice(&bytes).ok();
        read.filter(|read| verify(&self.public_key(), &read.mark, &read.signature))
            .map(|read| Some(read.mark))
            .ok_or_else(|| WitnessError::Signature { path: self.path.clone() })
    }

    /// Writes it durably.
    ///
    /// # Errors
    /// [`WitnessError::File`].
    pub(crate) fn write(&self, mark: &Mark) -> Result<(), WitnessError> {
        let signed = Signed { mark: mark.clone(), signature: self.sign(mark) };
        let mut bytes = serde_json::to_vec_pretty(&signed).expect("numbers and text have JSON");
        bytes.push(b'\n');
        files::write_atomic(&self.path, &bytes, Access::Secret)
            .map_err(|source| WitnessError::File { path: self.path.clone(), source })
    }

    /// Starts again from this end of the ledger, which may be behind what it says.
    ///
    /// # Errors
    /// [`WitnessError::File`].
    pub(crate) fn restart(&self, mark: Option<&Mark>) -> Result<(), WitnessError> {
        self.write(mark.unwrap_or(&Mark::START))
    }

    fn sign(&self, mark: &Mark) -> Signature {
        self.key.sign_in(Domain::Checkpoint, &message(mark))
    }
}

impl Tx<'_> {
    /// The witness of this store.
    pub fn witness(&self) -> &Witness {
        self.witness
    }

    /// The witness, to be told of what this store holds.
    ///
    /// # Panics
    /// In a transaction that shares its commit: it may see what is not on the disk yet, and of that
    /// the witness would know for ever, also when that commit fails.
    pub fn attesting_witness(&self) -> &Witness {
        assert!(self.alone, "the witness would be told of what is not durable");
        self.witness
    }

    /// How far the ledger has come; `None` while it is empty.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mark(&self) -> Result<Option<Mark>, StoreError> {
        let (sequence, chain) = self.ledger_head()?;
        if sequence == 0 {
            return Ok(None);
        }
        let (nano_rho, charged_at): (i64, i64) = self
            .sql
            .prepare_cached("SELECT sum(nano_rho), max(charged_at) FROM ledger")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let nano_rho = unsigned(nano_rho, "ledger", "nano_rho")?;
        Ok(Some(Mark { sequence, chain, nano_rho, charged_at }))
    }

    /// As [`Self::mark`], with what was taken for spent of ledgers that were lost: were the witness not
    /// told, whoever restores the same copy once more would spend that again. `None` without either.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mark_with_losses(&self) -> Result<Option<Mark>, StoreError> {
        let (mark, lost) = (self.mark()?, self.lost()?);
        if lost == 0 {
            return Ok(mark);
        }
        let mark = mark.unwrap_or(Mark::START);
        Ok(Some(Mark { nano_rho: mark.nano_rho.saturating_add(lost), ..mark }))
    }

    /// Signs how far the ledger has come, as a row beside it.
    ///
    /// # Errors
    /// [`StoreError::Sql`] (a constraint) when the ledger's end has been signed already.
    pub fn add_checkpoint(&self) -> Result<(), StoreError> {
        let Some(mark) = self.mark()? else { return Ok(()) };
        self.sql
            .prepare_cached(
                "INSERT INTO checkpoints (sequence, nano_rho, charged_at, signature)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                signed(mark.sequence),
                signed(mark.nano_rho),
                mark.charged_at,
                self.witness.sign(&mark).0
            ])?;
        Ok(())
    }

    /// Whether a checkpoint at `sequence` is signed over this chain and this sum of charges; `None`
    /// when there is no checkpoint.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn check_checkpoint(
        &self,
        sequence: u64,
        chain: Digest,
        nano_rho: u64,
    ) -> Result<Option<bool>, StoreError> {
        let row: Option<(i64, i64, Vec<u8>)> = self
            .sql
            .prepare_cached(
                "SELECT nano_rho, charged_at, signature FROM checkpoints WHERE sequence = ?1",
            )?
            .query_row([signed(sequence)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((charged, charged_at, signature)) = row else { return Ok(None) };
        let signature: [u8; 64] = super::fixed(&signature, TABLE, "signature")?;
        let mark = Mark { sequence, chain, nano_rho, charged_at };
        let right = verify(&self.witness.public_key(), &mark, &Fixed(signature));
        Ok(Some(right && signed(nano_rho) == charged))
    }
}

fn verify(key: &PublicKey, mark: &Mark, signature: &Signature) -> bool {
    key.verify_in(Domain::Checkpoint, &message(mark), signature).is_ok()
}

/// What is signed: every field, at fixed length.
fn message(mark: &Mark) -> Vec<u8> {
    let mut bytes = mark.sequence.to_le_bytes().to_vec();
    bytes.extend(mark.chain.0);
    bytes.extend(mark.nano_rho.to_le_bytes());
    bytes.extend(mark.charged_at.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_is_believed_only_as_it_was_signed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness");
        let witness = Witness::open(folder.path(), path.clone()).unwrap();
        assert_eq!(witness.read().unwrap(), None);
        let mark = Mark { sequence: 3, chain: Fixed([7; 32]), nano_rho: 9, charged_at: 1 };
        witness.write(&mark).unwrap();
        let again = Witness::open(folder.path(), path.clone()).unwrap();
        assert_eq!(again.read().unwrap(), Some(mark));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"nano_rho\": 9", "\"nano_rho\": 8")).unwrap();
        assert!(matches!(witness.read(), Err(WitnessError::Signature { .. })));
        std::fs::write(&path, b"{").unwrap();
        assert!(matches!(witness.read(), Err(WitnessError::Signature { .. })));
    }
}
