//! Which labels are probably wrong: confident learning on labels of record and the prelabels that
//! they answer.

use insitu_measure::label_errors::{ConfidentLearning, Filter, Quality, label_quality, ranked};
use insitu_measure::{MeasureError, Probabilities};
use insitu_protocol::bytes::Fixed;
use serde::Serialize;

use super::LISTED_MAX;
use super::preview::{Shown, preview};
use super::snapshot::{Labeled, Snapshot, probabilities};
use crate::item::CleanItem;
use crate::store::items::Stage;
use crate::store::{Store, StoreError, Tx};

/// Fewer labels than this say nothing about one another.
const LABELS_MIN: usize = 20;

/// Labels to look at again, the least believable first.
#[derive(Debug, Default, Serialize)]
pub(super) struct LabelErrors {
    /// Labels that were judged.
    labels: usize,
    /// How many of them are wrong, by confident learning's joint distribution.
    estimated: u64,
    /// Labels that its filter finds; the list has the first [`LISTED_MAX`] of them.
    found: usize,
    /// Why nothing was judged.
    undefined: Option<String>,
    items: Vec<Suspect>,
}

/// A label that is probably wrong.
#[derive(Debug, Serialize)]
struct Suspect {
    item: Fixed<16>,
    /// The label of record.
    label: u16,
    /// Who gave it.
    by: Vec<String>,
    /// When it was last given, Unix seconds.
    labeled_at: i64,
    /// The prelabel's class.
    suggested: u16,
    /// How sure the prelabel was.
    confidence: f64,
    /// Believability of the label: the probability that the model gave it, in [0, 1].
    quality: f64,
    /// The item waits for an expert already.
    queued: bool,
    values: Vec<Shown>,
}

impl LabelErrors {
    /// The items that are listed.
    pub(super) fn listed(&self) -> impl Iterator<Item = [u8; 16]> {
        self.items.iter().map(|suspect| suspect.item.0)
    }

    pub(super) fn of(snapshot: &Snapshot, store: &Store) -> Result<Self, StoreError> {
        let judged: Vec<&Labeled> = snapshot
            .labeled
            .iter()
            .filter(|item| item.record.is_some() && item.answered.is_some())
            .collect();
        let labels = judged.len();
        if labels < LABELS_MIN {
            let why = format!("{labels} labels answer a prelabel, {LABELS_MIN} are needed");
            return Ok(Self { labels, undefined: Some(why), ..Self::default() });
        }
        let found = match find(&judged, snapshot.classes()) {
            // A second reader is blind: the list must not tell what the first one said.
            Ok(found) => found.without(|at| judged[at].stage == Stage::Second),
            Err(error) => {
                let undefined = Some(error.to_string());
                return Ok(Self { labels, undefined, ..Self::default() });
            }
        };
        let items = store.read("quality suspects", |tx| {
            let listed = found.order.iter().take(LISTED_MAX);
            listed.map(|&(at, quality)| suspect(tx, snapshot, judged[at], quality)).collect()
        });
        let items: Vec<Option<Suspect>> = items?;
        let items = items.into_iter().flatten().collect();
        let Found { estimated, order } = found;
        Ok(Self { labels, estimated, found: order.len(), undefined: None, items })
    }
}

/// What confident learning finds.
struct Found {
    estimated: u64,
    /// Position and quality, the worst first.
    order: Vec<(usize, f64)>,
}

impl Found {
    fn without(mut self, hidden: impl Fn(usize) -> bool) -> Self {
        self.order.retain(|&(at, _)| !hidden(at));
        self
    }
}

fn find(judged: &[&Labeled], classes: usize) -> Result<Found, MeasureError> {
    let mut table = Vec::with_capacity(judged.len() * classes);
    let mut labels = Vec::with_capacity(judged.len());
    for item in judged {
        if let (Some(prelabel), Some(record)) = (&item.answered, item.record) {
            probabilities(prelabel, item.probabilities.as_deref(), classes, &mut table);
            labels.push(u32::from(record));
        }
    }
    let model = Probabilities::new(classes, &table)?;
    let fit = ConfidentLearning::new(&labels, model)?;
    let joint = fit.calibrated_joint();
    let right: u64 = (0..classes).map(|class| joint[class * classes + class]).sum();
    let estimated = joint.iter().sum::<u64>() - right;
    let found: Vec<usize> =
        fit.find(Filter::NoiseRate).into_iter().filter_map(|at| usize::try_from(at).ok()).collect();
    let quality = label_quality(&labels, model, Quality::SelfConfidence)?;
    let scores: Vec<f64> = found.iter().map(|&at| quality[at]).collect();
    let order = ranked(&scores).into_iter().map(|at| (found[at], scores[at])).collect();
    Ok(Found { estimated, order })
}

/// `None` when the item is gone meanwhile.
fn suspect(
    tx: &Tx<'_>,
    snapshot: &Snapshot,
    labeled: &Labeled,
    quality: f64,
) -> Result<Option<Suspect>, StoreError> {
    let (Some(label), Some(prelabel)) = (labeled.record, &labeled.answered) else {
        return Ok(None);
    };
    let Some(row) = tx.item(labeled.item)? else { return Ok(None) };
    let content = CleanItem::load(&row)?;
    let same = || labeled.past.iter().filter(|past| past.class() == Some(label));
    let gave = |person: i64| same().any(|past| past.person == person);
    Ok(Some(Suspect {
        item: Fixed(labeled.opaque),
        label,
        by: snapshot
            .people
            .iter()
            .filter(|person| gave(person.person))
            .map(|person| person.name.clone())
            .collect(),
        labeled_at: same().map(|past| past.made_at).max().unwrap_or_default(),
        suggested: prelabel.class().unwrap_or(label),
        confidence: prelabel.confidence(),
        quality,
        queued: row.stage == Stage::Expert,
        values: preview(&content, &snapshot.project.definition),
    }))
}
