//! Corrections by applications: kept from the moment they are acknowledged, taken as annotations
//! once their item has a prelabel to answer.

use rusqlite::{Row, Rows, params};

use crate::store::items::{COLUMNS as ITEM, ItemRow, Stage};
use crate::store::labels::{AnnotationRow, name};
use crate::store::{Cell, StoreError, Tx, unsigned};

const TABLE: &str = "corrections";
const COLUMNS: &str = "correction, person, key, item, body, taken_at IS NOT NULL, context, fault";

/// How far the context of a correction is redacted. Stored as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redaction {
    /// As the application told it.
    Raw = 0,
    /// Redacted, or there is none.
    Clean = 1,
    /// It could not be redacted, and is shown to nobody.
    Withheld = 2,
}

impl Redaction {
    fn read(number: i64) -> Result<Self, StoreError> {
        match number {
            0 => Ok(Self::Raw),
            1 => Ok(Self::Clean),
            2 => Ok(Self::Withheld),
            _ => Err(StoreError::Corrupt { table: TABLE, column: "context" }),
        }
    }
}

/// A correction that is to be kept.
#[derive(Clone, Copy)]
pub struct NewCorrection<'a> {
    /// The application, or the person whose labels are imported.
    pub person: i64,
    /// The sender's own name for it, which it has not used before.
    pub key: &'a str,
    /// The item's key.
    pub item: i64,
    /// Encoded.
    pub body: &'a [u8],
    /// How far the context in the body is redacted.
    pub context: Redaction,
}

impl std::fmt::Debug for NewCorrection<'_> {
    /// Without what was said.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewCorrection(item {}, {:?})", self.item, self.context)
    }
}

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
    /// Why it never can.
    pub fault: Option<String>,
    /// How far the context in the body is redacted.
    pub context: Redaction,
}

impl std::fmt::Debug for CorrectionRow {
    /// Without what was said.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CorrectionRow({}, item {})", self.correction, self.item)
    }
}

impl Tx<'_> {
    /// Keeps a correction and gives its key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_correction(&self, new: &NewCorrection<'_>, now: i64) -> Result<i64, StoreError> {
        let NewCorrection { person, key, item, body, context } = *new;
        let sealed = self.seal(cell(&name(person, key)), body)?;
        self.sql
            .prepare_cached(
                "INSERT INTO corrections (person, key, item, received_at, body, context)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![person, key, item, now, sealed, context as i64])?;
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

    /// Whether an annotation was said elsewhere than at the review table: by an application's user, in an
    /// import, or in a Label Studio.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_said_elsewhere(&self, said: &AnnotationRow) -> Result<bool, StoreError> {
        Ok(self
            .sql
            .prepare_cached(
                "SELECT 1 FROM corrections WHERE person = ?1 AND key = ?2
                 UNION ALL
                 SELECT 1 FROM studio_annotations WHERE item = ?3 AND person = ?1 AND key = ?2",
            )?
            .exists(params![said.person, said.key, said.item])?)
    }

    /// Everything that was sent of an item, in the order of arrival.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn corrections_of(&self, item: i64) -> Result<Vec<CorrectionRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM corrections WHERE item = ?1 ORDER BY correction");
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query([item])?;
        self.collect_corrections(&mut rows)
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
        self.collect_corrections(&mut rows)
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

    /// Nothing more is to be done about it, or nothing can be, for a reason.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_correction(
        &self,
        correction: i64,
        fault: Option<&str>,
        now: i64,
    ) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE corrections SET taken_at = ?1, fault = ?2 WHERE correction = ?3",
            )?
            .execute(params![now, fault, correction])?;
        Ok(())
    }

    /// Corrections of a project's items whose contexts are to be redacted, in the order of arrival.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn raw_contexts(&self, project: i64, limit: u32) -> Result<Vec<CorrectionRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM corrections CROSS JOIN items USING (item)
             WHERE context = 0 AND project = ?1 ORDER BY correction LIMIT ?2"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![project, limit])?;
        self.collect_corrections(&mut rows)
    }

    /// Puts the body with its context redacted in the place of a correction's; `false` when somebody
    /// else has, or it was erased meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_clean_context(&self, row: &CorrectionRow, clean: &[u8]) -> Result<bool, StoreError> {
        let sealed = self.seal(cell(&name(row.person, &row.key)), clean)?;
        let changed = self
            .sql
            .prepare_cached(
                "UPDATE corrections SET body = ?1, context = 1
                 WHERE person = ?2 AND key = ?3 AND item = ?4 AND context = 0",
            )?
            .execute(params![sealed, row.person, row.key, row.item])?;
        Ok(changed == 1)
    }

    /// Puts a context that could not be redacted aside.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn withhold_context(&self, row: &CorrectionRow, reason: &str) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE corrections SET context = 2, quarantine = ?1
                 WHERE person = ?2 AND key = ?3 AND item = ?4 AND context = 0",
            )?
            .execute(params![reason, row.person, row.key, row.item])?;
        Ok(())
    }

    /// How many contexts of a project's corrections could not be redacted, by reason.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn withheld_contexts(&self, project: i64) -> Result<Vec<(String, u64)>, StoreError> {
        let sql = "SELECT coalesce(c.quarantine, ''), count(*)
             FROM corrections c CROSS JOIN items i ON i.item = c.item
             WHERE c.context = 2 AND i.project = ?1 GROUP BY 1 ORDER BY 1";
        self.count_reasons(sql, project, TABLE)
    }

    /// Lets the contexts of a project's corrections that could not be redacted be tried again: how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn retry_withheld_contexts(&self, project: i64) -> Result<usize, StoreError> {
        Ok(self.sql.execute(
            "UPDATE corrections SET context = 0, quarantine = NULL
             WHERE context = 2 AND item IN (SELECT item FROM items WHERE project = ?1)",
            [project],
        )?)
    }

    fn collect_corrections(&self, rows: &mut Rows<'_>) -> Result<Vec<CorrectionRow>, StoreError> {
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(self.correction_row(row)?);
        }
        Ok(all)
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
            context: Redaction::read(row.get(6)?)?,
            fault: row.get(7)?,
            key,
        })
    }
}

fn cell(name: &[u8]) -> Cell<'_> {
    Cell { table: TABLE, row: name, column: "body" }
}
