//! The noise against the distribution it claims. The generator is the real one, so each test can
//! raise a false alarm: with probability at most 10⁻⁹ for each of the statistics checked, some
//! seventy in this file, so below 10⁻⁷ for a run. Planted faults must be caught by the same checks.
#![allow(clippy::unwrap_used, reason = "a test")]

use insitu_privacy::audit::Fit;
use insitu_privacy::{GaussianScale, add_noise};

/// Negative logarithm of the false-alarm probability of each check: ln 10⁹.
const ALARM: f64 = 20.73;
/// Two-sided normal quantile for the same probability.
const ALARM_Z: f64 = 6.11;
const DRAWS: usize = 400_000;
/// Values of a call that is left to opendp.
const FEW: usize = 2_000;

fn draw(steps: u64, count: usize) -> Vec<i64> {
    add_noise(&vec![0; count], GaussianScale::from_steps(steps).unwrap()).unwrap()
}

/// Drawn by opendp, as all calls of so few values are.
fn draw_few_at_once(steps: u64, count: usize) -> Vec<i64> {
    let calls = std::iter::repeat_with(|| draw(steps, FEW)).take(count.div_ceil(FEW));
    calls.flatten().collect()
}

/// χ² of the draws against the discrete Gaussian of this scale, over bins of about equal
/// probability, and the value it exceeds with probability at most 10⁻⁹: k + 2√(kx) + 2x (Laurent,
/// Massart 2000, lemma 1). Bins expect at least 50 draws, so χ² is close to its limit.
fn chi_square(draws: &[i64], scale: f64) -> (f64, f64) {
    #[expect(clippy::cast_possible_truncation, reason = "scales of this test are small")]
    let reach = (12.0 * scale).ceil() as i64 + 2;
    let weight = |x: i64| (-((x * x) as f64) / (2.0 * scale * scale)).exp();
    let mass: f64 = (-reach..=reach).map(weight).sum();
    let n = draws.len() as f64;
    let (mut bins, mut edges, mut sum) = (Vec::new(), Vec::new(), 0.0);
    for x in -reach..=reach {
        sum += weight(x) / mass * n;
        if sum >= n / 60.0 {
            bins.push(sum);
            edges.push(x);
            sum = 0.0;
        }
    }
    *bins.last_mut().unwrap() += sum;
    *edges.last_mut().unwrap() = i64::MAX;
    let mut seen = vec![0.0; bins.len()];
    for value in draws {
        seen[edges.partition_point(|edge| edge < value)] += 1.0;
    }
    let statistic = seen.iter().zip(&bins).map(|(o, e): (&f64, &f64)| (o - e).powi(2) / e).sum();
    let k = bins.len() as f64 - 1.0;
    (statistic, k + 2.0 * (k * ALARM).sqrt() + 2.0 * ALARM)
}

/// In 1/1024: below, at and between whole numbers, as statistics and as head updates have them.
const SCALES: [u64; 9] = [400, 724, 1024, 1025, 2047, 4639, 40_448, 1_585_299, 4_194_304];

#[test]
fn the_noise_is_the_discrete_gaussian_of_its_scale() {
    for steps in SCALES {
        let draws = draw(steps, DRAWS);
        let scale = GaussianScale::from_steps(steps).unwrap();
        let (statistic, limit) = chi_square(&draws, scale.as_f64());
        assert!(statistic < limit, "scale {}: chi-square {statistic} over {limit}", scale.as_f64());

        let n = DRAWS as f64;
        let mean = draws.iter().sum::<i64>() as f64 / n;
        let variance = draws.iter().map(|x| (*x as f64 - mean).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < ALARM_Z * (scale.variance() / n).sqrt(), "mean {mean}");
        // A normal's sample variance has deviation σ²·√(2/n); a discrete one's kurtosis is near 3.
        let ratio = variance / scale.variance();
        assert!((ratio - 1.0).abs() < ALARM_Z * 1.1 * (2.0 / n).sqrt(), "variance ratio {ratio}");

        for lag in [1, 2, DRAWS / 2] {
            let products: f64 =
                draws.iter().zip(&draws[lag..]).map(|(a, b)| (*a as f64) * (*b as f64)).sum();
            let correlation = products / (scale.variance() * (DRAWS - lag) as f64);
            assert!(correlation.abs() < ALARM_Z * 1.1 / ((DRAWS - lag) as f64).sqrt(), "lag {lag}");
        }
    }
}

/// Where a scale has more steps than a word has bits, and at the largest.
#[test]
fn large_scales_are_those_of_the_normal_distribution() {
    for steps in [(1 << 32) - 1, (1 << 32) + 1, (1 << 43) + 12_345, (1 << 50) - 1, 1 << 50] {
        let draws = draw(steps, DRAWS);
        let fit = Fit::of(&draws, GaussianScale::from_steps(steps).unwrap());
        assert!(fit.distance_p > 1e-9, "scale {steps}/1024: {fit:?}");
        assert!(fit.variance_z.abs() < ALARM_Z && fit.mean_z.abs() < ALARM_Z, "{steps}: {fit:?}");
        // All digits are random: each of the lowest ten bits is set in half of the draws.
        for bit in 0..10 {
            let set = draws.iter().filter(|x| *x >> bit & 1 == 1).count() as f64;
            let z = (set / DRAWS as f64 - 0.5) * 2.0 * (DRAWS as f64).sqrt();
            assert!(z.abs() < ALARM_Z, "bit {bit} at {steps}/1024: {z}");
        }
    }
}

/// What opendp draws for short releases is the same distribution: by χ² against it, and of the two
/// samples, over bins that hold about as many of ours each.
#[test]
fn short_releases_are_drawn_from_the_same() {
    let bins = |sorted: &[i64]| -> Vec<i64> {
        let mut edges: Vec<i64> =
            sorted.iter().copied().step_by(sorted.len() / 40).skip(1).collect();
        edges.dedup();
        edges
    };
    for steps in [724, 4639, 1_585_299] {
        let mut ours = draw(steps, DRAWS);
        let theirs = draw_few_at_once(steps, DRAWS / 10);
        let (statistic, limit) = chi_square(&theirs, steps as f64 / 1024.0);
        assert!(statistic < limit, "scale {steps}/1024: chi-square {statistic} over {limit}");
        ours.sort_unstable();
        let edges = bins(&ours);
        let count = |draws: &[i64]| {
            let mut seen = vec![0.0; edges.len() + 1];
            draws.iter().for_each(|x| seen[edges.partition_point(|edge| edge < x)] += 1.0);
            seen
        };
        let ratio = (ours.len() as f64 / theirs.len() as f64).sqrt();
        let statistic: f64 = count(&ours)
            .iter()
            .zip(count(&theirs))
            .filter(|(a, b)| *a + b > 0.0)
            .map(|(a, b)| (a / ratio - b * ratio).powi(2) / (a + b))
            .sum();
        let k = edges.len() as f64;
        let limit = k + 2.0 * (k * ALARM).sqrt() + 2.0 * ALARM;
        assert!(statistic < limit, "scale {steps}/1024: {statistic} over {limit}");
    }
}

#[test]
fn planted_faults_are_caught_by_the_same_check() {
    for steps in SCALES {
        let scale = steps as f64 / 1024.0;
        // Drawn 2 % too narrow.
        let (statistic, limit) = chi_square(&draw(steps * 98 / 100, DRAWS), scale);
        assert!(statistic > limit, "scale {scale}: {statistic} of {limit}");
        // Every draw twice, as if two threads shared a generator's state.
        let half = draw(steps, DRAWS / 2);
        let products: f64 = half.iter().map(|x| (*x as f64).powi(2)).sum();
        let variance = GaussianScale::from_steps(steps).unwrap().variance();
        assert!(products / (variance * half.len() as f64) > ALARM_Z / (half.len() as f64).sqrt());
    }
}

#[test]
fn calls_and_threads_do_not_share_their_noise() {
    let first = draw(4_194_304, 5_000);
    let second = draw(4_194_304, 5_000);
    // At scale 4,096 two independent draws agree with probability 7·10⁻⁵.
    let same = |a: &[i64], b: &[i64]| a.iter().zip(b).filter(|(x, y)| x == y).count();
    assert!(same(&first, &second) < 30, "two calls");
    assert!(same(&first[..2_500], &first[2_500..]) < 30, "two threads of one call");
}
