//! From released updates to the next head: exact sums, the server's optimiser, averaged iterates.
//!
//! A run is replayed from the stored sums of its rounds each time one closes. That costs a little
//! arithmetic, and means that there is no other state to lose.

use insitu_models::head::Head;
use insitu_models::robust::{RobustError, Rule};
use insitu_models::train::{Descent, TrainError};
use insitu_protocol::project::Training;

use crate::store::{Method, SumRow};

/// Bits that a weight by staleness adds after the point.
const WEIGHT_BITS: u32 = 10;

/// What the updates of one round come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundSum {
    /// In fixed point, in the order of the head's weights.
    pub total: Vec<i64>,
    /// By what the total is divided: updates, unless an aggregation left some out.
    pub parts: u32,
    /// Bits after the point.
    pub fraction_bits: u32,
}

/// The updates of one round, as they are read.
#[derive(Clone, Debug)]
pub struct Gathered {
    rule: Rule,
    fraction_bits: u32,
    /// Bits of the weights; 0 when every update has the same.
    weight_bits: u32,
    /// Of all updates, when their mean is wanted: one at a time is in memory.
    total: Vec<i64>,
    parts: u32,
    /// Each update, when the rule looks at them one by one.
    each: Vec<Vec<i64>>,
}

impl Gathered {
    /// Room for updates of so many coordinates, with `fraction_bits` bits after the point; weighted
    /// ones have more in the sum.
    pub fn new(rule: Rule, coordinates: usize, fraction_bits: u8, weighted: bool) -> Self {
        Self {
            rule,
            fraction_bits: fraction_bits.into(),
            weight_bits: bits_of_sum(fraction_bits, weighted) - u32::from(fraction_bits),
            total: vec![0; coordinates],
            parts: 0,
            each: Vec::new(),
        }
    }

    /// Takes an update that was computed so many steps ago. Integers add without rounding, so the
    /// order of the updates does not matter.
    pub fn add(&mut self, mut update: Vec<i64>, staleness: u32) {
        if self.weight_bits > 0 {
            let weight = staleness_weight(staleness);
            update.iter_mut().for_each(|value| *value *= weight);
        }
        self.parts += 1;
        if self.rule == Rule::Mean {
            self.total.iter_mut().zip(update).for_each(|(total, value)| *total += value);
        } else {
            self.each.push(update);
        }
    }

    /// What they come to.
    ///
    /// # Errors
    /// [`RobustError`] for nothing to combine.
    pub fn sum(self) -> Result<RoundSum, RobustError> {
        let fraction_bits = self.fraction_bits + self.weight_bits;
        if self.parts == 0 {
            return Err(RobustError::NoUpdates);
        }
        if self.rule == Rule::Mean {
            return Ok(RoundSum { total: self.total, parts: self.parts, fraction_bits });
        }
        let combined = self.rule.combine(&self.each)?;
        let parts = u32::try_from(combined.parts).unwrap_or(u32::MAX);
        Ok(RoundSum { total: combined.total, parts, fraction_bits })
    }
}

impl RoundSum {
    /// The sum that secure aggregation showed, of the sites that survived.
    pub fn together(sum: &SumRow, fraction_bits: u8) -> Self {
        let total = sum.sums.iter().copied().map(i64::from).collect();
        let parts = u32::try_from(sum.survived.len()).unwrap_or(u32::MAX);
        Self { total, parts, fraction_bits: fraction_bits.into() }
    }

    /// L2 norm of the combined update, in units of the gradient.
    pub fn norm(&self) -> f64 {
        let unit = f64::from(self.parts.max(1)) * f64::from(self.fraction_bits).exp2();
        self.total.iter().map(|total| (*total as f64 / unit).powi(2)).sum::<f64>().sqrt()
    }
}

/// Bits after the point of a sum of updates with so many.
pub fn bits_of_sum(fraction_bits: u8, weighted: bool) -> u32 {
    u32::from(fraction_bits) + if weighted { WEIGHT_BITS } else { 0 }
}

/// Descends from `start` along the sum of each closed round in turn.
///
/// The step is along the combined update of the sites, each its own sum over subjects. It is not
/// divided by a number of subjects, which is private too; the learning rate is chosen for that.
/// `noise` is the deviation of the noise in a coordinate of it, in the gradient's unit: what adaptive
/// optimisers do not blow up, unless the run's schedule says otherwise. That schedule, when there is
/// one, also says how many of the last iterates are averaged.
///
/// # Errors
/// [`TrainError`] for sums that do not fit the head, or a head that leaves the range of `f32`.
pub fn descend(
    start: &Head,
    training: &Training,
    method: &Method,
    rounds: u32,
    noise: f64,
    sums: &[RoundSum],
) -> Result<Descent, TrainError> {
    let learning_rate = method.learning_rate.unwrap_or(training.learning_rate);
    let mut descent = Descent::new(start, rounds, learning_rate, training.momentum);
    let tuned = method.tuned;
    if let Some(optimiser) = method.optimiser {
        let floor = tuned.and_then(|tuned| tuned.floor).unwrap_or(noise);
        descent = descent.using(optimiser.with_floor(floor));
    }
    if let Some(tuned) = tuned {
        descent = descent.averaging_last(tuned.averaged);
    }
    for sum in sums {
        let parts = usize::try_from(sum.parts).unwrap_or(usize::MAX);
        descent.step_along(&sum.total, parts, sum.fraction_bits)?;
    }
    Ok(descent)
}

/// What an update counts that was computed so many steps ago: 1/√(1 + τ) (Nguyen et al. 2022,
/// section 5), in 1/2¹⁰.
#[expect(
    clippy::cast_possible_truncation,
    reason = "between 0 and 1024 by the formula, and rounded"
)]
fn staleness_weight(steps: u32) -> i64 {
    let weight = (1.0 + f64::from(steps)).sqrt().recip();
    (weight * f64::from(WEIGHT_BITS).exp2()).round() as i64
}

#[cfg(test)]
mod tests {
    use insitu_protocol::bytes::Fixed;

    use super::*;

    fn training() -> Training {
        Training {
            rounds: 2,
            run_nano_rho: 2,
            clip_milli: 1000,
            fraction_bits: 4,
            learning_rate: 0.5,
            momentum: 0.0,
        }
    }

    fn gather<const N: usize>(rule: Rule, updates: [[i64; 2]; N]) -> RoundSum {
        let mut gathered = Gathered::new(rule, 2, 4, false);
        updates.into_iter().for_each(|update| gathered.add(update.to_vec(), 0));
        gathered.sum().unwrap()
    }

    fn weights(sums: &[RoundSum]) -> Vec<f32> {
        let start = Head::new(2, 1, vec![0.0, 0.0]).unwrap();
        let descent = descend(&start, &training(), &Method::default(), 2, 1.0, sums).unwrap();
        descent.head().unwrap().weights().to_vec()
    }

    #[test]
    fn a_replay_takes_the_mean_over_sites() {
        // Four fraction bits: 16 is 1.0. Mean of the first round: (1.5, -0.5).
        let rounds = [gather(Rule::Mean, [[16, -16], [32, 0]]), gather(Rule::Mean, [[0, 0]])];
        assert_eq!(weights(&rounds[..1]), [-0.75, 0.25]);
        assert_eq!(weights(&rounds), [-0.75, 0.25]);
        assert!((rounds[0].norm() - 2.5_f64.sqrt()).abs() < 1e-12);
        // The same sum without the sites' parts, and with one more bit after the point.
        let (survived, digest) = (vec![0, 3], Fixed([0; 32]));
        let sum = RoundSum::together(&SumRow { survived, digest, sums: vec![96, -32] }, 5);
        assert_eq!(weights(&[sum]), [-0.75, 0.25]);
    }

    #[test]
    fn one_site_cannot_move_a_median() {
        let updates = [[16, -16], [32, 0], [i64::from(i32::MAX), i64::from(i32::MIN)]];
        assert_eq!(weights(&[gather(Rule::Median, updates)]), [-1.0, 0.5]);
        assert!(weights(&[gather(Rule::Mean, updates)])[0] < -1e6);
    }

    #[test]
    fn what_is_stale_counts_less() {
        assert_eq!([0, 1, 3].map(staleness_weight), [1024, 724, 512]);
        let mut gathered = Gathered::new(Rule::Mean, 2, 4, true);
        gathered.add(vec![16, 0], 0);
        gathered.add(vec![0, -32], 3);
        assert_eq!(weights(&[gathered.sum().unwrap()]), [-0.25, 0.25]);
    }

    #[test]
    fn a_round_without_updates_is_refused() {
        for rule in [Rule::Mean, Rule::Median] {
            let refused = Gathered::new(rule, 2, 4, false).sum();
            assert_eq!(refused, Err(RobustError::NoUpdates));
        }
    }
}
