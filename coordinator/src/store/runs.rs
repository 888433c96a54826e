//! Training runs and their rounds.

use insitu_protocol::ids::{Digest, ProjectName, RunId, SiteName};
use rusqlite::{Row, params};

use super::methods::{METHOD_COLUMNS, method};
use super::row::{fixed, fixed_or_null, name, word};
use super::{Method, StoreError, Terms, Tx};

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// A round is open.
    Open,
    /// All rounds closed and the result published.
    Finished,
    /// A round ended below its quorum, or the operator gave up.
    Abandoned,
}

impl RunState {
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

/// Where a round is, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundState {
    /// Updates count.
    Open,
    /// Summed; the next head is known.
    Closed,
    /// Below quorum.
    Abandoned,
}

impl RoundState {
    /// The state in the store and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Abandoned => "abandoned",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Closed, Self::Abandoned].into_iter().find(|s| s.name() == name)
    }
}

/// Whether a run's rounds use secure aggregation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecureAggregation {
    /// Always: a round for which it is impossible ends the run.
    On,
    /// Never.
    Off,
    /// Whenever the cohort allows it.
    Auto,
}

impl SecureAggregation {
    /// The choice in the store and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Auto => "auto",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::On, Self::Off, Self::Auto].into_iter().find(|choice| choice.name() == name)
    }
}

/// Whose noise the updates of a round carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Each site a share of it: only their sum is seen.
    Together,
    /// Each site all of it.
    Alone,
}

impl Noise {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Together => "together",
            Self::Alone => "alone",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Together, Self::Alone].into_iter().find(|noise| noise.name() == name)
    }
}

/// A training run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// The project.
    pub project: ProjectName,
    /// The version whose training plan holds for the whole run.
    pub project_version: u32,
    /// The bundle whose head it starts from.
    pub bundle: Digest,
    /// Columns of the head.
    pub features: u32,
    /// How many rounds.
    pub rounds: u32,
    /// Fewest updates with which a round closes at its deadline.
    pub quorum: u32,
    /// How long a round stays open, seconds.
    pub closes_in_s: i64,
    /// What a round costs each site, nano-ρ.
    pub round_nano_rho: u64,
    /// Whether its rounds use secure aggregation.
    pub secure: SecureAggregation,
    /// Sites that may collude with the coordinator, when the operator said so.
    pub colluders: Option<u8>,
    /// How it turns updates into steps.
    pub method: Method,
    /// At what price the candidate of each round is evaluated, if it is.
    pub each_round: Option<Terms>,
    /// When it started.
    pub started_unix_s: i64,
    /// Where it is.
    pub state: RunState,
    /// Why it was abandoned, for people.
    pub reason: String,
}

/// A round of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundRow {
    /// From 1.
    pub number: u32,
    /// Updates received before this time count.
    pub closes_unix_s: i64,
    /// Where it is.
    pub state: RoundState,
    /// The head at which sites take the gradient, `f32` little-endian.
    pub head: Vec<u8>,
    /// The candidate, once closed.
    pub bundle: Option<Digest>,
    /// L2 norm of the mean gradient, once closed.
    pub norm: Option<f64>,
    /// Whose noise its updates carry.
    pub noise: Noise,
    /// Why each site's own, for people.
    pub noise_reason: String,
    /// What its updates came to, and by what that is divided; once closed, unless an older program
    /// closed it.
    pub sum: Option<(Vec<i64>, u32)>,
}

/// What a round came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundSumRow {
    /// From 1.
    pub number: u32,
    /// As [`RoundRow::sum`].
    pub sum: Option<(Vec<i64>, u32)>,
}

impl RoundRow {
    /// Weights of the head, and so coordinates of an update, whatever the head's kind.
    pub fn parameters(&self) -> usize {
        self.head.len() / size_of::<f32>()
    }
}

impl Tx<'_> {
    /// Adds a run with the sites it invites.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn add_run(&self, run: &RunRow, sites: &[SiteName]) -> Result<(), StoreError> {
        let sql = "INSERT INTO run (id, project, project_version, bundle, features, rounds, \
                   quorum, closes_in_s, round_nano_rho, secure_aggregation, colluders, \
                   started_unix_s, state, reason, evaluated_nano_rho, evaluated_margin_milli) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
        self.execute(
            sql,
            params![
                run.id.0,
                run.project.as_str(),
                run.project_version,
                run.bundle.0,
                run.features,
                run.rounds,
                run.quorum,
                run.closes_in_s,
                run.round_nano_rho,
                run.secure.name(),
                run.colluders,
                run.started_unix_s,
                run.state.name(),
                run.reason,
                run.each_round.map(|terms| terms.nano_rho),
                run.each_round.map(|terms| terms.margin_milli)
            ],
        )?;
        self.set_method(run.id, &run.method)?;
        for site in sites {
            let sql = "INSERT INTO run_site (run, site) VALUES ($1, $2)";
            self.execute(sql, params![run.id.0, site.as_str()])?;
        }
        Ok(())
    }

    /// A run.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn run(&self, run: RunId) -> Result<Option<RunRow>, StoreError> {
        let sql = format!("SELECT {RUN_COLUMNS}, {METHOD_COLUMNS} FROM run WHERE id = $1");
        self.row(&sql, [run.0], run_row)
    }

    /// Every run, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn runs(&self) -> Result<Vec<RunRow>, StoreError> {
        self.rows(
            &format!("SELECT {RUN_COLUMNS}, {METHOD_COLUMNS} FROM run ORDER BY started_unix_s, id"),
            [],
            run_row,
        )
    }

    /// The runs that are open.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn open_runs(&self) -> Result<Vec<RunRow>, StoreError> {
        let sql = format!(
            "SELECT {RUN_COLUMNS}, {METHOD_COLUMNS} FROM run WHERE state = 'open' ORDER BY started_unix_s, id"
        );
        self.rows(&sql, [], run_row)
    }

    /// The sites a run invited.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn run_sites(&self, run: RunId) -> Result<Vec<SiteName>, StoreError> {
        let sql = "SELECT site FROM run_site WHERE run = $1 ORDER BY site";
        self.rows(sql, [run.0], |row| name(row, 0))
    }

    /// Ends a run.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn end_run(
        &self,
        run: RunId,
        state: RunState,
        reason: &str,
        now_unix_s: i64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE run SET state = $2, reason = $3, ended_unix_s = $4 WHERE id = $1";
        self.execute(sql, params![run.0, state.name(), reason, now_unix_s]).map(drop)
    }

    /// Opens a round.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn add_round(
        &self,
        run: RunId,
        round: &RoundRow,
        now_unix_s: i64,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO round (run, number, opened_unix_s, closes_unix_s, state, head, \
                   noise, noise_reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        self.execute(
            sql,
            params![
                run.0,
                round.number,
                now_unix_s,
                round.closes_unix_s,
                round.state.name(),
                round.head,
                round.noise.name(),
                round.noise_reason
            ],
        )
        .map(drop)
    }

    /// One round.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn round(&self, run: RunId, number: u32) -> Result<Option<RoundRow>, StoreError> {
        let sql = format!("SELECT {ROUND_COLUMNS} FROM round WHERE run = $1 AND number = $2");
        self.row(&sql, params![run.0, number], round_row)
    }

    /// The newest round of a run.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn newest_round(&self, run: RunId) -> Result<Option<RoundRow>, StoreError> {
        let sql = format!(
            "SELECT {ROUND_COLUMNS} FROM round WHERE run = $1 ORDER BY number DESC LIMIT 1"
        );
        self.row(&sql, [run.0], round_row)
    }

    /// The rounds of a run, in order.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn rounds(&self, run: RunId) -> Result<Vec<RoundRow>, StoreError> {
        let sql = format!("SELECT {ROUND_COLUMNS} FROM round WHERE run = $1 ORDER BY number");
        self.rows(&sql, [run.0], round_row)
    }

    /// What the rounds of a run before one came to, in order: without their heads.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn sums_before(&self, run: RunId, number: u32) -> Result<Vec<RoundSumRow>, StoreError> {
        let sql = "SELECT number, total, parts FROM round WHERE run = $1 AND number < $2 \
                   ORDER BY number";
        self.rows(sql, params![run.0, number], |row| {
            Ok(RoundSumRow { number: row.get(0)?, sum: sum(row, 1)? })
        })
    }

    /// Goes on with an open round in another way, until another time.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn change_round(&self, run: RunId, round: &RoundRow) -> Result<(), StoreError> {
        let sql = "UPDATE round SET closes_unix_s = $3, noise = $4, noise_reason = $5 \
                   WHERE run = $1 AND number = $2";
        let noise = round.noise.name();
        let params = params![run.0, round.number, round.closes_unix_s, noise, round.noise_reason];
        self.execute(sql, params).map(drop)
    }

    /// Records what a closed round came to, and whose updates went into it.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn close_round(
        &self,
        run: RunId,
        closed: &RoundRow,
        sites: &[SiteName],
    ) -> Result<(), StoreError> {
        let sql = "UPDATE round SET state = $3, bundle = $4, norm = $5, total = $6, parts = $7 \
                   WHERE run = $1 AND number = $2";
        let bundle = closed.bundle.map(|digest| digest.0);
        let (total, parts) = closed.sum.clone().unzip();
        let total: Option<Vec<u8>> =
            total.map(|total| total.iter().flat_map(|number| number.to_le_bytes()).collect());
        let (state, norm) = (closed.state.name(), closed.norm);
        let params = params![run.0, closed.number, state, bundle, norm, total, parts];
        self.execute(sql, params)?;
        for site in sites {
            let sql = "INSERT INTO round_site (run, number, site) VALUES ($1, $2, $3)";
            self.execute(sql, params![run.0, closed.number, site.as_str()])?;
        }
        Ok(())
    }

    /// The sites whose updates were summed in a closed round.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn round_sites(&self, run: RunId, number: u32) -> Result<Vec<SiteName>, StoreError> {
        let sql = "SELECT site FROM round_site WHERE run = $1 AND number = $2 ORDER BY site";
        self.rows(sql, params![run.0, number], |row| name(row, 0))
    }
}

const RUN_COLUMNS: &str = "id, project, project_version, bundle, features, rounds, quorum, \
                           closes_in_s, round_nano_rho, secure_aggregation, colluders, \
                           started_unix_s, state, reason, evaluated_nano_rho, \
                           evaluated_margin_milli";
/// Where [`METHOD_COLUMNS`] begin, which follow.
const METHOD_AT: usize = 16;

fn run_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    let (nano_rho, margin_milli): (Option<u64>, Option<u32>) = (row.get(14)?, row.get(15)?);
    Ok(RunRow {
        id: fixed(row, 0)?,
        project: name(row, 1)?,
        project_version: row.get(2)?,
        bundle: fixed(row, 3)?,
        features: row.get(4)?,
        rounds: row.get(5)?,
        quorum: row.get(6)?,
        closes_in_s: row.get(7)?,
        round_nano_rho: row.get(8)?,
        secure: word(row, 9, SecureAggregation::from_name)?,
        colluders: row.get(10)?,
        method: method(row, METHOD_AT)?,
        started_unix_s: row.get(11)?,
        state: word(row, 12, RunState::from_name)?,
        reason: row.get(13)?,
        each_round: nano_rho
            .zip(margin_milli)
            .map(|(nano_rho, margin_milli)| Terms { nano_rho, margin_milli }),
    })
}

const ROUND_COLUMNS: &str = "number, closes_unix_s, state, head, bundle, norm, noise, noise_reason, total, \
     parts";

fn round_row(row: &Row<'_>) -> rusqlite::Result<RoundRow> {
    Ok(RoundRow {
        number: row.get(0)?,
        closes_unix_s: row.get(1)?,
        state: word(row, 2, RoundState::from_name)?,
        head: row.get(3)?,
        bundle: fixed_or_null(row, 4)?,
        norm: row.get(5)?,
        noise: word(row, 6, Noise::from_name)?,
        noise_reason: row.get(7)?,
        sum: sum(row, 8)?,
    })
}

/// The columns `total`, `i64` little-endian, and `parts`, from the one numbered `at` on.
fn sum(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<(Vec<i64>, u32)>> {
    let numbers = |bytes: Vec<u8>| {
        bytes.as_chunks::<8>().0.iter().map(|eight| i64::from_le_bytes(*eight)).collect()
    };
    Ok(row.get::<_, Option<Vec<u8>>>(at)?.map(numbers).zip(row.get(at + 1)?))
}
