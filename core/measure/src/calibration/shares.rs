//! Calibrating a model by several annotators' answers instead of one right label.

use crate::input::{MeasureError, Undefined, same_length};
use crate::probabilities::{Probabilities, softmax};

/// Temperatures tried first; below 1 sharpens.
const COARSE: [f64; 9] = [0.1, 0.2, 0.5, 0.8, 1.0, 2.0, 3.0, 5.0, 8.0];
/// Parts into which the neighbours of the best are divided then.
const FINE: u32 = 4;
const PROBABILITY_MIN: f64 = 1e-30;

/// The temperature at which a model's probabilities come closest (in cross entropy) to shares of
/// annotators, and the probabilities at that temperature, row-major.
///
/// [`majority`](crate::consensus::majority) gives the shares. The search is in two steps over
/// [0.1, 8], as in cleanlab 2.9; that is coarse, and enough for weighing a model against people.
///
/// # Errors
/// [`MeasureError::Invalid`] if the shapes differ, [`Undefined::NoData`] without items.
///
/// ```
/// use insitu_measure::{Probabilities, calibration::temperature_for_shares};
///
/// let shares = Probabilities::new(2, &[1.0, 0.0, 0.5, 0.5])?;
/// let timid = Probabilities::new(2, &[0.6, 0.4, 0.5, 0.5])?;
/// let (temperature, sharper) = temperature_for_shares(shares, timid)?;
/// assert!(temperature < 0.2 && sharper[0] > 0.95);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
pub fn temperature_for_shares(
    shares: Probabilities<'_>,
    model: Probabilities<'_>,
) -> Result<(f64, Vec<f64>), MeasureError> {
    same_length("model categories", shares.categories(), model.categories())?;
    same_length("model items", shares.items(), model.items())?;
    if model.items() == 0 {
        return Err(Undefined::NoData.into());
    }
    let coarse = best(shares, model, &COARSE);
    let between =
        |low: f64, high: f64, step| low + (high - low) * f64::from(step) / f64::from(FINE);
    let mut fine = Vec::new();
    if let Some(before) = coarse.checked_sub(1) {
        fine.extend((0..FINE).map(|step| between(COARSE[before], COARSE[coarse], step)));
    }
    if let Some(&after) = COARSE.get(coarse + 1) {
        fine.extend((0..=FINE).map(|step| between(COARSE[coarse], after, step)));
    }
    let temperature = fine[best(shares, model, &fine)];
    Ok((temperature, model.rows().flat_map(|row| scaled(row, temperature)).collect()))
}

/// Position of the temperature of least cross entropy, the first of equals.
fn best(shares: Probabilities<'_>, model: Probabilities<'_>, temperatures: &[f64]) -> usize {
    let loss = |&temperature: &f64| -> f64 {
        let cross = |(shares, row): (&[f64], &[f64])| -> f64 {
            let logs = scaled(row, temperature).into_iter().map(|p| p.max(PROBABILITY_MIN).ln());
            shares.iter().zip(logs).map(|(share, log)| -share * log).sum()
        };
        shares.rows().zip(model.rows()).map(cross).sum()
    };
    let losses: Vec<f64> = temperatures.iter().map(loss).collect();
    (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap_or(0)
}

fn scaled(row: &[f64], temperature: f64) -> Vec<f64> {
    let mut logits: Vec<f64> =
        row.iter().map(|p| p.max(PROBABILITY_MIN).ln() / temperature).collect();
    softmax(&mut logits);
    logits
}
