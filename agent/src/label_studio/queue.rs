//! What Label Studio says, from the moment it is acknowledged until it is taken.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::WAITING_MAX;
use crate::store::studio::{DELETION, TASKS};
use crate::store::{StoreError, Tx};

/// A task as it is told: only what is needed of it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) data: Map<String, Value>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Task({})", self.id)
    }
}

/// An annotation as it is told.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Annotated {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) result: Vec<Value>,
    #[serde(default)]
    pub(crate) was_cancelled: bool,
    pub(crate) updated_at: Timestamp,
    #[serde(default)]
    pub(crate) lead_time: Option<f64>,
    #[serde(default)]
    pub(crate) completed_by: User,
    #[serde(default)]
    pub(crate) parent_prediction: Option<u64>,
}

impl std::fmt::Debug for Annotated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Annotated({})", self.id)
    }
}

/// A user there: webhooks give the number, lists of tasks an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum User {
    /// By number.
    Number(u64),
    /// With more about the person, which is passed over.
    Object {
        /// The number.
        id: u64,
    },
    /// Nobody is named.
    #[default]
    Unknown,
}

/// Something that happened there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// There are tasks.
    Tasks(Vec<Task>),
    /// Somebody labeled or skipped a task, or changed it.
    Annotation { annotation: Annotated, task: Task },
    /// An annotation is gone.
    Deleted { annotation: u64 },
}

/// The events cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {
    #[error("{waiting} events wait, at most {WAITING_MAX} are kept")]
    Full { waiting: u64 },
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl Annotated {
    /// When it was changed last, Unix microseconds: of two versions, the greater is the later.
    pub(crate) fn version(&self) -> i64 {
        self.updated_at.as_microsecond()
    }
}

impl Event {
    /// What it is about and of when: the same name is the same event, told again.
    fn name(&self, body: &[u8]) -> String {
        match self {
            Self::Tasks(_) => format!("{TASKS}{}", blake3::hash(body).to_hex()),
            Self::Annotation { annotation, .. } => {
                annotation_name(annotation.id, annotation.updated_at)
            }
            Self::Deleted { annotation } => format!("{DELETION}{annotation}"),
        }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(self)
            .map_err(|_| StoreError::Corrupt { table: "studio_events", column: "body" })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(bytes)
            .map_err(|_| StoreError::Corrupt { table: "studio_events", column: "body" })
    }
}

/// The name of the event that an annotation was made, or changed last, at a time.
pub(crate) fn annotation_name(annotation: u64, updated_at: Timestamp) -> String {
    format!("annotation {annotation} of {updated_at}")
}

/// Whether an event is kept and not taken yet.
pub(crate) fn waits(tx: &Tx<'_>, project: i64, event: &Event) -> Result<bool, StoreError> {
    tx.studio_event_waits(project, &event.name(&event.encode()?))
}

/// Keeps events; how many of them are new.
pub(crate) fn keep(
    tx: &Tx<'_>,
    project: i64,
    events: &[Event],
    now: i64,
) -> Result<usize, QueueError> {
    let waiting = tx.waiting_studio_events(project)?;
    if waiting >= WAITING_MAX {
        return Err(QueueError::Full { waiting });
    }
    let mut new = 0;
    for event in events {
        let body = event.encode()?;
        new += usize::from(tx.add_studio_event(project, &event.name(&body), &body, now)?);
    }
    Ok(new)
}
