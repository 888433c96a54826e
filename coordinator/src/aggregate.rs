//! From released updates to the next head: exact sums, server momentum, averaged iterates.
//!
//! A run is replayed from its stored releases each time a round closes. That costs a little
//! arithmetic, and means that there is no other state to lose.

use insitu_models::head::Head;
use insitu_models::train::{Descent, TrainError};
use insitu_protocol::project::Training;

use crate::store::ReleaseRow;

/// Descends from `start` along the updates of each closed round in turn.
///
/// The step is along the mean over sites of what each released: its own sum over subjects. It is
/// not divided by a number of subjects, which is private too; the project's learning rate is
/// chosen for that.
///
/// # Errors
/// [`TrainError`] for updates that do not fit the head, or a head that leaves the range of `f32`.
pub fn descend(
    start: &Head,
    training: &Training,
    rounds: u32,
    updates: &[Vec<ReleaseRow>],
) -> Result<Descent, TrainError> {
    let mut descent = Descent::new(start, rounds, training.learning_rate, training.momentum);
    for round in updates {
        let sums: Vec<&[i32]> = round.iter().map(|row| row.release.values.0.as_slice()).collect();
        descent.step(&sums, training.fraction_bits)?;
    }
    Ok(descent)
}

/// L2 norm of the mean over sites of their updates, in units of the gradient.
pub fn norm(updates: &[ReleaseRow], fraction_bits: u8) -> f64 {
    let Some(first) = updates.first() else { return 0.0 };
    let unit = updates.len() as f64 * 2.0_f64.powi(i32::from(fraction_bits));
    let squares: f64 = (0..first.release.values.0.len())
        .map(|cell| {
            let value = |row: &ReleaseRow| row.release.values.0.get(cell).copied().unwrap_or(0);
            let total: i64 = updates.iter().map(|row| i64::from(value(row))).sum();
            (total as f64 / unit).powi(2)
        })
        .sum();
    squares.sqrt()
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
            vec![update("a", vec![16, -16]), update("b", vec![32, 0])],
            vec![update("a", vec![0, 0])],
        ];
        let one = descend(&start, &training(), 2, &rounds[..1]).unwrap();
        assert_eq!(one.head().unwrap().weights(), [-0.75, 0.25]);
        let both = descend(&start, &training(), 2, &rounds).unwrap();
        assert_eq!(both.head().unwrap().weights(), [-0.75, 0.25]);
        assert!((norm(&rounds[0], 4) - 2.5_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_round_without_updates_is_refused() {
        let start = Head::new(2, 1, vec![0.0, 0.0]).unwrap();
        let refused = descend(&start, &training(), 2, &[vec![]]);
        assert!(matches!(refused, Err(TrainError::NoSites)));
        assert!(norm(&[], 4).abs() < f64::EPSILON);
    }
}
