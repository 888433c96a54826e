//! How far people agree with one another, and the model with people.

use insitu_measure::agreement::{Chance, Confusion, Weights, chance_corrected};
use insitu_measure::{MeasureError, Ratings};
use serde::Serialize;

use super::LEVEL;
use super::figure::Figure;
use super::matrix::Matrix;
use super::snapshot::{Labeled, Snapshot};
use crate::label::Label;

/// Fewer pairs than this say nothing worth showing.
pub(super) const PAIRS_MIN: usize = 10;

/// Agreement between readers, and between model and people.
#[derive(Debug, Serialize)]
pub(super) struct Agreement {
    /// Two people who read the same items.
    readers: Comparison,
    /// The prelabel that was answered, and the label of record.
    model: Comparison,
}

/// Two labels for each of some items.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    /// Items with both labels.
    items: usize,
    /// Coefficients, the most robust first.
    coefficients: Vec<Coefficient>,
    /// First label by row, second by column.
    matrix: Matrix,
}

/// A coefficient of agreement.
#[derive(Debug, Serialize)]
struct Coefficient {
    name: &'static str,
    #[serde(flatten)]
    figure: Figure,
}

impl Agreement {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let classes = snapshot.classes();
        let readers: Vec<_> = snapshot.labeled.iter().filter_map(Labeled::pair).collect();
        let model: Vec<_> = snapshot
            .labeled
            .iter()
            .filter_map(|item| Some((item.answered.as_ref()?.class()?, item.record?)))
            .collect();
        if !snapshot.project.definition.task.is_one_class() {
            let readers = snapshot.labeled.iter().filter_map(Labeled::labels).collect();
            let model = snapshot
                .labeled
                .iter()
                .filter_map(|item| Some((item.drafted.as_ref()?.label(), item.said.as_ref()?)));
            let model = Comparison::of_labels(model.collect());
            return Self { readers: Comparison::of_labels(readers), model };
        }
        let readers = Comparison::of(classes, &readers, "were read by two people");
        Self { readers, model: Comparison::of(classes, &model, "have a prelabel and a label") }
    }
}

impl Comparison {
    /// Of labels that are not one class: how often two agree, as [`Label::agrees`] has it. There is no
    /// chance to correct for.
    fn of_labels(pairs: Vec<(&Label, &Label)>) -> Self {
        let same = pairs.iter().filter(|(first, second)| first.agrees(second)).count();
        let figure = Figure::share(same, pairs.len());
        Self {
            items: pairs.len(),
            coefficients: vec![Coefficient { name: "Same label", figure }],
            matrix: std::iter::empty().collect(),
        }
    }

    pub(super) fn of(classes: usize, pairs: &[(u16, u16)], are: &str) -> Self {
        let items = pairs.len();
        let same = pairs.iter().filter(|(first, second)| first == second).count();
        let compute = |name: &'static str, figure: &dyn Fn() -> Result<Figure, MeasureError>| {
            let figure = if items < PAIRS_MIN {
                Figure::undefined(format_args!("{items} items {are}, {PAIRS_MIN} are needed"))
            } else {
                figure().unwrap_or_else(Figure::undefined)
            };
            Coefficient { name, figure }
        };
        let corrected = |chance| {
            move || {
                let found = chance_corrected(&ratings(classes, pairs)?, chance, Weights::Identity)?;
                Ok(Figure::new(found.value, found.interval(LEVEL)))
            }
        };
        let cohen = || {
            let (first, second): (Vec<u32>, Vec<u32>) =
                pairs.iter().map(|&(first, second)| (u32::from(first), u32::from(second))).unzip();
            let kappa =
                Confusion::from_labels(classes, &first, &second)?.kappa(Weights::Identity)?;
            Ok(Figure::new(kappa.value, kappa.interval(LEVEL)))
        };
        Self {
            items,
            coefficients: vec![
                compute("Krippendorff’s α", &corrected(Chance::Krippendorff)),
                compute("Gwet’s AC1", &corrected(Chance::Gwet)),
                compute("Fleiss’ κ", &corrected(Chance::Fleiss)),
                compute("Cohen’s κ", &cohen),
                compute("Same label", &|| Ok(Figure::share(same, items))),
            ],
            matrix: pairs.iter().copied().collect(),
        }
    }
}

fn ratings(classes: usize, pairs: &[(u16, u16)]) -> Result<Ratings, MeasureError> {
    let table: Vec<Option<u32>> = pairs
        .iter()
        .flat_map(|&(first, second)| [Some(u32::from(first)), Some(u32::from(second))])
        .collect();
    Ok(Ratings::from_table(classes, 2, &table)?)
}
