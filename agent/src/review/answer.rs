//! Annotating an item, and taking an annotation back.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::sealed::{Made, Sealed};
use super::{
    COMMENT_CHARS_MAX, KEY_BYTES_MAX, LEASE_SECONDS, ReviewError, check_expert, check_labels,
    is_blind, lead, settle, staged,
};
use crate::item::CleanItem;
use crate::label::Label;
use crate::prelabel::Prelabel;
use crate::store::items::{ItemRow, Stage};
use crate::store::labels::{Action, AnnotationRow, Lease, Person, Reading, Verdict};
use crate::store::orders::ProjectRow;
use crate::store::trail::{Event, What};
use crate::store::{Store, StoreError, Tx};

/// What a person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The prelabel is right.
    Accept,
    /// This label instead, or without having seen a prelabel.
    Correct,
    /// Not this person, not now.
    Skip,
    /// Something is wrong or unclear.
    Flag,
}

/// A person's answer, as the client sends it.
#[derive(Clone, Debug)]
pub struct Annotation {
    /// The client's own name for it.
    pub key: String,
    /// The label; needed for accept and correct.
    pub label: Option<Label>,
    /// Active time spent.
    pub seconds: f32,
    /// What was decided.
    pub decision: Decision,
    /// Free text for the site's own people.
    pub comment: Option<String>,
    /// Whether the item looks real; asked beside synthetic items alone.
    pub looks_real: Option<bool>,
    /// Why it was skipped.
    pub reason: Option<Reason>,
}

/// Why an item was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Which label is right is not clear.
    Unclear,
    /// The item does not say enough.
    NotEnough,
    /// It is not of the kind that the project is about.
    WrongKind,
    /// What the comment says.
    Other,
}

/// Stores an annotation; `true` when it was stored before under the same key. The person has the item
/// leased, or had it last: what was decided out of the agent's reach is taken later, too, as long as
/// nobody else has taken the item and it waits for the same reading still.
///
/// # Errors
/// [`ReviewError::UnknownItem`], [`ReviewError::Leased`], [`ReviewError::NotLeased`],
/// [`ReviewError::KeyTaken`], [`ReviewError::Label`], [`ReviewError::Invalid`]; of a review
/// [`ReviewError::NotReviewer`], [`ReviewError::OwnLabel`].
pub fn annotate(
    store: &Store,
    person: &Person,
    item: &[u8; 16],
    annotation: &Annotation,
    now: i64,
) -> Result<bool, ReviewError> {
    store.tx("annotate", |tx| annotate_in(tx, person, item, annotation, now))
}

/// [`annotate`] in a transaction of the caller's, which must roll back on an error.
pub(crate) fn annotate_in(
    tx: &Tx<'_>,
    person: &Person,
    item: &[u8; 16],
    annotation: &Annotation,
    now: i64,
) -> Result<bool, ReviewError> {
    check(annotation)?;
    let row = tx.item_by_name(item)?.ok_or(ReviewError::UnknownItem)?;
    if let Some(known) = tx.annotation(person.person, &annotation.key)? {
        return if known.item == row.item { Ok(true) } else { Err(ReviewError::KeyTaken) };
    }
    let lease = lease_of(tx, person, &row, now)?;
    check_labels(person)?;
    if matches!(lease.reading, Reading::Expert | Reading::Campaign) {
        check_expert(person, now)?;
    }
    if lease.reading == Reading::Review {
        staged::check_reviewer(tx, person, &row, now)?;
    }
    add(tx, person.person, &row, &lease, annotation, now)?;
    tx.end_lease(row.item)?;
    if lease.reading.is_of_record() {
        settle(tx, row.item)?;
    }
    metrics::counter!("insitu_agent_annotations_total").increment(1);
    Ok(false)
}

/// Stores what was said elsewhere of an item that has a route: by an application's user, in an import, in a
/// Label Studio. It is a first reading without a lease, since nobody was asked, and replaces what the
/// person said of the item elsewhere before, or that they skipped it. What they said here stays, and
/// nothing changes where that is the same. Nothing has changed when it is refused.
///
/// # Errors
/// [`ReviewError::LabeledHere`]; [`ReviewError::Closed`] when it would replace what is part of released
/// statistics; [`ReviewError::Label`], [`ReviewError::Invalid`].
pub(crate) fn annotate_unasked(
    tx: &Tx<'_>,
    application: i64,
    row: &ItemRow,
    annotation: &Annotation,
    at: i64,
) -> Result<(), ReviewError> {
    check(annotation)?;
    let mut earlier = tx.annotations_of(row.item)?;
    // What the person was asked as an expert, say, stays.
    earlier.retain(|past| past.person == application && past.reading == Reading::First);
    for past in &earlier {
        if past.verdict != Verdict::Skip && !tx.is_said_elsewhere(past)? {
            let same = Sealed::decode(&past.label)?.label == annotation.label;
            return if same { Ok(()) } else { Err(ReviewError::LabeledHere) };
        }
    }
    if !earlier.is_empty()
        && let Some(window) = tx.label_window(row.item)?
    {
        return Err(ReviewError::Closed { window });
    }
    let reading = Reading::First;
    let unasked = Lease { item: row.item, person: application, reading, campaign: None, until: at };
    // The new one first: when it is refused, what was said before stays.
    add(tx, application, row, &unasked, annotation, at)?;
    for past in earlier {
        take_back(tx, &past)?;
    }
    settle(tx, row.item)?;
    metrics::counter!("insitu_agent_annotations_total").increment(1);
    Ok(())
}

/// Takes back what was said by [`annotate_unasked`]; nothing changes where it is gone already.
///
/// # Errors
/// [`ReviewError::Closed`] when the item's labels are part of released statistics.
pub(crate) fn retract_unasked(tx: &Tx<'_>, person: i64, key: &str) -> Result<(), ReviewError> {
    let Some(row) = tx.annotation(person, key)? else { return Ok(()) };
    if let Some(window) = tx.label_window(row.item)? {
        return Err(ReviewError::Closed { window });
    }
    take_back(tx, &row)?;
    settle(tx, row.item)?;
    Ok(())
}

/// Takes an annotation back, and leases the item to the person again where it waits for a reading that
/// the person may give.
///
/// # Errors
/// [`ReviewError::Role`]; [`ReviewError::UnknownAnnotation`]; [`ReviewError::Closed`] when the item's labels are part of
/// released statistics; [`ReviewError::Leased`] when somebody else has the item.
pub fn undo(store: &Store, person: &Person, key: &str, now: i64) -> Result<(), ReviewError> {
    check_labels(person)?;
    store.tx("undo", |tx| {
        let row = tx.annotation(person.person, key)?.ok_or(ReviewError::UnknownAnnotation)?;
        // No window counts a judgement beside synthetic items, nor an answer to gold.
        let window = match row.reading {
            Reading::Validation | Reading::Gold => None,
            Reading::First
            | Reading::Second
            | Reading::Expert
            | Reading::Campaign
            | Reading::Review => tx.label_window(row.item)?,
        };
        if let Some(window) = window {
            return Err(ReviewError::Closed { window });
        }
        let foreign = foreign_lease(tx, person, row.item, now)?;
        if let Some(error) = foreign {
            return Err(error);
        }
        take_back(tx, &row)?;
        let stage = if row.reading.is_of_record() {
            settle(tx, row.item)?
        } else {
            Stage::Done // where nothing that is not of record has moved it
        };
        let Some(reading) = reading_after(tx, person, &row, stage, now)? else { return Ok(()) };
        let (item, person, campaign) = (row.item, person.person, row.campaign);
        let until = now + LEASE_SECONDS;
        tx.put_lease(&Lease { item, person, reading, campaign, until }, now)?;
        Ok(())
    })
}

/// What the person may say next of an item in a stage, having taken a reading of it back: what the item
/// waits for now, if that is for this person.
fn reading_after(
    tx: &Tx<'_>,
    person: &Person,
    taken_back: &AnnotationRow,
    stage: Stage,
    now: i64,
) -> Result<Option<Reading>, StoreError> {
    // Sent back from a list: the item was not on the table.
    if taken_back.key.starts_with(lead::KEY_PREFIX) {
        return Ok(None);
    }
    let reading = match (taken_back.reading, stage) {
        (same @ (Reading::Campaign | Reading::Validation | Reading::Gold), _) => same,
        // A lead opens an item in whatever stage it is.
        (Reading::Expert, _) if person.role.may(Action::Lead) => Reading::Expert,
        (_, Stage::First) => Reading::First,
        (_, Stage::Second) => Reading::Second,
        (_, Stage::Expert) => Reading::Expert,
        // Who took back another reading may have seen too much to review what is left.
        (Reading::Review, Stage::Review) => Reading::Review,
        (
            _,
            Stage::Review
            | Stage::New
            | Stage::Clean
            | Stage::Accepted
            | Stage::Done
            | Stage::Quarantined,
        ) => return Ok(None),
    };
    let may = match reading {
        Reading::First => !has_labeled(tx, person, taken_back.item, Reading::Second)?,
        Reading::Second => !has_labeled(tx, person, taken_back.item, Reading::First)?,
        Reading::Expert | Reading::Campaign => person.is_expert(now),
        Reading::Review | Reading::Validation | Reading::Gold => true,
    };
    Ok(Some(reading).filter(|_| may))
}

/// Whether the item has a label by the person in a reading.
fn has_labeled(
    tx: &Tx<'_>,
    person: &Person,
    item: i64,
    reading: Reading,
) -> Result<bool, StoreError> {
    let by_person = |past: &AnnotationRow| {
        (past.person, past.reading, past.verdict) == (person.person, reading, Verdict::Label)
    };
    Ok(tx.annotations_of(item)?.iter().any(by_person))
}

fn check(annotation: &Annotation) -> Result<(), ReviewError> {
    check_seconds(annotation.seconds)?;
    let invalid = |what| Err(ReviewError::Invalid { what });
    if annotation.key.is_empty() || annotation.key.len() > KEY_BYTES_MAX {
        return invalid("a key has 1 to 64 bytes");
    }
    let comment = annotation.comment.as_deref().unwrap_or_default();
    if comment.chars().count() > COMMENT_CHARS_MAX {
        return invalid("a comment has at most 2000 characters");
    }
    let skips = annotation.decision == Decision::Skip;
    if annotation.reason.is_some() && !skips {
        return invalid("a reason goes with a skip");
    }
    if annotation.reason == Some(Reason::Other) && comment.trim().is_empty() {
        return invalid("another reason needs a comment that says it");
    }
    let labels = matches!(annotation.decision, Decision::Accept | Decision::Correct);
    if labels && annotation.label.is_none() {
        return invalid("accept and correct need a label");
    }
    Ok(())
}

/// Checks how long somebody took.
///
/// # Errors
/// [`ReviewError::Invalid`].
pub(crate) fn check_seconds(seconds: f32) -> Result<(), ReviewError> {
    if seconds.is_finite() && seconds >= 0.0 {
        return Ok(());
    }
    Err(ReviewError::Invalid { what: "seconds are a number of at least 0" })
}

/// The person's lease on an item. One that has ended is there as long as nobody else took the item, and
/// serves while the item waits for what was asked.
fn lease_of(tx: &Tx<'_>, person: &Person, row: &ItemRow, now: i64) -> Result<Lease, ReviewError> {
    if let Some(error) = foreign_lease(tx, person, row.item, now)? {
        return Err(error);
    }
    let serves = |lease: &Lease| {
        lease.person == person.person
            && (lease.until > now || still_waits(lease.reading, person, row.stage))
    };
    tx.lease(row.item)?.filter(serves).ok_or(ReviewError::NotLeased)
}

/// Whether an item in a stage waits for a reading that the person was given some time ago.
fn still_waits(reading: Reading, person: &Person, stage: Stage) -> bool {
    match reading {
        Reading::First => stage == Stage::First,
        Reading::Second => stage == Stage::Second,
        // A lead may have opened it.
        Reading::Expert => stage == Stage::Expert || person.role.may(Action::Lead),
        Reading::Review => stage == Stage::Review,
        // These are asked of items in any stage.
        Reading::Campaign | Reading::Validation | Reading::Gold => true,
    }
}

/// Why the person cannot have the item: somebody else does.
pub(super) fn foreign_lease(
    tx: &Tx<'_>,
    person: &Person,
    item: i64,
    now: i64,
) -> Result<Option<ReviewError>, StoreError> {
    let lease = tx.lease(item)?.filter(|lease| lease.until > now && lease.person != person.person);
    let Some(lease) = lease else { return Ok(None) };
    let holder = tx.person_of(lease.person)?;
    Ok(Some(ReviewError::Leased {
        holder: holder.map_or_else(|| "another person".to_owned(), |holder| holder.name),
        seconds: lease.until - now,
    }))
}

fn add(
    tx: &Tx<'_>,
    person: i64,
    row: &ItemRow,
    lease: &Lease,
    annotation: &Annotation,
    now: i64,
) -> Result<(), ReviewError> {
    let verdict = match annotation.decision {
        Decision::Accept | Decision::Correct => Verdict::Label,
        Decision::Skip => Verdict::Skip,
        Decision::Flag => Verdict::Flag,
    };
    let project = tx
        .project_by_key(row.project)?
        .ok_or(StoreError::Corrupt { table: "items", column: "project" })?;
    let label = annotation.label.clone().filter(|_| verdict == Verdict::Label);
    if let Some(label) = &label {
        label.check(&project.definition, &CleanItem::load(row)?)?;
    }
    let prelabel = row.prelabel.as_deref().map(Prelabel::decode).transpose()?;
    let accepts = annotation.decision == Decision::Accept;
    if lease.reading == Reading::Review {
        if accepts && staged::reviewed_label(tx, row.item)? != label {
            return Err(ReviewError::Invalid {
                what: "what is approved is the item's label as it is now: ask for items again",
            });
        }
    } else if accepts
        && !is_blind(tx, lease.reading, row)?
        && prelabel.as_ref().is_some_and(|prelabel| Some(prelabel.label()) != label.as_ref())
    {
        return Err(ReviewError::Invalid { what: "accept comes with the prelabel's label" });
    }
    if annotation.looks_real.is_some() && lease.reading != Reading::Validation {
        return Err(ReviewError::Invalid { what: "nobody asked whether this item looks real" });
    }
    let said = Sealed {
        label,
        decision: annotation.decision,
        seconds: annotation.seconds,
        comment: annotation.comment.clone().filter(|comment| !comment.is_empty()),
        prelabel,
        looks_real: annotation.looks_real,
        reason: annotation.reason,
        made: Some(Made::here(project.definition.version)),
    };
    tx.add_annotation(&AnnotationRow {
        annotation: 0, // assigned by the store
        person,
        key: annotation.key.clone(),
        item: row.item,
        reading: lease.reading,
        campaign: lease.campaign,
        review: row.review.filter(|_| lease.reading == Reading::Review),
        made_at: now,
        verdict,
        label: said.encode()?,
    })?;
    let what = match (verdict, lease.reading) {
        (Verdict::Label, Reading::Expert) => What::Adjudicated,
        (Verdict::Label, _) => What::Labeled,
        (Verdict::Skip, _) => What::Skipped,
        (Verdict::Flag, _) => What::Flagged,
    };
    let review = row.review.filter(|_| lease.reading == Reading::Review);
    Ok(note(tx, what, person, &project, row, (lease.reading, review))?)
}

/// Removes an annotation, and notes that it was taken back.
fn take_back(tx: &Tx<'_>, row: &AnnotationRow) -> Result<(), StoreError> {
    tx.remove_annotation(row.annotation)?;
    let item = tx.item(row.item)?.ok_or(StoreError::Corrupt { table: "items", column: "item" })?;
    let project = tx
        .project_by_key(item.project)?
        .ok_or(StoreError::Corrupt { table: "items", column: "project" })?;
    note(tx, What::Undone, row.person, &project, &item, (row.reading, row.review))
}

/// Notes what somebody, by key, did with an item of a project, in which reading and which stage of
/// review.
fn note(
    tx: &Tx<'_>,
    what: What,
    person: i64,
    project: &ProjectRow,
    item: &ItemRow,
    (reading, review): (Reading, Option<u8>),
) -> Result<(), StoreError> {
    let event = Event::new(what).by(tx.who_is(person)?).of(project.definition.name.as_str());
    let mut detail = json!({"reading": reading.name()});
    if let Some(at) = review {
        detail["stage"] = json!(at + 1); // as people count
    }
    tx.note(&event.on(item.opaque).with(detail)).map(drop)
}
