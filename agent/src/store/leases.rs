//! Leases: whose turn it is to annotate an item.

use rusqlite::params;

use crate::store::labels::Reading;
use crate::store::{StoreError, Tx};

/// How long an item stays with a person who keeps working on it, or asks for it again and again, seconds;
/// then it is anybody's.
pub const LEASE_SECONDS_MAX: i64 = 4 * 3600;

/// The right to annotate one item, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The item's key.
    pub item: i64,
    /// Who has it.
    pub person: i64,
    /// For what.
    pub reading: Reading,
    /// The campaign, for [`Reading::Campaign`].
    pub campaign: Option<[u8; 16]>,
    /// Until when, Unix seconds.
    pub until: i64,
}

impl Tx<'_> {
    /// Gives a lease, or prolongs one that the person has, as far as [`LEASE_SECONDS_MAX`] from when it
    /// was given. Returns until when it lasts. The caller has checked that nobody else has it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_lease(&self, lease: &Lease, now: i64) -> Result<i64, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "INSERT INTO leases (item, person, reading, campaign, until, since)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (item) DO UPDATE SET
               since = CASE WHEN person = excluded.person AND until > excluded.since
                 THEN since ELSE excluded.since END,
               until = CASE WHEN person = excluded.person AND until > excluded.since
                 THEN min(excluded.until, since + ?7) ELSE excluded.until END,
               person = excluded.person, reading = excluded.reading, campaign = excluded.campaign
             RETURNING until",
        )?;
        let Lease { item, person, reading, campaign, until } = *lease;
        let row = params![item, person, reading as i64, campaign, until, now, LEASE_SECONDS_MAX];
        Ok(statement.query_row(row, |row| row.get(0))?)
    }

    /// Prolongs a lease that the person has to `until`, or as far as [`LEASE_SECONDS_MAX`] from when it
    /// was given. Returns until when it lasts; `None` where the person has none, or has had it for that
    /// long.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn renew_lease(
        &self,
        item: &[u8; 16],
        person: i64,
        now: i64,
        until: i64,
    ) -> Result<Option<i64>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "UPDATE leases SET until = max(until, min(?4, since + ?5))
             WHERE item = (SELECT item FROM items WHERE opaque = ?1) AND person = ?2
               AND until > ?3
             RETURNING until",
        )?;
        let row = params![item, person, now, until, LEASE_SECONDS_MAX];
        let mut rows = statement.query(row)?;
        Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
    }

    /// The item's lease, live or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn lease(&self, item: i64) -> Result<Option<Lease>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT item, person, reading, campaign, until FROM leases WHERE item = ?1",
        )?;
        let mut rows = statement.query([item])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(Lease {
            item: row.get(0)?,
            person: row.get(1)?,
            reading: Reading::read(row.get(2)?)?,
            campaign: row.get(3)?,
            until: row.get(4)?,
        }))
    }

    /// Ends a lease.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_lease(&self, item: i64) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM leases WHERE item = ?1")?.execute([item])?;
        Ok(())
    }

    /// Removes leases that ended at or before `now`, and says how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_expired_leases(&self, now: i64) -> Result<usize, StoreError> {
        Ok(self.sql.prepare_cached("DELETE FROM leases WHERE until <= ?1")?.execute([now])?)
    }
}
