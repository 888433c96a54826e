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
/// Campaigns that are over and still listed.
pub const CAMPAIGNS_OVER_MAX: u64 = 64;
/// Evaluations that wait for this site at the same time.
pub const EVALUATIONS_OPEN_MAX: u64 = 8;
/// Evaluations that are over and still listed; each holds heads of up to a megabyte.
pub const EVALUATIONS_OVER_MAX: u64 = 8;
/// Bundles that are fetched or wait for a decision; each may have objects of half a gigabyte.
pub const BUNDLES_WAITING_MAX: u64 = 8;
/// Bundles that failed or were declined and are still listed; each has a manifest of up to 256 KiB.
pub const BUNDLES_OVER_MAX: u64 = 64;
/// Sets of labeling functions; each has up to a megabyte.
pub const FUNCTION_SETS_MAX: u64 = 64;
/// Sets that failed or were declined and are still listed.
pub const FUNCTION_SETS_OVER_MAX: u64 = 64;

/// Which rounds and evaluations are over.
const NOT_OPEN: &str = "state <> 'open'";
/// Which campaigns are over.
const ANSWERED: &str = "state IN ('answered', 'unanswered')";
/// Which sets of labeling functions are given up.
const GIVEN_UP: &str = "state IN ('declined', 'failed')";
/// Which bundles are given up. One in use that fails is not.
const GIVEN_UP_UNUSED: &str = "state IN ('declined', 'failed') AND NOT EXISTS
     (SELECT 1 FROM projects WHERE projects.bundle = bundles.bundle)";

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

    /// Forgets campaigns that are over, but for the newest [`CAMPAIGNS_OVER_MAX`], with what they had
    /// queued.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_campaigns(&self) -> Result<(), StoreError> {
        let items = format!(
            "DELETE FROM campaign_items WHERE campaign IN
               (SELECT campaign FROM campaigns WHERE {})",
            beyond("campaigns", ANSWERED)
        );
        self.sql.execute(&items, [super::signed(CAMPAIGNS_OVER_MAX)])?;
        self.forget("campaigns", ANSWERED, CAMPAIGNS_OVER_MAX)
    }

    /// Forgets sets of labeling functions that failed or were declined, but for the newest
    /// [`FUNCTION_SETS_OVER_MAX`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_functions(&self) -> Result<(), StoreError> {
        self.forget("function_sets", GIVEN_UP, FUNCTION_SETS_OVER_MAX)
    }

    /// Forgets rounds that are over, but for the newest [`ROUNDS_OVER_MAX`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_rounds(&self) -> Result<(), StoreError> {
        self.forget("rounds", NOT_OPEN, ROUNDS_OVER_MAX)
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
        self.forget("evaluations", NOT_OPEN, EVALUATIONS_OVER_MAX)
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
    /// they crowd out none that is to be used. Of those that are given up, and not in use, the newest
    /// [`BUNDLES_OVER_MAX`] stay listed.
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
        self.forget("bundles", GIVEN_UP_UNUSED, BUNDLES_OVER_MAX)
    }

    fn forget(&self, table: &str, over: &str, most: u64) -> Result<(), StoreError> {
        let sql = format!("DELETE FROM {table} WHERE {}", beyond(table, over));
        self.sql.execute(&sql, [super::signed(most)])?;
        Ok(())
    }

    fn rows(&self, query: &str) -> Result<u64, StoreError> {
        let count = self.sql.prepare_cached(query)?.query_row([], |row| row.get(0))?;
        unsigned(count, "orders", "count")
    }
}

/// Which rows of a table are over, but for the newest `?1`.
fn beyond(table: &str, over: &str) -> String {
    format!(
        "{over} AND rowid NOT IN
           (SELECT rowid FROM {table} WHERE {over} ORDER BY rowid DESC LIMIT ?1)"
    )
}

#[cfg(test)]
mod tests {
    use insitu_protocol::bytes::Fixed;
    use insitu_protocol::order::{CampaignOrder, Clause, Selector};
    use insitu_protocol::text::Line;

    use super::*;
    use crate::store::campaigns::CampaignState;
    use crate::store::items::Stage;
    use crate::testing;

    #[test]
    fn campaigns_that_are_over_are_forgotten_with_what_they_queued() {
        let (scratch, row) = testing::with_project();
        let store = &scratch.store;
        testing::add_items(store, &row, 0..1, 1);
        let listed = store.tx("test", |tx| {
            let item = tx.items_in_stage(row.project, Stage::Clean, 0, 1)?[0].item;
            for number in 0..=200 {
                let order = CampaignOrder {
                    campaign: Fixed([number; 16]),
                    project: row.definition.name.clone(),
                    title: Line::new("any").unwrap(),
                    selector: Selector::new(vec![Clause::ConfidenceBelow { milli: 1 }]).unwrap(),
                    items_max: 10,
                    nano_rho: 1,
                    answers_unix_s: 1,
                };
                let open = number == 0;
                let state = if open { CampaignState::Open } else { CampaignState::Answered };
                tx.put_campaign(row.project, number.into(), &order, state, "")?;
                tx.add_campaign_item(&order.campaign, item)?;
            }
            tx.forget_campaigns()?;
            tx.campaigns()
        });
        let listed = listed.unwrap();
        assert_eq!(listed.len() as u64, 1 + CAMPAIGNS_OVER_MAX);
        assert_eq!(listed[0].state, CampaignState::Open);
        assert_eq!(listed[1].order.campaign, Fixed([137; 16]), "the oldest of the newest");
        let queued = |number| store.read("test", |tx| tx.campaign_items(&Fixed([number; 16])));
        assert_eq!((queued(136).unwrap().len(), queued(137).unwrap().len()), (0, 1));
    }
}
