//! Events become first readings, skips and deletions.
//!
//! A person there is a person here: the one whom the configuration names, if that person labels here,
//! or one of its own, who cannot sign in. What cannot be taken is noted with its reason, which
//! `insitu-agent label-studio check` shows, and tried again once comparing finds it still there after the
//! reason may have been mended.

use insitu_protocol::project::Project;
use jiff::Timestamp;
use serde_json::Value;

use super::Studio;
use super::media::needs_files;
use super::places::Places;
use super::queue::{Annotated, Event, Task, User, annotation_name};
use super::task::adopt;
use crate::account::nobodys_token;
use crate::label::Label;
use crate::prelabel::Prelabel;
use crate::redact::texts::{PlaceError, Unread};
use crate::review::{Annotation, Decision, ReviewError, annotate_unasked, retract_unasked};
use crate::source::ImportError;
use crate::source::labeled::label_studio::{self, Measured};
use crate::store::items::ItemRow;
use crate::store::labels::{Person, Role, Terms};
use crate::store::orders::ProjectRow;
use crate::store::studio::{EventRow, StudioAnnotation};
use crate::store::{Store, StoreError, Tx};

/// Events taken in one tick.
const AT_ONCE: u32 = 100;
/// Longest time on an item that is believed, seconds: beyond it, somebody left it open.
const SECONDS_MAX: f64 = 86_400.0;

/// Works on a project's events that can be; `true` when there may be more. For the pipeline.
///
/// # Errors
/// [`StoreError`]; the next tick goes on where this one failed.
pub fn take(
    store: &Store,
    project: &ProjectRow,
    studio: &Studio,
    now: i64,
) -> Result<bool, StoreError> {
    // Tasks of which more is to be fetched are for `fetch`, which may wait for Label Studio.
    let new = !needs_files(&project.definition);
    let ready =
        store.read("studio events", |tx| tx.ready_studio_events(project.project, new, AT_ONCE))?;
    for row in &ready {
        match (Event::decode(&row.body)?, row.item) {
            (Event::Annotation { annotation, task }, Some(item)) => {
                if !answer(store, project, studio, row, (item, &annotation, &task), now)? {
                    return Ok(false);
                }
            }
            (Event::Annotation { annotation, task }, None) => {
                let items = adopt(store, project, studio, std::slice::from_ref(&task));
                for item in items.map_err(stored)? {
                    store.tx("studio annotation", |tx| {
                        met(tx, project, row, (&annotation, task.id), item, now)
                    })?;
                }
            }
            (Event::Tasks(tasks), _) => {
                let items = adopt(store, project, studio, &tasks).map_err(stored)?;
                let bad: Vec<String> = items.into_iter().filter_map(Result::err).collect();
                store.tx("studio tasks", |tx| done(tx, row, fault_of(&bad).as_deref(), now))?;
            }
            (Event::Deleted { annotation }, _) => {
                store.tx("studio deletion", |tx| {
                    let fault = delete(tx, project, annotation)?;
                    done(tx, row, fault.as_deref(), now)
                })?;
            }
        }
    }
    Ok(!ready.is_empty())
}

/// Makes what was said of an item that has a route a first reading; `false` while the settings by which
/// its places are found are refused.
fn answer(
    store: &Store,
    project: &ProjectRow,
    studio: &Studio,
    row: &EventRow,
    (item, said, task): (i64, &Annotated, &Task),
    now: i64,
) -> Result<bool, StoreError> {
    let places = match places(store, project, studio, item, task) {
        Ok(places) => Ok(places),
        Err(PlaceError::Unread(Unread::Store(error))) => return Err(error),
        // Items wait, too, until the settings are mended.
        Err(PlaceError::Unread(Unread::Settings)) => return Ok(false),
        Err(fault) => Err(fault.to_string()),
    };
    store.tx("studio annotation", |tx| {
        let fault = match &places {
            Ok(places) => annotate(tx, project, studio, (item, places), said, now)?,
            Err(fault) => Some(fault.clone()),
        };
        done(tx, row, fault.as_deref(), now)
    })?;
    Ok(true)
}

/// Why tasks cannot be items, if some cannot: the first reason stands for all.
pub(super) fn fault_of(bad: &[String]) -> Option<String> {
    bad.first().map(|first| format!("{} tasks: {first}", bad.len()))
}

/// Notes what became of the task of an annotation: its item, or why it is none.
pub(super) fn met(
    tx: &Tx<'_>,
    project: &ProjectRow,
    row: &EventRow,
    (annotation, task): (&Annotated, u64),
    item: Result<i64, String>,
    now: i64,
) -> Result<(), StoreError> {
    match item {
        Ok(item) => await_item(tx, project, row, annotation, task, item),
        Err(fault) => done(tx, row, Some(&fault), now),
    }
}

/// How places in a task become places in its item.
fn places(
    store: &Store,
    project: &ProjectRow,
    studio: &Studio,
    item: i64,
    task: &Task,
) -> Result<Places, PlaceError> {
    let row = store.read("studio item", |tx| tx.item(item)).map_err(Unread::Store)?;
    let missing = Unread::Store(StoreError::Corrupt { table: "items", column: "item" });
    Places::of(store, studio, &project.definition, &row.ok_or(missing)?, &task.data)
}

/// Only the store can fail: what is imported is made here.
fn stored(error: ImportError) -> StoreError {
    match error {
        ImportError::Store(error) => error,
        ImportError::Read(_)
        | ImportError::NoColumn { .. }
        | ImportError::Header(_)
        | ImportError::NoMediaField
        | ImportError::Content { .. }
        | ImportError::Origin { .. }
        | ImportError::TooMany { .. }
        | ImportError::Parquet { .. }
        | ImportError::ParquetSize
        | ImportError::Packed { .. }
        | ImportError::Stopped => StoreError::Corrupt { table: "studio_events", column: "body" },
    }
}

/// Nothing more is to be done about an event, or nothing can be.
pub(super) fn done(
    tx: &Tx<'_>,
    row: &EventRow,
    fault: Option<&str>,
    now: i64,
) -> Result<(), StoreError> {
    fault.iter().for_each(|fault| warn(row, fault));
    tx.take_studio_event(row.event, fault, now)
}

/// Says that some of an event cannot be taken.
pub(super) fn warn(row: &EventRow, fault: &str) {
    tracing::warn!(event = row.event, reason = fault, "Label Studio said what cannot be taken");
    metrics::counter!("insitu_agent_studio_faults_total").increment(1);
}

/// From here on the event waits for its item's draft, which it answers.
fn await_item(
    tx: &Tx<'_>,
    project: &ProjectRow,
    row: &EventRow,
    annotation: &Annotated,
    task: u64,
    item: i64,
) -> Result<(), StoreError> {
    let known = tx.studio_annotation(project.project, annotation.id)?.unwrap_or_default();
    let (annotation, version) = (annotation.id, known.version.max(annotation.version()));
    let known =
        StudioAnnotation { annotation, version, task: Some(task), item: Some(item), ..known };
    tx.put_studio_annotation(project.project, &known)?;
    tx.set_studio_event_item(row.event, item)
}

/// Makes what was said a first reading in place of what the same annotation said before; else why
/// not.
fn annotate(
    tx: &Tx<'_>,
    project: &ProjectRow,
    studio: &Studio,
    (item, places): (i64, &Places),
    said: &Annotated,
    now: i64,
) -> Result<Option<String>, StoreError> {
    let missing = StoreError::Corrupt { table: "studio_annotations", column: "annotation" };
    let known = tx.studio_annotation(project.project, said.id)?.ok_or(missing)?;
    if known.deleted || known.version > said.version() {
        return Ok(None); // a later event says what counts
    }
    let row = tx.item(item)?.ok_or(StoreError::Corrupt { table: "items", column: "item" })?;
    let annotation = match reading(&project.definition, &row, places, said)? {
        Ok(annotation) => annotation,
        Err(fault) => return Ok(Some(fault)),
    };
    let person = person(tx, studio, said.completed_by, now)?;
    // Somebody else's now.
    if known.became.as_ref().is_some_and(|(before, _)| *before != person)
        && let Some(fault) = take_back(tx, project, &known)?
    {
        return Ok(Some(fault));
    }
    let at = said.updated_at.as_second().min(now);
    if let Some(fault) = refused(annotate_unasked(tx, person, &row, &annotation, at))? {
        return Ok(Some(fault));
    }
    let known = StudioAnnotation { became: Some((person, annotation.key)), ..known };
    tx.put_studio_annotation(project.project, &known)?;
    Ok(None)
}

/// Takes back what an annotation said that is gone there; else why not.
fn delete(
    tx: &Tx<'_>,
    project: &ProjectRow,
    annotation: u64,
) -> Result<Option<String>, StoreError> {
    let known = tx.studio_annotation(project.project, annotation)?.unwrap_or_default();
    // Also of one that was never heard of: what is told late of it no longer counts.
    let gone = StudioAnnotation { annotation, deleted: true, became: None, ..known };
    tx.put_studio_annotation(project.project, &gone)?;
    take_back(tx, project, &known)
}

/// Takes back what an annotation has become here; else why not. It may have replaced what the same person
/// says of the task in another annotation: comparing tells that again.
fn take_back(
    tx: &Tx<'_>,
    project: &ProjectRow,
    known: &StudioAnnotation,
) -> Result<Option<String>, StoreError> {
    let Some((person, key)) = &known.became else { return Ok(None) };
    if tx.annotation(*person, key)?.is_none() {
        return Ok(None); // another has replaced it
    }
    if let Some(fault) = refused(retract_unasked(tx, *person, key))? {
        return Ok(Some(fault));
    }
    let Some(task) = known.task else { return Ok(None) };
    let mut others = tx.live_studio_annotations(project.project, task)?;
    others.retain(|other| {
        other.annotation != known.annotation
            && other.became.as_ref().is_some_and(|(other, _)| other == person)
    });
    if let Some(newest) = others.iter().max_by_key(|other| other.version)
        && let Ok(updated_at) = Timestamp::from_microsecond(newest.version)
    {
        let name = annotation_name(newest.annotation, updated_at);
        tx.forget_studio_event(project.project, &name)?;
    }
    Ok(None)
}

/// Why the review refuses; an error only where the store fails.
fn refused(outcome: Result<(), ReviewError>) -> Result<Option<String>, StoreError> {
    match outcome {
        Ok(()) => Ok(None),
        Err(ReviewError::Store(error)) => Err(error),
        Err(error) => Ok(Some(error.to_string())),
    }
}

/// What was said, as a person here would; else why it says nothing.
fn reading(
    project: &Project,
    row: &ItemRow,
    places: &Places,
    said: &Annotated,
) -> Result<Result<Annotation, String>, StoreError> {
    let prelabel = row.prelabel.as_deref().map(Prelabel::decode).transpose()?;
    let label = match chosen(project, places, &said.result) {
        _ if said.was_cancelled => None,
        Ok(label) => Some(label),
        Err(fault) => return Ok(Err(fault)),
    };
    // The draft as it comes back from there: what is marked in part of a replacement there is whole.
    let came_back =
        |prelabel: &Prelabel| places.here(project, &places.there(prelabel.label())).ok();
    let agrees = prelabel.filter(|prelabel| label.is_some() && came_back(prelabel) == label);
    let (label, decision) = match (label, agrees) {
        (None, _) => (None, Decision::Skip),
        // Whoever did not start from the draft did not see it.
        (Some(_), Some(draft)) if said.parent_prediction.is_some() => {
            (Some(draft.label().clone()), Decision::Accept)
        }
        (Some(label), _) => (Some(label), Decision::Correct),
    };
    Ok(Ok(Annotation {
        key: format!("label-studio-{}-{}", said.id, said.version()),
        label,
        seconds: seconds(said.lead_time),
        decision,
        comment: None,
        looks_real: None,
        reason: None,
    }))
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to a day first")]
fn seconds(lead_time: Option<f64>) -> f32 {
    lead_time.filter(|seconds| seconds.is_finite()).unwrap_or(0.0).clamp(0.0, SECONDS_MAX) as f32
}

/// The label that a result is; what other controls say is passed over.
fn chosen(project: &Project, places: &Places, result: &[Value]) -> Result<Label, String> {
    let label = label_studio::label(project, result).map_err(|error| error.to_string())?;
    let Measured { label, size } =
        label.ok_or_else(|| "it does not choose exactly one class".to_owned())?;
    places.check(size).map_err(|error| error.to_string())?;
    places.here(project, &label)
}

/// Who a user is here; made when first heard of.
fn person(tx: &Tx<'_>, studio: &Studio, user: User, now: i64) -> Result<i64, StoreError> {
    let number = match user {
        User::Number(number) | User::Object { id: number } => number.to_string(),
        User::Unknown => "unknown".to_owned(),
    };
    let configured = match studio.settings.people.get(&number) {
        Some(name) => tx.person_named(name)?,
        None => None,
    };
    let labels = |person: &Person| person.role.labels() && person.ended(now).is_none();
    if let Some(known) = configured.filter(labels) {
        return Ok(known.person);
    }
    let own = format!("Label Studio user {number}");
    if let Some(known) = tx.person_named(&own)? {
        return Ok(known.person);
    }
    let nobody = nobodys_token();
    let nobody = nobody.map_err(|_| StoreError::Corrupt { table: "people", column: "token" })?;
    tx.add_person(&own, Role::Annotator, Terms::default(), &nobody, now)?
        .ok_or(StoreError::Corrupt { table: "people", column: "name" })
}
