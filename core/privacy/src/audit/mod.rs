//! Attacks on a mechanism, as statistics: what the outputs of a release prove about its privacy.
//!
//! Everything here is a *lower* bound on ε, or a test that a fault fails: outputs can show that a
//! mechanism leaks more than it claims, and never that it does not.
//!
//! - [`epsilon_bound`]: repeated runs on neighbouring data, a threshold, Clopper–Pearson. Tight: a
//!   hundred thousand repeats come within a few per cent of the truth.
//! - [`one_run_bound`]: a single run with many subjects put in by coin flips. Loose, and valid
//!   without any assumption on how the outputs depend on one another.
//! - [`Fit`], [`correlation_z`]: whether residuals on known data look like the promised noise.
//! - [`gaussian_epsilon`], [`discrete_gaussian_epsilon`]: what the best possible attack reaches, so
//!   that a bound stands beside the number that it should come near.

mod binomial;
mod fit;
mod tight;

pub use binomial::{Interval, at_least, clopper_pearson};
pub use fit::{Fit, correlation_z};
pub use tight::{discrete_gaussian_epsilon, gaussian_epsilon};

use crate::loss::Delta;

/// ε beyond which no bound is looked for.
const EPSILON_MAX: f64 = 64.0;
/// Halvings of a bracket: more than an f64 has bits to show for.
const BISECTIONS: u32 = 60;
/// Thresholds that are tried on the pilot runs.
const THRESHOLDS: usize = 200;

/// How often an attack said "this subject is in the data".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guesses {
    /// Runs with the subject in which it said so.
    pub hits: u64,
    /// Runs with the subject.
    pub present: u64,
    /// Runs without the subject in which it said so.
    pub alarms: u64,
    /// Runs without the subject.
    pub absent: u64,
}

impl Guesses {
    /// Counts an attack that says "in" from `threshold` on, over scores of runs with and without
    /// the subject.
    pub fn count(present: &[f64], absent: &[f64], threshold: f64) -> Self {
        let above = |scores: &[f64]| scores.iter().filter(|score| **score >= threshold).count();
        Self {
            hits: above(present) as u64,
            present: present.len() as u64,
            alarms: above(absent) as u64,
            absent: absent.len() as u64,
        }
    }
}

/// The largest ε that these guesses refute at `confidence`: every (ε', `delta`)-private mechanism
/// has ε' above the result, unless something happened that has a chance of 1 − `confidence`.
///
/// (ε, δ)-privacy says P\[in | present\] ≤ e^ε·P\[in | absent\] + δ for every attack; the two
/// probabilities are bounded by Clopper–Pearson, each at half of the allowed error. Zero when
/// nothing is refuted. The attack must have been fixed before the guesses were made.
///
/// # Source
/// B. Jayaraman, D. Evans, *Evaluating differentially private machine learning in practice*, USENIX
/// Security 2019; with exact intervals: M. Nasr et al., *Adversary instantiation*, S&P 2021.
///
/// ```
/// # use insitu_privacy::{Delta, audit::{Guesses, epsilon_bound}};
/// // Randomised response that tells the truth three times of four: epsilon = ln 3 = 1.0986.
/// let guesses = Guesses { hits: 75_000, present: 100_000, alarms: 25_000, absent: 100_000 };
/// let bound = epsilon_bound(guesses, Delta::new(1e-9)?, 0.95);
/// assert!(bound > 1.08 && bound < 1.0986);
/// # Ok::<(), insitu_privacy::LossError>(())
/// ```
pub fn epsilon_bound(guesses: Guesses, delta: Delta, confidence: f64) -> f64 {
    let error = (1.0 - confidence) / 2.0;
    let hits = clopper_pearson(guesses.hits, guesses.present, error).low - delta.get();
    let alarms = clopper_pearson(guesses.alarms, guesses.absent, error).high;
    if hits <= alarms { 0.0 } else { (hits / alarms).ln() }
}

/// The threshold that would have refuted the largest ε on pilot runs, whose scores must not be
/// counted again. Infinite when there are none.
pub fn threshold(present: &[f64], absent: &[f64], delta: Delta) -> f64 {
    let mut scores: Vec<f64> = present.iter().chain(absent).copied().collect();
    scores.sort_by(f64::total_cmp);
    let step = (scores.len() / THRESHOLDS).max(1);
    let mut candidates: Vec<f64> = scores.into_iter().step_by(step).collect();
    candidates.dedup_by(|a, b| a.total_cmp(b).is_eq());
    let mut best = (f64::NEG_INFINITY, f64::INFINITY);
    for candidate in candidates {
        let bound = epsilon_bound(Guesses::count(present, absent, candidate), delta, 0.95);
        if bound > best.0 {
            best = (bound, candidate);
        }
    }
    best.1
}

/// The largest ε that one run refutes at `confidence`: of `subjects` put in or left out by fair
/// coin flips, `guesses` were guessed about (the others were abstained from) and `correct` of these
/// were right.
///
/// For an (ε, δ)-private mechanism the number of correct guesses is, up to δ, no larger than
/// Binomial(guesses, e^ε/(e^ε + 1)):
/// P\[correct ≥ v\] ≤ β + 2·subjects·δ·α, β = P\[B ≥ v\], α = max over i of P\[v > B ≥ v − i\]/i.
/// No independence between the subjects' traces in the output is assumed.
///
/// # Source
/// T. Steinke, M. Nasr, M. Jagielski, *Privacy auditing with one (1) training run*, NeurIPS 2023,
/// theorem 5.2 and appendix D.
///
/// # Panics
/// Unless `correct <= guesses <= subjects`.
pub fn one_run_bound(
    subjects: u64,
    guesses: u64,
    correct: u64,
    delta: Delta,
    confidence: f64,
) -> f64 {
    assert!(correct <= guesses && guesses <= subjects, "{correct} of {guesses} of {subjects}");
    let refuted = |epsilon: f64| {
        one_run_p_value(subjects, guesses, correct, epsilon, delta) < 1.0 - confidence
    };
    if !refuted(0.0) {
        return 0.0;
    }
    let (mut below, mut above) = (0.0, EPSILON_MAX);
    for _ in 0..BISECTIONS {
        let middle = 0.5 * (below + above);
        if refuted(middle) {
            below = middle;
        } else {
            above = middle;
        }
    }
    below
}

/// The chance of at least `correct` correct guesses, at most; see [`one_run_bound`].
fn one_run_p_value(subjects: u64, guesses: u64, correct: u64, epsilon: f64, delta: Delta) -> f64 {
    let right = 1.0 / (1.0 + (-epsilon).exp());
    let beta = at_least(correct, guesses, right);
    let (mut alpha, mut sum) = (0.0_f64, 0.0);
    for i in 1..=correct {
        sum += binomial::probability(correct - i, guesses, right);
        alpha = alpha.max(sum / i as f64);
    }
    (beta + 2.0 * subjects as f64 * delta.get() * alpha).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(value: f64) -> Delta {
        Delta::new(value).unwrap()
    }

    #[test]
    fn randomised_response_is_bounded_from_below_and_never_overstated() {
        let guesses = Guesses { hits: 730, present: 1_000, alarms: 270, absent: 1_000 };
        let bound = epsilon_bound(guesses, delta(1e-9), 0.95);
        assert!(bound > 0.85 && bound < 0.9946, "{bound}"); // ln(.73/.27) = .9946
        assert!(epsilon_bound(guesses, delta(1e-9), 1.0 - 1e-7) < bound);
        assert!(epsilon_bound(guesses, delta(0.4), 0.95) < 0.3);
        let nothing = Guesses { hits: 500, present: 1_000, alarms: 500, absent: 1_000 };
        assert!(epsilon_bound(nothing, delta(1e-9), 0.95).abs() < 1e-12);
        let empty = Guesses { hits: 0, present: 0, alarms: 0, absent: 0 };
        assert!(epsilon_bound(empty, delta(1e-9), 0.95).abs() < 1e-12);
    }

    #[test]
    fn the_threshold_separates_what_can_be_separated() {
        let present: Vec<f64> = (0..1_000).map(|i| f64::from(i) / 1_000.0 + 0.5).collect();
        let absent: Vec<f64> = (0..1_000).map(|i| f64::from(i) / 1_000.0).collect();
        // From 1.0 on only subjects that are present score.
        let found = threshold(&present, &absent, delta(1e-6));
        assert!((0.98..=1.01).contains(&found), "{found}");
        assert!(threshold(&[], &[], delta(1e-6)).is_infinite());
    }

    /// Against the code of the paper's appendix D (`get_eps_audit`), run in Python with exact binomials.
    #[test]
    fn one_run_bounds_of_the_paper() {
        for (subjects, guesses, correct, small, confidence, expected) in ONE_RUN {
            let found = one_run_bound(subjects, guesses, correct, delta(small), confidence);
            assert!((found - expected).abs() < 1e-4, "{subjects} {guesses} {correct}: {found}");
        }
        assert!(one_run_bound(1_000, 1_000, 500, delta(1e-5), 0.95).abs() < 1e-12);
        // With a large delta nothing follows from few guesses.
        assert!(one_run_bound(1_000, 20, 20, delta(0.05), 0.95).abs() < 1e-12);
    }
    /// Subjects, guesses, correct, delta, confidence; epsilon.
    const ONE_RUN: [(u64, u64, u64, f64, f64, f64); 6] = [
        (100, 100, 75, 1e-6, 0.95, 0.70219),
        (500, 100, 90, 1e-5, 0.95, 1.62849),
        (576, 120, 118, 1e-6, 0.95, 2.91192),
        (576, 120, 118, 1e-6, 0.999, 2.30331),
        (576, 120, 120, 1e-6, 0.95, 3.67622),
        (800, 800, 500, 1e-9, 0.95, 0.38846),
    ];
}
