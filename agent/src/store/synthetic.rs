//! Synthetic items, and the queue in which people judge them beside real ones.

use rusqlite::params;
use serde::Serialize;

use crate::store::items::{COLUMNS, ItemRow};
use crate::store::labels::Offer;
use crate::store::{StoreError, Tx, unsigned};

/// People who judge an item of this queue.
pub const READERS: u32 = 2;

/// Synthetic items of a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SyntheticCounts {
    /// Imported.
    pub items: u64,
    /// Prelabeled, and judged by fewer than [`READERS`] people.
    pub waiting: u64,
    /// Judged by at least one person.
    pub validated: u64,
}

/// Nobody else has the item, too few have judged it, and this person has said nothing about it, in
/// whatever queue: it would be recognised.
const FREE: &str = "
    NOT EXISTS (SELECT 1 FROM annotations a WHERE a.item = i.item AND a.person = ?2)
    AND (SELECT count(*) FROM annotations a
         WHERE a.item = i.item AND a.reading = 4 AND a.verdict = 0) < ?3
    AND NOT EXISTS (SELECT 1 FROM leases l
         WHERE l.item = i.item AND l.until > ?4 AND (l.person <> ?2 OR l.reading <> 4))";

impl Tx<'_> {
    /// Redacted items that were made for one of the project's `classes` and have no draft yet, oldest
    /// first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn made_items(
        &self,
        project: i64,
        classes: usize,
        limit: u32,
    ) -> Result<Vec<ItemRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM items i INDEXED BY items_made
             WHERE i.project = ?1 AND i.made_for < ?2 AND i.stage = 1 ORDER BY i.item LIMIT ?3"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let classes = i64::try_from(classes).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![project, classes, limit])?;
        self.collect_items(&mut rows)
    }

    /// Synthetic items that the person may judge, in the order of import.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn offer_synthetic(&self, offer: &Offer) -> Result<Vec<ItemRow>, StoreError> {
        let from = "i.generator IS NOT NULL AND i.route IS NOT NULL";
        self.to_validate(offer, &format!("{from} AND {FREE} ORDER BY i.item"))
    }

    /// Real items with all their labels that the person may judge, in an order that depends on
    /// nothing: by their random names.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn offer_controls(&self, offer: &Offer) -> Result<Vec<ItemRow>, StoreError> {
        let from = "i.generator IS NULL AND i.stage = 6";
        self.to_validate(offer, &format!("{from} AND {FREE} ORDER BY i.opaque"))
    }

    fn to_validate(&self, offer: &Offer, condition: &str) -> Result<Vec<ItemRow>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM items i WHERE i.project = ?1 AND {condition} LIMIT ?5");
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![
            offer.project,
            offer.person,
            READERS,
            offer.now,
            offer.limit
        ])?;
        self.collect_items(&mut rows)
    }

    /// Synthetic items of a project.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn synthetic_counts(&self, project: i64) -> Result<SyntheticCounts, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT count(*), count(*) FILTER (WHERE ready AND readers < ?2),
               count(*) FILTER (WHERE readers > 0)
             FROM (SELECT i.route IS NOT NULL AS ready,
                     (SELECT count(*) FROM annotations a
                      WHERE a.item = i.item AND a.reading = 4 AND a.verdict = 0) AS readers
                   FROM items i WHERE i.project = ?1 AND i.generator IS NOT NULL)",
        )?;
        let counts: [i64; 3] = statement.query_row(params![project, READERS], |row| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?])
        })?;
        let [items, waiting, validated] = counts.map(|count| unsigned(count, "items", "generator"));
        Ok(SyntheticCounts { items: items?, waiting: waiting?, validated: validated? })
    }

    /// Keys below `before` of items that somebody judged in this queue, synthetic and real,
    /// greatest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest_validated(
        &self,
        project: i64,
        before: i64,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT DISTINCT a.item FROM annotations a CROSS JOIN items i ON i.item = a.item
             WHERE a.reading = 4 AND a.item < ?2 AND a.verdict = 0 AND i.project = ?1
             ORDER BY a.item DESC LIMIT ?3",
        )?;
        let rows = statement.query_map(params![project, before, limit], |row| row.get(0))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }
}
