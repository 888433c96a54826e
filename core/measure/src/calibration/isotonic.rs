//! Isotonic regression by pooling adjacent violators.

use crate::input::{InvalidInput, MeasureError, Undefined, same_length, within};

/// Products of two scores or values must not overflow.
const SCORE_MAX: f64 = 1e150;

/// A non-decreasing, piecewise linear curve from scores to values.
///
/// Constant beyond its first and last knot.
#[derive(Clone, Debug, PartialEq)]
pub struct Isotonic {
    knots: Vec<[f64; 2]>,
}

impl Isotonic {
    /// The non-decreasing curve closest to `values` at `scores` in squares. Equal scores are
    /// averaged first; only the ends of each level stretch are kept as knots.
    ///
    /// # Errors
    /// [`InvalidInput`] if the lengths differ or a number is beyond ±1e150, [`Undefined::NoData`]
    /// without any.
    ///
    /// # Source
    /// R. E. Barlow et al., *Statistical Inference under Order Restrictions* (1972).
    ///
    /// ```
    /// use insitu_measure::calibration::Isotonic;
    ///
    /// let curve = Isotonic::fit(&[0.2, 0.4, 0.6], &[0.0, 1.0, 0.0])?;
    /// assert!((curve.at(0.3) - 0.25).abs() < 1e-12); // half way from 0 to the pooled 0.5
    /// # Ok::<(), insitu_measure::MeasureError>(())
    /// ```
    pub fn fit(scores: &[f64], values: &[f64]) -> Result<Self, MeasureError> {
        same_length("values", scores.len(), values.len())?;
        within("scores", scores, -SCORE_MAX, SCORE_MAX)?;
        within("values", values, -SCORE_MAX, SCORE_MAX)?;
        if scores.is_empty() {
            return Err(Undefined::NoData.into());
        }
        let points = distinct(scores, values);
        Ok(Self { knots: ends(&points, &pool(&points)) })
    }

    /// A curve through stored knots.
    ///
    /// # Errors
    /// [`InvalidInput`] if there is no knot, a number is beyond ±1e150, scores do not ascend or
    /// values fall.
    pub fn from_knots(scores: &[f64], values: &[f64]) -> Result<Self, InvalidInput> {
        same_length("values", scores.len().max(1), values.len())?;
        within("scores", scores, -SCORE_MAX, SCORE_MAX)?;
        within("values", values, -SCORE_MAX, SCORE_MAX)?;
        if let Some(at) = scores.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(InvalidInput::Order { what: "scores", index: at + 1 });
        }
        if let Some(at) = values.windows(2).position(|pair| pair[0] > pair[1]) {
            return Err(InvalidInput::Order { what: "values", index: at + 1 });
        }
        same_length("values", scores.len(), values.len())?;
        Ok(Self { knots: scores.iter().zip(values).map(|(x, y)| [*x, *y]).collect() })
    }

    /// The knots as (score, value), scores ascending.
    #[must_use]
    pub fn knots(&self) -> &[[f64; 2]] {
        &self.knots
    }

    /// The curve at `score`, linear between knots.
    #[must_use]
    pub fn at(&self, score: f64) -> f64 {
        let after = self.knots.partition_point(|knot| knot[0] <= score);
        match (after.checked_sub(1).map(|before| self.knots[before]), self.knots.get(after)) {
            (Some([x0, y0]), Some([x1, y1])) => y0 + (y1 - y0) * (score - x0) / (x1 - x0),
            (Some([_, y]), None) | (None, Some(&[_, y])) => y,
            (None, None) => score, // no maker leaves the knots empty
        }
    }
}

struct Point {
    score: f64,
    mean: f64,
    weight: f64,
}

/// Points by ascending score, with equal scores averaged.
fn distinct(scores: &[f64], values: &[f64]) -> Vec<Point> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut points: Vec<Point> = Vec::new();
    for at in order {
        match points.last_mut().filter(|last| last.score >= scores[at]) {
            Some(last) => {
                last.weight += 1.0;
                last.mean += (values[at] - last.mean) / last.weight;
            }
            None => points.push(Point { score: scores[at], mean: values[at], weight: 1.0 }),
        }
    }
    points
}

/// The fitted value of each point.
fn pool(points: &[Point]) -> Vec<f64> {
    // Each block: weighted sum, weight, number of points.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for point in points {
        let mut block = (point.mean * point.weight, point.weight, 1);
        while let Some(last) = blocks.last().filter(|last| last.0 / last.1 >= block.0 / block.1) {
            block = (block.0 + last.0, block.1 + last.1, block.2 + last.2);
            blocks.pop();
        }
        blocks.push(block);
    }
    blocks.iter().flat_map(|&(sum, weight, n)| std::iter::repeat_n(sum / weight, n)).collect()
}

/// Drops points that lie inside a level stretch.
fn ends(points: &[Point], fitted: &[f64]) -> Vec<[f64; 2]> {
    let level = |a: usize, b: usize| fitted[a] >= fitted[b];
    let inside = |i: usize| i > 0 && i + 1 < fitted.len() && level(i - 1, i) && level(i, i + 1);
    let kept = (0..fitted.len()).filter(|&i| !inside(i));
    kept.map(|i| [points[i].score, fitted[i]]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_stretches_keep_their_ends() {
        let curve = Isotonic::fit(&[3.0, 1.0, 2.0, 4.0], &[0.0, 1.0, 0.5, 2.0]).unwrap();
        assert_eq!(curve.knots(), [[1.0, 0.5], [3.0, 0.5], [4.0, 2.0]]);
        assert_eq!((curve.at(-9.0), curve.at(3.5), curve.at(9.0)), (0.5, 1.25, 2.0));
    }

    #[test]
    fn stored_knots_are_checked() {
        let curve = Isotonic::fit(&[0.1, 0.9], &[0.0, 1.0]).unwrap();
        assert_eq!(Isotonic::from_knots(&[0.1, 0.9], &[0.0, 1.0]), Ok(curve));
        assert!(Isotonic::from_knots(&[], &[]).is_err());
        assert!(Isotonic::from_knots(&[0.9, 0.1], &[0.0, 1.0]).is_err());
        assert!(Isotonic::from_knots(&[0.1, 0.9], &[1.0, 0.0]).is_err());
        assert!(Isotonic::from_knots(&[0.1, f64::NAN], &[0.0, 1.0]).is_err());
    }
}
