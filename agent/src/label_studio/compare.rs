//! Comparing: what webhooks have missed is found by asking for everything, and drafts that Label
//! Studio has not got are brought to it in bulk, which it takes twenty times as fast as it pulls.
//!
//! Tasks that were deleted there stay items here, with the labels that people gave them.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Studio;
use super::client::{Client, ClientError};
use super::draft::{given, version};
use super::queue::{Annotated, Event, QueueError, Task, keep};
use super::schema::{Schema, SchemaError};
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError};

/// Tasks asked for at once.
const PAGE_TASKS: usize = 100;
/// Most pages: more tasks than this times [`PAGE_TASKS`] are left to webhooks.
const PAGES_MAX: usize = 10_000;
/// Drafts brought at once.
const BRING_AT_ONCE: u32 = 1000;

/// What comparing has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Compared {
    /// Tasks there.
    pub tasks: u64,
    /// Annotations, changes and deletions that had not been heard of.
    pub missed: u64,
    /// Drafts brought.
    pub brought: u64,
}

/// Why comparing stopped; the next time goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// Label Studio.
    #[error("Label Studio cannot be asked")]
    Client(#[from] ClientError),
    /// Its label config.
    #[error("Label Studio's project does not ask for what the project here does")]
    Schema(#[from] SchemaError),
    /// Too much waits.
    #[error("{waiting} of its events wait already")]
    Full {
        /// How many.
        waiting: u64,
    },
    /// The store.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl From<QueueError> for CompareError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Full { waiting } => Self::Full { waiting },
            QueueError::Store(error) => Self::Store(error),
        }
    }
}

/// A task in a list of them.
#[derive(Deserialize)]
struct Listed {
    #[serde(flatten)]
    task: Task,
    #[serde(default)]
    annotations: Vec<Annotated>,
}

/// Compares everything, then brings drafts. Blocks for as long as Label Studio takes.
///
/// # Errors
/// [`CompareError`]; what was found before stays.
pub fn compare(
    store: &Store,
    project: &ProjectRow,
    studio: &Studio,
    now: i64,
) -> Result<Compared, CompareError> {
    let mut client = Client::new(&studio.settings)?;
    let mut found = Compared::default();
    for page in 1..=PAGES_MAX {
        // One that is newer than the answer is not in it, and not gone: their numbers ascend.
        let newest =
            store.read("studio newest", |tx| tx.newest_studio_annotation(project.project))?;
        let (tasks, last) = listed(&mut client, studio, page)?;
        found.tasks += count(tasks.len());
        found.missed += store.tx("studio compare", |tx| {
            let mut events = Vec::new();
            let mut unknown = Vec::new();
            for Listed { task, annotations } in tasks {
                let alive: BTreeSet<u64> = annotations.iter().map(|said| said.id).collect();
                let here = tx.live_studio_annotations(project.project, task.id)?;
                let gone = here.iter().map(|known| known.annotation);
                let gone = gone.filter(|known| *known <= newest && !alive.contains(known));
                events.extend(gone.map(|annotation| Event::Deleted { annotation }));
                if annotations.is_empty() && tx.studio_task(project.project, task.id)?.is_none() {
                    unknown.push(task.clone());
                }
                events.extend(
                    annotations
                        .into_iter()
                        .map(|annotation| Event::Annotation { annotation, task: task.clone() }),
                );
            }
            if !unknown.is_empty() {
                events.push(Event::Tasks(unknown));
            }
            keep(tx, project.project, &events, now).map(count)
        })?;
        if last {
            break;
        }
    }
    found.brought = bring(store, project, studio, &mut client)?;
    Ok(found)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A page of the tasks there, with their annotations; whether it is the last.
fn listed(
    client: &mut Client,
    studio: &Studio,
    page: usize,
) -> Result<(Vec<Listed>, bool), ClientError> {
    const WHAT: &str = "tasks";
    let (project, page) = (studio.settings.project.to_string(), page.to_string());
    let size = PAGE_TASKS.to_string();
    let query =
        [("project", project.as_str()), ("page", &page), ("page_size", &size), ("fields", "all")];
    let mut answer = match client.get(WHAT, "/api/tasks/", &query) {
        // The page behind the last.
        Err(ClientError::Refused { status: 404, .. }) if page != "1" => {
            return Ok((Vec::new(), true));
        }
        answer => answer?,
    };
    let tasks: Option<Vec<Listed>> = serde_json::from_value(answer["tasks"].take()).ok();
    let tasks = tasks.ok_or(ClientError::Field { what: WHAT, field: "tasks" })?;
    let last = tasks.len() < PAGE_TASKS;
    Ok((tasks, last))
}

/// The label config of the project there, checked against the project here.
///
/// # Errors
/// [`CompareError::Client`], [`CompareError::Schema`].
pub fn schema(
    client: &mut Client,
    project: &ProjectRow,
    studio: &Studio,
) -> Result<Schema, CompareError> {
    const WHAT: &str = "the project";
    let there = client.get(WHAT, &format!("/api/projects/{}/", studio.settings.project), &[])?;
    let config = there["label_config"].as_str();
    let config = config.ok_or(ClientError::Field { what: WHAT, field: "label_config" })?;
    Ok(Schema::read(config, &project.definition)?)
}

/// Brings the drafts that are not there; how many.
fn bring(
    store: &Store,
    project: &ProjectRow,
    studio: &Studio,
    client: &mut Client,
) -> Result<u64, CompareError> {
    let schema = schema(client, project, studio)?;
    let path = format!("/api/projects/{}/import/predictions", studio.settings.project);
    let (mut after, mut brought) = (0, 0);
    loop {
        let rows = store.read("studio drafts", |tx| {
            tx.unbrought_drafts(project.project, after, BRING_AT_ONCE)
        })?;
        let Some(last) = rows.last() else { return Ok(brought) };
        after = last.task;
        let drafts = store.read("studio drafts", |tx| {
            let draft = |row: &crate::store::studio::Unbrought| {
                Ok((row.task, given(tx, project, &schema, row.task, Some(row.item))?))
            };
            rows.iter().map(draft).collect::<Result<Vec<_>, StoreError>>()
        })?;
        let body: Vec<Value> = drafts
            .iter()
            .map(|(task, given)| {
                let version = version(given.maker.as_ref());
                json!({"task": task, "result": given.result, "score": given.score,
                       "model_version": version})
            })
            .collect();
        client.post("drafts", &path, &Value::Array(body))?;
        store.tx("studio drafts", |tx| {
            for (task, given) in &drafts {
                if let Some(maker) = &given.maker {
                    tx.set_brought(project.project, *task, &maker.0)?;
                }
            }
            Ok::<_, StoreError>(())
        })?;
        brought += count(drafts.len());
    }
}
