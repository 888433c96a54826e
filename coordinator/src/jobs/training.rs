//! Training runs: start one, and close its rounds one after another.
//!
//! Closing a round is one transaction: the sum's candidate, the round's end, and the next round's
//! orders (or the publication of the result) are durable together or not at all. Whether sites noise
//! their updates together or each alone is decided for each round (`training::together`).

mod error;
mod plan;
mod sums;
mod together;
mod tuned;

use insitu_daemon::telemetry::explain;
use insitu_models::bundle::Trainable;
use insitu_models::class_means;
use insitu_models::manifest::Sentence;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{Digest, RunId, SiteName};
use insitu_protocol::order::HEAD_BYTES_MAX;
use insitu_protocol::project::Project;

pub use error::TrainingError;
pub use plan::{Plan, Rounds};

use super::{Bench, end_due, evaluation};
use crate::aggregate::{self, RoundSum};
use crate::ledger::{DELTA, shown_epsilon};
use crate::registry::check_fit;
use crate::round::report::PlanReport;
use crate::round::{Event, Phase, Round, answered};
use crate::session;
use plan::{Ground, invited, planned, range};

use crate::store::{
    Mechanism, Noise, RoundRow, RoundState, RunRow, RunState, SessionState, StoreError, Tx,
};

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
    let bundle = bench.registry.open_trainable(tx, active.bundle)?;
    // Before any site is charged: a candidate that does not fit is not registered either.
    check_fit(bundle.manifest(), &project).map_err(|source| TrainingError::Unfit {
        project: project.name.clone(),
        version: project.version,
        bundle: active.bundle,
        source: Box::new(source),
    })?;
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
                Err(reason) => Ok(abandon(tx, &run, row, &reason, now_unix_s)?),
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
            Ok(abandon(tx, &run, row, &reason, now_unix_s)?)
        }
        Phase::Closing => {
            let sites: Vec<SiteName> = round.answered().iter().cloned().collect();
            let illegal = |source| TrainingError::Rows { run: run.id, source: Some(source) };
            round.step(Event::Summed).map_err(illegal)?;
            sum(tx, bench, &run, row, &sites, now_unix_s)
        }
    }
}

/// Ends a run with its open round.
pub(super) fn abandon(
    tx: &Tx<'_>,
    run: &RunRow,
    row: RoundRow,
    reason: &str,
    now_unix_s: i64,
) -> Result<(), StoreError> {
    tracing::warn!(run = %run.id, reason, "training run abandoned");
    metrics::counter!("insitu_rounds_total", "outcome" => "abandoned").increment(1);
    tx.close_round(run.id, &RoundRow { state: RoundState::Abandoned, ..row }, &[])?;
    tx.end_run(run.id, RunState::Abandoned, reason, now_unix_s)
}

/// What a round came to.
struct Outcome {
    sum: RoundSum,
    /// The registered candidate.
    candidate: Digest,
    /// Where the next gradient is taken.
    next_head: Vec<u8>,
}

/// Adds up the updates of `sites`, and registers the candidate that they give.
fn outcome(
    tx: &Tx<'_>,
    bench: Bench<'_>,
    run: &RunRow,
    row: &RoundRow,
    sites: &[SiteName],
    now_unix_s: i64,
) -> Result<Outcome, TrainingError> {
    let rows = || TrainingError::Rows { run: run.id, source: None };
    let project = tx.project_version(&run.project, run.project_version)?.ok_or_else(rows)?;
    let start = bench.registry.open_trainable(tx, run.bundle)?;
    let mut sums = sums::earlier(tx, run, &project, row.number)?;
    let sum = sums::of(tx, run, &project, row, sites)?;
    sums.push(sum.clone());
    let noise = sums::noise(tx, run, &project)?;
    let mut charged = row.number;
    for round in 1..=row.number {
        charged += session::spent_in_vain(tx, run.id, round)?;
    }
    let lineage = lineage(run, row, sites.len(), charged);
    let unusable = |source: anyhow::Error| TrainingError::Unusable { source: source.into() };
    let made = candidate(&start, &project, run, lineage, noise, &sums);
    let (candidate, next_head) = made.map_err(unusable)?;
    let candidate = bench.registry.register_successor(tx, &candidate, &project, now_unix_s)?;
    Ok(Outcome { sum, candidate, next_head })
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
    let Outcome { sum, candidate, next_head } =
        match outcome(tx, bench, run, &row, sites, now_unix_s) {
            Ok(outcome) => outcome,
            Err(error) if error.may_pass() => return Err(error),
            // What is wrong with the rows, the updates or the bundle is wrong each time.
            Err(error) => {
                let reason = format!("round {}: {}", row.number, explain(&error));
                return Ok(abandon(tx, run, row, &reason, now_unix_s)?);
            }
        };
    let number = row.number;
    let norm = Some(sum.norm());
    let sum = Some((sum.total, sum.parts));
    let closed = RoundRow { state: RoundState::Closed, bundle: Some(candidate), norm, sum, ..row };
    tx.close_round(run.id, &closed, sites)?;
    metrics::counter!("insitu_rounds_total", "outcome" => "closed").increment(1);
    tracing::info!(run = %run.id, round = number, sites = sites.len(), "round closed");
    evaluation::of_round(tx, bench, run, (number, candidate), now_unix_s)?;
    if number < run.rounds {
        return match open_round(tx, run, number + 1, next_head, now_unix_s)? {
            Ok(()) => Ok(()),
            Err(reason) => Ok(abandon(tx, run, newest(tx, run)?, &reason, now_unix_s)?),
        };
    }
    evaluation::conclude(tx, bench, run, candidate, now_unix_s)?;
    tracing::info!(run = %run.id, bundle = %candidate, "training run finished");
    Ok(tx.end_run(run.id, RunState::Finished, "", now_unix_s)?)
}

/// The candidate after so many rounds, and the head at which the next gradient is taken.
fn candidate(
    start: &Trainable,
    project: &Project,
    run: &RunRow,
    lineage: Sentence,
    noise: f64,
    sums: &[RoundSum],
) -> anyhow::Result<(Trainable, Vec<u8>)> {
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
pub(crate) mod tests;
