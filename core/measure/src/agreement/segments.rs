//! Agreement of labels along time.
//!
//! Source: C. Lea, M. D. Flynn, R. Vidal, A. Reiter, G. D. Hager, *Temporal convolutional networks
//! for action segmentation and detection* (2017), as evaluated by MS-TCN.

use super::boxes::f1;
use crate::input::{InvalidInput, at_most, within};

/// Most segments of one sequence; the edit score takes the square of it.
pub const SEGMENTS_MAX: usize = 20_000;

/// A stretch of frames with one label; `end` is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First frame.
    pub start: usize,
    /// Frame behind the last.
    pub end: usize,
    /// Label of all its frames.
    pub label: u32,
}

/// The segments of a sequence of frames.
///
/// ```
/// use insitu_measure::agreement::{Segment, segments};
///
/// let found = segments(&[4, 4, 7]);
/// assert_eq!(found[1], Segment { start: 2, end: 3, label: 7 });
/// ```
#[must_use]
pub fn segments(frames: &[u32]) -> Vec<Segment> {
    let mut start = 0;
    let runs = frames.chunk_by(|a, b| a == b).map(|run| {
        let segment = Segment { start, end: start + run.len(), label: run[0] };
        start = segment.end;
        segment
    });
    runs.collect()
}

/// Segmental F1: a segment of the second agrees if the segment of the first with the same label
/// that it overlaps most has at least `least` in (0, 1] of their union in common, and no other
/// has claimed that one. 1 if both are empty.
///
/// # Errors
/// [`InvalidInput`] if there are more than [`SEGMENTS_MAX`] segments or `least` is out of range.
#[expect(clippy::cast_precision_loss, reason = "frames stay far below 2^53")]
pub fn segment_f1(first: &[Segment], second: &[Segment], least: f64) -> Result<f64, InvalidInput> {
    at_most("segments", SEGMENTS_MAX, first.len().max(second.len()))?;
    within("least", &[least], f64::MIN_POSITIVE, 1.0)?;
    let mut claimed = vec![false; first.len()];
    let mut agreeing = 0;
    for b in second {
        let (mut best, mut overlap) = (None, 0.0);
        for (at, a) in first.iter().enumerate().filter(|(_, a)| a.label == b.label) {
            let shared = a.end.min(b.end).saturating_sub(a.start.max(b.start)) as f64;
            let iou = shared / (a.end.max(b.end) - a.start.min(b.start)) as f64;
            if iou > overlap {
                (best, overlap) = (Some(at), iou);
            }
        }
        if let Some(at) = best.filter(|&at| overlap >= least && !claimed[at]) {
            claimed[at] = true;
            agreeing += 1;
        }
    }
    Ok(f1(agreeing, first.len() + second.len()))
}

/// Edit score: one minus the edit distance of the label sequences over the longer one, in [0, 1];
/// 1 if both are empty. It ignores how long segments last.
///
/// # Errors
/// [`InvalidInput`] if there are more than [`SEGMENTS_MAX`] segments.
#[expect(clippy::cast_precision_loss, reason = "segments stay far below 2^53")]
pub fn segment_edit_score(first: &[Segment], second: &[Segment]) -> Result<f64, InvalidInput> {
    let longest = first.len().max(second.len());
    at_most("segments", SEGMENTS_MAX, longest)?;
    if longest == 0 {
        return Ok(1.0);
    }
    let mut row: Vec<usize> = (0..=second.len()).collect();
    for (i, a) in first.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in second.iter().enumerate() {
            let change = diagonal + usize::from(a.label != b.label);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    Ok(1.0 - row[second.len()] as f64 / longest as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_score_counts_edits() {
        let of = |frames: &[u32]| segments(frames);
        let score = segment_edit_score(&of(&[0, 1, 2, 3]), &of(&[0, 2, 3, 3, 4])).unwrap();
        assert!((score - 0.5).abs() < 1e-12);
        assert_eq!(segment_edit_score(&[], &[]), Ok(1.0));
        assert_eq!(segment_edit_score(&of(&[1]), &[]), Ok(0.0));
    }

    #[test]
    fn a_segment_is_claimed_once() {
        let (a, b) = (segments(&[1; 10]), segments(&[1, 1, 1, 1, 2, 1, 1, 1, 1, 1]));
        assert!((segment_f1(&a, &b, 0.1).unwrap() - 0.5).abs() < 1e-12);
    }
}
