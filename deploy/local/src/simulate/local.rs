//! `FedAvg` with several steps at each site, and `FedProx`: for comparison, without noise.
//!
//! After the first local step a site's head depends on all of its subjects at once, so no subject's
//! part in the update can be clipped: there is no privacy for a subject that the product could
//! account for, and it does not train so.

use anyhow::Result;
use insitu_models::head::Head;
use insitu_models::personal;
use insitu_models::schedule::{ROUNDS_MAX, Schedule};
use insitu_models::train::Descent;
use insitu_privacy::SquaredSensitivity;

use super::collect::Collector;
use super::training::{Items, Plan, Site, Trained, at_sites};

/// Bits after the point of an update.
const FRACTION_BITS: u32 = 20;

/// Trains from `first`: each site takes steps of its own, the coordinator one along the mean over
/// subjects of where they went.
///
/// # Errors
/// When an item does not fit the head, or an update does not fit 64 bits.
pub(super) fn train(
    items: &Items,
    sites: &[Site],
    first: &Head,
    (plan, subjects): (&Plan, f64),
    collector: &mut Collector,
    mut measure: impl FnMut(u32, &Head) -> Result<f64>,
) -> Result<Trained> {
    let rounds = plan.rounds.unwrap_or(ROUNDS_MAX);
    let releases = collector.releases(sites.len()) as f64;
    let (optimiser, rate) = Schedule::of_updates(plan.optimiser, rounds);
    let (optimiser, rate) = match optimiser.floor() {
        Some(floor) => (optimiser.with_floor(floor * subjects / releases), rate),
        None => (optimiser, rate * releases / subjects),
    };
    let mut descent = Descent::new(first, rounds, rate, 0.0).using(optimiser).averaging_last(1);
    let mut by_round = Vec::new();
    for round in 1..=rounds {
        let head = descent.head()?;
        let updates = at_sites(sites, |_, site| update(items, site, &head, plan))?;
        let exact: Vec<&[i64]> = updates.iter().map(Vec::as_slice).collect();
        let heard = collector.collect(&exact, SquaredSensitivity::new(0), None)?;
        let mut total = vec![0_i64; first.weights().len()];
        for update in &heard {
            total.iter_mut().zip(update).for_each(|(total, value)| *total += value);
        }
        descent.step_along(&total, heard.len(), FRACTION_BITS)?;
        by_round.push(measure(round, &descent.result()?)?);
    }
    Ok(Trained { head: descent.result()?, rounds, by_round })
}

/// Where a site comes from, less where it went, times its subjects.
#[expect(clippy::cast_possible_truncation, reason = "saturates; weights are f32 of a few units")]
fn update(items: &Items, site: &Site, head: &Head, plan: &Plan) -> Result<Vec<i64>> {
    let own: Vec<_> = site.iter().flatten().map(|index| items.item(*index)).collect();
    let went = personal::fit(head, &own, plan.local_steps, plan.proximal)?;
    let unit = site.len() as f64 * f64::from(FRACTION_BITS).exp2();
    let pairs = head.weights().iter().zip(went.weights());
    Ok(pairs.map(|(from, to)| ((f64::from(*from) - f64::from(*to)) * unit) as i64).collect())
}
