//! The ledger, which is also the outbox: what was charged, and how far its bytes have come.
//!
//! Invariant: rows are added and never changed or removed, but for the columns that say how the
//! sending goes. `occasion` is unique, so nothing can be released twice.

use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{Digest, ProjectName, ReleaseId};
use insitu_protocol::release::CHAIN_START;
use rusqlite::{OptionalExtension, Row, params};

use crate::store::{Cell, StoreError, Tx, signed, unsigned};

const TABLE: &str = "ledger";

/// A row to add.
#[derive(Debug)]
pub struct NewEntry<'a> {
    /// Its place, from 1.
    pub sequence: u64,
    /// Random id.
    pub id: ReleaseId,
    /// What may be released once only, such as `statistics/PROJECT/3/drift`.
    pub occasion: &'a str,
    /// The project.
    pub project: &'a ProjectName,
    /// The body's kind.
    pub kind: &'static str,
    /// Cost.
    pub nano_rho: u64,
    /// Cost when all other sites collude with the coordinator.
    pub nano_rho_local: u64,
    /// When, Unix seconds.
    pub charged_at: i64,
    /// The release exactly as it will be sent.
    pub bytes: &'a [u8],
    /// The chain's hash after it.
    pub chain: Digest,
    /// What it was computed from, for the steward.
    pub origin: &'a str,
}

/// A row as stored, without its bytes.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place, from 1.
    pub sequence: u64,
    /// Random id.
    pub id: ReleaseId,
    /// What may be released once only.
    pub occasion: String,
    /// The project.
    pub project: String,
    /// The body's kind.
    pub kind: String,
    /// Cost.
    pub nano_rho: u64,
    /// Cost when all other sites collude with the coordinator.
    pub nano_rho_local: u64,
    /// When it was charged, Unix seconds.
    pub charged_at: i64,
    /// The chain's hash after it.
    pub chain: Digest,
    /// Length of the release.
    pub byte_count: u64,
    /// How often it was sent.
    pub attempts: u64,
    /// When it was last sent, Unix seconds.
    pub sent_at: Option<i64>,
    /// When the coordinator confirmed it, Unix seconds.
    pub acknowledged_at: Option<i64>,
    /// Why the coordinator will never take it.
    pub refused: Option<String>,
}

/// Sums over the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerTotals {
    /// Rows.
    pub releases: u64,
    /// Rows on their way.
    pub queued: u64,
    /// Rows confirmed.
    pub acknowledged: u64,
    /// Rows that will never be taken.
    pub refused: u64,
    /// Bytes sent, each attempt counted.
    pub bytes_sent: u64,
}

const COLUMNS: &str = "sequence, id, occasion, project, kind, nano_rho, charged_at, chain,
    length(bytes), attempts, sent_at, acknowledged_at, refused, nano_rho_local";

/// A range of the index of occasions, up to the last character that there is.
const CHARGED_ON: &str = "SELECT coalesce(sum(nano_rho), 0) FROM ledger
    WHERE occasion >= ?1 AND occasion < ?1 || char(1114111)";

impl Tx<'_> {
    /// Sequence and chain hash of the last row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ledger_head(&self) -> Result<(u64, Digest), StoreError> {
        let head: Option<(i64, [u8; 32])> = self
            .sql
            .prepare_cached("SELECT sequence, chain FROM ledger ORDER BY sequence DESC LIMIT 1")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        match head {
            Some((sequence, chain)) => Ok((unsigned(sequence, TABLE, "sequence")?, Fixed(chain))),
            None => Ok((0, CHAIN_START)),
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`StoreError::Sql`] (a constraint) when the sequence, the id or the occasion is taken.
    pub fn add_entry(&self, new: &NewEntry<'_>) -> Result<(), StoreError> {
        let origin = self.seal(origin_cell(&new.id), new.origin.as_bytes())?;
        self.sql
            .prepare_cached(
                "INSERT INTO ledger (sequence, id, occasion, project, kind, nano_rho, charged_at,
                   bytes, chain, origin, nano_rho_local)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                signed(new.sequence),
                new.id.0,
                new.occasion,
                new.project.as_str(),
                new.kind,
                signed(new.nano_rho),
                new.charged_at,
                new.bytes,
                new.chain.0,
                origin,
                signed(new.nano_rho_local)
            ])?;
        Ok(())
    }

    /// Whether something was released on this occasion.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_occasion(&self, occasion: &str) -> Result<bool, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT 1 FROM ledger WHERE occasion = ?1")?
            .exists([occasion])?)
    }

    /// Nano-ρ charged after `after` (Unix seconds), by this ledger or by one that was lost.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn charged_since(&self, after: i64) -> Result<u64, StoreError> {
        let sum = self
            .sql
            .prepare_cached(
                "SELECT (SELECT coalesce(sum(nano_rho), 0) FROM ledger WHERE charged_at > ?1)
                      + (SELECT coalesce(sum(nano_rho), 0) FROM losses WHERE found_at > ?1)",
            )?
            .query_row([after], |row| row.get(0))?;
        unsigned(sum, TABLE, "nano_rho")
    }

    /// Nano-ρ charged to a project after `after` (Unix seconds).
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn project_charged_since(
        &self,
        project: &ProjectName,
        after: i64,
    ) -> Result<u64, StoreError> {
        let sum = self
            .sql
            .prepare_cached(
                "SELECT coalesce(sum(nano_rho), 0) FROM ledger
                 WHERE project = ?1 AND charged_at > ?2",
            )?
            .query_row(params![project.as_str(), after], |row| row.get(0))?;
        unsigned(sum, TABLE, "nano_rho")
    }

    /// Takes what a lost ledger had charged for spent at `now`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_loss(&self, nano_rho: u64, now: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("INSERT INTO losses (found_at, nano_rho) VALUES (?1, ?2)")?
            .execute(params![now, signed(nano_rho)])?;
        Ok(())
    }

    /// Nano-ρ that was ever taken for spent of ledgers that were lost.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn lost(&self) -> Result<u64, StoreError> {
        let sum = self
            .sql
            .prepare_cached("SELECT coalesce(sum(nano_rho), 0) FROM losses")?
            .query_row([], |row| row.get(0))?;
        unsigned(sum, "losses", "nano_rho")
    }

    /// Nano-ρ charged after `after` (Unix seconds), as it is when all other sites collude. Of a
    /// ledger that was lost only the ordinary cost is known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn charged_locally_since(&self, after: i64) -> Result<u64, StoreError> {
        let sum = self
            .sql
            .prepare_cached(
                "SELECT (SELECT coalesce(sum(nano_rho_local), 0) FROM ledger WHERE charged_at > ?1)
                      + (SELECT coalesce(sum(nano_rho), 0) FROM losses WHERE found_at > ?1)",
            )?
            .query_row([after], |row| row.get(0))?;
        unsigned(sum, TABLE, "nano_rho_local")
    }

    /// Nano-ρ charged on occasions that start with `prefix`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn charged_on(&self, prefix: &str) -> Result<u64, StoreError> {
        let sum = self.sql.prepare_cached(CHARGED_ON)?.query_row([prefix], |row| row.get(0))?;
        unsigned(sum, TABLE, "nano_rho")
    }

    /// Nano-ρ that was charged for items of a statistics window before it counted them; of those that
    /// cost most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn inherited(&self, project: &ProjectName, window: u32) -> Result<u64, StoreError> {
        let sum: Option<i64> = self
            .sql
            .prepare_cached("SELECT nano_rho FROM inherited WHERE project = ?1 AND window = ?2")?
            .query_row(params![project.as_str(), window], |row| row.get(0))
            .optional()?;
        unsigned(sum.unwrap_or(0), "inherited", "nano_rho")
    }

    /// Has a statistics window count items for which so much was charged before. Items of several such
    /// windows are apart: what the dearest cost is what any of them did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn inherit(
        &self,
        project: &ProjectName,
        window: u32,
        nano_rho: u64,
    ) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "INSERT INTO inherited (project, window, nano_rho) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET nano_rho = max(nano_rho, excluded.nano_rho)",
            )?
            .execute(params![project.as_str(), window, signed(nano_rho)])?;
        Ok(())
    }

    /// Place and kind of the releases on occasions that start with `prefix`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn releases_on(&self, prefix: &str) -> Result<Vec<(u64, String)>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT sequence, kind FROM ledger
             WHERE occasion >= ?1 AND occasion < ?1 || char(1114111) ORDER BY sequence",
        )?;
        let mut rows = statement.query([prefix])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push((unsigned(row.get(0)?, TABLE, "sequence")?, row.get(1)?));
        }
        Ok(all)
    }

    /// When the oldest charge after `after` was made: it is the first to fall out of the year.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn oldest_charge_since(&self, after: i64) -> Result<Option<i64>, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT min(charged_at) FROM ledger WHERE charged_at > ?1")?
            .query_row([after], |row| row.get(0))?)
    }

    /// Up to `limit` rows after `after`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM ledger WHERE sequence > ?1 ORDER BY sequence LIMIT ?2");
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![signed(after), limit])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(entry(row)?);
        }
        Ok(all)
    }

    /// The row of this id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn entry(&self, id: &ReleaseId) -> Result<Option<Entry>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM ledger WHERE id = ?1");
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query([id.0])?;
        rows.next()?.map(entry).transpose()
    }

    /// The oldest row on its way, with its bytes: rows are sent in the order of the chain.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn next_queued(&self) -> Result<Option<(Entry, Vec<u8>)>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, bytes FROM ledger
             WHERE acknowledged_at IS NULL AND refused IS NULL ORDER BY sequence LIMIT 1"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some((entry(row)?, row.get(14)?)))
    }

    /// The exact bytes of a row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn release_bytes(&self, sequence: u64) -> Result<Vec<u8>, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT bytes FROM ledger WHERE sequence = ?1")?
            .query_row([signed(sequence)], |row| row.get(0))?)
    }

    /// What a row was computed from.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn release_origin(&self, id: &ReleaseId) -> Result<String, StoreError> {
        let sealed: Vec<u8> = self
            .sql
            .prepare_cached("SELECT origin FROM ledger WHERE id = ?1")?
            .query_row([id.0], |row| row.get(0))?;
        String::from_utf8(self.open(origin_cell(id), &sealed)?)
            .map_err(|_| StoreError::Corrupt { table: TABLE, column: "origin" })
    }

    /// Records that the bytes are on their way.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mark_sent(&self, sequence: u64, now: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE ledger SET sent_at = ?1, attempts = attempts + 1 WHERE sequence = ?2",
            )?
            .execute(params![now, signed(sequence)])?;
        Ok(())
    }

    /// Records that the coordinator has committed every row up to `sequence`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mark_acknowledged(&self, sequence: u64, now: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE ledger SET acknowledged_at = ?1, refused = NULL
                 WHERE sequence <= ?2 AND acknowledged_at IS NULL",
            )?
            .execute(params![now, signed(sequence)])?;
        Ok(())
    }

    /// Records that the coordinator will never take a row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mark_refused(&self, sequence: u64, reason: &str) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE ledger SET refused = ?1 WHERE sequence = ?2 AND acknowledged_at IS NULL",
            )?
            .execute(params![reason, signed(sequence)])?;
        Ok(())
    }

    /// The coordinator lacks rows from `sequence` on that it had confirmed, as after its own
    /// restore: they go out again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn send_again_from(&self, sequence: u64) -> Result<(), StoreError> {
        self.sql.execute(
            "UPDATE ledger SET acknowledged_at = NULL, refused = NULL WHERE sequence >= ?1",
            [signed(sequence)],
        )?;
        Ok(())
    }

    /// Sums over all rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ledger_totals(&self) -> Result<LedgerTotals, StoreError> {
        let row: [i64; 4] = self
            .sql
            .prepare_cached(
                "SELECT count(*), count(acknowledged_at), count(refused),
                   coalesce(sum(attempts * length(bytes)), 0) FROM ledger",
            )?
            .query_row([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
        let [releases, acknowledged, refused, bytes_sent] =
            row.map(|count| unsigned(count, TABLE, "count"));
        let (releases, acknowledged, refused) = (releases?, acknowledged?, refused?);
        Ok(LedgerTotals {
            releases,
            queued: releases.saturating_sub(acknowledged + refused),
            acknowledged,
            refused,
            bytes_sent: bytes_sent?,
        })
    }
}

fn entry(row: &Row<'_>) -> Result<Entry, StoreError> {
    Ok(Entry {
        sequence: unsigned(row.get(0)?, TABLE, "sequence")?,
        id: Fixed(row.get(1)?),
        occasion: row.get(2)?,
        project: row.get(3)?,
        kind: row.get(4)?,
        nano_rho: unsigned(row.get(5)?, TABLE, "nano_rho")?,
        charged_at: row.get(6)?,
        chain: Fixed(row.get(7)?),
        byte_count: unsigned(row.get(8)?, TABLE, "bytes")?,
        attempts: unsigned(row.get(9)?, TABLE, "attempts")?,
        sent_at: row.get(10)?,
        acknowledged_at: row.get(11)?,
        refused: row.get(12)?,
        nano_rho_local: unsigned(row.get(13)?, TABLE, "nano_rho_local")?,
    })
}

fn origin_cell(id: &ReleaseId) -> Cell<'_> {
    Cell { table: TABLE, row: &id.0, column: "origin" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::scratch;

    #[test]
    fn charges_are_summed_over_the_occasions_of_a_prefix_by_the_index() {
        let scratch = scratch();
        let occasions = [
            "statistics/heart/1/drift",
            "statistics/heart/1/confusion",
            "statistics/heart/10/drift",
            "statistics/heart/2/drift",
            "statistics/heart-2/1/drift",
            "statistics/Heart/1/drift",
            "run/00/1/update",
        ];
        scratch
            .store
            .tx("test", |tx| {
                for (index, occasion) in (0_u8..).zip(occasions) {
                    tx.add_entry(&NewEntry {
                        sequence: u64::from(index) + 1,
                        id: Fixed([index; 16]),
                        occasion,
                        project: &"heart".parse().unwrap(),
                        kind: "drift",
                        nano_rho: 1 << index,
                        nano_rho_local: 0,
                        charged_at: 1,
                        bytes: &[],
                        chain: Fixed([index; 32]),
                        origin: "",
                    })?;
                }
                for (prefix, sum) in [
                    ("statistics/heart/1/", 0b11),
                    ("statistics/heart/10/", 0b100),
                    ("statistics/heart/", 0b1111),
                    ("statistics/heart/3/", 0),
                    ("statistics/heart", 0b1_1111),
                    ("run/00/", 0b100_0000),
                    ("run/00/1/update", 0b100_0000),
                    ("", 0b111_1111),
                ] {
                    assert_eq!(tx.charged_on(prefix)?, sum, "{prefix}");
                }
                let plan: String = tx.sql.query_row(
                    &format!("EXPLAIN QUERY PLAN {CHARGED_ON}"),
                    ["run/00/"],
                    |row| row.get("detail"),
                )?;
                assert!(plan.contains("SEARCH ledger USING INDEX"), "{plan}");
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }
}
