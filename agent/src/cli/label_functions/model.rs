//! From votes to probabilistic labels.

use insitu_measure::MeasureError;
use insitu_measure::weak::{
    THIN_EVIDENCE_ITEMS, TripletSums, VoteTable, expectation_maximisation, majority_vote,
};

use super::arguments::ModelName;

/// Rounds of expectation and maximisation.
const ROUNDS: usize = 50;
/// Functions from which on a model can tell the good from the bad.
const FUNCTIONS_MIN: usize = 3;
/// Least share of a class.
const SHARE_MIN: f64 = 0.01;

/// Probabilities of every item, and how right each function is thought to be.
#[derive(Debug)]
pub(super) struct Labels {
    pub(super) model: &'static str,
    /// Why this model and no other.
    pub(super) because: String,
    /// Row-major, shape `[items, classes]`.
    pub(super) probabilities: Vec<f64>,
    pub(super) accuracies: Vec<Option<f64>>,
}

/// Labels items by their votes. `balance` are the shares of classes, where they are known.
pub(super) fn label(
    table: &VoteTable<'_>,
    asked: ModelName,
    balance: Option<Vec<f64>>,
) -> Result<Labels, MeasureError> {
    let majority = majority_vote(table);
    let balance = balance.unwrap_or_else(|| shares(table, &majority));
    let (model, because) = choose(table, asked);
    let none = || vec![None; table.functions()];
    let (name, probabilities, accuracies) = match model {
        ModelName::Triplets => {
            let two =
                [balance.first().copied().unwrap_or(0.5), balance.get(1).copied().unwrap_or(0.5)];
            let fit = TripletSums::new(table)?.solve(two)?;
            let second = fit.probabilities(table)?;
            let both = second.into_iter().flat_map(|p| [1.0 - p, p]).collect();
            ("triplets", both, fit.accuracies)
        }
        ModelName::Em => {
            let (fit, beliefs) = expectation_maximisation(table, ROUNDS)?;
            let accuracies = (0..table.functions()).map(|f| accuracy(&fit, f)).collect();
            ("em", beliefs.values().to_vec(), accuracies)
        }
        ModelName::Majority | ModelName::Auto => ("majority", majority, none()),
    };
    Ok(Labels { model: name, because, probabilities, accuracies })
}

fn choose(table: &VoteTable<'_>, asked: ModelName) -> (ModelName, String) {
    if asked != ModelName::Auto {
        return (asked, "asked for".to_owned());
    }
    let voted = (0..table.items()).filter(|&item| table.row(item).iter().any(Option::is_some));
    let (voted, functions) = (voted.count(), table.functions());
    if voted < THIN_EVIDENCE_ITEMS {
        let text = format!("{voted} items with votes, fewer than {THIN_EVIDENCE_ITEMS}");
        (ModelName::Majority, text)
    } else if functions < FUNCTIONS_MIN {
        (ModelName::Majority, format!("{functions} functions, fewer than {FUNCTIONS_MIN}"))
    } else if table.categories() == 2 {
        (ModelName::Triplets, "two classes".to_owned())
    } else {
        (ModelName::Em, format!("{} classes", table.categories()))
    }
}

/// How often a function that votes is right: over true classes, right votes by all votes.
fn accuracy(fit: &insitu_measure::consensus::DawidSkene, function: usize) -> Option<f64> {
    let k = fit.priors().len();
    let (mut right, mut all) = (0.0, 0.0);
    for (truth, prior) in fit.priors().iter().enumerate() {
        right += prior * fit.rate(function, truth, truth);
        all += (0..k).map(|answer| prior * fit.rate(function, answer, truth)).sum::<f64>();
    }
    (all > 0.0).then(|| right / all)
}

/// Shares of the classes among items with votes, none of them nothing.
fn shares(table: &VoteTable<'_>, majority: &[f64]) -> Vec<f64> {
    let k = table.categories();
    let mut shares = vec![0.0; k];
    for (item, row) in majority.chunks_exact(k).enumerate() {
        if table.row(item).iter().any(Option::is_some) {
            shares.iter_mut().zip(row).for_each(|(share, p)| *share += p);
        }
    }
    normalised(shares)
}

/// Counts as shares that sum to one, each at least a hundredth of an even one.
#[expect(clippy::cast_precision_loss, reason = "at most 1,000 classes")]
pub(super) fn normalised(counts: Vec<f64>) -> Vec<f64> {
    let sum: f64 = counts.iter().sum();
    let even = 1.0 / counts.len().max(1) as f64;
    let least = SHARE_MIN * even;
    let raised: Vec<f64> = counts
        .into_iter()
        .map(|count| if sum > 0.0 { (count / sum).max(least) } else { even })
        .collect();
    let sum: f64 = raised.iter().sum();
    raised.into_iter().map(|share| share / sum).collect()
}
