//! Drafts in Label Studio's form.

use insitu_protocol::ids::Digest;
use serde_json::{Value, json};

use super::Studio;
use super::places::Places;
use super::queue::Task;
use super::schema::Schema;
use crate::prelabel::Prelabel;
use crate::redact::texts::{PlaceError, Unread};
use crate::store::acceptance::Audit;
use crate::store::items::Stage;
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError};

/// Hexadecimal digits of a digest that make a version's name.
const VERSION_DIGITS: usize = 16;

/// What is said of a task.
pub(super) struct Given {
    /// Label Studio's `result`; an empty list abstains.
    pub(super) result: Value,
    /// How often such a draft is right, in `[0, 1]`; 0 where there is none.
    pub(super) score: f64,
    /// Who made the draft.
    pub(super) maker: Option<Digest>,
}

/// The draft of a task's item; an abstention where there will be none: the task is not an item, it was
/// put aside or labeled without one, or whoever reads it must not see what the model says. `None` while
/// there may still be one. Not inside a transaction: it may take a while.
pub(super) fn given(
    store: &Store,
    studio: &Studio,
    project: &ProjectRow,
    schema: &Schema,
    task: &Task,
    item: Option<i64>,
) -> Result<Option<Given>, StoreError> {
    let row = match item {
        Some(item) => store.read("studio draft", |tx| tx.item(item))?,
        None => None,
    };
    let abstains = |maker| Ok(Some(Given { result: json!([]), score: 0.0, maker }));
    let Some(row) = row.filter(|row| row.audit != Audit::Chosen) else { return abstains(None) };
    let Some(prelabel) = row.prelabel.as_deref().map(Prelabel::decode).transpose()? else {
        return match row.stage {
            Stage::New | Stage::Clean | Stage::First => Ok(None),
            Stage::Second
            | Stage::Expert
            | Stage::Review
            | Stage::Accepted
            | Stage::Done
            | Stage::Quarantined => abstains(None),
        };
    };
    let places = match Places::of(store, studio, &project.definition, &row, &task.data) {
        Ok(places) => places,
        Err(PlaceError::Unread(Unread::Store(error))) => return Err(error),
        // Until the settings are mended.
        Err(PlaceError::Unread(Unread::Settings)) => return Ok(None),
        // Nobody can say where the draft's places would be there, now or later.
        Err(
            PlaceError::Unread(Unread::Unclean(_))
            | PlaceError::NoText { .. }
            | PlaceError::Otherwise
            | PlaceError::Changed { .. },
        ) => {
            return abstains(Some(prelabel.bundle()));
        }
    };
    let score = prelabel.confidence().clamp(0.0, 1.0);
    let label = places.there(prelabel.label());
    let result = schema.result(&project.definition, task.id, &places, &label, score);
    Ok(Some(Given { result, score, maker: Some(prelabel.bundle()) }))
}

/// The version under which Label Studio knows drafts of this maker: it asks for those of a new one.
pub(super) fn version(maker: Option<&Digest>) -> String {
    match maker {
        Some(digest) => format!("insitu-{}", &digest.to_hex()[..VERSION_DIGITS]),
        None => "insitu-none".to_owned(),
    }
}
