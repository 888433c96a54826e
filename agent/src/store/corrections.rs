//! Corrections by applications: kept from the moment they are acknowledged, taken as annotations
//! once their item has a prelabel to answer.

use rusqlite::{Row, params};

use crate::store::items::{COLUMNS as ITEM, ItemRow, Stage};
use crate::store::labels::name;
use crate::store::{Cell, StoreError, Tx, unsigned};

const TABLE: &str = "corrections";
const COLUMNS: &str = "correction, person, key, item, body, taken_at IS NOT NULL";

/// A correction as stored, its body opened.
#[derive(Clone)]
pub struct CorrectionRow {
    /// Key in this store; ascends by arrival.
    pub correction: i64,
    /// The application.
    pub person: i64,
    /// The application's own name for it.
    pub key: String,
    /// The item's key.
    pub item: i64,
    /// Encoded.
    pub body: Vec<u8>,
    /// It has become an annotation, or never can.
    pub taken: bool,
}

impl std::fmt::Debug for CorrectionRow {
    /// Without what was said.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CorrectionRow({}, item {})", self.correction, self.item)
    }
}

impl Tx<'_> {
    /// Keeps a correction and gives its key. The caller has checked that the application has not
    /// used its name before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_correction(
        &self,
        person: i64,
        key: &str,
        item: i64,
        body: &[u8],
        now: i64,
    ) -> Result<i64, StoreError> {
        let sealed = self.seal(cell(&name(person, key)), body)?;
        self.sql
            .prepare_cached(
                "INSERT INTO corrections (person, key, item, received_at, body)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![person, key, item, now, sealed])?;
        Ok(self.sql.last_insert_rowid())
    }

    /// The application's correction of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn correction(&self, person: i64, key: &str) -> Result<Option<CorrectionRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM corrections WHERE person = ?1 AND key = ?2");
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![person, key])?;
        rows.next()?.map(|row| self.correction_row(row)).transpose()
    }

    /// What a person's imports, or an application, said of an item last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last_correction(
        &self,
        person: i64,
        item: i64,
    ) -> Result<Option<CorrectionRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM corrections WHERE item = ?1 AND person = ?2
             ORDER BY correction DESC LIMIT 1"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![item, person])?;
        rows.next()?.map(|row| self.correction_row(row)).transpose()
    }

    /// Everything that was sent of an item, in the order of arrival.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn corrections_of(&self, item: i64) -> Result<Vec<CorrectionRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM corrections WHERE item = ?1 ORDER BY correction");
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query([item])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(self.correction_row(row)?);
        }
        Ok(all)
    }

    /// Corrections that wait for a prelabel, in the whole store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn waiting_corrections(&self) -> Result<u64, StoreError> {
        let query = "SELECT count(*) FROM corrections WHERE taken_at IS NULL";
        let count = self.sql.prepare_cached(query)?.query_row([], |row| row.get(0))?;
        unsigned(count, TABLE, "correction")
    }

    /// Waiting corrections of a project's items that have been routed, in the order of arrival.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ready_corrections(
        &self,
        project: i64,
        limit: u32,
    ) -> Result<Vec<CorrectionRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM corrections CROSS JOIN items USING (item)
             WHERE taken_at IS NULL AND project = ?1 AND route IS NOT NULL
             ORDER BY correction LIMIT ?2"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![project, limit])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(self.correction_row(row)?);
        }
        Ok(all)
    }

    /// Up to `limit` redacted items of a project that wait for a prelabel and that somebody has
    /// labeled already, in the order in which that was said.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn items_labeled_early(
        &self,
        project: i64,
        limit: u32,
    ) -> Result<Vec<ItemRow>, StoreError> {
        let sql = format!(
            "SELECT {ITEM} FROM corrections c CROSS JOIN items i ON i.item = c.item
             WHERE c.taken_at IS NULL AND i.project = ?1 AND i.stage = ?2
             ORDER BY c.correction LIMIT ?3"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![project, Stage::Clean as i64, limit])?;
        self.collect_items(&mut rows)
    }

    /// Nothing more is to be done about it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_correction(&self, correction: i64, now: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE corrections SET taken_at = ?1 WHERE correction = ?2")?
            .execute(params![now, correction])?;
        Ok(())
    }

    fn correction_row(&self, row: &Row<'_>) -> Result<CorrectionRow, StoreError> {
        let (person, key): (i64, String) = (row.get(1)?, row.get(2)?);
        let sealed: Vec<u8> = row.get(4)?;
        Ok(CorrectionRow {
            correction: row.get(0)?,
            person,
            item: row.get(3)?,
            body: self.open(cell(&name(person, &key)), &sealed)?,
            taken: row.get(5)?,
            key,
        })
    }
}

fn cell(name: &[u8]) -> Cell<'_> {
    Cell { table: TABLE, row: name, column: "body" }
}
