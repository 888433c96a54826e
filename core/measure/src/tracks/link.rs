//! Drafts of tracks: boxes of one frame linked to the next, and gaps filled in between.

use crate::agreement::{BOXES_MAX, Rectangle};
use crate::assignment::assign;
use crate::input::{InvalidInput, at_most, within};

/// A box of a track in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draft {
    /// The frame.
    pub frame: usize,
    /// Where the object is.
    pub place: Rectangle,
    /// Whether it was computed from the boxes before and after, rather than given.
    pub interpolated: bool,
}

/// Links boxes of consecutive frames into tracks: the pairing of greatest summed overlap, each of
/// at least `least` in (0, 1]. A track survives `gap_max` frames without a box.
///
/// Tracks are ordered by their first box.
///
/// # Errors
/// [`InvalidInput`] if a frame has more than [`BOXES_MAX`] boxes or `least` is out of range.
///
/// ```
/// use insitu_measure::{agreement::Rectangle, tracks::{interpolate, link}};
///
/// let at = |x| Rectangle::new(x, 0.0, 10.0, 10.0);
/// let frames = [vec![at(0.0)?], vec![], vec![at(2.0)?]];
/// let tracks = link(&frames, 0.5, 1)?;
/// let filled = interpolate(&tracks[0]);
/// assert_eq!((tracks.len(), filled[1].place, filled[1].interpolated), (1, at(1.0)?, true));
/// # Ok::<(), insitu_measure::InvalidInput>(())
/// ```
pub fn link(
    frames: &[Vec<Rectangle>],
    least: f64,
    gap_max: usize,
) -> Result<Vec<Vec<Draft>>, InvalidInput> {
    within("least", &[least], f64::MIN_POSITIVE, 1.0)?;
    let mut tracks: Vec<Vec<Draft>> = Vec::new();
    let mut live: Vec<usize> = Vec::new();
    for (frame, places) in frames.iter().enumerate() {
        at_most("boxes of a frame", BOXES_MAX, places.len())?;
        let last = |track: usize| tracks[track].last().copied();
        live.retain(|&track| last(track).is_some_and(|draft| frame - draft.frame <= gap_max + 1));
        at_most("open tracks", BOXES_MAX, live.len())?;
        let overlap = |a: usize, b: usize| {
            let iou = last(live[a]).map_or(0.0, |draft| draft.place.iou(&places[b]));
            if iou >= least { iou } else { 0.0 }
        };
        let assigned = assign(live.len(), places.len(), |a, b| Some(-overlap(a, b)));
        let mut owner: Vec<Option<usize>> = vec![None; places.len()];
        for (a, b) in assigned.into_iter().enumerate() {
            if let Some(b) = b.filter(|&b| overlap(a, b) > 0.0) {
                owner[b] = Some(live[a]);
            }
        }
        for (place, owner) in places.iter().zip(owner) {
            let track = owner.unwrap_or_else(|| {
                tracks.push(Vec::new());
                live.push(tracks.len() - 1);
                tracks.len() - 1
            });
            tracks[track].push(Draft { frame, place: *place, interpolated: false });
        }
    }
    Ok(tracks)
}

/// Fills the frames between a track's boxes, in a straight line from one to the next. Drafts
/// must be in order of frames.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "frames stay far below 2^53")]
pub fn interpolate(track: &[Draft]) -> Vec<Draft> {
    let mut filled: Vec<Draft> = Vec::with_capacity(track.len());
    for draft in track {
        if let Some(before) = filled.last().copied() {
            let gap = draft.frame.saturating_sub(before.frame);
            filled.extend((1..gap).map(|step| Draft {
                frame: before.frame + step,
                place: before.place.between(&draft.place, step as f64 / gap as f64),
                interpolated: true,
            }));
        }
        filled.push(*draft);
    }
    filled
}
