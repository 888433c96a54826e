//! Binomial tails, and the exact interval of a proportion.

use super::BISECTIONS;

/// Bounds of an unknown probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// It is smaller than this with a chance of at most the error asked for.
    pub low: f64,
    /// It is larger than this with a chance of at most the error asked for.
    pub high: f64,
}

/// The exact interval for a probability of which `hits` of `trials` independent trials are known;
/// each end is wrong with a chance of at most `error`. `[0, 1]` without trials.
///
/// # Source
/// C. Clopper, E. Pearson, *The use of confidence or fiducial limits illustrated in the case of the
/// binomial*, Biometrika 26 (1934).
///
/// ```
/// # use insitu_privacy::audit::clopper_pearson;
/// let interval = clopper_pearson(0, 10, 0.025); // high is 1 - 0.025^(1/10)
/// assert!(interval.low == 0.0 && (interval.high - 0.308_497).abs() < 1e-6);
/// ```
pub fn clopper_pearson(hits: u64, trials: u64, error: f64) -> Interval {
    let low = if hits == 0 {
        0.0
    } else {
        // The smallest probability at which so many hits are not too surprising.
        crossing(|p| at_least(hits, trials, p) >= error).0
    };
    let high = if hits >= trials {
        1.0
    } else {
        crossing(|p| 1.0 - at_least(hits + 1, trials, p) < error).1
    };
    Interval { low, high }
}

/// P\[X ≥ `hits`\] of a Binomial(`trials`, `p`).
pub fn at_least(hits: u64, trials: u64, p: f64) -> f64 {
    if hits == 0 {
        return 1.0;
    }
    if hits > trials {
        return 0.0;
    }
    // The tail that lies beyond the mean is summed: its terms fall, and nothing cancels.
    if hits as f64 > trials as f64 * p {
        tail(hits, trials, p)
    } else {
        1.0 - tail(trials - hits + 1, trials, 1.0 - p)
    }
}

/// P\[X = `hits`\] of a Binomial(`trials`, `p`).
pub(super) fn probability(hits: u64, trials: u64, p: f64) -> f64 {
    if p <= 0.0 || p >= 1.0 {
        let certain = if p <= 0.0 { 0 } else { trials };
        return if hits == certain { 1.0 } else { 0.0 };
    }
    let (n, k) = (trials as f64, hits as f64);
    let choose = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
    (choose + k * p.ln() + (n - k) * (-p).ln_1p()).exp()
}

/// P\[X ≥ `hits`\] for `hits` above the mean.
fn tail(hits: u64, trials: u64, p: f64) -> f64 {
    let mut term = probability(hits, trials, p);
    let (mut sum, odds) = (term, p / (1.0 - p));
    for k in hits..trials {
        term *= (trials - k) as f64 / (k + 1) as f64 * odds;
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    sum.min(1.0)
}

/// Where `holds`, false at first and true from some probability on, begins to hold: a probability
/// just before, and one from which on it does.
fn crossing(holds: impl Fn(f64) -> bool) -> (f64, f64) {
    let (mut before, mut from) = (0.0, 1.0);
    for _ in 0..BISECTIONS {
        let middle = 0.5 * (before + from);
        if holds(middle) {
            from = middle;
        } else {
            before = middle;
        }
    }
    (before, from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_of_small_binomials_are_their_sums() {
        for trials in 0..12_u64 {
            for p in [0.0, 0.01, 0.3, 0.5, 0.9, 1.0] {
                for hits in 0..=trials + 1 {
                    let sum: f64 = (hits..=trials).map(|k| probability(k, trials, p)).sum();
                    assert!((at_least(hits, trials, p) - sum).abs() < 1e-12, "{hits} {trials} {p}");
                }
            }
        }
    }

    /// 5 of 10 and 1 of 100 stand in tables; the others come from exact sums of binomials.
    #[test]
    fn published_intervals() {
        for (hits, trials, error, low, high) in INTERVALS {
            let found = clopper_pearson(hits, trials, error);
            assert!((found.low - low).abs() < 1e-6 * low.max(1e-3), "{hits}/{trials}: {found:?}");
            assert!((found.high - high).abs() < 1e-6 * high, "{hits}/{trials}: {found:?}");
        }
        assert_eq!(clopper_pearson(0, 0, 0.025), Interval { low: 0.0, high: 1.0 });
    }
    /// Hits, trials, error; low, high.
    const INTERVALS: [(u64, u64, f64, f64, f64); 4] = [
        (5, 10, 0.025, 0.187_086_028, 0.812_913_972),
        (1, 100, 0.025, 0.000_253_146, 0.054_459_385),
        (37, 100, 0.005, 0.249_487_067, 0.503_241_203),
        (250, 800, 0.0005, 0.259_930_550, 0.368_650_698),
    ];
}
