//! How many rounds a training run takes, how far each goes, and how tight it clips.
//!
//! # The rule
//! With T rounds of noise deviation √T·C/μ in each coordinate of a clipped sum (total loss μ²/2 in
//! ρ) and a step of η on that sum, the noise in a weight has deviation η·T·C/μ at the end, however
//! many rounds it is spread over. So the budget says how far a run may go in all, not how often it
//! may look: features have length at most 1, hence that deviation is also the one of a logit, and
//! we let it be 1: η = μ/(T·C). The number of subjects is not needed for it.
//!
//! Rounds only have to be many enough that the descent is stable: one may move by at most
//! 8·classes in units of the mean gradient, because the curvature of a softmax over K classes is
//! of the order 1/K. Fewer rounds than that lose accuracy, more lose nothing but time.
//!
//! # Measured
//! On held-out parts of Banking77's training set (77 classes, 384 features): C = 0.5 against 1 is
//! worth .017 at ε = 1 and .005 at ε = 3; half or double the noise lose up to .01; averaging the last quarter
//! of the iterates instead of the last half is worth .003 at ε = 3; momentum gains
//! nothing; half or double the rounds change less than .002.

use crate::optimiser::Optimiser;

/// L2 norm to which a subject's gradient is clipped. Features have length at most 1.
const CLIP: f64 = 0.5;
/// Fixed-point bits of a released coordinate.
const FRACTION_BITS: u8 = 12;
/// Deviation of the privacy noise in a logit at the end of a run.
const LOGIT_NOISE: f64 = 1.0;
/// τ of adaptive optimisers where there is no noise, in units of the mean gradient.
const FLOOR: f64 = 1e-3;
/// Largest step in units of the mean gradient, for each class.
const STEP_PER_CLASS: f64 = 8.0;
/// The last one in so many rounds is averaged.
const AVERAGED_PART: u32 = 4;
/// Fewest rounds that [`Schedule::auto`] chooses.
const ROUNDS_MIN: u32 = 4;
/// Most rounds that [`Schedule::auto`] chooses.
pub const ROUNDS_MAX: u32 = 60;

/// A training run's public parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Rounds, T.
    pub rounds: u32,
    /// Clip norm of a subject's gradient, C.
    pub clip: f64,
    /// Fixed-point bits after the point of a released coordinate.
    pub fraction_bits: u8,
    /// Last rounds whose iterates are averaged.
    pub averaged: u32,
    /// Step on the *sum* over all subjects of their clipped gradients, η.
    pub learning_rate: f64,
}

/// √(2ρ) of a loss of `rho` as it acts on the sum over `sites` sites. Each adds its share of a noise
/// that `noisy_sites` shares make whole, so that all of them add more than one release needs; sites
/// that each add all of the noise are ones of which one is enough.
pub fn effective_mu(rho: f64, noisy_sites: usize, sites: usize) -> f64 {
    (2.0 * rho * noisy_sites as f64 / sites.max(1) as f64).sqrt()
}

impl Schedule {
    /// The schedule for a head whose items `classes` share ([`crate::head::HeadShape::sharing`]), over
    /// about `subjects` subjects.
    ///
    /// `mu` is √(2ρ) of the whole run as it acts on the sum over all sites: lower than what the run
    /// costs when sites add more noise together than one would need to. `None` trains without
    /// noise. `subjects` must be public or noised; the number of rounds depends on it, and
    /// the step only where it meets its largest.
    pub fn auto(mu: Option<f64>, subjects: f64, classes: usize) -> Self {
        let subjects = subjects.max(1.0);
        let step_max = STEP_PER_CLASS * classes as f64;
        let whole = mu.map_or(f64::INFINITY, |mu| subjects * LOGIT_NOISE * mu / CLIP);
        let rounds = (ROUNDS_MIN..ROUNDS_MAX)
            .find(|rounds| whole <= step_max * f64::from(*rounds))
            .unwrap_or(ROUNDS_MAX);
        Self::of_rounds(rounds, mu, subjects, classes)
    }

    /// Deviation that the privacy noise of a whole run should have in a logit at its end.
    pub const LOGIT_NOISE: f64 = LOGIT_NOISE;

    /// The optimiser with its τ, and its step, in units of the *sum* over all subjects.
    ///
    /// Momentum β multiplies the way by 1/(1 − β), so the step is divided by that. The adaptive
    /// ones take the deviation of the noise in a coordinate as τ: where there is nothing but noise
    /// their direction deviates by half a unit then, and T rounds of a step of 2/√T leave a
    /// deviation of 1 in a logit, as in the rule above. Without noise τ is 10⁻³ of the mean
    /// gradient's unit.
    pub fn steps(&self, optimiser: Optimiser, mu: Option<f64>, subjects: f64) -> (Optimiser, f64) {
        let rounds = f64::from(self.rounds);
        match optimiser {
            Optimiser::FedAvg => (optimiser, self.learning_rate),
            Optimiser::FedAvgM { momentum } => (optimiser, self.learning_rate * (1.0 - momentum)),
            Optimiser::FedAdagrad(_) | Optimiser::FedYogi(_) | Optimiser::FedAdam(_) => {
                let noise = mu.map_or(FLOOR * subjects, |mu| rounds.sqrt() * self.clip / mu);
                (optimiser.with_floor(noise), 2.0 * LOGIT_NOISE / rounds.sqrt())
            }
        }
    }

    /// As [`Schedule::steps`], in units of the mean over `parts` released sums that together are
    /// those of all subjects: what [`crate::train::Descent`] steps along.
    pub fn steps_along_mean(
        &self,
        optimiser: Optimiser,
        mu: Option<f64>,
        subjects: f64,
        parts: usize,
    ) -> (Optimiser, f64) {
        let parts = parts.max(1) as f64;
        let (optimiser, step) = self.steps(optimiser, mu, subjects);
        match optimiser.floor() {
            Some(floor) => (optimiser.with_floor(floor / parts), step),
            None => (optimiser, step * parts),
        }
    }

    /// The optimiser and its step along the mean over subjects of where local steps went.
    pub fn of_updates(optimiser: Optimiser, rounds: u32) -> (Optimiser, f64) {
        match optimiser {
            Optimiser::FedAvg => (optimiser, 1.0),
            Optimiser::FedAvgM { momentum } => (optimiser, 1.0 - momentum),
            Optimiser::FedAdagrad(_) | Optimiser::FedYogi(_) | Optimiser::FedAdam(_) => {
                (optimiser.with_floor(FLOOR), 2.0 * LOGIT_NOISE / f64::from(rounds.max(1)).sqrt())
            }
        }
    }

    /// The schedule of so many rounds, at least one; the rest as [`Schedule::auto`] has it.
    pub fn of_rounds(rounds: u32, mu: Option<f64>, subjects: f64, classes: usize) -> Self {
        let rounds = rounds.max(1);
        let largest = STEP_PER_CLASS * classes as f64 / subjects.max(1.0);
        let learning_rate =
            mu.map_or(largest, |mu| (LOGIT_NOISE * mu / (f64::from(rounds) * CLIP)).min(largest));
        let averaged = rounds.div_ceil(AVERAGED_PART);
        Self { rounds, clip: CLIP, fraction_bits: FRACTION_BITS, averaged, learning_rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_of_a_logit_is_that_of_the_rule_whatever_the_rounds() {
        for (mu, subjects, classes) in [(0.25, 1e4, 77), (1.57, 1e4, 77), (0.036, 488.0, 2)] {
            for schedule in [
                Schedule::auto(Some(mu), subjects, classes),
                Schedule::of_rounds(55, Some(mu), subjects, classes),
            ] {
                let rounds = f64::from(schedule.rounds);
                let of_a_round = rounds.sqrt() * schedule.clip / mu;
                let at_the_end = schedule.learning_rate * rounds.sqrt() * of_a_round;
                assert!((at_the_end - LOGIT_NOISE).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn rounds_grow_with_the_signal_within_their_limits() {
        let rounds = |mu, subjects| Schedule::auto(mu, subjects, 77).rounds;
        assert_eq!(rounds(Some(0.01), 100.0), ROUNDS_MIN);
        assert_eq!(rounds(Some(0.25), 1e4), 9);
        assert_eq!(rounds(Some(0.67), 1e4), 22);
        assert_eq!(rounds(Some(9.0), 1e4), ROUNDS_MAX);
        assert_eq!(rounds(None, 1e4), ROUNDS_MAX);
    }

    #[test]
    fn along_the_mean_a_step_goes_as_far_as_along_the_sum() {
        let (mu, subjects, parts) = (Some(0.2), 500.0, 4);
        let schedule = Schedule::auto(mu, subjects, 2);
        for name in ["fedavg", "fedavgm:0.5", "fedadam"] {
            let optimiser: Optimiser = name.parse().unwrap();
            let moved = |(optimiser, step): (Optimiser, f64), gradient: f64| {
                step * optimiser.start(1).direction(0, gradient)
            };
            let of_sum = moved(schedule.steps(optimiser, mu, subjects), 12.0);
            let of_mean = moved(schedule.steps_along_mean(optimiser, mu, subjects, parts), 3.0);
            assert!((of_sum / of_mean - 1.0).abs() < 1e-12, "{name}: {of_sum} {of_mean}");
        }
        // Four sites that each add all of the noise halve μ; four shares of which all are needed
        // leave it as it is.
        let alone = effective_mu(0.02, 1, 4);
        assert!((alone - 0.1).abs() < 1e-12 && (effective_mu(0.02, 4, 4) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn a_noised_count_below_one_still_gives_a_schedule() {
        for subjects in [-50.0, 0.0] {
            let schedule = Schedule::auto(None, subjects, 2);
            assert!(schedule.learning_rate.is_finite() && schedule.learning_rate > 0.0);
        }
    }
}
