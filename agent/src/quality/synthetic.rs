//! Whether synthetic items pass for real ones: what people say of both where they do not know which
//! is which.

use serde::Serialize;

use super::LABELED_MAX;
use super::agreement::Comparison;
use super::figure::Figure;
use crate::prelabel::Prelabel;
use crate::review::{PastRead, past_reads};
use crate::store::labels::Reading;
use crate::store::orders::ProjectRow;
use crate::store::synthetic::SyntheticCounts;
use crate::store::{Store, StoreError, Tx};

/// Items read in one transaction.
const STEP: u32 = 128;

/// Synthetic items, and the real ones that people judged beside them.
#[derive(Debug, Serialize)]
pub(super) struct Synthetic {
    #[serde(flatten)]
    counts: SyntheticCounts,
    /// Made by a generator.
    made: Group,
    /// Real ones, in the same queue.
    real: Group,
}

/// What people said of items of one kind, blind.
#[derive(Debug, Serialize)]
struct Group {
    /// Items that somebody labeled.
    items: usize,
    /// Two people who labeled the same items.
    readers: Comparison,
    /// The model's prelabel, and the label of the first of these people.
    model: Comparison,
    /// The class that a generator made the item for, and the label of the first of these people.
    generator: Comparison,
    /// Share of answers that take the item for real.
    looks_real: Figure,
}

/// The judgements of an item.
struct Judged {
    item: i64,
    synthetic: bool,
    past: Vec<PastRead>,
}

impl Synthetic {
    /// `None` where no synthetic item was imported.
    pub(super) fn read(store: &Store, project: &ProjectRow) -> Result<Option<Self>, StoreError> {
        let counts = store.read("quality synthetic", |tx| tx.synthetic_counts(project.project))?;
        if counts.items == 0 {
            return Ok(None);
        }
        let (made, real): (Vec<_>, Vec<_>) =
            judged(store, project)?.into_iter().partition(|item| item.synthetic);
        let classes = project.definition.classes.len();
        Ok(Some(Self { counts, made: Group::of(classes, &made), real: Group::of(classes, &real) }))
    }
}

impl Group {
    fn of(classes: usize, items: &[Judged]) -> Self {
        let labels = |item: &Judged| item.past.iter().filter_map(PastRead::class).take(2).collect();
        let (mut readers, mut model, mut generator) = (Vec::new(), Vec::new(), Vec::new());
        for item in items {
            let labels: Vec<u16> = labels(item);
            if let [first, second] = labels[..] {
                readers.push((first, second));
            }
            let prelabel = item.past.iter().find_map(|past| past.prelabel.as_ref());
            let class = prelabel.and_then(Prelabel::class);
            let class = class.filter(|class| usize::from(*class) < classes);
            let pair = class.zip(labels.first().copied());
            let made = prelabel.is_some_and(|prelabel| prelabel.is_by_generator());
            if made { &mut generator } else { &mut model }.extend(pair);
        }
        let said: Vec<bool> =
            items.iter().flat_map(|item| &item.past).filter_map(|past| past.looks_real).collect();
        Self {
            items: items.len(),
            readers: Comparison::of(classes, &readers, "were labeled by two people"),
            model: Comparison::of(classes, &model, "have a prelabel and a label"),
            generator: Comparison::of(classes, &generator, "were made for a class and labeled"),
            looks_real: Figure::share(said.iter().filter(|real| **real).count(), said.len()),
        }
    }
}

/// At most [`LABELED_MAX`], newest first.
fn judged(store: &Store, project: &ProjectRow) -> Result<Vec<Judged>, StoreError> {
    let classes = project.definition.classes.len();
    let (mut found, mut before) = (Vec::new(), i64::MAX);
    while found.len() < LABELED_MAX {
        let step = store.read("quality judgements", |tx| {
            let keys = tx.newest_validated(project.project, before, STEP)?;
            keys.into_iter().map(|key| judged_item(tx, key, classes)).collect::<Result<_, _>>()
        });
        let step: Vec<Judged> = step?;
        let Some(last) = step.last() else { break };
        before = last.item;
        found.extend(step);
    }
    found.truncate(LABELED_MAX);
    Ok(found)
}

fn judged_item(tx: &Tx<'_>, key: i64, classes: usize) -> Result<Judged, StoreError> {
    let row = tx.item(key)?.ok_or(StoreError::Corrupt { table: "items", column: "item" })?;
    let mut past = past_reads(&tx.annotations_of(key)?)?;
    // An older version of the project may have had more classes.
    past.retain(|past| {
        past.read.reading == Reading::Validation
            && past.label().is_some_and(|label| label.is_within(classes))
    });
    Ok(Judged { item: key, synthetic: row.synthetic, past })
}
