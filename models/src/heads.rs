//! Heads beyond one softmax over a linear layer: several labels at once, one hidden layer, spans.
//!
//! Each has an exact gradient of one item as outer products, `Σ_l r_l x_lᵀ`, so that its norm is
//! known before a single cell of it is written: ‖r_l x_lᵀ‖ = ‖r_l‖·‖x_l‖ (Goodfellow, *Efficient
//! per-example gradient computations*, 2015). [`Outer::add_clipped`] adds an item to a sum, clipped,
//! without a gradient of its own in memory. For a release the sum must be on the integer grid:
//! [`Outer::dense`] gives the gradient that `insitu_privacy::clip` takes, a subject at a time.

use crate::head::{Head, HeadError, dot, narrow};

/// A gradient as outer products, one for each layer, rows first.
#[derive(Clone, Debug, PartialEq)]
pub struct Outer {
    /// `(r, x)` of each layer: the gradient of its weights, row-major, is `r xᵀ`.
    pub layers: Vec<(Vec<f64>, Vec<f64>)>,
}

impl Outer {
    /// Number of weights.
    pub fn cells(&self) -> usize {
        self.layers.iter().map(|(rows, columns)| rows.len() * columns.len()).sum()
    }

    /// L2 norm over all layers.
    pub fn norm(&self) -> f64 {
        let square = |vector: &[f64]| vector.iter().map(|value| value * value).sum::<f64>();
        self.layers.iter().map(|(r, x)| square(r) * square(x)).sum::<f64>().sqrt()
    }

    /// Adds the gradient, scaled to a norm of at most `clip`, to a sum of [`Outer::cells`] numbers.
    ///
    /// # Errors
    /// [`HeadError::Length`] for a sum of another length, [`HeadError::NotFinite`] for a gradient
    /// without a norm; nothing was added then.
    pub fn add_clipped(&self, clip: f64, sum: &mut [f64]) -> Result<(), HeadError> {
        let (got, want) = (sum.len(), self.cells());
        if got != want {
            return Err(HeadError::Length { what: "sum of gradients", got, want });
        }
        let norm = self.norm();
        if !norm.is_finite() {
            return Err(HeadError::NotFinite { what: "gradient", position: 1 });
        }
        let scale = if norm > clip { clip / norm } else { 1.0 };
        let mut rest = sum;
        for (r, x) in &self.layers {
            let (layer, after) = rest.split_at_mut(r.len() * x.len());
            for (row, r) in layer.chunks_exact_mut(x.len().max(1)).zip(r) {
                let factor = scale * r;
                row.iter_mut().zip(x).for_each(|(cell, x)| *cell += factor * x);
            }
            rest = after;
        }
        Ok(())
    }

    /// The gradient itself, all layers one after another, row-major.
    pub fn dense(&self) -> Vec<f32> {
        let cells = |(r, x): &(Vec<f64>, Vec<f64>)| -> Vec<f32> {
            r.iter().flat_map(|r| x.iter().map(move |x| narrow(r * x))).collect()
        };
        self.layers.iter().flat_map(cells).collect()
    }
}

/// A head of independent labels: any number of them may be true of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiLabel(Head);

impl MultiLabel {
    /// A head whose rows are labels.
    pub fn new(head: Head) -> Self {
        Self(head)
    }

    /// The linear layer.
    pub fn head(&self) -> &Head {
        &self.0
    }

    /// Probability of each label: the logistic function of its logit.
    ///
    /// # Errors
    /// [`HeadError::Length`] for an item of another length.
    pub fn probabilities(&self, item: &[f32]) -> Result<Vec<f64>, HeadError> {
        let logits = logits(&self.0, item)?;
        Ok(logits.into_iter().map(logistic).collect())
    }

    /// Gradient of an item's summed binary cross entropies: `(σ(z) − y) xᵀ`.
    ///
    /// # Errors
    /// [`HeadError`] for an item or labels that do not fit.
    pub fn gradient(&self, item: &[f32], labels: &[bool]) -> Result<Outer, HeadError> {
        length("labels of an item", labels.len(), self.0.classes())?;
        finite(item)?;
        let mut residual = self.probabilities(item)?;
        for (residual, label) in residual.iter_mut().zip(labels) {
            *residual -= f64::from(u8::from(*label));
        }
        Ok(Outer { layers: vec![(residual, widen(item))] })
    }
}

/// One hidden layer between features and classes: `softmax(V·tanh(U·x))`.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    hidden: Head,
    classes: Head,
}

impl Adapter {
    /// An adapter of two layers, `[units, features]` and `[classes, units]`.
    ///
    /// # Errors
    /// [`HeadError::Length`] when the second does not take what the first gives.
    pub fn new(hidden: Head, classes: Head) -> Result<Self, HeadError> {
        length("units of the second layer", classes.features(), hidden.classes())?;
        Ok(Self { hidden, classes })
    }

    /// Reads what [`Adapter::parameters`] gives, for layers of these shapes.
    ///
    /// # Errors
    /// As [`Head::new`].
    pub fn from_parameters(
        (features, units, classes): (usize, usize, usize),
        parameters: &[f32],
    ) -> Result<Self, HeadError> {
        let first = units.saturating_mul(features);
        let want = first.saturating_add(classes.saturating_mul(units));
        length("parameters", parameters.len(), want)?;
        let (hidden, rest) = parameters.split_at(first);
        let hidden = Head::new(units, features, hidden.to_vec())?;
        Self::new(hidden, Head::new(classes, units, rest.to_vec())?)
    }

    /// The weights of the hidden layer, then of the other, row-major.
    pub fn parameters(&self) -> Vec<f32> {
        [self.hidden.weights(), self.classes.weights()].concat()
    }

    /// Probability of each class.
    ///
    /// # Errors
    /// [`HeadError::Length`] for an item of another length.
    pub fn probabilities(&self, item: &[f32]) -> Result<Vec<f64>, HeadError> {
        Ok(self.forward(item)?.1)
    }

    /// Gradient of an item's cross entropy, for both layers: `(p − e_y) hᵀ` and `δ xᵀ` with
    /// `δ = Vᵀ(p − e_y) ∘ (1 − h²)`.
    ///
    /// # Errors
    /// [`HeadError`] for an item or a class that does not fit.
    pub fn gradient(&self, item: &[f32], class: usize) -> Result<Outer, HeadError> {
        let classes = self.classes.classes();
        if class >= classes {
            return Err(HeadError::Class { got: class, classes });
        }
        finite(item)?;
        let (hidden, mut residual) = self.forward(item)?;
        residual[class] -= 1.0;
        let mut delta = vec![0.0; hidden.len()];
        for (row, residual) in self.classes.weights().chunks_exact(hidden.len()).zip(&residual) {
            delta.iter_mut().zip(row).for_each(|(delta, w)| *delta += residual * f64::from(*w));
        }
        delta.iter_mut().zip(&hidden).for_each(|(delta, h)| *delta *= 1.0 - h * h);
        Ok(Outer { layers: vec![(delta, widen(item)), (residual, hidden)] })
    }

    /// The hidden layer's values, and the probabilities.
    fn forward(&self, item: &[f32]) -> Result<(Vec<f64>, Vec<f64>), HeadError> {
        let mut hidden = logits(&self.hidden, item)?;
        hidden.iter_mut().for_each(|value| *value = value.tanh());
        let rows = self.classes.weights().chunks_exact(hidden.len());
        let row = |row: &[f32]| row.iter().zip(&hidden).map(|(w, h)| f64::from(*w) * h).sum();
        let mut values: Vec<f64> = rows.map(row).collect();
        crate::head::softmax(&mut values);
        Ok((hidden, values))
    }
}

/// A span of tokens with one label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First token.
    pub start: usize,
    /// The token after the last one.
    pub end: usize,
    /// Its label, from 0.
    pub label: usize,
}

/// The class of each token of a text, for a head over the tokens' vectors: 0 outside of spans,
/// `1 + 2·label` where one begins, `2 + 2·label` within. The head's gradient over a text is
/// [`Head::subject_gradient`] of its tokens.
///
/// # Errors
/// [`HeadError::Length`] for a span that ends before it starts, behind the text, or within another.
pub fn token_classes(tokens: usize, spans: &[Span]) -> Result<Vec<usize>, HeadError> {
    let mut classes = vec![0; tokens];
    for span in spans {
        let free = span.start < span.end
            && classes.get(span.start..span.end).is_some_and(|part| part.iter().all(|c| *c == 0));
        if !free {
            return Err(HeadError::Length { what: "end of a span", got: span.end, want: tokens });
        }
        classes[span.start..span.end].fill(2 + 2 * span.label);
        classes[span.start] = 1 + 2 * span.label;
    }
    Ok(classes)
}

/// The spans that tokens' classes mean. A token within a span that never began begins one: models
/// give such, and people mean the words.
pub fn spans(classes: &[usize]) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    for (at, class) in classes.iter().enumerate().filter(|(_, class)| **class > 0) {
        let (label, begins) = ((class - 1) / 2, class % 2 == 1);
        match found.last_mut() {
            Some(last) if !begins && last.end == at && last.label == label => last.end += 1,
            Some(_) | None => found.push(Span { start: at, end: at + 1, label }),
        }
    }
    found
}

fn logits(layer: &Head, item: &[f32]) -> Result<Vec<f64>, HeadError> {
    length("features of an item", item.len(), layer.features())?;
    Ok(layer.weights().chunks_exact(layer.features()).map(|row| dot(row, item)).collect())
}

fn logistic(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

fn widen(item: &[f32]) -> Vec<f64> {
    item.iter().copied().map(f64::from).collect()
}

fn length(what: &'static str, got: usize, want: usize) -> Result<(), HeadError> {
    if got == want { Ok(()) } else { Err(HeadError::Length { what, got, want }) }
}

fn finite(item: &[f32]) -> Result<(), HeadError> {
    match item.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(HeadError::NotFinite { what: "feature", position: index + 1 }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHAPE: (usize, usize, usize) = (3, 4, 2);
    const CELLS: usize = 3 * 4 + 4 * 2;

    fn weights(count: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-2.0_f32..2.0, count)
    }

    /// The gradient by finite differences beside the analytic one.
    fn check(
        weights: &[f32],
        gradient: &Outer,
        loss: impl Fn(&[f32]) -> f64,
    ) -> Result<(), TestCaseError> {
        let dense = gradient.dense();
        prop_assert_eq!(dense.len(), weights.len());
        let step = 1.0 / 512.0;
        for cell in 0..weights.len() {
            let moved = |by: f32| {
                let mut weights = weights.to_vec();
                weights[cell] += by;
                (f64::from(weights[cell]), loss(&weights))
            };
            let ((above, high), (below, low)) = (moved(step), moved(-step));
            let numeric = (high - low) / (above - below);
            prop_assert!((numeric - f64::from(dense[cell])).abs() < 1e-4, "cell {}", cell);
        }
        let norm = dense.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        prop_assert!((norm - gradient.norm()).abs() < 1e-5 * (1.0 + norm));
        Ok(())
    }

    proptest! {
        #[test]
        fn the_gradient_of_several_labels_is_that_of_the_loss(
            weights in weights(6), item in weights(3), labels in prop::array::uniform2(any::<bool>()),
        ) {
            let head = |weights: &[f32]| {
                MultiLabel::new(Head::new(2, 3, weights.to_vec()).unwrap())
            };
            let loss = |weights: &[f32]| {
                let p = head(weights).probabilities(&item).unwrap();
                let of = |(p, y): (&f64, &bool)| -(if *y { *p } else { 1.0 - p }).ln();
                p.iter().zip(&labels).map(of).sum()
            };
            check(&weights, &head(&weights).gradient(&item, &labels).unwrap(), loss)?;
        }

        #[test]
        fn the_gradient_of_an_adapter_is_that_of_the_loss(
            weights in weights(CELLS), item in weights(3), class in 0_usize..2,
        ) {
            let adapter = |weights: &[f32]| Adapter::from_parameters(SHAPE, weights).unwrap();
            prop_assert_eq!(&adapter(&weights).parameters(), &weights);
            let loss = |weights: &[f32]| -adapter(weights).probabilities(&item).unwrap()[class].ln();
            check(&weights, &adapter(&weights).gradient(&item, class).unwrap(), loss)?;
        }

        #[test]
        fn a_clipped_sum_is_that_of_the_gradients_themselves(
            weights in weights(CELLS),
            items in prop::collection::vec((weights(3), 0_usize..2), 1..6),
            clip in 0.01..2.0,
        ) {
            let adapter = Adapter::from_parameters(SHAPE, &weights).unwrap();
            let (mut sum, mut expected) = (vec![0.0; CELLS], vec![0.0; CELLS]);
            for (item, class) in &items {
                let gradient = adapter.gradient(item, *class).unwrap();
                gradient.add_clipped(clip, &mut sum).unwrap();
                let scale = (clip / gradient.norm()).min(1.0);
                for (cell, value) in expected.iter_mut().zip(gradient.dense()) {
                    *cell += scale * f64::from(value);
                }
            }
            prop_assert!(sum.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5));
            let norm = sum.iter().map(|cell| cell * cell).sum::<f64>().sqrt();
            prop_assert!(norm <= clip * items.len() as f64 * (1.0 + 1e-9));
        }

        #[test]
        fn spans_survive_their_tokens(
            lengths in prop::collection::vec((0_usize..3, 1_usize..4, 0_usize..3), 0..5),
        ) {
            let (mut at, mut given) = (0, Vec::new());
            for (gap, length, label) in lengths {
                given.push(Span { start: at + gap, end: at + gap + length, label });
                at += gap + length;
            }
            let classes = token_classes(at + 2, &given).unwrap();
            prop_assert_eq!(spans(&classes), given);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let layer = |rows, columns| Head::new(rows, columns, vec![0.5; rows * columns]).unwrap();
        assert!(Adapter::new(layer(4, 3), layer(2, 5)).is_err());
        assert!(Adapter::from_parameters((3, 4, 2), &[0.0; 19]).is_err());
        let adapter = Adapter::new(layer(4, 3), layer(2, 4)).unwrap();
        let class = adapter.gradient(&[0.0; 3], 2);
        assert_eq!(class, Err(HeadError::Class { got: 2, classes: 2 }));
        let bad = adapter.gradient(&[0.0, f32::NAN, 0.0], 0);
        assert_eq!(bad, Err(HeadError::NotFinite { what: "feature", position: 2 }));
        let labels = MultiLabel::new(layer(2, 3)).gradient(&[0.0; 3], &[true]);
        assert!(matches!(labels, Err(HeadError::Length { got: 1, want: 2, .. })));
        let gradient = adapter.gradient(&[1.0; 3], 0).unwrap();
        assert!(gradient.add_clipped(1.0, &mut [0.0; 3]).is_err());
        let infinite = Outer { layers: vec![(vec![f64::INFINITY], vec![1.0])] };
        assert!(infinite.add_clipped(1.0, &mut [0.0]).is_err());
    }

    #[test]
    fn spans_that_overlap_or_end_nowhere_are_refused() {
        let span = |start, end| Span { start, end, label: 0 };
        for spans in [vec![span(0, 9)], vec![span(2, 2)], vec![span(0, 3), span(2, 4)]] {
            assert!(token_classes(5, &spans).is_err(), "{spans:?}");
        }
        // Within a span that never began, and of another label.
        assert_eq!(
            spans(&[2, 2, 4]),
            [Span { start: 0, end: 2, label: 0 }, Span { start: 2, end: 3, label: 1 }]
        );
    }
}
