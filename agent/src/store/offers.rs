//! Which items a person is offered, and which of them come first.

use rusqlite::{Row, params};

use crate::store::items::{ItemRow, Stage, others};
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

/// Of which items those are that an index has together: all of a queue, unless it says more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Among {
    /// Whom this person has labeled first.
    reader: Option<i64>,
    /// Which wait for a reviewer in this stage of review.
    review: Option<i64>,
}

/// Real items of a stage, whoever has read them.
const REAL: &str = "items i WHERE i.project = ?1 AND i.stage = ?2 AND i.generator IS NULL
     AND ?7 IS NULL AND ?8 IS NULL";
/// Real items that wait for a second reader and that `?7` has labeled first.
const OF_READER: &str = "items i WHERE i.project = ?1 AND ?2 = 4 AND i.stage = 4
     AND i.generator IS NULL AND i.reader = ?7 AND ?8 IS NULL";
/// Real items that wait for a reviewer in stage `?8` of review and that `?7` has labeled first.
const OF_STAGE: &str = "items i WHERE i.project = ?1 AND ?2 = 8 AND i.stage = 8
     AND i.generator IS NULL AND i.review = ?8 AND i.reader = ?7";
const OF_CAMPAIGNS: &str = "campaigns c JOIN campaign_items i ON i.campaign = c.campaign
     WHERE c.project = ?1 AND c.state = 'open' AND ?2 = ?2 AND ?7 IS NULL AND ?8 IS NULL";

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
        let among = match offer.reading {
            Reading::Second => {
                self.first_readers(offer.project, Stage::Second, None, offer.person)?
            }
            Reading::Review => self.in_reviews_of(offer)?,
            Reading::First
            | Reading::Expert
            | Reading::Validation
            | Reading::Gold
            | Reading::Campaign => vec![Among::default()],
        };
        let mut found = Vec::new();
        for of in among {
            found.extend(self.offered_of(offer, part, of)?);
        }
        found.sort_by_key(|(place, _)| *place);
        found.truncate(usize::try_from(offer.limit).unwrap_or(usize::MAX));
        Ok(found.into_iter().map(|(_, offered)| offered).collect())
    }

    /// Who else has labeled items first that wait for a reviewer in the stages in which the person
    /// reviews now, for each of these.
    fn in_reviews_of(&self, offer: &Offer) -> Result<Vec<Among>, StoreError> {
        let Some(person) = self.person_of(offer.person)? else { return Ok(Vec::new()) };
        let mut among = Vec::new();
        for review in self.stages_of_reviewer(offer.project, &person, offer.now)? {
            let (stage, but) = (Stage::Review, offer.person);
            among.extend(self.first_readers(offer.project, stage, Some(review), but)?);
        }
        Ok(among)
    }

    /// Who else has labeled items first that wait in a stage.
    fn first_readers(
        &self,
        project: i64,
        stage: Stage,
        review: Option<i64>,
        but: i64,
    ) -> Result<Vec<Among>, StoreError> {
        let mut statement = self.sql.prepare_cached(&first_readers(stage))?;
        let reader = |row: &Row<'_>| Ok(Among { reader: row.get(0)?, review });
        let readers = statement.query_map(params![project, but, review], reader)?;
        readers.map(|reader| reader.map_err(StoreError::from)).collect()
    }

    /// The same among some items, each with its place in the order.
    fn offered_of(
        &self,
        offer: &Offer,
        part: Part,
        of: Among,
    ) -> Result<Vec<(i64, Offered<i64>)>, StoreError> {
        let stage = match offer.reading {
            Reading::First => Stage::First,
            Reading::Second => Stage::Second,
            Reading::Expert => Stage::Expert,
            Reading::Review => Stage::Review,
            Reading::Validation | Reading::Gold => return Ok(Vec::new()),
            Reading::Campaign if part == Part::Wanted => return Ok(Vec::new()),
            Reading::Campaign => Stage::Done, // not used: campaigns have their own list
        };
        let sql = query(offer.reading, part);
        let mut statement = self.sql.prepare_cached(&sql)?;
        let rows = statement.query_map(
            params![
                offer.project,
                stage as i64,
                offer.person,
                offer.now,
                offer.reading as i64,
                offer.limit,
                of.reader,
                of.review
            ],
            |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))),
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
            .prepare_cached(
                "SELECT coalesce(max(wanted), 0) FROM items
                 WHERE project = ?1 AND wanted IS NOT NULL",
            )?
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

/// What finds who but `?2` has labeled items first that wait for a second reader, or in stage `?3` of
/// review.
fn first_readers(stage: Stage) -> String {
    let waiting = match stage {
        Stage::Review => "i.stage = 8 AND i.review = ?3",
        Stage::New
        | Stage::Clean
        | Stage::Accepted
        | Stage::First
        | Stage::Second
        | Stage::Expert
        | Stage::Done
        | Stage::Quarantined => "i.stage = 4 AND ?3 IS NULL",
    };
    others("reader", &format!("i.project = ?1 AND i.generator IS NULL AND {waiting}"))
}

/// What finds items, with their places in the order.
fn query(reading: Reading, part: Part) -> String {
    let not = if part == Part::Skipped { "" } else { "NOT" };
    let (wanted, by) = match (reading, part) {
        // Not by the index that has this order: few of very many are one reader's.
        (Reading::Second | Reading::Review, Part::Skipped) => ("", "+i.item"),
        (Reading::Campaign, _) | (_, Part::Skipped) => ("", "i.item"),
        (_, Part::Wanted) => ("AND i.wanted IS NOT NULL", "i.wanted"),
        (_, Part::Others) => ("AND i.wanted IS NULL", "i.item"),
    };
    let (from, own, campaign) = match reading {
        Reading::Expert | Reading::Validation | Reading::Gold => (REAL, "", "NULL"),
        // Whoever gave the second label, of an item whose first one was taken back, is not the first
        // reader, too.
        Reading::First => (
            REAL,
            "AND NOT EXISTS (SELECT 1 FROM annotations a
               WHERE a.item = i.item AND a.person = ?3 AND a.reading = 1 AND a.verdict = 0)",
            "NULL",
        ),
        // Whoever gave the first label, or any other, cannot be the second reader.
        Reading::Second => (
            OF_READER,
            "AND NOT EXISTS (SELECT 1 FROM annotations a
               WHERE a.item = i.item AND a.person = ?3 AND a.verdict = 0)",
            "NULL",
        ),
        // Nor is a reviewer whoever has said anything of the item; most of what the person has read is
        // left out by its first reader already.
        Reading::Review => (
            OF_STAGE,
            "AND NOT EXISTS (SELECT 1 FROM annotations a
               WHERE a.item = i.item AND a.person = ?3 AND a.verdict <> 1)",
            "NULL",
        ),
        Reading::Campaign => (
            OF_CAMPAIGNS,
            "AND NOT EXISTS (SELECT 1 FROM annotations a
               WHERE a.item = i.item AND a.campaign = c.campaign AND a.verdict = 0)",
            "c.campaign",
        ),
    };
    format!(
        "SELECT {by}, i.item, {campaign} FROM {from} {own} {wanted}
           AND NOT EXISTS (SELECT 1 FROM leases l
             WHERE l.item = i.item AND l.until > ?4
               AND (l.person <> ?3 OR l.reading <> ?5))
           AND {not} EXISTS (SELECT 1 FROM annotations s
             WHERE s.item = i.item AND s.person = ?3 AND s.verdict = 1)
         ORDER BY {by} LIMIT ?6"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::scratch;

    fn plan(sql: &str) -> String {
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let lines = scratch().store.read("test", |tx| {
            let mut statement = tx.sql.prepare(&sql)?;
            let line = |row: &Row<'_>| row.get::<_, String>("detail");
            let nulls = vec![rusqlite::types::Null; statement.parameter_count()];
            let lines = statement.query_map(rusqlite::params_from_iter(nulls), line)?;
            lines.map(|line| line.map_err(StoreError::from)).collect::<Result<Vec<_>, _>>()
        });
        lines.unwrap().join("\n")
    }

    /// What has piled up in a queue must not slow the next card down.
    #[test]
    fn the_next_items_are_found_by_an_index_in_their_order() {
        for reading in [Reading::First, Reading::Second, Reading::Expert, Reading::Review] {
            for part in [Part::Wanted, Part::Others] {
                let plan = plan(&query(reading, part));
                assert!(plan.starts_with("SEARCH i USING INDEX items_"), "{plan}");
                assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{plan}");
            }
        }
        let skipped = plan(&query(Reading::Second, Part::Skipped));
        assert!(skipped.contains("items_second (project=? AND reader=?)"), "{skipped}");
        let reviewed = plan(&query(Reading::Review, Part::Others));
        assert!(
            reviewed.contains("(project=? AND review=? AND reader=? AND wanted=?)"),
            "{reviewed}"
        );
        for (stage, index) in [(Stage::Second, "items_second"), (Stage::Review, "items_review")] {
            let plan = plan(&first_readers(stage));
            assert_eq!(plan.matches(index).count(), 2, "{plan}");
            assert!(!plan.contains("SCAN items"), "{plan}");
        }
    }
}
