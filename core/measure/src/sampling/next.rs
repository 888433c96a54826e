//! The strategy to use when nothing speaks for another.

use super::clusters::Points;
use super::diversity::diverse_among;
use super::typicality::typical_beside;
use crate::input::{InvalidInput, known, same_length};
use crate::probabilities::Probabilities;
use crate::random::Random;

/// Chooses `count` items to label next, or all that are left if they are fewer.
///
/// Without a model they are those that stand for many, from clusters with few labels; with one,
/// those that it doubts and that differ. `points` are the items' features, row-major, shape
/// `[items, dimensions]`; `probabilities` are of all items; none of `labeled` is chosen. Most
/// wanted first; equal seeds give equal choices.
///
/// Train anew after each batch, and keep batches small: about as many as there are classes.
///
/// # Errors
/// [`InvalidInput`] if items and points differ in number, a labeled item does not exist, or as
/// [`k_center`](super::k_center).
///
/// # Source
/// [`typical_seeds`](super::typical_seeds) and [`diverse_margin`](super::diverse_margin) name
/// theirs. The order of the two follows G. Hacohen, A. Dekel, D. Weinshall (2022): typical items
/// teach most while labels are few, doubtful ones when there are more.
///
/// ```
/// use insitu_measure::{Probabilities, sampling::label_next};
///
/// let points = [0.0, 0.1, 0.2, 8.8, 9.0];
/// let first = label_next(None, 1, &points, &[], 1, 7)?;
/// let model = [0.9, 0.1, 0.8, 0.2, 0.6, 0.4, 0.5, 0.5, 0.1, 0.9];
/// let model = Probabilities::new(2, &model)?;
/// let next = label_next(Some(model), 1, &points, &[u32::try_from(first[0])?], 1, 7)?;
/// assert_ne!(first, next);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn label_next(
    probabilities: Option<Probabilities<'_>>,
    dimensions: usize,
    points: &[f64],
    labeled: &[u32],
    count: usize,
    random_seed: u64,
) -> Result<Vec<usize>, InvalidInput> {
    let points = Points::new(dimensions, points)?;
    known("labeled", labeled, points.count())?;
    let mut done = vec![false; points.count()];
    labeled.iter().for_each(|&item| done[item as usize] = true);
    let open: Vec<usize> = (0..points.count()).filter(|&item| !done[item]).collect();
    let (count, mut random) = (count.min(open.len()), Random::new(random_seed));
    match probabilities {
        None => Ok(typical_beside(points, &done, count, &mut random)),
        Some(probabilities) => {
            same_length("points", probabilities.items(), points.count())?;
            diverse_among(probabilities, points, &open, count, &mut random)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [f64; 8] = [0.0, 0.1, 0.2, 5.0, 5.1, 5.2, 9.0, 9.1];

    #[test]
    fn each_item_comes_once_whether_there_is_a_model_or_not() {
        let values: Vec<f64> =
            (0..8).flat_map(|i| [f64::from(i) / 8.0, 1.0 - f64::from(i) / 8.0]).collect();
        for model in [None, Some(Probabilities::new(2, &values).unwrap())] {
            let mut labeled = Vec::new();
            while labeled.len() < POINTS.len() {
                let chosen = label_next(model, 1, &POINTS, &labeled, 3, 1).unwrap();
                assert_eq!(chosen.len(), 3.min(POINTS.len() - labeled.len()));
                labeled.extend(chosen.into_iter().map(|item| u32::try_from(item).unwrap()));
            }
            labeled.sort_unstable();
            assert_eq!(labeled, [0, 1, 2, 3, 4, 5, 6, 7]);
            assert_eq!(label_next(model, 1, &POINTS, &labeled, 3, 1), Ok(Vec::new()));
        }
    }

    #[test]
    fn doubtful_items_of_one_kind_are_asked_once() {
        // All but the last two are equally doubtful, in two groups.
        let values =
            [0.5, 0.5].repeat(6).into_iter().chain([1.0, 0.0, 1.0, 0.0]).collect::<Vec<_>>();
        let model = Probabilities::new(2, &values).unwrap();
        let mut chosen = label_next(Some(model), 1, &POINTS, &[], 2, 4).unwrap();
        chosen.sort_unstable();
        assert_eq!(chosen, [1, 4]);
    }

    #[test]
    fn bad_input_is_refused() {
        let model = Probabilities::new(2, &[0.5, 0.5]).unwrap();
        assert!(label_next(Some(model), 1, &POINTS, &[], 1, 1).is_err());
        assert!(label_next(None, 1, &POINTS, &[8], 1, 1).is_err());
        assert!(label_next(None, 3, &POINTS, &[], 1, 1).is_err());
        assert!(label_next(None, 1, &[f64::NAN], &[], 1, 1).is_err());
        assert_eq!(label_next(None, 0, &[], &[], 1, 1), Ok(Vec::new()));
        assert_eq!(label_next(None, 1, &POINTS, &[], 0, 1), Ok(Vec::new()));
    }
}
