//! Ranges of numbers that nobody knows publicly, found under privacy and charged.
//!
//! Every record counts once in each column's histogram over powers of two, negative and positive;
//! the histograms of all columns are one release. A range goes from the lowest to the highest bin
//! that holds more than noise would put there.

use anyhow::Result;
use insitu_privacy::{Rho, SquaredSensitivity};

use super::collect::Collector;

/// Bins are 2^(−EXPONENT) to 2^EXPONENT; what is smaller is zero, what is larger counts as largest.
const EXPONENT: i32 = 30;
/// Bins of each sign.
const BINS: usize = 2 * EXPONENT as usize + 1;
/// Bins of a column: negative, zero, positive.
const WIDTH: usize = 2 * BINS + 1;
/// A count is 2^12 grid steps, so that shares of the noise are not too fine.
const STEP: i64 = 1 << 12;
/// Chance that any bin of all columns counts though it holds nothing but noise: one far off would
/// make its column's range useless.
const MISTAKEN: f64 = 1e-4;

/// The range of each column: `sites` has for each site its records, `[record][column]`.
///
/// A column of which nothing rises above the noise gets `[−1, 1]`.
///
/// # Errors
/// When the release fails.
pub(crate) fn find(
    collector: &mut Collector,
    sites: &[Vec<Vec<Option<f64>>>],
    columns: usize,
    rho: Option<Rho>,
) -> Result<Vec<[f64; 2]>> {
    let counts: Vec<Vec<i64>> = sites.iter().map(|records| count(records, columns)).collect();
    let counts: Vec<&[i64]> = counts.iter().map(Vec::as_slice).collect();
    // A record adds STEP to one bin of each column.
    let squared = STEP.unsigned_abs().pow(2) * columns as u64;
    let released = collector.collect(&counts, SquaredSensitivity::new(squared), rho)?;
    let total = |bin: usize| released.iter().map(|site| site[bin]).sum::<i64>() as f64;
    let deviation =
        rho.map_or(0.0, |rho| (squared as f64).sqrt() / collector.effective_mu(rho, sites.len()));
    // A Gaussian tail is below exp(−t²/2), and there is one for each bin. No bin without a record.
    let deviations = (2.0 * ((columns * WIDTH) as f64 / MISTAKEN).ln()).sqrt();
    let least = (deviations * deviation).max(STEP as f64 / 2.0);
    Ok((0..columns)
        .map(|column| {
            let full: Vec<usize> =
                (0..WIDTH).filter(|bin| total(column * WIDTH + bin) > least).collect();
            match (full.first(), full.last()) {
                (Some(first), Some(last)) => [edges(*first)[0], edges(*last)[1]],
                _ => [-1.0, 1.0],
            }
        })
        .map(|[low, high]| if low < high { [low, high] } else { [low - 1.0, high + 1.0] })
        .collect())
}

fn count(records: &[Vec<Option<f64>>], columns: usize) -> Vec<i64> {
    let mut counts = vec![0; columns * WIDTH];
    for record in records {
        for (column, value) in record.iter().enumerate() {
            if let Some(value) = value {
                counts[column * WIDTH + bin(*value)] += STEP;
            }
        }
    }
    counts
}

/// From 0, the most negative, over [`BINS`], which is zero.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within 0 to 2 * EXPONENT after the clamp"
)]
fn bin(value: f64) -> usize {
    let magnitude = value.abs();
    if magnitude < 2.0_f64.powi(-EXPONENT) {
        return BINS;
    }
    let exponent = magnitude.log2().floor().clamp(f64::from(-EXPONENT), f64::from(EXPONENT));
    let step = (exponent as i32 + EXPONENT) as usize;
    if value > 0.0 { BINS + 1 + step } else { BINS - 1 - step }
}

/// Lowest and highest value of a bin.
fn edges(bin: usize) -> [f64; 2] {
    let power = |step: usize| 2.0_f64.powf(step as f64 - f64::from(EXPONENT));
    match bin.checked_sub(BINS) {
        Some(0) => [0.0, 0.0],
        Some(above) => [power(above - 1), power(above)],
        None => [-power(BINS - bin), -power(BINS - 1 - bin)],
    }
}

#[cfg(test)]
mod tests {
    use insitu_privacy::{Delta, Epsilon};

    use super::super::collect::Aggregation;
    use super::*;

    #[test]
    fn a_value_lies_in_its_bin() {
        for value in [1e-12, 0.0, -3.0, 0.75, 1.0, 100.0, -1e-5, 9e8, -9e8] {
            let [low, high] = edges(bin(value));
            assert!(low - 1e-9 <= value && value <= high + 1e-9, "{value}: {low} {high}");
        }
        assert_eq!((bin(f64::MAX), bin(f64::MIN)), (WIDTH - 1, 0));
    }

    #[test]
    fn ranges_hold_the_bulk_with_and_without_noise() {
        let record = |n: usize| vec![Some(40.0 + (n % 50) as f64), Some(-0.5), None, Some(0.0)];
        let sites: Vec<Vec<_>> = vec![(0..500).map(record).collect(); 4];
        let limit = (Epsilon::new(1.0).unwrap(), Delta::new(1e-6).unwrap());
        for limit in [None, Some(limit)] {
            let mut collector = Collector::new(Aggregation::Secure { noisy_sites: 4 }, limit);
            let rho = collector.share(25);
            let ranges = find(&mut collector, &sites, 4, rho).unwrap();
            let powers = |range: [f64; 2]| range.map(|edge| format!("{edge}"));
            assert_eq!(powers(ranges[0]), ["32", "128"]);
            assert_eq!(powers(ranges[1]), ["-1", "-0.5"]);
            assert_eq!(powers(ranges[2]), ["-1", "1"]);
            assert_eq!(powers(ranges[3]), ["-1", "1"]);
        }
    }
}
