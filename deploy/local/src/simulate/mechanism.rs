//! Alternatives to full-batch descent, for where rounds are scarce or data come in a stream.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use insitu_models::class_means;
use insitu_models::head::Head;
use insitu_models::schedule::Schedule;
use insitu_models::train::Descent;
use insitu_privacy::Rho;
use insitu_privacy::clip::{ClipShape, ClippedSum};
use insitu_privacy::correlated::{Bands, Decoder, Encoder};

use super::collect::Collector;
use super::training::{Items, Site, Trained, at_sites, count, in_ring, site_sum};
use crate::draws::Draws;

/// Batches of a pass, and bands of the noise.
const BATCHES: u32 = 10;
/// Passes over the data when nobody says how many rounds.
const PASSES: u32 = 4;

/// One round: the sum of features of each class, of which the head is made as in a real round.
///
/// # Errors
/// When a release fails.
pub(super) fn class_sums(
    items: &Items,
    sites: &[Site],
    first: &Head,
    collector: &mut Collector,
    mut measure: impl FnMut(u32, &Head) -> Result<f64>,
) -> Result<Trained> {
    let bits = class_means::FRACTION_BITS.into();
    let shape = ClipShape::new(first.weights().len(), class_means::CLIP, bits)?;
    let sums = at_sites(sites, |_, site| {
        let mut sum = ClippedSum::new(shape);
        for subject in site {
            let of_subject = subject.iter().map(|index| items.item(*index));
            sum.add(&class_means::of_subject(first.shape(), of_subject)?)?;
        }
        Ok(sum.values())
    })?;
    let exact: Vec<&[i64]> = sums.iter().map(Vec::as_slice).collect();
    let heard = collector.collect(&exact, shape.sensitivity(), collector.left())?;
    let mut total = vec![0_i64; first.weights().len()];
    for part in &heard {
        let part = in_ring(part)?;
        total.iter_mut().zip(part).for_each(|(total, value)| *total += i64::from(value));
    }
    let head = class_means::head(first.shape(), &total)?;
    let by_round = vec![measure(1, &head)?];
    Ok(Trained { head, rounds: 1, by_round })
}

/// DP-FTRL: each round is a step along one batch of subjects, with noise that is correlated across
/// the rounds of the run ([`insitu_privacy::correlated`]). Every pass has the same batches.
///
/// # Errors
/// When a release fails, or rounds are not whole passes.
pub(super) fn batches(
    items: &Items,
    sites: &[Site],
    first: &Head,
    (rounds, draws): (Option<u32>, Draws),
    collector: &mut Collector,
    mut measure: impl FnMut(u32, &Head) -> Result<f64>,
) -> Result<Trained> {
    let rounds = rounds.unwrap_or(BATCHES * PASSES);
    ensure!(
        rounds.is_multiple_of(BATCHES),
        "dp-ftrl takes whole passes of {BATCHES} rounds, not {rounds} rounds"
    );
    let passes = rounds / BATCHES;
    let subjects = count(sites, collector)?;
    let bands = Bands::new(usize::try_from(BATCHES)?)?;
    let schedule =
        Schedule::of_rounds(rounds, None, subjects / f64::from(BATCHES), first.shape().sharing());
    let fraction_bits = u32::from(schedule.fraction_bits);
    let shape = ClipShape::new(first.weights().len(), schedule.clip, fraction_bits)?;
    let sensitivity = bands.sensitivity(shape.sensitivity(), passes)?;
    let left: Option<Rho> = collector.left();
    let dimensions = shape.dimensions() * usize::try_from(rounds)?;
    let noise = collector.pay(sensitivity, left, dimensions)?;
    // The noise in a weight at the end is the step times that of the sum of all rounds.
    let rate = match left {
        None => schedule.learning_rate,
        Some(rho) => {
            let mu = collector.effective_mu(rho, sites.len());
            let unit = f64::from(fraction_bits + bands.bits()).exp2();
            let of_release = (sensitivity.get() as f64).sqrt() / mu / unit;
            let of_sum = of_release * bands.noise_of_sum(usize::try_from(rounds)?);
            schedule.learning_rate.min(Schedule::LOGIT_NOISE / of_sum)
        }
    };
    let members = members(sites, draws);
    let mut encoders = vec![Encoder::new(bands.clone()); sites.len()];
    let mut decoders: BTreeMap<usize, Decoder> = BTreeMap::new();
    let mut descent = Descent::new(first, rounds, rate, 0.0).averaging_last(schedule.averaged);
    let mut by_round = Vec::new();
    for round in 1..=rounds {
        let head = descent.head()?;
        let batch = (round - 1) % BATCHES;
        let sums = at_sites(sites, |at, site| {
            let of_batch = site.iter().zip(&members[at]).filter(|(_, of)| **of == batch);
            site_sum(items, of_batch.map(|(subject, _)| subject), &head, shape)
        })?;
        let rows: Vec<Vec<i64>> = encoders
            .iter_mut()
            .zip(sums)
            .map(|(e, sum)| e.encode(sum))
            .collect::<Result<_, _>>()?;
        let exact: Vec<&[i64]> = rows.iter().map(Vec::as_slice).collect();
        let mut total = vec![0.0; shape.dimensions()];
        for (at, row) in collector.hear(&exact, noise)?.iter().enumerate() {
            in_ring(row)?;
            let decoder = decoders.entry(at).or_insert_with(|| Decoder::new(bands.clone()));
            let sum = decoder.decode(row);
            total.iter_mut().zip(sum).for_each(|(total, value)| *total += value);
        }
        // Decoded sums are no integers: finer than the grid by as much as nobody sees.
        let total: Vec<i64> = total.iter().map(|value| finer(*value)).collect();
        descent.step_along(&total, 1, fraction_bits + FINER_BITS)?;
        by_round.push(measure(round, &descent.result()?)?);
    }
    Ok(Trained { head: descent.result()?, rounds, by_round })
}

/// Bits by which a decoded sum is finer than the grid.
const FINER_BITS: u32 = 10;

#[expect(clippy::cast_possible_truncation, reason = "sums of 32 bits, ten finer; saturates")]
fn finer(value: f64) -> i64 {
    (value * f64::from(FINER_BITS).exp2()).round() as i64
}

/// Batch of each subject of each site; it depends on nothing but the seed and the position.
fn members(sites: &[Site], draws: Draws) -> Vec<Vec<u32>> {
    let batch = |subject: &Vec<usize>| {
        let drawn = draws.bits("batch", &subject.first().copied().unwrap_or(0).to_string());
        u32::try_from(drawn % u64::from(BATCHES)).unwrap_or(0)
    };
    sites.iter().map(|site| site.iter().map(batch).collect()).collect()
}
