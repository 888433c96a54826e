//! The estimators against simulated releases. Seeded: each run gives the same figures, and prints
//! them (`cargo test -- --nocapture`).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use chacha20::{ChaCha20Rng, rand_core::SeedableRng as _};
use insitu_privacy::estimate::{
    Agreement, EstimateError, NoisedCounts, Reference, alpha, calibration, drift, kappa,
    kappa_from_marginals,
};
use rand_distr::{Binomial, Distribution as _, StandardNormal};

fn multinomial(n: u64, shares: &[f64], rng: &mut ChaCha20Rng) -> Vec<i64> {
    let (mut left, mut mass) = (n, 1.0);
    shares
        .iter()
        .map(|share| {
            let drawn = Binomial::new(left, (share / mass).clamp(0.0, 1.0)).unwrap().sample(rng);
            left -= drawn;
            mass = (mass - share).max(f64::MIN_POSITIVE);
            i64::try_from(drawn).unwrap()
        })
        .collect()
}

#[expect(clippy::cast_possible_truncation, reason = "noise of a test is small")]
fn noised(exact: &[i64], scale: f64, rng: &mut ChaCha20Rng) -> NoisedCounts {
    let noise = |rng: &mut ChaCha20Rng| -> f64 { StandardNormal.sample(rng) };
    let counts = exact.iter().map(|x| x + (scale * noise(rng)).round() as i64).collect();
    NoisedCounts::with_variance(counts, scale * scale).unwrap()
}

/// A K×K distribution: `agree` on the diagonal by `shares`, the rest by chance.
fn pairs(shares: &[f64], agree: f64) -> Vec<f64> {
    let k = shares.len();
    (0..k * k)
        .map(|cell| {
            let (i, j) = (cell / k, cell % k);
            let chance = (1.0 - agree) * shares[i] * shares[j];
            if i == j { agree * shares[i] + chance } else { chance }
        })
        .collect()
}

/// κ of a distribution; α of two coders agrees with it up to 1/n for equal marginals.
fn kappa_of(distribution: &[f64], k: usize) -> f64 {
    let observed: f64 = distribution.iter().step_by(k + 1).sum();
    let chance: f64 = (0..k)
        .map(|c| {
            let row: f64 = distribution[c * k..(c + 1) * k].iter().sum();
            let column: f64 = distribution.iter().skip(c).step_by(k).sum();
            row * column
        })
        .sum();
    (observed - chance) / (1.0 - chance)
}

/// The design's simple interval, for comparison.
fn simple_deviation(counts: &NoisedCounts, k: usize) -> f64 {
    let cells: Vec<f64> = counts.counts().iter().map(|x| *x as f64).collect();
    let n: f64 = cells.iter().sum();
    let shares: Vec<f64> = cells.iter().map(|x| x / n).collect();
    let observed: f64 = shares.iter().step_by(k + 1).sum();
    let chance = 1.0 - (1.0 - observed) / (1.0 - kappa_of(&shares, k));
    let (k, v) = (k as f64, counts.variance());
    let sampling = observed * (1.0 - observed) / (n * (1.0 - chance).powi(2));
    let noise = (k * v + observed * observed * k * k * v) / (n * n * (1.0 - chance).powi(2));
    (sampling + noise).sqrt()
}

struct Case {
    what: &'static str,
    shares: &'static [f64],
    agree: f64,
    n: u64,
    scale: f64,
    sites: u64,
}

fn check_coverage(case: &Case) {
    const RUNS: u32 = 4_000;
    let k = case.shares.len();
    let distribution = pairs(case.shares, case.agree);
    let truth = kappa_of(&distribution, k);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (mut hits, mut simple_hits, mut naive_hits, mut alpha_hits) = (0, 0, 0, 0);
    let (mut answered, mut sum) = (0, 0.0);
    let within = |a: &Agreement| u32::from(a.low <= truth && truth <= a.high);
    for _ in 0..RUNS {
        let site = |rng: &mut ChaCha20Rng| {
            let exact = multinomial(case.n / case.sites, &distribution, rng);
            noised(&exact, case.scale, rng)
        };
        let mut total = site(&mut rng);
        for _ in 1..case.sites {
            total.pool(&site(&mut rng)).unwrap();
        }
        let estimate = match kappa(&total, k) {
            Ok(estimate) => estimate,
            Err(EstimateError::NotEnoughData { .. }) => continue,
            Err(other) => panic!("{other}"),
        };
        answered += 1;
        sum += estimate.value;
        hits += within(&estimate);
        alpha_hits += within(&alpha(&total, k).unwrap());
        let simple = 1.96 * simple_deviation(&total, k);
        simple_hits += u32::from((estimate.value - truth).abs() <= simple);
        let naive = 1.96 * (estimate.deviation.powi(2) - estimate.noise_deviation.powi(2)).sqrt();
        naive_hits += u32::from((estimate.value - truth).abs() <= naive);
    }
    let share = |hits: u32| f64::from(hits) / f64::from(answered);
    let bias = sum / f64::from(answered) - truth;
    println!(
        "{:28} kappa {truth:.3} bias {bias:+.4} coverage {:.3} alpha {:.3} simple {:.3} noise ignored {:.3} answered {answered}",
        case.what,
        share(hits),
        share(alpha_hits),
        share(simple_hits),
        share(naive_hits)
    );
    assert!(answered > RUNS * 9 / 10, "{}", case.what);
    // 4,000 runs put three deviations at 0.010.
    assert!((0.935..0.975).contains(&share(hits)), "{}", case.what);
    assert!((0.93..0.98).contains(&share(alpha_hits)), "{}", case.what);
    assert!(share(naive_hits) < share(hits) - 0.02, "{}: the noise must matter here", case.what);
    assert!(bias.abs() < 0.012, "{}: bias {bias}", case.what);
}

#[test]
fn agreement_intervals_cover() {
    let even: &[f64] = &[0.5, 0.5];
    let four: &[f64] = &[0.4, 0.3, 0.2, 0.1];
    for case in [
        Case {
            what: "K=2 n=1000 s=16.7",
            shares: even,
            agree: 0.6,
            n: 1_000,
            scale: 16.7,
            sites: 1,
        },
        Case { what: "K=2 n=400 s=8.68", shares: even, agree: 0.6, n: 400, scale: 8.68, sites: 1 },
        Case {
            what: "K=2 n=1000 s=8.68 skewed",
            shares: &[0.85, 0.15],
            agree: 0.5,
            n: 1_000,
            scale: 8.68,
            sites: 1,
        },
        Case {
            what: "K=2 n=4000 s=16.7 4 sites",
            shares: even,
            agree: 0.6,
            n: 4_000,
            scale: 16.7,
            sites: 4,
        },
        Case {
            what: "K=4 n=1000 s=8.68",
            shares: four,
            agree: 0.7,
            n: 1_000,
            scale: 8.68,
            sites: 1,
        },
        Case {
            what: "K=4 n=2000 s=8.68 high",
            shares: four,
            agree: 0.9,
            n: 2_000,
            scale: 8.68,
            sites: 1,
        },
        Case {
            what: "K=4 n=10000 s=39.5 low",
            shares: four,
            agree: 0.1,
            n: 10_000,
            scale: 39.5,
            sites: 1,
        },
    ] {
        check_coverage(&case);
    }
}

#[test]
fn the_short_form_covers_at_many_classes() {
    const RUNS: u32 = 2_000;
    let (k, n, scale) = (20, 1_000, 2.0 * 8.68); // D = 2 doubles the scale at the same price
    let shares = vec![1.0 / 20.0; k];
    let distribution = pairs(&shares, 0.7);
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut hits = 0;
    for _ in 0..RUNS {
        let exact = multinomial(n, &distribution, &mut rng);
        let mut short = vec![exact.iter().sum::<i64>(), exact.iter().step_by(k + 1).sum()];
        short.extend((0..k).map(|r| exact[r * k..(r + 1) * k].iter().sum::<i64>()));
        short.extend((0..k).map(|c| exact.iter().skip(c).step_by(k).sum::<i64>()));
        let estimate = kappa_from_marginals(&noised(&short, scale, &mut rng), k).unwrap();
        hits += u32::from(estimate.low <= 0.7 && 0.7 <= estimate.high);
    }
    let coverage = f64::from(hits) / f64::from(RUNS);
    println!("short form, K=20 n=1000 s=17.4: coverage {coverage:.3}");
    assert!((0.93..0.975).contains(&coverage));
}

#[test]
fn calibration_error_is_corrected_for_the_noise() {
    const RUNS: u32 = 400;
    let confidence: Vec<f64> = (0..10).map(|bin| (f64::from(bin) + 0.5) / 10.0).collect();
    let scale = 8.68;
    for off in [0.0, 0.1, 0.2] {
        let cells: Vec<f64> = confidence
            .iter()
            .flat_map(|c| {
                let right = (c - off).max(0.0);
                [0.1 * (1.0 - right), 0.1 * right]
            })
            .collect();
        let truth: f64 = confidence.iter().map(|c| 0.1 * (c - (c - off).max(0.0))).sum();
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let (mut sum, mut squares, mut deviation, mut perfect) = (0.0, 0.0, 0.0, 0.0);
        for _ in 0..RUNS {
            let exact = multinomial(2_000, &cells, &mut rng);
            let result = calibration(&noised(&exact, scale, &mut rng), &confidence).unwrap();
            sum += result.error;
            squares += result.error.powi(2);
            deviation += result.error_deviation;
            perfect += result.error_if_perfect;
        }
        let runs = f64::from(RUNS);
        let mean = sum / runs;
        let (spread, claimed) = ((squares / runs - mean * mean).sqrt(), deviation / runs);
        let perfect = perfect / runs;
        println!(
            "calibration error {truth:.3}: mean {mean:.4}, deviation {spread:.4} claimed {claimed:.4}, if perfect {perfect:.4}"
        );
        // A perfect model keeps at most 0.6 of the bias, any other is near its truth.
        if off > 0.0 {
            assert!((mean - truth).abs() < 0.01);
        } else {
            assert!(mean < 0.65 * perfect);
        }
        assert!((0.8..1.25).contains(&(claimed / spread)));
    }
}

/// A distribution over ten bins at the given PSI-like distance from the even one.
fn tilted(tilt: f64) -> Vec<f64> {
    (0..10).map(|bin| 0.1 * (1.0 + tilt * (f64::from(bin) - 4.5) / 4.5)).collect()
}

struct DriftRun {
    alarms: u32,
    mean: f64,
    deviation: f64,
    claimed: f64,
}

fn drift_runs(
    runs: u32,
    n: u64,
    scale: f64,
    window: &[f64],
    reference: &[f64],
    public: bool,
) -> DriftRun {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let (mut alarms, mut sum, mut squares, mut claimed) = (0, 0.0, 0.0, 0.0);
    for run in 0..runs {
        let a = noised(&multinomial(n, window, &mut rng), scale, &mut rng);
        let b = noised(&multinomial(2 * n, reference, &mut rng), scale, &mut rng);
        let against = if public { Reference::Public(reference) } else { Reference::Noised(&b) };
        let result = drift(&a, against, u64::from(run)).unwrap();
        alarms += u32::from(result.p_value < 0.05);
        sum += result.effect;
        squares += result.effect.powi(2);
        claimed += result.effect_deviation;
    }
    let runs = f64::from(runs);
    let mean = sum / runs;
    let deviation = (squares / runs - mean * mean).sqrt();
    DriftRun { alarms, mean, deviation, claimed: claimed / runs }
}

#[test]
fn drift_alarms_falsely_as_often_as_it_says_and_finds_what_is_there() {
    const RUNS: u32 = 200;
    let even = tilted(0.0);
    let moved = tilted(0.7);
    let truth: f64 = moved.iter().zip(&even).map(|(q, p)| (q - p).powi(2) / p).sum();
    for public in [true, false] {
        let null = drift_runs(RUNS, 800, 16.7, &even, &even, public);
        let found = drift_runs(RUNS, 800, 16.7, &moved, &even, public);
        println!(
            "drift, public reference {public}: false alarms {} and alarms {} of {RUNS} at 0.05; effect {:+.4} without, {:.4} with (truth {truth:.4}), deviation {:.4} claimed {:.4}",
            null.alarms, found.alarms, null.mean, found.mean, found.deviation, found.claimed
        );
        // Expected 10; 26 is more than five deviations off.
        assert!(null.alarms < 26, "{}", null.alarms);
        assert!(found.alarms > RUNS * 9 / 10, "{}", found.alarms);
        let error = 4.0 / f64::from(RUNS).sqrt();
        assert!(null.mean.abs() < error * null.deviation + 0.002, "{}", null.mean);
        assert!(
            (found.mean - truth).abs() < error * found.deviation + 0.05 * truth,
            "{}",
            found.mean
        );
        assert!((0.7..1.5).contains(&(found.claimed / found.deviation)));
    }
}

/// A small site, whose number of items only the other histograms of its release know: four of
/// them, ten bins each. At n = 150 the total is uncertain by 17 %, and the p-value must include it.
#[test]
fn drift_of_a_small_site_with_a_total_known_apart_does_not_alarm_more() {
    const RUNS: u32 = 300;
    let (even, scale, n) = (tilted(0.0), 16.7, 150);
    let variance_of_total: f64 = 10.0 * scale * scale / 4.0;
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let (mut alarms, mut answered) = (0, 0);
    for run in 0..RUNS {
        let noise: f64 = StandardNormal.sample(&mut rng);
        let total = 150.0 + variance_of_total.sqrt() * noise;
        let window = noised(&multinomial(n, &even, &mut rng), scale, &mut rng)
            .with_total(total, variance_of_total);
        let other = noised(&multinomial(2_000, &even, &mut rng), scale, &mut rng);
        if let Ok(result) = drift(&window, Reference::Noised(&other), u64::from(run)) {
            answered += 1;
            alarms += u32::from(result.p_value < 0.05);
        }
    }
    println!(
        "drift at n 150 with a total known apart: {alarms} false alarms of {answered} at 0.05"
    );
    assert!(answered > RUNS / 2);
    // Five deviations of what is expected.
    let expected = 0.05 * f64::from(answered);
    assert!(f64::from(alarms) < expected + 5.0 * expected.sqrt(), "{alarms} of {answered}");
}

#[test]
fn drift_is_reproducible_and_validates_its_reference() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let window = noised(&multinomial(900, &tilted(0.3), &mut rng), 8.68, &mut rng);
    let even = tilted(0.0);
    let first = drift(&window, Reference::Public(&even), 9).unwrap();
    assert_eq!(first, drift(&window, Reference::Public(&even), 9).unwrap());
    let mut zero = even.clone();
    zero[3] = 0.0;
    assert!(matches!(
        drift(&window, Reference::Public(&zero), 9),
        Err(EstimateError::Reference { bin: 3, .. })
    ));
    assert!(matches!(
        drift(&window, Reference::Public(&even[..9]), 9),
        Err(EstimateError::Shape { got: 9, expected: 10 })
    ));
    let little = NoisedCounts::with_variance(vec![5; 10], 75.0).unwrap();
    assert!(matches!(
        drift(&window, Reference::Noised(&little), 9),
        Err(EstimateError::NotEnoughData { n: 50, needed: 137 })
    ));
}
