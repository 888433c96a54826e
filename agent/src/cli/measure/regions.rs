//! `measure agreement` on regions: spans of texts and boxes in images.

use std::collections::HashMap;

use insitu_daemon::exit;
use insitu_measure::agreement::{
    Confusion, Rectangle, Span, SpanAgreement, SpanScore, Weights, match_boxes, token_labels,
};
use serde::Serialize;

use super::arguments::{AgreementArguments, ScaleName};
use super::ratings::{ITEM_NAMES, LABEL_NAMES, RATER_NAMES};
use super::{Estimate, LEVEL, Report, cell};
use crate::cli::columns::{Categories, Fault, InputError, Table};
use crate::cli::{Failure, table};

/// Most raters: every pair is compared.
const RATERS_MAX: usize = 50;
/// Last position of a span.
const POSITION_MAX: usize = 1 << 26;
/// Largest coordinate or side of a box.
const COORDINATE_MAX: f64 = 1e9;
/// Overlaps (intersection over union) at which boxes are matched; labels are compared at the first.
const OVERLAPS: [f64; 2] = [0.5, 0.75];
/// Columns that make a file one of spans, or of boxes.
const SPAN: [&str; 2] = ["start", "end"];
const BOX: [&str; 4] = ["x", "y", "width", "height"];

/// What `measure agreement` reports of regions.
#[derive(Debug, Serialize)]
pub(super) struct RegionsReport {
    regions: &'static str,
    items: usize,
    raters: Vec<Rater>,
    pairs: Vec<Pair>,
}

#[derive(Debug, Serialize)]
struct Rater {
    rater: String,
    regions: usize,
}

/// Two raters; the first counts as reference.
#[derive(Debug, Serialize)]
struct Pair {
    first: String,
    second: String,
    matches: Vec<Match>,
    /// Agreement of labels: of spans by position, of boxes by matched pair.
    same_label: Estimate,
    label_kappa: Estimate,
}

/// Agreement on where regions are; of spans the label must be the same, too.
#[derive(Debug, Serialize)]
struct Match {
    by: String,
    precision: Option<f64>,
    recall: Option<f64>,
    f1: f64,
    /// Mean overlap of matched boxes.
    mean_overlap: Option<f64>,
}

/// Regions by rater and item.
struct Drawn<T> {
    items: usize,
    raters: Vec<String>,
    regions: HashMap<(usize, usize), Vec<T>>,
}

/// The report of a file of regions; `None` if its columns are none of a region.
pub(super) fn measure(
    table: &Table,
    arguments: &AgreementArguments,
) -> Result<Option<RegionsReport>, Failure> {
    let has = |names: &[&str]| -> Result<bool, InputError> {
        let mut found = true;
        for name in names {
            found &= table.choose(None, &[name])?.is_some();
        }
        Ok(found)
    };
    let (are_spans, are_boxes) = (has(&SPAN)?, has(&BOX)?);
    if !are_spans && !are_boxes {
        return Ok(None);
    }
    let others = [
        ("--site", arguments.site.is_some()),
        ("--scale", arguments.scale != ScaleName::Nominal),
        ("--bootstrap", arguments.bootstrap.is_some()),
    ];
    if let Some((name, _)) = others.iter().find(|(_, given)| *given) {
        let text = format!("{name} is for ratings, and the file holds regions");
        return Err(Failure::text(exit::USAGE, text));
    }
    Ok(Some(if are_spans { spans(table, arguments)? } else { boxes(table, arguments)? }))
}

fn spans(table: &Table, arguments: &AgreementArguments) -> Result<RegionsReport, InputError> {
    let (start, end) = (table.need(None, &["start"])?, table.need(None, &["end"])?);
    let (drawn, labels) = drawn(table, arguments, &SPAN, |row, label| {
        let from = table.whole(start, row, POSITION_MAX)?;
        let to = table.whole(end, row, POSITION_MAX)?;
        if to < from {
            let text = format!("a span ends at {to}, before it starts at {from}");
            return Err(table.fault_at(row, Fault::Shape(text)));
        }
        Ok(Span { start: from, end: to, label })
    })?;
    // The length of a text is not known; it reaches at least to the last span.
    let mut length = vec![0; drawn.items];
    for ((_, item), spans) in &drawn.regions {
        length[*item] = spans.iter().map(|span| span.end).fold(length[*item], usize::max);
    }
    drawn.report("spans", |first, second| {
        let (a, b) = (drawn.of(first), drawn.of(second));
        let both = SpanAgreement::new(&a, &b).map_err(|error| error.to_string())?;
        let scored = |by: &str, SpanScore { precision, recall, f1 }: SpanScore| Match {
            by: by.to_owned(),
            precision: Some(precision),
            recall: Some(recall),
            f1,
            mean_overlap: None,
        };
        let matches =
            vec![scored("exact", both.exact_score()), scored("partial", both.partial_score())];
        Ok((matches, by_position(&a, &b, &length, labels)))
    })
}

/// How often two raters give each pair of labels to a position; label 0 is no span.
fn by_position(
    a: &[Vec<Span>],
    b: &[Vec<Span>],
    length: &[usize],
    labels: usize,
) -> Result<Confusion, String> {
    let text = |error: &dyn ToString| error.to_string();
    let mut all = Confusion::from_labels(labels, &[], &[]).map_err(|e| text(&e))?;
    for ((a, b), &length) in a.iter().zip(b).zip(length).filter(|(_, length)| **length > 0) {
        let a = token_labels(a, length, 0).map_err(|e| text(&e))?;
        let b = token_labels(b, length, 0).map_err(|e| text(&e))?;
        let own = Confusion::from_labels(labels, &a, &b).map_err(|e| text(&e))?;
        all.add(&own).map_err(|e| text(&e))?;
    }
    Ok(all)
}

fn boxes(table: &Table, arguments: &AgreementArguments) -> Result<RegionsReport, InputError> {
    let [x, y, width, height] = BOX;
    let sides = [
        (table.need(None, &[x])?, -COORDINATE_MAX),
        (table.need(None, &[y])?, -COORDINATE_MAX),
        (table.need(None, &[width])?, 0.0),
        (table.need(None, &[height])?, 0.0),
    ];
    let (drawn, labels) = drawn(table, arguments, &BOX, |row, label| {
        let mut numbers = [0.0; 4];
        for (number, (column, least)) in numbers.iter_mut().zip(sides) {
            *number = table.number_in(column, row, least, COORDINATE_MAX)?;
        }
        let [x, y, width, height] = numbers;
        let place = Rectangle::new(x, y, width, height)
            .map_err(|error| table.fault_at(row, Fault::Shape(error.to_string())))?;
        Ok((place, label))
    })?;
    drawn.report("boxes", |first, second| {
        let (a, b) = (drawn.of(first), drawn.of(second));
        let [coarse, fine] = OVERLAPS.map(|least| matched(&a, &b, least));
        let ((coarse, pairs), (fine, _)) = (coarse?, fine?);
        let (a, b): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
        let confusion = Confusion::from_labels(labels, &a, &b).map_err(|error| error.to_string());
        Ok((vec![coarse, fine], confusion))
    })
}

/// Boxes matched at an overlap over all images, and the labels of each matched pair.
#[expect(clippy::cast_precision_loss, reason = "boxes stay far below 2^53")]
fn matched(
    a: &[Vec<(Rectangle, u32)>],
    b: &[Vec<(Rectangle, u32)>],
    least: f64,
) -> Result<(Match, Vec<(u32, u32)>), String> {
    let places = |own: &[(Rectangle, u32)]| own.iter().map(|(place, _)| *place).collect::<Vec<_>>();
    let (mut labels, mut overlap) = (Vec::new(), 0.0);
    for (a, b) in a.iter().zip(b) {
        let found =
            match_boxes(&places(a), &places(b), least).map_err(|error| error.to_string())?;
        overlap += found.mean_iou.unwrap_or(0.0) * found.pairs.len() as f64;
        labels.extend(found.pairs.iter().map(|&(i, j)| (a[i].1, b[j].1)));
    }
    let count = |own: &[Vec<(Rectangle, u32)>]| own.iter().map(Vec::len).sum::<usize>() as f64;
    let (pairs, first, second) = (labels.len() as f64, count(a), count(b));
    let share = |whole: f64| (whole > 0.0).then(|| pairs / whole);
    let found = Match {
        by: format!("overlap {least}"),
        precision: share(second),
        recall: share(first),
        f1: share(0.5 * (first + second)).unwrap_or(1.0),
        mean_overlap: (pairs > 0.0).then(|| overlap / pairs),
    };
    Ok((found, labels))
}

/// Reads regions, and how many labels there are with 0 for none. A line without the first
/// coordinate says that a rater looked at the item and found nothing.
fn drawn<T>(
    table: &Table,
    arguments: &AgreementArguments,
    coordinates: &[&str],
    mut read: impl FnMut(usize, u32) -> Result<T, InputError>,
) -> Result<(Drawn<T>, usize), InputError> {
    let ratings = &arguments.ratings;
    let item = table.choose(ratings.item.as_deref(), &ITEM_NAMES)?;
    let rater = table.need(ratings.rater.as_deref(), &RATER_NAMES)?;
    let label = table.choose(ratings.label.as_deref(), &LABEL_NAMES)?;
    let first = table.need(None, &coordinates[..1])?;
    let categories = label.map(|label| Categories::of(table, &[label], &ratings.order));
    let categories = categories.transpose()?;
    let (mut items, mut raters) = (HashMap::new(), Vec::new());
    let mut regions: HashMap<(usize, usize), Vec<T>> = HashMap::new();
    for row in 0..table.rows() {
        let name = item.map_or(Ok(""), |item| table.text(item, row))?;
        let next = items.len();
        let item = *items.entry(name).or_insert(next);
        let name = table.text(rater, row)?;
        let rater = raters.iter().position(|rater| rater == name).unwrap_or_else(|| {
            raters.push(name.to_owned());
            raters.len() - 1
        });
        if raters.len() > RATERS_MAX {
            let fault = Fault::TooMany { what: "raters", found: raters.len(), limit: RATERS_MAX };
            return Err(table.fault_at(row, fault));
        }
        if first.value(row).is_none() {
            continue;
        }
        let label = match (&categories, label) {
            (Some(categories), Some(label)) => {
                table.text(label, row)?;
                1 + categories.at(table, label, row)?.unwrap_or(0)
            }
            _ => 1,
        };
        regions.entry((rater, item)).or_default().push(read(row, label)?);
    }
    if raters.len() < 2 {
        let text = format!("regions of {} rater, but 2 are needed", raters.len());
        return Err(table.fault(Fault::Shape(text)));
    }
    let labels = 1 + categories.map_or(1, |categories| categories.len());
    Ok((Drawn { items: items.len(), raters, regions }, labels))
}

impl<T: Clone> Drawn<T> {
    /// A rater's regions of each item.
    fn of(&self, rater: usize) -> Vec<Vec<T>> {
        let own = |item| self.regions.get(&(rater, item)).cloned().unwrap_or_default();
        (0..self.items).map(own).collect()
    }

    /// Compares every pair of raters.
    fn report(
        &self,
        regions: &'static str,
        compare: impl Fn(usize, usize) -> Result<(Vec<Match>, Result<Confusion, String>), String>,
    ) -> Result<RegionsReport, InputError> {
        let mut pairs = Vec::new();
        for first in 0..self.raters.len() {
            for second in first + 1..self.raters.len() {
                let (matches, labels) = match compare(first, second) {
                    Ok(found) => found,
                    Err(reason) => (Vec::new(), Err(reason)),
                };
                let of = |measure: &dyn Fn(&Confusion) -> Estimate| match &labels {
                    Ok(confusion) => measure(confusion),
                    Err(reason) => Estimate::undefined(reason.clone()),
                };
                pairs.push(Pair {
                    first: self.raters[first].clone(),
                    second: self.raters[second].clone(),
                    matches,
                    same_label: of(&|both| Estimate::of(both.agreement())),
                    label_kappa: of(&|both| {
                        let kappa = both.kappa(Weights::Identity);
                        let estimate = Estimate::of(kappa.map(|kappa| kappa.value));
                        // Positions of one span are no independent observations.
                        if regions == "spans" {
                            return estimate;
                        }
                        estimate.within(kappa.map(|kappa| kappa.interval(LEVEL)))
                    }),
                });
            }
        }
        let count = |rater: usize| -> usize {
            self.regions.iter().filter(|(key, _)| key.0 == rater).map(|(_, own)| own.len()).sum()
        };
        let rater =
            |(at, name): (usize, &String)| Rater { rater: name.clone(), regions: count(at) };
        let raters = self.raters.iter().enumerate().map(rater).collect();
        Ok(RegionsReport { regions, items: self.items, raters, pairs })
    }
}

impl Report for RegionsReport {
    fn text(&self) -> String {
        let mut text = format!("{} items\n", self.items);
        for rater in &self.raters {
            text.push_str(&format!("{}: {} {}\n", cell(&rater.rater), rater.regions, self.regions));
        }
        text.push('\n');
        let figure = |value: Option<f64>| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
        };
        let mut rows = Vec::new();
        for pair in &self.pairs {
            for (at, found) in pair.matches.iter().enumerate() {
                let labels = match at {
                    0 => [pair.same_label.figure(), pair.label_kappa.figure()],
                    _ => [String::new(), String::new()],
                };
                let mut row = vec![cell(&pair.first), cell(&pair.second), found.by.clone()];
                row.extend([figure(found.precision), figure(found.recall), figure(Some(found.f1))]);
                row.push(figure(found.mean_overlap));
                row.extend(labels);
                rows.push(row);
            }
        }
        let heading = [
            "rater",
            "rater",
            "by",
            "precision",
            "recall",
            "F1",
            "mean overlap",
            "same label",
            "κ of labels",
        ];
        text.push_str(&table::lines(&heading, &rows));
        for pair in &self.pairs {
            if let Some(reason) = pair.label_kappa.reason.as_deref() {
                let (first, second) = (cell(&pair.first), cell(&pair.second));
                text.push_str(&format!("{first} and {second}: κ of labels undefined: {reason}\n"));
            }
        }
        text.push_str(match self.regions {
            "spans" => "\nLabels are compared by position, up to an item's last span.\n",
            _ => "\nLabels are compared on boxes matched at the first overlap.\n",
        });
        text
    }
}
