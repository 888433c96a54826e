//! The agents: what they tell about themselves, and when they were last seen.

use insitu_protocol::facts::DeviceFacts;
use insitu_protocol::ids::{AgentName, SiteName};
use jiff::Timestamp;
use serde::Serialize;

use crate::store::{Store, StoreError};

/// Every site and its agents.
#[derive(Clone, Debug, Serialize)]
pub struct FleetReport {
    /// By name.
    pub sites: Vec<SiteFleet>,
    /// What looked wrong, ever.
    pub alerts: Vec<Alert>,
}

/// A site and its agents.
#[derive(Clone, Debug, Serialize)]
pub struct SiteFleet {
    /// The site.
    pub site: SiteName,
    /// When it was added.
    pub added: Timestamp,
    /// When it was revoked, if so.
    pub revoked: Option<Timestamp>,
    /// Releases received from it.
    pub releases: u64,
    /// Their bytes.
    pub bytes: u64,
    /// By name.
    pub agents: Vec<Agent>,
}

/// An agent.
#[derive(Clone, Debug, Serialize)]
pub struct Agent {
    /// Its name.
    pub agent: AgentName,
    /// When it last joined.
    pub enrolled: Timestamp,
    /// When it last said hello.
    pub last_seen: Option<Timestamp>,
    /// What it then told about its machine, in coarse buckets.
    pub facts: Option<DeviceFacts>,
}

/// Something that looked wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Alert {
    /// The site.
    pub site: SiteName,
    /// The agent.
    pub agent: AgentName,
    /// `equivocation`, `gap` or `malformed`.
    pub kind: String,
    /// The last time.
    pub last: Timestamp,
    /// How many times.
    pub times: u64,
}

/// Reads the fleet.
///
/// # Errors
/// [`StoreError`].
pub fn report(store: &Store) -> Result<FleetReport, StoreError> {
    store.read("fleet", |tx| {
        let (agents, charges) = (tx.agents()?, tx.charges()?);
        let sites = tx.sites()?.into_iter().map(|site| {
            let charges = charges.iter().filter(|charge| charge.site == site.name);
            let agents = agents.iter().filter(|agent| agent.site == site.name);
            SiteFleet {
                added: time(site.added_unix_s),
                revoked: site.revoked_unix_s.map(time),
                releases: charges.clone().map(|charge| charge.releases).sum(),
                bytes: charges.map(|charge| charge.bytes).sum(),
                agents: agents
                    .map(|agent| Agent {
                        agent: agent.name.clone(),
                        enrolled: time(agent.enrolled_unix_s),
                        last_seen: agent.seen_unix_s.map(time),
                        facts: agent.facts,
                    })
                    .collect(),
                site: site.name,
            }
        });
        let alerts = tx.alerts()?.into_iter().map(|alert| Alert {
            site: alert.site,
            agent: alert.agent,
            kind: alert.kind,
            last: time(alert.last_unix_s),
            times: alert.times,
        });
        Ok(FleetReport { sites: sites.collect(), alerts: alerts.collect() })
    })
}

/// A stored time, at the end of time when it is beyond it.
fn time(unix_s: i64) -> Timestamp {
    Timestamp::from_second(unix_s).unwrap_or(Timestamp::MAX)
}
