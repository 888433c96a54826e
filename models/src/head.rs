//! The trainable part of a bundle: one linear layer, or two, and what makes probabilities of it.
//!
//! A head has no bias: a backbone's features hold a component that is positive for every item, and
//! have length at most 1.

mod shape;

use insitu_protocol::ids::digest;

pub use self::shape::{HeadKind, HeadShape, UNITS_MAX};
use crate::heads::Outer;
use crate::tokens;

/// What is true of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// Exactly one class.
    Class(usize),
    /// These classes and no others.
    Classes(&'a [u16]),
    /// A tag of each word.
    Tags(&'a [u16]),
}

impl From<usize> for Target<'_> {
    fn from(class: usize) -> Self {
        Self::Class(class)
    }
}

/// A head.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    shape: HeadShape,
    /// Row-major, one layer after another.
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
    /// A label of another kind than the head's.
    #[error("a {kind} head does not learn from such a label")]
    Target {
        /// The head's kind.
        kind: HeadKind,
    },
}

impl Head {
    /// A softmax head of `weights`, row-major `[classes, features]`.
    ///
    /// # Errors
    /// [`HeadError::Length`] or [`HeadError::NotFinite`].
    pub fn new(classes: usize, features: usize, weights: Vec<f32>) -> Result<Self, HeadError> {
        HeadShape::softmax(classes, features).head(weights)
    }

    /// An adapter that begins where the softmax head `linear` is: U has entries ±1/√units, the same
    /// for everybody, so that UᵀU is the identity on average, and V is `linear`·Uᵀ (random
    /// projections by signs: Achlioptas, *Database-friendly random projections*, 2003).
    ///
    /// A hidden layer of zeros would stay where it is: each layer's gradient has the other as a
    /// factor.
    ///
    /// # Errors
    /// [`HeadError::Length`] without units, [`HeadError::Target`] for a head of several layers.
    pub fn adapter(linear: &Self, units: usize) -> Result<Self, HeadError> {
        let HeadShape { kind, classes, features } = linear.shape;
        if kind != HeadKind::Softmax {
            return Err(HeadError::Target { kind });
        }
        let size = 1.0 / (units.max(1) as f64).sqrt();
        let hidden: Vec<f32> = signs(units.saturating_mul(features))
            .map(|positive| narrow(if positive { size } else { -size }))
            .collect();
        let rows = linear.weights.chunks_exact(features);
        let weights = rows
            .flat_map(|row| hidden.chunks_exact(features).map(move |unit| narrow(dot(row, unit))));
        let classes_of_units: Vec<f32> = weights.collect();
        let shape = HeadShape { kind: HeadKind::Adapter { units }, classes, features };
        shape.head([hidden, classes_of_units].concat())
    }

    /// A head of another kind that begins where this softmax head is: an adapter as
    /// [`Head::adapter`] has it, and for several classes the same weights.
    ///
    /// # Errors
    /// [`HeadError`]; [`HeadError::Target`] for tokens, whose features are of words
    /// ([`Head::of_tokens`]).
    pub fn into_kind(self, kind: HeadKind) -> Result<Self, HeadError> {
        match kind {
            HeadKind::Softmax => Ok(self),
            HeadKind::Adapter { units } => Self::adapter(&self, units),
            HeadKind::MultiLabel => HeadShape { kind, ..self.shape }.head(self.weights),
            HeadKind::Tokens => Err(HeadError::Target { kind }),
        }
    }

    /// A head of tokens for so many classes of spans that knows nothing, and marks nothing.
    ///
    /// # Errors
    /// [`HeadError::Length`] without features.
    pub fn of_tokens(classes: usize, features: usize) -> Result<Self, HeadError> {
        let shape = HeadShape { kind: HeadKind::Tokens, classes, features };
        shape.head(vec![0.0; shape.parameters()])
    }

    /// The head of the same shape with other weights.
    ///
    /// # Errors
    /// As [`HeadShape::head`].
    pub fn with_weights(&self, weights: Vec<f32>) -> Result<Self, HeadError> {
        self.shape.head(weights)
    }

    /// The weights as `f32`, little-endian: the bytes of a bundle's head and of a round's.
    pub fn encode(&self) -> Vec<u8> {
        self.weights.iter().flat_map(|weight| weight.to_le_bytes()).collect()
    }

    /// Its form.
    pub fn shape(&self) -> HeadShape {
        self.shape
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.shape.classes
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.shape.features
    }

    /// Row-major, one layer after another; `[classes, features]` where there is but one.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Probability of each class for one item's features, logits divided by `temperature`. They sum
    /// to 1 where an item has one class. Of a head of tokens, for the features of an item's words,
    /// `[words, features]`: of each word's tags, `[words, tags]`, where each row sums to 1.
    ///
    /// # Errors
    /// [`HeadError::Length`] when `item` has not [`Head::features`] entries, or for tokens not a whole
    /// number of such rows.
    pub fn probabilities(&self, item: &[f32], temperature: f64) -> Result<Vec<f64>, HeadError> {
        self.fits(item)?;
        let mut values = match self.shape.kind {
            HeadKind::Softmax | HeadKind::MultiLabel => self.linear(item),
            HeadKind::Adapter { units } => self.forward(units, item).1,
            HeadKind::Tokens => {
                item.chunks_exact(self.shape.features).flat_map(|word| self.linear(word)).collect()
            }
        };
        values.iter_mut().for_each(|value| *value /= temperature);
        match self.shape.kind {
            HeadKind::Softmax | HeadKind::Adapter { .. } => softmax(&mut values),
            HeadKind::MultiLabel => {
                values.iter_mut().for_each(|value| *value = 1.0 / (1.0 + (-*value).exp()));
            }
            HeadKind::Tokens => values.chunks_exact_mut(self.shape.outputs()).for_each(softmax),
        }
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

    /// Whether the head says of an item what is true: the most probable class, exactly the classes
    /// that are more probable than not, or exactly the tags of the most probable path.
    ///
    /// # Errors
    /// As [`Head::probabilities`].
    pub fn is_right(&self, item: &[f32], target: Target<'_>) -> Result<bool, HeadError> {
        match target {
            Target::Class(class) => Ok(self.best(item)? == class),
            Target::Classes(classes) => {
                let probabilities = self.probabilities(item, 1.0)?;
                let mut said = probabilities.iter().enumerate().map(|(class, p)| {
                    (*p > 0.5) == classes.iter().any(|known| usize::from(*known) == class)
                });
                Ok(said.all(|right| right))
            }
            Target::Tags(tags) => {
                let probabilities = self.probabilities(item, 1.0)?;
                Ok(tokens::decode(&probabilities, self.shape.outputs()).tags == tags)
            }
        }
    }

    /// Whether it learns from such a label: of its kind, and of its classes.
    pub fn takes(&self, target: Target<'_>) -> bool {
        let known = |outputs: &[u16]| {
            outputs.iter().all(|output| usize::from(*output) < self.shape.outputs())
        };
        match (self.shape.kind, target) {
            (HeadKind::Softmax | HeadKind::Adapter { .. }, Target::Class(class)) => {
                class < self.shape.classes
            }
            (HeadKind::MultiLabel, Target::Classes(set)) => known(set),
            (HeadKind::Tokens, Target::Tags(tags)) => known(tags),
            (_, Target::Class(_) | Target::Classes(_) | Target::Tags(_)) => false,
        }
    }

    /// Gradient of the summed loss of one subject's items, in the order of [`Head::weights`]: cross
    /// entropy, or the sum of the classes' binary ones, or the sum over an item's words.
    ///
    /// For an item with features `x` and a linear layer it is `(p − y) xᵀ`, `p` without temperature,
    /// and for a text `Σ_w (p_w − y_w) x_wᵀ`. Summed in `f64` in the order given, then rounded: the
    /// caller clips it, so that a subject moves a release by no more than the clip norm, however many
    /// items it has and however many words these have. No item and no word has a gradient of its
    /// own in memory.
    ///
    /// # Errors
    /// [`HeadError`] for an item that does not fit.
    pub fn subject_gradient<'a, T: Into<Target<'a>>>(
        &self,
        items: impl IntoIterator<Item = (&'a [f32], T)>,
    ) -> Result<Vec<f32>, HeadError> {
        let mut sum = vec![0.0; self.weights.len()];
        for (item, target) in items {
            match (self.shape.kind, target.into()) {
                (HeadKind::Tokens, Target::Tags(tags)) => self.add_text(item, tags, &mut sum)?,
                (_, target @ (Target::Class(_) | Target::Classes(_) | Target::Tags(_))) => {
                    self.gradient(item, target)?.add_to(1.0, &mut sum)?;
                }
            }
        }
        Ok(sum.into_iter().map(narrow).collect())
    }

    /// Adds the gradients of a text's words.
    fn add_text(&self, text: &[f32], tags: &[u16], sum: &mut [f64]) -> Result<(), HeadError> {
        self.fits(text)?;
        let words = text.chunks_exact(self.shape.features);
        let (got, want) = (tags.len(), words.len());
        if got != want {
            return Err(HeadError::Length { what: "tags of words", got, want });
        }
        for (word, tag) in words.zip(tags) {
            self.row_gradient(word, &[usize::from(*tag)])?.add_to(1.0, sum)?;
        }
        Ok(())
    }

    /// Gradient of the loss of an item of one row as outer products.
    ///
    /// For an adapter with `h = tanh(U·x)` it is `δ xᵀ` with `δ = Vᵀ(p − y) ∘ (1 − h²)`, and
    /// `(p − y) hᵀ`.
    ///
    /// # Errors
    /// [`HeadError`] for an item that does not fit; [`HeadError::Target`] for a text, which has a row
    /// for each word.
    pub fn gradient(&self, item: &[f32], target: Target<'_>) -> Result<Outer, HeadError> {
        let kind = self.shape.kind;
        match (kind, target) {
            (HeadKind::Softmax | HeadKind::Adapter { .. }, Target::Class(class)) => {
                self.row_gradient(item, &[class])
            }
            (HeadKind::MultiLabel, Target::Classes(classes)) => {
                let known: Vec<usize> = classes.iter().copied().map(usize::from).collect();
                self.row_gradient(item, &known)
            }
            (_, Target::Class(_) | Target::Classes(_) | Target::Tags(_)) => {
                Err(HeadError::Target { kind })
            }
        }
    }

    /// Gradient of one row, an item's or a word's, whose outputs that are true are `known`.
    fn row_gradient(&self, row: &[f32], known: &[usize]) -> Result<Outer, HeadError> {
        let (got, want) = (row.len(), self.shape.features);
        if got != want {
            return Err(HeadError::Length { what: "features of an item", got, want });
        }
        let classes = self.shape.outputs();
        if let Some(got) = known.iter().copied().find(|class| *class >= classes) {
            return Err(HeadError::Class { got, classes });
        }
        if let Some(index) = row.iter().position(|value| !value.is_finite()) {
            return Err(HeadError::NotFinite { what: "feature", position: index + 1 });
        }
        let mut residual = self.probabilities(row, 1.0)?;
        known.iter().for_each(|class| residual[*class] -= 1.0);
        let wide = row.iter().copied().map(f64::from).collect();
        let HeadKind::Adapter { units } = self.shape.kind else {
            return Ok(Outer { layers: vec![(residual, wide)] });
        };
        let hidden = self.forward(units, row).0;
        let mut delta = vec![0.0; units];
        let rows = self.weights[units * self.shape.features..].chunks_exact(units);
        for (row, residual) in rows.zip(&residual) {
            delta.iter_mut().zip(row).for_each(|(delta, w)| *delta += residual * f64::from(*w));
        }
        delta.iter_mut().zip(&hidden).for_each(|(delta, h)| *delta *= 1.0 - h * h);
        Ok(Outer { layers: vec![(delta, wide), (residual, hidden)] })
    }

    fn fits(&self, item: &[f32]) -> Result<(), HeadError> {
        let (got, want) = (item.len(), self.shape.features);
        let fits = match self.shape.kind {
            HeadKind::Softmax | HeadKind::Adapter { .. } | HeadKind::MultiLabel => got == want,
            HeadKind::Tokens => got.is_multiple_of(want),
        };
        if fits {
            Ok(())
        } else {
            Err(HeadError::Length { what: "features of an item", got, want })
        }
    }

    /// Logits of a head of one layer.
    fn linear(&self, item: &[f32]) -> Vec<f64> {
        self.weights.chunks_exact(self.shape.features).map(|row| dot(row, item)).collect()
    }

    /// An adapter's hidden layer, and its logits.
    fn forward(&self, units: usize, item: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let (first, second) = self.weights.split_at(units * self.shape.features);
        let rows = first.chunks_exact(self.shape.features);
        let hidden: Vec<f64> = rows.map(|row| dot(row, item).tanh()).collect();
        let row = |row: &[f32]| row.iter().zip(&hidden).map(|(w, h)| f64::from(*w) * h).sum();
        let logits = second.chunks_exact(units).map(row).collect();
        (hidden, logits)
    }
}

/// Signs that look random and are the same for everybody: bits of BLAKE3 of counted blocks.
fn signs(count: usize) -> impl Iterator<Item = bool> {
    let block = |number: u64| {
        digest(&[b"insitu 2026 adapter".as_slice(), &number.to_le_bytes()].concat()).0
    };
    let bits = |byte: u8| (0..8).map(move |bit| byte >> bit & 1 == 1);
    (0_u64..).flat_map(block).flat_map(bits).take(count)
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
            prop_assert_eq!(HeadShape::softmax(3, 4).decode(&head.encode()).unwrap(), head);
        }

        #[test]
        fn any_bytes_decode_to_themselves_or_an_error(
            classes in 0_usize..4,
            features in 0_usize..4,
            bytes in prop::collection::vec(any::<u8>(), 0..48),
        ) {
            if let Ok(head) = HeadShape::softmax(classes, features).decode(&bytes) {
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
        assert!(HeadShape::softmax(2, 2).decode(&[0; 15]).is_err());
        assert!(HeadShape::softmax(usize::MAX, 2).decode(&[0; 16]).is_err());
        assert!(head.probabilities(&[0.0], 1.0).is_err());
        let bad = head.subject_gradient([([0.0_f32, 1.0].as_slice(), 2)]);
        assert_eq!(bad, Err(HeadError::Class { got: 2, classes: 2 }));
        let bad = head.subject_gradient([([0.0_f32, f32::INFINITY].as_slice(), 0)]);
        assert_eq!(bad, Err(HeadError::NotFinite { what: "feature", position: 2 }));
    }

    #[test]
    fn an_adapter_begins_near_its_linear_head_and_the_same_everywhere() {
        let weights = (0_u8..24).map(|i| f32::from(i % 7) - 3.0).collect();
        let linear = Head::new(3, 8, weights).unwrap();
        let adapter = Head::adapter(&linear, 2048).unwrap();
        assert_eq!(adapter, Head::adapter(&linear, 2048).unwrap());
        assert_eq!(adapter.shape().parameters(), 2048 * 8 + 3 * 2048);
        let item = [0.1, -0.2, 0.3, 0.1, 0.0, 0.2, -0.3, 0.1];
        let (near, exact) =
            (adapter.probabilities(&item, 1.0).unwrap(), linear.probabilities(&item, 1.0).unwrap());
        assert!(near.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 0.05), "{near:?} {exact:?}");
        assert!(Head::adapter(&adapter, 4).is_err() && Head::adapter(&linear, 0).is_err());
        let positive = signs(100_000).filter(|sign| *sign).count();
        assert!((49_000..51_000).contains(&positive), "{positive}");
    }

    #[test]
    fn a_head_of_several_classes_judges_each() {
        let shape = HeadShape { kind: HeadKind::MultiLabel, classes: 3, features: 1 };
        let head = shape.head(vec![2.0, -2.0, 2.0]).unwrap();
        let found = head.probabilities(&[1.0], 1.0).unwrap();
        assert!((found[0] + found[1] - 1.0).abs() < 1e-12 && found[0] > 0.8, "{found:?}");
        assert!(head.is_right(&[1.0], Target::Classes(&[0, 2])).unwrap());
        assert!(head.is_right(&[-1.0], Target::Classes(&[1])).unwrap());
        assert!(!head.is_right(&[1.0], Target::Classes(&[0])).unwrap());
        assert!(!head.is_right(&[1.0], Target::Classes(&[])).unwrap());
        let wrong = head.gradient(&[1.0], Target::Class(0));
        assert_eq!(wrong, Err(HeadError::Target { kind: HeadKind::MultiLabel }));
        let soft = Head::new(2, 1, vec![0.0, 0.0]).unwrap();
        assert!(soft.gradient(&[1.0], Target::Classes(&[0])).is_err());
        let class = head.gradient(&[1.0], Target::Classes(&[3]));
        assert_eq!(class, Err(HeadError::Class { got: 3, classes: 3 }));
    }

    #[test]
    fn a_head_of_tokens_judges_each_word() {
        let shape = HeadShape { kind: HeadKind::Tokens, classes: 1, features: 2 };
        let head = shape.head(vec![0.0, 0.0, 4.0, 0.0, 0.0, 4.0]).unwrap();
        let words = [1.0, 0.0, 0.0, 1.0, -1.0, -1.0]; // a span begins, goes on, ends
        let found = head.probabilities(&words, 1.0).unwrap();
        assert_eq!(found.len(), 9);
        assert!(found.chunks(3).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
        assert!(head.is_right(&words, Target::Tags(&[1, 2, 0])).unwrap());
        assert!(!head.is_right(&words, Target::Tags(&[1, 2, 2])).unwrap());
        assert!(head.is_right(&[], Target::Tags(&[])).unwrap(), "a text without words");
        assert!(head.takes(Target::Tags(&[0, 2])) && !head.takes(Target::Tags(&[3])));
        assert!(!head.takes(Target::Class(0)) && !head.takes(Target::Classes(&[0])));
        // A tag for each word, of those there are; and whole words.
        for (words, tags) in [(&words[..], &[0, 1][..]), (&words[..2], &[3]), (&words[..3], &[0])] {
            assert!(head.subject_gradient([(words, Target::Tags(tags))]).is_err(), "{tags:?}");
        }
        let kind = HeadError::Target { kind: HeadKind::Tokens };
        assert_eq!(head.gradient(&words[..2], Target::Class(0)), Err(kind.clone()));
        let soft = Head::new(2, 1, vec![0.0, 0.0]).unwrap();
        assert!(soft.subject_gradient([(&[1.0][..], Target::Tags(&[0]))]).is_err());
        assert_eq!(soft.into_kind(HeadKind::Tokens), Err(kind));
        let first = Head::of_tokens(2, 3).unwrap();
        assert_eq!((first.weights().len(), first.classes()), (15, 2));
        assert!(first.is_right(&[0.5; 6], Target::Tags(&[0, 0])).unwrap());
    }
}
