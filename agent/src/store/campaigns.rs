//! Campaigns, and the items they asked for.

use insitu_protocol::ids::CampaignId;
use insitu_protocol::order::CampaignOrder;
use rusqlite::{Row, params};

use crate::store::orders::{decode, encode};
use crate::store::{StoreError, Tx, signed, unsigned};

const TABLE: &str = "campaigns";

/// How far a campaign has come at this site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CampaignState {
    /// Waits for the steward.
    Proposed,
    /// Approved, not matched against the items yet.
    Approved,
    /// Its items are queued for experts.
    Open,
    /// The steward or the policy declined it; it answers like any other.
    Declined,
    /// Its answer is in the ledger.
    Answered,
    /// It could not be answered; the note says why.
    Unanswered,
}

impl CampaignState {
    const ALL: [Self; 6] = [
        Self::Proposed,
        Self::Approved,
        Self::Open,
        Self::Declined,
        Self::Answered,
        Self::Unanswered,
    ];

    /// The state's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Approved => "new",
            Self::Open => "open",
            Self::Declined => "declined",
            Self::Answered => "answered",
            Self::Unanswered => "unanswered",
        }
    }

    /// Whether nothing more will happen.
    pub fn is_closed(self) -> bool {
        match self {
            Self::Answered | Self::Unanswered => true,
            Self::Proposed | Self::Approved | Self::Open | Self::Declined => false,
        }
    }
}

/// A campaign as stored.
#[derive(Clone, Debug)]
pub struct CampaignRow {
    /// Key of its project.
    pub project: i64,
    /// The order.
    pub order: CampaignOrder,
    /// How far it has come.
    pub state: CampaignState,
    /// Why it was declined or not answered.
    pub note: String,
    /// Items it queued. Exact, so it stays here.
    pub matched: u64,
}

const SELECT: &str = "SELECT c.project, c.definition, c.state, c.note,
    (SELECT count(*) FROM campaign_items i WHERE i.campaign = c.campaign) FROM campaigns c";

impl Tx<'_> {
    /// Adds a campaign; a known one stays as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put_campaign(
        &self,
        project: i64,
        number: u64,
        order: &CampaignOrder,
        state: CampaignState,
        note: &str,
    ) -> Result<(), StoreError> {
        self.sql.execute(
            "INSERT INTO campaigns (campaign, project, definition, state, note, number)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (campaign) DO NOTHING",
            params![
                order.campaign.0,
                project,
                encode(order, TABLE)?,
                state.name(),
                note,
                signed(number)
            ],
        )?;
        Ok(())
    }

    /// All campaigns, oldest order first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn campaigns(&self) -> Result<Vec<CampaignRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("{SELECT} ORDER BY c.number"))?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(campaign_row(row)?);
        }
        Ok(all)
    }

    /// The campaign of this id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn campaign(&self, campaign: &CampaignId) -> Result<Option<CampaignRow>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("{SELECT} WHERE c.campaign = ?1"))?;
        let mut rows = statement.query([campaign.0])?;
        rows.next()?.map(campaign_row).transpose()
    }

    /// Moves a campaign on, if it is in state `from`; says whether it was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn move_campaign(
        &self,
        campaign: &CampaignId,
        from: CampaignState,
        to: CampaignState,
        note: &str,
    ) -> Result<bool, StoreError> {
        self.move_row(("campaigns", "campaign"), &campaign.0, (from.name(), to.name()), note)
    }

    /// Queues an item for a campaign.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_campaign_item(&self, campaign: &CampaignId, item: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "INSERT INTO campaign_items (campaign, item) VALUES (?1, ?2)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![campaign.0, item])?;
        Ok(())
    }

    /// The items a campaign queued.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn campaign_items(&self, campaign: &CampaignId) -> Result<Vec<i64>, StoreError> {
        let mut statement = self
            .sql
            .prepare_cached("SELECT item FROM campaign_items WHERE campaign = ?1 ORDER BY item")?;
        let rows = statement.query_map([campaign.0], |row| row.get(0))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Items that open campaigns of the project still wait for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn campaign_waiting(&self, project: i64) -> Result<u64, StoreError> {
        self.count(
            "SELECT count(*) FROM campaigns c JOIN campaign_items i ON i.campaign = c.campaign
             WHERE c.project = ?1 AND c.state = 'open' AND NOT EXISTS
               (SELECT 1 FROM annotations a
                WHERE a.item = i.item AND a.campaign = c.campaign AND a.verdict = 0)",
            project,
        )
    }
}

fn campaign_row(row: &Row<'_>) -> Result<CampaignRow, StoreError> {
    let name: String = row.get(2)?;
    Ok(CampaignRow {
        project: row.get(0)?,
        order: decode(&row.get::<_, Vec<u8>>(1)?, TABLE)?,
        state: CampaignState::ALL
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or(StoreError::Corrupt { table: TABLE, column: "state" })?,
        note: row.get(3)?,
        matched: unsigned(row.get(4)?, TABLE, "count")?,
    })
}
