//! One estimate from several sites, with what differs between them.

use super::confusion::Interval;
use crate::input::{MeasureError, Undefined, same_length, within};
use crate::special;

/// Limits within which no square of an estimate and no square of a weight overflows.
const ESTIMATE_MAX: f64 = 1e100;
const VARIANCE_MIN: f64 = 1e-100;
const VARIANCE_MAX: f64 = 1e100;

/// How the variance between sites, τ², is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heterogeneity {
    /// R. DerSimonian, N. Laird, *Meta-analysis in clinical trials*, Control. Clin. Trials 7 (1986).
    DerSimonianLaird,
    /// R. C. Paule, J. Mandel, *Consensus values and weighting factors*, J. Res. NBS 87 (1982).
    PauleMandel,
}

/// An estimate over sites.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pooled {
    /// Weighted mean.
    pub mean: f64,
    /// Standard error by the sum of weights.
    pub se: f64,
    /// Standard error by Hartung and Knapp, for [`Interval::student`] with `sites` − 1 degrees.
    /// `None` for a single site.
    pub se_hartung_knapp: Option<f64>,
    /// Variance between sites that the weights contain.
    pub tau2: f64,
    /// Cochran's Q, from fixed-effect weights.
    pub q: f64,
    /// Share of the variation that is between sites, (Q − (k−1))/Q; negative when the sites
    /// differ less than their errors say. `None` if Q is 0.
    pub i2: Option<f64>,
    /// Number of sites.
    pub sites: usize,
}

impl Pooled {
    /// Hartung and Knapp's interval at confidence `level` in (0, 1); `None` for a single site.
    ///
    /// # Source
    /// G. Knapp, J. Hartung, *Improved tests for a random effects meta-regression with a single
    /// covariate*, Stat. Med. 22 (2003).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "sites stay far below 2^53")]
    pub fn interval(&self, level: f64) -> Option<Interval> {
        let degrees = self.sites.checked_sub(1).filter(|&d| d > 0)? as f64;
        Some(Interval::student(self.mean, self.se_hartung_knapp?, degrees, level))
    }
}

/// Random-effects mean of `estimates` with sampling variances `variances`, τ² not below 0.
///
/// # Errors
/// [`MeasureError::Invalid`] if the lengths differ, an estimate is beyond ±10¹⁰⁰ or a variance is
/// not from 10⁻¹⁰⁰ to 10¹⁰⁰; [`Undefined`] without estimates.
///
/// ```
/// use insitu_measure::agreement::{Heterogeneity, random_effects};
///
/// let sites = random_effects(&[0.53, 0.69], &[0.0038, 0.0040], Heterogeneity::PauleMandel)?;
/// assert!((sites.mean - 0.61).abs() < 0.01 && sites.tau2 > 0.0);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
pub fn random_effects(
    estimates: &[f64],
    variances: &[f64],
    method: Heterogeneity,
) -> Result<Pooled, MeasureError> {
    let tau2 = match method {
        Heterogeneity::DerSimonianLaird => der_simonian_laird(estimates, variances)?.max(0.0),
        Heterogeneity::PauleMandel => paule_mandel(estimates, variances)?,
    };
    pooled_at(tau2, estimates, variances)
}

/// The weighted mean of `estimates` for a given variance between sites; 0 is the fixed effect.
///
/// `tau2` may be a negative moment estimate as long as every variance plus `tau2` is positive.
///
/// # Errors
/// As [`random_effects`].
#[expect(clippy::cast_precision_loss, reason = "sites stay far below 2^53")]
pub fn pooled_at(tau2: f64, estimates: &[f64], variances: &[f64]) -> Result<Pooled, MeasureError> {
    check(estimates, variances)?;
    let total: Vec<f64> = variances.iter().map(|variance| variance + tau2).collect();
    within("variances plus tau2", &total, VARIANCE_MIN, f64::MAX)?;
    let (mean, sum, spread) = weighted(estimates, &total);
    let q = weighted(estimates, variances).2;
    let free = estimates.len() as f64 - 1.0;
    Ok(Pooled {
        mean,
        se: sum.recip().sqrt(),
        se_hartung_knapp: (free > 0.0).then(|| (spread / free / sum).sqrt()),
        tau2,
        q,
        i2: (q > 0.0).then(|| (q - free) / q),
        sites: estimates.len(),
    })
}

/// DerSimonian and Laird's moment estimate of τ². It may be negative.
///
/// # Errors
/// As [`random_effects`]; [`Undefined::TooFew`] for a single site.
#[expect(clippy::cast_precision_loss, reason = "sites stay far below 2^53")]
pub fn der_simonian_laird(estimates: &[f64], variances: &[f64]) -> Result<f64, MeasureError> {
    check(estimates, variances)?;
    two_sites(estimates)?;
    let (_, sum, q) = weighted(estimates, variances);
    let squares: f64 = variances.iter().map(|variance| variance.powi(-2)).sum();
    Ok((q - (estimates.len() as f64 - 1.0)) / (sum - squares / sum))
}

/// Paule and Mandel's τ²: the one at which the weighted spread is as large as expected; 0 if
/// the spread is smaller even at 0.
///
/// # Errors
/// As [`random_effects`]; [`Undefined::TooFew`] for a single site.
#[expect(clippy::cast_precision_loss, reason = "sites stay far below 2^53")]
pub fn paule_mandel(estimates: &[f64], variances: &[f64]) -> Result<f64, MeasureError> {
    check(estimates, variances)?;
    two_sites(estimates)?;
    let free = estimates.len() as f64 - 1.0;
    let spread = |tau2: f64| {
        let total: Vec<f64> = variances.iter().map(|variance| variance + tau2).collect();
        weighted(estimates, &total).2
    };
    if spread(0.0) <= free {
        return Ok(0.0);
    }
    // The spread falls with τ²: at the squared range of the estimates it is below k − 1.
    let (low, high) = estimates
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), e| (low.min(*e), high.max(*e)));
    Ok(special::bisect(0.0, (high - low).powi(2), |tau2| spread(tau2) > free))
}

fn check(estimates: &[f64], variances: &[f64]) -> Result<(), MeasureError> {
    same_length("variances", estimates.len(), variances.len())?;
    within("estimates", estimates, -ESTIMATE_MAX, ESTIMATE_MAX)?;
    within("variances", variances, VARIANCE_MIN, VARIANCE_MAX)?;
    if estimates.is_empty() { Err(Undefined::NoData.into()) } else { Ok(()) }
}

fn two_sites(estimates: &[f64]) -> Result<(), Undefined> {
    if estimates.len() < 2 {
        return Err(Undefined::TooFew { what: "sites", found: estimates.len(), needed: 2 });
    }
    Ok(())
}

/// Mean, sum of weights and weighted squared spread, with weights 1/variance.
fn weighted(estimates: &[f64], variances: &[f64]) -> (f64, f64, f64) {
    let sum: f64 = variances.iter().map(|variance| variance.recip()).sum();
    let mean = estimates.iter().zip(variances).map(|(e, v)| e / v).sum::<f64>() / sum;
    let spread = estimates.iter().zip(variances).map(|(e, v)| (e - mean).powi(2) / v).sum();
    (mean, sum, spread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::InvalidInput;

    #[test]
    fn one_site_is_itself_without_heterogeneity() {
        let alone = pooled_at(0.0, &[0.5], &[0.01]).unwrap();
        assert_eq!((alone.mean, alone.se_hartung_knapp), (0.5, None));
        assert_eq!(alone.interval(0.95), None);
        let refused = random_effects(&[0.5], &[0.01], Heterogeneity::DerSimonianLaird);
        assert!(matches!(refused, Err(MeasureError::Undefined(Undefined::TooFew { .. }))));
    }

    #[test]
    fn a_perfect_site_has_no_variance_and_is_refused() {
        let refused = random_effects(&[1.0, 0.5], &[0.0, 0.01], Heterogeneity::PauleMandel);
        assert!(matches!(refused, Err(MeasureError::Invalid(InvalidInput::Range { .. }))));
    }

    #[test]
    fn numbers_whose_squares_overflow_are_refused() {
        assert!(der_simonian_laird(&[0.0, 1e308], &[0.4, 0.4]).is_err());
        assert!(der_simonian_laird(&[0.0, 1.0], &[1e-300, 1e-300]).is_err());
    }

    #[test]
    fn paule_mandel_makes_the_spread_as_expected() {
        let (estimates, variances) = ([0.2, 0.5, 0.9], [0.01, 0.02, 0.01]);
        let tau2 = paule_mandel(&estimates, &variances).unwrap();
        let total = variances.map(|variance| variance + tau2);
        assert!((weighted(&estimates, &total).2 - 2.0).abs() < 1e-9);
    }
}
