//! Places in a site's own text, and in what people here see of it.
//!
//! Some see the site's own text: in a Label Studio, in an application. Here the redacted one is all that
//! is kept. So the site's own is redacted again whenever places in it are told or given: they move with
//! it, and what was replaced in part is marked whole. Where it becomes another text than the item has,
//! nobody knows where a place would be, and nothing is guessed.

use insitu_protocol::ids::ProjectName;
use insitu_protocol::project::Project;
use serde_json::{Map, Value as Json};

use super::{Redacted, Unclean};
use crate::item::{CleanItem, Dirty, Value, beside};
use crate::label::{Label, LabelError};
use crate::source;
use crate::store::items::ItemRow;
use crate::store::{Store, StoreError};

/// Redacts texts as the site's settings say. The pipeline's redactors do; they come later in the loop.
pub trait Texts: Send + Sync {
    /// The text of an item's field, redacted as those of `project` are; `None` where that leaves the
    /// field out.
    ///
    /// # Errors
    /// [`Unread`].
    fn redact(
        &self,
        store: &Store,
        project: &ProjectName,
        row: &ItemRow,
        dirty: Dirty<'_>,
        text: &str,
    ) -> Result<Option<Redacted>, Unread>;
}

/// Why a text cannot be redacted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unread {
    /// The settings are refused: texts wait.
    #[error("the project's redaction settings are refused")]
    Settings,
    /// This text cannot be.
    #[error(transparent)]
    Unclean(#[from] Unclean),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Why places in the site's own text are none in its item's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// There is none, or the item has none.
    #[error("there is no text in {field:?}")]
    NoText {
        /// The field.
        field: String,
    },
    /// It becomes another one than the item has.
    #[error("the text is not the item's: it was changed, or redacted under other settings then")]
    Otherwise,
    /// Another value than the item was made of.
    #[error(
        "the {field:?} is not the item's: it was changed since; undo that there, or make a new task of it"
    )]
    Changed {
        /// The field.
        field: String,
    },
    /// It cannot be redacted.
    #[error(transparent)]
    Unread(#[from] Unread),
}

/// A text as the site has it, and what became of it.
pub(crate) struct Places {
    there: String,
    /// Where it is not the same.
    here: Option<Redacted>,
}

impl std::fmt::Debug for Places {
    /// Without the text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Places(..)")
    }
}

impl Places {
    /// Of a field of the site's own record, whose item is clean.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub(crate) fn of(
        texts: &dyn Texts,
        store: &Store,
        project: &Project,
        row: &ItemRow,
        (field, record): (&str, &Map<String, Json>),
    ) -> Result<Self, PlaceError> {
        let there = record.get(field).and_then(Json::as_str);
        let there = there.ok_or_else(|| PlaceError::NoText { field: field.to_owned() })?;
        let clean = CleanItem::load(row).map_err(Unread::Store)?;
        let Some(Value::Text(clean)) = clean.value(field) else {
            return Err(PlaceError::NoText { field: field.to_owned() });
        };
        // What was redacted before it came there is not redacted again.
        let here = if clean == there {
            None
        } else {
            let dirty =
                Dirty { field, is_text: true, beside: &beside(&source::values(project, record)) };
            let here = texts.redact(store, &project.name, row, dirty, there)?;
            Some(here.filter(|here| *clean == here.text).ok_or(PlaceError::Otherwise)?)
        };
        Ok(Self { there: there.to_owned(), here })
    }

    /// The site's own text.
    pub(crate) fn text(&self) -> &str {
        &self.there
    }

    /// A label of places there, here.
    ///
    /// # Errors
    /// [`LabelError`] where it does not fit the site's own text.
    pub(crate) fn here(&self, project: &Project, label: &Label) -> Result<Label, LabelError> {
        let Label::Spans(spans) = label else { return Ok(label.clone()) };
        // Once moved, a place beyond the text's end would be refused by numbers that nobody gave.
        let text = Value::Text(self.there.clone());
        label.check_with(project, |_| Some(&text))?;
        match &self.here {
            Some(here) => spans.moved(|start, end| here.place_of(start, end)),
            None => Ok(label.clone()),
        }
    }

    /// A label of places here, there.
    pub(crate) fn there(&self, label: &Label) -> Label {
        match (&self.here, label) {
            (Some(here), Label::Spans(spans)) => {
                let moved = spans.moved(|start, end| here.origin_of(start, end));
                moved.unwrap_or_else(|_| label.clone())
            }
            _ => label.clone(),
        }
    }
}
