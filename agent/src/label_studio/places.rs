//! Places in what people there see and in what people here see.
//!
//! There they mark the site's own text, here the redacted one, which is all that is kept. So the text
//! of a task is redacted again whenever places in it are told or given: they move with it, and what
//! was replaced in part is marked whole. Where it becomes another text than the item has, nobody knows
//! where a place would be, and nothing is guessed.

use insitu_protocol::ids::ProjectName;
use insitu_protocol::project::{Project, Task};
use serde_json::{Map, Value as Json};

use super::Studio;
use crate::export::label_studio::Shown;
use crate::item::{CleanItem, Dirty, Value, beside, other_field};
use crate::label::Label;
use crate::redact::{Redacted, Unclean};
use crate::source::{self, LineError};
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

/// Why places in a task are none in its item.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    #[error("the task has no text in {field:?}")]
    NoText { field: String },
    #[error(
        "the task's text is not the item's: it was changed, or redacted under other settings then"
    )]
    Otherwise,
    #[error(
        "the task's {field:?} is not the item's: it was changed since; undo that there, or make a new task \
         of it"
    )]
    Changed { field: String },
    #[error(transparent)]
    Unread(#[from] Unread),
}

/// How places there become places here.
#[derive(Debug)]
pub(super) enum Places {
    /// They are the same.
    Same,
    /// They are in percent of an image of this width and height, in pixels.
    Image([u32; 2]),
    /// Those of a text, by what became of it.
    Text {
        /// As people there see it.
        there: String,
        /// What became of it, where it is not the same.
        here: Option<Redacted>,
    },
}

impl Places {
    /// Of a task with this data, whose item is clean.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub(super) fn of(
        store: &Store,
        studio: &Studio,
        project: &Project,
        row: &ItemRow,
        data: &Map<String, Json>,
    ) -> Result<Self, PlaceError> {
        let mut values = source::values(project, data);
        if let Task::Spans { field, .. } = &project.task {
            values.retain(|(name, _)| name != field.as_str()); // it is looked at below
        }
        let changed = store.read("studio task", |tx| other_field(tx, row.item, &values));
        if let Some(field) = changed.map_err(Unread::Store)? {
            return Err(PlaceError::Changed { field });
        }
        let field = match &project.task {
            Task::Spans { field, .. } => field.as_str(),
            Task::Regions { field, .. } => {
                let clean = CleanItem::load(row).map_err(Unread::Store)?;
                let Some(Value::Image(image)) = clean.value(field.as_str()) else {
                    return Ok(Self::Same);
                };
                return Ok(Self::Image([image.width, image.height]));
            }
            Task::Class | Task::Classes | Task::Segments { .. } | Task::Preference { .. } => {
                return Ok(Self::Same);
            }
        };
        let there = data.get(field).and_then(Json::as_str);
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
                Dirty { field, is_text: true, beside: &beside(&source::values(project, data)) };
            let here = studio.texts.redact(store, &project.name, row, dirty, there)?;
            Some(here.filter(|here| *clean == here.text).ok_or(PlaceError::Otherwise)?)
        };
        Ok(Self::Text { there: there.to_owned(), here })
    }

    /// Whether a result is about what is labeled here, by the `size` of an image that it tells.
    ///
    /// # Errors
    /// [`LineError::Size`].
    pub(super) fn check(&self, size: Option<[u32; 2]>) -> Result<(), LineError> {
        match (self, size) {
            (Self::Image(got), Some(said)) if said != *got => {
                Err(LineError::Size { said, got: *got })
            }
            (Self::Same | Self::Image(_) | Self::Text { .. }, _) => Ok(()),
        }
    }

    /// A label of places there, here.
    ///
    /// # Errors
    /// Why it does not fit what is labeled there.
    pub(super) fn here(&self, project: &Project, label: &Label) -> Result<Label, String> {
        let moved = match (self, label) {
            (Self::Text { there, here }, Label::Spans(spans)) => {
                let text = Value::Text(there.clone());
                // Once moved, a place beyond the text's end would be refused by numbers that nobody gave.
                label.check_with(project, |_| Some(&text)).and_then(|()| match here {
                    Some(here) => spans.moved(|start, end| here.place_of(start, end)),
                    None => Ok(label.clone()),
                })
            }
            (Self::Same | Self::Image(_) | Self::Text { .. }, _) => Ok(label.clone()),
        };
        moved.map_err(|error| error.to_string())
    }

    /// A label of places here, there.
    pub(super) fn there(&self, label: &Label) -> Label {
        match (self, label) {
            (Self::Text { here: Some(here), .. }, Label::Spans(spans)) => {
                let moved = spans.moved(|start, end| here.origin_of(start, end));
                moved.unwrap_or_else(|_| label.clone())
            }
            (Self::Same | Self::Image(_) | Self::Text { .. }, _) => label.clone(),
        }
    }

    /// What a result tells of what is labeled there.
    pub(super) fn shown(&self) -> Shown<'_> {
        match self {
            Self::Same => Shown::default(),
            Self::Image(size) => Shown { size: Some(*size), ..Shown::default() },
            Self::Text { there, .. } => Shown { text: there, size: None },
        }
    }
}
