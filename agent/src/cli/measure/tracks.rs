//! `measure tracks`: objects followed through the frames of a video.

use std::collections::{BTreeSet, HashMap};

use insitu_measure::agreement::Rectangle;
use insitu_measure::tracks::{self, Observation, TrackScores, interpolate};
use serde::Serialize;

use super::arguments::TracksArguments;
use super::{Estimate, Report, bar, cell};
use crate::cli::columns::{Column, Fault, InputError, Table, shown};
use crate::cli::table;

/// Greatest frame.
const FRAME_MAX: usize = 1_000_000;
/// Boxes of a draft, given and filled in: a long gap must not fill the memory.
const DRAFTS_MAX: usize = 10_000_000;
/// Tracks that the text lists.
const LISTED_MAX: usize = 50;
/// Largest coordinate or side.
const COORDINATE_MAX: f64 = 1e9;

/// What `measure tracks` reports.
#[derive(Debug, Serialize)]
pub(super) struct TracksReport {
    iou: f64,
    frames: usize,
    objects: usize,
    tracked: usize,
    matches: usize,
    misses: usize,
    false_positives: usize,
    switches: usize,
    mostly_tracked: usize,
    /// Multiple object tracking accuracy.
    mota: Estimate,
    /// Mean overlap of matches.
    mean_overlap: Estimate,
    identity_precision: Estimate,
    identity_recall: Estimate,
    identity_f1: Estimate,
}

/// What `measure tracks --link` reports.
#[derive(Debug, Serialize)]
pub(super) struct LinkReport {
    iou: f64,
    gap: usize,
    boxes: usize,
    tracks: Vec<DraftTrack>,
}

/// A draft: never a label before a person has looked at it.
#[derive(Debug, Serialize)]
struct DraftTrack {
    track: usize,
    boxes: Vec<DraftBox>,
}

#[derive(Debug, Serialize)]
struct DraftBox {
    frame: usize,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    /// Computed from the boxes before and after, not given.
    interpolated: bool,
}

/// Columns of boxes.
struct Boxes<'a> {
    table: &'a Table,
    frame: &'a Column,
    sides: [&'a Column; 4],
}

impl<'a> Boxes<'a> {
    fn new(table: &'a Table) -> Result<Self, InputError> {
        Ok(Self {
            table,
            frame: table.need(None, &["frame"])?,
            sides: [
                table.need(None, &["x", "left"])?,
                table.need(None, &["y", "top"])?,
                table.need(None, &["width", "w"])?,
                table.need(None, &["height", "h"])?,
            ],
        })
    }

    fn row(&self, row: usize) -> Result<(usize, Rectangle), InputError> {
        let frame = self.table.whole(self.frame, row, FRAME_MAX)?;
        let most = COORDINATE_MAX;
        let [x, y, width, height] = self.sides;
        let place = Rectangle::new(
            self.table.number_in(x, row, -most, most)?,
            self.table.number_in(y, row, -most, most)?,
            self.table.number_in(width, row, 0.0, most)?,
            self.table.number_in(height, row, 0.0, most)?,
        );
        let place = place.map_err(|e| self.table.fault_at(row, Fault::Shape(e.to_string())))?;
        Ok((frame, place))
    }
}

pub(super) fn measure(
    table: &Table,
    found: Option<&Table>,
    arguments: &TracksArguments,
) -> Result<TracksReport, InputError> {
    let sides = match found {
        Some(found) => {
            let all = |table: &Table| (0..table.rows()).collect::<Vec<_>>();
            [observations(table, &all(table))?, observations(found, &all(found))?]
        }
        None => {
            let [reference, found] = by_set(table)?;
            [observations(table, &reference)?, observations(table, &found)?]
        }
    };
    let frames: BTreeSet<usize> = sides.iter().flatten().map(|(frame, _)| *frame).collect();
    let index: HashMap<usize, usize> =
        frames.iter().enumerate().map(|(at, frame)| (*frame, at)).collect();
    let [reference, found] = sides.map(|side| {
        let mut by_frame = vec![Vec::new(); frames.len()];
        side.into_iter().for_each(|(frame, object)| by_frame[index[&frame]].push(object));
        by_frame
    });
    let scores = TrackScores::new(&reference, &found, 1.0 - arguments.iou)
        .map_err(|error| table.fault(Fault::Shape(error.to_string())))?;
    Ok(report(&scores, frames.len(), arguments.iou))
}

fn report(scores: &TrackScores, frames: usize, iou: f64) -> TracksReport {
    let or =
        |value: Option<f64>, reason: &str| Estimate::of(value.ok_or_else(|| reason.to_owned()));
    TracksReport {
        iou,
        frames,
        objects: scores.objects,
        tracked: scores.tracked,
        matches: scores.matches,
        misses: scores.misses,
        false_positives: scores.false_positives,
        switches: scores.switches,
        mostly_tracked: scores.mostly_tracked,
        mota: or(scores.accuracy(), "no reference objects"),
        mean_overlap: or(scores.mean_distance().map(|apart| 1.0 - apart), "no matches"),
        identity_precision: or(scores.identity_precision(), "no tracked objects"),
        identity_recall: or(scores.identity_recall(), "no reference objects"),
        identity_f1: or(scores.identity_f1(), "no objects"),
    }
}

/// Records of the reference, and of what was found.
fn by_set(table: &Table) -> Result<[Vec<usize>; 2], InputError> {
    let set = table.need(None, &["set"])?;
    let mut sides = [Vec::new(), Vec::new()];
    for row in 0..table.rows() {
        let text = table.text(set, row)?;
        match text.to_ascii_lowercase().as_str() {
            "reference" => sides[0].push(row),
            "found" => sides[1].push(row),
            _ => {
                let (column, found) = (shown(set.name()), shown(text));
                let wanted = "reference or found".to_owned();
                return Err(table.fault_at(row, Fault::NotOneOf { column, found, wanted }));
            }
        }
    }
    Ok(sides)
}

/// Objects with their frames, in the order of the file.
fn observations(table: &Table, rows: &[usize]) -> Result<Vec<(usize, Observation)>, InputError> {
    let boxes = Boxes::new(table)?;
    let track = table.need(None, &["track", "track_id", "id"])?;
    let mut numbers: HashMap<&str, u64> = HashMap::new();
    let mut seen = std::collections::HashSet::new();
    let mut found = Vec::with_capacity(rows.len());
    for &row in rows {
        let (frame, place) = boxes.row(row)?;
        let name = table.text(track, row)?;
        let next = numbers.len() as u64;
        let number = *numbers.entry(name).or_insert(next);
        if !seen.insert((frame, number)) {
            let text = format!("track {} has a second box in frame {frame}", shown(name));
            return Err(table.fault_at(row, Fault::Shape(text)));
        }
        found.push((frame, Observation { track: number, place }));
    }
    Ok(found)
}

pub(super) fn link(table: &Table, arguments: &TracksArguments) -> Result<LinkReport, InputError> {
    let boxes = Boxes::new(table)?;
    let mut frames: Vec<Vec<Rectangle>> = Vec::new();
    for row in 0..table.rows() {
        let (frame, place) = boxes.row(row)?;
        if frames.len() <= frame {
            frames.resize(frame + 1, Vec::new());
        }
        frames[frame].push(place);
    }
    let drafts = tracks::link(&frames, arguments.iou, arguments.gap)
        .map_err(|error| table.fault(Fault::Shape(error.to_string())))?;
    let spans = drafts.iter().filter_map(|track| Some((track.first()?, track.last()?)));
    let filled: usize = spans.map(|(first, last)| last.frame - first.frame + 1).sum();
    if filled > DRAFTS_MAX {
        let fault = Fault::TooMany { what: "boxes of drafts", found: filled, limit: DRAFTS_MAX };
        return Err(table.fault(fault));
    }
    let tracks = drafts.iter().enumerate().map(|(track, drafts)| {
        let boxes = interpolate(drafts).into_iter().map(|draft| {
            let [x, y, width, height] = draft.place.xywh();
            let (frame, interpolated) = (draft.frame, draft.interpolated);
            DraftBox { frame, x, y, width, height, interpolated }
        });
        DraftTrack { track, boxes: boxes.collect() }
    });
    Ok(LinkReport {
        iou: arguments.iou,
        gap: arguments.gap,
        boxes: table.rows(),
        tracks: tracks.collect(),
    })
}

impl Report for TracksReport {
    fn text(&self) -> String {
        let mut text = format!(
            "{} frames, {} reference objects, {} tracked; {} matched at overlap {} or more\n\
             {} missed, {} tracked that are none, {} times a track changed hands; {} tracks \
             followed for most of their way\n\n",
            self.frames,
            self.objects,
            self.tracked,
            self.matches,
            self.iou,
            self.misses,
            self.false_positives,
            self.switches,
            self.mostly_tracked
        );
        let rows: Vec<Vec<String>> = [
            ("MOTA", &self.mota),
            ("mean overlap", &self.mean_overlap),
            ("identity precision", &self.identity_precision),
            ("identity recall", &self.identity_recall),
            ("identity F1", &self.identity_f1),
        ]
        .into_iter()
        .map(|(name, estimate)| {
            let [value, reason] = estimate.cells();
            let bar = bar(estimate.value.unwrap_or(0.0), 20);
            vec![name.to_owned(), value, if reason.is_empty() { bar } else { reason }]
        })
        .collect();
        text.push_str(&table::lines(&["", "value", ""], &rows));
        text
    }
}

impl Report for LinkReport {
    fn text(&self) -> String {
        let mut text = format!(
            "{} boxes in {} draft tracks (overlap {} or more, gaps up to {} frames); look at them \
             before they become labels\n\n",
            self.boxes,
            self.tracks.len(),
            self.iou,
            self.gap
        );
        let row = |track: &DraftTrack| {
            let frame = |at: Option<&DraftBox>| at.map_or(0, |one| one.frame).to_string();
            let filled = track.boxes.iter().filter(|one| one.interpolated).count();
            vec![
                cell(&track.track.to_string()),
                frame(track.boxes.first()),
                frame(track.boxes.last()),
                track.boxes.len().to_string(),
                filled.to_string(),
            ]
        };
        let rows: Vec<_> = self.tracks.iter().take(LISTED_MAX).map(row).collect();
        let heading = ["track", "first frame", "last", "boxes", "filled in"];
        text.push_str(&table::lines(&heading, &rows));
        if self.tracks.len() > LISTED_MAX {
            text.push_str(&format!("and {} more\n", self.tracks.len() - LISTED_MAX));
        }
        text
    }
}
