//! CLEAR MOT and identity scores.
//!
//! Source: K. Bernardin, R. Stiefelhagen, *Evaluating multiple object tracking performance: the
//! CLEAR MOT metrics* (2008); E. Ristani, F. Solera, R. Zou, R. Cucchiara, C. Tomasi,
//! *Performance measures and a data set for multi-target, multi-camera tracking* (2016). Counts
//! equal those of motmetrics 1.4.

use std::collections::BTreeMap;

use crate::agreement::{BOXES_MAX, Rectangle};
use crate::assignment::assign;
use crate::input::{InvalidInput, at_most, same_length, within};

/// An object of a track in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Name of its track, unique within a frame.
    pub track: u64,
    /// Where it is.
    pub place: Rectangle,
}

/// How well tracks follow reference tracks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrackScores {
    /// Reference objects over all frames.
    pub objects: usize,
    /// Tracked objects over all frames.
    pub tracked: usize,
    /// Reference objects that are followed.
    pub matches: usize,
    /// Reference objects that nothing follows.
    pub misses: usize,
    /// Tracked objects that follow nothing.
    pub false_positives: usize,
    /// Times that a reference track is taken over by another track.
    pub switches: usize,
    /// Sum over matches of one minus overlap.
    pub distance: f64,
    /// Matches under the best single pairing of tracks with reference tracks.
    pub identity_matches: usize,
    /// Reference tracks followed in at least 80 % of their frames.
    pub mostly_tracked: usize,
}

impl TrackScores {
    /// Compares frame by frame; objects match if one minus their overlap is at most
    /// `distance_max` in [0, 1). A pair of the frame before stays together if it can.
    ///
    /// # Errors
    /// [`InvalidInput`] if the numbers of frames differ, a frame has more than [`BOXES_MAX`]
    /// objects, there are more than that many tracks, or `distance_max` is out of range.
    pub fn new(
        reference: &[Vec<Observation>],
        found: &[Vec<Observation>],
        distance_max: f64,
    ) -> Result<Self, InvalidInput> {
        same_length("found", reference.len(), found.len())?;
        within("distance_max", &[distance_max], 0.0, 1.0 - f64::EPSILON)?;
        let mut run = Run { distance_max, ..Run::default() };
        for (objects, tracks) in reference.iter().zip(found) {
            at_most("objects of a frame", BOXES_MAX, objects.len().max(tracks.len()))?;
            run.frame(objects, tracks);
        }
        run.scores.identity_matches = run.identity_matches()?;
        let followed = |(all, matched): &&(usize, usize)| matched * 5 >= all * 4;
        run.scores.mostly_tracked = run.followed.values().filter(followed).count();
        Ok(run.scores)
    }

    /// Multiple object tracking accuracy, at most 1; `None` without reference objects.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        let faults = self.misses + self.switches + self.false_positives;
        ratio(faults, self.objects).map(|share| 1.0 - share)
    }

    /// Mean of one minus overlap over matches; `None` without matches.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn mean_distance(&self) -> Option<f64> {
        (self.matches > 0).then(|| self.distance / self.matches as f64)
    }

    /// Share of tracked objects that keep their identity.
    #[must_use]
    pub fn identity_precision(&self) -> Option<f64> {
        ratio(self.identity_matches, self.tracked)
    }

    /// Share of reference objects that keep their identity.
    #[must_use]
    pub fn identity_recall(&self) -> Option<f64> {
        ratio(self.identity_matches, self.objects)
    }

    /// Harmonic mean of the two.
    #[must_use]
    pub fn identity_f1(&self) -> Option<f64> {
        ratio(2 * self.identity_matches, self.objects + self.tracked)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[derive(Default)]
struct Run {
    distance_max: f64,
    scores: TrackScores,
    /// The track that followed each reference track last.
    last: BTreeMap<u64, u64>,
    /// Frames in which a reference track and a track are close enough.
    close: BTreeMap<(u64, u64), usize>,
    /// By reference track: frames, and frames in which it is followed.
    followed: BTreeMap<u64, (usize, usize)>,
}

impl Run {
    fn frame(&mut self, objects: &[Observation], tracks: &[Observation]) {
        let distance = |i: usize, j: usize| {
            let apart = 1.0 - objects[i].place.iou(&tracks[j].place);
            (apart <= self.distance_max).then_some(apart)
        };
        let distances: Vec<Option<f64>> = (0..objects.len())
            .flat_map(|i| (0..tracks.len()).map(move |j| (i, j)))
            .map(|(i, j)| distance(i, j))
            .collect();
        let at = |i: usize, j: usize| distances[i * tracks.len() + j];
        let mut taken = vec![false; tracks.len()];
        let mut partner: Vec<Option<usize>> = vec![None; objects.len()];
        for (i, object) in objects.iter().enumerate() {
            let before = self.last.get(&object.track);
            let same = |&j: &usize| !taken[j] && Some(&tracks[j].track) == before;
            if let Some(j) = (0..tracks.len()).find(same).filter(|&j| at(i, j).is_some()) {
                partner[i] = Some(j);
                taken[j] = true;
            }
        }
        let open: Vec<usize> = (0..objects.len()).filter(|&i| partner[i].is_none()).collect();
        let free: Vec<usize> = (0..tracks.len()).filter(|&j| !taken[j]).collect();
        let assigned = assign(open.len(), free.len(), |a, b| at(open[a], free[b]));
        for (a, b) in assigned.into_iter().enumerate() {
            partner[open[a]] = b.map(|b| free[b]);
        }
        for (i, object) in objects.iter().enumerate() {
            for (_, track) in tracks.iter().enumerate().filter(|(j, _)| at(i, *j).is_some()) {
                *self.close.entry((object.track, track.track)).or_default() += 1;
            }
            let (frames, followed) = self.followed.entry(object.track).or_default();
            *frames += 1;
            let Some(j) = partner[i] else { continue };
            *followed += 1;
            let before = self.last.insert(object.track, tracks[j].track);
            self.scores.switches += usize::from(before.is_some_and(|b| b != tracks[j].track));
            self.scores.matches += 1;
            self.scores.distance += at(i, j).unwrap_or(0.0);
        }
        let matched = partner.iter().flatten().count();
        self.scores.objects += objects.len();
        self.scores.tracked += tracks.len();
        self.scores.misses += objects.len() - matched;
        self.scores.false_positives += tracks.len() - matched;
    }

    /// The greatest number of close frames under one pairing of all tracks.
    #[expect(clippy::cast_precision_loss, reason = "frames stay far below 2^53")]
    fn identity_matches(&self) -> Result<usize, InvalidInput> {
        let index = |names: Vec<u64>| -> BTreeMap<u64, usize> {
            names.into_iter().enumerate().map(|(at, name)| (name, at)).collect()
        };
        let distinct = |mut names: Vec<u64>| {
            names.sort_unstable();
            names.dedup();
            names
        };
        let references = index(distinct(self.close.keys().map(|(a, _)| *a).collect()));
        let tracks = index(distinct(self.close.keys().map(|(_, b)| *b).collect()));
        at_most("tracks", BOXES_MAX, references.len().max(tracks.len()))?;
        let mut frames = vec![0; references.len() * tracks.len()];
        for ((a, b), count) in &self.close {
            frames[references[a] * tracks.len() + tracks[b]] = *count;
        }
        let cost = |i: usize, j: usize| Some(-(frames[i * tracks.len() + j] as f64));
        let assigned = assign(references.len(), tracks.len(), cost);
        let pairs = assigned.into_iter().enumerate();
        Ok(pairs.filter_map(|(i, j)| j.map(|j| frames[i * tracks.len() + j])).sum())
    }
}
