//! Sets of labeling functions that the coordinator published.

use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{Digest, Signature};
use insitu_protocol::order::FunctionsManifest;
use rusqlite::{Row, params};

use crate::store::orders::BundleState;
use crate::store::{StoreError, Tx, fixed, signed, unsigned};

const TABLE: &str = "function_sets";

/// A set as stored. Its states are those of a bundle: wanted, then pending until the steward makes
/// it ready or declines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionsRow {
    /// Digest of the manifest.
    pub digest: Digest,
    /// What the set is.
    pub manifest: FunctionsManifest,
    /// The federation's signature over the manifest.
    pub signature: Signature,
    /// How far it has come.
    pub state: BundleState,
    /// Why it waits or failed.
    pub note: String,
}

impl Tx<'_> {
    /// Adds a signed set; ordering a known one again makes it the newest, and gives one that failed
    /// another chance. What the steward decided stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_functions(&self, row: &FunctionsRow, number: u64) -> Result<(), StoreError> {
        let manifest = &row.manifest;
        self.sql.execute(
            "INSERT INTO function_sets (digest, project, name, object, bytes, signature, state, number)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (digest) DO UPDATE SET number = max(number, excluded.number),
               state = CASE state WHEN 'failed' THEN 'wanted' ELSE state END",
            params![
                row.digest.0,
                manifest.project.as_str(),
                manifest.name.as_str(),
                manifest.object.0,
                signed(manifest.bytes),
                row.signature.0,
                row.state.name(),
                signed(number)
            ],
        )?;
        Ok(())
    }

    /// All sets, newest order first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn functions(&self) -> Result<Vec<FunctionsRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT digest, project, name, object, bytes, signature, state, note
             FROM function_sets ORDER BY number DESC",
        )?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(functions_row(row)?);
        }
        Ok(all)
    }

    /// Moves a set on if it still is where whoever decides this saw it: the steward may have decided
    /// otherwise meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn move_functions(
        &self,
        digest: &Digest,
        from: BundleState,
        to: BundleState,
        note: &str,
    ) -> Result<(), StoreError> {
        self.move_row((TABLE, "digest"), &digest.0, (from.name(), to.name()), note).map(drop)
    }

    /// Moves a set on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_functions_state(
        &self,
        digest: &Digest,
        state: BundleState,
        note: &str,
    ) -> Result<(), StoreError> {
        self.sql.execute(
            "UPDATE function_sets SET state = ?1, note = ?2 WHERE digest = ?3",
            params![state.name(), note, digest.0],
        )?;
        Ok(())
    }
}

fn functions_row(row: &Row<'_>) -> Result<FunctionsRow, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: TABLE, column };
    let text = |at| row.get::<_, String>(at);
    let state = text(6)?;
    Ok(FunctionsRow {
        digest: Fixed(row.get(0)?),
        manifest: FunctionsManifest {
            project: text(1)?.parse().map_err(|_| corrupt("project"))?,
            name: text(2)?.parse().map_err(|_| corrupt("name"))?,
            object: Fixed(row.get(3)?),
            bytes: unsigned(row.get(4)?, TABLE, "bytes")?,
        },
        signature: Fixed(fixed(&row.get::<_, Vec<u8>>(5)?, TABLE, "signature")?),
        state: BundleState::read(&state).ok_or_else(|| corrupt("state"))?,
        note: row.get(7)?,
    })
}
