//! What `status` shows, as a command and over the local API: one report, built from the store.

mod orders;
mod pending;
mod underway;
mod watched;

use std::net::TcpStream;
use std::time::Duration;

use insitu_daemon::exit;
use insitu_privacy::Rho;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::acceptance;
use crate::config::{Acceptance, Config, Limits};
use crate::outbox;
use crate::prelabel::personal::{PersonalHead, Standing};
use crate::release::{YEAR_SECONDS, epsilon};
use crate::store::items::Stage;
use crate::store::meta::{Live, Pace, Wait};
use crate::store::orders::ProjectRow;
use crate::store::roles::{Action, Role};
use crate::store::synthetic::SyntheticCounts;
use crate::store::{Store, StoreError, Tx};
use crate::uplink::Membership;

pub use orders::{CampaignStatus, EvaluationStatus, RoundStatus, SessionStatus, campaigns};
use orders::{evaluations, rounds, sessions};
pub use underway::Underway;
pub use watched::{BadFileStatus, WatchedStatus};

/// How long the daemon may take to accept a connection on this machine.
const ANSWERS_WITHIN: Duration = Duration::from_millis(300);

/// The report.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The site, from the certificate, else from the configuration.
    pub site: Option<String>,
    /// The agent's name, once enrolled.
    pub agent: Option<String>,
    /// The federation, once enrolled.
    pub federation: Option<String>,
    /// Whether the agent is a member of a federation.
    pub enrolled: bool,
    /// Whether the daemon runs.
    pub running: bool,
    /// The link to the coordinator.
    pub link: LinkStatus,
    /// The inference engine, or `none` while no model has needed one.
    pub engine: String,
    /// What makes way for others, and why.
    pub waiting: Vec<Waiting>,
    /// The program's version.
    pub version: &'static str,
    /// Projects, by name.
    pub projects: Vec<ProjectStatus>,
    /// Training rounds, in order.
    pub rounds: Vec<RoundStatus>,
    /// Evaluations of new models, in order.
    pub evaluations: Vec<EvaluationStatus>,
    /// The last sessions of secure aggregation, newest first.
    pub sessions: Vec<SessionStatus>,
    /// Campaigns, in order.
    pub campaigns: Vec<CampaignStatus>,
    /// The year's budget.
    pub budget: Budget,
    /// The outbox.
    pub outbox: OutboxStatus,
    /// The audit log.
    pub audit: AuditStatus,
    /// What waits for the steward, or for an operator, with what to do.
    pub pending: Vec<String>,
}

/// What everybody at the site may know of it.
#[derive(Serialize)]
struct Brief<'a> {
    version: &'static str,
    link: &'a LinkStatus,
    projects: Vec<BriefProject<'a>>,
}

#[derive(Serialize)]
struct BriefProject<'a> {
    name: &'a str,
    queued: Queues,
}

/// Something that makes way for others.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    /// `prelabeling` or `training`.
    pub work: String,
    /// Why.
    pub reason: String,
    /// When the first of the orders that wait closes: after that this site is not in its sum.
    pub closes: Option<Timestamp>,
}

/// The link to the coordinator.
#[derive(Clone, Debug, Serialize)]
pub struct LinkStatus {
    /// Whether the coordinator answers.
    pub connected: bool,
    /// When it last did.
    pub last_contact: Option<Timestamp>,
    /// Why it does not, or what is wrong although it does.
    pub trouble: Option<String>,
}

/// A project. The counts are exact: they stay at the site.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectStatus {
    /// Its name.
    pub name: String,
    /// For people.
    pub title: String,
    /// Its version.
    pub version: u32,
    /// Digest of the bundle in use.
    pub bundle: Option<String>,
    /// Version of that bundle.
    pub bundle_version: Option<u32>,
    /// Items imported.
    pub items: u64,
    /// Of them in the hold-out set.
    pub holdout: u64,
    /// Items that wait to be redacted.
    pub redaction: Underway,
    /// Redacted items that wait for a draft, or for a model that makes one.
    pub drafting: Underway,
    /// Could not be redacted, and are shown to nobody.
    pub quarantined: u64,
    /// Contexts of corrections of which the same is true.
    pub contexts_withheld: u64,
    /// With a prelabel.
    pub prelabeled: u64,
    /// Accepted without a person.
    pub auto_accepted: u64,
    /// What may be accepted so, and what an audit says of it.
    pub acceptance: acceptance::Standing,
    /// Waiting for people.
    pub queued: Queues,
    /// Labels given by people.
    pub annotations: u64,
    /// Items with a label by a person.
    pub corrected: u64,
    /// Items with all the labels they need.
    pub done: u64,
    /// The open statistics window.
    pub window: u32,
    /// The head of the site's own, where there is one for the bundle in use.
    pub personal: Option<Standing>,
    /// Synthetic items; no other figure counts them.
    pub synthetic: SyntheticCounts,
    /// What became of the files of its watched folder, where it has one.
    pub watched: Option<WatchedStatus>,
}

/// Items waiting for people.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Queues {
    /// For a first or second reader.
    pub annotator: u64,
    /// For an expert.
    pub expert: u64,
    /// For a reviewer, whose word makes their labels final.
    pub review: u64,
    /// For campaigns.
    pub campaign: u64,
}

/// The rolling year's budget.
#[derive(Clone, Debug, Serialize)]
pub struct Budget {
    /// Spent in the last 365 days, as ε at `delta`.
    pub epsilon_spent: f64,
    /// The policy's limit.
    pub epsilon_allowed: f64,
    /// Spent as it is when all other sites collude with the coordinator, as ε at `delta`.
    pub epsilon_local_spent: f64,
    /// The policy's limit on that.
    pub epsilon_local_allowed: f64,
    /// The δ of all.
    pub delta: f64,
    /// Spent, exact.
    pub nano_rho_spent: u64,
    /// The limit, exact.
    pub nano_rho_allowed: u64,
    /// Spent when all other sites collude, exact.
    pub nano_rho_local_spent: u64,
    /// The limit on that, exact.
    pub nano_rho_local_allowed: u64,
    /// When the oldest charge of the year falls out of it.
    pub renews: Option<Timestamp>,
}

/// Sums over the outbox.
#[derive(Clone, Debug, Serialize)]
pub struct OutboxStatus {
    /// Releases ever made.
    pub releases: u64,
    /// On their way.
    pub queued: u64,
    /// Confirmed by the coordinator.
    pub acknowledged: u64,
    /// Never to be taken.
    pub refused: u64,
    /// Bytes sent, each attempt counted.
    pub bytes_sent: u64,
    /// Whether chain and charges are what they should be.
    pub verified: bool,
}

/// How far the audit log has come.
#[derive(Clone, Debug, Serialize)]
pub struct AuditStatus {
    /// Events ever noted.
    pub events: u64,
    /// The last of them that is signed.
    pub signed: u64,
    /// When it was signed.
    pub signed_at: Option<Timestamp>,
}

impl Status {
    /// Builds the report. `running` says whether the daemon is known to run.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(
        store: &Store,
        config: &Config,
        limits: &Limits,
        running: bool,
        now: i64,
    ) -> Result<Self, StoreError> {
        let verified = outbox::verify(store)?.problems.is_empty();
        let credentials = Membership::new(&config.data).credentials().ok().flatten();
        let names = credentials.as_ref().map(|credentials| names(credentials.identity()));
        store.read("status", |tx| {
            let live = tx.live()?;
            let totals = tx.ledger_totals()?;
            let mut projects = Vec::new();
            for row in tx.projects()? {
                let name = row.definition.name.as_str();
                let pace = live.paces.iter().find(|pace| running && pace.project == name);
                projects.push(project(tx, config, &row, pace)?);
            }
            let pending = pending::pending(tx, config, names.is_some(), &projects, now)?;
            Ok(Self {
                site: names
                    .as_ref()
                    .map(|names| names.1.clone())
                    .or_else(|| config.site.as_ref().map(ToString::to_string)),
                agent: names.as_ref().map(|names| names.2.clone()),
                federation: names.as_ref().map(|names| names.0.clone()),
                enrolled: names.is_some(),
                running,
                link: link(&live, running),
                waiting: live.waits.into_iter().filter(|_| running).map(waiting).collect(),
                engine: live.engine.unwrap_or_else(|| "none".to_owned()),
                version: env!("CARGO_PKG_VERSION"),
                projects,
                rounds: rounds(tx)?,
                evaluations: evaluations(tx)?,
                sessions: sessions(tx)?,
                campaigns: campaigns(tx, limits)?,
                budget: Budget::read(tx, limits, now)?,
                outbox: OutboxStatus {
                    releases: totals.releases,
                    queued: totals.queued,
                    acknowledged: totals.acknowledged,
                    refused: totals.refused,
                    bytes_sent: totals.bytes_sent,
                    verified,
                },
                audit: AuditStatus::read(tx)?,
                pending,
            })
        })
    }

    /// The report for people of a role: all of it for those who see figures, or how the site's programs
    /// are connected; for others version, link and queues.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where it cannot be encoded.
    pub fn shown_to(&self, role: Role) -> Result<Value, StoreError> {
        let shown = if role.may(Action::SeeFigures) || role.may(Action::Connect) {
            serde_json::to_value(self)
        } else {
            let projects = self.projects.iter();
            let projects = projects
                .map(|project| BriefProject { name: &project.name, queued: project.queued });
            let projects = projects.collect();
            serde_json::to_value(Brief { version: self.version, link: &self.link, projects })
        };
        shown.map_err(|_| StoreError::Corrupt { table: "status", column: "status" })
    }
}

impl AuditStatus {
    fn read(tx: &Tx<'_>) -> Result<Self, StoreError> {
        let signed = tx.last_trail_checkpoint(i64::MAX)?;
        Ok(Self {
            events: tx.trail_head()?.0,
            signed: signed.as_ref().map_or(0, |signed| signed.sequence),
            signed_at: signed.and_then(|signed| Timestamp::from_second(signed.at).ok()),
        })
    }
}

impl Budget {
    /// The rolling year up to `now`, Unix seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(tx: &Tx<'_>, limits: &Limits, now: i64) -> Result<Self, StoreError> {
        let year_ago = now.saturating_sub(YEAR_SECONDS);
        let spent = tx.charged_since(year_ago)?;
        let local = tx.charged_locally_since(year_ago)?;
        let oldest = tx.oldest_charge_since(year_ago)?;
        Ok(Self {
            epsilon_spent: epsilon(Rho::from_nano(spent), limits),
            epsilon_allowed: epsilon(limits.year, limits),
            epsilon_local_spent: epsilon(Rho::from_nano(local), limits),
            epsilon_local_allowed: epsilon(limits.local_year, limits),
            delta: limits.delta.get(),
            nano_rho_spent: spent,
            nano_rho_allowed: limits.year.nano(),
            nano_rho_local_spent: local,
            nano_rho_local_allowed: limits.local_year.nano(),
            renews: oldest
                .and_then(|at| Timestamp::from_second(at.saturating_add(YEAR_SECONDS)).ok()),
        })
    }
}

/// Whether the daemon answers at its local address. Asking does not touch its lock, which would
/// keep a daemon that is just starting from taking it.
pub fn daemon_runs(config: &Config) -> bool {
    TcpStream::connect_timeout(&config.api.listen, ANSWERS_WITHIN).is_ok()
}

/// The exit code that fits a status: a check failed when the ledger does not verify.
pub fn exit_code(status: &Status) -> u8 {
    if status.outbox.verified { exit::DONE } else { exit::REFUSED }
}

fn waiting(wait: Wait) -> Waiting {
    let Wait { work, reason, closes } = wait;
    let closes = closes.and_then(|at| Timestamp::from_second(at).ok());
    Waiting { work, reason, closes }
}

fn link(live: &Live, running: bool) -> LinkStatus {
    LinkStatus {
        connected: running && live.connected,
        last_contact: live.last_contact.and_then(|at| Timestamp::from_second(at).ok()),
        trouble: live.trouble.clone().filter(|_| running),
    }
}

/// The site that an identity belongs to.
pub fn site(identity: &insitu_daemon::identity::Identity) -> String {
    names(identity).1
}

/// Federation, site, agent.
fn names(identity: &insitu_daemon::identity::Identity) -> (String, String, String) {
    use insitu_daemon::identity::Identity;
    match identity {
        Identity::Agent(agent) => {
            (agent.federation.to_string(), agent.site.to_string(), agent.agent.to_string())
        }
        Identity::Coordinator(federation) => {
            (federation.to_string(), "coordinator".to_owned(), "coordinator".to_owned())
        }
    }
}

fn project(
    tx: &Tx<'_>,
    config: &Config,
    row: &ProjectRow,
    pace: Option<&Pace>,
) -> Result<ProjectStatus, StoreError> {
    let counts = tx.stage_counts(row.project)?;
    let count = |stage: Stage| counts[stage as usize];
    let items: u64 = counts.iter().sum();
    let (annotations, corrected) = tx.annotation_counts(row.project)?;
    let withheld = tx.withheld_contexts(row.project)?;
    let bundle = match &row.bundle {
        Some(bundle) => tx.bundle(bundle)?,
        None => None,
    };
    let manifest = bundle
        .and_then(|row| insitu_models::manifest::Manifest::decode(&row.order.manifest.0).ok());
    Ok(ProjectStatus {
        name: row.definition.name.to_string(),
        title: row.definition.title.to_string(),
        version: row.definition.version,
        bundle: row.bundle.map(|bundle| bundle.to_hex()),
        bundle_version: manifest.map(|manifest| manifest.version),
        items,
        holdout: tx.holdout_count(row.project)?,
        redaction: Underway::new(count(Stage::New), pace.map(|pace| pace.redacted_a_minute)),
        drafting: Underway::new(count(Stage::Clean), pace.map(|pace| pace.drafted_a_minute)),
        quarantined: count(Stage::Quarantined),
        contexts_withheld: withheld.iter().map(|(_, contexts)| contexts).sum(),
        prelabeled: items - count(Stage::New) - count(Stage::Clean) - count(Stage::Quarantined),
        auto_accepted: count(Stage::Accepted),
        acceptance: acceptance::Standing::read(tx, settings(config, row), row)?,
        queued: Queues {
            annotator: count(Stage::First) + count(Stage::Second),
            expert: count(Stage::Expert),
            review: count(Stage::Review),
            campaign: tx.campaign_waiting(row.project)?,
        },
        annotations,
        corrected,
        done: count(Stage::Done),
        window: row.window,
        personal: PersonalHead::load(tx, row)?.map(|head| head.standing()),
        synthetic: tx.synthetic_counts(row.project)?,
        watched: WatchedStatus::read(tx, config, row)?,
    })
}

/// What the site demands of a project's prelabels before they are accepted.
fn settings<'a>(config: &'a Config, row: &ProjectRow) -> Option<&'a Acceptance> {
    config.source(&row.definition.name)?.acceptance.as_ref()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    #[test]
    fn figures_and_files_are_for_whoever_may_see_them() {
        let (scratch, row) = testing::with_project();
        let path = scratch.folder.path().join("agent.toml");
        std::fs::write(&path, "site = \"a\"\n").unwrap();
        let config = Config::read(&path).unwrap();
        let limits = config.policy.limits().unwrap();
        let status = Status::read(&scratch.store, &config, &limits, true, 10).unwrap();
        let queued = json!({"annotator": 0, "expert": 0, "review": 0, "campaign": 0});
        let brief = json!({
            "version": status.version,
            "link": {"connected": false, "last_contact": null, "trouble": null},
            "projects": [{"name": row.definition.name, "queued": queued}],
        });
        for role in Role::ALL {
            let shown = status.shown_to(role).unwrap();
            match role {
                Role::Annotator | Role::Expert | Role::Application => assert_eq!(shown, brief),
                Role::Lead | Role::Steward | Role::Admin => {
                    assert_eq!(shown, serde_json::to_value(&status).unwrap());
                }
            }
        }
    }
}
