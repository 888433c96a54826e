//! `measure segments`: how far labels along time agree.

use insitu_measure::agreement::{Segment, segment_edit_score, segment_f1};
use serde::Serialize;

use super::arguments::SegmentsArguments;
use super::{Estimate, Report, bar, cell};
use crate::cli::columns::{Categories, Column, Fault, InputError, Table};
use crate::cli::table;

/// Most raters: every pair is compared.
const RATERS_MAX: usize = 50;
/// Columns of frames that hold no rater's labels.
const NOT_RATERS: [&str; 3] = ["frame", "sequence", "time"];
/// Parts of a unit of time, where times are not whole.
const PARTS: f64 = 1000.0;
/// Latest time, in parts.
const TIME_MAX: f64 = 1e15;

/// What `measure segments` reports.
#[derive(Debug, Serialize)]
pub(super) struct SegmentsReport {
    sequences: usize,
    raters: Vec<Rater>,
    pairs: Vec<Pair>,
}

#[derive(Debug, Serialize)]
struct Rater {
    rater: String,
    segments: usize,
}

/// Two raters; the first counts as reference.
#[derive(Debug, Serialize)]
struct Pair {
    first: String,
    second: String,
    f1: Vec<F1>,
    /// Mean over sequences.
    edit_score: Estimate,
    /// Share of labeled time on which both agree.
    agreement: Estimate,
}

#[derive(Debug, Serialize)]
struct F1 {
    overlap: f64,
    f1: Estimate,
}

/// Segments of each rater in each sequence, in the order of time.
struct Tracks {
    raters: Vec<String>,
    /// By rater, then by sequence.
    segments: Vec<Vec<Vec<Segment>>>,
}

pub(super) fn measure(
    table: &Table,
    arguments: &SegmentsArguments,
) -> Result<SegmentsReport, InputError> {
    let start = table.choose(None, &["start"])?;
    let tracks = match start {
        Some(start) => by_segment(table, start, arguments)?,
        None => by_frame(table, arguments)?,
    };
    if tracks.raters.len() > RATERS_MAX {
        let (what, found) = ("raters", tracks.raters.len());
        return Err(table.fault(Fault::TooMany { what, found, limit: RATERS_MAX }));
    }
    let mut pairs = Vec::new();
    for first in 0..tracks.raters.len() {
        for second in first + 1..tracks.raters.len() {
            pairs.push(tracks.pair(first, second, &arguments.overlap));
        }
    }
    let count = |(rater, sequences): (&String, &Vec<Vec<Segment>>)| Rater {
        rater: rater.clone(),
        segments: sequences.iter().map(Vec::len).sum(),
    };
    Ok(SegmentsReport {
        sequences: tracks.segments.first().map_or(0, Vec::len),
        raters: tracks.raters.iter().zip(&tracks.segments).map(count).collect(),
        pairs,
    })
}

/// One label for each frame: runs of equal labels are segments.
fn by_frame(table: &Table, arguments: &SegmentsArguments) -> Result<Tracks, InputError> {
    let sequences = sequences(table)?;
    let raters: Vec<&Column> = table
        .columns()
        .iter()
        .filter(|c| !NOT_RATERS.iter().any(|name| c.name().eq_ignore_ascii_case(name)))
        .collect();
    if raters.len() < 2 {
        let text = format!("{} columns of labels, but 2 are needed", raters.len());
        return Err(table.fault(Fault::Shape(text)));
    }
    let categories = Categories::of(table, &raters, &[])?;
    let background = arguments.background.as_deref().and_then(|name| categories.find(name));
    let mut segments = Vec::with_capacity(raters.len());
    for column in &raters {
        let mut own = vec![Vec::new(); sequences.count];
        let mut length = vec![0; sequences.count];
        for row in 0..table.rows() {
            let sequence = sequences.of_row[row];
            let at = length[sequence];
            length[sequence] += 1;
            let label = categories.at(table, column, row)?;
            let Some(label) = label.filter(|label| Some(*label) != background) else { continue };
            let own: &mut Vec<Segment> = &mut own[sequence];
            match own.last_mut() {
                Some(last) if last.end == at && last.label == label => last.end += 1,
                _ => own.push(Segment { start: at, end: at + 1, label }),
            }
        }
        segments.push(own);
    }
    Ok(Tracks { raters: raters.iter().map(|c| c.name().to_owned()).collect(), segments })
}

/// Segments as they are, one a line.
fn by_segment(
    table: &Table,
    start: &Column,
    arguments: &SegmentsArguments,
) -> Result<Tracks, InputError> {
    let end = table.need(None, &["end"])?;
    let rater = table.need(None, &["rater", "annotator", "set"])?;
    let label = table.need(None, &["label"])?;
    let sequences = sequences(table)?;
    let categories = Categories::of(table, &[label], &[])?;
    let background = arguments.background.as_deref().and_then(|name| categories.find(name));
    let mut times = Vec::with_capacity(table.rows());
    for row in 0..table.rows() {
        let from = table.number_in(start, row, 0.0, TIME_MAX / PARTS)?;
        times.push((from, table.number_in(end, row, from, TIME_MAX / PARTS)?));
    }
    let whole = times.iter().all(|(a, b)| a.fract() <= 0.0 && b.fract() <= 0.0);
    let unit = if whole { 1.0 } else { PARTS };
    let mut raters: Vec<String> = Vec::new();
    let mut segments: Vec<Vec<Vec<Segment>>> = Vec::new();
    for (row, (from, to)) in times.into_iter().enumerate() {
        let name = table.text(rater, row)?;
        let at = raters.iter().position(|rater| rater == name).unwrap_or_else(|| {
            raters.push(name.to_owned());
            segments.push(vec![Vec::new(); sequences.count]);
            raters.len() - 1
        });
        if raters.len() > RATERS_MAX {
            let fault = Fault::TooMany { what: "raters", found: raters.len(), limit: RATERS_MAX };
            return Err(table.fault(fault));
        }
        let Some(label) = categories.at(table, label, row)? else { continue };
        let segment = Segment { start: parts(from * unit), end: parts(to * unit), label };
        if Some(label) != background && segment.start < segment.end {
            segments[at][sequences.of_row[row]].push(segment);
        }
    }
    if raters.len() < 2 {
        let text = format!("segments of {} raters, but 2 are needed", raters.len());
        return Err(table.fault(Fault::Shape(text)));
    }
    segments.iter_mut().flatten().for_each(|own| own.sort_by_key(|segment| segment.start));
    Ok(Tracks { raters, segments })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within 0 to TIME_MAX, checked when read"
)]
fn parts(time: f64) -> usize {
    time.round() as usize
}

struct Sequences {
    count: usize,
    of_row: Vec<usize>,
}

fn sequences(table: &Table) -> Result<Sequences, InputError> {
    let Some(column) = table.choose(None, &["sequence"])? else {
        return Ok(Sequences { count: 1, of_row: vec![0; table.rows()] });
    };
    let names = Categories::of(table, &[column], &[])?;
    let mut of_row = Vec::with_capacity(table.rows());
    for row in 0..table.rows() {
        table.text(column, row)?;
        of_row.push(names.at(table, column, row)?.unwrap_or(0) as usize);
    }
    Ok(Sequences { count: names.len(), of_row })
}

impl Tracks {
    fn pair(&self, first: usize, second: usize, overlaps: &[f64]) -> Pair {
        let (a, b) = (&self.segments[first], &self.segments[second]);
        // Laid end to end, segments of different sequences never overlap: counts add up.
        let (joined_a, joined_b) = joined(a, b);
        let f1 = |&overlap: &f64| F1 {
            overlap,
            f1: Estimate::of(segment_f1(&joined_a, &joined_b, overlap)),
        };
        Pair {
            first: self.raters[first].clone(),
            second: self.raters[second].clone(),
            f1: overlaps.iter().map(f1).collect(),
            edit_score: Estimate::of(edit_score(a, b)),
            agreement: Estimate::of(agreement(&joined_a, &joined_b)),
        }
    }
}

fn joined(a: &[Vec<Segment>], b: &[Vec<Segment>]) -> (Vec<Segment>, Vec<Segment>) {
    let (mut all_a, mut all_b, mut offset) = (Vec::new(), Vec::new(), 0);
    for (a, b) in a.iter().zip(b) {
        let moved = |s: &Segment| Segment { start: s.start + offset, end: s.end + offset, ..*s };
        all_a.extend(a.iter().map(moved));
        all_b.extend(b.iter().map(moved));
        offset += a.iter().chain(b).map(|segment| segment.end).max().unwrap_or(0);
    }
    (all_a, all_b)
}

#[expect(clippy::cast_precision_loss, reason = "sequences stay far below 2^53")]
fn edit_score(a: &[Vec<Segment>], b: &[Vec<Segment>]) -> Result<f64, String> {
    let mut sum = 0.0;
    for (a, b) in a.iter().zip(b) {
        sum += segment_edit_score(a, b).map_err(|error| error.to_string())?;
    }
    if a.is_empty() { Err("no sequence".to_owned()) } else { Ok(sum / a.len() as f64) }
}

/// Time that both give the same label over time that either labels, by a sweep over both.
#[expect(clippy::cast_precision_loss, reason = "times stay far below 2^53")]
fn agreement(a: &[Segment], b: &[Segment]) -> Result<f64, String> {
    for own in [a, b] {
        if own.windows(2).any(|pair| pair[1].start < pair[0].end) {
            return Err("segments of one rater overlap".to_owned());
        }
    }
    let length = |own: &[Segment]| own.iter().map(|s| s.end - s.start).sum::<usize>();
    let (mut shared, mut equal, mut i, mut j) = (0, 0, 0, 0);
    while let (Some(left), Some(right)) = (a.get(i), b.get(j)) {
        let both = left.end.min(right.end).saturating_sub(left.start.max(right.start));
        shared += both;
        equal += if left.label == right.label { both } else { 0 };
        if left.end <= right.end { i += 1 } else { j += 1 }
    }
    let labeled = length(a) + length(b) - shared;
    if labeled == 0 {
        Err("nobody labeled anything".to_owned())
    } else {
        Ok(equal as f64 / labeled as f64)
    }
}

impl Report for SegmentsReport {
    fn text(&self) -> String {
        let mut text = String::new();
        for rater in &self.raters {
            text.push_str(&format!("{}: {} segments\n", cell(&rater.rater), rater.segments));
        }
        text.push_str(&format!("{} sequences\n\n", self.sequences));
        let mut heading = vec!["rater".to_owned(), "rater".to_owned()];
        if let Some(pair) = self.pairs.first() {
            heading.extend(pair.f1.iter().map(|f1| format!("F1@{}", f1.overlap * 100.0)));
        }
        heading.extend(["edit score", "same label", "", ""].map(str::to_owned));
        let row = |pair: &Pair| {
            let mut row = vec![cell(&pair.first), cell(&pair.second)];
            row.extend(pair.f1.iter().map(|f1| f1.f1.figure()));
            let share = pair.agreement.value.unwrap_or(0.0);
            row.extend([pair.edit_score.figure(), pair.agreement.figure(), bar(share, 20)]);
            let all = pair.f1.iter().map(|f1| &f1.f1).chain([&pair.edit_score, &pair.agreement]);
            let reason = all.filter_map(|estimate| estimate.reason.as_deref()).next();
            row.push(reason.map(|reason| format!("undefined: {reason}")).unwrap_or_default());
            row
        };
        let rows: Vec<_> = self.pairs.iter().map(row).collect();
        let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
        text.push_str(&table::lines(&heading, &rows));
        text
    }
}
