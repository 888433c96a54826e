//! `measure calibration` on bins: counts instead of items, as a release has them, with noise.

use insitu_daemon::exit;
use insitu_measure::calibration::{Bin, Risk, auto_accept_noised};
use serde::Serialize;

use super::arguments::CalibrationArguments;
use super::{Estimate, Report, bar, percent};
use crate::cli::columns::{Column, Fault, Table};
use crate::cli::{Failure, table};

/// Greatest count, and greatest size of noise.
const COUNT_MAX: f64 = 1e15;

/// What `measure calibration` reports of bins.
#[derive(Debug, Serialize)]
pub(super) struct BinsReport {
    noise: f64,
    alpha: f64,
    delta: f64,
    /// By confidence, ascending.
    bins: Vec<Row>,
    expected_calibration_error: Estimate,
    /// Accept from this confidence on.
    threshold: Option<f64>,
    coverage: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    low: f64,
    items: f64,
    correct: f64,
}

/// The report of a file of bins; `None` if its columns are others.
pub(super) fn measure(
    table: &Table,
    arguments: &CalibrationArguments,
) -> Result<Option<BinsReport>, Failure> {
    let chosen = |name: &str| table.choose(None, &[name]);
    let (Some(low), Some(items), Some(correct)) =
        (chosen("low")?, chosen("items")?, chosen("correct")?)
    else {
        return Ok(None);
    };
    if arguments.unlabelled.is_some() {
        let text = "--unlabelled needs answers one by one, and the file holds bins";
        return Err(Failure::text(exit::USAGE, text));
    }
    let mut bins = Vec::with_capacity(table.rows());
    for row in 0..table.rows() {
        let count = |column: &Column| table.number_in(column, row, -COUNT_MAX, COUNT_MAX);
        let low = table.number_in(low, row, 0.0, 1.0)?;
        bins.push(Row { low, items: count(items)?, correct: count(correct)? });
    }
    bins.sort_by(|a, b| a.low.total_cmp(&b.low));
    if let Some(twice) = bins.windows(2).find(|pair| pair[0].low >= pair[1].low) {
        let text = format!("two bins start at {}", twice[0].low);
        return Err(table.fault(Fault::Shape(text)).into());
    }
    let report =
        report(bins, arguments).map_err(|error| table.fault(Fault::Shape(error.to_string())))?;
    Ok(Some(report))
}

fn report(
    bins: Vec<Row>,
    arguments: &CalibrationArguments,
) -> Result<BinsReport, insitu_measure::InvalidInput> {
    let (noise, alpha, delta) = (arguments.noise, arguments.alpha, arguments.delta);
    let strict_first = |row: &Row| Bin { count: row.items, correct: row.correct, confidence: 0.0 };
    let counts: Vec<Bin> = bins.iter().rev().map(strict_first).collect();
    let accepted = auto_accept_noised(&counts, noise, Risk::new(alpha, delta)?)?;
    let all: f64 = bins.iter().map(|row| row.items.max(0.0)).sum();
    let taken: f64 = bins.iter().rev().take(accepted).map(|row| row.items.max(0.0)).sum();
    let upper = bins.iter().skip(1).map(|row| row.low).chain([1.0]);
    let gap = |(row, upper): (&Row, f64)| (row.correct - row.items * 0.5 * (row.low + upper)).abs();
    let gaps: f64 = bins.iter().zip(upper).map(gap).sum();
    let expected = if all > 0.0 { Ok(gaps / all) } else { Err("no items") };
    Ok(BinsReport {
        noise,
        alpha,
        delta,
        expected_calibration_error: Estimate::of(expected),
        threshold: accepted.checked_sub(1).map(|at| bins[bins.len() - 1 - at].low),
        coverage: (all > 0.0).then(|| taken / all),
        bins,
    })
}

impl Report for BinsReport {
    fn text(&self) -> String {
        let row = |row: &Row| {
            let share = (row.items > 0.0).then(|| (row.correct / row.items).clamp(0.0, 1.0));
            let right = share.map_or_else(|| "–".to_owned(), percent);
            let bar = bar(share.unwrap_or(0.0), 20);
            vec![format!("{:.2}", row.low), format!("{:.0}", row.items), right, bar]
        };
        let rows: Vec<_> = self.bins.iter().map(row).collect();
        let mut text = table::lines(&["from", "items", "right", ""], &rows);
        let [error, reason] = self.expected_calibration_error.cells();
        text.push_str(&format!(
            "\nExpected calibration error, by middles of bins: {error} {reason}"
        ));
        text.truncate(text.trim_end().len());
        text.push('\n');
        text.push_str(&match (self.threshold, self.coverage) {
            (Some(threshold), Some(coverage)) => format!(
                "Auto-accept at confidence {threshold} or above: about {} of items; the share of \
                 errors stays at or below {} with confidence {}, noise of {} in each count \
                 included.\n",
                percent(coverage),
                percent(self.alpha),
                percent(1.0 - self.delta),
                self.noise,
            ),
            _ => format!(
                "Auto-accept: none (no bin holds an error of {} with confidence {})\n",
                self.alpha,
                1.0 - self.delta
            ),
        });
        text
    }
}
