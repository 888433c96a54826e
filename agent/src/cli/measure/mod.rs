//! `insitu-agent measure`: how good labels, models and data are, by files of plain shape. Needs no
//! configuration and no store.

mod agreement;
pub(super) mod arguments;
mod bins;
mod calibration;
mod conflicts;
mod consensus;
mod drift;
mod features;
mod label_errors;
mod pairwise;
mod ratings;
mod regions;
mod segments;
mod sites;
mod stream;
#[cfg(test)]
mod tests;
mod tracks;
mod unlabelled;

use std::io::{self, Write};
use std::path::Path;

use insitu_daemon::exit;
use insitu_measure::agreement::Interval;
use serde::Serialize;

use self::arguments::MeasureCommand;
use super::columns::{InputError, Table, read};
use super::{Failure, Outcome};

/// Confidence of all intervals.
const LEVEL: f64 = 0.95;

/// What a command found out.
pub(super) trait Report: Serialize {
    /// As people read it.
    fn text(&self) -> String;
}

/// Runs a command; what it reports goes to `out`.
pub(super) fn measure(command: &MeasureCommand, out: &mut impl Write) -> Outcome {
    match command {
        MeasureCommand::Agreement(a) => {
            let (table, json) = (open(&a.ratings.input.file)?, a.ratings.input.json);
            match regions::measure(&table, a)? {
                Some(report) => show(&report, json, out),
                None => show(&agreement::measure(&table, a)?, json, out),
            }
        }
        MeasureCommand::Consensus(a) => {
            let input = &a.ratings.input;
            show(&consensus::measure(&open(&input.file)?, a)?, input.json, out)
        }
        MeasureCommand::LabelErrors(a) => {
            let (table, json) = (open(&a.input.file)?, a.input.json);
            match &a.text {
                Some(text) => show(&conflicts::measure(&table, text, a)?, json, out),
                None => show(&label_errors::measure(&table, a)?, json, out),
            }
        }
        MeasureCommand::Calibration(a) => {
            let (table, json) = (open(&a.input.file)?, a.input.json);
            if let Some(report) = bins::measure(&table, a)? {
                return show(&report, json, out);
            }
            let unlabelled = a.unlabelled.as_deref().map(open).transpose()?;
            show(&calibration::measure(&table, unlabelled.as_ref(), a)?, json, out)
        }
        MeasureCommand::Drift(a) => {
            if let Some(stream) = &a.stream {
                let table = open(&a.input.file)?;
                return show(&stream::measure(&table, stream, a)?, a.input.json, out);
            }
            let current = a.current.as_deref().map(open).transpose()?;
            show(&drift::measure(&open(&a.input.file)?, current.as_ref(), a)?, a.input.json, out)
        }
        MeasureCommand::Segments(a) => {
            show(&segments::measure(&open(&a.input.file)?, a)?, a.input.json, out)
        }
        MeasureCommand::Tracks(a) if a.link => {
            show(&tracks::link(&open(&a.input.file)?, a)?, a.input.json, out)
        }
        MeasureCommand::Tracks(a) => {
            let found = a.found.as_deref().map(open).transpose()?;
            show(&tracks::measure(&open(&a.input.file)?, found.as_ref(), a)?, a.input.json, out)
        }
    }
}

/// Writes a report for people or for programs.
pub(super) fn show(report: &impl Report, json: bool, out: &mut impl Write) -> Outcome {
    if json {
        serde_json::to_writer_pretty(&mut *out, report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        out.write_all(report.text().as_bytes())?;
    }
    Ok(exit::DONE)
}

pub(super) fn open(file: &Path) -> Result<Table, Failure> {
    Ok(read(file)?)
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        Self::refused(&error)
    }
}

/// A figure with its interval, or the reason why there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Estimate {
    pub(super) value: Option<f64>,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
    /// Why there is no value, or no interval.
    pub(super) reason: Option<String>,
}

impl Estimate {
    /// A figure that is there.
    pub(super) fn known(value: f64) -> Self {
        Self::of(Ok::<_, String>(value))
    }

    /// A figure without an interval.
    pub(super) fn of<E: ToString>(value: Result<f64, E>) -> Self {
        let (value, reason) = match value {
            Ok(value) if value.is_finite() => (Some(value), None),
            Ok(_) => (None, Some("not a finite number".to_owned())),
            Err(error) => (None, Some(error.to_string())),
        };
        Self { value, low: None, high: None, reason }
    }

    /// No figure.
    pub(super) fn undefined(reason: impl Into<String>) -> Self {
        Self { value: None, low: None, high: None, reason: Some(reason.into()) }
    }

    /// The same with an interval, if there is a figure.
    pub(super) fn within<E: ToString>(mut self, interval: Result<Interval, E>) -> Self {
        if self.value.is_none() {
            return self;
        }
        match interval {
            Ok(found) if found.low.is_finite() && found.high.is_finite() => {
                (self.low, self.high) = (Some(found.low), Some(found.high));
            }
            Ok(_) => self.reason = Some("the interval is not finite".to_owned()),
            Err(error) => self.reason = Some(format!("no interval: {}", error.to_string())),
        }
        self
    }

    /// Figure and interval as two cells of a table.
    fn cells(&self) -> [String; 2] {
        let interval = match (self.value, self.low, self.high, &self.reason) {
            (Some(_), Some(low), Some(high), _) => format!("{low:.3} to {high:.3}"),
            (Some(_), _, _, Some(reason)) => format!("({reason})"),
            (Some(_), _, _, None) => String::new(),
            (None, _, _, reason) => {
                format!("undefined: {}", reason.as_deref().unwrap_or("no reason given"))
            }
        };
        [self.figure(), interval]
    }

    /// The figure as one cell.
    pub(super) fn figure(&self) -> String {
        self.value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
    }
}

/// A bar of `share` in [0, 1] of `width` characters.
pub(super) fn bar(share: f64, width: usize) -> String {
    const PARTS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "clamped to 0 to 1 first; NaN becomes 0"
    )]
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    if let Some(part) = (eighths % 8).checked_sub(1) {
        bar.push(PARTS[part]);
    }
    bar
}

/// A share as people read it.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A name from a file as a table shows it: control characters escaped, and short.
pub(super) fn cell(name: &str) -> String {
    let quoted = super::columns::shown(name);
    quoted[1..quoted.len() - 1].to_owned()
}
