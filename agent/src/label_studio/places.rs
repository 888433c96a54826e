//! Places in what people there see and in what people here see: there they mark the site's own text, here
//! the redacted one.

use insitu_protocol::project::{Project, Task};
use serde_json::{Map, Value as Json};

use super::Studio;
use crate::export::label_studio::Shown;
use crate::item::{CleanItem, Value, other_field};
use crate::label::Label;
use crate::redact::texts::{self, PlaceError, Unread};
use crate::source::{self, LineError};
use crate::store::Store;
use crate::store::items::ItemRow;

/// How places there become places here.
#[derive(Debug)]
pub(super) enum Places {
    /// They are the same.
    Same,
    /// They are in percent of an image of this width and height, in pixels.
    Image([u32; 2]),
    /// Those of a text.
    Text(texts::Places),
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
        match &project.task {
            Task::Spans { field, .. } => {
                let texts = &*studio.texts;
                texts::Places::of(texts, store, project, row, (field.as_str(), data))
                    .map(Self::Text)
            }
            Task::Regions { field, .. } => {
                let clean = CleanItem::load(row).map_err(Unread::Store)?;
                let Some(Value::Image(image)) = clean.value(field.as_str()) else {
                    return Ok(Self::Same);
                };
                Ok(Self::Image([image.width, image.height]))
            }
            Task::Class | Task::Classes | Task::Segments { .. } | Task::Preference { .. } => {
                Ok(Self::Same)
            }
        }
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
            (Self::Same | Self::Image(_) | Self::Text(_), _) => Ok(()),
        }
    }

    /// A label of places there, here.
    ///
    /// # Errors
    /// Why it does not fit what is labeled there.
    pub(super) fn here(&self, project: &Project, label: &Label) -> Result<Label, String> {
        match self {
            Self::Text(places) => places.here(project, label).map_err(|error| error.to_string()),
            Self::Same | Self::Image(_) => Ok(label.clone()),
        }
    }

    /// A label of places here, there.
    pub(super) fn there(&self, label: &Label) -> Label {
        match self {
            Self::Text(places) => places.there(label),
            Self::Same | Self::Image(_) => label.clone(),
        }
    }

    /// What a result tells of what is labeled there.
    pub(super) fn shown(&self) -> Shown<'_> {
        match self {
            Self::Same => Shown::default(),
            Self::Image(size) => Shown { size: Some(*size), ..Shown::default() },
            Self::Text(places) => Shown { text: places.text(), size: None },
        }
    }
}
