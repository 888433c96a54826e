//! Gold: items with a known answer.
//!
//! There is little of it, and joins begin with it: SQLite left to itself begins with the project's
//! items, of which there may be a million.

use rusqlite::params;

use crate::store::items::ItemRow;
use crate::store::{Cell, StoreError, Tx, fixed, unsigned};

const TABLE: &str = "gold";

/// What a person sees of gold in counts of a queue: as of any other item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GoldCounts {
    /// Leased to the person now.
    pub leased: u64,
    /// Answered by the person.
    pub answered: u64,
}

impl Tx<'_> {
    /// Makes a prelabeled item gold, and takes it out of the queues. `false` when it is gold already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_gold(&self, item: &ItemRow, answer: &[u8], now: i64) -> Result<bool, StoreError> {
        let sealed = self.seal(cell(&item.opaque), answer)?;
        let sql = "INSERT INTO gold (item, answer, added_at) VALUES (?1, ?2, ?3)
                   ON CONFLICT (item) DO NOTHING";
        if self.sql.prepare_cached(sql)?.execute(params![item.item, sealed, now])? == 0 {
            return Ok(false);
        }
        self.sql
            .prepare_cached("UPDATE items SET stage = 6 WHERE item = ?1")?
            .execute([item.item])?;
        Ok(true)
    }

    /// Whether an item is gold.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_gold(&self, item: i64) -> Result<bool, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT 1 FROM gold WHERE item = ?1")?;
        Ok(statement.exists([item])?)
    }

    /// Gold items of a project with keys above `after`, least first, with their encoded answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn gold(
        &self,
        project: i64,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT g.item, i.opaque, g.answer FROM gold g CROSS JOIN items i ON i.item = g.item
             WHERE i.project = ?1 AND g.item > ?2 ORDER BY g.item LIMIT ?3",
        )?;
        let mut rows = statement.query(params![project, after, limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (opaque, sealed): ([u8; 16], Vec<u8>) = (row.get(1)?, row.get(2)?);
            found.push((row.get(0)?, self.open(cell(&opaque), &sealed)?));
        }
        Ok(found)
    }

    /// Gold items of a project.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn gold_items(&self, project: i64) -> Result<u64, StoreError> {
        self.count(
            "SELECT count(*) FROM gold g CROSS JOIN items i ON i.item = g.item WHERE i.project = ?1",
            project,
        )
    }

    /// Gold items that the person may be asked, in the order of import: nobody else has them, and the
    /// person has said nothing about them, in whatever queue. Those that are leased to the person
    /// as gold already, or those that are not leased at all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn offer_gold(
        &self,
        project: i64,
        person: i64,
        leased: bool,
        now: i64,
        limit: usize,
    ) -> Result<Vec<i64>, StoreError> {
        let (from, lease) = if leased {
            (
                "leases l CROSS JOIN gold g ON g.item = l.item",
                "l.until > ?3 AND l.person = ?2 AND l.reading = 5",
            )
        } else {
            ("gold g", "NOT EXISTS (SELECT 1 FROM leases l WHERE l.item = g.item AND l.until > ?3)")
        };
        let sql = format!(
            "SELECT g.item FROM {from} CROSS JOIN items i ON i.item = g.item
             WHERE i.project = ?1 AND {lease}
               AND NOT EXISTS (SELECT 1 FROM annotations a WHERE a.item = g.item AND a.person = ?2)
             ORDER BY g.item LIMIT ?4"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![project, person, now, limit], |row| row.get(0))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Gold in a project's queue as the person sees it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn gold_counts(
        &self,
        project: i64,
        person: i64,
        now: i64,
    ) -> Result<GoldCounts, StoreError> {
        let leased = "SELECT count(*) FROM leases l CROSS JOIN items i ON i.item = l.item
             WHERE i.project = ?1 AND l.person = ?2 AND l.reading = 5 AND l.until > ?3";
        let answered = "SELECT count(*) FROM gold g CROSS JOIN items i ON i.item = g.item
             CROSS JOIN annotations a ON a.item = g.item
             WHERE i.project = ?1 AND a.person = ?2 AND a.reading = 5";
        let mut statement = self.sql.prepare_cached(leased)?;
        let leased = statement.query_row(params![project, person, now], |row| row.get(0))?;
        let mut statement = self.sql.prepare_cached(answered)?;
        let answered = statement.query_row(params![project, person], |row| row.get(0))?;
        Ok(GoldCounts {
            leased: unsigned(leased, TABLE, "count")?,
            answered: unsigned(answered, TABLE, "count")?,
        })
    }

    /// Share of cards beside which a gold item is put, in thousandths; 0 unless it was set.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn gold_share(&self, project: i64) -> Result<u16, StoreError> {
        let share = self.meta(&share_name(project))?;
        share.map_or(Ok(0), |bytes| fixed(&bytes, TABLE, "share").map(u16::from_le_bytes))
    }

    /// Sets the share of cards beside which a gold item is put.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_gold_share(&self, project: i64, milli: u16) -> Result<(), StoreError> {
        self.set_meta(&share_name(project), &milli.to_le_bytes())
    }
}

fn share_name(project: i64) -> String {
    format!("gold-share/{project}")
}

fn cell(opaque: &[u8; 16]) -> Cell<'_> {
    Cell { table: TABLE, row: opaque, column: "answer" }
}
