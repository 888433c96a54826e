//! What to label next: items that stand for many while there are few labels, then those about which
//! the model is most in doubt; near-duplicates share a task.

use insitu_measure::propagation::near_duplicates;
use insitu_measure::sampling::{Queue, Uncertainty, most, typical_seeds, uncertainty};
use insitu_measure::{MeasureError, Probabilities};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::project::Project;
use serde::Serialize;

use super::LISTED_MAX;
use super::alike::{ALIKE, Likeness, point};
use super::preview::{Shown, preview};
use super::snapshot::{Snapshot, Waiting, probabilities};
use crate::item::CleanItem;
use crate::store::items::{ItemRow, Stage};
use crate::store::{Store, StoreError};

/// With fewer labels than this for each class, typical items come first.
pub(crate) const TYPICAL_LABELS_PER_CLASS: usize = 10;
/// Items whose content is compared.
const CANDIDATES_MAX: usize = 500;
/// Equal items give equal choices.
const SEED: u64 = 1;

/// The strategy that ordered the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Strategy {
    /// The most typical item of each cluster, largest cluster first.
    Typical,
    /// The smallest distance between the two likeliest classes first.
    #[default]
    Margin,
}

/// Unlabeled items, the most useful first.
#[derive(Debug, Default, Serialize)]
pub(super) struct Next {
    strategy: Strategy,
    /// Unlabeled items among which was chosen.
    waiting: usize,
    /// Labels of record at the site.
    labels: usize,
    /// Why there is no order.
    undefined: Option<String>,
    items: Vec<Task>,
}

/// An item to label.
#[derive(Debug, Serialize)]
struct Task {
    item: Fixed<16>,
    /// The prelabel's class.
    suggested: u16,
    /// How sure the prelabel is.
    confidence: f64,
    /// Distance between the two likeliest classes, in [0, 1].
    margin: f64,
    /// Near-duplicates among the candidates, which share the task.
    alike: usize,
    /// The queue in which it waits.
    queue: &'static str,
    values: Vec<Shown>,
}

/// An item that may be chosen.
struct Candidate {
    row: ItemRow,
    content: CleanItem,
    /// Position in the snapshot.
    at: usize,
}

impl Next {
    /// The items that are listed.
    pub(super) fn listed(&self) -> impl Iterator<Item = [u8; 16]> {
        self.items.iter().map(|task| task.item.0)
    }

    pub(super) fn of(snapshot: &Snapshot, store: &Store) -> Result<Self, StoreError> {
        let project = &snapshot.project.definition;
        let labels = snapshot.labeled.iter().filter(|item| item.record.is_some()).count();
        let few = labels < TYPICAL_LABELS_PER_CLASS * snapshot.classes();
        let typical = few && !project.features.is_empty();
        let strategy = if typical { Strategy::Typical } else { Strategy::Margin };
        let waiting = snapshot.waiting.len();
        let empty = Self { strategy, waiting, labels, ..Self::default() };
        if waiting == 0 {
            let why = "no prelabeled item waits for its first label".to_owned();
            return Ok(Self { undefined: Some(why), ..empty });
        }
        let chosen = || -> Result<_, MeasureError> {
            let mut table = Vec::new();
            for item in &snapshot.waiting {
                let known = item.probabilities.as_deref();
                probabilities(&item.prelabel, known, snapshot.classes(), &mut table);
            }
            let model = Probabilities::new(snapshot.classes(), &table)?;
            Ok(uncertainty(model, Uncertainty::Margin))
        };
        let doubt = match chosen() {
            Ok(doubt) => doubt,
            Err(error) => return Ok(Self { undefined: Some(error.to_string()), ..empty }),
        };
        let wanted = match strategy {
            Strategy::Margin => most(&doubt, CANDIDATES_MAX),
            Strategy::Typical => spread(waiting),
        };
        let candidates = load(store, &snapshot.waiting, &wanted)?;
        let tasks = order(strategy, &candidates, project).and_then(|order| {
            let likeness = Likeness::new(project)?;
            let signatures: Vec<Vec<u32>> =
                candidates.iter().map(|item| likeness.signature(&item.content)).collect();
            let group = near_duplicates(&signatures, ALIKE)?;
            let mut queue = Queue::new(group, LISTED_MAX);
            let tasks = queue.take(&order, LISTED_MAX)?;
            let task = |&at: &u32| {
                let candidate = &candidates[at as usize];
                task(candidate, project, 1.0 - doubt[candidate.at], &snapshot.waiting)
                    .sharing(queue.sharing(at as usize).count())
            };
            Ok(tasks.iter().map(task).collect())
        });
        Ok(match tasks {
            Ok(items) => Self { items, ..empty },
            Err(error) => Self { undefined: Some(error.to_string()), ..empty },
        })
    }
}

/// Positions over the whole of what waits, at most [`CANDIDATES_MAX`].
fn spread(waiting: usize) -> Vec<usize> {
    let count = waiting.min(CANDIDATES_MAX);
    (0..count).map(|at| at * waiting / count).collect()
}

fn load(
    store: &Store,
    waiting: &[Waiting],
    wanted: &[usize],
) -> Result<Vec<Candidate>, StoreError> {
    let mut candidates = Vec::with_capacity(wanted.len());
    for step in wanted.chunks(128) {
        store.read("quality candidates", |tx| {
            for &at in step {
                let Some(row) = tx.item(waiting[at].item)? else { continue };
                let content = CleanItem::load(&row)?;
                candidates.push(Candidate { row, content, at });
            }
            Ok::<_, StoreError>(())
        })?;
    }
    Ok(candidates)
}

/// Positions of candidates, most wanted first.
fn order(
    strategy: Strategy,
    candidates: &[Candidate],
    project: &Project,
) -> Result<Vec<u32>, MeasureError> {
    let count = candidates.len();
    let order = match strategy {
        Strategy::Margin => (0..count).collect(), // as they were asked for
        Strategy::Typical => {
            let dimensions = project.features.iter().map(|feature| feature.bin_count()).sum();
            let points: Vec<f64> =
                candidates.iter().flat_map(|item| point(&item.content, project)).collect();
            // Twice as many as are shown, for near-duplicates fall out.
            typical_seeds(dimensions, &points, count.min(2 * LISTED_MAX), SEED)?
        }
    };
    Ok(order.into_iter().filter_map(|at| u32::try_from(at).ok()).collect())
}

fn task(candidate: &Candidate, project: &Project, margin: f64, waiting: &[Waiting]) -> Task {
    let prelabel = &waiting[candidate.at].prelabel;
    Task {
        item: Fixed(candidate.row.opaque),
        // What waits in a snapshot has a class.
        suggested: prelabel.class().unwrap_or_default(),
        confidence: prelabel.confidence(),
        margin,
        alike: 0,
        queue: if candidate.row.stage == Stage::Expert { "expert" } else { "annotator" },
        values: preview(&candidate.content, project),
    }
}

impl Task {
    fn sharing(self, alike: usize) -> Self {
        Self { alike, ..self }
    }
}
