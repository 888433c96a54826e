//! `measure calibration --unlabelled`: how well a model does where nobody labels.

use insitu_measure::calibration::{Isotonic, expected_performance};
use serde::Serialize;

use super::Estimate;
use super::calibration::Answers;
use crate::cli::columns::{ClassProbabilities, Fault, InputError, Table};
use crate::cli::table;

/// What is expected of a model by its confidence (CBPE).
#[derive(Debug, Serialize)]
pub(super) struct ExpectedReport {
    items: usize,
    /// Expected share of right answers, by confidence as it is and after isotonic calibration.
    accuracy_uncalibrated: Estimate,
    accuracy: Estimate,
    /// Of the second of two classes; `null` with a reason for more.
    precision: Estimate,
    recall: Estimate,
    f1: Estimate,
    roc_auc: Estimate,
}

/// Expects of the model on `today` what it did on the audited `answers` at equal confidence.
///
/// # Errors
/// [`InputError`] if `today` has no confidence of the form that the audited file has.
pub(super) fn measure(
    audited: &Answers,
    today: &Table,
    classes: &[String],
) -> Result<ExpectedReport, InputError> {
    let refused = |error: &dyn ToString| today.fault(Fault::Shape(error.to_string()));
    let right: Vec<f64> = audited.correct.iter().map(|&right| f64::from(u8::from(right))).collect();
    let model = ClassProbabilities::find(today, classes)?;
    let (values, k) = match &model {
        Some(model) => (model.values(today)?, model.classes().len()),
        None => (Vec::new(), 0),
    };
    let confidence: Vec<f64> = if k > 0 {
        values.chunks_exact(k).map(|row| row.iter().copied().fold(0.0, f64::max)).collect()
    } else {
        let column = today.need(None, &["confidence", "p", "score"])?;
        let rows = 0..today.rows();
        rows.map(|row| today.number_in(column, row, 0.0, 1.0)).collect::<Result<_, _>>()?
    };
    let curve = Isotonic::fit(&audited.confidence, &right).map_err(|error| refused(&error))?;
    let calibrated: Vec<f64> = confidence.iter().map(|&score| curve.at(score)).collect();
    let mut report = ExpectedReport {
        items: confidence.len(),
        accuracy_uncalibrated: mean(&confidence),
        accuracy: mean(&calibrated),
        precision: Estimate::undefined(""),
        recall: Estimate::undefined(""),
        f1: Estimate::undefined(""),
        roc_auc: Estimate::undefined(""),
    };
    report.of_two_classes(audited, &values, k).map_err(|error| refused(&error))?;
    Ok(report)
}

#[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
fn mean(values: &[f64]) -> Estimate {
    match values.len() {
        0 => Estimate::undefined("no items"),
        count => Estimate::known(values.iter().sum::<f64>() / count as f64),
    }
}

impl ExpectedReport {
    fn of_two_classes(
        &mut self,
        audited: &Answers,
        values: &[f64],
        k: usize,
    ) -> Result<(), insitu_measure::MeasureError> {
        let all = [&mut self.precision, &mut self.recall, &mut self.f1, &mut self.roc_auc];
        let Some((2, before, labels)) = audited.full.as_ref().filter(|_| k == 2) else {
            let reason = "needs labels and the probabilities of two classes";
            all.into_iter().for_each(|estimate| *estimate = Estimate::undefined(reason));
            return Ok(());
        };
        let second = |values: &[f64]| values.iter().skip(1).step_by(2).copied().collect::<Vec<_>>();
        let positive: Vec<f64> = labels.iter().map(|&label| f64::from(label)).collect();
        let curve = Isotonic::fit(&second(before), &positive)?;
        let scores = second(values);
        let calibrated: Vec<f64> = scores.iter().map(|&score| curve.at(score)).collect();
        let predicted: Vec<bool> = values.chunks_exact(2).map(|row| row[1] > row[0]).collect();
        let found = expected_performance(&calibrated, &scores, &predicted)?;
        self.accuracy = defined(found.accuracy());
        self.precision = defined(found.precision());
        self.recall = defined(found.recall());
        self.f1 = defined(found.f1());
        self.roc_auc = defined(found.roc_auc);
        Ok(())
    }

    pub(super) fn text(&self) -> String {
        let rows: Vec<_> = [
            ("Share of right answers", &self.accuracy),
            ("the same, uncalibrated", &self.accuracy_uncalibrated),
            ("Precision", &self.precision),
            ("Recall", &self.recall),
            ("F1", &self.f1),
            ("ROC AUC", &self.roc_auc),
        ]
        .into_iter()
        .map(|(name, estimate)| {
            let [value, reason] = estimate.cells();
            vec![name.to_owned(), value, reason]
        })
        .collect();
        format!(
            "\nTo be expected on {} items without labels, if calibration still holds\n{}",
            self.items,
            table::lines(&["", "value", ""], &rows)
        )
    }
}

fn defined(value: Option<f64>) -> Estimate {
    Estimate::of(value.ok_or("0/0"))
}
