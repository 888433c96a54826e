//! What the coordinator ordered, as reports show it: rounds, evaluations, sessions, campaigns.

use insitu_privacy::Rho;
use jiff::Timestamp;
use serde::Serialize;

use crate::config::Limits;
use crate::release::epsilon;
use crate::store::{StoreError, Tx};

/// Sessions that a report shows.
const SESSIONS_SHOWN: u32 = 20;

/// A training round at this site.
#[derive(Clone, Debug, Serialize)]
pub struct RoundStatus {
    /// The run.
    pub run: String,
    /// The round.
    pub round: u32,
    /// `open`, `released` or `declined`.
    pub state: &'static str,
    /// Why it was declined.
    pub note: String,
}

/// An evaluation at this site, by answers of its own; those in sums are among the sessions.
#[derive(Clone, Debug, Serialize)]
pub struct EvaluationStatus {
    /// Its id.
    pub evaluation: String,
    /// The project.
    pub project: String,
    /// The bundle that may take the place of the one in use.
    pub candidate: String,
    /// `open`, `released` or `declined`.
    pub state: &'static str,
    /// Why it was declined.
    pub note: String,
}

/// A session of secure aggregation at this site.
#[derive(Clone, Debug, Serialize)]
pub struct SessionStatus {
    /// Its id.
    pub session: String,
    /// The project.
    pub project: String,
    /// What is added: `update`, `statistics` or `evaluation`.
    pub kind: String,
    /// The step: the round of an update.
    pub step: u32,
    /// The attempt at it, from 0.
    pub attempt: u32,
    /// How far it has come.
    pub state: &'static str,
    /// Why it ended as it did.
    pub note: String,
    /// The masked vector in the outbox.
    pub release: Option<String>,
}

/// A campaign at this site.
#[derive(Clone, Debug, Serialize)]
pub struct CampaignStatus {
    /// Its id.
    pub campaign: String,
    /// For people.
    pub title: String,
    /// The project.
    pub project: String,
    /// How far it has come.
    pub state: &'static str,
    /// Items it queued. Exact: stays at the site.
    pub matched: u64,
    /// When it is answered.
    pub answers: Option<Timestamp>,
    /// What the answer costs.
    pub epsilon: f64,
    /// Why it was declined or not answered.
    pub note: String,
}

pub(super) fn rounds(tx: &Tx<'_>) -> Result<Vec<RoundStatus>, StoreError> {
    let rows = tx.rounds(None)?;
    Ok(rows
        .into_iter()
        .map(|row| RoundStatus {
            run: row.order.run.to_hex(),
            round: row.order.round,
            state: row.state.name(),
            note: row.note,
        })
        .collect())
}

pub(super) fn evaluations(tx: &Tx<'_>) -> Result<Vec<EvaluationStatus>, StoreError> {
    let rows = tx.evaluations(None)?;
    Ok(rows
        .into_iter()
        .map(|row| EvaluationStatus {
            evaluation: row.order.evaluation.to_hex(),
            project: row.order.project.to_string(),
            candidate: row.order.candidate.bundle.to_hex(),
            state: row.state.name(),
            note: row.note,
        })
        .collect())
}

pub(super) fn sessions(tx: &Tx<'_>) -> Result<Vec<SessionStatus>, StoreError> {
    let rows = tx.last_sessions(SESSIONS_SHOWN)?;
    Ok(rows
        .into_iter()
        .map(|row| SessionStatus {
            session: row.session.to_hex(),
            project: row.project,
            kind: row.kind,
            step: row.step,
            attempt: row.attempt,
            state: row.state.name(),
            note: row.note,
            release: row.release.map(|release| release.to_hex()),
        })
        .collect())
}

/// The campaigns of this store, as reports show them.
///
/// # Errors
/// [`StoreError`].
pub fn campaigns(tx: &Tx<'_>, limits: &Limits) -> Result<Vec<CampaignStatus>, StoreError> {
    let rows = tx.campaigns()?;
    Ok(rows
        .into_iter()
        .map(|row| CampaignStatus {
            campaign: row.order.campaign.to_hex(),
            title: row.order.title.to_string(),
            project: row.order.project.to_string(),
            state: row.state.name(),
            matched: row.matched,
            answers: Timestamp::from_second(row.order.answers_unix_s).ok(),
            epsilon: epsilon(Rho::from_nano(row.order.nano_rho), limits),
            note: row.note,
        })
        .collect())
}
