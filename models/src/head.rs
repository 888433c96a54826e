//! The trainable part of a bundle: one linear layer and a softmax.
//!
//! A head has no bias: a backbone's features hold a component that is positive for every item, and
//! have length at most 1.

/// A softmax head.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    classes: usize,
    features: usize,
    /// Row-major `[classes, features]`.
    weights: Vec<f32>,
}

/// Why numbers are not a head, or do not fit one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// A list of the wrong length.
    #[error("{what}: {got} given, {want} wanted")]
    Length {
        /// Which list.
        what: &'static str,
        /// Entries found.
        got: usize,
        /// Entries needed.
        want: usize,
    },
    /// A number that is not finite.
    #[error("{what} number {position} is not finite")]
    NotFinite {
        /// Which list.
        what: &'static str,
        /// Position, from 1.
        position: usize,
    },
    /// A class that the head does not have.
    #[error("class {got} of {classes}")]
    Class {
        /// Class given, from 0.
        got: usize,
        /// Classes of the head.
        classes: usize,
    },
}

impl Head {
    /// A head of `weights`, row-major `[classes, features]`.
    ///
    /// # Errors
    /// [`HeadError::Length`] or [`HeadError::NotFinite`].
    pub fn new(classes: usize, features: usize, weights: Vec<f32>) -> Result<Self, HeadError> {
        let want = classes.saturating_mul(features);
        if weights.len() != want || want == 0 {
            return Err(HeadError::Length { what: "weights", got: weights.len(), want });
        }
        if let Some(index) = weights.iter().position(|weight| !weight.is_finite()) {
            return Err(HeadError::NotFinite { what: "weight", position: index + 1 });
        }
        Ok(Self { classes, features, weights })
    }

    /// Reads what [`Head::encode`] writes.
    ///
    /// # Errors
    /// As [`Head::new`]; lengths are in bytes when they are not a whole number of weights.
    pub fn decode(classes: usize, features: usize, bytes: &[u8]) -> Result<Self, HeadError> {
        let (weights, rest) = bytes.as_chunks::<4>();
        let want = classes.saturating_mul(features);
        if weights.len() != want || !rest.is_empty() {
            return Err(HeadError::Length {
                what: "bytes of a head",
                got: bytes.len(),
                want: want.saturating_mul(4),
            });
        }
        Self::new(classes, features, weights.iter().map(|four| f32::from_le_bytes(*four)).collect())
    }

    /// The weights as `f32`, little-endian, row-major: the bytes of a bundle's head and of a round's.
    pub fn encode(&self) -> Vec<u8> {
        self.weights.iter().flat_map(|weight| weight.to_le_bytes()).collect()
    }

    /// Number of classes: rows.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of features: columns.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Row-major `[classes, features]`.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Probability of each class for one item's features, logits divided by `temperature`.
    ///
    /// # Errors
    /// [`HeadError::Length`] when `item` has not [`Head::features`] entries.
    pub fn probabilities(&self, item: &[f32], temperature: f64) -> Result<Vec<f64>, HeadError> {
        if item.len() != self.features {
            return Err(HeadError::Length {
                what: "features of an item",
                got: item.len(),
                want: self.features,
            });
        }
        let mut values: Vec<f64> = self
            .weights
            .chunks_exact(self.features)
            .map(|row| dot(row, item) / temperature)
            .collect();
        softmax(&mut values);
        Ok(values)
    }

    /// The most probable class; the first one of several.
    ///
    /// # Errors
    /// As [`Head::probabilities`].
    pub fn best(&self, item: &[f32]) -> Result<usize, HeadError> {
        let probabilities = self.probabilities(item, 1.0)?;
        let first_best = |best: usize, next: usize| {
            if probabilities[next] > probabilities[best] { next } else { best }
        };
        Ok((0..probabilities.len()).fold(0, first_best))
    }

    /// Gradient of the summed cross entropy of one subject's items, row-major `[classes, features]`.
    ///
    /// For an item with features `x` and class `y` it is `(p − e_y) xᵀ`, `p` the softmax without
    /// temperature. Summed in `f64` in the order given, then rounded: the caller clips it.
    ///
    /// # Errors
    /// [`HeadError`] for an item that does not fit.
    pub fn subject_gradient<'a>(
        &self,
        items: impl IntoIterator<Item = (&'a [f32], usize)>,
    ) -> Result<Vec<f32>, HeadError> {
        let mut sum = vec![0.0; self.weights.len()];
        for (item, class) in items {
            if class >= self.classes {
                return Err(HeadError::Class { got: class, classes: self.classes });
            }
            if let Some(index) = item.iter().position(|value| !value.is_finite()) {
                return Err(HeadError::NotFinite { what: "feature", position: index + 1 });
            }
            let mut residual = self.probabilities(item, 1.0)?;
            residual[class] -= 1.0;
            for (row, residual) in sum.chunks_exact_mut(self.features).zip(residual) {
                for (cell, value) in row.iter_mut().zip(item) {
                    *cell += residual * f64::from(*value);
                }
            }
        }
        Ok(sum.into_iter().map(narrow).collect())
    }
}

/// The nearest `f32`; a value beyond its range becomes infinite, which [`Head::new`] refuses.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what is asked for")]
pub(crate) fn narrow(value: f64) -> f32 {
    value as f32
}

/// Several sums at once: one alone would wait for each addition.
pub(crate) fn dot(row: &[f32], item: &[f32]) -> f64 {
    let product = |(weight, value): (&f32, &f32)| f64::from(*weight) * f64::from(*value);
    let (weights, last_weights) = row.as_chunks::<8>();
    let (values, last_values) = item.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for pair in weights.iter().zip(values) {
        for (sum, both) in sums.iter_mut().zip(pair.0.iter().zip(pair.1)) {
            *sum += product(both);
        }
    }
    sums.into_iter().chain(last_weights.iter().zip(last_values).map(product)).sum()
}

/// In place, shifted by the maximum so that no exponential overflows.
pub(crate) fn softmax(values: &mut [f64]) {
    let top = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for value in values.iter_mut() {
        *value = (*value - top).exp();
        sum += *value;
    }
    for value in values {
        *value /= sum;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn loss(head: &Head, items: &[(Vec<f32>, usize)]) -> f64 {
        items.iter().map(|(x, y)| -head.probabilities(x, 1.0).unwrap()[*y].ln()).sum()
    }

    fn item() -> impl Strategy<Value = (Vec<f32>, usize)> {
        (prop::collection::vec(-1.0_f32..1.0, 4), 0_usize..3)
    }

    proptest! {
        #[test]
        fn bytes_round_trip(weights in prop::collection::vec(-1e30_f32..1e30, 12)) {
            let head = Head::new(3, 4, weights).unwrap();
            prop_assert_eq!(Head::decode(3, 4, &head.encode()).unwrap(), head);
        }

        #[test]
        fn any_bytes_decode_to_themselves_or_an_error(
            classes in 0_usize..4,
            features in 0_usize..4,
            bytes in prop::collection::vec(any::<u8>(), 0..48),
        ) {
            if let Ok(head) = Head::decode(classes, features, &bytes) {
                prop_assert_eq!(head.encode(), bytes);
                prop_assert!(head.weights().iter().all(|weight| weight.is_finite()));
            }
        }

        #[test]
        fn the_gradient_is_that_of_the_loss(
            weights in prop::collection::vec(-3.0_f32..3.0, 12),
            items in prop::collection::vec(item(), 1..5),
        ) {
            let head = Head::new(3, 4, weights.clone()).unwrap();
            let gradient =
                head.subject_gradient(items.iter().map(|(x, y)| (x.as_slice(), *y))).unwrap();
            let step = 1.0 / 512.0; // a power of two: weights move by exactly this much or nearly
            for (cell, analytic) in gradient.iter().enumerate() {
                let moved = |by: f32| {
                    let mut weights = weights.clone();
                    weights[cell] += by;
                    (weights[cell], loss(&Head::new(3, 4, weights).unwrap(), &items))
                };
                let ((above, high), (below, low)) = (moved(step), moved(-step));
                let numeric = (high - low) / (f64::from(above) - f64::from(below));
                prop_assert!(
                    (numeric - f64::from(*analytic)).abs() < 1e-4,
                    "cell {}: {} against {}", cell, analytic, numeric
                );
            }
        }

        #[test]
        fn probabilities_sum_to_one_however_large_the_logits(
            weights in prop::collection::vec(-1e4_f32..1e4, 12),
            item in prop::collection::vec(-1.0_f32..1.0, 4),
        ) {
            let head = Head::new(3, 4, weights).unwrap();
            let sum: f64 = head.probabilities(&item, 0.5).unwrap().iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let head = Head::new(2, 2, vec![0.0; 4]).unwrap();
        assert_eq!(
            Head::new(2, 2, vec![0.0; 3]),
            Err(HeadError::Length { what: "weights", got: 3, want: 4 })
        );
        assert_eq!(
            Head::new(2, 2, vec![0.0, f32::NAN, 0.0, 0.0]),
            Err(HeadError::NotFinite { what: "weight", position: 2 })
        );
        assert!(Head::new(0, 0, vec![]).is_err());
        assert!(Head::decode(2, 2, &[0; 15]).is_err());
        assert!(Head::decode(usize::MAX, 2, &[0; 16]).is_err());
        assert!(head.probabilities(&[0.0], 1.0).is_err());
        let bad = head.subject_gradient([([0.0_f32, 1.0].as_slice(), 2)]);
        assert_eq!(bad, Err(HeadError::Class { got: 2, classes: 2 }));
        let bad = head.subject_gradient([([0.0_f32, f32::INFINITY].as_slice(), 0)]);
        assert_eq!(bad, Err(HeadError::NotFinite { what: "feature", position: 2 }));
    }
}
