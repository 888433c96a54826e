//! Special functions of the distributions that the measures need.
//!
//! Source: W. H. Press et al., *Numerical Recipes* (2007), sections 6.2 and 6.4, for the
//! incomplete gamma and beta functions; `libm` for `lgamma` and `erfc`.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

const EPSILON: f64 = 1e-15;
/// Stands in for zero in Lentz' method.
const TINY: f64 = 1e-300;
/// Continued fractions converge in O(√n) steps; this serves n up to about 10¹².
const STEPS_MAX: u32 = 10_000_000;

/// Upper tail of the standard normal distribution, P(Z > z).
pub(crate) fn normal_sf(z: f64) -> f64 {
    0.5 * libm::erfc(z * FRAC_1_SQRT_2)
}

/// Quantile of the standard normal distribution for `p` in (0, 1).
///
/// Source: P. J. Acklam's rational approximation, with one step of Halley's method on `erfc`.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    const CENTRE: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const CENTRE_BELOW: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const TAIL: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const TAIL_BELOW: [f64; 4] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
    ];
    let horner = |c: &[f64], x: f64| c.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |q: f64| horner(&TAIL, q) / (horner(&TAIL_BELOW, q) * q + 1.0);
    let start = if p < 0.024_25 {
        tail((-2.0 * p.ln()).sqrt())
    } else if p > 1.0 - 0.024_25 {
        -tail((-2.0 * (-p).ln_1p()).sqrt())
    } else {
        let q = p - 0.5;
        let r = q * q;
        horner(&CENTRE, r) * q / (horner(&CENTRE_BELOW, r) * r + 1.0)
    };
    let error = normal_sf(-start) - p;
    let step = error * (2.0 * PI).sqrt() * (start * start / 2.0).exp();
    start - step / (1.0 + start * step / 2.0)
}

/// Upper tail of the χ² distribution.
pub(crate) fn chi_square_sf(statistic: f64, degrees: f64) -> f64 {
    gamma_q(degrees / 2.0, statistic / 2.0)
}

/// Regularised upper incomplete gamma function Q(a, x), `a` > 0, `x` ≥ 0.
fn gamma_q(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - libm::lgamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        for _ in 0..STEPS_MAX {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < sum * EPSILON {
                break;
            }
        }
        return 1.0 - front * sum;
    }
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / TINY, 1.0 / b);
    let mut h = d;
    for step in 1..STEPS_MAX {
        let i = f64::from(step);
        let an = -i * (i - a);
        b += 2.0;
        d = away_from_zero(an * d + b).recip();
        c = away_from_zero(b + an / c);
        let delta = d * c;
        h *= delta;
        if (delta - 1.0).abs() < EPSILON {
            break;
        }
    }
    front * h
}

/// Regularised incomplete beta function I_x(a, b), `a`, `b` > 0, `x` in [0, 1].
pub(crate) fn beta_inc(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let log_beta = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    let front = (a * x.ln() + b * (-x).ln_1p() - log_beta).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, 1.0 - x) / b
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = away_from_zero(1.0 - (a + b) * x / (a + 1.0)).recip();
    let mut h = d;
    for step in 1..STEPS_MAX {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = away_from_zero(1.0 + even * d).recip();
        c = away_from_zero(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = away_from_zero(1.0 + odd * d).recip();
        c = away_from_zero(1.0 + odd / c);
        let delta = d * c;
        h *= delta;
        if (delta - 1.0).abs() < EPSILON {
            break;
        }
    }
    h
}

fn away_from_zero(x: f64) -> f64 {
    if x.abs() < TINY { TINY } else { x }
}

/// P(X ≤ `successes`) for X binomial with `trials` and probability `p` in [0, 1].
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn binomial_cdf(successes: u64, trials: u64, p: f64) -> f64 {
    if successes >= trials {
        return 1.0;
    }
    if p <= 0.0 {
        return 1.0;
    }
    beta_inc((trials - successes) as f64, successes as f64 + 1.0, 1.0 - p)
}

/// Quantile of Student's t distribution with `degrees` of freedom for `p` in (0, 1).
pub(crate) fn student_quantile(p: f64, degrees: f64) -> f64 {
    // P(|T| > t) = I_x(ν/2, 1/2) with x = ν/(ν + t²), which grows with x: bisect in x.
    let tail = 2.0 * p.min(1.0 - p);
    let x = bisect(0.0, 1.0, |x| beta_inc(degrees / 2.0, 0.5, x) < tail);
    let t = (degrees * (1.0 - x) / x.max(f64::MIN_POSITIVE)).sqrt();
    if p < 0.5 { -t } else { t }
}

/// Derivative of ln Γ at `x` > 0.
///
/// Source: J. M. Bernardo, *Psi (digamma) function*, Appl. Stat. 25 (1976): recurrence up to 6,
/// then the asymptotic series.
pub(crate) fn digamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < 6.0 {
        below -= x.recip();
        x += 1.0;
    }
    let square = (x * x).recip();
    let series = [
        1.0 / 12.0,
        -1.0 / 120.0,
        1.0 / 252.0,
        -1.0 / 240.0,
        1.0 / 132.0,
        -691.0 / 32760.0,
        1.0 / 12.0,
    ];
    let tail = series.iter().rev().fold(0.0, |sum, term| (sum + term) * square);
    below + x.ln() - 0.5 / x - tail
}

/// The point between `low` and `high` where `below` turns false, to the last bit or so.
pub(crate) fn bisect(mut low: f64, mut high: f64, below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: f64, expected: f64) {
        let error = (value - expected).abs() / expected.abs().max(1e-300);
        assert!(error < 1e-11, "{value} is not {expected}: relative error {error}");
    }

    /// Expected values from scipy 1.12.
    #[test]
    fn match_scipy() {
        check(normal_quantile(0.975), 1.959_963_984_540_054);
        check(normal_quantile(1e-9), -5.997_807_015_007_686);
        check(chi_square_sf(7.289_519_187_545_09, 9.0), 0.607_004_182_282_277_7);
        check(chi_square_sf(100.0, 3.0), 1.554_159_431_389_604e-21);
        check(student_quantile(0.975, 7.0), 2.364_624_251_592_784_6);
        check(digamma(0.5), -1.963_510_026_021_423_5);
        check(digamma(10.5), 2.303_001_034_297_669);
        check(binomial_cdf(8, 1783, 0.01), 0.007_574_756_632_975_567);
    }
}
