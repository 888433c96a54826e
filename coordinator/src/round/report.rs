//! Training runs, for people and programs.

use insitu_protocol::ids::{Digest, EvaluationId, ProjectName, RunId, SiteName};
use insitu_protocol::project::Project;
use jiff::Timestamp;
use serde::Serialize;

use super::answered;
use crate::ledger::{DELTA, shown_epsilon};
use crate::store::{
    Mechanism, Method, Noise, Promotion, RoundRow, RoundState, RunRow, RunState, Store, StoreError,
    Tx,
};

/// A training run.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// Its id.
    pub run: RunId,
    /// The project.
    pub project: ProjectName,
    /// `open`, `finished` or `abandoned`.
    pub state: &'static str,
    /// Why it was abandoned.
    pub reason: Option<String>,
    /// When it started.
    pub started: Timestamp,
    /// Rounds it is to have.
    pub planned: u32,
    /// Fewest updates with which a round closes at its deadline.
    pub quorum: u32,
    /// What a round costs each site, nano-ρ.
    pub round_nano_rho: u64,
    /// What all its rounds cost a subject of a site, as ε at the δ of the budget's report.
    pub epsilon: f64,
    /// How updates become steps.
    pub method: MethodReport,
    /// The bundle it starts from.
    pub start: Digest,
    /// The bundle it ended with, once finished and published.
    pub published: Option<Digest>,
    /// The evaluation on which that depends, or depended.
    pub evaluation: Option<EvaluationId>,
    /// The rounds so far.
    pub rounds: Vec<RoundReport>,
}

/// A run before its first round.
#[derive(Clone, Debug, Serialize)]
pub struct PlanReport {
    /// Rounds it is to have.
    pub rounds: u32,
    /// What a round costs each site, nano-ρ.
    pub round_nano_rho: u64,
    /// What all rounds cost it.
    pub nano_rho: u64,
    /// The same as ε.
    pub epsilon: f64,
    /// Evaluations of its candidates: of each round's, of the result, or none.
    pub evaluations: u32,
    /// What each of them costs a site, nano-ρ.
    pub evaluation_nano_rho: u64,
    /// What rounds and evaluations cost it together.
    pub total_nano_rho: u64,
    /// The same as ε.
    pub total_epsilon: f64,
    /// The δ of that.
    pub delta: f64,
    /// How updates become steps.
    pub method: MethodReport,
}

/// How a run's updates become steps.
#[derive(Clone, Debug, Serialize)]
pub struct MethodReport {
    /// What is asked of the sites: `gradient` or `class-means`.
    pub mechanism: &'static str,
    /// What moves the head: `fedavgm:0.5`, or `project` for steps with the project's momentum.
    pub optimiser: String,
    /// How far a step goes, when it is not the project's learning rate.
    pub learning_rate: Option<f64>,
    /// L2 norm to which each subject's part is clipped, when it is not the project's.
    pub clip: Option<f64>,
    /// Last rounds whose iterates are averaged, when it is not the last half.
    pub averaged: Option<u32>,
    /// Subjects for which the schedule was chosen, when it was.
    pub subjects: Option<f64>,
    /// What the updates of a round come to: `mean`, `median`, …
    pub aggregation: String,
    /// Bytes of a coordinate in an update that a site noised alone.
    pub bytes_per_value: u8,
    /// Longest update that counts, L2, in the gradient's unit.
    pub norm_max: Option<f64>,
    /// Updates of a step, when the run does not wait for every site.
    pub buffer: Option<u32>,
    /// Most steps that an update may be old then.
    pub staleness_max: Option<u32>,
}

/// A round.
#[derive(Clone, Debug, Serialize)]
pub struct RoundReport {
    /// From 1.
    pub round: u32,
    /// `open`, `closed` or `abandoned`.
    pub state: &'static str,
    /// When it closes, or would have.
    pub closes: Timestamp,
    /// By name.
    pub sites: Vec<RoundSite>,
    /// The candidate it gave.
    pub bundle: Option<Digest>,
    /// The newest evaluation of that.
    pub evaluation: Option<EvaluationId>,
    /// L2 norm of the mean gradient.
    pub norm: Option<f64>,
    /// `once for all sites`, or `per site, because …`.
    pub noise: String,
}

/// A site in a round.
#[derive(Clone, Debug, Serialize)]
pub struct RoundSite {
    /// The site.
    pub site: SiteName,
    /// `waiting`, `answered`, `summed` or `missed`.
    pub state: &'static str,
    /// Steps between the head at which it was computed and this one, when it is in a buffer.
    pub staleness: Option<u32>,
}

impl PlanReport {
    /// Of a run of this version of its project.
    pub(crate) fn of(run: &RunRow, project: &Project, promotion: &Promotion) -> Self {
        let nano_rho = run.round_nano_rho.saturating_mul(run.rounds.into());
        let (evaluations, terms) = match (run.each_round, promotion) {
            (Some(_), Promotion::Evaluated(terms)) => (run.rounds, Some(*terms)),
            (Some(terms), Promotion::Forced(_)) => (run.rounds, Some(terms)),
            (None, Promotion::Evaluated(terms)) => (1, Some(*terms)),
            (None, Promotion::Forced(_)) => (0, None),
        };
        let evaluation_nano_rho = terms.map_or(0, |terms| terms.nano_rho);
        let evaluated = evaluation_nano_rho.saturating_mul(evaluations.into());
        let total_nano_rho = nano_rho.saturating_add(evaluated);
        let clip = f64::from(run.method.clipping(&project.training).clip_milli) / 1e3;
        let mut method = method(&run.method);
        method.clip.get_or_insert(clip);
        if run.method.mechanism == Mechanism::Gradient {
            method.learning_rate.get_or_insert(project.training.learning_rate);
            method.averaged.get_or_insert(run.rounds - run.rounds / 2);
        }
        Self {
            rounds: run.rounds,
            round_nano_rho: run.round_nano_rho,
            nano_rho,
            epsilon: shown_epsilon(nano_rho),
            evaluations,
            evaluation_nano_rho,
            total_nano_rho,
            total_epsilon: shown_epsilon(total_nano_rho),
            delta: DELTA,
            method,
        }
    }
}

/// Reads what a run was to be when it started; `None` when there is no such run.
///
/// # Errors
/// [`StoreError`].
pub fn plan(store: &Store, run: RunId) -> Result<Option<PlanReport>, StoreError> {
    store.read("plan", |tx| {
        let Some(run) = tx.run(run)? else { return Ok(None) };
        let project = tx.project_version(&run.project, run.project_version)?;
        let promotion = tx.promotion(run.id)?;
        let planned = project.zip(promotion);
        Ok(planned.map(|(project, promotion)| PlanReport::of(&run, &project, &promotion)))
    })
}

/// Reads one run; `None` when there is no such run.
///
/// # Errors
/// [`StoreError`].
pub fn run(store: &Store, run: RunId) -> Result<Option<RunReport>, StoreError> {
    store.read("run", |tx| tx.run(run)?.map(|run| describe(tx, run)).transpose())
}

/// Reads the runs of a project, or of all, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn runs(store: &Store, project: Option<&ProjectName>) -> Result<Vec<RunReport>, StoreError> {
    store.read("runs", |tx| {
        let mut runs = tx.runs()?;
        runs.retain(|run| project.is_none_or(|project| *project == run.project));
        runs.into_iter().map(|run| describe(tx, run)).collect()
    })
}

fn describe(tx: &Tx<'_>, run: RunRow) -> Result<RunReport, StoreError> {
    let invited = tx.run_sites(run.id)?;
    let rounds = tx.rounds(run.id)?;
    let result = match run.state {
        RunState::Finished => rounds.last().and_then(|round| round.bundle),
        RunState::Open | RunState::Abandoned => None,
    };
    let publications = tx.publications(&run.project)?;
    let is_published = |bundle: &Digest| publications.iter().any(|known| known.bundle == *bundle);
    let evaluation = match result {
        // Against whatever was active when the run ended, which need not be what it started from.
        Some(bundle) => tx.newest_evaluation_id(bundle)?,
        None => None,
    };
    let rounds: Result<Vec<RoundReport>, StoreError> =
        rounds.into_iter().map(|round| describe_round(tx, &run, &invited, round)).collect();
    Ok(RunReport {
        run: run.id,
        project: run.project,
        state: run.state.name(),
        reason: Some(run.reason).filter(|reason| !reason.is_empty()),
        started: time(run.started_unix_s),
        planned: run.rounds,
        quorum: run.quorum,
        round_nano_rho: run.round_nano_rho,
        epsilon: shown_epsilon(run.round_nano_rho.saturating_mul(run.rounds.into())),
        method: method(&run.method),
        start: run.bundle,
        published: result.filter(is_published),
        evaluation,
        rounds: rounds?,
    })
}

fn describe_round(
    tx: &Tx<'_>,
    run: &RunRow,
    invited: &[SiteName],
    round: RoundRow,
) -> Result<RoundReport, StoreError> {
    let (there, yes, no) = match (round.state, round.noise) {
        (RoundState::Open, Noise::Alone) => (answered(tx, run, &round)?, "answered", "waiting"),
        (RoundState::Open, Noise::Together) => {
            let session = tx.attempts(run.id, round.number)?.pop();
            let there = session.map(|session| tx.vector_sites(&session)).transpose()?;
            (there.unwrap_or_default(), "answered", "waiting")
        }
        (RoundState::Closed | RoundState::Abandoned, _) => {
            (tx.round_sites(run.id, round.number)?, "summed", "missed")
        }
    };
    let buffered = match run.method.buffering {
        Some(_) => tx.buffered(run.id, round.number)?,
        None => Vec::new(),
    };
    let staleness = |site: &SiteName| {
        let row = buffered.iter().find(|row| row.site == *site);
        row.map(|row| round.number.saturating_sub(row.version))
    };
    Ok(RoundReport {
        round: round.number,
        state: round.state.name(),
        closes: time(round.closes_unix_s),
        sites: invited
            .iter()
            .map(|site| RoundSite {
                site: site.clone(),
                state: if there.contains(site) { yes } else { no },
                staleness: staleness(site),
            })
            .collect(),
        evaluation: match round.bundle {
            Some(bundle) => tx.newest_evaluation_id(bundle)?,
            None => None,
        },
        bundle: round.bundle,
        norm: round.norm,
        noise: match round.noise {
            Noise::Together => "once for all sites".to_owned(),
            Noise::Alone => format!("per site, because {}", round.noise_reason),
        },
    })
}

fn method(method: &Method) -> MethodReport {
    MethodReport {
        mechanism: method.mechanism.name(),
        optimiser: method.optimiser.map_or_else(|| "project".to_owned(), |it| it.to_string()),
        learning_rate: method.learning_rate,
        clip: method.clipping.map(|clipping| f64::from(clipping.clip_milli) / 1e3),
        averaged: method.tuned.map(|tuned| tuned.averaged),
        subjects: method.tuned.map(|tuned| tuned.subjects),
        aggregation: method.aggregation.to_string(),
        bytes_per_value: if method.coarse { 1 } else { 4 },
        norm_max: method.norm_max_milli.map(|milli| milli as f64 / 1e3),
        buffer: method.buffering.map(|buffering| buffering.size),
        staleness_max: method.buffering.map(|buffering| buffering.staleness_max),
    }
}

fn time(unix_s: i64) -> Timestamp {
    Timestamp::from_second(unix_s).unwrap_or(Timestamp::MAX)
}
