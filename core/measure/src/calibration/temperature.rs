//! Temperature scaling.

use crate::input::{InvalidInput, MeasureError, Undefined, known, same_length, within};
use crate::probabilities::softmax;

/// Range in which the temperature is sought.
const TEMPERATURE: [f64; 2] = [1e-2, 1e2];
const STEPS_MAX: usize = 200;
/// Least temperature that logits are divided by; the greatest is its inverse.
const TEMPERATURE_MIN: f64 = 1e-12;

/// A borrowed table of finite logits, row-major, shape `[items, categories]`.
#[derive(Clone, Copy, Debug)]
pub struct Logits<'a> {
    categories: usize,
    values: &'a [f64],
}

impl<'a> Logits<'a> {
    /// Checks and wraps a table.
    ///
    /// # Errors
    /// [`InvalidInput`] if the length is no multiple of `categories` or a number is beyond ±1e6.
    pub fn new(categories: usize, values: &'a [f64]) -> Result<Self, InvalidInput> {
        let items = values.len().checked_div(categories).unwrap_or(0);
        same_length("logits", items * categories, values.len())?;
        within("logits", values, -1e6, 1e6)?;
        Ok(Self { categories, values })
    }

    /// Number of items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.values.len().checked_div(self.categories).unwrap_or(0)
    }

    /// Softmax of the logits divided by `temperature`, row-major.
    ///
    /// # Errors
    /// [`InvalidInput::Range`] if the temperature is not between 10⁻¹² and 10¹².
    pub fn probabilities(&self, temperature: f64) -> Result<Vec<f64>, InvalidInput> {
        check_temperature(temperature)?;
        let mut values: Vec<f64> = self.values.iter().map(|logit| logit / temperature).collect();
        values.chunks_exact_mut(self.categories.max(1)).for_each(softmax);
        Ok(values)
    }

    /// Mean negative log-likelihood of `labels` at `temperature`, in nats per item.
    ///
    /// # Errors
    /// [`InvalidInput`] if the labels do not fit the logits or the temperature is not between 10⁻¹²
    /// and 10¹², [`Undefined::NoData`] without items.
    pub fn loss(&self, labels: &[u32], temperature: f64) -> Result<f64, MeasureError> {
        self.check(labels)?;
        check_temperature(temperature)?;
        Ok(self.derivatives(labels, temperature.recip()).loss)
    }

    fn check(&self, labels: &[u32]) -> Result<(), MeasureError> {
        same_length("labels", self.items(), labels.len())?;
        known("labels", labels, self.categories)?;
        if labels.is_empty() { Err(Undefined::NoData.into()) } else { Ok(()) }
    }

    /// Mean loss and its derivatives by the inverse temperature, in which it is convex.
    #[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
    fn derivatives(&self, labels: &[u32], inverse: f64) -> Derivatives {
        let mut sums = Derivatives { loss: 0.0, first: 0.0, second: 0.0 };
        for (row, &label) in self.values.chunks_exact(self.categories).zip(labels) {
            let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let (mut mass, mut first, mut second) = (0.0, 0.0, 0.0);
            for logit in row {
                let below = logit - top;
                let weight = (below * inverse).exp();
                mass += weight;
                first += weight * below;
                second += weight * below * below;
            }
            let (mean, own) = (first / mass, row[label as usize] - top);
            sums.loss += mass.ln() - own * inverse;
            sums.first += mean - own;
            sums.second += second / mass - mean * mean;
        }
        let items = labels.len() as f64;
        Derivatives {
            loss: sums.loss / items,
            first: sums.first / items,
            second: sums.second / items,
        }
    }
}

fn check_temperature(temperature: f64) -> Result<(), InvalidInput> {
    within("temperature", &[temperature], TEMPERATURE_MIN, TEMPERATURE_MIN.recip())
}

struct Derivatives {
    loss: f64,
    first: f64,
    second: f64,
}

/// A fitted temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Temperature {
    /// Divide logits by this; above 1 the model was too sure of itself.
    pub value: f64,
    /// Mean negative log-likelihood before, in nats per item.
    pub loss_before: f64,
    /// Mean negative log-likelihood after.
    pub loss_after: f64,
}

/// The temperature in [0.01, 100] that makes `labels` most likely, to about 1e-10.
///
/// # Errors
/// [`InvalidInput`] if the labels do not fit the logits, [`Undefined::NoData`] without items,
/// [`Undefined::NoVariation`] if every temperature is equally good.
///
/// # Source
/// C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, *On calibration of modern neural networks* (2017).
///
/// ```
/// use insitu_measure::calibration::{Logits, fit_temperature};
///
/// // Two in three right at odds of e⁴: far too sure.
/// let logits = Logits::new(2, &[4.0, 0.0, 4.0, 0.0, 4.0, 0.0])?;
/// let fit = fit_temperature(logits, &[0, 0, 1])?;
/// assert!((fit.value - 4.0 / 2.0_f64.ln()).abs() < 1e-6);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
pub fn fit_temperature(logits: Logits<'_>, labels: &[u32]) -> Result<Temperature, MeasureError> {
    logits.check(labels)?;
    let loss_before = logits.derivatives(labels, 1.0).loss;
    // Newton's method in the inverse temperature, kept inside a bracket that always shrinks.
    let (mut low, mut high) = (TEMPERATURE[1].recip(), TEMPERATURE[0].recip());
    let mut inverse = 1.0;
    for _ in 0..STEPS_MAX {
        let at = logits.derivatives(labels, inverse);
        if at.first.abs() <= 0.0 && at.second <= 0.0 {
            return Err(Undefined::NoVariation.into());
        }
        if at.first > 0.0 {
            high = inverse
        } else {
            low = inverse
        }
        let step = inverse - at.first / at.second;
        let next = if step > low && step < high { step } else { 0.5 * (low + high) };
        let moved = (next - inverse).abs();
        inverse = next;
        if moved <= 1e-12 * inverse {
            break;
        }
    }
    let loss_after = logits.derivatives(labels, inverse).loss;
    Ok(Temperature { value: inverse.recip(), loss_before, loss_after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn always_right_ends_at_the_coldest() {
        let logits = Logits::new(2, &[1.0, 0.0, 0.0, 1.0]).unwrap();
        let fit = fit_temperature(logits, &[0, 1]).unwrap();
        assert!((fit.value - TEMPERATURE[0]).abs() < 1e-3, "{fit:?}");
    }

    #[test]
    fn equal_logits_say_nothing() {
        let logits = Logits::new(2, &[1.0, 1.0]).unwrap();
        assert_eq!(fit_temperature(logits, &[0]), Err(Undefined::NoVariation.into()));
        let none = Logits::new(2, &[]).unwrap();
        assert_eq!(fit_temperature(none, &[]), Err(Undefined::NoData.into()));
        assert!(Logits::new(2, &[f64::NAN, 0.0]).is_err());
    }
}
