//! What auto-accept has earned, and the audited items that say so.

use rusqlite::{OptionalExtension as _, params};

use crate::store::items::Stage;
use crate::store::{StoreError, Tx, signed, unsigned};

const TABLE: &str = "acceptance";

/// How an item stands to the audit of auto-accept. Stored as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audit {
    /// Not sure enough to be accepted, or not up to what is earned.
    Outside = 0,
    /// Sure enough, and chosen to be read blind instead.
    Chosen = 1,
    /// Sure enough and not chosen: accepted where that is earned.
    Spared = 2,
}

/// What the prelabels of one bundle that name one class have earned.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassRow {
    /// The class.
    pub class: u16,
    /// Tests that were made.
    pub tests: u32,
    /// Confidence in thousandths from which on they are accepted, unless switched off.
    pub threshold: Option<u16>,
    /// Audited items of at least that confidence; of all while there is none.
    pub audited: u64,
    /// Errors among them.
    pub errors: u64,
    /// Exact upper bound on the share of errors, in [0, 1].
    pub bound: f64,
    /// When it was switched off, Unix seconds.
    pub off_at: Option<i64>,
}

impl Audit {
    pub(super) fn read(number: i64) -> Result<Self, StoreError> {
        match number {
            0 => Ok(Self::Outside),
            1 => Ok(Self::Chosen),
            2 => Ok(Self::Spared),
            _ => Err(StoreError::Corrupt { table: "items", column: "audit" }),
        }
    }
}

impl ClassRow {
    /// A class that nobody has audited.
    pub fn new(class: u16) -> Self {
        Self { class, tests: 0, threshold: None, audited: 0, errors: 0, bound: 1.0, off_at: None }
    }

    /// The threshold, unless it is switched off.
    pub fn earned(&self) -> Option<u16> {
        self.threshold.filter(|_| self.off_at.is_none())
    }
}

/// An item that was chosen for the audit and that somebody has looked at.
#[derive(Debug)]
pub struct AuditedItem {
    /// Key in this store.
    pub item: i64,
    /// Whom it waits for.
    pub stage: Stage,
    /// Encoded prelabel.
    pub prelabel: Vec<u8>,
}

impl Tx<'_> {
    /// What the classes of a bundle have earned, by class; those that were never audited are not
    /// in it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn acceptance(&self, project: i64, bundle: &[u8; 32]) -> Result<Vec<ClassRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT class, tests, threshold, audited, errors, bound, off_at FROM acceptance
             WHERE project = ?1 AND bundle = ?2 ORDER BY class",
        )?;
        let mut rows = statement.query(params![project, bundle])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(ClassRow {
                class: row.get(0)?,
                tests: row.get(1)?,
                threshold: row.get(2)?,
                audited: unsigned(row.get(3)?, TABLE, "audited")?,
                errors: unsigned(row.get(4)?, TABLE, "errors")?,
                bound: row.get(5)?,
                off_at: row.get(6)?,
            });
        }
        Ok(found)
    }

    /// Records what a class of a bundle has earned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_acceptance(
        &self,
        project: i64,
        bundle: &[u8; 32],
        row: &ClassRow,
    ) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "INSERT OR REPLACE INTO acceptance
                   (project, bundle, class, tests, threshold, audited, errors, bound, off_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                project,
                bundle,
                row.class,
                row.tests,
                row.threshold,
                signed(row.audited),
                signed(row.errors),
                row.bound,
                row.off_at
            ])?;
        Ok(())
    }

    /// Up to `limit` audited items of a bundle with keys below `before` that somebody has looked at,
    /// greatest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn audited_items(
        &self,
        project: i64,
        bundle: &[u8; 32],
        before: i64,
        limit: u32,
    ) -> Result<Vec<AuditedItem>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT i.item, i.opaque, i.stage, i.prelabel FROM items i
             WHERE i.project = ?1 AND i.bundle = ?2 AND i.audit = 1 AND i.item < ?3
               AND NOT EXISTS (SELECT 1 FROM gold g WHERE g.item = i.item)
               AND EXISTS (SELECT 1 FROM annotations a WHERE a.item = i.item)
             ORDER BY i.item DESC LIMIT ?4",
        )?;
        let mut rows = statement.query(params![project, bundle, before, limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (opaque, sealed): ([u8; 16], Vec<u8>) = (row.get(1)?, row.get(3)?);
            found.push(AuditedItem {
                item: row.get(0)?,
                stage: Stage::read(row.get(2)?)?,
                prelabel: self.open_draft(&opaque, "prelabel", &sealed)?,
            });
        }
        Ok(found)
    }

    /// The newest annotation, by its key and its client's name for it: another one when somebody has
    /// said something since.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest_annotation(&self) -> Result<Option<(i64, String)>, StoreError> {
        let sql = "SELECT annotation, key FROM annotations ORDER BY annotation DESC LIMIT 1";
        let mut statement = self.sql.prepare_cached(sql)?;
        Ok(statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// Up to `limit` real items that are accepted without a label, with keys above `after`, least
    /// first, and their encoded prelabels.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn accepted(
        &self,
        project: i64,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT item, opaque, prelabel FROM items
             WHERE project = ?1 AND stage = 2 AND item > ?2 AND prelabel IS NOT NULL
               AND generator IS NULL
             ORDER BY item LIMIT ?3",
        )?;
        let mut rows = statement.query(params![project, after, limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (opaque, sealed): ([u8; 16], Vec<u8>) = (row.get(1)?, row.get(2)?);
            found.push((row.get(0)?, self.open_draft(&opaque, "prelabel", &sealed)?));
        }
        Ok(found)
    }

    /// Sends accepted items to a first reader, as such that no window counts if they are `spared`.
    /// How many were sent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn send_back(&self, items: &[i64], spared: bool) -> Result<u64, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "UPDATE items SET stage = 3, route = 1, audit = CASE WHEN ?2 THEN 2 ELSE audit END
             WHERE item = ?1 AND stage = 2",
        )?;
        let mut sent = 0;
        for item in items {
            sent += u64::try_from(statement.execute(params![item, spared])?).unwrap_or(0);
        }
        Ok(sent)
    }
}
