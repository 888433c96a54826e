//! `measure consensus`: what the label is where people differ.

use insitu_measure::consensus::{
    AnnotatorScore, DawidSkene, agreement_with, crowdlab, glad, mace, majority, one_coin,
};
use insitu_measure::{MeasureError, Probabilities, Ratings};
use serde::Serialize;

use super::arguments::{ConsensusArguments, MethodName};
use super::ratings::RatingsFile;
use super::{LEVEL, Report, bar, cell};
use crate::cli::columns::{ClassProbabilities, Fault, InputError, Table};
use crate::cli::table;

/// Raters that the text lists.
const RATERS_LISTED_MAX: usize = 50;
/// Least confidence of a label that is not counted as doubtful.
const DOUBTFUL_BELOW: f64 = 0.8;

/// What `measure consensus` reports.
#[derive(Debug, Serialize)]
pub(super) struct ConsensusReport {
    method: &'static str,
    labels: Vec<String>,
    /// Why there is no consensus at all.
    reason: Option<String>,
    items: Vec<ItemConsensus>,
    raters: Vec<RaterScore>,
    /// Weight of the model's voice; of CROWDLAB only.
    model_weight: Option<f64>,
    level: f64,
    #[serde(skip)]
    summary: String,
    #[serde(skip)]
    top: usize,
}

#[derive(Debug, Serialize)]
struct ItemConsensus {
    item: String,
    label: String,
    /// Belief in the label.
    confidence: f64,
    /// Share of the item's ratings that are this label.
    agreement: f64,
    ratings: usize,
    probabilities: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct RaterScore {
    rater: String,
    ratings: u32,
    /// Ratings that equal the consensus, their share, and the interval that holds it.
    agrees: u32,
    rate: Option<f64>,
    low: f64,
    high: f64,
    /// What the method itself thinks of the rater, and what that is.
    skill: Option<f64>,
    skill_kind: &'static str,
}

/// Beliefs about items, skills of raters, and what kind of skill that is.
struct Fit {
    labels: Vec<u32>,
    beliefs: Vec<f64>,
    skills: Vec<Option<f64>>,
    kind: &'static str,
    model_weight: Option<f64>,
}

pub(super) fn measure(
    table: &Table,
    arguments: &ConsensusArguments,
) -> Result<ConsensusReport, InputError> {
    let model = ClassProbabilities::find(table, &arguments.classes)?;
    let file = RatingsFile::new(table, &arguments.ratings, None, model.as_ref())?;
    let method = match (arguments.method, &model) {
        (Some(method), _) => method,
        (None, Some(_)) => MethodName::Crowdlab,
        (None, None) => MethodName::DawidSkene,
    };
    let (labels, fit) = match (method, &model) {
        (MethodName::Crowdlab, Some(model)) => with_model(table, &file, model)?,
        (MethodName::Crowdlab, None) => {
            let text = "crowdlab needs class probabilities: columns p_CLASS for each class";
            return Err(table.fault(Fault::Shape(text.to_owned())));
        }
        _ => (file.categories.names().to_vec(), fit(&file.ratings, method, arguments)),
    };
    let mut report = ConsensusReport {
        method: name(method),
        labels,
        reason: None,
        items: Vec::new(),
        raters: Vec::new(),
        model_weight: None,
        level: LEVEL,
        summary: file.summary(),
        top: arguments.top,
    };
    match fit.and_then(|fit| report.fill(&file, fit)) {
        Ok(()) => {}
        Err(MeasureError::Undefined(why)) => report.reason = Some(why.to_string()),
        Err(MeasureError::Invalid(why)) => {
            return Err(table.fault(Fault::Shape(why.to_string())));
        }
    }
    Ok(report)
}

fn name(method: MethodName) -> &'static str {
    match method {
        MethodName::Majority => "majority",
        MethodName::DawidSkene => "dawid-skene",
        MethodName::OneCoin => "one-coin",
        MethodName::Mace => "mace",
        MethodName::Glad => "glad",
        MethodName::Crowdlab => "crowdlab",
    }
}

fn fit(
    ratings: &Ratings,
    method: MethodName,
    arguments: &ConsensusArguments,
) -> Result<Fit, MeasureError> {
    let known = |skills: Vec<f64>| skills.into_iter().map(Some).collect();
    let rounds = arguments.iterations;
    let (beliefs, skills, kind) = match method {
        MethodName::Majority | MethodName::Crowdlab => {
            (majority(ratings)?, vec![None; ratings.annotators()], "none")
        }
        MethodName::DawidSkene => {
            let (fit, beliefs) = DawidSkene::fit(ratings, rounds)?;
            let skills = (0..ratings.annotators()).map(|rater| fit.skill(rater)).collect();
            (beliefs, known(skills), "expected accuracy")
        }
        MethodName::OneCoin => {
            let fit = one_coin(ratings, rounds)?;
            (fit.beliefs, fit.skills, "accuracy")
        }
        MethodName::Mace => {
            let fit = mace(ratings, arguments.restarts, rounds, arguments.seed)?;
            (fit.beliefs, known(fit.competence), "competence")
        }
        MethodName::Glad => {
            let fit = glad(ratings, rounds)?;
            (fit.beliefs, known(fit.abilities), "ability")
        }
    };
    let labels = beliefs.labels();
    Ok(Fit { labels, beliefs: beliefs.values().to_vec(), skills, kind, model_weight: None })
}

/// The consensus of raters and model, over the model's classes.
fn with_model(
    table: &Table,
    file: &RatingsFile,
    model: &ClassProbabilities<'_>,
) -> Result<(Vec<String>, Result<Fit, MeasureError>), InputError> {
    let mut to_class = Vec::with_capacity(file.categories.len());
    for name in file.categories.names() {
        let missing = || {
            let text = format!(
                "label {} is none of the model's {} classes",
                crate::cli::columns::shown(name),
                model.classes().len()
            );
            table.fault(Fault::Shape(text))
        };
        to_class.push(model.class(name).ok_or_else(missing)?);
    }
    let mut values = Vec::with_capacity(file.items.len() * model.classes().len());
    for &row in &file.first_row {
        model.row(table, row, &mut values)?;
    }
    let mut triples = Vec::with_capacity(file.ratings.len());
    for (item, ratings) in (0..).zip(file.ratings.iter()) {
        triples.extend(ratings.iter().map(|r| (item, r.annotator, to_class[r.label as usize])));
    }
    let fit = || {
        let (k, raters) = (model.classes().len(), file.raters.len());
        let ratings = Ratings::from_triples(k, file.items.len(), raters, &triples)?;
        let found = crowdlab(&ratings, Probabilities::new(k, &values)?)?;
        Ok(Fit {
            labels: found.labels,
            beliefs: found.beliefs.values().to_vec(),
            skills: found.annotator_quality,
            kind: "quality",
            model_weight: Some(found.model_weight),
        })
    };
    Ok((model.classes().to_vec(), fit()))
}

impl ConsensusReport {
    #[expect(clippy::cast_precision_loss, reason = "ratings of an item stay far below 2^53")]
    fn fill(&mut self, file: &RatingsFile, fit: Fit) -> Result<(), MeasureError> {
        let k = self.labels.len();
        // A label that no rater gave (the model's choice) equals no rating.
        let given = |label: u32| file.categories.find(&self.labels[label as usize]);
        let reference: Vec<u32> =
            fit.labels.iter().map(|&l| given(l).unwrap_or(u32::MAX)).collect();
        let mut items = Vec::with_capacity(file.items.len());
        for (at, ratings) in file.ratings.iter().enumerate() {
            let same = ratings.iter().filter(|rating| rating.label == reference[at]).count();
            let row = &fit.beliefs[at * k..(at + 1) * k];
            items.push(ItemConsensus {
                item: file.items[at].clone(),
                label: self.labels[fit.labels[at] as usize].clone(),
                confidence: row[fit.labels[at] as usize],
                agreement: same as f64 / ratings.len().max(1) as f64,
                ratings: ratings.len(),
                probabilities: row.to_vec(),
            });
        }
        let scores = scores(file, &reference)?;
        for ((rater, score), skill) in file.raters.iter().zip(scores).zip(fit.skills) {
            let interval = score.interval(LEVEL)?;
            self.raters.push(RaterScore {
                rater: rater.clone(),
                ratings: score.ratings,
                agrees: score.right,
                rate: score.rate(),
                low: interval.low,
                high: interval.high,
                skill: skill.filter(|skill| skill.is_finite()),
                skill_kind: fit.kind,
            });
        }
        self.model_weight = fit.model_weight;
        self.items = items;
        Ok(())
    }
}

/// How often each rater gave the consensus label. A consensus that nobody gave is a category of its
/// own for this.
fn scores(file: &RatingsFile, reference: &[u32]) -> Result<Vec<AnnotatorScore>, MeasureError> {
    let k = file.ratings.categories();
    let none = u32::try_from(k).unwrap_or(u32::MAX);
    let reference: Vec<u32> = reference.iter().map(|&label| label.min(none)).collect();
    let mut triples = Vec::with_capacity(file.ratings.len());
    for (item, ratings) in (0..).zip(file.ratings.iter()) {
        triples.extend(ratings.iter().map(|r| (item, r.annotator, r.label)));
    }
    let items = file.items.len();
    let wider = Ratings::from_triples(k + 1, items, file.raters.len(), &triples)?;
    Ok(agreement_with(&wider, &reference)?)
}

impl Report for ConsensusReport {
    fn text(&self) -> String {
        let mut text = self.summary.clone();
        text.push_str(&format!("Method: {}\n", self.method));
        if let Some(reason) = &self.reason {
            text.push_str(&format!("undefined: {reason}\n"));
            return text;
        }
        let doubtful = self.items.iter().filter(|item| item.confidence < DOUBTFUL_BELOW).count();
        text.push_str(&format!(
            "{doubtful} of {} items have a label of less than {DOUBTFUL_BELOW} confidence\n\n",
            self.items.len()
        ));
        text.push_str(&self.raters_text());
        if let Some(weight) = self.model_weight {
            text.push_str(&format!("The model's voice weighs {weight:.3}\n"));
        }
        let mut order: Vec<&ItemConsensus> = self.items.iter().collect();
        order.sort_by(|a, b| a.confidence.total_cmp(&b.confidence));
        let row = |item: &&ItemConsensus| {
            vec![
                cell(&item.item),
                cell(&item.label),
                format!("{:.3}", item.confidence),
                bar(item.confidence, 20),
                format!("{:.2} of {}", item.agreement, item.ratings),
            ]
        };
        let rows: Vec<_> = order.iter().take(self.top).map(row).collect();
        if !rows.is_empty() {
            text.push_str("\nMost doubtful items\n");
            let heading = ["item", "label", "confidence", "", "share of ratings"];
            text.push_str(&table::lines(&heading, &rows));
        }
        text
    }
}

impl ConsensusReport {
    fn raters_text(&self) -> String {
        let mut order: Vec<&RaterScore> = self.raters.iter().collect();
        order.sort_by(|a, b| a.rate.unwrap_or(2.0).total_cmp(&b.rate.unwrap_or(2.0)));
        let row = |score: &&RaterScore| {
            vec![
                cell(&score.rater),
                score.ratings.to_string(),
                score.rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.3}")),
                format!("{:.3} to {:.3}", score.low, score.high),
                bar(score.rate.unwrap_or(0.0), 20),
                score.skill.map_or_else(|| "–".to_owned(), |skill| format!("{skill:.3}")),
            ]
        };
        let rows: Vec<_> = order.iter().take(RATERS_LISTED_MAX).map(row).collect();
        let kind = self.raters.first().map_or("skill", |score| score.skill_kind);
        let heading = ["rater", "ratings", "with consensus", "95 % interval", "", kind];
        let mut text = table::lines(&heading, &rows);
        if order.len() > RATERS_LISTED_MAX {
            text.push_str(&format!("and {} more raters\n", order.len() - RATERS_LISTED_MAX));
        }
        text
    }
}
