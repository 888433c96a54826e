//! `measure label-errors`: which labels are probably wrong.

use insitu_measure::label_errors::{ConfidentLearning, Filter, Quality, label_quality, ranked};
use insitu_measure::{MeasureError, Probabilities};
use serde::Serialize;

use super::arguments::{FilterName, LabelErrorsArguments, QualityName};
use super::ratings::ITEM_NAMES;
use super::{Report, bar, cell, percent};
use crate::cli::columns::{ClassProbabilities, Fault, InputError, Table};
use crate::cli::table;

/// Classes that the text lists.
const CLASSES_LISTED_MAX: usize = 20;
/// Every filter, with its name.
const FILTERS: [(&str, Filter); 7] = [
    ("noise-rate", Filter::NoiseRate),
    ("class", Filter::Class),
    ("both", Filter::Both),
    ("confident", Filter::Confident),
    ("predicted", Filter::Predicted),
    ("margin", Filter::Margin),
    ("self-confidence", Filter::SelfConfidence),
];

/// What `measure label-errors` reports.
#[derive(Debug, Serialize)]
pub(super) struct LabelErrorsReport {
    items: usize,
    filter: &'static str,
    quality: &'static str,
    /// Estimated share of wrong labels.
    estimated_error_rate: f64,
    classes: Vec<ClassErrors>,
    filters: Vec<FilterCount>,
    /// Labels that the filter chooses, worst first.
    issues: Vec<Issue>,
    /// Quality of every label, in the order of the file.
    scores: Vec<f64>,
    #[serde(skip)]
    top: usize,
}

#[derive(Debug, Serialize)]
struct ClassErrors {
    class: String,
    labels: u64,
    /// Estimated share of its labels that are wrong; `null` without labels.
    estimated_error_rate: Option<f64>,
    issues: usize,
}

#[derive(Debug, Serialize)]
struct FilterCount {
    filter: &'static str,
    issues: usize,
}

#[derive(Debug, Serialize)]
struct Issue {
    /// Position in the file, from 0, and what it is called there.
    index: usize,
    item: String,
    label: String,
    suggested: String,
    suggested_probability: f64,
    score: f64,
}

pub(super) fn measure(
    table: &Table,
    arguments: &LabelErrorsArguments,
) -> Result<LabelErrorsReport, InputError> {
    let label = table.need(arguments.label.as_deref(), &["label"])?;
    let model = ClassProbabilities::need(table, &arguments.classes)?;
    let labels: Vec<u32> = (0..table.rows())
        .map(|row| model.label(table, label, row))
        .collect::<Result<_, InputError>>()?;
    let values = model.values(table)?;
    let identifiers = table.identifiers(table.choose(None, &ITEM_NAMES)?);
    report(arguments, model.classes(), &identifiers, &labels, &values)
        .map_err(|error| table.fault(Fault::Shape(error.to_string())))
}

fn report(
    arguments: &LabelErrorsArguments,
    names: &[String],
    identifiers: &[String],
    labels: &[u32],
    values: &[f64],
) -> Result<LabelErrorsReport, MeasureError> {
    let k = names.len();
    let probabilities = Probabilities::new(k, values)?;
    let fit = ConfidentLearning::new(labels, probabilities)?;
    let (quality_name, quality) = quality(arguments.quality);
    let scores = label_quality(labels, probabilities, quality)?;
    let (filter_name, filter) = FILTERS[arguments.filter as usize];
    let mut chosen = vec![false; labels.len()];
    fit.find(filter).into_iter().for_each(|item| chosen[item as usize] = true);
    let issue = |index: usize| {
        let (suggested, probability) = probabilities.top(index).unwrap_or((0, 0.0));
        Issue {
            index,
            item: identifiers[index].clone(),
            label: names[labels[index] as usize].clone(),
            suggested: names[suggested].clone(),
            suggested_probability: probability,
            score: scores[index],
        }
    };
    let joint = fit.joint();
    let mut classes: Vec<ClassErrors> = Vec::with_capacity(k);
    for (class, name) in names.iter().enumerate() {
        let row = &joint[class * k..(class + 1) * k];
        let all: f64 = row.iter().sum();
        classes.push(ClassErrors {
            class: name.clone(),
            labels: 0,
            estimated_error_rate: (all > 0.0).then(|| 1.0 - row[class] / all),
            issues: 0,
        });
    }
    for (&label, &chosen) in labels.iter().zip(&chosen) {
        classes[label as usize].labels += 1;
        classes[label as usize].issues += usize::from(chosen);
    }
    let diagonal: f64 = joint.iter().step_by(k + 1).sum();
    let count =
        |(filter, how): (&'static str, Filter)| FilterCount { filter, issues: fit.find(how).len() };
    Ok(LabelErrorsReport {
        items: labels.len(),
        filter: filter_name,
        quality: quality_name,
        estimated_error_rate: (1.0 - diagonal).clamp(0.0, 1.0),
        classes,
        filters: FILTERS.into_iter().map(count).collect(),
        issues: ranked(&scores).into_iter().filter(|&at| chosen[at]).map(issue).collect(),
        top: arguments.top,
        scores,
    })
}

const fn quality(name: QualityName) -> (&'static str, Quality) {
    match name {
        QualityName::SelfConfidence => ("self-confidence", Quality::SelfConfidence),
        QualityName::NormalizedMargin => ("normalized-margin", Quality::NormalizedMargin),
        QualityName::ConfidenceWeightedEntropy => {
            ("confidence-weighted-entropy", Quality::ConfidenceWeightedEntropy)
        }
    }
}

impl Report for LabelErrorsReport {
    fn text(&self) -> String {
        let mut text = format!(
            "{} labels, {} classes; about {} of the labels are wrong\n\n",
            self.items,
            self.classes.len(),
            percent(self.estimated_error_rate)
        );
        let row = |class: &ClassErrors| {
            let rate = class.estimated_error_rate;
            vec![
                cell(&class.class),
                class.labels.to_string(),
                rate.map_or_else(|| "–".to_owned(), percent),
                class.issues.to_string(),
                bar(rate.unwrap_or(0.0), 20),
            ]
        };
        let rows: Vec<_> = self.classes.iter().take(CLASSES_LISTED_MAX).map(row).collect();
        text.push_str(&table::lines(&["class", "labels", "wrong", "chosen", ""], &rows));
        if self.classes.len() > CLASSES_LISTED_MAX {
            let more = self.classes.len() - CLASSES_LISTED_MAX;
            text.push_str(&format!("and {more} more classes\n"));
        }
        text.push('\n');
        let row = |count: &FilterCount| {
            let mark = if count.filter == self.filter { "listed below" } else { "" };
            vec![count.filter.to_owned(), count.issues.to_string(), mark.to_owned()]
        };
        let rows: Vec<_> = self.filters.iter().map(row).collect();
        text.push_str(&table::lines(&["filter", "chooses", ""], &rows));
        if self.issues.is_empty() {
            text.push_str("\nNo label looks wrong.\n");
            return text;
        }
        text.push_str(&format!("\nLabels to look at, worst first (by {})\n", self.quality));
        let row = |issue: &Issue| {
            vec![
                cell(&issue.item),
                cell(&issue.label),
                cell(&issue.suggested),
                format!("{:.3}", issue.suggested_probability),
                format!("{:.3}", issue.score),
            ]
        };
        let rows: Vec<_> = self.issues.iter().take(self.top).map(row).collect();
        let heading = ["item", "label", "model says", "with", "quality of label"];
        text.push_str(&table::lines(&heading, &rows));
        if self.issues.len() > self.top {
            text.push_str(&format!("and {} more\n", self.issues.len() - self.top));
        }
        text
    }
}

const _: () = assert!(FilterName::SelfConfidence as usize + 1 == FILTERS.len());
