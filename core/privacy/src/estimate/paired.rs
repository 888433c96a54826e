//! Two models on the same items: how right each is, and whether one is worse, from noised counts.

use super::{
    EstimateError, NoisedCounts, Proportion, Z_95, Z_95_ONE_SIDED, require, require_shape,
};

/// What a paired comparison says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Items, as far as the noise lets one know.
    pub n: f64,
    /// Share that the first model has right.
    pub first: Proportion,
    /// Share that the second model has right.
    pub second: Proportion,
    /// The second share less the first, in `[-1, 1]`.
    pub difference: f64,
    /// Standard deviation of the difference, sampling and noise included.
    pub deviation: f64,
    /// The difference lies above this with 95 % confidence: a one-sided bound.
    pub low: f64,
}

/// Compares two models by noised counts `[4]` of items that both have right, the first alone, the
/// second alone, neither; each counted in steps of `step`.
///
/// With N the total, b and c the second and third count, the difference is d = (c − b)/N. Sampling
/// gives it the variance of McNemar's table, ((b + c)/N − d²)/N; noise of variance v in each cell
/// gives it, by the delta method, v(2 + 4d²)/N². That both models saw the same items is why so few
/// items suffice: what both have right or wrong adds nothing to the variance.
///
/// # Errors
/// [`EstimateError::NotEnoughData`], [`EstimateError::Shape`].
///
/// # Source
/// Q. McNemar, *Note on the sampling error of the difference between correlated proportions*,
/// Psychometrika 12 (1947).
pub fn paired(counts: &NoisedCounts, step: u8) -> Result<Paired, EstimateError> {
    require_shape(counts, 4)?;
    let step = f64::from(step.max(1));
    let cells: Vec<f64> = counts.to_real().into_iter().map(|cell| cell / step).collect();
    let v = counts.variance() / (step * step);
    let n: f64 = cells.iter().sum();
    require(n, 4.0 * v)?;
    let difference = ((cells[2] - cells[1]) / n).clamp(-1.0, 1.0);
    let square = difference * difference;
    // Never below |d|, nor so low that noise hides that the models differ at all.
    let disagreement = ((cells[1] + cells[2] + 1.0) / n).clamp(difference.abs(), 1.0);
    let variance = (disagreement - square).max(0.0) / n + v * (2.0 + 4.0 * square) / (n * n);
    let deviation = variance.sqrt();
    Ok(Paired {
        n,
        first: share(cells[0] + cells[1], n, v),
        second: share(cells[0] + cells[2], n, v),
        difference,
        deviation,
        low: difference - Z_95_ONE_SIDED * deviation,
    })
}

/// Two of four cells over their total.
fn share(right: f64, n: f64, v: f64) -> Proportion {
    let value = (right / n).clamp(0.0, 1.0);
    let noise = 2.0 * v * ((1.0 - value).powi(2) + value * value);
    let reach = Z_95 * (value * (1.0 - value) / n + noise / (n * n)).sqrt();
    Proportion { value, low: (value - reach).max(0.0), high: (value + reach).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(cells: [i64; 4], variance: f64) -> NoisedCounts {
        NoisedCounts::with_variance(cells.to_vec(), variance).unwrap()
    }

    #[test]
    fn without_noise_it_is_mcnemars_table() {
        let found = paired(&counts([700, 40, 90, 170], 0.0), 1).unwrap();
        assert!((found.difference - 0.05).abs() < 1e-12);
        assert!((found.first.value - 0.74).abs() < 1e-12);
        assert!((found.second.value - 0.79).abs() < 1e-12);
        let variance: f64 = (0.131 - 0.0025) / 1000.0;
        assert!((found.deviation - variance.sqrt()).abs() < 1e-12);
        assert!(found.low > 0.03 && found.low < 0.05, "{}", found.low);
    }

    #[test]
    fn steps_divide_counts_and_noise() {
        let ones = paired(&counts([350, 20, 45, 85], 25.0), 1).unwrap();
        let twos = paired(&counts([700, 40, 90, 170], 100.0), 2).unwrap();
        assert_eq!(ones, twos);
        let exact = paired(&counts([350, 20, 45, 85], 0.0), 1).unwrap();
        assert!(ones.low < exact.low && ones.first.low < exact.first.low);
    }

    #[test]
    fn few_items_or_another_shape_say_nothing() {
        let few = paired(&counts([30, 1, 1, 10], 0.0), 1);
        assert_eq!(few, Err(EstimateError::NotEnoughData { n: 42, needed: 50 }));
        let noisy = paired(&counts([90, 1, 1, 10], 100.0), 1);
        assert_eq!(noisy, Err(EstimateError::NotEnoughData { n: 102, needed: 200 }));
        let short = NoisedCounts::with_variance(vec![100; 3], 0.0).unwrap();
        assert!(matches!(paired(&short, 1), Err(EstimateError::Shape { .. })));
    }

    /// Tables of a true difference of zero, with noise: the bound lies above it in at most about one
    /// of twenty.
    #[test]
    fn the_bound_covers_with_noise() {
        let mut state = 7_u64;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            f64::from(u32::try_from(state >> 32).unwrap()) / 4_294_967_296.0
        };
        let mut above = 0;
        for _ in 0..4000 {
            let mut cells = [0_i64; 4];
            for _ in 0..600 {
                let at = uniform();
                let cell = [0.7, 0.77, 0.84, 1.1].iter().position(|end| at < *end).unwrap();
                cells[cell] += 2;
            }
            for cell in &mut cells {
                // Twelve uniforms less six: normal enough, of deviation 1; times 12.
                let normal: f64 = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
                #[expect(clippy::cast_possible_truncation, reason = "a small number")]
                let noise = (12.0 * normal).round() as i64;
                *cell += noise;
            }
            above += u32::from(paired(&counts(cells, 144.1), 2).unwrap().low > 0.0);
        }
        assert!((120..=260).contains(&above), "{above} of 4000");
    }
}
