//! How often drafts were right at this site, by how sure their maker said it was.

use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::Digest;
use rusqlite::params;

use crate::store::{Cell, StoreError, Tx, signed, unsigned};

const TABLE: &str = "calibrations";

/// A calibration by the site's own labels.
#[derive(Clone, PartialEq, Eq)]
pub struct CalibrationRow {
    /// Whose drafts it is about.
    pub maker: Digest,
    /// Labels of the project when it was fitted.
    pub labels: u64,
    /// Encoded.
    pub knots: Vec<u8>,
}

impl std::fmt::Debug for CalibrationRow {
    /// Without the knots.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CalibrationRow({})", self.maker)
    }
}

impl Tx<'_> {
    /// The project's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn calibration(&self, project: i64) -> Result<Option<CalibrationRow>, StoreError> {
        let mut statement = self
            .sql
            .prepare_cached("SELECT maker, labels, knots FROM calibrations WHERE project = ?1")?;
        let mut rows = statement.query([project])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let sealed: Vec<u8> = row.get(2)?;
        Ok(Some(CalibrationRow {
            maker: Fixed(row.get(0)?),
            labels: unsigned(row.get(1)?, TABLE, "labels")?,
            knots: self.open(cell(&project.to_le_bytes()), &sealed)?,
        }))
    }

    /// Replaces the project's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_calibration(&self, project: i64, row: &CalibrationRow) -> Result<(), StoreError> {
        let sealed = self.seal(cell(&project.to_le_bytes()), &row.knots)?;
        self.sql.execute(
            "INSERT INTO calibrations (project, maker, labels, knots) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (project) DO UPDATE SET
               maker = excluded.maker, labels = excluded.labels, knots = excluded.knots",
            params![project, row.maker.0, signed(row.labels), sealed],
        )?;
        Ok(())
    }

    /// Forgets the project's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_calibration(&self, project: i64) -> Result<(), StoreError> {
        self.sql.execute("DELETE FROM calibrations WHERE project = ?1", [project])?;
        Ok(())
    }
}

fn cell(project: &[u8; 8]) -> Cell<'_> {
    Cell { table: TABLE, row: project, column: "knots" }
}
