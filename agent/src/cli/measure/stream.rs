//! `measure drift --stream`: when a number changed that comes one at a time.

use insitu_measure::drift::{Adwin, EDetector, PageHinkley};
use insitu_measure::{InvalidInput, Short};
use serde::Serialize;

use super::arguments::DriftArguments;
use super::ratings::ITEM_NAMES;
use super::{Report, cell};
use crate::cli::columns::{Column, Fault, InputError, Table};
use crate::cli::table;

/// Observations whose rate is the one without drift, if none is given, and how far above theirs
/// it may be.
const FIRST: usize = 300;
const SLACK: f64 = 1.25;
/// Most alarms of a detector that are kept.
const ALARMS_MAX: usize = 1_000;

/// What `measure drift --stream` reports.
#[derive(Debug, Serialize)]
pub(super) struct StreamReport {
    column: String,
    observations: usize,
    gaps: usize,
    mean: f64,
    detectors: Vec<Detector>,
}

#[derive(Debug, Serialize)]
struct Detector {
    detector: &'static str,
    setting: String,
    /// The first [`ALARMS_MAX`].
    alarms: Vec<Alarm>,
    /// Why it did not run.
    reason: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Alarm {
    /// Position among the observations, from 0, and what it is called in the file.
    index: usize,
    item: String,
}

/// Observations in their order.
struct Stream {
    values: Vec<f64>,
    items: Vec<String>,
}

pub(super) fn measure(
    table: &Table,
    name: &str,
    arguments: &DriftArguments,
) -> Result<StreamReport, InputError> {
    let column = table.need(Some(name), &[])?;
    let identifiers = table.identifiers(table.choose(None, &ITEM_NAMES)?);
    let mut stream = Stream { values: Vec::new(), items: Vec::new() };
    for (row, item) in identifiers.into_iter().enumerate() {
        if column.value(row).is_some() {
            stream.values.push(observation(table, column, row)?);
            stream.items.push(item);
        }
    }
    if stream.values.is_empty() {
        return Err(table.fault(Fault::Empty));
    }
    let threshold = arguments.threshold;
    let refused = |error: InvalidInput| table.fault(Fault::Shape(error.to_string()));
    let detectors = vec![
        stream.adwin(arguments.alarm).map_err(refused)?,
        stream.page_hinkley("page-hinkley, up", threshold, 1.0).map_err(refused)?,
        stream.page_hinkley("page-hinkley, down", threshold, -1.0).map_err(refused)?,
        stream.e_detector(arguments.rate, arguments.run_length).map_err(refused)?,
    ];
    let observations = stream.values.len();
    Ok(StreamReport {
        column: name.to_owned(),
        observations,
        gaps: table.rows() - observations,
        mean: mean(&stream.values),
        detectors,
    })
}

/// A number; true is 1 and false is 0.
fn observation(table: &Table, column: &Column, row: usize) -> Result<f64, InputError> {
    match column.value(row) {
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(1.0),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(0.0),
        _ => table.number_in(column, row, -1e100, 1e100),
    }
}

#[expect(clippy::cast_precision_loss, reason = "observations stay far below 2^53")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

impl Stream {
    /// The observations at which `observe` raises an alarm.
    fn alarms(
        &self,
        mut observe: impl FnMut(f64) -> Result<bool, InvalidInput>,
    ) -> Result<Vec<Alarm>, InvalidInput> {
        let mut alarms = Vec::new();
        for (index, (&value, item)) in self.values.iter().zip(&self.items).enumerate() {
            if observe(value)? && alarms.len() < ALARMS_MAX {
                alarms.push(Alarm { index, item: item.clone() });
            }
        }
        Ok(alarms)
    }

    fn adwin(&self, delta: f64) -> Result<Detector, InvalidInput> {
        let mut window = Adwin::new(delta)?;
        let alarms = self.alarms(|x| window.observe(x))?;
        let setting = format!("delta {delta}");
        Ok(Detector { detector: "adwin", setting, alarms, reason: None })
    }

    fn page_hinkley(
        &self,
        detector: &'static str,
        threshold: f64,
        sign: f64,
    ) -> Result<Detector, InvalidInput> {
        let mut test = PageHinkley::new(threshold)?;
        let alarms = self.alarms(|x| test.observe(sign * x))?;
        let setting = format!("threshold {threshold}");
        Ok(Detector { detector, setting, alarms, reason: None })
    }

    /// Whether the rate of events went up; it starts anew after an alarm.
    fn e_detector(&self, rate: Option<f64>, run_length: f64) -> Result<Detector, InvalidInput> {
        let first = &self.values[..self.values.len().min(FIRST)];
        let rate = rate.unwrap_or_else(|| SLACK * mean(first));
        let binary =
            self.values.iter().all(|x| [0.0_f64, 1.0].iter().any(|e| (x - e).abs() <= 0.0));
        let reason = match (binary, 0.0 < rate && rate < 1.0) {
            (false, _) => Some("needs a column of 0 and 1".to_owned()),
            (true, false) => Some(format!(
                "the rate of the first {} would be {}: give --rate",
                first.len(),
                Short(rate)
            )),
            (true, true) => None,
        };
        let mut alarms = Vec::new();
        if reason.is_none() {
            let risen = (2.0 * rate).min(0.5 + 0.5 * rate);
            let new = EDetector::new(rate, risen)?;
            let mut running = new.clone();
            alarms = self.alarms(|x| {
                running.observe(x > 0.5);
                let alarm = running.shiryaev_roberts() >= run_length;
                if alarm {
                    running = new.clone();
                }
                Ok(alarm)
            })?;
        }
        let setting = format!("rate {}, run length {run_length}", Short(rate));
        Ok(Detector { detector: "e-detector, up", setting, alarms, reason })
    }
}

impl Report for StreamReport {
    fn text(&self) -> String {
        let mut text = format!(
            "{} observations of {}, mean {}",
            self.observations,
            cell(&self.column),
            Short(self.mean)
        );
        text.push_str(&match self.gaps {
            0 => "\n\n".to_owned(),
            gaps => format!("; {gaps} gaps left out\n\n"),
        });
        let row = |detector: &Detector| {
            let first = match (&detector.reason, detector.alarms.first()) {
                (Some(reason), _) => format!("undefined: {reason}"),
                (None, None) => "none".to_owned(),
                (None, Some(alarm)) => format!("{} (after {})", cell(&alarm.item), alarm.index),
            };
            let (name, alarms) = (detector.detector.to_owned(), detector.alarms.len());
            vec![name, detector.setting.clone(), alarms.to_string(), first]
        };
        let rows: Vec<_> = self.detectors.iter().map(row).collect();
        text.push_str(&table::lines(&["detector", "setting", "alarms", "first at"], &rows));
        text
    }
}
