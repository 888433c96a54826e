//! Campaigns and the sites they ask.

use insitu_protocol::ids::{CampaignId, ProjectName, SiteName};
use insitu_protocol::order::CampaignOrder;
use rusqlite::{Row, params};

use super::row::{name, wire, word};
use super::{StoreError, Tx};

/// Where a campaign is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CampaignState {
    /// Sites work on it.
    Open,
    /// Its time has passed.
    Closed,
    /// The operator took it back.
    Cancelled,
}

impl CampaignState {
    /// The state in the store and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Closed, Self::Cancelled].into_iter().find(|s| s.name() == name)
    }
}

/// A campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignRow {
    /// When it was made.
    pub created_unix_s: i64,
    /// Where it is.
    pub state: CampaignState,
    /// Why this slice, for people.
    pub reason: String,
    /// What sites are sent.
    pub order: CampaignOrder,
}

impl Tx<'_> {
    /// Adds a campaign for some sites.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    #[expect(clippy::missing_panics_doc, reason = "a checked order always encodes")]
    pub fn add_campaign(
        &self,
        campaign: &CampaignRow,
        sites: &[SiteName],
    ) -> Result<(), StoreError> {
        let order = postcard::to_allocvec(&campaign.order).expect("a checked order encodes");
        let id = campaign.order.campaign;
        let sql = "INSERT INTO campaign (id, project, created_unix_s, state, reason, campaign_order) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        self.execute(
            sql,
            params![
                id.0,
                campaign.order.project.as_str(),
                campaign.created_unix_s,
                campaign.state.name(),
                campaign.reason,
                order
            ],
        )?;
        for site in sites {
            let sql = "INSERT INTO campaign_site (campaign, site) VALUES ($1, $2)";
            self.execute(sql, params![id.0, site.as_str()])?;
        }
        Ok(())
    }

    /// A campaign.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn campaign(&self, id: CampaignId) -> Result<Option<CampaignRow>, StoreError> {
        let sql = format!("SELECT {CAMPAIGN_COLUMNS} FROM campaign WHERE id = $1");
        self.row(&sql, [id.0], campaign_row)
    }

    /// The campaigns of a project, or of all, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn campaigns(&self, project: Option<&ProjectName>) -> Result<Vec<CampaignRow>, StoreError> {
        let sql = format!(
            "SELECT {CAMPAIGN_COLUMNS} FROM campaign WHERE $1 = '' OR project = $1 \
             ORDER BY created_unix_s, id"
        );
        self.rows(&sql, [project.map_or("", ProjectName::as_str)], campaign_row)
    }

    /// The campaigns that are open.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn open_campaigns(&self) -> Result<Vec<CampaignRow>, StoreError> {
        let sql = format!(
            "SELECT {CAMPAIGN_COLUMNS} FROM campaign WHERE state = 'open' ORDER BY created_unix_s, id"
        );
        self.rows(&sql, [], campaign_row)
    }

    /// The sites a campaign asks.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn campaign_sites(&self, id: CampaignId) -> Result<Vec<SiteName>, StoreError> {
        let sql = "SELECT site FROM campaign_site WHERE campaign = $1 ORDER BY site";
        self.rows(sql, [id.0], |row| name(row, 0))
    }

    /// Ends an open campaign; `false` when it was not open.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn end_campaign(&self, id: CampaignId, state: CampaignState) -> Result<bool, StoreError> {
        let sql = "UPDATE campaign SET state = $2 WHERE id = $1 AND state = 'open'";
        Ok(self.execute(sql, params![id.0, state.name()])? == 1)
    }
}

const CAMPAIGN_COLUMNS: &str = "created_unix_s, state, reason, campaign_order";

fn campaign_row(row: &Row<'_>) -> rusqlite::Result<CampaignRow> {
    Ok(CampaignRow {
        created_unix_s: row.get(0)?,
        state: word(row, 1, CampaignState::from_name)?,
        reason: row.get(2)?,
        order: wire(row, 3)?,
    })
}
