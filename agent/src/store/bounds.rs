//! How much of what a coordinator orders is kept at once.
//!
//! A coordinator that orders without end must not fill a site's disk, and must not crowd out what
//! the steward has yet to decide. What was charged is in the ledger, so forgetting an order that
//! is over can release nothing twice.

use rusqlite::params;

use crate::store::{StoreError, Tx, unsigned};

/// Projects of one agent.
pub const PROJECTS_MAX: u64 = 64;
/// Rounds that wait for this site at the same time.
pub const ROUNDS_OPEN_MAX: u64 = 64;
/// Rounds that are over and still listed; each holds a head of up to a megabyte.
pub const ROUNDS_OVER_MAX: u64 = 64;
/// Campaigns that are not over.
pub const CAMPAIGNS_OPEN_MAX: u64 = 32;
/// Evaluations that wait for this site at the same time.
pub const EVALUATIONS_OPEN_MAX: u64 = 8;
/// Evaluations that are over and still listed; each holds heads of up to a megabyte.
pub const EVALUATIONS_OVER_MAX: u64 = 8;
/// Bundles that are fetched or wait for a decision; each may have objects of half a gigabyte.
pub const BUNDLES_WAITING_MAX: u64 = 8;
/// Sets of labeling functions; each has up to a megabyte.
pub const FUNCTION_SETS_MAX: u64 = 64;

impl Tx<'_> {
    /// Sets of labeling functions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn function_set_count(&self) -> Result<u64, StoreError> {
        self.rows("SELECT count(*) FROM function_sets WHERE state NOT IN ('declined', 'failed')")
    }

    /// Projects.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn project_count(&self) -> Result<u64, StoreError> {
        self.rows("SELECT count(*) FROM projects")
    }

    /// Rounds that wait for this site.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_round_count(&self) -> Result<u64, StoreError> {
        self.rows("SELECT count(*) FROM rounds WHERE state = 'open'")
    }

    /// Campaigns that are not over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_campaign_count(&self) -> Result<u64, StoreError> {
        self.rows("SELECT count(*) FROM campaigns WHERE state NOT IN ('answered', 'unanswered')")
    }

    /// Forgets rounds that are over, but for the newest [`ROUNDS_OVER_MAX`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_rounds(&self) -> Result<(), StoreError> {
        self.forget("rounds", ROUNDS_OVER_MAX)
    }

    /// Evaluations that wait for this site.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_evaluation_count(&self) -> Result<u64, StoreError> {
        self.rows("SELECT count(*) FROM evaluations WHERE state = 'open'")
    }

    /// Forgets evaluations that are over, but for the newest [`EVALUATIONS_OVER_MAX`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_evaluations(&self) -> Result<(), StoreError> {
        self.forget("evaluations", EVALUATIONS_OVER_MAX)
    }

    /// Whether objects of a bundle, or of a set of labeling functions, have yet to be fetched.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_wanted(&self) -> Result<bool, StoreError> {
        let query = "SELECT EXISTS (SELECT 1 FROM bundles WHERE state = 'wanted')
                         OR EXISTS (SELECT 1 FROM function_sets WHERE state = 'wanted')";
        Ok(self.sql.prepare_cached(query)?.query_row([], |row| row.get(0))?)
    }

    /// Gives up bundles that wait, but for the newest [`BUNDLES_WAITING_MAX`]: what the steward has
    /// not looked at in so many versions is out of date. Candidates are counted by themselves, so that
    /// they crowd out none that is to be used.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn supersede_bundles(&self) -> Result<(), StoreError> {
        for candidate in [false, true] {
            self.sql.execute(
                "UPDATE bundles SET state = 'failed', note = ?1
                 WHERE state IN ('wanted', 'pending') AND candidate = ?3 AND bundle NOT IN
                   (SELECT bundle FROM bundles
                    WHERE state IN ('wanted', 'pending') AND candidate = ?3
                    ORDER BY number DESC LIMIT ?2)",
                params![
                    format!("{BUNDLES_WAITING_MAX} newer ones came before it was decided on"),
                    super::signed(BUNDLES_WAITING_MAX),
                    candidate
                ],
            )?;
        }
        Ok(())
    }

    fn forget(&self, table: &'static str, most: u64) -> Result<(), StoreError> {
        let sql = format!(
            "DELETE FROM {table} WHERE state != 'open' AND rowid NOT IN
               (SELECT rowid FROM {table} WHERE state != 'open' ORDER BY rowid DESC LIMIT ?1)"
        );
        self.sql.execute(&sql, [super::signed(most)])?;
        Ok(())
    }

    fn rows(&self, query: &str) -> Result<u64, StoreError> {
        let count = self.sql.prepare_cached(query)?.query_row([], |row| row.get(0))?;
        unsigned(count, "orders", "count")
    }
}
