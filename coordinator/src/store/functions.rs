//! Published sets of labeling functions.

use insitu_protocol::ids::{Digest, FunctionsName, ProjectName, Signature};
use rusqlite::{Row, params};

use super::row::{fixed, name};
use super::{StoreError, Tx};

/// A published set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionsRow {
    /// Digest of the manifest.
    pub digest: Digest,
    /// The project.
    pub project: ProjectName,
    /// The set's name.
    pub name: FunctionsName,
    /// Exactly the signed bytes.
    pub manifest: Vec<u8>,
    /// The signature.
    pub signature: Signature,
    /// When it was published last.
    pub at_unix_s: i64,
}

const SELECT: &str =
    "SELECT digest, project, name, manifest, signature, at_unix_s FROM function_set";

impl Tx<'_> {
    /// Makes a set the newest of its name, whether it is known or not.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn put_functions(&self, set: &FunctionsRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO function_set \
                     (digest, project, name, manifest, signature, at_unix_s, number) \
                   SELECT $1, $2, $3, $4, $5, $6, COALESCE(MAX(number), 0) + 1 FROM function_set \
                   WHERE true ON CONFLICT (digest) DO UPDATE SET \
                   at_unix_s = excluded.at_unix_s, number = excluded.number";
        self.execute(
            sql,
            params![
                set.digest.0,
                set.project.as_str(),
                set.name.as_str(),
                set.manifest,
                set.signature.0,
                set.at_unix_s
            ],
        )
        .map(drop)
    }

    /// A set, if it is the newest of its name.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn newest_functions(&self, digest: Digest) -> Result<Option<FunctionsRow>, StoreError> {
        let sql = format!(
            "{SELECT} WHERE digest = $1 AND number = (SELECT MAX(n.number) FROM function_set n \
             WHERE n.project = function_set.project AND n.name = function_set.name)"
        );
        self.row(&sql, [digest.0], functions_row)
    }

    /// Every set, in the order of publication.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn functions(&self) -> Result<Vec<FunctionsRow>, StoreError> {
        self.rows(&format!("{SELECT} ORDER BY number"), [], functions_row)
    }
}

fn functions_row(row: &Row<'_>) -> rusqlite::Result<FunctionsRow> {
    Ok(FunctionsRow {
        digest: fixed(row, 0)?,
        project: name(row, 1)?,
        name: name(row, 2)?,
        manifest: row.get(3)?,
        signature: fixed(row, 4)?,
        at_unix_s: row.get(5)?,
    })
}
