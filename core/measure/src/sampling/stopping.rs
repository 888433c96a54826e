//! When to stop labeling: by hand or by machine, whichever reaches the target error cheaper.
//!
//! Source: H. Qiu, K. Chintalapudi, R. Govindan, *MCAL: minimum cost human-machine active
//! labeling* (2023), with the error of the machine's share as a truncated power law of the number
//! of labels.

use crate::input::{InvalidInput, MeasureError, Undefined, same_length, within};

/// Steps of the plan over what is left to label.
const STEPS: u32 = 1_000;

/// The error among the most confident share of items after training on n labels:
/// exp(`scale`) · n^(−`power`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorCurve {
    /// Share of items, most confident first, in (0, 1].
    pub share: f64,
    /// Logarithm of the error at one label.
    pub scale: f64,
    /// How fast the error falls; at least 0.
    pub power: f64,
}

/// What labeling costs, in any currency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// One label by hand.
    pub label: f64,
    /// One training.
    pub training: f64,
    /// Labels between two trainings, at least 1.
    pub batch: f64,
}

/// The cheapest way to label everything with an error at or below the target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Labels by hand for training, in all.
    pub train: f64,
    /// Items that the machine labels.
    pub machine: f64,
    /// Items left that people label after training.
    pub rest: f64,
    /// What is still to be paid.
    pub cost: f64,
}

impl ErrorCurve {
    /// Fits the curve of one share from errors seen at growing numbers of labels, by least squares
    /// in logarithms. An error of 0 counts as half an error in 1,000 items.
    ///
    /// # Errors
    /// [`InvalidInput`] if the lengths differ, a number of labels is below 1 or an error outside
    /// [0, 1]; [`Undefined`] with fewer than two different numbers of labels.
    pub fn fit(share: f64, labels: &[f64], errors: &[f64]) -> Result<Self, MeasureError> {
        within("share", &[share], f64::MIN_POSITIVE, 1.0)?;
        same_length("errors", labels.len(), errors.len())?;
        within("labels", labels, 1.0, 1e15)?;
        within("errors", errors, 0.0, 1.0)?;
        let logs = labels.iter().zip(errors).map(|(n, e)| (n.ln(), e.max(5e-4).ln()));
        let (mut count, mut x_sum, mut y_sum) = (0.0, 0.0, 0.0);
        for (x, y) in logs.clone() {
            count += 1.0;
            x_sum += x;
            y_sum += y;
        }
        let (x_mean, y_mean) = (x_sum / f64::max(count, 1.0), y_sum / f64::max(count, 1.0));
        let (mut xx, mut xy) = (0.0, 0.0);
        for (x, y) in logs {
            xx += (x - x_mean).powi(2);
            xy += (x - x_mean) * (y - y_mean);
        }
        if xx <= 0.0 {
            return Err(Undefined::NoVariation.into());
        }
        let power = (-xy / xx).max(0.0);
        Ok(Self { share, scale: y_mean + power * x_mean, power })
    }

    /// The error to expect after training on `labels` ≥ 1.
    #[must_use]
    pub fn error(&self, labels: f64) -> f64 {
        (self.scale - self.power * labels.max(1.0).ln()).exp().min(1.0)
    }
}

/// Plans the rest of `items` items, `labeled` of which are done, so that the error over all stays
/// at or below `error_max`; labels by hand count as right. The plan may be to label all by hand.
///
/// Ask again after every batch: the curves get better, and labeling stops when `train` is no more
/// than what is labeled.
///
/// # Errors
/// [`InvalidInput`] if a number is out of range.
///
/// ```
/// use insitu_measure::sampling::{Costs, ErrorCurve, plan};
///
/// let curve = ErrorCurve::fit(0.8, &[100.0, 400.0], &[0.08, 0.04])?;
/// let costs = Costs { label: 1.0, training: 5.0, batch: 100.0 };
/// let plan = plan(&[curve], 10_000.0, 400.0, 0.02, costs)?;
/// assert!(plan.machine > 7_000.0 && plan.cost < 3_000.0);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
pub fn plan(
    curves: &[ErrorCurve],
    items: f64,
    labeled: f64,
    error_max: f64,
    costs: Costs,
) -> Result<Plan, InvalidInput> {
    within("items", &[items], 1.0, 1e15)?;
    within("labeled", &[labeled], 0.0, items)?;
    within("error_max", &[error_max], 0.0, 1.0)?;
    within("costs", &[costs.label, costs.training], 0.0, 1e15)?;
    within("batch", &[costs.batch], 1.0, 1e15)?;
    let open = items - labeled;
    let mut best = Plan { train: labeled, machine: 0.0, rest: open, cost: open * costs.label };
    for step in 0..=STEPS {
        let more = open * f64::from(step) / f64::from(STEPS);
        let trainings = (more / costs.batch).ceil();
        for curve in curves {
            let machine = curve.share * (open - more);
            if machine * curve.error(labeled + more) > error_max * items {
                continue;
            }
            let rest = open - more - machine;
            let cost = (more + rest) * costs.label + trainings * costs.training;
            if cost < best.cost {
                best = Plan { train: labeled + more, machine, rest, cost };
            }
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs { label: 1.0, training: 10.0, batch: 50.0 };

    #[test]
    fn a_hopeless_machine_leaves_all_to_people() {
        let curve = ErrorCurve::fit(0.5, &[10.0, 100.0], &[0.5, 0.5]).unwrap();
        let plan = plan(&[curve], 1000.0, 100.0, 0.01, COSTS).unwrap();
        assert!(plan.machine < 1e-9 && (plan.cost - 900.0).abs() < 1e-9, "{plan:?}");
    }

    #[test]
    fn a_power_law_is_found_again() {
        let labels = [50.0, 100.0, 200.0, 400.0];
        let errors = labels.map(|n: f64| 2.0 * n.powf(-0.7));
        let curve = ErrorCurve::fit(1.0, &labels, &errors).unwrap();
        assert!((curve.power - 0.7).abs() < 1e-9 && (curve.scale - 2.0_f64.ln()).abs() < 1e-9);
        assert!(ErrorCurve::fit(1.0, &[5.0], &[0.1]).is_err());
    }
}
