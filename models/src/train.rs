//! The coordinator's side of federated training: gradient descent on a head.
//!
//! `V ← m·V + g`, `W ← W − η·V`, or what another [`Optimiser`] says; the result is the mean of the
//! last half of the iterates, which averages much of the privacy noise away (Polyak, Juditsky 1992;
//! the schedule is the full-batch descent of the design's section on training heads). `g` is the mean over sites of what each
//! released: its own sum over subjects, clipped and noised. It is not divided by a number of
//! subjects, because that number is private too.
//!
//! Everything is `f64` in a fixed order: the same rounds give the same bytes, so a restarted
//! coordinator replays the rounds that it stored.

use crate::head::{Head, HeadError, HeadShape, narrow};
use crate::optimiser::{Memory, Optimiser};

/// A training run in progress.
#[derive(Clone, Debug)]
pub struct Descent {
    shape: HeadShape,
    weights: Vec<f64>,
    memory: Memory,
    learning_rate: f64,
    rounds: u32,
    done: u32,
    /// The first rounds, whose iterates are not averaged.
    head_rounds: u32,
    /// Sum of the later iterates, and their number.
    tail: Vec<f64>,
    tail_iterates: u32,
}

/// Why a run is refused a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// More steps than rounds.
    #[error("all {rounds} rounds are done")]
    Finished {
        /// Rounds of the run.
        rounds: u32,
    },
    /// No site contributed.
    #[error("no site's sum to step along")]
    NoSites,
    /// A gradient that does not fit the head, or weights that left the range of `f32`.
    #[error("round {round} does not give a head")]
    Head {
        /// The round, from 1.
        round: u32,
        /// What does not fit.
        source: HeadError,
    },
}

impl Descent {
    /// Starts at `head`, for `rounds` steps of `learning_rate` with `momentum`.
    pub fn new(head: &Head, rounds: u32, learning_rate: f64, momentum: f64) -> Self {
        let weights: Vec<f64> = head.weights().iter().map(|weight| f64::from(*weight)).collect();
        Self {
            shape: head.shape(),
            memory: Optimiser::FedAvgM { momentum }.start(weights.len()),
            head_rounds: rounds / 2,
            tail: vec![0.0; weights.len()],
            weights,
            learning_rate,
            rounds,
            done: 0,
            tail_iterates: 0,
        }
    }

    /// Averages the iterates of the last `rounds` rounds instead of the last half; at least one.
    #[must_use]
    pub fn averaging_last(mut self, rounds: u32) -> Self {
        self.head_rounds = self.rounds.saturating_sub(rounds.max(1));
        self
    }

    /// Steps as `optimiser` says instead of with the momentum given at the start.
    #[must_use]
    pub fn using(mut self, optimiser: Optimiser) -> Self {
        self.memory = optimiser.start(self.weights.len());
        self
    }

    /// One round: `sums` holds each site's released sum in fixed point, in the
    /// order of the head's weights, with `fraction_bits` bits after the point.
    ///
    /// # Errors
    /// [`TrainError`]; the run is then unchanged.
    pub fn step(&mut self, sums: &[&[i32]], fraction_bits: u8) -> Result<(), TrainError> {
        let mut total = vec![0; self.weights.len()];
        for sum in sums {
            if sum.len() != total.len() {
                return Err(self.misfit(sum.len()));
            }
            // Integers add without rounding, so the order of the sites does not matter.
            total.iter_mut().zip(*sum).for_each(|(total, value)| *total += i64::from(*value));
        }
        self.step_along(&total, sums.len(), fraction_bits.into())
    }

    /// One round of which only the sum over `sites` is known, as [`Descent::step`] takes each
    /// site's: secure aggregation shows no more.
    ///
    /// # Errors
    /// [`TrainError`]; the run is then unchanged.
    pub fn step_along(
        &mut self,
        total: &[i64],
        sites: usize,
        fraction_bits: u32,
    ) -> Result<(), TrainError> {
        if self.done >= self.rounds {
            return Err(TrainError::Finished { rounds: self.rounds });
        }
        if sites == 0 {
            return Err(TrainError::NoSites);
        }
        if total.len() != self.weights.len() {
            return Err(self.misfit(total.len()));
        }
        let round = self.done + 1;
        let unit = sites as f64 * f64::from(fraction_bits).exp2();
        let mut next = self.clone();
        for (cell, total) in total.iter().enumerate() {
            let direction = next.memory.direction(cell, *total as f64 / unit);
            next.weights[cell] -= next.learning_rate * direction;
        }
        next.done = round;
        if round > next.head_rounds {
            next.tail_iterates += 1;
            for (sum, weight) in next.tail.iter_mut().zip(&next.weights) {
                *sum += weight;
            }
        }
        next.head().map_err(|source| TrainError::Head { round, source })?;
        *self = next;
        Ok(())
    }

    fn misfit(&self, got: usize) -> TrainError {
        let source = HeadError::Length { what: "a site's sum", got, want: self.weights.len() };
        TrainError::Head { round: self.done + 1, source }
    }

    /// Rounds done.
    pub fn done(&self) -> u32 {
        self.done
    }

    /// Where the next gradient is taken.
    ///
    /// # Errors
    /// [`HeadError::NotFinite`] when the start was so already; [`Descent::step`] refuses to go there.
    pub fn head(&self) -> Result<Head, HeadError> {
        self.rounded(self.weights.iter().copied())
    }

    /// The run's result so far: the mean of the last half of the iterates, or of those that
    /// [`Descent::averaging_last`] names; the latest iterate while there is none of these.
    ///
    /// # Errors
    /// As [`Descent::head`].
    pub fn result(&self) -> Result<Head, HeadError> {
        if self.tail_iterates == 0 {
            return self.head();
        }
        let count = f64::from(self.tail_iterates);
        self.rounded(self.tail.iter().map(|sum| sum / count))
    }

    fn rounded(&self, weights: impl Iterator<Item = f64>) -> Result<Head, HeadError> {
        self.shape.head(weights.map(narrow).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Head {
        Head::new(2, 1, vec![0.0, 1.0]).unwrap()
    }

    #[test]
    fn momentum_and_average_are_those_of_the_formula() {
        // One bit after the point: a sum of 2 is 1.0; two sites, so g = (1 + 3) / 2 = 2.
        let mut run = Descent::new(&start(), 3, 0.5, 0.5);
        run.step(&[&[2, 0], &[6, 0]], 1).unwrap();
        assert_eq!(run.head().unwrap().weights(), [-1.0, 1.0]); // V = 2
        assert_eq!(run.result().unwrap(), run.head().unwrap());
        run.step(&[&[2, 0]], 1).unwrap();
        assert_eq!(run.head().unwrap().weights(), [-2.0, 1.0]); // V = 1 + 1
        run.step(&[&[0, 8]], 1).unwrap();
        assert_eq!(run.head().unwrap().weights(), [-2.5, -1.0]); // V = (1, 4)
        assert_eq!(run.result().unwrap().weights(), [-2.25, 0.0]); // of rounds 2 and 3
        assert_eq!(run.step(&[&[0, 0]], 1), Err(TrainError::Finished { rounds: 3 }));
        assert_eq!(run.done(), 3);
    }

    #[test]
    fn an_optimiser_replaces_the_momentum() {
        let mut run = Descent::new(&start(), 2, 0.5, 0.9).using(Optimiser::FedAvg);
        run.step(&[&[2, 0]], 1).unwrap();
        run.step(&[&[2, 0]], 1).unwrap();
        assert_eq!(run.head().unwrap().weights(), [-1.0, 1.0]);
        // Adaptive: τ = 1, v = .99 + .01 = 1, m = .1, so the step is .1/2.
        let adam: Optimiser = "fedadam".parse().unwrap();
        let mut run = Descent::new(&start(), 1, 1.0, 0.0).using(adam.with_floor(1.0));
        run.step(&[&[2, 0]], 1).unwrap();
        assert!((run.head().unwrap().weights()[0] + 0.05).abs() < 1e-7);
    }

    #[test]
    fn fewer_iterates_are_averaged_on_request() {
        for (last, expected) in [(0, -4.0), (1, -4.0), (2, -3.0), (3, -2.0), (9, -2.0)] {
            let mut run = Descent::new(&start(), 3, 1.0, 0.0).averaging_last(last);
            for sum in [0, 2, 2] {
                run.step(&[&[sum, 0]], 0).unwrap();
            }
            assert_eq!(run.result().unwrap().weights(), [expected, 1.0]); // of 0, -2, -4
        }
    }

    #[test]
    fn the_order_of_the_sites_is_of_no_account() {
        let sums: [&[i32]; 3] = [&[i32::MAX, -3], &[5, i32::MIN], &[-7, 11]];
        let result = |order: [usize; 3]| {
            let mut run = Descent::new(&start(), 2, 0.1, 0.9);
            for _ in 0..2 {
                run.step(&order.map(|site| sums[site]), 12).unwrap();
            }
            run.result().unwrap().encode()
        };
        assert_eq!(result([0, 1, 2]), result([2, 0, 1]));
    }

    #[test]
    fn the_sum_over_sites_is_all_that_a_step_needs() {
        let (mut each, mut sum) = (Descent::new(&start(), 2, 0.5, 0.5), None);
        for round in [[[2, 0], [6, -3]], [[1, 1], [0, 5]]] {
            let sum = sum.get_or_insert_with(|| each.clone());
            each.step(&[&round[0], &round[1]], 1).unwrap();
            let total: Vec<i64> =
                round[0].iter().zip(&round[1]).map(|(a, b)| 2 * i64::from(a + b)).collect();
            sum.step_along(&total, 2, 2).unwrap(); // one more bit after the point
            assert_eq!(sum.head(), each.head());
        }
    }

    #[test]
    fn a_refused_step_changes_nothing() {
        let mut run = Descent::new(&start(), 2, 1e38, 0.0);
        assert!(matches!(run.step(&[&[1]], 4), Err(TrainError::Head { round: 1, .. })));
        assert!(matches!(run.step(&[], 4), Err(TrainError::NoSites)));
        assert!(matches!(run.step_along(&[1], 2, 4), Err(TrainError::Head { round: 1, .. })));
        assert_eq!(run.step_along(&[1, 2], 0, 4), Err(TrainError::NoSites));
        let overflow = run.step(&[&[i32::MAX, 0]], 4);
        assert!(matches!(
            overflow,
            Err(TrainError::Head { round: 1, source: HeadError::NotFinite { .. } })
        ));
        assert_eq!((run.done(), run.head().unwrap()), (0, start()));
    }

    #[test]
    fn exact_gradients_descend() {
        let head = Head::new(2, 2, vec![0.0; 4]).unwrap();
        let items: [([f32; 2], usize); 4] =
            [([0.6, 0.8], 1), ([0.6, -0.8], 0), ([0.8, 0.6], 1), ([0.8, -0.6], 0)];
        let mut run = Descent::new(&head, 20, 1.0, 0.5);
        for _ in 0..20 {
            let at = run.head().unwrap();
            let gradient = at.subject_gradient(items.iter().map(|(x, y)| (&x[..], *y))).unwrap();
            #[expect(clippy::cast_possible_truncation, reason = "small values, in fixed point")]
            let sum: Vec<i32> = gradient.iter().map(|g| (g * 4096.0) as i32).collect();
            run.step(&[&sum], 12).unwrap();
        }
        let result = run.result().unwrap();
        for (x, y) in items {
            assert!(result.probabilities(&x, 1.0).unwrap()[y] > 0.9);
        }
    }
}
