//! Agreement of boxes in images.

use crate::assignment::assign;
use crate::input::{InvalidInput, at_most, within};

/// Most boxes of one annotator in one image; matching takes the cube of it.
pub const BOXES_MAX: usize = 2_000;

/// A box by its upper left corner and its size, in any unit of length; sides are not negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rectangle {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// Pairs of boxes that overlap enough.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxMatches {
    /// Positions in the first and the second list, by the first.
    pub pairs: Vec<(usize, usize)>,
    /// Mean overlap of the pairs; `None` without pairs.
    pub mean_iou: Option<f64>,
    /// 2 · pairs / (boxes of both); 1 if nobody drew a box.
    pub f1: f64,
}

impl Rectangle {
    /// A box.
    ///
    /// # Errors
    /// [`InvalidInput::Range`] if a number is beyond ±1e9 or a side is negative.
    pub fn new(x: f64, y: f64, width: f64, height: f64) -> Result<Self, InvalidInput> {
        within("corner", &[x, y], -1e9, 1e9)?;
        within("side", &[width, height], 0.0, 1e9)?;
        Ok(Self { x, y, width, height })
    }

    /// Intersection over union, in [0, 1]; 0 if both have no area.
    ///
    /// ```
    /// use insitu_measure::agreement::Rectangle;
    ///
    /// let (a, b) = (Rectangle::new(0.0, 0.0, 2.0, 1.0)?, Rectangle::new(1.0, 0.0, 2.0, 1.0)?);
    /// assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-12);
    /// # Ok::<(), insitu_measure::InvalidInput>(())
    /// ```
    #[must_use]
    pub fn iou(&self, other: &Self) -> f64 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        let shared = width.max(0.0) * height.max(0.0);
        let all = self.width * self.height + other.width * other.height - shared;
        if all > 0.0 { shared / all } else { 0.0 }
    }

    /// The box between this and `other` at `share` in [0, 1] of the way, side by side.
    #[must_use]
    pub fn between(&self, other: &Self, share: f64) -> Self {
        let mix = |a: f64, b: f64| a + (b - a) * share;
        Self {
            x: mix(self.x, other.x),
            y: mix(self.y, other.y),
            width: mix(self.width, other.width),
            height: mix(self.height, other.height),
        }
    }

    /// Corner and size: x, y, width, height.
    #[must_use]
    pub const fn xywh(&self) -> [f64; 4] {
        [self.x, self.y, self.width, self.height]
    }
}

/// Pairs the boxes of two annotators so that the summed overlap of pairs is greatest; only pairs
/// that overlap by at least `least` in (0, 1] count.
///
/// # Errors
/// [`InvalidInput`] if there are more than [`BOXES_MAX`] boxes or `least` is out of range.
pub fn match_boxes(
    first: &[Rectangle],
    second: &[Rectangle],
    least: f64,
) -> Result<BoxMatches, InvalidInput> {
    at_most("boxes", BOXES_MAX, first.len().max(second.len()))?;
    within("least", &[least], f64::MIN_POSITIVE, 1.0)?;
    // A pair below the threshold is worth nothing, rather than forbidden: it must never push out
    // a better sum.
    let worth = |i: usize, j: usize| Some(first[i].iou(&second[j])).filter(|iou| *iou >= least);
    let assigned = assign(first.len(), second.len(), |i, j| Some(-worth(i, j).unwrap_or(0.0)));
    let overlaps: Vec<(usize, usize, f64)> = assigned
        .into_iter()
        .enumerate()
        .filter_map(|(i, j)| j.and_then(|j| worth(i, j).map(|iou| (i, j, iou))))
        .collect();
    let pairs: Vec<_> = overlaps.iter().map(|&(i, j, _)| (i, j)).collect();
    Ok(BoxMatches {
        mean_iou: mean(&overlaps),
        f1: f1(pairs.len(), first.len() + second.len()),
        pairs,
    })
}

#[expect(clippy::cast_precision_loss, reason = "at most BOXES_MAX pairs")]
fn mean(overlaps: &[(usize, usize, f64)]) -> Option<f64> {
    let sum: f64 = overlaps.iter().map(|(_, _, iou)| iou).sum();
    (!overlaps.is_empty()).then(|| sum / overlaps.len() as f64)
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn f1(pairs: usize, both: usize) -> f64 {
    if both == 0 { 1.0 } else { 2.0 * pairs as f64 / both as f64 }
}
