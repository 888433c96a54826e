//! Heads of the site's own, one for a project, sealed.

use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::Digest;
use rusqlite::{OptionalExtension, params};

use crate::store::{Cell, StoreError, Tx, signed, unsigned};

const TABLE: &str = "personal_heads";

/// A personal head as stored.
#[derive(Clone)]
pub struct PersonalRow {
    /// The bundle whose head it is mixed with.
    pub bundle: Digest,
    /// What its prelabels name.
    pub maker: Digest,
    /// Labels of the project when it was fitted.
    pub labels: u64,
    /// Encoded.
    pub head: Vec<u8>,
}

impl std::fmt::Debug for PersonalRow {
    /// Without the head.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PersonalRow({})", self.bundle)
    }
}

impl Tx<'_> {
    /// The personal head of a project.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn personal_head(&self, project: i64) -> Result<Option<PersonalRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT bundle, maker, labels, head FROM personal_heads WHERE project = ?1",
        )?;
        let mut rows = statement.query([project])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let sealed: Vec<u8> = row.get(3)?;
        Ok(Some(PersonalRow {
            bundle: Fixed(row.get(0)?),
            maker: Fixed(row.get(1)?),
            labels: unsigned(row.get(2)?, TABLE, "labels")?,
            head: self.open(cell(&project.to_le_bytes()), &sealed)?,
        }))
    }

    /// What makes a project's prelabels where its personal head may serve: that head, if it is mixed
    /// with `bundle`'s and chosen to serve; else the bundle.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn maker(&self, project: i64, bundle: &Digest) -> Result<Digest, StoreError> {
        let maker = self
            .sql
            .prepare_cached("SELECT maker FROM personal_heads WHERE project = ?1 AND bundle = ?2")?
            .query_row(params![project, bundle.0], |row| row.get(0))
            .optional()?;
        Ok(maker.map_or(*bundle, Fixed))
    }

    /// Replaces the personal head of a project.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_personal_head(&self, project: i64, row: &PersonalRow) -> Result<(), StoreError> {
        let sealed = self.seal(cell(&project.to_le_bytes()), &row.head)?;
        self.sql.execute(
            "INSERT INTO personal_heads (project, bundle, maker, labels, head)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (project) DO UPDATE SET
               bundle = excluded.bundle, maker = excluded.maker, labels = excluded.labels,
               head = excluded.head",
            params![project, row.bundle.0, row.maker.0, signed(row.labels), sealed],
        )?;
        Ok(())
    }

    /// Forgets the personal head of a project; whether there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_personal_head(&self, project: i64) -> Result<bool, StoreError> {
        let gone = self.sql.execute("DELETE FROM personal_heads WHERE project = ?1", [project])?;
        Ok(gone > 0)
    }
}

fn cell(project: &[u8; 8]) -> Cell<'_> {
    Cell { table: TABLE, row: project, column: "head" }
}
