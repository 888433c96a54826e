//! `measure calibration`: whether confidence can be believed, and what to do with it.

use insitu_measure::calibration::{
    AutoAccept, Bin, Logits, Reliability, Risk, auto_accept, brier, clopper_pearson_upper,
    fit_temperature,
};
use insitu_measure::{MeasureError, Probabilities};
use serde::Serialize;

use super::arguments::CalibrationArguments;
use super::unlabelled::{self, ExpectedReport};
use super::{Estimate, Report, bar, percent};
use crate::cli::columns::{ClassProbabilities, Column, Fault, InputError, Table, shown};
use crate::cli::table;

/// A probability of zero has no logarithm; this one stands in for it.
const PROBABILITY_MIN: f64 = 1e-12;

/// What `measure calibration` reports.
#[derive(Debug, Serialize)]
pub(super) struct CalibrationReport {
    items: usize,
    accuracy: f64,
    mean_confidence: f64,
    expected_calibration_error: Estimate,
    adaptive_calibration_error: Estimate,
    /// Of the predicted class: mean squared distance of confidence and correctness.
    brier: Estimate,
    /// Over all classes: mean squared distance of probabilities and the right class.
    brier_multiclass: Estimate,
    temperature: Temperature,
    bins: Vec<BinRow>,
    auto_accept: Accept,
    /// With --unlabelled.
    expected: Option<ExpectedReport>,
}

#[derive(Debug, Serialize)]
struct Temperature {
    value: Option<f64>,
    loss_before: Option<f64>,
    loss_after: Option<f64>,
    /// The expected calibration error that is left at this temperature.
    expected_calibration_error: Option<f64>,
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct BinRow {
    low: f64,
    high: f64,
    items: f64,
    accuracy: Option<f64>,
    confidence: Option<f64>,
}

/// From which confidence on no person need look.
#[derive(Debug, Serialize)]
struct Accept {
    alpha: f64,
    delta: f64,
    threshold: Option<f64>,
    coverage: f64,
    accepted: Option<u64>,
    errors: Option<u64>,
    /// Upper bound on the share of errors above the threshold, at confidence 1 − delta.
    error_bound: Option<f64>,
    reason: Option<String>,
}

/// A model's answers and whether they are right.
pub(super) struct Answers {
    pub(super) confidence: Vec<f64>,
    pub(super) correct: Vec<bool>,
    /// Number of classes, their probabilities and the right ones, where the file has them.
    pub(super) full: Option<(usize, Vec<f64>, Vec<u32>)>,
}

pub(super) fn measure(
    table: &Table,
    today: Option<&Table>,
    arguments: &CalibrationArguments,
) -> Result<CalibrationReport, InputError> {
    let answers = answers(table, arguments)?;
    let expected = today.map(|today| unlabelled::measure(&answers, today, &arguments.classes));
    let expected = expected.transpose()?;
    report(&answers, expected, arguments)
        .map_err(|error| table.fault(Fault::Shape(error.to_string())))
}

fn answers(table: &Table, arguments: &CalibrationArguments) -> Result<Answers, InputError> {
    let model = ClassProbabilities::find(table, &arguments.classes)?;
    let label = table.choose(None, &["label", "truth"])?;
    if let (Some(model), Some(label)) = (&model, label) {
        let values = model.values(table)?;
        let k = model.classes().len();
        let probabilities = Probabilities::new(k, &values)
            .map_err(|error| table.fault(Fault::Shape(error.to_string())))?;
        let mut labels = Vec::with_capacity(table.rows());
        let (mut confidence, mut correct) = (Vec::new(), Vec::new());
        for row in 0..table.rows() {
            let label = model.label(table, label, row)?;
            let (top, p) = probabilities.top(row).unwrap_or((0, 0.0));
            labels.push(label);
            confidence.push(p);
            correct.push(top == label as usize);
        }
        return Ok(Answers { confidence, correct, full: Some((k, values, labels)) });
    }
    let confidence = table.need(None, &["confidence", "p", "score"])?;
    let predicted = table.choose(None, &["predicted", "prediction", "class_name"])?;
    let correct = table.choose(None, &["correct"])?;
    let right = |row: usize| match (correct, predicted, label) {
        (Some(correct), _, _) => truth(table, correct, row),
        (None, Some(predicted), Some(label)) => {
            Ok(table.text(predicted, row)? == table.text(label, row)?)
        }
        _ => table.need(None, &["correct (or label and predicted)"]).map(|_| false),
    };
    let rows = 0..table.rows();
    Ok(Answers {
        confidence: rows
            .clone()
            .map(|row| table.number_in(confidence, row, 0.0, 1.0))
            .collect::<Result<_, InputError>>()?,
        correct: rows.map(right).collect::<Result<_, InputError>>()?,
        full: None,
    })
}

fn truth(table: &Table, column: &Column, row: usize) -> Result<bool, InputError> {
    let text = table.text(column, row)?;
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "1.0" | "yes" | "y" | "t" => Ok(true),
        "false" | "0" | "0.0" | "no" | "n" | "f" => Ok(false),
        _ => {
            let (column, found) = (shown(column.name()), shown(text));
            let wanted = "true or false (1 or 0, yes or no)".to_owned();
            Err(table.fault_at(row, Fault::NotOneOf { column, found, wanted }))
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
fn report(
    answers: &Answers,
    expected: Option<ExpectedReport>,
    arguments: &CalibrationArguments,
) -> Result<CalibrationReport, MeasureError> {
    let Answers { confidence, correct, full } = answers;
    let diagram = Reliability::equal_width(arguments.bins, confidence, correct)?;
    let adaptive = Reliability::equal_count(arguments.bins, confidence, correct)?;
    let items = confidence.len() as f64;
    let right = correct.iter().filter(|correct| **correct).count() as f64;
    let no_classes = || "needs the label and the probabilities of all classes".to_owned();
    let width = 1.0 / arguments.bins as f64;
    let mean = |sum: f64, count: f64| (count > 0.0).then(|| sum / count);
    let row = |(at, bin): (usize, &Bin)| BinRow {
        low: at as f64 * width,
        high: (at + 1) as f64 * width,
        items: bin.count,
        accuracy: mean(bin.correct, bin.count),
        confidence: mean(bin.confidence, bin.count),
    };
    Ok(CalibrationReport {
        items: confidence.len(),
        accuracy: right / items,
        mean_confidence: confidence.iter().sum::<f64>() / items,
        expected_calibration_error: Estimate::of(diagram.expected_calibration_error()),
        adaptive_calibration_error: Estimate::of(adaptive.expected_calibration_error()),
        brier: Estimate::of(brier(confidence, correct)),
        brier_multiclass: match full {
            Some((k, values, labels)) => Estimate::known(multiclass(*k, values, labels)),
            None => Estimate::undefined(no_classes()),
        },
        temperature: match full {
            Some(full) => Temperature::fit(full, arguments.bins),
            None => Temperature::undefined(no_classes()),
        },
        bins: diagram.bins().iter().enumerate().map(row).collect(),
        auto_accept: accept(confidence, correct, arguments)?,
        expected,
    })
}

/// Mean over items of the squared distance of the probabilities from the right class.
#[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
fn multiclass(k: usize, values: &[f64], labels: &[u32]) -> f64 {
    let distance = |(row, label): (&[f64], &u32)| -> f64 {
        let square =
            |(class, p): (usize, &f64)| (p - f64::from(u8::from(class == *label as usize))).powi(2);
        row.iter().enumerate().map(square).sum()
    };
    values.chunks_exact(k.max(1)).zip(labels).map(distance).sum::<f64>() / labels.len() as f64
}

impl Temperature {
    fn undefined(reason: String) -> Self {
        let reason = Some(reason);
        let none = None;
        Self {
            value: none,
            loss_before: none,
            loss_after: none,
            expected_calibration_error: none,
            reason,
        }
    }

    fn fit((k, values, labels): &(usize, Vec<f64>, Vec<u32>), bins: usize) -> Self {
        let logits: Vec<f64> = values.iter().map(|p| p.max(PROBABILITY_MIN).ln()).collect();
        let fitted = || {
            let logits = Logits::new(*k, &logits)?;
            let fit = fit_temperature(logits, labels)?;
            let after = logits.probabilities(fit.value)?;
            let after = Probabilities::new(*k, &after)?;
            let (mut confidence, mut correct) = (Vec::new(), Vec::new());
            for (item, &label) in labels.iter().enumerate() {
                let (top, p) = after.top(item).unwrap_or((0, 0.0));
                confidence.push(p.clamp(0.0, 1.0));
                correct.push(top == label as usize);
            }
            let left = Reliability::equal_width(bins, &confidence, &correct)?;
            Ok::<_, MeasureError>((fit, left.expected_calibration_error()?))
        };
        match fitted() {
            Ok((fit, left)) => Self {
                value: Some(fit.value),
                loss_before: Some(fit.loss_before),
                loss_after: Some(fit.loss_after),
                expected_calibration_error: Some(left),
                reason: None,
            },
            Err(error) => Self::undefined(error.to_string()),
        }
    }
}

fn accept(
    confidence: &[f64],
    correct: &[bool],
    arguments: &CalibrationArguments,
) -> Result<Accept, MeasureError> {
    let risk = Risk::new(arguments.alpha, arguments.delta)?;
    let thresholds = if arguments.thresholds.is_empty() {
        let fine = [0.999, 0.995];
        fine.into_iter().chain((50..100).rev().map(|at| f64::from(at) / 100.0)).collect()
    } else {
        arguments.thresholds.clone()
    };
    let AutoAccept { steps, chosen, coverage } =
        auto_accept(confidence, correct, &thresholds, risk)?;
    let bound = match &chosen {
        Some(step) => Some(clopper_pearson_upper(step.errors, step.accepted, arguments.delta)?),
        None => None,
    };
    let most = steps.iter().map(|step| step.accepted).max().unwrap_or(0);
    let reason = chosen.is_none().then(|| {
        format!(
            "no threshold holds an error of {} with confidence {}; the laxest of {} accepts {most} \
             items",
            arguments.alpha,
            1.0 - arguments.delta,
            steps.len()
        )
    });
    Ok(Accept {
        alpha: arguments.alpha,
        delta: arguments.delta,
        threshold: chosen.map(|step| step.threshold),
        coverage,
        accepted: chosen.map(|step| step.accepted),
        errors: chosen.map(|step| step.errors),
        error_bound: bound,
        reason,
    })
}

impl Report for CalibrationReport {
    fn text(&self) -> String {
        let mut text = format!(
            "{} items; {} are right, mean confidence {}: {}\n\n",
            self.items,
            percent(self.accuracy),
            percent(self.mean_confidence),
            if self.mean_confidence > self.accuracy { "too sure" } else { "not too sure" },
        );
        let rows: Vec<Vec<String>> = [
            ("Expected calibration error", &self.expected_calibration_error),
            ("the same, adaptive bins", &self.adaptive_calibration_error),
            ("Brier score", &self.brier),
            ("Brier score, all classes", &self.brier_multiclass),
        ]
        .into_iter()
        .map(|(name, estimate)| {
            let [value, reason] = estimate.cells();
            vec![name.to_owned(), value, reason]
        })
        .chain([self.temperature.row()])
        .collect();
        text.push_str(&table::lines(&["", "value", ""], &rows));
        text.push_str("\nReliability: of answers with this confidence, how many are right\n");
        let row = |bin: &BinRow| {
            let accuracy = bin.accuracy.map_or_else(|| "–".to_owned(), percent);
            let confidence = bin.confidence.map_or_else(|| "–".to_owned(), percent);
            let range = format!("{:.2} to {:.2}", bin.low, bin.high);
            let (items, bar) = (bin.items.to_string(), bar(bin.accuracy.unwrap_or(0.0), 20));
            vec![range, items, confidence, accuracy, bar]
        };
        let rows: Vec<_> = self.bins.iter().map(row).collect();
        let heading = ["confidence", "items", "mean", "right", ""];
        text.push_str(&table::lines(&heading, &rows));
        text.push('\n');
        text.push_str(&self.auto_accept.text());
        if let Some(expected) = &self.expected {
            text.push_str(&expected.text());
        }
        text
    }
}

impl Temperature {
    fn row(&self) -> Vec<String> {
        let text = match (self.value, self.loss_before, self.loss_after) {
            (Some(_), Some(before), Some(after)) => format!(
                "loss {before:.4} to {after:.4} nats; calibration error left {:.3}",
                self.expected_calibration_error.unwrap_or(0.0)
            ),
            _ => format!("undefined: {}", self.reason.as_deref().unwrap_or("no reason given")),
        };
        let value = self.value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
        vec!["Temperature".to_owned(), value, text]
    }
}

impl Accept {
    fn text(&self) -> String {
        let (Some(threshold), Some(accepted), Some(errors), Some(bound)) =
            (self.threshold, self.accepted, self.errors, self.error_bound)
        else {
            let reason = self.reason.as_deref().unwrap_or("no reason given");
            return format!("Auto-accept: none ({reason})\n");
        };
        format!(
            "Auto-accept at confidence {threshold} or above: {} of items pass without a person.\n\
             {errors} of these {accepted} are wrong; the share of errors stays at or below {} with \
             confidence {} (bound by this threshold alone: {}).\n",
            percent(self.coverage),
            percent(self.alpha),
            percent(1.0 - self.delta),
            percent(bound),
        )
    }
}
