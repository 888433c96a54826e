//! How right two bundles are on what sites hold out of training, and whether one may take the other's
//! place.
//!
//! Sites answer with noised counts over the same items for both bundles, so that their difference is
//! known better than either's accuracy. A candidate passes when the difference, with sampling and
//! noise in it, lies above minus the evaluation's margin with 95 % confidence; the margin is fixed
//! when the evaluation starts. Where three sites or more answer alone it has to do so without any one
//! of them too: no site makes a candidate pass by itself.

use std::ops::Range;

use insitu_privacy::estimate::{EstimateError, NoisedCounts, Proportion, paired};
use insitu_protocol::ids::{Digest, EvaluationId, ProjectName, SiteName};
use insitu_protocol::order::{EVALUATION_STEP, EvaluationShape};
use insitu_protocol::project::Project;
use insitu_protocol::release::Body;
use jiff::Timestamp;
use serde::Serialize;

use crate::agreement::ReportError;
use crate::agreement::calibration::{self, CalibrationFigures, Share};
use crate::agreement::counts::{CountsError, Released, noised};
use crate::ledger::shown_epsilon;
use crate::round::report::RunReport;
use crate::session::vector;
use crate::store::{EvaluationRow, EvaluationState, Noise, Store, Tx};

/// An evaluation, for people and programs.
#[derive(Clone, Debug, Serialize)]
pub struct EvaluationReport {
    /// Its id.
    pub evaluation: EvaluationId,
    /// The project.
    pub project: ProjectName,
    /// The bundle in use.
    pub current: Digest,
    /// The bundle that may take its place.
    pub candidate: Digest,
    /// `open`, `finished` or `abandoned`.
    pub state: &'static str,
    /// Why it was abandoned.
    pub reason: Option<String>,
    /// When it started.
    pub started: Timestamp,
    /// `once for all sites`, or `per site, because …`.
    pub noise: String,
    /// What the answer cost each site, nano-ρ.
    pub nano_rho: u64,
    /// The same as ε.
    pub epsilon: f64,
    /// How much worse the candidate may be and still pass.
    pub margin: f64,
    /// Whether the candidate is published when it passes.
    pub promotes: bool,
    /// Whose answers are in it, by name.
    pub sites: Vec<SiteName>,
    /// What they say.
    pub figures: Figures,
}

/// What the answers say.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Figures {
    /// Enough.
    Known {
        /// Held-out items, as far as the noise lets one know.
        n: f64,
        /// The bundle in use.
        current: Box<Rightness>,
        /// The candidate.
        candidate: Box<Rightness>,
        /// The candidate's accuracy less that of the bundle in use.
        difference: f64,
        /// Standard deviation of the difference, sampling and noise included.
        deviation: f64,
        /// The difference lies above this with 95 % confidence; where three sites or more answered
        /// alone, whichever one of them is left out.
        low: f64,
        /// Whether that is enough.
        passes: bool,
    },
    /// Nothing yet, or not enough.
    Undefined {
        /// Why, in words.
        undefined: String,
    },
}

/// How right a bundle is.
#[derive(Clone, Debug, Serialize)]
pub struct Rightness {
    /// Share of held-out items that it labels right, with its 95 % interval.
    pub accuracy: Share,
    /// Whether its confidences come true.
    pub calibration: CalibrationFigures,
    /// Noised items by prelabel and label of record, row-major.
    pub confusion: Vec<i64>,
    /// Standard deviation of the noise in each of them.
    pub confusion_deviation: f64,
}

/// Whether a candidate may take the place of a bundle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// No evaluation compared the two.
    Missing,
    /// One does, and is not over.
    Open,
    /// Its answers are none, or not enough for their noise.
    Unknown,
    /// The candidate may be worse than is allowed.
    NotShown {
        /// Its accuracy less that of the bundle in use.
        difference: f64,
        /// With 95 % confidence the difference lies above this.
        low: f64,
        /// How far below zero that may be.
        margin: f64,
    },
    /// The candidate is not worse.
    Passes,
}

impl EvaluationReport {
    /// The candidate's accuracy, when it is known.
    pub fn accuracy(&self) -> Option<Share> {
        match &self.figures {
            Figures::Known { candidate, .. } => Some(candidate.accuracy),
            Figures::Undefined { .. } => None,
        }
    }
}

/// The evaluations of a project, or of all, oldest first.
///
/// # Errors
/// [`ReportError`].
pub fn report(
    store: &Store,
    project: Option<&ProjectName>,
) -> Result<Vec<EvaluationReport>, ReportError> {
    store.read("evaluations", |tx| {
        let mut rows = tx.evaluations()?;
        rows.retain(|row| project.is_none_or(|project| *project == row.order.project));
        rows.into_iter().map(|row| describe(tx, row)).collect()
    })
}

/// One evaluation; `None` when there is no such.
///
/// # Errors
/// [`ReportError`].
pub fn evaluation(
    store: &Store,
    id: EvaluationId,
) -> Result<Option<EvaluationReport>, ReportError> {
    store.read("evaluation", |tx| tx.evaluation(id)?.map(|row| describe(tx, row)).transpose())
}

/// The newest evaluation of the candidate of each round of a run, as far as there are any, in the
/// rounds' order.
///
/// # Errors
/// [`ReportError`].
pub fn of_run(store: &Store, run: &RunReport) -> Result<Vec<EvaluationReport>, ReportError> {
    store.read("evaluations_of_run", |tx| {
        let mut found = Vec::new();
        for id in run.rounds.iter().filter_map(|round| round.evaluation) {
            found.extend(tx.evaluation(id)?.map(|row| describe(tx, row)).transpose()?);
        }
        Ok(found)
    })
}

/// The evaluations of a candidate, oldest first.
///
/// # Errors
/// [`ReportError`].
pub fn of_candidate(tx: &Tx<'_>, candidate: Digest) -> Result<Vec<EvaluationReport>, ReportError> {
    let mut rows = tx.evaluations()?;
    rows.retain(|row| row.order.candidate.bundle == candidate);
    rows.into_iter().map(|row| describe(tx, row)).collect()
}

/// What the newest evaluation of a candidate against a bundle in use says.
///
/// # Errors
/// [`ReportError`].
pub fn verdict(tx: &Tx<'_>, current: Digest, candidate: Digest) -> Result<Verdict, ReportError> {
    let Some(row) = tx.newest_evaluation(candidate, Some(current))? else {
        return Ok(Verdict::Missing);
    };
    match row.state {
        EvaluationState::Open => return Ok(Verdict::Open),
        EvaluationState::Abandoned => return Ok(Verdict::Unknown),
        EvaluationState::Finished => {}
    }
    let margin = margin(&row);
    Ok(match describe(tx, row)?.figures {
        Figures::Undefined { .. } => Verdict::Unknown,
        Figures::Known { passes: true, .. } => Verdict::Passes,
        Figures::Known { difference, low, .. } => Verdict::NotShown { difference, low, margin },
    })
}

fn margin(row: &EvaluationRow) -> f64 {
    f64::from(row.margin_milli) / 1000.0
}

fn describe(tx: &Tx<'_>, row: EvaluationRow) -> Result<EvaluationReport, ReportError> {
    let order = &row.order;
    let unknown = || ReportError::UnknownProject { project: order.project.clone() };
    let project = tx.project_version(&order.project, order.project_version)?.ok_or_else(unknown)?;
    let (answers, sites) = answers(tx, &row, &project)?;
    let figures = match (row.state, answers) {
        (EvaluationState::Finished, Some(answers)) => figures(&project, &answers, margin(&row))?,
        (EvaluationState::Open, _) => undefined("sites may still answer"),
        (EvaluationState::Finished | EvaluationState::Abandoned, _) => undefined("nobody answered"),
    };
    Ok(EvaluationReport {
        evaluation: order.evaluation,
        project: project.name,
        current: order.current.bundle,
        candidate: order.candidate.bundle,
        state: row.state.name(),
        noise: match row.noise {
            Noise::Together => "once for all sites".to_owned(),
            Noise::Alone => format!("per site, because {}", row.noise_reason),
        },
        nano_rho: order.nano_rho,
        epsilon: shown_epsilon(order.nano_rho),
        margin: margin(&row),
        promotes: row.promotes,
        started: Timestamp::from_second(row.started_unix_s).unwrap_or(Timestamp::MAX),
        reason: Some(row.reason).filter(|reason| !reason.is_empty()),
        sites,
        figures,
    })
}

fn undefined(why: &str) -> Figures {
    Figures::Undefined { undefined: why.to_owned() }
}

/// What sites answered.
struct Answers {
    /// The sum.
    total: NoisedCounts,
    /// Each site's, where each has noise of its own.
    each: Vec<NoisedCounts>,
}

/// The answers, if there are any, and whose they are. Of what a site answered alone nothing counts once
/// it is no member any more.
fn answers(
    tx: &Tx<'_>,
    row: &EvaluationRow,
    project: &Project,
) -> Result<(Option<Answers>, Vec<SiteName>), ReportError> {
    let order = &row.order;
    if row.noise == Noise::Alone {
        let members = tx.still_members(tx.evaluation_sites(order.evaluation)?)?;
        let mut releases =
            tx.counted(&order.project, &Body::Evaluation { evaluation: order.evaluation })?;
        releases.retain(|release| members.contains(&release.site));
        let each = releases.iter().map(|release| noised(&release.release));
        let each = each.collect::<Result<Vec<_>, _>>().map_err(CountsError::from)?;
        let total = pooled(&each).map_err(CountsError::from)?;
        let sites = releases.into_iter().map(|release| release.site).collect();
        return Ok((total.map(|total| Answers { total, each }), sites));
    }
    let summed = tx.summed(order.evaluation, 0)?;
    let Some((session, sum)) = summed else { return Ok((None, Vec::new())) };
    let sites = session.survivors(&sum);
    let read = vector::evaluated(&session.order, project, &sum.sums, sites.len());
    let counts = read
        .map(|read| NoisedCounts::with_variance(read.counts, read.variance))
        .transpose()
        .map_err(CountsError::from)?;
    Ok((counts.map(|total| Answers { total, each: Vec::new() }), sites))
}

/// The sum of counts; `None` of none.
fn pooled<'a>(
    each: impl IntoIterator<Item = &'a NoisedCounts>,
) -> Result<Option<NoisedCounts>, EstimateError> {
    let mut each = each.into_iter();
    let Some(mut total) = each.next().cloned() else { return Ok(None) };
    each.try_for_each(|counts| total.pool(counts))?;
    Ok(Some(total))
}

/// Some of the cells.
fn cells(counts: &NoisedCounts, range: Range<usize>) -> Result<NoisedCounts, EstimateError> {
    let cells = counts.counts().get(range).unwrap_or_default().to_vec();
    NoisedCounts::with_variance(cells, counts.variance())
}

/// Of three tables or more: what the difference lies above with 95 % confidence by the others'
/// alone, whichever one is left out; 1 of fewer. By too few items it lies above −1, as any does.
fn low_without_one(each: &[NoisedCounts]) -> Result<f64, EstimateError> {
    let mut lowest: f64 = 1.0;
    if each.len() < 3 {
        return Ok(lowest);
    }
    for left_out in 0..each.len() {
        let others = each.iter().enumerate().filter(|(at, _)| *at != left_out);
        let Some(rest) = pooled(others.map(|(_, counts)| counts))? else { continue };
        lowest = lowest.min(match paired(&rest, EVALUATION_STEP) {
            Ok(found) => found.low,
            Err(EstimateError::NotEnoughData { .. }) => -1.0,
            Err(error) => return Err(error),
        });
    }
    Ok(lowest)
}

fn figures(project: &Project, answers: &Answers, margin: f64) -> Result<Figures, ReportError> {
    let shape = EvaluationShape::of(project);
    let counts = &answers.total;
    let part = |range| cells(counts, range).map_err(CountsError::from);
    let found = match paired(&part(shape.right())?, EVALUATION_STEP) {
        Ok(found) => found,
        Err(error @ EstimateError::NotEnoughData { .. }) => {
            return Ok(undefined(&error.to_string()));
        }
        Err(error) => return Err(CountsError::from(error).into()),
    };
    let right = answers.each.iter().map(|counts| cells(counts, shape.right()));
    let right = right.collect::<Result<Vec<_>, _>>().map_err(CountsError::from)?;
    let low = found.low.min(low_without_one(&right).map_err(CountsError::from)?);
    let rightness = |contender, Proportion { value, low, high }: Proportion| {
        let released = Released { windows: 1, counts: part(shape.calibration(contender))? };
        Ok::<_, ReportError>(Box::new(Rightness {
            accuracy: Share { value, low, high },
            calibration: calibration::figures(project, Some(&released)),
            confusion: part(shape.confusion(contender))?.counts().to_vec(),
            confusion_deviation: counts.variance().sqrt(),
        }))
    };
    Ok(Figures::Known {
        n: found.n,
        current: rightness(0, found.first)?,
        candidate: rightness(1, found.second)?,
        difference: found.difference,
        deviation: found.deviation,
        low,
        passes: low >= -margin,
    })
}
