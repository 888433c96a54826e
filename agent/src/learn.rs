//! Learning: the clipped gradient of a head over the site's corrections, for one training round, or
//! the sums of which a round makes a head at once.
//!
//! Only the head learns, over a backbone that the steward approved and that is in use. A subject's
//! items are one gradient, clipped as one, and so are all words of its texts; hold-out items never take
//! part. They say instead how right
//! one head is, and another ([`evaluation`]).

pub mod evaluation;
pub mod kept;
pub mod personal;

use std::borrow::Cow;
use std::collections::VecDeque;

use insitu_models::calibration::CalibrationError;
use insitu_models::class_means;
use insitu_models::head::{Head, HeadError, HeadKind, HeadShape, Target};
use insitu_models::personal::Item;
use insitu_models::text::words::Words;
use insitu_models::tokens::{Span, tag};
use insitu_privacy::clip::{ClipError, ClipShape, ClippedSum};
use insitu_privacy::contribution::{ItemRef, ItemsPerSubject, SubjectRef, select};
use insitu_protocol::ids::Digest;
use insitu_protocol::order::RoundOrder;
use insitu_protocol::release::Body;

use crate::item::CleanItem;
use crate::label::{self, Label};
use crate::learn::kept::{Features, Kept, Revision};
use crate::prelabel::Model;
use crate::review::{item_ref, reads};
use crate::route::label_of_record;
use crate::store::items::Stage;
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError};
use crate::tally::{Outline, Tally, contribution_key};

/// Most items of a subject in its gradient: the clipping bounds what they do together.
const ITEMS_PER_SUBJECT: u32 = 5;
/// Items whose features are in memory at once, when no subject has more. Of texts with a row for each
/// word it is those of one subject.
const BATCH_ITEMS: usize = 256;
/// Rows read in one transaction.
const PAGE_ROWS: u32 = 256;

/// Why a round is not computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearnError {
    /// The round names another backbone than the one in use.
    #[error("the round is for backbone {ordered}, in use is {active}")]
    Backbone {
        /// Named by the round.
        ordered: Digest,
        /// In use.
        active: Digest,
    },
    /// The round's head has another shape than the model in use.
    #[error("a head of {classes} x {features} does not fit the model in use")]
    Shape {
        /// Rows of the round's head.
        classes: u16,
        /// Columns of the round's head.
        features: u32,
    },
    /// The head's bytes.
    #[error("the round's head is refused")]
    Head(#[from] HeadError),
    /// A head's calibration.
    #[error("a calibration is refused")]
    Calibration(#[from] CalibrationError),
    /// A head of a kind that no site fits for itself.
    #[error("a site fits no {kind} head of its own")]
    NotPersonal {
        /// The kind.
        kind: HeadKind,
    },
    /// Another version of the project than the site's.
    #[error("the order is for version {ordered} of the project, this site has {ours}")]
    Version {
        /// Named by the order.
        ordered: u32,
        /// The site's.
        ours: u32,
    },
    /// Class means were asked for where the head in use has no such form.
    #[error("class means make a softmax head, in use is one of {kind}")]
    NotClassMeans {
        /// The kind in use.
        kind: HeadKind,
    },
    /// The clipping.
    #[error("the round's clipping is refused")]
    Clip(#[from] ClipError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl LearnError {
    /// Whether the same round can succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(_) => true,
            Self::Backbone { .. }
            | Self::Shape { .. }
            | Self::Head(_)
            | Self::Calibration(_)
            | Self::NotPersonal { .. }
            | Self::NotClassMeans { .. }
            | Self::Version { .. }
            | Self::Clip(_) => false,
        }
    }
}

impl LearnError {
    /// The reason in a word, as it is counted in metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Backbone { .. } => "other-backbone",
            Self::Shape { .. } => "shape",
            Self::Head(HeadError::NotFinite { .. }) => "not-finite",
            Self::Head(_) => "head",
            Self::Calibration(_) => "calibration",
            Self::NotPersonal { .. } | Self::NotClassMeans { .. } => "kind",
            Self::Version { .. } => "version",
            Self::Clip(_) => "clip",
            Self::Store(_) => "store",
        }
    }
}

/// An item that is learned from.
struct Lesson {
    item: i64,
    revision: Revision,
    subject: [u8; 32],
    truth: Truth,
}

/// The label of record, as heads learn from it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Truth {
    Class(usize),
    Classes(Vec<u16>),
    Marks(Marks),
}

/// Spans of a text, and what they say of its words once these are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Marks {
    spans: Vec<Span>,
    tags: Vec<u16>,
    /// Spans that no tags can say.
    left_out: usize,
    /// Whether the words are the whole text's.
    whole: bool,
}

/// An item that is learned from, with its features.
struct Studied<'a> {
    features: Cow<'a, [f32]>,
    truth: Truth,
}

impl Truth {
    /// Of an item's label; marks in an image or a series train no head.
    fn of(label: &Label) -> Option<Self> {
        match label {
            Label::Class(class) => Some(Self::Class(usize::from(*class))),
            Label::Classes(classes) => Some(Self::Classes(classes.clone())),
            Label::Spans(label) => {
                let place = |place: u32| usize::try_from(place).ok();
                let span = |span: &label::Span| {
                    let class = usize::from(span.class);
                    Some(Span { start: place(span.start)?, end: place(span.end)?, class })
                };
                let spans = label.spans().iter().filter_map(span).collect();
                Some(Self::Marks(Marks { spans, ..Marks::default() }))
            }
            Label::Regions(_) | Label::Segments(_) => None,
        }
    }

    fn target(&self) -> Target<'_> {
        match self {
            Self::Class(class) => Target::Class(*class),
            Self::Classes(classes) => Target::Classes(classes),
            Self::Marks(marks) => Target::Tags(&marks.tags),
        }
    }
}

/// What the answer to a round will be.
///
/// # Errors
/// [`ClipError`] for a clipping that no round may have.
pub fn outline(order: &RoundOrder) -> Result<Outline, ClipError> {
    let shape = clip_shape(order, order.parameters())?;
    Ok(Outline {
        sensitivity: shape.sensitivity(),
        nano_rho: order.nano_rho,
        values: shape.dimensions(),
    })
}

/// What a round asks of each subject.
enum Asked {
    /// The gradient of its items at this head.
    Gradient(Head),
    /// The features of its items, added up by class.
    ClassSums(HeadShape),
}

impl Asked {
    /// Values of it.
    fn values(&self) -> usize {
        match self {
            Self::Gradient(head) => head.weights().len(),
            Self::ClassSums(shape) => shape.parameters(),
        }
    }

    /// Adds a subject's part. One that cannot be computed (a feature that is not finite, a class that
    /// the head lacks) counts as zero.
    fn add(&self, sum: &mut ClippedSum, items: &[Item<'_>]) -> Result<(), ClipError> {
        let added = match self {
            Self::Gradient(head) => head.add_clipped(items, sum),
            Self::ClassSums(shape) => {
                let part = class_means::of_subject(*shape, items.iter().copied());
                part.map(|part| sum.add(&part))
            }
        };
        added.map_or(Ok(()), |added| added.map(drop))
    }
}

/// The sum of the subjects' clipped parts: gradients at the round's head, or sums by class. What is
/// kept of earlier rounds spares time and changes nothing.
///
/// # Errors
/// [`LearnError`].
pub fn update(
    store: &Store,
    model: &mut Model,
    kept: &mut Kept,
    project: &ProjectRow,
    order: &RoundOrder,
) -> Result<Tally, LearnError> {
    let asked = asked(model, order)?;
    let shape = clip_shape(order, asked.values())?;
    // Every round of a run takes the same items, as far as they were corrected by then.
    let name = [b"run/", order.run.0.as_slice()].concat();
    let limit = ItemsPerSubject::new(ITEMS_PER_SUBJECT).unwrap_or(ItemsPerSubject::ONE);
    let lessons = lessons(store, project, false, &name, limit)?;
    let count = lessons.len();
    let mut sum = ClippedSum::new(shape);
    let (mut spans, mut left_out) = (0, 0);
    for batch in batches(&lessons, batch_items(model)) {
        let studied = study(store, model, kept, batch)?;
        let mut all = studied.iter();
        for of_subject in batch.chunk_by(|a, b| a.subject == b.subject) {
            let own = all.by_ref().take(of_subject.len());
            let pairs: Vec<Item<'_>> =
                own.map(|item| (&item.features[..], item.truth.target())).collect();
            asked.add(&mut sum, &pairs)?;
        }
        for item in &studied {
            if let Truth::Marks(marks) = &item.truth {
                spans += marks.spans.len();
                left_out += marks.left_out;
            }
        }
    }
    let mut origin =
        format!("{count} corrected items of {} subjects, hold-out excluded", sum.subjects());
    if let Asked::ClassSums(_) = asked {
        origin.push_str(", added up by class");
    }
    if left_out > 0 {
        let text = format!("; of {spans} spans {left_out} are in no words of their own");
        origin.push_str(&text);
    }
    let body = Body::Update { run: order.run, round: order.round };
    Ok(Tally::of_gradient(&project.definition, body, &sum, order.nano_rho, origin))
}

fn clip_shape(order: &RoundOrder, dimensions: usize) -> Result<ClipShape, ClipError> {
    let clip = f64::from(order.clip_milli) / 1000.0;
    ClipShape::new(dimensions, clip, u32::from(order.fraction_bits))
}

fn asked(model: &Model, order: &RoundOrder) -> Result<Asked, LearnError> {
    let manifest = model.manifest();
    if manifest.backbone.digest != order.backbone {
        return Err(LearnError::Backbone {
            ordered: order.backbone,
            active: manifest.backbone.digest,
        });
    }
    let (classes, features) = (manifest.classes.len(), manifest.features);
    let fits = usize::from(order.classes) == classes
        && usize::try_from(order.features).is_ok_and(|ordered| ordered == features);
    if !fits {
        return Err(LearnError::Shape { classes: order.classes, features: order.features });
    }
    if !order.asks_for_class_sums() {
        return Ok(Asked::Gradient(manifest.shape().decode(&order.head.0)?));
    }
    match manifest.kind {
        HeadKind::Softmax => Ok(Asked::ClassSums(manifest.shape())),
        kind @ (HeadKind::Adapter { .. } | HeadKind::MultiLabel | HeadKind::Tokens) => {
            Err(LearnError::NotClassMeans { kind })
        }
    }
}

/// Corrected items that are held out, or are not, ordered by subject: of each at most `limit`, chosen
/// for the occasion `name`.
fn lessons(
    store: &Store,
    project: &ProjectRow,
    holdout: bool,
    name: &[u8],
    limit: ItemsPerSubject,
) -> Result<Vec<Lesson>, StoreError> {
    let mut lessons = Vec::new();
    let mut references = Vec::new();
    let mut last = 0;
    loop {
        let done = store.read("corrections", |tx| {
            let keys = tx.labeled_items(project.project, holdout, last, PAGE_ROWS)?;
            for key in &keys {
                last = *key;
                let Some(row) = tx.item(*key)? else { continue };
                if row.stage == Stage::Expert {
                    continue; // its readers disagree, or one of them flagged it
                }
                let reads = reads(&tx.annotations_of(*key)?)?;
                let Some(truth) = label_of_record(&reads).and_then(Truth::of) else { continue };
                references.push((SubjectRef(row.subject), ItemRef(item_ref(&row.opaque))));
                let (revision, subject) = (Revision::of(&row), row.subject);
                lessons.push(Lesson { item: *key, revision, subject, truth });
            }
            Ok::<_, StoreError>(keys.is_empty())
        })?;
        if done {
            break;
        }
    }
    let key = store.read("contribution", |tx| Ok::<_, StoreError>(contribution_key(tx)))?;
    let mut kept = select(&key, name, limit, &references).into_iter().peekable();
    let mut at = 0;
    lessons.retain(|_| {
        let keep = kept.next_if_eq(&at).is_some();
        at += 1;
        keep
    });
    lessons.sort_by_key(|lesson| (lesson.subject, lesson.item));
    Ok(lessons)
}

/// The items of lessons, in their order.
fn items<'a>(
    store: &Store,
    lessons: impl IntoIterator<Item = &'a Lesson>,
) -> Result<Vec<CleanItem>, StoreError> {
    store.read("features", |tx| {
        let load = |lesson: &Lesson| {
            let row = tx.item(lesson.item)?.filter(|row| Revision::of(row) == lesson.revision);
            // It has gone meanwhile: whoever asked begins anew.
            let row = row.ok_or(StoreError::Corrupt { table: "items", column: "item" })?;
            CleanItem::load(&row)
        };
        lessons.into_iter().map(load).collect()
    })
}

/// Lessons with their items' features, in their order: those that are kept, and the others, which
/// are made, and kept as far as there is room.
fn study<'a>(
    store: &Store,
    model: &mut Model,
    kept: &'a mut Kept,
    lessons: &[Lesson],
) -> Result<Vec<Studied<'a>>, LearnError> {
    let bundle = model.bundle();
    let unknown = |lesson: &&Lesson| !kept.has(bundle, lesson.revision);
    let unknown: Vec<&Lesson> = lessons.iter().filter(unknown).collect();
    let mut left = VecDeque::new();
    for (item, lesson) in items(store, unknown.iter().copied())?.iter().zip(unknown) {
        left.extend(kept.keep(bundle, lesson.revision, features(model, item)));
    }
    let kept = &*kept;
    let studied = |lesson: &Lesson| {
        let found = kept.get(bundle, lesson.revision).or_else(|| left.pop_front());
        let Features { numbers, words } = found.expect("made above, and kept or left");
        let mut truth = lesson.truth.clone();
        if let (Truth::Marks(marks), Some((ranges, whole))) = (&mut truth, words) {
            let tagged = tag(&ranges, &marks.spans);
            (marks.tags, marks.left_out, marks.whole) = (tagged.tags, tagged.left_out, whole);
        }
        Studied { features: numbers, truth }
    };
    Ok(lessons.iter().map(studied).collect())
}

/// What the backbone makes of an item. One that it fails on has features that are not numbers, which
/// count as zero: were the answer to fail, its absence would tell of the subject.
fn features(model: &mut Model, item: &CleanItem) -> Features<'static> {
    let width = model.manifest().features;
    let none = || vec![f32::NAN; width].into();
    if model.manifest().kind != HeadKind::Tokens {
        return Features {
            numbers: model.features_of(item).map_or_else(none, Cow::from),
            words: None,
        };
    }
    match model.words_of(item) {
        Some(Words { features, ranges, whole }) => {
            Features { numbers: features.into(), words: Some((ranges.into(), whole)) }
        }
        None => Features { numbers: none(), words: Some((Cow::default(), false)) },
    }
}

/// Items of a batch: a text of a head of tokens has as many rows as words.
fn batch_items(model: &Model) -> usize {
    if model.manifest().kind == HeadKind::Tokens { 1 } else { BATCH_ITEMS }
}

/// Runs of whole subjects with about so many items each.
fn batches(lessons: &[Lesson], items: usize) -> impl Iterator<Item = &[Lesson]> {
    let mut rest = lessons;
    std::iter::from_fn(move || {
        let mut end = rest.len().min(items);
        while end > 0 && end < rest.len() && rest[end].subject == rest[end - 1].subject {
            end += 1;
        }
        let (batch, after) = rest.split_at(end);
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_without_a_part_counts_as_zero() {
        let head = Head::new(2, 1, vec![0.0, 0.0]).unwrap();
        let class = Target::Class;
        for asked in [Asked::ClassSums(head.shape()), Asked::Gradient(head)] {
            let mut sum = ClippedSum::new(ClipShape::new(2, 1.0, 4).unwrap());
            asked.add(&mut sum, &[(&[1.0], class(0))]).unwrap();
            let before = sum.values();
            assert_ne!(before, [0, 0]);
            asked.add(&mut sum, &[(&[1.0], class(0)), (&[f32::NAN], class(1))]).unwrap();
            asked.add(&mut sum, &[(&[1.0], class(2))]).unwrap();
            asked.add(&mut sum, &[(&[1.0], Target::Classes(&[0]))]).unwrap();
            assert_eq!(sum.values(), before);
        }
    }

    #[test]
    fn batches_never_split_a_subject() {
        let lesson = |i: usize| Lesson {
            item: 0,
            revision: Revision::NONE,
            subject: [u8::try_from(i / 3 % 256).unwrap(); 32],
            truth: Truth::Class(0),
        };
        let lessons: Vec<Lesson> = (0..700).map(lesson).collect();
        let cut: Vec<&[Lesson]> = batches(&lessons, BATCH_ITEMS).collect();
        assert_eq!(cut.iter().map(|batch| batch.len()).sum::<usize>(), 700);
        for pair in cut.windows(2) {
            assert_ne!(pair[0].last().unwrap().subject, pair[1][0].subject);
            assert!(pair[0].len() <= BATCH_ITEMS + 2);
        }
        let mut alone = batches(&lessons, 1);
        assert!(alone.all(|batch| batch.iter().all(|lesson| lesson.subject == batch[0].subject)));
        assert_eq!(batches(&[], BATCH_ITEMS).count(), 0);
    }
}
