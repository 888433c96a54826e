//! Training runs: start one, and close its rounds one after another.
//!
//! Closing a round is one transaction: the sum's candidate, the round's end, and the next round's
//! orders (or the publication of the result) are durable together or not at all. Whether sites noise
//! their updates together or each alone is decided for each round (`training::together`).

mod plan;
mod sums;
mod together;
mod tuned;

use insitu_models::bundle::Bundle;
use insitu_models::class_means;
use insitu_models::head::HeadKind;
use insitu_models::manifest::Sentence;
use insitu_models::robust::RobustError;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{ProjectName, RunId, SiteName};
use insitu_protocol::order::HEAD_BYTES_MAX;
use insitu_protocol::project::Project;

pub use plan::{Plan, Rounds};

use super::evaluation::{self, EvaluationError};
use super::{Bench, end_due};
use crate::aggregate::{self, RoundSum};
use crate::agreement::counts::CountsError;
use crate::downlink::DownlinkError;
use crate::ledger::{DELTA, shown_epsilon};
use crate::publish::PublishError;
use crate::registry::RegistryError;
use crate::round::report::PlanReport;
use crate::round::{Event, IllegalTransition, Phase, Round, answered};
use crate::session;
use plan::{Ground, invited, planned, range};

use crate::store::{
    Mechanism, Noise, RoundRow, RoundState, RunRow, RunState, SessionState, StoreError, Tx,
};

/// Why a run cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// No such project.
    #[error("there is no project {project}: `insitu-coordinator project create FILE.toml` first")]
    UnknownProject {
        /// Its name.
        project: ProjectName,
    },
    /// The project has no bundle whose head could be trained.
    #[error(
        "project {project} has no bundle: `insitu-coordinator model publish DIR --project {project}` first"
    )]
    NoBundle {
        /// The project.
        project: ProjectName,
    },
    /// Another run of the project goes on.
    #[error("run {run} of the project is still open")]
    StillOpen {
        /// That run.
        run: RunId,
    },
    /// Nobody to invite.
    #[error("there is no site to invite: `insitu-coordinator site add NAME` first")]
    NoSites,
    /// A site that is not a member.
    #[error("{site} is not a member of the federation")]
    NotMember {
        /// The site.
        site: SiteName,
    },
    /// A number outside its range.
    #[error("{what} is {got}, allowed is {min} to {max}")]
    Range {
        /// Which.
        what: &'static str,
        /// Value found.
        got: u64,
        /// Lowest allowed.
        min: u64,
        /// Highest allowed.
        max: u64,
    },
    /// Two options that exclude each other.
    #[error("{what} does not go with {with}: {reason}")]
    Unsuited {
        /// One.
        what: &'static str,
        /// The other.
        with: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// Class means of a head of another form.
    #[error("class means make a softmax head, the bundle in use has one of {kind}")]
    NotClassMeans {
        /// The kind in use.
        kind: HeadKind,
    },
    /// Nothing released says for how many subjects rounds are to be chosen.
    #[error(
        "no label counts of {project} have been released yet, by which rounds could be chosen: wait \
         for the sites' next statistics window, ask for one with `insitu-coordinator statistics \
         collect --project {project}`, or name a public number with --subjects N"
    )]
    NoCount {
        /// The project.
        project: ProjectName,
    },
    /// What is released is no number of subjects.
    #[error(
        "the labels released so far come to {total:.0} with a noise of deviation {deviation:.0}, too \
         few to choose rounds by (where labels are not one class each, windows count none): name a \
         public number with --subjects N, or the rounds with --rounds N"
    )]
    TooFewLabels {
        /// Noised total.
        total: f64,
        /// Deviation of the noise in it.
        deviation: f64,
    },
    /// The counts.
    #[error("the released counts cannot be used")]
    Counts {
        /// Why not.
        #[from]
        source: CountsError,
    },
    /// Secure aggregation was demanded and cannot be.
    #[error("no secure aggregation: {reason}")]
    Alone {
        /// Why not.
        reason: String,
    },
    /// A round's order cannot be made.
    #[error("the round's order cannot be made")]
    Order {
        /// Why not.
        #[from]
        source: DownlinkError,
    },
    /// No random bytes for an id.
    #[error("no random bytes from the operating system")]
    Random {
        /// Why not.
        source: getrandom::Error,
    },
    /// Stored rows contradict each other.
    #[error("the rows of run {run} contradict each other")]
    Rows {
        /// The run.
        run: RunId,
        /// How, when the round says so.
        source: Option<IllegalTransition>,
    },
    /// A round's updates come to nothing.
    #[error("the updates of run {run} cannot be combined")]
    Combine {
        /// The run.
        run: RunId,
        /// Why not.
        source: RobustError,
    },
    /// The registry.
    #[error("the candidate is not registered")]
    Registry {
        /// Why not.
        #[from]
        source: RegistryError,
    },
    /// The publication.
    #[error("the result is not published")]
    Publish {
        /// Why not.
        #[from]
        source: PublishError,
    },
    /// The evaluation of the result.
    #[error("the result is not evaluated")]
    Evaluation {
        /// Why not.
        #[from]
        source: EvaluationError,
    },
    /// The store.
    #[error("the run is not stored")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// Starts a run: its first round is open, and in the lists of its sites, when this returns.
///
/// # Errors
/// [`TrainingError`].
pub fn start(bench: Bench<'_>, plan: &Plan, now_unix_s: i64) -> Result<RunId, TrainingError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|source| TrainingError::Random { source })?;
    bench.store.write("start_run", |tx| {
        let Prepared { run, sites, head, .. } = prepared(tx, bench, plan, Fixed(id), now_unix_s)?;
        tx.add_run(&run, &sites)?;
        tx.set_promotion(run.id, &plan.promotion)?;
        match open_round(tx, &run, 1, head, now_unix_s)? {
            Ok(()) => Ok(run.id),
            Err(reason) => Err(TrainingError::Alone { reason }),
        }
    })
}

/// What a run would be if it were started now. Nothing is stored, and no site is asked.
///
/// # Errors
/// As [`start`], but for what shows only when the first round opens.
pub fn foresee(
    bench: Bench<'_>,
    plan: &Plan,
    now_unix_s: i64,
) -> Result<PlanReport, TrainingError> {
    bench.store.read("foresee_run", |tx| {
        let prepared = prepared(tx, bench, plan, Fixed([0; 16]), now_unix_s)?;
        Ok(PlanReport::of(&prepared.run, &prepared.project, &plan.promotion))
    })
}

/// A run that could start.
struct Prepared {
    run: RunRow,
    project: Project,
    sites: Vec<SiteName>,
    /// Where the first gradient is taken.
    head: Vec<u8>,
}

fn prepared(
    tx: &Tx<'_>,
    bench: Bench<'_>,
    plan: &Plan,
    id: RunId,
    now_unix_s: i64,
) -> Result<Prepared, TrainingError> {
    let unknown = || TrainingError::UnknownProject { project: plan.project.clone() };
    let project = tx.project(&plan.project)?.ok_or_else(unknown)?;
    let no_bundle = || TrainingError::NoBundle { project: plan.project.clone() };
    let active = tx.active_publication(&plan.project)?.ok_or_else(no_bundle)?;
    if let Some(run) = tx.open_runs()?.into_iter().find(|run| run.project == plan.project) {
        return Err(TrainingError::StillOpen { run: run.id });
    }
    let sites = invited(tx, plan)?;
    let bundle = bench.registry.open(tx, active.bundle)?;
    let ground = Ground { project: &project, bundle: &bundle, sites: &sites };
    let run = planned(tx, plan, ground, id, now_unix_s)?;
    let head = head_bytes(bundle.head().weights());
    range("the head's bytes", head.len() as u64, 1, HEAD_BYTES_MAX as u64)?;
    Ok(Prepared { run, project, sites, head })
}

/// Closes every round that is due.
///
/// # Errors
/// The first [`TrainingError`]; a round that could not be closed stays as it is, the others close.
pub fn advance(bench: Bench<'_>, now_unix_s: i64) -> Result<(), TrainingError> {
    let open = bench.store.read("open_runs", |tx| tx.open_runs())?;
    end_due(
        bench.store,
        ("round_due", "close_round"),
        open,
        |tx, run| is_due(tx, run, now_unix_s),
        |tx, run| close(tx, bench, run.id, now_unix_s),
    )
}

/// Whether time, updates or a session change the newest round of an open run.
fn is_due(tx: &Tx<'_>, run: &RunRow, now_unix_s: i64) -> Result<bool, TrainingError> {
    let row = newest(tx, run)?;
    Ok(match row.noise {
        Noise::Alone => current(tx, run, &row, now_unix_s)?.phase() != Phase::Open,
        Noise::Together => !tx.is_attempted(run.id, row.number)?,
    })
}

/// Opens a round and asks the sites for it; the inner text says why the run must not go on.
fn open_round(
    tx: &Tx<'_>,
    run: &RunRow,
    number: u32,
    head: Vec<u8>,
    now_unix_s: i64,
) -> Result<Result<(), String>, TrainingError> {
    let round = RoundRow {
        number,
        closes_unix_s: now_unix_s.saturating_add(run.closes_in_s),
        state: RoundState::Open,
        head,
        bundle: None,
        norm: None,
        noise: Noise::Together,
        noise_reason: String::new(),
        sum: None,
    };
    tx.add_round(run.id, &round, now_unix_s)?;
    together::begin(tx, run, round, now_unix_s)
}

/// The newest round of a run.
fn newest(tx: &Tx<'_>, run: &RunRow) -> Result<RoundRow, TrainingError> {
    tx.newest_round(run.id)?.ok_or(TrainingError::Rows { run: run.id, source: None })
}

/// What the rows of a round, whose sites noise their updates alone, make of it.
fn current(
    tx: &Tx<'_>,
    run: &RunRow,
    row: &RoundRow,
    now_unix_s: i64,
) -> Result<Round, TrainingError> {
    let invited = tx.still_members(tx.run_sites(run.id)?)?;
    let mut answered = answered(tx, run, row)?;
    answered.retain(|site| invited.contains(site));
    let mut round = Round::open(invited, run.quorum, row.closes_unix_s);
    if let Some(buffering) = run.method.buffering {
        round = round.waiting_for(buffering.size);
    }
    let events = answered.into_iter().map(Event::Update).chain([Event::Time(now_unix_s)]);
    for event in events {
        let illegal = |source| TrainingError::Rows { run: run.id, source: Some(source) };
        round = round.step(event).map_err(illegal)?;
    }
    Ok(round)
}

/// Closes the newest round of a run if it is due.
fn close(tx: &Tx<'_>, bench: Bench<'_>, run: RunId, now_unix_s: i64) -> Result<(), TrainingError> {
    let Some(run) = tx.run(run)?.filter(|run| run.state == RunState::Open) else {
        return Ok(());
    };
    let row = newest(tx, &run)?;
    if row.noise == Noise::Together {
        let session = together::newest(tx, &run, &row)?;
        return match session.state {
            SessionState::Open => Ok(()),
            SessionState::Summed => {
                let shown = tx.session_sum(session.id)?;
                let sites = shown.map(|sum| session.survivors(&sum)).unwrap_or_default();
                sum(tx, bench, &run, row, &sites, now_unix_s)
            }
            SessionState::Abandoned => match together::begin(tx, &run, row.clone(), now_unix_s)? {
                Ok(()) => Ok(()),
                Err(reason) => abandon(tx, &run, row, &reason, now_unix_s),
            },
        };
    }
    let round = current(tx, &run, &row, now_unix_s)?;
    match round.phase() {
        Phase::Open | Phase::Closed => Ok(()),
        Phase::Abandoned => {
            let reason = format!(
                "round {}: {} update(s) at the deadline, {} needed",
                row.number,
                round.answered().len(),
                round.quorum()
            );
            abandon(tx, &run, row, &reason, now_unix_s)
        }
        Phase::Closing => {
            let sites: Vec<SiteName> = round.answered().iter().cloned().collect();
            let illegal = |source| TrainingError::Rows { run: run.id, source: Some(source) };
            round.step(Event::Summed).map_err(illegal)?;
            sum(tx, bench, &run, row, &sites, now_unix_s)
        }
    }
}

fn abandon(
    tx: &Tx<'_>,
    run: &RunRow,
    row: RoundRow,
    reason: &str,
    now_unix_s: i64,
) -> Result<(), TrainingError> {
    tracing::warn!(run = %run.id, reason, "training run abandoned");
    metrics::counter!("insitu_rounds_total", "outcome" => "abandoned").increment(1);
    tx.close_round(run.id, &RoundRow { state: RoundState::Abandoned, ..row }, &[])?;
    Ok(tx.end_run(run.id, RunState::Abandoned, reason, now_unix_s)?)
}

/// Closes a round whose updates are those of `sites`.
fn sum(
    tx: &Tx<'_>,
    bench: Bench<'_>,
    run: &RunRow,
    row: RoundRow,
    sites: &[SiteName],
    now_unix_s: i64,
) -> Result<(), TrainingError> {
    let rows = || TrainingError::Rows { run: run.id, source: None };
    let project = tx.project_version(&run.project, run.project_version)?.ok_or_else(rows)?;
    let start = bench.registry.open(tx, run.bundle)?;
    let mut sums = sums::earlier(tx, run, &project, &row)?;
    let sum = sums::of(tx, run, &project, &row, sites)?;
    sums.push(sum.clone());
    let noise = sums::noise(tx, run, &project)?;
    let mut charged = row.number;
    for round in 1..=row.number {
        charged += session::spent_in_vain(tx, run.id, round)?;
    }
    let lineage = lineage(run, &row, sites.len(), charged);
    let (candidate, next_head) = match candidate(&start, &project, run, lineage, noise, &sums) {
        Ok(made) => made,
        Err(unusable) => {
            let reason = format!("round {}: {unusable:#}", row.number);
            return abandon(tx, run, row, &reason, now_unix_s);
        }
    };
    let digest = bench.registry.register(tx, &candidate, &project, now_unix_s)?;
    let number = row.number;
    let norm = Some(sum.norm());
    let sum = Some((sum.total, sum.parts));
    let closed = RoundRow { state: RoundState::Closed, bundle: Some(digest), norm, sum, ..row };
    tx.close_round(run.id, &closed, sites)?;
    metrics::counter!("insitu_rounds_total", "outcome" => "closed").increment(1);
    tracing::info!(run = %run.id, round = number, sites = sites.len(), "round closed");
    evaluation::of_round(tx, bench, run, (number, digest), now_unix_s)?;
    if number < run.rounds {
        return match open_round(tx, run, number + 1, next_head, now_unix_s)? {
            Ok(()) => Ok(()),
            Err(reason) => abandon(tx, run, newest(tx, run)?, &reason, now_unix_s),
        };
    }
    evaluation::conclude(tx, bench, run, digest, now_unix_s)?;
    tracing::info!(run = %run.id, bundle = %digest, "training run finished");
    Ok(tx.end_run(run.id, RunState::Finished, "", now_unix_s)?)
}

/// The candidate after so many rounds, and the head at which the next gradient is taken.
///
/// What goes wrong here goes wrong each time: the updates give no usable head.
fn candidate(
    start: &Bundle,
    project: &Project,
    run: &RunRow,
    lineage: Sentence,
    noise: f64,
    sums: &[RoundSum],
) -> anyhow::Result<(Bundle, Vec<u8>)> {
    if run.method.mechanism == Mechanism::ClassMeans {
        let total = sums.last().map_or_else(Vec::new, |sum| sum.total.clone());
        let head = class_means::head(start.head().shape(), &total)?;
        return Ok((start.successor(head.clone(), lineage)?, head_bytes(head.weights())));
    }
    let training = &project.training;
    let descent = aggregate::descend(start.head(), training, &run.method, run.rounds, noise, sums)?;
    let next = head_bytes(descent.head()?.weights());
    Ok((start.successor(descent.result()?, lineage)?, next))
}

/// Where a candidate comes from; its sites' subjects were charged for `charged` updates.
fn lineage(run: &RunRow, row: &RoundRow, sites: usize, charged: u32) -> Sentence {
    let nano_rho = run.round_nano_rho * u64::from(charged);
    let noise = match row.noise {
        Noise::Together => "noised together",
        Noise::Alone => "each with its own noise",
    };
    let aggregation = run.method.aggregation;
    let rounds = match (run.method.buffering, run.method.mechanism) {
        (Some(buffering), _) => format!("steps of {} updates", buffering.size),
        (None, Mechanism::Gradient) => "rounds".to_owned(),
        (None, Mechanism::ClassMeans) => "rounds of class means".to_owned(),
    };
    Sentence::new(format!(
        "Federated run {}: {} of {} {rounds}, {sites} sites in the last, {noise}, combined by their \
         {aggregation}; each site's subjects were charged at most rho {:.9} of zCDP, epsilon {:.4} at delta {DELTA:e}",
        run.id,
        row.number,
        run.rounds,
        nano_rho as f64 * 1e-9,
        shown_epsilon(nano_rho)
    ))
    .expect("a line of numbers is short and has no control characters")
}

/// A head as a round's order carries it: `f32` little-endian, row-major.
fn head_bytes(weights: &[f32]) -> Vec<u8> {
    weights.iter().flat_map(|weight| weight.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests;
