//! An application's own items and corrections: a program at the site, such as a scanner's viewer
//! or an app on a device, sends what its users work on and what they say of it.
//!
//! An application has a token like a person, with the role [`Role::Application`], and works when it
//! can: items by the site's own ids, corrections by a key of its making, both as often as it likes.
//! What was acknowledged is durable. A correction may arrive before its item has a prelabel; it
//! waits and becomes a first reading as soon as there is something to answer.

pub mod http;
mod show;

use insitu_protocol::project::Project;
use serde::Serialize;
use serde_json::{Map, Value};

pub use self::show::{Draft, Shown, show};
use crate::config::Source;
use crate::item::CleanItem;
use crate::label::Label;
use crate::prelabel::Prelabel;
use crate::redact::texts::{PlaceError, Texts, Unread};
pub use crate::review::RawContext;
use crate::review::{
    Annotation, Decision, KEY_BYTES_MAX, ReviewError, Unasked, annotate_unasked, check_seconds,
};
use crate::source::{self, ImportError, Report};
use crate::store::corrections::NewCorrection;
use crate::store::items::{ItemRow, Stage};
use crate::store::labels::{Action, Role};
use crate::store::orders::ProjectRow;
use crate::store::trail::Who;
use crate::store::{Store, StoreError, Tx};

/// Most items of a request.
pub const ITEMS_MAX: usize = 500;
/// Longest part of a correction's context, code points.
pub const CONTEXT_CHARS_MAX: usize = 200;
/// Most corrections that wait for a prelabel.
pub const WAITING_MAX: u64 = 100_000;
/// Corrections taken at once.
const TAKEN_AT_ONCE: u32 = 500;

/// What a user of an application said of an item.
#[derive(Clone, Debug)]
pub struct Said {
    /// The application's own name for it: the same one is the same correction.
    pub key: String,
    /// The name of a class, or a label as the project's task has it.
    pub label: Value,
    /// When, Unix seconds; now if the application does not say, and never later.
    pub at: Option<i64>,
    /// How long the user took, if the application knows.
    pub seconds: f32,
    /// Where and when.
    pub context: RawContext,
    /// The item's fields as the application has them: where the label is places in a text, in this one.
    /// Not kept.
    pub fields: Option<Map<String, Value>>,
}

/// What became of a correction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Taken {
    /// It is an annotation.
    Labeled,
    /// It waits for the item's prelabel.
    Waiting,
}

/// Why an application is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EdgeError {
    /// As people are refused.
    #[error(transparent)]
    Review(#[from] ReviewError),
    /// The items cannot be taken.
    #[error("the items cannot be stored")]
    Import(#[from] ImportError),
    /// Too many items.
    #[error("{got} items in a request, at most {ITEMS_MAX} are taken")]
    Items {
        /// Items sent.
        got: usize,
    },
    /// Not a class of the project.
    #[error("the project has no class of this name; it has {classes}")]
    Label {
        /// Number of classes.
        classes: usize,
    },
    /// Places without the text in which they are.
    #[error(
        "labels are places in {field:?}, which the agent keeps redacted: send your own with them"
    )]
    Fields {
        /// The field.
        field: String,
    },
    /// Places in a text that is not redacted yet.
    #[error("the item waits to be redacted: nobody can say yet where a place in its text will be")]
    Unredacted,
    /// Places in another text.
    #[error(transparent)]
    Places(PlaceError),
    /// A part of the context is too long.
    #[error("a part of the context has {got} characters, at most {CONTEXT_CHARS_MAX} are kept")]
    Context {
        /// Characters sent.
        got: usize,
    },
    /// It was kept and acknowledged, and could not become a label when its item was ready.
    #[error("it was refused when its item had been drafted: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// Too many corrections wait already.
    #[error(
        "{waiting} labels wait for their items' drafts, at most {WAITING_MAX} do: let the agent run \
         until it has taken some, then send them again"
    )]
    Full {
        /// How many.
        waiting: u64,
    },
}

impl From<StoreError> for EdgeError {
    fn from(error: StoreError) -> Self {
        Self::Review(ReviewError::Store(error))
    }
}

impl From<PlaceError> for EdgeError {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::Unread(Unread::Store(error)) => error.into(),
            PlaceError::NoText { .. }
            | PlaceError::Otherwise
            | PlaceError::Changed { .. }
            | PlaceError::Unread(_) => Self::Places(error),
        }
    }
}

/// Adds items, each an object with the columns that the site's `[[project]]` names, as a line of an
/// imported file. Sending one again changes nothing; one of a known id with other content is bad. Bad
/// ones are reported by their position, from 1, and the others are added.
///
/// # Errors
/// [`EdgeError::Items`], [`EdgeError::Import`].
pub fn add_items(
    store: &Store,
    project: &ProjectRow,
    rules: &Source,
    by: &Who,
    items: &[Map<String, Value>],
) -> Result<Report, EdgeError> {
    if items.len() > ITEMS_MAX {
        return Err(EdgeError::Items { got: items.len() });
    }
    // A line each, so that a record means the same here and in a file.
    let mut lines = Vec::new();
    for item in items {
        serde_json::to_writer(&mut lines, item).map_err(|error| ImportError::Read(error.into()))?;
        lines.push(b'\n');
    }
    let format = source::Format::JsonLines;
    Ok(source::import_by(store, project, rules, by, format, lines.as_slice())?)
}

/// Keeps a correction, and makes it an annotation if the item has a prelabel to answer.
///
/// # Errors
/// [`EdgeError::Label`], [`EdgeError::Context`], [`EdgeError::Full`], [`EdgeError::Refused`],
/// [`EdgeError::Fields`], [`EdgeError::Unredacted`], [`EdgeError::Places`];
/// [`ReviewError::UnknownItem`], [`ReviewError::KeyTaken`], [`ReviewError::Label`],
/// [`ReviewError::Invalid`], [`ReviewError::Closed`].
pub fn correct(
    store: &Store,
    texts: &dyn Texts,
    project: &ProjectRow,
    (application, id): (i64, &str),
    said: &Said,
    now: i64,
) -> Result<Taken, EdgeError> {
    let mut body = body(&project.definition, said, now)?;
    let (row, before) = store.read("edge correction", |tx| {
        let row = item(tx, project, id)?;
        let before = known(tx, application, &said.key, &row)?;
        Ok::<_, EdgeError>((row, before))
    })?;
    if let Some(taken) = before {
        return Ok(taken);
    }
    if let Some(places) = show::places(store, texts, project, &row, said.fields.as_ref())? {
        let moved = places.here(&project.definition, &body.label);
        body.label = moved.map_err(ReviewError::Label)?;
    }
    store.tx("edge correction", |tx| {
        let row = tx.item(row.item)?.ok_or(ReviewError::UnknownItem)?;
        if let Some(taken) = known(tx, application, &said.key, &row)? {
            return Ok(taken);
        }
        // Before it is acknowledged, as far as the item is known.
        if is_redacted(&row) {
            let item = CleanItem::load(&row)?;
            body.label.check(&project.definition, &item).map_err(ReviewError::Label)?;
        }
        let ready = row.route.is_some();
        if !ready {
            let waiting = tx.waiting_corrections()?;
            if waiting >= WAITING_MAX {
                return Err(EdgeError::Full { waiting });
            }
        }
        let correction = add(tx, application, &said.key, row.item, &body, now)?;
        if !ready {
            return Ok(Taken::Waiting);
        }
        annotate(tx, application, &said.key, &row, &body)?;
        tx.take_correction(correction, None, now)?;
        Ok(Taken::Labeled)
    })
}

/// What became of the correction of this key, if there was one.
fn known(
    tx: &Tx<'_>,
    application: i64,
    key: &str,
    row: &ItemRow,
) -> Result<Option<Taken>, EdgeError> {
    let Some(known) = tx.correction(application, key)? else { return Ok(None) };
    if known.item != row.item {
        return Err(ReviewError::KeyTaken.into());
    }
    match known.fault {
        Some(reason) => Err(EdgeError::Refused { reason }),
        None if known.taken => Ok(Some(Taken::Labeled)),
        None => Ok(Some(Taken::Waiting)),
    }
}

/// What became of a label that was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is a first reading now, or will be.
    New,
    /// It is what the person's imports said of the item last; nothing has changed.
    Known,
}

/// Keeps a label that was imported as what a person said, in place of what the person's imports said of
/// the item before; never in place of what they said here. `waiting` is how many corrections wait,
/// counted by the caller, and kept up here. Nothing has changed when it is refused.
///
/// # Errors
/// [`EdgeError::Full`]; [`ReviewError::UnknownItem`], [`ReviewError::Label`],
/// [`ReviewError::LabeledHere`], [`ReviewError::Closed`].
pub(crate) fn keep(
    tx: &Tx<'_>,
    person: i64,
    item: i64,
    label: &Label,
    waiting: &mut u64,
    now: i64,
) -> Result<Kept, EdgeError> {
    let row = tx.item(item)?.ok_or(ReviewError::UnknownItem)?;
    let last = tx.last_correction(person, item)?;
    if let Some(last) = &last
        && last.fault.is_none()
        && Unasked::decode(&last.body)?.label == *label
    {
        return Ok(Kept::Known);
    }
    let ready = row.route.is_some();
    if !ready && *waiting >= WAITING_MAX {
        return Err(EdgeError::Full { waiting: *waiting });
    }
    // Named by what it follows, so that a label that comes back after another is a new one.
    let key = format!("import-{item}-{}", last.map_or(0, |last| last.correction));
    let context = RawContext::default();
    let body = Unasked { label: label.clone(), at: now, seconds: 0.0, context };
    if ready {
        annotate(tx, person, &key, &row, &body)?;
    }
    let correction = add(tx, person, &key, item, &body, now)?;
    if ready {
        tx.take_correction(correction, None, now)?;
    } else {
        *waiting += 1;
    }
    Ok(Kept::New)
}

/// Makes corrections that have waited annotations of items that have a prelabel now; `true` when
/// there may be more. For the pipeline.
///
/// # Errors
/// [`StoreError`].
pub fn take_waiting(store: &Store, project: &ProjectRow, now: i64) -> Result<bool, StoreError> {
    let some = store.read("edge waiting", |tx| tx.ready_corrections(project.project, 1))?;
    if some.is_empty() {
        return Ok(false);
    }
    store.alone("edge take", |tx| {
        let ready = tx.ready_corrections(project.project, TAKEN_AT_ONCE)?;
        for correction in &ready {
            let missing = StoreError::Corrupt { table: "items", column: "item" };
            let row = tx.item(correction.item)?.ok_or(missing)?;
            let body = Unasked::decode(&correction.body)?;
            let fault = match annotate(tx, correction.person, &correction.key, &row, &body) {
                Ok(()) => None,
                Err(ReviewError::Store(error)) => return Err(error),
                // The project has changed, a window has closed, or it does not fit the item.
                Err(error) => Some(error.to_string()),
            };
            if let Some(reason) = &fault {
                tracing::warn!(reason, "a correction cannot be taken");
            }
            tx.take_correction(correction.correction, fault.as_deref(), now)?;
        }
        Ok(ready.len() == usize::try_from(TAKEN_AT_ONCE).unwrap_or(usize::MAX))
    })
}

fn add(
    tx: &Tx<'_>,
    person: i64,
    key: &str,
    item: i64,
    body: &Unasked,
    now: i64,
) -> Result<i64, StoreError> {
    let (context, body) = (body.context.redaction(), body.encode()?);
    tx.add_correction(&NewCorrection { person, key, item, body: &body, context }, now)
}

fn annotate(
    tx: &Tx<'_>,
    application: i64,
    key: &str,
    row: &ItemRow,
    body: &Unasked,
) -> Result<(), ReviewError> {
    let prelabel = row.prelabel.as_deref().map(Prelabel::decode).transpose()?;
    let agrees = prelabel.is_some_and(|prelabel| *prelabel.label() == body.label);
    let annotation = Annotation {
        key: key.to_owned(),
        label: Some(body.label.clone()),
        seconds: body.seconds,
        decision: if agrees { Decision::Accept } else { Decision::Correct },
        comment: None,
        looks_real: None,
        reason: None,
    };
    annotate_unasked(tx, application, row, &annotation, body.at)
}

fn body(project: &Project, said: &Said, now: i64) -> Result<Unasked, EdgeError> {
    if said.key.is_empty() || said.key.len() > KEY_BYTES_MAX {
        return Err(ReviewError::Invalid { what: "a key has 1 to 64 bytes" }.into());
    }
    check_seconds(said.seconds)?;
    let got = said.context.chars();
    if got > CONTEXT_CHARS_MAX {
        return Err(EdgeError::Context { got });
    }
    let label = if let Value::String(name) = &said.label {
        let class = project.class_named(name);
        Label::Class(class.ok_or(EdgeError::Label { classes: project.classes.len() })?)
    } else {
        Label::from_json(&project.task, &said.label).map_err(ReviewError::Label)?
    };
    label.check_classes(project.classes.len()).map_err(ReviewError::Label)?;
    let at = said.at.map_or(now, |at| at.min(now));
    Ok(Unasked { label, at, seconds: said.seconds, context: said.context.clone() })
}

fn item(tx: &Tx<'_>, project: &ProjectRow, id: &str) -> Result<ItemRow, ReviewError> {
    let source = tx.source_hash(project.definition.name.as_str(), id.trim());
    let key = tx.item_of_source(project.project, &source)?.ok_or(ReviewError::UnknownItem)?;
    tx.item(key)?.ok_or(ReviewError::UnknownItem)
}

/// Whether there is a clean item.
fn is_redacted(row: &ItemRow) -> bool {
    !matches!(row.stage, Stage::New | Stage::Quarantined)
}

/// Whether the role may use this.
pub(crate) fn serves(role: Role) -> bool {
    role.may(Action::SendItems)
}

#[cfg(test)]
mod tests;
