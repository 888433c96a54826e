//! `insitu-agent label-functions`: labels from rules, and how good the rules are.

pub(super) mod arguments;
mod draft;
mod expression;
mod model;
mod published;
mod set;
#[cfg(test)]
mod tests;
mod vote;

use std::io::{self, Write};

use insitu_daemon::exit;
use insitu_measure::weak::{FunctionSummary, VoteTable};
use serde::Serialize;
use serde_json::{Map, Value, json};

use self::arguments::{LabelFunctionsArguments, LabelFunctionsCommand};
use self::model::{Labels, label, normalised};
use self::set::FunctionSet;
use self::vote::Voter;
use super::columns::{Fault, InputError, Table, read, shown};
use super::measure::{Report, bar, cell, percent, show};
use super::{Context, Failure, Outcome, table};

const ITEM_NAMES: [&str; 3] = ["id", "item", "item_id"];
/// Most votes, abstentions included.
const VOTES_MAX: usize = 1 << 28;

/// What `label-functions test` reports; shares are of all items.
#[derive(Debug, Serialize)]
struct TestReport {
    set: String,
    items: usize,
    known_labels: usize,
    coverage: f64,
    overlap: f64,
    conflict: f64,
    functions: Vec<FunctionReport>,
    model: &'static str,
    model_because: String,
    /// Of items with votes and known labels: right labels of the model, and of the majority vote.
    model_accuracy: Option<f64>,
    majority_accuracy: Option<f64>,
}

#[derive(Debug, Serialize)]
struct FunctionReport {
    name: String,
    coverage: f64,
    overlap: f64,
    conflict: f64,
    /// Share of right votes among those on items whose label is known.
    accuracy: Option<f64>,
    /// The same as the label model estimates it, without any known label.
    estimated_accuracy: Option<f64>,
}

/// Items, what functions voted on them, and what is known.
struct Votes {
    set: FunctionSet,
    items: Vec<String>,
    votes: Vec<Option<u16>>,
    truth: Vec<Option<u16>>,
}

/// Runs a command; what it finds goes to `out`. `open` gives what commands on the site's own store
/// work with.
pub(super) fn label_functions(
    open: impl FnOnce() -> Result<Context, Failure>,
    command: &LabelFunctionsCommand,
    out: &mut impl Write,
) -> Outcome {
    match command {
        LabelFunctionsCommand::Test(arguments) => on_files(open, arguments, false, out),
        LabelFunctionsCommand::Apply(arguments) => on_files(open, arguments, true, out),
        LabelFunctionsCommand::List(format) => published::list(&open()?, format.json, out),
        LabelFunctionsCommand::Show { set } => published::show(&open()?, set, out),
        LabelFunctionsCommand::Approve { set } => published::decide(&open()?, set, true, out),
        LabelFunctionsCommand::Decline { set } => published::decide(&open()?, set, false, out),
        LabelFunctionsCommand::Draft(arguments) => draft::draft(&open()?, arguments, out),
    }
}

fn on_files(
    open: impl FnOnce() -> Result<Context, Failure>,
    arguments: &LabelFunctionsArguments,
    apply: bool,
    out: &mut impl Write,
) -> Outcome {
    let set = published::chosen(open, &arguments.set)?;
    let votes = Votes::cast(set, arguments)?;
    let k = votes.set.classes.len();
    let refused = |error: &dyn std::error::Error| Failure::refused(error);
    let voted = VoteTable::new(k, votes.set.functions.len(), &votes.votes)
        .map_err(|error| refused(&error))?;
    let balance = votes.balance(arguments)?;
    let labels = label(&voted, arguments.model, balance).map_err(|error| refused(&error))?;
    if apply {
        votes.write(&labels, out)?;
        return Ok(exit::DONE);
    }
    let report = votes.report(&voted, &labels).map_err(|error| refused(&error))?;
    show(&report, arguments.json, out)
}

impl Votes {
    fn cast(set: FunctionSet, arguments: &LabelFunctionsArguments) -> Result<Self, Failure> {
        let mut votes = Self { set, items: Vec::new(), votes: Vec::new(), truth: Vec::new() };
        for path in &arguments.items {
            votes.cast_on(&read(path)?, &arguments.label)?;
        }
        Ok(votes)
    }

    fn cast_on(&mut self, table: &Table, label: &str) -> Result<(), InputError> {
        let functions = &self.set.functions;
        let found = (self.items.len() + table.rows()).saturating_mul(functions.len());
        if found > VOTES_MAX {
            return Err(table.fault(Fault::TooMany { what: "votes", found, limit: VOTES_MAX }));
        }
        let mut voters = functions
            .iter()
            .map(|function| Voter::new(function, table))
            .collect::<Result<Vec<_>, InputError>>()?;
        let label = table.choose(None, &[label])?;
        for row in 0..table.rows() {
            self.votes.extend(voters.iter_mut().map(|voter| voter.vote(row)));
            let truth = match label.and_then(|label| label.value(row)) {
                Some(text) => Some(self.class(table, row, text)?),
                None => None,
            };
            self.truth.push(truth);
        }
        self.items.extend(table.identifiers(table.choose(None, &ITEM_NAMES)?));
        Ok(())
    }

    fn class(&self, table: &Table, row: usize, text: &str) -> Result<u16, InputError> {
        let at = self.set.classes.iter().position(|class| class == text);
        at.and_then(|at| u16::try_from(at).ok()).ok_or_else(|| {
            let wanted = format!("one of the {} classes of the set", self.set.classes.len());
            let (column, found) = ("of the label".to_owned(), shown(text));
            table.fault_at(row, Fault::NotOneOf { column, found, wanted })
        })
    }

    /// Shares of the classes: as given, or of the known labels.
    fn balance(&self, arguments: &LabelFunctionsArguments) -> Result<Option<Vec<f64>>, Failure> {
        let k = self.set.classes.len();
        if !arguments.balance.is_empty() {
            let sum: f64 = arguments.balance.iter().sum();
            let positive = arguments.balance.iter().all(|share| *share > 0.0);
            if arguments.balance.len() != k || !positive || (sum - 1.0).abs() > 1e-6 {
                let text = format!(
                    "--balance needs {k} shares above 0 that sum to 1, not {} that sum to {sum}",
                    arguments.balance.len()
                );
                return Err(Failure::text(exit::USAGE, text));
            }
            return Ok(Some(arguments.balance.clone()));
        }
        let mut counts = vec![0.0; k];
        self.truth.iter().flatten().for_each(|&class| counts[usize::from(class)] += 1.0);
        Ok(counts.iter().any(|count| *count > 0.0).then(|| normalised(counts)))
    }

    fn report(
        &self,
        voted: &VoteTable<'_>,
        labels: &Labels,
    ) -> Result<TestReport, insitu_measure::InvalidInput> {
        let summary = voted.summary(&self.truth)?;
        let function = |((function, found), estimated): ((&set::Function, FunctionSummary), _)| {
            FunctionReport {
                name: function.name.clone(),
                coverage: found.coverage,
                overlap: found.overlap,
                conflict: found.conflict,
                accuracy: found.accuracy,
                estimated_accuracy: estimated,
            }
        };
        let functions = self.set.functions.iter().zip(summary.functions);
        Ok(TestReport {
            set: self.set.digest.clone(),
            items: self.items.len(),
            known_labels: self.truth.iter().flatten().count(),
            coverage: summary.coverage,
            overlap: summary.overlap,
            conflict: summary.conflict,
            functions: functions.zip(labels.accuracies.iter().copied()).map(function).collect(),
            model: labels.model,
            model_because: labels.because.clone(),
            model_accuracy: self.accuracy(voted, &labels.probabilities),
            majority_accuracy: self.accuracy(voted, &insitu_measure::weak::majority_vote(voted)),
        })
    }

    /// Right labels among items with votes and a known label; a tie is right by halves and so on.
    #[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
    fn accuracy(&self, voted: &VoteTable<'_>, probabilities: &[f64]) -> Option<f64> {
        let k = self.set.classes.len();
        let (mut right, mut all) = (0.0, 0.0);
        for (item, row) in probabilities.chunks_exact(k).enumerate() {
            let Some(truth) = self.truth[item] else { continue };
            if voted.row(item).iter().all(Option::is_none) {
                continue;
            }
            all += 1.0;
            let (top, tied) = top(row);
            right += if top.contains(&usize::from(truth)) { 1.0 / tied as f64 } else { 0.0 };
        }
        (all > 0.0).then(|| right / all)
    }

    /// One JSON line for each item: label, probabilities, and the votes they come from.
    fn write(&self, labels: &Labels, out: &mut impl Write) -> io::Result<()> {
        let (k, m) = (self.set.classes.len(), self.set.functions.len());
        for (item, name) in self.items.iter().enumerate() {
            let row = &labels.probabilities[item * k..(item + 1) * k];
            let votes: Map<String, Value> = self.votes[item * m..(item + 1) * m]
                .iter()
                .zip(&self.set.functions)
                .filter_map(|(vote, function)| {
                    let class = &self.set.classes[usize::from((*vote)?)];
                    Some((function.name.clone(), Value::from(class.as_str())))
                })
                .collect();
            let (best, tied) = top(row);
            let reason = match (votes.is_empty(), tied) {
                (true, _) => Some("no function voted".to_owned()),
                (false, 1) => None,
                (false, tied) => Some(format!("{tied} classes are equally likely")),
            };
            let label = reason.is_none().then(|| self.set.classes[best[0]].as_str());
            let probabilities: Map<String, Value> =
                self.set.classes.iter().cloned().zip(row.iter().map(|p| json!(p))).collect();
            let line = json!({
                "id": name, "label": label, "reason": reason, "probabilities": probabilities,
                "votes": votes, "model": labels.model, "set": self.set.digest,
            });
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}

/// The classes of greatest probability, and how many they are.
fn top(row: &[f64]) -> (Vec<usize>, usize) {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let equal: Vec<usize> = (0..row.len()).filter(|&class| row[class] >= most - 1e-12).collect();
    let count = equal.len();
    (equal, count)
}

impl Report for TestReport {
    fn text(&self) -> String {
        let mut text = format!(
            "{} items, {} with a known label; set {}\n\
             functions vote on {} of the items, two or more on {}, and contradict each other on {}\n\n",
            self.items,
            self.known_labels,
            &self.set[..12],
            percent(self.coverage),
            percent(self.overlap),
            percent(self.conflict)
        );
        let share = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), percent);
        let row = |function: &FunctionReport| {
            vec![
                cell(&function.name),
                percent(function.coverage),
                bar(function.coverage, 10),
                percent(function.overlap),
                percent(function.conflict),
                share(function.accuracy),
                share(function.estimated_accuracy),
            ]
        };
        let rows: Vec<_> = self.functions.iter().map(row).collect();
        let heading =
            ["function", "coverage", "", "overlap", "conflict", "accuracy", "model thinks"];
        text.push_str(&table::lines(&heading, &rows));
        text.push_str(&format!("\nLabel model: {} ({})\n", self.model, self.model_because));
        if let Some(accuracy) = self.model_accuracy {
            text.push_str(&format!(
                "Where the label is known and a function voted: {} right, by majority vote {}\n",
                percent(accuracy),
                share(self.majority_accuracy)
            ));
        }
        text
    }
}
