//! From which confidence on a prelabel may pass without a person.
//!
//! Source: A. N. Angelopoulos, S. Bates, E. J. Candès, M. I. Jordan, L. Lei, *Learn then test:
//! calibrating predictive algorithms to achieve risk control* (2021), fixed-sequence testing.

use super::reliability::Bin;
use crate::input::{InvalidInput, same_length, within};
use crate::special;

/// What automatic acceptance must hold: the share of errors among accepted items stays at or
/// below `error_max`, with probability at least 1 − `failure_max` over the audited sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Risk {
    error_max: f64,
    failure_max: f64,
}

/// One threshold and what the audited items say about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AcceptStep {
    /// Items of at least this confidence are accepted.
    pub threshold: f64,
    /// Audited items that it accepts.
    pub accepted: u64,
    /// Errors among them.
    pub errors: u64,
    /// Probability of so few errors if the risk were above its bound.
    pub p: f64,
}

/// A threshold that holds the risk, and the tests that led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoAccept {
    /// Every threshold, strict to lax.
    pub steps: Vec<AcceptStep>,
    /// The laxest threshold that passed before the first failure; `None` if none did.
    pub chosen: Option<AcceptStep>,
    /// Share of audited items that the chosen threshold accepts, in [0, 1].
    pub coverage: f64,
}

impl Risk {
    /// Both in (0, 1).
    ///
    /// # Errors
    /// [`InvalidInput::Range`] otherwise.
    pub fn new(error_max: f64, failure_max: f64) -> Result<Self, InvalidInput> {
        let (least, most) = (f64::MIN_POSITIVE, 1.0 - f64::EPSILON);
        within("error_max", &[error_max], least, most)?;
        within("failure_max", &[failure_max], least, most)?;
        Ok(Self { error_max, failure_max })
    }

    /// Whether an audit with no error at all could pass with so many items accepted. It depends
    /// on confidences alone, so skipping such thresholds keeps the guarantee.
    #[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
    fn decidable(self, accepted: u64) -> bool {
        accepted as f64 * (-self.error_max).ln_1p() <= self.failure_max.ln()
    }
}

/// Chooses the threshold of automatic acceptance from audited items, whose prelabel a person
/// found correct or not.
///
/// Thresholds are tested from strict to lax; the first failure ends the search. Thresholds that
/// accept too few items to be decided even without errors are passed over.
///
/// # Errors
/// [`InvalidInput`] if the lengths differ, a confidence or threshold is outside [0, 1], or the
/// thresholds do not descend.
///
/// ```
/// use insitu_measure::calibration::{Risk, auto_accept};
///
/// let confidence: Vec<f64> = (0..1000).map(|i| f64::from(i) / 1000.0).collect();
/// let correct: Vec<bool> = (0..1000).map(|i| i >= 400).collect();
/// let accept = auto_accept(&confidence, &correct, &[0.9, 0.7, 0.5, 0.3], Risk::new(0.05, 0.05)?)?;
/// assert_eq!(accept.chosen.map(|step| step.accepted), Some(500));
/// # Ok::<(), insitu_measure::InvalidInput>(())
/// ```
#[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
pub fn auto_accept(
    confidence: &[f64],
    correct: &[bool],
    thresholds: &[f64],
    risk: Risk,
) -> Result<AutoAccept, InvalidInput> {
    same_length("correct", confidence.len(), correct.len())?;
    within("confidence", confidence, 0.0, 1.0)?;
    within("thresholds", thresholds, 0.0, 1.0)?;
    if let Some(at) = thresholds.windows(2).position(|pair| pair[0] <= pair[1]) {
        return Err(InvalidInput::Order { what: "thresholds", index: at + 1 });
    }
    // Items between one threshold and the next stricter one, counted in one pass.
    let mut counts = vec![(0_u64, 0_u64); thresholds.len()];
    for (confidence, correct) in confidence.iter().zip(correct) {
        let first = thresholds.partition_point(|threshold| threshold > confidence);
        if let Some((items, errors)) = counts.get_mut(first) {
            *items += 1;
            *errors += u64::from(!correct);
        }
    }
    let (mut accepted, mut errors) = (0, 0);
    let steps: Vec<AcceptStep> = thresholds
        .iter()
        .zip(counts)
        .map(|(&threshold, (items, wrong))| {
            accepted += items;
            errors += wrong;
            let p = special::binomial_cdf(errors, accepted, risk.error_max);
            AcceptStep { threshold, accepted, errors, p }
        })
        .collect();
    let tested = steps.iter().filter(|step| risk.decidable(step.accepted));
    let chosen = tested.take_while(|step| step.p <= risk.failure_max).last().copied();
    let coverage = chosen.map_or(0.0, |step| step.accepted as f64 / confidence.len().max(1) as f64);
    Ok(AutoAccept { steps, chosen, coverage })
}

/// The same from noised calibration bins: for each bin, strictest first, items and correct items,
/// each with Gaussian noise of standard deviation `noise`.
///
/// Returns the number of bins, from the strictest, that may be accepted. A tenth of the allowed
/// failure pays for the noise: with that probability at most, some sum of noised counts is
/// farther off than assumed. All else is as in [`auto_accept`].
///
/// # Errors
/// [`InvalidInput`] if a count or the noise is not finite, or the noise is negative.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are cut at 0 and stay far below 2^53"
)]
pub fn auto_accept_noised(bins: &[Bin], noise: f64, risk: Risk) -> Result<usize, InvalidInput> {
    within("noise", &[noise], 0.0, 1e15)?;
    let flat: Vec<f64> = bins.iter().flat_map(|bin| [bin.count, bin.correct]).collect();
    within("bins", &flat, -1e15, 1e15)?;
    // Two sums for each of the prefixes may stray; a union bound covers them all.
    let share = 0.1 * risk.failure_max / (2.0 * bins.len().max(1) as f64);
    let reach = -special::normal_quantile(share);
    let (mut items, mut errors, mut chosen) = (0.0, 0.0, 0);
    for (n, bin) in (1..).zip(bins) {
        items += bin.count;
        errors += bin.count - bin.correct;
        let deviation = noise * f64::from(n).sqrt();
        let items_least = (items - reach * deviation).max(0.0).floor() as u64;
        // A count less a correct count carries both noises.
        let errors_most =
            (errors + reach * deviation * std::f64::consts::SQRT_2).max(0.0).ceil() as u64;
        if !risk.decidable(items_least) {
            continue;
        }
        let p = special::binomial_cdf(errors_most, items_least, risk.error_max);
        if p > 0.9 * risk.failure_max {
            break;
        }
        chosen = n as usize;
    }
    Ok(chosen)
}

/// Clopper and Pearson's upper bound on a rate: `errors` of `trials` or fewer have probability
/// `failure` at it. 1 if all trials erred or there were none.
///
/// # Errors
/// [`InvalidInput`] if there are more errors than trials or `failure` is outside (0, 1).
///
/// # Source
/// C. J. Clopper, E. S. Pearson, *The use of confidence or fiducial limits illustrated in the
/// case of the binomial*, Biometrika 26 (1934).
#[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
pub fn clopper_pearson_upper(errors: u64, trials: u64, failure: f64) -> Result<f64, InvalidInput> {
    within("errors", &[errors as f64], 0.0, trials as f64)?;
    within("failure", &[failure], f64::MIN_POSITIVE, 1.0 - f64::EPSILON)?;
    if errors == trials {
        return Ok(1.0);
    }
    Ok(special::bisect(0.0, 1.0, |rate| special::binomial_cdf(errors, trials, rate) > failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_success_after_a_failure_is_not_taken() {
        // The strictest 100 items hold all errors; later ones would dilute them.
        let confidence: Vec<f64> = (0..2000).map(|i| 1.0 - f64::from(i) / 2000.0).collect();
        let correct: Vec<bool> = (0..2000).map(|i| i >= 20).collect();
        let risk = Risk::new(0.05, 0.05).unwrap();
        let accept = auto_accept(&confidence, &correct, &[0.95, 0.5, 0.0], risk).unwrap();
        assert!(accept.steps[2].p < 0.05);
        assert_eq!((accept.chosen, accept.coverage), (None, 0.0));
    }

    #[test]
    fn noised_bins_accept_less_than_exact_ones() {
        let bin = |count: f64, correct: f64| Bin { count, correct, confidence: 0.0 };
        let bins = [bin(2000.0, 2000.0), bin(1000.0, 995.0), bin(500.0, 300.0)];
        let risk = Risk::new(0.01, 0.05).unwrap();
        assert_eq!(auto_accept_noised(&bins, 0.0, risk), Ok(2));
        assert_eq!(auto_accept_noised(&bins, 10.0, risk), Ok(0));
        assert_eq!(auto_accept_noised(&[], 10.0, risk), Ok(0));
        assert!(auto_accept_noised(&bins, f64::NAN, risk).is_err());
    }

    #[test]
    fn bad_input_is_refused() {
        assert!(Risk::new(0.0, 0.5).is_err() && Risk::new(0.1, f64::NAN).is_err());
        let risk = Risk::new(0.1, 0.1).unwrap();
        assert!(auto_accept(&[0.5], &[], &[0.5], risk).is_err());
        assert!(auto_accept(&[0.5], &[true], &[0.5, 0.6], risk).is_err());
        assert!(clopper_pearson_upper(2, 1, 0.05).is_err());
        assert_eq!(clopper_pearson_upper(0, 0, 0.05), Ok(1.0));
    }
}
