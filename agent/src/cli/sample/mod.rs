//! `insitu-agent sample`: what to label next.

pub(super) mod arguments;
mod committee;
pub(super) mod duplicates;
pub(super) mod project;
mod source;
mod stopping;
mod strategy;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;

use insitu_measure::Probabilities;
use insitu_measure::calibration::expected_accuracy;
use serde::Serialize;

use self::arguments::{SampleArguments, StrategyName};
use self::source::{Columns, Source};
use self::stopping::{Advice, advise};
use self::strategy::choose;
use super::columns::{InputError, Table, read};
use super::measure::{Report, cell, show};
use super::{Context, Failure, Outcome, table};

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
    /// How many of them people are asked about first from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    enqueued: Option<u64>,
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

/// Items among which is chosen.
struct Items<'a> {
    names: Vec<String>,
    labeled: Vec<bool>,
    /// On its way to somebody already.
    taken: Vec<bool>,
    /// The group of near-duplicates of each, named by its first item.
    group: Vec<usize>,
    source: Source<'a>,
}

/// Runs the command; the tasks go to `out`. `open` gives what a choice from the site's own store
/// works with.
pub(super) fn sample(
    open: impl FnOnce() -> Result<Context, Failure>,
    arguments: &SampleArguments,
    out: &mut impl Write,
) -> Outcome {
    let history = arguments.history.as_deref().map(read).transpose()?;
    let Some(name) = &arguments.project else {
        let file = arguments.file.as_deref().unwrap_or_else(|| Path::new("-"));
        let table = read(file)?;
        let items = Items::of_file(&table, arguments)?;
        let strategy = items.strategy(arguments.strategy);
        let (report, _) = report(&items, strategy, history.as_ref(), arguments)?;
        return show(&report, arguments.json, out);
    };
    let context = open()?;
    let known = project::read(&context, name, arguments)?;
    let (mut report, chosen) = report(&known.items, known.strategy, history.as_ref(), arguments)?;
    if arguments.enqueue {
        let keys: Vec<i64> = chosen.iter().map(|&item| known.keys[item]).collect();
        report.enqueued = Some(context.store.tx("want", |tx| tx.want(known.project, &keys))?);
    }
    show(&report, arguments.json, out)
}

/// The report, and the positions of the items that it lists.
fn report(
    items: &Items<'_>,
    strategy: StrategyName,
    history: Option<&Table>,
    arguments: &SampleArguments,
) -> Result<(SampleReport, Vec<usize>), InputError> {
    let group = &items.group;
    let mut done = vec![false; items.names.len()];
    for (item, (labeled, taken)) in items.labeled.iter().zip(&items.taken).enumerate() {
        done[group[item]] |= labeled | taken;
    }
    // One of each group stands for all of it.
    let open: Vec<usize> =
        (0..group.len()).filter(|&item| group[item] == item && !done[item]).collect();
    let chosen = choose(items, &open, strategy, arguments)?;
    let mut shared: Vec<Vec<usize>> = vec![Vec::new(); group.len()];
    for (item, &first) in group.iter().enumerate().filter(|(item, first)| item != *first) {
        shared[first].push(item);
    }
    let task = |&(item, score): &(usize, Option<f64>)| Task {
        item: items.names[item].clone(),
        score: score.filter(|score| score.is_finite()),
        shared_with: shared[item].iter().map(|&other| items.names[other].clone()).collect(),
    };
    let labeled = items.labeled.iter().filter(|labeled| **labeled).count();
    let mut with_label = vec![false; group.len()];
    for (item, _) in items.labeled.iter().enumerate().filter(|(_, labeled)| **labeled) {
        with_label[group[item]] = true;
    }
    let like =
        (0..group.len()).filter(|&item| with_label[group[item]] && !items.labeled[item]).count();
    let stopping = history.map(|history| advise(history, items.names.len(), labeled, arguments));
    let report = SampleReport {
        strategy: strategy::name(strategy),
        items: items.names.len(),
        labeled,
        like_labeled: like,
        tasks: chosen.iter().map(task).collect(),
        enqueued: None,
        expected_accuracy: items.expected_accuracy(&open)?,
        stopping: stopping.transpose()?,
    };
    Ok((report, chosen.into_iter().map(|(item, _)| item).collect()))
}

impl<'a> Items<'a> {
    fn of_file(table: &'a Table, arguments: &SampleArguments) -> Result<Self, InputError> {
        let label = table.choose(None, &["label"])?;
        let labeled = |row| label.is_some_and(|label| label.value(row).is_some());
        Ok(Self {
            names: table.identifiers(table.choose(None, &ITEM_NAMES)?),
            labeled: (0..table.rows()).map(labeled).collect(),
            taken: vec![false; table.rows()],
            group: duplicates::groups(table, arguments.similarity, arguments.seed)?,
            source: Source::File(Columns::new(table, &arguments.classes)?),
        })
    }

    /// The strategy asked for, or the best that the file's columns allow.
    fn strategy(&self, asked: Option<StrategyName>) -> StrategyName {
        asked.unwrap_or_else(|| match (self.source.classes(), self.source.dimensions()) {
            (Some(_), 1..) => StrategyName::MarginKmeans,
            (Some(_), 0) => StrategyName::Margin,
            (None, 1..) => StrategyName::Typiclust,
            (None, 0) => StrategyName::Random,
        })
    }

    fn expected_accuracy(&self, open: &[usize]) -> Result<Option<f64>, InputError> {
        let Some(classes) = self.source.classes() else { return Ok(None) };
        let values = self.source.probabilities(open)?;
        let probabilities =
            Probabilities::new(classes, &values).map_err(|error| self.source.unfit(error))?;
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
        if let Some(enqueued) = self.enqueued {
            text.push_str(&format!("\nPeople are asked about {enqueued} of them first.\n"));
        }
        text
    }
}
