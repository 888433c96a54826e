//! Gradients of heads as outer products.
//!
//! Each kind of head has an exact gradient of one item as outer products, `Σ_l r_l x_lᵀ`, so that
//! its norm is known before a single cell of it is written: ‖r_l x_lᵀ‖ = ‖r_l‖·‖x_l‖ (Goodfellow,
//! *Efficient per-example gradient computations*, 2015). [`Head::add_clipped`] adds a subject to a
//! release's sum on the integer grid (`insitu_privacy::clip`), and one of a single item without a
//! gradient of its own in memory.

use insitu_privacy::clip::{ClipError, ClippedSum, Contribution};

use crate::head::{Head, HeadError, Target, narrow};

impl Head {
    /// Adds the gradient of a subject's items to a sum, clipped.
    ///
    /// # Errors
    /// [`HeadError`] for items that do not fit; the inner error is the sum's. Nothing was added then.
    pub fn add_clipped(
        &self,
        items: &[(&[f32], Target<'_>)],
        sum: &mut ClippedSum,
    ) -> Result<Result<Contribution, ClipError>, HeadError> {
        if let [(item, target @ (Target::Class(_) | Target::Classes(_)))] = items {
            return Ok(sum.add_outer(&self.gradient(item, *target)?.layers));
        }
        Ok(sum.add(&self.subject_gradient(items.iter().copied())?))
    }
}

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

    /// Adds the gradient times `scale` to a sum of [`Outer::cells`] numbers.
    ///
    /// # Errors
    /// [`HeadError::Length`] for a sum of another length; nothing was added then.
    pub fn add_to(&self, scale: f64, sum: &mut [f64]) -> Result<(), HeadError> {
        let (got, want) = (sum.len(), self.cells());
        if got != want {
            return Err(HeadError::Length { what: "sum of gradients", got, want });
        }
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

#[cfg(test)]
mod tests {
    use insitu_privacy::clip::ClipShape;
    use proptest::prelude::*;

    use super::*;
    use crate::head::{HeadKind, HeadShape};

    const ADAPTER: HeadShape =
        HeadShape { kind: HeadKind::Adapter { units: 4 }, classes: 2, features: 3 };
    const CELLS: usize = 3 * 4 + 4 * 2;
    const SEVERAL: HeadShape = HeadShape { kind: HeadKind::MultiLabel, classes: 2, features: 3 };
    const TOKENS: HeadShape = HeadShape { kind: HeadKind::Tokens, classes: 1, features: 3 };

    /// A text of up to seven words: their features, and the tag of each.
    fn text() -> impl Strategy<Value = (Vec<f32>, Vec<u16>)> {
        prop::collection::vec((weights(3), 0_u16..3), 0..7).prop_map(|words| {
            let (features, tags): (Vec<Vec<f32>>, Vec<u16>) = words.into_iter().unzip();
            (features.concat(), tags)
        })
    }

    fn weights(count: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-2.0_f32..2.0, count)
    }

    /// The gradient by finite differences beside the analytic one.
    fn check(
        weights: &[f32],
        gradient: &Outer,
        loss: impl Fn(&[f32]) -> f64,
    ) -> Result<(), TestCaseError> {
        check_dense(weights, &gradient.dense(), loss)
    }

    fn check_dense(
        weights: &[f32],
        dense: &[f32],
        loss: impl Fn(&[f32]) -> f64,
    ) -> Result<(), TestCaseError> {
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
            let exact = f64::from(dense[cell]);
            prop_assert!((numeric - exact).abs() < 1e-4 * (1.0 + exact.abs()), "cell {}", cell);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn the_gradient_of_several_labels_is_that_of_the_loss(
            weights in weights(6), item in weights(3), labels in prop::array::uniform2(any::<bool>()),
        ) {
            let head = |weights: &[f32]| SEVERAL.head(weights.to_vec()).unwrap();
            let loss = |weights: &[f32]| {
                let p = head(weights).probabilities(&item, 1.0).unwrap();
                let of = |(p, y): (&f64, &bool)| -(if *y { *p } else { 1.0 - p }).ln();
                p.iter().zip(&labels).map(of).sum()
            };
            let set: Vec<u16> = (0..2).filter(|class| labels[usize::from(*class)]).collect();
            check(&weights, &head(&weights).gradient(&item, Target::Classes(&set)).unwrap(), loss)?;
        }

        #[test]
        fn the_gradient_of_an_adapter_is_that_of_the_loss(
            weights in weights(CELLS), item in weights(3), class in 0_usize..2,
        ) {
            let adapter = |weights: &[f32]| ADAPTER.head(weights.to_vec()).unwrap();
            prop_assert_eq!(ADAPTER.decode(&adapter(&weights).encode()).unwrap(), adapter(&weights));
            let loss =
                |weights: &[f32]| -adapter(weights).probabilities(&item, 1.0).unwrap()[class].ln();
            check(&weights, &adapter(&weights).gradient(&item, class.into()).unwrap(), loss)?;
        }

        #[test]
        fn the_gradient_of_a_text_is_that_of_its_words_losses(
            weights in weights(9), (features, tags) in text(),
        ) {
            let head = |weights: &[f32]| TOKENS.head(weights.to_vec()).unwrap();
            prop_assert_eq!(TOKENS.decode(&head(&weights).encode()).unwrap(), head(&weights));
            let loss = |weights: &[f32]| -> f64 {
                let p = head(weights).probabilities(&features, 1.0).unwrap();
                p.chunks(3).zip(&tags).map(|(p, tag)| -p[usize::from(*tag)].ln()).sum()
            };
            let target = Target::Tags(&tags);
            let gradient = head(&weights).subject_gradient([(features.as_slice(), target)]).unwrap();
            check_dense(&weights, &gradient, loss)?;
        }

        #[test]
        fn a_subject_of_one_item_is_added_as_its_gradient_is(
            weights in weights(CELLS), item in weights(3), class in 0_usize..2, clip in 0.01..2.0,
        ) {
            let adapter = ADAPTER.head(weights).unwrap();
            let shape = ClipShape::new(CELLS, clip, 12).unwrap();
            let (mut outer, mut dense) = (ClippedSum::new(shape), ClippedSum::new(shape));
            let items = [(item.as_slice(), Target::Class(class))];
            let one = adapter.add_clipped(&items, &mut outer).unwrap().unwrap();
            dense.add(&adapter.subject_gradient(items).unwrap()).unwrap();
            prop_assert_ne!(one, Contribution::Dropped);
            for (outer, dense) in outer.values().iter().zip(dense.values()) {
                prop_assert!(outer.abs_diff(dense) <= 1, "{} {}", outer, dense);
            }
            let square: i128 = outer.values().iter().map(|v| i128::from(*v).pow(2)).sum();
            prop_assert!(square <= i128::from(shape.sensitivity().get()));
        }

        /// Whatever the head and a subject's items: the subject moves a release by no more than its
        /// sensitivity, in integers.
        #[test]
        fn a_subject_moves_a_release_by_no_more_than_its_sensitivity(
            adapter in weights(CELLS), several in weights(6), tokens in weights(9),
            texts in prop::collection::vec(text(), 0..5),
            items in prop::collection::vec((weights(3), 0_u16..2), 1..6),
            clip in 0.01..2.0,
        ) {
            let gradients = [
                ADAPTER.head(adapter).unwrap().subject_gradient(
                    items.iter().map(|(item, class)| (item.as_slice(), usize::from(*class))),
                ),
                SEVERAL.head(several).unwrap().subject_gradient(items.iter().map(|(item, class)| {
                    (item.as_slice(), Target::Classes(std::slice::from_ref(class)))
                })),
                TOKENS.head(tokens).unwrap().subject_gradient(
                    texts.iter().map(|(features, tags)| (features.as_slice(), Target::Tags(tags))),
                ),
            ];
            for gradient in gradients {
                let gradient = gradient.unwrap();
                let shape = ClipShape::new(gradient.len(), clip, 12).unwrap();
                let mut sum = ClippedSum::new(shape);
                sum.add(&gradient).unwrap();
                let square: i128 = sum.values().iter().map(|v| i128::from(*v).pow(2)).sum();
                prop_assert!(square <= i128::from(shape.sensitivity().get()));
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(ADAPTER.head(vec![0.5; CELLS - 1]).is_err());
        let adapter = ADAPTER.head(vec![0.5; CELLS]).unwrap();
        let class = adapter.gradient(&[0.0; 3], Target::Class(2));
        assert_eq!(class, Err(HeadError::Class { got: 2, classes: 2 }));
        let bad = adapter.gradient(&[0.0, f32::NAN, 0.0], Target::Class(0));
        assert_eq!(bad, Err(HeadError::NotFinite { what: "feature", position: 2 }));
        let short = adapter.gradient(&[0.0; 2], Target::Class(0));
        assert!(matches!(short, Err(HeadError::Length { got: 2, want: 3, .. })));
        let gradient = adapter.gradient(&[1.0; 3], Target::Class(0)).unwrap();
        assert!(gradient.add_to(1.0, &mut [0.0; 3]).is_err());
    }
}
