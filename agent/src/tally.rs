//! Tallies: exact statistics over corrections and items. They never leave; a `Release` made from
//! one does.
//!
//! A statistics window takes the items that no earlier window took: by labels, those that have all
//! the labels they need; by import, all. Windows are disjoint in items, so one subject is in as
//! many windows as its items, and in each window with one item at most.
//!
//! Labels are taken as given: neighbouring stores differ in one subject and all that is its own.
//! Whom people label next, and for which items a campaign has room, may depend on who else is
//! there; that is a part of how the data came about, and not of what is released about them.

use insitu_privacy::SquaredSensitivity;
use insitu_privacy::contribution::{ContributionKey, ItemRef, ItemsPerSubject, SubjectRef, select};
use insitu_privacy::statistics::Statistic;
use insitu_protocol::ids::ProjectName;
use insitu_protocol::order::CampaignOrder;
use insitu_protocol::project::Project;
use insitu_protocol::release::Body;

use crate::item::CleanItem;
use crate::prelabel::Prelabel;
use crate::prelabel::personal::of_bundle;
use crate::review::{Correction, item_ref, reads};
use crate::route::label_of_record;
use crate::store::acceptance::Audit;
use crate::store::items::{ItemRow, Stage, WindowItem};
use crate::store::labels::{Reading, Verdict};
use crate::store::orders::ProjectRow;
use crate::store::{StoreError, Tx};

/// What is known of a tally before anything is counted: enough to draw its noise ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// How far one subject can move the counts.
    pub sensitivity: SquaredSensitivity,
    /// The price of the release.
    pub nano_rho: u64,
    /// How many counts there are.
    pub values: usize,
}

/// Exact statistics of one kind, with what is needed to price and name their release.
#[derive(Clone)]
pub struct Tally {
    project: ProjectName,
    project_version: u32,
    body: Body,
    counts: Vec<i64>,
    sensitivity: SquaredSensitivity,
    nano_rho: u64,
    origin: String,
}

impl std::fmt::Debug for Tally {
    /// Without the counts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tally({}, {:?})", self.project, self.body)
    }
}

impl Tally {
    /// For `learn`, whose counts are fixed-point sums of gradients.
    pub(crate) fn of_gradient(
        project: &Project,
        body: Body,
        sum: &insitu_privacy::clip::ClippedSum,
        nano_rho: u64,
        origin: String,
    ) -> Self {
        Self {
            project: project.name.clone(),
            project_version: project.version,
            body,
            counts: sum.values(),
            sensitivity: sum.shape().sensitivity(),
            nano_rho,
            origin,
        }
    }

    /// For `learn`, whose counts say how right two heads are.
    pub(crate) fn of_evaluation(
        project: &Project,
        body: Body,
        counts: Vec<i64>,
        outline: Outline,
        origin: String,
    ) -> Self {
        Self {
            project: project.name.clone(),
            project_version: project.version,
            body,
            counts,
            sensitivity: outline.sensitivity,
            nano_rho: outline.nano_rho,
            origin,
        }
    }

    /// The project.
    pub fn project(&self) -> &ProjectName {
        &self.project
    }

    /// Its version.
    pub fn project_version(&self) -> u32 {
        self.project_version
    }

    /// What is counted.
    pub fn body(&self) -> Body {
        self.body
    }

    /// The exact values. They must not leave without noise.
    pub fn counts(&self) -> &[i64] {
        &self.counts
    }

    /// How far one subject can move the counts.
    pub fn sensitivity(&self) -> SquaredSensitivity {
        self.sensitivity
    }

    /// The price of its release.
    pub fn nano_rho(&self) -> u64 {
        self.nano_rho
    }

    /// What was known of it before it was counted.
    pub fn outline(&self) -> Outline {
        Outline {
            sensitivity: self.sensitivity,
            nano_rho: self.nano_rho,
            values: self.counts.len(),
        }
    }

    /// What it was computed from, in words for the steward.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

/// A window's tallies, and the items that it takes.
#[derive(Clone, Debug)]
pub struct Window {
    /// Its number.
    pub number: u32,
    /// Confusion, coincidence, calibration, drift.
    pub tallies: [Tally; 4],
    /// Items whose labels it takes.
    pub labeled: Vec<i64>,
    /// Items whose import it takes.
    pub imported: Vec<i64>,
}

/// What a window of this project will release: confusion, coincidence, calibration, drift.
pub fn window_outlines(project: &Project) -> [Outline; 4] {
    let plan = &project.statistics;
    let cells = project.classes.len() * project.classes.len();
    let features = u32::try_from(project.features.len()).unwrap_or(u32::MAX);
    let outline = |statistic: Statistic, nano_rho, values| Outline {
        sensitivity: statistic.sensitivity(ItemsPerSubject::ONE),
        nano_rho,
        values,
    };
    [
        outline(Statistic::Confusion, plan.confusion_nano_rho, cells),
        outline(Statistic::Coincidence, plan.coincidence_nano_rho, cells),
        outline(
            Statistic::Calibration,
            plan.calibration_nano_rho,
            usize::from(plan.calibration_bins) * 2,
        ),
        outline(Statistic::Drift { features }, plan.drift_nano_rho, project.drift_bins()),
    ]
}

/// What the answer to a campaign will be.
pub fn campaign_outline(order: &CampaignOrder) -> Outline {
    let sensitivity = Statistic::Campaign.sensitivity(ItemsPerSubject::ONE);
    Outline { sensitivity, nano_rho: order.nano_rho, values: 3 }
}

/// Counts what the open window of a project would release if it closed now.
///
/// # Errors
/// [`StoreError`].
pub fn window(tx: &Tx<'_>, row: &ProjectRow) -> Result<Window, StoreError> {
    let project = &row.definition;
    let labeled = tx.items_for_labels(row.project)?;
    let imported = tx.items_for_drift(row.project)?;
    let key = contribution_key(tx);
    let name = |kind: &str| format!("{kind}/{}/{}", project.name, row.window).into_bytes();
    let pick = |kind, items: &[WindowItem]| -> Vec<WindowItem> {
        let refs: Vec<_> = items.iter().map(reference).collect();
        let kept = select(&key, &name(kind), ItemsPerSubject::ONE, &refs);
        kept.into_iter().map(|at| items[at]).collect()
    };
    let mut labels = LabelCounts::new(project);
    for item in pick("labels", &labeled) {
        let stored =
            tx.item(item.item)?.ok_or(StoreError::Corrupt { table: "items", column: "item" })?;
        if let Some(correction) = Correction::load(tx, &stored)? {
            labels.add(&correction);
        }
    }
    let mut drift = vec![0; project.drift_bins()];
    let counted = pick("drift", &imported);
    for item in &counted {
        let stored =
            tx.item(item.item)?.ok_or(StoreError::Corrupt { table: "items", column: "item" })?;
        add_bins(project, &CleanItem::load(&stored)?, &mut drift);
    }
    let imported_origin = format!(
        "{} items imported, of them {} counted (one a subject)",
        imported.len(),
        counted.len()
    );
    let keys = |items: Vec<WindowItem>| items.into_iter().map(|item| item.item).collect();
    Ok(Window {
        number: row.window,
        tallies: tallies(row, labels, drift, imported_origin),
        labeled: keys(labeled),
        imported: keys(imported),
    })
}

fn tallies(
    row: &ProjectRow,
    labels: LabelCounts,
    drift: Vec<i64>,
    imported_origin: String,
) -> [Tally; 4] {
    let project = &row.definition;
    let window = row.window;
    let tally = |body, counts: Vec<i64>, outline: Outline, origin: String| Tally {
        project: project.name.clone(),
        project_version: project.version,
        body,
        counts,
        sensitivity: outline.sensitivity,
        nano_rho: outline.nano_rho,
        origin,
    };
    let corrected = format!("{} corrected items (one a subject)", labels.corrections);
    let classified =
        format!("{} items corrected from class to class (one a subject)", labels.classified);
    let pairs = format!("{} items read twice (one a subject)", labels.pairs);
    let [confusion, coincidence, calibration, drift_outline] = window_outlines(project);
    [
        tally(Body::Confusion { window }, labels.confusion, confusion, classified),
        tally(Body::Coincidence { window }, labels.coincidence, coincidence, pairs),
        tally(Body::Calibration { window }, labels.calibration, calibration, corrected),
        tally(Body::Drift { window }, drift, drift_outline, imported_origin),
    ]
}

/// What a campaign queues of the items that its selector matches, given oldest first: one item of
/// each subject, up to the campaign's limit. Were it more, one subject with many items would decide
/// how many of the others are left out.
pub fn campaign_queue(tx: &Tx<'_>, order: &CampaignOrder, matched: &[WindowItem]) -> Vec<i64> {
    let refs: Vec<_> = matched.iter().map(reference).collect();
    let kept = select(&contribution_key(tx), &campaign_name(order), ItemsPerSubject::ONE, &refs);
    let limit = usize::try_from(order.items_max).unwrap_or(usize::MAX);
    kept.into_iter().take(limit).map(|at| matched[at].item).collect()
}

/// Progress of a campaign, `[waiting, kept, changed]`: kept, if the answer says the same as the label
/// of record before it, or else as the prelabel; changed, if it says something else, or there was
/// neither. Labels of every kind count here. Unless `answered` it counts nothing: a
/// campaign that was declined, or matched nothing, answers like any other.
///
/// One subject adds 1 to one cell, and may have taken the last place in [`campaign_queue`] from one
/// other: [`Statistic::Campaign`].
///
/// # Errors
/// [`StoreError`].
pub fn campaign(
    tx: &Tx<'_>,
    row: &ProjectRow,
    order: &CampaignOrder,
    answered: bool,
) -> Result<Tally, StoreError> {
    let items = if answered { tx.campaign_items(&order.campaign)? } else { Vec::new() };
    let mut refs = Vec::with_capacity(items.len());
    let mut outcomes = Vec::with_capacity(items.len());
    for item in &items {
        let stored =
            tx.item(*item)?.ok_or(StoreError::Corrupt { table: "items", column: "item" })?;
        refs.push((SubjectRef(stored.subject), ItemRef(item_ref(&stored.opaque))));
        outcomes.push(outcome(tx, order, &stored)?);
    }
    let kept = select(&contribution_key(tx), &campaign_name(order), ItemsPerSubject::ONE, &refs);
    let outline = campaign_outline(order);
    let mut counts = vec![0; outline.values];
    for at in &kept {
        counts[outcomes[*at]] += 1;
    }
    Ok(Tally {
        project: row.definition.name.clone(),
        project_version: row.definition.version,
        body: Body::Campaign { campaign: order.campaign },
        counts,
        sensitivity: outline.sensitivity,
        nano_rho: outline.nano_rho,
        origin: format!(
            "{} items queued, of them {} counted (one a subject)",
            items.len(),
            kept.len()
        ),
    })
}

/// Which cell of `[waiting, kept, changed]` an item of a campaign adds to.
fn outcome(tx: &Tx<'_>, order: &CampaignOrder, item: &ItemRow) -> Result<usize, StoreError> {
    let annotations = tx.annotations_of(item.item)?;
    let reads = reads(&annotations)?;
    let answer = annotations.iter().position(|annotation| {
        annotation.reading == Reading::Campaign
            && annotation.verdict == Verdict::Label
            && annotation.campaign == Some(order.campaign.0)
    });
    // An answer that waits for a reviewer is no answer yet.
    let Some(answer) = answer.filter(|_| item.stage != Stage::Review) else { return Ok(0) };
    let prelabel = of_bundle(item)?;
    // Whether somebody has read what was spared an audit depends on what was found for others.
    let record = label_of_record(&reads[..answer]).filter(|_| item.audit != Audit::Spared);
    let before = record.or_else(|| prelabel.as_ref().map(Prelabel::label));
    let kept = before.zip(reads[answer].label.as_ref()).is_some_and(|(a, b)| a.agrees(b));
    Ok(if kept { 1 } else { 2 })
}

/// Confusion, coincidence and calibration, counted together. The first two count classes: in a
/// project whose labels are of another kind they are zero, and are released with their noise, shape
/// and price all the same. Calibration counts labels of every kind.
struct LabelCounts {
    classes: usize,
    bins: usize,
    confusion: Vec<i64>,
    coincidence: Vec<i64>,
    calibration: Vec<i64>,
    corrections: u64,
    classified: u64,
    pairs: u64,
}

impl LabelCounts {
    fn new(project: &Project) -> Self {
        let classes = project.classes.len();
        let bins = usize::from(project.statistics.calibration_bins);
        Self {
            classes,
            bins,
            confusion: vec![0; classes * classes],
            coincidence: vec![0; classes * classes],
            calibration: vec![0; bins * 2],
            corrections: 0,
            classified: 0,
            pairs: 0,
        }
    }

    fn add(&mut self, correction: &Correction) {
        let class = |class: u16| usize::from(class).min(self.classes - 1);
        let bin = confidence_bin(correction.confidence(), self.classes, self.bins);
        self.calibration[bin * 2 + usize::from(correction.is_kept())] += 1;
        self.corrections += 1;
        if let Some((prelabel, record)) = correction.classes() {
            self.confusion[class(prelabel) * self.classes + class(record)] += 1;
            self.classified += 1;
        }
        if let Some((first, second)) = correction.pair() {
            self.coincidence[class(first) * self.classes + class(second)] += 1;
            self.pairs += 1;
        }
    }
}

/// Equal-width bins between `1/classes` and 1; what lies outside falls into the nearest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped to 0 to bins - 1, at most 63; NaN becomes 0"
)]
pub(crate) fn confidence_bin(confidence: f64, classes: usize, bins: usize) -> usize {
    let chance = 1.0 / classes as f64;
    let place = (confidence - chance) / (1.0 - chance) * bins as f64;
    place.clamp(0.0, (bins - 1) as f64) as usize
}

/// Adds 1 to one bin of each feature.
fn add_bins(project: &Project, item: &CleanItem, drift: &mut [i64]) {
    let mut start = 0;
    for (feature, bin) in project.features.iter().zip(item.bins(project)) {
        drift[start + bin] += 1;
        start += feature.bin_count();
    }
}

fn campaign_name(order: &CampaignOrder) -> Vec<u8> {
    [b"campaign/", order.campaign.0.as_slice()].concat()
}

fn reference(item: &WindowItem) -> (SubjectRef, ItemRef) {
    (SubjectRef(item.subject), ItemRef(item_ref(&item.opaque)))
}

/// The key of every selection of this store.
pub(crate) fn contribution_key(tx: &Tx<'_>) -> ContributionKey {
    ContributionKey::new(tx.derived_key("contribution"))
}
