//! Whether a release has the form that its project fixes.

use insitu_privacy::{GaussianScale, Rho, SquaredSensitivity};
use insitu_protocol::ids::{Digest, RunId};
use insitu_protocol::order::EvaluationShape;
use insitu_protocol::project::Project;
use insitu_protocol::release::{Body, Release};
use insitu_protocol::response::Refusal;
use insitu_protocol::session::{Member, Purpose};

use crate::session::Sender;
use crate::session::vector::{self, Asked, Collected};
use crate::store::{RunRow, StoreError, Tx};

/// Most that one release may say it cost, nano-ρ: ρ = 4, the most that a project can ask for.
const NANO_RHO_MAX: u64 = 4_000_000_000;

/// Numbers in one campaign's answer.
const CAMPAIGN_VALUES: usize = 3;

/// Whether the price and the scale are such that an agent could have made it.
pub(super) fn is_priced(release: &Release) -> bool {
    (1..=NANO_RHO_MAX).contains(&release.nano_rho)
        && GaussianScale::from_steps(release.scale_1024).is_ok()
}

/// What a release that its site noises by itself costs by its project or its order, nano-ρ, and the
/// scale of the noise that follows, in 1/1024; `None` for one that others' noise goes into, or one of
/// an order that is not there. The scale is 0, which no release has, when none follows.
pub(crate) fn asked(
    tx: &Tx<'_>,
    body: &Body,
    project: &Project,
) -> Result<Option<(u64, u64)>, StoreError> {
    let of_window = |which: Collected| {
        let Asked { sensitivity, nano_rho, .. } = which.asked(project);
        Some((nano_rho, Some(sensitivity)))
    };
    let noised = match *body {
        Body::Update { run, .. } | Body::CoarseUpdate { run, .. } => of_update(tx, run)?,
        Body::Evaluation { evaluation } => tx
            .evaluation(evaluation)?
            .map(|row| (row.order.nano_rho, Some(vector::evaluation_sensitivity()))),
        Body::Campaign { campaign } => tx
            .campaign(campaign)?
            .map(|row| (row.order.nano_rho, Some(vector::campaign_sensitivity()))),
        Body::Confusion { .. } => of_window(Collected::Confusion),
        Body::Coincidence { .. } => of_window(Collected::Coincidence),
        Body::Calibration { .. } => of_window(Collected::Calibration),
        Body::Drift { .. } => of_window(Collected::Drift),
        Body::MaskedUpdate { .. }
        | Body::MaskedStatistics { .. }
        | Body::MaskedEvaluation { .. } => None,
    };
    Ok(noised.map(|(nano_rho, sensitivity)| {
        let scale =
            sensitivity.and_then(|of| GaussianScale::for_budget(of, Rho::from_nano(nano_rho)).ok());
        (nano_rho, scale.map_or(0, GaussianScale::steps))
    }))
}

/// What a run's update costs, nano-ρ, and D² of it; `None` when there is no such run.
fn of_update(
    tx: &Tx<'_>,
    run: RunId,
) -> Result<Option<(u64, Option<SquaredSensitivity>)>, StoreError> {
    let Some(run) = tx.run(run)? else { return Ok(None) };
    let project = tx.project_version(&run.project, run.project_version)?;
    let Some(project) = project else { return Ok(None) };
    Ok(Some((run.round_nano_rho, run.method.clipping(&project.training).sensitivity().ok())))
}

/// Checks a release against what it names: its project, campaign or run.
pub(super) fn check(
    tx: &Tx<'_>,
    sender: Sender<'_>,
    release: &Release,
) -> Result<Result<(), Refusal>, StoreError> {
    let Some(project) = tx.project_version(&release.project, release.project_version)? else {
        return Ok(Err(Refusal::UnknownProject));
    };
    // What noise is taken off, or allowed for, is what was asked for: its sender does not say it.
    if asked(tx, &release.body, &project)?
        .is_some_and(|asked| asked != (release.nano_rho, release.scale_1024))
    {
        return Ok(Err(Refusal::Malformed));
    }
    let values = match expected_values(tx, sender, release, &project)? {
        Ok(values) => values,
        Err(refusal) => return Ok(Err(refusal)),
    };
    Ok(if release.values.0.len() == values { Ok(()) } else { Err(Refusal::Malformed) })
}

fn expected_values(
    tx: &Tx<'_>,
    sender: Sender<'_>,
    release: &Release,
    project: &Project,
) -> Result<Result<usize, Refusal>, StoreError> {
    let windowed = |window: u32, which: Collected| {
        if window == 0 { Err(Refusal::Malformed) } else { Ok(which.asked(project).values) }
    };
    Ok(match release.body {
        Body::Confusion { window } => windowed(window, Collected::Confusion),
        Body::Coincidence { window } => windowed(window, Collected::Coincidence),
        Body::Calibration { window } => windowed(window, Collected::Calibration),
        Body::Drift { window } => windowed(window, Collected::Drift),
        Body::Campaign { campaign } => match tx.campaign(campaign)? {
            Some(row)
                if row.order.project == release.project
                    && tx.campaign_sites(campaign)?.contains(sender.site) =>
            {
                Ok(CAMPAIGN_VALUES)
            }
            Some(_) | None => Err(Refusal::UnknownObject),
        },
        Body::MaskedUpdate { run, round, session } => masked(tx, sender, session, |purpose| {
            matches!(purpose, Purpose::Update(order)
                if (order.run, order.round) == (run, round) && order.project == release.project)
        })?,
        Body::MaskedStatistics { window, session } => masked(tx, sender, session, |purpose| {
            window > 0
                && matches!(purpose, Purpose::Statistics { project, project_version, .. }
                    if (project, *project_version) == (&release.project, release.project_version))
        })?,
        Body::MaskedEvaluation { evaluation, session } => masked(tx, sender, session, |purpose| {
            matches!(purpose, Purpose::Evaluation(order)
                if order.evaluation == evaluation && order.project == release.project)
        })?,
        Body::Evaluation { evaluation } => match tx.evaluation(evaluation)? {
            Some(row)
                if (&row.order.project, row.order.project_version)
                    == (&release.project, release.project_version) =>
            {
                Ok(EvaluationShape::of(project).values())
            }
            Some(_) | None => Err(Refusal::UnknownObject),
        },
        Body::Update { run, round } => update(tx, release, (run, round, None))?,
        Body::CoarseUpdate { run, round, shift } => update(tx, release, (run, round, Some(shift)))?,
    })
}

/// Values of an update, when it has the form that its run asks for and is not too long. With the
/// run and the round comes the exponent of the step of one byte a coordinate.
fn update(
    tx: &Tx<'_>,
    release: &Release,
    (run, round, shift): (RunId, u32, Option<u8>),
) -> Result<Result<usize, Refusal>, StoreError> {
    let fits = |row: &RunRow| row.project == release.project && (1..=row.rounds).contains(&round);
    let Some(run) = tx.run(run)?.filter(fits) else { return Ok(Err(Refusal::UnknownObject)) };
    // Each round of a run has a head of the same shape.
    let Some(newest) = tx.newest_round(run.id)? else { return Ok(Err(Refusal::UnknownObject)) };
    let count = newest.parameters();
    let Some(coordinates) = release.coordinates(count) else { return Ok(Err(Refusal::Malformed)) };
    if shift.is_some() != run.method.coarse {
        return Ok(Err(Refusal::Malformed));
    }
    let Some(norm_max_milli) = run.method.norm_max_milli else {
        return Ok(Ok(release.values.0.len()));
    };
    let project = tx.project_version(&run.project, run.project_version)?;
    let Some(project) = project else { return Ok(Err(Refusal::UnknownObject)) };
    let grid = f64::from(run.method.clipping(&project.training).fraction_bits).exp2();
    let deviation =
        GaussianScale::from_steps(release.scale_1024).map_or(0.0, GaussianScale::as_f64);
    let step = f64::from(shift.unwrap_or(0)).exp2();
    let noise = (deviation.powi(2) + step.powi(2) / 12.0).sqrt();
    let limit = norm_with_noise(norm_max_milli as f64 / 1e3 * grid, noise, count as f64);
    let got = coordinates.iter().map(|value| (*value as f64).powi(2)).sum::<f64>().sqrt();
    let milli = |norm: f64| whole(norm / grid * 1e3);
    Ok(if got > limit {
        Err(Refusal::OverNorm { got_milli: milli(got), limit_milli: milli(limit) })
    } else {
        Ok(release.values.0.len())
    })
}

/// The norm that a vector of norm `norm` does not reach with noise of deviation `noise` in each of
/// `count` coordinates: the square has the mean norm² + count·noise² and the variance
/// 2·count·noise⁴ + 4·norm²·noise², and six deviations are left to it.
fn norm_with_noise(norm: f64, noise: f64, count: f64) -> f64 {
    let mean = norm.powi(2) + count * noise.powi(2);
    let variance = 2.0 * count * noise.powi(4) + 4.0 * (norm * noise).powi(2);
    (mean + 6.0 * variance.sqrt()).sqrt()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a norm, rounded")]
fn whole(norm: f64) -> u64 {
    norm.round() as u64
}

/// Values of a session's vector, when the session is the site's and what the release says it is.
fn masked(
    tx: &Tx<'_>,
    sender: Sender<'_>,
    session: Digest,
    is_for: impl FnOnce(&Purpose) -> bool,
) -> Result<Result<usize, Refusal>, StoreError> {
    let Some(row) = tx.session(session)? else { return Ok(Err(Refusal::UnknownSession)) };
    let is_its = |member: &Member| member.site == *sender.site;
    let fits = is_for(&row.order.purpose) && row.order.members.iter().any(is_its);
    Ok(if fits { Ok(vector::values(&row.order)) } else { Err(Refusal::UnknownSession) })
}
