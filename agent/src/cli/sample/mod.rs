//! `insitu-agent sample`: what to label next.

pub(super) mod arguments;
pub(super) mod duplicates;
mod stopping;
mod strategy;
#[cfg(test)]
mod tests;

use std::io::Write;

use insitu_measure::Probabilities;
use insitu_measure::calibration::expected_accuracy;
use serde::Serialize;

use self::arguments::{SampleArguments, StrategyName};
use self::stopping::{Advice, advise};
use self::strategy::choose;
use super::Outcome;
use super::columns::{ClassProbabilities, Column, Fault, InputError, Table, read};
use super::measure::{Report, cell, show};
use super::table;

/// Names of the column that says what an item is called.
const ITEM_NAMES: [&str; 3] = ["id", "item", "item_id"];

/// What `sample` reports.
#[derive(Debug, Serialize)]
struct SampleReport {
    strategy: &'static str,
    items: usize,
    labeled: usize,
    /// Open items that are like a labeled one: its label is a draft for them.
    like_labeled: usize,
    tasks: Vec<Task>,
    /// How often the model is right about open items, by its own confidence.
    expected_accuracy: Option<f64>,
    stopping: Option<Advice>,
}

/// An item to label.
#[derive(Debug, Serialize)]
struct Task {
    item: String,
    /// By which it was chosen, where the strategy has one; larger is more wanted.
    score: Option<f64>,
    /// Near-duplicates that get its label as a draft.
    shared_with: Vec<String>,
}

/// What a file says about its items.
struct Items<'a> {
    table: &'a Table,
    names: Vec<String>,
    labeled: Vec<bool>,
    model: Option<ClassProbabilities<'a>>,
    features: Vec<&'a Column>,
    heads: Vec<ClassProbabilities<'a>>,
}

/// Runs the command; the tasks go to `out`.
pub(super) fn sample(arguments: &SampleArguments, out: &mut impl Write) -> Outcome {
    let table = read(&arguments.file)?;
    let history = arguments.history.as_deref().map(read).transpose()?;
    let report = report(&table, history.as_ref(), arguments)?;
    show(&report, arguments.json, out)
}

fn report(
    table: &Table,
    history: Option<&Table>,
    arguments: &SampleArguments,
) -> Result<SampleReport, InputError> {
    let items = Items::new(table, &arguments.classes)?;
    let strategy = items.strategy(arguments.strategy);
    let group = duplicates::groups(table, arguments.similarity, arguments.seed)?;
    let mut done = vec![false; items.names.len()];
    for (item, labeled) in items.labeled.iter().enumerate() {
        done[group[item]] |= labeled;
    }
    // One of each group stands for all of it.
    let open: Vec<usize> =
        (0..group.len()).filter(|&item| group[item] == item && !done[item]).collect();
    let chosen = choose(&items, &open, strategy, arguments)?;
    let mut shared: Vec<Vec<usize>> = vec![Vec::new(); group.len()];
    for (item, &first) in group.iter().enumerate().filter(|(item, first)| item != *first) {
        shared[first].push(item);
    }
    let task = |(item, score): (usize, Option<f64>)| Task {
        item: items.names[item].clone(),
        score: score.filter(|score| score.is_finite()),
        shared_with: shared[item].iter().map(|&other| items.names[other].clone()).collect(),
    };
    let labeled = items.labeled.iter().filter(|labeled| **labeled).count();
    let like = (0..group.len()).filter(|&item| done[group[item]] && !items.labeled[item]).count();
    let stopping = history.map(|history| advise(history, items.names.len(), labeled, arguments));
    Ok(SampleReport {
        strategy: strategy::name(strategy),
        items: items.names.len(),
        labeled,
        like_labeled: like,
        tasks: chosen.into_iter().map(task).collect(),
        expected_accuracy: items.expected_accuracy(&open)?,
        stopping: stopping.transpose()?,
    })
}

impl<'a> Items<'a> {
    fn new(table: &'a Table, classes: &[String]) -> Result<Self, InputError> {
        let label = table.choose(None, &["label"])?;
        let labeled = |row| label.is_some_and(|label| label.value(row).is_some());
        let feature = |column: &&Column| {
            column.name().starts_with("f_") || column.name().starts_with("features.")
        };
        let mut heads = Vec::new();
        while let Some(head) = ClassProbabilities::of_head(table, heads.len())? {
            heads.push(head);
        }
        Ok(Self {
            table,
            names: table.identifiers(table.choose(None, &ITEM_NAMES)?),
            labeled: (0..table.rows()).map(labeled).collect(),
            model: ClassProbabilities::find(table, classes)?,
            features: table.columns().iter().filter(feature).collect(),
            heads,
        })
    }

    /// The strategy asked for, or the best that the file's columns allow.
    fn strategy(&self, asked: Option<StrategyName>) -> StrategyName {
        asked.unwrap_or(match (&self.model, self.features.is_empty()) {
            (Some(_), false) => StrategyName::MarginKmeans,
            (Some(_), true) => StrategyName::Margin,
            (None, false) => StrategyName::Typiclust,
            (None, true) => StrategyName::Random,
        })
    }

    /// Class probabilities of some items, row-major.
    fn probabilities(
        &self,
        model: &ClassProbabilities<'_>,
        items: &[usize],
    ) -> Result<Vec<f64>, InputError> {
        let mut values = Vec::with_capacity(items.len() * model.classes().len());
        items.iter().try_for_each(|&item| model.row(self.table, item, &mut values))?;
        Ok(values)
    }

    /// Features of some items, row-major.
    fn points(&self, items: &[usize]) -> Result<Vec<f64>, InputError> {
        let mut values = Vec::with_capacity(items.len() * self.features.len());
        for &item in items {
            for column in &self.features {
                values.push(self.table.number(column, item)?);
            }
        }
        Ok(values)
    }

    fn expected_accuracy(&self, open: &[usize]) -> Result<Option<f64>, InputError> {
        let Some(model) = &self.model else { return Ok(None) };
        let values = self.probabilities(model, open)?;
        let unfit = |text: String| self.table.fault(Fault::Shape(text));
        let probabilities = Probabilities::new(model.classes().len(), &values)
            .map_err(|error| unfit(error.to_string()))?;
        Ok(expected_accuracy(probabilities).ok())
    }
}

impl Report for SampleReport {
    fn text(&self) -> String {
        let mut text = format!(
            "{} items, {} labeled, {} like a labeled one; next by {}\n",
            self.items, self.labeled, self.like_labeled, self.strategy
        );
        if let Some(accuracy) = self.expected_accuracy {
            text.push_str(&format!(
                "By its own confidence the model is right about {:.1} % of the open items\n",
                accuracy * 100.0
            ));
        }
        if let Some(advice) = &self.stopping {
            text.push_str(&advice.text());
        }
        if self.tasks.is_empty() {
            text.push_str("\nNothing is left to label.\n");
            return text;
        }
        text.push('\n');
        let row = |(rank, task): (usize, &Task)| {
            let score = task.score.map_or_else(|| "–".to_owned(), |score| format!("{score:.3}"));
            let shared: Vec<String> =
                task.shared_with.iter().take(3).map(|name| cell(name)).collect();
            let more = task.shared_with.len().saturating_sub(3);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let shared = format!("{}{more}", shared.join(", "));
            vec![(rank + 1).to_string(), cell(&task.item), score, shared]
        };
        let rows: Vec<_> = self.tasks.iter().enumerate().map(row).collect();
        text.push_str(&table::lines(&["", "item", "score", "its label is a draft for"], &rows));
        text
    }
}
