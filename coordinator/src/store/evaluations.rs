//! Federated evaluations, and what becomes of a run's result.

use insitu_protocol::ids::{Digest, EvaluationId, RunId, SiteName};
use insitu_protocol::order::EvaluationOrder;
use rusqlite::{Row, params};

use super::row::{fixed, name, wire, word};
use super::runs::Noise;
use super::{StoreError, Tx};

/// Where an evaluation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvaluationState {
    /// Sites may still answer.
    Open,
    /// It has answers.
    Finished,
    /// It has none.
    Abandoned,
}

impl EvaluationState {
    /// The state in the store and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Finished => "finished",
            Self::Abandoned => "abandoned",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Finished, Self::Abandoned].into_iter().find(|s| s.name() == name)
    }
}

/// An evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationRow {
    /// What sites are asked; id, project, bundles and price are in it.
    pub order: EvaluationOrder,
    /// How much worse the candidate may be and still pass, in thousandths of accuracy.
    pub margin_milli: u32,
    /// Whose noise is in the answers.
    pub noise: Noise,
    /// Why each site's own is, if it is.
    pub noise_reason: String,
    /// Sites that may collude with the coordinator, when the operator said so.
    pub colluders: Option<u8>,
    /// How long each attempt may take, seconds.
    pub closes_in_s: i64,
    /// Whether the candidate is published when it passes.
    pub promotes: bool,
    /// When it started.
    pub started_unix_s: i64,
    /// Where it is.
    pub state: EvaluationState,
    /// Why it was abandoned, for people.
    pub reason: String,
}

/// At what price an evaluation is made, and what it has to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What an answer costs, nano-ρ.
    pub nano_rho: u64,
    /// How much worse the candidate may be and still pass, in thousandths of accuracy.
    pub margin_milli: u32,
}

/// What becomes of a run's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promotion {
    /// It is evaluated, and published when it passes.
    Evaluated(Terms),
    /// It is published without, for this reason.
    Forced(String),
}

impl Tx<'_> {
    /// Adds an evaluation with the sites it invites.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    #[expect(clippy::missing_panics_doc, reason = "an order always encodes")]
    pub fn add_evaluation(
        &self,
        row: &EvaluationRow,
        sites: &[SiteName],
    ) -> Result<(), StoreError> {
        let order = &row.order;
        let bytes =
            postcard::to_allocvec(order).expect("numbers, names and bytes have an encoding");
        let sql = "INSERT INTO held_out_evaluation (id, project, current, candidate, \
                   evaluation_order, margin_milli, noise, noise_reason, colluders, closes_in_s, \
                   promotes, started_unix_s, state, reason) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
        let params = params![
            order.evaluation.0,
            order.project.as_str(),
            order.current.bundle.0,
            order.candidate.bundle.0,
            bytes,
            row.margin_milli,
            row.noise.name(),
            row.noise_reason,
            row.colluders,
            row.closes_in_s,
            i64::from(row.promotes),
            row.started_unix_s,
            row.state.name(),
            row.reason
        ];
        self.execute(sql, params)?;
        for site in sites {
            let sql = "INSERT INTO held_out_evaluation_site (evaluation, site) VALUES ($1, $2)";
            self.execute(sql, params![order.evaluation.0, site.as_str()])?;
        }
        Ok(())
    }

    /// An evaluation.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn evaluation(&self, id: EvaluationId) -> Result<Option<EvaluationRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM held_out_evaluation WHERE id = $1");
        self.row(&sql, [id.0], evaluation_row)
    }

    /// Every evaluation, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn evaluations(&self) -> Result<Vec<EvaluationRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM held_out_evaluation ORDER BY started_unix_s, id");
        self.rows(&sql, [], evaluation_row)
    }

    /// The evaluations that are open, by id: without their heads.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn open_evaluations(&self) -> Result<Vec<EvaluationId>, StoreError> {
        self.rows(OPEN, [], |row| fixed(row, 0))
    }

    /// The newest evaluation of a candidate against a bundle, or against any.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn newest_evaluation(
        &self,
        candidate: Digest,
        current: Option<Digest>,
    ) -> Result<Option<EvaluationRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM held_out_evaluation WHERE candidate = $1 \
             AND (current = $2 OR $2 IS NULL) ORDER BY started_unix_s DESC, id DESC LIMIT 1"
        );
        let current = current.map(|current| current.0);
        self.row(&sql, params![candidate.0, current], evaluation_row)
    }

    /// The id of the newest evaluation of a candidate: without its heads.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn newest_evaluation_id(
        &self,
        candidate: Digest,
    ) -> Result<Option<EvaluationId>, StoreError> {
        let sql = "SELECT id FROM held_out_evaluation WHERE candidate = $1 \
                   ORDER BY started_unix_s DESC, id DESC LIMIT 1";
        self.row(sql, [candidate.0], |row| fixed(row, 0))
    }

    /// The sites an evaluation invited.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn evaluation_sites(&self, id: EvaluationId) -> Result<Vec<SiteName>, StoreError> {
        let sql = "SELECT site FROM held_out_evaluation_site WHERE evaluation = $1 ORDER BY site";
        self.rows(sql, [id.0], |row| name(row, 0))
    }

    /// Ends an evaluation.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn end_evaluation(
        &self,
        id: EvaluationId,
        state: EvaluationState,
        reason: &str,
        now_unix_s: i64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE held_out_evaluation SET state = $2, reason = $3, ended_unix_s = $4 \
                   WHERE id = $1";
        self.execute(sql, params![id.0, state.name(), reason, now_unix_s]).map(drop)
    }

    /// Says what becomes of a run's result.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn set_promotion(&self, run: RunId, promotion: &Promotion) -> Result<(), StoreError> {
        let (terms, reason) = match promotion {
            Promotion::Evaluated(terms) => (Some(terms), None),
            Promotion::Forced(reason) => (None, Some(reason)),
        };
        let sql = "INSERT INTO run_promotion (run, nano_rho, margin_milli, reason) \
                   VALUES ($1, $2, $3, $4)";
        let (nano_rho, margin) = (terms.map(|t| t.nano_rho), terms.map(|t| t.margin_milli));
        self.execute(sql, params![run.0, nano_rho, margin, reason]).map(drop)
    }

    /// What becomes of a run's result; `None` for a run of a program that did not evaluate.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn promotion(&self, run: RunId) -> Result<Option<Promotion>, StoreError> {
        let sql = "SELECT nano_rho, margin_milli, reason FROM run_promotion WHERE run = $1";
        self.row(sql, [run.0], |row| {
            Ok(match (row.get(0)?, row.get(1)?) {
                (Some(nano_rho), Some(margin_milli)) => {
                    Promotion::Evaluated(Terms { nano_rho, margin_milli })
                }
                (None, _) | (_, None) => Promotion::Forced(row.get(2)?),
            })
        })
    }
}

pub(super) const OPEN: &str =
    "SELECT id FROM held_out_evaluation WHERE state = 'open' ORDER BY started_unix_s, id";

const COLUMNS: &str = "evaluation_order, margin_milli, noise, noise_reason, colluders, \
                       closes_in_s, promotes, started_unix_s, state, reason";

fn evaluation_row(row: &Row<'_>) -> rusqlite::Result<EvaluationRow> {
    Ok(EvaluationRow {
        order: wire(row, 0)?,
        margin_milli: row.get(1)?,
        noise: word(row, 2, Noise::from_name)?,
        noise_reason: row.get(3)?,
        colluders: row.get(4)?,
        closes_in_s: row.get(5)?,
        promotes: row.get::<_, i64>(6)? != 0,
        started_unix_s: row.get(7)?,
        state: word(row, 8, EvaluationState::from_name)?,
        reason: row.get(9)?,
    })
}
