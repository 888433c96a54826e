//! The schedule of a run whose operator leaves it to the product: rounds, step, clipping and averaging
//! from the run's budget and the number of subjects, as `insitu_models::schedule` finds them.
//!
//! The number is one that is no secret: the operator names a public one, or it is the sum of the
//! label counts that sites have released, noise and all. No round is spent on it, and none depends
//! on anything that was not paid for.

use insitu_daemon::telemetry::explain;
use insitu_models::robust::Rule;
use insitu_models::schedule::{Schedule, effective_mu};
use insitu_protocol::ids::SiteName;

use super::plan::{Ground, thousandths};
use super::{Plan, TrainingError};
use crate::agreement::counts;
use crate::session::cohort;
use crate::store::{Clipping, Method, SecureAggregation, Tuned, Tx};

/// A released total counts from so many deviations of its noise on.
const DEVIATIONS_MIN: f64 = 2.0;

/// Rounds and method of a run whose schedule is to be chosen, for so many `subjects` when the
/// operator says how many.
pub(super) fn chosen(
    tx: &Tx<'_>,
    plan: &Plan,
    ground: Ground<'_>,
    subjects: Option<u32>,
) -> Result<(u32, Method), TrainingError> {
    suits(&plan.method)?;
    let subjects = match subjects {
        Some(subjects) => f64::from(subjects),
        None => released(tx, plan, ground)?,
    };
    let (noisy_sites, parts) = noise(tx, plan, ground.sites)?;
    let rho = ground.project.training.run_nano_rho as f64 * 1e-9;
    let mu = Some(effective_mu(rho, noisy_sites, parts));
    let schedule = Schedule::auto(mu, subjects, ground.bundle.head().shape().sharing());
    let optimiser = plan.method.optimiser.unwrap_or_default();
    let (optimiser, step) = schedule.steps_along_mean(optimiser, mu, subjects, parts);
    let floor = optimiser.floor();
    let method = Method {
        optimiser: Some(optimiser),
        learning_rate: Some(step),
        clipping: Some(Clipping {
            clip_milli: thousandths(schedule.clip),
            fraction_bits: schedule.fraction_bits,
        }),
        tuned: Some(Tuned { averaged: schedule.averaged, floor, subjects }),
        ..plan.method
    };
    Ok((schedule.rounds, method))
}

/// Refuses what the schedule was not made for: it knows sums over all sites, and chooses their step.
fn suits(method: &Method) -> Result<(), TrainingError> {
    let refused = |what, reason| Err(TrainingError::Unsuited { what, with: AUTO, reason });
    if method.learning_rate.is_some() {
        return refused("--learning-rate", "the step is part of the schedule");
    }
    if method.buffering.is_some() {
        return refused("--buffer", "the schedule is one of rounds with every site");
    }
    if method.aggregation != Rule::Mean {
        return refused("--aggregation", "the schedule knows the noise of sums alone");
    }
    Ok(())
}

/// The option that asks for a schedule.
const AUTO: &str = "--rounds auto";

/// Labels that the invited sites have released counts of, one a subject in each window, as far as
/// the noise lets one know.
fn released(tx: &Tx<'_>, plan: &Plan, ground: Ground<'_>) -> Result<f64, TrainingError> {
    let Ground { project, sites, .. } = ground;
    let sources = counts::confusion(tx, project)?;
    let (mut total, mut variance, mut windows) = (0.0, 0.0, 0);
    for site in sources.sites.iter().filter(|known| sites.contains(&known.site)) {
        let (counted, noise) = site.released.counts.total();
        (total, variance) = (total + counted, variance + noise);
        windows += site.released.windows;
    }
    if let Some(together) = &sources.together {
        // Whose part is whose, nobody knows: where some sites are invited, they have their share.
        let share = match plan.sites {
            Some(_) => (sites.len() as f64 / together.sites_max.max(1) as f64).min(1.0),
            None => 1.0,
        };
        let (counted, noise) = together.released.counts.total();
        (total, variance) = (total + share * counted, variance + share * share * noise);
        windows += together.released.windows;
    }
    if windows == 0 {
        return Err(TrainingError::NoCount { project: project.name.clone() });
    }
    let deviation = variance.sqrt();
    if total < DEVIATIONS_MIN * deviation || total < 1.0 {
        return Err(TrainingError::TooFewLabels { total, deviation });
    }
    Ok(total)
}

/// Sites whose noise is certain to be in a round's sum, and sites in it, as rounds will be for all
/// that is known now.
fn noise(tx: &Tx<'_>, plan: &Plan, sites: &[SiteName]) -> Result<(usize, usize), TrainingError> {
    let alone = (1, sites.len());
    if plan.secure == SecureAggregation::Off || plan.method.needs_each_update().is_some() {
        return Ok(alone);
    }
    match cohort::choose(tx, sites, plan.colluders)? {
        Ok(cohort) => Ok((cohort.noisy_sites(), cohort.members.len())),
        Err(unfit) if plan.secure == SecureAggregation::On => {
            Err(TrainingError::Alone { reason: explain(&unfit) })
        }
        Err(_) => Ok(alone),
    }
}
