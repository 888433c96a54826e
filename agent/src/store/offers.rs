//! Which items a person is offered, and which of them come first.

use rusqlite::params;

use crate::store::items::{ItemRow, Stage};
use crate::store::labels::{Offer, Offered, Reading};
use crate::store::{StoreError, Tx};

/// The items to offer, one part after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Chosen to come first.
    Wanted,
    /// Neither chosen nor skipped.
    Others,
    /// Skipped by this person.
    Skipped,
}

/// Real items of a stage.
const REAL: &str = "items i WHERE i.project = ?1 AND i.stage = ?2 AND i.generator IS NULL";

impl Tx<'_> {
    /// Real items that may be leased for this reading: those that were chosen to come first, then the
    /// others in the order of import; those the person has skipped come last. Judgements and gold have lists of their own: see
    /// [`Tx::offer_synthetic`], [`Tx::offer_gold`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn offer(&self, offer: &Offer) -> Result<Vec<Offered<ItemRow>>, StoreError> {
        let mut keys = Vec::new();
        for part in [Part::Wanted, Part::Others, Part::Skipped] {
            let found = u32::try_from(keys.len()).unwrap_or(u32::MAX);
            if found < offer.limit {
                let rest = Offer { limit: offer.limit - found, ..*offer };
                keys.extend(self.offered(&rest, part)?);
            }
        }
        let mut items = Vec::with_capacity(keys.len());
        for (key, campaign) in keys {
            let item = self.item(key)?;
            items.push((
                item.ok_or(StoreError::Corrupt { table: "items", column: "item" })?,
                campaign,
            ));
        }
        Ok(items)
    }

    fn offered(&self, offer: &Offer, part: Part) -> Result<Vec<Offered<i64>>, StoreError> {
        let stage = match offer.reading {
            Reading::First => Stage::First,
            Reading::Second => Stage::Second,
            Reading::Expert => Stage::Expert,
            Reading::Validation | Reading::Gold => return Ok(Vec::new()),
            Reading::Campaign => Stage::Done, // not used: campaigns have their own list
        };
        let not = if part == Part::Skipped { "" } else { "NOT" };
        let (wanted, by) = match (offer.reading, part) {
            (Reading::Campaign, Part::Wanted) => return Ok(Vec::new()), // it has a list of its own
            (Reading::Campaign, _) | (_, Part::Skipped) => ("", "i.item"),
            (_, Part::Wanted) => ("AND i.wanted IS NOT NULL", "i.wanted"),
            (_, Part::Others) => ("AND i.wanted IS NULL", "i.item"),
        };
        let (from, own) = match offer.reading {
            Reading::First | Reading::Expert | Reading::Validation | Reading::Gold => (REAL, ""),
            // Whoever gave the first label cannot be the second reader.
            Reading::Second => (
                REAL,
                "AND NOT EXISTS (SELECT 1 FROM annotations a
                   WHERE a.item = i.item AND a.person = ?3 AND a.verdict = 0)",
            ),
            Reading::Campaign => (
                "campaigns c JOIN campaign_items i ON i.campaign = c.campaign
                 WHERE c.project = ?1 AND c.state = 'open' AND ?2 = ?2",
                "AND NOT EXISTS (SELECT 1 FROM annotations a
                   WHERE a.item = i.item AND a.campaign = c.campaign AND a.verdict = 0)",
            ),
        };
        let campaign = if offer.reading == Reading::Campaign { "c.campaign" } else { "NULL" };
        let sql = format!(
            "SELECT i.item, {campaign} FROM {from} {own} {wanted}
               AND NOT EXISTS (SELECT 1 FROM leases l
                 WHERE l.item = i.item AND l.until > ?4
                   AND (l.person <> ?3 OR l.reading <> ?5))
               AND {not} EXISTS (SELECT 1 FROM annotations s
                 WHERE s.item = i.item AND s.person = ?3 AND s.verdict = 1)
             ORDER BY {by} LIMIT ?6"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let rows = statement.query_map(
            params![
                offer.project,
                stage as i64,
                offer.person,
                offer.now,
                offer.reading as i64,
                offer.limit
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Puts prelabeled items that nobody has labeled, in their order, behind those that come first
    /// already; one that was accepted unseen waits for a reader from then on. How many were put.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn want(&self, project: i64, items: &[i64]) -> Result<u64, StoreError> {
        let last: i64 = self
            .sql
            .prepare_cached("SELECT coalesce(max(wanted), 0) FROM items WHERE project = ?1")?
            .query_row([project], |row| row.get(0))?;
        let mut statement = self.sql.prepare_cached(
            "UPDATE items SET wanted = ?3, stage = iif(stage = 2, 3, stage), route = iif(stage = 2, 1, route)
             WHERE project = ?1 AND item = ?2 AND stage IN (2, 3, 5) AND wanted IS NULL AND audit <> 1
               AND NOT EXISTS (SELECT 1 FROM annotations a WHERE a.item = items.item)",
        )?;
        let mut put = 0;
        for (item, place) in items.iter().zip(last + 1..) {
            put += u64::try_from(statement.execute(params![project, item, place])?).unwrap_or(0);
        }
        Ok(put)
    }
}
