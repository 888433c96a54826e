//! What the evidence says: bounds on ε beside their claims, and the tests that a fault fails.

use std::collections::BTreeSet;

use insitu_privacy::audit::{
    Fit, Guesses, correlation_z, discrete_gaussian_epsilon, epsilon_bound, gaussian_epsilon,
    one_run_bound, threshold,
};
use insitu_privacy::{Delta, GaussianScale, LossError, Rho, SquaredSensitivity};

use super::play::{Evidence, Run, Seen};
use super::{Audited, OneRun, TestName};

/// Confidence of the bounds that are shown.
const CONFIDENCE: f64 = 0.95;
/// The chance with which any one test condemns a sound program. Bounds at 95 % confidence are
/// above the truth once in twenty times, so it is not by them that a release is condemned.
const CHANCE: f64 = 1e-8;
/// The same as a number of standard errors, on either side.
const Z_MAX: f64 = 5.8;
/// δ of the distinguisher. At the policy's 10⁻⁶ only events count that are rarer than the runs of
/// an audit are many; at this δ the same curve is tested where it shows.
const DELTA: f64 = 0.05;
/// δ of the one-run audit, whose bound a large δ would make empty.
const ONE_RUN_DELTA: f64 = 1e-6;
/// One run in so many is a pilot: the threshold is chosen on pilots, which are not counted again.
const PILOTS: usize = 8;
/// The one-run attacker guesses about one subject in so many, half of them "in".
const GUESSED: usize = 5;
/// Fewest subjects for which the one-run audit says anything.
const ONE_RUN_SUBJECTS_MIN: usize = 32;

/// What one kind of release shows.
pub(super) fn judge(kind: &'static str, evidence: &Evidence) -> Result<Audited, LossError> {
    let (delta, strict) = (Delta::new(DELTA)?, 1.0 - CHANCE);
    let guesses = distinguish(&evidence.runs, delta);
    let epsilon_claimed = claimed(evidence, delta);
    let epsilon_certain = epsilon_bound(guesses, delta, strict);
    let mut failed = BTreeSet::new();
    if epsilon_certain > epsilon_claimed {
        failed.insert(TestName::Distinguisher);
    }
    let one_run = one_run(evidence, &mut failed)?;
    // A scale of zero, or none, is no noise at all.
    let fit = GaussianScale::from_steps(evidence.scale_1024)
        .map(|scale| Fit::of(&residuals(&evidence.runs), scale))
        .ok();
    if fit.is_none_or(|fit| {
        fit.variance_z.abs() > Z_MAX || fit.mean_z.abs() > Z_MAX || fit.distance_p < CHANCE
    }) {
        failed.insert(TestName::Residuals);
    }
    let (within, between) = correlations(&evidence.runs);
    if within.abs() > Z_MAX || between.abs() > Z_MAX {
        failed.insert(TestName::Independence);
    }
    Ok(Audited {
        kind,
        nano_rho: evidence.nano_rho,
        delta: DELTA,
        confidence: CONFIDENCE,
        epsilon_claimed,
        epsilon_bound: epsilon_bound(guesses, delta, CONFIDENCE),
        epsilon_certain,
        trials: guesses.present + guesses.absent,
        sigma_ratio: fit.map_or(0.0, |fit| fit.sigma_ratio),
        noise_p_value: fit.map_or(0.0, |fit| fit.distance_p),
        one_run,
        failed: failed.into_iter().collect(),
    })
}

/// The tests that are not about one kind.
pub(super) fn judge_sending(seen: &Seen) -> BTreeSet<TestName> {
    let mut failed = BTreeSet::new();
    if seen.retries == 0 || seen.retries_changed > 0 {
        failed.insert(TestName::Retry);
    }
    if !seen.ledger.is_empty() {
        failed.insert(TestName::Ledger);
    }
    failed
}

/// The exact ε of noise that is worth the price which the release names.
fn claimed(evidence: &Evidence, delta: Delta) -> f64 {
    let rho = Rho::from_nano(evidence.nano_rho);
    let Some(cells) = evidence.cells else { return gaussian_epsilon(rho, delta) };
    let sensitivity = SquaredSensitivity::new(u64::from(cells));
    GaussianScale::for_budget(sensitivity, rho)
        .map_or(0.0, |scale| discrete_gaussian_epsilon(scale, cells, delta))
}

/// Chooses a threshold on the pilots and guesses on the other runs.
fn distinguish(runs: &[Run], delta: Delta) -> Guesses {
    let (pilots, counted) = runs.split_at(runs.len() / PILOTS);
    let scores = |runs: &[Run], wanted: bool| -> Vec<f64> {
        let all = runs.iter().flat_map(|run| &run.scores);
        all.filter(|(_, present)| *present == wanted).map(|(score, _)| *score).collect()
    };
    let chosen = threshold(&scores(pilots, true), &scores(pilots, false), delta);
    Guesses::count(&scores(counted, true), &scores(counted, false), chosen)
}

/// Guesses about the canaries that one release shows most clearly.
fn one_run(
    evidence: &Evidence,
    failed: &mut BTreeSet<TestName>,
) -> Result<Option<OneRun>, LossError> {
    let Some(run) = evidence.runs.first() else { return Ok(None) };
    if run.scores.len() < ONE_RUN_SUBJECTS_MIN {
        return Ok(None);
    }
    let mut scores = run.scores.clone();
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let each = scores.len() / GUESSED / 2;
    let (lowest, highest) = (&scores[..each], &scores[scores.len() - each..]);
    let correct = lowest.iter().filter(|(_, present)| !present).count()
        + highest.iter().filter(|(_, present)| *present).count();
    let delta = Delta::new(ONE_RUN_DELTA)?;
    let (subjects, guesses, correct) = (scores.len() as u64, 2 * each as u64, correct as u64);
    let bound = |confidence| one_run_bound(subjects, guesses, correct, delta, confidence);
    let epsilon_claimed = claimed(evidence, delta);
    if bound(1.0 - CHANCE) > epsilon_claimed {
        failed.insert(TestName::OneRun);
    }
    Ok(Some(OneRun {
        delta: ONE_RUN_DELTA,
        epsilon_claimed,
        epsilon_bound: bound(CONFIDENCE),
        subjects,
        guesses,
        correct,
    }))
}

fn residuals(runs: &[Run]) -> Vec<i64> {
    runs.iter().flat_map(|run| &run.residuals).copied().collect()
}

/// Correlation of each value's noise with that of the value before it, and with that of the same
/// value in the release before, in standard errors.
fn correlations(runs: &[Run]) -> (f64, f64) {
    let series: Vec<f64> = residuals(runs).into_iter().map(|x| x as f64).collect();
    let lagged = |lag: usize| match series.get(lag..) {
        Some(later) => correlation_z(later, &series),
        None => 0.0,
    };
    (lagged(1), lagged(runs.first().map_or(0, |run| run.residuals.len()).max(1)))
}
