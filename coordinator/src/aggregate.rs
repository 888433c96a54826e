//! From released updates to the next head: exact sums, server momentum, averaged iterates.
//!
//! A run is replayed from its stored releases and sums each time a round closes. That costs a
//! little arithmetic, and means that there is no other state to lose.

use insitu_models::head::Head;
use insitu_models::train::{Descent, TrainError};
use insitu_protocol::project::Training;

use crate::store::{ReleaseRow, SumRow};

/// What the updates of one round add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundSum {
    /// In fixed point, row-major `[classes, features]`.
    total: Vec<i64>,
    /// Sites in it.
    sites: usize,
    /// Bits after the point.
    fraction_bits: u32,
}

impl RoundSum {
    /// The sum of updates that each site noised for itself. Integers add without rounding, so the
    /// order of the sites does not matter.
    pub fn of(updates: &[ReleaseRow], fraction_bits: u8) -> Self {
        let values = |row: &ReleaseRow| row.release.values.0.len();
        let mut total = vec![0_i64; updates.iter().map(values).max().unwrap_or(0)];
        for row in updates {
            for (total, value) in total.iter_mut().zip(&row.release.values.0) {
                *total += i64::from(*value);
            }
        }
        Self { total, sites: updates.len(), fraction_bits: fraction_bits.into() }
    }

    /// The sum that secure aggregation showed, of the sites that survived.
    pub fn together(sum: &SumRow, fraction_bits: u8) -> Self {
        let total = sum.sums.iter().copied().map(i64::from).collect();
        Self { total, sites: sum.survived.len(), fraction_bits: fraction_bits.into() }
    }

    /// L2 norm of the mean over sites, in units of the gradient.
    pub fn norm(&self) -> f64 {
        if self.sites == 0 {
            return 0.0;
        }
        let unit = self.sites as f64 * f64::from(self.fraction_bits).exp2();
        self.total.iter().map(|total| (*total as f64 / unit).powi(2)).sum::<f64>().sqrt()
    }
}

/// Descends from `start` along the sum of each closed round in turn.
///
/// The step is along the mean over sites of their own sums over subjects. It is not divided by a
/// number of subjects, which is private too; the project's learning rate is chosen for that.
///
/// # Errors
/// [`TrainError`] for sums that do not fit the head, or a head that leaves the range of `f32`.
pub fn descend(
    start: &Head,
    training: &Training,
    rounds: u32,
    sums: &[RoundSum],
) -> Result<Descent, TrainError> {
    let mut descent = Descent::new(start, rounds, training.learning_rate, training.momentum);
    for sum in sums {
        descent.step_along(&sum.total, sum.sites, sum.fraction_bits)?;
    }
    Ok(descent)
}

#[cfg(test)]
mod tests {
    use insitu_protocol::bytes::Fixed;
    use insitu_protocol::release::{Body, CHAIN_START, Release, Values};

    use super::*;

    fn update(site: &str, values: Vec<i32>) -> ReleaseRow {
        let body = Body::Update { run: Fixed([1; 16]), round: 1 };
        ReleaseRow {
            site: site.parse().unwrap(),
            release: Release {
                id: Fixed([2; 16]),
                sequence: 1,
                previous: CHAIN_START,
                project: "p".parse().unwrap(),
                project_version: 1,
                body,
                nano_rho: 1,
                scale_1024: 1024,
                values: Values(values),
            },
        }
    }

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

    #[test]
    fn a_replay_takes_the_mean_over_sites() {
        let start = Head::new(2, 1, vec![0.0, 0.0]).unwrap();
        // Four fraction bits: 16 is 1.0. Mean of the first round: (1.5, -0.5).
        let rounds = [
            RoundSum::of(&[update("a", vec![16, -16]), update("b", vec![32, 0])], 4),
            RoundSum::of(&[update("a", vec![0, 0])], 4),
        ];
        let one = descend(&start, &training(), 2, &rounds[..1]).unwrap();
        assert_eq!(one.head().unwrap().weights(), [-0.75, 0.25]);
        let both = descend(&start, &training(), 2, &rounds).unwrap();
        assert_eq!(both.head().unwrap().weights(), [-0.75, 0.25]);
        assert!((rounds[0].norm() - 2.5_f64.sqrt()).abs() < 1e-12);
        // The same sum without the sites' parts, and with one more bit after the point.
        let (survived, digest) = (vec![0, 3], Fixed([0; 32]));
        let sum = RoundSum::together(&SumRow { survived, digest, sums: vec![96, -32] }, 5);
        let together = descend(&start, &training(), 2, &[sum]).unwrap();
        assert_eq!(together.head().unwrap(), one.head().unwrap());
    }

    #[test]
    fn a_round_without_updates_is_refused() {
        let start = Head::new(2, 1, vec![0.0, 0.0]).unwrap();
        let refused = descend(&start, &training(), 2, &[RoundSum::of(&[], 4)]);
        assert!(matches!(refused, Err(TrainError::NoSites)));
        assert!(RoundSum::of(&[], 4).norm().abs() < f64::EPSILON);
    }
}
